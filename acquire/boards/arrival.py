"""What the computer's clock can tell about a board that sends neither counter nor time: its rate, and long silences.

Samples reach the computer late, in bursts, never early. So of all arrivals only the least delayed ones are on time, and
a rate is read from these alone: from the lower envelope, never from the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["SILENCE_S", "ArrivalClock", "estimate_rate_hz"]

SILENCE_S = 0.5
"""From when on a silence is taken for a loss: a serial driver or a busy computer holds samples back for less."""

_LEAST_LOSS_S = 0.1
_RECENT = 10
_MOST_SECONDS = 4096
_ENOUGH_S = 30.0
_TOLERANCE = 0.1


def estimate_rate_hz(arrivals: Sequence[tuple[int, int]]) -> float:
    """The rate of a board, from when its samples arrived.

    The earliest possible arrivals are those on the lower convex hull of time over count. The rate is that of the hull's
    edge over the middle of the count, as the line through it lies below all arrivals and closest to them on average.

    Args:
        arrivals: (how many samples had come, ``monotonic_ns`` of the last of them), both growing.

    Returns:
        Samples per second, or 0 where there are fewer than two arrivals at different times.
    """
    hull: list[tuple[int, int]] = []
    for count, at_ns in arrivals:
        while len(hull) >= 2 and _turns_right(hull[-2], hull[-1], (count, at_ns)):
            hull.pop()
        hull.append((count, at_ns))
    middle = (arrivals[0][0] + arrivals[-1][0]) / 2 if arrivals else 0.0
    for (before, early_ns), (after, late_ns) in pairwise(hull):
        if after >= middle and late_ns > early_ns:
            return (after - before) * 1e9 / (late_ns - early_ns)
    return 0.0


def _turns_right(first: tuple[int, int], second: tuple[int, int], third: tuple[int, int]) -> bool:
    """Whether the second point lies on or above the line from the first to the third."""
    return (second[1] - first[1]) * (third[0] - first[0]) >= (third[1] - first[1]) * (second[0] - first[0])


class ArrivalClock:
    """Where in time the samples are, and how many are missing after a silence.

    Args:
        rate_hz: about how many samples come in a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._early: list[tuple[int, int]] = []  # of each second, the least delayed arrival: (count, host ns)
        self._second_from_ns = 0
        self._last_ns: int | None = None

    def arrived(self, count: int, host_ns: int) -> None:
        """Learn that sample ``count`` − 1 was the last to have come at ``host_ns``."""
        self._last_ns = host_ns
        if not self._early or host_ns - self._second_from_ns >= 1_000_000_000:
            if len(self._early) >= _MOST_SECONDS:
                del self._early[1::2]
            self._early.append((count, host_ns))
            self._second_from_ns = host_ns
            return
        count_before, before_ns = self._early[-1]
        if host_ns - before_ns <= (count - count_before) * 1e9 / self._rate_hz:
            self._early[-1] = count, host_ns

    def silent_s(self, host_ns: int) -> float:
        """How long before ``host_ns`` the last samples came; 0 before the first ones."""
        return 0.0 if self._last_ns is None else (host_ns - self._last_ns) / 1e9

    def missing(self, count: int, host_ns: int, *, certain: bool = False) -> int:
        """How many samples did not come, if sample ``count`` − 1 were the one that came at ``host_ns``.

        Only to be asked after a silence, with all in ``count`` that came in one go after it.

        Args:
            count: samples that would have come, without those that are missing.
            host_ns: when the last of them came.
            certain: that samples were missed is known from elsewhere, so that even a few are no mere delay.

        Returns:
            A number of samples, 0 where it is too small to be told from a delay.
        """
        if not self._early:
            return 0
        rate_hz = self._known_rate_hz()
        # The last seconds alone: older arrivals would show how far the rate is off.
        due = max(before + (host_ns - before_ns) * rate_hz / 1e9 for before, before_ns in self._early[-_RECENT:])
        lost = int(due - count)
        least = 1.0 if certain else max(1.0, _LEAST_LOSS_S * rate_hz)
        return lost if lost >= least else 0

    def _known_rate_hz(self) -> float:
        """The rate as the arrivals show it, once there are enough of them: over minutes away, a permille is many."""
        if self._early[-1][1] - self._early[0][1] < _ENOUGH_S * 1e9:
            return self._rate_hz
        found_hz = estimate_rate_hz(self._early)
        return found_hz if abs(found_hz / self._rate_hz - 1) < _TOLERANCE else self._rate_hz
