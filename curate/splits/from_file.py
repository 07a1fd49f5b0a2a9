"""A split that somebody else decided: read from a table, and checked as strictly as any other."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from curate.corpus.windows import ActivityRange
from curate.errors import SplitError
from curate.splits.cut import cut_for_training, end_words, listed, make_plan, part_of, whole_words
from curate.splits.plan import SIDES, TASKS, TEST, TRAIN, VALIDATE, SplitPlan, SplitSettings, family_of, natural

__all__ = ["fixed_by_file"]

_MOST_BYTES = 64_000_000
_MOST_LINES = 500_000
_MOST_DIGITS = 18
_LAYOUTS: Mapping[frozenset[str], tuple[tuple[str, ...], ...]] = {
    frozenset({"recording"}): (("recording",),),
    frozenset({"recording", "start", "stop"}): (),
    frozenset({"subject"}): (("subject",), ("recording",)),
    frozenset({"subject", "session"}): (("subject", "session"), ("recording",)),
}
"""Columns beside ``side`` → what the learned and the tested side may then not share."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One line: what it names, which samples of it, and their side."""

    line: int
    key: tuple[str, ...]
    start: int
    stop: int | None
    side: int


def fixed_by_file(ranges: Sequence[ActivityRange], settings: SplitSettings, argument: str) -> list[SplitPlan]:
    """Give sides as a CSV file says.

    Its columns are ``side`` (train, validate, test or unused) and one of: ``recording``; ``recording``, ``start`` and
    ``stop`` (raw samples, half-open; empty takes all); ``subject``; ``subject`` and ``session``. What no line names is
    unused. Where no line says validate, the end of each activity of each training recording does.

    Raises:
        SplitError: the file cannot be read, or a line of it cannot be used; by file and line.
    """
    if not argument:
        raise SplitError("fixed needs a file: write fixed:FILE.csv.")
    path = Path(argument)
    raw = _read(path)
    columns, rows = _parse(path, raw, ranges)
    keys = _keys(columns)
    _check_claims(path, rows, keys)
    given: list[tuple[ActivityRange, int]] = []
    by_key: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    for one in ranges:
        for row in by_key.get(_key_of(one, keys), ()):
            start, stop = max(one.start, row.start), one.stop if row.stop is None else min(one.stop, row.stop)
            if row.side and start < stop:
                given.append((replace(one, start=start, stop=stop), row.side))
    for side in (TRAIN, TEST):
        if not any(row == side for _, row in given):
            raise SplitError(
                f"{path}: no line gives {SIDES[side]} to anything that could give windows; name a recording that is "
                "labelled."
            )
    tasks, why = _tasks(path, given)
    carved = not any(side == VALIDATE for _, side in given)
    n_whole = 0
    if carved:
        parts, n_whole = cut_for_training((one for one, side in given if side == TRAIN), settings)
    else:
        parts = [part_of(one, one.start, one.stop, side) for one, side in given if side == TRAIN]
    parts += [part_of(one, one.start, one.stop, side) for one, side in given if side != TRAIN]
    n_lines = f"{len(rows)} line{'' if len(rows) == 1 else 's'}"
    words = (
        f"Sides are as {path.name} gives them by {' and '.join(keys)}, in {n_lines}; what it does not name is unused."
    )
    if "start" in columns:
        words += " Stretches stand as they do in the file, without a guard."
    if carved:
        words += f" It names nothing to validate on: {end_words(settings)}" + whole_words(n_whole)
    return [
        make_plan(
            family_of(f"fixed:{argument}"),
            words + why,
            settings,
            parts,
            kind="fixed",
            tasks=tasks,
            apart=_LAYOUTS[frozenset(columns)],
            parameters={
                "file": path.name,
                "sha256": hashlib.sha256(raw).hexdigest(),
                "by": keys,
                **({"validate_fraction": settings.end_fraction, "guard_s": settings.guard_s} if carved else {}),
            },
        )
    ]


def _read(path: Path) -> bytes:
    try:
        if not path.exists():
            raise SplitError(f"{path}: there is no such file; write fixed:FILE.csv with a table of sides.")
        if not path.is_file():
            raise SplitError(f"{path} is not a plain file; write fixed:FILE.csv with a table of sides.")
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise SplitError(
                f"{path} has {size / 1e6:.0f} MB; a table of sides has at most {_MOST_BYTES / 1e6:.0f} MB."
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is none"
        raise SplitError(f"{str(path)[:200]!r} cannot be read ({reason}); look at its name and permissions.") from error


def _parse(path: Path, raw: bytes, ranges: Sequence[ActivityRange]) -> tuple[set[str], list[_Row]]:
    """Read the table, each line checked as it is met, so that a long one does not take long to be refused."""
    if (n_lines := raw.count(b"\n")) > _MOST_LINES:
        raise SplitError(f"{path} has {n_lines} lines; a table of sides has at most {_MOST_LINES}.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SplitError(f"{path} is not UTF-8 text (byte {error.start}); save it as CSV in UTF-8.") from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[_Row] = []
    columns: list[str] = []
    keys: list[str] = []
    there: dict[tuple[str, ...], int] = {}
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not columns:
                columns = _header(path, cells)
                keys = _keys(columns)
                there = _there(ranges, keys)
            elif len(cells) != len(columns):
                raise SplitError(
                    f"{path}, line {reader.line_num}: it has {len(cells)} cells under {len(columns)} columns; mend it."
                )
            else:
                row = _row(path, reader.line_num, dict(zip(columns, cells, strict=True)))
                _check_there(path, row, there, keys)
                rows.append(row)
    except csv.Error as error:
        raise SplitError(f"{path}, line {reader.line_num}: it is no CSV ({error}); mend it.") from error
    if not rows:
        raise SplitError(f"{path} has no lines; give it a header and at least one line to train and one to test.")
    return {name for name in columns if name != "side"}, rows


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    others = frozenset(names) - {"side"}
    if "side" not in names or len(set(names)) != len(names) or others not in _LAYOUTS:
        raise SplitError(
            f"{path}: its columns are {listed(cell[:40] for cell in cells)}; they must be side and one of: recording; "
            "recording, start, stop; subject; subject, session."
        )
    return names


def _row(path: Path, line: int, cells: Mapping[str, str]) -> _Row:
    where = f"{path}, line {line}"
    if cells["side"] not in SIDES:
        raise SplitError(f"{where}: side is {cells['side'][:40]!r}; it must be one of {', '.join(SIDES[1:])}, unused.")
    key = tuple(cells[name] for name in ("recording", "subject", "session") if name in cells)
    if not all(key):
        raise SplitError(f"{where}: it names no {' and '.join(n for n in cells if n != 'side' and not cells[n])}.")
    start = _sample(where, "start", cells.get("start", ""))
    stop = _sample(where, "stop", cells.get("stop", ""))
    if stop is not None and stop <= (start or 0):
        raise SplitError(f"{where}: stop is {stop} and start {start or 0}; stop must be above start.")
    return _Row(line=line, key=key, start=start or 0, stop=stop, side=SIDES.index(cells["side"]))


def _sample(where: str, name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise SplitError(f"{where}: {name} is {text[:40]!r}; it must be the number of a raw sample, from 0.")
    return int(text)


def _key_of(one: ActivityRange, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(getattr(one, key)) for key in keys)


def _keys(columns: Iterable[str]) -> list[str]:
    """The columns that say what a line is about."""
    given = set(columns)
    return [column for column in ("recording", "subject", "session") if column in given]


def _there(ranges: Sequence[ActivityRange], keys: Sequence[str]) -> dict[tuple[str, ...], int]:
    """What a line may name, and the samples that it has."""
    there: dict[tuple[str, ...], int] = {}
    for one in ranges:
        key = _key_of(one, keys)
        there[key] = max(there.get(key, 0), one.grid.n_raw)
    return there


def _named(keys: Sequence[str], row: _Row) -> str:
    return " ".join(f"{what} {name[:80]!r}" for what, name in zip(keys, row.key, strict=True))


def _check_there(path: Path, row: _Row, there: Mapping[tuple[str, ...], int], keys: Sequence[str]) -> None:
    """Refuse a name that nothing answers to, and samples that no recording has."""
    if row.key not in there:
        raise SplitError(
            f"{path}, line {row.line}: {_named(keys, row)} is not in the study, or has no labelled stretch that could "
            "give windows; correct or remove the line."
        )
    if row.stop is not None and row.stop > there[row.key]:
        raise SplitError(
            f"{path}, line {row.line}: stop is {row.stop}; {_named(keys, row)} has {there[row.key]} samples."
        )


def _check_claims(path: Path, rows: Sequence[_Row], keys: Sequence[str]) -> None:
    """Refuse samples that two lines claim."""
    claimed: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        claimed.setdefault(row.key, []).append(row)
    for mine in claimed.values():
        mine.sort(key=lambda row: (row.start, row.line))
        for before, after in pairwise(mine):
            if before.stop is None or before.stop > after.start:
                first, second = sorted((before.line, after.line))
                raise SplitError(
                    f"{path}, lines {first} and {second}: both give a side to {_named(keys, after)}; keep one of them."
                )


def _tasks(path: Path, given: Iterable[tuple[ActivityRange, int]]) -> tuple[tuple[str, ...], str]:
    """What can be asked of the sides as they are, and a sentence on what cannot."""
    given = list(given)
    never = {}
    for task, column in zip(TASKS, ("subject", "activity"), strict=True):
        trained = {getattr(one, column) for one, side in given if side == TRAIN}
        asked = {getattr(one, column) for one, side in given if side in (VALIDATE, TEST)}
        never[task] = sorted(asked - trained, key=natural)
    tasks = tuple(task for task in TASKS if not never[task])
    if not tasks:
        raise SplitError(
            f"{path}: it asks for subject {never['identity'][0]!r} and for activity {never['activity'][0]!r} but "
            "trains neither, so that nothing can be asked; train one of them."
        )
    why = "".join(
        f" {task.capitalize()} is not asked, for {listed(never[task])} {'is' if len(never[task]) == 1 else 'are'} "
        "never trained."
        for task in TASKS
        if never[task]
    )
    return tasks, why
