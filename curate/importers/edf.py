"""Import of EDF, EDF+ and BDF files.

The counts of the data records go over as they are, with gain and offset from the header's ranges. Annotations become
labels: those with a duration cover it, and those whose text is the name of an activity are one. In a discontinuous file
(EDF+D) what lies between data records is a gap. Who the patient is stays in the file.

The data records are read here and not by a library: those there are either make one continuous signal of EDF+D, or make
room for what a header claims before they look whether it is there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.content import Gap
from curate.errors import ImportRefused, RefusalReason
from curate.importers.edf_header import MAGICS, EdfHeader, EdfSignal, parse_header
from curate.importers.edf_missing import take_out_missing
from curate.importers.leads import channel_in_mv, check_channel_names, choose_leads, lead_name
from curate.importers.options import ImportOptions
from curate.importers.reading import MAX_FILE_BYTES, read_head, refuse_empty
from curate.importers.recorded import (
    IMPORTED,
    Mark,
    Reading,
    check_extent,
    gap_note,
    plural,
    spread_rows,
    utc_text,
)
from curate.importers.registry import Importer
from protocols.activities import ACTIVITIES

__all__ = ["Annotation", "EdfImporter", "parse_annotations"]

_TAL = re.compile(rb"([+-][0-9]{1,12}(?:\.[0-9]{1,12})?)(?:\x15([0-9]{1,12}(?:\.[0-9]{1,12})?))?\x14")
_MAX_TEXT = 2000
_MAX_ANNOTATIONS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One annotation: seconds from the start of the file, how long, what."""

    onset_s: float
    duration_s: float
    text: str


class EdfImporter(Importer):
    """The format ``edf``, EDF+ and BDF included."""

    name = "edf"
    told_by_bytes = True

    def candidate(self, path: Path) -> bool:
        """By the ending."""
        return path.name.lower().endswith((".edf", ".bdf"))

    def companion(self, path: Path) -> bool:
        """There are none."""
        return False

    def recognises(self, path: Path) -> bool:
        """By the first bytes."""
        return read_head(path, 8) in MAGICS

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        refuse_empty(path, shown)
        header = parse_header(path, shown=shown)
        if header.n_records == 0 or path.stat().st_size > MAX_FILE_BYTES:
            raise ImportRefused(
                f"it holds {plural(header.n_records, 'whole data record')} in {path.stat().st_size} bytes; at least "
                f"one, and at most {MAX_FILE_BYTES >> 20} MiB, are taken in.",
                path=shown,
                reason=RefusalReason.EMPTY if header.n_records == 0 else RefusalReason.TOO_BIG,
            )
        notes = _header_notes(header)
        signals = _one_rate(header, options, notes, shown)
        check_channel_names([signal.label for signal in signals], shown=shown)
        per_record = signals[0].per_record
        rate_hz = per_record / header.record_s
        check_extent(header.n_records * per_record, len(signals), shown=shown)
        onsets_s, annotations = _texts(path, header, shown)
        values = _samples(path, header, signals)
        gaps: tuple[Gap, ...] = ()
        start_s = onsets_s[0] if onsets_s else 0.0
        if header.kind.endswith("+D"):
            values, gaps = _discontinuous(values, header, per_record, onsets_s, shown)
        else:
            values, gaps, annotations = take_out_missing(values, annotations, start_s=start_s, rate_hz=rate_hz)
            if not len(values):
                raise ImportRefused(
                    "it says that all of its samples are missing; leave it out.",
                    path=shown,
                    reason=RefusalReason.EMPTY,
                )
        channels = tuple(
            channel_in_mv(signal.label, signal.unit, gain=signal.gain, offset=signal.offset) for signal in signals
        )
        montage, lead_notes = choose_leads(channels, options.leads, shown=shown)
        marks, outside = _marks(annotations, start_s, rate_hz, len(values))
        if outside:
            notes.append(f"{plural(outside, 'annotation')} outside the samples could not be kept.")
        started_us = 0
        if header.started_at is not None:
            started_us = int(np.datetime64(header.started_at, "us").astype(np.int64)) + round(start_s * 1e6)
        units = ", ".join(dict.fromkeys(signal.unit for signal in signals))
        return Reading(
            channels=channels,
            counts=values,
            montage=montage,
            nominal_rate_hz=rate_hz,
            board=f"imported: edf ({header.kind})",
            started_at=utc_text(started_us) if header.started_at is not None else Reading.started_at,
            gaps=gaps,
            layers={IMPORTED: marks},
            loss_detection=_loss_detection(header, gaps),
            detail=f"values in {units}; its clock names no time zone and is taken for UTC",
            notes=(*notes, *lead_notes, *gap_note(gaps, rate_hz, found_in=_gaps_found_in(header))),
        )


def _loss_detection(header: EdfHeader, gaps: tuple[Gap, ...]) -> str:
    return _gaps_found_in(header) if gaps else "none: the file is continuous by its header"


def _gaps_found_in(header: EdfHeader) -> str:
    return "onsets of the data records" if header.kind.endswith("+D") else "annotations"


def _header_notes(header: EdfHeader) -> list[str]:
    notes = ["what its header says of patient, hospital and equipment was not kept."]
    if header.claimed_records >= 0 and header.n_records < header.claimed_records:
        notes.append(f"its header says {header.claimed_records} data records, it holds {header.n_records}; it was cut.")
    filters = {signal.prefilter for signal in header.signals if signal.prefilter and not signal.is_annotations}
    if filters:
        told = "; ".join(sorted(filters))[:200]
        notes.append("it was filtered before it was stored: " + "".join(c for c in told if c.isprintable()) + ".")
    return notes


def _one_rate(header: EdfHeader, options: ImportOptions, notes: list[str], shown: Path) -> list[EdfSignal]:
    """The signals that share the leads' rate."""
    there = [signal for signal in header.signals if not signal.is_annotations]
    if not there:
        raise ImportRefused(
            "it holds annotations alone, no signal; leave it out.", path=shown, reason=RefusalReason.EMPTY
        )
    wanted = set(options.leads.values())
    leads = [s for s in there if (s.label in wanted if wanted else lead_name(s.label) is not None)]
    rates = [signal.per_record for signal in leads or there]
    per_record = max(set(rates), key=lambda rate: (rates.count(rate), rate))
    others = [signal for signal in there if signal.per_record != per_record]
    if others:
        told = ", ".join(f"{signal.label} ({signal.per_record / header.record_s:g} Hz)" for signal in others)
        notes.append(f"a recording has one rate, so {told[:300]} could not be kept.")
    return [signal for signal in there if signal.per_record == per_record]


def _records(path: Path, header: EdfHeader) -> NDArray[np.uint8]:
    """The data records as bytes, read when they are looked at; shape (n_records, samples, bytes)."""
    mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=header.header_bytes)
    shape = (header.n_records, header.per_record, header.sample_bytes)
    return mapped[: int(np.prod(shape))].reshape(shape)


def _samples(path: Path, header: EdfHeader, signals: Sequence[EdfSignal]) -> NDArray[Any]:
    """The counts of some signals of one rate, shape (n_samples, n_signals); int16, or int32 of 24 bits."""
    records = _records(path, header)
    columns: list[NDArray[Any]] = []
    for signal in signals:
        part = np.ascontiguousarray(records[:, signal.start : signal.start + signal.per_record])
        if header.sample_bytes == 2:
            columns.append(part.view("<i2").astype(np.int16).reshape(-1))
        else:
            wide = np.zeros((*part.shape[:2], 4), dtype=np.uint8)
            wide[..., 1:] = part
            columns.append((wide.view("<i4") >> 8).astype(np.int32).reshape(-1))
    return np.stack(columns, axis=1)


def _texts(path: Path, header: EdfHeader, shown: Path) -> tuple[list[float], list[Annotation]]:
    """When each data record begins, where the file tells it, and all annotations; onsets in seconds."""
    chosen = [signal for signal in header.signals if signal.is_annotations]
    onsets: list[float] = []
    found: list[Annotation] = []
    if not chosen or "+" not in header.kind:
        return onsets, found
    records = _records(path, header)
    for number in range(header.n_records):
        for place, signal in enumerate(chosen):
            raw = records[number, signal.start : signal.start + signal.per_record].tobytes()
            onset, here = parse_annotations(raw, keeps_time=place == 0)
            if place == 0:
                if onset is None:
                    raise ImportRefused(
                        f"its data record {number + 1} does not say when it begins, as EDF+ must; write it again.",
                        path=shown,
                        reason=RefusalReason.LABELS,
                    )
                onsets.append(onset)
            found += here
        if len(found) > _MAX_ANNOTATIONS:
            raise ImportRefused(
                f"it holds more than {_MAX_ANNOTATIONS} annotations; look what it is.",
                path=shown,
                reason=RefusalReason.TOO_BIG,
            )
    return onsets, found


def parse_annotations(raw: bytes, *, keeps_time: bool) -> tuple[float | None, list[Annotation]]:
    """Read what an annotation signal holds for one data record.

    Args:
        raw: its bytes.
        keeps_time: whether its first list tells when the data record begins.

    Returns:
        That moment in seconds, or None, and the annotations; lists that are not as they have to be are passed over.
    """
    onset: float | None = None
    annotations = []
    for place, text in enumerate(raw.split(b"\0")):
        match = _TAL.match(text)
        if match is None:
            continue
        words = text[match.end() :].split(b"\x14")
        if place == 0 and keeps_time:
            onset = float(match[1])
            words = words[1:] if words and not words[0] else words
        for word in words:
            if word:
                said = word[:_MAX_TEXT].decode("utf-8", "replace")
                said = "".join(letter for letter in said if letter.isprintable()).strip()
                annotations.append(Annotation(onset_s=float(match[1]), duration_s=float(match[2] or 0), text=said))
    return onset, annotations


def _discontinuous(
    values: NDArray[Any], header: EdfHeader, per_record: int, onsets_s: list[float], shown: Path
) -> tuple[NDArray[Any], tuple[Gap, ...]]:
    """Put the data records where their onsets say."""
    if not onsets_s:
        raise ImportRefused(
            "it is discontinuous, but has no annotations that tell when its data records begin; write it again.",
            path=shown,
            reason=RefusalReason.HEADER,
        )
    rate_hz = per_record / header.record_s
    first = np.round((np.array(onsets_s) - onsets_s[0]) * rate_hz)
    early = np.flatnonzero(np.diff(first) < per_record)
    if early.size:
        raise ImportRefused(
            f"its data record {early[0] + 2} begins before the one before it ends; write it again.",
            path=shown,
            reason=RefusalReason.TIME,
        )
    index = (first.astype(np.int64)[:, None] + np.arange(per_record)).reshape(-1)
    return spread_rows(
        values, index, cause="the file was interrupted between data records", shown=shown, rate_hz=rate_hz
    )


def _marks(
    annotations: Sequence[Annotation], start_s: float, rate_hz: float, n_samples: int
) -> tuple[tuple[Mark, ...], int]:
    """Labels of annotations, and how many lie outside the samples."""
    marks: list[Mark] = []
    outside = 0
    for one in annotations:
        start = round((one.onset_s - start_s) * rate_hz)
        stop = max(start + 1, round((one.onset_s + one.duration_s - start_s) * rate_hz))
        if start < 0 or start >= n_samples:
            outside += 1
            continue
        is_activity = one.duration_s > 0 and one.text.lower() in ACTIVITIES
        kind, value = ("activity", one.text.lower()) if is_activity else ("note", one.text)
        marks.append(Mark(start=start, stop=min(stop, n_samples), kind=kind, value=value))
    return tuple(marks), outside
