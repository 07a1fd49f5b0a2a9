"""The lines of a wearable recording: ``YYYY-MM-DD HH:MM:SS.ffffff ; count``, read strictly and all at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from curate.errors import ImportRefused, RefusalReason

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_COUNT", "WearableLines", "looks_like_wearable", "parse_lines"]

MAX_COUNT = 4095
"""The board's converter has 12 bits."""

_LINE = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})?) ; (\d{1,4})")
_TIME = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?")
_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})? ; ")
_STAMP = "0000-00-00 00:00:00.000000 ; "
_PUNCTUATION = np.array([place for place, mark in enumerate(_STAMP) if mark != "0"])
_DIGITS = np.array([place for place, mark in enumerate(_STAMP) if mark == "0"])
_BOM = b"\xef\xbb\xbf"
_SHOWN_CHARS = 40
_MAX_ODD_LINES = 10_000
_LINES_AT_ONCE = 100_000
"""Bounds the memory of the tables that are made while reading."""


@dataclass(frozen=True, kw_only=True)
class WearableLines:
    """What a file says.

    Attributes:
        times_us: microseconds since 1970 as if the written clock were UTC; the file does not say its zone. Never
            falling.
        counts: 0 to 4095, int32.
        cut_line: the last line without its line end, which was left out, or "".
    """

    times_us: NDArray[np.int64]
    counts: NDArray[np.int32]
    cut_line: str


def looks_like_wearable(head: bytes) -> bool:
    """Tell from a file's first bytes whether its lines are of this kind."""
    return _HEAD.match(head) is not None


def parse_lines(data: bytes, *, shown: Path) -> WearableLines:
    """Read all lines.

    A last line without a line end is left out whole, for its count may have lost digits. Both kinds of line end are
    read. A whole second, which some loggers write without its six zeros, is read too.

    Args:
        data: the unpacked file.
        shown: how to call it in sentences.

    Raises:
        ImportRefused: the first line that is not as it has to be, with its number and what stands there.
    """
    data = data.removeprefix(_BOM)
    whole = data.rfind(b"\n") + 1
    cut_line = _show(data[whole:])
    text = np.frombuffer(data, dtype=np.uint8, count=whole)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    # A line end of two characters loses its first one.
    ends = ends - ((ends > starts) & (text[ends - 1] == ord("\r")))
    if starts.size == 0:
        fault = "it holds no whole line" if data else "the file is empty"
        raise ImportRefused(
            f"{fault}; record it again, or leave it out.",
            path=shown,
            reason=RefusalReason.EMPTY,
            value=cut_line or None,
        )

    times_us = np.zeros(starts.size, dtype=np.int64)
    counts = np.zeros(starts.size, dtype=np.int32)
    odd: list[int] = []
    for first in range(0, starts.size, _LINES_AT_ONCE):
        part = slice(first, first + _LINES_AT_ONCE)
        regular = _parse_regular(text, starts[part], ends[part], times_us[part], counts[part])
        odd.extend((np.flatnonzero(~regular) + first).tolist())
        if len(odd) > _MAX_ODD_LINES:
            break
    for seen, line in enumerate(odd):
        times_us[line], counts[line] = _parse_odd(bytes(data[starts[line] : ends[line]]), line + 1, shown)
        if seen >= _MAX_ODD_LINES:
            _refuse(shown, line + 1, data[starts[line] : ends[line]], RefusalReason.TIME, "has no microseconds")
    too_high = np.flatnonzero(counts > MAX_COUNT)
    if too_high.size:
        line = int(too_high[0])
        raise ImportRefused(
            f"the count is {counts[line]}; a 12-bit board gives 0 to {MAX_COUNT}; leave the file out or mend the line.",
            path=shown,
            line=line + 1,
            reason=RefusalReason.COUNT,
            value=str(counts[line]),
        )
    back = np.flatnonzero(np.diff(times_us) < 0)
    if back.size:
        line = int(back[0]) + 1
        raise ImportRefused(
            f"time runs backwards by {(times_us[line - 1] - times_us[line]) / 1e6:.6f} s; "
            "split the file where the clock was set.",
            path=shown,
            line=line + 1,
            reason=RefusalReason.TIME,
            value=_show(data[starts[line] : ends[line]]),
        )
    return WearableLines(times_us=times_us, counts=counts, cut_line=cut_line)


def _parse_regular(
    text: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    times_us: NDArray[np.int64],
    counts: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Fill in the lines of the usual form, and tell which they are."""
    width = len(_STAMP)
    n_digits = ends - starts - width
    fits = (n_digits >= 1) & (n_digits <= 4)
    at = starts[fits]
    if at.size == 0:
        return fits
    stamp = text[at[:, None] + np.arange(width)]
    digits = stamp[:, _DIGITS] - np.uint8(ord("0"))
    marks = np.frombuffer(_STAMP.encode(), dtype=np.uint8)[_PUNCTUATION]
    good = (stamp[:, _PUNCTUATION] == marks).all(axis=1) & (digits <= 9).all(axis=1)

    value = np.zeros(at.size, dtype=np.int32)
    for place in range(4):
        there = place < n_digits[fits]
        digit = text[np.minimum(at + width + place, text.size - 1)] - np.uint8(ord("0"))
        good &= ~there | (digit <= 9)
        value = np.where(there, value * 10 + digit, value)

    wide = digits.astype(np.int64)
    day = wide[:, :8] @ 10 ** np.arange(7, -1, -1)
    hour, minute, second = (wide[:, k] * 10 + wide[:, k + 1] for k in (8, 10, 12))
    good &= (hour <= 23) & (minute <= 59) & (second <= 59)
    days, which = np.unique(day, return_inverse=True)
    # A recording spans few days; junk that looks like very many is left to the line-by-line reader to refuse.
    day_us = np.array([_day_us(int(value)) for value in days[:1000]] + [-1] * max(0, days.size - 1000), dtype=np.int64)[
        which
    ]
    good &= day_us >= 0
    micro = wide[:, 14:] @ 10 ** np.arange(5, -1, -1)
    chosen = np.flatnonzero(fits)[good]
    times_us[chosen] = (day_us + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro)[good]
    counts[chosen] = value[good]
    regular = np.zeros(starts.size, dtype=np.bool_)
    regular[chosen] = True
    return regular


def _day_us(day: int) -> int:
    """Microseconds from 1970 to a day written as YYYYMMDD, or −1 where there is no such day."""
    try:
        moment = datetime(day // 10_000, day // 100 % 100, day % 100)
    except ValueError:
        return -1
    return (moment - datetime(1970, 1, 1)).days * 86_400_000_000


def _parse_odd(line: bytes, number: int, shown: Path) -> tuple[int, int]:
    """Read one line that is not of the usual form, or say what is wrong with it."""
    match = _LINE.fullmatch(line)
    if match is None:
        _explain(line, number, shown)
    try:
        moment = datetime.fromisoformat(match[1].decode())
    except ValueError:
        _refuse(shown, number, match[1], RefusalReason.TIME, "is no moment of any calendar day")
    since = moment - datetime(1970, 1, 1)
    if since.days < 0:
        _refuse(shown, number, match[1], RefusalReason.TIME, "lies before 1970")
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds, int(match[2])


def _explain(line: bytes, number: int, shown: Path) -> NoReturn:
    if not line.strip():
        _refuse(shown, number, line, RefusalReason.SEPARATOR, "is an empty line")
    if len(line) > 64 or any(byte < 32 or byte > 126 for byte in line):
        _refuse(shown, number, line, RefusalReason.NOT_TEXT, "is not a line of such a file")
    stamp, separator, count = line.partition(b" ; ")
    if not separator:
        _refuse(shown, number, line, RefusalReason.SEPARATOR, "has no ' ; ' between time and count")
    if not _TIME.fullmatch(stamp):
        _refuse(shown, number, stamp, RefusalReason.TIME, "is not a time like 2024-03-26 14:58:13.300910")
    _refuse(shown, number, count, RefusalReason.COUNT, f"is not a count from 0 to {MAX_COUNT}")


def _refuse(shown: Path, number: int, value: bytes, reason: RefusalReason, fault: str) -> NoReturn:
    raise ImportRefused(
        f"{_show(value)!r} {fault}; mend the line, or leave the file out.",
        path=shown,
        line=number,
        reason=reason,
        value=_show(value),
    )


def _show(value: bytes) -> str:
    text = value[: _SHOWN_CHARS + 1].decode("ascii", "backslashreplace")
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
