"""A study is a folder: what it varies, who takes part, and where everything lies.

``study.toml`` is edited by people, so it is read as text from outside: through a schema, with a sentence for each
mistake.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from acquire.errors import StudyError
from acquire.files import fsync_folder, write_new
from acquire.names import check_pseudonym, check_session, stem_parts

__all__ = ["MAINS_HZ", "STUDY_FILE", "Study", "Subject"]

MAINS_HZ = (50, 60)
STUDY_FILE = "study.toml"
SUBJECTS_FILE = "subjects.csv"
FOLDERS = ("journals", "recordings", "labels", "corpora", "models")
_MAX_STUDY_FILE_BYTES = 1_000_000
_SUBJECT_COLUMNS = ("pseudonym", "age_band", "sex", "note")


class _StudyFile(BaseModel):
    """The schema of study.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1, max_length=100)
    mains_hz: int
    board: str = Field(default="sim:", min_length=1, max_length=500)
    protocol: str = Field(default="dt4ecg", min_length=1, max_length=500)
    factors: dict[str, list[str]] = Field(default_factory=dict, max_length=32)
    montage: dict[str, dict[str, float]] = Field(default_factory=dict, max_length=64)

    @field_validator("mains_hz", mode="before")
    @classmethod
    def _is_a_mains_frequency(cls, value: object) -> object:
        if type(value) is not int or value not in MAINS_HZ:
            raise ValueError("it must be 50 or 60, the mains frequency where the study is recorded")
        return value

    @field_validator("factors")
    @classmethod
    def _are_labels(cls, factors: dict[str, list[str]]) -> dict[str, list[str]]:
        for factor, levels in factors.items():
            for label in (factor, *levels):
                if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", label):
                    raise ValueError(
                        f"{label[:40]!r} names no factor or level; use 1 to 32 letters, digits and _, a letter first"
                    )
            if len(set(levels)) != len(levels):
                raise ValueError(f"{factor} has a level twice; name each level once")
        return factors


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One line of subjects.csv; everything but the pseudonym may be empty."""

    pseudonym: str
    age_band: str = ""
    sex: str = ""
    note: str = ""


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
        text = _study_text(
            name=name if name is not None else path.resolve().name or "study",
            mains_hz=mains_hz,
            board=board,
            protocol=protocol,
            factors=factors or {},
        )
        _parse(text, path / STUDY_FILE)
        try:
            if path.is_dir() and any(path.iterdir()):
                raise StudyError(
                    f"{path} is not empty; give the study a new folder, or an empty one.", path=path, field="path"
                )
            path.mkdir(parents=True, exist_ok=True)
            for folder in FOLDERS:
                (path / folder).mkdir()
            write_new(path / SUBJECTS_FILE, (",".join(_SUBJECT_COLUMNS) + "\n").encode())
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
        file = path / STUDY_FILE
        try:
            if file.stat().st_size > _MAX_STUDY_FILE_BYTES:
                raise StudyError(f"{file} is larger than 1 MB, which no study file is; look what it holds.", path=file)
            text = file.read_bytes().decode("utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StudyError(
                f"{path} is not a study folder: it has no {STUDY_FILE}; make one with trilead new {path} --mains-hz 50",
                path=path,
            ) from error
        except UnicodeDecodeError as error:
            raise StudyError(f"{file} is not UTF-8 text; save it as UTF-8.", path=file) from error
        except OSError as error:
            raise StudyError(
                f"{file} cannot be read: {error.strerror or error}; mend its permissions.", path=file
            ) from error
        parsed = _parse(text, file)
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

    def _taken(self, subject: str) -> list[tuple[str, int]]:
        """(session, run) of every recording and journal of a subject."""
        stems = [file.stem for file in self.recordings()]
        if self.journals_dir.is_dir():
            stems += [file.stem for file in self.journals_dir.glob("*.journal")]
        parts = [stem_parts(stem) for stem in stems]
        return [(part[1], part[2]) for part in parts if part is not None and part[0] == subject]

    def next_run(self, subject: str, session: str) -> int:
        """The first run number behind all recordings and journals of this session."""
        self.recording_path(subject, session, 1)
        return 1 + max((run for of_session, run in self._taken(subject) if of_session == session), default=0)

    def latest_session(self, subject: str) -> str | None:
        """The last session of a subject that has a recording or journal, or None."""
        sessions = {session for session, _ in self._taken(subject)}
        return max(
            sessions,
            key=lambda session: (session.isdigit(), int(session) if session.isdigit() else 0, session),
            default=None,
        )

    def new_session(self, subject: str) -> str:
        """A session label that the subject does not have yet: one above the highest number."""
        numbers = [int(session) for session, _ in self._taken(subject) if session.isdigit()]
        return f"{1 + max(numbers, default=0):02d}"

    def subjects(self) -> list[Subject]:
        """Everybody in subjects.csv, in its order.

        Raises:
            StudyError: the file cannot be read, or a line of it cannot be used.
        """
        file = self.path / SUBJECTS_FILE
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{file} cannot be read as UTF-8 text; save it again as UTF-8 CSV.", path=file) from error
        # Strict: an unclosed quote would otherwise swallow every subject after it.
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if "pseudonym" not in (reader.fieldnames or ()):
            raise StudyError(
                f"{file} has no column pseudonym; its first line must be {','.join(_SUBJECT_COLUMNS)}.",
                path=file,
                field="pseudonym",
            )
        subjects: list[Subject] = []
        try:
            for row in reader:
                subject = Subject(**{column: (row.get(column) or "").strip() for column in _SUBJECT_COLUMNS})
                check_pseudonym(subject.pseudonym, file, line=reader.line_num)
                subjects.append(subject)
        except csv.Error as error:
            raise StudyError(f"{file}, line {reader.line_num}: {error}; mend the line.", path=file) from error
        return subjects

    def add_subject(self, pseudonym: str, *, age_band: str = "", sex: str = "", note: str = "") -> Subject:
        """Add a line to subjects.csv; somebody who is there already stays as they are.

        Raises:
            StudyError: the pseudonym is no label or differs from another only in capitals, or the file cannot be
                written.
        """
        file = self.path / SUBJECTS_FILE
        check_pseudonym(pseudonym, file)
        for subject in self.subjects():
            if subject.pseudonym == pseudonym:
                return subject
            if subject.pseudonym.lower() == pseudonym.lower():
                raise StudyError(
                    f"{file} has {subject.pseudonym} already, and {pseudonym} differs only in its capitals, which some"
                    " disks cannot tell apart; use that one or another pseudonym.",
                    path=file,
                    field="pseudonym",
                    value=pseudonym,
                )
        subject = Subject(pseudonym=pseudonym, age_band=age_band, sex=sex, note=note)
        buffer = io.StringIO(newline="")
        if not file.exists():
            csv.writer(buffer, lineterminator="\n").writerow(_SUBJECT_COLUMNS)
        elif not file.read_bytes().endswith(b"\n"):
            buffer.write("\n")
        csv.writer(buffer, lineterminator="\n").writerow([pseudonym, age_band, sex, note])
        try:
            with file.open("ab") as stream:
                stream.write(buffer.getvalue().encode())
                stream.flush()
                os.fsync(stream.fileno())
            fsync_folder(self.path)
        except OSError as error:
            raise StudyError(
                f"{file} cannot be written: {error.strerror or error}; mend its permissions.", path=file
            ) from error
        return subject


def _toml_string(text: str) -> str:
    # JSON's escapes are TOML's too, but TOML also wants the delete character escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _study_text(*, name: str, mains_hz: int, board: str, protocol: str, factors: Mapping[str, Sequence[str]]) -> str:
    lines = [
        f"name = {_toml_string(name)}",
        f"mains_hz = {mains_hz}  # 50 or 60: the mains frequency where the study is recorded",
        f"board = {_toml_string(board)}  # default board",
        f"protocol = {_toml_string(protocol)}  # default protocol: a shipped one, or a .toml file beside this one",
        "",
        "[factors]  # what the study varies on purpose, and the levels of each",
    ]
    lines += [
        f"{_toml_string(factor)} = [{', '.join(map(_toml_string, levels))}]" for factor, levels in factors.items()
    ]
    lines += [
        "",
        "[montage]  # how leads are made of channels; empty: as the board says. Example: II = { CH2 = 1.0 }",
    ]
    return "\n".join(lines) + "\n"


def _parse(text: str, file: Path) -> _StudyFile:
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudyError(f"{file} is not TOML: {error}; mend that line.", path=file) from error
    if "mains_hz" not in table:
        raise StudyError(
            f"{file}: mains_hz is missing; add the line mains_hz = 50 (or 60), the mains frequency where you record.",
            path=file,
            field="mains_hz",
        )
    try:
        return _StudyFile.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(_StudyFile.model_fields)
            message = f"{file}: there is no setting {field[:60]!r}; the settings are {known}."
        else:
            rule = first["msg"].removeprefix("Value error, ")
            message = f"{file}: {field} is {str(first['input'])[:60]!r}; {rule[0].lower()}{rule[1:]}."
        raise StudyError(message, path=file, field=field, value=first["input"]) from error
