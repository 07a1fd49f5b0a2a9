"""Whether a recording is what was wanted, in a word and in sentences, and which steps should be done again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from acquire.recorder.disk import span_in_words
from acquire.recordings.content import RecordedEvent
from acquire.recordings.report import RecordingReport, StepCoverage, plan_places
from acquire.viewer.activity_names import activity_title
from acquire.viewer.endings import ending_words
from acquire.viewer.quality import LeadQuality, Looks
from acquire.viewer.texts import _, ngettext
from protocols.script import PlannedStep
from protocols.spans import EventLike, activity_spans

__all__ = ["ANYWAY", "Judged", "Verdict", "coverage_level", "judge"]

Verdict = Literal["good", "doubtful", "bad"]

ENOUGH, POOR = 0.95, 0.8
"""Share of a step's samples with which it counts as done: its sign is green, it gets no tick, and no sentence names
it; and the share below which its sign is red."""
STEP_BAD = 0.5
"""Share of a step in which a measured lead was bad, from which on the step is to be done again."""
LEAD_DOUBTFUL, LEAD_BAD = 0.05, 0.5
LOSS_DOUBTFUL, LOSS_BAD = 0.001, 0.05
STEPS_BAD = 0.5
HARDLY_ANY_S = 5.0
"""A recording without one whole step that is shorter than this has nothing in it."""
ANYWAY = "recorded although something was bad:"
"""How the remark begins that a recording carries which was begun against the checks."""
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is thought of a recording.

    Attributes:
        verdict: good; doubtful, when it should be looked at before it is accepted; bad, when it is hardly of use.
        words: why, a sentence each.
        steps_to_repeat: positions in the plan of the steps that should be done again.
        steps_skipped: positions in the plan of the steps that the operator left out, wholly or in part.
    """

    verdict: Verdict
    words: tuple[str, ...]
    steps_to_repeat: tuple[int, ...]
    steps_skipped: tuple[int, ...]


def coverage_level(coverage: float) -> Verdict:
    """How good a share of a step's samples is.

    Args:
        coverage: 0 to 1, and a little above where the board ran fast.
    """
    return "good" if coverage >= ENOUGH else "doubtful" if coverage >= POOR else "bad"


def judge(
    report: RecordingReport,
    quality: Sequence[LeadQuality],
    looks: Looks,
    *,
    events: Sequence[RecordedEvent],
    plan: Sequence[PlannedStep],
) -> Judged:
    """Judge a recording by its report and by how good its leads were.

    A step that the operator skipped is not asked for again: that was on purpose.

    Args:
        report: of the recording.
        quality: of each lead over all.
        looks: at the leads, one after the other.
        events: ordered by index.
        plan: of the script that was played.
    """
    places = plan_places(events, plan)
    skipped = _skipped(events, places)
    lacking = [step for step in report.steps if step.coverage < ENOUGH and step.position not in skipped]
    spoilt = _spoilt(report, looks, events, places) - {step.position for step in lacking}
    skipped &= {step.position for step in report.steps if step.coverage < ENOUGH}
    to_repeat = sorted({step.position for step in lacking} | spoilt)
    found = [
        _ending(report, events),
        _anyway(events),
        _received(report, lacking=lacking),
        _something(report, looks),
        *map(_lead, quality),
        _steps(lacking, len(report.steps)),
        _spoilt_steps([step for step in report.steps if step.position in spoilt]),
        _skips(len(skipped)),
    ]
    verdicts = {verdict for verdict, _words in found}
    # What is good comes last: whoever reads only the beginning shall have read the rest.
    found.sort(key=lambda one: one[0] == "good")
    return Judged(
        verdict="bad" if "bad" in verdicts else "doubtful" if "doubtful" in verdicts else "good",
        words=tuple(words for _, words in found if words),
        steps_to_repeat=tuple(to_repeat),
        steps_skipped=tuple(sorted(skipped)),
    )


def _skipped(events: Sequence[EventLike], places: Mapping[str, int]) -> set[int]:
    """Positions of the steps that the operator skipped."""
    skipped: set[int] = set()
    at: int | None = None
    for event in events:
        if event.kind in ("step", "rest"):
            at = places.get(event.uuid)
        elif event.kind == "skip" and at is not None:
            skipped.add(at)
    return skipped


def _spoilt(report: RecordingReport, looks: Looks, events: Sequence[EventLike], places: Mapping[str, int]) -> set[int]:
    """Positions of the steps during which a measured lead was bad for most of the time."""
    spans = [span for span in activity_spans(events, report.expected_samples) if span.event_uuid in places]
    seen: dict[int, list[tuple[bool, ...]]] = {}
    begun = 0
    for look in looks.looks:
        # Both are ordered, so one walk finds the span of each look.
        while begun < len(spans) and spans[begun].stop < look.stop:
            begun += 1
        if begun < len(spans) and spans[begun].start < look.stop:
            bad = tuple(state.judgement == "bad" and not state.derived for state in look.leads)
            seen.setdefault(places[spans[begun].event_uuid], []).append(bad)
    return {
        position
        for position, states in seen.items()
        if any(sum(of_lead) > STEP_BAD * len(states) for of_lead in zip(*states, strict=True))
    }


def _ending(report: RecordingReport, events: Sequence[EventLike]) -> tuple[Verdict, str]:
    if any(event.kind == "end" for event in events):
        return "good", _("The protocol was recorded to its end.")
    why = ending_words(report.ending).rstrip(".") or _("nobody knows why")
    return "doubtful", _("The recording ended early: {why}.").format(why=why)


def _anyway(events: Sequence[RecordedEvent]) -> tuple[Verdict, str]:
    """Whether it was begun although a check said that something was bad, and why."""
    for event in events:
        if event.text.startswith(ANYWAY):
            reason = event.text[len(ANYWAY) :].strip().rstrip(".")
            return "doubtful", _("It was begun although something was bad, because: {reason}.").format(reason=reason)
    return "good", ""


def _something(report: RecordingReport, looks: Looks) -> tuple[Verdict, str]:
    """Whether there is anything in it, however well it ended."""
    if report.received_samples == 0:
        return "good", ""  # that is said already
    if report.steps and not any(step.coverage >= ENOUGH for step in report.steps):
        received_s = report.received_samples / report.nominal_rate_hz
        if received_s < HARDLY_ANY_S:
            words = _("There is hardly anything in it: {seconds:.1f} s, and not one whole step.")
            return "bad", words.format(seconds=received_s)
        return "doubtful", _("Not one step is whole.")
    if not looks.looks:
        return "doubtful", _("It is too short to tell how good its leads are.")
    return "good", ""


def _received(report: RecordingReport, *, lacking: Sequence[StepCoverage]) -> tuple[Verdict, str]:
    if report.received_samples == 0:
        return "bad", _("There is not a single sample in it.")
    if report.lost_samples == 0:
        return "good", ""
    share = report.lost_samples / report.expected_samples
    lost_s, longest_s = (n / report.nominal_rate_hz for n in (report.lost_samples, report.longest_gap))
    words = ngettext(
        "{lost} of signal ({share:.1%}) were lost in one gap.",
        "{lost} of signal ({share:.1%}) were lost in {n} gaps, the longest of {longest}.",
        report.n_gaps,
    ).format(lost=_fine(lost_s), share=share, n=report.n_gaps, longest=_fine(longest_s))
    if report.steps and not lacking and share > LOSS_DOUBTFUL:
        # The protocol waited for the board: whatever was lost was done again.
        return "doubtful", words
    return "bad" if share > LOSS_BAD else "doubtful" if share > LOSS_DOUBTFUL else "good", words


def _fine(span_s: float) -> str:
    return f"{span_s:.1f} s" if span_s < 10 else span_in_words(span_s)


def _lead(quality: LeadQuality) -> tuple[Verdict, str]:
    words = _("Lead {lead} was bad for {share:.0%} of the time.").format(lead=quality.lead, share=quality.bad)
    if quality.bad > LEAD_BAD:
        return "bad", words
    return ("doubtful", words) if quality.bad > LEAD_DOUBTFUL else ("good", "")


def _steps(lacking: Sequence[StepCoverage], n_steps: int) -> tuple[Verdict, str]:
    if not lacking:
        return "good", ""
    words = _("Too little was recorded of {steps}.").format(steps=_named(lacking))
    return "bad" if len(lacking) > STEPS_BAD * n_steps else "doubtful", words


def _spoilt_steps(spoilt: Collection[StepCoverage]) -> tuple[Verdict, str]:
    if not spoilt:
        return "good", ""
    return "doubtful", _("A lead was bad for most of {steps}.").format(steps=_named(spoilt))


def _skips(n_skipped: int) -> tuple[Verdict, str]:
    if n_skipped == 0:
        return "good", ""
    return "good", ngettext("One step was skipped.", "{n} steps were skipped.", n_skipped).format(n=n_skipped)


def _named(steps: Collection[StepCoverage]) -> str:
    names = [_("step {n} ({activity})").format(n=step.step, activity=activity_title(step.activity)) for step in steps]
    listed = ", ".join(names[:_NAMED])
    if len(names) <= _NAMED:
        return listed
    return _("{listed} and {n} more").format(listed=listed, n=len(names) - _NAMED)
