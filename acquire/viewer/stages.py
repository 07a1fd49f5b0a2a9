"""The stages on the way to a recording, and what a window must be able to show of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

from acquire.recordings.recovery import Recovery
from acquire.viewer.feed import JournalFeed
from acquire.viewer.finishing import Review
from acquire.viewer.link import Ended, RecorderLink
from acquire.viewer.listening import Listening
from acquire.viewer.preparing import Preparation, StudyView
from acquire.viewer.texts import _
from protocols.errors import TrileadError
from protocols.script import PlannedStep

__all__ = ["Busy", "Shown", "Stage", "facts_of", "sentence_of"]


class Stage(Enum):
    """Where one is on the way to a recording."""

    PREPARE = 0
    CHECK = 1
    RECORD = 2
    FINISH = 3


class Busy(Enum):
    """What is being waited for."""

    NOTHING = "nothing"
    READING = "the study is being read"
    REACHING = "the board is being reached"
    RELEASING = "the board is being let go of"
    STARTING = "the recorder is being started"
    REVIEWING = "the recording is being looked through"
    RECOVERING = "a recording is being made of a journal"


class Shown(Protocol):
    """Whoever shows what a conductor does."""

    def show_study(self, view: StudyView, *, anew: bool) -> None:
        """Show what there is to choose from.

        Args:
            view: with what the choices begin with, as its ``default``.
            anew: whether they begin now; else something of the study has changed, and what was typed meanwhile stays.
        """

    def show_check(self, listening: Listening, feed: JournalFeed, preparation: Preparation) -> None:
        """Show a board that is listened to."""

    def show_recording(
        self, feed: JournalFeed, link: RecorderLink, plan: Sequence[PlannedStep], facts: Mapping[str, str]
    ) -> None:
        """Show a recording under way; ``plan`` may be empty where it is not known yet, and is then shown again."""

    def show_review(self, reviewed: Review | None, ended: Ended, plan: Sequence[PlannedStep]) -> None:
        """Show what came of a recording; ``reviewed`` is None where there is no file, or it could not be looked at."""

    def show_busy(self, busy: Busy, share: float | None) -> None:
        """Show what is being waited for, and how much of it is done, 0 to 1, where that is known."""

    def show_trouble(self, sentence: str) -> None:
        """Show what went wrong; "" where nothing is wrong any more."""

    def show_recovered(self, recovery: Recovery) -> None:
        """Show what came of a journal."""


def facts_of(header: Mapping[str, object]) -> dict[str, str]:
    """What a window says about a recording, from the header of its journal or the config of its recorder."""
    names = {"subject": "subject", "session": "session", "run": "run", "operator": "operator"}
    names |= {"protocol": "protocol_name", "board": "board"}
    return {fact: str(header.get(name, "")) for fact, name in names.items()}


def sentence_of(error: Exception) -> str:
    """What a window says when something went wrong."""
    if isinstance(error, TrileadError):
        return str(error)
    words = _("Something unforeseen went wrong ({kind}: {error}); what is recorded is safe.")
    return words.format(kind=type(error).__name__, error=str(error)[:200])
