"""How long a sample takes from the board to the journal: ``python -m benchmarks.latency --seconds 60``.

An emulated Cyton on a pseudo-terminal says when it wrote each sample; a reader of the journal, as a window has one,
looks every millisecond for what has come. The difference is what anybody who watches a recording waits for, so it
holds the reader's millisecond too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console

from acquire.errors import JournalError, JournalErrorReason
from acquire.recorder.launch import prepare, start_recorder
from acquire.recordings.journal import JournalTail, RecordKind
from acquire.study import Study
from benchmarks.recorders import EmulatedCyton, Meter, ended, long_protocol, wait_for_samples
from protocols.errors import TrileadError

__all__ = ["Latency", "LatencyProbe", "measure"]

LOOK_INTERVAL_S = 0.001
LIMIT_P99_MS = 20.0


class LatencyProbe:
    """Looks into a journal that is being written, and notes how old each sample is when it can be read there.

    Used as a context manager it closes the journal at the end.

    Args:
        journal: being written.
        sent_ns: gives (index, monotonic ns when it was sent) of the last samples.
        origin: the board's index of the recording's sample 0.

    Attributes:
        latencies_ms: of every sample that was looked at.
    """

    def __init__(self, journal: Path, sent_ns: Callable[[], list[tuple[int, int]]], origin: int = 0) -> None:
        self.latencies_ms: list[float] = []
        self._tail = JournalTail(journal)
        self._sent_ns = sent_ns
        self._origin = origin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tail.__exit__(kind, error, trace)

    def skip(self) -> None:
        """Pass over what has come since the last look; how old it was cannot be known."""
        self._tail.poll()

    def sample(self, duration_s: float) -> None:
        """Watch closely for a while."""
        self.skip()
        seen: list[tuple[int, int, int]] = []
        until_s = time.monotonic() + duration_s
        while time.monotonic() < until_s:
            records = self._tail.poll()
            now_ns = time.monotonic_ns()
            for record in records:
                if record.kind is RecordKind.CHUNK:
                    chunk = self._tail.chunk(record)
                    seen.append((chunk.index, chunk.index + len(chunk.samples), now_ns))
            time.sleep(LOOK_INTERVAL_S)
        sent = dict(self._sent_ns())
        for start, stop, now_ns in seen:
            for index in range(start, stop):
                if (sent_ns := sent.get(index + self._origin)) is not None:
                    self.latencies_ms.append((now_ns - sent_ns) / 1e6)

    def quantiles_ms(self) -> tuple[float, float, float] | None:
        """Median, 99th percentile and maximum; None where nothing was looked at."""
        if not self.latencies_ms:
            return None
        p50, p99, most = np.quantile(self.latencies_ms, [0.5, 0.99, 1.0]).tolist()
        return p50, p99, most


@dataclass(frozen=True, kw_only=True)
class Latency:
    """What was measured.

    Attributes:
        n_samples: how many were looked at.
        p50_ms: from the board's writing of a sample to its being readable in the journal; the median.
        p99_ms: what 99 of 100 samples kept below.
        max_ms: the slowest.
        cpu_share: of one core, that the recorder took.
    """

    n_samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_share: float


def measure(folder: Path, *, duration_s: float) -> Latency:
    """Record from an emulated Cyton in ``folder`` (an empty one) and measure.

    Raises:
        TrileadError: nothing could be recorded.
        JournalError: the journal cannot be followed.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "latency.toml"
    script.write_text(long_protocol(duration_s + 60.0), encoding="utf-8")
    with EmulatedCyton() as cyton:
        config = prepare(study, subject="S01", board=cyton.address, protocol=str(script))
        recorder = start_recorder(config)
        with ended(recorder):
            wait_for_samples(recorder)
            meter = Meter(recorder.process.pid)
            with LatencyProbe(recorder.journal, cyton.sent_ns) as probe:
                probe.sample(duration_s)
            meter.look()
            recorder.stop()
            recorder.result()
    quantiles = probe.quantiles_ms()
    if quantiles is None:
        raise JournalError(
            f"No sample that was sent could be followed into {recorder.journal}; measure for longer.",
            path=recorder.journal,
            reason=JournalErrorReason.BAD_VALUE,
        )
    p50, p99, most = quantiles
    return Latency(n_samples=len(probe.latencies_ms), p50_ms=p50, p99_ms=p99, max_ms=most, cpu_share=meter.cpu_share)


def main() -> int:
    """Measure; 1 when the 99th percentile is above the bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures here")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        try:
            latency = measure(Path(folder), duration_s=arguments.seconds)
        except TrileadError as error:
            console.print(str(error), markup=False)
            return 1
    found = json.dumps(asdict(latency), indent=1)
    console.print(found, markup=False, highlight=False)
    if arguments.json is not None:
        arguments.json.write_text(found + "\n", encoding="utf-8")
    return int(latency.p99_ms > LIMIT_P99_MS)


if __name__ == "__main__":
    sys.exit(main())
