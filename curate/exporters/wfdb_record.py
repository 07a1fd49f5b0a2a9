"""Recordings as WFDB records: a header, a signal file, and an annotation file ``.atr``.

The layouts are those of PhysioNet's manual pages header(5), signal(5) and annot(5), part of the WFDB Applications Guide
(https://physionet.org/physiotools/wag/). The signal file has format 16, 24 or 32, the narrowest that holds all samples
as they are; the smallest number of each format stands for a missing sample.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.exporters.folder import new_file, write_text
from curate.exporters.signals import ExportSignal, Scale, blocks, exact_scale, values_of
from curate.exporters.source import RecordingExporter, Source, Tick, summary
from curate.exporters.statements import Statement, statement_texts

__all__ = ["WfdbExporter", "annotation_bytes"]

_BEATS = {symbol: code for code, symbol in enumerate("NLRaVFJASEj/Q", start=1)} | {
    "B": 25, "?": 30, "n": 35, "f": 38, "r": 41, "e": 34,
}  # fmt: skip
# The wfdb package takes every note at sample 0 for a definition and drops it; a measurement it leaves alone.
_NOTE, _NOTE_AT_0 = 22, 23
_UNCLASSIFIED = _BEATS["Q"]
_SKIP, _NUM, _AUX = 59, 60, 63
_LARGEST_STEP = 1023
_LARGEST_SKIP = 2**31 - 1
_LAST_LAYER = 127
# Below this a gain, one by the step, would be beyond a float.
_NOTHING = 1e-290
_FORMATS = (16, 24, 32)


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """How one signal is stored: exactly by its scale, or rounded to the step where there is none."""

    signal: ExportSignal
    scale: Scale | None
    step: float
    baseline: int


class WfdbExporter(RecordingExporter):
    """``NAME.hea``, ``NAME.dat`` and ``NAME.atr``."""

    passes = 2

    def write(self, folder: Path, source: Source, tick: Tick) -> None:
        """Write one record; see ``RecordingExporter.write``."""
        stored, bits = _plan(source, tick)
        sums = np.zeros(len(stored), dtype=np.int64)
        first: NDArray[np.int64] | None = None
        with new_file(folder / f"{source.name}.dat") as file:
            for _, counts, lost in blocks(source.recording):
                numbers = _numbers(source, stored, counts, lost)
                numbers[lost] = _invalid(bits)
                first = numbers[0] if first is None else first
                sums += numbers.sum(axis=0)
                file.write(_packed(numbers, bits))
                tick(len(counts))
        assert first is not None
        write_text(folder / f"{source.name}.hea", _header(source, stored, bits, sums, first))
        if source.statements:
            with new_file(folder / f"{source.name}.atr") as file:
                file.write(annotation_bytes(source.statements, source.layers))


def _plan(source: Source, tick: Tick) -> tuple[list[_Stored], int]:
    """Look at all samples, and choose each signal's step and the format that holds them."""
    dtype, n_signals = source.dtype, len(source.signals)
    scales = [exact_scale(source.recording, signal, dtype) for signal in source.signals]
    largest = np.zeros(n_signals)
    lowest, highest = np.zeros(n_signals), np.zeros(n_signals)
    for _, counts, lost in blocks(source.recording):
        kept = counts[~lost]
        tick(len(counts))
        if not len(kept):
            continue
        values = values_of(source.recording, source.signals, kept, np.zeros(len(kept), dtype=np.bool_))
        largest = np.maximum(largest, np.abs(values).max(axis=0))
        for place, scale in enumerate(scales):
            if scale is not None:
                numbers = kept.astype(np.int64) @ scale.factors
                lowest[place] = min(lowest[place], numbers.min())
                highest[place] = max(highest[place], numbers.max())
    stored, bits = [], _FORMATS[0]
    for place, (signal, scale) in enumerate(zip(source.signals, scales, strict=True)):
        needed = _bits(lowest[place], highest[place])
        if scale is None or needed is None:
            step = _round_step(largest[place])
            stored.append(_Stored(signal=signal, scale=None, step=step, baseline=0))
            bits = 32
        else:
            stored.append(_Stored(signal=signal, scale=scale, step=scale.step, baseline=scale.baseline))
            bits = max(bits, needed)
    return stored, bits


def _bits(lowest: float, highest: float) -> int | None:
    """The narrowest format that holds these and still has a number for what is missing."""
    return next((bits for bits in _FORMATS if lowest > _invalid(bits) and highest <= -_invalid(bits) - 1), None)


def _invalid(bits: int) -> int:
    return int(-(2 ** (bits - 1)))


def _round_step(largest: float) -> float:
    """The smallest power of ten that lets 32 bits hold the signal."""
    if largest < _NOTHING:
        return _NOTHING
    exponent = math.ceil(math.log10(largest / (2**31 - 1)))
    # The logarithm may be a hair too small.
    return 10.0**exponent if largest / 10.0**exponent <= 2**31 - 1 else 10.0 ** (exponent + 1)


def _numbers(
    source: Source, stored: Sequence[_Stored], counts: NDArray[Any], lost: NDArray[np.bool_]
) -> NDArray[np.int64]:
    numbers = np.empty((len(counts), len(stored)), dtype=np.int64)
    for place, entry in enumerate(stored):
        if entry.scale is not None:
            numbers[:, place] = counts.astype(np.int64) @ entry.scale.factors
        else:
            values = values_of(source.recording, [entry.signal], counts, lost)[:, 0]
            numbers[:, place] = np.rint(np.where(lost, 0.0, values) / entry.step).astype(np.int64)
    return numbers


def _packed(numbers: NDArray[np.int64], bits: int) -> bytes:
    if bits == 24:
        four = np.ascontiguousarray(numbers.astype("<i4")).view(np.uint8).reshape(-1, 4)
        return four[:, :3].tobytes()
    return numbers.astype("<i2" if bits == 16 else "<i4").tobytes()


def _header(
    source: Source, stored: Sequence[_Stored], bits: int, sums: NDArray[np.int64], first: NDArray[np.int64]
) -> str:
    """The header file's text, ASCII."""
    recording = source.recording
    lines = [
        f"{source.name} {len(stored)} {_number(source.rate_hz)} {recording.n_samples} "
        f"{_moment(recording.header.started_at):%H:%M:%S.%f %d/%m/%Y}"
    ]
    for place, entry in enumerate(stored):
        checksum = (int(sums[place]) + 32768) % 65536 - 32768
        lines.append(
            f"{source.name}.dat {bits} {_number(1 / entry.step)}({entry.baseline})/{_unit(entry.signal.unit)} "
            f"{bits} 0 {int(first[place])} {checksum} 0 {_name(entry.signal.name)}"
        )
    lines += [f"# {line}" for line in summary(source)]
    lines.append("# times: UTC; a signal's missing samples: the smallest number of its format")
    lines += [f"# annotations with num {number}: layer {layer}" for number, layer in enumerate(source.layers, start=1)]
    lines += [
        f"# signal {entry.signal.name.encode('unicode_escape').decode()}: rounded to steps of {entry.step:g}"
        for entry in stored
        if entry.scale is None
    ]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    """The shortest text of a number that reads back the same; whole numbers without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _unit(unit: str) -> str:
    """A unit as header(5) allows it: ASCII without blanks; ``NU`` where there is none, for nothing would mean mV."""
    plain = unit.replace("µ", "u").replace("μ", "u").replace("Ω", "ohm")
    return re.sub(r"[^A-Za-z0-9_^?%/-]", "_", plain) or "NU"


def _name(name: str) -> str:
    """A signal's description; what is not ASCII stands escaped, for the header is ASCII."""
    return name.strip().encode("unicode_escape").decode()


def annotation_bytes(statements: Sequence[Statement], layers: Sequence[str]) -> bytes:
    """Encode statements in the MIT format of annot(5).

    A beat becomes a beat annotation where its value is one of WFDB's symbols, N where it has none, and Q with its text
    otherwise. Everything else becomes a note (at sample 0 a measurement) whose text ends with
    the length in samples. ``num`` is 1 for the first layer and so on, and 0 for what the recording itself says.

    Args:
        statements: in order of their starts.
        layers: whose labels there are; those beyond the 127th share a number, and are told apart by the text alone.
    """
    number_of = {layer: min(place, _LAST_LAYER) for place, layer in enumerate(layers, start=1)}
    parts: list[bytes] = []
    at, num = 0, 0
    for said in statements:
        code, texts = _coded(said)
        for text in texts:
            ahead = said.start - at
            while ahead > _LARGEST_STEP:
                skip = min(ahead, _LARGEST_SKIP)
                # A 32-bit number as the PDP-11 had it: the high half first.
                parts.append(struct.pack("<HHH", _SKIP << 10, skip >> 16, skip & 0xFFFF))
                ahead -= skip
            parts.append(struct.pack("<H", code << 10 | ahead))
            at = said.start
            if number_of.get(said.layer, 0) != num:
                num = number_of.get(said.layer, 0)
                parts.append(struct.pack("<H", _NUM << 10 | num))
            if text:
                raw = text.encode("ascii")
                parts.append(struct.pack("<H", _AUX << 10 | len(raw)) + raw + b"\0" * (len(raw) % 2))
    return b"".join([*parts, b"\0\0"])


def _coded(said: Statement) -> tuple[int, list[str]]:
    length = said.stop - said.start
    if said.kind == "beat" and length == 1 and said.value in ("", *_BEATS):
        return _BEATS[said.value or "N"], [""]
    extra = f", {length} samples" if length else ""
    if said.kind == "beat":
        code = _BEATS.get(said.value or "N", _UNCLASSIFIED)
    else:
        code = _NOTE if said.start else _NOTE_AT_0
    return code, statement_texts(said, ascii_only=True, extra=extra)
