"""A study, looked at once: who takes part, which protocols and boards there are, and what else goes on in it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from acquire.boards.board import BOARD_KINDS, open_board
from acquire.boards.discovery import FoundPort, survey
from acquire.errors import BoardError, StudyError
from acquire.names import stem_parts
from acquire.recordings.recovery import OrphanedJournal, orphaned_journals
from acquire.study import STUDY_FILE, Study, Subject, session_after, session_order
from acquire.viewer.preferences import PREFERENCES_FILE, Preferences
from acquire.viewer.texts import _
from protocols.errors import TrileadError
from protocols.script import PlannedStep, load_script, shipped_scripts

__all__ = [
    "CHECKED_KINDS",
    "BoardChoice",
    "Preparation",
    "ProtocolChoice",
    "StudyView",
    "SubjectChoice",
    "address_fault",
    "look_at_study",
]

CHECKED_KINDS = ("sim", "cyton", "lines", "ads1293", "ads1292r", "replay")
"""Kinds whose addresses are read without loading a driver's library, and so as fast as somebody types."""

_SIMULATED = "sim:"


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What has been chosen so far; an empty text is not chosen yet.

    Attributes:
        subject: pseudonym.
        session: label.
        operator: initials or a code; may stay empty.
        protocol: the ``source`` of a ``ProtocolChoice``.
        board: address.
        factors: factor → level.
    """

    subject: str = ""
    session: str = ""
    operator: str = ""
    protocol: str = ""
    board: str = ""
    factors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SubjectChoice:
    """Somebody who takes part.

    Attributes:
        pseudonym: of subjects.csv, or of a recording.
        sessions: labels; the one that was recorded last comes last.
        next_session: the label that a new session would get.
        n_recordings: finished ones.
        last_recorded: when the newest recording or journal was written last, UTC; None where there is none.
        note: of subjects.csv, as the others.
        age_band: likewise.
        sex: likewise.
        recorded_at: session → when it was recorded last, UTC.
    """

    pseudonym: str
    sessions: tuple[str, ...]
    next_session: str
    n_recordings: int
    last_recorded: datetime | None
    note: str
    age_band: str
    sex: str
    recorded_at: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProtocolChoice:
    """A protocol script.

    Attributes:
        source: a shipped name or a path, as ``protocols.script.load_script`` takes it.
        name: of the script.
        title: one line.
        purpose: what it is for.
        total_s: how long it takes if nobody intervenes.
        plan: its steps, repeats and rests unrolled.
        fault: why it cannot be used, as a sentence; then the plan is empty.
    """

    source: str
    name: str
    title: str
    purpose: str
    total_s: float
    plan: tuple[PlannedStep, ...]
    fault: str


@dataclass(frozen=True, kw_only=True)
class BoardChoice:
    """A board that may be recorded from.

    Attributes:
        address: as ``acquire.boards.board.open_board`` takes it.
        title: what it is, or may be.
        detail: where it is plugged in.
        troubles: what stands in the way, a sentence with the mend each.
        simulated: whether no person is recorded.
    """

    address: str
    title: str
    detail: str
    troubles: tuple[str, ...]
    simulated: bool


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """A study, looked at once.

    Attributes:
        study: itself.
        subjects: in the order of subjects.csv, then those that only recordings know.
        protocols: the study's own, then the shipped ones.
        boards: the study's default first, the simulated one last.
        orphans: journals that wait to be made whole.
        under_way: journals that a living recorder writes.
        fault: what of the study cannot be used, as a sentence; "" where all can.
        default: what to begin with.
        hints: what is wrong with this computer's ports, a sentence with the mend each.
        looked_at: when, UTC.
    """

    study: Study
    subjects: tuple[SubjectChoice, ...]
    protocols: tuple[ProtocolChoice, ...]
    boards: tuple[BoardChoice, ...]
    orphans: tuple[OrphanedJournal, ...]
    under_way: tuple[Path, ...]
    fault: str
    default: Preparation
    hints: tuple[str, ...] = ()
    looked_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)


def look_at_study(path: Path, preferences: Preferences, *, protocol: str = "", board: str = "") -> StudyView:
    """Look at a study folder and at what is plugged in; nothing is opened, reset or written.

    It may take a second.

    Args:
        path: the study's folder.
        preferences: of the study.
        protocol: one that shall be among those to choose from, wherever it lies.
        board: an address that shall be.

    Raises:
        StudyError: the folder is not a study, or its study.toml cannot be used.
    """
    study = Study.open(path)
    faults = []
    listed: list[Subject] = []
    try:
        listed = study.subjects()
    except StudyError as error:
        faults.append(str(error))
    orphans: tuple[OrphanedJournal, ...] = ()
    under_way: tuple[Path, ...] = ()
    written: list[_Written] = []
    try:
        orphans = tuple(orphaned_journals(study))
        left = {orphan.path for orphan in orphans}
        journals = [file for file in sorted(study.journals_dir.glob("*.journal")) if file.is_file()]
        under_way = tuple(file for file in journals if file not in left)
        written = [_written(file) for file in (*study.recordings(), *journals) if stem_parts(file.stem) is not None]
    except OSError as error:
        faults.append(f"{study.path} cannot be looked through: {error.strerror or error}; mend its permissions.")
    _load_drivers()
    plugged = survey()
    source = str(study.protocol_source)
    return StudyView(
        study=study,
        subjects=_subjects(listed, written),
        protocols=tuple(_protocols(study, {source, protocol} - {""})),
        boards=_boards(study, plugged.ports, asked=board),
        orphans=orphans,
        under_way=under_way,
        fault=" ".join(faults),
        default=Preparation(operator=next(iter(preferences.operators), ""), protocol=source, board=study.board),
        hints=plugged.hints,
    )


@dataclass(frozen=True)
class _Written:
    """A recording or journal, by its name."""

    subject: str
    session: str
    finished: bool
    at: datetime


def _written(file: Path) -> _Written:
    parts = stem_parts(file.stem)
    assert parts is not None
    at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return _Written(parts[0], parts[1], file.suffix == ".h5", at)


def _subjects(listed: Sequence[Subject], written: Sequence[_Written]) -> tuple[SubjectChoice, ...]:
    of_subject: dict[str, list[_Written]] = {subject.pseudonym: [] for subject in listed}
    for one in written:
        of_subject.setdefault(one.subject, []).append(one)
    told = {subject.pseudonym: subject for subject in reversed(listed)}
    return tuple(_subject(told.get(who) or Subject(pseudonym=who), theirs) for who, theirs in of_subject.items())


def _subject(subject: Subject, written: Sequence[_Written]) -> SubjectChoice:
    recorded_at: dict[str, datetime] = {}
    for one in written:
        recorded_at[one.session] = max(one.at, recorded_at.get(one.session, one.at))
    return SubjectChoice(
        pseudonym=subject.pseudonym,
        sessions=tuple(sorted(recorded_at, key=lambda session: (recorded_at[session], session_order(session)))),
        next_session=session_after(recorded_at),
        n_recordings=sum(one.finished for one in written),
        last_recorded=max(recorded_at.values(), default=None),
        note=subject.note,
        age_band=subject.age_band,
        sex=subject.sex,
        recorded_at=recorded_at,
    )


def _protocols(study: Study, wanted: set[str]) -> Iterator[ProtocolChoice]:
    """The study's own scripts, then the shipped ones; those that are wanted are among them, wherever they lie."""
    shipped = shipped_scripts()
    own = {str(file) for file in study.path.glob("*.toml") if file.name not in (STUDY_FILE, PREFERENCES_FILE)}
    for source in (*sorted(own | wanted - set(shipped)), *shipped):
        try:
            script = load_script(source)
        except TrileadError as error:
            name = Path(source).stem
            yield ProtocolChoice(
                source=source, name=name, title=name, purpose="", total_s=0.0, plan=(), fault=str(error)
            )
        else:
            yield ProtocolChoice(
                source=source,
                name=script.name,
                title=script.script.title,
                purpose=script.script.purpose,
                total_s=script.script.total_s,
                plan=script.script.plan(),
                fault="",
            )


def address_fault(address: str, mains_hz: float) -> str:
    """Why no board can have this address, as a sentence; "" where one may. Nothing is opened or loaded."""
    scheme, colon, _options = address.partition(":")
    if scheme in BOARD_KINDS and colon and scheme not in CHECKED_KINDS:
        return ""
    try:
        open_board(address, mains_hz=mains_hz)
    except BoardError as error:
        return str(error)
    return ""


def _boards(study: Study, ports: Sequence[FoundPort], *, asked: str) -> tuple[BoardChoice, ...]:
    """The study's default, what was asked for, what is plugged in, and the simulated heart; each address once.

    What was asked for and is no board's address is not listed: it was typed, and stands where it was typed.
    """
    default = study.board
    found = {}
    for port in ports:
        where = f"{port.device}, {port.guess}" if port.guess else port.device
        for address in port.addresses:
            found[address] = BoardChoice(
                address=address, title=_title(address), detail=where, troubles=port.troubles, simulated=False
            )
    fault = address_fault(default, study.mains_hz)
    first = found.pop(default, None) or BoardChoice(
        address=default,
        title=_title(default),
        detail=_("as the study says"),
        troubles=(fault,) if fault else (),
        simulated=default.startswith(_SIMULATED),
    )
    if asked and asked not in found and asked != default and not address_fault(asked, study.mains_hz):
        found[asked] = BoardChoice(
            address=asked, title=_title(asked), detail=asked, troubles=(), simulated=asked.startswith(_SIMULATED)
        )
    last = BoardChoice(
        address=_SIMULATED, title=_title(_SIMULATED), detail=_("needs no board"), troubles=(), simulated=True
    )
    return tuple({choice.address: choice for choice in (first, *found.values(), last)}.values())


def _title(address: str) -> str:
    titles = {
        "sim": _("Simulated heart"),
        "cyton": "OpenBCI Cyton",
        "lines": _("Board that prints numbers"),
        "ads1293": "ProtoCentral ADS1293",
        "ads1292r": "ProtoCentral ADS1292R",
        "brainflow": _("Board driven by BrainFlow"),
        "lsl": _("LSL stream"),
        "replay": _("Recording, played again"),
    }
    return titles.get(address.partition(":")[0], _("Board"))


def _load_drivers() -> None:
    """Import what reads addresses now, so that no key that is pressed has to wait for it."""
    for kind in CHECKED_KINDS:
        importlib.import_module(BOARD_KINDS[kind].partition(":")[0])
