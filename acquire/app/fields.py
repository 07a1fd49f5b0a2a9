"""What the pages' forms are made of: captions, what is wrong beside a field, and fields that complete what is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QKeySequence, QPainter, QPaintEvent, QPen, QResizeEvent, QShortcut, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QBoxLayout,
    QComboBox,
    QCompleter,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from acquire.app import theme
from acquire.app.widgets import Shape, label
from acquire.viewer.preparing import Problem

__all__ = ["Choice", "Columns", "FieldNotes", "Form", "OneColumn", "Suggesting", "enter_goes_on", "focused_button"]


class FieldNotes(QWidget):
    """What speaks against a field's value, below it: a shape and a sentence for each problem; gone where there is none.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[Problem, ...] = ()
        self._lines = QVBoxLayout(self)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(theme.px(3))
        self.hide()

    @property
    def words(self) -> str:
        """Everything that it says."""
        return "\n".join(problem.words for problem in self._shown)

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Say what is wrong."""
        shown = tuple(problems)
        if shown == self._shown:
            return
        self._shown = shown
        while (item := self._lines.takeAt(0)) is not None:
            if (line := item.widget()) is not None:
                line.hide()
                line.deleteLater()
        for problem in shown:
            self._lines.addWidget(_note("bad" if problem.stops else "doubtful", problem.words))
        self.setAccessibleName(self.words)
        self.setVisible(bool(shown))


def _note(level: str, words: str) -> QWidget:
    line = QWidget()
    across = QHBoxLayout(line)
    across.setContentsMargins(0, 0, 0, 0)
    across.setSpacing(theme.px(5))
    across.addWidget(Shape(level, size=14), 0, Qt.AlignmentFlag.AlignTop)
    across.addWidget(label(words, level), 1)
    return line


class Form(QGridLayout):
    """Fields below each other, their captions at the left, all aligned; a field's notes stand below it.

    Args:
        caption_px: width of the captions' column at text scale 1, so that several forms line up.
    """

    def __init__(self, caption_px: float = 114) -> None:
        super().__init__()
        self.setHorizontalSpacing(theme.px(10))
        self.setVerticalSpacing(theme.px(6))
        self.setColumnStretch(1, 1)
        self.setColumnMinimumWidth(0, theme.px(caption_px))

    def add_field(self, caption: str, field: QWidget, *below: QWidget) -> QLabel:
        """Add a field at the end.

        Args:
            caption: what it is; ``&`` before a letter makes Alt and that letter lead to it.
            field: may be a container.
            below: what stands under it, such as its notes.
        """
        row = self.rowCount()
        made = QLabel(caption)
        made.setBuddy(field)
        field.setAccessibleName(field.accessibleName() or caption.replace("&", ""))
        self.addWidget(made, row, 0, Qt.AlignmentFlag.AlignVCenter)
        self.addWidget(field, row, 1)
        for place, widget in enumerate(below, 1):
            self.addWidget(widget, row + place, 1)
        return made


class Choice(QComboBox):
    """A field to choose from, with the arrow that says so; the style sheet's borders leave none.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setMaxVisibleItems(12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102 - Qt's own
        # Somebody who scrolls the page must not change what is recorded.
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.current().muted), theme.px(1.8)))
        half, x, y = theme.px(4), self.width() - theme.px(16), self.height() / 2
        painter.drawPolyline(
            [QPointF(x - half, y - half / 2), QPointF(x, y + half / 2), QPointF(x + half, y - half / 2)]
        )


class Suggesting(Choice):
    """A field to type into that offers what is known, wherever in a word the typed letters are.

    Nothing is filled in by itself: a new pseudonym may begin like a known one.

    Args:
        hint: shown while it is empty.
        longest: characters that it takes.
        parent: the widget it stands in.
    """

    def __init__(self, hint: str, longest: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.line.setPlaceholderText(hint)
        self.line.setMaxLength(longest)
        completer = QCompleter(self.model(), self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.setCompleter(completer)
        # Only behind this key does Qt show what it suggests.
        self.line.textEdited.connect(lambda typed: QTimer.singleShot(0, self, self._put_away))

    @property
    def line(self) -> QLineEdit:
        """Where is typed."""
        edit = self.lineEdit()
        assert edit is not None
        return edit

    def text(self) -> str:
        """What was typed, without blanks at its ends."""
        return self.currentText().strip()

    def _put_away(self) -> None:
        """What is typed whole needs no more suggestions; they would only cover what is said of it below."""
        completer = self.completer()
        popup = None if completer is None else completer.popup()
        if popup is not None and self.findText(self.text(), Qt.MatchFlag.MatchExactly) >= 0:
            popup.hide()

    def offer(self, choices: Sequence[str]) -> None:
        """Offer other choices; what was typed stays."""
        if [self.itemText(row) for row in range(self.count())] != list(choices):
            typed = self.currentText()
            self.blockSignals(True)
            self.clear()
            self.addItems(list(choices))
            self.setCurrentIndex(self.findText(typed, Qt.MatchFlag.MatchExactly))
            self.setEditText(typed)
            self.blockSignals(False)


class Columns(QWidget):
    """Parts side by side; below each other where the window is too narrow for that, as it is with large text.

    Args:
        parts: widgets or layouts, each with its share of the width.
        spacing_px: between them, at text scale 1.
        parent: the widget it stands in.
    """

    def __init__(
        self, *parts: tuple[QWidget | QLayout, int], spacing_px: float = 12, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(theme.px(spacing_px))
        for part, share in parts:
            self.add(part, share)

    @property
    def folded(self) -> bool:
        """Whether the parts stand below each other."""
        return self._box.direction() == QBoxLayout.Direction.TopToBottom

    def add(self, part: QWidget | QLayout, share: int) -> None:
        """Put one more part at the end."""
        if isinstance(part, QWidget):
            self._box.addWidget(part, share)
        else:
            self._box.addLayout(part, share)

    def remove(self, part: QWidget) -> None:
        """Take a part out."""
        self._box.removeWidget(part)

    def _widths(self) -> list[int]:
        items = [self._box.itemAt(place) for place in range(self._box.count())]
        return [item.minimumSize().width() for item in items if item is not None and not item.isEmpty()]

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(max(self._widths(), default=0), self._box.minimumSize().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        super().resizeEvent(event)
        self._fold()

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._fold()
        return done

    def _fold(self) -> None:
        widths = self._widths()
        too_narrow = self.width() < sum(widths) + self._box.spacing() * (len(widths) - 1)
        wanted = QBoxLayout.Direction.TopToBottom if too_narrow else QBoxLayout.Direction.LeftToRight
        if wanted != self._box.direction():
            self._box.setDirection(wanted)
            self.updateGeometry()


class OneColumn(QScrollArea):
    """What may grow taller than the window: it scrolls up and down, and never sideways.

    Args:
        inside: what it shows.
        parent: the widget it stands in.
    """

    def __init__(self, inside: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        # It lies on the page or on a card, and shows the ground that is there.
        self.setStyleSheet("QScrollArea { background: transparent; }")
        self.setWidget(inside)


def focused_button(page: QWidget) -> QAbstractButton | None:
    """The push button of a page that has the keyboard, if any."""
    focused = QApplication.focusWidget()
    if isinstance(focused, QAbstractButton) and not focused.isCheckable() and page.isAncestorOf(focused):
        return focused
    return None


def enter_goes_on(page: QWidget, go_on: QAbstractButton, refused: Callable[[], None] = lambda: None) -> None:
    """Let Enter press a page's one primary button, or another button that has the keyboard.

    Args:
        page: whose keys.
        go_on: its primary button; it is asked to ``click`` only while enabled.
        refused: called where it is disabled.
    """

    def entered() -> None:
        button = focused_button(page)
        if button is not None and button is not go_on:
            button.click()
        elif go_on.isEnabled() and go_on.isVisible():
            go_on.click()
        else:
            refused()

    for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        shortcut = QShortcut(QKeySequence(key), page)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(entered)
