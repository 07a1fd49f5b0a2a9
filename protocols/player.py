"""The protocol player: a pure state machine that is told how many samples there are, and says what happens when.

It has no clock. When no samples arrive, the protocol stands still. Every command names the sample index at which it
takes effect; boundaries that are due by then come first, each at its own exact index, so it makes no difference how
often or in what portions ``advance`` is called in between.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from protocols.errors import PlayerStateError
from protocols.script import PlannedStep, Script

__all__ = ["EVENT_KINDS", "Event", "Phase", "Player", "PlayerState"]

Phase = Literal["ready", "running", "paused", "ended", "stopped"]

EVENT_KINDS = ("start", "step", "rest", "pause", "resume", "skip", "repeat", "mark", "note", "stop", "end")
"""The kinds a player yields. Whoever records may add kinds of their own."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened at a sample.

    Attributes:
        uuid: unique among all events ever.
        index: the sample it takes effect at.
        kind: one of ``EVENT_KINDS``.
        step: 1-based number of the script's step it belongs to; 0 for start and end.
        activity: what the subject is told to do; "" during a rest and outside the steps.
        text: instruction of a step or rest, or what the operator wrote.
    """

    uuid: str
    index: int
    kind: str
    step: int
    activity: str
    text: str


@dataclass(frozen=True, kw_only=True)
class PlayerState:
    """Where the protocol stands, for showing.

    Attributes:
        phase: ready → running ⇄ paused → ended (by itself) or stopped (by the operator).
        position: 0-based place in the plan; ``n_steps`` when ended.
        step: 1-based number of the script's step; 0 before the start and after the end.
        activity: what the subject is doing; "" in a rest and outside the steps.
        instruction: what the subject is told now.
        next_instruction: what comes after it, or "".
        remaining_samples: what is left of the current entry.
        elapsed: samples since the start, pauses included.
        n_steps: entries of the plan, repeats and rests included.
    """

    phase: Phase
    position: int
    step: int
    activity: str
    instruction: str
    next_instruction: str
    remaining_samples: int
    elapsed: int
    n_steps: int


@dataclass(frozen=True, kw_only=True)
class _State:
    """What the machine remembers. A command works on a new one, and it is taken over only if the command is legal."""

    phase: Phase = "ready"
    position: int = 0
    remaining: int = 0  # of the current entry, counted from `since`
    since: int = 0
    started: int = 0
    told: int = 0


_Draft = tuple[int, str, int, str, str]  # index, kind, step, activity, text


def _new_uuid() -> str:
    return str(uuid.uuid4())


class Player:
    """Plays one script once.

    Skipping or repeating while paused goes on running. Repeating during a rest does the step before the rest once more.

    Args:
        script: what to play.
        rate_hz: the board's sampling rate; a step lasts ``round(duration_s * rate_hz)`` samples, at least one.
        new_uuid: makes the events' identifiers.

    Raises:
        ValueError: the rate is not a positive, finite number.
    """

    def __init__(self, script: Script, *, rate_hz: float, new_uuid: Callable[[], str] = _new_uuid) -> None:
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"rate_hz is {rate_hz}; it must be positive and finite")
        self.script = script
        self.rate_hz = rate_hz
        self.plan: tuple[PlannedStep, ...] = script.plan()
        self._new_uuid = new_uuid
        self._state = _State()

    # Commands. Each returns the events it caused, the boundaries due before it included.

    def start(self, index: int) -> list[Event]:
        """Begin with the first step at sample ``index``."""
        if self._state.phase != "ready":
            raise PlayerStateError(
                f"The protocol cannot be started at {self._clock(index)}: it is {self._state.phase}."
            )
        self._check_index(index, self._state)
        state = replace(self._state, phase="running", started=index, told=index)
        state, entered = self._enter(state, 0, index)
        return self._commit(state, [(index, "start", 0, "", self.script.title), *entered])

    def advance(self, index: int) -> list[Event]:
        """Learn that samples ``[0, index)`` exist; every boundary up to ``index`` falls due.

        Raises:
            PlayerStateError: ``index`` lies before what was told already.
        """
        return self._commit(*self._advanced(index))

    def pause(self, index: int) -> list[Event]:
        """Interrupt the current step; what remains of it is kept."""
        state, drafts = self._ready_for("paused", index, ("running",))
        left = state.remaining - (index - state.since)
        drafts.append(self._draft(state, index, "pause"))
        return self._commit(replace(state, phase="paused", remaining=left, since=index), drafts)

    def resume(self, index: int) -> list[Event]:
        """Go on with what remains of the step."""
        state, drafts = self._ready_for("resumed", index, ("paused",))
        drafts.append(self._draft(state, index, "resume"))
        return self._commit(replace(state, phase="running", since=index), drafts)

    def skip(self, index: int) -> list[Event]:
        """Leave the current step as it is and go on to the next."""
        state, drafts = self._ready_for("skipped ahead", index, ("running", "paused"))
        drafts.append(self._draft(state, index, "skip"))
        state, entered = self._enter(state, state.position + 1, index)
        return self._commit(state, drafts + entered)

    def repeat(self, index: int) -> list[Event]:
        """Do the current step again from its beginning; the attempt so far does not count."""
        state, drafts = self._ready_for("repeated", index, ("running", "paused"))
        drafts.append(self._draft(state, index, "repeat"))
        position = state.position
        if self.plan[position].is_rest:
            position -= 1
        state, entered = self._enter(state, position, index)
        return self._commit(state, drafts + entered)

    def stop(self, index: int) -> list[Event]:
        """End the protocol early."""
        state, drafts = self._ready_for("stopped", index, ("running", "paused"))
        drafts.append(self._draft(state, index, "stop"))
        return self._commit(replace(state, phase="stopped"), drafts)

    def mark(self, index: int, text: str) -> list[Event]:
        """Put a mark at a sample."""
        state, drafts = self._ready_for("marked", index, ("running", "paused"))
        return self._commit(state, [*drafts, self._draft(state, index, "mark", text)])

    def note(self, index: int, text: str) -> list[Event]:
        """Write a note at a sample."""
        state, drafts = self._ready_for("annotated", index, ("running", "paused"))
        return self._commit(state, [*drafts, self._draft(state, index, "note", text)])

    # What can be seen.

    @property
    def next_boundary(self) -> int | None:
        """Sample index at which the next event is due if nobody intervenes; None unless running."""
        return self._state.since + self._state.remaining if self._state.phase == "running" else None

    @property
    def state(self) -> PlayerState:
        """Where the protocol stands at the last index it was told."""
        state = self._state
        under_way = state.phase in ("running", "paused")
        here = self.plan[state.position] if under_way else None
        following = 0 if state.phase == "ready" else state.position + 1
        open_end = state.phase in ("ended", "stopped") or following >= len(self.plan)
        left = state.remaining - (state.told - state.since) if state.phase == "running" else state.remaining
        return PlayerState(
            phase=state.phase,
            position=state.position,
            step=here.step if here else 0,
            activity=here.activity if here else "",
            instruction=here.instruction if here else "",
            next_instruction="" if open_end else self.plan[following].instruction,
            remaining_samples=left if under_way else 0,
            elapsed=state.told - state.started,
            n_steps=len(self.plan),
        )

    # The machine.

    def _check_index(self, index: int, state: _State) -> None:
        if index < state.told:
            raise PlayerStateError(
                f"Sample {index} lies before sample {state.told}, which the player was told already."
            )

    def _advanced(self, index: int) -> tuple[_State, list[_Draft]]:
        state = self._state
        self._check_index(index, state)
        drafts: list[_Draft] = []
        while state.phase == "running" and (boundary := state.since + state.remaining) <= index:
            state, entered = self._enter(state, state.position + 1, boundary)
            drafts += entered
        if state.phase in ("running", "paused"):
            state = replace(state, told=index)
        return state, drafts

    def _ready_for(self, deed: str, index: int, phases: tuple[Phase, ...]) -> tuple[_State, list[_Draft]]:
        state, drafts = self._advanced(index)
        if state.phase not in phases:
            raise PlayerStateError(
                f"The protocol cannot be {deed} at {self._clock(index)}: it is {state.phase}, not"
                f" {' or '.join(phases)}."
            )
        return state, drafts

    def _clock(self, index: int) -> str:
        """A place as people read it, and as a program does."""
        seconds = int((index - self._state.started) / self.rate_hz)
        return f"{seconds // 60}:{seconds % 60:02d} (sample {index})"

    def _enter(self, state: _State, position: int, index: int) -> tuple[_State, list[_Draft]]:
        if position == len(self.plan):
            ended = replace(state, phase="ended", position=position, remaining=0, since=index, told=index)
            return ended, [(index, "end", 0, "", "")]
        entry = self.plan[position]
        samples = max(1, round(entry.duration_s * self.rate_hz))
        state = replace(state, phase="running", position=position, remaining=samples, since=index, told=index)
        return state, [(index, "rest" if entry.is_rest else "step", entry.step, entry.activity, entry.instruction)]

    def _draft(self, state: _State, index: int, kind: str, text: str = "") -> _Draft:
        entry = self.plan[state.position]
        return index, kind, entry.step, entry.activity, text

    def _commit(self, state: _State, drafts: list[_Draft]) -> list[Event]:
        events = [
            Event(uuid=self._new_uuid(), index=index, kind=kind, step=step, activity=activity, text=text)
            for index, kind, step, activity, text in drafts
        ]
        self._state = state
        return events
