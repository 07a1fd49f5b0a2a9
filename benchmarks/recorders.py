"""What the benchmarks of the recorder have in common: long protocols, boards whose samples are known, and meters."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np
import psutil
from numpy.typing import NDArray

from acquire.emulators import CytonDouble, PseudoTerminal, known_counts
from acquire.recorder.launch import RecorderProcess

__all__ = ["Compared", "EmulatedCyton", "Meter", "compare", "ended", "long_protocol", "wait_for_samples"]

ACTIVITIES = (("rest", "Sit still."), ("walk", "Walk."), ("climb", "Climb stairs."))
LONGEST_STEP_S = 600.0
START_LIMIT_S = 60.0
_BLOCK = 65536

Truth = Callable[[int, int], NDArray[np.int32]]
"""What the samples ``[start, stop)`` must be, shape (stop - start, n_channels)."""


def long_protocol(duration_s: float) -> str:
    """A protocol of steps of at most ten minutes that together last ``duration_s``, as TOML."""
    count = max(2, int(-(-duration_s // LONGEST_STEP_S)))
    lines = ['title = "Long"']
    for number in range(count):
        activity, instruction = ACTIVITIES[number % len(ACTIVITIES)]
        lines += [
            "[[steps]]",
            f'activity = "{activity}"',
            f'instruction = "{instruction}"',
            f"duration_s = {duration_s / count:.3f}",
        ]
    return "\n".join(lines) + "\n"


def wait_for_samples(recorder: RecorderProcess) -> None:
    """Wait until a recorder has its first samples.

    Raises:
        TrileadError: it ended before, and why.
        TimeoutError: none came within a minute.
    """
    limit_s = time.monotonic() + START_LIMIT_S
    while (status := recorder.status()) is None or status.n_samples == 0:
        if recorder.wait(0.02):
            recorder.result()
        if time.monotonic() > limit_s:
            raise TimeoutError(f"no samples came within {START_LIMIT_S:.0f} s")


@contextlib.contextmanager
def ended(recorder: RecorderProcess) -> Iterator[None]:
    """Kill a recorder that is still there when the block is left."""
    try:
        yield
    finally:
        if not recorder.wait(0):
            recorder.process.kill()
            recorder.wait(START_LIMIT_S)


class EmulatedCyton:
    """A Cyton on a pseudo-terminal that sends a known waveform; a context manager.

    Args:
        speed: times real time.

    Attributes:
        terminal: where it sits.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self.terminal = PseudoTerminal(CytonDouble(), speed=speed)

    def __enter__(self) -> Self:
        self.terminal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminal.__exit__(kind, error, trace)

    @property
    def address(self) -> str:
        """To record from."""
        return f"cyton:{self.terminal.port}"

    def sent_ns(self) -> list[tuple[int, int]]:
        """(index, monotonic ns when it was sent) of the last samples."""
        return self.terminal.sent_times_ns

    def truth(self, start: int, stop: int) -> NDArray[np.int32]:
        """What the recording's samples ``[start, stop)`` must be."""
        return known_counts(np.arange(start, stop), 3)


class Meter:
    """What a process takes up, looked at whenever ``look`` is called.

    Attributes:
        rss_mb: now.
        rss_begin_mb: when the meter was made.
        rss_max_mb: the most that was seen.
        cpu_share: of one core, since the meter was made.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began_s = time.monotonic()
        self._began_cpu_s = self._cpu_s()
        self.rss_mb = self.rss_begin_mb = self.rss_max_mb = self._rss_mb()
        self.cpu_share = 0.0

    def look(self) -> None:
        """Look again; the last figures stay when the process has gone."""
        try:
            self.rss_mb, cpu_s = self._rss_mb(), self._cpu_s()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return
        self.rss_max_mb = max(self.rss_max_mb, self.rss_mb)
        self.cpu_share = (cpu_s - self._began_cpu_s) / max(1e-9, time.monotonic() - self._began_s)

    def _rss_mb(self) -> float:
        return float(self._process.memory_info().rss) / 1e6

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A recording against what was sent.

    Attributes:
        n_samples: rows of the recording, gaps included.
        received: rows that are no gap.
        wrong: of these, the rows that differ from what was sent.
    """

    n_samples: int
    received: int
    wrong: int


def compare(recording: Path, truth: Truth) -> Compared:
    """Compare a recording sample by sample, a block at a time."""
    received = wrong = 0
    with h5py.File(recording) as file:
        signal, valid = file["signal"], file["valid"][...]
        for start, stop in valid.tolist():
            for first, last in _blocks(start, stop):
                wrong += int((signal[first:last] != truth(first, last)).any(axis=1).sum())
            received += stop - start
        return Compared(n_samples=len(signal), received=received, wrong=wrong)


def _blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, _BLOCK):
        yield first, min(first + _BLOCK, stop)
