"""Listening to a board for a few seconds, without recording anything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Board, Samples

__all__ = ["Listened", "listen", "pace_of"]

SILENT_S = 3.0
_READ_S = 0.1
_SLOWEST = 0.5
"""Share of the nominal rate at which listening is given up."""
_FEWEST_CHUNKS = 5
_PACED_KINDS = ("sim", "replay")


@dataclass(frozen=True, kw_only=True)
class Listened:
    """What was heard.

    Attributes:
        received: samples.
        lost: samples that were missing between them.
        gaps: how many times some were missing.
        causes: why, without repeats.
        clock: shape (k, 3): index behind the last row of each chunk, host ns, board ns or −1.
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


def listen(
    board: Board,
    rate_hz: float,
    feed: Callable[[int, Samples], None],
    *,
    span_s: float,
    pace: float = 1.0,
    on_share: Callable[[float], None] = lambda share: None,
) -> Listened:
    """Start a board, hear it for a while, and stop it.

    Args:
        board: open, and not started.
        rate_hz: its nominal rate.
        feed: gets each chunk's index and samples.
        span_s: how much signal to hear.
        pace: how many times faster than real time it sends.
        on_share: told how much of it is heard, 0 to 1.

    Raises:
        BoardError: the board does not start, or goes.
    """
    wanted = max(1, round(span_s * rate_hz))
    received = lost = gaps = 0
    causes: list[str] = []
    clock: list[tuple[int, int, int]] = []
    first = reached = -1
    board.start()
    began_s = heard_s = time.monotonic()
    slowness = 1.0 / min(pace, 1.0)
    deadline_s = began_s + slowness * (SILENT_S + span_s / _SLOWEST)
    while first < 0 or reached - first < wanted:
        chunk = board.read(_READ_S, wanted - max(reached - first, 0))
        now_s = time.monotonic()
        if chunk is None or len(chunk.samples) == 0:
            if now_s - heard_s >= slowness * SILENT_S or now_s >= deadline_s:
                break
            continue
        heard_s = now_s
        if first < 0:
            first = reached = chunk.index
        if chunk.index != reached:
            gaps += 1
            lost += max(0, chunk.index - reached)
            causes.append(chunk.cause)
        feed(chunk.index, chunk.samples)
        reached = chunk.index + len(chunk.samples)
        received += len(chunk.samples)
        clock.append((reached, chunk.host_ns, chunk.board_ns))
        on_share(min(1.0, (reached - first) / wanted))
        if now_s >= deadline_s:
            break
    board.stop()
    return Listened(
        received=received,
        lost=lost,
        gaps=gaps,
        causes=tuple(dict.fromkeys(cause for cause in causes if cause)),
        clock=np.array(clock, dtype=np.int64).reshape(-1, 3),
        fault=_fault(received + lost, wanted, rate_hz, time.monotonic() - began_s),
    )


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
