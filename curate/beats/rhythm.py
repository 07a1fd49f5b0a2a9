"""Beat-to-beat intervals: which are real, and the heart rate that they give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.beats.peaks import Beats

__all__ = ["LONGEST_RR_S", "broken_intervals", "heart_rate"]

LONGEST_RR_S = 3.0
"""An interval longer than this lacks a beat (Orphanidou et al. 2015, doi:10.1109/JBHI.2014.2338351)."""


def broken_intervals(peaks: NDArray[np.int64], rejected: NDArray[np.int64], rate_hz: float) -> NDArray[np.bool_]:
    """Which beat-to-beat intervals are none: longer than ``LONGEST_RR_S``, or over a stretch not searched.

    Args:
        peaks: R peaks, strictly rising, shape (n,).
        rejected: half-open ranges that were not searched, shape (k, 2).
        rate_hz: samples per second of the indices.

    Returns:
        Shape (n − 1,), or (0,) without beats.
    """
    if peaks.size < 2:
        return np.zeros(0, dtype=np.bool_)
    broken: NDArray[np.bool_] = np.diff(peaks) > LONGEST_RR_S * rate_hz
    if rejected.size:
        place = np.searchsorted(rejected[:, 1], peaks[:-1], side="right")
        begin = np.append(rejected[:, 0], np.iinfo(np.int64).max)[place]
        broken |= begin < peaks[1:]
    return broken


def heart_rate(beats: Beats, start: NDArray[np.int64], stop: NDArray[np.int64], rate_hz: float) -> NDArray[np.float32]:
    """Heart rate around each range: over all beat-to-beat intervals that reach into it.

    Args:
        beats: R peaks as raw sample indices.
        start: first raw sample of each range.
        stop: one past its last.
        rate_hz: raw samples per second.

    Returns:
        Per minute, shape (n,); NaN where an interval is missing, longer than 3 s, or runs over a stretch that was not
        searched.
    """
    peaks = beats.samples
    rate = np.full(start.size, np.nan, dtype=np.float32)
    if peaks.size < 2:
        return rate
    broken = broken_intervals(peaks, beats.rejected, rate_hz)
    n_broken = np.concatenate(([0], np.cumsum(broken)))
    first = np.searchsorted(peaks, start, side="right") - 1
    last = np.searchsorted(peaks, stop - 1, side="left")
    known = (first >= 0) & (last < peaks.size) & (last > first)
    first, last = np.clip(first, 0, peaks.size - 1), np.clip(last, 0, peaks.size - 1)
    known &= n_broken[last] == n_broken[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        every = 60.0 * rate_hz * (last - first) / (peaks[last] - peaks[first])
    rate[known] = every[known]
    return rate
