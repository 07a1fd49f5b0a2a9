"""Wearable recordings made up for tests, with everything about them known."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

START = datetime(2024, 3, 26, 14, 58, 13, 300910)


def times_us(n_lines: int, *, rate_hz: float = 497.3, jitter_us: float = 120.0, seed: int = 0) -> NDArray[np.int64]:
    """Microseconds at which lines are written: evenly, each late by a random delay, never out of order."""
    delay = np.abs(np.random.default_rng(seed).normal(0.0, jitter_us, n_lines))
    return np.maximum.accumulate(np.round(np.arange(n_lines) * 1e6 / rate_hz + delay).astype(np.int64))


def counts(n_lines: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Counts over the whole range of the converter."""
    return np.random.default_rng(seed).integers(0, 4096, n_lines)


def text(times: NDArray[np.int64], values: NDArray[np.int64]) -> str:
    """The lines of a file."""
    stamps = [(START + timedelta(microseconds=int(t))).isoformat(" ", "microseconds") for t in times]
    return "".join(f"{stamp} ; {value}\n" for stamp, value in zip(stamps, values, strict=True))


def write_recording_text(path: Path, content: str) -> Path:
    """Write lines, packed where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def make_recording(folder: Path, name: str = "01_01_klud.csv", *, n_lines: int = 3000, seed: int = 0) -> Path:
    """Write one ordinary recording below ``folder``, in the folder of its subject."""
    return write_recording_text(
        folder / name[:2] / name, text(times_us(n_lines, seed=seed), counts(n_lines, seed=seed))
    )


def write_labels(recording: Path, rows: list[tuple[int, int, int, int, int]]) -> Path:
    """Write the label file of a recording."""
    stem = recording.name.removesuffix(".gz").removesuffix(".csv")
    path = recording.parent / "labels" / f"{stem}_2.csv"
    path.parent.mkdir(exist_ok=True)
    lines = ["start;end;activity;artifact;electrode", *(";".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path
