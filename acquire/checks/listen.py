"""Listening to a board, without recording anything."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Board, Chunk

__all__ = ["READ_S", "SILENT_S", "Listened", "Tally", "listen", "pace_of"]

SILENT_S = 3.0
READ_S = 0.1
_SLOWEST = 0.5
"""Share of the nominal rate at which listening is given up."""
_FEWEST_CHUNKS = 5
_MOST_CHUNKS = 1 << 14
"""Three minutes of a board that hands over eighty chunks a second."""
_PACED_KINDS = ("sim", "replay")


@dataclass(frozen=True, kw_only=True)
class Listened:
    """What was heard.

    Attributes:
        received: samples.
        lost: samples that were missing between them.
        gaps: how many times some were missing.
        causes: why, without repeats.
        clock: shape (k, 3): index behind the last row of each of the last chunks, host ns, board ns or −1.
        fault: why there is nothing to judge, as a sentence with its mend, or "".
    """

    received: int
    lost: int
    gaps: int
    causes: tuple[str, ...]
    clock: NDArray[np.int64]
    fault: str = ""

    def rate_hz(self, *, by_board: bool = False) -> float | None:
        """The rate at which samples came, from a straight line through the arrivals of all chunks but the first.

        Args:
            by_board: take the board's own clock.

        Returns:
            Samples per second; None where too few chunks came, or the board has no clock.
        """
        clock = self.clock[1:]
        times_ns = clock[:, 2 if by_board else 1]
        if len(clock) < _FEWEST_CHUNKS or (times_ns < 0).any() or times_ns[-1] <= times_ns[0]:
            return None
        time_s, rows = (times_ns - times_ns[0]) / 1e9, clock[:, 0] - clock[:, 0].mean()
        per_row_s = float(rows @ (time_s - time_s.mean()) / (rows @ rows))
        return 1.0 / per_row_s if per_row_s > 0 else None


class Tally:
    """Counts what a board sends; its memory does not grow.

    Attributes:
        received: samples.
        lost: samples that were missing between them.
        gaps: how many times some were missing.
        n_rows: samples from the first to the last, lost ones included.
    """

    def __init__(self) -> None:
        self.received = self.lost = self.gaps = self.n_rows = 0
        self._reached = 0
        self._causes: dict[str, None] = {}
        self._clock: deque[tuple[int, int, int]] = deque(maxlen=_MOST_CHUNKS)

    def take(self, chunk: Chunk) -> None:
        """Count a chunk."""
        missing = max(0, chunk.index - self._reached) if self.received else 0
        if self.received and chunk.index != self._reached:
            self.gaps += 1
            self.lost += missing
            if chunk.cause:
                self._causes[chunk.cause] = None
        self.received += len(chunk.samples)
        self.n_rows += missing + len(chunk.samples)
        self._reached = chunk.index + len(chunk.samples)
        self._clock.append((self._reached, chunk.host_ns, chunk.board_ns))

    def listened(self, fault: str = "") -> Listened:
        """What was heard so far."""
        return Listened(
            received=self.received,
            lost=self.lost,
            gaps=self.gaps,
            causes=tuple(self._causes),
            clock=np.array(self._clock, dtype=np.int64).reshape(-1, 3),
            fault=fault,
        )


def listen(
    board: Board,
    rate_hz: float,
    feed: Callable[[Chunk], None],
    *,
    span_s: float,
    pace: float = 1.0,
    on_share: Callable[[float], None] = lambda share: None,
    keep_on: Callable[[], bool] = lambda: True,
    tally: Tally | None = None,
) -> Listened:
    """Start a board and hear it for a while; it goes on sending.

    Args:
        board: open, and not started.
        rate_hz: its nominal rate.
        feed: gets each chunk.
        span_s: how much signal to hear.
        pace: how many times faster than real time it sends.
        on_share: told how much of it is heard, 0 to 1.
        keep_on: asked some ten times a second whether to go on.
        tally: counts what comes, for whoever goes on counting behind this.

    Raises:
        BoardError: the board does not start, or goes.
    """
    tally = tally or Tally()
    wanted = max(1, round(span_s * rate_hz))
    board.start()
    began_s = heard_s = time.monotonic()
    slowness = 1.0 / min(pace, 1.0)
    deadline_s = began_s + slowness * (SILENT_S + span_s / _SLOWEST)
    while tally.n_rows < wanted and keep_on():
        chunk = board.read(READ_S, wanted - tally.n_rows)
        now_s = time.monotonic()
        if chunk is None or len(chunk.samples) == 0:
            if now_s - heard_s >= slowness * SILENT_S or now_s >= deadline_s:
                break
            continue
        heard_s = now_s
        tally.take(chunk)
        feed(chunk)
        on_share(min(1.0, tally.n_rows / wanted))
        if now_s >= deadline_s:
            break
    return tally.listened(_fault(tally.n_rows, wanted, rate_hz, time.monotonic() - began_s))


def pace_of(address: str) -> float:
    """How many times faster than real time the board of an address sends; infinite for as fast as it goes."""
    kind, _, rest = address.partition(":")
    if kind not in _PACED_KINDS:
        return 1.0
    speed = dict(parse_qsl(rest.partition("?")[2])).get("speed", "1")
    return math.inf if speed == "max" else float(speed)


def _fault(heard: int, wanted: int, rate_hz: float, passed_s: float) -> str:
    if heard >= wanted:
        return ""
    if heard == 0:
        return f"No samples came in {passed_s:.0f} s; check that the board is switched on and its link is up."
    return (
        f"Only {heard / rate_hz:.1f} s of {wanted / rate_hz:g} s of signal came in {passed_s:.0f} s; check the board's"
        " power, its link, and the rate it is set to."
    )
