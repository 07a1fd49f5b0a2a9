"""Recordings as a BIDS data set: ``_physio`` and ``_physioevents`` files under ``beh``.

As the Brain Imaging Data Structure 1.11 has it (Gorgolewski 2016, doi:10.1038/sdata.2016.44;
https://bids-specification.readthedocs.io): tables without a head line, packed with gzip, each with a JSON file that
names its columns. The data type is ``beh``, the only one for a recording that stands beside no image and no brain
signal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.exporters.folder import new_gzip, write_json, write_text
from curate.exporters.signals import blocks, values_of
from curate.exporters.source import RecordingExporter, Source, Tick, facts
from curate.exporters.statements import EVENT, GAP
from curate.labels.label import LABEL_KINDS
from protocols.version import VERSION

if TYPE_CHECKING:
    from acquire.study import Study

__all__ = ["BIDS_VERSION", "BidsExporter", "tsv_text"]

BIDS_VERSION = "1.11.1"
MISSING = "n/a"
_SAMPLE = "sample"
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
_KINDS = {
    "activity": "What the subject did; the message is its name.",
    "artefact": "How much the signal is disturbed; the message is the degree, 1 (little or none) to 4.",
    "unusable": "The signal is of no use.",
    "beat": "A heartbeat; the message is its kind, or n/a.",
    "note": "A remark.",
    "absent": "What the message names is not there, whatever layers of a lower rank say.",
    GAP: "Lost samples; the message is the cause.",
    EVENT: "Something that the recorder, the protocol or the operator did; it has no length.",
}
assert set(LABEL_KINDS) < set(_KINDS)


class BidsExporter(RecordingExporter):
    """A data set: recordings under ``sub-…/ses-…/beh``, and at the top what describes the whole."""

    def write(self, folder: Path, source: Source, tick: Tick) -> None:
        """Write one recording; see ``RecordingExporter.write``."""
        stem = folder / _stem(source)
        stem.parent.mkdir(parents=True)
        sidecar, columns = _physio_sidecar(source)
        write_json(stem.with_name(f"{stem.name}_physio.json"), sidecar)
        with new_gzip(stem.with_name(f"{stem.name}_physio.tsv.gz")) as file:
            nothing = "\t".join([MISSING] * len(columns))
            for start, counts, lost in blocks(source.recording):
                values = values_of(source.recording, source.signals, counts, lost).tolist()
                lines = [
                    f"{nothing}\t{sample}\n" if gone else "\t".join(map(repr, row)) + f"\t{sample}\n"
                    for sample, (row, gone) in enumerate(zip(values, lost.tolist(), strict=True), start=start)
                ]
                file.write("".join(lines).encode())
                tick(len(counts))
        write_json(stem.with_name(f"{stem.name}_physioevents.json"), _events_sidecar(source))
        with new_gzip(stem.with_name(f"{stem.name}_physioevents.tsv.gz")) as file:
            rows = [
                (
                    said.start,
                    (said.stop - said.start) / source.rate_hz,
                    said.kind,
                    said.value,
                    said.layer,
                    said.stop,
                )
                for said in source.statements
            ]
            file.write(tsv_text(rows).encode())

    def finish(self, folder: Path, study: Study, sources: Sequence[Source]) -> None:
        """Write what describes the whole data set."""
        write_json(
            folder / "dataset_description.json",
            {
                "Name": study.name,
                "BIDSVersion": BIDS_VERSION,
                "DatasetType": "raw",
                "GeneratedBy": [{"Name": "trilead", "Version": VERSION}],
            },
        )
        write_text(folder / "README.md", _readme(study, sources))
        subjects = {source.subject.pseudonym: source.subject for source in sources}
        head = ("participant_id", "age_band", "sex")
        people = [
            (f"sub-{name}", one.age_band, _SEXES.get(one.sex.lower(), "")) for name, one in sorted(subjects.items())
        ]
        write_text(folder / "participants.tsv", tsv_text([head, *people]))
        write_json(
            folder / "participants.json",
            {
                "age_band": {"Description": "Age, as a band of years."},
                "sex": {"Description": "Sex.", "Levels": {"F": "female", "M": "male", "O": "other"}},
            },
        )
        _write_scans(folder, sources)


def _stem(source: Source) -> str:
    header = source.recording.header
    session = f"sub-{header.subject}/ses-{header.session}"
    return f"{session}/beh/sub-{header.subject}_ses-{header.session}_task-{_task(source)}_run-{header.run:02d}"


def _task(source: Source) -> str:
    """The protocol's name as BIDS lets a label be: letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", _task_name(source)) or "unscripted"


def _task_name(source: Source) -> str:
    return source.recording.header.protocol_name or "unscripted"


def _physio_sidecar(source: Source) -> tuple[dict[str, Any], list[str]]:
    """The JSON file beside the samples, and what the signals' columns are called."""
    header = source.recording.header
    sidecar: dict[str, Any] = {
        "TaskName": _task_name(source),
        "SamplingFrequency": source.rate_hz,
        "SamplingFrequencyEffective": header.fitted_rate_hz or MISSING,
        "StartTime": 0,
        "PhysioType": "generic",
        "SoftwareVersions": f"trilead {header.software_version}",
        "Columns": [],
        "Trilead": facts(source),
        _SAMPLE: {"Description": "Index of the sample, from 0. Lost samples count.", "Units": "samples"},
    }
    columns = []
    for number, signal in enumerate(source.signals, start=1):
        # Columns are described beside the other fields, and none may take the place of another.
        column = f"signal_{number}" if signal.name in sidecar or signal.name != signal.name.strip() else signal.name
        columns.append(column)
        sidecar[column] = {
            "LongName": signal.name,
            "Description": ("ECG lead" if signal.is_lead else "Channel of the board")
            + ", as it was recorded; n/a in a gap.",
            "Units": signal.unit or "arbitrary",
        }
    sidecar["Columns"] = [*columns, _SAMPLE]
    return sidecar, columns


def _events_sidecar(source: Source) -> dict[str, Any]:
    return {
        "TaskName": _task_name(source),
        "Columns": ["onset", "duration", "trial_type", "message", "layer", "stop"],
        "Description": "Labels of all layers, gaps, and events.",
        "OnsetSource": _SAMPLE,
        "onset": {"Description": "First sample.", "Units": "samples"},
        "duration": {"Description": "Length by the sampling frequency of the recording; 0 for an event.", "Units": "s"},
        "trial_type": {"Description": "What kind of statement it is.", "Levels": _KINDS},
        "message": {
            "Description": "Its value. Quotation marks, backslashes and control characters are escaped as in JSON."
        },
        "layer": {"Description": "Whose label it is; n/a for what the recording itself says."},
        "stop": {"Description": "One past the last sample.", "Units": "samples"},
    }


def _write_scans(folder: Path, sources: Sequence[Source]) -> None:
    """For each session a list of its recordings: when each began, and the levels of the study's factors."""
    sessions: dict[tuple[str, str], list[Source]] = {}
    for source in sources:
        header = source.recording.header
        sessions.setdefault((header.subject, header.session), []).append(source)
    for (subject, session), held in sessions.items():
        factors = sorted({factor for source in held for factor in source.recording.header.factors})
        top = f"sub-{subject}/ses-{session}"
        rows = [
            (
                f"{_stem(source).removeprefix(f'{top}/')}_physio.tsv.gz",
                _moment(source.recording.header.started_at),
                *(source.recording.header.factors.get(factor, "") for factor in factors),
            )
            for source in held
        ]
        stem = folder / top / f"sub-{subject}_ses-{session}_scans"
        write_text(stem.with_suffix(".tsv"), tsv_text([("filename", "acq_time", *_own(factors)), *rows]))
        if factors:
            described = {column: {"Description": "Level of a factor of the study."} for column in _own(factors)}
            write_json(stem.with_suffix(".json"), described)


def _own(factors: Sequence[str]) -> list[str]:
    """Factors as columns; one that is called like a column of BIDS gets a mark."""
    return [f"factor_{name}" if name in ("filename", "acq_time", "HED") else name for name in factors]


def _moment(started_at: str) -> str:
    moment = datetime.fromisoformat(started_at)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def _readme(study: Study, sources: Sequence[Source]) -> str:
    return (
        f"# {study.name}\n\n"
        f"{len(sources)} ECG recordings of {len({source.subject.pseudonym for source in sources})} subjects, written by"
        f" trilead {VERSION}.\n\n"
        "Signals are as they were recorded, without a filter. Lost samples have their rows, which hold n/a. Labels,"
        " gaps and events are in the `_physioevents` files, by sample.\n"
    )


def tsv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as BIDS wants its tables; texts are escaped as in JSON, empty ones are ``n/a``."""
    return "".join("\t".join(_cell(value) for value in row) + "\n" for row in rows)


def _cell(value: object) -> str:
    if not isinstance(value, str):
        return str(value)
    if value == MISSING:
        # It says "n/a", and that is not the same as saying nothing.
        return "\\u006e/a"
    quoted = json.dumps(value, ensure_ascii=False)[1:-1]
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in quoted) or MISSING
