"""Text that is as large as its space allows, for reading from across a room."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from acquire.app import theme

__all__ = ["BigText", "fitting_points"]

_STEP = 1.06
_AIR = 1.04
"""Lines stand this far apart, in their own height."""


def fitting_points(
    text: str, font: QFont, room: QSize, *, least: float, most: float, one_line: bool = False
) -> tuple[float, list[str]]:
    """The largest size at which a text fits, and its lines at that size.

    A word is broken only where it would not fit at the least size either.

    Args:
        text: one paragraph.
        font: of which family and weight; its own size does not matter.
        room: in pixels.
        least: points below which it does not go, whether the text fits or not.
        most: points above which it does not go.
        one_line: whether it must not wrap.
    """
    sizes = max(1, math.ceil(math.log(most / least) / math.log(_STEP)))
    low, high = 0, sizes
    best = _lines(text, font, least, room, one_line=one_line, anywhere=True) or [text]
    found = least
    while low < high:
        middle = (low + high + 1) // 2
        points = min(most, least * _STEP**middle)
        lines = _lines(text, font, points, room, one_line=one_line, anywhere=False)
        if lines is None:
            high = middle - 1
        else:
            low, found, best = middle, points, lines
    return found, best


def _lines(text: str, font: QFont, points: float, room: QSize, *, one_line: bool, anywhere: bool) -> list[str] | None:
    """The lines of a text at a size; None where they do not fit, which at the least size is let pass."""
    sized = QFont(font)
    sized.setPointSizeF(points)
    metrics = QFontMetricsF(sized)
    if not anywhere and metrics.height() > room.height():
        return None
    if one_line:
        return [text] if anywhere or _fits_line(text, metrics, room) else None
    if not anywhere and max((metrics.horizontalAdvance(word) for word in text.split()), default=0.0) > room.width():
        return None
    layout = QTextLayout(text, sized)
    option = QTextOption()
    wrap = QTextOption.WrapMode
    option.setWrapMode(wrap.WrapAtWordBoundaryOrAnywhere if anywhere else wrap.WordWrap)
    layout.setTextOption(option)
    layout.beginLayout()
    lines: list[str] = []
    most_lines = max(1, int((room.height() / metrics.height() - 1) / _AIR + 1))
    while (line := layout.createLine()).isValid():
        line.setLineWidth(max(1, room.width()))
        lines.append(text[line.textStart() : line.textStart() + line.textLength()].strip())
        if len(lines) > most_lines:
            break
    layout.endLayout()
    if len(lines) <= most_lines:
        return lines
    if not anywhere:
        return None
    # Not even the smallest fits: what is left out is owned up to.
    return [*lines[: most_lines - 1], metrics.elidedText(lines[most_lines - 1] + "…", _RIGHT, room.width())]


_RIGHT = Qt.TextElideMode.ElideRight


def _fits_line(text: str, metrics: QFontMetricsF, room: QSize) -> bool:
    return metrics.horizontalAdvance(text) <= room.width() and metrics.height() <= room.height()


class BigText(QWidget):
    """Shows a text as large as fits.

    Args:
        least: points below which it does not go, whatever the text scale: what is too long for its space is rather
            small than cut off.
        most: points above which it does not go, whatever the text scale.
        bold: for headings and figures.
        figures: a countdown: one line, digits of equal width, sized as if each were the widest.
        align: where it stands.
        parent: the widget it stands in.
    """

    def __init__(
        self,
        *,
        least: float = 13,
        most: float = 96,
        bold: bool = True,
        figures: bool = False,
        align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._least, self._most = least, most
        self._bold, self._figures, self._align = bold, figures, align
        self._text = ""
        self._colour = "text"
        self._fitted: tuple[str, QSize, float, list[str]] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def text(self) -> str:
        """What it says."""
        return self._text

    def show_text(self, text: str, colour: str = "text") -> None:
        """Say something else.

        Args:
            text: one paragraph.
            colour: name of one of the theme's colours.
        """
        if (text, colour) != (self._text, self._colour):
            self._text, self._colour = text, colour
            self.setAccessibleName(text)
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(320), theme.px(90))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        metrics = QFontMetricsF(self._font(theme.font(self._least).pointSizeF()))
        return QSize(round(metrics.horizontalAdvance("0:00" if self._figures else "mmmm")), round(metrics.height()))

    def points(self) -> float:
        """How large it is now."""
        return self._fit()[0]

    def lines(self) -> list[str]:
        """What stands on each line."""
        return self._fit()[1]

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's own
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self._fitted = None
            self.updateGeometry()
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        self._fitted = None
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        points, lines = self._fit()
        if self._figures:
            lines = [self._text]
        font = self._font(points)
        metrics = QFontMetricsF(font)
        pitch = metrics.height() * _AIR
        painter = QPainter(self)
        painter.setFont(font)
        painter.setPen(QColor(getattr(theme.current(), self._colour)))
        top = (self.height() - pitch * (len(lines) - 1) - metrics.height()) / 2
        for place, line in enumerate(lines):
            box = QRectF(0, top + place * pitch, self.width(), metrics.height())
            width = metrics.horizontalAdvance(line)
            left = {Qt.AlignmentFlag.AlignLeft: 0.0, Qt.AlignmentFlag.AlignRight: box.width() - width}.get(
                self._align, (box.width() - width) / 2
            )
            painter.drawText(QPointF(left, box.top() + metrics.ascent()), line)

    def _font(self, points: float) -> QFont:
        font = theme.font(10, bold=self._bold, fixed_digits=self._figures)
        font.setPointSizeF(points)
        return font

    def _fit(self) -> tuple[float, list[str]]:
        # Every digit counts as the widest, so that the size does not change from second to second.
        text = "".join("0" if character.isdigit() else character for character in self._text)
        text = text if self._figures else self._text
        if self._fitted is None or self._fitted[:2] != (text, self.size()):
            points, lines = fitting_points(
                text, self._font(10), self.size(), least=self._least, most=self._most, one_line=self._figures
            )
            self._fitted = (text, self.size(), points, lines)
        return self._fitted[2], self._fitted[3]
