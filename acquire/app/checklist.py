"""The list of what was looked at before a recording, what wants mending first."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLayoutItem, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import OneColumn
from acquire.app.widgets import Shape, label, state_word
from acquire.checks.preflight import Finding

__all__ = ["Checklist"]

_URGENCY = {"bad": 0, "doubtful": 1, "good": 2, "skipped": 3}


class Checklist(QWidget):
    """Findings, the bad ones first, each with its shape, its name and its words.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._findings: tuple[Finding, ...] = ()
        inside = QWidget()
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, theme.px(6), 0)
        self._grid.setHorizontalSpacing(theme.px(8))
        self._grid.setVerticalSpacing(theme.px(6))
        self._grid.setColumnStretch(2, 1)
        held = QVBoxLayout(inside)
        held.setContentsMargins(0, 0, 0, 0)
        held.addLayout(self._grid)
        held.addStretch(1)
        scroll = OneColumn(inside)
        # The only thing in it that somebody without a mouse may want to move.
        scroll.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        scroll.setAccessibleName(self.accessibleName())
        self._scroll = scroll
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scroll)
        self.setMinimumHeight(theme.px(90))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is shown, in the order in which it is shown."""
        return self._findings

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show what was found."""
        ordered = tuple(sorted(findings, key=lambda finding: _URGENCY[finding.state]))
        if ordered == self._findings:
            return
        self._findings = ordered
        self._scroll.setAccessibleName(
            "\n".join(f"{one.name}: {state_word(one.state)}, {one.words}" for one in ordered)
        )
        for row, finding in enumerate(ordered):
            self._fill(row, finding)
        for row in range(len(ordered), self._grid.rowCount()):
            for column in range(3):
                if (item := self._grid.itemAtPosition(row, column)) is not None:
                    _widget(item).hide()

    def _fill(self, row: int, finding: Finding) -> None:
        """Put a finding into a row, which is made where there is none yet."""
        item = self._grid.itemAtPosition(row, 0)
        if item is None:
            made: tuple[QWidget, ...] = (Shape("skipped", size=15), label(wrap=False), label())
            for column, widget in enumerate(made):
                self._grid.addWidget(widget, row, column, Qt.AlignmentFlag.AlignTop)
            self._grid.setAlignment(made[2], Qt.AlignmentFlag(0))
        else:
            made = tuple(_widget(found) for column in range(3) if (found := self._grid.itemAtPosition(row, column)))
        shape, name, words = made
        shape.set_level(finding.state)  # type: ignore[attr-defined]
        name.setText(finding.name)  # type: ignore[attr-defined]
        words.setText(finding.words)  # type: ignore[attr-defined]
        for widget in made:
            widget.show()


def _widget(item: QLayoutItem) -> QWidget:
    widget = item.widget()
    assert widget is not None
    return widget
