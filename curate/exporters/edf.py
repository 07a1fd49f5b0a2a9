"""Recordings as EDF+: 16 bits a sample, with labels, gaps and events as annotations.

The file is continuous (EDF+C), for most readers know no other: the rows of a gap, and what fills up the last data
record, hold the smallest digital number, −32768, which no sample has, and an annotation says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.errors import ExportError
from curate.exporters.edf_header import (
    DIGITAL_MAX,
    DIGITAL_MIN,
    EdfSignal,
    RecordLength,
    choose_record,
    header_bytes,
    physical_range,
    plain,
)
from curate.exporters.folder import new_file, write_json
from curate.exporters.signals import ExportSignal, blocks, values_of
from curate.exporters.source import RecordingExporter, Source, Tick, facts
from curate.exporters.statements import GAP, Statement, statement_texts

__all__ = ["EdfExporter"]

_PADDING = "padding"
_MISSING = f", digital {DIGITAL_MIN}"
_MAX_RECORDS = 99_999_999


class EdfExporter(RecordingExporter):
    """``NAME.edf`` and ``NAME.json``."""

    passes = 2

    def write(self, folder: Path, source: Source, tick: Tick) -> None:
        """Write one recording; see ``RecordingExporter.write``."""
        recording = source.recording
        record = choose_record(source.rate_hz, len(source.signals), recording.n_samples)
        n_records = math.ceil(recording.n_samples / record.n_samples)
        if n_records > _MAX_RECORDS:
            raise ExportError(
                f"{source.name} needs {n_records} data records, and EDF has room for {_MAX_RECORDS}; export it as"
                " WFDB.",
                path=recording.path,
            )
        ranges = _ranges(source, tick)
        notes = _annotation_records(source, record, n_records)
        signals = [
            EdfSignal(
                label=_label(signal, number),
                unit=signal.unit,
                physical_min=low,
                physical_max=high,
                samples_per_record=record.n_samples,
            )
            for number, (signal, (low, high)) in enumerate(zip(source.signals, ranges, strict=True), start=1)
        ]
        head = header_bytes(
            patient=(source.subject.pseudonym, _sex(source.subject.sex), "X", "X"),
            recording=(recording.header.recording_id, recording.header.operator[:10], recording.header.board),
            started_at=recording.header.started_at,
            n_records=n_records,
            record=record,
            signals=[*signals, _annotation_signal(notes.shape[1] // 2)],
        )
        with new_file(folder / f"{source.name}.edf") as file:
            file.write(head)
            begun = 0
            held = np.empty((0, len(signals)), dtype="<i2")
            for _, counts, lost in blocks(recording):
                held = np.concatenate([held, _digital(ranges, values_of(recording, source.signals, counts, lost))])
                whole = len(held) // record.n_samples
                file.write(_records(held[: whole * record.n_samples], record, notes[begun : begun + whole]))
                begun, held = begun + whole, held[whole * record.n_samples :]
                tick(len(counts))
            if len(held):
                filled = np.full((record.n_samples, len(signals)), DIGITAL_MIN, dtype="<i2")
                filled[: len(held)] = held
                file.write(_records(filled, record, notes[begun:]))
        write_json(folder / f"{source.name}.json", _sidecar(source, record, signals))


def _ranges(source: Source, tick: Tick) -> list[tuple[str, str]]:
    """Each signal's physical minimum and maximum, as the header says them."""
    low = np.full(len(source.signals), np.inf)
    high = np.full(len(source.signals), -np.inf)
    for _, counts, lost in blocks(source.recording):
        kept = counts[~lost]
        if len(kept):
            values = values_of(source.recording, source.signals, kept, np.zeros(len(kept), dtype=np.bool_))
            low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        tick(len(counts))
    ranges = []
    for place, signal in enumerate(source.signals):
        bounds = (float(low[place]), float(high[place])) if low[place] <= high[place] else (0.0, 0.0)
        chosen = physical_range(*bounds)
        if chosen is None:
            raise ExportError(
                f"{source.name}: {signal.name} reaches from {bounds[0]:g} to {bounds[1]:g} {signal.unit}, and EDF has 8"
                " characters for each; export it as WFDB or CSV.",
                path=source.recording.path,
            )
        ranges.append(chosen)
    return ranges


def _step(bounds: tuple[str, str]) -> float:
    return (float(bounds[1]) - float(bounds[0])) / (DIGITAL_MAX - DIGITAL_MIN)


def _digital(ranges: Sequence[tuple[str, str]], values: NDArray[np.float64]) -> NDArray[np.int16]:
    low = np.array([float(bounds[0]) for bounds in ranges])
    step = np.array([_step(bounds) for bounds in ranges])
    numbers = np.rint((values - low) / step) + DIGITAL_MIN
    numbers = np.clip(numbers, DIGITAL_MIN + 1, DIGITAL_MAX)
    return np.where(np.isnan(numbers), DIGITAL_MIN, numbers).astype("<i2")


def _records(samples: NDArray[np.int16], record: RecordLength, notes: NDArray[np.uint8]) -> bytes:
    """Data records: each signal's samples one behind the other, and the annotations behind them."""
    n_records = len(notes)
    by_signal = samples.reshape(n_records, record.n_samples, -1).transpose(0, 2, 1)
    raw = np.ascontiguousarray(by_signal).reshape(n_records, -1).view(np.uint8)
    return np.concatenate([raw, notes], axis=1).tobytes()


def _annotation_records(source: Source, record: RecordLength, n_records: int) -> NDArray[np.uint8]:
    """All annotations, divided among the data records; shape (n_records, bytes), an even number of them.

    EDF+ lets an annotation stand in any record, so they are laid down one behind the other. Each record begins with its
    own time.
    """
    entries = [
        _entry(said, text, record)
        for said in _said(source, record, n_records)
        for text in statement_texts(said, ascii_only=False, extra=_MISSING if said.kind in (GAP, _PADDING) else "")
    ]
    room = math.ceil(sum(map(len, entries)) / n_records) + max(map(len, entries), default=0)
    texts: list[bytes] = []
    waiting = iter(entries)
    entry = next(waiting, None)
    for place in range(n_records):
        parts = [f"+{_seconds(Fraction(record.duration) * place)}\x14\x14\0".encode()]
        used = 0
        while entry is not None and used + len(entry) <= room:
            parts.append(entry)
            used += len(entry)
            entry = next(waiting, None)
        texts.append(b"".join(parts))
    assert entry is None
    width = max(map(len, texts))
    width += width % 2
    return np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), dtype=np.uint8).reshape(n_records, width)


def _said(source: Source, record: RecordLength, n_records: int) -> list[Statement]:
    n_samples = source.recording.n_samples
    names = [
        Statement(start=0, stop=0, kind=f"signal {number}", value=f"{signal.name} [{signal.unit}]")
        for number, signal in enumerate(source.signals, start=1)
        if _label(signal, number) == f"signal {number}" or plain(signal.unit)[:8] != signal.unit
    ]
    end = n_records * record.n_samples
    padding = [Statement(start=n_samples, stop=end, kind=_PADDING, value="")] if end > n_samples else []
    return [*names, *source.statements, *padding]


def _entry(said: Statement, text: str, record: RecordLength) -> bytes:
    onset = _seconds(said.start / record.rate)
    duration = f"\x15{_seconds((said.stop - said.start) / record.rate)}" if said.stop > said.start else ""
    return f"+{onset}{duration}\x14{text}\x14\0".encode()


def _seconds(value: Fraction) -> str:
    """Seconds to the nanosecond, so that the nearest sample is the one that was meant."""
    whole, rest = divmod(round(value * 10**9), 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def _label(signal: ExportSignal, number: int) -> str:
    """The signal's label as EDF+ recommends it, ``ECG II``, or its number where the name does not fit."""
    text = f"ECG {signal.name}" if signal.is_lead and not signal.name.upper().startswith("ECG") else signal.name
    return text if len(text) <= 16 and plain(text) == text and text == text.strip() else f"signal {number}"


def _annotation_signal(n_numbers: int) -> EdfSignal:
    return EdfSignal(
        label="EDF Annotations",
        unit="",
        physical_min="-1",
        physical_max="1",
        samples_per_record=n_numbers,
    )


def _sex(word: str) -> str:
    return {"f": "F", "female": "F", "m": "M", "male": "M"}.get(word.strip().lower(), "X")


def _sidecar(source: Source, record: RecordLength, signals: Sequence[EdfSignal]) -> dict[str, object]:
    return {
        **facts(source),
        "rate_hz": float(record.rate),
        "record_samples": record.n_samples,
        "record_duration_s": float(Decimal(record.duration)),
        "digital_of_missing_samples": DIGITAL_MIN,
        "signals": [
            {
                "label": stored.label,
                "name": signal.name,
                "unit": signal.unit,
                "lead": signal.is_lead,
                "physical_min": float(stored.physical_min),
                "physical_max": float(stored.physical_max),
                "step": _step((stored.physical_min, stored.physical_max)),
            }
            for signal, stored in zip(source.signals, signals, strict=True)
        ],
    }
