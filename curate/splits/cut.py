"""What all splitters cut with: an activity of a recording into sides, with a guard wherever two of them meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from curate.corpus.windows import ActivityRange
from curate.splits.plan import TASKS, TEST, TRAIN, VALIDATE, Part, SplitPlan, SplitSettings

__all__ = ["cut_all", "cut_for_training", "end_words", "keep_apart", "listed", "make_plan", "part_of", "whole_words"]


def part_of(one: ActivityRange, start: int, stop: int, side: int) -> Part:
    """Samples of a range, with their side."""
    return Part(recording=one.recording, start=int(start), stop=int(stop), side=side)


def cut_for_training(ranges: Iterable[ActivityRange], settings: SplitSettings) -> tuple[list[Part], int]:
    """Let the end of each activity of each training recording validate; also say how many were too short for it."""
    return cut_all(ranges, settings, test=0.0, validate=settings.end_fraction)


def cut_all(
    ranges: Iterable[ActivityRange], settings: SplitSettings, *, test: float, validate: float
) -> tuple[list[Part], int]:
    """Cut each activity of each recording in time; also say how many were too short to be cut, and train whole."""
    groups: dict[tuple[str, str], list[ActivityRange]] = {}
    rate_hz: dict[str, float] = {}
    for part in ranges:
        groups.setdefault((part.recording, part.activity), []).append(part)
        rate_hz[part.recording] = part.rate_hz
    parts: list[Part] = []
    n_whole = 0
    for group in groups.values():
        cut = _cut_in_time(group, settings, test, validate)
        n_whole += cut is None
        parts += cut or [part_of(one, one.start, one.stop, TRAIN) for one in group]
    return keep_apart(parts, rate_hz, settings.guard_s), n_whole


def keep_apart(parts: Iterable[Part], rate_hz: Mapping[str, float], guard_s: float) -> list[Part]:
    """Make room for the guard where stretches of different sides meet in a recording; the longer of two gives way.

    Args:
        parts: stretches, none of which overlap.
        rate_hz: recording → raw samples per second.
        guard_s: least time between two sides.
    """
    kept: list[Part] = []
    for part in sorted(parts, key=lambda one: (one.recording, one.start)):
        guard = int(np.ceil(guard_s * rate_hz[part.recording]))
        start, stop = part.start, part.stop
        while kept and kept[-1].recording == part.recording and kept[-1].side != part.side:
            last = kept[-1]
            lacking = guard - (start - last.stop)
            if lacking <= 0 or start >= stop:
                break
            if last.stop - last.start < stop - start:
                start += lacking
            elif last.stop - lacking > last.start:
                kept[-1] = replace(last, stop=last.stop - lacking)
            else:
                kept.pop()
        if start < stop:
            kept.append(replace(part, start=start))
    return kept


def _cut_in_time(
    group: Sequence[ActivityRange], settings: SplitSettings, test: float, validate: float
) -> list[Part] | None:
    """Cut one activity of one recording, laid end to end, with a guard between any two sides.

    With a test side: validate, train, test, so that only the guard lies between what is learnt and what is asked.
    Without: train, validate.

    Validation and test take at least a window and a hop each. None when that would leave less than twice that to train
    on.
    """
    rate_hz = group[0].rate_hz
    total = sum(part.stop - part.start for part in group)
    guard = int(np.ceil(settings.guard_s * rate_hz))
    least = int(np.ceil((settings.window_s + settings.hop_s) * rate_hz))
    n_validate = max(least, round(total * validate))
    if test > 0:
        tested = total - max(least, round(total * test))
        trained = (n_validate + guard, tested - guard)
        bounds = [(0, n_validate, VALIDATE), (*trained, TRAIN), (tested, total, TEST)]
    else:
        trained = (0, total - n_validate - guard)
        bounds = [(*trained, TRAIN), (total - n_validate, total, VALIDATE)]
    if trained[1] - trained[0] < 2 * least:
        return None
    parts = []
    offset = 0
    for one in group:
        length = one.stop - one.start
        for start, stop, side in bounds:
            low, high = max(start - offset, 0), min(stop - offset, length)
            if low < high:
                parts.append(part_of(one, one.start + low, one.start + high, side))
        offset += length
    return parts


def whole_words(n_whole: int) -> str:
    """A sentence on activities that were too short to be cut, where there are any."""
    if not n_whole:
        return ""
    return f" {n_whole} activit{'y was' if n_whole == 1 else 'ies were'} too short to be cut and trained whole."


def end_words(settings: SplitSettings) -> str:
    """Half a sentence on what ``cut_for_training`` does."""
    return (
        f"of each activity of a training recording the last {settings.end_fraction:.0%} validate, behind "
        f"{settings.guard_s:g} s unused."
    )


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names by comma; of many, the first few and how many more there are."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"


def make_plan(
    name: str,
    words: str,
    settings: SplitSettings,
    parts: Sequence[Part],
    *,
    kind: str,
    parameters: Mapping[str, Any],
    family: str | None = None,
    fold: int = 1,
    n_folds: int = 1,
    tasks: tuple[str, ...] = TASKS,
    apart: tuple[tuple[str, ...], ...] = (),
) -> SplitPlan:
    """Put a plan together, its stretches in order.

    Args:
        name: of the fold.
        words: for a reader.
        settings: their seed is written down with the parameters.
        parts: the stretches, in any order.
        kind: one of ``SPLIT_KINDS``.
        parameters: what had a say, beside the seed.
        family: the name itself unless given.
        fold: from 1.
        n_folds: of the family.
        tasks: that the test side can be asked.
        apart: columns whose values the learned and the tested side must not share.
    """
    return SplitPlan(
        name=name,
        kind=kind,
        family=family or name,
        fold=fold,
        n_folds=n_folds,
        words=words,
        parameters={"seed": settings.seed, **parameters},
        tasks=tasks,
        apart=apart,
        parts=tuple(sorted(parts, key=lambda part: (part.recording, part.start))),
    )
