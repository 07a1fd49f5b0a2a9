"""What the recording page lets be heard: the cue of each step, and the alarm."""

from __future__ import annotations

from collections.abc import Sequence

from acquire.app.alarm import AlarmBell
from acquire.app.sounds import Sounds
from acquire.viewer.cues import CueEvent, CueWatch

__all__ = ["Crier"]


class Crier:
    """Plays and speaks for one recording after another.

    Args:
        sounds: what it is played with.
    """

    def __init__(self, sounds: Sounds) -> None:
        self._sounds = sounds
        self.forget()

    def forget(self) -> None:
        """Begin with another recording."""
        self._bell, self._cues = AlarmBell(), CueWatch()

    def know(self, protocol_text: object) -> None:
        """Learn which cue each step has; None teaches nothing."""
        if protocol_text is not None:
            self._cues.know(protocol_text)

    def announce(self, events: Sequence[CueEvent], stop: int, rate_hz: float, wish: str) -> None:
        """Let what has just begun be heard; see `CueWatch.look`."""
        cue = self._cues.look(events, stop, rate_hz, wish)
        if cue is not None and cue.words:
            self._sounds.say(cue.words, tone=cue.tone)
        elif cue is not None:
            self._sounds.play(cue.tone)

    def alarm(self, audible: bool, now_s: float) -> None:
        """Ring for as long as the alarm is to be heard."""
        if self._bell.due(audible, now_s):
            self._sounds.play("alarm")
