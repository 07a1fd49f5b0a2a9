"""From a counter that wraps to the index of a sample, which never does.

A counter modulo 256 shows every loss but one of 256, 512, 768 … samples. Those are told by the board's own clock. Where
counter and clock begin anew, as after a power cycle, the computer's clock tells the gap. Both clocks run at their own
pace, so how many samples they take for a second is measured as the samples come.
"""

from __future__ import annotations

from collections import deque

__all__ = ["CLOCK_WRAP_MS", "CounterUnwrapper"]

CLOCK_WRAP_MS = 1 << 32

_MODULUS = 256
_WORST_RATE = 0.2
"""No board's clock is taken to be further off than this."""
_CLOCK_SPACING_MS = 1000
_CLOCK_POINTS = 64
_CLOCK_MIN_POINTS = 4
_HOST_SPACING_NS = 1_000_000_000
_HOST_POINTS = 120
_HOST_RECENT = 10
_HOST_MIN_POINTS = 30
_CLOCK_AGREES_S = 2.0
_CLOCK_AGREES_FRACTION = 0.02


class CounterUnwrapper:
    """The index of each sample, from its counter and from clocks; the first sample has index 0.

    Args:
        rate_hz: nominal samples per second.

    Attributes:
        index: of the last sample, -1 before the first.
    """

    def __init__(self, rate_hz: float) -> None:
        self.index = -1
        self._rate_hz = rate_hz
        self._counter = -1
        self._host = _HostLine(rate_hz)
        self._clock = _ClockLine(rate_hz)
        self._restarted = False

    @property
    def in_doubt(self) -> bool:
        """Whether the computer's clock may have to judge how many samples are missing before the next.

        The caller then waits a moment for what was held back on the way, and says how much came as ``backlog``.
        """
        return self._restarted

    def unwrap(self, counter: int, *, host_ns: int, clock_ms: int, backlog: int = 0) -> int:
        """The index of the next sample.

        Args:
            counter: as it came, 0 to 255; never that of the sample before, unless samples were lost.
            host_ns: when it came, by ``time.monotonic_ns()``.
            clock_ms: the board's clock modulo 2^32.
            backlog: how many samples came right behind it in one go; of use only where `in_doubt`.

        Returns:
            An index above that of the sample before.
        """
        if self.index < 0:
            step = 1
        elif self._restarted:
            step = self._step_after_restart(host_ns, clock_ms, backlog)
        else:
            step = (counter - self._counter) % _MODULUS or _MODULUS
            # How often the counter went all the way round unseen, the clock tells.
            expected = self._clock.due(clock_ms) - self.index
            step += _MODULUS * max(0, round((expected - step) / _MODULUS))
        self._restarted = False
        self.index += step
        self._counter = counter
        self._clock.passed(self.index, clock_ms)
        self._host.passed(self.index, host_ns)
        return self.index

    def restart(self) -> None:
        """Expect counter and perhaps clock to begin anew, as after a power cycle.

        The next index is told by the board's clock if that goes on, and else by the computer's.
        """
        self._restarted = self.index >= 0

    def clock_ns(self) -> int:
        """The board's clock at the last sample, unwrapped, in nanoseconds; -1 before the first."""
        return self._clock.now_ms * 1_000_000 if self.index >= 0 else -1

    def _step_after_restart(self, host_ns: int, clock_ms: int, backlog: int) -> int:
        by_host = self._host.due(host_ns) - backlog - self.index
        by_clock = self._clock.due(clock_ms) - self.index
        near = _CLOCK_AGREES_S * self._rate_hz + _CLOCK_AGREES_FRACTION * abs(by_host)
        if abs(by_clock - by_host) <= near:
            return max(1, round(by_clock))
        self._clock.begin_anew()
        return max(1, round(by_host))


class _ClockLine:
    """The board's millisecond clock, unwrapped, and how many samples it takes for a second."""

    def __init__(self, rate_hz: float) -> None:
        self._nominal = rate_hz / 1000.0
        self._points: deque[tuple[int, int]] = deque(maxlen=_CLOCK_POINTS)  # index, ms
        self._index = 0
        self.now_ms = 0

    def passed(self, index: int, clock_ms: int) -> None:
        # A clock that begins anew is shown as a later time than any before.
        self.now_ms = self._later(clock_ms)
        self._index = index
        if not self._points or self.now_ms - self._points[-1][1] >= _CLOCK_SPACING_MS:
            self._points.append((index, self.now_ms))

    def due(self, clock_ms: int) -> float:
        """The index of a sample that is taken when the clock shows ``clock_ms``."""
        return self._index + (self._later(clock_ms) - self.now_ms) * self._samples_per_ms()

    def begin_anew(self) -> None:
        self._points.clear()

    def _later(self, clock_ms: int) -> int:
        return self.now_ms + (clock_ms - self.now_ms) % CLOCK_WRAP_MS

    def _samples_per_ms(self) -> float:
        if len(self._points) < _CLOCK_MIN_POINTS:
            return self._nominal
        (index, ms), (last_index, last_ms) = self._points[0], self._points[-1]
        return _near(self._nominal, (last_index - index) / (last_ms - ms))


class _HostLine:
    """When samples come by the computer's clock: late or in time, never early, so the least delayed ones count."""

    def __init__(self, rate_hz: float) -> None:
        self._nominal = rate_hz / 1e9
        self._points: deque[tuple[int, int]] = deque(maxlen=_HOST_POINTS)  # index, ns; one a second
        self._second_began_ns = 0

    def passed(self, index: int, host_ns: int) -> None:
        if not self._points or host_ns - self._second_began_ns >= _HOST_SPACING_NS:
            self._points.append((index, host_ns))
            self._second_began_ns = host_ns
            return
        best_index, best_ns = self._points[-1]
        if (index - best_index) >= (host_ns - best_ns) * self._nominal:
            self._points[-1] = (index, host_ns)

    def due(self, host_ns: int) -> float:
        """The index of a sample that comes without delay at ``host_ns``."""
        per_ns = self._samples_per_ns()
        recent = range(max(0, len(self._points) - _HOST_RECENT), len(self._points))
        return max(self._points[k][0] + (host_ns - self._points[k][1]) * per_ns for k in recent)

    def _samples_per_ns(self) -> float:
        if len(self._points) < _HOST_MIN_POINTS:
            return self._nominal
        (index, ns), (last_index, last_ns) = self._points[0], self._points[-1]
        return _near(self._nominal, (last_index - index) / (last_ns - ns))


def _near(nominal: float, fitted: float) -> float:
    return min(max(fitted, nominal * (1 - _WORST_RATE)), nominal * (1 + _WORST_RATE))
