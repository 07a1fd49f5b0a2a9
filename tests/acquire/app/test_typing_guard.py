"""What was still being typed when a page appears presses nothing on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from acquire.app import typing_guard
from acquire.app.typing_guard import TypingGuard


class Page(QWidget):
    """Has a shortcut on S and on Ctrl+Q, and a field."""

    def __init__(self) -> None:
        super().__init__()
        self.pressed: list[str] = []
        self.field = QLineEdit()
        QVBoxLayout(self).addWidget(self.field)
        for key in ("S", "Ctrl+Q", "F9"):
            QShortcut(QKeySequence(key), self).activated.connect(lambda key=key: self.pressed.append(key))


@pytest.fixture
def page(qtbot: QtBot) -> Page:
    made = Page()
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    made.setFocus()
    return made


@pytest.fixture
def guard(page: Page, monkeypatch: pytest.MonkeyPatch) -> Iterator[TypingGuard]:
    monkeypatch.setattr(typing_guard, "QUIET_MS", 300)
    made = TypingGuard(page)
    yield made
    made.release()


def test_letters_do_nothing_for_a_while_and_count_then(qtbot: QtBot, page: Page, guard: TypingGuard) -> None:
    guard.hold(typing=False)
    qtbot.keyClick(page, Qt.Key.Key_S)
    page.field.setFocus()
    qtbot.keyClick(page.field, Qt.Key.Key_X)
    assert (page.pressed, page.field.text()) == ([], "")
    qtbot.waitUntil(lambda: not guard.held)
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_S)
    assert page.pressed == ["S"]


def test_function_keys_and_chords_count_all_the_while(qtbot: QtBot, page: Page, guard: TypingGuard) -> None:
    guard.hold(typing=True)
    qtbot.keyClick(page, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(page, Qt.Key.Key_F9)
    assert page.pressed == ["Ctrl+Q", "F9"]


@pytest.mark.parametrize("typing", [False, True])
def test_whoever_was_typing_may_type_on(qtbot: QtBot, page: Page, guard: TypingGuard, typing: bool) -> None:
    guard.hold(typing=typing)
    for _ in range(5):
        qtbot.keyClick(page, Qt.Key.Key_X)
        qtbot.wait(100)
    assert guard.held is typing
