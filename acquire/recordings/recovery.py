"""Making recordings of journals that their recorders did not live to finish."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from acquire.errors import JournalError, JournalErrorReason, RecordingError
from acquire.files import TEMPORARY_PREFIX, is_held, remove_leftover, try_hold
from acquire.recorder.control import state_path
from acquire.recordings.content import RecordingContent
from acquire.recordings.finish import RecordingSummary, build_content, discard, keep_evidence, summary_of
from acquire.recordings.journal import JournalContent, read_journal
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.study import Study

__all__ = ["OrphanedJournal", "Recovery", "orphaned_journals", "recover"]

ENDING = "recovered: the recorder died before it could finish"


@dataclass(frozen=True, kw_only=True)
class OrphanedJournal:
    """A journal whose recorder no longer lives.

    Attributes:
        path: the journal.
        n_bytes: its length.
    """

    path: Path
    n_bytes: int


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What came of a recovery.

    Attributes:
        summary: of the recording file.
        was_finished: whether the recording file stood already, and only the journal was left over.
        dropped_bytes: what could not be read at the journal's end.
        dropped_ms: how much signal those bytes can have held at most.
        doubts: what is wrong beyond a torn end, a sentence's middle each.
        evidence: the journal, kept because of the doubts; None when it could go.
    """

    summary: RecordingSummary
    was_finished: bool
    dropped_bytes: int
    dropped_ms: float
    doubts: tuple[str, ...]
    evidence: Path | None

    @property
    def path(self) -> Path:
        """The recording file."""
        return self.summary.path


def orphaned_journals(study: Study) -> list[OrphanedJournal]:
    """The journals that no living recorder holds, ordered by name."""
    orphans = []
    for journal in sorted(study.journals_dir.glob("*.journal")):
        # One that vanishes meanwhile was finished by its recorder.
        with contextlib.suppress(FileNotFoundError):
            # A folder or a pipe of that name is nobody's journal, and may not keep anybody from recording.
            if journal.is_file() and not is_held(journal):
                orphans.append(OrphanedJournal(path=journal, n_bytes=journal.stat().st_size))
    return orphans


def recover(study: Study, journal: Path) -> Recovery:
    """Make a recording of an orphaned journal; the journal goes only when nothing about it is doubtful.

    Raises:
        JournalError: a living process holds the journal, or it cannot be read.
        RecordingError: the recording file cannot be written; the journal stays.
    """
    with _held(journal):
        read = read_journal(journal)
        content, doubts = build_content(read, ending=ENDING)
        path, content = _place(study, content)
        was_finished = path.exists()
        if not was_finished:
            write_recording(path, content)
        _tidy(study, journal)
        evidence = keep_evidence(journal) if doubts else None
        if evidence is None and (left := discard(journal)):
            doubts, evidence = (left,), journal
    return Recovery(
        summary=summary_of(path, content, reason=read.close_reason or ENDING, doubts=doubts),
        was_finished=was_finished,
        dropped_bytes=read.dropped_bytes,
        dropped_ms=_dropped_ms(read, content),
        doubts=doubts,
        evidence=evidence,
    )


@contextlib.contextmanager
def _held(journal: Path) -> Iterator[None]:
    try:
        descriptor = os.open(journal, os.O_RDWR)
    except OSError as error:
        raise JournalError(
            f"{journal} cannot be opened: {error.strerror or error}; see what trilead recover lists.",
            path=journal,
            reason=JournalErrorReason.NOT_A_JOURNAL,
        ) from error
    try:
        if not try_hold(descriptor):
            raise JournalError(
                f"{journal} is being recorded or recovered right now; wait until that has finished.",
                path=journal,
                reason=JournalErrorReason.IN_USE,
            )
        yield
    finally:
        os.close(descriptor)


def _tidy(study: Study, journal: Path) -> None:
    """Remove what the dead recorder left beside its journal; whoever holds the journal's lock may."""
    remove_leftover(state_path(journal))
    for folder in (study.recordings_dir, study.journals_dir):
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*-{journal.stem}.*"):
            remove_leftover(leftover)


def _place(study: Study, content: RecordingContent) -> tuple[Path, RecordingContent]:
    """Where the recording goes: its own run, unless another recording has that name; then the next free one."""
    header = content.header
    path = study.recording_path(header.subject, header.session, header.run)
    while path.exists() and not _is_finished(path, content):
        header = replace(header, run=header.run + 1)
        path = study.recording_path(header.subject, header.session, header.run)
    return path, replace(content, header=header)


def _is_finished(path: Path, content: RecordingContent) -> bool:
    """Whether a recording file holds what the journal does: its recorder died between finishing and tidying up."""
    try:
        with open_recording(path) as recording:
            return recording.header.recording_id == content.header.recording_id and recording.holds(content.counts)
    except RecordingError:
        return False


def _dropped_ms(read: JournalContent, content: RecordingContent) -> float:
    bytes_per_sample = content.counts.dtype.itemsize * len(content.channels)
    return 1000.0 * (read.dropped_bytes // bytes_per_sample) / content.header.nominal_rate_hz
