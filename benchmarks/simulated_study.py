"""A study of simulated people, made quickly: straight from the simulated board to recording files."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from acquire.boards.board import Channel
from acquire.boards.sim import GAIN_MV
from acquire.recordings.recording import Header, RecordedEvent, RecordingContent
from acquire.recordings.recording_write import write_recording
from acquire.study import Study
from benchmarks.simulated import simulate
from curate.signals.signal import Signal
from protocols.version import VERSION

__all__ = ["ACTIVITIES", "RATE_HZ", "make_study", "record_person"]

ACTIVITIES = ("rest", "walk", "jog")
RATE_HZ = 250
SESSIONS_PER_PERSON = 2
_NAMES = uuid.UUID(int=5)


def make_study(path: Path, n_recordings: int, *, minutes: float, workers: int = 1) -> Study:
    """Make a study in which everybody does three activities in each of two sessions; the same each time.

    Args:
        path: a folder that is not there yet.
        n_recordings: how many recordings.
        minutes: length of each.
        workers: processes.
    """
    study = Study.create(path, mains_hz=50)
    made = Parallel(n_jobs=workers)(
        delayed(_record)(study, person, session, minutes * 60) for person, session in _sessions(n_recordings)
    )
    assert len(made) == n_recordings
    return study


def _sessions(n_recordings: int) -> Iterator[tuple[int, int]]:
    for number in range(n_recordings):
        yield number // SESSIONS_PER_PERSON + 1, number % SESSIONS_PER_PERSON + 1


def _record(study: Study, person: int, session: int, seconds: float) -> None:
    record_person(study, person, session, seconds)


def record_person(study: Study, person: int, session: int, seconds: float) -> Signal:
    """Write one recording, and give its signal in mV."""
    subject, name = f"S{person:03d}", f"{session:02d}"
    signal, _ = simulate(
        subject, ACTIVITIES, seconds_each=seconds / len(ACTIVITIES), rate_hz=RATE_HZ, seed=10_000 * session + person
    )
    counts = np.round(signal.values / GAIN_MV).astype(np.int32)
    step = len(counts) // len(ACTIVITIES)
    steps = [("step", number * step, activity) for number, activity in enumerate(ACTIVITIES)]
    events = tuple(
        RecordedEvent(
            uuid=str(uuid.uuid5(_NAMES, f"{subject} {name} {index}")),
            index=index,
            host_ns=0,
            kind=kind,
            step=index // step,
            activity=activity,
            text="",
        )
        for kind, index, activity in [*steps, ("end", len(counts), "")]
    )
    header = Header(
        recording_id=str(uuid.uuid5(_NAMES, f"{subject} {name}")),
        subject=subject,
        session=name,
        run=1,
        started_at=f"2026-01-{session:02d}T08:00:00Z",
        board="sim:",
        nominal_rate_hz=float(RATE_HZ),
        mains_hz=study.mains_hz,
        factors={},
        protocol_name="benchmark",
        protocol_sha256="",
        montage={lead: {lead: 1.0} for lead in signal.leads},
        software_version=VERSION,
    )
    content = RecordingContent(
        header=header,
        channels=tuple(Channel(name=lead, gain=GAIN_MV) for lead in signal.leads),
        counts=counts,
        valid=np.array([[0, len(counts)]], dtype=np.int64),
        clock=np.zeros((0, 3), dtype=np.int64),
        events=events,
        gaps=(),
        protocol_text="",
    )
    write_recording(study.recording_path(subject, name, 1), content)
    return signal
