"""Where a lead carries something that could be a heart, and where it is missing, flat, stuck or on its rail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.signals.signal import Signal, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PARAMETERS", "on_rail", "searchable", "stuck"]

_STUCK_S = 0.5
_FLAT_SHARE = 0.05
_SHORTEST_RUN_S = 3.0
_RAIL_SHARE = 0.005

PARAMETERS = {"stuck_s": _STUCK_S, "flat_share": _FLAT_SHARE, "shortest_run_s": _SHORTEST_RUN_S}
"""What ``searchable`` runs with, for the history of what is found behind it."""


def searchable(signal: Signal, *, raw: Signal | None = None) -> NDArray[np.bool_]:
    """Mark where a lead is worth searching for beats; see step 1 of ``curate.beats.peaks.find_r_peaks``.

    Returns:
        Shape (n_samples, n_leads).
    """
    mask = signal.present.copy()
    second = max(2, round(signal.rate_hz))
    shortest = round(_SHORTEST_RUN_S * signal.rate_hz)
    for lead in range(signal.n_leads):
        column = mask[:, lead]
        if raw is not None:
            column &= ~stuck(raw.values[:, lead], round(_STUCK_S * raw.rate_hz))
        column &= ~_still(signal.values[:, lead], column, second)
        for start, stop in runs_of(column):
            if stop - start < shortest:
                column[start:stop] = False
    return mask


def stuck(values: NDArray[np.float64], shortest: int) -> NDArray[np.bool_]:
    """Mark samples in runs of one and the same value of at least ``shortest`` samples."""
    stuck = np.zeros(values.shape, dtype=np.bool_)
    # Infinities would make a warning of their difference, and are missing samples as NaN is.
    same = runs_of(np.diff(np.where(np.isfinite(values), values, np.nan)) == 0)
    for start, stop in same[same[:, 1] - same[:, 0] + 1 >= shortest]:
        stuck[start : stop + 1] = True
    return stuck


def _still(values: NDArray[np.float64], mask: NDArray[np.bool_], second: int) -> NDArray[np.bool_]:
    """Mark whole seconds that move less than a twentieth of what the lead usually moves, or not at all."""
    n_blocks = -(-values.size // second)
    padded = np.full(n_blocks * second, np.nan)
    padded[: values.size] = np.where(mask, values, np.nan)
    blocks = padded.reshape(n_blocks, second)
    top = np.max(blocks, axis=1, where=np.isfinite(blocks), initial=-np.inf)
    bottom = np.min(blocks, axis=1, where=np.isfinite(blocks), initial=np.inf)
    span = np.maximum(top - bottom, 0.0)
    seen = span[span > 0]
    if seen.size == 0:
        return np.ones(values.shape, dtype=np.bool_)
    # The upper quartile: a lead that is off for half of the record is still judged by its live half.
    low = span < _FLAT_SHARE * np.percentile(seen, 75)
    return np.repeat(low, second)[: values.size]


def on_rail(values: NDArray[np.float64], *, rails: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Mark samples that sit on the limit of what the board can show.

    A sample is on a rail when it and a neighbour lie within 0.5 % of the range from the limit. Two in a row, because
    the tip of one tall wave may touch the limit of a range that was only estimated.

    Args:
        values: one lead as recorded, shape (n,), NaN where missing.
        rails: lowest and highest value that the board can show; None takes the extremes of the record.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(values.shape, dtype=np.bool_)
    low, high = rails if rails is not None else (float(finite.min()), float(finite.max()))
    near = _RAIL_SHARE * (high - low)
    railed = np.zeros(values.shape, dtype=np.bool_)
    for at_limit in (values >= high - near, values <= low + near):
        twice = at_limit[1:] & at_limit[:-1]
        railed[1:] |= twice
        railed[:-1] |= twice
    return railed
