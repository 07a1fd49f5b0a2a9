"""One recording's share of a corpus on its way into the file: read array by array, so that it is never whole in memory.

Where it comes from, a part just cut or the corpus that is being replaced, makes no difference to who writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["BY_LEAD", "Column", "LazyArrays", "Piece", "Texts", "as_column", "read_texts"]

BY_LEAD = ("lead_ok", "lead_quality")
"""What is known of each lead of each window, shape (n, n_leads)."""

T = TypeVar("T")

_TEXT_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A column of text that repeats itself.

    Attributes:
        names: the texts there are.
        codes: each row's place in ``names``, of the smallest unsigned type that fits.
    """

    names: tuple[str, ...]
    codes: NDArray[np.unsignedinteger[Any]]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Texts:
        """Number the texts of a column, in their order."""
        names, place = np.unique(values.astype(str), return_inverse=True)
        return cls(names=tuple(names.tolist()), codes=place.astype(code_type(names.size)))

    def objects(self) -> NDArray[Any]:
        """Every row's text; equal ones are one and the same string, so that a row costs no more than a pointer."""
        words = np.empty(len(self.names), dtype=object)
        words[:] = self.names
        texts: NDArray[Any] = words[self.codes]
        return texts


Column = NDArray[Any] | Texts


def as_column(values: NDArray[Any]) -> Column:
    """Numbers as they are, text by its codes."""
    return Texts.of(values) if values.dtype.kind in "OU" else values


def code_type(n_names: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned type that can number so many names."""
    return np.min_scalar_type(max(n_names - 1, 0))


def read_texts(dataset: h5py.Dataset) -> NDArray[Any]:
    """Read a stored column of text, some rows at a time; equal texts are one and the same string.

    Args:
        dataset: UTF-8 of fixed width, shape (n,).
    """
    texts = np.empty(dataset.shape, dtype=object)
    known: dict[bytes, str] = {}
    for start in range(0, texts.size, _TEXT_ROWS):
        raw, place = np.unique(dataset[start : start + _TEXT_ROWS].astype(bytes), return_inverse=True)
        words = np.empty(raw.size, dtype=object)
        words[:] = [known.setdefault(word, word.decode()) for word in raw.tolist()]
        texts[start : start + _TEXT_ROWS] = words[place]
    return texts


class LazyArrays(Mapping[str, T]):
    """Named arrays, each read when it is asked for and kept by nobody."""

    def __init__(self, names: Sequence[str], read: Callable[[str], T]) -> None:
        self._names = tuple(names)
        self._read = read

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The windows of one recording, wherever they lie.

    Attributes:
        source: provenance, as a corpus stores it.
        n_windows: how many there are.
        columns: what differs from window to window, each of length ``n_windows``.
        by_lead: ``BY_LEAD``.
        prints: see ``curate.splits.content_prints``.
        windows: reads windows ``[start, stop)``, shape (stop - start, n_leads, n_samples), float32.
    """

    source: dict[str, Any]
    n_windows: int
    columns: Mapping[str, Column]
    by_lead: Mapping[str, NDArray[Any]]
    prints: Mapping[str, NDArray[Any]]
    windows: Callable[[int, int], NDArray[np.float32]]
