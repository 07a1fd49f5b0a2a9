"""What a person says about the files that are to be imported, where the files do not say it themselves.

Whose a file is comes from, first to last: the row of a map that names it, the pattern of names, the options for all
files, and the file itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from acquire.names import check_pseudonym, check_session
from curate.errors import CurateError, ImportRefused, RefusalReason
from curate.importers.layout import read_layout
from curate.importers.recorded import Identity

__all__ = ["ImportOptions", "NamePattern", "check_activity", "make_options", "read_map"]

_MAP_COLUMNS = ("file", "subject", "session", "run", "activity")
_MAX_MAP_BYTES = 4 * 1024 * 1024
_FIELDS = {
    "subject": "[A-Za-z0-9]{1,32}",
    "session": "[A-Za-z0-9]{1,32}",
    "run": "[0-9]{1,6}",
    "activity": "[A-Za-z][A-Za-z0-9_-]{0,63}",
}


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What holds for all files of one import.

    Attributes:
        identity: subject, session and activity of all of them, where given.
        names: how names of files tell it, or None.
        rows: file, as it is shown, or its name → what a map says of it.
        leads: lead → name of the file's channel that it is; empty takes what the channels' names say.
        board: which board a BrainFlow file is of, in BrainFlow's words.
        stream: which stream of a file with several is the ECG.
        layout: a layout file for CSV and TSV, or None.
    """

    identity: Identity = field(default_factory=Identity)
    names: NamePattern | None = None
    rows: Mapping[str, Identity] = field(default_factory=dict)
    leads: Mapping[str, str] = field(default_factory=dict)
    board: str | None = None
    stream: str | None = None
    layout: Path | None = None

    def given(self) -> tuple[str, ...]:
        """The options among ``lead``, ``board``, ``stream`` and ``layout`` that were given."""
        said = {"lead": self.leads, "board": self.board, "stream": self.stream, "layout": self.layout}
        return tuple(name for name, value in said.items() if value is not None and value != {})

    def only(self, takes: Collection[str]) -> ImportOptions:
        """The same without those of ``given`` that a format does not take."""
        return replace(
            self,
            leads=self.leads if "lead" in takes else {},
            board=self.board if "board" in takes else None,
            stream=self.stream if "stream" in takes else None,
            layout=self.layout if "layout" in takes else None,
        )

    def identity_of(self, shown: Path, own: Identity) -> Identity:
        """What is said of one file, all sources together.

        Args:
            shown: the file, relative to the folder that was given.
            own: what the file says itself.

        Raises:
            ImportRefused: its name does not fit the pattern.
        """
        said = [self.rows.get(shown.as_posix()) or self.rows.get(shown.name)]
        if self.names is not None:
            said.append(self.names.read(shown))
        said += [self.identity, own]
        there = [source for source in said if source is not None]
        return Identity(
            subject=next((source.subject for source in there if source.subject is not None), None),
            session=next((source.session for source in there if source.session is not None), None),
            run=next((source.run for source in there if source.run is not None), None),
            activity=next((source.activity for source in there if source.activity is not None), None),
            factors=own.factors,
        )


class NamePattern:
    """How a file's name tells whose it is: ``{subject}_{session}_{activity}``, ``{subject}/*``, without the ending.

    The pattern stands for the last parts of a path, as many as it has itself. ``*`` is anything within one part.

    Raises:
        CurateError: there is another field than subject, session, run and activity, one twice, or none.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        parts = re.split(r"(\{[^{}]*\}|\*)", pattern)
        expression = ""
        seen: set[str] = set()
        for part in parts:
            name = part[1:-1] if part.startswith("{") else ""
            if part == "*":
                expression += "[^/]*"
            elif not part.startswith("{"):
                expression += re.escape(part)
            elif name in _FIELDS and name not in seen:
                expression += f"(?P<{name}>{_FIELDS[name]})"
                seen.add(name)
            else:
                raise CurateError(
                    f"The pattern of names has {part[:40]!r}; it may have each of {{subject}}, {{session}}, {{run}} "
                    "and {activity} once."
                )
        if not seen or len(pattern) > 200:
            raise CurateError(
                f"The pattern of names is {pattern[:40]!r}; it needs at least one of {{subject}}, {{session}}, {{run}} "
                "and {activity}, like '{subject}_{session}_{activity}'."
            )
        self._depth = pattern.count("/") + 1
        self._expression = re.compile(expression)

    def read(self, shown: Path) -> Identity:
        """What a file's name says.

        Raises:
            ImportRefused: it does not fit.
        """
        bare = PurePosixPath(shown.as_posix().removesuffix(".gz"))
        bare = bare.with_suffix("")
        tail = "/".join(bare.parts[-self._depth :])
        match = self._expression.fullmatch(tail)
        if match is None:
            raise ImportRefused(
                f"{tail[:60]!r} does not fit the pattern of names {self.pattern!r}, in which a subject or session is "
                "letters and digits; rename the file, or give it a row in a map.",
                path=shown,
                reason=RefusalReason.NAME,
                value=tail[:60],
            )
        found = match.groupdict()
        run = found.get("run")
        return Identity(
            subject=found.get("subject"),
            session=found.get("session"),
            run=int(run) if run else None,
            activity=found.get("activity"),
        )


def check_activity(activity: str) -> None:
    """Refuse what cannot be an activity's name.

    Raises:
        CurateError: it is empty, longer than 64 characters, or not printable.
    """
    if not activity or activity != activity.strip() or len(activity) > 64 or not activity.isprintable():
        raise CurateError(f"The activity is {activity[:40]!r}; it is a name of 1 to 64 characters, like walk.")


def read_map(path: Path) -> dict[str, Identity]:
    """Read a map: CSV with the columns file, subject, session, run and activity, of which file must be there.

    Args:
        path: the map. A row's ``file`` is the path below the folder that is imported, or a file's own name.

    Raises:
        CurateError: it cannot be read, or a row of it cannot be used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_MAP_BYTES + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise CurateError(f"The map {path}: there is no such file; look for a slip in its name.") from error
    except OSError as error:
        raise CurateError(f"The map {path} cannot be read: {error.strerror}; give a CSV file.") from error
    except UnicodeDecodeError as error:
        raise CurateError(f"The map {path} cannot be read as UTF-8 text; give a CSV file saved as UTF-8.") from error
    if len(data) > _MAX_MAP_BYTES:
        raise CurateError(f"The map {path} is larger than {_MAX_MAP_BYTES >> 20} MiB; look what it holds.")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: dict[str, Identity] = {}
    try:
        columns = tuple(reader.fieldnames or ())
        if "file" not in columns or not set(columns) <= set(_MAP_COLUMNS):
            raise CurateError(
                f"The map {path} has the columns {', '.join(columns)[:100]!r}; its first line must be some of "
                f"{','.join(_MAP_COLUMNS)}, file among them."
            )
        for row in reader:
            name, said = _map_row(row, path, reader.line_num)
            if name in rows:
                raise CurateError(f"The map {path}, line {reader.line_num}: {name[:60]!r} stands there twice.")
            rows[name] = said
    except csv.Error as error:
        raise CurateError(f"The map {path}, line {reader.line_num}: {error}; mend the line.") from error
    return rows


def _map_row(row: Mapping[str | None, str | None], path: Path, line: int) -> tuple[str, Identity]:
    # A row with too many cells has a list under None, one with too few has None in a cell.
    if None in row or None in row.values():
        raise CurateError(f"The map {path}, line {line}: it has more or fewer cells than the first line; mend it.")
    cells = {str(name): str(value).strip() for name, value in row.items()}
    name = cells["file"].replace("\\", "/").removeprefix("./")
    run = cells.get("run", "")
    if not name or (run and not re.fullmatch("[0-9]{1,6}", run)):
        raise CurateError(f"The map {path}, line {line}: it names no file, or its run is no whole number; mend it.")
    if cells.get("subject"):
        check_pseudonym(cells["subject"], path, line=line)
    if cells.get("session"):
        check_session(cells["session"], path)
    if cells.get("activity"):
        check_activity(cells["activity"])
    return name, Identity(
        subject=cells.get("subject") or None,
        session=cells.get("session") or None,
        run=int(run) if run else None,
        activity=cells.get("activity") or None,
    )


def make_options(
    *,
    subject: str | None = None,
    session: str | None = None,
    activity: str | None = None,
    names: str | None = None,
    map_file: Path | None = None,
    leads: Sequence[str] = (),
    board: str | None = None,
    stream: str | None = None,
    layout: Path | None = None,
) -> ImportOptions:
    """Options as they are written on a command line, checked before any file is looked at.

    Args:
        subject: pseudonym of all files.
        session: session of all files.
        activity: of all of each file.
        names: a pattern of names; see ``NamePattern``.
        map_file: see ``read_map``.
        leads: ``LEAD=CHANNEL`` each.
        board: as BrainFlow names it.
        stream: name of a stream.
        layout: a layout file.

    Raises:
        TrileadError: one of them cannot be used.
    """
    # What a message calls the place of a value that was given on the command line.
    if subject is not None:
        check_pseudonym(subject, Path("--subject"))
    if session is not None:
        check_session(session, Path("--session"))
    if activity is not None:
        check_activity(activity)
    if layout is not None:
        read_layout(layout)
    wanted: dict[str, str] = {}
    for text in leads:
        lead, equals, channel = (part.strip() for part in text.partition("="))
        if not (lead and equals and channel) or lead in wanted or len(lead) > 32:
            raise CurateError(
                f"--lead is {text[:60]!r}; it names a lead and its channel, each lead once, like 'II=EXG Channel 0'."
            )
        wanted[lead] = channel
    return ImportOptions(
        identity=Identity(subject=subject, session=session, activity=activity),
        names=None if names is None else NamePattern(names),
        rows={} if map_file is None else read_map(map_file),
        leads=wanted,
        board=board,
        stream=stream,
        layout=layout,
    )
