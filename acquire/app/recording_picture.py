"""The whole of a finished recording in one picture: every lead, the steps, what was lost, what was marked."""

from __future__ import annotations

import math
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from acquire.app import theme
from acquire.app.step_timeline import duration_words
from acquire.viewer.activity_names import activity_title
from acquire.viewer.finishing import Review
from acquire.viewer.mark_names import mark_title
from acquire.viewer.pyramid import joined
from acquire.viewer.texts import _, ngettext

__all__ = ["RecordingPicture"]

_TALLEST_SHARE = (0.5, 99.5)
"""Percentiles of the extremes that fill a lead's row: one jolt may not flatten everything else."""

_MARKS = ("mark", "note")
_MARK_NEAR_PX = 5.0


def _usual_extremes(low: NDArray[np.floating[Any]], high: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """From where to where a lead usually goes; 0 and 0 where nothing of it is there."""
    held = np.isfinite(low) & np.isfinite(high)
    if not held.any():
        return 0.0, 0.0
    return float(np.percentile(low[held], _TALLEST_SHARE[0])), float(np.percentile(high[held], _TALLEST_SHARE[1]))


class RecordingPicture(QWidget):
    """Extremes of each lead over time upon the steps' colours; gaps hatched, marks as flags.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._review: Review | None = None
        self._drawn = QPixmap()
        self._drawn_for: tuple[object, ...] = ()
        self.setAccessibleName(_("Picture of the recording"))

    def show_review(self, review: Review | None) -> None:
        """Show a recording, or nothing."""
        self._review = review
        if review is not None:
            n = len(review.gaps)
            words = ngettext(
                "Picture of the recording: {length}, leads {leads}, {n} gap",
                "Picture of the recording: {length}, leads {leads}, {n} gaps",
                n,
            ).format(
                length=duration_words(review.n_samples / review.rate_hz),
                leads=", ".join(review.leads),
                n=n,
            )
            self.setAccessibleName(words)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(700), theme.px(230))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(260), theme.px(150))

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if isinstance(event, QHelpEvent) and self._review is not None:
            words = self.words_at(event.pos().x())
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    def words_at(self, x: float) -> str:
        """Time and step under a place of the picture; "" beside it."""
        review, room = self._review, self._room()
        if review is None or review.n_samples == 0 or not room.left() <= x <= room.right():
            return ""
        index = (x - room.left()) / room.width() * review.n_samples
        when = duration_words(index / review.rate_hz)
        for gap in review.gaps:
            if gap.start <= index < gap.start + gap.length:
                lost = duration_words(gap.length / review.rate_hz)
                return _("{when}: {length} lost, {cause}").format(when=when, length=lost, cause=gap.cause)
        near = _MARK_NEAR_PX / room.width() * review.n_samples
        marks = [one for one in review.events if one.kind in _MARKS and abs(one.index - index) <= near]
        if marks:
            mark = min(marks, key=lambda one: abs(one.index - index))
            return f"{duration_words(mark.index / review.rate_hz)}: {mark_title(mark.text) or _('mark')}"
        for band in review.bands:
            stop = review.n_samples if band.stop is None else band.stop
            if band.start <= index < stop:
                what = activity_title(band.activity) if band.kind == "step" else _band_word(band.kind)
                return f"{when}: {what}"
        return when

    def _room(self) -> QRectF:
        """Where the signal is drawn: right of the leads' names, above the time."""
        small = QFontMetricsF(theme.font(9))
        left = small.horizontalAdvance("aVR") + theme.px(12)
        foot = small.height() + theme.px(4)
        return QRectF(left, 1, max(1.0, self.width() - left - 1), max(1.0, self.height() - foot - 1))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        # Drawing takes some milliseconds, so it is done once for each size and set of colours.
        key = (self._review, self.size(), self.devicePixelRatioF(), theme.current(), theme.px(100))
        if key != self._drawn_for:
            self._drawn_for = key
            self._drawn = QPixmap(self.size() * self.devicePixelRatioF())
            self._drawn.setDevicePixelRatio(self.devicePixelRatioF())
            self._drawn.fill(Qt.GlobalColor.transparent)
            onto = QPainter(self._drawn)
            self._draw(onto)
            onto.end()
        QPainter(self).drawPixmap(0, 0, self._drawn)

    def _draw(self, painter: QPainter) -> None:
        colours, room = theme.current(), self._room()
        painter.fillRect(room, QColor(colours.paper))
        review = self._review
        if review is not None and review.n_samples > 0:
            per_px = room.width() / review.n_samples
            self._paint_bands(painter, review, room, per_px)
            self._paint_leads(painter, review, room)
            self._paint_gaps(painter, review, room, per_px)
            self._paint_marks(painter, review, room, per_px)
            self._paint_time(painter, review, room)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colours.outline), 1))
        painter.drawRect(room)

    def _paint_bands(self, painter: QPainter, review: Review, room: QRectF, per_px: float) -> None:
        colours = theme.current()
        font = theme.font(9)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        for band in review.bands:
            stop = review.n_samples if band.stop is None else band.stop
            block = QRectF(room.left() + band.start * per_px, room.top(), (stop - band.start) * per_px, room.height())
            if band.kind == "step":
                painter.fillRect(block, QColor(colours.bands[(band.step - 1) % len(colours.bands)]))
            elif band.kind == "pause":
                painter.fillRect(block, QBrush(QColor(colours.pause), Qt.BrushStyle.BDiagPattern))
            words = activity_title(band.activity) if band.kind == "step" else _band_word(band.kind)
            words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, block.width() - theme.px(6))
            if block.width() >= metrics.horizontalAdvance("mmm"):
                painter.setPen(QColor(colours.band_text))
                at = block.adjusted(theme.px(4), theme.px(1), 0, 0)
                painter.drawText(at, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, words)

    def _paint_leads(self, painter: QPainter, review: Review, room: QRectF) -> None:
        colours, overview = theme.current(), review.overview
        # More bins than pixels would be drawn on top of each other.
        n_bins = len(overview.edges) - 1
        firsts = np.arange(0, n_bins, max(1, math.ceil(n_bins / max(1.0, room.width()))))
        edges = np.append(np.asarray(overview.edges, float)[firsts], review.n_samples)
        head = QFontMetricsF(theme.font(9)).height() + theme.px(3)
        row_h = (room.height() - head) / max(1, len(review.leads))
        xs = room.left() + edges / review.n_samples * room.width()
        # One scale for all leads, as on paper: a small lead is no noisy one.
        extremes = [_usual_extremes(overview.low[:, row], overview.high[:, row]) for row in range(len(review.leads))]
        span = max((highest - lowest for lowest, highest in extremes), default=0.0) or 1.0
        painter.setFont(theme.font(9, bold=True))
        for row, lead in enumerate(review.leads):
            top = room.top() + head + row * row_h
            painter.setPen(QColor(colours.text))
            name = QRectF(0, top, room.left() - theme.px(6), row_h)
            painter.drawText(name, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, lead)
            if n_bins:
                low = np.fmin.reduceat(np.asarray(overview.low[:, row], float), firsts)
                high = np.fmax.reduceat(np.asarray(overview.high[:, row], float), firsts)
                low, high = joined(low, high)
                self._paint_extremes(painter, xs, low, high, top, row_h, span)

    def _paint_extremes(
        self,
        painter: QPainter,
        xs: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        top: float,
        row_h: float,
        span: float,
    ) -> None:
        """A band from each bin's lowest to its highest value, broken where nothing valid is."""
        held = np.isfinite(low) & np.isfinite(high)
        if not held.any():
            return
        lowest, highest = _usual_extremes(low[held], high[held])
        floor = (lowest + highest - span) / 2
        with np.errstate(invalid="ignore"):
            ys_high = top + row_h * (0.96 - 0.92 * np.clip((high - floor) / span, 0, 1))
            ys_low = top + row_h * (0.96 - 0.92 * np.clip((low - floor) / span, 0, 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.current().muted))
        left, wide = xs[:-1][held], np.maximum(1.0, np.diff(xs)[held])
        upper, tall = ys_high[held], np.maximum(1.0, (ys_low - ys_high)[held])
        columns = zip(left.tolist(), upper.tolist(), wide.tolist(), tall.tolist(), strict=True)
        painter.drawRects([QRectF(*column) for column in columns])

    def _paint_gaps(self, painter: QPainter, review: Review, room: QRectF, per_px: float) -> None:
        colour = QColor(theme.current().gap)
        for gap in review.gaps:
            left = room.left() + gap.start * per_px
            block = QRectF(left, room.top(), max(2.0, gap.length * per_px), room.height())
            painter.fillRect(block, QColor(theme.current().bad_ground))
            painter.fillRect(block, QBrush(colour, Qt.BrushStyle.DiagCrossPattern))
            painter.setPen(QPen(colour, 1))
            painter.drawLine(block.topLeft(), block.bottomLeft())

    def _paint_marks(self, painter: QPainter, review: Review, room: QRectF, per_px: float) -> None:
        colour = QColor(theme.current().mark)
        painter.setPen(QPen(colour, 1))
        painter.setBrush(colour)
        flag = theme.px(6)
        font = theme.font(8.5)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        least, pad = metrics.horizontalAdvance("mmm"), theme.px(6)
        marks = [event for event in review.events if event.kind in _MARKS]
        named_to = room.left()
        for event, following in zip_longest(marks, marks[1:]):
            x = min(room.left() + event.index * per_px, room.right() - 1)
            top = room.top() + QFontMetricsF(theme.font(9)).height()
            # At the right edge there is no room for a flag but at its left.
            leftwards = room.right() - x < flag + pad + least
            tip = x - flag if leftwards else x + flag
            painter.setBrush(colour)
            painter.drawLine(QPointF(x, room.bottom()), QPointF(x, top))
            painter.drawPolygon(QPolygonF([QPointF(x, top), QPointF(tip, top + flag / 2), QPointF(x, top + flag)]))
            # The name stands beside the flag up to the next one, where that leaves room for some of it.
            until = room.right() if following is None else room.left() + following.index * per_px
            free = tip - named_to if leftwards else until - tip
            space = min(free - pad, theme.px(150))
            name = metrics.elidedText(mark_title(event.text), Qt.TextElideMode.ElideRight, space)
            if name and space >= least:
                wide = metrics.horizontalAdvance(name) + pad
                place = QRectF(tip - wide if leftwards else tip, top - theme.px(1), wide, metrics.height())
                painter.fillRect(place, QColor(theme.current().paper))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, name)
                named_to = max(tip, place.right())

    def _paint_time(self, painter: QPainter, review: Review, room: QRectF) -> None:
        """Labels under the picture, as many as there is room for."""
        total_s = review.n_samples / review.rate_hz
        font = theme.font(9)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        painter.setPen(QColor(theme.current().muted))
        steps = [step for step in (5, 10, 30, 60, 120, 300, 600, 1800, 3600) if step * 8 >= total_s] or [7200]
        ticks = [*np.arange(0, total_s, steps[0]).tolist(), total_s]
        last = -1.0
        for tick, following in pairwise([*ticks, ticks[-1] + steps[0]]):
            words = duration_words(tick)
            x = room.left() + tick / max(total_s, 1e-9) * room.width()
            width = metrics.horizontalAdvance(words)
            left = min(max(room.left(), x - width / 2), room.right() - width)
            if left > last and following > tick:
                painter.drawText(QPointF(left, self.height() - metrics.descent() - 1), words)
                last = left + width + theme.px(10)


def _band_word(kind: str) -> str:
    return {"rest": _("Break"), "pause": _("Paused"), "silence": _("No samples")}.get(kind, kind)
