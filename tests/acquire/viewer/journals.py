"""Journals made in a test, by the writer that recorders use."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.journal_write import JournalWriter

__all__ = ["GAIN_MV", "JournalMaker", "a_header", "ecg_counts"]

GAIN_MV = 1e-5


def a_header(
    *, n_channels: int = 2, rate_hz: float = 250.0, dtype: str = "int32", unit: str = "mV", offset: float = 0.0
) -> dict[str, Any]:
    names = [f"ch{number}" for number in range(n_channels)]
    leads = ["I", "II", *(f"V{number}" for number in range(1, n_channels))][:n_channels]
    return {
        "header": {
            "nominal_rate_hz": rate_hz,
            "mains_hz": 50,
            "montage": {lead: {name: 1.0} for lead, name in zip(leads, names, strict=True)},
        },
        "channels": [{"name": name, "unit": unit, "gain": GAIN_MV, "offset": offset} for name in names],
        "dtype": dtype,
        "protocol_text": "",
    }


def ecg_counts(
    n_samples: int, *, n_channels: int = 2, rate_hz: float = 250.0, offset_mv: float = 300.0, bpm: float = 60.0
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Counts of narrow waves on a large offset, and where the waves' crests are."""
    crests = np.arange(0.5, n_samples / rate_hz, 60.0 / bpm) * rate_hz
    rows = np.arange(n_samples)
    wave = np.zeros(n_samples)
    for crest in crests:
        wave += np.exp(-(((rows - crest) / (0.012 * rate_hz)) ** 2))
        wave += 0.2 * np.exp(-(((rows - crest - 0.25 * rate_hz) / (0.05 * rate_hz)) ** 2))
    scale = 0.6 + 0.4 * np.arange(n_channels)
    counts = np.round((wave[:, None] * scale + offset_mv) / GAIN_MV).astype(np.int32)
    return counts, np.round(crests).astype(np.int64)


class JournalMaker:
    """Writes one journal, and lets go of it."""

    def __init__(self, path: Path, header: dict[str, Any] | None = None) -> None:
        self.writer = JournalWriter.create(path, header or a_header())
        self.index = 0
        self._n_events = 0

    def samples(self, samples: NDArray[Any], *, size: int = 3) -> None:
        for at in range(0, len(samples), size):
            part = samples[at : at + size]
            self.writer.append_chunk(index=self.index, host_ns=time.monotonic_ns(), board_ns=-1, samples=part)
            self.index += len(part)

    def lose(self, n_rows: int) -> None:
        self.index += n_rows

    def event(self, kind: str, index: int | None = None, *, step: int = 0, activity: str = "", text: str = "") -> None:
        self._n_events += 1
        self.writer.append_event(
            {
                "uuid": f"event-{self._n_events}",
                "index": self.index if index is None else index,
                "host_ns": 1,
                "kind": kind,
                "step": step,
                "activity": activity,
                "text": text,
            }
        )

    def close(self) -> None:
        self.writer.append_close("the protocol ended")
        self.writer.release()
