"""From samples to points on the screen: numbers only, no drawing.

Points keep their place relative to the pixels while the trace moves: it is moved by whole physical pixels only. Moved
by fractions, each peak would flicker as it travels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["excursions", "trace_points"]

Array = NDArray[np.float64]

_MOST_PER_PIXEL = 4.0


def trace_points(
    start: int, values: NDArray[np.float32], *, px_per_sample: float, shift: float, ratio: float
) -> tuple[Array, Array]:
    """The points of all leads.

    Up to four samples a physical pixel are drawn as they are; from there on, each pixel column gets the lowest and the
    highest of its samples, so that no peak is lost.

    Args:
        start: index of the first sample; what is drawn where depends on it and not on when it is drawn.
        values: shape (n, n_leads), NaN where samples are missing.
        px_per_sample: logical pixels between two samples.
        shift: logical pixels to move everything left, whole physical ones.
        ratio: physical pixels in a logical one.

    Returns:
        x in logical pixels, shape (m,), and the values there, shape (n_leads, m).
    """
    indices = np.arange(start, start + len(values), dtype=np.float64)
    per_sample = px_per_sample * ratio
    if not len(values) or per_sample * _MOST_PER_PIXEL >= 1:
        return indices * px_per_sample - shift, np.ascontiguousarray(values.T, dtype=np.float64)
    columns = np.floor(indices * per_sample)
    firsts = np.flatnonzero(np.diff(columns, prepend=columns[0] - 1))
    middles = (columns[firsts] + 0.5) / ratio - shift
    lows = np.fmin.reduceat(values, firsts, axis=0).T
    highs = np.fmax.reduceat(values, firsts, axis=0).T
    # Up in one column and down in the next: neighbours then join where they are nearest to each other.
    down = columns[firsts] % 2 == 1
    points = np.empty((values.shape[1], len(firsts), 2))
    points[:, :, 0] = np.where(down, highs, lows)
    points[:, :, 1] = np.where(down, lows, highs)
    return np.repeat(middles, 2), points.reshape(values.shape[1], -1)


def excursions(x: Array, outside: NDArray[np.bool_], *, apart: float) -> list[float]:
    """Where to say that a trace has left its row.

    Args:
        x: of the points, ascending.
        outside: which of them have left the row.
        apart: two places are at least this far from each other.
    """
    places: list[float] = []
    hits = x[outside]
    at = 0
    while at < len(hits):
        stop = int(np.searchsorted(hits, hits[at] + apart))
        # In the middle of the first of them: in the middle of several, the trace may be well inside its row.
        breaks = np.flatnonzero(np.diff(hits[at:stop]) > apart / 8)
        last = at + int(breaks[0]) if len(breaks) else stop - 1
        places.append(float(hits[at] + hits[last]) / 2)
        at = stop
    return places
