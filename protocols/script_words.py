"""How a refused field of a script is put into words: pydantic's finding becomes a sentence to act on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

__all__ = ["Complaint", "complaint", "demand", "shown"]

_KINDS = {
    "string_type": "text in quotes",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
}
_PATTERNS = {
    "activity": "must be a lower-case word of letters, digits, - and _, at most 32 long",
    "activities": "must be a lower-case word of letters, digits, - and _, at most 32 long",
    "tags": "must be a word of letters, digits, - and _, at most 32 long",
}
_VISIBLE = "must have something to read in it and no control characters"


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """The first thing wrong with a table.

    Attributes:
        sentence: the field, its value, the limit.
        step: 1-based number of the step, or None.
        field: the name of the field, or None.
        value: what stood there.
    """

    sentence: str
    step: int | None
    field: str | None
    value: object


def complaint(error: ValidationError, models: Mapping[str, type[BaseModel]]) -> Complaint:
    """Put the first finding of pydantic into words.

    Args:
        error: what pydantic raised.
        models: table name ("" for the top) → its model, for guessing which key a misspelt one was meant to be.
    """
    found = error.errors(include_url=False)[0]
    place = list(found["loc"])
    step: int | None = None
    table = ""
    if len(place) >= 2 and place[0] == "steps" and isinstance(place[1], int):
        step, table, place = place[1] + 1, "steps", place[2:]
    field = str(place[0]) if place else None
    kind, value, limits = found["type"], found["input"], found.get("ctx", {})
    if kind == "missing":
        return Complaint(sentence=f"{field} is missing; it must be given.", step=step, field=field, value=None)
    if kind == "extra_forbidden":
        known = list(models[table].model_fields)
        close = difflib.get_close_matches(str(field), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}."
        return Complaint(sentence=f"the key {shown(field)} is unknown; {hint}", step=step, field=field, value=value)
    named = field or ("a step" if table else "the script")
    if field in ("tags", "activities") and len(place) > 1:
        named = f"{field} has an entry that"
    sentence = f"{named} is {shown(value)}; it {demand(kind, limits, field)}."
    return Complaint(sentence=sentence, step=step, field=field, value=value)


def demand(kind: str, limits: Mapping[str, Any], field: str | None = None) -> str:
    """What a value must be, as in "must not be empty".

    Args:
        kind: what pydantic calls the mistake.
        limits: the limits that pydantic gives with it.
        field: of a script, where it has words of its own for its pattern.
    """
    match kind:
        case "greater_than":
            return f"must be above {limits['gt']:g}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']:g}"
        case "less_than_equal":
            return f"must be at most {limits['le']:g}"
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            return f"must be at most {limits['max_length']} characters long"
        case "too_short":
            least = limits["min_length"]
            return f"must have at least {least} {'entry' if least == 1 else 'entries'}"
        case "too_long":
            return f"must have at most {limits['max_length']} entries"
        case "literal_error":
            return f"must be {limits['expected']}"
        case "string_pattern_mismatch":
            return _PATTERNS.get(field or "", _VISIBLE)
        case _:
            return f"must be {_KINDS.get(kind, 'a value of another kind')}"


def shown(value: object) -> str:
    """A value from outside as it can stand in a message: of bounded length, without control characters."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**60:
        return "a number of more than 60 digits"
    # The value is hostile text as far as we know: repr keeps control characters from reaching a terminal.
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
