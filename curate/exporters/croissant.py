"""A corpus as a Parquet table with Croissant metadata beside it.

Croissant 1.0 (http://mlcommons.org/croissant/1.0; Akhtar 2024, doi:10.1145/3650203.3663326) is JSON-LD that describes
files and the records in them. Who publishes a data set knows its licence, its address, its creators and its date;
trilead does not, and leaves them to be added.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from curate.corpus.read import Corpus
from curate.exporters.corpora import table_columns
from curate.exporters.folder import write_json
from curate.exporters.parquet import lead_ok_column, signal_column, split_column, write_parquet
from curate.exporters.source import Tick

__all__ = ["write_croissant"]

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"U": "sc:Text", "i": "sc:Integer", "u": "sc:Integer", "f": "sc:Float", "b": "sc:Boolean"}
_WORDS = {
    "subject": "Pseudonym of the subject.",
    "session": "Session of the subject: electrodes on to electrodes off.",
    "recording": "Name of the recording.",
    "activity": "What the subject did.",
    "start": "First sample of the window in the recording.",
    "stop": "One past the last sample of the window in the recording.",
    "quality": "Grade of the signal: good, doubtful or unusable.",
    "artefact": "Degree of disturbance, 1 to 4; 0 where nobody graded it.",
    "heart_rate": "Beats per minute; not a number where unknown.",
}


def write_croissant(folder: Path, corpus: Corpus, tick: Tick) -> None:
    """Write ``NAME.parquet`` and, beside it, ``croissant.json``.

    Raises:
        ExportError: pyarrow is not installed.
    """
    write_parquet(folder, corpus, tick)
    table = folder / f"{corpus.path.stem}.parquet"
    with table.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    write_json(folder / "croissant.json", _metadata(corpus, table, digest))


def _metadata(corpus: Corpus, table: Path, digest: str) -> dict[str, Any]:
    fields = [
        _field(table.name, name, _TYPES[values.dtype.kind], _WORDS.get(name, "Level of a factor of the study."))
        for name, values in table_columns(corpus).items()
    ]
    fields += [
        _field(
            table.name,
            split_column(name),
            "sc:Text",
            f"Side of the window in the split {name}: train, validate, test or unused.",
        )
        for name in corpus.split_names
    ]
    fields += [
        _field(table.name, lead_ok_column(lead), "sc:Boolean", f"Whether lead {lead} holds signal in this window.")
        for lead in corpus.leads
    ]
    fields += [
        {
            **_field(
                table.name,
                signal_column(lead),
                "sc:Float",
                f"Lead {lead}: {corpus.n_samples} samples at {corpus.rate_hz:g} Hz, unit: {corpus.unit}.",
            ),
            "repeated": True,
        }
        for lead in corpus.leads
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": corpus.path.stem,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "description": (
            f"{corpus.n_windows} windows of ECG of {corpus.window_s:g} s ({', '.join(corpus.leads)}) from "
            f"{corpus.table['subject'].nunique()} subjects and {len(corpus.sources)} recordings, made by trilead "
            f"{corpus.software_version}."
        ),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": table.name,
                "name": table.name,
                "description": "One row for each window.",
                "contentUrl": table.name,
                "contentSize": f"{table.stat().st_size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": digest,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "windows",
                "name": "windows",
                "description": "The windows of the corpus.",
                "field": fields,
            }
        ],
    }


def _field(file: str, column: str, kind: str, words: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"windows/{column}",
        "name": column,
        "description": words,
        "dataType": kind,
        "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
    }
