"""Export recordings: choose them, write each in a format, and let the whole appear at once."""

from __future__ import annotations

import fnmatch
import importlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acquire.errors import RecordingError
from acquire.names import stem_parts
from acquire.recordings.recording import Recording, open_recording
from acquire.study import Study, Subject
from curate.errors import ExportError, LayerError
from curate.exporters.folder import move_into, new_folder
from curate.exporters.signals import choose_signals
from curate.exporters.source import RecordingExporter, Source
from curate.exporters.statements import collect_statements
from curate.labels.layers import PROTOCOL

if TYPE_CHECKING:
    from protocols.errors import TrileadError

__all__ = ["FORMATS", "ExportReport", "Left", "export_recordings"]

FORMATS: dict[str, str] = {
    "wfdb": "curate.exporters.wfdb_record:WfdbExporter",
    "csv": "curate.exporters.csv_tables:CsvExporter",
    "edf": "curate.exporters.edf:EdfExporter",
    "bids": "curate.exporters.bids:BidsExporter",
}
"""Name → ``module:Class``; the module is imported when the format is asked for."""

Progress = Callable[[str, int, int], None]
"""Told which recording is at hand, how many samples are done, and of how many."""

_PART = ".part"
# A rate that is off by this much moves the end of an hour by 0.36 s.
_DRIFT_WORTH_A_NOTE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Left:
    """A recording that was not exported, and why."""

    name: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What became of an export.

    Attributes:
        folder: where it lies.
        exported: the recordings in it, by name.
        left_out: those that are not.
        notes: sentences about what the reader of the export had better know.
    """

    folder: Path
    exported: tuple[str, ...]
    left_out: tuple[Left, ...]
    notes: tuple[str, ...]


def export_recordings(
    study: Study,
    out: Path,
    *,
    format: str,
    recordings: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    leads: Sequence[str] | None = None,
    channels: bool = False,
    fitted_rate: bool = False,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write recordings and what is said about them in another format.

    A recording that cannot be written is left out and named. The folder appears when all is written, or not at all.

    Args:
        study: the study.
        out: the folder to make; one that is there must be empty.
        format: one of ``FORMATS``.
        recordings: names or patterns like ``sub-S01*``; all unless given.
        layers: take only these layers of labels; all unless given.
        leads: which leads; those that carry what was measured unless given.
        channels: write the board's channels instead of leads.
        fitted_rate: put the fitted rate, not the nominal one, where a format says its rate.
        on_progress: told how far it is.

    Raises:
        ExportError: there is no such format, recording or layer; nothing could be exported; the folder is not empty; or
            the disk refuses something.
    """
    exporter = _load(format, study)
    chosen = _choose(study, recordings)
    _check_layers(study, chosen, layers)
    subjects = {subject.pseudonym: subject for subject in study.subjects()}
    exported: list[Source] = []
    left: list[Left] = []
    with new_folder(out) as folder:
        for path in chosen:
            part = folder / _PART
            part.mkdir()
            try:
                with open_recording(path) as recording:
                    source = _source(study, recording, subjects, layers, leads, channels, fitted_rate)
                    _write(exporter, part, source, on_progress)
            except (ExportError, RecordingError, LayerError) as error:
                shutil.rmtree(part)
                left.append(Left(name=path.stem, sentence=_of_its_own(error, study)))
                continue
            move_into(part, folder)
            exported.append(source)
        if not exported:
            reasons = " ".join(entry.sentence for entry in left[:3])
            raise ExportError(f"Nothing could be exported. {reasons}", path=study.path)
        exporter.finish(folder, study, exported)
    return ExportReport(
        folder=out, exported=tuple(source.name for source in exported), left_out=tuple(left), notes=_drift(exported)
    )


def _load(format: str, study: Study) -> RecordingExporter:
    if format not in FORMATS:
        raise ExportError(
            f"There is no export of recordings named {format!r}; there are {', '.join(FORMATS)}.", path=study.path
        )
    module, _, kind = FORMATS[format].partition(":")
    exporter = getattr(importlib.import_module(module), kind)()
    assert isinstance(exporter, RecordingExporter)
    return exporter


def _choose(study: Study, patterns: Sequence[str] | None) -> list[Path]:
    paths = study.recordings()
    if not paths:
        raise ExportError(f"{study.path} has no recordings to export; record or import some.", path=study.path)
    if patterns is None:
        return paths
    chosen: set[Path] = set()
    for pattern in patterns:
        found = [path for path in paths if fnmatch.fnmatchcase(path.stem, pattern.removesuffix(".h5"))]
        if not found:
            raise ExportError(
                f"{study.path} has no recording {pattern[:100]!r}; it has {paths[0].stem}"
                + (f" to {paths[-1].stem}." if len(paths) > 1 else "."),
                path=study.path,
            )
        chosen.update(found)
    return [path for path in paths if path in chosen]


def _check_layers(study: Study, paths: Sequence[Path], layers: Sequence[str] | None) -> None:
    """Refuse a layer that none of the recordings has: a mistyped name would leave all its labels out."""
    if layers is None:
        return
    known = {PROTOCOL} | {file.stem for path in paths for file in study.labels_dir(path.stem).glob("*.jsonl")}
    unknown = [layer for layer in layers if layer not in known]
    if unknown:
        raise ExportError(
            f"None of the recordings has a layer {unknown[0][:80]!r}; there are {', '.join(sorted(known))}.",
            path=study.path,
        )


def _source(
    study: Study,
    recording: Recording,
    subjects: dict[str, Subject],
    layers: Sequence[str] | None,
    leads: Sequence[str] | None,
    channels: bool,
    fitted_rate: bool,
) -> Source:
    header = recording.header
    if not recording.n_samples:
        raise ExportError(f"{recording.path.stem} holds no samples.", path=recording.path)
    if stem_parts(recording.path.stem) != (header.subject, header.session, header.run):
        raise ExportError(
            f"{recording.path.stem} is the recording of subject {header.subject}, session {header.session}, run"
            f" {header.run}; give the file its own name.",
            path=recording.path,
        )
    fitted = fitted_rate and header.fitted_rate_hz > 0
    said_by, statements = collect_statements(study, recording, only=layers)
    return Source(
        name=recording.path.stem,
        recording=recording,
        subject=subjects.get(header.subject, Subject(pseudonym=header.subject)),
        signals=choose_signals(recording, leads=leads, channels=channels),
        rate_hz=header.fitted_rate_hz if fitted else header.nominal_rate_hz,
        fitted=fitted,
        layers=said_by,
        statements=statements,
    )


def _write(exporter: RecordingExporter, part: Path, source: Source, on_progress: Progress | None) -> None:
    done, total = 0, source.recording.n_samples * exporter.passes

    def tick(n_samples: int) -> None:
        nonlocal done
        done += n_samples
        if on_progress is not None:
            on_progress(source.name, done, total)

    tick(0)
    exporter.write(part, source, tick)


def _of_its_own(error: TrileadError, study: Study) -> str:
    return str(error).replace(f"{study.path}/", "")


def _drift(sources: Sequence[Source]) -> tuple[str, ...]:
    """A sentence when rates were written that the clocks did not show."""
    drifts = {}
    for source in sources:
        header = source.recording.header
        if not source.fitted and header.fitted_rate_hz:
            drifts[source.name] = header.fitted_rate_hz / header.nominal_rate_hz - 1
    drifts = {name: drift for name, drift in drifts.items() if abs(drift) > _DRIFT_WORTH_A_NOTE}
    if not drifts:
        return ()
    worst = max(drifts, key=lambda name: abs(drifts[name]))
    which = worst if len(drifts) == 1 else f"{len(drifts)} recordings, {worst} the most"
    return (
        f"The nominal rate is written, and the clock showed another ({which}: {drifts[worst]:+.2%}); "
        "--rate fitted writes that one.",
    )
