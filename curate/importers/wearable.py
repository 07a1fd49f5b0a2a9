"""Import of the wearable recordings of kalouskova/DP: one lead, a line per sample, ``SS/SS_EE_ACTIVITY.csv[.gz]``.

A file is named for subject SS, electrode set EE and activity; a session is one subject with one electrode set, and the
activities are its runs. Labels, where there are some, lie in ``labels/SS_EE_ACTIVITY_2.csv`` beside it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acquire.boards.board import Channel
from acquire.recordings.content import Gap
from curate.errors import ImportRefused, RefusalReason
from curate.importers.options import ImportOptions
from curate.importers.reading import read_head, read_text_bytes
from curate.importers.recorded import IMPORTED, Identity, Reading, clock_rows, gap_note, spread_rows, utc_text
from curate.importers.registry import Importer
from curate.importers.time_axis import TimeAxis, fit_time_axis
from curate.importers.wearable_labels import LABELS_FOLDER, LabelRow, label_file, marks_of, read_label_rows
from curate.importers.wearable_text import WearableLines, looks_like_wearable, parse_lines

__all__ = ["WearableImporter", "WearableName", "read_name"]

NOMINAL_RATE_HZ = 500.0

_NAME = re.compile(r"(\d{2})_(\d{2})_([a-z]+)\.csv(?:\.gz)?")
_ACTIVITIES = {"klud": "rest", "ruky": "arms", "chodza": "walk", "beh": "run", "drepy": "squats"}
_RUNS = {activity: run for run, activity in enumerate(_ACTIVITIES.values(), start=1)}
_ELECTRODES = {"01": "agcl", "02": "crni"}
_RATE_RANGE_HZ = (450.0, 550.0)
_MIN_LINES = 500
_MAX_GAP_S = 3600.0
_HEAD_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class WearableName:
    """What a file's name says, in this project's words."""

    subject: str
    session: str
    run: int
    electrode: str
    activity: str


def read_name(shown: Path) -> WearableName:
    """Read a file's name.

    Raises:
        ImportRefused: the name is not of the form, or the folder is that of somebody else.
    """
    match = _NAME.fullmatch(shown.name)
    if match is None or match[3] not in _ACTIVITIES or match[2] not in _ELECTRODES:
        raise ImportRefused(
            f"the name is not SS_EE_ACTIVITY.csv or .csv.gz, EE one of {', '.join(_ELECTRODES)} and ACTIVITY one of "
            f"{', '.join(_ACTIVITIES)}; rename the file, or leave it out.",
            path=shown,
            reason=RefusalReason.NAME,
            value=shown.name[:60],
        )
    number, session, word = match.groups()
    folder = shown.parent.name
    if re.fullmatch(r"\d{2}", folder) and folder != number:
        raise ImportRefused(
            f"the file is named for subject {number}, but lies in the folder of subject {folder}; move or rename it.",
            path=shown,
            reason=RefusalReason.NAME,
            value=shown.name,
        )
    activity = _ACTIVITIES[word]
    return WearableName(
        subject=f"S{number}", session=session, run=_RUNS[activity], electrode=_ELECTRODES[session], activity=activity
    )


class WearableImporter(Importer):
    """The format ``wearable``."""

    name = "wearable"
    takes = frozenset()

    def candidate(self, path: Path) -> bool:
        """Every ``.csv`` and ``.csv.gz`` outside a ``labels`` folder is meant to be a recording, whatever its name."""
        return path.name.endswith((".csv", ".csv.gz")) and path.parent.name != LABELS_FOLDER

    def companion(self, path: Path) -> bool:
        """Label files lie in ``labels`` folders."""
        return path.name.endswith(".csv") and path.parent.name == LABELS_FOLDER

    def recognises(self, path: Path) -> bool:
        """By the form of the name (a misnamed activity included), else by the first line."""
        if re.match(r"\d{2}_\d{2}_[a-z]", path.name) and self.candidate(path):
            return True
        return looks_like_wearable(read_head(path, _HEAD_BYTES))

    def fingerprint(self, path: Path, *, shown: Path) -> str:
        """SHA-256 of the unpacked text; see ``Importer.fingerprint``."""
        _refuse_empty(path, shown)
        read_name(shown)
        return hashlib.sha256(read_text_bytes(path, shown=shown)).hexdigest()

    def identity(self, path: Path, *, shown: Path) -> Identity:
        """By the name; see ``Importer.identity``."""
        name = read_name(shown)
        return Identity(subject=name.subject, session=name.session, run=name.run, factors={"electrode": name.electrode})

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``.

        Counts go over exactly, as int32. The file's clock has no zone: ``started_at`` takes it for UTC, and ``source``
        says so. Both label kinds are laid over the samples that their lines became, so that a gap inserted before them
        moves them with their samples.
        """
        name = read_name(shown)
        rows_path = label_file(path)
        rows = read_label_rows(rows_path, shown=shown.parent / LABELS_FOLDER / rows_path.name) if rows_path else ()
        lines = parse_lines(read_text_bytes(path, shown=shown), shown=shown)
        axis = _time_axis(lines, shown)
        counts, gaps = spread_rows(
            lines.counts[:, None], axis.index, cause="times in the file jump", shown=shown, rate_hz=axis.rate_hz
        )
        return Reading(
            # The true gain is nowhere told: counts around the middle of the converter's range.
            channels=(Channel(name="ECG", unit="adu", gain=1.0, offset=2048.0),),
            counts=counts,
            montage={"ECG": {"ECG": 1.0}},
            nominal_rate_hz=NOMINAL_RATE_HZ,
            fitted_rate_hz=axis.rate_hz,
            board="imported: wearable",
            started_at=utc_text(int(lines.times_us[0])),
            gaps=gaps,
            clock=clock_rows(lines.times_us * 1000, axis.index, axis.rate_hz),
            layers={IMPORTED: tuple(marks_of(rows, axis, activity=name.activity))},
            identity=self.identity(path, shown=shown),
            loss_detection="times at which lines were written",
            detail="digest of the unpacked text; its clock names no time zone and is taken for UTC",
            notes=tuple(_notes(name, lines, gaps, axis, rows)),
        )


def _refuse_empty(path: Path, shown: Path) -> None:
    if path.stat().st_size == 0:
        misnamed = "" if _well_named(shown) else ", and its name is not SS_EE_ACTIVITY either"
        raise ImportRefused(
            f"the file is empty (0 bytes){misnamed}; record it again, or leave it out.",
            path=shown,
            reason=RefusalReason.EMPTY,
        )


def _well_named(shown: Path) -> bool:
    try:
        read_name(shown)
    except ImportRefused:
        return False
    return True


def _time_axis(lines: WearableLines, shown: Path) -> TimeAxis:
    times_us = lines.times_us
    if times_us.size < _MIN_LINES:
        raise ImportRefused(
            f"it has {times_us.size} lines; at least {_MIN_LINES} are needed to fit a rate; leave it out.",
            path=shown,
            reason=RefusalReason.TOO_SHORT,
            value=str(times_us.size),
        )
    widest = int(np.diff(times_us).argmax())
    hole_s = float(times_us[widest + 1] - times_us[widest]) / 1e6
    if hole_s > _MAX_GAP_S:
        raise ImportRefused(
            f"{hole_s:.0f} s lie before this line; a gap has at most {_MAX_GAP_S:.0f} s; split the file there.",
            path=shown,
            line=widest + 2,
            reason=RefusalReason.TIME,
            value=f"{hole_s:.3f}",
        )
    low_hz, high_hz = _RATE_RANGE_HZ
    axis = fit_time_axis(times_us) if times_us[-1] > times_us[0] else None
    if axis is None or not low_hz <= axis.rate_hz <= high_hz:
        found = "do not advance" if axis is None else f"give {axis.rate_hz:.1f} samples per second"
        raise ImportRefused(
            f"its times {found}; these boards give {low_hz:.0f} to {high_hz:.0f}; look what wrote the file.",
            path=shown,
            reason=RefusalReason.TIME,
        )
    return axis


def _notes(
    name: WearableName, lines: WearableLines, gaps: tuple[Gap, ...], axis: TimeAxis, rows: tuple[LabelRow, ...]
) -> list[str]:
    notes = []
    if lines.cut_line:
        notes.append(f"the last line, {lines.cut_line!r}, has no line end, so it was cut; it was left out.")
    notes += gap_note(gaps, axis.rate_hz, found_in="times")
    labelled = {row.activity for row in rows}
    if labelled - {name.activity}:
        notes.append(
            f"its name says {name.activity}, its labels say {', '.join(sorted(labelled))}; the labels were followed."
        )
    electrodes = {row.electrode for row in rows} - {int(name.session)}
    if electrodes:
        notes.append(
            f"its name says electrode set {name.session}, its labels say "
            f"{', '.join(f'{number:02d}' for number in sorted(electrodes))}; the name was followed."
        )
    if rows and rows[-1].stop > lines.counts.size:
        notes.append(f"its labels reach to line {rows[-1].stop} of {lines.counts.size}; they were cut there.")
    return notes
