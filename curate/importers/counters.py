"""From a counter that wraps, and the computer's times beside it, to sample indices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.errors import ImportRefused, RefusalReason
from curate.importers.time_axis import fit_time_axis

__all__ = ["implausible_row", "index_of_counter", "nanoseconds", "place_rows", "turn_of_counter"]

_LEAST_REGULAR = 0.5
_WINDOW_S = 0.5
_LEAST_LOSS_S = 0.1
_MAX_TURN = 1 << 24
_MOST_BACK_S = 1.0
"""A clock that is set by a network may go back by less."""
_LATEST_S = 1e11


def turn_of_counter(counter: NDArray[np.int64]) -> int | None:
    """After how many numbers a counter starts over, learnt from the counter itself.

    Args:
        counter: of each row.

    Returns:
        The turn; the whole range where it never starts over; None where it does not count up by one as a rule, or
        starts over now here and now there, so that losses cannot be told by it.
    """
    if counter.size < 2 or counter.min() < 0:
        return None
    step = np.diff(counter)
    if np.mean(step == 1) < _LEAST_REGULAR:
        return None
    back = -step[step < 0]
    if back.size == 0:
        return _MAX_TURN
    # A loss at the wrap makes the step back shorter, never longer, unless the wrap itself was lost.
    turn = int(back.max()) + 1
    return turn if turn == int(counter.max() - counter.min()) + 1 else None


def index_of_counter(
    counter: NDArray[np.int64], times_s: NDArray[np.float64] | None, *, turn: int, rate_hz: float
) -> NDArray[np.int64]:
    """Unwrap a counter, and find with the times how often it went all the way round unseen.

    A loss of whole turns leaves no trace in the counter, but all rows after it are later for good. So where a row comes
    later than the one before by more than half a turn, the smallest delay in the half second after it is compared with
    the smallest in the half second before, as in ``time_axis``: rounded to turns, the difference is what was lost.

    Args:
        counter: of each row, 0 to ``turn`` − 1.
        times_s: when each row was written, or None.
        turn: after how many numbers the counter starts over.
        rate_hz: about how many samples come in a second.

    Returns:
        Indices from 0, strictly rising, shape (n_rows,).
    """
    step = np.diff(counter) % turn
    # The same number again is a whole turn later.
    step = np.where(step == 0, turn, step)
    index = np.concatenate([[0], np.cumsum(step)]).astype(np.int64)
    if times_s is None:
        return index
    delay = (times_s - times_s[0]) - index / rate_hz
    turn_s = turn / rate_hz
    window = max(8, round(_WINDOW_S * rate_hz))
    turns = np.zeros(index.size, dtype=np.int64)
    begun = 0
    for before in np.flatnonzero(np.diff(delay) > turn_s / 2).tolist():
        level_before = delay[max(begun, before + 1 - window) : before + 1].min()
        level_after = delay[before + 1 : before + 1 + window].min()
        lost = round((level_after - level_before) / turn_s)
        if lost >= 1:
            turns[before + 1] = lost
            begun = before + 1
    return np.asarray(index + turn * np.cumsum(turns))


def implausible_row(index: NDArray[np.int64], times_s: NDArray[np.float64], *, turn: int, rate_hz: float) -> int | None:
    """The first row before which samples would be missing in no time, or None.

    A number out of order, or twice the same, looks like a loss of up to a turn; that one takes its time.
    """
    step_s = np.diff(index) / rate_hz - np.diff(times_s)
    bad = np.flatnonzero(step_s > max(_LEAST_LOSS_S, turn / rate_hz / 2.5))
    return int(bad[0]) + 1 if bad.size else None


def place_rows(
    counter: NDArray[np.float64], times_s: NDArray[np.float64], rate_hz: float, *, shown: Path, first_line: int
) -> tuple[NDArray[np.int64], str, list[str]]:
    """Sample indices of rows that have a counter and a time each.

    Args:
        counter: of each row, as it was written.
        times_s: seconds since 1970, in bursts.
        rate_hz: about how many samples come in a second.
        shown: how to call the file in sentences.
        first_line: the number of the first row's line.

    Returns:
        The indices, what told them, and sentences on it.

    Raises:
        ImportRefused: there are fewer than two rows, the clock was set, or counter and times contradict each other.
    """
    if times_s.size < 2:
        raise ImportRefused(
            "it holds one sample; leave it out.", path=shown, reason=RefusalReason.TOO_SHORT, line=first_line
        )
    if not (0 < times_s[0] < _LATEST_S):
        raise _bad_time(f"{times_s[0]:g} is no time in seconds since 1970; leave it out", shown, first_line)
    back = np.flatnonzero(np.diff(times_s) < -_MOST_BACK_S)
    if back.size:
        row = int(back[0])
        raise _bad_time(
            f"time runs backwards by {times_s[row] - times_s[row + 1]:.3f} s; split the file where the clock was set",
            shown,
            first_line + row + 1,
        )
    whole = np.round(counter).astype(np.int64) if (np.abs(counter) < 2**31).all() else np.full(counter.size, -1)
    turn = turn_of_counter(whole) if (whole == counter).all() else None
    if turn is not None:
        index = index_of_counter(whole, times_s, turn=turn, rate_hz=rate_hz)
        stray = implausible_row(index, times_s, turn=turn, rate_hz=rate_hz)
        if stray is not None:
            raise ImportRefused(
                f"the sample index {whole[stray]} follows {whole[stray - 1]}, and its times leave no room for a loss "
                "between them; mend the line, or leave the file out.",
                path=shown,
                line=first_line + stray,
                reason=RefusalReason.COUNT,
                value=str(whole[stray]),
            )
        return index, "sample index and times", []
    if times_s[-1] <= times_s[0]:
        raise _bad_time("its times do not advance; leave it out", shown, first_line)
    times_us = np.maximum.accumulate(np.round((times_s - times_s[0]) * 1e6).astype(np.int64))
    note = "its sample index does not count up by one, so losses are told by its times alone."
    return fit_time_axis(times_us).index, "times", [note]


def nanoseconds(times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Nanoseconds from the first row."""
    return np.asarray(np.round((times_s - times_s[0]) * 1e9)).astype(np.int64)


def _bad_time(fault: str, shown: Path, line: int) -> ImportRefused:
    return ImportRefused(f"{fault}.", path=shown, line=line, reason=RefusalReason.TIME)
