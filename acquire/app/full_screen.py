"""Full screen and back."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

__all__ = ["toggle_full_screen"]


def toggle_full_screen(window: QWidget) -> None:
    """Fill the screen with a window, or give it back the state that it had before, maximised included."""
    window.setWindowState(window.windowState() ^ Qt.WindowState.WindowFullScreen)
