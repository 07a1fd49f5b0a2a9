"""The preferences: shown as they are, given back as they were chosen, by keys alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.fields import OneColumn
from acquire.app.preferences_page import PreferencesPage
from acquire.viewer.preferences import Preferences
from acquire.viewer.texts import choose_language

LIKED = Preferences(
    language="de",
    theme="dark",
    text_scale=1.3,
    span_s=20.0,
    gain_mm_per_mv=5.0,
    grid=False,
    filtered=False,
    cues="voice",
    marks=("cough", "hiccup"),
    operators=("KL",),
    subject_screen="HDMI-1",
)


@pytest.fixture
def page(qtbot: QtBot) -> PreferencesPage:
    made = PreferencesPage()
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    return made


@pytest.mark.parametrize("preferences", [Preferences(), LIKED])
def test_what_is_shown_and_not_changed_comes_back_the_same(page: PreferencesPage, preferences: Preferences) -> None:
    page.show_preferences(preferences)
    assert page.preferences() == preferences


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_ctrl_enter_keeps_them_even_while_a_name_is_typed(qtbot: QtBot, page: PreferencesPage, key: Qt.Key) -> None:
    page.show_preferences(LIKED)
    field = page.marks[1]
    field.setFocus()
    field.setText(" yawn ")
    with qtbot.waitSignal(page.chosen) as chosen:
        QTest.keyClick(field, key, Qt.KeyboardModifier.ControlModifier)
    assert chosen.args == [replace(LIKED, marks=("cough", "yawn"))]


def test_esc_leaves_them_as_they_were(qtbot: QtBot, page: PreferencesPage) -> None:
    page.show_preferences(LIKED)
    with qtbot.waitSignal(page.left), qtbot.assertNotEmitted(page.chosen):
        QTest.keyClick(page.language, Qt.Key.Key_Escape)


def test_a_number_between_named_ones_keeps_its_place(page: PreferencesPage) -> None:
    page.show_preferences(replace(LIKED, marks=("cough",)))
    page.marks[2].setText("yawn")
    assert page.preferences().marks == ("cough", "mark 2", "yawn")


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
def test_every_field_can_be_read_at_every_size_of_the_text(qtbot: QtBot, scale: float) -> None:
    theme.apply("light", scale)
    page = PreferencesPage()
    qtbot.addWidget(page)
    page.resize(1366, 668)
    with qtbot.waitExposed(page):
        page.show()
    (scroll,) = page.findChildren(OneColumn)
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width(), timeout=2000)
    assert all(field.width() > theme.px(200) for field in page.marks)


def test_the_marks_that_come_with_the_app_are_translated_and_kept_in_english(page: PreferencesPage) -> None:
    choose_language("de")
    page.show_preferences(Preferences())
    assert page.marks[2].text() == "Husten"
    assert page.preferences().marks == Preferences().marks
