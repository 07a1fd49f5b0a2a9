"""ECG paper: where everything lies on it, and its squares.

Paper runs at 25 mm/s. Its millimetre is as wide as the chosen seconds leave room for, so what is on the screen has the
proportions of paper and the size of the screen. Squares are square at every setting; what a square is high in millivolt
follows from the gain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPixmap

from acquire.app import theme
from acquire.viewer.texts import _

__all__ = ["MM_PER_S", "Grounds", "Row", "Sheet"]

MM_PER_S = 25.0
_BOLD_MM = 5
_THINNEST_SQUARE_PX = 3.0
_FADED_AS_THIN_PX = 7.0
_BASE_SHARE = 0.64
"""Where a lead's zero lies in its row: a little below the middle, since most of an ECG points upwards."""
_TINT = 0.35
"""How much of a step's colour the paper takes on: squares and trace come first."""
_OVER_SHARE, _UNDER_SHARE = 0.32, 0.15
"""How much of its neighbours' rows a lead may use: R waves are narrow, and hide little."""
_CALIBRATION_S = 0.2
_TICKS_S = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Where one lead is drawn, in pixels.

    Attributes:
        lead: its name.
        top: upper edge.
        bottom: lower edge.
        base: where zero lies.
        ceiling: how far up its signal may go, which is some way into its neighbour's row, as on paper.
        floor: how far down.
    """

    lead: str
    top: float
    bottom: float
    base: float
    ceiling: float
    floor: float


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet of paper of a certain size, with everything that decides where things lie on it.

    Lengths are logical pixels; ``ratio`` physical ones make one of them.

    Attributes:
        width: of the widget.
        height: of the widget.
        ratio: device pixel ratio.
        span_s: seconds from the left edge to the right.
        leads: names, top to bottom.
        mm_per_unit: millimetres of paper for one unit of the signal.
        scale_words: what a millimetre means along the time and of the signal, as it is written in the margin; empty
            where that is not known.
        unfiltered: whether the signal is drawn as it comes, each lead about its own middle.
        calibration: the height of the pulse at the left, in units; 0 for none.
        grid: whether the squares are drawn.
        label_height: of one line of small text.
        gutter: width of the margin that holds names and pulses.
    """

    width: int
    height: int
    ratio: float
    span_s: float
    leads: tuple[str, ...]
    mm_per_unit: float
    scale_words: tuple[str, ...]
    calibration: float
    grid: bool
    label_height: float
    gutter: float
    unfiltered: bool = False

    def snap(self, length: float) -> float:
        """The nearest whole physical pixel."""
        return round(length * self.ratio) / self.ratio

    @property
    def left(self) -> float:
        """Where the oldest sample lies."""
        return self.snap(self.gutter)

    @property
    def right(self) -> float:
        """Where the newest sample lies."""
        return float(self.width)

    @property
    def top(self) -> float:
        """Below the names of the steps."""
        return self.snap(self.label_height)

    @property
    def bottom(self) -> float:
        """Above the seconds."""
        return self.snap(self.height - self.label_height)

    @property
    def px_per_s(self) -> float:
        """Pixels a second is wide."""
        return max(1.0, self.right - self.left) / self.span_s

    @property
    def px_per_mm(self) -> float:
        """Pixels of one millimetre of paper, either way."""
        return self.px_per_s / MM_PER_S

    @property
    def px_per_unit(self) -> float:
        """Pixels one unit of the signal is high."""
        return self.mm_per_unit * self.px_per_mm

    @property
    def line(self) -> float:
        """The width of a drawn line: one pixel of an ordinary screen, in whole physical ones."""
        return max(1, round(self.ratio)) / self.ratio

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row a lead, below a line that is left for marks; each zero lies on a bold line of the grid."""
        if not self.leads:
            return ()
        first = self.top + self.label_height
        height = max(0.0, self.bottom - first) / len(self.leads)
        box = _BOLD_MM * self.px_per_mm
        step = box if box < height / 6 else self.px_per_mm
        origin = first + _BASE_SHARE * height
        rows = []
        for place, lead in enumerate(self.leads):
            top = first + place * height
            base = origin + round((top + _BASE_SHARE * height - origin) / step) * step
            rows.append(
                Row(
                    lead=lead,
                    top=self.snap(top),
                    bottom=self.snap(top + height),
                    base=self.snap(base),
                    ceiling=self.snap(max(self.top, top - _OVER_SHARE * height)),
                    floor=self.snap(min(self.bottom, top + (1 + _UNDER_SHARE) * height)),
                )
            )
        return tuple(rows)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Where a time is written below the paper, newest first: (x, words)."""
        room = QFontMetricsF(theme.font(9)).horizontalAdvance("−00 s") * 3
        every_s = next((tick_s for tick_s in _TICKS_S if tick_s * self.px_per_s >= room), _TICKS_S[-1])
        ticks = [(self.right, _("now"))]
        for number in range(1, math.floor(self.span_s / every_s + 1e-9) + 1):
            seconds = number * every_s
            ticks.append((self.right - seconds * self.px_per_s, _("−{n:g} s").format(n=seconds)))
        return tuple(ticks)


class Grounds:
    """Sheets that are drawn once and copied from then on.

    A sheet in the colour of a step costs as much to copy as a white one, where painting a colour and a grid anew, or
    laying one over the other, takes longer than the traces do.
    """

    def __init__(self) -> None:
        self._key: tuple[Sheet, theme.Theme] | None = None
        self._kept: dict[tuple[str, str], QPixmap] = {}
        self._used: set[tuple[str, str]] = set()

    def on(self, sheet: Sheet, colour: str = "", *, hatch: str = "") -> QPixmap:
        """The sheet's picture.

        Args:
            sheet: what it looks like.
            colour: of the paper; the theme's paper when empty.
            hatch: colour of oblique lines all over the paper; none when empty.
        """
        key = (sheet, theme.current())
        if key != self._key:
            self._key = key
            self._kept.clear()
        name = (colour, hatch)
        self._used.add(name)
        if name not in self._kept:
            # Dyeing a copy takes half the time of drawing the squares anew.
            self._kept[name] = _dyed(self.on(sheet), sheet, colour) if colour and not hatch else _draw(sheet, hatch)
        return self._kept[name]

    def let_go(self) -> None:
        """Drop what was not asked for since the last call: on a large screen a sheet takes 30 MB."""
        for name in self._kept.keys() - self._used:
            del self._kept[name]
        self._used.clear()


def _dyed(bare: QPixmap, sheet: Sheet, colour: str) -> QPixmap:
    pixmap = bare.copy()
    painter = QPainter(pixmap)
    _tint(painter, sheet, QColor(colour))
    painter.end()
    return pixmap


def _draw(sheet: Sheet, hatch: str) -> QPixmap:
    tokens = theme.current()
    # A multiple of the ratio: a fraction of a physical pixel would blur the copy.
    pixmap = QPixmap(math.ceil(sheet.width * sheet.ratio), math.ceil(sheet.height * sheet.ratio))
    pixmap.setDevicePixelRatio(sheet.ratio)
    pixmap.fill(QColor(tokens.surface))
    painter = QPainter(pixmap)
    paper = QRectF(0, sheet.top, sheet.width, sheet.bottom - sheet.top)
    painter.fillRect(paper, QColor(tokens.paper))
    if hatch:
        _draw_hatch(painter, sheet, QColor(hatch))
    if sheet.grid:
        painter.setClipRect(paper)
        _draw_grid(painter, sheet)
        painter.setClipping(False)
    _draw_margin(painter, sheet)
    _draw_foot(painter, sheet)
    painter.end()
    return pixmap


def _tint(painter: QPainter, sheet: Sheet, colour: QColor) -> None:
    """Dye the paper so that its squares stay as clear as they are on the bare sheet."""
    tokens = theme.current()
    painter.fillRect(QRectF(sheet.left, 0, sheet.right - sheet.left, sheet.top), colour)
    paper = QColor(tokens.paper)
    if tokens.dark:
        parts = [
            round(_TINT * max(0, one - other))
            for one, other in zip(colour.getRgb()[:3], paper.getRgb()[:3], strict=True)  # type: ignore[index]
        ]
    else:
        parts = [round(255 - _TINT * (255 - one)) for one in colour.getRgb()[:3]]  # type: ignore[index]
    dye = QColor(*parts)
    mode = QPainter.CompositionMode
    painter.setCompositionMode(mode.CompositionMode_Plus if tokens.dark else mode.CompositionMode_Multiply)
    painter.fillRect(QRectF(sheet.left, sheet.top, sheet.right - sheet.left, sheet.bottom - sheet.top), dye)
    painter.setCompositionMode(mode.CompositionMode_SourceOver)


def _draw_grid(painter: QPainter, sheet: Sheet) -> None:
    tokens = theme.current()
    origin_y = sheet.rows[0].base if sheet.rows else sheet.bottom
    bold = QColor(tokens.grid_bold)
    thin = QColor(tokens.grid_thin)
    fine = max(1, round(sheet.ratio / 2)) / sheet.ratio
    if sheet.px_per_mm >= _THINNEST_SQUARE_PX:
        _draw_lines(painter, sheet, thin, sheet.px_per_mm, origin_y, fine)
    # Where squares are small, bold lines in full strength would stand before the trace.
    faded = sheet.px_per_mm < _FADED_AS_THIN_PX / _BOLD_MM
    _draw_lines(painter, sheet, thin if faded else bold, _BOLD_MM * sheet.px_per_mm, origin_y, sheet.line)


def _draw_lines(
    painter: QPainter, sheet: Sheet, colour: QColor, every: float, origin_y: float, thickness: float
) -> None:
    for number in range(math.ceil(sheet.right / every) + 1):
        x = sheet.snap(sheet.right - number * every)
        painter.fillRect(QRectF(x, sheet.top, thickness, sheet.bottom - sheet.top), colour)
    first = math.floor((sheet.top - origin_y) / every)
    for number in range(first, math.ceil((sheet.bottom - origin_y) / every) + 1):
        y = sheet.snap(origin_y + number * every)
        painter.fillRect(QRectF(0, y, sheet.width, thickness), colour)


def _draw_hatch(painter: QPainter, sheet: Sheet, colour: QColor) -> None:
    painter.save()
    painter.setClipRect(QRectF(sheet.left, 0, sheet.right - sheet.left, sheet.bottom))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    colour.setAlphaF(0.45)
    painter.setPen(QPen(colour, 1.0))
    height = sheet.bottom
    for x in range(round(sheet.left - height), round(sheet.right), theme.px(14)):
        painter.drawLine(QPointF(x, height), QPointF(x + height, 0))
    painter.restore()


def _draw_margin(painter: QPainter, sheet: Sheet) -> None:
    """Names of the leads, and one millivolt beside each as a recorder of paper would write it."""
    tokens = theme.current()
    font = theme.font(11.5, bold=True)
    metrics = QFontMetricsF(font)
    pad = theme.px(6)
    rise = sheet.snap(sheet.calibration * sheet.px_per_unit)
    width = sheet.snap(_CALIBRATION_S * sheet.px_per_s)
    foot = theme.px(4)
    # A pulse that does not fit would say something that is not true, and one beside some leads only would look lost.
    fits = width + 2 * foot + pad <= sheet.left and all(0 < rise < row.base - row.top for row in sheet.rows)
    for row in sheet.rows:
        painter.setFont(font)
        painter.setPen(QColor(tokens.text))
        name = metrics.elidedText(row.lead, Qt.TextElideMode.ElideRight, sheet.gutter - pad)
        painter.drawText(QPointF(pad, row.top + metrics.ascent() + pad / 2), name)
        if not fits:
            continue
        x = sheet.snap(sheet.left - width - 2 * foot - pad / 2)
        line = sheet.line
        ink = QColor(tokens.trace)
        painter.fillRect(QRectF(x, row.base, foot + line, line), ink)
        painter.fillRect(QRectF(x + foot, row.base - rise, line, rise + line), ink)
        painter.fillRect(QRectF(x + foot, row.base - rise, width, line), ink)
        painter.fillRect(QRectF(x + foot + width, row.base - rise, line, rise + line), ink)
        painter.fillRect(QRectF(x + foot + width, row.base, foot, line), ink)


def _draw_foot(painter: QPainter, sheet: Sheet) -> None:
    """The scale in the margin, then the seconds."""
    tokens = theme.current()
    font = theme.font(9)
    metrics = QFontMetricsF(font)
    pad = theme.px(6)
    baseline = sheet.bottom + (sheet.height - sheet.bottom + metrics.ascent() - metrics.descent()) / 2
    painter.setPen(QColor(tokens.text))
    painter.setFont(font)
    lines = sheet.scale_words
    taken = float(pad)
    if lines:
        # One below the other, where the last lead's margin has room for it.
        stacked = bool(sheet.rows) and sheet.rows[-1].base + theme.px(2) <= sheet.bottom - metrics.height()
        if stacked:
            painter.drawText(QPointF(pad, sheet.bottom - metrics.descent()), lines[0])
        words = lines[-1] if stacked else " · ".join(lines)
        painter.drawText(QPointF(pad, baseline), words)
        taken = pad + metrics.horizontalAdvance(words) + pad
    if sheet.unfiltered:
        painter.setPen(QColor(tokens.doubtful))
        words = metrics.elidedText(_("unfiltered"), Qt.TextElideMode.ElideRight, sheet.gutter - pad)
        painter.drawText(QPointF(pad, (sheet.top + metrics.ascent() - metrics.descent()) / 2), words)
    painter.setPen(QColor(tokens.muted))
    for x, words in sheet.ticks():
        width = metrics.horizontalAdvance(words)
        start = min(x - width / 2, sheet.right - width - pad / 2)
        # The oldest may stand to the right of its place: at the left edge begins the margin.
        start = max(start, min(taken, x))
        if start >= taken:
            painter.fillRect(
                QRectF(sheet.snap(min(x, sheet.right - sheet.line)), sheet.bottom, sheet.line, theme.px(3)),
                QColor(tokens.muted),
            )
            painter.drawText(QPointF(start, baseline), words)
