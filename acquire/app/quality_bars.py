"""How good each lead of a recording was: shares of its time as one bar a lead."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from acquire.app import theme
from acquire.app.widgets import draw_shape, state_word
from acquire.viewer.finishing import LeadQuality
from acquire.viewer.texts import _

__all__ = ["QualityBars"]

_PATTERNS = {
    "good": Qt.BrushStyle.SolidPattern,
    "doubtful": Qt.BrushStyle.BDiagPattern,
    "bad": Qt.BrushStyle.DiagCrossPattern,
}


class QualityBars(QWidget):
    """A row for each lead: its name, heart rate, and how much of the time it was good, doubtful or bad.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._quality: tuple[LeadQuality, ...] = ()

    def show_quality(self, quality: Sequence[LeadQuality]) -> None:
        """Show these leads."""
        self._quality = tuple(quality)
        self.setAccessibleName("\n".join(f"{lead.lead}: {self.words_of(lead)}" for lead in self._quality))
        self.updateGeometry()
        self.update()

    def words_of(self, lead: LeadQuality) -> str:
        """A lead's row in words."""
        if lead.good + lead.doubtful + lead.bad <= 0:
            return _("could not be judged")
        words = _("{good:.0%} good, {doubtful:.0%} doubtful, {bad:.0%} bad").format(
            good=lead.good, doubtful=lead.doubtful, bad=lead.bad
        )
        return words if lead.heart_rate_bpm is None else f"{words}, {self._rate_words(lead)}"

    def _rate_words(self, lead: LeadQuality) -> str:
        return "–" if lead.heart_rate_bpm is None else _("{bpm:.0f}/min").format(bpm=lead.heart_rate_bpm)

    def _row_px(self) -> int:
        return round(QFontMetricsF(theme.font(10)).height()) + theme.px(10)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(300), self._row_px() * (len(self._quality) + 1))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(200), self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's own
        if event.type() == QEvent.Type.StyleChange:
            self.updateGeometry()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        painter = QPainter(self)
        row = self._row_px()
        name_w = QFontMetricsF(theme.font(10.5, bold=True)).horizontalAdvance("aVR") + theme.px(12)
        rate_w = QFontMetricsF(theme.font(10)).horizontalAdvance("000/min") + theme.px(8)
        for place, lead in enumerate(self._quality):
            room = QRectF(0, place * row, self.width(), row)
            painter.setFont(theme.font(10.5, bold=True))
            painter.setPen(QColor(theme.current().text))
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, lead.lead)
            painter.setFont(theme.font(10, fixed_digits=True))
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(room, right, self._rate_words(lead))
            self._paint_bar(painter, lead, room.adjusted(name_w, theme.px(5), -rate_w, -theme.px(5)))
        self._paint_key(painter, QRectF(name_w, len(self._quality) * row, self.width() - name_w, row))

    def _paint_bar(self, painter: QPainter, lead: LeadQuality, room: QRectF) -> None:
        colours = theme.current()
        painter.fillRect(room, QColor(colours.window))
        left = room.left()
        for level in ("good", "doubtful", "bad"):
            width = room.width() * float(getattr(lead, level))
            if width > 0:
                part = QRectF(left, room.top(), width, room.height())
                painter.fillRect(part, QColor(getattr(colours, f"{level}_ground")))
                painter.fillRect(part, QBrush(QColor(colours.level(level)), _PATTERNS[level]))
                left += width
        painter.setPen(QPen(QColor(colours.outline), 1))
        painter.drawRect(room)
        if lead.good + lead.doubtful + lead.bad <= 0:
            painter.setPen(QColor(colours.muted))
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, self.words_of(lead))

    def _paint_key(self, painter: QPainter, room: QRectF) -> None:
        """What the patterns mean."""
        font = theme.font(9)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        left, radius = room.left(), theme.px(4.5)
        for level in ("good", "doubtful", "bad"):
            draw_shape(painter, level, QPointF(left + radius, room.center().y()), radius)
            left += 2 * radius + theme.px(5)
            painter.setPen(QColor(theme.current().muted))
            words = state_word(level)
            width = metrics.horizontalAdvance(words)
            beside = QRectF(left, room.top(), width + 2, room.height())
            painter.drawText(beside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
            left += width + theme.px(14)
