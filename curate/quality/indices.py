"""The classical indices of signal quality: shape, spectrum, rhythm, agreement; each for many windows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.beats.score import TOLERANCE_S, pair_beats

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Intervals", "agreement", "cut", "intervals", "kurtosis", "share", "spectral", "template", "tile"]

_TEMPLATE_POINTS = 61
_RATE_RANGE_BPM = (40.0, 180.0)
_MAX_RR_S = 3.0
_MAX_RR_RATIO = 2.2


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """RR intervals per window.

    Attributes:
        median: in samples, 0 without any, shape (n_windows,).
        rate_bpm: from the median; NaN without two beats.
        plausible: whether they can be a heart's: 40 to 180 per minute, none above 3 s, the longest less than 2.2 times
            the shortest (Orphanidou et al. 2015, doi:10.1109/JBHI.2014.2338351).
    """

    median: NDArray[np.float64]
    rate_bpm: NDArray[np.float64]
    plausible: NDArray[np.bool_]


def tile(n_samples: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lay windows side by side from sample 0; the last is moved back so that it ends with the record.

    Args:
        n_samples: length of the record.
        width: of a window; a shorter record is one window.

    Returns:
        First samples and one past the last.
    """
    if n_samples == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    width = min(width, n_samples)
    starts = np.arange(0, n_samples - width + 1, width, dtype=np.int64)
    if starts[-1] + width < n_samples:
        starts = np.append(starts, n_samples - width)
    return starts, starts + width


def cut(values: NDArray[np.float64], starts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """All windows of one lead as ``tile`` lays them, shape (n_windows, width); a view where they lie side by side."""
    n_whole = values.size // width if width else 0
    whole = values[: n_whole * width].reshape(n_whole, width) if n_whole else np.zeros((0, width))
    return whole if n_whole == starts.size else np.concatenate([whole, values[None, starts[-1] : starts[-1] + width]])


def share(mask: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
    """Which share of each window a mask of samples marks."""
    total = np.concatenate([[0], np.cumsum(mask)])
    return np.asarray((total[stops] - total[starts]) / np.maximum(stops - starts, 1), dtype=np.float64)


def kurtosis(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give kSQI: the kurtosis of each window, 3 for a Gaussian (Li, Mark and Clifford 2008); 0 where nothing moves."""
    present = np.isfinite(windows)
    n_present = np.maximum(present.sum(axis=1), 1)
    filled = np.where(present, windows, 0.0)
    centred = np.where(present, filled - (filled.sum(axis=1) / n_present)[:, None], 0.0)
    squared = centred * centred
    variance = squared.sum(axis=1) / n_present
    fourth = np.einsum("ij,ij->i", squared, squared) / n_present
    # The square of a tiny variance may vanish though the variance does not.
    below = variance**2
    return np.asarray(np.divide(fourth, below, out=np.zeros_like(variance), where=below > 0), dtype=np.float64)


def spectral(windows: NDArray[np.float64], rate_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give pSQI and basSQI (Zhao and Zhang 2018, doi:10.3389/fphys.2018.00727) of each window as recorded.

    Deviation: powers come from one Hann-windowed spectrum of the window without its mean, missing samples at the mean.
    """
    from scipy import fft

    n_windows, width = windows.shape
    if n_windows == 0:
        return np.zeros(0), np.zeros(0)
    present = np.isfinite(windows)
    filled = np.where(present, windows, 0.0)
    mean = filled.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    centred = np.where(present, filled - mean[:, None], 0.0) * np.hanning(width)
    spectrum = fft.rfft(centred, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    hz = np.arange(power.shape[1]) * rate_hz / width

    def band(low_hz: float, high_hz: float) -> NDArray[np.float64]:
        return np.asarray(power[:, (hz >= low_hz) & (hz < high_hz)].sum(axis=1), dtype=np.float64)

    def ratio(part: NDArray[np.float64], whole: NDArray[np.float64], empty: float) -> NDArray[np.float64]:
        return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)

    return ratio(band(5, 15), band(5, 40), 0.0), 1.0 - ratio(band(0, 1), band(0, 40), 1.0)


def agreement(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rate_hz: float,
) -> NDArray[np.float64]:
    """Give bSQI of each window: beats that both detectors saw within 150 ms / beats that either saw.

    After Li, Mark and Clifford 2008 (doi:10.1088/0967-3334/29/1/002), with the union as denominator.
    """
    pairs = pair_beats(first, second, rate_hz=rate_hz, tolerance_s=TOLERANCE_S)
    both = _counts(first[pairs[:, 0]], starts, stops)
    alone = _counts(np.delete(second, pairs[:, 1]), starts, stops)
    union = _counts(first, starts, stops) + alone
    return np.asarray(both / np.maximum(union, 1), dtype=np.float64)


def intervals(
    beats: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64], rate_hz: float
) -> Intervals:
    """Measure the beat-to-beat intervals that lie within each window."""
    low = np.searchsorted(beats, starts)
    n_intervals = np.maximum(np.searchsorted(beats, stops) - low - 1, 0)
    some = np.flatnonzero(n_intervals)
    median = np.zeros(starts.size)
    rate_bpm = np.full(starts.size, np.nan)
    plausible = np.zeros(starts.size, dtype=np.bool_)
    if some.size:
        place = np.arange(n_intervals.max())
        at = np.minimum(low[some, None] + place, beats.size - 2)
        table = np.where(place < n_intervals[some, None], np.diff(beats)[at].astype(np.float64), np.nan)
        median[some] = np.nanmedian(table, axis=1)
        rate_bpm[some] = 60.0 * rate_hz / median[some]
        longest, shortest = np.nanmax(table, axis=1), np.nanmin(table, axis=1)
        plausible[some] = (longest <= _MAX_RR_S * rate_hz) & (longest < _MAX_RR_RATIO * shortest)
        plausible[some] &= (rate_bpm[some] >= _RATE_RANGE_BPM[0]) & (rate_bpm[some] <= _RATE_RANGE_BPM[1])
    return Intervals(median=median, rate_bpm=rate_bpm, plausible=plausible)


def template(
    values: NDArray[np.float64],
    beats: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rr: Intervals,
) -> NDArray[np.float64]:
    """Mean correlation of each window's beats with their mean (Orphanidou et al. 2015); 0 with fewer than two.

    Deviation: a beat spans one median RR around its peak, resampled to 61 points, and may reach past the window.
    """
    counts = np.where(rr.median > 0, _counts(beats, starts, stops), 0)
    window = np.repeat(np.arange(starts.size), counts)
    result = np.zeros(starts.size)
    if window.size == 0:
        return result
    within = np.arange(window.size) - np.repeat(np.cumsum(counts) - counts, counts)
    centre = beats[np.searchsorted(beats, starts)[window] + within]
    offset = rr.median[window, None] * np.linspace(-0.5, 0.5, _TEMPLATE_POINTS)
    at = np.round(centre[:, None] + offset).astype(np.int64)
    whole = (at[:, 0] >= 0) & (at[:, -1] < values.size)
    shapes = values[at.clip(0, values.size - 1)]
    whole &= np.isfinite(shapes).all(axis=1)
    window, shapes = window[whole], shapes[whole]
    if window.size == 0:
        return result
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    first = np.flatnonzero(np.diff(window, prepend=-1))
    n_beats = np.diff(first, append=window.size)
    templates = np.repeat(np.add.reduceat(shapes, first, axis=0) / n_beats[:, None], n_beats, axis=0)
    norm = np.linalg.norm(shapes, axis=1) * np.linalg.norm(templates, axis=1)
    product = np.einsum("ij,ij->i", shapes, templates)
    correlation = np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)
    result[window[first]] = np.where(n_beats > 1, np.add.reduceat(correlation, first) / n_beats, 0.0)
    return result


def _counts(beats: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(beats, stops) - np.searchsorted(beats, starts)
