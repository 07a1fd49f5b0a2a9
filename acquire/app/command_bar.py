"""What can be done while it records, as buttons that show their keys, with the line above them that answers.

That line is always there, so that nothing moves when it speaks: it says what became of a command, asks once before
something is given up, and is where a note is typed. Recording goes on meanwhile, whatever it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.big_text import BigText
from acquire.app.flow import FlowLayout
from acquire.app.record_keys import KEYS, LineField
from acquire.app.widgets import KeyButton, StateBadge, restyle
from acquire.recorder.control import MAX_TEXT
from acquire.viewer.mark_names import mark_title
from acquire.viewer.preferences import Preferences
from acquire.viewer.texts import _

__all__ = ["ALWAYS", "ASK_S", "CommandBar"]

ASK_S = 5.0
"""How long a question waits for its answer; none is no."""
SAID_S = 6.0
"""How long an answer stands."""
ALWAYS = frozenset({"subject_window", "full_screen", "acknowledge", "confirm"})
"""What can be done while nothing can be commanded."""


@dataclass(frozen=True)
class _Question:
    words: str
    yes: str
    over_note: str


def _questions() -> dict[str, _Question]:
    stop = _("Stop now? Enter = stop, Esc = go on")
    return {
        "stop": _Question(stop, _("Stop now"), stop),
        "skip": _Question(
            _("Skip this step? S or Enter = skip, Esc = go on"),
            _("Skip it"),
            _("Skip this step? Enter = skip, Esc = go on"),
        ),
        "repeat": _Question(
            _("Do this step again from its beginning? R or Enter = again, Esc = go on"),
            _("Do it again"),
            _("Do this step again from its beginning? Enter = again, Esc = go on"),
        ),
    }


class CommandBar(QWidget):
    """The foot of the recording page.

    Args:
        marks: names of the marks, on the keys from 1.
        parent: the widget it stands in.

    Attributes:
        note: where a note is typed.
        view: the buttons that only change what is seen and heard; for the page to put beside the traces.
    """

    wanted = Signal(str)
    """Somebody clicked; a deed of `acquire.app.record_keys.KEYS`, or "full_screen"."""
    confirmed = Signal(str)
    """A question was answered with yes: stop, skip or repeat."""
    note_opened = Signal()
    note_written = Signal(str)
    note_dropped = Signal()
    """A note was given up, unwritten."""
    asking_changed = Signal(bool)
    typing_ended = Signal()

    def __init__(self, marks: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._asked = ""
        self._asked_until_s = self._said_until_s = 0.0
        self._noting = False
        self.buttons: dict[str, KeyButton] = {}
        self.view = QWidget()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(theme.px(6))
        outer.addWidget(self._build_line())
        outer.addWidget(self._build_buttons(marks))

    @property
    def asked(self) -> str:
        """What is being asked: "stop", "skip", "repeat", or ""."""
        return self._asked

    @property
    def noting(self) -> bool:
        """Whether a note is being typed."""
        return self._noting

    @property
    def said(self) -> str:
        """What the line says now."""
        return self._said.word if self._line.currentWidget() is self._said_page else ""

    def say(self, words: str, level: str, now_s: float) -> None:
        """Show what became of something, for some seconds.

        Args:
            words: one sentence.
            level: of `acquire.app.theme.LEVELS`.
            now_s: of the clock that `pass_time` goes by.
        """
        self._said.show_state(words, level)
        self._said_until_s = now_s + SAID_S
        self._said.setVisible(bool(words))

    def ask(self, deed: str, now_s: float) -> None:
        """Ask before something is given up."""
        question = _questions()[deed]
        self._asked, self._asked_until_s = deed, now_s + ASK_S
        self._question.show_text(question.over_note if self._noting else question.words)
        self._yes.setText(question.yes)
        self._tell_asking()
        if not self._noting:
            self._yes.setFocus()

    def answer(self, yes: bool) -> None:
        """Answer what is asked; without a question nothing happens."""
        deed, self._asked = self._asked, ""
        if deed:
            self._tell_asking()
            if yes:
                self.confirmed.emit(deed)

    def take(self, deed: str) -> bool:
        """A key of the page is pressed; whether the question that stands has taken it.

        Only its answers count meanwhile: Enter or its own key is yes, and Esc, Stop's key, is no to all of them. Who
        wants to write a note goes on, too.
        """
        if not self._asked or deed in ALWAYS - {"confirm", "acknowledge"}:
            return False
        if deed in ("stop", "note"):
            self.answer(False)
        elif deed in ("confirm", self._asked):
            self.answer(True)
        return deed != "note"

    def type_on(self, event: QKeyEvent) -> bool:
        """Whether a key was more of the note that a question covers: whoever types on has not seen it, so it is no."""
        text = event.text()
        if not (self._asked and self._noting and text and text.isprintable()):
            return False
        self.answer(False)
        self.note.insert(text)
        return True

    def open_note(self) -> None:
        """Let a note be typed."""
        self._noting = True
        self._turn()
        self.note.setFocus()
        self.note_opened.emit()

    def drop_note(self) -> None:
        """Give the note up, unwritten."""
        self.note_dropped.emit()
        self.leave_note()

    def store_note(self) -> None:
        """Write the note; an empty one is given up."""
        words = self.note.text().strip()
        if words:
            self.note_written.emit(words)
        else:
            self.note_dropped.emit()
        self.leave_note()

    def leave_note(self) -> None:
        """Away with the field, without a word."""
        self.note.clear()
        self._noting = False
        self._turn()
        self.typing_ended.emit()

    def pass_time(self, now_s: float) -> None:
        """Take back what has stood long enough."""
        if self._asked and now_s >= self._asked_until_s:
            self.answer(False)
        if self._said.word and now_s >= self._said_until_s:
            self._said.setVisible(False)

    def show_paused(self, paused: bool) -> None:
        """Let the first button undo what it has done."""
        self.buttons["pause"].setText(_("Resume") if paused else _("Pause"))
        restyle(self.buttons["pause"], "primary" if paused else "")

    def show_locked(self, locked: bool) -> None:
        """Let nothing be commanded: the recording has not begun, or is over."""
        for deed, button in self.buttons.items():
            if deed not in ALWAYS and button.isEnabled() == locked:
                button.setEnabled(not locked)

    def show_switches(self, preferences: Preferences, *, subject: bool) -> None:
        """Show what is switched on.

        Args:
            preferences: as they hold.
            subject: whether the subject's window is open.
        """
        self.buttons["grid"].setText(_("Grid: on") if preferences.grid else _("Grid: off"))
        self.buttons["filter"].setText(_("Filter: on") if preferences.filtered else _("Filter: off"))
        self.buttons["cues"].setText(_("Cues: off") if preferences.cues == "off" else _("Cues: on"))
        self.buttons["subject_window"].setText(_("Close subject window") if subject else _("Subject window"))

    def reset(self) -> None:
        """Begin with a new recording."""
        self.answer(False)
        self.leave_note()
        self._said.setVisible(False)

    def _tell_asking(self) -> None:
        for deed in _questions():
            restyle(self.buttons[deed], "danger" if deed == self._asked else "")
        self._turn()
        self.asking_changed.emit(bool(self._asked))
        if not self._asked:
            self.note.setFocus() if self._noting else self.typing_ended.emit()

    def _turn(self) -> None:
        page = self._question_page if self._asked else self._note_page if self._noting else self._said_page
        self._line.setCurrentWidget(page)

    # How it is put together.

    def _build_line(self) -> QWidget:
        self._said = StateBadge(" ", "skipped")
        self._said.hide()
        self._said_page = _row(self._said)
        self._question = BigText(least=8, most=theme.font(13).pointSizeF())
        self._question.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._yes = KeyButton("", "Return", kind="danger")
        self._yes.clicked.connect(lambda: self.answer(True))
        no = KeyButton(_("Go on"), "Esc")
        no.clicked.connect(lambda: self.answer(False))
        self._question_page = _row(self._question, self._yes, no)
        self.note = LineField()
        self.note.setMaxLength(MAX_TEXT)
        self.note.setAccessibleName(_("Note"))
        self.note.setPlaceholderText(_("Type a note; it is stored at this moment of the recording."))
        self.note.returnPressed.connect(self.store_note)
        self.note.left.connect(self.drop_note)
        store = KeyButton(_("Store"), "Return", kind="primary")
        store.clicked.connect(self.store_note)
        leave = KeyButton(_("Leave"), "Esc")
        leave.clicked.connect(self.drop_note)
        self._note_page = _row(self.note, store, leave)
        self._line = QStackedWidget()
        self._line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for page in (self._said_page, self._question_page, self._note_page):
            self._line.addWidget(page)
        # As high as its highest page from the first moment on, or all that is above it would jump.
        for part in self._line.findChildren(QWidget):
            part.ensurePolished()
        self._line.setFixedHeight(self._line.sizeHint().height())
        return self._line

    def _build_buttons(self, marks: Sequence[str]) -> QWidget:
        held = QWidget()
        first = FlowLayout(theme.px(6), held)
        second = FlowLayout(theme.px(2), self.view)
        for deed, words in (
            ("pause", _("Pause")),
            ("skip", _("Skip step")),
            ("repeat", _("Repeat step")),
            ("note", _("Note")),
            ("stop", _("Stop")),
        ):
            first.addWidget(self._button(deed, words))
        for number, name in enumerate(marks[:9], start=1):
            first.addWidget(self._button(f"mark{number}", mark_title(name)))
        for deed, words in (
            ("gain_down", _("Flatter")),
            ("gain_up", _("Higher")),
            ("span_shorter", _("Shorter")),
            ("span_longer", _("Longer")),
            ("grid", _("Grid")),
            ("filter", _("Filter")),
            ("cues", _("Cues")),
            ("subject_window", _("Subject window")),
            ("full_screen", _("Full screen")),
        ):
            second.addWidget(self._button(deed, words, quiet=True))
        for deed, words in (
            ("gain_down", _("Draw the traces less high")),
            ("gain_up", _("Draw the traces higher")),
            ("span_shorter", _("Show fewer seconds")),
            ("span_longer", _("Show more seconds")),
        ):
            self.buttons[deed].setToolTip(words)
            self.buttons[deed].setAccessibleName(f"{words} ({self.buttons[deed].key_words()})")
        return held

    def _button(self, deed: str, words: str, *, quiet: bool = False) -> KeyButton:
        button = KeyButton(words, KEYS[deed][0] if deed in KEYS else "F11", kind="flat" if quiet else "")
        if quiet:
            button.setFont(theme.font(9.5))
        button.clicked.connect(lambda: self.wanted.emit(deed))
        self.buttons[deed] = button
        return button


def _row(first: QWidget, *others: QWidget) -> QWidget:
    page = QWidget()
    line = QHBoxLayout(page)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(theme.px(8))
    line.addWidget(first, 1)
    for other in others:
        line.addWidget(other, 0, Qt.AlignmentFlag.AlignVCenter)
    return page
