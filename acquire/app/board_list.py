"""Which board is recorded from: those that were found, the study's own, the simulated one, or an address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QEvent, QObject, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import FieldNotes
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
        self.field.itemClicked.connect(lambda item: self._type_address())
        self.field.itemActivated.connect(lambda item: self._type_address())
        self.field.installEventFilter(self)
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
        icon = _radio_icon()
        for choice in self._choices:
            item = QListWidgetItem(icon, _words(choice))
            item.setToolTip("\n".join((choice.address, *choice.troubles)))
            self.field.addItem(item)
        self.field.addItem(QListWidgetItem(icon, _("Another address…")))
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

    def show_problems(self, problems: Iterable[Problem], *, all_of_them: bool = True) -> None:
        """Say what is wrong with the chosen one.

        Args:
            problems: with the field "board".
            all_of_them: also that nothing has been typed yet, which is no mistake before somebody wants to go on.
        """
        self._notes.show_problems(problem for problem in problems if all_of_them or self.address)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if (
            watched is self.field
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and self._is_other()
            and event.text().isprintable()
            and event.text().strip()
        ):
            # Whoever chose another address with the arrows and types it means this.
            self._type_address()
            self.other.insert(event.text())
            return True
        return super().eventFilter(watched, event)

    def _is_other(self) -> bool:
        return self.field.currentRow() == len(self._choices)

    def _type_address(self) -> None:
        if self._is_other():
            self.other.setFocus(Qt.FocusReason.OtherFocusReason)

    def _chosen(self, row: int) -> None:
        self.other.setVisible(row == len(self._choices))
        self.changed.emit()


def _words(choice: BoardChoice) -> str:
    where = _("{detail} – {address}").format(detail=choice.detail, address=choice.address)
    where = where if choice.detail not in ("", choice.address) else choice.address
    # What is wrong stands below the list once it is chosen.
    title = _("{board} – look at it").format(board=choice.title) if choice.troubles else choice.title
    return f"{title}\n{where}"


def _radio_icon() -> QIcon:
    """A ring, with a dot in it where the line is chosen."""
    side = theme.px(16)
    icon = QIcon()
    colours = theme.current()
    for mode, colour in ((QIcon.Mode.Normal, colours.muted), (QIcon.Mode.Selected, colours.on_accent)):
        picture = QPixmap(QSize(2 * side, 2 * side))
        picture.setDevicePixelRatio(2.0)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colour), 0.1 * side))
        centre = QPointF(side / 2, side / 2)
        painter.drawEllipse(centre, 0.4 * side, 0.4 * side)
        if mode is QIcon.Mode.Selected:
            painter.setBrush(QColor(colour))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(centre, 0.2 * side, 0.2 * side)
        painter.end()
        icon.addPixmap(picture, mode)
    return icon
