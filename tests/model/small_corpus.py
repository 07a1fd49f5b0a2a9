"""A corpus of made-up windows in a corpus file, small enough to train on in a second, and learnable."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

from acquire.recordings.seal import sealed
from curate.corpus.read import CORPUS_FORMAT, CORPUS_VERSION
from curate.splits.make import split_hash

RATE_HZ = 64
N_SAMPLES = 64
LEADS = ("I", "II")
ACTIVITIES = ("rest", "walk")
MORE_INFO = {
    "across-activities": {"tasks": ["identity"], "apart": [["activity"]]},
    "fixed.people": {"tasks": ["activity"], "apart": [["subject", "session"]], "family": "fixed.people"},
}


def write_small_corpus(
    path: Path,
    *,
    n_subjects: int = 3,
    n_sessions: int = 2,
    per_activity: int = 12,
    leads: tuple[str, ...] = LEADS,
    rate_hz: float = RATE_HZ,
    n_samples: int = N_SAMPLES,
    unit: str = "mV",
    scale: str = "none",
    cleaning: dict[str, object] | None = None,
    seed: int = 0,
    noise: float = 0.4,
    one_activity: bool = False,
) -> Path:
    """Windows without overlap; a subject is a frequency, an activity an amplitude."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, str, str, int, int]] = []
    signal = []
    times = np.arange(n_samples) / rate_hz
    for subject in range(n_subjects):
        for session in range(1, n_sessions + 1):
            stem = f"sub-S{subject + 1:02d}_ses-{session:02d}_run-01"
            start = 0
            for number, activity in enumerate(ACTIVITIES[:1] if one_activity else ACTIVITIES):
                for _ in range(per_activity):
                    wave = np.sin(2 * np.pi * ((2 + 3 * subject) * times + rng.random())) * (1 + 2 * number)
                    window = np.stack([wave * (1 - 0.3 * lead) for lead in range(len(leads))])
                    signal.append(window + noise * rng.standard_normal(window.shape))
                    rows.append((f"S{subject + 1:02d}", f"{session:02d}", stem, activity, start, start + n_samples))
                    start += n_samples
    columns = list(zip(*rows, strict=True))
    recordings = sorted(set(columns[2]))
    ids = {name: f"{seed}-{name}" for name in recordings}
    with h5py.File(path, "w") as file:
        file.attrs.update(
            format=CORPUS_FORMAT, version=CORPUS_VERSION, name=path.stem, leads=json.dumps(leads),
            rate_hz=float(rate_hz),
            window_s=n_samples / rate_hz, hop_s=n_samples / rate_hz, unit=unit, scale=scale, software_version="0",
            factors="[]",
        )  # fmt: skip
        file["cleaning"] = json.dumps(cleaning or {"band_hz": [0.5, 30.0], "mains_hz": 50})
        file["excluded"] = file["splits_left_out"] = "{}"
        sources = [
            {"recording": name, "recording_id": ids[name],
             "signal_sha256": hashlib.sha256(ids[name].encode()).hexdigest()}
            for name in recordings
        ]  # fmt: skip
        file["sources"] = json.dumps({"recordings": sources})
        file["windows/signal"] = np.asarray(signal, dtype=np.float32)
        file["windows/lead_ok"] = np.ones((len(rows), len(leads)), dtype=bool)
        table = file.create_group("windows/table")
        for name, values in zip(("subject", "session", "recording", "activity"), columns[:4], strict=True):
            table[name] = np.asarray(values, dtype="S40")
        starts, stops = np.asarray(columns[4], dtype=np.int64), np.asarray(columns[5], dtype=np.int64)
        table["start"], table["stop"] = starts, stops
        table["quality"] = np.full(len(rows), b"good")
        table["artefact"] = np.zeros(len(rows), dtype=np.int64)
        table["heart_rate"] = np.full(len(rows), np.nan)
        order = np.arange(len(rows)) % per_activity
        sessions, subjects = np.asarray(columns[1]), np.asarray(columns[0])
        late = order >= per_activity - 4
        sides = {"time-block": np.where(order >= per_activity - 2, 3, np.where(late, 2, 1))}
        if n_sessions > 1:
            for fold, tested in ((1, "02"), (2, "01")):
                sides[f"across-sessions.{fold}"] = np.where(sessions == tested, 3, np.where(late, 2, 1))
        if n_subjects > 2:
            sides["unseen-subjects.1"] = np.where(subjects == "S03", 3, np.where(late, 2, 1))
            if n_sessions > 1:
                validates = np.where(sessions == "01", 2, 3)
                sides["fixed.people"] = np.where(subjects == "S03", validates, 1)
        if not one_activity:
            sides["across-activities"] = np.where(np.asarray(columns[3]) == "walk", 3, np.where(late, 2, 1))
        for name, side in sides.items():
            side = side.astype(np.uint8)
            dataset = file.create_dataset(f"splits/{name}", data=side)
            digest = split_hash([ids[recording] for recording in columns[2]], starts, stops, side)
            kind, _, fold = name.partition(".")
            info = {"kind": kind, "fold": int(fold) if fold.isdigit() else 1, "words": f"made for a test, {name}"}
            info |= {"hash": digest, **MORE_INFO.get(name, {})}
            dataset.attrs["info"] = json.dumps(info)
    path.write_bytes(sealed(path.read_bytes()))
    return path
