"""Segments of two layers beside each other: which are the same, and how far apart their boundaries lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.labels.runs import Axis, Runs

__all__ = ["MIN_IOU", "Segments", "boundary_offsets", "match_segments", "segments_of"]

MIN_IOU = 0.5
"""From this overlap on (intersection over union, inclusive) two segments are the same."""


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The longest stretches over which a layer says one thing; labels that touch with equal values are one segment.

    Attributes:
        start: shape (n,), rising: number of the first sample (see ``Axis``).
        stop: shape (n,): one past the last.
        code: shape (n,): what it says.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    code: NDArray[np.int32]


def segments_of(runs: Runs, layer: int) -> Segments:
    """Gather one layer's segments from runs."""
    codes = runs.codes[layer]
    first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: codes.size])
    stop = np.append(runs.edges[first[1:]], runs.edges[-1:]) if first.size else first
    said = codes[first] >= 0
    return Segments(start=runs.edges[first][said], stop=stop[said], code=codes[first][said])


def match_segments(first: Segments, second: Segments, *, min_iou: float = MIN_IOU) -> NDArray[np.int64]:
    """Pair segments of the same value that overlap by ``min_iou`` or more; each is in one pair at most.

    Args:
        first: one layer's segments.
        second: another's, on the same axis.
        min_iou: at least 0.5. From there on a segment can have two partners only where each covers exactly half of it,
            and neither of the two can have another; so that taking the earlier one makes as many pairs as can be made.

    Returns:
        Shape (n_pairs, 2): positions in ``first`` and in ``second``.

    Counting events by their overlap follows Warby et al. (2014, doi:10.1038/nmeth.2855); the limit is ours.
    """
    if not 0.5 <= min_iou <= 1:
        raise ValueError(f"min_iou is {min_iou}; it must be 0.5 to 1")
    starts, stops, codes = second.start.tolist(), second.stop.tolist(), second.code.tolist()
    taken: set[int] = set()
    pairs: list[tuple[int, int]] = []
    at = 0
    for mine, (start, stop, code) in enumerate(
        zip(first.start.tolist(), first.stop.tolist(), first.code.tolist(), strict=True)
    ):
        while at < len(starts) and stops[at] <= start:
            at += 1
        other = at
        while other < len(starts) and starts[other] < stop:
            common = min(stop, stops[other]) - max(start, starts[other])
            union = max(stop, stops[other]) - min(start, starts[other])
            if other not in taken and codes[other] == code and common >= min_iou * union:
                taken.add(other)
                pairs.append((mine, other))
                break
            other += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def boundary_offsets(first: Segments, second: Segments, pairs: NDArray[np.int64], axis: Axis) -> NDArray[np.int64]:
    """How many samples later the second layer puts the boundaries of matched segments.

    Boundaries that both put at the same end of a stretch of real samples are left out: there was nothing to judge.
    Otherwise a lost sample counts as the time that passed.

    Returns:
        Shape (n_boundaries,): samples of the recording, negative where the second is earlier.
    """
    ends = axis.edges()
    offsets = []
    for name, shift in (("start", 0), ("stop", 1)):
        # A stop is one past the last sample, which may be the first one behind a gap: measure at the sample itself.
        mine = getattr(first, name)[pairs[:, 0]]
        other = getattr(second, name)[pairs[:, 1]]
        judged = ~((mine == other) & np.isin(mine, ends))
        offsets.append(axis.sample(other[judged] - shift) - axis.sample(mine[judged] - shift))
    return np.concatenate(offsets)
