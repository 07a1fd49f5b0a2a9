"""The keys of the recording page: which there are, and when they count.

They count wherever in the window the keyboard is, except in a field that is being typed into, which keeps all keys
that write for itself. Holding a key down is pressing it once.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QWidget

__all__ = ["KEYS", "LineField", "RecordKeys", "deed_of"]

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
_UNWRITTEN = ("confirm", "stop", "subject_window")
"""Those whose keys write nothing."""

_CHORDS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


def deed_of(event: QKeyEvent) -> str:
    """What a key that was pressed elsewhere would do on the page; "" where that is nothing."""
    if event.isAutoRepeat() or event.modifiers() & _CHORDS:
        return ""
    written = event.text().strip().upper()
    for deed, keys in KEYS.items():
        for key in keys:
            named = len(key) > 1 and QKeySequence(key) == QKeySequence(event.key())
            if named or (len(key) == 1 and key == written):
                return deed
    return ""


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
        self._asking = self._over_note = False
        self._listening = True
        self._set()

    def _listen(self, page: QWidget, deed: str, key: str) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), page)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(lambda: self.pressed.emit(deed))
        return shortcut

    def set_asking(self, asking: bool, *, over_note: bool = False) -> None:
        """Whether Enter answers a question; else it presses the button that has the keyboard.

        Args:
            asking: whether there is a question.
            over_note: whether it covers a note that is being written, to which letters belong.
        """
        self._asking, self._over_note = asking, asking and over_note
        self._set()

    @property
    def listening(self) -> bool:
        """Whether the page's keys count."""
        return self._listening

    def set_listening(self, listening: bool) -> None:
        """Whether the page's keys count; while the window asks something they do not."""
        self._listening = listening
        self._set()

    def _set(self) -> None:
        for deed, shortcuts in self._shortcuts.items():
            counts = deed in _UNWRITTEN if self._over_note else self._asking or deed != "confirm"
            for shortcut in shortcuts:
                shortcut.setEnabled(self._listening and counts)


class LineField(QLineEdit):
    """A line of text on a page that has keys of its own: what is typed here is text, Enter and Esc included.

    Function keys and the window's chords, such as Ctrl+Q, go on counting.
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
    modifiers = event.modifiers()
    if modifiers & Qt.KeyboardModifier.ControlModifier and not modifiers & Qt.KeyboardModifier.AltModifier:
        # A chord: the line edits with its own, and the window's, such as Ctrl+Q, count on. With Alt it may be AltGr.
        return False
    return not Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
