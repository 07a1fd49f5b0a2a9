"""A person's decisions on what layers dispute: checked against the disputes, and as labels that hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from curate.beats.score import TOLERANCE_S
from curate.errors import CurateError
from curate.labels.consensus import BY_RULE, Dispute
from curate.labels.label import ABSENT, ARTEFACT_DEGREES, MAX_ORIGIN_CHARS, MAX_VALUE_CHARS, Label

__all__ = ["NOTHING", "REOPEN", "Decision", "Held", "decided_ranges", "held_decisions", "settle", "without"]

NOTHING = "nothing"
"""The decision that there is no such label here."""
REOPEN = "reopen"
"""Takes an earlier decision back."""

_BEAT = re.compile(r"([0-9]{1,18})(?: +(\S.*))?")
# What a person means who decides that a stretch is not unusable.
_USABLE = "usable"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person decides about a disputed range, or a part of one.

    Attributes:
        kind: what it is about.
        start: first sample.
        stop: one past the last.
        value: an activity, a degree, ``unusable`` or ``usable``, a beat as ``SAMPLE TYPE``; or ``nothing``, or
            ``reopen``.
        said: what the layers said when it was decided, by layer; None where that is not known.
        where: where the decision stands, for messages.
    """

    kind: str
    start: int
    stop: int
    value: str
    said: Mapping[str, str] | None = None
    where: str = "the decision"


@dataclass(frozen=True, kw_only=True)
class Held:
    """A decision as a label of the adjudicated layer.

    Attributes:
        kind: the label's kind.
        start: first sample.
        stop: one past the last.
        value: the label's value.
        origin: who decided, and what the layers had said; "" for a label that somebody put there by hand.
        label: the label that stands in the layer already, or None.
    """

    kind: str
    start: int
    stop: int
    value: str
    origin: str
    label: Label | None = None


def held_decisions(labels: Sequence[Label], kind: str) -> list[Held]:
    """What was decided about a kind before: every label of the adjudicated layer that no rule took over."""
    return [
        Held(
            kind=label.kind,
            start=label.start,
            stop=label.stop,
            value=label.value,
            origin=label.origin,
            label=label,
        )
        for label in labels
        if (label.kind == kind or (label.kind == ABSENT and label.value == kind))
        and not label.origin.startswith(BY_RULE)
    ]


def settle(
    held: Sequence[Held],
    decisions: Sequence[Decision],
    disputes: Sequence[Dispute],
    *,
    activities: Collection[str],
    by: str,
) -> list[Held]:
    """Put new decisions on top of those that hold: where they overlap, the new one counts.

    Args:
        held: what was decided before, of one kind.
        decisions: new ones, of the same kind.
        disputes: everything that the layers dispute, decided or not.
        activities: names that an activity may have.
        by: who decides, or "".

    Raises:
        CurateError: a decision is about nothing disputed, was made when layers said something else, contradicts another
            or is no value of its kind.
    """
    _refuse_overlap(decisions)
    now = list(held)
    for decision in decisions:
        # Taking a decision back is right where nothing is disputed any more, too.
        is_new = decision.value.lower() != REOPEN
        new = _as_held(decision, _dispute_of(decision, disputes), activities, by) if is_new else None
        if new is not None and any(_same(new, old) for old in now):
            continue
        now = [piece for old in now for piece in _cut(old, decision)]
        if new is not None:
            now.append(new)
    return sorted(now, key=lambda one: (one.start, one.stop))


def decided_ranges(held: Sequence[Held], rate_hz: float) -> list[tuple[int, int]]:
    """Which samples need no rule any more, as disjoint ranges in order.

    Of a beat that somebody put into the layer by hand, 150 ms to both sides: what a rule found there is that beat.
    """
    near = int(TOLERANCE_S * rate_hz)
    ranges = sorted(
        (one.start - near, one.stop + near) if one.kind == "beat" and not one.origin else (one.start, one.stop)
        for one in held
    )
    joined: list[tuple[int, int]] = []
    for start, stop in ranges:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def without(start: int, stop: int, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of a range without others, which are disjoint and in order."""
    left = []
    for begin, end in taken:
        if end <= start:
            continue
        if begin >= stop:
            break
        if begin > start:
            left.append((start, begin))
        start = max(start, end)
    if start < stop:
        left.append((start, stop))
    return left


def _refuse_overlap(decisions: Sequence[Decision]) -> None:
    ordered = sorted(decisions, key=lambda one: (one.start, one.stop))
    for one, other in pairwise(ordered):
        if other.start >= one.stop or (one.kind == "beat" and (one.start, one.stop) != (other.start, other.stop)):
            continue
        if (one.start, one.stop, one.value) != (other.start, other.stop, other.value):
            raise CurateError(
                f"{other.where}: it decides about {one.kind} at samples {other.start} to {other.stop}, and so does "
                f"{one.where} for {one.start} to {one.stop}; leave one of them, or divide the range between them."
            )


def _dispute_of(decision: Decision, disputes: Sequence[Dispute]) -> Dispute:
    for dispute in disputes:
        inside = dispute.start <= decision.start < decision.stop <= dispute.stop
        if not inside or (decision.kind == "beat" and dispute.stop - dispute.start != decision.stop - decision.start):
            continue
        for name, said in (decision.said or {}).items():
            if said != dispute.said.get(name, ""):
                raise CurateError(
                    f"{decision.where}: {name} said {said[:80] or 'nothing'!r} when this was written and says "
                    f"{dispute.said.get(name, '')[:80] or 'nothing'!r} now; write the disputes anew with --disputes."
                )
        return dispute
    raise CurateError(
        f"{decision.where}: nothing is disputed about {decision.kind} at samples {decision.start} to {decision.stop}; "
        "leave start and stop within one disputed range (of a beat, as they are), or write the disputes anew with "
        "--disputes."
    )


def _as_held(decision: Decision, dispute: Dispute, activities: Collection[str], by: str) -> Held:
    """The label that a decision comes to."""
    value = decision.value
    start, stop, kind = decision.start, decision.stop, decision.kind
    if value.lower() == NOTHING or (kind == "unusable" and value.lower() == _USABLE):
        kind, value = ABSENT, decision.kind
    elif kind == "beat":
        start, value = _beat(decision)
        stop = start + 1
    else:
        _check_value(decision, activities)
        # The value of such a label has room for a reason.
        value = dispute.reasons if kind == "unusable" else value
    said = "; ".join(f"{name}: {what or NOTHING}" for name, what in dispute.said.items())
    origin = f"decision{f' by {by}' if by else ''} on {said}"
    if len(origin) > MAX_ORIGIN_CHARS:
        origin = origin[: MAX_ORIGIN_CHARS - 1] + "…"
    return Held(kind=kind, start=start, stop=stop, value=value, origin=origin)


def _check_value(decision: Decision, activities: Collection[str]) -> None:
    allowed = {"activity": sorted(activities), "artefact": ARTEFACT_DEGREES, "unusable": ("unusable", _USABLE)}
    if decision.value not in allowed[decision.kind]:
        listed = ", ".join(allowed[decision.kind])
        raise CurateError(
            f"{decision.where}: the decision about {decision.kind} is {decision.value[:80]!r}; it must be one of "
            f"{listed if len(listed) <= 300 else f'{listed[:300]}…'}, or {NOTHING}, or {REOPEN}."
        )


def _beat(decision: Decision) -> tuple[int, str]:
    match = _BEAT.fullmatch(decision.value)
    sample, value = (int(match[1]), match[2] or "") if match else (-1, "")
    if not decision.start <= sample < decision.stop or len(value) > MAX_VALUE_CHARS["beat"]:
        raise CurateError(
            f"{decision.where}: the decision about a beat is {decision.value[:80]!r}; it must be a sample from "
            f"{decision.start} to {decision.stop - 1} and, behind a blank, the beat's type if it has one; or "
            f"{NOTHING}, or {REOPEN}."
        )
    return sample, value


def _same(new: Held, old: Held) -> bool:
    return (new.kind, new.start, new.stop, new.value, new.origin) == (
        old.kind,
        old.start,
        old.stop,
        old.value,
        old.origin,
    )


def _cut(old: Held, decision: Decision) -> list[Held]:
    """What is left of an earlier decision beside a new one; a beat is one thing and goes as a whole."""
    if old.stop <= decision.start or old.start >= decision.stop:
        return [old]
    if decision.kind == "beat":
        return []
    return [
        Held(kind=old.kind, start=start, stop=stop, value=old.value, origin=old.origin)
        for start, stop in without(old.start, old.stop, [(decision.start, decision.stop)])
    ]
