"""A corpus as one ``.npz``, which ``numpy.load`` reads without pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from curate.corpus.read import Corpus
from curate.exporters.corpora import about, table_columns, window_blocks
from curate.exporters.folder import new_file
from curate.exporters.source import Tick

__all__ = ["write_npz"]

_NO_TIME = (1980, 1, 1, 0, 0, 0)


def write_npz(folder: Path, corpus: Corpus, tick: Tick) -> None:
    """Write ``NAME.npz``, window by window, so that memory does not grow with the corpus.

    Its arrays are ``signal`` (windows, leads, samples), ``lead_ok`` (windows, leads), ``leads``, ``about`` (JSON), and
    for each column of the table ``table/NAME``, for each split ``split/NAME``. Nothing is compressed.
    """
    with (
        new_file(folder / f"{corpus.path.stem}.npz") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        shape = (corpus.n_windows, len(corpus.leads), corpus.n_samples)
        with _member(archive, "signal") as member:
            _head(member, shape, np.dtype("<f4"))
            for _, windows in window_blocks(corpus):
                member.write(np.ascontiguousarray(windows, dtype="<f4").tobytes())
                tick(len(windows))
        for name, values in _arrays(corpus):
            with _member(archive, name) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _arrays(corpus: Corpus) -> Iterable[tuple[str, NDArray[Any]]]:
    yield "lead_ok", corpus.lead_ok()
    yield "leads", np.array(list(corpus.leads))
    yield "about", np.array(json.dumps(about(corpus), ensure_ascii=False, sort_keys=True))
    for name, values in table_columns(corpus).items():
        yield f"table/{name}", values
    for name in corpus.split_names:
        yield f"split/{name}", corpus.split(name)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    # With neither a time nor the system's name in it, equal corpora give equal bytes.
    info = zipfile.ZipInfo(f"{name}.npy", date_time=_NO_TIME)
    info.create_system = 3
    return archive.open(info, "w", force_zip64=True)


def _head(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, described)
