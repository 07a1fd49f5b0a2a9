"""Which session a recording belongs to: the one that is asked for, or the one of the subject's last recording."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from acquire.errors import AcquireError, StudyError
from acquire.names import check_session, stem_parts

__all__ = ["NEW_SESSION", "SessionChoice", "choose_session", "last_session", "session_after", "session_order"]

NEW_SESSION = "new"
"""What is asked for instead of a label, in any capitals, to begin a session that the subject does not have yet."""


@dataclass(frozen=True, kw_only=True)
class SessionChoice:
    """A session, and why it is this one.

    Attributes:
        label: of the session.
        words: a sentence for whoever records.
    """

    label: str
    words: str


def session_order(session: str) -> tuple[bool, int, str]:
    """What sessions are listed by: those that are numbers come last, by their number."""
    return session.isdigit(), int(session) if session.isdigit() else 0, session


def session_after(sessions: Iterable[str]) -> str:
    """A session label that comes after these: one above the highest number."""
    return f"{1 + max((int(session) for session in sessions if session.isdigit()), default=0):02d}"


def last_session(files: Sequence[Path]) -> str | None:
    """The session of whichever recording was begun last, or None where there is none.

    When a recording was begun stands in the file. Of each session only the run with the highest number is looked into,
    and nothing is where there is but one session. A file that cannot be read counts by when it was last written.

    Args:
        files: recordings and journals of one subject.
    """
    newest: dict[str, tuple[int, Path]] = {}
    for file in files:
        if (parts := stem_parts(file.stem)) is not None:
            _, session, run = parts
            newest[session] = max(newest.get(session, (0, file)), (run, file))
    if len(newest) <= 1:
        return next(iter(newest), None)
    return max(newest, key=lambda session: (_begun_at(newest[session][1]), session_order(session)))


def choose_session(asked: str | None, *, subject: str, files: Sequence[Path], path: Path) -> SessionChoice:
    """The session that a recording shall belong to.

    Args:
        asked: a label, `NEW_SESSION` in any capitals, or None for the subject's last one.
        subject: pseudonym.
        files: the subject's recordings and journals.
        path: the study, for messages.

    Raises:
        StudyError: the label is none, or differs from another of the subject only in capitals or leading zeros.
    """
    known = {parts[1] for file in files if (parts := stem_parts(file.stem)) is not None}
    if asked is None:
        last = last_session(files)
        if last is None:
            return SessionChoice(label="01", words=f"Session 01, the first of {subject}.")
        words = f"Session {last}, as in the last recording of {subject}; --session new begins another."
        return SessionChoice(label=last, words=words)
    if asked.lower() == NEW_SESSION:
        label = session_after(known)
        return SessionChoice(label=label, words=f"Session {label}, new for {subject}.")
    check_session(asked, path)
    _check_unlike(asked, known, subject, path)
    words = (
        f"Session {asked}, which {subject} has already." if asked in known else f"Session {asked}, new for {subject}."
    )
    return SessionChoice(label=asked, words=words)


def _check_unlike(asked: str, known: Collection[str], subject: str, path: Path) -> None:
    """Refuse what some disks, or most people, cannot tell from a session that is there already."""
    if asked in known:
        return
    alike = next((session for session in sorted(known) if _bare(session) == _bare(asked)), None)
    if alike is not None:
        raise StudyError(
            f"{path}: {subject} has the session {alike} already, and {asked} differs from it only in capitals or"
            f" leading zeros; use {alike}, or another label.",
            path=path,
            field="session",
            value=asked,
        )


def _bare(session: str) -> str:
    return session.lower().lstrip("0")


def _begun_at(file: Path) -> datetime:
    try:
        begun_at = datetime.fromisoformat(_started_at(file))
    except (AcquireError, OSError, ValueError, KeyError, TypeError):
        try:
            return datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except OSError:
            # It has gone meanwhile.
            return datetime.min.replace(tzinfo=UTC)
    return begun_at if begun_at.tzinfo is not None else begun_at.replace(tzinfo=UTC)


def _started_at(file: Path) -> str:
    if file.suffix == ".journal":
        from acquire.recordings.journal import JournalTail

        with JournalTail(file) as journal:
            return str(journal.header["header"]["started_at"])
    # HDF5 comes in only where it is needed, and sees no file whose seal is broken.
    from acquire.recordings.recording import open_recording

    with open_recording(file) as recording:
        return recording.header.started_at
