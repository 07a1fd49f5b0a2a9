"""The last rows of a signal, numbered from the beginning of the recording, in memory that never grows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["SampleRing"]


class SampleRing:
    """Keeps the newest rows; whoever writes and whoever reads must not do so at the same time.

    Args:
        capacity: how many rows are kept.
        n_columns: of each row.
        dtype: a floating-point type: missing rows are NaN.

    Attributes:
        stop: number of the row behind the newest one.
    """

    def __init__(self, capacity: int, n_columns: int, dtype: DTypeLike = np.float32) -> None:
        self._rows: NDArray[Any] = np.full((max(1, capacity), n_columns), np.nan, dtype=dtype)
        self.stop = 0

    @property
    def start(self) -> int:
        """Number of the oldest row that is kept."""
        return max(0, self.stop - len(self._rows))

    def append(self, rows: NDArray[Any]) -> None:
        """Add the rows that follow, shape (n, n_columns)."""
        capacity = len(self._rows)
        self.stop += len(rows)
        kept = rows[-capacity:]
        at = (self.stop - len(kept)) % capacity
        head = min(len(kept), capacity - at)
        self._rows[at : at + head] = kept[:head]
        self._rows[: len(kept) - head] = kept[head:]

    def skip(self, n_rows: int) -> None:
        """Add rows that are missing; it takes no longer for a day of them than for what the ring holds."""
        capacity = len(self._rows)
        self.stop += n_rows
        n_marked = min(n_rows, capacity)
        at = (self.stop - n_marked) % capacity
        head = min(n_marked, capacity - at)
        self._rows[at : at + head] = np.nan
        self._rows[: n_marked - head] = np.nan

    def rows(self, start: int, stop: int) -> tuple[int, NDArray[Any]]:
        """A copy of what is kept of the rows ``[start, stop)``, and the number of its first row."""
        start = max(start, self.start)
        stop = max(start, min(stop, self.stop))
        capacity = len(self._rows)
        at = start % capacity
        head = min(stop - start, capacity - at)
        copy = np.empty((stop - start, self._rows.shape[1]), dtype=self._rows.dtype)
        copy[:head] = self._rows[at : at + head]
        copy[head:] = self._rows[: stop - start - head]
        return start, copy
