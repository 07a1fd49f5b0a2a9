"""Starting the recording app."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from acquire.app import theme
from acquire.app.qt_words import speak
from acquire.app.window import MainWindow
from acquire.viewer.preferences import load_preferences
from acquire.viewer.preparing import Preparation
from acquire.viewer.texts import choose_language

__all__ = ["run_app"]

_SMALLEST = (1024, 640)
_USUAL = (1366, 768)


def run_app(study_path: Path, first: Preparation, *, stall_limit_s: float, lsl_outlet: bool) -> int:
    """Open the window on a study, and stay until it is closed.

    Args:
        study_path: the study's folder.
        first: what the first recording's choices begin with.
        stall_limit_s: end a recording cleanly when no samples come for so long; 0 to wait for ever.
        lsl_outlet: send what is recorded over LSL as well.

    Returns:
        0.
    """
    app = QApplication(sys.argv[:1])
    app.setApplicationName("trilead")
    app.setDesktopFileName("trilead")
    preferences, fault = load_preferences(study_path)
    speak(choose_language(preferences.language))
    theme.apply(preferences.theme, preferences.text_scale)
    window = MainWindow(
        study_path, preferences, fault=fault, first=first, stall_limit_s=stall_limit_s, lsl_outlet=lsl_outlet
    )
    window.setMinimumSize(*_SMALLEST)
    available = app.primaryScreen().availableGeometry()
    if available.width() <= _USUAL[0] or available.height() <= _USUAL[1]:
        window.showMaximized()
    else:
        window.resize(min(available.width(), 1600), min(available.height(), 960))
        window.show()
    # The timers give Python a turn often enough to see it.
    signal.signal(signal.SIGINT, lambda number, frame: _leave(window))
    signal.signal(signal.SIGTERM, lambda number, frame: _leave(window))
    code: int = app.exec()
    return code


def _leave(window: MainWindow) -> None:
    # Whoever ends the window from outside was not asked; a recording under way goes on without it.
    window.leave()
