"""The true sampling rate of a board, from when its samples came.

Times are only ever late, in bursts: what a cable, a radio or a busy computer adds is never negative. So of each stretch
of rows the least delayed one is taken (the lower envelope of the lateness), and the rate is the median of all pairwise
slopes between these (Theil 1950; Sen 1968, doi:10.1080/01621459.1968.10480934), which a few late stretches cannot turn.
Only monotonic clocks are looked at, so that it does not matter when somebody sets the wall clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.samples import Samples, rows_of, stretches

__all__ = ["Lateness", "RateEstimator", "drift_ppm", "fit_rate_hz", "fit_thirds_hz", "lateness"]

MIN_FIT_S = 10.0
_FIT_BLOCKS = 200
_PART_ROWS = 1 << 16
_LIVE_BLOCKS = 128
_LIVE_BLOCK_S = 0.25
_ROW, _HOST_NS, _BOARD_NS = range(3)
_RESTART_S, _RESTART_SHARE = 1.0, 0.1
"""By how much more than this a board's clock may be off its rows from one chunk to the next; else it began anew."""
_FURTHEST = 2.0
"""By what factor a live estimate may be off the nominal rate; beyond it nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How much later than the promptest rows around them the chunks arrived, in milliseconds.

    Attributes:
        p50_ms: the median.
        p95_ms: what 95 of 100 chunks kept below.
        p99_ms: what 99 of 100 chunks kept below.
        max_ms: the latest chunk.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def drift_ppm(rate_hz: float, nominal_rate_hz: float) -> float | None:
    """How far a fitted rate is off the nominal one, in parts per million; None where nothing was fitted (0)."""
    return (rate_hz / nominal_rate_hz - 1.0) * 1e6 if rate_hz > 0 else None


def fit_rate_hz(clock: Samples, nominal_rate_hz: float) -> float:
    """The true sampling rate of a whole recording.

    The board's own clock is taken where every row has it and it never began anew, as that of a board does which was
    switched off and on: it knows no delays, and it is the only right one for a simulated board that runs faster than
    real time. Else the host's arrival times are.

    Args:
        clock: shape (m, 3): row, host ns, board ns or −1, ordered by row; an array or a source.
        nominal_rate_hz: what the board was set to.

    Returns:
        Samples per second, or 0 where the clock spans less than 10 s or does not advance.
    """
    return _fit_hz(clock, 0, clock.shape[0], nominal_rate_hz)


def fit_thirds_hz(clock: Samples, nominal_rate_hz: float) -> tuple[float, float]:
    """The rate in the first and in the last third of a recording; their difference tells a drift from an offset.

    Args:
        clock: as for ``fit_rate_hz``.
        nominal_rate_hz: what the board was set to.

    Returns:
        Samples per second each, 0 where there was too little to fit.
    """
    n_rows = clock.shape[0]
    if n_rows < 3:
        return 0.0, 0.0
    first, last = _entry(clock, 0, _ROW), _entry(clock, n_rows - 1, _ROW)
    third = (last - first) // 3
    early, late = _places_of(clock, [first + third, last - third], 0, n_rows)
    return _fit_hz(clock, 0, early + 1, nominal_rate_hz), _fit_hz(clock, late, n_rows, nominal_rate_hz)


def lateness(clock: Samples, nominal_rate_hz: float) -> Lateness | None:
    """How unevenly the chunks arrived at the host.

    Args:
        clock: as for ``fit_rate_hz``.
        nominal_rate_hz: what the board was set to.

    Returns:
        Lateness above the lower envelope, which bends with the board's drift; None where there are fewer than 3 chunks.
    """
    n_rows = clock.shape[0]
    if n_rows < 3:
        return None
    rows, host_ns = _envelope(clock, _HOST_NS, 0, n_rows, nominal_rate_hz)
    begin_ns = _entry(clock, 0, _HOST_NS)
    # Before the first and behind the last picked row the envelope goes on with the mean rate.
    period_ms = 1e3 / (_rate_hz(rows, host_ns) or nominal_rate_hz)
    envelope_ms = (host_ns - begin_ns) / 1e6
    late_ms = np.empty(n_rows, dtype=np.float32)
    for start, part in stretches(clock, _PART_ROWS):
        expected_ms = np.interp(part[:, _ROW], rows, envelope_ms)
        expected_ms += np.minimum(part[:, _ROW] - rows[0], 0) * period_ms
        expected_ms += np.maximum(part[:, _ROW] - rows[-1], 0) * period_ms
        late_ms[start : start + len(part)] = (part[:, _HOST_NS] - begin_ns) / 1e6 - expected_ms
    p50, p95, p99, most = np.quantile(
        np.maximum(late_ms, 0.0, out=late_ms), [0.5, 0.95, 0.99, 1.0], overwrite_input=True
    )
    return Lateness(p50_ms=float(p50), p95_ms=float(p95), p99_ms=float(p99), max_ms=float(most))


class RateEstimator:
    """The true rate while a recording is under way; its memory does not grow with the recording.

    Up to 128 stretches are kept, each with its least delayed row; when there are more, neighbours are joined.
    """

    def __init__(self, nominal_rate_hz: float) -> None:
        self._nominal_rate_hz = nominal_rate_hz
        self._host = _LiveEnvelope(nominal_rate_hz)
        self._board: _LiveEnvelope | None = _LiveEnvelope(nominal_rate_hz)
        self._known: tuple[_LiveEnvelope | None, int, float] = (None, 0, 0.0)
        self._last: tuple[int, int] | None = None

    def feed(self, index: int, host_ns: int, board_ns: int) -> None:
        """Take the last row of a chunk: its index, and when it came by the host's and the board's clock (or −1)."""
        self._host.feed(index, host_ns)
        if board_ns < 0:
            self._board = None
        elif self._board is not None:
            if self._restarted(index, board_ns):
                # A board that was switched off and on again counts from nothing: what was before says no more.
                self._board = _LiveEnvelope(self._nominal_rate_hz)
            self._last = (index, board_ns)
            self._board.feed(index, board_ns)

    def _restarted(self, index: int, board_ns: int) -> bool:
        if self._last is None:
            return False
        rows, passed_ns = np.array([[index - self._last[0]], [board_ns - self._last[1]]])
        return bool(_restarts(rows, passed_ns, self._nominal_rate_hz)[0])

    def rate_hz(self) -> float:
        """Samples per second, or 0 while there is less than 10 s to go by, or what there is makes no sense."""
        chosen = self._board or self._host
        of, changes, rate_hz = self._known
        if (of, changes) != (chosen, chosen.changes):
            rate_hz = chosen.rate_hz()
            if not 1 / _FURTHEST < rate_hz / self._nominal_rate_hz < _FURTHEST:
                rate_hz = 0.0
            self._known = (chosen, chosen.changes, rate_hz)
        return rate_hz

    def drift_ppm(self) -> float | None:
        """How far the rate is off the nominal one, in parts per million; None while it is not known."""
        return drift_ppm(self.rate_hz(), self._nominal_rate_hz)


class _LiveEnvelope:
    """The least delayed row of each stretch; stretches double in length when they become too many."""

    def __init__(self, nominal_rate_hz: float) -> None:
        self.changes = 0
        self._period_ns = 1e9 / nominal_rate_hz
        self._min_rows = MIN_FIT_S * nominal_rate_hz
        self._length = max(1, round(_LIVE_BLOCK_S * nominal_rate_hz))
        self._block = -1
        self._best: list[tuple[int, int]] = []  # row, time in ns

    def feed(self, index: int, time_ns: int) -> None:
        block = index // self._length
        if block == self._block:
            self._best[-1] = self._prompter(self._best[-1], (index, time_ns))
            return
        self._block = block
        self.changes += 1
        self._best.append((index, time_ns))
        if len(self._best) > _LIVE_BLOCKS:
            self._join()

    def _prompter(self, one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        late_ns = other[1] - one[1] - (other[0] - one[0]) * self._period_ns
        return other if late_ns < 0 else one

    def _join(self) -> None:
        while len(self._best) > _LIVE_BLOCKS // 2:
            self._length *= 2
            kept: dict[int, tuple[int, int]] = {}
            for entry in self._best:
                block = entry[0] // self._length
                kept[block] = self._prompter(kept.get(block, entry), entry)
            self._best = list(kept.values())
        self._block = self._best[-1][0] // self._length

    def rate_hz(self) -> float:
        # The stretch under way may hold nothing but one late row yet.
        whole = np.array(self._best[:-1], dtype=np.int64).reshape(-1, 2)
        if len(whole) < 3 or whole[-1, 0] - whole[0, 0] < self._min_rows:
            return 0.0
        rate_hz = _rate_hz(whole[:, 0], whole[:, 1])
        if rate_hz > 0:
            # From now on rows are compared by what the board really does, and not by what it was set to.
            self._period_ns = 1e9 / rate_hz
        return rate_hz


def _fit_hz(clock: Samples, start: int, stop: int, nominal_rate_hz: float) -> float:
    """The rate that the rows ``[start, stop)`` of a clock show."""
    if stop - start < 3:
        return 0.0
    if _entry(clock, stop - 1, _ROW) - _entry(clock, start, _ROW) < MIN_FIT_S * nominal_rate_hz:
        return 0.0
    column = _BOARD_NS if _goes_on(clock, start, stop, nominal_rate_hz) else _HOST_NS
    return _rate_hz(*_envelope(clock, column, start, stop, nominal_rate_hz))


def _goes_on(clock: Samples, start: int, stop: int, nominal_rate_hz: float) -> bool:
    """Whether the rows ``[start, stop)`` all have the board's clock, and it never began anew among them."""
    last: NDArray[Any] | None = None
    for part in _parts(clock, start, stop):
        if (part[:, _BOARD_NS] < 0).any():
            return False
        whole = part if last is None else np.concatenate((last, part))
        if _restarts(np.diff(whole[:, _ROW]), np.diff(whole[:, _BOARD_NS]), nominal_rate_hz).any():
            return False
        last = part[-1:]
    return True


def _restarts(rows: NDArray[np.int64], passed_ns: NDArray[np.int64], nominal_rate_hz: float) -> NDArray[np.bool_]:
    """From which chunk to the next a board's clock began anew: it is far off what the rows between them take."""
    rows_s = rows / nominal_rate_hz
    off: NDArray[np.bool_] = np.abs(passed_ns / 1e9 - rows_s) > _RESTART_S + _RESTART_SHARE * rows_s
    return off


def _envelope(
    clock: Samples, column: int, start: int, stop: int, nominal_rate_hz: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and time in ns of the least delayed row of each of up to 200 stretches of equal length.

    Picked twice: which row of a stretch is the promptest can be said only with a rate that is about right.
    """
    first, last = _entry(clock, start, _ROW), _entry(clock, stop - 1, _ROW)
    edges = first + (last - first + 1) * np.arange(_FIT_BLOCKS + 1) // _FIT_BLOCKS
    bounds = _places_of(clock, edges, start, stop)
    rows = times_ns = np.empty(0, dtype=np.int64)
    rate_hz = nominal_rate_hz
    for _ in range(2):
        period_ns = 1e9 / rate_hz
        picked = [
            _promptest(clock, column, *pair, period_ns) for pair in itertools.pairwise(bounds) if pair[0] < pair[1]
        ]
        rows, times_ns = np.array(picked, dtype=np.int64).T
        rate_hz = _rate_hz(rows, times_ns) or nominal_rate_hz
    return rows, times_ns


def _promptest(clock: Samples, column: int, start: int, stop: int, period_ns: float) -> tuple[int, int]:
    """Row and time in ns of the least delayed of the rows ``[start, stop)``."""
    least_ns, found = np.inf, (0, 0)
    begin, begin_ns = _entry(clock, start, _ROW), _entry(clock, start, column)
    for part in _parts(clock, start, stop):
        late_ns = (part[:, column] - begin_ns) - (part[:, _ROW] - begin) * period_ns
        at = int(np.argmin(late_ns))
        if late_ns[at] < least_ns:
            least_ns, found = late_ns[at], (int(part[at, _ROW]), int(part[at, column]))
    return found


def _places_of(clock: Samples, rows: Sequence[int] | NDArray[np.int64], start: int, stop: int) -> list[int]:
    """Where among the rows ``[start, stop)`` of a clock some rows of the recording would stand."""
    places = np.full(len(rows), start)
    for part in _parts(clock, start, stop):
        places += np.searchsorted(part[:, _ROW], rows)
    return [int(place) for place in places]


def _parts(clock: Samples, start: int, stop: int) -> Iterator[NDArray[Any]]:
    for begin in range(start, stop, _PART_ROWS):
        yield rows_of(clock, begin, min(begin + _PART_ROWS, stop))


def _entry(clock: Samples, place: int, column: int) -> int:
    return int(rows_of(clock, place, place + 1)[0, column])


def _rate_hz(rows: NDArray[Any], times_ns: NDArray[Any]) -> float:
    """The median of the slopes between any two of the rows."""
    first, second = np.triu_indices(len(rows), k=1)
    if not len(first):
        return 0.0
    d_rows = (rows[second] - rows[first]).astype(np.float64)
    period_s = float(np.median((times_ns[second] - times_ns[first]) / 1e9 / d_rows))
    return 1.0 / period_s if period_s > 1e-6 else 0.0
