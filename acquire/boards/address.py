"""Reading a board address: ``scheme:target?option=value&option=value``.

The target is what the board is reached by (a port, a serial number, a file, a name); the options are checked one by
one, so that a mistake is named before anybody wears electrodes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

from acquire.errors import BoardError, BoardErrorReason

__all__ = ["Address", "number", "one_of", "short", "whole"]

_MAX_ADDRESS = 4096

T = TypeVar("T")


class Address:
    """A board address taken apart.

    Attributes:
        text: as the operator gave it.
        scheme: before the colon.
        target: between the colon and the question mark, percent-decoded; may be empty.
    """

    def __init__(self, text: str, *, options: Sequence[str], example: str) -> None:
        """Take an address apart.

        Args:
            text: as the operator gave it.
            options: the names that may stand in its query.
            example: how an address of this kind looks, for messages.

        Raises:
            BoardError: it is too long, its query cannot be read, or names an option that is unknown or doubled.
        """
        self.text = text
        if len(text) > _MAX_ADDRESS or not text.isprintable():
            raise BoardError(
                f"The board address {short(text)} is longer than {_MAX_ADDRESS} characters or holds control"
                f" characters; write {example}.",
                reason=BoardErrorReason.BAD_ADDRESS,
                address=text,
            )
        self.scheme, _, rest = text.partition(":")
        target, _, query = rest.partition("?")
        self.target = unquote(target)
        if not self.target.isprintable():
            raise self.fault(f"it holds control characters; write {example}.")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        except ValueError:
            raise self.fault(f"it cannot be read; write {example}.") from None
        self._given: dict[str, str] = {}
        for option, value in pairs:
            if option not in options:
                close = difflib.get_close_matches(option, options, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                has = f"The options are {', '.join(options)}." if options else "This kind of board takes none."
                has = has if hint else has[0].lower() + has[1:]
                raise self.fault(f"there is no option {short(option)}; {hint}{has}", option, value)
            if option in self._given:
                raise self.fault(f"{option} stands twice; give it once.", option, value)
            self._given[option] = value

    def take(self, option: str, default: T, read: Callable[[str], T | None], limit: str) -> T:
        """The value of an option, or its default.

        Args:
            option: its name.
            default: where it is not given.
            read: gives the value, or None where the text is none.
            limit: what the value must be, for the message.

        Raises:
            BoardError: the text is no such value.
        """
        if option not in self._given:
            return default
        value = read(self._given[option])
        if value is None:
            raise self.fault(f"{option} is {short(self._given[option])}; it must be {limit}.", option)
        return value

    def fault(self, wrong: str, option: str | None = None, value: str | None = None) -> BoardError:
        """An error about this address; ``wrong`` is a clause with its mend."""
        return BoardError(
            f"The board address {short(self.text)}: {wrong}",
            reason=BoardErrorReason.BAD_ADDRESS if option is None else BoardErrorReason.BAD_OPTION,
            address=self.text,
            option=option,
            value=value if value is not None or option is None else self._given.get(option),
        )


def short(text: str) -> str:
    """Text as it can stand in a message: quoted, as it was typed but for what cannot be printed, of bounded length."""
    shown = repr(text)
    return shown if len(shown) <= 100 else f"{shown[:97]}...'"


def whole(low: int, high: int) -> Callable[[str], int | None]:
    """A reader of whole numbers from ``low`` to ``high``."""

    def read(text: str) -> int | None:
        if not re.fullmatch(r"[0-9]{1,19}", text):
            return None
        return int(text) if low <= int(text) <= high else None

    return read


def number(low: float, high: float) -> Callable[[str], float | None]:
    """A reader of decimal numbers from ``low`` to ``high``."""

    def read(text: str) -> float | None:
        if not re.fullmatch(r"[0-9]{0,18}\.?[0-9]{0,18}(e[+-]?[0-9]{1,3})?", text):
            return None
        try:
            value = float(text)
        except ValueError:
            return None
        return value if low <= value <= high else None

    return read


def one_of(*words: str) -> Callable[[str], str | None]:
    """A reader of one of a few words."""
    return lambda text: text if text in words else None
