"""How one frame of the leads is put on the screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyqtgraph.functions import arrayToQPath, arrayToQPolygonF
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

from acquire.app import theme
from acquire.app.paper import Grounds, Sheet

__all__ = ["Frame", "Line", "Span", "make_line", "paint_frame"]


_MOST_RUNS = 64
_DENSE = 1.5
_STROKES = ((0.0, 0.0), (0.5, 0.0))
"""Where a trace is drawn again, in physical pixels."""
_DENSE_STROKES = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time on the screen.

    Attributes:
        left: where it begins, logical pixels.
        right: where it ends.
        words: its name.
        more: what else is said of it where it is wide enough.
        begins: whether its beginning can be seen, or lies further to the left.
        colour: of the paper under it; the paper's own when empty.
        hatch: colour of oblique lines under it; none when empty.
    """

    left: float
    right: float
    words: str
    more: str = ""
    begins: bool = True
    colour: str = ""
    hatch: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """One lead's trace.

    Attributes:
        curves: in logical pixels.
        dots: samples with none beside them.
        above: where it has left its row upwards.
        below: likewise downwards.
    """

    curves: tuple[QPolygonF | QPainterPath, ...]
    dots: tuple[QPointF, ...]
    above: tuple[float, ...]
    below: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """What is on the screen.

    Attributes:
        sheet: the paper.
        bands: steps, breaks and pauses, left to right, none upon another.
        losses: where samples are missing, left to right.
        marks: (where, words), left to right.
        beats: where R peaks are.
        lines: one for each row of the sheet; none while there is nothing to show.
    """

    sheet: Sheet
    bands: tuple[Span, ...] = ()
    losses: tuple[Span, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    beats: tuple[float, ...] = ()
    lines: tuple[Line, ...] = ()


def make_line(
    x: NDArray[np.float64], y: NDArray[np.float64], above: tuple[float, ...], below: tuple[float, ...]
) -> Line:
    """A trace through these points, broken where y is NaN."""
    there = np.isfinite(y)
    if len(y) and there.all():
        return Line(curves=(arrayToQPolygonF(x, y),), dots=(), above=above, below=below)
    edges = np.flatnonzero(np.diff(there, prepend=False, append=False))
    firsts, stops = edges[::2], edges[1::2]
    single = firsts[stops - firsts == 1]
    dots = tuple(QPointF(*point) for point in zip(x[single].tolist(), y[single].tolist(), strict=True))
    curves: tuple[QPolygonF | QPainterPath, ...]
    # A few runs are drawn faster each by itself, very many faster as one path.
    if len(firsts) <= _MOST_RUNS:
        runs = zip(firsts.tolist(), stops.tolist(), strict=True)
        curves = tuple(arrayToQPolygonF(x[first:stop], y[first:stop]) for first, stop in runs if stop - first > 1)
    else:
        curves = (arrayToQPath(x, y, connect="finite"),)
    return Line(curves=curves, dots=dots, above=above, below=below)


def paint_frame(painter: QPainter, frame: Frame, grounds: Grounds) -> None:
    """Paint everything, the ground of the whole widget included."""
    sheet = frame.sheet
    _paint_grounds(painter, frame, grounds)
    _paint_spans(painter, frame)
    for row, line in zip(sheet.rows, frame.lines, strict=False):
        painter.setClipRect(QRectF(sheet.left, row.ceiling, sheet.right - sheet.left, row.floor - row.ceiling))
        _paint_line(painter, line, sheet)
        painter.setClipping(False)
        _paint_arrows(painter, line.above, row.ceiling, 1.0)
        _paint_arrows(painter, line.below, row.floor, -1.0)
    _paint_beats(painter, frame)
    _paint_marks(painter, frame)
    _paint_losses(painter, frame)


def _paint_grounds(painter: QPainter, frame: Frame, grounds: Grounds) -> None:
    sheet = frame.sheet
    done = 0.0
    for span in frame.bands:
        _copy(painter, sheet, grounds.on(sheet), done, span.left)
        _copy(painter, sheet, grounds.on(sheet, span.colour, hatch=span.hatch), span.left, span.right)
        done = span.right
    _copy(painter, sheet, grounds.on(sheet), done, float(sheet.width))
    grounds.let_go()
    # Where nothing was measured there is no paper either.
    lost = QColor(theme.current().bad_ground)
    for span in frame.losses:
        width = max(sheet.line, span.right - span.left)
        painter.fillRect(QRectF(span.left, sheet.top, width, sheet.bottom - sheet.top), lost)


def _copy(painter: QPainter, sheet: Sheet, ground: QPixmap, left: float, right: float) -> None:
    """Put a part of a sheet's picture where it belongs."""
    if right > left:
        part = QRectF(left * sheet.ratio, 0, (right - left) * sheet.ratio, sheet.height * sheet.ratio)
        painter.drawPixmap(QPointF(left, 0), ground, part)


def _paint_spans(painter: QPainter, frame: Frame) -> None:
    """Names of the steps above the paper, and a line where each begins."""
    sheet, tokens = frame.sheet, theme.current()
    font = theme.font(9.5, bold=True)
    metrics = QFontMetricsF(font)
    painter.setFont(font)
    pad = theme.px(5)
    baseline = (sheet.top + metrics.ascent() - metrics.descent()) / 2
    ink = QColor(tokens.band_text)
    for span in frame.bands:
        if span.begins:
            painter.fillRect(QRectF(span.left, 0, sheet.line, sheet.bottom), ink)
        room = span.right - span.left - 2 * pad
        if room > metrics.averageCharWidth() * 3:
            words = metrics.elidedText(span.words, Qt.TextElideMode.ElideRight, room)
            painter.setPen(ink)
            painter.drawText(QPointF(span.left + pad, baseline), words)


def _paint_line(painter: QPainter, line: Line, sheet: Sheet) -> None:
    """One trace, as thick as a pixel of an ordinary screen and a half.

    Only a pen of one physical pixel has a fast way through the painter, smooth edges included (a pen of one and a half
    takes eighty times as long); a thicker trace is one that is drawn again beside itself.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor(theme.current().trace), 1.0)
    pen.setCosmetic(True)
    painter.setPen(pen)
    for dx, dy in _STROKES if sheet.ratio < _DENSE else _DENSE_STROKES:
        painter.translate(dx / sheet.ratio, dy / sheet.ratio)
        for curve in line.curves:
            if isinstance(curve, QPolygonF):
                painter.drawPolyline(curve)
            else:
                painter.drawPath(curve)
        painter.translate(-dx / sheet.ratio, -dy / sheet.ratio)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for dot in line.dots:
        painter.fillRect(QRectF(dot.x(), dot.y(), sheet.line, sheet.line), pen.color())


def _paint_arrows(painter: QPainter, places: tuple[float, ...], edge: float, down: float) -> None:
    """Solid triangles that point out of the row, where the trace has left it."""
    if not places:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.current().doubtful))
    half, tall = theme.px(6), theme.px(9) * down
    tip = edge + theme.px(1) * down
    for x in places:
        triangle = QPolygonF([QPointF(x, tip), QPointF(x - half, tip + tall), QPointF(x + half, tip + tall)])
        painter.drawPolygon(triangle)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _paint_beats(painter: QPainter, frame: Frame) -> None:
    sheet = frame.sheet
    top, height, width = sheet.top + sheet.label_height, theme.px(9), max(2 * sheet.line, float(theme.px(2)))
    ink = QColor(theme.current().beat)
    for x in frame.beats:
        painter.fillRect(QRectF(sheet.snap(x - width / 2), top, width, height), ink)


def _paint_losses(painter: QPainter, frame: Frame) -> None:
    """The edges of what is missing, and at its foot how much it is; newest first, where they would touch."""
    sheet, tokens = frame.sheet, theme.current()
    ink = QColor(tokens.gap)
    font = theme.font(9.5, bold=True)
    metrics = QFontMetricsF(font)
    painter.setFont(font)
    pad = theme.px(5)
    free = sheet.right
    for span in reversed(frame.losses):
        for x in (span.left, span.right - sheet.line):
            painter.fillRect(QRectF(x, sheet.top, sheet.line, sheet.bottom - sheet.top), ink)
        words = f"■ {span.words}"
        room = span.right - span.left - 2 * pad
        if span.more and room > metrics.horizontalAdvance(words) + 14 * metrics.averageCharWidth():
            words = metrics.elidedText(f"{words}: {span.more}", Qt.TextElideMode.ElideRight, room)
        width = metrics.horizontalAdvance(words) + 2 * pad
        left = sheet.snap(min(max(sheet.left, (span.left + span.right - width) / 2), sheet.right - width))
        if left + width > free:
            continue
        free = left - pad
        pill = QRectF(left, sheet.bottom - sheet.label_height - pad, width, sheet.label_height)
        painter.fillRect(pill, QColor(tokens.bad_ground))
        _frame_rect(painter, pill, sheet.line, ink)
        painter.setPen(QColor(tokens.text))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, words)


def _frame_rect(painter: QPainter, rect: QRectF, line: float, ink: QColor) -> None:
    painter.fillRect(QRectF(rect.left(), rect.top(), rect.width(), line), ink)
    painter.fillRect(QRectF(rect.left(), rect.bottom() - line, rect.width(), line), ink)
    painter.fillRect(QRectF(rect.left(), rect.top(), line, rect.height()), ink)
    painter.fillRect(QRectF(rect.right() - line, rect.top(), line, rect.height()), ink)


def _paint_marks(painter: QPainter, frame: Frame) -> None:
    """A line through all leads and a flag to its left, where it is whole from its first moment at the right edge."""
    sheet, tokens = frame.sheet, theme.current()
    ink = QColor(tokens.mark)
    font = theme.font(9, bold=True)
    metrics = QFontMetricsF(font)
    painter.setFont(font)
    pad = theme.px(4)
    free = sheet.left
    baseline = sheet.top + (sheet.label_height + metrics.ascent() - metrics.descent()) / 2
    for x, words in frame.marks:
        painter.fillRect(QRectF(x, sheet.top, sheet.line, sheet.bottom - sheet.top), ink)
        room = x - free - 2 * pad
        free = x + sheet.line
        if room < metrics.averageCharWidth() * 2:
            continue
        shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, min(room, float(theme.px(220))))
        width = metrics.horizontalAdvance(shown) + 2 * pad
        painter.fillRect(QRectF(sheet.snap(x - width), sheet.top, width, sheet.label_height), ink)
        painter.setPen(QColor(tokens.paper))
        painter.drawText(QPointF(sheet.snap(x - width) + pad, baseline), shown)
