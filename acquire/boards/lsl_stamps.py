"""Which sample is which, in a stream that carries time stamps but no counter.

An LSL stream is delivered by TCP, so samples go missing only before or after it: at the sender's device, in a full
buffer, or while the connection was down. Each shows as time stamps that jump ahead and *stay* ahead. Jitter of a
sender that stamps samples when they reach it shows as stamps that run late and come *back*. So nothing is decided on
one stamp: samples whose stamps are off the line are held until one is back on it (jitter, nothing is missing) or until
`HOLD_S` of them are all late (a loss of the least lateness among them).

The line is fitted by least squares to the least late stamp of each of the last blocks, as lateness is never negative,
and a stamp is off it by more than half a period, or by more than six standard errors of the fit's own prediction where
a sender jitters so much that half a period says nothing. A sender with regular stamps so shows the loss of a single
sample; one that stamps in wild bursts hides losses that are shorter than its unrest.

liblsl's own smoothing (``proc_dejitter``) is not used: it spreads a loss over the samples behind it until nobody can
see where it was.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLOCK_SET", "FOUND_AGAIN", "JUMPED", "Run", "StampUnwrapper"]

JUMPED = "the time stamps of the LSL stream jumped ahead"
CLOCK_SET = "the sender's clock was set; the length is by this computer's clock"
FOUND_AGAIN = "the LSL stream was lost and found again"

HOLD_S = 0.2
"""Seconds of stamps, or of waiting for them, after which a loss is believed."""
LEARN_S = 0.6
"""Seconds of stamps that are looked at before the first sample is handed over."""

_LEAST_HELD = 8
_BLOCKS = 50
_ERRORS = 6.0
_RATE_TRUST = 0.05
_CLOCK_TRUST_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """Consecutive samples, in the order they were fed.

    Attributes:
        count: how many.
        index: of the first.
        cause: why the samples before it are missing; "" where none are.
    """

    count: int
    index: int
    cause: str


class StampUnwrapper:
    """Time stamps in, sample indices out.

    Args:
        rate_hz: nominal; the true one may differ by up to a twentieth.
    """

    def __init__(self, rate_hz: float) -> None:
        self._nominal_s = 1.0 / rate_hz
        self._least_held = max(_LEAST_HELD, round(HOLD_S * rate_hz))
        self._next = 0
        self._end: tuple[float | None, float] | None = None  # of the last sample: corrected stamp, arrival
        self._cause = ""
        self._runs: list[Run] = []
        self._arrival_s = 0.0
        self._correction_s: float | None = None
        self._held: NDArray[np.float64] = np.empty(0)
        self._slope_s = 0.0  # 0: not learnt yet
        self._forget_line()

    def restart(self, cause: str) -> None:
        """The next stamps come over a new connection, or from a clock that has nothing to do with the old one.

        What is held is dropped: nothing tells where it was. How much is missing is found from the corrected stamps
        before and after, or from the arrival where these cannot be believed.
        """
        self._forget_line()
        self._cause = cause if self._end is not None else ""

    def feed(self, stamps: NDArray[np.float64], arrival_s: float, correction_s: float | None = None) -> list[Run]:
        """Take the stamps of samples that came, or none to let time pass.

        Args:
            stamps: seconds by the sender's clock, in the order of the samples.
            arrival_s: by this computer's monotonic clock.
            correction_s: from the sender's clock to this computer's, or None where it is not known.

        Returns:
            What is now known, in the order of the samples that were fed. Samples about which nothing is said yet are
            held.
        """
        if len(self._held) == 0:
            self._held_since_s = arrival_s
        self._held = np.concatenate([self._held, self._sound(stamps)])
        self._arrival_s, self._correction_s = arrival_s, correction_s
        self._runs = []
        if len(self._held) and (self._slope_s or self._learn()):
            while len(self._held) and self._decide():
                pass
        return self._runs

    @property
    def period_s(self) -> float:
        """The distance of samples, as well as it is known."""
        return self._slope_s or self._nominal_s

    def _forget_line(self) -> None:
        self._held = np.empty(0)
        self._held_since_s = 0.0
        self._slope_s = 0.0
        self._middle = (0.0, 0.0)  # a point of the line: index, stamp
        self._tolerance_s = 0.0
        self._marks: deque[tuple[int, float]] = deque(maxlen=_BLOCKS)
        self._block: tuple[int, float, int] | None = None  # least late of the block that fills: index, stamp; its start

    def _sound(self, stamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The stamps, one that is no number replaced by the one before and a period."""
        if np.all(np.isfinite(stamps)):
            return stamps
        stamps = stamps.copy()
        before = float(self._held[-1]) if len(self._held) else self._expected(np.array([self._next - 1.0]))[0]
        for place in range(len(stamps)):
            if not math.isfinite(stamps[place]):
                stamps[place] = before + self.period_s
            before = stamps[place]
        return stamps

    def _expected(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        expected: NDArray[np.float64] = self._middle[1] + (index - self._middle[0]) * self.period_s
        return expected

    def _learn(self) -> bool:
        """Fit the first line, when there is enough to fit it to."""
        held = self._held
        waited_s = self._arrival_s - self._held_since_s
        if len(held) * self._nominal_s < LEARN_S and (waited_s < LEARN_S or len(held) < 2):
            return False
        self._place(held)
        steps = np.diff(held)
        usual_s = float(np.median(steps))
        regular = (
            abs(usual_s / self._nominal_s - 1) < _RATE_TRUST and np.mean(np.abs(steps - usual_s) < usual_s / 4) >= 0.75
        )
        if regular:
            index = self._next + np.concatenate([[0.0], np.cumsum(np.maximum(1, np.rint(steps / usual_s)))])
        else:
            usual_s = self._nominal_s
            index = self._next + np.arange(len(held), dtype=np.float64)
        late_s = held - index * usual_s
        for block in np.array_split(np.arange(len(held)), min(5, len(held))):
            best = block[np.argmin(late_s[block])]
            self._marks.append((int(index[best]), float(held[best])))
        self._slope_s = usual_s
        self._fit()
        return True

    def _place(self, held: NDArray[np.float64]) -> None:
        """After a restart: how many samples are missing before the first that is held."""
        if self._end is None or not self._cause:
            return
        stamp_s, arrival_s = self._end
        by_arrival_s = self._held_since_s - arrival_s
        missing_s = by_arrival_s
        if stamp_s is not None and self._correction_s is not None:
            by_stamps_s = float(held[0]) + self._correction_s - stamp_s
            if abs(by_stamps_s - by_arrival_s) <= _CLOCK_TRUST_S:
                missing_s = by_stamps_s
        lost = max(0, _nearest(missing_s / self._nominal_s) - 1)
        self._next += lost
        self._cause = self._cause if lost else ""

    def _decide(self) -> bool:
        """Let go of what is at the front of the held samples; say whether to look again."""
        index = self._next + np.arange(len(self._held), dtype=np.float64)
        late_s = self._held - self._expected(index)
        off = np.abs(late_s) > self._tolerance_s
        if not off[0]:
            self._accept(int(np.argmax(off)) if off.any() else len(off), late_s)
            return True
        if not off.all():
            self._accept(int(np.argmin(off)), late_s, on_line=False)
            return True
        if len(off) < self._least_held and self._arrival_s - self._held_since_s < HOLD_S:
            return False
        if np.all(late_s > 0):
            self._lose(float(late_s.min()))
        elif np.all(late_s < 0) and -late_s.max() > _CLOCK_TRUST_S:
            self._clock_was_set()
        else:
            # Earlier than any line allows, or on both sides of it: what was learnt is no longer true.
            held, since_s, slope_s = self._held, self._held_since_s, self._slope_s
            self._forget_line()
            self._held, self._held_since_s, self._slope_s = held, since_s, slope_s
            least = int(np.argmin(held - index * slope_s))
            self._marks.append((int(index[least]), float(held[least])))
            self._fit()
            self._accept(len(held), held - self._expected(index))
        return True

    def _lose(self, late_s: float) -> None:
        silent_s = self._held_since_s - self._end[1] if self._end else 0.0
        if late_s > silent_s + _CLOCK_TRUST_S:
            self._clock_was_set()
            return
        self._next += _nearest(late_s / self._slope_s)
        self._cause = self._cause or JUMPED

    def _clock_was_set(self) -> None:
        held, since_s = self._held, self._held_since_s
        end = self._end
        self.restart(CLOCK_SET)
        self._held, self._held_since_s = held, since_s
        # Only the arrival can be believed.
        self._end = (None, end[1]) if end else None
        self._learn()
        if not self._slope_s:
            # Too few to learn from: the nominal rate must do until the next block.
            self._place(held)
            self._slope_s = self._nominal_s
            self._marks.append((self._next, float(held[0])))
            self._fit()

    def _accept(self, count: int, late_s: NDArray[np.float64], *, on_line: bool = True) -> None:
        stamps = self._held[:count]
        self._runs.append(Run(count=count, index=self._next, cause=self._cause))
        self._cause = ""
        last_s = float(stamps[-1])
        self._end = (None if self._correction_s is None else last_s + self._correction_s, self._arrival_s)
        if on_line:
            self._mark(stamps, late_s[:count])
        self._next += count
        self._held = self._held[count:]
        self._held_since_s = self._arrival_s

    def _mark(self, stamps: NDArray[np.float64], late_s: NDArray[np.float64]) -> None:
        """Take accepted samples into the blocks that the line is fitted to."""
        place = 0
        while place < len(stamps):
            index = self._next + place
            start = self._block[2] if self._block else index
            stop = min(len(stamps), place + max(1, start + self._least_held - index))
            best = place + int(np.argmin(late_s[place:stop]))
            mark = (self._next + best, float(stamps[best]))
            if self._block and self._lateness(self._block[:2]) <= self._lateness(mark):
                mark = self._block[:2]
            self._block = (*mark, start)
            if self._next + stop - start >= self._least_held:
                self._marks.append(mark)
                self._block = None
                self._fit()
            place = stop

    def _lateness(self, mark: tuple[int, float]) -> float:
        return mark[1] - float(self._expected(np.array([float(mark[0])]))[0])

    def _fit(self) -> None:
        marks = np.array(self._marks, dtype=np.float64)
        n = len(marks)
        middle = marks.mean(axis=0)
        x, y = (marks - middle).T
        spread = float(x @ x)
        if n >= 3 and spread > 0:
            slope_s = float(x @ y) / spread
            low, high = self._nominal_s * (1 - _RATE_TRUST), self._nominal_s * (1 + _RATE_TRUST)
            self._slope_s = min(max(slope_s, low), high)
            rest = y - self._slope_s * x
            away = float(marks[-1, 0] + self._least_held - middle[0])
            error_s = math.sqrt(float(rest @ rest) / (n - 2) * (1 + 1 / n + away * away / spread))
        else:
            error_s = 0.0
        self._middle = (float(middle[0]), float(middle[1]))
        self._tolerance_s = max(self._slope_s / 2, _ERRORS * error_s)


def _nearest(number: float) -> int:
    return math.floor(number + 0.5)
