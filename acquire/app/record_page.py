"""The page on which one records: the step to be done, the leads as they come, and a key for everything.

It shows what the journal holds and what the recorder says, and passes on what people press. It keeps no time of its own
but for how long a word stands on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.alarm import AlarmBanner
from acquire.app.command_bar import ALWAYS, CommandBar
from acquire.app.crier import Crier
from acquire.app.early_keys import EarlyKeys
from acquire.app.facts_line import FactsLine
from acquire.app.fitting_scroll import FittingScroll
from acquire.app.full_screen import toggle_full_screen
from acquire.app.key_relay import KeyRelay
from acquire.app.lead_column import LeadColumn
from acquire.app.note_keeper import NoteKeeper
from acquire.app.overview_strip import OverviewStrip
from acquire.app.record_keys import RecordKeys
from acquire.app.record_words import end_hint, outcome_words, view_words
from acquire.app.sounds import Sounds
from acquire.app.step_card import StepCard
from acquire.app.step_room import SPACING, StepRoom
from acquire.app.subject_stand import SubjectStand, place_of
from acquire.app.subject_window import SubjectWindow
from acquire.app.trace_view import TraceView
from acquire.app.view_deeds import SPANS_S, after_deed
from acquire.viewer.alarm_watch import AlarmState, AlarmWatch
from acquire.viewer.display_filter import DisplayFilter
from acquire.viewer.preferences import Preferences
from acquire.viewer.step_clock import StepClock, StepNow
from acquire.viewer.texts import _
from protocols.script import PlannedStep

if TYPE_CHECKING:
    from acquire.viewer.feed import JournalFeed
    from acquire.viewer.link import Ended, RecorderLink

__all__ = ["SPANS_S", "RecordPage"]

OVERVIEW_EVERY_S = 0.3
_UNFILTERED = DisplayFilter(low_hz=None, high_hz=None, notch=False)


class RecordPage(QWidget):
    """Shows one recording under way after another.

    Args:
        preferences: of the study.
        parent: the widget it stands in.
        sounds: what cues and the alarm are played with; the computer's own where None.
        clock: seconds, for how long words stand on the screen and how long nothing has come.
    """

    ended = Signal(object)
    """The recording has ended, as `acquire.viewer.link.Ended` tells."""
    preferences_changed = Signal(object)
    subject_window_wanted = Signal(bool)
    """The subject's window was opened or closed."""

    def __init__(
        self,
        preferences: Preferences,
        parent: QWidget | None = None,
        *,
        sounds: Sounds | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._preferences = preferences
        self._cues_before = preferences.cues if preferences.cues != "off" else Preferences().cues
        self._sounds = Sounds() if sounds is None else sounds
        self._clock = clock
        self._feed: JournalFeed | None = None
        self._link: RecorderLink | None = None
        self._plan: tuple[PlannedStep, ...] = ()
        self._overview_due_s = 0.0
        self._early = EarlyKeys(clock)
        self._crier = Crier(self._sounds)
        self._build()
        self._forget()
        self._apply_preferences()

    @property
    def step_now(self) -> StepNow:
        """Where the protocol stands, as it is shown."""
        return self._now

    @property
    def subject_window(self) -> SubjectWindow | None:
        """The subject's window while it is open."""
        return self._stand.window

    @property
    def is_typed_into(self) -> bool:
        """Whether a note is being written, or keys that came too early or too late have just been pressed."""
        return self.bar.noting or self._early.recent

    def begin(
        self, feed: JournalFeed, link: RecorderLink, plan: tuple[PlannedStep, ...], facts: Mapping[str, str]
    ) -> None:
        """Show a recording; for one that is shown already, learn its plan and facts.

        Args:
            feed: its journal; whoever opened it closes it.
            link: its recorder; likewise.
            plan: of its protocol; empty where it is not known yet.
            facts: subject, session, run, operator, protocol, board.
        """
        if (feed, link) != (self._feed, self._link):
            self._forget()
            self._feed, self._link = feed, link
            self.notes.begin(link)
            self.traces.show_feed(feed)
            self.overview.show_feed(feed)
            self._apply_preferences()
            self.bar.reset()
            self.keys.set_listening(True)
            self.setFocus()
        self._plan = plan
        self._steps = StepClock(plan)
        self.overview.set_plan(plan)
        self.facts.show_facts(facts)
        self.show_status()

    def tick(self) -> None:
        """Draw a frame of the traces."""
        if self._feed is not None:
            self.traces.refresh()

    def show_status(self) -> None:
        """Show all else; called about ten times a second."""
        now_s = self._clock()
        self._sounds.poll()
        self.bar.pass_time(now_s)
        feed, link = self._feed, self._link
        if feed is None or link is None:
            return
        state, events = feed.state, feed.events()
        status = link.status
        alarm = self._alarm.look(now_s, status, link.answered_s_ago, state.stop, feed.gaps())
        self._now = self._steps.look(status, state.stop, events)
        silent = alarm.phase == "silent"
        self.step.show_step(self._now, silent=silent, hint=end_hint(self._now, status, noting=self.bar.noting))
        self._stand.show_step(self._now, silent=silent)
        self.notes.look()
        if status is not None:
            self.leads.show_leads(status.leads, silent=silent)
        missing_s = alarm.lasted_s if silent else 0.0
        self.facts.show_status(status, state, missing_s=missing_s)
        self.bar.show_paused(self._now.paused)
        self._early.follow(self._now.phase)
        self.bar.show_locked(self._early.locked)
        if self._early.locked:
            # There is nothing left to be asked about.
            self.bar.answer(False)
        for outcome in filter(self.notes.heard, link.outcomes()):
            now = replace(self._now, phase="silent") if silent else self._now
            words = outcome.error or outcome_words(outcome, self._preferences.marks, events, state.rate_hz, now)
            self.bar.say(words, "bad" if outcome.error else "good", now_s)
        self._crier.know(state.header.get("protocol_text"))
        self._crier.announce(events, state.stop, state.rate_hz, self._preferences.cues)
        if now_s >= self._overview_due_s:
            self._overview_due_s = now_s + OVERVIEW_EVERY_S
            self.overview.set_missing(missing_s)
            self.overview.refresh()
        self._follow_end(alarm, now_s)

    def end(self) -> None:
        """Show no recording any more."""
        self.traces.show_feed(None)
        self.overview.show_feed(None)
        self._sounds.hush()
        self._stand.close()
        self._forget()
        self.notes.begin(None)
        self.bar.reset()
        self.banner.clear()
        self._room.settle()

    def close(self) -> bool:
        """Let go of everything, the sounds' thread included."""
        self.end()
        self._sounds.close()
        self.traces.close()
        self.overview.close()
        return super().close()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's own
        if self.bar.type_on(event):
            return
        # It means nothing by itself, but may belong to what is being typed.
        self._early.take()
        # Space is Pause wherever the keyboard is, so a button that has it is pressed with Enter.
        pressed = self.window().focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(pressed, QAbstractButton):
            pressed.click()
        else:
            super().keyPressEvent(event)

    # What the recording says.

    def _forget(self) -> None:
        self._feed = self._link = None
        self._alarm = AlarmWatch()
        self._crier.forget()
        self._steps = StepClock(())
        self._now = StepNow()
        self._early.forget()
        self._told: Ended | None = None
        self._acknowledged_end = False
        self._overview_due_s = 0.0

    def _follow_end(self, alarm: AlarmState, now_s: float) -> None:
        assert self._link is not None
        ended = self._link.ended
        self._room.remember()
        if ended is None:
            self.banner.show_alarm(alarm)
            audible = alarm.audible
        elif ended.recording is None and ended.error:
            self.banner.show_end(_("The recording has broken off"), ended.error)
            audible = not self._acknowledged_end
        else:
            self.banner.clear()
            audible = False
        self._room.settle()
        self._crier.alarm(audible, now_s)
        if ended is not None and self._told is None:
            self._told = ended
            self.ended.emit(ended)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        self._room.reset()
        super().resizeEvent(event)

    # What people press.

    def _do(self, deed: str) -> None:
        if self._link is None:
            return
        if self.bar.take(deed):
            return
        if deed not in ALWAYS and self._early.take():
            self.bar.say(self._early.words(), "skipped", self._clock())
            return
        if deed in ("stop", "skip", "repeat"):
            self.bar.ask(deed, self._clock())
            if self.bar.noting:
                # Space and letters are more of the note, so that no button may have them.
                self.setFocus()
            self._keep_bar_free()
        elif deed == "pause":
            self._link.send("resume" if self._now.paused else "pause")
        elif deed == "note":
            self.bar.open_note()
        elif deed.startswith("mark"):
            self._mark(int(deed.removeprefix("mark")))
        elif deed == "acknowledge":
            self._acknowledge()
        elif deed == "subject_window":
            self._stand.toggle(self.screen(), self._preferences.subject_screen, self._now)
            self._keep_bar_free()
        elif deed == "full_screen":
            toggle_full_screen(self.window())
        elif deed != "confirm":
            self._change_view(deed)

    def _clicked(self, deed: str) -> None:
        # A second click in the same place may be a slip; a question is answered on its own buttons.
        if deed != self.bar.asked:
            if deed not in ALWAYS:
                self.bar.answer(False)
            self._do(deed)
        self._show_switches()

    def _keep_bar_free(self) -> None:
        """Where something is asked or written, the subject's window does not lie."""
        if self.bar.asked or self.bar.noting:
            self._stand.keep_off(place_of(self.bar))

    def set_asked(self, place: QRect | None) -> None:
        """Keep still while the window asks something.

        Args:
            place: where it asks, in global coordinates; None when it has been answered.
        """
        self.keys.set_listening(place is None)
        if place is None:
            self.take_keyboard()
        else:
            self._stand.keep_off(place)

    def take_keyboard(self) -> None:
        """Have the keyboard, in the note that is being written where there is one; not while the window asks."""
        if self.keys.listening:
            (self.bar.note if self.bar.noting else self).setFocus()

    def _send(self, deed: str) -> None:
        if self._link is not None:
            self._link.send(deed)

    def _mark(self, number: int) -> None:
        if self._link is not None and number <= len(self._preferences.marks):
            self._link.send("mark", self._preferences.marks[number - 1])

    def _acknowledge(self) -> None:
        self._alarm.acknowledge()
        self._acknowledged_end = True

    def _change_view(self, deed: str) -> None:
        new = after_deed(deed, self._preferences, cues_before=self._cues_before)
        if new == self._preferences:
            return
        self._preferences = new
        self._apply_preferences()
        if deed == "cues" and new.cues == "off":
            self._sounds.hush()
        self.bar.say(view_words(deed, new), "skipped", self._clock())
        self.preferences_changed.emit(new)

    def _apply_preferences(self) -> None:
        wanted = self._preferences
        self.traces.set_span(wanted.span_s)
        self.traces.set_gain(wanted.gain_mm_per_mv)
        self.traces.set_grid(wanted.grid)
        if self._feed is not None:
            self._feed.set_filter(DisplayFilter() if wanted.filtered else _UNFILTERED)
        self.traces.set_centred(not wanted.filtered)
        self._show_switches()

    def _show_switches(self) -> None:
        self.bar.show_switches(self._preferences, subject=self._stand.window is not None)

    def _subject_changed(self, is_open: bool) -> None:
        self._show_switches()
        self.subject_window_wanted.emit(is_open)

    # How it is put together.

    def _build(self) -> None:
        self.banner = AlarmBanner()
        self.banner.acknowledged.connect(self._acknowledge)
        self.step, self.traces, self.leads = StepCard(), TraceView(), LeadColumn()
        self.overview, self.facts = OverviewStrip(), FactsLine()
        self.bar = CommandBar(self._preferences.marks)
        self.bar.wanted.connect(self._clicked)
        self.bar.confirmed.connect(self._send)
        self.notes = NoteKeeper(self.bar, self._clock)
        self.keys = RecordKeys(self)
        self._stand = SubjectStand(KeyRelay(self, self.bar, self.keys, self._do), self)
        self._stand.changed.connect(self._subject_changed)
        self.keys.pressed.connect(self._do)
        self.bar.asking_changed.connect(lambda asking: self.keys.set_asking(asking, over_note=self.bar.noting))
        self.bar.note_opened.connect(self._keep_bar_free)
        self.bar.typing_ended.connect(self.take_keyboard)
        self.traces.set_message(_("Waiting for the first samples"))
        self._room = StepRoom(self, self.banner, self.step, self.traces)
        _lay_out(self)


def _lay_out(page: RecordPage) -> None:
    signal = QHBoxLayout()
    signal.setSpacing(theme.px(8))
    signal.addWidget(page.traces, 1)
    signal.addWidget(page.leads)
    inside = QWidget()
    middle = QVBoxLayout(inside)
    middle.setContentsMargins(0, 0, 0, 0)
    middle.setSpacing(theme.px(SPACING))
    middle.addWidget(page.step, 8)
    middle.addLayout(signal, 11)
    middle.addWidget(page.overview)
    middle.addWidget(page.bar.view)
    # What is wrong and what can be done about it stay in sight, however large the text and small the screen.
    column = QVBoxLayout(page)
    column.setContentsMargins(theme.px(14), theme.px(10), theme.px(14), theme.px(8))
    column.setSpacing(theme.px(SPACING))
    column.addWidget(page.banner)
    column.addWidget(FittingScroll(inside), 1)
    column.addWidget(page.bar)
    column.addWidget(page.facts)
