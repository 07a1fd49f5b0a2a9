"""Keeps what is still being typed from being taken for commands of a page that has just appeared."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

__all__ = ["QUIET_MS", "TypingGuard"]

QUIET_MS = 1000
_KEY_EVENTS = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress, QEvent.Type.KeyRelease)
_CHORDS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


class TypingGuard(QObject):
    """For a second no key that writes does anything; for whoever was typing, until a second has passed without one.

    Function keys and chords such as Ctrl+Q count all the while, and so does the mouse.

    Args:
        parent: what it ends with.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._typing = False
        self._held = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self.release)

    @property
    def held(self) -> bool:
        """Whether keys are held back now."""
        return self._held

    def hold(self, *, typing: bool) -> None:
        """Hold keys back from now on.

        Args:
            typing: whether a text was being typed, so that more of it is to be expected.
        """
        self._typing = typing
        app = QApplication.instance()
        if app is not None and not self._held:
            self._held = True
            app.installEventFilter(self)
        self._timer.start()

    def release(self) -> None:
        """Let all keys count again."""
        self._timer.stop()
        app = QApplication.instance()
        if app is not None and self._held:
            app.removeEventFilter(self)
        self._held = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if event.type() in _KEY_EVENTS and isinstance(event, QKeyEvent) and _writes(event):
            if self._typing and event.type() != QEvent.Type.KeyRelease:
                self._timer.start()
            event.accept()
            return True
        return False


def _writes(event: QKeyEvent) -> bool:
    return not event.modifiers() & _CHORDS and not Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
