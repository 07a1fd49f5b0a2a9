"""From the package numbers of a board that BrainFlow reads to sample indices: what came twice, what never came.

A package number counts up by one a package and starts over somewhere. Where it starts over is known for a few boards
and learnt for the others the first time it does. A loss of whole turns cannot be seen in it; after a silence of half a
second or more the computer's clock says how many turns it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from acquire.boards.arrival import SILENCE_S, ArrivalClock

__all__ = ["AWAY", "JUMP", "NOT_A_NUMBER", "RESTART", "PackageNumbers", "Run"]

JUMP = "the package number jumped"
AWAY = "the board was away; how many samples were missed is judged by the computer's clock"
RESTART = "the package number started anew"
NOT_A_NUMBER = "the board gave no number"

_LEAST_TURN = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Rows that follow one another without a loss.

    Attributes:
        start: first row, in what was handed over.
        stop: the row after the last one.
        index: the sample index of the first row.
        cause: why the samples before it are missing, or "".
    """

    start: int
    stop: int
    index: int
    cause: str


class PackageNumbers:
    """Gives each row its sample index.

    Args:
        rate_hz: about how many samples come in a second.
        turn: after how many numbers, one a sample, the board starts over; None where that is not known, and where
            several samples may share a number.

    Attributes:
        dropped: rows that were not taken: they came twice, out of order, or without a number.
    """

    def __init__(self, rate_hz: float, turn: int | None) -> None:
        self.dropped = 0
        self._rate_hz = rate_hz
        self._turn = turn
        self._learns = turn is None
        self._clock = ArrivalClock(rate_hz)
        self._silence_s = max(SILENCE_S, 3 / rate_hz)
        self._last: int | None = None
        self._stray: int | None = None
        self._group = 1
        self._repeats = 1
        self._next = 0
        self._away = False

    def restart(self) -> None:
        """The board was reached again: its numbers start anew, and only the clock tells what was missed."""
        self._away = True
        self._last = self._stray = None

    def silent_s(self, host_ns: int) -> float:
        """How long before ``host_ns`` the last rows came; 0 before the first ones."""
        return self._clock.silent_s(host_ns)

    def after_silence(self, host_ns: int) -> bool:
        """Whether rows that came at ``host_ns`` end a silence, so that all that was held back should be waited for."""
        return self._away or self.silent_s(host_ns) >= self._silence_s

    def place(self, numbers: Sequence[float], good: Sequence[bool], host_ns: int) -> list[Run]:
        """Give rows their indices.

        Args:
            numbers: the package number of each row, as BrainFlow gives it.
            good: whether the row's samples are numbers; those of one that is not are missing.
            host_ns: when the last of them came.

        Returns:
            Runs of rows to be taken, in order.
        """
        runs: list[Run] = []
        cause = ""
        silent_s = self.silent_s(host_ns)
        judged = self._judged(len(numbers), host_ns) if self.after_silence(host_ns) else None
        for row, number in enumerate(numbers):
            if not float(number).is_integer():
                self.dropped += 1
                continue
            lost = self._lost_before(int(number), judged, silent_s)
            if lost is None:
                self.dropped += 1
                continue
            count, why = lost
            if count:
                cause = cause or why
            judged = None
            index = self._next + count
            self._next = index + 1
            if not good[row]:
                cause = cause or NOT_A_NUMBER
            elif runs and runs[-1].stop == row and runs[-1].index + row - runs[-1].start == index:
                runs[-1] = Run(runs[-1].start, row + 1, runs[-1].index, runs[-1].cause)
            else:
                runs.append(Run(row, row + 1, index, cause))
                cause = ""
        if runs:
            self._clock.arrived(self._next, host_ns)
        return runs

    def _judged(self, rows: int, host_ns: int) -> int:
        return self._clock.missing(self._next + rows, host_ns, certain=self._away)

    def _lost_before(self, number: int, judged: int | None, silent_s: float) -> tuple[int, str] | None:
        """How many samples are missing before a row, and why; None where the row is not to be taken."""
        last, self._last = self._last, number
        if last is None:
            away, self._away = self._away, False
            return (judged or 0, AWAY) if away else (0, "")
        if self._learns and number == last:
            self._group += 1
            self._repeats = max(self._repeats, self._group)
            return 0, ""
        self._group = 1
        if self._turn is None:
            if number < last:
                self._turn = last - number + 1 if last - number >= _LEAST_TURN else None
                return judged or 0, JUMP
            return self._possible((number - last - 1) * self._repeats, judged, silent_s)
        step = (number - last) % self._turn
        if judged is not None:
            lost = ((step or self._turn) - 1) * self._repeats
            turn = self._turn * self._repeats
            return lost + turn * max(0, round((judged - lost) / turn)), JUMP
        if step and self._can_hold((step - 1) * self._repeats, silent_s):
            self._stray = None
            return (step - 1) * self._repeats, JUMP
        if step and self._stray is not None and number == (self._stray + 1) % self._turn:
            # Two in a row that go on from each other, not from what was before: so the count is a new one.
            self._stray = None
            return 1, RESTART
        self._stray = number if step else self._stray
        self._last = last
        return None

    def _possible(self, lost: int, judged: int | None, silent_s: float) -> tuple[int, str]:
        if judged is not None:
            return max(lost, judged), JUMP
        return (lost, JUMP) if self._can_hold(lost, silent_s) else (0, "")

    def _can_hold(self, lost: int, silent_s: float) -> bool:
        """Whether so many samples can have been missed in the time that passed."""
        return lost <= (silent_s + SILENCE_S) * self._rate_hz
