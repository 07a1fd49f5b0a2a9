"""Splits across conditions: from rest to motion, and from one level of a factor to the others."""

from __future__ import annotations

from collections.abc import Sequence

from curate.corpus.windows import ActivityRange
from curate.errors import SplitError
from curate.splits.cut import cut_for_training, end_words, keep_apart, listed, make_plan, part_of, whole_words
from curate.splits.plan import TEST, SplitPlan, SplitSettings, family_of, natural
from protocols.activities import ACTIVITIES

__all__ = ["across_activities", "across_factor"]


def across_activities(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Enrol people at some activities, and ask who they are at the others.

    Without an argument those are enrolled of which the vocabulary says that the body is still, and all others of it are
    tested; an activity of the study's own is then unused. With one, the activities that it names by comma are
    enrolled and all others tested.

    Raises:
        SplitError: an activity is unknown, or fewer than two subjects did both kinds.
    """
    there = sorted({part.activity for part in ranges})
    if argument:
        enrolled = {name.strip() for name in argument.split(",")}
        unknown = sorted(enrolled - set(there))
        if unknown:
            raise SplitError(
                f"across-activities would enrol {unknown[0][:40]!r}, which nobody did; activities are {listed(there)}."
            )
        tested = set(there) - enrolled
    else:
        known = [name for name in there if name in ACTIVITIES]
        enrolled = {name for name in known if ACTIVITIES[name].still}
        tested = set(known) - enrolled
    did: dict[str, set[str]] = {}
    for part in ranges:
        did.setdefault(part.subject, set()).add(part.activity)
    subjects = {name for name, activities in did.items() if activities & enrolled and activities & tested}
    if len(subjects) < 2:
        still = listed(sorted(enrolled)) or "nothing with the body still"
        moving = listed(sorted(tested)) or "nothing else"
        raise SplitError(
            f"across-activities needs at least two subjects who did both what is enrolled ({still}) and what is "
            f"tested ({moving}); of {len(did)} subjects {len(subjects)} did; record both, name what to enrol with "
            "across-activities:NAME, or leave this split out."
        )
    learned = [part for part in ranges if part.subject in subjects and part.activity in enrolled]
    asked = [part for part in ranges if part.subject in subjects and part.activity in tested]
    parts, n_whole = cut_for_training(learned, settings)
    rate_hz = {part.recording: part.rate_hz for part in [*learned, *asked]}
    parts = keep_apart(
        [*parts, *(part_of(part, part.start, part.stop, TEST) for part in asked)], rate_hz, settings.guard_s
    )
    unused_subjects = sorted(set(did) - subjects, key=natural)
    unused = sorted(set(there) - enrolled - tested)
    words = (
        f"Everybody is enrolled at {listed(sorted(enrolled & set(there)))} and tested at {listed(sorted(tested))}, in "
        f"the same sessions; where the two meet in a recording, {settings.guard_s:g} s are unused; "
        + end_words(settings)
        + " Activities that were never trained on cannot be told, so identity is all that is asked."
        + whole_words(n_whole)
    )
    if unused:
        words += f" Not in the vocabulary, and unused: {listed(unused)}."
    if unused_subjects:
        words += f" Without one of the two, unused: {listed(unused_subjects)}."
    name = family_of(f"across-activities:{argument}" if argument else "across-activities")
    return [
        make_plan(
            name,
            words,
            settings,
            parts,
            kind="across-activities",
            tasks=("identity",),
            apart=(("activity",),),
            parameters={
                "validate_fraction": settings.end_fraction,
                "guard_s": settings.guard_s,
                "train_activities": sorted(enrolled & set(there)),
                "test_activities": sorted(tested),
                "unused_activities": unused,
                "unused_subjects": unused_subjects,
            },
        )
    ]


def across_factor(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Train under one level of a factor and test under all others, one fold for each level.

    In each fold those subjects are used who have recordings under the trained level and under at least one other.

    Raises:
        SplitError: no factor is named, or nobody has it, or fewer than two subjects have two levels of it.
    """
    factors = sorted({factor for part in ranges for factor in part.factors})
    if not argument or argument not in factors:
        asked = f"there is no factor {argument[:40]!r}" if argument else "it needs the name of a factor"
        raise SplitError(
            f"across-factor: {asked}; the recordings have {listed(factors) or 'none'}; write "
            f"across-factor:{factors[0] if factors else 'NAME'}, or leave this split out."
        )
    has: dict[str, set[str]] = {}
    for part in ranges:
        levels = has.setdefault(part.subject, set())
        if argument in part.factors:
            levels.add(part.factors[argument])
    every = sorted({level for levels in has.values() for level in levels}, key=natural)
    usable = {level: {name for name, levels in has.items() if level in levels and len(levels) > 1} for level in every}
    trained = [level for level in every if len(usable[level]) >= 2]
    if not trained:
        raise SplitError(
            f"across-factor:{argument} needs at least two subjects who were recorded under two levels of {argument} "
            f"({listed(every)}); of {len(has)} subjects {len(set().union(*usable.values()))} were; record them under "
            "another level too, or leave this split out."
        )
    family = family_of(f"across-factor:{argument}")
    plans = []
    for fold, level in enumerate(trained, start=1):
        mine = [part for part in ranges if part.subject in usable[level] and argument in part.factors]
        learned = [part for part in mine if part.factors[argument] == level]
        asked_parts = [part for part in mine if part.factors[argument] != level]
        parts, n_whole = cut_for_training(learned, settings)
        parts += [part_of(part, part.start, part.stop, TEST) for part in asked_parts]
        others = sorted({part.factors[argument] for part in asked_parts}, key=natural)
        unused = sorted(set(has) - usable[level], key=natural)
        n_without = len({part.recording for part in ranges if argument not in part.factors})
        words = (
            f"Recordings with {argument} {level} train and those with {listed(others)} test, of the same subjects; "
            + end_words(settings)
            + whole_words(n_whole)
        )
        if unused:
            words += f" Without {level} or without any other level, unused: {listed(unused)}."
        if n_without:
            words += f" {n_without} recording{' says' if n_without == 1 else 's say'} nothing of {argument}, unused."
        plans.append(
            make_plan(
                f"{family}.{fold}",
                words,
                settings,
                parts,
                kind="across-factor",
                family=family,
                fold=fold,
                n_folds=len(trained),
                apart=((argument,), ("recording",)),
                parameters={
                    "validate_fraction": settings.end_fraction,
                    "guard_s": settings.guard_s,
                    "factor": argument,
                    "train_level": level,
                    "test_levels": others,
                    "unused_subjects": unused,
                },
            )
        )
    return plans
