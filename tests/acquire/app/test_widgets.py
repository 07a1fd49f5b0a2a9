"""The small pieces that the pages are put together from."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.fields import Columns, FieldNotes, OneColumn, enter_goes_on
from acquire.app.full_screen import toggle_full_screen
from acquire.app.step_timeline import StepTimeline, duration_words
from acquire.app.widgets import Banner, Card, KeyButton, Shape, StateBadge, draw_shape, label, state_word
from acquire.viewer.activity_names import activity_title
from acquire.viewer.preparing import Problem
from protocols.script import PlannedStep, load_script


def a_plan(n: int = 40) -> tuple[PlannedStep, ...]:
    return tuple(
        PlannedStep(
            position=place,
            step=place + 1,
            activity="walk",
            instruction="Walk. " * 80,
            duration_s=10.0,
            is_rest=place % 2 == 1,
            repetition=1,
            of=1,
        )
        for place in range(n)
    )


@pytest.mark.parametrize("look", ["light", "dark"])
def test_each_level_has_a_shape_of_its_own_in_both_looks(look: str) -> None:
    theme.apply(look)
    pictures = []
    for level in theme.LEVELS:
        image = QImage(40, 40, QImage.Format.Format_ARGB32)
        image.fill(QColor("#000000"))
        painter = QPainter(image)
        # All in one colour, so that only the shape can tell them apart.
        draw_shape(painter, level, QPointF(20, 20), 12, colour="#ffffff")
        painter.end()
        pictures.append(bytes(image.constBits()))
    assert len(set(pictures)) == len(theme.LEVELS)


def test_a_badge_says_its_word_and_its_level(qtbot: QtBot) -> None:
    badge = StateBadge("electrode off?", "bad")
    qtbot.addWidget(badge)
    assert badge.accessibleName() == "electrode off? (bad)"
    badge.show_state("", "good")
    assert (badge.word, badge.state, badge.accessibleName()) == ("good", "good", "good")


def test_a_badge_that_is_too_narrow_keeps_its_word_in_the_tooltip(qtbot: QtBot) -> None:
    badge = StateBadge("a very long word of state", "doubtful")
    qtbot.addWidget(badge)
    badge.resize(60, 24)
    badge.grab()
    assert badge.toolTip() == "a very long word of state"


def test_every_level_has_a_word() -> None:
    assert all(state_word(level) for level in theme.LEVELS)


def test_a_key_button_shows_its_key_and_is_as_wide_as_both(qtbot: QtBot) -> None:
    with_key, without = KeyButton("Pause", "Space"), KeyButton("Pause")
    qtbot.addWidget(with_key)
    qtbot.addWidget(without)
    assert with_key.sizeHint().width() > without.sizeHint().width()
    assert with_key.accessibleName() == "Pause (key Space)"
    with_key.setText("Resume")
    assert with_key.accessibleName() == "Resume (key Space)"
    with_key.set_key("P")
    assert with_key.key_words() == "P"
    assert not with_key.grab().isNull()


def test_words_from_outside_are_never_markup(qtbot: QtBot) -> None:
    shown = label("<b>S01</b>")
    qtbot.addWidget(shown)
    assert shown.textFormat() == Qt.TextFormat.PlainText


def test_a_long_path_in_a_sentence_does_not_widen_the_window(qtbot: QtBot) -> None:
    sentence = label(f"{'/a-folder' * 40}/study.toml cannot be read.")
    qtbot.addWidget(sentence)
    assert sentence.minimumSizeHint().width() < 250
    assert sentence.text().replace("\u200b", "").endswith("/study.toml cannot be read.")


def test_a_banner_offers_one_action_and_can_be_put_away(qtbot: QtBot) -> None:
    banner = Banner("doubtful", "Cut off.", "Recover", dismiss="Later")
    qtbot.addWidget(banner)
    with qtbot.waitSignal(banner.acted, timeout=1000):
        banner.button.click()
    banner.show_message("bad", "Gone.")
    assert (banner.level, banner.text, banner.button.isVisibleTo(banner)) == ("bad", "Gone.", False)
    assert banner.accessibleName() == "Gone."


def test_a_card_without_a_title_has_no_heading(qtbot: QtBot) -> None:
    card = Card()
    qtbot.addWidget(card)
    card.add(label("x"))
    card.set_title("Board")
    assert "Board" in [found.text() for found in card.findChildren(type(label()))]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (45.4, "45 s"), (200, "3:20 min"), (3600, "1:00 h"), (3900, "1:05 h")]
)
def test_lengths_of_time_read_as_people_write_them(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_activities_are_called_by_their_title_or_by_their_name() -> None:
    assert activity_title("climb") == "Climb stairs"
    assert activity_title("going-up_stairs") == "Going up stairs"


def test_a_timeline_knows_how_far_it_is_and_what_is_under_the_mouse(qtbot: QtBot) -> None:
    timeline = StepTimeline(a_plan(4))
    qtbot.addWidget(timeline)
    timeline.resize(402, 40)
    assert timeline.done_s() == 0
    timeline.set_position(2, 0.5)
    assert timeline.done_s() == 25
    timeline.set_position(4)
    assert timeline.done_s() == 40
    assert "40 s" in timeline.accessibleName()
    assert "Break" in timeline.words_at(150)
    assert timeline.words_at(-5) == ""


@pytest.mark.parametrize("plan", [(), a_plan(1), a_plan(40), load_script("dt4ecg").script.plan()])
@pytest.mark.parametrize("width", [2, 90, 1300])
def test_a_timeline_paints_any_plan_at_any_width(qtbot: QtBot, plan: tuple[PlannedStep, ...], width: int) -> None:
    timeline = StepTimeline(plan, 0)
    qtbot.addWidget(timeline)
    timeline.resize(width, 40)
    timeline.set_position(len(plan) // 2, 0.3)
    assert not timeline.grab().isNull()


def test_notes_stand_below_a_field_only_while_something_is_wrong(qtbot: QtBot) -> None:
    notes = FieldNotes()
    qtbot.addWidget(notes)
    problem = Problem(field="subject", stops=True, words="It is no pseudonym.")
    notes.show_problems([problem])
    assert notes.isVisibleTo(notes.parentWidget())
    assert [shape.level for shape in notes.findChildren(Shape)] == ["bad"]
    notes.show_problems([])
    assert notes.words == ""
    assert notes.isHidden()


def test_columns_fold_where_they_have_no_room(qtbot: QtBot) -> None:
    parts = [QWidget(), QWidget()]
    for part in parts:
        part.setMinimumSize(300, 50)
    columns = Columns(*((part, 1) for part in parts))
    window = OneColumn(columns)
    qtbot.addWidget(window)
    window.resize(900, 200)
    window.show()
    qtbot.waitUntil(lambda: not columns.folded and parts[1].x() > 300, timeout=2000)
    window.resize(400, 300)
    qtbot.waitUntil(lambda: columns.folded and parts[1].y() > 50, timeout=2000)
    assert columns.minimumSizeHint().width() == 300


def test_enter_goes_on_from_a_field_and_presses_a_button_that_has_the_keyboard(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    field, other, primary = QLineEdit(), KeyButton("Other"), KeyButton("Go on", "Return", kind="primary")
    column = QVBoxLayout(page)
    for widget in (field, other, primary):
        column.addWidget(widget)
    pressed: list[str] = []
    other.clicked.connect(lambda: pressed.append("other"))
    primary.clicked.connect(lambda: pressed.append("primary"))
    enter_goes_on(page, primary, lambda: pressed.append("refused"))
    with qtbot.waitExposed(page):
        page.show()
    page.activateWindow()
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_Return)
    other.setFocus()
    qtbot.keyClick(other, Qt.Key.Key_Return)
    primary.setEnabled(False)
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_Enter)
    assert pressed == ["primary", "other", "refused"]


def test_full_screen_gives_a_maximised_window_back_as_it_was(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.showMaximized()
    toggle_full_screen(window)
    assert window.isFullScreen()
    toggle_full_screen(window)
    assert (window.isFullScreen(), window.isMaximized()) == (False, True)
