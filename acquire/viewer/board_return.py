"""Waiting for a board to come back, while the check still shows that it is gone.

Somebody who plugs a board in again looks at the board, not at the window. So it is reached for now and then, by a
listener of its own, and shown as soon as it is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from acquire.viewer.listening import Listening
from acquire.viewer.work import Work

__all__ = ["BoardReturn"]

FIRST_S = 3.0
"""Before the first attempt; each further one waits half as long again."""
LONGEST_S = 12.0
_LONGER = 1.5
_BACK = ("contact", "signal", "listening", "silent")


class BoardReturn:
    """Reaches for a board that is gone until it is back.

    Args:
        work: runs what may take a moment.
        start: starts a listener.
        back: gets the listener that has reached the board.
        now_s: a clock that never goes back.
    """

    def __init__(
        self,
        work: Work,
        start: Callable[[], Listening],
        back: Callable[[Listening], None],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._start = start
        self._back = back
        self._now_s = now_s
        self._pause_s = FIRST_S
        self._due_s = now_s() + FIRST_S
        self._starting = False
        self._attempt: Listening | None = None
        self._closed = False

    def poll(self) -> None:
        """Go on; called about ten times a second."""
        attempt = self._attempt
        if attempt is not None:
            phase = attempt.state().phase
            if phase in _BACK:
                self._attempt = None
                self._closed = True
                self._back(attempt)
            elif phase == "failed":
                self._attempt = None
                self._wait()
                self._let_go(attempt)
        elif not self._starting and not self._closed and self._now_s() >= self._due_s:
            self._starting = True
            self._work.submit(self._start, done=self._started, failed=lambda error: self._wait())

    def close(self) -> None:
        """Reach for it no more; waits until an attempt has let go of the board."""
        self._closed = True
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.close()

    def _started(self, listening: Listening) -> None:
        self._starting = False
        if self._closed:
            self._let_go(listening)
        else:
            self._attempt = listening

    def _wait(self) -> None:
        self._starting = False
        self._due_s = self._now_s() + self._pause_s
        self._pause_s = min(LONGEST_S, _LONGER * self._pause_s)

    def _let_go(self, listening: Listening) -> None:
        self._work.submit(listening.close, failed=lambda error: None)
