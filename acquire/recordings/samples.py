"""Tables that need not be in memory: a recording of a day is written, compared and digested a stretch at a time.

They are the samples themselves, and the table of when they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["SampleSource", "Samples", "rows_of", "stretches"]


class SampleSource(Protocol):
    """Rows that are read when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one entry."""

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """The rows ``[start, stop)``, shape (stop - start, n_columns); zeros where samples are missing."""


Samples = NDArray[Any] | SampleSource


def rows_of(samples: Samples, start: int, stop: int) -> NDArray[Any]:
    """The rows ``[start, stop)`` of an array or a source."""
    return samples[start:stop] if isinstance(samples, np.ndarray) else samples.rows(start, stop)


def stretches(samples: Samples, n_rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """All rows in order, ``n_rows`` at a time, each stretch with the row it begins at."""
    total = samples.shape[0]
    for start in range(0, total, n_rows):
        yield start, rows_of(samples, start, min(start + n_rows, total))
