"""Windows out of the corpus that is being replaced: what did not change since is not cut again."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.recordings.seal import is_sealed
from curate.corpus.piece import BY_LEAD, Column, LazyArrays, Piece, Texts
from curate.corpus.read import CORPUS_FORMAT, CORPUS_VERSION

__all__ = ["OldCorpus", "open_old"]

_CONSTANT = ("subject", "session", "recording")


class OldCorpus:
    """What an earlier corpus holds, recording by recording.

    Attributes:
        keys: the key of each recording's part, see ``curate.corpus.parts``, and where its windows begin.
    """

    def __init__(self, file: h5py.File | None) -> None:
        self.keys: dict[str, int] = {}
        if file is None:
            return
        self._sources: list[dict[str, Any]] = json.loads(file["sources"][()])["recordings"]
        self._windows = file["windows"]
        self._prints = file["prints"]
        constant = {*_CONSTANT, *json.loads(file.attrs["factors"])}
        self._columns = [name for name in self._windows["table"] if name not in constant]
        counts = [int(source["n_windows"]) for source in self._sources]
        self._first = [0, *itertools.accumulate(counts)]
        self._print_first = {name: _bounds(group["counts"][()]) for name, group in self._prints.items()}
        self.keys = {str(source["key"]): place for place, source in enumerate(self._sources)}

    def piece(self, key: str) -> Piece:
        """The windows of the recording whose part had this key."""
        place = self.keys[key]
        first, stop = self._first[place : place + 2]

        def column(name: str) -> Column:
            dataset = self._windows["table"][name]
            values = dataset[first:stop]
            return Texts.of(np.char.decode(values, "utf-8")) if h5py.check_string_dtype(dataset.dtype) else values

        def prints(name: str) -> NDArray[Any]:
            begin, end = self._print_first[name][place]
            return np.asarray(self._prints[name]["values"][begin:end])

        return Piece(
            source=self._sources[place],
            n_windows=stop - first,
            columns=LazyArrays(self._columns, column),
            by_lead=LazyArrays(BY_LEAD, lambda name: np.asarray(self._windows[name][first:stop])),
            prints=LazyArrays([name for name in self._prints if place in self._print_first[name]], prints),
            windows=lambda low, high: np.asarray(self._windows["signal"][first + low : first + high]),
        )


def _bounds(counts: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    """Recording → where its print begins and ends; −1 stands for a recording that has none of this name."""
    ends = np.cumsum(np.maximum(counts, 0))
    return {
        place: (int(end - count), int(end))
        for place, (count, end) in enumerate(zip(counts, ends, strict=True))
        if count >= 0
    }


@contextlib.contextmanager
def open_old(path: Path) -> Iterator[OldCorpus]:
    """Open the corpus that is to be replaced; it has nothing to give where it is missing, older, foreign or damaged."""
    file = None
    try:
        if path.is_file() and is_sealed(path):
            file = h5py.File(path, "r")
            if (file.attrs.get("format"), file.attrs.get("version")) != (CORPUS_FORMAT, CORPUS_VERSION):
                file.close()
                file = None
        old = OldCorpus(file)
    except (OSError, KeyError, ValueError, TypeError):
        # Sealed by somebody else, or by an earlier trilead: not what this one keeps.
        old = OldCorpus(None)
    try:
        yield old
    finally:
        if file is not None:
            file.close()
