"""Which of the four stages it is, along the top of the window."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from acquire.app import theme
from acquire.viewer.conductor import Stage
from acquire.viewer.texts import _

__all__ = ["StageBar", "stage_name"]


def stage_name(stage: Stage) -> str:
    """What a stage is called."""
    return {
        Stage.PREPARE: _("Prepare"),
        Stage.CHECK: _("Check"),
        Stage.RECORD: _("Record"),
        Stage.FINISH: _("Finish"),
    }[stage]


class StageBar(QWidget):
    """The stages in their order: those that are behind ticked, the present one filled."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stage = Stage.PREPARE
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.show_stage(Stage.PREPARE)

    def show_stage(self, stage: Stage) -> None:
        """Fill another one."""
        self._stage = stage
        words = _("Step {n} of {total}: {name}").format(n=stage.value + 1, total=len(Stage), name=stage_name(stage))
        self.setAccessibleName(words)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        width = sum(self._width(stage) for stage in Stage) + (len(Stage) - 1) * theme.px(26)
        return QSize(round(width) + 2, theme.px(30))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return self.sizeHint()

    def _width(self, stage: Stage) -> float:
        return (
            theme.px(24) + theme.px(7) + QFontMetricsF(theme.font(11, bold=True)).horizontalAdvance(stage_name(stage))
        )

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, left = self.height() / 2, 1.0
        disc = theme.px(24)
        for stage in Stage:
            here, behind = stage is self._stage, stage.value < self._stage.value
            circle = QRectF(left, middle - disc / 2, disc, disc)
            painter.setPen(QPen(QColor(colours.accent if here or behind else colours.outline), theme.px(1.5)))
            painter.setBrush(QColor(colours.accent) if here else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(circle)
            painter.setFont(theme.font(10, bold=True))
            painter.setPen(QColor(colours.on_accent if here else colours.accent if behind else colours.muted))
            painter.drawText(circle, Qt.AlignmentFlag.AlignCenter, "✓" if behind else str(stage.value + 1))
            painter.setFont(theme.font(11, bold=here))
            painter.setPen(QColor(colours.text if here else colours.muted))
            width = self._width(stage)
            words = QRectF(circle.right() + theme.px(7), 0, width, self.height())
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, stage_name(stage))
            left += width
            if stage is not Stage.FINISH:
                painter.setPen(QPen(QColor(colours.outline), theme.px(1.5)))
                painter.drawLine(QPointF(left + theme.px(5), middle), QPointF(left + theme.px(21), middle))
            left += theme.px(26)
        painter.end()
