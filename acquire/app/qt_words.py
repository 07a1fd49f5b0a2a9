"""Qt's own words, such as those of a field's menu and the names of keys, in the language of the window."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QTranslator

__all__ = ["speak"]


class _Spoken:
    words: QTranslator | None = None


def speak(language: str) -> None:
    """Let Qt speak a language from now on.

    Args:
        language: its code, such as "de".
    """
    app = QCoreApplication.instance()
    if app is None:
        return
    if _Spoken.words is not None:
        app.removeTranslator(_Spoken.words)
        _Spoken.words = None
    words = QTranslator(app)
    if words.load(f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        app.installTranslator(words)
        _Spoken.words = words
