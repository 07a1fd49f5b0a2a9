"""A whole recording at a glance, and what is still to come of its protocol."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from acquire.app import theme
from acquire.app.trace_view import band_colour, band_words, lost_words
from acquire.viewer.activity_names import activity_title
from acquire.viewer.mark_names import mark_title
from acquire.viewer.pyramid import joined
from acquire.viewer.texts import _
from protocols.script import PlannedStep

if TYPE_CHECKING:
    from acquire.viewer.feed import FeedState, JournalFeed, Overview
    from acquire.viewer.timeline import FeedEvent

__all__ = ["OverviewStrip", "remaining_plan"]

_MARK_KINDS = ("mark", "note")
_ROW_AT_LEAST = 22
_USUAL_SHARE = 0.98
"""A lead's height is chosen by this share of its bins; what reaches beyond is cut off."""


def remaining_plan(
    plan: Sequence[PlannedStep], events: Sequence[FeedEvent], *, stop: int, rate_hz: float
) -> tuple[tuple[int, PlannedStep], ...]:
    """What a protocol still holds, as the player would go on: (samples left, entry), the current one first.

    Args:
        plan: of the protocol's script.
        events: of the recording so far.
        stop: index behind its newest sample.
        rate_hz: of the recording.
    """
    place, left, since, repeating, running = -1, 0, 0, False, False
    for event in events:
        if event.kind == "repeat":
            repeating = True
        elif event.kind in ("step", "rest"):
            at_rest = 0 <= place < len(plan) and plan[place].is_rest
            place += -1 if repeating and at_rest else 0 if repeating else 1
            if place < len(plan):
                left = round(plan[place].duration_s * rate_hz)
            since, repeating, running = event.index, False, True
        elif event.kind == "pause" and running:
            left, running = left - (event.index - since), False
        elif event.kind == "resume":
            since, running = event.index, True
        elif event.kind in ("stop", "end"):
            return ()
    coming = [(round(entry.duration_s * rate_hz), entry) for entry in plan[max(0, place + 1) :]]
    if 0 <= place < len(plan):
        if running:
            left -= stop - since
        coming.insert(0, (max(0, left), plan[place]))
    return tuple(coming)


class OverviewStrip(QWidget):
    """The recording from its first sample to the end of its protocol, at any length in one line.

    The picture is made by `refresh`, a few times a second; in between it is copied.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(_("Overview of the recording"))
        self._feed: JournalFeed | None = None
        self._plan: tuple[PlannedStep, ...] = ()
        self._coming: tuple[tuple[int, PlannedStep], ...] = ()
        self._total = 1
        self._missing_s = 0.0
        self._picture: QPixmap | None = None
        self._seen: tuple[object, ...] = ()

    def show_feed(self, feed: JournalFeed | None) -> None:
        """Show another recording; None for none."""
        self._feed = feed
        self._redo()

    def set_plan(self, plan: Sequence[PlannedStep]) -> None:
        """What the protocol holds; what is left of it follows what has been recorded."""
        self._plan = tuple(plan)
        self._redo()

    def set_missing(self, seconds: float) -> None:
        """For how long no samples have come, which is shown as a gap that grows; 0 while they do."""
        self._missing_s = seconds

    def close(self) -> bool:
        """Let go of the recording."""
        self._feed = None
        return super().close()

    def refresh(self) -> None:
        """Look at the recording again."""
        feed = self._feed
        state = None if feed is None or not feed.state.opened or feed.state.rate_hz <= 0 else feed.state
        looks = (self.size(), self.devicePixelRatioF(), theme.current(), theme.px(100), self._plan)
        seen: tuple[object, ...] = looks
        if feed is not None and state is not None:
            seen = (*looks, state.stop, feed.bands(), feed.gaps(), feed.events(), round(self._missing_s, 1))
        if seen == self._seen or not self.width() or not self.height():
            return
        self._seen = seen
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(QColor(theme.current().surface))
        painter = QPainter(picture)
        self._paint(painter, feed, state)
        painter.end()
        self._picture = picture
        self.update()

    def words_at(self, x: float) -> str:
        """What lies at a place of the strip: the time, the step, what was lost there."""
        feed = self._feed
        if feed is None or feed.state.rate_hz <= 0:
            return ""
        rate_hz = feed.state.rate_hz
        index = int(min(1.0, max(0.0, x / max(1, self.width()))) * self._total)
        words = [_clock_words(index / rate_hz)]
        if index >= feed.state.stop:
            begin = feed.state.stop + self._missing_s * rate_hz
            if index < begin:
                return " · ".join([*words, _("no samples")])
            for length, entry in self._coming:
                begin += length
                if index < begin:
                    words.append(_("{step}, planned").format(step=_step_words(entry.is_rest, entry.activity)))
                    break
            return " · ".join(words)
        bands = feed.bands()
        place = bisect_right(bands, index, key=lambda band: band.start) - 1
        if place >= 0 and (bands[place].stop or feed.state.stop) > index:
            band = bands[place]
            words.append(band_words(band))
        reach = self._total / max(1, self.width())
        words += [
            lost_words(gap.length, rate_hz)
            for gap in feed.gaps()
            if gap.start - reach <= index <= gap.start + gap.length + reach
        ][:1]
        words += [
            mark_title(event.text)
            for event in feed.events()
            if event.kind in _MARK_KINDS and abs(event.index - index) <= 3 * reach
        ][:3]
        return " · ".join(words)

    # Qt's own.

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.words_at(event.pos().x()), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        if self._picture is None:
            self.refresh()
        if self._picture is not None:
            painter = QPainter(self)
            painter.drawPixmap(0, 0, self._picture)
            painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        self._redo()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(600), theme.px(84))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(160), theme.px(56))

    def _redo(self) -> None:
        self._seen = ()
        self.refresh()

    # The picture.

    def _x(self, index: float) -> float:
        return index / self._total * self.width()

    def _paint(self, painter: QPainter, feed: JournalFeed | None, state: FeedState | None) -> None:
        rate_hz = 1.0 if state is None else state.rate_hz
        stop = 0 if state is None else state.stop
        events = () if feed is None else feed.events()
        if state is None:
            rate_hz = 1000.0  # nothing is recorded: any rate gives the plan its proportions
        self._coming = remaining_plan(self._plan, events, stop=stop, rate_hz=rate_hz)
        missing = round(self._missing_s * rate_hz) if stop > 0 else 0
        self._total = max(1, stop + missing + sum(length for length, _entry in self._coming))
        label = QFontMetricsF(theme.font(9)).height() + theme.px(3)
        body = QRectF(0, label, self.width(), self.height() - 2 * label)
        if feed is not None and state is not None:
            self._paint_bands(painter, feed, stop, label, body.bottom())
        self._paint_coming(painter, stop + missing, label, body)
        if feed is not None and state is not None:
            self._paint_leads(painter, feed.overview(), state.leads, body)
            missed = [(stop, missing)] if missing else []
            self._paint_gaps(painter, [*((gap.start, gap.length) for gap in feed.gaps()), *missed], body)
            self._paint_marks(painter, events, body)
        self._paint_times(painter, stop, rate_hz, body)

    def _paint_bands(self, painter: QPainter, feed: JournalFeed, stop: int, label: float, bottom: float) -> None:
        tokens = theme.current()
        for band in feed.bands():
            left, right = self._x(band.start), self._x(stop if band.stop is None else min(band.stop, stop))
            block = QRectF(left, 0, max(1.0, right - left), bottom)
            if band.kind == "step":
                painter.fillRect(block, QColor(band_colour(band.step)))
            elif band.kind == "pause":
                painter.fillRect(block, QBrush(QColor(tokens.pause), Qt.BrushStyle.BDiagPattern))
            painter.fillRect(QRectF(left, 0, 1, bottom), QColor(tokens.outline))
            if band.kind == "step":
                _write(painter, QRectF(left, 0, right - left, label), activity_title(band.activity), tokens.band_text)

    def _paint_coming(self, painter: QPainter, stop: int, label: float, body: QRectF) -> None:
        """Empty blocks with broken outlines, so that nobody takes a plan for a recording."""
        tokens = theme.current()
        begin = stop
        for place, (length, entry) in enumerate(self._coming):
            left, right = self._x(begin), self._x(begin + length)
            begin += length
            block = QRectF(left + 1, label + 2, max(1.0, right - left - 2), body.height() - 4)
            if entry.is_rest or block.width() < 2:
                continue
            painter.setPen(QPen(QColor(tokens.outline), 1, Qt.PenStyle.DashLine))
            painter.drawRect(block)
            under_way = place == 0 and stop > 0
            if not under_way:
                _write(painter, QRectF(left, 0, right - left, label), activity_title(entry.activity), tokens.muted)

    def _paint_leads(self, painter: QPainter, overview: Overview, leads: tuple[str, ...], body: QRectF) -> None:
        if len(overview.edges) < 2 or not leads:
            return
        shown = len(leads) if body.height() / len(leads) >= theme.px(_ROW_AT_LEAST) else 1
        ratio = self.devicePixelRatioF()
        columns = np.floor(overview.edges[:-1] / self._total * self.width() * ratio)
        firsts = np.flatnonzero(np.diff(columns, prepend=-1))
        x = (columns[firsts] + 0.5) / ratio
        height = body.height() / shown
        pen = QPen(QColor(theme.current().muted), 1)
        pen.setCosmetic(True)
        painter.setPen(pen)
        for lead in range(shown):
            low = np.fmin.reduceat(overview.low[:, lead], firsts)
            high = np.fmax.reduceat(overview.high[:, lead], firsts)
            low, high = joined(low, high)
            painter.drawLines(_strokes(x, low, high, body.top() + lead * height, height))
        small = QFontMetricsF(theme.font(9))
        for lead, name in enumerate(leads[:shown]):
            width = small.horizontalAdvance(name) + theme.px(9)
            place = QRectF(0, body.top() + lead * height, width, min(height, small.height()))
            painter.fillRect(place, QColor(theme.current().surface))
            _write(painter, place, name, theme.current().text)

    def _paint_gaps(self, painter: QPainter, gaps: Sequence[tuple[int, int]], body: QRectF) -> None:
        ink = QColor(theme.current().gap)
        square = theme.px(7)
        drawn_to = -1.0
        for start, length in gaps:
            left, right = self._x(start), self._x(start + length)
            if right <= drawn_to:
                continue
            drawn_to = max(right, left + 2)
            block = QRectF(left, body.top(), drawn_to - left, body.height())
            painter.fillRect(block, QColor(theme.current().bad_ground))
            painter.fillRect(block, QBrush(ink, Qt.BrushStyle.BDiagPattern))
            painter.fillRect(QRectF(left, body.top(), 1, body.height()), ink)
            painter.fillRect(QRectF((left + drawn_to - square) / 2, body.bottom() - square, square, square), ink)

    def _paint_marks(self, painter: QPainter, events: Sequence[FeedEvent], body: QRectF) -> None:
        ink = QColor(theme.current().mark)
        size = theme.px(7)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        drawn_to = -1.0
        for event in events:
            x = self._x(event.index)
            if event.kind in _MARK_KINDS and x >= drawn_to:
                painter.fillRect(QRectF(x, body.top(), 1, body.height()), ink)
                flag = [QPointF(x, body.top()), QPointF(x + size, body.top() + size / 2)]
                painter.drawPolygon(QPolygonF([*flag, QPointF(x, body.top() + size)]))
                drawn_to = x + 1.0
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_times(self, painter: QPainter, stop: int, rate_hz: float, body: QRectF) -> None:
        """Where the recording is, and how long it will be."""
        tokens = theme.current()
        foot = QRectF(0, body.bottom(), self.width(), self.height() - body.bottom())
        painter.fillRect(foot, QColor(tokens.surface))
        painter.fillRect(QRectF(0, body.bottom(), self.width(), 1), QColor(tokens.outline))
        pad = theme.px(4)
        total = _clock_words(self._total / rate_hz)
        total_left = self.width() - QFontMetricsF(theme.font(9)).horizontalAdvance(total) - 3 * pad
        taken = 0.0
        if stop > 0:
            x, thick = self._x(stop), float(theme.px(2))
            painter.fillRect(QRectF(min(x, self.width() - thick), 0, thick, body.bottom()), QColor(tokens.accent))
            words = _clock_words(stop / rate_hz)
            width = QFontMetricsF(theme.font(9, bold=True)).horizontalAdvance(words) + 3 * pad
            left = min(max(0.0, x - width / 2), self.width() - width)
            _write(painter, QRectF(left, foot.top(), width, foot.height()), words, tokens.accent, bold=True)
            taken = left + width
        if self._total > 1 and taken <= total_left:
            _write(painter, foot, total, tokens.muted, Qt.AlignmentFlag.AlignRight)


def _strokes(
    x: NDArray[np.float64], low: NDArray[np.float32], high: NDArray[np.float32], top: float, height: float
) -> list[QLineF]:
    """A vertical line a column from the lowest to the highest value, to a scale that most columns fit into."""
    there = np.isfinite(low) & np.isfinite(high)
    if not there.any():
        return []
    middle = float(np.median((low[there] + high[there]) / 2))
    reach = float(np.quantile(np.maximum(high[there] - middle, middle - low[there]), _USUAL_SHARE))
    scale = 0.46 * height / reach if reach > 0 else 0.0
    base = top + height / 2
    upper = np.clip(base - (high[there] - middle) * scale, top, top + height)
    lower = np.clip(base - (low[there] - middle) * scale, top, top + height)
    return [
        QLineF(at, one, at, max(other, one + 1))
        for at, one, other in zip(x[there].tolist(), upper.tolist(), lower.tolist(), strict=True)
    ]


def _step_words(is_rest: bool, activity: str) -> str:
    return _("Break") if is_rest else activity_title(activity)


def _clock_words(seconds: float) -> str:
    """A time since the beginning as 0:07, 12:34 or 1:05:09."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{minutes}:{whole % 60:02d}"


def _write(
    painter: QPainter,
    place: QRectF,
    words: str,
    colour: str,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    *,
    bold: bool = False,
) -> None:
    """One line of small text, shortened to its place and left out where that is too small."""
    pad = theme.px(4)
    font = theme.font(9, bold=bold)
    metrics = QFontMetricsF(font)
    room = place.width() - 2 * pad
    if room < min(3 * metrics.averageCharWidth(), metrics.horizontalAdvance(words)):
        return
    painter.setFont(font)
    painter.setPen(QColor(colour))
    shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
    painter.drawText(place.adjusted(pad, 0, -pad, 0), int(align | Qt.AlignmentFlag.AlignVCenter), shown)
