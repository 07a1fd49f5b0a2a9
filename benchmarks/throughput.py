"""How much a recorder can take: ``python -m benchmarks.throughput``.

For each rate and number of channels a recording with known samples is generated and replayed, as fast as it goes, to a
recorder process that is held on one core. What comes out is compared sample by sample; the pace, as a multiple of real
time, is what one core sustains, the replaying board's own work included. ``--hours 24`` records a simulated day at
speed and watches memory; ``--cpu-seconds 30`` measures the load of 250 Hz × 3 from an emulated Cyton.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from acquire.boards.board import Channel
from acquire.emulators import known_counts
from acquire.recorder.launch import RecorderProcess, prepare, start_recorder
from acquire.recordings.content import Header, RecordedEvent, RecordingContent
from acquire.recordings.recording_write import write_recording
from acquire.study import Study
from benchmarks.latency import measure
from benchmarks.recorders import Compared, Meter, compare, ended, long_protocol, wait_for_samples
from protocols.errors import TrileadError

__all__ = ["Memory", "Throughput", "remember", "sustain"]

LOADS = ((250, 3), (500, 3), (1000, 8), (2000, 8), (4000, 8), (8000, 8), (16000, 8))
SIGNAL_S = 60.0
PACED_S = 10.0
LOOK_INTERVAL_S = 0.02
PACED_LOOK_INTERVAL_S = 0.25
MEMORY_GROWTH_MB = 30.0
MONOTONIC_START_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What one load came to.

    Attributes:
        rate_hz: samples a second.
        n_channels: columns.
        sent: samples.
        lost: of them, those that are not in the recording.
        wrong: rows of the recording that differ from what was sent.
        times_real_time: how much faster than real time one core recorded it.
        cpu_share: of that core, at real-time pace and in chunks of 10 ms.
        journal_bytes_per_min: of signal, in chunks of 10 ms.
        recording_bytes_per_min: of signal.
        rss_max_mb: of the recorder.
    """

    rate_hz: int
    n_channels: int
    sent: int
    lost: int
    wrong: int
    times_real_time: float
    cpu_share: float
    journal_bytes_per_min: float
    recording_bytes_per_min: float
    rss_max_mb: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A long recording's memory.

    Attributes:
        hours: of signal.
        n_samples: in the recording.
        lost: samples that are not in it.
        rss_begin_mb: of the recorder, after a hundredth of the signal.
        rss_end_mb: when the signal ended.
        rss_max_mb: while it recorded.
        rss_finishing_max_mb: while it made the recording file.
        journal_bytes: at the end.
        recording_bytes: of the file.
        recording_s: wall time of the recording.
        finishing_s: wall time of the making of the file.
    """

    hours: float
    n_samples: int
    lost: int
    rss_begin_mb: float
    rss_end_mb: float
    rss_max_mb: float
    rss_finishing_max_mb: float
    journal_bytes: int
    recording_bytes: int
    recording_s: float
    finishing_s: float


@dataclass(frozen=True, kw_only=True)
class _Replayed:
    compared: Compared
    recording: Path
    meter: Meter
    journal_bytes: int


def sustain(
    folder: Path, *, rate_hz: int, n_channels: int, signal_s: float = SIGNAL_S, paced_s: float = PACED_S
) -> Throughput:
    """Record a generated recording in ``folder`` (an empty one) as fast as one core can, and a piece at its own pace.

    Raises:
        TrileadError: it could not be recorded.
    """
    study = Study.create(folder / "study", mains_hz=50)
    fast = _replayed(study, folder / "fast.h5", "max", rate_hz, n_channels, signal_s)
    paced = _replayed(study, folder / "paced.h5", "1", rate_hz, n_channels, paced_s)
    with h5py.File(fast.recording) as file:
        clock = file["clock"][...]
    rows, wall_s = clock[-1, 0] - clock[0, 0], (clock[-1, 1] - clock[0, 1]) / 1e9
    sent = round(signal_s * rate_hz) + round(paced_s * rate_hz)
    minutes = signal_s / 60.0
    return Throughput(
        rate_hz=rate_hz,
        n_channels=n_channels,
        sent=sent,
        lost=sent - fast.compared.received - paced.compared.received,
        wrong=fast.compared.wrong + paced.compared.wrong,
        times_real_time=float(rows / rate_hz / max(wall_s, 1e-9)),
        cpu_share=paced.meter.cpu_share,
        journal_bytes_per_min=60.0 * paced.journal_bytes / paced_s,
        recording_bytes_per_min=fast.recording.stat().st_size / minutes,
        rss_max_mb=max(fast.meter.rss_max_mb, paced.meter.rss_max_mb),
    )


def _replayed(study: Study, source: Path, speed: str, rate_hz: int, n_channels: int, signal_s: float) -> _Replayed:
    write_recording(source, _generated(round(signal_s * rate_hz), rate_hz, n_channels))
    script = source.with_suffix(".toml")
    script.write_text(long_protocol(signal_s), encoding="utf-8")
    recorder = start_recorder(
        prepare(study, subject="S01", board=f"replay:{source}?speed={speed}", protocol=str(script))
    )
    _hold_on_one_core(recorder)
    journal_bytes = 0
    with ended(recorder):
        wait_for_samples(recorder)
        meter = Meter(recorder.process.pid)
        # Answering costs the recorder too, so one whose load is measured is seldom asked.
        while not recorder.wait(LOOK_INTERVAL_S if speed == "max" else PACED_LOOK_INTERVAL_S):
            status = recorder.status()
            if status is not None and status.state != "finishing":
                meter.look()
            with contextlib.suppress(FileNotFoundError):
                journal_bytes = max(journal_bytes, recorder.journal.stat().st_size)
        summary = recorder.result()

    def truth(start: int, stop: int) -> NDArray[np.int32]:
        return known_counts(np.arange(start, stop), n_channels)

    return _Replayed(
        compared=compare(summary.path, truth), recording=summary.path, meter=meter, journal_bytes=journal_bytes
    )


def remember(folder: Path, *, hours: float) -> Memory:
    """Record a simulated board for ``hours`` of signal, as fast as it goes, and watch the recorder's memory.

    Raises:
        TrileadError: it could not be recorded.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "long.toml"
    script.write_text(long_protocol(3600.0 * hours), encoding="utf-8")
    recorder = start_recorder(prepare(study, subject="S01", board="sim:?speed=max", protocol=str(script)))
    began_s = ended_s = time.monotonic()
    journal_bytes, rss_end_mb = 0, 0.0
    recording: Meter | None = None
    finishing: Meter | None = None
    with ended(recorder):
        wait_for_samples(recorder)
        while not recorder.wait(LOOK_INTERVAL_S):
            status = recorder.status()
            if status is None or status.state == "finishing":
                if finishing is None:
                    finishing, ended_s = Meter(recorder.process.pid), time.monotonic()
                finishing.look()
            elif recording is None:
                if status.elapsed_s >= 36.0 * hours:
                    recording = Meter(recorder.process.pid)
            else:
                recording.look()
                rss_end_mb = recording.rss_mb
            with contextlib.suppress(FileNotFoundError):
                journal_bytes = max(journal_bytes, recorder.journal.stat().st_size)
        summary = recorder.result()
    return Memory(
        hours=hours,
        n_samples=summary.n_samples,
        lost=summary.lost_samples,
        rss_begin_mb=recording.rss_begin_mb if recording else 0.0,
        rss_end_mb=rss_end_mb,
        rss_max_mb=recording.rss_max_mb if recording else 0.0,
        rss_finishing_max_mb=finishing.rss_max_mb if finishing else 0.0,
        journal_bytes=journal_bytes,
        recording_bytes=summary.path.stat().st_size,
        recording_s=ended_s - began_s,
        finishing_s=time.monotonic() - ended_s,
    )


def _generated(n_samples: int, rate_hz: int, n_channels: int) -> RecordingContent:
    names = [f"CH{number + 1}" for number in range(n_channels)]
    last_ns = MONOTONIC_START_NS + round(1e9 * (n_samples - 1) / rate_hz)
    started = RecordedEvent(
        uuid="start", index=0, host_ns=MONOTONIC_START_NS, kind="start", step=0, activity="", text="Generated"
    )
    return RecordingContent(
        header=Header(
            recording_id="00000000-0000-4000-8000-000000000000",
            subject="S01",
            session="01",
            run=1,
            operator="",
            started_at="2026-01-01T00:00:00.000+00:00",
            board="generated",
            nominal_rate_hz=float(rate_hz),
            fitted_rate_hz=float(rate_hz),
            mains_hz=50,
            factors={},
            protocol_name="",
            protocol_sha256="",
            montage={"I": {names[0]: 1.0}, "II": {names[1]: 1.0}},
            software_version="0",
        ),
        channels=tuple(Channel(name=name, gain=4500.0 / 12 / (2**23 - 1)) for name in names),
        counts=known_counts(np.arange(n_samples), n_channels),
        valid=np.array([[0, n_samples]], dtype=np.int64),
        clock=np.array([[0, MONOTONIC_START_NS, 0], [n_samples - 1, last_ns, last_ns - MONOTONIC_START_NS]]),
        events=(started,),
        gaps=(),
        protocol_text="",
    )


def _hold_on_one_core(recorder: RecorderProcess) -> None:
    # macOS has no such thing; there the operating system chooses.
    process = psutil.Process(recorder.process.pid)
    if hasattr(process, "cpu_affinity"):
        process.cpu_affinity([max(range(os.cpu_count() or 1))])


def _tell_loads(console: Console, done: list[Throughput]) -> None:
    table = Table(title="One core, as fast as it goes")
    for column in (
        "Hz",
        "channels",
        "samples",
        "lost",
        "wrong",
        "× real time",
        "CPU",
        "journal/min",
        "recording/min",
        "RSS",
    ):
        table.add_column(column, justify="right")
    for one in done:
        table.add_row(
            str(one.rate_hz),
            str(one.n_channels),
            str(one.sent),
            str(one.lost),
            str(one.wrong),
            f"{one.times_real_time:.0f}",
            f"{100 * one.cpu_share:.1f} %",
            f"{one.journal_bytes_per_min / 1e6:.2f} MB",
            f"{one.recording_bytes_per_min / 1e6:.2f} MB",
            f"{one.rss_max_mb:.0f} MB",
        )
    console.print(table)


def main() -> int:
    """Measure what is asked for; 1 when a sample was lost or wrong, a load was too much, or memory grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--signal-seconds", type=float, default=SIGNAL_S, help="of signal for each load; 0 for none")
    parser.add_argument("--hours", type=float, default=0.0, help="of a simulated recording whose memory is watched")
    parser.add_argument("--cpu-seconds", type=float, default=0.0, help="of real time at 250 Hz × 3, for its CPU load")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures here")
    arguments = parser.parse_args()
    console = Console(width=120)
    told: dict[str, Any] = {}
    good = True
    try:
        if arguments.signal_seconds > 0:
            done = []
            for rate_hz, n_channels in LOADS:
                with tempfile.TemporaryDirectory() as folder:
                    load = sustain(
                        Path(folder), rate_hz=rate_hz, n_channels=n_channels, signal_s=arguments.signal_seconds
                    )
                done.append(load)
                good &= load.lost == 0 and load.wrong == 0 and load.times_real_time > 1 and load.cpu_share < 1
            _tell_loads(console, done)
            told["loads"] = [asdict(load) for load in done]
        if arguments.cpu_seconds > 0:
            with tempfile.TemporaryDirectory() as folder:
                latency = measure(Path(folder), duration_s=arguments.cpu_seconds)
            console.print(f"250 Hz × 3 over a pseudo-terminal: {100 * latency.cpu_share:.1f} % of one core")
            told["cpu_share_250_hz_3"] = latency.cpu_share
        if arguments.hours > 0:
            with tempfile.TemporaryDirectory() as folder:
                memory = remember(Path(folder), hours=arguments.hours)
            console.print(asdict(memory))
            told["memory"] = asdict(memory)
            good &= memory.lost == 0 and memory.rss_max_mb - memory.rss_begin_mb <= MEMORY_GROWTH_MB
    except TrileadError as error:
        console.print(str(error), markup=False)
        return 1
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    console.print("All was sustained." if good else "Not all was sustained.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
