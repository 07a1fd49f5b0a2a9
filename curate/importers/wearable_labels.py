"""The labels beside wearable recordings: ``start;end;activity;artifact;electrode``, a row for every 1000 lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from curate.errors import ImportRefused, RefusalReason
from curate.importers.reading import read_text_bytes
from curate.importers.recorded import Mark
from curate.importers.time_axis import TimeAxis

__all__ = ["LABELS_FOLDER", "LabelRow", "label_file", "marks_of", "read_label_rows"]

LABELS_FOLDER = "labels"

_COLUMNS = ("start", "end", "activity", "artifact", "electrode")
_ACTIVITY_CODES = {"0": "rest", "1": "arms", "2": "walk", "3": "run", "4": "squats"}
_ARTEFACT_CODES = ("1", "2", "3", "4")
_MAX_BYTES = 4 * 1024 * 1024
_MAX_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One row: what the lines ``[start, stop)`` of the recording are, counted from 0 and without the gaps."""

    start: int
    stop: int
    activity: str
    artefact: str
    electrode: int


def label_file(recording: Path) -> Path | None:
    """Where the labels of a recording lie, or None where there are none."""
    stem = recording.name.removesuffix(".gz").removesuffix(".csv")
    path = recording.parent / LABELS_FOLDER / f"{stem}_2.csv"
    return path if path.is_file() else None


def read_label_rows(path: Path, *, shown: Path) -> tuple[LabelRow, ...]:
    """Read a label file.

    Raises:
        ImportRefused: the first row that is not as it has to be.
    """
    data = read_text_bytes(path, shown=shown, limit_bytes=_MAX_BYTES).removeprefix(b"\xef\xbb\xbf")
    lines = data.decode("ascii", "backslashreplace").splitlines()
    if not lines or tuple(lines[0].strip().split(";")) != _COLUMNS:
        _refuse(shown, 1, lines[0] if lines else "", f"is not the header {';'.join(_COLUMNS)}")
    rows: list[LabelRow] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        row = _row(line, number, shown)
        if rows and row.start < rows[-1].stop:
            _refuse(shown, number, line, f"begins before the row above ends at {rows[-1].stop}")
        rows.append(row)
    return tuple(rows)


def _row(line: str, number: int, shown: Path) -> LabelRow:
    cells = [cell.strip() for cell in line.split(";")]
    if len(cells) != len(_COLUMNS):
        _refuse(shown, number, line, f"has {len(cells)} cells; {len(_COLUMNS)} are needed")
    for cell in cells:
        if not (cell.isascii() and cell.isdigit() and len(cell) <= _MAX_DIGITS):
            _refuse(shown, number, cell, "is not a whole number")
    start, stop, activity, artefact, electrode = cells
    if int(start) >= int(stop):
        _refuse(shown, number, line, "ends where it begins, or before")
    if activity not in _ACTIVITY_CODES:
        _refuse(shown, number, activity, f"is no activity; they are {', '.join(_ACTIVITY_CODES)}")
    if artefact not in _ARTEFACT_CODES:
        _refuse(shown, number, artefact, f"is no artefact degree; they are {', '.join(_ARTEFACT_CODES)}")
    return LabelRow(
        start=int(start),
        stop=int(stop),
        activity=_ACTIVITY_CODES[activity],
        artefact=artefact,
        electrode=int(electrode),
    )


def _refuse(shown: Path, number: int, value: str, fault: str) -> NoReturn:
    short = value if len(value) <= 40 else value[:40] + "…"
    raise ImportRefused(
        f"{short!r} {fault}; mend the label file, or move it away to import the recording without it.",
        path=shown,
        line=number,
        reason=RefusalReason.LABELS,
        value=short,
    )


def marks_of(rows: tuple[LabelRow, ...], axis: TimeAxis, *, activity: str) -> list[Mark]:
    """Turn rows into labels on sample indices.

    Lines are counted without gaps, samples with them, so each end is looked up in the axis. Neighbouring rows of one
    activity become one label; artefact degrees stay row by row, as each was judged for its own two seconds. Without
    rows, the activity that the file is named for holds for all of it.
    """
    n_lines = axis.index.size
    if not rows:
        return [Mark(start=0, stop=axis.n_samples, kind="activity", value=activity)]
    inside = [(row, row.start, min(row.stop, n_lines)) for row in rows if row.start < n_lines]
    stretches: list[tuple[str, int, int]] = []
    for row, start, stop in inside:
        if stretches and stretches[-1][0] == row.activity and stretches[-1][2] == start:
            stretches[-1] = (row.activity, stretches[-1][1], stop)
        else:
            stretches.append((row.activity, start, stop))
    marks = []
    for value, start, stop in stretches:
        first, past = axis.sample_range(start, stop)
        marks.append(Mark(start=first, stop=past, kind="activity", value=value))
    for row, start, stop in inside:
        first, past = axis.sample_range(start, stop)
        marks.append(Mark(start=first, stop=past, kind="artefact", value=row.artefact))
    return marks
