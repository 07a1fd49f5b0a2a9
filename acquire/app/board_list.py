"""Which board is recorded from: those that were found, the study's own, the simulated one, or an address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import FieldNotes
from acquire.app.widgets import draw_shape
from acquire.viewer.preparing import BoardChoice, Problem
from acquire.viewer.texts import _

__all__ = ["BoardList"]

_LONGEST_ADDRESS = 500
_ROWS_SHOWN = 4.4


class BoardList(QWidget):
    """The boards to choose from; the last line lets an address be typed.

    Args:
        parent: the widget it stands in.

    Attributes:
        changed: emitted after another one was chosen or typed.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices: tuple[BoardChoice, ...] = ()
        self.field = QListWidget()
        self.field.setAccessibleName(_("Board"))
        self.field.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.field.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.other = QLineEdit()
        self.other.setAccessibleName(_("Address of the board"))
        self.other.setPlaceholderText(_("An address, such as cyton:/dev/ttyUSB0 or lsl:NAME"))
        self.other.setMaxLength(_LONGEST_ADDRESS)
        self._notes = FieldNotes()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(6))
        column.addWidget(self.field)
        column.addWidget(self.other)
        column.addWidget(self._notes)
        self.field.currentRowChanged.connect(self._chosen)
        self.other.textChanged.connect(lambda text: self.changed.emit())

    @property
    def address(self) -> str:
        """The chosen board's address."""
        row = self.field.currentRow()
        if 0 <= row < len(self._choices):
            return self._choices[row].address
        return self.other.text().strip()

    def show_choices(self, choices: Sequence[BoardChoice], chosen: str) -> None:
        """Offer these boards.

        Args:
            choices: those that were found, the simulated one among them.
            chosen: the address to begin with; one that is not among them stands in the field for another address.
        """
        if (tuple(choices), chosen) == (self._choices, self.address):
            return
        self._choices = tuple(choices)
        self.field.blockSignals(True)
        self.field.clear()
        icons = {trouble: _shape_icon("doubtful" if trouble else "good") for trouble in (False, True)}
        for choice in self._choices:
            item = QListWidgetItem(icons[bool(choice.troubles)], _words(choice))
            item.setToolTip("\n".join((choice.address, *choice.troubles)))
            self.field.addItem(item)
        self.field.addItem(QListWidgetItem(_shape_icon("skipped"), _("Another address…")))
        addresses = [choice.address for choice in self._choices]
        if chosen in addresses:
            self.field.setCurrentRow(addresses.index(chosen))
        else:
            self.other.setText(chosen)
            self.field.setCurrentRow(len(addresses))
        self.field.blockSignals(False)
        rows_px = [self.field.sizeHintForRow(row) for row in range(self.field.count())]
        self.field.setFixedHeight(min(sum(rows_px), round(_ROWS_SHOWN * rows_px[0])) + theme.px(4))
        self.field.scrollToItem(self.field.currentItem())
        self._chosen(self.field.currentRow())

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Say what is wrong with the chosen one."""
        self._notes.show_problems(problems)

    def _chosen(self, row: int) -> None:
        self.other.setVisible(row == len(self._choices))
        self.changed.emit()


def _words(choice: BoardChoice) -> str:
    where = _("{detail} – {address}").format(detail=choice.detail, address=choice.address)
    return f"{choice.title}\n{where if choice.detail not in ('', choice.address) else choice.address}"


def _shape_icon(level: str) -> QIcon:
    side = theme.px(16)
    icon = QIcon()
    # Upon the accent's ground of a chosen line the level's own colour could not be seen.
    for mode, colour in ((QIcon.Mode.Normal, ""), (QIcon.Mode.Selected, theme.current().on_accent)):
        picture = QPixmap(QSize(2 * side, 2 * side))
        picture.setDevicePixelRatio(2.0)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        draw_shape(painter, level, QPointF(side / 2, side / 2), 0.36 * side, colour=colour)
        painter.end()
        icon.addPixmap(picture, mode)
    return icon
