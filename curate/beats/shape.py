"""How far the beats of a lead differ from what the beats around them look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TEMPLATE_S", "residual_per_window", "shape_residuals"]

TEMPLATE_S = 60.0
"""Seconds of record that share a template; the recordings that quality's limits come from have 62 s."""

_HALF_S = 0.15
_FEWEST_BEATS = 5
_MAX_SHIFT_S = 0.004


def shape_residuals(values: NDArray[np.float64], beats: NDArray[np.int64], rate_hz: float) -> NDArray[np.float64]:
    """Measure what is left of each beat when its minute's usual beat is taken away, as a share of that usual beat.

    A beat is 150 ms to either side of its peak, less its mean. The usual beat of a minute is the median of its beats,
    sample by sample, so that a minority of spoilt or ectopic beats does not reach it. A peak lies between two samples:
    a shift of up to 4 ms is taken out first, by the slope of the usual beat, or the residual would rise as the rate
    falls.

    Args:
        values: one cleaned lead, shape (n_samples,), NaN where missing.
        beats: R peaks, sample indices, rising, shape (n_beats,); of all leads together, if there are more.
        rate_hz: samples per second.

    Returns:
        Shape (n_beats,): ‖beat − usual‖ / ‖usual‖; 0 is a perfect copy, about 0.15 is where annotators begin to see
        artefacts, 1 is as far off as no beat at all. NaN where a beat is not whole, or its minute has less than five.

    The index is ours; it is the template correlation of Orphanidou et al. 2015 (doi:10.1109/JBHI.2014.2338351) made
    sensitive to amplitude, and confined to the QRS, which does not stretch with the heart rate.
    """
    half = max(1, round(_HALF_S * rate_hz))
    residuals = np.full(beats.size, np.nan)
    inside = np.flatnonzero((beats >= half) & (beats < values.size - half))
    if inside.size == 0:
        return residuals
    n_parts = max(1, round(values.size / (TEMPLATE_S * rate_hz)))
    borders = np.searchsorted(beats[inside], np.linspace(0, values.size, n_parts + 1)[1:-1])
    reach = np.arange(-half, half + 1)
    for part in np.split(inside, borders):
        shapes = values[beats[part, None] + reach]
        whole = np.isfinite(shapes).all(axis=1)
        if np.count_nonzero(whole) < _FEWEST_BEATS:
            continue
        shapes = shapes[whole]
        shapes -= shapes.mean(axis=1, keepdims=True)
        usual = np.median(shapes, axis=0)
        size = np.linalg.norm(usual)
        if size > 0:
            residuals[part[whole]] = _unshifted(shapes - usual, usual, _MAX_SHIFT_S * rate_hz) / size
    return residuals


def _unshifted(rest: NDArray[np.float64], usual: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    """The norm of each row without what a shift of the usual beat by at most ``most`` samples explains."""
    slope = np.gradient(usual)
    steep = float(slope @ slope)
    shift = np.clip(rest @ slope / steep, -most, most) if steep > 0 else np.zeros(len(rest))
    return np.asarray(np.linalg.norm(rest - shift[:, None] * slope, axis=1))


def residual_per_window(
    residuals: NDArray[np.float64],
    beats: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Give the median residual of the beats in each window; infinite where no beat with a residual lies in it."""
    known = np.isfinite(residuals)
    residuals, beats = residuals[known], beats[known]
    low = np.searchsorted(beats, starts)
    n_beats = np.searchsorted(beats, stops) - low
    result = np.full(starts.size, np.inf)
    some = np.flatnonzero(n_beats)
    if some.size:
        place = np.arange(n_beats.max())
        at = np.minimum(low[some, None] + place, beats.size - 1)
        result[some] = np.nanmedian(np.where(place < n_beats[some, None], residuals[at], np.nan), axis=1)
    return result
