"""The note that is being written: the recorder hears how far it is, and what it could not take is not lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from acquire.app.command_bar import CommandBar
from acquire.recorder.control import DRAFTS, one_line
from acquire.viewer.step_clock import StepEvent
from acquire.viewer.texts import _

if TYPE_CHECKING:
    from acquire.viewer.link import Outcome, RecorderLink

__all__ = ["NoteKeeper", "lost_words", "untaken_words"]

_REMIND_EVERY_S = 20.0
"""A recorder that has come to its end waits for a note only while it hears of it."""


class NoteKeeper:
    """Between the field for notes and the recorder.

    A recorder that comes to the end of its protocol waits for a note that is being written, and stores what there is
    of it where it cannot wait.

    Args:
        bar: has the field.
        clock: seconds.
    """

    def __init__(self, bar: CommandBar, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar, self._clock = bar, clock
        self._link: RecorderLink | None = None
        self._told: str | None = None
        self._told_s = 0.0
        self._untaken: list[str] = []
        bar.note_opened.connect(self.look)
        bar.note_written.connect(self._store)
        bar.note_dropped.connect(self._drop)

    def begin(self, link: RecorderLink | None) -> None:
        """Follow another recording; None for none."""
        self._link = link
        self._told = None
        self._untaken.clear()

    def look(self) -> None:
        """Tell the recorder what is new; called some ten times a second."""
        if self._link is None or self._link.ended is not None or not self._bar.noting:
            return
        typed, now_s = self._bar.note.text(), self._clock()
        if typed != self._told or now_s - self._told_s >= _REMIND_EVERY_S:
            self._told, self._told_s = typed, now_s
            self._link.send("draft", typed)

    def heard(self, outcome: Outcome) -> bool:
        """Take note of what became of a command; whether there is anything to say about it."""
        if outcome.command == "note" and not outcome.error and outcome.text in self._untaken:
            self._untaken.remove(outcome.text)
        return outcome.command not in DRAFTS

    def untaken(self) -> tuple[str, ...]:
        """What was written and is not known to be stored, what is still in the field included."""
        typed = self._bar.note.text().strip() if self._bar.noting else ""
        return (*self._untaken, typed) if typed else tuple(self._untaken)

    def store(self) -> bool:
        """Store what is in the field, as Enter does; whether there is anything."""
        written = self._bar.noting and bool(self._bar.note.text().strip())
        if written:
            self._bar.store_note()
        return written

    def _store(self, words: str) -> None:
        self._told = None
        if self._link is not None:
            self._untaken.append(words)
            self._link.send("note", words)

    def _drop(self) -> None:
        self._told = None
        if self._link is not None:
            self._link.send("drop")


def untaken_words(untaken: Sequence[str], events: Sequence[StepEvent]) -> str:
    """What the last page says of notes that were still being written and are stored; "" where there are none.

    Args:
        untaken: the notes.
        events: of the recording.
    """
    stored = _stored(events)
    words = _("The recording ended while a note was being written; stored at its last sample: “{text}”.")
    return " ".join(words.format(text=note) for note in untaken if one_line(note) in stored)


def lost_words(untaken: Sequence[str], events: Sequence[StepEvent]) -> str:
    """Likewise of notes that came too late, which must be read before anything else is done."""
    stored = _stored(events)
    words = _("The note came too late to be stored, so write it down elsewhere: “{text}”.")
    told = [words.format(text=note) for note in untaken if one_line(note) not in stored]
    return " ".join([*told, _("Nothing goes on here until you put this away with F6.")]) if told else ""


def _stored(events: Sequence[StepEvent]) -> set[str]:
    return {event.text for event in events if event.kind == "note"}
