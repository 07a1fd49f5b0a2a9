"""A corpus as one Parquet table, a row for each window. Needs pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.corpus.read import Corpus
from curate.errors import ExportError
from curate.exporters.corpora import about, table_columns, window_blocks
from curate.exporters.folder import new_file
from curate.exporters.source import Tick

__all__ = ["lead_ok_column", "signal_column", "split_column", "write_parquet"]


def signal_column(lead: str) -> str:
    """What the column of a lead's samples is called; a factor's name has no point in it."""
    return f"signal.{lead}"


def lead_ok_column(lead: str) -> str:
    """What the column that tells whether a lead holds signal is called."""
    return f"lead_ok.{lead}"


def split_column(split: str) -> str:
    """What the column of each window's side in a split is called."""
    return f"split.{split}"


def write_parquet(folder: Path, corpus: Corpus, tick: Tick) -> None:
    """Write ``NAME.parquet``: the table's columns, the splits, and each lead as a list of ``n_samples`` numbers.

    What is true of the whole stands as JSON in the file's metadata, under ``trilead``.

    Raises:
        ExportError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise ExportError(
            "Parquet needs pyarrow, which is not installed; install it with: pip install 'trilead[formats]'",
            path=corpus.path,
        ) from error
    constant: dict[str, NDArray[Any]] = table_columns(corpus)
    for name in corpus.split_names:
        constant[split_column(name)] = corpus.split(name)
    for place, lead in enumerate(corpus.leads):
        constant[lead_ok_column(lead)] = corpus.lead_ok()[:, place]
    described = json.dumps(about(corpus), ensure_ascii=False, sort_keys=True)
    fields = [pa.field(name, _kind(pa, values), nullable=False) for name, values in constant.items()]
    fields += [
        pa.field(signal_column(lead), pa.list_(pa.float32(), corpus.n_samples), nullable=False) for lead in corpus.leads
    ]
    schema = pa.schema(fields, metadata={"trilead": described})
    with (
        new_file(folder / f"{corpus.path.stem}.parquet") as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for chosen, windows in window_blocks(corpus):
            columns = [pa.array(values[chosen], type=_kind(pa, values)) for values in constant.values()]
            columns += [
                pa.FixedSizeListArray.from_arrays(
                    pa.array(np.ascontiguousarray(windows[:, place]).ravel()), corpus.n_samples
                )
                for place in range(len(corpus.leads))
            ]
            writer.write_table(pa.table(columns, schema=schema))
            tick(len(windows))


def _kind(pa: Any, values: NDArray[Any]) -> Any:
    return pa.string() if values.dtype.kind == "U" else pa.from_numpy_dtype(values.dtype)
