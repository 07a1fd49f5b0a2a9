"""A line to a recorder that does what a test wants, with no recorder, thread or socket behind it."""

from __future__ import annotations

from typing import Any

from acquire.recorder.control import DRAFTS, RecorderStatus
from acquire.viewer.link import Ended, Outcome

__all__ = ["ScriptedLink", "lead_state"]


class ScriptedLink:
    """Has the public face of `acquire.viewer.link.RecorderLink`.

    A test sets ``status``, ``answered_s_ago`` and ``ended``, puts into ``answers`` what became of commands, and finds
    in ``sent`` those that were asked for, and in ``drafts`` what was told of a note that is being written.
    """

    def __init__(self, status: RecorderStatus | None = None) -> None:
        self.status = status
        self.answered_s_ago = 0.0
        self.ended: Ended | None = None
        self.sent: list[tuple[str, str]] = []
        self.drafts: list[tuple[str, str]] = []
        self.answers: list[Outcome] = []

    def send(self, command: str, text: str = "") -> None:
        (self.drafts if command in DRAFTS else self.sent).append((command, text))

    def answer(self, command: str, text: str = "", error: str = "") -> None:
        self.answers.append(Outcome(command=command, text=text, error=error))

    def outcomes(self) -> list[Outcome]:
        taken, self.answers = self.answers, []
        return taken

    def close(self) -> None:
        pass


def lead_state(lead: str, judgement: str = "good", words: str = "", *, hr: float | None = 71.0) -> dict[str, Any]:
    """A lead as a recorder's status has it."""
    return {
        "lead": lead,
        "judgement": judgement,
        "words": words or (f"heart rate {hr:.0f} /min" if hr is not None else "not a second of signal yet"),
        "heart_rate_bpm": hr if judgement != "bad" else None,
    }
