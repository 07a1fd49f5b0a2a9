"""Splits: who learns from which samples, decided before any window is cut.

A splitter gives sides to stretches of raw samples (``Part``). A window then belongs to a side when the whole of its raw
range lies in one stretch, or in neighbouring stretches of the same side; every other window is unused. Nothing here
looks at a window's contents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import SplitError
from curate.split_plan import SIDES, Part, SplitPlan, assign_sides, split_hash
from curate.windows import ActivityRange

__all__ = ["SIDES", "SPLIT_KINDS", "Part", "SplitPlan", "SplitSettings", "assign_sides", "make_split", "split_hash"]

SPLIT_KINDS = ("random", "time-block", "across-sessions", "unseen-subjects")
_TRAIN, _VALIDATE, _TEST = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """What all splitters share.

    Attributes:
        window_s: length of a window.
        hop_s: distance between windows' starts.
        guard_s: least time between two sides that meet in one recording, where sides are blocks of time.
        seed: of every random choice.
        test_fraction: share of each activity that is tested, in ``random`` and ``time-block``.
        validate_fraction: share of each activity that validates, in ``random`` and ``time-block``.
        end_fraction: share of each activity of a training recording that validates in the other two kinds, which have
            no test block to spare samples for.
        max_folds: most folds of ``unseen-subjects``.
    """

    window_s: float
    hop_s: float
    guard_s: float
    seed: int = 0
    test_fraction: float = 0.2
    validate_fraction: float = 0.1
    end_fraction: float = 0.15
    max_folds: int = 5


def make_split(kind: str, ranges: Sequence[ActivityRange], settings: SplitSettings) -> list[SplitPlan]:
    """Make all folds of one kind of split.

    Args:
        kind: one of ``SPLIT_KINDS``.
        ranges: every stretch of every recording that could give windows.
        settings: shared settings.

    Raises:
        SplitError: the kind is unknown, or the data do not allow it.
    """
    makers: dict[str, Callable[[Sequence[ActivityRange], SplitSettings], list[SplitPlan]]] = {
        "random": _random,
        "time-block": _time_block,
        "across-sessions": _across_sessions,
        "unseen-subjects": _unseen_subjects,
    }
    if kind not in makers:
        raise SplitError(f"There is no split {kind!r}; splits are {', '.join(SPLIT_KINDS)}.")
    ordered = sorted(ranges, key=lambda part: (part.recording, part.start))
    return makers[kind](ordered, settings)


# random blocks


def _random(ranges: Sequence[ActivityRange], settings: SplitSettings) -> list[SplitPlan]:
    rng = np.random.default_rng(settings.seed)
    blocks: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for part in ranges:
        places = blocks.setdefault((part.subject, part.activity), [])
        edges = _block_edges(part)
        places += [(part.recording, int(a), int(b)) for a, b in pairwise(edges)]
    parts = []
    for key in sorted(blocks):
        places = blocks[key]
        sides = np.full(len(places), _TRAIN)
        order = rng.permutation(len(places))
        n_test, n_validate = _shares(len(places), settings)
        sides[order[:n_test]] = _TEST
        sides[order[n_test : n_test + n_validate]] = _VALIDATE
        parts += [
            Part(recording=name, start=start, stop=stop, side=int(side))
            for (name, start, stop), side in zip(places, sides, strict=True)
        ]
    words = (
        f"Each activity of each recording is cut into blocks of {settings.window_s:g} s, and of every subject's "
        f"blocks of "
        f"an activity {settings.test_fraction:.0%} are drawn for testing and {settings.validate_fraction:.0%} for "
        "validation; windows that reach into two sides are unused. Blocks of different sides touch, and a filter "
        "reaches "
        "a little beyond a block, so this split flatters: it says how well windows of a known recording are told "
        "apart, "
        "not how well a person is known again."
    )
    return [_plan("random", words, settings, parts, guard=False)]


def _block_edges(part: ActivityRange) -> NDArray[np.int64]:
    """Cut a range where windows of the recording's grid begin, a window's length apart; the rest joins the last."""
    grid = part.grid
    hops_per_block = -(-grid.n_samples // grid.n_hop)
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


# blocks of time


def _time_block(ranges: Sequence[ActivityRange], settings: SplitSettings) -> list[SplitPlan]:
    parts, n_whole = _cut_all(ranges, settings, test=settings.test_fraction, validate=settings.validate_fraction)
    words = (
        f"Of each activity of each recording the last {settings.test_fraction:.0%} are tested, the first "
        f"{settings.validate_fraction:.0%} validate, and what lies between trains, with {settings.guard_s:g} s unused "
        f"between any two." + _whole_words(n_whole)
    )
    return [_plan("time-block", words, settings, parts)]


def _cut_all(
    ranges: Iterable[ActivityRange], settings: SplitSettings, *, test: float, validate: float
) -> tuple[list[Part], int]:
    """Cut each activity of each recording in time; also say how many were too short to be cut."""
    groups: dict[tuple[str, str], list[ActivityRange]] = {}
    for part in ranges:
        groups.setdefault((part.recording, part.activity), []).append(part)
    parts: list[Part] = []
    n_whole = 0
    for group in groups.values():
        cut = _cut_in_time(group, settings, test, validate)
        n_whole += cut is None
        parts += cut or [_part(one, one.start, one.stop, _TRAIN) for one in group]
    return parts, n_whole


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
        bounds = [(0, n_validate, _VALIDATE), (*trained, _TRAIN), (tested, total, _TEST)]
    else:
        trained = (0, total - n_validate - guard)
        bounds = [(*trained, _TRAIN), (total - n_validate, total, _VALIDATE)]
    if trained[1] - trained[0] < 2 * least:
        return None
    parts = []
    offset = 0
    for one in group:
        length = one.stop - one.start
        for start, stop, side in bounds:
            low, high = max(start - offset, 0), min(stop - offset, length)
            if low < high:
                parts.append(_part(one, one.start + low, one.start + high, side))
        offset += length
    return parts


def _whole_words(n_whole: int) -> str:
    if not n_whole:
        return ""
    return f" {n_whole} activit{'y was' if n_whole == 1 else 'ies were'} too short to be cut and trained whole."


# sessions


def _across_sessions(ranges: Sequence[ActivityRange], settings: SplitSettings) -> list[SplitPlan]:
    sessions: dict[str, list[str]] = {}
    for part in ranges:
        known = sessions.setdefault(part.subject, [])
        if part.session not in known:
            known.append(part.session)
    halves = {}
    for subject, names in sessions.items():
        names.sort(key=_natural)
        if len(names) >= 2:
            middle = (len(names) + 1) // 2
            halves[subject] = (set(names[:middle]), set(names[middle:]))
    if len(halves) < 2:
        raise SplitError(
            f"across-sessions needs at least two subjects with two sessions each; of {len(sessions)} subjects "
            f"{len(halves)} have that; record another session, or leave this split out."
        )
    left_out = sorted(set(sessions) - set(halves), key=_natural)
    plans = []
    for fold, (learn, ask) in enumerate((("earlier", "later"), ("later", "earlier")), start=1):
        side_of = {name: half if fold == 1 else half[::-1] for name, half in halves.items()}
        learned = [part for part in ranges if part.subject in halves and part.session in side_of[part.subject][0]]
        asked = [part for part in ranges if part.subject in halves and part.session in side_of[part.subject][1]]
        parts, n_whole = _cut_all(learned, settings, test=0.0, validate=settings.end_fraction)
        parts += [_part(part, part.start, part.stop, _TEST) for part in asked]
        words = (
            f"Each subject's {learn} session{_plural(side_of, 0)} train{_verb(side_of, 0)} and the {ask} "
            f"one{_plural(side_of, 1)} test{_verb(side_of, 1)} (sessions in the order of their names); of each "
            f"activity of "
            f"a training recording the last {settings.end_fraction:.0%} validate, behind {settings.guard_s:g} s "
            "unused." + _whole_words(n_whole)
        )
        if left_out:
            words += f" With one session only, unused: {', '.join(left_out)}."
        plans.append(
            _plan(
                f"across-sessions.{fold}",
                words,
                settings,
                parts,
                fold=fold,
                n_folds=2,
                extra={
                    "train_sessions": {name: sorted(half[0], key=_natural) for name, half in sorted(side_of.items())},
                    "test_sessions": {name: sorted(half[1], key=_natural) for name, half in sorted(side_of.items())},
                    "unused_subjects": left_out,
                },
            )
        )
    return plans


def _plural(side_of: dict[str, tuple[set[str], set[str]]], half: int) -> str:
    return "s" if any(len(halves[half]) > 1 for halves in side_of.values()) else ""


def _verb(side_of: dict[str, tuple[set[str], set[str]]], half: int) -> str:
    return "" if _plural(side_of, half) else "s"


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which "2" comes before "10"."""
    return [(0, int(text), "") if text.isdigit() else (1, 0, text) for text in re.split(r"([0-9]+)", name) if text]


# subjects


def _unseen_subjects(ranges: Sequence[ActivityRange], settings: SplitSettings) -> list[SplitPlan]:
    subjects = sorted({part.subject for part in ranges}, key=_natural)
    if len(subjects) < 3:
        raise SplitError(
            f"unseen-subjects needs at least three subjects, so that two remain to train on; there are "
            f"{len(subjects)}; "
            "record another subject, or leave this split out."
        )
    n_folds = min(settings.max_folds, len(subjects))
    order = np.random.default_rng(settings.seed).permutation(len(subjects))
    plans = []
    for fold in range(1, n_folds + 1):
        held_out = {subjects[place] for place in order[fold - 1 :: n_folds]}
        parts, n_whole = _cut_all(
            (one for one in ranges if one.subject not in held_out), settings, test=0.0, validate=settings.end_fraction
        )
        parts += [_part(one, one.start, one.stop, _TEST) for one in ranges if one.subject in held_out]
        names = sorted(held_out, key=_natural)
        words = (
            f"Subjects {', '.join(names)} are tested and the other {len(subjects) - len(names)} train; of each "
            f"activity of "
            f"a training recording the last {settings.end_fraction:.0%} validate, behind {settings.guard_s:g} s "
            "unused. People who were never trained on can be asked for their activity, not for their identity."
            + _whole_words(n_whole)
        )
        plans.append(
            _plan(
                f"unseen-subjects.{fold}",
                words,
                settings,
                parts,
                fold=fold,
                n_folds=n_folds,
                extra={"test_subjects": names},
            )
        )
    return plans


# shared


def _part(one: ActivityRange, start: int, stop: int, side: int) -> Part:
    return Part(recording=one.recording, start=int(start), stop=int(stop), side=side)


def _plan(
    name: str,
    words: str,
    settings: SplitSettings,
    parts: Sequence[Part],
    *,
    fold: int = 1,
    n_folds: int = 1,
    guard: bool = True,
    extra: dict[str, Any] | None = None,
) -> SplitPlan:
    kind = name.partition(".")[0]
    parameters: dict[str, Any] = {"seed": settings.seed}
    if kind in ("random", "time-block"):
        parameters |= {"test_fraction": settings.test_fraction, "validate_fraction": settings.validate_fraction}
    else:
        parameters["validate_fraction"] = settings.end_fraction
    parameters |= {"guard_s": settings.guard_s} if guard else {"block_s": settings.window_s}
    return SplitPlan(
        name=name,
        kind=kind,
        fold=fold,
        n_folds=n_folds,
        words=words,
        parameters=parameters | (extra or {}),
        parts=tuple(sorted(parts, key=lambda part: (part.recording, part.start))),
    )
