"""What a recorder can be told, and what may be said with it."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field

from acquire.errors import RecorderError, RecorderErrorReason
from acquire.recordings.content_rules import MAX_TEXT

__all__ = ["COMMANDS", "DRAFTS", "GONE", "MAX_TEXT", "Command", "checked_text", "one_line"]

COMMANDS = ("pause", "resume", "skip", "repeat", "mark", "note", "stop")
DRAFTS = ("draft", "drop")
"""What a window tells of a note that is being written: how far it is, and that it is given up. A recording does not
end over it."""
GONE = "gone"
"""What the server tells by itself of a connection that told of a note and has ended; nobody can send it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Command:
    """A request that the recorder's own loop must obey.

    Attributes:
        name: one of ``COMMANDS`` or ``DRAFTS``, or ``GONE``.
        text: of a mark, note or draft.
        source: number of the connection that it came by; a draft belongs to its connection.
    """

    name: str
    text: str
    source: int = 0
    _answer: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def answer(self, error: str = "") -> None:
        """Say that it was done, or why not."""
        self._answer.put(error)

    def wait(self, timeout_s: float) -> str:
        """Wait for the answer: "" or the reason why not.

        Raises:
            queue.Empty: none came in time.
        """
        return self._answer.get(timeout=timeout_s)


def checked_text(command: str, text: str) -> str:
    """The text of a command as it is written into the recording: on one line.

    Raises:
        RecorderError: the text is too long, is broken, is missing in a note, or goes with a command that takes none.
    """
    fault = ""
    if len(text) > MAX_TEXT:
        fault = f"has {len(text)} characters, and {MAX_TEXT} is the most; shorten it, or make two of it"
    elif any("\ud800" <= letter <= "\udfff" for letter in text):
        fault = "holds bytes that are no UTF-8; type it again"
    line = one_line(text)
    if line and command not in ("mark", "note", "draft"):
        fault = "goes with mark and note only; leave it out"
    elif not line and command == "note":
        fault = 'is missing; write it in quotes behind the command, such as note "electrode RA pressed on again"'
    if fault:
        raise RecorderError(f"The text of the {command} {fault}.", reason=RecorderErrorReason.REFUSED)
    return line


def one_line(text: str) -> str:
    """Text that any terminal and file can take: one line, no control characters, of bounded length."""
    visible = "".join(character if character.isprintable() else " " for character in text[:MAX_TEXT])
    return visible.strip()
