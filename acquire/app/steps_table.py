"""How much of each step was recorded, with a tick for those that shall be done again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QTableWidget, QTableWidgetItem, QWidget

from acquire.app import theme
from acquire.app.row_reader import open_current_row
from acquire.app.widgets import draw_shape, state_word
from acquire.recordings.report import StepCoverage
from acquire.viewer.activity_names import activity_title
from acquire.viewer.finishing import Review
from acquire.viewer.texts import _
from acquire.viewer.verdict import coverage_level

__all__ = ["StepsTable"]

_COVERAGE = 2
_SKIPPED = Qt.ItemDataRole.UserRole + 1
_ROW_PX = 28


class StepsTable(QTableWidget):
    """The steps of a protocol; Space ticks the one that has the keyboard.

    Args:
        parent: the widget it stands in.

    Attributes:
        ticked_changed: emitted after a step was ticked or its tick was taken away.
    """

    ticked_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self._steps: tuple[StepCoverage, ...] = ()
        self.setAccessibleName(_("Steps; tick those that shall be repeated"))
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalHeaderLabels([_("Repeat"), _("Instruction"), _("Recorded")])
        across = self.horizontalHeader()
        across.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        across.setSectionResizeMode(0, across.ResizeMode.Fixed)
        across.setSectionResizeMode(1, across.ResizeMode.Stretch)
        across.setSectionResizeMode(2, across.ResizeMode.Fixed)
        across.setHighlightSections(False)
        self.setColumnWidth(2, theme.px(170))
        down = self.verticalHeader()
        down.hide()
        open_current_row(self, theme.px(_ROW_PX))
        self.setItemDelegateForColumn(_COVERAGE, _CoverageBar(self))
        self.setMinimumHeight(theme.px(4 * _ROW_PX))
        self.itemChanged.connect(lambda item: self.ticked_changed.emit())

    def show_steps(self, steps: Sequence[StepCoverage], ticked: Collection[int], skipped: Collection[int] = ()) -> None:
        """Show what was recorded.

        Args:
            steps: of the protocol, in its order.
            ticked: positions in the plan of those to begin with a tick.
            skipped: positions in the plan of those that were left out on purpose.
        """
        self._steps = tuple(steps)
        again = {step.step for step in self._steps if step.repetition > 1}
        self.blockSignals(True)
        self.setRowCount(len(self._steps))
        for row, step in enumerate(self._steps):
            name = activity_title(step.activity)
            first = QTableWidgetItem(f"{name} {step.repetition}" if step.step in again else name)
            first.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
            first.setCheckState(Qt.CheckState.Checked if step.position in ticked else Qt.CheckState.Unchecked)
            told = QTableWidgetItem(step.instruction)
            told.setToolTip(step.instruction)
            share = QTableWidgetItem()
            share.setData(Qt.ItemDataRole.UserRole, step.coverage)
            share.setData(_SKIPPED, step.position in skipped)
            words = _("{percent} %, {level}")
            level = _("skipped") if step.position in skipped else state_word(coverage_level(step.coverage))
            share.setData(
                Qt.ItemDataRole.AccessibleTextRole, words.format(percent=_percent(step.coverage), level=level)
            )
            for column, item in enumerate((first, told, share)):
                self.setItem(row, column, item)
        self.blockSignals(False)
        metrics = QFontMetricsF(self.font())
        names = [_("Repeat"), *(activity_title(step.activity) for step in self._steps)]
        widest = max(metrics.horizontalAdvance(f"{name} 00") for name in names)
        self.setColumnWidth(0, min(theme.px(220), round(widest) + theme.px(40)))
        if self._steps:
            self.blockSignals(True)
            self.setCurrentCell(0, 0)
            self.clearSelection()
            self.blockSignals(False)
        self.ticked_changed.emit()

    def show_review(self, review: Review) -> None:
        """Show the steps of a recording, with those ticked that had better be repeated."""
        self.show_steps(review.report.steps, review.steps_to_repeat, review.steps_skipped)

    def tick(self, positions: Collection[int]) -> None:
        """Tick the steps at these positions in the plan, and no others."""
        for row, step in enumerate(self._steps):
            item = self.item(row, 0)
            if item is not None:
                item.setCheckState(Qt.CheckState.Checked if step.position in positions else Qt.CheckState.Unchecked)

    def ticked(self) -> tuple[int, ...]:
        """Positions in the plan of the ticked steps."""
        positions = []
        for row, step in enumerate(self._steps):
            item = self.item(row, 0)
            if item is not None and item.checkState() is Qt.CheckState.Checked:
                positions.append(step.position)
        return tuple(positions)


def _percent(share: float) -> int:
    """Whole per cent; what is not quite all never reads as all."""
    return min(100, int(100 * share + 1e-6))


class _CoverageBar(QStyledItemDelegate):
    """A bar as long as the share that was recorded, its shape and the number."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        coverage = float(index.data(Qt.ItemDataRole.UserRole) or 0.0)
        level, colours = coverage_level(coverage), theme.current()
        skipped = bool(index.data(_SKIPPED))
        room = QRectF(option.rect).adjusted(theme.px(4), 0, -theme.px(6), 0)
        radius = theme.px(5)
        painter.save()
        if skipped:
            # Left out on purpose: neither good nor bad.
            painter.setFont(theme.font(9.5))
            painter.setPen(QColor(colours.muted))
            words = _("skipped, {percent} %").format(percent=_percent(coverage)) if _percent(coverage) else _("skipped")
            painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
            painter.restore()
            return
        draw_shape(painter, level, QRectF(room.left(), room.top(), 2.4 * radius, room.height()).center(), radius)
        painter.setFont(theme.font(9.5, bold=level != "good", fixed_digits=True))
        painter.setPen(QColor(colours.text))
        figure = room.adjusted(room.width() - theme.px(44), 0, 0, 0)
        words = _("{percent} %").format(percent=_percent(coverage))
        painter.drawText(figure, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
        high = theme.px(8)
        bar = QRectF(room.left() + 3.2 * radius, room.center().y() - high / 2, 0.0, high)
        bar.setRight(figure.left())
        painter.fillRect(bar, QColor(colours.window))
        bar.setWidth(bar.width() * min(1.0, max(0.0, coverage)))
        painter.fillRect(bar, QColor(colours.level(level)))
        painter.restore()
