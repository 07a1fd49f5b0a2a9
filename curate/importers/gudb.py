"""Import of the Glasgow University Database: ``subject_NN/TASK/ECG.tsv`` and the R peaks beside it.

Howell & Porr 2018 (doi:10.5525/gla.researchdata.716): 25 people, five tasks, 250 samples per second; a chest strap with
leads V2 − V1, Einthoven II and III with loose cables, and acceleration. Values are volts as the converter gave them.
"""

from __future__ import annotations

import re
from pathlib import Path

from curate.errors import ImportRefused, RefusalReason
from curate.importers.leads import channel_in_mv, choose_leads
from curate.importers.options import ImportOptions
from curate.importers.reading import read_text_bytes, refuse_empty
from curate.importers.recorded import IMPORTED, Identity, Mark, Reading
from curate.importers.registry import Importer
from curate.importers.table_text import TextLines, read_numbers, show

__all__ = ["RATE_HZ", "GudbImporter"]

RATE_HZ = 250.0
_COLUMNS = (
    ("CS V2-V1", "V"),
    ("Einthoven II", "V"),
    ("Einthoven III", "V"),
    ("acceleration x", ""),
    ("acceleration y", ""),
    ("acceleration z", ""),
)
_LEADS = {"CS": "CS V2-V1", "II": "Einthoven II", "III": "Einthoven III"}
_TASKS = {"sitting": "sit", "maths": "maths", "walking": "walk", "hand_bike": "hand_bike", "jogging": "jog"}
_RUNS = {task: run for run, task in enumerate(_TASKS, start=1)}
_PEAKS = {"cs": "annotation_cs.tsv", "cables": "annotation_cables.tsv"}
_SUBJECT = re.compile(r"subject_(\d{2,3})")
_FILE = "ECG.tsv"
_MAX_PEAK_BYTES = 4 * 1024 * 1024


class GudbImporter(Importer):
    """The format ``gudb``."""

    name = "gudb"

    def candidate(self, path: Path) -> bool:
        """``ECG.tsv`` in the folder of a task of a subject."""
        return path.name == _FILE and _SUBJECT.fullmatch(path.parent.parent.name) is not None

    def companion(self, path: Path) -> bool:
        """The R peaks."""
        return path.name in _PEAKS.values() and (path.parent / _FILE).is_file()

    def recognises(self, path: Path) -> bool:
        """By its place."""
        return self.candidate(path.resolve())

    def annotators(self, path: Path) -> tuple[str, ...]:
        """The task, and each file of R peaks."""
        there = tuple(f"{IMPORTED}-{kind}" for kind, name in _PEAKS.items() if (path.parent / name).is_file())
        return (IMPORTED, *there)

    def identity(self, path: Path, *, shown: Path) -> Identity:
        """By the folders; see ``Importer.identity``."""
        subject, task = _place(path, shown)
        return Identity(subject=f"S{subject}", session="01", run=_RUNS[task])

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        refuse_empty(path, shown)
        _, task = _place(path, shown)
        text = TextLines(path, shown=shown)
        table = read_numbers(
            iter(text),
            text,
            shown=shown,
            delimiter=None,
            n_columns=len(_COLUMNS),
            columns=range(len(_COLUMNS)),
        )
        channels = tuple(channel_in_mv(name, unit, gain=1.0, offset=0.0) for name, unit in _COLUMNS)
        montage, notes = choose_leads(channels, options.leads, shown=shown, usual=_LEADS)
        n_samples = len(table.values)
        if table.cut_line:
            notes.append(f"the last line, {table.cut_line!r}, has no line end, so it was cut; it was left out.")
        layers: dict[str, tuple[Mark, ...]] = {}
        layers[IMPORTED] = (Mark(start=0, stop=n_samples, kind="activity", value=_TASKS[task]),)
        for kind, name in _PEAKS.items():
            if (path.parent / name).is_file():
                layers[f"{IMPORTED}-{kind}"] = _peaks(path.parent / name, n_samples, shown.parent / name)
            else:
                notes.append(f"{name} is not beside it, so the R peaks of that signal are not known.")
        return Reading(
            channels=channels,
            counts=table.values,
            montage=montage,
            nominal_rate_hz=RATE_HZ,
            board="imported: gudb",
            layers=layers,
            identity=self.identity(path, shown=shown),
            loss_detection="none: the file has neither times nor a counter",
            detail="values in V",
            notes=tuple(notes),
        )


def _place(path: Path, shown: Path) -> tuple[str, str]:
    """Number of the subject and the task, by the folders that a file lies in."""
    folder = path.resolve().parent
    subject, task = _SUBJECT.fullmatch(folder.parent.name), folder.name
    if subject is None or task not in _TASKS:
        raise ImportRefused(
            f"it lies in {folder.parent.name[:30]}/{task[:30]}, which is not subject_NN/TASK with TASK one of "
            f"{', '.join(_TASKS)}; move it where the data set has it.",
            path=shown,
            reason=RefusalReason.NAME,
            value=task[:30],
        )
    return subject[1], task


def _peaks(path: Path, n_samples: int, shown: Path) -> tuple[Mark, ...]:
    """The R peaks of one file, one sample index a line."""
    data = read_text_bytes(path, shown=shown, limit_bytes=_MAX_PEAK_BYTES)
    found: list[int] = []
    for number, line in enumerate(data.decode("ascii", "backslashreplace").splitlines(), start=1):
        cell = line.strip()
        if not cell:
            continue
        # Some programs write whole numbers like 1.230000000000000000e+02.
        match = re.fullmatch(r"[0-9]{1,12}|[0-9]{1,12}\.[0-9]{0,20}(?:[eE][+-]?[0-9]{1,2})?", cell)
        value = float(cell) if match else -1.0
        if not (value.is_integer() and 0 <= value < n_samples) or (found and value <= found[-1]):
            raise ImportRefused(
                f"{show(cell)!r} is no sample index from 0 to {n_samples - 1} above the one before it; mend the line, "
                "or move the file away to import the recording without it.",
                path=shown,
                line=number,
                reason=RefusalReason.LABELS,
                value=show(cell),
            )
        found.append(int(value))
    return tuple(Mark(start=peak, stop=peak + 1, kind="beat", value="R") for peak in found)
