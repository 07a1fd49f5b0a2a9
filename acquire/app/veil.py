"""A veil over a picture that stands: what was live is seen to be old, and since when."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from acquire.app import theme

__all__ = ["Veil"]

_THICK = 0.62


class Veil(QWidget):
    """Lies over another widget, dims it, and says why in its middle; hidden while it has nothing to say.

    Args:
        over: what it covers.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._words = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        over.installEventFilter(self)
        self.hide()

    @property
    def words(self) -> str:
        """What it says."""
        return self._words

    def show_words(self, words: str) -> None:
        """Say why what is below stands; nothing lifts the veil."""
        if words == self._words:
            return
        self._words = words
        self.setAccessibleName(words)
        self._cover()
        self.setVisible(bool(words))
        self.raise_()
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if event.type() == QEvent.Type.Resize:
            self._cover()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        painter = QPainter(self)
        ground = QColor(theme.current().surface)
        ground.setAlphaF(_THICK)
        painter.fillRect(self.rect(), ground)
        painter.setFont(theme.font(12, bold=True))
        pad = theme.px(10)
        room = QRectF(self.rect()).adjusted(2 * pad, 2 * pad, -2 * pad, -2 * pad)
        flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
        box = painter.boundingRect(room, flags, self._words)
        painter.fillRect(box.adjusted(-pad, -pad, pad, pad), QColor(theme.current().surface))
        painter.setPen(QColor(theme.current().text))
        painter.drawText(room, flags, self._words)

    def _cover(self) -> None:
        over = self.parentWidget()
        if over is not None:
            self.setGeometry(over.rect())
