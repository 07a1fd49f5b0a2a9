"""A button that shows the key which does the same."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QStyle, QStyleOptionButton, QStylePainter, QWidget

from acquire.app import theme
from acquire.viewer.texts import _

__all__ = ["KeyButton"]


class KeyButton(QPushButton):
    """A button that shows the key which does the same.

    The page that owns the button decides when the key counts (not while something is typed), so the key is shown here
    and not listened to.

    Args:
        text: what pressing it does.
        key: in `QKeySequence`'s portable words, such as "Space", "S", "Esc", "F9", "Return"; none where it is empty.
        kind: "primary", "danger", "flat", or "" for an ordinary one.
        parent: the widget it stands in.
    """

    def __init__(self, text: str, key: str = "", *, kind: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._key = key
        if kind:
            self.setProperty("kind", kind)
        # A window's default button would take Enter from a field that has the keyboard.
        self.setAutoDefault(False)
        self._tell()

    @property
    def key(self) -> str:
        """The key that it shows."""
        return self._key

    def set_key(self, key: str) -> None:
        """Show another key."""
        self._key = key
        self._tell()
        self.updateGeometry()
        self.update()

    def setText(self, text: str) -> None:  # noqa: D102 - Qt's own
        if text != self.text():
            super().setText(text)
            self._tell()

    def _tell(self) -> None:
        name = self.text().replace("&", "")
        self.setAccessibleName(_("{name} (key {key})").format(name=name, key=self.key_words()) if self._key else name)

    def key_words(self) -> str:
        """The key as it is written on keyboards."""
        words = {
            "Return": _("Enter"),
            "Esc": _("Esc"),
            "Space": _("Space"),
            "Backspace": _("Backspace"),
            "Left": "←",
            "Right": "→",
        }
        return words.get(self._key) or QKeySequence(self._key).toString(QKeySequence.SequenceFormat.NativeText)

    def _cap_size(self) -> QSize:
        """Room of the key's picture, with the space before it."""
        if not self._key:
            return QSize(0, 0)
        metrics = QFontMetricsF(theme.font(8.5, bold=True))
        width = max(metrics.horizontalAdvance(self.key_words()) + theme.px(9), metrics.height() + theme.px(3))
        return QSize(round(width) + theme.px(9), round(metrics.height()) + theme.px(3))

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        hint = super().sizeHint()
        return QSize(hint.width() + self._cap_size().width(), max(hint.height(), self._cap_size().height()))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return self.sizeHint()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's own
        # Enter presses whatever button has the keyboard, on every page and beside it.
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat():
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        painter = QStylePainter(self)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        text = option.text
        option.text = ""
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)
        cap = self._cap_size()
        shown = QFontMetricsF(self.font()).horizontalAdvance(text.replace("&", ""))
        left = max(theme.px(6), (self.width() - shown - cap.width()) / 2)
        colour = self._ink()
        painter.setPen(colour)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextHideMnemonic
        painter.drawText(QRectF(left, 0, self.width() - left, self.height()), flags, text)
        if self._key:
            self._draw_cap(painter, left + shown + theme.px(9), cap, colour)

    def _ink(self) -> QColor:
        colours = theme.current()
        if not self.isEnabled():
            return QColor(colours.muted)
        return QColor(colours.on_accent if self.property("kind") == "primary" else colours.text)

    def _draw_cap(self, painter: QPainter, left: float, cap: QSize, colour: QColor) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(left, (self.height() - cap.height()) / 2, cap.width() - theme.px(9), cap.height())
        edge = QColor(colour)
        edge.setAlphaF(0.55)
        painter.setPen(QPen(edge, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, theme.px(3), theme.px(3))
        painter.setFont(theme.font(8.5, bold=True))
        painter.setPen(colour)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.key_words())
