"""A study is a folder: what it varies, who takes part, and where everything lies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from acquire.errors import StudyError
from acquire.files import write_new
from acquire.names import check_pseudonym, check_session, stem_parts
from acquire.sessions import SessionChoice, choose_session, last_session, session_after, session_order
from acquire.study_file import MAINS_HZ, parse, read_study_file, study_text, toml_string
from acquire.subjects import Subject, add_subject, new_list, read_subjects

__all__ = [
    "MAINS_HZ",
    "STUDY_FILE",
    "SessionChoice",
    "Study",
    "Subject",
    "session_after",
    "session_order",
    "toml_string",
]

STUDY_FILE = "study.toml"
SUBJECTS_FILE = "subjects.csv"
FOLDERS = ("journals", "recordings", "labels", "corpora", "models")


@dataclass(frozen=True, kw_only=True)
class Study:
    """An open study folder.

    Attributes:
        path: the folder.
        name: for people.
        mains_hz: 50 or 60.
        montage: lead → {channel: weight}; empty means the board's own.
        board: default board address.
        protocol: default protocol.
        factors: factor → its levels, in the order of study.toml.
    """

    path: Path
    name: str
    mains_hz: int
    montage: Mapping[str, Mapping[str, float]]
    board: str
    protocol: str
    factors: Mapping[str, Sequence[str]]

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        mains_hz: int,
        name: str | None = None,
        board: str = "sim:",
        protocol: str = "dt4ecg",
        factors: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Make a new study folder.

        Args:
            path: a folder that is not there yet, or empty.
            mains_hz: 50 or 60; there is no default.
            name: for people; the folder's own name when None.
            board: default board address.
            protocol: default protocol.
            factors: factor → levels.

        Raises:
            StudyError: the folder holds something already or cannot be written, or study.toml may not have a value.
        """
        path = Path(path)
        text = study_text(
            name=name if name is not None else path.resolve().name or "study",
            mains_hz=mains_hz,
            board=board,
            protocol=protocol,
            factors=factors or {},
        )
        parse(text, path / STUDY_FILE)
        try:
            if path.is_dir() and any(path.iterdir()):
                raise StudyError(
                    f"{path} is not empty; give the study a new folder, or an empty one.", path=path, field="path"
                )
            path.mkdir(parents=True, exist_ok=True)
            for folder in FOLDERS:
                (path / folder).mkdir()
            write_new(path / SUBJECTS_FILE, new_list())
            # The study file comes last: a folder without it is no study, so there is never half of one.
            write_new(path / STUDY_FILE, text.encode())
        except OSError as error:
            raise StudyError(
                f"The study {path} cannot be made: {error.strerror or error}; choose a place where you may write.",
                path=path,
            ) from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a study folder.

        Raises:
            StudyError: it is not a study folder, or its study.toml cannot be used.
        """
        path = Path(path)
        parsed = read_study_file(path / STUDY_FILE)
        _check_folders(path)
        return cls(
            path=path,
            name=parsed.name,
            mains_hz=parsed.mains_hz,
            montage=parsed.montage,
            board=parsed.board,
            protocol=parsed.protocol,
            factors=parsed.factors,
        )

    @property
    def protocol_source(self) -> str | Path:
        """Where to load the default protocol from: a script beside study.toml is found from every folder."""
        beside = self.path / self.protocol
        return beside if self.protocol.endswith(".toml") and beside.is_file() else self.protocol

    @property
    def journals_dir(self) -> Path:
        """Recordings under way, or orphaned by a crash."""
        return self.path / "journals"

    @property
    def recordings_dir(self) -> Path:
        """Finished recordings."""
        return self.path / "recordings"

    @property
    def corpora_dir(self) -> Path:
        """Corpora and their cards."""
        return self.path / "corpora"

    @property
    def models_dir(self) -> Path:
        """A folder per model."""
        return self.path / "models"

    def labels_dir(self, stem: str) -> Path:
        """The layers of the recording with this stem (``sub-S01_ses-01_run-01``)."""
        if stem_parts(stem) is None:
            raise StudyError(
                f"{stem[:100]!r} is not the stem of a recording; one looks like sub-S01_ses-01_run-01.", path=self.path
            )
        return self.path / "labels" / stem

    def recordings(self) -> list[Path]:
        """The finished recordings, ordered by name."""
        if not self.recordings_dir.is_dir():
            return []
        return sorted(file for file in self.recordings_dir.glob("*.h5") if stem_parts(file.stem) is not None)

    def recording_path(self, subject: str, session: str, run: int) -> Path:
        """Where the recording of this subject, session and run lies, or would lie.

        Raises:
            StudyError: the subject or session is no label, or the run is below 1.
        """
        check_pseudonym(subject, self.path / SUBJECTS_FILE)
        check_session(session, self.path)
        if not 1 <= run <= 999_999:
            raise StudyError(
                f"{self.path}: run is {run}; it must be 1 to 999999.", path=self.path, field="run", value=run
            )
        return self.recordings_dir / f"sub-{subject}_ses-{session}_run-{run:02d}.h5"

    def journal_path(self, subject: str, session: str, run: int) -> Path:
        """Where the journal of this recording lies while it is under way."""
        return self.journals_dir / f"{self.recording_path(subject, session, run).stem}.journal"

    def _files(self, subject: str) -> list[Path]:
        """Every recording and journal of a subject."""
        files = self.recordings()
        if self.journals_dir.is_dir():
            files += self.journals_dir.glob("*.journal")
        return [file for file in files if (stem_parts(file.stem) or ("",))[0] == subject]

    def _taken(self, subject: str) -> list[tuple[str, int]]:
        """(session, run) of every recording and journal of a subject."""
        parts = [stem_parts(file.stem) for file in self._files(subject)]
        return [(part[1], part[2]) for part in parts if part is not None]

    def next_run(self, subject: str, session: str) -> int:
        """The first run number behind all recordings and journals of this session."""
        self.recording_path(subject, session, 1)
        return 1 + max((run for of_session, run in self._taken(subject) if of_session == session), default=0)

    def latest_session(self, subject: str) -> str | None:
        """The session of the subject's recording or journal that was begun last, or None where there is none."""
        return last_session(self._files(subject))

    def new_session(self, subject: str) -> str:
        """A session label that the subject does not have yet: one above the highest number."""
        return session_after(session for session, _ in self._taken(subject))

    def choose_session(self, subject: str, asked: str | None) -> SessionChoice:
        """The session that a recording of a subject shall belong to, and why.

        Args:
            subject: pseudonym.
            asked: a label, "new" in any capitals for the next number, or None for the subject's latest one.

        Raises:
            StudyError: the label is none, or differs from another of the subject only in capitals or leading zeros.
        """
        return choose_session(asked, subject=subject, files=self._files(subject), path=self.path)

    def missing_factors(self, given: Collection[str]) -> tuple[str, ...]:
        """The factors that have levels, and of which none is given; in the order of study.toml."""
        return tuple(factor for factor, levels in self.factors.items() if levels and factor not in given)

    def subjects(self) -> list[Subject]:
        """Everybody in subjects.csv, in its order.

        Raises:
            StudyError: the file cannot be read, or a line of it cannot be used.
        """
        return read_subjects(self.path / SUBJECTS_FILE)

    def add_subject(self, pseudonym: str, *, age_band: str = "", sex: str = "", note: str = "") -> Subject:
        """Add a line to subjects.csv; somebody who is there already stays as they are.

        Raises:
            StudyError: the pseudonym is no label or differs from another only in capitals, or the file cannot be
                written.
        """
        subject = Subject(pseudonym=pseudonym, age_band=age_band, sex=sex, note=note)
        return add_subject(self.path / SUBJECTS_FILE, subject)


def _check_folders(path: Path) -> None:
    """Refuse what stands where a folder of the study belongs, before a recording or a recovery stumbles over it."""
    for name in FOLDERS:
        folder = path / name
        if folder.is_dir() or not (folder.exists() or folder.is_symlink()):
            continue
        if folder.is_symlink():
            fault, mend = "is a link that leads to no folder", "mend or remove the link"
        else:
            fault, mend = "is a file, where the study needs a folder", "move it away"
        raise StudyError(f"{folder} {fault}; {mend}.", path=folder)
