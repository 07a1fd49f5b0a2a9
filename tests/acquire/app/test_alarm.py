"""The alarm: when it comes, what it says, when it sounds, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from pytestqt.qtbot import QtBot

from acquire.app.alarm import RING_EVERY_S, AlarmBanner, AlarmBell, alarm_words
from acquire.recorder.control import RecorderStatus
from acquire.viewer.alarm_watch import OVER_S, AlarmState, AlarmWatch
from acquire.viewer.timeline import FeedGap

RATE_HZ = 250.0
STATUS = RecorderStatus(state="recording", n_samples=250, rate_hz=RATE_HZ)


class Scene:
    """A recording that is looked at ten times a second."""

    def __init__(self) -> None:
        self.now_s, self.stop, self.status, self.gaps = 100.0, 250, STATUS, ()
        self.answered_s_ago = 0.0
        self.watch = AlarmWatch()
        self.state = AlarmState()

    def pass_s(self, seconds: float, *, samples: bool) -> AlarmState:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            if samples:
                self.stop += 25
                self.status = replace(self.status, n_samples=self.stop)
            self.state = self.watch.look(self.now_s, self.status, self.answered_s_ago, self.stop, self.gaps)
        return self.state


def test_samples_that_come_are_no_alarm() -> None:
    assert Scene().pass_s(30, samples=True) == AlarmState()


def test_a_recorder_that_says_nothing_yet_or_finishes_is_no_alarm() -> None:
    watch = AlarmWatch()
    assert watch.look(0.0, None, 50.0, 0, ()).phase == "quiet"
    finishing = replace(STATUS, state="finishing")
    assert watch.look(9.0, finishing, 50.0, 250, ()).phase == "quiet"
    assert watch.look(99.0, finishing, 50.0, 250, ()).phase == "quiet"


def test_silence_is_told_within_a_second_and_a_half_even_if_the_recorder_says_all_is_well() -> None:
    scene = Scene()
    scene.pass_s(2, samples=True)
    state = scene.pass_s(1.4, samples=False)
    assert state.phase == "silent"
    assert state.audible


def test_what_the_recorder_says_is_believed_at_once() -> None:
    scene = Scene()
    scene.pass_s(2, samples=True)
    scene.pass_s(0.6, samples=False)
    scene.status = replace(scene.status, state="stalled", stalled_s=1.0, message="Cable.")
    state = scene.pass_s(0.1, samples=False)
    assert (state.phase, state.message) == ("silent", "Cable.")
    assert state.lasted_s == pytest.approx(1.0)


def test_a_stale_word_of_silence_does_not_outlive_new_samples() -> None:
    scene = Scene()
    scene.pass_s(2, samples=False)
    scene.status = replace(scene.status, state="stalled")
    scene.stop += 25
    assert scene.pass_s(0.1, samples=False).phase == "over"


def test_a_board_that_never_sends_is_told_of() -> None:
    watch = AlarmWatch()
    never = RecorderStatus(state="stalled", rate_hz=RATE_HZ, stalled_s=1.0)
    assert watch.look(0.0, never, 0.0, 0, ()).phase == "silent"


def test_when_samples_return_it_says_what_was_lost_for_ten_seconds() -> None:
    scene = Scene()
    scene.pass_s(2, samples=True)
    stood = scene.stop
    scene.pass_s(4, samples=False)
    scene.gaps = (FeedGap(start=10, length=500, cause=""), FeedGap(start=stood, length=1000, cause=""))
    scene.stop += 1000
    state = scene.pass_s(0.1, samples=True)
    assert (state.phase, state.audible) == ("over", False)
    assert state.lost_s == pytest.approx(4.0)
    assert state.lasted_s == pytest.approx(4.0, abs=0.2)
    assert scene.pass_s(OVER_S - 0.5, samples=True).phase == "over"
    assert scene.pass_s(1.0, samples=True).phase == "quiet"


def test_a_loss_the_window_has_not_read_yet_is_known_from_the_recorder() -> None:
    scene = Scene()
    scene.pass_s(2, samples=False)
    scene.status = replace(scene.status, lost_samples=125)
    assert scene.pass_s(0.1, samples=True).lost_s == pytest.approx(0.5)


def test_silence_again_counts_the_loss_from_the_first_silence() -> None:
    scene = Scene()
    for _ in range(2):
        scene.pass_s(2, samples=False)
        scene.status = replace(scene.status, lost_samples=scene.status.lost_samples + 250)
        scene.pass_s(0.2, samples=True)
    assert scene.state.lost_s == pytest.approx(2.0)


def test_acknowledging_silences_it_but_leaves_it_standing() -> None:
    scene = Scene()
    scene.pass_s(2, samples=False)
    scene.watch.acknowledge()
    state = scene.pass_s(0.1, samples=False)
    assert (state.phase, state.audible) == ("silent", False)


def test_acknowledging_one_that_is_over_puts_it_away_and_the_next_one_sounds_again() -> None:
    scene = Scene()
    scene.pass_s(2, samples=False)
    scene.pass_s(0.2, samples=True)
    scene.watch.acknowledge()
    assert scene.pass_s(0.1, samples=True).phase == "quiet"
    assert scene.pass_s(2, samples=False).audible


def test_a_recorder_that_hangs_while_samples_come_is_told_of_quietly() -> None:
    scene = Scene()
    scene.pass_s(1, samples=True)
    scene.answered_s_ago = 4.0
    state = scene.pass_s(0.2, samples=True)
    assert (state.phase, state.audible, state.answering) == ("unanswered", False, False)
    scene.answered_s_ago = 0.0
    assert scene.pass_s(0.1, samples=True).phase == "quiet"


def test_the_bell_rings_at_once_and_every_few_seconds() -> None:
    bell = AlarmBell()
    rung = [tenth / 10 for tenth in range(100) if bell.due(True, tenth / 10)]
    assert rung[0] == 0.0
    assert [later - sooner for sooner, later in pairwise(rung)] == pytest.approx([RING_EVERY_S] * (len(rung) - 1))
    assert not bell.due(False, 50.0)
    assert bell.due(True, 50.1)


def test_the_banner_says_what_is_wrong_how_long_and_what_is_being_done(qtbot: QtBot) -> None:
    banner = AlarmBanner()
    qtbot.addWidget(banner)
    assert not banner.isVisibleTo(banner.parentWidget())
    banner.show_alarm(
        AlarmState(phase="silent", lasted_s=72.4, message="The cable is out; it keeps trying.", audible=True)
    )
    assert banner.isVisible()
    assert "The cable is out; it keeps trying." in banner.text
    assert "goes on by itself" in banner.text
    assert banner.accessibleName() == banner.text
    assert banner.button.isVisible()
    banner.show_alarm(AlarmState(phase="over", lasted_s=72.4, lost_s=72.0))
    assert "72.0 s of signal were lost" in banner.text
    banner.show_alarm(AlarmState())
    assert not banner.isVisible()


def test_words_for_nothing_lost_and_for_a_recorder_that_is_silent_too() -> None:
    assert "Nothing was lost" in alarm_words(AlarmState(phase="over", lasted_s=2))[1]
    assert "does not answer either" in alarm_words(AlarmState(phase="silent", answering=False))[1]


def test_the_banners_button_acknowledges(qtbot: QtBot) -> None:
    banner = AlarmBanner()
    qtbot.addWidget(banner)
    banner.show_alarm(AlarmState(phase="silent", audible=True))
    with qtbot.waitSignal(banner.acknowledged):
        banner.button.click()


def test_how_long_it_was_silent_is_told_once_and_as_it_was_counted() -> None:
    headline, details = alarm_words(AlarmState(phase="over", lasted_s=7.2, lost_s=7.5))
    assert (headline, "7.5 s" in details) == ("Samples come again", True)
