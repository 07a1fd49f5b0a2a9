"""The steps of a protocol as blocks on a line, as long as they last."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from acquire.app import theme
from acquire.viewer.activity_names import activity_title
from acquire.viewer.texts import _
from protocols.script import PlannedStep

__all__ = ["StepTimeline", "duration_words"]


def duration_words(seconds: float) -> str:
    """A length of time as "45 s", "3:20 min" or "1:05 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return _("{n} s").format(n=whole)
    if whole < 3600:
        return _("{minutes}:{seconds:02d} min").format(minutes=whole // 60, seconds=whole % 60)
    minutes = round(whole / 60)
    return _("{hours}:{minutes:02d} h").format(hours=minutes // 60, minutes=minutes % 60)


class StepTimeline(QWidget):
    """What a protocol consists of, and where it has got to.

    Each step is as wide as it is long, names stand where they fit, rests are narrow and empty. What has been done is
    filled with the accent's colour at its foot.

    Args:
        plan: the steps; may be empty.
        position: 0-based place of the step that is being done; -1 before the first.
        parent: the widget it stands in.
    """

    def __init__(self, plan: Sequence[PlannedStep] = (), position: int = -1, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._plan: tuple[PlannedStep, ...] = ()
        self._edges: list[float] = [0.0]
        self._position, self._share = position, 0.0
        self.set_plan(plan)

    @property
    def plan(self) -> tuple[PlannedStep, ...]:
        """What is shown."""
        return self._plan

    @property
    def position(self) -> int:
        """The step that is being done."""
        return self._position

    def set_plan(self, plan: Sequence[PlannedStep]) -> None:
        """Show another protocol."""
        self._plan = tuple(plan)
        self._edges = [0.0]
        for step in self._plan:
            self._edges.append(self._edges[-1] + step.duration_s)
        steps = [step for step in self._plan if not step.is_rest]
        self.setAccessibleName(
            _("Protocol: {n} steps, {length}").format(n=len(steps), length=duration_words(self._edges[-1]))
        )
        self.update()

    def set_position(self, position: int, share: float = 0.0) -> None:
        """Show how far the protocol has got.

        Args:
            position: 0-based place in the plan; -1 before the first, ``len(plan)`` behind the last.
            share: of that step which is done, 0 to 1.
        """
        if (position, share) != (self._position, self._share):
            self._position, self._share = position, min(1.0, max(0.0, share))
            self.update()

    def done_s(self) -> float:
        """Seconds of the plan that are done."""
        if self._position < 0:
            return 0.0
        if self._position >= len(self._plan):
            return self._edges[-1]
        return self._edges[self._position] + self._share * self._plan[self._position].duration_s

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(320), round(QFontMetricsF(theme.font(9)).height()) + theme.px(16))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(80), self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's own
        if event.type() == QEvent.Type.StyleChange:
            self.updateGeometry()
        super().changeEvent(event)

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.words_at(event.pos().x()), self)
            return True
        return super().event(event)

    def words_at(self, x: float) -> str:
        """The step under a place of the line; "" beside it."""
        place = self._place_at(x)
        if place is None:
            return ""
        step = self._plan[place]
        if step.is_rest:
            return _("Break, {length}").format(length=duration_words(step.duration_s))
        words = _("Step {step}: {activity}, {length}\n{instruction}")
        return words.format(
            step=step.step,
            activity=activity_title(step.activity),
            length=duration_words(step.duration_s),
            instruction=textwrap.fill(step.instruction, 70),
        )

    def _place_at(self, x: float) -> int | None:
        for place, (left, right) in enumerate(pairwise(self._xs())):
            if left <= x < right:
                return place
        return None

    def _xs(self) -> list[float]:
        total = self._edges[-1] or 1.0
        return [1 + edge / total * (self.width() - 2) for edge in self._edges]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        painter = QPainter(self)
        colours = theme.current()
        box = QRectF(0.5, 0.5, self.width() - 1, self.height() - 1)
        painter.fillRect(box, QColor(colours.window))
        if self._plan:
            self._paint_steps(painter, box)
        painter.setPen(QPen(QColor(colours.outline), 1))
        painter.drawRect(box)

    def _paint_steps(self, painter: QPainter, box: QRectF) -> None:
        colours = theme.current()
        xs = self._xs()
        font = theme.font(9)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        outline, ink = QColor(colours.outline), QColor(colours.band_text)
        for place, step in enumerate(self._plan):
            block = QRectF(xs[place], box.top(), xs[place + 1] - xs[place], box.height())
            if not step.is_rest:
                painter.fillRect(block, QColor(colours.bands[(step.step - 1) % len(colours.bands)]))
            if block.width() >= 3:
                painter.setPen(QPen(outline, 1))
                painter.drawLine(block.topLeft(), block.bottomLeft())
            room = block.width() - theme.px(8)
            if not step.is_rest and room >= metrics.horizontalAdvance("mmm"):
                words = metrics.elidedText(activity_title(step.activity), Qt.TextElideMode.ElideRight, room)
                painter.setPen(ink)
                painter.drawText(
                    block.adjusted(theme.px(5), 0, -theme.px(3), -theme.px(3)),
                    Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
                    words,
                )
        if self._position >= 0:
            self._paint_progress(painter, box, xs)

    def _paint_progress(self, painter: QPainter, box: QRectF, xs: list[float]) -> None:
        accent = QColor(theme.current().accent)
        total = self._edges[-1] or 1.0
        end = 1 + self.done_s() / total * (self.width() - 2)
        thick = theme.px(4)
        painter.fillRect(QRectF(box.left(), box.bottom() - thick, end - box.left(), thick), accent)
        if self._position < len(self._plan):
            left, right = xs[self._position], xs[self._position + 1]
            painter.setPen(QPen(accent, theme.px(2)))
            painter.drawRect(QRectF(left, box.top(), max(2.0, right - left), box.height()).adjusted(1, 1, -1, -1))
