"""Splits between recordings: sessions of the same people, and people who were never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from curate.corpus.windows import ActivityRange
from curate.errors import SplitError
from curate.splits.cut import cut_for_training, end_words, listed, make_plan, part_of, whole_words
from curate.splits.plan import TEST, SplitPlan, SplitSettings, natural

__all__ = ["across_sessions", "unseen_subjects"]

_MOST_FOLDS = 1000
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


def across_sessions(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Train on half of each subject's sessions and test on the others: both ways, or only forward in time.

    Raises:
        SplitError: fewer than two subjects have two sessions, or the argument is not ``forward``.
    """
    if argument not in ("", "forward"):
        raise SplitError(
            f"across-sessions:{argument[:40]} is no split; write across-sessions for both ways, or "
            "across-sessions:forward to test later sessions only."
        )
    forward = argument == "forward"
    begins = _begins(ranges)
    order = _sessions(ranges, begins if forward else {})
    halves = {}
    for subject, names in order.items():
        if len(names) >= 2:
            middle = (len(names) + 1) // 2
            halves[subject] = (set(names[:middle]), set(names[middle:]))
    if len(halves) < 2:
        raise SplitError(
            f"across-sessions needs at least two subjects with two sessions each; of {len(order)} subjects "
            f"{len(halves)} have that; record another session, or leave this split out."
        )
    if forward:
        undated = sorted((name for name in halves if name not in begins), key=natural)
        by = "when they were recorded" if len(undated) < len(halves) else "their names, for no times are known"
        if 0 < len(undated) < len(halves):
            by += f", and by name where that is not known: {listed(undated)}"
        return [_sessions_plan("across-sessions.forward", ranges, settings, halves, set(order), by=by)]
    back = {name: half[::-1] for name, half in halves.items()}
    by = "their names"
    return [
        _sessions_plan("across-sessions.1", ranges, settings, halves, set(order), by=by, fold=1),
        _sessions_plan("across-sessions.2", ranges, settings, back, set(order), by=by, fold=2),
    ]


def _sessions_plan(
    name: str,
    ranges: Sequence[ActivityRange],
    settings: SplitSettings,
    side_of: Mapping[str, tuple[set[str], set[str]]],
    subjects: set[str],
    *,
    by: str,
    fold: int = 0,
) -> SplitPlan:
    learned = [part for part in ranges if part.subject in side_of and part.session in side_of[part.subject][0]]
    asked = [part for part in ranges if part.subject in side_of and part.session in side_of[part.subject][1]]
    parts, n_whole = cut_for_training(learned, settings)
    parts += [part_of(part, part.start, part.stop, TEST) for part in asked]
    left_out = sorted(subjects - set(side_of), key=natural)
    learn, ask = ("later", "earlier") if fold == 2 else ("earlier", "later")
    several = [any(len(halves[half]) > 1 for halves in side_of.values()) for half in (0, 1)]
    words = (
        f"Each subject's {learn} session{'s train' if several[0] else ' trains'} and the {ask} "
        f"one{'s test' if several[1] else ' tests'} (sessions in the order of {by}); "
        + end_words(settings)
        + whole_words(n_whole)
    )
    if left_out:
        words += f" With one session only, unused: {listed(left_out)}."
    return make_plan(
        name,
        words,
        settings,
        parts,
        kind="across-sessions",
        family="across-sessions" if fold else name,
        fold=fold or 1,
        n_folds=2 if fold else 1,
        apart=(("subject", "session"), ("recording",)),
        parameters={
            "validate_fraction": settings.end_fraction,
            "guard_s": settings.guard_s,
            "train_sessions": {who: sorted(half[0], key=natural) for who, half in sorted(side_of.items())},
            "test_sessions": {who: sorted(half[1], key=natural) for who, half in sorted(side_of.items())},
            "unused_subjects": left_out,
        },
    )


def _sessions(ranges: Sequence[ActivityRange], begins: Mapping[str, Mapping[str, datetime]]) -> dict[str, list[str]]:
    """Each subject's sessions, in the order of their beginnings where these are given, else of their names."""
    sessions: dict[str, set[str]] = {}
    for part in ranges:
        sessions.setdefault(part.subject, set()).add(part.session)
    return {
        subject: sorted(names, key=begins[subject].__getitem__) if subject in begins else sorted(names, key=natural)
        for subject, names in sessions.items()
    }


def _begins(ranges: Sequence[ActivityRange]) -> dict[str, dict[str, datetime]]:
    """When each session of a subject began; without subjects of whom that cannot be told, or two began together."""
    begun: dict[str, datetime | None] = {part.started_at: _time(part.started_at) for part in ranges}
    begins: dict[str, dict[str, datetime]] = {}
    unknown: set[str] = set()
    for part in ranges:
        at = begun[part.started_at]
        if at is None:
            unknown.add(part.subject)
            continue
        mine = begins.setdefault(part.subject, {})
        mine[part.session] = min(mine.get(part.session, at), at)
    return {
        subject: mine
        for subject, mine in begins.items()
        if subject not in unknown and len(set(mine.values())) == len(mine)
    }


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    # Files that tell no time come in with the beginning of the Unix epoch.
    return None if at < _EPOCH else at


def unseen_subjects(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Hold every subject out once, in folds that are alike in activities, factors and hours.

    Raises:
        SplitError: there are too few subjects, or the number of folds makes no sense.
    """
    subjects = sorted({part.subject for part in ranges}, key=natural)
    if len(subjects) < 3:
        raise SplitError(
            f"unseen-subjects needs at least three subjects, so that two remain to train on; there are "
            f"{len(subjects)}; record another subject, or leave this split out."
        )
    n_folds = _n_folds(argument, len(subjects), settings)
    fold_of = _share_out(ranges, subjects, n_folds, settings.seed)
    plans = []
    for fold in range(1, n_folds + 1):
        held_out = {subject for subject in subjects if fold_of[subject] == fold - 1}
        parts, n_whole = cut_for_training((one for one in ranges if one.subject not in held_out), settings)
        parts += [part_of(one, one.start, one.stop, TEST) for one in ranges if one.subject in held_out]
        names = sorted(held_out, key=natural)
        who = f"Subject {names[0]} is" if len(names) == 1 else f"Subjects {listed(names)} are"
        words = (
            f"{who} tested and the other {len(subjects) - len(names)} train; {end_words(settings)} People who were "
            "never trained on can be asked for their activity, not for their identity. Subjects were dealt to the "
            f"{n_folds} folds so that each holds about as many of them, and as much time of each activity and of each "
            "level of each factor, as the others." + whole_words(n_whole)
        )
        plans.append(
            make_plan(
                f"unseen-subjects.{fold}",
                words,
                settings,
                parts,
                kind="unseen-subjects",
                family="unseen-subjects",
                fold=fold,
                n_folds=n_folds,
                tasks=("activity",),
                apart=(("subject",), ("recording",)),
                parameters={
                    "validate_fraction": settings.end_fraction,
                    "guard_s": settings.guard_s,
                    "test_subjects": names,
                },
            )
        )
    return plans


def _n_folds(argument: str, n_subjects: int, settings: SplitSettings) -> int:
    if not argument:
        return min(settings.max_folds, n_subjects)
    # Of n subjects in k folds, the fullest fold holds ceil(n / k); two must remain to train on.
    least = next(k for k in range(2, n_subjects + 1) if n_subjects - -(-n_subjects // k) >= 2)
    most = min(n_subjects, _MOST_FOLDS)
    if not (argument.isascii() and argument.isdigit() and len(argument) <= 6 and least <= int(argument) <= most):
        raise SplitError(
            f"unseen-subjects:{argument[:40]} asks for {argument[:40]!r} folds; with {n_subjects} subjects it may be "
            f"a whole number from {least} to {most}."
        )
    return int(argument)


def _share_out(ranges: Sequence[ActivityRange], subjects: Sequence[str], n_folds: int, seed: int) -> dict[str, int]:
    """Deal subjects to folds, the one with the most time first, each to where the folds stay most alike.

    Alike is judged by the spread over folds of each stratum's share (its time in a fold over its time in all), strata
    being activities and levels of factors. No fold gets more subjects than its share, rounded up. Where several folds
    are equally good, and among subjects with equal times, the seed decides.
    """
    strata: dict[tuple[str, str], int] = {}
    rows: list[tuple[int, tuple[str, str], float]] = []
    number = {subject: place for place, subject in enumerate(subjects)}
    for part in ranges:
        seconds = (part.stop - part.start) / part.rate_hz
        for stratum in [("", part.activity), *part.factors.items()]:
            rows.append((number[part.subject], (stratum[0], stratum[1]), seconds))
            strata.setdefault((stratum[0], stratum[1]), len(strata))
    shares = np.zeros((len(subjects), len(strata)))
    for subject, stratum, seconds in rows:
        shares[subject, strata[stratum]] += seconds
    shares /= shares.sum(axis=0)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(subjects))
    # To a millionth: times that differ by a sample are equal, or the seed would have no say.
    weight = np.round(shares.sum(axis=1), 6)
    order = shuffled[np.argsort(-weight[shuffled], kind="stable")]
    held = np.zeros((n_folds, len(strata)))
    n_held = np.zeros(n_folds, dtype=np.int64)
    fold_of: dict[str, int] = {}
    for place, subject in enumerate(order):
        fold = _best_fold(held, n_held, shares[subject], len(subjects), len(subjects) - place, rng)
        held[fold] += shares[subject]
        n_held[fold] += 1
        fold_of[subjects[subject]] = fold
    return fold_of


def _best_fold(
    held: NDArray[np.float64],
    n_held: NDArray[np.int64],
    share: NDArray[np.float64],
    n_subjects: int,
    n_left: int,
    rng: np.random.Generator,
) -> int:
    """The fold that a subject disturbs least, among those with room; no fold may be left empty at the end."""
    n_folds = len(n_held)
    low, high = n_subjects // n_folds, -(-n_subjects // n_folds)
    # Those below the lower share must still be filled by the subjects that are left.
    must = int(np.maximum(low - n_held, 0).sum()) >= n_left
    n_high = n_subjects - low * n_folds
    full = int(np.count_nonzero(n_held > low)) >= n_high
    room = n_held < low if must else n_held < (low if full and high > low else high)
    # Of the variance over folds, summed over strata, this is all that depends on which fold the subject goes to.
    costs = np.where(room, held @ share, np.inf)
    best = np.flatnonzero(costs <= costs.min() + 1e-12)
    return int(best[rng.integers(best.size)])
