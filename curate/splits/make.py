"""Splits: who learns from which samples, decided before any window is cut.

A splitter gives sides to stretches of raw samples (``Part``). A window then belongs to a side when the whole of its raw
range lies in one stretch, or in neighbouring stretches of the same side; every other window is unused. Nothing here
looks at a window's contents. ``docs/splits.md`` says which question each split answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from curate.corpus.windows import ActivityRange
from curate.errors import SplitError
from curate.splits.by_condition import across_activities, across_factor
from curate.splits.by_people import across_sessions, unseen_subjects
from curate.splits.by_time import random_blocks, time_blocks
from curate.splits.from_file import fixed_by_file
from curate.splits.plan import (
    SIDES,
    TASKS,
    Part,
    SplitPlan,
    SplitSettings,
    apart_columns,
    assign_sides,
    family_of,
    scored_tasks,
    split_hash,
)

__all__ = [
    "SIDES",
    "SPLIT_KINDS",
    "TASKS",
    "Part",
    "SplitPlan",
    "SplitSettings",
    "apart_columns",
    "assign_sides",
    "check_kinds",
    "default_kinds",
    "family_of",
    "make_split",
    "scored_tasks",
    "split_hash",
]

_Maker = Callable[[Sequence[ActivityRange], SplitSettings, str], list[SplitPlan]]

_MAKERS: Mapping[str, _Maker] = {
    "random": random_blocks,
    "time-block": time_blocks,
    "across-sessions": across_sessions,
    "across-activities": across_activities,
    "across-factor": across_factor,
    "unseen-subjects": unseen_subjects,
    "fixed": fixed_by_file,
}
_WITHOUT_ARGUMENT = ("random", "time-block")

SPLIT_KINDS = tuple(_MAKERS)
"""Every kind of split, in the order in which they are shown."""


def make_split(kind: str, ranges: Sequence[ActivityRange], settings: SplitSettings) -> list[SplitPlan]:
    """Make all folds of one kind of split.

    Args:
        kind: one of ``SPLIT_KINDS``; some take more behind a colon: ``across-sessions:forward``,
            ``across-activities:rest,sit``, ``across-factor:electrode``, ``unseen-subjects:8``, ``fixed:FILE.csv``.
        ranges: every stretch of every recording that could give windows.
        settings: shared settings.

    Raises:
        SplitError: the kind is unknown, or the data do not allow it.
    """
    base, colon, argument = kind.partition(":")
    if base not in _MAKERS:
        raise SplitError(f"There is no split {kind[:80]!r}; splits are {', '.join(SPLIT_KINDS)}.")
    if colon and base in _WITHOUT_ARGUMENT:
        raise SplitError(f"The split is {kind[:80]!r}; {base} takes nothing behind a colon.")
    if colon and not argument.strip():
        raise SplitError(f"The split is {kind[:80]!r}; leave the colon out, or write something behind it.")
    ordered = sorted(ranges, key=lambda part: (part.recording, part.start))
    return _MAKERS[base](ordered, settings, argument.strip())


def default_kinds(ranges: Sequence[ActivityRange]) -> list[str]:
    """Name every split that is tried when none is named: one across each factor that a recording has, and no file."""
    factors = sorted({factor for part in ranges for factor in part.factors})
    kinds: list[str] = []
    for kind in SPLIT_KINDS:
        if kind == "across-factor":
            kinds += [f"{kind}:{factor}" for factor in factors]
        elif kind != "fixed":
            kinds.append(kind)
    return kinds


def check_kinds(kinds: Sequence[str]) -> list[str]:
    """Give back the kinds that were asked for, each once.

    Raises:
        SplitError: two of them would take the same name in the corpus, such as two files ``sides.csv``.
    """
    named: dict[str, str] = {}
    for kind in dict.fromkeys(kinds):
        family = family_of(kind)
        if family in named:
            raise SplitError(
                f"The splits {named[family][:80]!r} and {kind[:80]!r} would both be named {family} in the corpus; "
                "leave one out, or rename the file."
            )
        named[family] = kind
    return list(named.values())
