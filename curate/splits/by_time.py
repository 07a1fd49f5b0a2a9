"""Splits within recordings: random blocks, and blocks of time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curate.corpus.windows import ActivityRange
from curate.splits.cut import cut_all, make_plan, whole_words
from curate.splits.plan import TEST, TRAIN, VALIDATE, Part, SplitPlan, SplitSettings

__all__ = ["random_blocks", "time_blocks"]


def random_blocks(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Draw blocks of every subject's activities for each side."""
    del argument
    rng = np.random.default_rng(settings.seed)
    blocks: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for part in ranges:
        places = blocks.setdefault((part.subject, part.activity), [])
        edges = _block_edges(part, settings.block_windows)
        places += [(part.recording, int(a), int(b)) for a, b in pairwise(edges)]
    parts = []
    for key in sorted(blocks):
        places = blocks[key]
        sides = np.full(len(places), TRAIN)
        order = rng.permutation(len(places))
        n_test, n_validate = _shares(len(places), settings)
        sides[order[:n_test]] = TEST
        sides[order[n_test : n_test + n_validate]] = VALIDATE
        parts += [
            Part(recording=name, start=start, stop=stop, side=int(side))
            for (name, start, stop), side in zip(places, sides, strict=True)
        ]
    block_s = settings.window_s * settings.block_windows
    words = (
        f"Each activity of each recording is cut into blocks of {block_s:g} s, and of every subject's blocks of an "
        f"activity {settings.test_fraction:.0%} are drawn for testing and {settings.validate_fraction:.0%} for "
        "validation; windows that reach into two sides are unused. Blocks of different sides touch, and a filter "
        "reaches a little beyond a block, so this split flatters: it says how well windows of a known recording are "
        "told apart, not how well a person is known again."
    )
    parameters = {
        "test_fraction": settings.test_fraction,
        "validate_fraction": settings.validate_fraction,
        "block_s": block_s,
    }
    return [make_plan("random", words, settings, parts, kind="random", parameters=parameters)]


def _block_edges(part: ActivityRange, block_windows: int) -> NDArray[np.int64]:
    """Cut a range where windows of the recording's grid begin, a block's length apart; the rest joins the last."""
    grid = part.grid
    hops_per_block = -(-grid.n_samples * block_windows // grid.n_hop)
    starts, stops = grid.raw_ranges()
    inside = np.flatnonzero((starts >= part.start) & (stops <= part.stop))
    if not inside.size:
        return np.zeros(0, dtype=np.int64)
    edges = starts[inside[::hops_per_block]]
    # A last block that no whole window fits into would be unused whatever its side.
    edges = edges[edges + (stops[inside[0]] - starts[inside[0]]) <= part.stop + 1]
    return np.concatenate((edges, [part.stop]))


def _shares(n: int, settings: SplitSettings) -> tuple[int, int]:
    """How many of n blocks are tested and validated; from three blocks on, at least one each."""
    least = int(n >= 3)
    return max(least, round(n * settings.test_fraction)), max(least, round(n * settings.validate_fraction))


def time_blocks(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Cut every activity of every recording in time."""
    del argument
    parts, n_whole = cut_all(ranges, settings, test=settings.test_fraction, validate=settings.validate_fraction)
    words = (
        f"Of each activity of each recording the last {settings.test_fraction:.0%} are tested, the first "
        f"{settings.validate_fraction:.0%} validate, and what lies between trains, with {settings.guard_s:g} s unused "
        f"between any two." + whole_words(n_whole)
    )
    parameters = {
        "test_fraction": settings.test_fraction,
        "validate_fraction": settings.validate_fraction,
        "guard_s": settings.guard_s,
    }
    return [make_plan("time-block", words, settings, parts, kind="time-block", parameters=parameters)]
