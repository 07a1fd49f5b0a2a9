"""The subject's window as the recording page has it: opened, followed, kept off what asks, and never deaf to a key."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QPoint, QRect, Signal
from PySide6.QtGui import QKeyEvent, QScreen
from PySide6.QtWidgets import QWidget

from acquire.app.subject_window import SubjectWindow
from acquire.viewer.step_clock import StepNow

__all__ = ["SubjectStand", "place_of"]


def place_of(widget: QWidget) -> QRect:
    """Where a widget is, in global coordinates."""
    return QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())


class SubjectStand(QObject):
    """Holds the subject's window while it is open.

    Args:
        forward: takes a key that was pressed in it; whether it was of use.
        parent: what it ends with.
    """

    changed = Signal(bool)
    """It was opened or closed."""

    def __init__(self, forward: Callable[[QKeyEvent], bool], parent: QObject) -> None:
        super().__init__(parent)
        self._forward = forward
        self.window: SubjectWindow | None = None

    def toggle(self, operator_screen: QScreen, wanted: str, now: StepNow) -> None:
        """Open it, or close it.

        Args:
            operator_screen: the screen that the operator works at.
            wanted: name of the screen to take, or "".
            now: where the protocol stands.
        """
        if self.window is not None:
            self.window.close()
            return
        self.window = SubjectWindow(operator_screen, wanted, forward=self._forward)
        self.window.closed.connect(self._closed)
        self.window.show_step(now)
        self.window.appear()
        self.changed.emit(True)

    def show_step(self, now: StepNow, *, silent: bool) -> None:
        """Show where the protocol stands, where it is open."""
        if self.window is not None:
            self.window.show_step(now, silent=silent)

    def keep_off(self, place: QRect) -> None:
        """Lie upon nothing of a place, in global coordinates: there something is asked."""
        if self.window is not None:
            self.window.keep_off(place)

    def close(self) -> None:
        """Close it, if it is open."""
        if self.window is not None:
            self.window.close()

    def _closed(self) -> None:
        if self.window is not None:
            self.window.deleteLater()
            self.window = None
            self.changed.emit(False)
