"""The lowest and highest value of each stretch of a whole recording, in memory that does not grow with it.

There is a fixed number of bins. When the recording has filled them, neighbours are joined and each bin is twice as
long: nothing is thinned out, so the narrowest spike of a long day is still there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_BINS", "Overview", "Pyramid", "joined"]

MOST_BINS = 4096
_Float = TypeVar("_Float", np.float32, np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Overview:
    """A whole recording, in bins of equal length; the last one may be shorter.

    Attributes:
        edges: sample at which each bin begins, and the one behind the last bin; shape (k + 1,), int64.
        low: smallest value of each bin and lead, shape (k, n_leads), float32, NaN where nothing valid is.
        high: largest value, likewise.
        valid: share of each bin's samples that are there, shape (k,), float32, 0 to 1.
    """

    edges: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    valid: NDArray[np.float32]


def joined(low: NDArray[_Float], high: NDArray[_Float]) -> tuple[NDArray[_Float], NDArray[_Float]]:
    """Extremes to draw as upright lines side by side, such that each touches the one before it, as a trace does.

    Args:
        low: smallest value of each column, shape (k,), NaN where nothing is.
        high: largest value, likewise.

    Returns:
        The same, each column reaching at least to where its neighbour on the left ends.
    """
    # With NaN on one side, nothing is joined: fmin and fmax leave the other value as it is.
    return (
        np.concatenate([low[:1], np.where(np.isnan(low[1:]), low[1:], np.fmin(low[1:], high[:-1]))]),
        np.concatenate([high[:1], np.where(np.isnan(high[1:]), high[1:], np.fmax(high[1:], low[:-1]))]),
    )


class Pyramid:
    """Takes a recording's samples in order and keeps the extremes of its bins.

    Args:
        n_leads: columns of a sample.
        most_bins: at most so many bins, an even number; once the recording is as long, at least half as many.

    Attributes:
        stop: number of the sample behind the newest one, gaps included.
    """

    def __init__(self, n_leads: int, *, most_bins: int = MOST_BINS) -> None:
        if most_bins < 2 or most_bins % 2:
            raise ValueError(f"most_bins is {most_bins}; it must be even and at least 2")
        self.stop = 0
        self._bin_rows = 1
        self._low = np.full((most_bins, n_leads), np.nan, dtype=np.float32)
        self._high = self._low.copy()
        self._count = np.zeros(most_bins, dtype=np.int64)

    def push(self, values: NDArray[np.float32]) -> None:
        """Take the samples that follow.

        Args:
            values: shape (n, n_leads); NaN where a lead has no value. A row that is NaN throughout is missing.
        """
        start, n_rows = self.stop, len(values)
        if n_rows == 0:
            return
        self._reach(start + n_rows)
        first = start // self._bin_rows
        last = (self.stop - 1) // self._bin_rows
        # The row of `values` at which each bin that it touches begins.
        begins = np.maximum(np.arange(first, last + 1) * self._bin_rows - start, 0)
        touched = slice(first, last + 1)
        self._low[touched] = np.fmin(self._low[touched], np.fmin.reduceat(values, begins, axis=0))
        self._high[touched] = np.fmax(self._high[touched], np.fmax.reduceat(values, begins, axis=0))
        present = ~np.isnan(values).all(axis=1)
        self._count[touched] += np.add.reduceat(present.astype(np.int64), begins)

    def skip(self, n_rows: int) -> None:
        """Take note of samples that are missing."""
        self._reach(self.stop + n_rows)

    def overview(self) -> Overview:
        """A copy of everything so far."""
        n_bins = -(-self.stop // self._bin_rows)
        edges = np.minimum(np.arange(n_bins + 1, dtype=np.int64) * self._bin_rows, self.stop)
        return Overview(
            edges=edges,
            low=self._low[:n_bins].copy(),
            high=self._high[:n_bins].copy(),
            valid=(self._count[:n_bins] / np.diff(edges)).astype(np.float32),
        )

    def _reach(self, stop: int) -> None:
        """Make the bins long enough for samples up to ``stop``."""
        most_bins = len(self._count)
        while stop > most_bins * self._bin_rows:
            half = most_bins // 2
            self._low[:half] = np.fmin(self._low[::2], self._low[1::2])
            self._high[:half] = np.fmax(self._high[::2], self._high[1::2])
            self._count[:half] = self._count[::2] + self._count[1::2]
            self._low[half:] = self._high[half:] = np.nan
            self._count[half:] = 0
            self._bin_rows *= 2
        self.stop = stop
