"""A study of made-up recordings whose beats, activities and gaps are known: small, quick, the same each time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acquire.boards.board import Channel
from acquire.recordings.recording import Gap, Header, RecordedEvent, RecordingContent
from acquire.recordings.recording_write import write_recording
from acquire.study import Study

RATE_HZ = 250.0
GAIN_MV = 0.001
ACTIVITIES = ("rest", "walk")
_NAMES = uuid.UUID(int=7)


def uuid_of(text: str) -> str:
    return str(uuid.uuid5(_NAMES, text))


def made_up_counts(
    n_samples: int, *, person: int, session: int, rates_bpm: Sequence[tuple[int, float]], rate_hz: float
) -> np.ndarray:
    """Beats as two Gaussian waves in two channels; `rates_bpm` gives the heart rate from each sample on."""
    rng = np.random.default_rng([person, session, n_samples])
    place, beats = 0.3 * rate_hz, []
    while place < n_samples:
        beats.append(place)
        bpm = [rate for start, rate in rates_bpm if start <= place][-1]
        place += 60 * rate_hz / bpm * (1 + 0.03 * rng.standard_normal())
    time = np.arange(n_samples)
    wave = np.zeros((n_samples, 2))
    for beat in beats:
        near = slice(max(0, int(beat - 0.3 * rate_hz)), int(beat + 0.5 * rate_hz))
        offset = (time[near] - beat) / rate_hz
        qrs, t_wave = np.exp(-((offset / 0.012) ** 2)), np.exp(-(((offset - 0.2) / 0.05) ** 2))
        wave[near, 0] += (0.6 + 0.1 * person) * qrs + 0.2 * t_wave
        wave[near, 1] += (1.1 - 0.05 * person + 0.05 * session) * qrs + 0.3 * t_wave
    wave += 0.015 * rng.standard_normal(wave.shape)
    return np.round(wave / GAIN_MV).astype(np.int32)


def made_up_content(
    *,
    subject: str = "S01",
    session: str = "01",
    run: int = 1,
    person: int = 0,
    seconds: float = 60.0,
    activities: Sequence[str] = ACTIVITIES,
    rate_hz: float = RATE_HZ,
    unit: str = "mV",
    gap: tuple[int, int] | None = None,
    factors: dict[str, str] | None = None,
    events: bool = True,
) -> RecordingContent:
    """One recording that spends its time on the activities in equal parts."""
    n_samples = round(seconds * rate_hz)
    bounds = [n_samples * place // len(activities) for place in range(len(activities) + 1)]
    rates = [(start, 65.0 + 25.0 * place) for place, start in enumerate(bounds[:-1])]
    counts = made_up_counts(n_samples, person=person, session=int(session), rates_bpm=rates, rate_hz=rate_hz)
    name = f"{subject} {session} {run}"
    listed = []
    if events:
        listed = [
            RecordedEvent(
                uuid=uuid_of(f"{name} {place}"),
                index=start,
                host_ns=0,
                kind="step",
                step=place + 1,
                activity=activity,
                text="",
            )
            for place, (start, activity) in enumerate(zip(bounds[:-1], activities, strict=True))
        ]
        listed.append(
            RecordedEvent(
                uuid=uuid_of(f"{name} end"), index=n_samples, host_ns=0, kind="end", step=0, activity="", text=""
            )
        )
    valid, gaps = [[0, n_samples]], ()
    if gap is not None:
        start, length = gap
        counts[start : start + length] = 0
        valid = [[0, start], [start + length, n_samples]]
        gaps = (Gap(start=start, length=length, cause="lost"),)
    return RecordingContent(
        header=Header(
            recording_id=uuid_of(name),
            subject=subject,
            session=session,
            run=run,
            started_at="2024-05-01T10:00:00+00:00",
            board="made up",
            nominal_rate_hz=rate_hz,
            fitted_rate_hz=rate_hz,
            mains_hz=50,
            factors=factors or {},
            protocol_name="",
            protocol_sha256="",
            montage={"I": {"CH1": 1.0}, "II": {"CH2": 1.0}},
            software_version="0",
        ),
        channels=tuple(Channel(name=f"CH{number}", unit=unit, gain=GAIN_MV) for number in (1, 2)),
        counts=counts,
        valid=np.array(valid, dtype=np.int64),
        clock=np.zeros((0, 3), dtype=np.int64),
        events=tuple(listed),
        gaps=gaps,
        protocol_text="",
    )


def write_content(study: Study, content: RecordingContent) -> Path:
    header = content.header
    path = study.recording_path(header.subject, header.session, header.run)
    write_recording(path, content)
    return path


def made_up_study(path: Path, *, n_subjects: int = 3, n_sessions: int = 2, **options: object) -> Study:
    """A study in which everybody did everything in every session."""
    study = Study.create(path, mains_hz=50)
    for person in range(n_subjects):
        for session in range(1, n_sessions + 1):
            write_content(
                study,
                made_up_content(
                    subject=f"S{person + 1:02d}",
                    session=f"{session:02d}",
                    person=person,
                    **options,  # type: ignore[arg-type]
                ),
            )
    return study
