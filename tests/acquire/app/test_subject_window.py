"""The subject's window: what to do, for how long, and nothing else; and text that fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QGuiApplication
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.big_text import BigText, fitting_points
from acquire.app.subject_window import SubjectWindow, choose_screen, place_beside
from acquire.viewer.step_clock import StepNow

NOW = StepNow(
    phase="running", step=1, n_steps=3, activity="walk", instruction="Walk.", remaining_s=83.0, duration_s=120.0
)


@pytest.fixture
def window(qtbot: QtBot) -> SubjectWindow:
    made = SubjectWindow()
    qtbot.addWidget(made)
    made.resize(1280, 720)
    return made


def test_it_shows_only_instruction_and_countdown(window: SubjectWindow) -> None:
    window.show_step(NOW)
    assert (window.instruction, window.countdown) == ("Walk.", "1:23")


@pytest.mark.parametrize("phase", ["paused", "silent"])
def test_it_asks_for_patience_while_the_protocol_stands(window: SubjectWindow, phase: str) -> None:
    window.show_step(replace(NOW, phase=phase))  # type: ignore[arg-type]
    assert window.instruction == "One moment, please."
    assert window.countdown == "1:23"


def test_it_says_how_it_begins_and_ends(window: SubjectWindow) -> None:
    window.show_step(StepNow())
    assert (window.instruction, window.countdown) == ("We are about to begin.", "")
    window.show_step(StepNow(phase="finishing"))
    assert (window.instruction, window.countdown) == ("Thank you. You are done.", "")


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_F9])
def test_a_key_closes_it(window: SubjectWindow, qtbot: QtBot, key: Qt.Key) -> None:
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    with qtbot.waitSignal(window.closed):
        qtbot.keyClick(window, key)
    assert not window.isVisible()


def test_it_hides_the_pointer(window: SubjectWindow) -> None:
    assert window.cursor().shape() is Qt.CursorShape.BlankCursor


def test_without_a_second_screen_it_is_an_ordinary_window(qtbot: QtBot) -> None:
    here = QGuiApplication.primaryScreen()
    window = SubjectWindow(here)
    qtbot.addWidget(window)
    window.appear()
    assert not window.isFullScreen()


class _Screen:
    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


def test_it_takes_the_screen_that_was_chosen_else_the_first_other_one() -> None:
    desk, wall, beamer = screens = [_Screen("desk"), _Screen("wall"), _Screen("beamer")]
    assert choose_screen("", desk, screens) is wall  # type: ignore[arg-type]
    assert choose_screen("beamer", desk, screens) is beamer  # type: ignore[arg-type]
    assert choose_screen("gone", desk, screens) is wall  # type: ignore[arg-type]
    assert choose_screen("desk", desk, screens) is wall  # type: ignore[arg-type]
    assert choose_screen("", desk, [desk]) is None  # type: ignore[arg-type, list-item]


TEXTS = ["Sit.", "Walk to the door and back again, slowly.", "word " * 100, "x" * 500, "ein Wort: " + "Donaudampf" * 12]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("room", [QSize(900, 160), QSize(300, 400), QSize(1800, 90)])
def test_text_is_as_large_as_fits_and_all_of_it_is_there(qtbot: QtBot, text: str, room: QSize) -> None:
    font = theme.font(10, bold=True)
    points, lines = fitting_points(text.strip(), font, room, least=5, most=96)
    font.setPointSizeF(points)
    metrics = QFontMetricsF(font)
    assert 5 <= points <= 96
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert max(metrics.horizontalAdvance(line) for line in lines) <= room.width() + 1
    assert len(lines) * metrics.height() <= room.height() + metrics.height() * 0.1


def test_shorter_text_is_larger_and_what_cannot_fit_owns_up_to_it(qtbot: QtBot) -> None:
    font, room = theme.font(10), QSize(400, 60)
    short, long = (fitting_points(text, font, room, least=9, most=96) for text in ("Sit.", "word " * 12))
    assert short[0] > long[0]
    assert fitting_points("word " * 400, font, room, least=9, most=96)[1][-1].endswith("…")


def test_the_size_of_a_countdown_does_not_change_from_second_to_second(qtbot: QtBot) -> None:
    figures = BigText(figures=True)
    qtbot.addWidget(figures)
    figures.resize(400, 120)
    sizes = set()
    for seconds in range(60):
        figures.show_text(f"1:{seconds:02d}")
        sizes.add(figures.points())
    assert len(sizes) == 1


def test_text_in_no_room_at_all_does_no_harm(qtbot: QtBot) -> None:
    for room in (QSize(0, 0), QSize(1, 1), QSize(5000, 1)):
        assert fitting_points("Walk to the door.", theme.font(10), room, least=9, most=96)[0] == 9
    assert fitting_points("", theme.font(10), QSize(100, 100), least=9, most=96)[1] in ([], [""])


def test_on_the_operators_own_screen_it_leaves_the_instruction_and_the_commands_free() -> None:
    screen = QRect(0, 0, 1366, 768)
    place = place_beside(screen)
    assert place.top() > 0.32 * screen.height()
    assert place.bottom() < 0.8 * screen.height()
    assert place.right() < screen.width() / 2


def test_it_makes_way_for_what_is_asked(qtbot: QtBot) -> None:
    here = QGuiApplication.primaryScreen()
    window = SubjectWindow(here)
    qtbot.addWidget(window)
    window.appear()
    question = QRect(here.availableGeometry().topLeft(), QSize(here.availableGeometry().width(), 90))
    window.move(0, 0)
    window.keep_off(question)
    assert not window.frameGeometry().intersects(question)
