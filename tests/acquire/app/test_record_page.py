"""The recording page: what it shows, and that every key does what its button says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot
from scripted_feed import ScriptedFeed, ecg
from scripted_link import ScriptedLink, lead_state

from acquire.app import theme
from acquire.app.big_text import BigText
from acquire.app.command_bar import ASK_S
from acquire.app.record_keys import KEYS
from acquire.app.record_page import RecordPage
from acquire.app.sounds import Sounds
from acquire.app.step_card import countdown_words
from acquire.app.subject_stand import place_of
from acquire.recorder.control import RecorderStatus
from acquire.viewer.link import Ended
from acquire.viewer.preferences import Preferences
from protocols.script import PlannedStep, parse_script

RATE_HZ = 250.0
SCRIPT = """
title = "Three steps"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 20
cue = "none"
[[steps]]
activity = "walk"
instruction = "Walk to the door."
duration_s = 10
rest_s = 5
cue = "voice"
[[steps]]
activity = "stand"
instruction = "Stand upright."
duration_s = 10
"""
PLAN = parse_script(SCRIPT, name="three").script.plan()
FACTS = {"subject": "S01", "session": "02", "run": "1", "protocol": "three", "board": "sim:", "operator": "AB"}


class Listener(Sounds):
    """Sounds that are only noted."""

    def __init__(self) -> None:
        super().__init__(player=[], voice=[], beep=lambda: None)
        self.heard: list[str] = []

    def play(self, tone: str) -> None:
        self.heard.append(tone)

    def say(self, words: str, *, tone: str = "step") -> None:
        self.heard.append(words)


class Stage:
    """A page on a screen, with a recording that a test plays."""

    def __init__(self, qtbot: QtBot, preferences: Preferences | None = None) -> None:
        self.qtbot = qtbot
        self.now_s = 1000.0
        self.sounds = Listener()
        self.feed = ScriptedFeed(ecg(15_000), stop=2500, beats=range(50, 15_000, 220))
        self.feed.event("start", 0, step=0)
        self.feed.event("step", 0, step=1, activity="rest", text="Sit still.")
        self.link = ScriptedLink(self.status())
        self.page = RecordPage(preferences or Preferences(), sounds=self.sounds, clock=lambda: self.now_s)
        qtbot.addWidget(self.page)
        self.page.resize(1366, 740)
        self.page.show()
        self.page.activateWindow()
        qtbot.waitUntil(self.page.isActiveWindow)
        self.begin()

    def begin(self, plan: tuple[PlannedStep, ...] = PLAN) -> None:
        self.page.begin(self.feed, self.link, plan, FACTS)  # type: ignore[arg-type]

    def status(self, position: int = 0, **more: object) -> RecorderStatus:
        entry = PLAN[position]
        status = RecorderStatus(
            state="recording",
            n_samples=self.feed.stop,
            rate_hz=RATE_HZ,
            position=position,
            n_steps=len(PLAN),
            step=entry.step,
            activity=entry.activity,
            instruction=entry.instruction,
            next_instruction=PLAN[position + 1].instruction if position + 1 < len(PLAN) else "",
            remaining_s=10.0,
            elapsed_s=self.feed.stop / RATE_HZ,
            leads=(lead_state("I"), lead_state("II", "bad", "press on or replace electrode LL")),
        )
        return replace(status, **more)  # type: ignore[arg-type]

    def look(self, after_s: float = 0.1) -> None:
        self.now_s += after_s
        self.page.tick()
        self.page.show_status()

    def press(self, key: str | Qt.Key) -> None:
        target = self.page.window().focusWidget() or self.page
        if isinstance(key, str):
            self.qtbot.keyClicks(target, key)
        else:
            self.qtbot.keyClick(target, key)


@pytest.fixture
def stage(qtbot: QtBot) -> Iterator[Stage]:
    made = Stage(qtbot)
    yield made
    made.page.close()


def test_it_shows_the_step_what_comes_next_and_the_countdown(stage: Stage) -> None:
    stage.look()
    step = stage.page.step
    assert (step.instruction, step.following, step.countdown) == ("Sit still.", "Next: Walk to the door.", "0:10")
    assert step.state == ("Recording", "good")
    assert "Subject S01" in stage.page.facts.text
    assert "nothing lost" in stage.page.facts.text


def test_each_lead_is_told_in_words(stage: Stage) -> None:
    assert stage.page.leads.texts == ("I: good 71 /min", "II: bad press on or replace electrode LL")
    stage.link.status = stage.status(leads=(lead_state("I"),))
    stage.look()
    assert stage.page.leads.texts == ("I: good 71 /min",)


def test_the_countdown_goes_by_the_samples_and_stands_still_without_them(stage: Stage) -> None:
    stage.feed.advance(250)
    stage.look()
    assert stage.page.step_now.remaining_s == pytest.approx(9.0)
    for _ in range(50):
        stage.look()
    assert stage.page.step_now.remaining_s == pytest.approx(9.0)
    assert stage.page.step.countdown == "0:09"


def test_a_step_that_has_begun_is_shown_before_the_recorder_tells_of_it(stage: Stage) -> None:
    stage.link.status = stage.status(remaining_s=0.1)
    stage.feed.event("step", 2525, step=2, activity="walk", text="Walk to the door.")
    stage.feed.advance(50)
    stage.look()
    assert stage.page.step.instruction == "Walk to the door."
    assert stage.page.step_now.remaining_s == pytest.approx(9.9)
    assert stage.page.step_now.elapsed_s == pytest.approx(10.2)
    assert stage.page.step.following == "Next: Rest."


def test_a_pause_is_unmistakable_and_its_button_becomes_resume(stage: Stage) -> None:
    stage.link.status = stage.status(state="paused")
    stage.feed.advance(250)
    stage.look()
    assert stage.page.step.state == ("Paused", "doubtful")
    assert stage.page.step.countdown == "0:10"
    assert stage.page.bar.buttons["pause"].text() == "Resume"
    stage.press(" ")
    assert stage.link.sent == [("resume", "")]


def test_a_countdown_that_ran_ahead_of_a_pause_does_not_jump_back(stage: Stage) -> None:
    stage.feed.advance(50)
    stage.look()
    stage.link.status = stage.status(state="paused", remaining_s=10.0)
    stage.look()
    assert stage.page.step_now.remaining_s == pytest.approx(9.8)


@pytest.mark.parametrize(("key", "sent"), [(" ", ("pause", "")), ("1", ("mark", "movement")), ("5", ("mark", "other"))])
def test_a_key_sends_its_command(stage: Stage, key: str, sent: tuple[str, str]) -> None:
    stage.press(key)
    assert stage.link.sent == [sent]


def test_a_number_without_a_mark_does_nothing(stage: Stage) -> None:
    stage.press("9")
    assert stage.link.sent == []


@pytest.mark.parametrize(("key", "deed"), [("s", "skip"), ("r", "repeat")])
def test_skip_and_repeat_ask_and_their_own_key_confirms(stage: Stage, key: str, deed: str) -> None:
    stage.press(key)
    assert (stage.page.bar.asked, stage.link.sent) == (deed, [])
    stage.press(key)
    assert (stage.page.bar.asked, stage.link.sent) == ("", [(deed, "")])


def test_stop_asks_and_enter_stops(stage: Stage) -> None:
    stage.press(Qt.Key.Key_Escape)
    assert (stage.page.bar.asked, stage.link.sent) == ("stop", [])
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("stop", "")]


@pytest.mark.parametrize("deed_key", [Qt.Key.Key_Escape, Qt.Key.Key_S])
def test_escape_goes_on(stage: Stage, deed_key: Qt.Key) -> None:
    stage.press(deed_key)
    assert stage.page.bar.asked
    stage.press(Qt.Key.Key_Escape)
    assert (stage.page.bar.asked, stage.link.sent) == ("", [])


def test_a_question_that_nobody_answers_is_taken_back(stage: Stage) -> None:
    stage.press(Qt.Key.Key_Escape)
    stage.look(ASK_S - 0.5)
    assert stage.page.bar.asked == "stop"
    stage.look(1.0)
    assert stage.page.bar.asked == ""
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == []


def test_clicking_stop_twice_does_not_stop(stage: Stage) -> None:
    stage.page.bar.buttons["stop"].click()
    stage.page.bar.buttons["stop"].click()
    assert (stage.page.bar.asked, stage.link.sent) == ("stop", [])


def test_a_note_takes_every_key_as_text_and_enter_stores_it(stage: Stage) -> None:
    stage.press("n")
    assert stage.page.bar.noting
    stage.press("s 1 stop, r[g] + talking=2")
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("note", "s 1 stop, r[g] + talking=2")]
    assert not stage.page.bar.noting
    stage.press(" ")
    assert stage.link.sent[-1] == ("pause", "")


def test_escape_leaves_a_note_and_stops_nothing(stage: Stage) -> None:
    stage.press("n")
    stage.press("cough")
    stage.press(Qt.Key.Key_Escape)
    assert (stage.page.bar.noting, stage.page.bar.asked, stage.link.sent) == (False, "", [])
    stage.press("n")
    assert stage.page.bar.note.text() == ""


def test_a_question_does_not_lose_the_note_that_is_being_typed(stage: Stage) -> None:
    stage.press("n")
    stage.press("half a se")
    stage.page.bar.buttons["stop"].click()
    stage.press(Qt.Key.Key_Escape)
    stage.press("ntence")
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("note", "half a sentence")]


def test_an_empty_note_is_not_stored(stage: Stage) -> None:
    stage.press("n")
    stage.press("   ")
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == []


def test_a_mark_is_confirmed_with_its_number_name_and_time(stage: Stage) -> None:
    stage.feed.event("mark", 2083, step=1, activity="rest", text="talking")
    stage.link.answer("mark", "talking")
    stage.look()
    assert stage.page.bar.said == "Mark 2 talking at 0:08"


def test_a_refusal_is_shown_for_some_seconds(stage: Stage) -> None:
    stage.link.answer("pause", error="The protocol cannot be paused: it is paused.")
    stage.look()
    assert stage.page.bar.said == "The protocol cannot be paused: it is paused."
    assert stage.page.bar._said.isVisible()
    stage.look(7.0)
    assert not stage.page.bar._said.isVisible()


def test_silence_raises_the_alarm_with_a_sound_that_a_key_ends(stage: Stage) -> None:
    stage.look()
    stage.look(1.3)
    assert "No samples" in stage.page.banner.text
    assert stage.page.banner.isVisible()
    assert stage.page.step.state == ("No samples", "bad")
    assert all("no samples" in text and "good" not in text for text in stage.page.leads.texts)
    assert stage.sounds.heard == ["alarm"]
    stage.look(3.1)
    assert stage.sounds.heard == ["alarm", "alarm"]
    stage.press("a")
    stage.look(9.0)
    assert stage.sounds.heard == ["alarm", "alarm"]
    assert stage.page.banner.isVisible()
    stage.feed.lose(2500, 500)
    stage.feed.advance(750)
    stage.look()
    assert "2.0 s of signal were lost" in stage.page.banner.text
    stage.press("a")
    stage.look()
    assert not stage.page.banner.isVisible()


def test_a_recorder_that_dies_is_told_of_aloud_and_once(stage: Stage, qtbot: QtBot) -> None:
    told: list[object] = []
    stage.page.ended.connect(told.append)
    ended = Ended(
        summary=None, recording=None, error="The recorder was ended; run trilead recover.", orphan=Path("x.journal")
    )
    stage.link.ended = ended
    stage.look()
    stage.look()
    assert told == [ended]
    assert "trilead recover" in stage.page.banner.text
    assert stage.sounds.heard == ["alarm"]


def test_an_ordinary_end_is_told_without_alarm(stage: Stage) -> None:
    told: list[object] = []
    stage.page.ended.connect(told.append)
    stage.link.status = stage.status(state="finishing")
    stage.look()
    assert stage.page.step.state[0] == "Finishing the file"
    stage.link.ended = Ended(summary=None, recording=Path("x.h5"), error="", orphan=None)
    stage.look(5.0)
    assert len(told) == 1
    assert stage.page.banner.text == ""
    assert stage.sounds.heard == []


def play_into_step_two(stage: Stage) -> None:
    stage.page._crier.know(SCRIPT)
    stage.feed.event("step", stage.feed.stop, step=2, activity="walk", text="Walk to the door.")
    stage.look()


def test_a_step_is_announced_as_its_script_says(stage: Stage) -> None:
    play_into_step_two(stage)
    stage.feed.event("rest", stage.feed.stop, step=2, text="Rest.")
    stage.look()
    stage.feed.event("step", stage.feed.stop, step=3, activity="stand", text="Stand upright.")
    stage.look()
    stage.feed.event("step", stage.feed.stop, step=1, activity="rest", text="Sit still.")
    stage.look()
    stage.feed.event("end", stage.feed.stop, step=0)
    stage.look()
    stage.look()
    assert stage.sounds.heard == ["Walk to the door.", "Rest.", "step", "end"]


def test_cues_are_off_by_one_key_and_on_again(stage: Stage) -> None:
    changed: list[Preferences] = []
    stage.page.preferences_changed.connect(changed.append)
    stage.press("m")
    play_into_step_two(stage)
    assert stage.sounds.heard == []
    stage.press("m")
    assert [preferences.cues for preferences in changed] == ["off", "beep"]


def test_who_wants_a_voice_hears_every_announced_step_spoken(qtbot: QtBot) -> None:
    stage = Stage(qtbot, Preferences(cues="voice"))
    stage.page._crier.know(SCRIPT)
    stage.feed.event("step", stage.feed.stop, step=3, activity="stand", text="Stand upright.")
    stage.look()
    assert stage.sounds.heard == ["Stand upright."]
    stage.page.close()


def test_a_window_that_is_opened_late_announces_nothing_old(stage: Stage) -> None:
    stage.look()
    assert stage.sounds.heard == []


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("+", "gain_mm_per_mv", 20.0),
        ("--", "gain_mm_per_mv", 2.5),
        ("----", "gain_mm_per_mv", 2.5),
        ("]", "span_s", 15.0),
        ("[[", "span_s", 5.0),
        ("g", "grid", False),
        ("f", "filtered", False),
    ],
)
def test_a_key_changes_the_view_and_the_preferences(stage: Stage, keys: str, field: str, value: object) -> None:
    changed: list[Preferences] = []
    stage.page.preferences_changed.connect(changed.append)
    for key in keys:
        stage.press(key)
    assert getattr(changed[-1], field) == value
    if field == "span_s":
        assert stage.page.traces.span_s == value
    if field == "gain_mm_per_mv":
        assert stage.page.traces.gain_mm_per_mv == value
    if field == "filtered":
        assert stage.feed.filter.low_hz is None


def test_the_plan_may_be_learned_later_without_losing_anything(stage: Stage) -> None:
    stage.press("n")
    stage.press("typed")
    stage.begin(())
    stage.look()
    assert stage.page.step.instruction == "Sit still."
    stage.begin()
    assert stage.page.bar.note.text() == "typed"


def test_before_the_recorder_speaks_it_says_that_the_board_is_being_started(stage: Stage) -> None:
    stage.link.status = None
    stage.look()
    assert "being started" in stage.page.step.instruction
    assert stage.page.step.following == "Next: Sit still."


def test_the_subject_window_opens_follows_and_closes_by_the_same_key(stage: Stage) -> None:
    wanted: list[bool] = []
    stage.page.subject_window_wanted.connect(wanted.append)
    stage.press(Qt.Key.Key_F9)
    window = stage.page.subject_window
    assert window is not None
    assert window.instruction == "Sit still."
    stage.feed.advance(500)
    stage.look()
    assert window.countdown == "0:08"
    stage.page.bar.buttons["subject_window"].click()
    assert (stage.page.subject_window, wanted) == (None, [True, False])


def test_ending_closes_the_subject_window_and_takes_no_more_keys(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F9)
    stage.page.end()
    assert stage.page.subject_window is None
    stage.page.activateWindow()
    stage.press(" ")
    stage.look()
    assert stage.link.sent == []


def test_enter_presses_the_button_that_has_the_keyboard(stage: Stage) -> None:
    stage.page.bar.buttons["mark3"].setFocus()
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("mark", "cough")]


def test_every_control_can_be_reached_by_tab_and_has_a_name(stage: Stage) -> None:
    reached: set[QWidget] = set()
    for _ in range(60):
        stage.press(Qt.Key.Key_Tab)
        widget = stage.page.window().focusWidget()
        assert widget is not None
        reached.add(widget)
    buttons = {button for button in stage.page.findChildren(QAbstractButton) if button.isVisible()}
    assert buttons <= reached
    assert all(button.accessibleName() for button in stage.page.findChildren(QAbstractButton) if button.text())


def test_every_key_is_shown_on_a_button_and_none_is_taken_twice(stage: Stage) -> None:
    shown = {button.key for button in stage.page.bar.buttons.values()} | {stage.page.banner.button.key}
    missing = {deed for deed, keys in KEYS.items() if keys[0] not in shown}
    assert missing == {"confirm", "mark6", "mark7", "mark8", "mark9"}
    keys = [shortcut.key().toString() for shortcut in stage.page.findChildren(QShortcut)]
    assert len(keys) == len(set(keys))


LONG = ("Walk briskly up and down the corridor, turn at each end, and keep looking ahead. " * 7)[:500].strip()


@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0])
@pytest.mark.parametrize("size", [(1366, 720), (1920, 1040)])
def test_nothing_is_cut_off_with_the_longest_texts(scale: float, size: tuple[int, int], qtbot: QtBot) -> None:
    theme.apply("dark", scale)
    stage = Stage(qtbot)
    stage.page.resize(*size)
    stage.link.status = stage.status(instruction=LONG, next_instruction=LONG)
    stage.page.begin(stage.feed, stage.link, (), {**FACTS, "subject": "X" * 32})  # type: ignore[arg-type]
    stage.look()
    qtbot.waitUntil(lambda: stage.page.size().toTuple() == size)
    assert stage.page.minimumSizeHint().width() <= size[0]
    assert stage.page.minimumSizeHint().height() <= size[1]
    shown = " ".join(stage.page.step.findChildren(BigText)[0].lines())
    assert shown == LONG
    for deed in ("pause", "skip", "repeat", "note", "stop", "mark1", "mark5"):
        button = stage.page.bar.buttons[deed]
        corner = button.mapTo(stage.page, button.rect().bottomRight())
        assert stage.page.rect().contains(corner)
        assert button.width() >= button.minimumSizeHint().width()
    stage.page.close()


def test_a_status_costs_less_than_a_frame(stage: Stage, benchmark_ms: Callable[[Callable[[], None]], float]) -> None:
    assert benchmark_ms(stage.look) < 16


@pytest.fixture
def benchmark_ms() -> Callable[[Callable[[], None]], float]:
    def measure(call: Callable[[], None]) -> float:
        spent = []
        for _ in range(20):
            begun = time.perf_counter()
            call()
            spent.append((time.perf_counter() - begun) * 1000)
        return float(np.median(spent))

    return measure


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (0.2, "0:01"), (59.9, "1:00"), (83, "1:23"), (3661, "1:01:01"), (-5, "0:00")]
)
def test_the_countdown_counts_a_second_that_has_begun(seconds: float, words: str) -> None:
    assert countdown_words(seconds) == words


def test_a_note_is_told_to_the_recorder_while_it_is_written_and_when_it_is_given_up(stage: Stage) -> None:
    stage.press("n")
    stage.press("she cou")
    stage.look()
    stage.look()
    assert stage.link.drafts == [("draft", ""), ("draft", "she cou")]
    stage.press(Qt.Key.Key_Escape)
    assert stage.link.drafts[-1] == ("drop", "")


def test_a_note_may_be_ended_after_the_protocol_and_the_page_says_how(stage: Stage) -> None:
    stage.press("n")
    stage.press("she cou")
    stage.link.status = stage.status(state="finishing")
    stage.look()
    assert stage.page.step.state == ("Waiting for the note", "doubtful")
    assert "Enter stores your note" in stage.page.step.following
    stage.press("ghed")
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("note", "she coughed")]


def test_what_is_over_has_no_countdown(stage: Stage) -> None:
    stage.link.status = stage.status(state="finishing", remaining_s=0.01)
    stage.look()
    assert (stage.page.step.countdown, stage.page.step.following) == ("", "")
    assert stage.page.step.instruction == "The recording is over."


@pytest.mark.parametrize("over", [False, True])
def test_before_and_after_a_recording_keys_do_nothing_and_their_buttons_say_so(stage: Stage, over: bool) -> None:
    stage.link.status = stage.status(state="finishing") if over else None
    stage.look()
    changed: list[Preferences] = []
    stage.page.preferences_changed.connect(changed.append)
    for key in ("b", "e", "c", "a", "u", "s", "e", " ", "f", "1", "r", "n", Qt.Key.Key_Escape):
        stage.press(key)
    assert (stage.link.sent, stage.link.drafts, changed, stage.page.bar.asked) == ([], [], [], "")
    assert stage.page.bar.said
    assert [deed for deed, button in stage.page.bar.buttons.items() if button.isEnabled()] == [
        "subject_window", "full_screen",
    ]  # fmt: skip


def test_a_word_that_was_begun_too_early_is_not_obeyed_from_its_middle_on(stage: Stage) -> None:
    stage.link.status = None
    stage.look()
    stage.press("becau")
    stage.link.status = stage.status()
    stage.look()
    stage.press("se ")
    assert stage.link.sent == []
    stage.look(1.0)
    stage.press("1")
    assert stage.link.sent == [("mark", "movement")]


def test_a_note_that_was_refused_and_one_that_is_still_in_the_field_are_not_lost(stage: Stage) -> None:
    for words in ("stored", "too late"):
        stage.press("n")
        stage.press(words)
        stage.press(Qt.Key.Key_Return)
    stage.link.answer("note", "stored")
    stage.link.answer("note", "too late", error="The command note came too late: the recording has ended.")
    stage.look()
    stage.press("n")
    stage.press("half")
    assert stage.page.notes.untaken() == ("too late", "half")


def test_chords_of_the_window_count_while_a_note_is_written(stage: Stage) -> None:
    heard: list[bool] = []
    shortcut = QShortcut(QKeySequence("Ctrl+Q"), stage.page)
    shortcut.activated.connect(lambda: heard.append(True))
    stage.press("n")
    target = stage.page.window().focusWidget()
    assert target is not None
    stage.qtbot.keyClick(target, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    assert (heard, stage.page.bar.note.text()) == ([True], "")


def test_the_keys_count_in_the_subjects_window_too(stage: Stage) -> None:
    stage.press(Qt.Key.Key_F9)
    window = stage.page.subject_window
    assert window is not None

    def press(key: Qt.Key | str) -> None:
        window.activateWindow()
        stage.qtbot.waitUntil(window.isActiveWindow)
        stage.qtbot.keyClick(window, key)

    press(Qt.Key.Key_2)
    press(Qt.Key.Key_Space)
    assert stage.link.sent == [("mark", "talking"), ("pause", "")]
    press(Qt.Key.Key_S)
    press(Qt.Key.Key_Escape)
    assert (stage.page.bar.asked, stage.page.subject_window) == ("", window)
    press(Qt.Key.Key_N)
    press("x")
    assert stage.page.bar.note.text() == "x"
    press(Qt.Key.Key_Return)
    assert stage.link.sent[-1] == ("note", "x")
    press(Qt.Key.Key_Escape)
    assert stage.page.subject_window is None


def heights(stage: Stage) -> list[tuple[int, int]]:
    """Where everything below the step stands, and how high it is."""
    page = stage.page
    parts = (page.traces, page.leads, page.overview, page.bar.view, page.bar, page.facts)
    return [(part.mapTo(page, part.rect().topLeft()).y(), part.height()) for part in parts]


def test_nothing_below_the_step_moves_when_it_changes_or_something_is_asked_or_told(stage: Stage) -> None:
    stage.look()
    stage.qtbot.wait(10)
    stood = heights(stage)
    stage.press("n")
    stage.look()
    stage.press(Qt.Key.Key_Escape)
    stage.press(Qt.Key.Key_Escape)
    stage.qtbot.wait(10)
    assert heights(stage) == stood
    stage.press(Qt.Key.Key_Escape)
    stage.link.status = stage.status(1, next_instruction=LONG)
    stage.look()
    stage.qtbot.wait(10)
    assert heights(stage) == stood
    stage.look(1.3)
    stage.qtbot.wait(10)
    assert stage.page.banner.isVisible()
    assert heights(stage) == stood
    stage.feed.lose(2500, 500)
    stage.feed.advance(750)
    stage.look()
    stage.press("a")
    stage.look()
    stage.qtbot.wait(10)
    assert not stage.page.banner.isVisible()
    assert heights(stage) == stood


def test_while_samples_are_missing_nothing_says_that_none_was_lost(stage: Stage) -> None:
    stage.look()
    stage.look(5.0)
    assert "no samples for 5 s" in stage.page.facts.text
    assert "nothing lost" not in stage.page.facts.text
    stage.page.overview.refresh()
    whole = (2500 + 5 * 250 + 45 * 250) / 250
    x = (10 + 2) / whole * stage.page.overview.width()
    assert stage.page.overview.words_at(x).endswith("no samples")


def test_what_comes_next_is_cut_short_rather_than_tiny(stage: Stage) -> None:
    stage.link.status = stage.status(next_instruction=LONG)
    stage.page.begin(stage.feed, stage.link, (), FACTS)  # type: ignore[arg-type]
    stage.look()
    (following,) = [text for text in stage.page.step.findChildren(BigText) if text.text.startswith("Next:")]
    assert following.points() >= 14
    assert following.lines()[0].endswith("…")


def ask_over_a_note(stage: Stage, deed: str) -> None:
    stage.press("n")
    stage.press("she ")
    stage.page.bar.buttons[deed].click()
    assert stage.page.bar.asked == deed


@pytest.mark.parametrize("deed", ["stop", "skip", "repeat"])
def test_what_is_typed_on_when_a_question_covers_the_note_is_the_note(stage: Stage, deed: str) -> None:
    ask_over_a_note(stage, deed)
    for key in ("r", " ", "m", "s", "n", "1"):
        stage.press(key)
    assert (stage.page.bar.asked, stage.page.bar.note.text()) == ("", "she r msn1")
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("note", "she r msn1")]


@pytest.mark.parametrize(("key", "sent"), [(Qt.Key.Key_Return, [("stop", "")]), (Qt.Key.Key_Escape, [])])
def test_a_question_over_a_note_is_answered_by_enter_and_esc(
    stage: Stage, key: Qt.Key, sent: list[tuple[str, str]]
) -> None:
    ask_over_a_note(stage, "stop")
    stage.press(key)
    assert (stage.page.bar.asked, stage.link.sent) == ("", sent)
    assert (stage.page.bar.noting, stage.page.bar.note.text()) == (True, "she ")
    assert stage.page.bar.note.isVisible()


@pytest.mark.parametrize("deed", ["stop", "skip", "repeat"])
def test_while_a_question_stands_no_other_key_does_anything(stage: Stage, deed: str) -> None:
    stage.page.bar.buttons[deed].click()
    changed: list[Preferences] = []
    stage.page.preferences_changed.connect(changed.append)
    for key in (" ", "m", "g", "1", "a", "s" if deed != "skip" else "r", "r" if deed != "repeat" else "s"):
        stage.press(key)
    assert (stage.page.bar.asked, stage.link.sent, changed) == (deed, [], [])


def test_n_during_a_question_is_no_and_shows_the_note(stage: Stage) -> None:
    stage.press("s")
    stage.press("n")
    assert (stage.page.bar.asked, stage.page.bar.noting) == ("", True)
    assert stage.page.bar.note.isVisible()
    stage.press("ok")
    stage.press(Qt.Key.Key_Return)
    assert stage.link.sent == [("note", "ok")]


def test_a_click_on_something_else_answers_a_question_with_no(stage: Stage) -> None:
    stage.press("s")
    stage.page.bar.buttons["repeat"].click()
    assert (stage.page.bar.asked, stage.link.sent) == ("repeat", [])
    stage.page.bar.buttons["pause"].click()
    assert (stage.page.bar.asked, stage.link.sent) == ("", [("pause", "")])


def test_a_pause_while_no_samples_come_says_so_and_can_be_undone(stage: Stage) -> None:
    stage.link.status = stage.status(state="stalled", stalled_s=3.0)
    stage.look()
    stage.press(" ")
    stage.link.answer("pause")
    stage.link.status = stage.status(state="stalled", stalled_s=3.0, paused=True)
    stage.look()
    assert stage.page.step.state == ("Paused · no samples", "bad")
    assert stage.page.bar.buttons["pause"].text() == "Resume"
    assert "still recorded" not in stage.page.bar.said
    assert "no samples" in stage.page.bar.said
    stage.press(" ")
    assert stage.link.sent == [("pause", ""), ("resume", "")]


def test_a_note_that_is_written_in_another_window_is_told_as_what_is_waited_for(stage: Stage) -> None:
    stage.link.status = stage.status(state="finishing", message="waiting for a note")
    stage.look()
    assert stage.page.step.state == ("Waiting for the note", "doubtful")
    assert "elsewhere" in stage.page.step.following


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
def test_the_subjects_window_lies_upon_no_note_and_no_question(scale: float, qtbot: QtBot) -> None:
    theme.apply("light", scale)
    stage = Stage(qtbot)
    stage.press(Qt.Key.Key_F9)
    window = stage.page.subject_window
    assert window is not None

    def clear() -> bool:
        return not window.frameGeometry().intersects(place_of(stage.page.bar))

    stage.page.bar.open_note()
    qtbot.waitUntil(clear)
    stage.page.bar.drop_note()
    window.move(place_of(stage.page.bar).topLeft())
    stage.page.bar.buttons["stop"].click()
    qtbot.waitUntil(clear)
    assert window.isVisible()
    theme.apply("light", 1.0)
    stage.page.close()
