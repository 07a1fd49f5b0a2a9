"""Keys that are pressed before a recording has begun, or after it is over: they do nothing, and nor does their rest."""

from __future__ import annotations

import time
from collections.abc import Callable

from acquire.viewer.step_clock import Phase
from acquire.viewer.texts import _

__all__ = ["EarlyKeys"]

_MASHED_S = 0.7
"""Keys that follow so soon on one that came too early belong to it: a word is not obeyed from its middle on."""


class EarlyKeys:
    """Tells which keys are passed over.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase: Phase = "starting"
        self._last_s = -_MASHED_S

    @property
    def locked(self) -> bool:
        """Whether nothing can be commanded."""
        return self._phase in ("starting", "finishing")

    @property
    def recent(self) -> bool:
        """Whether somebody has only just pressed one."""
        return self._clock() - self._last_s < _MASHED_S

    def follow(self, phase: Phase) -> None:
        """Learn where the recording stands."""
        self._phase = phase

    def forget(self) -> None:
        """Begin with another recording."""
        self._phase, self._last_s = "starting", -_MASHED_S

    def take(self) -> bool:
        """A key is pressed; whether it is passed over."""
        if self.locked or self.recent:
            self._last_s = self._clock()
            return True
        return False

    def words(self) -> str:
        """What is said about it."""
        if self._phase == "finishing":
            return _("The recording is over.")
        return _("Nothing was done: the recording had not begun yet.")
