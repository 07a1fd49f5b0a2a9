"""What came of an import, file by file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from acquire.names import stem_parts
from curate.errors import RefusalReason

__all__ = ["ImportReport", "Imported", "Note", "Refusal", "Skipped"]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that was not taken in; nothing was written for it.

    Attributes:
        path: the file, relative to the folder that was to be imported.
        sentence: what, where, the value, the limit, the mend.
        reason: why, as an enum.
    """

    path: Path
    sentence: str
    reason: RefusalReason


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file whose content is in the study already."""

    path: Path
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something about an imported file that a person should know: a gap, a cut last line, labels that disagree."""

    path: Path
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What one file became.

    Attributes:
        recording: the recording file in the study.
        digest: SHA-256 of the source's content.
        notes: sentences for the report.
        known: True when the recording was there already and only what was missing beside it was added.
        has_activity: False when nothing says what the subject does in a new recording.
    """

    recording: Path
    digest: str
    notes: tuple[str, ...] = ()
    known: bool = False
    has_activity: bool = True


@dataclass(kw_only=True)
class ImportReport:
    """What came of an import.

    Attributes:
        imported: the new recording files.
        refused: what was not taken in, and why.
        skipped: what the study has already.
        notes: what to know about what was imported.
        n_without_activity: how many of the new recordings have no activity label.
        passed_over: how many other files lay in the folders, of kinds that are no recordings.
    """

    imported: list[Path] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    n_without_activity: int = 0
    passed_over: int = 0

    @property
    def n_sessions(self) -> int:
        """How many sessions the new recordings belong to."""
        return len({parts[:2] for path in self.imported if (parts := stem_parts(path.stem)) is not None})
