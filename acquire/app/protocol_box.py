"""Which protocol is done, with its steps and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import Choice, FieldNotes
from acquire.app.row_reader import open_current_row
from acquire.app.step_timeline import StepTimeline, duration_words
from acquire.app.widgets import label
from acquire.viewer.activity_names import activity_title
from acquire.viewer.preparing import Problem, ProtocolChoice
from acquire.viewer.texts import _, ngettext
from protocols.script import PlannedStep

__all__ = ["ProtocolBox", "total_words"]


def total_words(choice: ProtocolChoice) -> str:
    """How many steps a protocol has, and how long it takes."""
    n = sum(not step.is_rest for step in choice.plan)
    return ngettext("{n} step, {length}", "{n} steps, {length}", n).format(n=n, length=duration_words(choice.total_s))


class ProtocolBox(QWidget):
    """The protocols to choose from, and what the chosen one consists of.

    Args:
        parent: the widget it stands in.

    Attributes:
        changed: emitted after another one was chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices: tuple[ProtocolChoice, ...] = ()
        self.field = Choice()
        self.field.setAccessibleName(_("Protocol"))
        self._total = label("", wrap=False)
        self._timeline = StepTimeline()
        self._purpose = label("", "muted")
        self._steps = _steps_table()
        self._notes = FieldNotes()
        first = QHBoxLayout()
        first.setSpacing(theme.px(10))
        first.addWidget(self.field, 1)
        first.addWidget(self._total)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(7))
        column.addLayout(first)
        column.addWidget(self._notes)
        column.addWidget(self._timeline)
        column.addWidget(self._purpose)
        column.addWidget(self._steps, 1)
        # Without steps to show, what there is stays at the top.
        column.addStretch(0)
        self.field.currentIndexChanged.connect(self._chosen)

    @property
    def source(self) -> str:
        """The ``source`` of the chosen protocol, "" while there is none."""
        choice = self.choice
        return choice.source if choice is not None else ""

    @property
    def choice(self) -> ProtocolChoice | None:
        """The chosen protocol."""
        row = self.field.currentIndex()
        return self._choices[row] if 0 <= row < len(self._choices) else None

    def show_choices(self, choices: Sequence[ProtocolChoice], chosen: str) -> None:
        """Offer these protocols.

        Args:
            choices: all that the study can use.
            chosen: the ``source`` of the one to begin with.
        """
        if (tuple(choices), chosen) == (self._choices, self.source):
            return
        self._choices = tuple(choices)
        self.field.blockSignals(True)
        self.field.clear()
        for choice in self._choices:
            words = _("{title} – cannot be used") if choice.fault else "{title}"
            self.field.addItem(words.format(title=choice.title))
        sources = [choice.source for choice in self._choices]
        self.field.setCurrentIndex(sources.index(chosen) if chosen in sources else -1)
        self.field.blockSignals(False)
        self._chosen()

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Say what is wrong with the chosen one."""
        self._notes.show_problems(problems)

    def _chosen(self) -> None:
        choice = self.choice
        plan = choice.plan if choice is not None else ()
        self._total.setText(total_words(choice) if choice is not None and plan else "")
        self._timeline.set_plan(plan)
        self._timeline.setVisible(bool(plan))
        self._purpose.setText(_first_lines(choice.purpose) if choice is not None else "")
        self._purpose.setVisible(bool(self._purpose.text()))
        self._fill([step for step in plan if not step.is_rest])
        self.changed.emit()

    def _fill(self, steps: Sequence[PlannedStep]) -> None:
        self._steps.setVisible(bool(steps))
        self._steps.setRowCount(0)
        self._steps.setRowCount(len(steps))
        for row, step in enumerate(steps):
            again = f" {step.repetition}/{step.of}" if step.of > 1 else ""
            texts = (f"{activity_title(step.activity)}{again}", step.instruction, duration_words(step.duration_s))
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(step.instruction if column == 1 else "")
                if column == 2:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self._steps.setItem(row, column, item)


def _first_lines(text: str, longest: int = 220) -> str:
    """The beginning of a purpose that may be pages long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else f"{flat[:longest].rsplit(' ', 1)[0]} …"


def _steps_table() -> QTableWidget:
    """The steps in words: what is done, what the subject is told, how long."""
    table = QTableWidget(0, 3)
    table.setAccessibleName(_("Steps of the protocol"))
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    table.verticalHeader().hide()
    table.horizontalHeader().hide()
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, header.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(1, header.ResizeMode.Stretch)
    header.setSectionResizeMode(2, header.ResizeMode.ResizeToContents)
    open_current_row(table, theme.px(25))
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setMinimumHeight(theme.px(25 * 3 + 6))
    return table
