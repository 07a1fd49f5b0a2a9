"""Where the protocol stands at the newest sample, between one status of the recorder and the next.

The recorder tells its status some five times a second; the journal's newest sample and its events are read much
oftener. What is left of a step is therefore reckoned from the last status and the samples that came since: by the
sample clock alone. When no samples come, nothing moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from acquire.recorder.control import RecorderStatus
from protocols.script import PlannedStep
from protocols.spans import EventLike

__all__ = ["Phase", "StepClock", "StepEvent", "StepNow"]

Phase = Literal["starting", "running", "paused", "silent", "finishing"]

_PHASES: dict[str, Phase] = {
    "recording": "running",
    "paused": "paused",
    "stalled": "silent",
    "reconnecting": "silent",
    "finishing": "finishing",
}
_MOST_AHEAD_S = 3.0
"""A status that is older than this is no ground for reckoning on."""
_TREMBLE_S = 0.6
"""By how much a countdown may have run ahead when a pause is told; it is held instead of jumping back."""


class StepEvent(EventLike, Protocol):
    """What is needed of an event of the journal."""

    @property
    def text(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class StepNow:
    """What the subject is to do now, for showing.

    Attributes:
        phase: starting (nothing recorded yet), running, paused by the operator, silent (no samples come), finishing.
        position: 0-based place in the plan.
        n_steps: entries of the plan.
        step: 1-based number of the script's step; 0 before the start and after the end.
        activity: "" in a rest.
        instruction: what the subject is told; "" before the start.
        next_instruction: what comes then; "" at the end.
        is_rest: whether it is a rest between repetitions.
        repetition: 1-based, out of ``of``; 0 where the plan is not known.
        of: how often the step is done.
        remaining_s: of this entry, by the sample clock.
        duration_s: of this entry; 0 where the plan is not known.
        left_s: of the whole protocol if nobody intervenes.
        elapsed_s: since the first sample.
        paused: whether the operator has paused it, though no samples may come either.
    """

    phase: Phase = "starting"
    position: int = 0
    n_steps: int = 0
    step: int = 0
    activity: str = ""
    instruction: str = ""
    next_instruction: str = ""
    is_rest: bool = False
    repetition: int = 0
    of: int = 0
    remaining_s: float = 0.0
    duration_s: float = 0.0
    left_s: float = 0.0
    elapsed_s: float = 0.0
    paused: bool = False

    @property
    def share(self) -> float:
        """How much of this entry is done, 0 to 1."""
        return min(1.0, max(0.0, 1.0 - self.remaining_s / self.duration_s)) if self.duration_s > 0 else 0.0


class StepClock:
    """Follows one recording's protocol.

    Args:
        plan: of its script; may be empty where that is not known.
    """

    def __init__(self, plan: Sequence[PlannedStep]) -> None:
        self._plan = tuple(plan)
        self._behind_s = [0.0] * (len(self._plan) + 1)
        for place in range(len(self._plan) - 1, -1, -1):
            self._behind_s[place] = self._behind_s[place + 1] + self._plan[place].duration_s
        self._last = StepNow(n_steps=len(self._plan))

    def look(self, status: RecorderStatus | None, stop: int, events: Sequence[StepEvent]) -> StepNow:
        """Where the protocol stands.

        Args:
            status: the recorder's last word; None before it spoke.
            stop: index behind the newest sample read.
            events: of the journal, in order.
        """
        if status is None or status.state not in _PHASES:
            first = self._plan[0].instruction if self._plan else ""
            return StepNow(n_steps=len(self._plan), next_instruction=first, left_s=self._behind_s[0])
        now = self._reckon(status, stop, events)
        last = self._last
        if last.phase == "running" and now.position == last.position and now.step == last.step:
            slipped = now.remaining_s - last.remaining_s
            if 0 < slipped < _TREMBLE_S and now.phase != "silent":
                now = _moved(now, -slipped)
        self._last = now
        return now

    def _reckon(self, status: RecorderStatus, stop: int, events: Sequence[StepEvent]) -> StepNow:
        now = replace(self._told(status), paused=status.paused or status.state == "paused")
        if now.phase != "running" or status.rate_hz <= 0:
            return now
        ahead = min(stop - status.n_samples, round(_MOST_AHEAD_S * status.rate_hz))
        if ahead <= 0:
            return now
        crossed = self._next_entered(status, events)
        if crossed is None:
            return _moved(now, -ahead / status.rate_hz)
        entered = self._entry(
            status.position + 1,
            phase="running",
            n_steps=status.n_steps,
            remaining_s=self._plan[status.position + 1].duration_s,
            elapsed_s=status.elapsed_s + (crossed - status.n_samples) / status.rate_hz,
        )
        return _moved(entered, -(stop - crossed) / status.rate_hz)

    def _next_entered(self, status: RecorderStatus, events: Sequence[StepEvent]) -> int | None:
        """The sample at which the plan's next entry began, where the journal knows of it and the status not yet."""
        following = status.position + 1
        if following >= len(self._plan):
            return None
        entry = self._plan[following]
        for event in reversed(events):
            if event.index <= status.n_samples:
                return None
            if event.kind in ("step", "rest"):
                same = event.step == entry.step and event.text == entry.instruction
                return event.index if same and (event.kind == "rest") == entry.is_rest else None
        return None

    def _told(self, status: RecorderStatus) -> StepNow:
        """What the status alone says."""
        known = status.position < len(self._plan) and status.n_steps == len(self._plan)
        if known and status.step:
            return self._entry(
                status.position,
                phase=_PHASES[status.state],
                n_steps=status.n_steps,
                remaining_s=status.remaining_s,
                elapsed_s=status.elapsed_s,
            )
        return StepNow(
            phase=_PHASES[status.state],
            position=status.position,
            n_steps=status.n_steps,
            step=status.step,
            activity=status.activity,
            instruction=status.instruction,
            next_instruction=status.next_instruction,
            is_rest=bool(status.step) and not status.activity,
            remaining_s=status.remaining_s,
            left_s=status.remaining_s,
            elapsed_s=status.elapsed_s,
        )

    def _entry(self, place: int, *, phase: Phase, n_steps: int, remaining_s: float, elapsed_s: float) -> StepNow:
        entry = self._plan[place]
        following = self._plan[place + 1].instruction if place + 1 < len(self._plan) else ""
        return StepNow(
            phase=phase,
            position=place,
            n_steps=n_steps,
            step=entry.step,
            activity=entry.activity,
            instruction=entry.instruction,
            next_instruction=following,
            is_rest=entry.is_rest,
            repetition=entry.repetition,
            of=entry.of,
            remaining_s=remaining_s,
            duration_s=entry.duration_s,
            left_s=remaining_s + self._behind_s[place + 1],
            elapsed_s=elapsed_s,
        )


def _moved(now: StepNow, by_s: float) -> StepNow:
    """The same entry with its countdown moved, never below nothing."""
    moved_s = max(0.0, now.remaining_s + by_s) - now.remaining_s
    return replace(
        now, remaining_s=now.remaining_s + moved_s, left_s=now.left_s + moved_s, elapsed_s=now.elapsed_s - by_s
    )
