"""How the recording app looks and sounds in one study: ``preferences.toml`` beside ``study.toml``.

The file is text that people may edit, so nothing in it is taken on trust. One that cannot be used never keeps anybody
from recording: the app goes on as it comes, says why, and keeps the file when it writes another.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acquire.errors import StudyError
from acquire.files import fsync_folder, remove_leftover, temporary_beside, write_temporary
from acquire.recordings.finish import keep_evidence
from acquire.study import toml_string

__all__ = ["GAINS_MM_PER_MV", "PREFERENCES_FILE", "Preferences", "load_preferences", "save_preferences"]

PREFERENCES_FILE = "preferences.toml"
GAINS_MM_PER_MV = (2.5, 5.0, 10.0, 20.0, 40.0)
MAX_MARKS = 9
MAX_OPERATORS = 8
_MAX_FILE_BYTES = 64 * 1024

Language = Literal["system", "en", "de"]
Theme = Literal["system", "light", "dark"]
Cues = Literal["beep", "voice", "off"]


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What the operators of a study like.

    Attributes:
        language: of the window.
        theme: light or dark.
        text_scale: 1 as it comes, 0.8 to 2.
        span_s: how much signal the traces show, 5 to 30 s.
        gain_mm_per_mv: how high a millivolt is drawn; one of ``GAINS_MM_PER_MV``.
        grid: whether ECG paper is drawn behind the traces.
        filtered: whether the traces are filtered for showing; the recording never is.
        cues: how the start of a step is announced.
        marks: names of the marks on the keys 1 to 9.
        operators: who recorded of late, the last one first.
        subject_screen: name of the screen for the subject's window; "" for the second one.
    """

    language: Language = "system"
    theme: Theme = "system"
    text_scale: float = 1.0
    span_s: float = 10.0
    gain_mm_per_mv: float = 10.0
    grid: bool = True
    filtered: bool = True
    cues: Cues = "beep"
    marks: tuple[str, ...] = ("movement", "talking", "cough", "electrode touched", "other")
    operators: tuple[str, ...] = ()
    subject_screen: str = ""

    def with_operator(self, operator: str) -> Self:
        """The same with somebody as the last one who recorded; "" changes nothing."""
        if not operator:
            return self
        others = [other for other in self.operators if other != operator]
        return replace(self, operators=(operator, *others)[:MAX_OPERATORS])


# Something to read, on one line.
_Name = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f]+.*$")
]
_MarkName = Annotated[_Name, Field(max_length=32)]


class _PreferencesFile(BaseModel):
    """The schema of preferences.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    language: Language = "system"
    theme: Theme = "system"
    text_scale: Annotated[float, Field(ge=0.8, le=2.0, allow_inf_nan=False)] = 1.0
    span_s: Annotated[float, Field(ge=5, le=30, allow_inf_nan=False)] = 10.0
    gain_mm_per_mv: float = 10.0
    grid: bool = True
    filtered: bool = True
    cues: Cues = "beep"
    marks: list[_MarkName] = Field(default_factory=lambda: list(Preferences().marks), max_length=MAX_MARKS)
    operators: list[_Name] = Field(default_factory=list, max_length=MAX_OPERATORS)
    subject_screen: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""


def load_preferences(study_path: Path) -> tuple[Preferences, str]:
    """Read a study's preferences.

    Returns:
        What stands in the file, or the defaults where there is none or it cannot be used; and, in that last case, a
        sentence that says why, else "".
    """
    file = study_path / PREFERENCES_FILE
    try:
        return _parse(_read(file), file), ""
    except FileNotFoundError:
        return Preferences(), ""
    except StudyError as error:
        return Preferences(), str(error)


def save_preferences(study_path: Path, preferences: Preferences) -> None:
    """Write a study's preferences; the file changes as a whole or not at all.

    A file that cannot be used is kept beside it as ``preferences.kept-01``.

    Raises:
        StudyError: a value cannot be, or the file cannot be written; then it is as it was.
    """
    file = study_path / PREFERENCES_FILE
    text = _text(preferences)
    temporary = temporary_beside(file)
    try:
        _parse(text, file)
        data = text.encode()
        if file.is_dir():
            raise IsADirectoryError(0, "it is a folder", str(file))
        if load_preferences(study_path)[1]:
            keep_evidence(file)
        write_temporary(temporary, data)
        temporary.replace(file)
        fsync_folder(study_path)
    except (OSError, UnicodeEncodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "a text in them is broken") or error
        raise StudyError(
            f"{file} cannot be written: {why}; the preferences hold until the window closes.", path=file
        ) from error
    finally:
        remove_leftover(temporary)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise _unusable(file, f"it is larger than {_MAX_FILE_BYTES // 1024} KiB, which no preferences are")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise _unusable(file, "it is not UTF-8 text") from error
    except OSError as error:
        raise _unusable(file, str(error.strerror or error)) from error


def _parse(text: str, file: Path) -> Preferences:
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).rstrip(".")
        raise _unusable(file, f"this is not TOML ({detail[:200]})") from error
    try:
        parsed = _PreferencesFile.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(_PreferencesFile.model_fields)
            raise _unusable(file, f"there is no setting {field[:40]!r}, the settings are {known}") from error
        rule = first["msg"]
        raise _unusable(file, f"{field} is {str(first['input'])[:40]!r}: {rule[0].lower()}{rule[1:]}") from error
    if parsed.gain_mm_per_mv not in GAINS_MM_PER_MV:
        gains = ", ".join(f"{gain:g}" for gain in GAINS_MM_PER_MV)
        raise _unusable(file, f"gain_mm_per_mv is {parsed.gain_mm_per_mv:g}, which is none of {gains}")
    values = parsed.model_dump()
    return Preferences(**{**values, "marks": tuple(parsed.marks), "operators": tuple(parsed.operators)})


def _unusable(file: Path, fault: str) -> StudyError:
    return StudyError(
        f"{file} cannot be used, so everything is set as it comes: {fault}; mend the file or save new preferences.",
        path=file,
    )


_COMMENTS = {
    "language": '"system", "en" or "de"',
    "theme": '"system", "light" or "dark"',
    "text_scale": "size of all text, 0.8 to 2.0",
    "span_s": "how many seconds of signal are shown, 5 to 30",
    "gain_mm_per_mv": "how high a millivolt is drawn: 2.5, 5, 10, 20 or 40",
    "grid": "ECG paper behind the traces",
    "filtered": "0.5 to 40 Hz without mains hum, for showing only: what is recorded is never filtered",
    "cues": 'how a step begins: "beep", "voice" or "off"',
    "marks": "names of the marks on the keys 1 to 9",
    "operators": "who recorded of late, the last one first",
    "subject_screen": "the screen for the subject's window; empty for the second one",
}


def _text(preferences: Preferences) -> str:
    lines = ["# How the recording app looks and sounds in this study. The app writes this file; so may you."]
    for name, value in asdict(preferences).items():
        lines.append(f"{name} = {_value(value)}  # {_COMMENTS[name]}")
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
