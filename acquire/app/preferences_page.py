"""What the operators of a study like: language, looks, traces, cues and marks."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from acquire.app import theme
from acquire.app.fields import Choice, Columns, Form, OneColumn
from acquire.app.widgets import Card, KeyButton, label
from acquire.viewer.mark_names import mark_kept, mark_title
from acquire.viewer.preferences import GAINS_MM_PER_MV, Preferences
from acquire.viewer.texts import LANGUAGES, _

__all__ = ["PreferencesPage"]

SCALES = (0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
SPANS_S = (5, 8, 10, 15, 20, 30)
MARKS = 9
MARK_LENGTH = 32


class PreferencesPage(QWidget):
    """A form of its own page; what is chosen holds at once where it can, and is kept in the study."""

    chosen = Signal(object)
    """`Preferences` that shall hold from now on."""
    left = Signal()
    """Nothing shall change."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = Preferences()
        self.language, self.theme, self.scale = Choice(), Choice(), Choice()
        self.span, self.gain, self.cues = Choice(), Choice(), Choice()
        self.grid = QCheckBox(_("ECG paper behind the traces"))
        self.filtered = QCheckBox(_("Filter what is shown (0.5–40 Hz and mains); the recording is never filtered"))
        self.marks = [QLineEdit() for _number in range(MARKS)]
        self._fill()
        inside = QWidget()
        held = QVBoxLayout(inside)
        held.setContentsMargins(0, 0, 0, 0)
        held.addWidget(Columns((self._looks(), 1), (self._mark_names(), 1), spacing_px=16))
        held.addStretch(1)
        scroll = OneColumn(inside)
        self.cancel = KeyButton(_("Cancel"), "Esc")
        self.keep = KeyButton(_("Use these"), "Ctrl+Enter", kind="primary")
        self.cancel.clicked.connect(self.left.emit)
        self.keep.clicked.connect(lambda: self.chosen.emit(self.preferences()))
        for key, button in (("Esc", self.cancel), ("Ctrl+Return", self.keep), ("Ctrl+Enter", self.keep)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(button.click)
        buttons = QHBoxLayout()
        buttons.addWidget(label(_("They are kept in preferences.toml in the study's folder."), "muted"), 1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.keep)
        page = QVBoxLayout(self)
        page.setContentsMargins(theme.px(24), theme.px(16), theme.px(24), theme.px(16))
        page.setSpacing(theme.px(12))
        page.addWidget(label(_("Preferences"), "title"))
        page.addWidget(scroll, 1)
        page.addLayout(buttons)

    def show_preferences(self, preferences: Preferences) -> None:
        """Show what holds now."""
        self._before = preferences
        for box, value in (
            (self.language, preferences.language),
            (self.theme, preferences.theme),
            (self.cues, preferences.cues),
        ):
            box.setCurrentIndex(max(0, box.findData(value)))
        for box, amount in (
            (self.scale, preferences.text_scale),
            (self.span, preferences.span_s),
            (self.gain, preferences.gain_mm_per_mv),
        ):
            nearest = min(range(box.count()), key=lambda place: abs(float(box.itemData(place)) - amount))
            box.setCurrentIndex(nearest)
        self.grid.setChecked(preferences.grid)
        self.filtered.setChecked(preferences.filtered)
        for number, field in enumerate(self.marks):
            field.setText(mark_title(preferences.marks[number]) if number < len(preferences.marks) else "")
        self.language.setFocus()

    def preferences(self) -> Preferences:
        """What is chosen; the rest stays as it was."""
        names = [mark_kept(field.text().strip()) for field in self.marks]
        while names and not names[-1]:
            names.pop()
        return replace(
            self._before,
            language=self.language.currentData(),
            theme=self.theme.currentData(),
            cues=self.cues.currentData(),
            text_scale=float(self.scale.currentData()),
            span_s=float(self.span.currentData()),
            gain_mm_per_mv=float(self.gain.currentData()),
            grid=self.grid.isChecked(),
            filtered=self.filtered.isChecked(),
            # A key between two named ones keeps its place.
            marks=tuple(name or _("mark {n}").format(n=number) for number, name in enumerate(names, start=1)),
        )

    def _fill(self) -> None:
        self.language.addItem(_("as the system says"), "system")
        for code, name in LANGUAGES.items():
            self.language.addItem(name, code)
        choices = {"system": _("as the system says"), "light": _("light"), "dark": _("dark")}
        for value, words in choices.items():
            self.theme.addItem(words, value)
        for scale in SCALES:
            self.scale.addItem(f"{scale * 100:.0f} %", scale)
        for span_s in SPANS_S:
            self.span.addItem(f"{span_s} s", span_s)
        for gain in GAINS_MM_PER_MV:
            self.gain.addItem(f"{gain:g} mm/mV", gain)
        cues = {"beep": _("as the protocol says"), "voice": _("a voice, always"), "off": _("silence")}
        for value, words in cues.items():
            self.cues.addItem(words, value)

    def _looks(self) -> Card:
        card = Card(_("Window"))
        form = Form(caption_px=190)
        for words, box in (
            (_("Language"), self.language),
            (_("Colours"), self.theme),
            (_("Size of the text"), self.scale),
            (_("Signal across the window"), self.span),
            (_("Height of a millivolt"), self.gain),
            (_("A new step is announced by"), self.cues),
        ):
            form.add_field(words, box)
        card.add(form)
        card.add(self.grid)
        card.add(self.filtered)
        card.body.addStretch(1)
        return card

    def _mark_names(self) -> Card:
        card = Card(_("Marks"))
        card.add(label(_("While it records, a number key sets a mark of this name."), "muted"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.px(10))
        grid.setVerticalSpacing(theme.px(6))
        for number, field in enumerate(self.marks, start=1):
            field.setMaxLength(MARK_LENGTH)
            field.setAccessibleName(_("Name of mark {n}").format(n=number))
            grid.addWidget(label(str(number), "heading", wrap=False), number, 0)
            grid.addWidget(field, number, 1)
        card.add(grid)
        card.body.addStretch(1)
        return card
