"""Import of the wearable recordings of kalouskova/DP: one lead, a line per sample, ``SS/SS_EE_ACTIVITY.csv[.gz]``.

A file is named for subject SS, electrode set EE and activity; a session is one subject with one electrode set, and the
activities are its runs. Labels, where there are some, lie in ``labels/SS_EE_ACTIVITY_2.csv`` beside it.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.recording import Gap, Header, RecordingContent, open_recording
from acquire.recordings.recording_write import write_recording
from acquire.study import Study
from curate.errors import ImportRefused, RefusalReason
from curate.importers.reading import read_text_bytes
from curate.importers.registry import Importer
from curate.importers.report import Imported
from curate.importers.time_axis import TimeAxis, fit_time_axis
from curate.importers.wearable_labels import LABELS_FOLDER, LabelRow, label_file, labels_of, read_label_rows
from curate.importers.wearable_text import WearableLines, looks_like_wearable, parse_lines
from curate.labels import Layer
from protocols.version import VERSION

__all__ = ["ANNOTATOR", "WearableImporter", "WearableName", "read_name"]

ANNOTATOR = "imported"
NOMINAL_RATE_HZ = 500.0

_NAME = re.compile(r"(\d{2})_(\d{2})_([a-z]+)\.csv(?:\.gz)?")
_ACTIVITIES = {"klud": "rest", "ruky": "arms", "chodza": "walk", "beh": "run", "drepy": "squats"}
_RUNS = {activity: run for run, activity in enumerate(_ACTIVITIES.values(), start=1)}
_ELECTRODES = {"01": "agcl", "02": "crni"}
_RATE_RANGE_HZ = (450.0, 550.0)
_MIN_LINES = 500
_MAX_GAP_S = 3600.0
_CLOCK_EVERY_S = 0.1
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
        with path.open("rb") as file:
            return looks_like_wearable(file.read(_HEAD_BYTES))

    def take(self, study: Study, path: Path, *, shown: Path, known: Mapping[str, Path]) -> Imported:
        """Write one file into a study; see ``Importer.take``.

        Counts go over exactly, as int32. The file's clock has no zone: ``started_at`` takes it for UTC, and ``source``
        says so. Both label kinds are laid over the samples that their lines became, so that a gap inserted before them
        moves them with their samples. The digest of the unpacked text is kept in ``source`` and tells a file that was
        imported before.
        """
        _refuse_empty(path, shown)
        name = read_name(shown)
        data = read_text_bytes(path, shown=shown)
        digest = hashlib.sha256(data).hexdigest()
        rows_path = label_file(path)
        rows = read_label_rows(rows_path, shown=shown.parent / LABELS_FOLDER / rows_path.name) if rows_path else ()
        target = study.recording_path(name.subject, name.session, name.run)
        layer_path = study.labels_dir(target.stem) / f"{ANNOTATOR}.jsonl"
        before = known.get(digest)
        if before is not None and (before != target or layer_path.exists()):
            return Imported(recording=before, digest=digest, known=True)
        taken = [there.name for there in (target, layer_path) if before is None and there.exists()]
        if taken:
            raise ImportRefused(
                f"the study has {taken[0]} for {target.stem} already, from something else; nothing is overwritten, "
                "so import into another study, or move that file away.",
                path=shown,
                reason=RefusalReason.STUDY,
            )

        lines = parse_lines(data, shown=shown)
        axis = _time_axis(lines, shown)
        notes = _notes(name, lines, axis, rows)
        if before is None:
            recording_id = str(uuid.uuid4())
            content = _content(study, name, lines, axis, recording_id=recording_id, source=_source(path, digest))
            target.parent.mkdir(exist_ok=True)
            study.add_subject(name.subject)
            write_recording(target, content)
        else:
            # An import was cut short between the recording and its labels.
            with open_recording(before) as recording:
                recording_id = recording.header.recording_id
            notes = ["its labels were missing beside the recording and were added."]
        layer = Layer.create(layer_path, recording_id, ANNOTATOR)
        layer.add_many(labels_of(rows, axis, activity=name.activity, annotator=ANNOTATOR))
        return Imported(recording=target, digest=digest, notes=tuple(notes), known=before is not None)


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


def _source(path: Path, digest: str) -> str:
    return (
        f"{path.name} sha256:{digest} (digest of the unpacked text; its clock names no time zone and is taken for UTC)"
    )


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


def _notes(name: WearableName, lines: WearableLines, axis: TimeAxis, rows: tuple[LabelRow, ...]) -> list[str]:
    notes = []
    if lines.cut_line:
        notes.append(f"the last line, {lines.cut_line!r}, has no line end, so it was cut; it was left out.")
    if axis.gaps.size:
        lost = int(axis.gaps[:, 1].sum())
        notes.append(
            f"{len(axis.gaps)} gap{'s' if len(axis.gaps) > 1 else ''} with {lost} missing samples "
            f"({lost / axis.rate_hz:.3f} s) {'were' if len(axis.gaps) > 1 else 'was'} found in its times."
        )
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


def _content(
    study: Study, name: WearableName, lines: WearableLines, axis: TimeAxis, *, recording_id: str, source: str
) -> RecordingContent:
    counts = np.zeros((axis.n_samples, 1), dtype=np.int32)
    counts[axis.index, 0] = lines.counts
    gaps = tuple(
        Gap(start=int(start), length=int(length), cause="times in the file jump") for start, length in axis.gaps
    )
    header = Header(
        recording_id=recording_id,
        subject=name.subject,
        session=name.session,
        run=name.run,
        started_at=_utc_text(int(lines.times_us[0])),
        board="imported: wearable",
        nominal_rate_hz=NOMINAL_RATE_HZ,
        fitted_rate_hz=axis.rate_hz,
        mains_hz=study.mains_hz,
        factors={"electrode": name.electrode},
        protocol_name="",
        protocol_sha256="",
        montage={"ECG": {"ECG": 1.0}},
        software_version=VERSION,
        source=source,
    )
    return RecordingContent(
        header=header,
        # The true gain is nowhere told: counts around the middle of the converter's range.
        channels=(Channel(name="ECG", unit="adu", gain=1.0, offset=2048.0),),
        counts=counts,
        valid=_between(axis),
        clock=_clock(lines.times_us, axis),
        events=(),
        gaps=gaps,
        protocol_text="",
    )


def _utc_text(time_us: int) -> str:
    moment = datetime(1970, 1, 1) + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds") + "Z"


def _between(axis: TimeAxis) -> NDArray[np.int64]:
    starts = np.concatenate([[0], axis.gaps.sum(axis=1)])
    stops = np.concatenate([axis.gaps[:, 0], [axis.n_samples]])
    return np.stack([starts, stops], axis=1).astype(np.int64)


def _clock(times_us: NDArray[np.int64], axis: TimeAxis) -> NDArray[np.int64]:
    """Ten moments a second, and the lines beside every gap, in ns from the first line; the board has no clock."""
    every = max(1, round(_CLOCK_EVERY_S * axis.rate_hz))
    after = np.flatnonzero(np.diff(axis.index) > 1) + 1
    last = times_us.size - 1
    lines = np.unique(np.concatenate([np.arange(0, last + 1, every), after - 1, after, [last]]))
    host_ns = (times_us[lines] - times_us[0]) * 1000
    return np.stack([axis.index[lines], host_ns, np.full(lines.size, -1)], axis=1).astype(np.int64)
