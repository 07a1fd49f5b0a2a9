"""The small pieces that every page is put together from: badge, card, button with its key, timeline, banner.

They ask the theme for its colours whenever they paint, so a change of looks needs no more than a repaint.
"""

from __future__ import annotations

import re
import textwrap

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from acquire.app import theme
from acquire.app.key_button import KeyButton
from acquire.app.shapes import Shape, draw_shape, state_word
from acquire.app.step_timeline import StepTimeline

__all__ = [
    "Banner",
    "Card",
    "KeyButton",
    "Shape",
    "StateBadge",
    "StepTimeline",
    "draw_shape",
    "label",
    "restyle",
    "state_word",
]

_ANSWERS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)

_UNBROKEN = 16
_LONG_WORD = re.compile(r"\S{33,}")


def label(text: str = "", kind: str = "", *, wrap: bool = True) -> QLabel:
    """A piece of text in one of the theme's looks.

    Args:
        text: shown as it is, never as markup: pseudonyms and sentences come from outside.
        kind: "title", "heading", "muted", "small", "good", "doubtful", "bad", or "" for plain text.
        wrap: whether it may take several lines.
    """
    made = _Text()
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    made.setText(text)
    if kind:
        made.setProperty("kind", kind)
    return made


class _Text(QLabel):
    """Text whose longest words, such as paths and addresses, may be broken where lines are wrapped."""

    def setText(self, text: str) -> None:
        super().setText(_LONG_WORD.sub(_with_breaks, text) if self.wordWrap() else text)


def _with_breaks(word: re.Match[str]) -> str:
    """The word with a place where it may be broken every few characters, which takes no room itself."""
    return "\u200b".join(textwrap.wrap(word[0], _UNBROKEN, break_on_hyphens=False))


def restyle(widget: QWidget, kind: str) -> None:
    """Give a widget another of the theme's looks."""
    if widget.property("kind") != kind:
        widget.setProperty("kind", kind)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


class StateBadge(QWidget):
    """A state as shape, colour and word.

    Args:
        word: what to say; the level's own word where it is empty.
        state: one of `theme.LEVELS`.
        parent: the widget it stands in.
    """

    def __init__(self, word: str = "", state: str = "skipped", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._word, self._state = "", ""
        self.show_state(word, state)

    @property
    def word(self) -> str:
        """What it says."""
        return self._word

    @property
    def state(self) -> str:
        """Its level."""
        return self._state

    def show_state(self, word: str, state: str) -> None:
        """Say something else."""
        word = word or state_word(state)
        if (word, state) == (self._word, self._state):
            return
        self._word, self._state = word, state
        self.setAccessibleName(f"{word} ({state_word(state)})" if word != state_word(state) else word)
        self.updateGeometry()
        self.update()

    def _font(self) -> QFont:
        return theme.font(10.5, bold=True)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        metrics = QFontMetricsF(self._font())
        width = metrics.horizontalAdvance(self._word) + metrics.height() * 0.7 + theme.px(8)
        return QSize(round(width) + 2, round(metrics.height()) + theme.px(6))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(40), self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's own
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self.updateGeometry()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        painter = QPainter(self)
        font = self._font()
        metrics = QFontMetricsF(font)
        radius = metrics.height() * 0.3
        draw_shape(painter, self._state, QPointF(1.15 * radius + 1, self.height() / 2), radius)
        left = 2.3 * radius + theme.px(7)
        painter.setFont(font)
        painter.setPen(QColor(theme.current().level(self._state)))
        room = QRectF(left, 0, self.width() - left, self.height())
        shown = metrics.elidedText(self._word, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
        self.setToolTip(self._word if shown != self._word else "")


class Card(QFrame):
    """A group of things that belong together, with a heading.

    Args:
        title: the heading; none where it is empty.
        parent: the widget it stands in.

    Attributes:
        head: layout of the heading's line; more may be added at its right.
        body: layout of what the card holds.
    """

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "card")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(theme.px(14), theme.px(11), theme.px(14), theme.px(13))
        outer.setSpacing(theme.px(8))
        self.head = QHBoxLayout()
        self.head.setSpacing(theme.px(8))
        self._title = label(title, "heading", wrap=False)
        self._title.setVisible(bool(title))
        self.head.addWidget(self._title)
        self.head.addStretch(1)
        outer.addLayout(self.head)
        self.body = QVBoxLayout()
        self.body.setSpacing(theme.px(8))
        outer.addLayout(self.body, 1)

    def set_title(self, title: str) -> None:
        """Change the heading."""
        self._title.setText(title)
        self._title.setVisible(bool(title))

    def add(self, what: QWidget | QLayout, stretch: int = 0) -> None:
        """Put something below what the card holds already."""
        if isinstance(what, QWidget):
            self.body.addWidget(what, stretch)
        else:
            self.body.addLayout(what, stretch)


class Banner(QFrame):
    """A message across the page, with what can be done about it.

    One that asks has the keyboard until it is answered: Enter presses its button, Esc puts it away, whatever these keys
    do on the page.

    Args:
        level: "good", "doubtful" or "bad".
        text: one or two sentences.
        action: words of its button; none where it is empty.
        dismiss: words of a second, quiet button that puts the banner away; none where it is empty.
        key: that presses the button, wherever in the window the keyboard is.
        dismiss_key: likewise for the second one.
        asks: whether it is a question to be answered before anything else.
        parent: the widget it stands in.
    """

    acted = Signal()
    dismissed = Signal()

    def __init__(
        self,
        level: str = "doubtful",
        text: str = "",
        action: str = "",
        *,
        dismiss: str = "",
        key: str = "",
        dismiss_key: str = "",
        asks: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._asks = asks
        line = QHBoxLayout(self)
        line.setContentsMargins(theme.px(12), theme.px(8), theme.px(8), theme.px(8))
        line.setSpacing(theme.px(10))
        self._shape = Shape(level)
        self._words = label(text)
        self.button = KeyButton(action, "Return" if asks else key)
        self._dismiss = KeyButton(dismiss, "Esc" if asks else dismiss_key, kind="flat")
        line.addWidget(self._shape)
        line.addWidget(self._words, 1)
        for button, signal in ((self.button, self.acted), (self._dismiss, self.dismissed)):
            line.addWidget(button)
            button.clicked.connect(signal.emit)
        self._level = ""
        self.show_message(level, text, action)
        self._dismiss.setVisible(bool(dismiss))
        if asks:
            self._listen()
        else:
            for button in (self.button, self._dismiss):
                if button.key:
                    QShortcut(QKeySequence(button.key), self).activated.connect(button.click)

    def _listen(self) -> None:
        """Hear the answer wherever in the window the keyboard is, while the question stands."""
        for key in _ANSWERS:
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setAutoRepeat(False)
            chosen = self._dismiss if key == Qt.Key.Key_Escape else self.button
            shortcut.activated.connect(chosen.click)

    @property
    def level(self) -> str:
        """How serious it is."""
        return self._level

    @property
    def text(self) -> str:
        """What it says."""
        return self._words.text()

    def show_message(self, level: str, text: str, action: str = "") -> None:
        """Say something else."""
        if level != self._level:
            self._level = level
            restyle(self, f"banner-{level}")
            self._shape.set_level(level)
        self._words.setText(text)
        self.button.setText(action)
        self.button.setVisible(bool(action))
        self.setAccessibleName(text)

    def ask(self) -> None:
        """Show the question, and take the keyboard until it is answered."""
        self.show()
        self.button.setFocus()

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if self._asks and isinstance(event, QKeyEvent) and event.key() in _ANSWERS:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                chosen = self._dismiss if event.key() == Qt.Key.Key_Escape or self._dismiss.hasFocus() else self.button
                chosen.click()
                return True
        return super().event(event)
