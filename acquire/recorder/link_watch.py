"""Whether samples still come from a board, and the way back to one that has gone.

A board that hangs up is reached for again at once, one that only falls silent after some seconds; both with growing
pauses, on a thread of its own, so that the recorder obeys commands meanwhile. Silence is judged only after a read that
came back empty: a disk that blocked the recorder for seconds is no silence of the board.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from acquire.boards.board import Board, Chunk
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["RECONNECT_PAUSES_S", "STALL_S", "LinkWatch"]

STALL_S = 1.0
"""How long no samples may come before it is called a stall."""
RECONNECT_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 5.0)
"""Between one attempt to reach a board and the next; the last one is repeated."""
_SILENT_BEFORE_RECONNECT_S = 5.0
_LAST_ATTEMPT_S = 10.0


class LinkWatch:
    """Reads a board, and reaches for it again when it has gone.

    Args:
        board: started.
        address: as the operator gave it.
        stall_limit_s: give up when no samples came for this long; 0 for never.
        now_s: a clock that never goes back.

    Attributes:
        trouble: "" while samples come, "stalled" where they do not, "reconnecting" while the board is reached for.
        message: what is wrong and how to mend it, one sentence; "" while samples come.
    """

    def __init__(
        self, board: Board, *, address: str, stall_limit_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.trouble: Literal["", "stalled", "reconnecting"] = ""
        self.message = ""
        self._board = board
        self._address = address
        self._stall_limit_s = stall_limit_s
        self._now_s = now_s
        self._heard_s = now_s()
        self._hung_up = False
        self._attempt: _Attempt | None = None
        self._attempts = 0
        self._next_attempt_s = 0.0
        self._closed = threading.Event()

    @property
    def silent_s(self) -> float:
        """For how long no samples have come."""
        return self._now_s() - self._heard_s

    def read(self, timeout_s: float, max_samples: int) -> Chunk | None:
        """What the board has, or None when it has nothing within ``timeout_s``.

        Where a chunk comes after trouble, ``trouble`` still tells of it until ``heard`` is called.

        Raises:
            BoardError: the board is gone for good, or no samples came for ``stall_limit_s``.
        """
        if self._attempt is not None:
            self._follow(self._attempt, timeout_s)
        elif self._hung_up:
            self._closed.wait(min(timeout_s, max(0.0, self._next_attempt_s - self._now_s())))
        else:
            try:
                chunk = self._board.read(timeout_s, max_samples)
            except BoardError as error:
                self._lose(error)
            else:
                if chunk is not None and len(chunk.samples):
                    return chunk
        self._judge()
        return None

    def heard(self) -> None:
        """Samples came and are safe: whatever was wrong is over."""
        self._heard_s = self._now_s()
        if self.trouble:
            self.trouble, self.message = "", ""
            self._attempts = 0

    def close(self) -> None:
        """Reach for the board no more; an attempt under way is given some seconds to end."""
        self._closed.set()
        if self._attempt is not None:
            self._attempt.join(_LAST_ATTEMPT_S)

    def _lose(self, error: BoardError) -> None:
        if not self._board.can_reconnect:
            raise error
        if not self._hung_up:
            self._next_attempt_s = self._now_s()
        self._hung_up = True
        self.trouble, self.message = "reconnecting", _mending(error)

    def _judge(self) -> None:
        silent_s = self.silent_s
        if silent_s >= STALL_S and not self.trouble:
            self.trouble = "stalled"
            self.message = (
                f"No samples come from the board {self._address}, so the protocol stands still; check its power and"
                " cable."
            )
        if 0 < self._stall_limit_s <= silent_s:
            raise BoardError(
                f"The board {self._address} sent no samples for {silent_s:.0f} s (the limit is"
                f" {self._stall_limit_s:g} s), so the recording was ended; check its power and cable.",
                reason=BoardErrorReason.SILENT,
                address=self._address,
            )
        if self._attempt is None and self._board.can_reconnect:
            due = self._hung_up or silent_s >= _SILENT_BEFORE_RECONNECT_S
            if due and self._now_s() >= self._next_attempt_s:
                self.trouble = "reconnecting"
                self._attempt = _Attempt(self._board)
                self._attempt.start()

    def _follow(self, attempt: _Attempt, timeout_s: float) -> None:
        if not attempt.done.wait(timeout_s):
            return
        self._attempt = None
        pause_s = RECONNECT_PAUSES_S[min(self._attempts, len(RECONNECT_PAUSES_S) - 1)]
        self._attempts += 1
        if attempt.error is None:
            # Reached; where it stays silent all the same, it is reached for anew.
            self._hung_up = False
            self._next_attempt_s = self._now_s() + max(pause_s, _SILENT_BEFORE_RECONNECT_S)
        elif isinstance(attempt.error, BoardError):
            self.message = _mending(attempt.error)
            self._next_attempt_s = self._now_s() + pause_s
        else:
            raise attempt.error


class _Attempt(threading.Thread):
    """One attempt to reach the board, whose end shows as ``done``."""

    def __init__(self, board: Board) -> None:
        super().__init__(name="reconnect", daemon=True)
        self.done = threading.Event()
        self.error: Exception | None = None
        self._board = board

    def run(self) -> None:
        try:
            self._board.reconnect()
        except Exception as error:  # raised again where it is waited for
            self.error = error
        finally:
            self.done.set()


def _mending(error: BoardError) -> str:
    return f"{str(error).rstrip('.')}; recording then goes on by itself."
