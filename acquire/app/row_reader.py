"""Rows of a table that are one line high, but for the one that is read."""

from __future__ import annotations

from PySide6.QtWidgets import QTableWidget

__all__ = ["open_current_row"]

_SECOND_LINE = 1.5


def open_current_row(table: QTableWidget, row_px: int) -> None:
    """Give the row that was clicked, or reached with the arrow keys, as many lines as its words need.

    Args:
        table: whose words wrap; the other rows show as much of theirs as fits into a line.
        row_px: height of a line.
    """
    table.setWordWrap(True)
    down = table.verticalHeader()
    down.setSectionResizeMode(down.ResizeMode.Fixed)
    down.setDefaultSectionSize(row_px)
    down.setMinimumSectionSize(row_px)

    def read(row: int, before: int) -> None:
        if before != row and 0 <= before < table.rowCount():
            table.setRowHeight(before, row_px)
        if 0 <= row < table.rowCount():
            wanted = table.sizeHintForRow(row)
            # What fits into its line stays as it is; a style's own margins are no second line.
            table.setRowHeight(row, wanted if wanted > _SECOND_LINE * row_px else row_px)
            table.scrollTo(table.currentIndex())

    table.currentCellChanged.connect(lambda row, column, before, column_before: read(row, before))
