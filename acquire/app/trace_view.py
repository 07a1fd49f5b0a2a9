"""The leads as they come, on ECG paper."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from acquire.app import theme
from acquire.app.paper import MM_PER_S, Grounds, Sheet
from acquire.app.trace_lines import excursions, trace_points
from acquire.app.trace_paint import Frame, Span, make_line, paint_frame
from acquire.viewer.activity_names import activity_title
from acquire.viewer.mark_names import mark_title
from acquire.viewer.texts import _, ngettext

if TYPE_CHECKING:
    from acquire.viewer.feed import FeedState, JournalFeed
    from acquire.viewer.timeline import FeedEvent, FeedGap, StepBand

__all__ = ["TraceView", "band_colour", "band_words", "lost_words"]

_MARK_KINDS = ("mark", "note")
_MILLIVOLT = "mV"
_HALF_RANGE_MM = 12.0
"""How far a signal of unknown unit reaches from its zero at 10 mm/mV, where its row is as high as that."""
_USUAL_GAIN = 10.0
_FAR_PX = 4096.0
_ARROWS_APART = 64
_CREEPS_SHARE = 0.3
"""By this much of its row a lead may stand beside its middle before it is put there again."""
_LOOKED_AT = 512


def band_colour(step: int) -> str:
    """The ground of a step, by its number in the protocol."""
    bands = theme.current().bands
    return bands[(step - 1) % len(bands)]


def lost_words(length: int, rate_hz: float) -> str:
    """How much a gap took, as "lost 1.2 s" or "lost 3 samples"."""
    if rate_hz <= 0 or length < 0.1 * rate_hz:
        return ngettext("lost {n} sample", "lost {n} samples", length).format(n=length)
    return _("lost {seconds:.1f} s").format(seconds=length / rate_hz)


class TraceView(QWidget):
    """The last seconds of all leads, newest at the right edge.

    It is drawn with a painter on copied pictures of the paper, not as a pyqtgraph plot: that takes half the time a
    frame, and a plot's scene has no place for pictures as cheap as these. Nothing is drawn before `refresh` is called.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(_("Live leads"))
        self._feed: JournalFeed | None = None
        self._span_s, self._gain_mm, self._grid = 10.0, _USUAL_GAIN, True
        self._message = ""
        self._centred = False
        self._centres: NDArray[np.float64] = np.empty(0)
        self._units_per_cm = 0.0
        self._grounds = Grounds()
        self._frame: Frame | None = None
        self._seen: tuple[object, ...] = ()
        self._frame_stop = self._shown_stop = 0

    @property
    def span_s(self) -> float:
        """Seconds from the left edge to the right."""
        return self._span_s

    @property
    def gain_mm_per_mv(self) -> float:
        """Millimetres of paper for one millivolt."""
        return self._gain_mm

    @property
    def shown_stop(self) -> int:
        """Index behind the newest sample that has been painted."""
        return self._shown_stop

    def show_feed(self, feed: JournalFeed | None) -> None:
        """Show another recording; None for none."""
        self._feed = feed
        self._units_per_cm = 0.0
        self._centres = np.empty(0)
        self._frame_stop = self._shown_stop = 0
        self._redo()

    def set_span(self, span_s: float) -> None:
        """Show so many seconds.

        Raises:
            ValueError: not a positive number.
        """
        if not 0 < span_s < math.inf:
            raise ValueError(f"span_s is {span_s}; it must be above 0")
        self._span_s = float(span_s)
        self._redo()

    def set_gain(self, mm_per_mv: float) -> None:
        """Draw a millivolt so high; other units follow in proportion.

        Raises:
            ValueError: not a positive number.
        """
        if not 0 < mm_per_mv < math.inf:
            raise ValueError(f"mm_per_mv is {mm_per_mv}; it must be above 0")
        self._gain_mm = float(mm_per_mv)
        self._redo()

    def set_grid(self, on: bool) -> None:
        """Draw the squares or leave them out."""
        self._grid = on
        self._redo()

    def set_centred(self, on: bool) -> None:
        """Draw each lead about its own middle: an unfiltered one stands tens of millivolts beside zero."""
        self._centred = on
        self._centres = np.empty(0)
        self._redo()

    def set_message(self, text: str) -> None:
        """What is said while there is nothing to show."""
        self._message = text
        self._redo()

    def close(self) -> bool:
        """Let go of the recording."""
        self._feed = None
        return super().close()

    def refresh(self) -> None:
        """Look at the recording and draw what is new; costs next to nothing when nothing is."""
        state = None if self._feed is None else self._feed.state
        looks = (self.size(), self.devicePixelRatioF(), theme.current(), self._span_s)
        if state is None or not state.opened or not state.leads or state.rate_hz <= 0:
            seen: tuple[object, ...] = (*looks, None if state is None else state.fault)
            if seen != self._seen:
                self._seen, self._frame = seen, Frame(sheet=self._sheet((), "", 0.0))
                self.update()
            return
        assert self._feed is not None
        bands, gaps, events = self._feed.bands(), self._feed.gaps(), self._feed.events()
        window = self._feed.window(self._span_s)
        stop = window.start + len(window.values)
        # The feed's tuples stay the same objects until something is new in them: comparing them costs nothing.
        # A few of the values tell whether another filter was chosen while no samples come.
        some = window.values[:: max(1, len(window.values) // 16)].tobytes()
        seen = (*looks, stop, window.start, some, len(window.beats), bands, gaps, events)
        if seen == self._seen:
            return
        self._seen = seen
        middles = _middles(window.values) if self._centred else np.zeros(len(state.leads))
        sheet = self._sheet(state.leads, state.unit, self._scale(state.unit, window.values, middles))
        self._centre(middles, sheet)
        self._frame_stop = stop
        self._frame = self._lay_out(sheet, state, window.start, window.values, window.beats, bands, gaps, events)
        self.update()

    def _redo(self) -> None:
        self._seen = ()
        self.refresh()

    # Where everything lies.

    def _centre(self, middles: NDArray[np.float64], sheet: Sheet) -> None:
        """Settle about what each lead is drawn; kept while it fits roughly, so that no trace creeps along its row."""
        if not self._centred or len(self._centres) != len(middles):
            self._centres = middles
            return
        row = (sheet.bottom - sheet.top) / max(1, len(middles))
        away = np.abs(middles - self._centres) * sheet.px_per_unit > _CREEPS_SHARE * row
        self._centres = np.where(away, middles, self._centres)

    def _scale(self, unit: str, values: NDArray[np.float32], middles: NDArray[np.float64]) -> float:
        """Millimetres for one unit: the gain for millivolts, a round number that fits for anything else."""
        if unit == _MILLIVOLT:
            return self._gain_mm
        reach = 0.0
        for column, middle in zip(values.T, middles.tolist(), strict=True):
            finite = column[np.isfinite(column)]
            if len(finite):
                reach = max(reach, float(finite.max()) - middle, middle - float(finite.min()))
        row_mm = self.height() / max(1, values.shape[1]) / self.width() * self._span_s * MM_PER_S
        wanted = 10.0 * reach / min(_HALF_RANGE_MM, 0.45 * row_mm)
        # Kept while it fits roughly, so that the scale does not change with every beat.
        if wanted > 0 and not 0.3 < wanted / (self._units_per_cm or math.inf) < 1.5:
            decade = 10.0 ** math.floor(math.log10(wanted))
            self._units_per_cm = next(step * decade for step in (1, 2, 5, 10) if step * decade >= wanted * 0.999)
        return self._gain_mm / (self._units_per_cm or _USUAL_GAIN)

    def _sheet(self, leads: tuple[str, ...], unit: str, mm_per_unit: float) -> Sheet:
        speed = f"{MM_PER_S:g} mm/s"
        words: tuple[str, ...]
        if unit == _MILLIVOLT:
            words, calibration = (speed, _("{gain:g} mm/mV").format(gain=self._gain_mm)), 1.0
        elif unit:
            calibration = _USUAL_GAIN / mm_per_unit
            words = (speed, _("{amount:g} {unit}/cm").format(amount=calibration, unit=unit))
        else:
            words, calibration = (), 0.0
        small = QFontMetricsF(theme.font(9))
        return Sheet(
            width=self.width(),
            height=self.height(),
            ratio=self.devicePixelRatioF(),
            span_s=self._span_s,
            leads=leads,
            mm_per_unit=mm_per_unit,
            scale_words=words,
            calibration=calibration,
            grid=self._grid,
            label_height=small.height() + theme.px(5),
            gutter=float(theme.px(76)),
            unfiltered=self._centred and bool(leads),
        )

    def _lay_out(
        self,
        sheet: Sheet,
        state: FeedState,
        start: int,
        values: NDArray[np.float32],
        beats: NDArray[np.int64],
        bands: tuple[StepBand, ...],
        gaps: tuple[FeedGap, ...],
        events: tuple[FeedEvent, ...],
    ) -> Frame:
        per_sample = sheet.px_per_s / state.rate_hz
        stop = start + len(values)
        shift = sheet.snap(stop * per_sample) - sheet.right
        oldest = stop - math.ceil((sheet.right - sheet.left) / per_sample)

        def x_of(index: float) -> float:
            return min(sheet.right, max(sheet.left, sheet.snap(index * per_sample - shift)))

        spans = []
        # Bands follow each other: the first that can be seen is the last that began before.
        for band in bands[max(0, bisect_right(bands, oldest, key=lambda one: one.start) - 1) :]:
            if (band.stop is not None and band.stop <= oldest) or band.start >= stop:
                continue
            spans.append(
                Span(
                    left=x_of(band.start),
                    right=sheet.right if band.stop is None else x_of(band.stop),
                    words=band_words(band),
                    begins=band.start > oldest,
                    colour=band_colour(band.step) if band.kind == "step" else "",
                    hatch=theme.current().pause if band.kind == "pause" else "",
                )
            )
        losses = [
            Span(
                left=x_of(gap.start),
                right=x_of(gap.start + gap.length),
                words=lost_words(gap.length, state.rate_hz),
                more=gap.cause,
            )
            for gap in gaps[max(0, bisect_right(gaps, oldest, key=lambda one: one.start) - 1) :]
            if gap.start + gap.length > oldest and gap.start < stop
        ]
        marks = [
            (x_of(event.index), mark_title(event.text) or _("mark"))
            for event in events[bisect_left(events, oldest, key=lambda one: one.index) :]
            if event.kind in _MARK_KINDS and event.index <= stop
        ]
        x, points = trace_points(start, values, px_per_sample=per_sample, shift=shift, ratio=sheet.ratio)
        lines = []
        apart = float(theme.px(_ARROWS_APART))
        for row, signal, centre in zip(sheet.rows, points, self._centres.tolist(), strict=True):
            y = row.base - (signal - centre) * sheet.px_per_unit
            # Beyond any screen a painter's arithmetic overflows.
            np.clip(y, row.top - _FAR_PX, row.bottom + _FAR_PX, out=y)
            above, below = (tuple(excursions(x, out, apart=apart)) for out in (y < row.ceiling, y > row.floor))
            lines.append(make_line(x, y, above, below))
        return Frame(
            sheet=sheet,
            bands=tuple(spans),
            losses=tuple(losses),
            marks=tuple(marks),
            beats=tuple((beats[beats >= oldest] * per_sample - shift).tolist()),
            lines=tuple(lines),
        )

    # Qt's own.

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        if self._frame is None:
            self.refresh()
        frame = self._frame
        if frame is None:
            return
        painter = QPainter(self)
        paint_frame(painter, frame, self._grounds)
        if not frame.lines:
            self._paint_message(painter)
        painter.end()
        self._shown_stop = self._frame_stop

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        self.refresh()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(900), theme.px(420))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(320), theme.px(160))

    def _paint_message(self, painter: QPainter) -> None:
        fault = "" if self._feed is None else self._feed.state.fault
        words = fault or self._message or _("No samples yet")
        painter.setFont(theme.font(13))
        space = QRectF(self.rect()).adjusted(theme.px(40), 0, -theme.px(40), 0)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        box = painter.boundingRect(space, int(flags), words)
        pad = theme.px(12)
        painter.fillRect(box.adjusted(-pad, -pad, pad, pad), QColor(theme.current().surface))
        painter.setPen(QColor(theme.current().text))
        painter.drawText(space, int(flags), words)


def _middles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The median of each lead, from some of its values; 0 where there are none."""
    some = values[:: max(1, len(values) // _LOOKED_AT)]
    columns = (column[np.isfinite(column)] for column in some.T)
    return np.array([float(np.median(column)) if len(column) else 0.0 for column in columns])


def band_words(band: StepBand) -> str:
    """What went on in a band."""
    if band.kind in ("pause", "silence"):
        return _("Paused") if band.kind == "pause" else _("No samples")
    return _("Break") if band.kind == "rest" else activity_title(band.activity)
