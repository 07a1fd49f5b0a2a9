"""The page on which one records: the step to be done, the leads as they come, and a key for everything.

It shows what the journal holds and what the recorder says, and passes on what people press. It keeps no time of its own
but for how long a word stands on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.alarm import AlarmBanner, AlarmBell
from acquire.app.command_bar import CommandBar
from acquire.app.facts_line import FactsLine
from acquire.app.fitting_scroll import FittingScroll
from acquire.app.lead_column import LeadColumn
from acquire.app.overview_strip import OverviewStrip
from acquire.app.record_keys import RecordKeys
from acquire.app.record_words import outcome_words, view_words
from acquire.app.sounds import Sounds
from acquire.app.step_card import StepCard
from acquire.app.subject_window import SubjectWindow
from acquire.app.trace_view import TraceView
from acquire.viewer.alarm_watch import AlarmState, AlarmWatch
from acquire.viewer.cues import CueWatch
from acquire.viewer.display_filter import DisplayFilter
from acquire.viewer.preferences import GAINS_MM_PER_MV, Preferences
from acquire.viewer.step_clock import StepClock, StepNow
from acquire.viewer.texts import _
from protocols.script import PlannedStep

if TYPE_CHECKING:
    from acquire.viewer.feed import FeedEvent, JournalFeed
    from acquire.viewer.link import Ended, RecorderLink

__all__ = ["SPANS_S", "RecordPage"]

SPANS_S = (5.0, 10.0, 15.0, 20.0, 30.0)
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
        self._subject: SubjectWindow | None = None
        self._overview_due_s = 0.0
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
        return self._subject

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
            self.traces.show_feed(feed)
            self.overview.show_feed(feed)
            self._apply_preferences()
            self.bar.reset()
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
        self.step.show_step(self._now, silent=silent)
        if self._subject is not None:
            self._subject.show_step(self._now, silent=silent)
        if status is not None:
            self.leads.show_leads(status.leads, silent=silent)
        self.facts.show_status(status, state)
        self.bar.show_paused(self._now.phase == "paused")
        for outcome in link.outcomes():
            words = outcome.error or outcome_words(outcome, self._preferences.marks, events, state.rate_hz, self._now)
            self.bar.say(words, "bad" if outcome.error else "good", now_s)
        self._cue(events, state.stop, state.rate_hz, state.header.get("protocol_text"))
        if now_s >= self._overview_due_s:
            self._overview_due_s = now_s + OVERVIEW_EVERY_S
            self.overview.refresh()
        self._follow_end(alarm, now_s)

    def end(self) -> None:
        """Show no recording any more."""
        self.traces.show_feed(None)
        self.overview.show_feed(None)
        self._sounds.hush()
        self._close_subject()
        self._forget()
        self.bar.reset()
        self.banner.clear()

    def close(self) -> bool:
        """Let go of everything, the sounds' thread included."""
        self.end()
        self._sounds.close()
        self.traces.close()
        self.overview.close()
        return super().close()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's own
        # Space is Pause wherever the keyboard is, so a button that has it is pressed with Enter.
        pressed = self.window().focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(pressed, QAbstractButton):
            pressed.click()
        else:
            super().keyPressEvent(event)

    # What the recording says.

    def _forget(self) -> None:
        self._feed = self._link = None
        self._alarm, self._bell, self._cue_watch = AlarmWatch(), AlarmBell(), CueWatch()
        self._steps = StepClock(())
        self._now = StepNow()
        self._told: Ended | None = None
        self._acknowledged_end = False
        self._overview_due_s = 0.0

    def _follow_end(self, alarm: AlarmState, now_s: float) -> None:
        assert self._link is not None
        ended = self._link.ended
        if ended is None:
            self.banner.show_alarm(alarm)
            audible = alarm.audible
        elif ended.recording is None and ended.error:
            self.banner.show_end(_("The recording has broken off"), ended.error)
            audible = not self._acknowledged_end
        else:
            self.banner.clear()
            audible = False
        if self._bell.due(audible, now_s):
            self._sounds.play("alarm")
        if ended is not None and self._told is None:
            self._told = ended
            self.ended.emit(ended)

    def _cue(self, events: Sequence[FeedEvent], stop: int, rate_hz: float, protocol_text: object) -> None:
        if protocol_text is not None:
            self._cue_watch.know(protocol_text)
        cue = self._cue_watch.look(events, stop, rate_hz, self._preferences.cues)
        if cue is not None and cue.words:
            self._sounds.say(cue.words, tone=cue.tone)
        elif cue is not None:
            self._sounds.play(cue.tone)

    # What people press.

    def _do(self, deed: str) -> None:
        if self._link is None:
            return
        if self.bar.asked:
            # A question is answered by its own key or Enter; Stop's is Esc, which says no to all of them.
            if deed in ("confirm", self.bar.asked) and deed != "stop":
                self.bar.answer(True)
                return
            if deed == "stop":
                self.bar.answer(False)
                return
        if deed in ("stop", "skip", "repeat"):
            self.bar.ask(deed, self._clock())
        elif deed == "pause":
            self._link.send("resume" if self._now.phase == "paused" else "pause")
        elif deed == "note":
            self.bar.open_note()
        elif deed.startswith("mark"):
            self._mark(int(deed.removeprefix("mark")))
        elif deed == "acknowledge":
            self._acknowledge()
        elif deed == "subject_window":
            self._toggle_subject()
        elif deed == "full_screen":
            self._toggle_full_screen()
        elif deed != "confirm":
            self._change_view(deed)

    def _clicked(self, deed: str) -> None:
        # A second click in the same place may be a slip; a question is answered on its own buttons.
        if deed != self.bar.asked:
            self._do(deed)
        self.bar.show_switches(self._preferences, subject=self._subject is not None)

    def _send(self, deed: str) -> None:
        if self._link is not None:
            self._link.send(deed)

    def _mark(self, number: int) -> None:
        if self._link is not None and number <= len(self._preferences.marks):
            self._link.send("mark", self._preferences.marks[number - 1])

    def _write_note(self, words: str) -> None:
        if self._link is not None:
            self._link.send("note", words)

    def _acknowledge(self) -> None:
        self._alarm.acknowledge()
        self._acknowledged_end = True

    def _change_view(self, deed: str) -> None:
        old = self._preferences
        gains, spans = GAINS_MM_PER_MV, SPANS_S
        if deed in ("gain_up", "gain_down"):
            new = replace(old, gain_mm_per_mv=_neighbour(gains, old.gain_mm_per_mv, up=deed == "gain_up"))
        elif deed in ("span_longer", "span_shorter"):
            new = replace(old, span_s=_neighbour(spans, old.span_s, up=deed == "span_longer"))
        elif deed == "grid":
            new = replace(old, grid=not old.grid)
        elif deed == "filter":
            new = replace(old, filtered=not old.filtered)
        else:
            new = replace(old, cues="off" if old.cues != "off" else self._cues_before)
        if new == old:
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
        self.bar.show_switches(wanted, subject=self._subject is not None)

    # Other windows.

    def _toggle_subject(self) -> None:
        if self._subject is not None:
            self._close_subject()
            return
        self._subject = SubjectWindow(self.screen(), self._preferences.subject_screen)
        self._subject.closed.connect(self._subject_closed)
        self._subject.show_step(self._now)
        self._subject.appear()
        self.bar.show_switches(self._preferences, subject=True)
        self.subject_window_wanted.emit(True)

    def _close_subject(self) -> None:
        if self._subject is not None:
            self._subject.close()

    def _subject_closed(self) -> None:
        if self._subject is not None:
            self._subject.deleteLater()
            self._subject = None
            self.bar.show_switches(self._preferences, subject=False)
            self.subject_window_wanted.emit(False)

    def _toggle_full_screen(self) -> None:
        window = self.window()
        if window.isFullScreen():
            window.showNormal()
        else:
            window.showFullScreen()

    # How it is put together.

    def _build(self) -> None:
        self.banner = AlarmBanner()
        self.banner.acknowledged.connect(self._acknowledge)
        self.step, self.traces, self.leads = StepCard(), TraceView(), LeadColumn()
        self.overview, self.facts = OverviewStrip(), FactsLine()
        self.bar = CommandBar(self._preferences.marks)
        self.bar.wanted.connect(self._clicked)
        self.bar.confirmed.connect(self._send)
        self.bar.note_written.connect(self._write_note)
        self.keys = RecordKeys(self)
        self.keys.pressed.connect(self._do)
        self.bar.asking_changed.connect(self.keys.set_asking)
        self.bar.typing_ended.connect(self.setFocus)
        self.traces.set_message(_("Waiting for the first samples"))
        self.traces.setMinimumHeight(theme.px(130))
        self.step.setMinimumHeight(theme.px(150))
        signal = QHBoxLayout()
        signal.setSpacing(theme.px(8))
        signal.addWidget(self.traces, 1)
        signal.addWidget(self.leads)
        inside = QWidget()
        middle = QVBoxLayout(inside)
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(theme.px(7))
        middle.addWidget(self.step, 8)
        middle.addLayout(signal, 11)
        middle.addWidget(self.overview)
        middle.addWidget(self.bar.view)
        # What is wrong and what can be done about it stay in sight, however large the text and small the screen.
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(14), theme.px(10), theme.px(14), theme.px(8))
        column.setSpacing(theme.px(7))
        column.addWidget(self.banner)
        column.addWidget(FittingScroll(inside), 1)
        column.addWidget(self.bar)
        column.addWidget(self.facts)


def _neighbour(values: Sequence[float], value: float, *, up: bool) -> float:
    """The next of ascending values above or below one, which need not be among them; the last one at the end."""
    beyond = [other for other in values if (other > value if up else other < value)]
    if not beyond:
        return values[-1] if up else values[0]
    return beyond[0] if up else beyond[-1]
