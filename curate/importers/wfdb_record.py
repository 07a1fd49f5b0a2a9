"""Import of WFDB records (PhysioNet): ``RECORD.hea``, its signal files, and the annotations beside it.

The counts of the signal files go over as they are, with the header's gain and baseline. A record's signals may have
different rates; those of the leads' rate are taken. Each annotation file becomes a layer of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from curate.errors import ImportRefused, RefusalReason
from curate.importers.leads import channel_in_mv, check_channel_names, choose_leads, lead_name
from curate.importers.options import ImportOptions
from curate.importers.reading import content_digest, read_head
from curate.importers.recorded import IMPORTED, Mark, Reading, check_extent, gap_note, gaps_of_missing, plural, utc_text
from curate.importers.registry import Importer
from curate.importers.wfdb_header import (
    MISSING,
    READING_FAULTS,
    WfdbHeader,
    WfdbSignal,
    read_header,
    wfdb_library,
)

__all__ = ["ANNOTATORS", "WfdbImporter"]

ANNOTATORS = ("atr", "ari", "ecg", "man", "qrs", "wqrs", "gqrs", "xqrs", "pwave", "apn", "rhy")
"""Endings of annotation files that are read; each is an annotator."""

_OTHER_FORMATS = (".hea", ".edf", ".bdf", ".xdf", ".csv", ".tsv", ".txt", ".gz")
_BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
_STRETCH_FRAMES = 1 << 18
_MAX_ANNOTATION_BYTES = 16 * 1024 * 1024
_MISSING_SHARE = 0.5
_MAX_NOTE = 1000
_CAUSE = "the file marks its samples as missing"


class WfdbImporter(Importer):
    """The format ``wfdb``."""

    name = "wfdb"
    told_by_bytes = True

    def candidate(self, path: Path) -> bool:
        """Headers."""
        return path.suffix == ".hea"

    def companion(self, path: Path) -> bool:
        """Signal and annotation files are named like a header beside them."""
        return path.suffix not in _OTHER_FORMATS and path.with_suffix(".hea").is_file()

    def recognises(self, path: Path) -> bool:
        """By the ending."""
        return path.suffix == ".hea"

    def fingerprint(self, path: Path, *, shown: Path) -> str:
        """SHA-256 of the header and the signal files; annotations may come later."""
        header = read_header(path, shown=shown)
        return content_digest(path, *(path.with_name(file) for file in header.files), shown=shown)

    def annotators(self, path: Path) -> tuple[str, ...]:
        """One for each annotation file."""
        return tuple(f"{IMPORTED}-{kind}" for kind in _annotation_files(path))

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one record; see ``Importer.read``."""
        header = read_header(path, shown=shown)
        notes = _header_notes(header)
        places, per_frame = _one_rate(header, options, notes)
        signals = [header.signals[place] for place in places]
        check_channel_names([signal.name for signal in signals], shown=shown)
        rate_hz = header.frame_rate_hz * per_frame
        counts = _counts(path, header, places, per_frame, shown)
        notes += _checksum_notes(signals, counts)

        missing = np.stack([counts[:, k] == MISSING[signal.fmt] for k, signal in enumerate(signals)], axis=1)
        kept: NDArray[np.bool_] = np.asarray(missing.mean(axis=0) <= _MISSING_SHARE)
        if not kept.any():
            raise ImportRefused(
                "more than half of the samples of each signal are marked as missing; leave it out.",
                path=shown,
                reason=RefusalReason.EMPTY,
            )
        for signal, is_kept in zip(signals, kept, strict=True):
            if not is_kept:
                notes.append(f"signal {signal.name} was left out, for more than half of it is marked as missing.")
        rows: NDArray[np.bool_] = np.asarray(missing[:, kept].any(axis=1))
        lost = int((~missing[:, kept] & rows[:, None]).sum())
        if lost:
            notes.append(f"{plural(lost, 'sample')} could not be kept, for others of the same moment are missing.")
        counts = np.ascontiguousarray(counts[:, kept])
        counts[rows] = 0
        gaps = gaps_of_missing(rows, _CAUSE)
        channels = tuple(_channel(signal) for signal, is_kept in zip(signals, kept, strict=True) if is_kept)
        montage, lead_notes = choose_leads(channels, options.leads, shown=shown)
        layers: dict[str, tuple[Mark, ...]] = {}
        for kind, file in _annotation_files(path).items():
            layers[f"{IMPORTED}-{kind}"], told = _annotations(file, kind, rate_hz, len(counts), shown)
            notes += told
        units = ", ".join(dict.fromkeys(signal.unit for signal in signals))
        return Reading(
            channels=channels,
            counts=counts,
            montage=montage,
            nominal_rate_hz=rate_hz,
            board="imported: wfdb",
            started_at=utc_text(_microseconds(header)) if header.started_at else Reading.started_at,
            gaps=gaps,
            layers=layers,
            loss_detection="counts that the format keeps for missing samples",
            detail=f"digest of header and signal files; values in {units}"
            + ("; its clock names no time zone and is taken for UTC" if header.started_at else ""),
            notes=(*notes, *lead_notes, *gap_note(gaps, rate_hz, found_in="samples")),
        )


def _annotation_files(path: Path) -> dict[str, Path]:
    return {kind: path.with_suffix(f".{kind}") for kind in ANNOTATORS if path.with_suffix(f".{kind}").is_file()}


def _microseconds(header: WfdbHeader) -> int:
    assert header.started_at is not None
    return int(np.datetime64(header.started_at, "us").astype(np.int64))


def _header_notes(header: WfdbHeader) -> list[str]:
    notes = []
    if header.n_comments:
        notes.append(
            f"{plural(header.n_comments, 'line')} of comment were not kept, for they may tell who the person is."
        )
    if not header.rate_told:
        notes.append("its header gives no sampling rate, for which the format says 250 samples per second.")
    if header.started_at is None:
        notes.append("its header does not tell when it was recorded.")
    return notes


def _one_rate(header: WfdbHeader, options: ImportOptions, notes: list[str]) -> tuple[list[int], int]:
    """The signals that share the leads' rate, and how many samples of theirs are in a frame."""
    wanted = set(options.leads.values())
    is_lead = [signal.name in wanted if wanted else lead_name(signal.name) is not None for signal in header.signals]
    rates = [signal.per_frame for signal, lead in zip(header.signals, is_lead, strict=True) if lead]
    rates = rates or [signal.per_frame for signal in header.signals]
    per_frame = max(set(rates), key=lambda rate: (rates.count(rate), rate))
    places = [place for place, signal in enumerate(header.signals) if signal.per_frame == per_frame]
    others = [signal for signal in header.signals if signal.per_frame != per_frame]
    if others:
        told = ", ".join(f"{signal.name[:40]} ({header.frame_rate_hz * signal.per_frame:g} Hz)" for signal in others)
        notes.append(f"a recording has one rate, so {told[:300]} could not be kept.")
    return places, per_frame


def _counts(path: Path, header: WfdbHeader, places: list[int], per_frame: int, shown: Path) -> NDArray[Any]:
    """The samples as they are stored, shape (n_samples, n_signals); int16 where all formats fit in it."""
    wfdb = wfdb_library(shown)
    n_samples = header.n_frames * per_frame
    check_extent(n_samples, len(places), shown=shown)
    wide = any(header.signals[place].fmt in ("24", "32") for place in places)
    counts = np.empty((n_samples, len(places)), dtype=np.int32 if wide else np.int16)
    for start in range(0, header.n_frames, _STRETCH_FRAMES):
        stop = min(start + _STRETCH_FRAMES, header.n_frames)
        try:
            record = wfdb.rdrecord(
                str(path.with_suffix("")),
                sampfrom=start,
                sampto=stop,
                channels=places,
                physical=False,
                smooth_frames=False,
                return_res=32 if wide else 16,
            )
            for column, samples in enumerate(record.e_d_signal):
                counts[start * per_frame : stop * per_frame, column] = samples
        except READING_FAULTS as error:
            raise ImportRefused(
                f"wfdb cannot read its samples from {start} on; copy the record again from where it came from.",
                path=shown,
                reason=RefusalReason.DAMAGED,
            ) from error
    return counts


def _checksum_notes(signals: list[WfdbSignal], counts: NDArray[Any]) -> list[str]:
    notes = []
    for column, signal in enumerate(signals):
        if signal.checksum is None or signal.skewed:
            continue
        if (int(counts[:, column].sum(dtype=np.int64)) - signal.checksum) % 65_536:
            notes.append(f"the samples of signal {signal.name} do not sum up to its checksum, so one of them is wrong.")
    return notes


def _channel(signal: WfdbSignal) -> Channel:
    if signal.gain == 0:
        # By the format such a signal is not calibrated.
        return Channel(name=signal.name, unit="adu", gain=1.0, offset=float(signal.baseline))
    return channel_in_mv(signal.name, signal.unit, gain=1.0 / signal.gain, offset=float(signal.baseline))


def _annotations(
    path: Path, kind: str, rate_hz: float, n_samples: int, shown: Path
) -> tuple[tuple[Mark, ...], list[str]]:
    """The marks of one annotation file, one sample each: beats by their symbols, everything else as notes."""
    wfdb = wfdb_library(shown)
    if path.stat().st_size > _MAX_ANNOTATION_BYTES:
        raise _bad_annotations(
            kind, f"has {path.stat().st_size} bytes; at most {_MAX_ANNOTATION_BYTES} are read", shown
        )
    if len(read_head(path, 2)) < 2:
        raise _bad_annotations(kind, "is empty or cut", shown)
    try:
        read = wfdb.rdann(str(path.with_suffix("")), kind)
        scale = rate_hz / float(read.fs) if read.fs else 1.0
        samples = np.round(np.asarray(read.sample, dtype=np.float64) * scale).astype(np.int64)
        symbols, texts = list(read.symbol), list(read.aux_note)
    except (*READING_FAULTS, OSError) as error:
        raise _bad_annotations(kind, "cannot be read by wfdb", shown) from error
    inside = (samples >= 0) & (samples < n_samples)
    marks = tuple(
        _mark(int(sample), str(symbol or ""), str(text or ""))
        for sample, symbol, text, is_inside in zip(samples, symbols, texts, inside, strict=True)
        if is_inside
    )
    outside = int((~inside).sum())
    notes = [f"{plural(outside, 'annotation')} of .{kind} outside the samples could not be kept."] if outside else []
    extra = {int(value) for value in np.unique(np.concatenate([read.subtype, read.chan, read.num]))} - {0}
    if extra:
        notes.append(f"the subtypes, channels and numbers of the annotations of .{kind} were not kept.")
    return marks, notes


def _mark(sample: int, symbol: str, text: str) -> Mark:
    text = "".join(letter for letter in text if letter.isprintable()).strip()[:_MAX_NOTE]
    if symbol in _BEATS:
        return Mark(start=sample, stop=sample + 1, kind="beat", value=symbol)
    return Mark(start=sample, stop=sample + 1, kind="note", value=f"{symbol} {text}".strip())


def _bad_annotations(kind: str, fault: str, shown: Path) -> ImportRefused:
    return ImportRefused(
        f"its annotation file .{kind} {fault}; mend it, or move it away to import the record without it.",
        path=shown,
        reason=RefusalReason.LABELS,
    )
