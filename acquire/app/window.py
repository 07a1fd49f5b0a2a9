"""The main window: one page a stage, and along its edges what is common to them.

It shows what the conductor says and passes on what people choose; it waits for nothing. Its three timers are all that
moves anything: frames for what flows, ten times a second for what is said, and a slow one that looks whether a board
was plugged in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QMainWindow

from acquire.app import theme
from acquire.app.check_page import CheckPage
from acquire.app.finish_page import FinishPage
from acquire.app.full_screen import toggle_full_screen
from acquire.app.note_keeper import lost_words, untaken_words
from acquire.app.preferences_page import PreferencesPage
from acquire.app.prepare_page import PreparePage
from acquire.app.qt_words import speak
from acquire.app.record_page import RecordPage
from acquire.app.typing_guard import TypingGuard
from acquire.app.window_body import WindowBody
from acquire.recorder.launch import STALL_LIMIT_S
from acquire.recordings.recovery import Recovery
from acquire.viewer.conductor import Busy, Conductor, Stage
from acquire.viewer.feed import JournalFeed
from acquire.viewer.finishing import Review
from acquire.viewer.link import Ended, RecorderLink
from acquire.viewer.listening import Listening
from acquire.viewer.preferences import Preferences
from acquire.viewer.preparing import Preparation, StudyView
from acquire.viewer.texts import _, choose_language
from protocols.script import PlannedStep

__all__ = ["MainWindow"]

FRAME_MS = 25
STATUS_MS = 100
LOOK_MS = 3000
_ASKS_PX = 90
"""How much of the window's upper edge a question takes at most."""
_LAST_NOTE_MS = 300
"""A note that is stored while the window is closed gets to the recorder within this."""


class MainWindow(QMainWindow):
    """All four stages of recording a study.

    Args:
        study_path: the study's folder.
        preferences: as they were loaded.
        fault: why they are not those of the study, a sentence, or "".
        first: what the first recording's choices begin with.
        stall_limit_s: see `Conductor`.
        lsl_outlet: see `Conductor`.
    """

    def __init__(
        self,
        study_path: Path,
        preferences: Preferences,
        *,
        fault: str = "",
        first: Preparation | None = None,
        stall_limit_s: float = STALL_LIMIT_S,
        lsl_outlet: bool = False,
    ) -> None:
        super().__init__()
        self.conductor = Conductor(
            study_path, preferences, self, first=first, stall_limit_s=stall_limit_s, lsl_outlet=lsl_outlet
        )
        self._view: StudyView | None = None
        self._leave_anyway = False
        self.guard = TypingGuard(self)
        self._untaken: tuple[str, ...] = ()
        self._timers = [
            self._timer(FRAME_MS, self._frame, precise=True),
            self._timer(STATUS_MS, self._status),
            self._timer(LOOK_MS, self.conductor.refresh),
        ]
        self._shortcuts = [
            self._shortcut("F11", lambda: toggle_full_screen(self)),
            self._shortcut("Ctrl+,", self.show_preferences),
            self._shortcut("Ctrl+Q", self.close),
        ]
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        self._build()
        if fault:
            self.show_trouble(fault)
        self.conductor.refresh()

    # What the conductor says.

    def show_study(self, view: StudyView, *, anew: bool) -> None:
        """Show what there is to choose from."""
        self._view = view
        self.body.study.setText(view.study.name)
        self.setWindowTitle(f"{view.study.name} – trilead")
        self.prepare.show_view(view, self.conductor.preferences.operators, anew=anew)
        self._turn_to(Stage.PREPARE)

    def show_check(self, listening: Listening, feed: JournalFeed, preparation: Preparation) -> None:
        """Show a board that is listened to."""
        self.check.begin(listening, feed, preparation)
        self._turn_to(Stage.CHECK)

    def show_recording(
        self, feed: JournalFeed, link: RecorderLink, plan: Sequence[PlannedStep], facts: Mapping[str, str]
    ) -> None:
        """Show a recording under way."""
        self.record.begin(feed, link, tuple(plan), facts)
        self._turn_to(Stage.RECORD)

    def show_review(self, reviewed: Review | None, ended: Ended, plan: Sequence[PlannedStep]) -> None:
        """Show what came of it."""
        if self.body.pages.currentWidget() is self.record:
            self._untaken = self.record.notes.untaken()
            # What is still being pressed was meant for the page before.
            self.guard.hold(typing=self.record.is_typed_into)
        self.record.end()
        self.body.leaving.hide()
        self.finish.begin(reviewed, ended, tuple(plan))
        self._turn_to(Stage.FINISH)
        events = () if reviewed is None else reviewed.events
        lost = lost_words(self._untaken, events)
        self.body.keep(lost)
        self.finish.set_held(bool(lost))
        if words := untaken_words(self._untaken, events):
            self.body.say("doubtful", words)

    def show_busy(self, busy: Busy, share: float | None) -> None:
        """Show what is being waited for."""
        self.body.show_busy(busy, share)

    def show_trouble(self, sentence: str) -> None:
        """Show what went wrong, until it is put away or mended."""
        self.body.say("bad", sentence)

    def show_recovered(self, recovery: Recovery) -> None:
        """Say what came of a journal."""
        doubts = "".join(f" {doubt[:1].upper()}{doubt[1:]}." for doubt in recovery.doubts)
        words = _("{name} is whole again: {n} samples, {seconds:.0f} s.").format(
            name=recovery.path.name, n=recovery.summary.n_samples, seconds=recovery.summary.duration_s
        )
        self.body.say("doubtful" if doubts else "good", words + doubts)

    # What people do.

    def show_preferences(self) -> None:
        """Turn to the preferences; not in the middle of a recording, which has keys for what matters then."""
        if self.conductor.stage in (Stage.PREPARE, Stage.FINISH) and not self.conductor.busy:
            self.settings.show_preferences(self.conductor.preferences)
            self.body.pages.setCurrentWidget(self.settings)
            self._show_edges()

    def set_preferences(self, preferences: Preferences) -> None:
        """Let other preferences hold, and keep them."""
        before = self.conductor.preferences
        self.conductor.keep_preferences(preferences)
        looks = ("language", "theme", "text_scale", "marks", "cues", "span_s", "gain_mm_per_mv", "grid", "filtered")
        if self.conductor.stage is not Stage.RECORD and any(
            getattr(before, name) != getattr(preferences, name) for name in looks
        ):
            self._rebuild()
        self._leave_preferences()

    def leave(self) -> None:
        """Close without asking; a recording under way goes on."""
        self._leave_anyway = True
        if self.record.notes.store():
            QTimer.singleShot(_LAST_NOTE_MS, self, self.close)
        else:
            self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102 - Qt's own
        if self.conductor.recording and not self._leave_anyway:
            self.record.set_asked(QRect(self.mapToGlobal(QPoint(0, 0)), QSize(self.width(), theme.px(_ASKS_PX))))
            self._show_leaving()
            self.body.leaving.ask()
            event.ignore()
            return
        self.guard.release()
        for timer in self._timers:
            timer.stop()
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._scheme_changed)
        self.hide()
        for page in (self.prepare, self.check, self.record, self.finish):
            page.close()
        self.conductor.close()
        event.accept()

    # How it is put together.

    def _build(self) -> None:
        self.prepare, self.check = PreparePage(), CheckPage()
        self.record, self.finish = RecordPage(self.conductor.preferences), FinishPage()
        self.settings = PreferencesPage()
        self._connect()
        pages = (self.prepare, self.check, self.record, self.finish, self.settings)
        self.body = WindowBody(pages)
        self.body.preferences_wanted.connect(self.show_preferences)
        self.body.leave_wanted.connect(self.leave)
        self.body.stay_wanted.connect(self._stay)
        self.body.put_away.connect(self._forget_untaken)
        self.setCentralWidget(self.body)

    def _connect(self) -> None:
        conductor = self.conductor
        self.prepare.prepared.connect(conductor.prepared)
        self.prepare.recover_wanted.connect(conductor.recover)
        self.prepare.resume_wanted.connect(conductor.resume)
        self.prepare.refresh_wanted.connect(conductor.refresh)
        self.check.record_wanted.connect(conductor.record)
        self.check.back_wanted.connect(conductor.back)
        self.check.again_wanted.connect(conductor.again)
        self.record.preferences_changed.connect(conductor.keep_preferences)
        self.finish.repeat_wanted.connect(conductor.repeat)
        self.finish.recover_wanted.connect(conductor.recover)
        self.finish.next_subject.connect(conductor.next_subject)
        self.finish.same_subject.connect(conductor.same_subject)
        self.settings.chosen.connect(self.set_preferences)
        self.settings.left.connect(self._leave_preferences)

    def _rebuild(self) -> None:
        """Make everything anew in other words, colours or sizes."""
        preferences = self.conductor.preferences
        speak(choose_language(preferences.language))
        theme.apply(preferences.theme, preferences.text_scale)
        ticked = self.finish.ticked()
        for page in (self.prepare, self.check, self.record, self.finish):
            page.close()
        if self.conductor.stage is Stage.PREPARE and self._view is not None:
            self.conductor.keep_choices(self.prepare.preparation())
        old = self.takeCentralWidget()
        self._build()
        old.deleteLater()
        self.conductor.show_again()
        if self.conductor.stage is Stage.FINISH:
            self.finish.tick(ticked)

    def _turn_to(self, stage: Stage) -> None:
        page = (self.prepare, self.check, self.record, self.finish)[stage.value]
        if self.body.pages.currentWidget() is self.settings and stage is Stage.PREPARE:
            return
        if page is not self.record:
            self._leave_anyway = False
        self.body.stages.show_stage(stage)
        self.body.pages.setCurrentWidget(page)
        focused = self.focusWidget()
        asked = self.body.leaving.isVisible()
        if not asked and (focused is None or not page.isAncestorOf(focused)):
            # Enter goes on from wherever one is within a page.
            page.setFocus()
        self._show_edges()

    def _leave_preferences(self) -> None:
        if self.body.pages.currentWidget() is self.settings:
            self.body.pages.setCurrentIndex(self.conductor.stage.value)
            self.body.stages.show_stage(self.conductor.stage)
        self._show_edges()

    def _show_edges(self) -> None:
        """While it records, every line of the screen belongs to the recording."""
        self.body.edge.setVisible(self.body.pages.currentWidget() is not self.record)
        self.body.options.setVisible(self.body.pages.currentWidget() in (self.prepare, self.finish))

    def _show_leaving(self) -> None:
        over = self.record.step_now.phase == "finishing"
        self.body.show_leaving(over=over, noting=self.record.bar.noting)

    def _forget_untaken(self) -> None:
        self._untaken = ()
        self.finish.set_held(False)

    def _stay(self) -> None:
        self._leave_anyway = False
        self.body.leaving.hide()
        self.record.set_asked(None)

    # What moves.

    def _frame(self) -> None:
        page = self.body.pages.currentWidget()
        if page is self.record:
            self.record.tick()
        elif page is self.check:
            self.check.tick()

    def _status(self) -> None:
        self.conductor.poll()
        page = self.body.pages.currentWidget()
        if page is self.record:
            self.record.show_status()
            if self.body.leaving.isVisible():
                self._show_leaving()
        elif page is self.check:
            self.check.show_state()
        self.body.look_at_clock()

    def _scheme_changed(self) -> None:
        if self.conductor.preferences.theme == "system" and self.conductor.stage is not Stage.RECORD:
            self._rebuild()

    def _timer(self, interval_ms: int, call: Callable[[], None], *, precise: bool = False) -> QTimer:
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.PreciseTimer if precise else Qt.TimerType.CoarseTimer)
        timer.timeout.connect(call)
        timer.start(interval_ms)
        return timer

    def _shortcut(self, key: str, call: Callable[[], object]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.activated.connect(call)
        return shortcut
