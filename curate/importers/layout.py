r"""The layout file: a person's description of a CSV or TSV file, as TOML.

delimiter = ";"            # "," ";" "\t" or " " for any run of blanks
header_lines = 1           # lines before the first row; the last of them names the columns
decimal_comma = true       # 0,5 is a half
rate_hz = 500              # needed where there is no time column
missing = ["", "NaN"]      # cells that say that a sample is missing
encoding = "utf-8"

[time]                     # may be left out
column = "time"            # a name, or a number from 1
unit = "ms"                # s, ms, us, ns, samples, or iso (2024-03-26T14:58:13.300)
origin = "unix"            # counted from 1970; none unless said

[[channel]]
column = 2
name = "ecg2"              # the column's own name unless said
lead = "II"                # left out where it is no lead
unit = "mV"
gain = 0.001               # units per count; 1 unless said
offset = 2048              # count at zero; 0 unless said
"""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curate.errors import CurateError
from protocols.script_words import demand, shown

__all__ = ["ChannelLayout", "Layout", "TimeLayout", "read_layout"]

_MAX_BYTES = 256 * 1024

Column = int | str


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TimeLayout(_Table):
    """Where a row says when it was taken."""

    column: Column
    unit: Literal["s", "ms", "us", "ns", "samples", "iso"]
    origin: Literal["none", "unix"] = "none"


class ChannelLayout(_Table):
    """One column of samples: ``value = (count − offset) · gain``, in ``unit``."""

    column: Column
    name: str | None = Field(default=None, min_length=1, max_length=64)
    lead: str | None = Field(default=None, min_length=1, max_length=32)
    unit: str = Field(min_length=0, max_length=64)
    gain: float = 1.0
    offset: float = 0.0


class Layout(_Table):
    """A described layout."""

    delimiter: Literal[",", ";", "\t", " ", "|"]
    header_lines: int = Field(default=0, ge=0, le=1000)
    decimal_comma: bool = False
    rate_hz: float | None = Field(default=None, gt=0, le=1e6)
    missing: list[str] = Field(default_factory=list, max_length=20)
    encoding: str = "utf-8"
    time: TimeLayout | None = None
    channel: list[ChannelLayout] = Field(min_length=1, max_length=256)

    @model_validator(mode="after")
    def _fits_together(self) -> Layout:
        if self.rate_hz is None and (self.time is None or self.time.unit == "samples"):
            raise ValueError("it needs rate_hz, or a [time] column in a unit of time")
        if self.decimal_comma and self.delimiter == ",":
            raise ValueError("the delimiter is a comma, so a decimal one could not be told from it")
        columns = [channel.column for channel in self.channel]
        if self.time is not None:
            columns.append(self.time.column)
        if len(set(columns)) < len(columns):
            twice = next(column for column in columns if columns.count(column) > 1)
            raise ValueError(f"the column {shown(twice)} stands there twice; name each column once")
        if any(isinstance(column, int) and not 1 <= column <= 10_000 for column in columns):
            wrong = next(column for column in columns if isinstance(column, int) and not 1 <= column <= 10_000)
            raise ValueError(f"a column is {shown(wrong)}; columns are counted from 1, and to 10000 at most")
        if self.header_lines == 0 and any(isinstance(column, str) for column in columns):
            raise ValueError("a column has a name, but header_lines is 0, so that no line gives names")
        for number, channel in enumerate(self.channel, start=1):
            if channel.gain == 0:
                raise ValueError(f"[[channel]] {number}: gain is 0; it must be another number")
        leads = [channel.lead for channel in self.channel if channel.lead is not None]
        if len(set(leads)) < len(leads):
            twice_lead = next(lead for lead in leads if leads.count(lead) > 1)
            raise ValueError(f"the lead {shown(twice_lead)} stands there twice; name each lead once")
        try:
            usable = "a;1".encode(self.encoding) == b"a;1" and codecs.lookup(self.encoding)
        except (LookupError, UnicodeError, TypeError):
            usable = None
        if not usable:
            raise ValueError(f"the encoding {self.encoding[:40]!r} is none that keeps ASCII, like utf-8 or latin-1")
        return self


def read_layout(path: Path) -> Layout:
    """Read a layout file.

    Raises:
        CurateError: it cannot be read, is no TOML, or breaks a rule.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise CurateError(f"The layout {path} is larger than {_MAX_BYTES >> 10} KiB; look what it holds.")
        table = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise CurateError(f"The layout {path} cannot be read: {error.strerror}; give a TOML file.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CurateError(f"The layout {path} is not TOML: {str(error)[:150]}; mend that line.") from error
    try:
        return Layout.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        clause = _clause(first["type"], first["loc"], first["input"], first.get("ctx", {}), str(first["msg"]))
        raise CurateError(f"The layout {path}: {clause}; docs/importing.md shows one.") from error


def _clause(kind: str, loc: Sequence[int | str], value: object, limits: Mapping[str, Any], message: str) -> str:
    """The first finding of pydantic, with its place as a person writes and counts it."""
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    names, where = list(loc), ""
    table: type[_Table] = Layout
    if len(names) > 1 and names[0] == "channel":
        table, where = ChannelLayout, f"[[channel]] {int(names[1]) + 1}"
        names = names[2:]
    elif len(names) > 1 and names[0] == "time":
        table, where = TimeLayout, "[time]"
        names = names[1:]
    if not names:
        return f"{where} is {shown(value)}; it {demand(kind, limits)}"
    name, start = str(names[0]), f"{where}: " if where else ""
    if kind == "extra_forbidden":
        return f"{start}there is no key {shown(name)}; the keys are {', '.join(table.model_fields)}"
    if kind == "missing":
        if name == "channel":
            return "[[channel]] is missing; add one for each column of samples"
        return f"{start}{name} is missing; add it"
    if name == "column":
        return f"{start}column is {shown(value)}; it must be a column's name in quotes, or its number from 1"
    if name == "delimiter":
        return f"delimiter is {shown(value)}; it must be ',', ';', '|', '\\t' or ' '"
    if name == "missing" and len(names) > 1:
        name = f"entry {int(names[1]) + 1} of missing"
    if kind == "bool_type":
        return f"{start}{name} is {shown(value)}; it must be true or false"
    return f"{start}{name} is {shown(value)}; it {demand(kind, limits)}"
