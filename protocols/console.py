"""The one place where commands speak: a console, and the way a mendable error becomes one sentence and exit code 2."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from protocols.errors import TrileadError

__all__ = [
    "EXIT_CLOSED_PIPE",
    "EXIT_ENDED_EARLY",
    "EXIT_INTERRUPTED",
    "EXIT_USER_ERROR",
    "complain",
    "console",
    "counted",
    "fail",
    "output_lost",
    "say_interrupted",
    "user_errors",
    "visible",
]

EXIT_USER_ERROR = 2
EXIT_ENDED_EARLY = 3
"""What was begun is whole and kept, but ended before its time without anybody asking for it."""
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141
"""What shells see of a program that is ended by SIGPIPE."""

P = ParamSpec("P")
R = TypeVar("R")


class _Console(Console):
    """A console that shows control characters as escapes, and leaves it to the command what a closed pipe means."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; see ``rich.console.Console.print``."""
        super().print(*map(_printable, objects), **options)

    def on_broken_pipe(self) -> None:
        """Let the error through that is being handled."""
        raise


console = _Console(highlight=False, soft_wrap=True)
_stderr = _Console(stderr=True, highlight=False, soft_wrap=True)


def visible(text: str) -> str:
    """Text that cannot command a terminal: control characters and broken ones are escaped, except line ends."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)


def counted(number: int, singular: str, plural: str = "") -> str:
    """A count with its noun: "1 gap", "2 gaps"."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def complain(sentence: str, *, style: str = "bold red") -> None:
    """Print one sentence on standard error; the command goes on."""
    _complain(Text(sentence, style=style if _stderr.is_terminal else ""))


def fail(sentence: str) -> NoReturn:
    """Print one sentence on standard error and leave with exit code 2."""
    complain(sentence)
    sys.exit(EXIT_USER_ERROR)


def say_interrupted(sentence: str) -> NoReturn:
    """Print what an interruption left behind, and leave with the exit code that shells expect of one."""
    _complain(Text(sentence))
    sys.exit(EXIT_INTERRUPTED)


def output_lost(error: OSError, *, done: str = "") -> NoReturn:
    """Leave because standard output takes no more: quietly where a pipe was closed, else with a sentence.

    Args:
        error: what came of writing to it.
        done: a sentence on what was done all the same.
    """
    _drop(sys.stdout)
    if isinstance(error, BrokenPipeError):
        sys.exit(EXIT_CLOSED_PIPE)
    why = error.strerror or error
    fail(
        f"What this command has to say cannot be written: {why}; send its output elsewhere.{' ' if done else ''}{done}"
    )


def user_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a ``TrileadError`` into its sentence and exit code 2, and Ctrl-C into a word and 130.

    So it is where standard output cannot be written. Anything else is a bug and shows itself.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except TrileadError as error:
            fail(str(error))
        except KeyboardInterrupt:
            say_interrupted("Stopped by Ctrl-C.")
        except OSError as error:
            # What has a file name was no trouble with the output.
            if error.filename is not None or (lost := _output_fault()) is None:
                raise
            output_lost(lost)

    return wrapped


def _printable(thing: Any) -> Any:
    """A text without control characters; anything else, such as what moves the cursor, as it is."""
    plain = thing.plain if isinstance(thing, Text) else thing
    if not isinstance(plain, str) or (safe := visible(plain)) == plain:
        return thing
    return Text(safe, style=thing.style if isinstance(thing, Text) else "")


def _complain(words: Text) -> None:
    try:
        _stderr.print(words)
    except OSError:
        # The exit code has to tell.
        _drop(sys.stderr)


def _output_fault() -> OSError | None:
    """Why standard output cannot be written, or None where it can, which a line end more does not hurt."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as error:
        return error
    return None


def _drop(stream: TextIO) -> None:
    """Let what is left of a stream go nowhere, or Python would stumble over it once more on its way out."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
