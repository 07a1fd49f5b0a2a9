"""What tests of importers share: options of a person, and what became of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.importers import Identity, ImportOptions, ImportReport, import_paths
from curate.labels.layer import Label, Layer


def said(**more: Any) -> ImportOptions:
    """Subject S01, session 01, at rest unless said otherwise; other options by name."""
    identity = {"subject": "S01", "session": "01", "activity": "rest"}
    identity.update({name: more.pop(name) for name in list(more) if name in identity})
    return ImportOptions(identity=Identity(**identity), **more)


def take_one(study: Study, path: Path, options: ImportOptions | None = None, **more: Any) -> tuple[Path, str]:
    """Import one file that must not be refused; gives the recording and all notes."""
    report = import_paths(study, [path], options=options or said(**more))
    assert [refusal.sentence for refusal in report.refused] == []
    (recording,) = report.imported
    return recording, " ".join(note.sentence for note in report.notes)


def refused(
    study: Study, path: Path, options: ImportOptions | None = None, *, format: str | None = None, **more: Any
) -> str:
    """Import one file that must be refused with one printable sentence, nothing written; gives the sentence."""
    before = tree(study)
    report: ImportReport = import_paths(study, [path], format=format, options=options or said(**more))
    assert report.imported == []
    (refusal,) = report.refused
    assert tree(study) == before
    assert refusal.sentence.isprintable()
    assert len(refusal.sentence) < 600
    assert refusal.sentence.split(":")[0].split(",")[0].endswith(path.suffix)
    assert ": " in refusal.sentence
    return refusal.sentence


def tree(study: Study) -> Mapping[str, bytes]:
    """Every file of a study."""
    return {str(path): path.read_bytes() for path in sorted(study.path.rglob("*")) if path.is_file()}


def layer(study: Study, recording: Path, annotator: str = "imported", kind: str | None = None) -> list[Label]:
    """The labels of one layer."""
    return Layer.open(study.labels_dir(recording.stem) / f"{annotator}.jsonl").labels(kind)


def physical(recording: Path) -> NDArray[np.float64]:
    """Every channel in its unit, NaN where samples are missing."""
    with open_recording(recording) as opened:
        gain = np.array([channel.gain for channel in opened.channels])
        offset = np.array([channel.offset for channel in opened.channels])
        values = (opened.counts().astype(np.float64) - offset) * gain
        for gap in opened.gaps:
            values[gap.start : gap.start + gap.length] = np.nan
        return np.asarray(values)


def ecg_uv(n_samples: int, n_channels: int = 2, *, rate_hz: float = 250.0, seed: int = 0) -> NDArray[np.float64]:
    """Something that looks like an ECG in microvolts, shape (n_samples, n_channels), a beat every 0.8 s."""
    t = np.arange(n_samples) / rate_hz
    beat = 1000.0 * np.exp(-((((t % 0.8) - 0.4) / 0.012) ** 2))
    noise = np.random.default_rng(seed).normal(0.0, 20.0, (n_samples, n_channels))
    return np.asarray(beat[:, None] * (1.0 + np.arange(n_channels)) + noise)
