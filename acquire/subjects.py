"""``subjects.csv``: who takes part, by pseudonym; also edited with spreadsheets, whose way of writing it is kept."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from acquire.errors import StudyError
from acquire.files import fsync_folder
from acquire.names import check_pseudonym

__all__ = ["Subject", "add_subject", "new_list", "read_subjects"]

_DELIMITERS = ",;\t"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One line of subjects.csv; everything but the pseudonym may be empty."""

    pseudonym: str
    age_band: str = ""
    sex: str = ""
    note: str = ""


_COLUMNS = tuple(field.name for field in fields(Subject))


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How a list is written.

    Attributes:
        columns: of its header, in their order; others than ours stay empty for a new subject.
        delimiter: between two columns.
        line_end: behind each line.
        is_ended: whether the last line has its end.
    """

    columns: tuple[str, ...]
    delimiter: str
    line_end: str
    is_ended: bool


def new_list() -> bytes:
    """A list of nobody."""
    return (",".join(_COLUMNS) + "\n").encode()


def read_subjects(file: Path) -> list[Subject]:
    """Everybody in a list, in its order; nobody where there is no file.

    Raises:
        StudyError: the file cannot be read, or a line of it cannot be used.
    """
    text = _text(file)
    return [] if text is None else _parse(text, _form(text, file), file)


def add_subject(file: Path, subject: Subject) -> Subject:
    """Add somebody to a list, the way it is written; somebody who is there already stays as they are.

    Raises:
        StudyError: the pseudonym is no label or differs from another only in capitals, the list has no column for what
            is known of the subject, or it cannot be read or written.
    """
    check_pseudonym(subject.pseudonym, file)
    text = _text(file)
    if text is None:
        text = new_list().decode()
        form = _form(text, file)
        lines = text
    else:
        form = _form(text, file)
        for somebody in _parse(text, form, file):
            if somebody.pseudonym == subject.pseudonym:
                return somebody
            if somebody.pseudonym.lower() == subject.pseudonym.lower():
                raise StudyError(
                    f"{file} has {somebody.pseudonym} already, and {subject.pseudonym} differs only in its capitals,"
                    " which some disks cannot tell apart; use that one or another pseudonym.",
                    path=file,
                    field="pseudonym",
                    value=subject.pseudonym,
                )
        lines = "" if form.is_ended else form.line_end
    for column, value in asdict(subject).items():
        if value and column not in form.columns:
            raise StudyError(
                f"{file} has no column {column} for what is known of {subject.pseudonym}; add it to the first line.",
                path=file,
                field=column,
                value=value,
            )
    _append(file, lines + _line(subject, form))
    return subject


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise StudyError(f"{file} cannot be read as UTF-8 text; save it again as UTF-8 CSV.", path=file) from error
    except OSError as error:
        raise StudyError(
            f"{file} cannot be read: {error.strerror or error}; mend its permissions.", path=file
        ) from error


def _form(text: str, file: Path) -> _Form:
    first = text.splitlines(keepends=True)[0] if text else ""
    header = first.rstrip("\r\n")
    for delimiter in _DELIMITERS:
        columns = tuple(column.strip() for column in next(csv.reader([header], delimiter=delimiter), []))
        if "pseudonym" in columns:
            break
    else:
        raise StudyError(
            f"{file} has no column pseudonym; its first line must be {','.join(_COLUMNS)}.",
            path=file,
            field="pseudonym",
        )
    if twice := [column for column in columns if column and columns.count(column) > 1]:
        raise StudyError(
            f"{file} has the column {twice[0][:40]} twice; leave one of them.", path=file, field=twice[0][:40]
        )
    return _Form(
        columns=columns,
        delimiter=delimiter,
        line_end=first[len(header) :] or "\n",
        is_ended=text.endswith(("\n", "\r")),
    )


def _parse(text: str, form: _Form, file: Path) -> list[Subject]:
    # Strict: an unclosed quote would otherwise swallow every subject after it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter, strict=True)
    subjects: list[Subject] = []
    lines: dict[str, int] = {}
    try:
        next(reader)
        for row in reader:
            cells = [cell.strip() for cell in row]
            # Spreadsheets leave lines of nothing but delimiters behind.
            if any(cells):
                subject = _subject(cells, form, file, reader.line_num)
                _check_new(subject.pseudonym, lines, file, reader.line_num)
                subjects.append(subject)
    except csv.Error as error:
        raise StudyError(f"{file}, line {reader.line_num}: {error}; mend the line.", path=file) from error
    return subjects


def _subject(cells: Sequence[str], form: _Form, file: Path, line: int) -> Subject:
    if any(cells[len(form.columns) :]):
        raise StudyError(
            f"{file}, line {line}: it has {len(cells)} columns, but the first line names {len(form.columns)}; put"
            " quotes round a text that holds the delimiter.",
            path=file,
        )
    known = {column: cell for column, cell in zip(form.columns, cells, strict=False) if column in _COLUMNS}
    subject = Subject(**{"pseudonym": "", **known})
    check_pseudonym(subject.pseudonym, file, line=line)
    return subject


def _check_new(pseudonym: str, lines: dict[str, int], file: Path, line: int) -> None:
    """Refuse a pseudonym that an earlier line has; ``lines`` remembers them in lower case."""
    before = lines.setdefault(pseudonym.lower(), line)
    if before != line:
        raise StudyError(
            f"{file}, line {line}: {pseudonym} stands in line {before} already, and capitals do not tell two subjects"
            " apart; remove one of the lines, or give one subject another pseudonym.",
            path=file,
            field="pseudonym",
            value=pseudonym,
        )


def _line(subject: Subject, form: _Form) -> str:
    buffer = io.StringIO(newline="")
    known = asdict(subject)
    row = [known.get(column, "") for column in form.columns]
    csv.writer(buffer, delimiter=form.delimiter, lineterminator=form.line_end).writerow(row)
    return buffer.getvalue()


def _append(file: Path, text: str) -> None:
    try:
        with file.open("ab") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        fsync_folder(file.parent)
    except OSError as error:
        raise StudyError(
            f"{file} cannot be written: {error.strerror or error}; mend its permissions.", path=file
        ) from error
