"""The splits of a corpus: planned before any window is cut, and checked on the windows that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.corpus.piece import Column, Texts
from curate.corpus.recording import CutSettings, Survey
from curate.errors import SplitError
from curate.splits.leakage import check_split
from curate.splits.make import (
    SIDES,
    SplitPlan,
    SplitSettings,
    assign_sides,
    check_kinds,
    default_kinds,
    family_of,
    make_split,
    split_hash,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SplitPlans", "make_sides", "plan_splits", "table_frame"]

SplitPlans = tuple[list[SplitPlan], dict[str, str]]
"""Every fold that is to be made, and for each family that cannot be, why not."""


def plan_splits(
    surveys: Sequence[Survey], settings: CutSettings, split_settings: SplitSettings, kinds: Sequence[str] | None
) -> SplitPlans:
    """Make the splits that were asked for, or all that can be made, and say why others cannot.

    Raises:
        SplitError: one that was asked for cannot be made.
    """
    ranges = [part for survey in surveys for part in survey.activity_ranges(settings)]
    plans: list[SplitPlan] = []
    left_out: dict[str, str] = {}
    for kind in default_kinds(ranges) if kinds is None else check_kinds(kinds):
        try:
            plans += make_split(kind, ranges, split_settings)
        except SplitError as error:
            if kinds is not None:
                raise
            left_out[family_of(kind)] = str(error)
    return plans, left_out


def table_frame(table: Mapping[str, Column]) -> pd.DataFrame:
    """A corpus's table, one row per window."""
    import pandas as pd

    return pd.DataFrame(
        {name: column.objects() if isinstance(column, Texts) else column for name, column in table.items()}, copy=False
    )


def make_sides(
    table: Mapping[str, Column],
    sources: Sequence[Mapping[str, Any]],
    planned: SplitPlans,
    *,
    explicit: bool,
) -> dict[str, tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Give every window its side in every split, and check each split before it is believed.

    Args:
        table: the corpus's table.
        sources: provenance of its recordings.
        planned: the splits; why one fell through is added.
        explicit: whether they were asked for by name.

    Returns:
        Name → sides, and how the split was made.

    Raises:
        LeakError: sides of a split share what they must not.
        SplitError: a split that was asked for cannot be trained and tested, or there is none.
    """
    plans, left_out = planned
    frame = table_frame(table)
    recording, start, stop = (frame[name].to_numpy() for name in ("recording", "start", "stop"))
    recording_ids = (
        frame["recording"].map({source["recording"]: source["recording_id"] for source in sources}).to_numpy()
    )
    splits: dict[str, tuple[NDArray[np.uint8], dict[str, Any]]] = {}
    for plan in plans:
        sides = assign_sides(plan, recording, start, stop)
        info = plan.describe() | {
            "counts": {side: int(np.count_nonzero(sides == code)) for code, side in enumerate(SIDES)},
            "hash": split_hash(recording_ids, start, stop, sides),
        }
        try:
            check_split(plan.name, frame, sides, info)
        except SplitError as error:
            if explicit:
                raise
            left_out.setdefault(plan.family, str(error))
            continue
        splits[plan.name] = (sides, info)
    # A family with a fold missing would report the mean of something else.
    splits = {name: split for name, split in splits.items() if split[1]["family"] not in left_out}
    if not splits:
        raise SplitError("No split can be made of these recordings. " + " ".join(left_out.values()))
    return splits
