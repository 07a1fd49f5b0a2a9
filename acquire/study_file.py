"""``study.toml``, which people edit: read as text from outside, through a schema, with a sentence for each mistake."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from acquire.errors import StudyError
from protocols.script_words import demand, shown

__all__ = ["MAINS_HZ", "StudyFile", "parse", "read_study_file", "study_text", "toml_string"]

MAINS_HZ = (50, 60)
_MAX_BYTES = 1_000_000


class StudyFile(BaseModel):
    """The schema of study.toml; what each setting is stands with `acquire.study.Study`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1, max_length=100)
    mains_hz: int
    board: str = Field(default="sim:", min_length=1, max_length=500)
    protocol: str = Field(default="dt4ecg", min_length=1, max_length=500)
    factors: dict[str, list[str]] = Field(default_factory=dict, max_length=32)
    montage: dict[str, dict[str, float]] = Field(default_factory=dict, max_length=64)

    @field_validator("name")
    @classmethod
    def _can_be_shown(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError(f"name is {shown(name)}; it must be one line without control characters")
        return name

    @field_validator("mains_hz", mode="before")
    @classmethod
    def _is_a_mains_frequency(cls, value: object) -> object:
        if isinstance(value, str) and value.strip() in map(str, MAINS_HZ):
            raise ValueError(f"mains_hz is {shown(value)}, which is text; write {value.strip()} without quotes")
        if type(value) is not int or value not in MAINS_HZ:
            raise ValueError(
                f"mains_hz is {shown(value)}; it must be 50 or 60, the mains frequency where the study is recorded"
            )
        return value

    @field_validator("factors")
    @classmethod
    def _are_labels(cls, factors: dict[str, list[str]]) -> dict[str, list[str]]:
        for factor, levels in factors.items():
            for label in (factor, *levels):
                if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", label):
                    raise ValueError(
                        f"{shown(label)} names no factor or level; use 1 to 32 letters, digits and _, a letter first"
                    )
            if twice := [level for level in levels if levels.count(level) > 1]:
                raise ValueError(f"the factor {factor} has the level {twice[0]} twice; name each level once")
        return factors


def read_study_file(file: Path) -> StudyFile:
    """What a study.toml says.

    Raises:
        StudyError: it is not there, cannot be read, or breaks the schema.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise StudyError(f"{file} is larger than 1 MB, which no study file is; look what it holds.", path=file)
        # Some editors put a byte order mark in front of UTF-8.
        text = file.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        folder = file.parent
        raise StudyError(
            f"{folder} is not a study folder: it has no {file.name}; make one with trilead new {folder} --mains-hz 50",
            path=folder,
        ) from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{file} is not UTF-8 text; save it as UTF-8.", path=file) from error
    except OSError as error:
        raise StudyError(
            f"{file} cannot be read: {error.strerror or error}; mend its permissions.", path=file
        ) from error
    return parse(text, file)


def parse(text: str, file: Path) -> StudyFile:
    """What the text of a study.toml says.

    Args:
        text: TOML.
        file: where errors are said to be.

    Raises:
        StudyError: it breaks the schema.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{file} is not TOML: {str(error).rstrip('.')}; mend that line.", path=file) from error
    if "mains_hz" not in table:
        raise StudyError(
            f"{file}: mains_hz is missing; add the line mains_hz = 50 (or 60), the mains frequency where you record.",
            path=file,
            field="mains_hz",
        )
    try:
        return StudyFile.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, value = ".".join(map(str, first["loc"])), first["input"]
        clause = _clause(first["type"], first["msg"], field, value, first.get("ctx", {}))
        raise StudyError(f"{file}: {clause}.", path=file, field=field, value=value) from error


def _clause(kind: str, message: str, field: str, value: object, limits: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return f"there is no setting {shown(field)}; the settings are {', '.join(StudyFile.model_fields)}"
    if kind == "missing":
        return f"{field} is missing; add it"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return f"{field if field.isprintable() else shown(field)} is {shown(value)}; it {demand(kind, limits)}"


def toml_string(text: str) -> str:
    """A text as TOML writes it."""
    # JSON's escapes are TOML's too, but TOML also wants the delete character escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def study_text(*, name: str, mains_hz: int, board: str, protocol: str, factors: Mapping[str, Sequence[str]]) -> str:
    """The text of a new study.toml; it may still break the schema."""
    lines = [
        f"name = {toml_string(name)}",
        f"mains_hz = {mains_hz}  # 50 or 60: the mains frequency where the study is recorded",
        f"board = {toml_string(board)}  # default board",
        f"protocol = {toml_string(protocol)}  # default protocol: a shipped one, or a .toml file beside this one",
        "",
        "[factors]  # what the study varies on purpose, and the levels of each",
    ]
    lines += [f"{toml_string(factor)} = [{', '.join(map(toml_string, levels))}]" for factor, levels in factors.items()]
    lines += [
        "",
        "[montage]  # how leads are made of channels; empty: as the board says. Example: II = { CH2 = 1.0 }",
    ]
    return "\n".join(lines) + "\n"
