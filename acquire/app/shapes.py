"""The shapes of the levels: nothing is told by colour alone."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from acquire.app import theme
from acquire.viewer.texts import _

__all__ = ["Shape", "draw_shape", "state_word"]


def state_word(level: str) -> str:
    """What a level is called."""
    return {"good": _("good"), "doubtful": _("doubtful"), "bad": _("bad"), "skipped": _("not checked")}[level]


def draw_shape(painter: QPainter, level: str, centre: QPointF, radius: float, *, colour: str = "") -> None:
    """Draw the shape of a level: disc, triangle, square or ring.

    Args:
        painter: where to; its pen and brush are kept.
        level: one of `theme.LEVELS`.
        centre: of the shape.
        radius: in pixels; all shapes look equally large.
        colour: the level's own where it is empty.
    """
    ink = QColor(colour or theme.current().level(level))
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    if level == "good":
        painter.drawEllipse(centre, radius, radius)
    elif level == "doubtful":
        path = QPainterPath(QPointF(centre.x(), centre.y() - 1.1 * radius))
        path.lineTo(centre.x() + 1.15 * radius, centre.y() + 0.9 * radius)
        path.lineTo(centre.x() - 1.15 * radius, centre.y() + 0.9 * radius)
        path.closeSubpath()
        painter.drawPath(path)
    elif level == "bad":
        side = 0.9 * radius
        painter.drawRect(QRectF(centre.x() - side, centre.y() - side, 2 * side, 2 * side))
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(ink, max(1.5, 0.35 * radius)))
        painter.drawEllipse(centre, 0.8 * radius, 0.8 * radius)
    painter.restore()


class Shape(QWidget):
    """The shape of a level alone.

    Args:
        level: one of `theme.LEVELS`.
        size: of its square, in pixels at text scale 1.
        parent: the widget it stands in.
    """

    def __init__(self, level: str, *, size: float = 18, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._level, self._size = level, size
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(state_word(level))

    @property
    def level(self) -> str:
        """Which level it shows."""
        return self._level

    def set_level(self, level: str) -> None:
        """Show another level."""
        if level != self._level:
            self._level = level
            self.setAccessibleName(state_word(level))
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(self._size), theme.px(self._size))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        draw_shape(QPainter(self), self._level, QPointF(self.width() / 2, self.height() / 2), 0.38 * self.width())
