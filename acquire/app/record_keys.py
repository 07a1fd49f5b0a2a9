"""The keys of the recording page: which there are, and when they count.

They count wherever in the window the keyboard is, except in a field that is being typed into, which keeps all keys
that write for itself. Holding a key down is pressing it once.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QWidget

__all__ = ["KEYS", "LineField", "RecordKeys"]

KEYS: dict[str, tuple[str, ...]] = {
    "pause": ("Space",),
    "skip": ("S",),
    "repeat": ("R",),
    "note": ("N",),
    "stop": ("Esc",),
    **{f"mark{number}": (str(number),) for number in range(1, 10)},
    "gain_up": ("+", "="),
    "gain_down": ("-",),
    # The second ones are for keyboards on which brackets take three fingers.
    "span_shorter": ("[", ","),
    "span_longer": ("]", "."),
    "grid": ("G",),
    "filter": ("F",),
    "cues": ("M",),
    "subject_window": ("F9",),
    "acknowledge": ("A",),
    "confirm": ("Return", "Enter"),
}
"""Deed → its keys; the first one is shown on its button. F11 is the whole window's."""


class RecordKeys(QObject):
    """Listens for the keys of a page while that page is shown.

    Args:
        page: whose keys they are.
    """

    pressed = Signal(str)
    """The deed, one of `KEYS`."""

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self._shortcuts: dict[str, list[QShortcut]] = {}
        for deed, keys in KEYS.items():
            self._shortcuts[deed] = [self._listen(page, deed, key) for key in keys]
        self.set_asking(False)

    def _listen(self, page: QWidget, deed: str, key: str) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), page)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(lambda: self.pressed.emit(deed))
        return shortcut

    def set_asking(self, asking: bool) -> None:
        """Whether Enter answers a question; else it presses the button that has the keyboard."""
        for shortcut in self._shortcuts["confirm"]:
            shortcut.setEnabled(asking)


class LineField(QLineEdit):
    """A line of text on a page that has keys of its own: what is typed here is text, Enter and Esc included.

    Function keys go on counting.
    """

    left = Signal()
    """Esc was pressed."""

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _writes(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's own
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)


def _writes(event: QKeyEvent) -> bool:
    return not Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
