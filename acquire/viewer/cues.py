"""Which cue announces what has just begun: noticed in the journal, where a step's first sample stands.

A script says of each step whether it is beeped, spoken or not announced at all; the operators say whether they want
cues, and whether every announced step shall be spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from acquire.viewer.step_clock import StepEvent
from protocols.errors import ScriptInvalid
from protocols.script import parse_script

__all__ = ["Cue", "CueWatch"]

_FRESH_S = 4.0
"""What began longer ago is not announced any more: the window was opened later, or hung."""


class CueEvent(StepEvent, Protocol):
    """What is needed of an event of the journal."""

    @property
    def uuid(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Cue:
    """What is to be heard.

    Attributes:
        tone: which sound; it is heard where nothing is spoken.
        words: to be spoken; "" where it is only a sound.
    """

    tone: Literal["step", "rest", "end"]
    words: str = ""


class CueWatch:
    """Follows one recording's events."""

    def __init__(self) -> None:
        self._last: CueEvent | None = None
        self._cues: tuple[str, ...] | None = None

    def know(self, protocol_text: object) -> None:
        """Learn which cue each step has.

        Args:
            protocol_text: as the journal's header holds it; where it cannot be read, every step is beeped.
        """
        if self._cues is None:
            try:
                script = parse_script(str(protocol_text), name="the recorded protocol").script
                self._cues = tuple(step.cue for step in script.steps)
            except ScriptInvalid:
                self._cues = ()

    def look(self, events: Sequence[CueEvent], stop: int, rate_hz: float, wish: str) -> Cue | None:
        """The cue that is due now.

        Args:
            events: of the journal, in order.
            stop: index behind the newest sample.
            rate_hz: of the samples.
            wish: of the operators: "off"; "beep": as the script says; "voice": speak whatever is announced.
        """
        begun = self._begun(events)
        if begun is None or wish == "off" or stop - begun.index > _FRESH_S * rate_hz:
            return None
        if begun.kind == "end":
            return Cue(tone="end")
        cues = self._cues or ()
        cue = cues[begun.step - 1] if 0 < begun.step <= len(cues) else "beep"
        if cue == "none":
            return None
        spoken = wish == "voice" or cue == "voice"
        return Cue(tone="rest" if begun.kind == "rest" else "step", words=begun.text if spoken else "")

    def _begun(self, events: Sequence[CueEvent]) -> CueEvent | None:
        """The last step, rest or end that is new since it was looked before."""
        last, begun = self._last, None
        self._last = events[-1] if events else None
        for event in reversed(events):
            if last is not None and event.uuid == last.uuid:
                break
            if begun is None and event.kind in ("step", "rest", "end"):
                begun = event
        return begun
