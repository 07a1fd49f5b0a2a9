"""The table of disputes: written for a person and a spreadsheet, and read back with decisions in it.

A row is a disputed range: ``recording,start,stop,at,seconds,kind``, a column ``NAME says`` for each layer, and
``decision``, which is empty. Whoever decides fills that column in. Spreadsheets change what they save: the byte order
mark, the delimiter, the decimal sign of the columns that are only there to be looked at, and the order of rows do not
matter when the table is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from acquire.files import write_new
from acquire.names import stem_parts
from curate.errors import CurateError
from curate.labels.adjudication import Adjudication
from curate.labels.decisions import Decision
from curate.labels.pair_agreement import KINDS

__all__ = ["read_decisions", "write_disputes"]

_FIXED = ("recording", "start", "stop", "at", "seconds", "kind")
_NEEDED = ("recording", "start", "stop", "kind", "decision")
_DECISION = "decision"
_SAYS = " says"
_DELIMITERS = ",;\t"
# What a spreadsheet takes for a formula at the beginning of a cell, and the sign that keeps it from doing so.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_GUARD = "'"
_MAX_BYTES = 64 * 1024 * 1024
_WHOLE = re.compile(r"[0-9]{1,18}")


def write_disputes(path: Path, plans: Sequence[Adjudication], *, shortest_s: float = 0.0) -> int:
    """Write what is left to decide as a new CSV file.

    Args:
        path: a file that is not there yet: one that is may hold somebody's decisions.
        plans: what adjudicating each recording came to.
        shortest_s: leave out disputed ranges that are shorter; beats are always listed.

    Returns:
        How many rows there are.

    Raises:
        CurateError: there is such a file already, or it cannot be written.
    """
    layers = sorted({name for plan in plans for dispute in plan.disputes for name in dispute.said})
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([*_FIXED, *(name + _SAYS for name in layers), _DECISION])
    n_rows = 0
    for plan in plans:
        for dispute in plan.disputes:
            seconds = (dispute.stop - dispute.start) / plan.rate_hz
            if dispute.kind != "beat" and seconds < shortest_s:
                continue
            said = [_guarded(dispute.said.get(name, "")) for name in layers]
            at = _clock(dispute.start / plan.rate_hz)
            writer.writerow(
                [plan.recording, dispute.start, dispute.stop, at, f"{seconds:.3f}", dispute.kind, *said, ""]
            )
            n_rows += 1
    text = buffer.getvalue()
    try:
        # Without the mark, Excel takes what is beyond ASCII for another encoding.
        write_new(path, text.encode("utf-8" if text.isascii() else "utf-8-sig"))
    except FileExistsError:
        raise CurateError(
            f"{path} exists already and may hold decisions; give the disputes another name, or move it away."
        ) from None
    except OSError as error:
        raise CurateError(f"{path} cannot be written: {error.strerror or error}; choose another place.") from error
    return n_rows


def read_decisions(path: Path) -> dict[str, list[Decision]]:
    """Read the table back: every row whose ``decision`` is filled in.

    Columns that nobody needs may be missing or be there in addition. A column ``NAME says`` that is there is kept with
    the decision, so that it can be seen whether that layer has changed since.

    Returns:
        Recording's name → decisions, in the order of the rows.

    Raises:
        CurateError: the file cannot be read as such a table; says which line.
    """
    text = _text(path)
    lines = text.splitlines()
    if not lines:
        raise CurateError(f"The decisions {path} are empty; give a table that --disputes wrote.")
    columns, delimiter = _header(path, lines[0])
    found: dict[str, list[Decision]] = {}
    for number, cells in _rows(path, text, delimiter):
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise CurateError(
                f"The decisions {path}, line {number}: it has {len(cells)} cells, but the first line names "
                f"{len(columns)}; put quotes round a text that holds the delimiter."
            )
        row = dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=False))
        if row[_DECISION]:
            recording, decision = _decision(path, number, row)
            found.setdefault(recording, []).append(decision)
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CurateError(
            f"The decisions {path} cannot be read: {error.strerror or error}; look at the name."
        ) from error
    except UnicodeDecodeError as error:
        raise CurateError(f"The decisions {path} are not UTF-8 text; save them as CSV UTF-8.") from error
    if len(data) > _MAX_BYTES:
        raise CurateError(f"The decisions {path} are larger than {_MAX_BYTES >> 20} MiB; look what the file holds.")
    return text


def _header(path: Path, line: str) -> tuple[list[str], str]:
    for delimiter in _DELIMITERS:
        # A header has no cell with a delimiter in it, so that it needs no quotes, though it may have them.
        columns = [cell.strip().strip('"') for cell in line.split(delimiter)]
        if set(_NEEDED) <= set(columns):
            break
    else:
        raise CurateError(
            f"The decisions {path} lack a column: their first line must name {', '.join(_NEEDED)}; it begins with "
            f"{line[:80]!r}."
        )
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise CurateError(f"The decisions {path} have the column {twice[:80]!r} twice; leave one of them.")
    return columns, delimiter


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Strict: an unclosed quote would otherwise swallow every row after it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader)
        for cells in reader:
            yield reader.line_num, [_unguarded(cell.strip()) for cell in cells]
    except csv.Error as error:
        raise CurateError(f"The decisions {path}, line {reader.line_num}: {error}; mend the line.") from error


def _decision(path: Path, number: int, row: Mapping[str, str]) -> tuple[str, Decision]:
    where = f"{path}, line {number}"
    recording, kind = row["recording"], row["kind"]
    if stem_parts(recording) is None:
        raise CurateError(
            f"{where}: recording is {recording[:80]!r}; leave it as --disputes wrote it, like sub-S01_ses-01_run-01."
        )
    if kind not in KINDS:
        raise CurateError(f"{where}: kind is {kind[:80]!r}; it must be one of {', '.join(KINDS)}.")
    for name in ("start", "stop"):
        if not _WHOLE.fullmatch(row[name]):
            raise CurateError(
                f"{where}: {name} is {row[name][:40]!r}; it must be a whole number of samples, without separators."
            )
    start, stop = int(row["start"]), int(row["stop"])
    if start >= stop:
        raise CurateError(f"{where}: the range is {start} to {stop}; it must hold at least one sample.")
    said = {column.removesuffix(_SAYS): cell for column, cell in row.items() if column.endswith(_SAYS)}
    return recording, Decision(kind=kind, start=start, stop=stop, value=row[_DECISION], said=said or None, where=where)


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest / 1000:06.3f}"


def _guarded(cell: str) -> str:
    return _GUARD + cell if cell.startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell.removeprefix(_GUARD)
