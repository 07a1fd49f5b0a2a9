"""The recording page's keys, pressed in a window that has none of its own."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

from acquire.app.command_bar import CommandBar
from acquire.app.record_keys import RecordKeys, deed_of

__all__ = ["KeyRelay"]


class KeyRelay:
    """Obeys a key for the page, and gives the keyboard back to its window.

    Args:
        page: whose keys they are.
        bar: where something may be asked or written.
        keys: of the page.
        do: does a deed.
    """

    def __init__(self, page: QWidget, bar: CommandBar, keys: RecordKeys, do: Callable[[str], None]) -> None:
        self._page, self._bar, self._keys, self._do = page, bar, keys, do

    def __call__(self, event: QKeyEvent) -> bool:
        """Take a key; whether it was of use."""
        window, deed = self._page.window(), deed_of(event)
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and event.key() == Qt.Key.Key_Q:
            window.activateWindow()
            window.close()
            return True
        answers = self._bar.asked and deed in ("stop", "confirm")
        if (self._bar.noting and not answers) or not self._keys.listening:
            # Somebody writes, or something is asked: the key goes where the main window has its keyboard.
            window.activateWindow()
            QApplication.sendEvent(window.focusWidget() or self._page, event.clone())
            return True
        if not deed or (deed in ("stop", "confirm") and not self._bar.asked):
            # Esc closes that window; a recording is stopped from its own.
            return False
        window.activateWindow()
        self._do(deed)
        return True
