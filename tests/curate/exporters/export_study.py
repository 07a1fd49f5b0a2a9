"""A small study with everything an export has to carry: a gap, several layers, beats, hostile texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from acquire.recordings.recording import RecordedEvent, Recording, RecordingContent, open_recording
from acquire.recordings.recording_write import write_recording
from acquire.study import Study
from curate.labels.layer import Layer

HOSTILE = 'a, "b"\tc\nd\r\ne\\ é 心 \x7f \u2028 \U0001f600 =1+1'
LONG = "".join(chr(0x4E00 + place % 500) for place in range(4000))
NAME = "sub-S01_ses-01_run-01"

Make = Callable[..., RecordingContent]


def write_into(study: Study, content: RecordingContent) -> Path:
    header = content.header
    path = study.recording_path(header.subject, header.session, header.run)
    write_recording(path, content)
    return path


def with_header(content: RecordingContent, **fields: Any) -> RecordingContent:
    return dataclasses.replace(content, header=dataclasses.replace(content.header, **fields))


def with_samples(content: RecordingContent, counts: np.ndarray, *, gains: tuple[float, ...] | None = None) -> Any:
    channels = content.channels
    if gains is not None:
        channels = tuple(dataclasses.replace(c, gain=gain) for c, gain in zip(channels, gains, strict=True))
    counts = counts.copy()
    for gap in content.gaps:
        counts[gap.start : gap.start + gap.length] = 0
    return dataclasses.replace(content, counts=counts, channels=channels)


def labelled_study(study: Study, make_content: Make) -> Study:
    content = make_content()
    events = list(content.events)
    events.insert(2, RecordedEvent(uuid="n", index=700, host_ns=5, kind="note", step=1, activity="rest", text=HOSTILE))
    path = write_into(study, dataclasses.replace(content, events=tuple(events)))
    with open_recording(path) as recording:
        label(study, recording)
    return study


def label(study: Study, recording: Recording) -> None:
    folder = study.labels_dir(recording.path.stem)
    anna = Layer.create(folder / "anna.jsonl", recording.header.recording_id, "anna")
    anna.add(0, recording.n_samples, kind="activity", value="stairs, “up”")
    anna.add(400, 401, kind="artefact", value="3")
    anna.add(500, 600, kind="unusable", value="")
    anna.add(990, 1000, kind="note", value=HOSTILE)
    anna.add(20, 30, kind="note", value=LONG)
    beats = Layer.create(folder / "beat-finder_2.jsonl", recording.header.recording_id, "beat-finder_2")
    for place in (0, 100, 250, 999):
        beats.add(place, place + 1, kind="beat", value="V" if place == 250 else "")
    beats.add(620, 621, kind="beat", value="odd")


def signal_of(study: Study, name: str = NAME, leads: tuple[str, ...] | None = None) -> np.ndarray:
    with open_recording(study.recordings_dir / f"{name}.h5") as recording:
        return recording.signal(leads or recording.measured_leads)


def label_rows(study: Study, name: str = NAME) -> list[tuple[str, str, str, int, int]]:
    """Layer, kind, value, start and stop of everything in the layers on disk, sorted."""
    return sorted(
        (held.annotator, one.kind, one.value, one.start, one.stop)
        for path in study.labels_dir(name).glob("*.jsonl")
        for held in [Layer.open(path)]
        for one in held.labels()
    )
