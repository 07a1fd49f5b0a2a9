"""What can go wrong, and what a person can do about it.

TrileadError
└── ProtocolError
    ├── ScriptNotFound
    ├── ScriptUnreadable
    ├── ScriptInvalid
    └── PlayerStateError

The other rooms hang their own errors under ``TrileadError``, each in its ``errors.py``.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = [
    "PlayerStateError",
    "ProtocolError",
    "ScriptInvalid",
    "ScriptNotFound",
    "ScriptUnreadable",
    "TrileadError",
    "UnreadableReason",
]


class TrileadError(Exception):
    """Something that the person at the keyboard can mend.

    ``str(error)`` is one sentence: what, where, the value, the limit, the mend. Commands print it and exit with code 2.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as it is; Python would call the class anew with nothing but the sentence."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[TrileadError], args: tuple[Any, ...], state: dict[str, Any]) -> TrileadError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ProtocolError(TrileadError):
    """A protocol script or its player was used in a way that cannot work."""


class ScriptNotFound(ProtocolError):
    """No script has this name.

    Attributes:
        name: what was asked for.
        known: the names of the shipped scripts.
    """

    def __init__(self, name: str, *, known: tuple[str, ...], close: tuple[str, ...] = ()) -> None:
        self.name = name
        self.known = known
        hint = f"did you mean {' or '.join(close)}?" if close else f"shipped scripts are {', '.join(known)}."
        super().__init__(
            f"There is no protocol named {name!r}; {hint} A path ending in .toml names a script of your own."
        )


class UnreadableReason(Enum):
    """Why no text could be had from a script file."""

    MISSING = "there is no such file"
    FOLDER = "it is a folder"
    REFUSED = "the system refuses to open it"
    TOO_LARGE = "it is too large"
    NOT_TEXT = "it is not UTF-8 text"


class ScriptUnreadable(ProtocolError):
    """A script file gives no text.

    Attributes:
        path: the file as it was named.
        reason: why.
    """

    def __init__(self, path: str, reason: UnreadableReason, *, mend: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be read as a protocol: {reason.value}; {mend}")


class ScriptInvalid(ProtocolError):
    """A script's text breaks the schema.

    Attributes:
        where: the file (or shipped name) the text came from.
        step: 1-based number of the offending step, or None.
        field: the offending field, or None.
        value: what stood there.
    """

    def __init__(
        self, message: str, *, where: str, step: int | None = None, field: str | None = None, value: object = None
    ) -> None:
        self.where = where
        self.step = step
        self.field = field
        self.value = value
        place = where if step is None else f"{where}, step {step}"
        super().__init__(f"{place}: {message}")


class PlayerStateError(ProtocolError):
    """A command came that the player cannot obey in its present phase; nothing was changed."""
