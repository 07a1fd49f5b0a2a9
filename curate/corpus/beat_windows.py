"""Windows by beats: a fixed number of heart beats each, aligned on the R peak of the first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.beats.rhythm import broken_intervals
from curate.corpus.windows import Spans, WindowGrid

__all__ = ["BEAT_REASONS", "BEFORE_R_S", "beat_spans"]

BEFORE_R_S = 0.25
"""How long before the R peak a window begins: a PR interval of 0.2 s and half a QRS complex fit in."""

BEAT_REASONS = ("beats missing inside", "longer than the window")
"""Why a window of beats is not even tried; each counts once, under the first that holds."""


def beat_spans(
    grid: WindowGrid,
    peaks: NDArray[np.int64],
    rejected: NDArray[np.int64],
    *,
    rate_hz: float,
    n_beats: int,
    hop_beats: int,
    n_before: int,
) -> tuple[Spans, dict[str, int]]:
    """Lay windows of ``n_beats`` beats on a recording.

    A window begins ``n_before`` corpus samples before the one nearest to an R peak and ends as far before the R peak
    ``n_beats`` later, so that it holds that many beats and nothing of the next one's QRS complex. It fills its room of
    ``grid.n_samples`` from the left.

    Args:
        grid: of the recording; only its rates and the room of a window are used.
        peaks: R peaks as raw sample indices, strictly rising.
        rejected: raw ranges that were not searched for beats, shape (k, 2).
        rate_hz: raw samples per second.
        n_beats: beats in a window.
        hop_beats: beats from one window's first R peak to the next one's.
        n_before: corpus samples before the R peak.

    Returns:
        The windows, and for each of ``BEAT_REASONS`` how many were refused.
    """
    first = np.arange(0, max(0, peaks.size - n_beats), hop_beats, dtype=np.int64)
    on_grid = (2 * peaks * grid.up + grid.down) // (2 * grid.down) - n_before
    start, stop = on_grid[first], on_grid[first + n_beats]
    n_broken = np.concatenate(([0], np.cumsum(broken_intervals(peaks, rejected, rate_hz), dtype=np.int64)))
    gone = (n_broken[first + n_beats] > n_broken[first]) | (start < 0)
    # Of a heart so fast that a beat's share begins before the beat before it, windows would not hold what they should.
    hurried = np.concatenate(([False], np.diff(on_grid) <= n_before))
    n_hurried = np.concatenate(([0], np.cumsum(hurried, dtype=np.int64)))
    gone |= n_hurried[first + n_beats + 1] > n_hurried[first]
    long = ~gone & (stop - start > grid.n_samples)
    kept = ~gone & ~long
    return grid.spans_of(start[kept], stop[kept]), dict(
        zip(BEAT_REASONS, (int(gone.sum()), int(long.sum())), strict=True)
    )
