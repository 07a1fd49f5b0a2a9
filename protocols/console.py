"""The one place where commands speak: a console, and the way a mendable error becomes one sentence and exit code 2."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from rich.console import Console
from rich.text import Text

from protocols.errors import TrileadError

__all__ = ["EXIT_INTERRUPTED", "EXIT_USER_ERROR", "console", "fail", "say_interrupted", "user_errors"]

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

console = Console(highlight=False, soft_wrap=True)
_stderr = Console(stderr=True, highlight=False, soft_wrap=True)

P = ParamSpec("P")
R = TypeVar("R")


def fail(sentence: str) -> NoReturn:
    """Print one sentence on standard error and leave with exit code 2."""
    _stderr.print(Text(sentence, style="bold red" if _stderr.is_terminal else ""))
    sys.exit(EXIT_USER_ERROR)


def say_interrupted(sentence: str) -> NoReturn:
    """Print what an interruption left behind, and leave with the exit code that shells expect of one."""
    _stderr.print(Text(sentence))
    sys.exit(EXIT_INTERRUPTED)


def user_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a ``TrileadError`` into its sentence and exit code 2, and Ctrl-C into a word and 130.

    Anything else is a bug and shows itself.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except TrileadError as error:
            fail(str(error))
        except KeyboardInterrupt:
            say_interrupted("Stopped by Ctrl-C.")

    return wrapped
