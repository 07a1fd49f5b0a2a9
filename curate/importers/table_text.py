"""Tables of numbers in text, read strictly and in pieces, so that a file takes little more room than its numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from curate.errors import ImportRefused, RefusalReason
from curate.importers.reading import pieces, refuse_nulls
from curate.importers.recorded import check_extent

__all__ = ["NumberTable", "TextLines", "read_numbers", "show"]

MAX_TABLE_BYTES = 1024 * 1024 * 1024
_MAX_LINE_BYTES = 64 * 1024
_LINES_AT_ONCE = 20_000
_SHOWN_CHARS = 40
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberTable:
    """What a table holds.

    Attributes:
        values: the chosen columns, shape (n_rows, n_columns); NaN where a cell says that its sample is missing.
        first_line: 1-based number of the first row's line.
        cut_line: the last line without its line end, which was left out, or "".
    """

    values: NDArray[np.float64]
    first_line: int
    cut_line: str


class TextLines:
    """The lines of a text, one by one and without their ends; the last one only if it ends.

    Args:
        path: the file, gzip or not.
        shown: how to call it in sentences.
        encoding: ASCII text in any of these reads the same; a line that does not decode is refused.

    Attributes:
        number: 1-based number of the line that was given last.
        cut_line: what stands behind the last line end, shown shortened; known once all lines are read.
    """

    def __init__(self, path: Path, *, shown: Path, encoding: str = "utf-8") -> None:
        self._path = path
        self._shown = shown
        self._encoding = encoding
        self.number = 0
        self.cut_line = ""

    def __iter__(self) -> Iterator[str]:
        rest = b""
        begun = False
        for piece in pieces(self._path, shown=self._shown, limit_bytes=MAX_TABLE_BYTES, kind=" of text"):
            refuse_nulls(piece, self._shown)
            data = rest + (piece if begun else piece.removeprefix(_BOM))
            begun = True
            lines = data.split(b"\n")
            rest = lines.pop()
            if len(rest) > _MAX_LINE_BYTES:
                self._refuse_long()
            for line in lines:
                self.number += 1
                yield self._decoded(line)
        self.cut_line = show(rest.decode("ascii", "backslashreplace"))

    def _decoded(self, line: bytes) -> str:
        if len(line) > _MAX_LINE_BYTES:
            self.number -= 1
            self._refuse_long()
        try:
            return line.removesuffix(b"\r").decode(self._encoding)
        except UnicodeDecodeError as error:
            raise ImportRefused(
                f"byte {error.start + 1} of the line is not {self._encoding} text; save the file in that encoding.",
                path=self._shown,
                line=self.number,
                reason=RefusalReason.NOT_TEXT,
            ) from error

    def _refuse_long(self) -> NoReturn:
        raise ImportRefused(
            f"the line is longer than {_MAX_LINE_BYTES >> 10} KiB; look what kind of file it is.",
            path=self._shown,
            line=self.number + 1,
            reason=RefusalReason.NOT_TEXT,
        )


def read_numbers(
    lines: Iterator[str],
    text: TextLines,
    *,
    shown: Path,
    delimiter: str | None,
    n_columns: int,
    columns: Sequence[int],
    decimal_comma: bool = False,
    missing: frozenset[str] = frozenset(),
    times: Callable[[str], float] | None = None,
) -> NumberTable:
    """Read all further lines of a text as rows of a table.

    Args:
        lines: the iterator over ``text``, at the first row.
        text: where they come from.
        shown: how to call the file in sentences.
        delimiter: between cells; None is any run of blanks and tabs.
        n_columns: how many cells every row has.
        columns: which cells to take, 0-based.
        decimal_comma: whether 1,5 is one and a half.
        missing: cells that say that a sample is missing.
        times: reads the first of ``columns``, where that is no number; gives NaN for what it cannot read.

    Raises:
        ImportRefused: the first line that is not as it has to be, there is none, or there are too many.
    """
    first_line = text.number + 1
    row_of = _Row(
        shown=shown,
        delimiter=delimiter,
        n_columns=n_columns,
        columns=tuple(columns),
        decimal_comma=decimal_comma,
        missing=missing,
        times=times,
    )
    parts: list[NDArray[np.float64]] = []
    n_rows = 0
    while batch := list(itertools.islice(lines, _LINES_AT_ONCE)):
        parts.append(row_of.many(batch, first_line + n_rows))
        n_rows += len(batch)
        check_extent(n_rows, len(columns), shown=shown)
    if not parts:
        raise ImportRefused(
            "it holds no whole row of samples; record it again, or leave it out.",
            path=shown,
            reason=RefusalReason.EMPTY,
            value=text.cut_line or None,
        )
    return NumberTable(values=np.concatenate(parts), first_line=first_line, cut_line=text.cut_line)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """How a row is read; see ``read_numbers``."""

    shown: Path
    delimiter: str | None
    n_columns: int
    columns: tuple[int, ...]
    decimal_comma: bool
    missing: frozenset[str]
    times: Callable[[str], float] | None

    def many(self, lines: list[str], number: int) -> NDArray[np.float64]:
        """Some rows, of which the first is line ``number``."""
        plain = self.times is None and not self.decimal_comma
        if plain and all(len(line.split(self.delimiter)) == self.n_columns for line in lines):
            try:
                values = np.loadtxt(
                    lines, delimiter=self.delimiter, usecols=self.columns, comments=None, ndmin=2, dtype=np.float64
                )
            except ValueError:
                values = np.empty((0, 0))
            # Otherwise the slow way finds what is wrong, or reads what was only unusual.
            if len(values) == len(lines) and np.isfinite(values).all():
                return values
        return np.array([self._one(line, number + row) for row, line in enumerate(lines)], dtype=np.float64)

    def _one(self, line: str, number: int) -> list[float]:
        cells = line.split(self.delimiter)
        if len(cells) != self.n_columns:
            raise ImportRefused(
                f"{show(line)!r} has {len(cells)} cells; {self.n_columns} are needed; mend the line, or leave the "
                "file out.",
                path=self.shown,
                line=number,
                reason=RefusalReason.SEPARATOR,
                value=show(line),
            )
        return [self._value(cells[column].strip(), place, number) for place, column in enumerate(self.columns)]

    def _value(self, cell: str, place: int, number: int) -> float:
        is_time = place == 0 and self.times is not None
        if cell in self.missing and not is_time:
            return math.nan
        if place == 0 and self.times is not None:
            value = self.times(cell)
        else:
            value = _number(cell.replace(",", ".") if self.decimal_comma else cell)
        if not math.isfinite(value):
            wanted = "a time" if is_time else "a finite number"
            raise ImportRefused(
                f"{show(cell)!r} in column {self.columns[place] + 1} is not {wanted}; mend the line, or leave the file "
                "out.",
                path=self.shown,
                line=number,
                reason=RefusalReason.TIME if is_time else RefusalReason.COUNT,
                value=show(cell),
            )
        return value


def _number(cell: str) -> float:
    """A decimal number; NaN for all else that Python would read as one."""
    if "_" in cell or not cell.isascii():
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return math.nan


def show(text: str) -> str:
    """A piece of a file as a sentence may show it: short, and with nothing that steers a terminal."""
    cut = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_SHOWN_CHARS])
    return cut if len(text) <= _SHOWN_CHARS else cut + "…"
