"""Beats of several layers side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.beats.score import TOLERANCE_S

__all__ = ["align_beats"]


def align_beats(
    places: Sequence[NDArray[np.int64]], *, rate_hz: float, tolerance_s: float = TOLERANCE_S
) -> NDArray[np.int64]:
    """Put beats of several layers side by side that are the same beat.

    The earliest beat that is left takes with it the earliest one of each other layer that lies no more than
    ``tolerance_s`` behind it. For two layers these are the pairs of ``curate.beats.score.pair_beats``.

    Args:
        places: each layer's beats, rising sample indices.
        rate_hz: samples per second.
        tolerance_s: inclusive.

    Returns:
        Shape (n_beats, n_layers): position in each layer's list, −1 where it has none.
    """
    limit = tolerance_s * rate_hz + 0.5e-9 * rate_hz
    lists = [place.tolist() for place in places]
    heads = [0] * len(lists)
    units: list[list[int]] = []
    while True:
        open_heads = [held[head] for held, head in zip(lists, heads, strict=True) if head < len(held)]
        if not open_heads:
            return np.array(units, dtype=np.int64).reshape(-1, len(lists))
        earliest = min(open_heads)
        unit = []
        for row, held in enumerate(lists):
            there = heads[row] < len(held) and held[heads[row]] - earliest <= limit
            unit.append(heads[row] if there else -1)
            heads[row] += there
        units.append(unit)
