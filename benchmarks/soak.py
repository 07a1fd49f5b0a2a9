"""Record for hours and see that nothing is lost: ``python -m benchmarks.soak --hours 2``.

A recorder process of its own records a long protocol from a Cyton on a pseudo-terminal (an emulated board that sends a
known waveform at real-time pace). A line is printed a minute; at the end every sample in the recording file is compared
with what was sent. ``--minutes 2 --board sim --speed 20`` does the like with the simulated board, faster than real
time. It leaves with 1 if a sample is lost or wrong, if memory grew beyond a bound, or if the recording ended early.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from acquire.boards.simulate import simulate
from acquire.recorder.control import RecorderStatus
from acquire.recorder.launch import RecorderProcess, prepare, start_recorder
from acquire.study import Study
from benchmarks.latency import LatencyProbe
from benchmarks.recorders import EmulatedCyton, Meter, compare, ended, long_protocol, wait_for_samples
from protocols.errors import TrileadError
from protocols.script import load_script

__all__ = ["SoakFigures", "soak"]

RATE_HZ = 250
MEMORY_GROWTH_MB = 30.0
"""The bound on the recorder's growth from its first minute to its last."""
WARM_UP_S = 20.0
LOOK_INTERVAL_S = 1.0
PROBE_EVERY_S = 60.0
PROBE_S = 5.0


@dataclass(kw_only=True)
class SoakFigures:
    """What a soak found.

    Attributes:
        board: emulated Cyton or simulated board, and its speed.
        duration_s: of the protocol.
        sent: samples the board sent up to the end of the protocol.
        received: real samples in the recording.
        lost: samples that were sent and are not in the recording.
        wrong: samples in the recording that differ from what was sent.
        gaps: in the recording.
        complete: whether the protocol ran to its end.
        reason: why the recording ended.
        stalls: how often no samples came for a second.
        bad_bytes: of the link.
        reconnects: of the link.
        latency_p50_ms: from the sending of a sample to its journal, looked at for 5 s each minute; None where the board
            does not say when it sends.
        latency_p99_ms: likewise.
        latency_max_ms: likewise.
        rss_begin_mb: of the recorder after 20 s.
        rss_end_mb: when the protocol ended.
        rss_max_mb: while it recorded.
        rss_finishing_max_mb: while it made the recording file.
        cpu_share: of one core, while it recorded.
        journal_bytes: at the end of the protocol.
        recording_bytes: of the recording file.
        fitted_rate_hz: what the recorder fitted.
        finishing_s: from the end of the protocol to the end of the process.
        wall_s: all together.
        faults: what was not as it should be, a sentence's middle each.
    """

    board: str
    duration_s: float
    sent: int = 0
    received: int = 0
    lost: int = 0
    wrong: int = 0
    gaps: int = 0
    complete: bool = False
    reason: str = ""
    stalls: int = 0
    bad_bytes: int = 0
    reconnects: int = 0
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_max_ms: float | None = None
    rss_begin_mb: float = 0.0
    rss_end_mb: float = 0.0
    rss_max_mb: float = 0.0
    rss_finishing_max_mb: float = 0.0
    cpu_share: float = 0.0
    journal_bytes: int = 0
    recording_bytes: int = 0
    fitted_rate_hz: float = 0.0
    finishing_s: float = 0.0
    wall_s: float = 0.0
    faults: list[str] = field(default_factory=list)


def soak(folder: Path, *, duration_s: float, board: str = "cyton", speed: float = 1.0, console: Console) -> SoakFigures:
    """Record for ``duration_s`` of signal in ``folder`` (an empty one), and compare.

    Args:
        folder: gets a study.
        duration_s: of the protocol.
        board: ``cyton`` (emulated, on a pseudo-terminal) or ``sim``.
        speed: times real time.
        console: gets a line a minute.

    Raises:
        TrileadError: the recording could not be made at all.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "soak.toml"
    script.write_text(long_protocol(duration_s), encoding="utf-8")
    figures = SoakFigures(board=f"{board} at {speed:g} times real time", duration_s=duration_s)
    began_s = time.monotonic()
    plan = load_script(script).script.plan()
    figures.sent = sum(round(entry.duration_s * RATE_HZ) for entry in plan)
    with _board(board, speed, script, figures.sent) as source:
        recorder = start_recorder(prepare(study, subject="S01", board=source.address, protocol=str(script)))
        with ended(recorder):
            wait_for_samples(recorder)
            probe = LatencyProbe(recorder.journal, source.sent_ns) if isinstance(source, EmulatedCyton) else None
            with probe or contextlib.nullcontext():
                ended_s = _follow(recorder, figures, probe, console, began_s)
            summary = recorder.result()
        figures.finishing_s = time.monotonic() - ended_s
    compared = compare(summary.path, source.truth)
    figures.received, figures.wrong = compared.received, compared.wrong
    figures.lost = figures.sent - compared.received
    figures.gaps = len(summary.gaps)
    figures.complete, figures.reason = summary.complete, summary.reason
    figures.fitted_rate_hz = summary.rate_hz
    figures.recording_bytes = summary.path.stat().st_size
    if probe is not None and (quantiles := probe.quantiles_ms()) is not None:
        figures.latency_p50_ms, figures.latency_p99_ms, figures.latency_max_ms = quantiles
    figures.wall_s = time.monotonic() - began_s
    figures.faults = _faults(figures)
    return figures


def _follow(
    recorder: RecorderProcess, figures: SoakFigures, probe: LatencyProbe | None, console: Console, began_s: float
) -> float:
    """Follow a recorder to its end; says when the protocol ended, by the monotonic clock."""
    meter: Meter | None = None
    finishing: Meter | None = None
    ended_s = 0.0
    stalled = False
    next_line_s = time.monotonic() + PROBE_EVERY_S
    wait_s = LOOK_INTERVAL_S
    while not recorder.wait(wait_s):
        now_s = time.monotonic()
        status = recorder.status()
        if status is None or status.state == "finishing":
            ended_s = ended_s or now_s
            finishing = finishing or Meter(recorder.process.pid)
            finishing.look()
            wait_s = 0.05
            continue
        stalled, before = status.state in ("stalled", "reconnecting"), stalled
        figures.stalls += stalled and not before
        figures.bad_bytes, figures.reconnects = status.bad_bytes, status.reconnects
        if status.remaining_s < 2 * LOOK_INTERVAL_S and status.position == status.n_steps - 1:
            wait_s = 0.05
        if recorder.journal.exists():
            figures.journal_bytes = recorder.journal.stat().st_size
        if meter is None and (now_s - began_s >= WARM_UP_S or status.remaining_s + status.elapsed_s < 60):
            meter = Meter(recorder.process.pid)
        if meter is not None:
            meter.look()
            figures.rss_begin_mb, figures.rss_end_mb = meter.rss_begin_mb, meter.rss_mb
            figures.rss_max_mb, figures.cpu_share = meter.rss_max_mb, meter.cpu_share
        if now_s >= next_line_s:
            next_line_s += PROBE_EVERY_S
            if probe is not None:
                probe.sample(PROBE_S)
            console.print(_line(status, figures, now_s - began_s))
        elif probe is not None:
            probe.skip()
    if finishing is not None:
        figures.rss_finishing_max_mb = finishing.rss_max_mb
    return ended_s or time.monotonic()


def _line(status: RecorderStatus, figures: SoakFigures, wall_s: float) -> str:
    return (
        f"{wall_s / 60:6.1f} min  {status.state:<12} {status.n_samples:>9} samples  {status.gaps} gaps"
        f"  {figures.rss_end_mb:6.1f} MB  {100 * figures.cpu_share:5.2f} % CPU"
        f"  journal {figures.journal_bytes / 1e6:.1f} MB"
    )


def _faults(figures: SoakFigures) -> list[str]:
    faults = []
    if figures.lost:
        faults.append(f"{figures.lost} samples were lost")
    if figures.wrong:
        faults.append(f"{figures.wrong} samples are wrong")
    if not figures.complete:
        faults.append(f"the recording ended early ({figures.reason})")
    growth_mb = figures.rss_max_mb - figures.rss_begin_mb
    if growth_mb > MEMORY_GROWTH_MB:
        faults.append(f"memory grew by {growth_mb:.1f} MB (the limit is {MEMORY_GROWTH_MB:g} MB)")
    return faults


class _Simulated:
    """The simulated board as a source whose samples are known."""

    def __init__(self, speed: float, script: Path, n_samples: int) -> None:
        self.address = f"sim:?rate={RATE_HZ}&speed={speed:g}"
        self._script = script
        self._n_samples = n_samples

    def truth(self, start: int, stop: int) -> NDArray[np.int32]:
        return self._whole[start:stop]

    @functools.cached_property
    def _whole(self) -> NDArray[np.int32]:
        script = load_script(self._script).script
        return simulate(script, self.address, subject="S01", session="01", mains_hz=50, n_samples=self._n_samples)


@contextlib.contextmanager
def _board(kind: str, speed: float, script: Path, n_samples: int) -> Iterator[EmulatedCyton | _Simulated]:
    if kind == "sim":
        yield _Simulated(speed, script, n_samples)
        return
    with EmulatedCyton(speed=speed) as cyton:
        yield cyton


def main() -> int:
    """Soak as long as asked; 1 when something was not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--hours", type=float, help="how long to record, of signal")
    length.add_argument("--minutes", type=float, help="the same in minutes")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time")
    parser.add_argument("--board", choices=("cyton", "sim"), default="cyton", help="emulated on a pty, or simulated")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures here")
    parser.add_argument("--folder", type=Path, default=None, help="keep the study here; a temporary one if left out")
    arguments = parser.parse_args()
    duration_s = 3600.0 * arguments.hours if arguments.hours is not None else 60.0 * arguments.minutes
    console = Console(width=140)
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            figures = soak(folder, duration_s=duration_s, board=arguments.board, speed=arguments.speed, console=console)
        except TrileadError as error:
            console.print(f"The soak could not be done: {error}")
            return 1
    found = json.dumps(asdict(figures), indent=1)
    console.print(found, markup=False, highlight=False)
    if arguments.json is not None:
        arguments.json.write_text(found + "\n", encoding="utf-8")
    console.print("; ".join(figures.faults) or "Nothing was lost, and nothing is wrong.")
    return 1 if figures.faults else 0


if __name__ == "__main__":
    sys.exit(main())
