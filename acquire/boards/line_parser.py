"""Decimal lines, as small sketches print them, taken apart: bytes in, samples out, nothing else.

A line is one or more numbers with a space, tab, comma or semicolon between them, and ends in LF, CR or both. A number
is decimal, may have a sign and a decimal point, and nothing else: what a sketch prints for a number it cannot show
(``nan``, ``inf``, ``ovf``) is no measurement. An exclamation mark in the place of a number says that an electrode is
off, as in the sketch that everybody uses with an AD8232.

Lines have neither counter nor checksum. A digit that is lost on the way gives another number, and nothing can show it
unless the number then lies outside ``limits``; a line end that is lost gives one line in place of two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["ELECTRODE_OFF", "MAX_COLUMNS", "MAX_LINE", "UNREADABLE", "LineParser", "Row"]

Row = tuple[int, ...] | tuple[float, ...]

ELECTRODE_OFF = "an electrode was off"
UNREADABLE = "a line could not be read"
MAX_COLUMNS = 32
MAX_LINE = 512
"""Bytes; far beyond any sketch's line."""

_INT32 = (-(2**31), 2**31 - 1)
# Fifteen digits are what a double holds exactly; more than that no converter gives.
_NUMBER = rb"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})"
_BETWEEN = rb"(?:[ \t]*[,;][ \t]*|[ \t]+)"
_ENTRY = re.compile(_NUMBER + rb"|!")
_LINE = re.compile(rb"(?:%b|!)(?:%b(?:%b|!))*(?:[ \t]*[,;])?" % (_NUMBER, _BETWEEN, _NUMBER))
_LINE_END = re.compile(rb"[\r\n]")


class LineParser:
    """Takes bytes as they come and gives what each line says.

    Everything before the first line end is the end of a line whose beginning nobody saw, and is dropped.

    Attributes:
        columns: how many numbers a line must have, or None while any number of them will do.
        whole: True when only whole numbers within 32 bits are good, False when all are taken as they are, None while
            whole ones are to be told from others.
        limits: the smallest and the largest number that is good, or None.
        good_lines: those that held numbers or told of an electrode.
        bad_bytes: bytes of lines that held neither.
        resyncs: how often a good line followed bad ones.
    """

    def __init__(
        self,
        *,
        columns: int | None = None,
        whole: bool | None = None,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.columns = columns
        self.whole = whole
        self.limits = limits
        self.good_lines = 0
        self.bad_bytes = 0
        self.resyncs = 0
        self._rest = b""
        self._headless = True
        self._overlong = False
        self._in_bad = False

    def restart(self) -> None:
        """Forget what is half read: the next bytes come from somewhere in the middle of a line."""
        self._rest = b""
        self._headless, self._overlong = True, False

    def feed(self, data: bytes) -> list[Row | str]:
        """Take the next bytes.

        Returns:
            For each line that they end, in order: its numbers, or why the sample it stands for is missing. Empty lines
            stand for nothing.
        """
        *lines, rest = _LINE_END.split(self._rest + data)
        items = [item for line in lines if (item := self._read_line(line)) is not None]
        if len(rest) > MAX_LINE:
            # No sketch writes such a line. What it was is known already; its bytes need not be kept until it ends.
            self.bad_bytes += len(rest)
            self._overlong = True
            rest = b""
        self._rest = rest
        return items

    def _read_line(self, line: bytes) -> Row | str | None:
        if self._headless:
            self._headless = self._overlong = False
            return None
        if not line and not self._overlong:
            return None
        item = UNREADABLE if self._overlong or len(line) > MAX_LINE else self._read_entries(line.strip(b" \t"))
        self._overlong = False
        if item is UNREADABLE:
            self.bad_bytes += len(line) + 1
            self._in_bad = True
        else:
            self.good_lines += 1
            self.resyncs += self._in_bad
            self._in_bad = False
        return item

    def _read_entries(self, line: bytes) -> Row | str:
        if not _LINE.fullmatch(line):
            return UNREADABLE
        entries = _ENTRY.findall(line)
        wanted = len(entries) == self.columns if self.columns is not None else len(entries) <= MAX_COLUMNS
        if b"!" in entries:
            # The sketch prints a single mark, however many numbers its other lines have.
            return ELECTRODE_OFF if wanted or len(entries) == 1 else UNREADABLE
        if not wanted:
            return UNREADABLE
        row = self._numbers(entries)
        if row is None or (self.limits and not all(self.limits[0] <= number <= self.limits[1] for number in row)):
            return UNREADABLE
        return row

    def _numbers(self, entries: Sequence[bytes]) -> Row | None:
        if self.whole is False:
            return tuple(map(float, entries))
        if any(b"." in entry for entry in entries):
            return tuple(map(float, entries)) if self.whole is None else None
        row = tuple(map(int, entries))
        if all(_INT32[0] <= number <= _INT32[1] for number in row):
            return row
        return tuple(map(float, entries)) if self.whole is None else None
