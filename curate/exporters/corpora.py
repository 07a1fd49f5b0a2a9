"""Export a corpus: the windows with their table and splits, in files that other programs read."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.corpus.read import Corpus, open_corpus
from curate.corpus.settings import corpus_path
from curate.errors import ExportError
from curate.exporters.folder import new_folder
from protocols.version import VERSION

if TYPE_CHECKING:
    from acquire.study import Study

__all__ = ["CORPUS_FORMATS", "about", "export_corpus", "table_columns", "window_blocks"]

CORPUS_FORMATS: dict[str, str] = {
    "npz": "curate.exporters.npz:write_npz",
    "parquet": "curate.exporters.parquet:write_parquet",
    "croissant": "curate.exporters.croissant:write_croissant",
}
"""Name → ``module:function``; the function is called with a folder, the open corpus and a ``Tick``."""

Progress = Callable[[str, int, int], None]
"""Told the corpus's name, how many windows are done, and of how many."""

_BLOCK_BYTES = 8_000_000


def export_corpus(
    study: Study, out: Path, *, name: str = "default", format: str, on_progress: Progress | None = None
) -> tuple[Path, ...]:
    """Write a corpus in another format.

    The folder appears when all is written, or not at all.

    Args:
        study: the study.
        out: the folder to make; one that is there must be empty.
        name: the corpus's.
        format: one of ``CORPUS_FORMATS``.
        on_progress: told how far it is.

    Returns:
        The files.

    Raises:
        ExportError: there is no such format, a library for it is missing, the folder is not empty, or the disk refuses
            something.
        CorpusError: there is no such corpus, or it is damaged.
    """
    if format not in CORPUS_FORMATS:
        raise ExportError(
            f"There is no export of corpora named {format!r}; there are {', '.join(CORPUS_FORMATS)}.", path=study.path
        )
    module, _, function = CORPUS_FORMATS[format].partition(":")
    with open_corpus(corpus_path(study, name), check_seal=True) as corpus, new_folder(out) as folder:
        done = 0

        def tick(n_windows: int) -> None:
            nonlocal done
            done += n_windows
            if on_progress is not None:
                on_progress(corpus.path.stem, done, corpus.n_windows)

        tick(0)
        getattr(importlib.import_module(module), function)(folder, corpus, tick)
    return tuple(sorted(out.iterdir()))


def window_blocks(corpus: Corpus) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Read a corpus's windows, some megabytes at a time.

    Yields:
        Which windows, and their samples of shape (n, n_leads, n_samples).
    """
    n_at_once = max(1, _BLOCK_BYTES // (4 * len(corpus.leads) * corpus.n_samples))
    for start in range(0, corpus.n_windows, n_at_once):
        chosen = slice(start, min(start + n_at_once, corpus.n_windows))
        yield chosen, corpus.read(chosen)


def table_columns(corpus: Corpus) -> dict[str, NDArray[Any]]:
    """A corpus's table, column by column; texts as numpy's, not as Python objects."""
    columns = {str(name): corpus.table[name].to_numpy() for name in corpus.table.columns}
    return {name: values.astype(np.str_) if values.dtype == object else values for name, values in columns.items()}


def about(corpus: Corpus) -> dict[str, Any]:
    """What is true of a corpus as a whole, ready for JSON."""
    return {
        "name": corpus.path.stem,
        "leads": list(corpus.leads),
        "rate_hz": corpus.rate_hz,
        "window_s": corpus.window_s,
        "hop_s": corpus.hop_s,
        "unit": corpus.unit,
        "scale": corpus.scale,
        "n_windows": corpus.n_windows,
        "n_samples": corpus.n_samples,
        "factors": list(corpus.factors),
        "cleaning": corpus.cleaning,
        "excluded": corpus.excluded,
        "sources": corpus.sources,
        "splits": {name: corpus.split_info(name) for name in corpus.split_names},
        "splits_left_out": corpus.splits_left_out,
        "software_version": corpus.software_version,
        "exported_by": f"trilead {VERSION}",
    }
