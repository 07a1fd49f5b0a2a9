import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QColor, QHelpEvent, QImage
from PySide6.QtWidgets import QToolTip
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.overview_strip import OverviewStrip, remaining_plan
from protocols.player import Player
from protocols.script import PlannedStep, Script, parse_script
from tests.acquire.app.scripted_feed import ScriptedFeed, ecg

RATE_HZ = 250.0
SCRIPT = """
title = "Three things"
[[steps]]
activity = "sit"
instruction = "Sit still."
duration_s = 40
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 20
repeat = 2
rest_s = 10
[[steps]]
activity = "sit"
instruction = "Sit again."
duration_s = 30
"""


def _script() -> Script:
    return parse_script(SCRIPT, name="three").script


def _strip(qtbot: QtBot, feed: ScriptedFeed | None, plan: tuple[PlannedStep, ...] = ()) -> OverviewStrip:
    strip = OverviewStrip()
    qtbot.addWidget(strip)
    strip.resize(1000, 90)
    strip.set_plan(plan)
    strip.show_feed(feed)
    strip.show()
    return strip


def _pixels(strip: OverviewStrip) -> np.ndarray:
    image = strip.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return rows[:, : image.width(), 2::-1].astype(int)


def _columns(strip: OverviewStrip, colour: str) -> np.ndarray:
    wanted = QColor(colour)
    close = np.abs(_pixels(strip) - [wanted.red(), wanted.green(), wanted.blue()]).max(axis=2) <= 6
    return np.flatnonzero(close.any(axis=0))


@pytest.mark.parametrize("seed", range(12))
def test_what_is_left_of_a_protocol_is_what_its_player_still_has(seed: int) -> None:
    rng = np.random.default_rng(seed)
    player = Player(_script(), rate_hz=RATE_HZ)
    events = list(player.start(0))
    index = 0
    while index < 60_000 and player.state.phase in ("running", "paused"):
        left = remaining_plan(player.plan, events, stop=index, rate_hz=RATE_HZ)
        state = player.state
        assert [entry.position for _length, entry in left] == list(range(state.position, state.n_steps))
        assert left[0][0] == state.remaining_samples
        index += int(rng.integers(1, 4000))
        events += player.advance(index)
        if player.state.phase not in ("running", "paused"):
            break
        command = str(rng.choice(["pause", "resume", "skip", "repeat", "nothing", "nothing"]))
        legal = {"pause": player.state.phase == "running", "resume": player.state.phase == "paused"}
        if command != "nothing" and legal.get(command, True):
            events += getattr(player, command)(index)
    if player.state.phase in ("ended", "stopped"):
        assert remaining_plan(player.plan, events, stop=index, rate_hz=RATE_HZ) == ()


def test_before_a_recording_the_whole_plan_is_shown_with_its_length(qtbot: QtBot) -> None:
    strip = _strip(qtbot, None, _script().plan())
    assert len(_columns(strip, theme.current().muted)) > 20
    assert len(_columns(strip, theme.current().accent)) == 0


def test_the_playhead_stands_where_the_recording_is(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(10_000))
    feed.event("step", 0, activity="sitting")
    strip = _strip(qtbot, feed, _script().plan())
    total_s = sum(entry.duration_s for entry in _script().plan())
    playhead = _pixels(strip)[30, :, :]
    accent = QColor(theme.current().accent)
    at = np.flatnonzero(np.abs(playhead - [accent.red(), accent.green(), accent.blue()]).max(axis=1) <= 6)
    assert at.min() == pytest.approx(1000 * 40 / total_s, abs=2)


def test_a_loss_of_one_sample_can_be_seen_and_read(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(100_000))
    feed.event("step", 0, activity="sitting")
    feed.lose(50_000, 1)
    strip = _strip(qtbot, feed)
    columns = _columns(strip, theme.current().gap)
    assert len(columns) >= 2
    assert columns.mean() == pytest.approx(500, abs=4)
    assert strip.words_at(500) == "3:20 · Sitting · lost 1 sample"


def test_the_readout_tells_marks_pauses_and_what_is_planned(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(10_000))
    feed.event("step", 0, activity="sitting")
    feed.event("pause", 5000)
    feed.event("resume", 6000)
    feed.event("mark", 2500, text="cough")
    strip = _strip(qtbot, feed, _script().plan())
    total = 1000 + sum(entry.duration_s for entry in _script().plan()) * RATE_HZ
    assert strip.words_at(2500 / total * 1000) == "0:10 · Sitting · cough"
    assert strip.words_at(5500 / total * 1000) == "0:22 · Paused"
    assert strip.words_at(980).endswith("Sit, planned")
    assert strip.words_at(-50).startswith("0:00")
    assert strip.words_at(5000).startswith("2:14")


def test_the_readout_is_shown_under_the_mouse(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(10_000))
    strip = _strip(qtbot, feed)
    place = QPoint(500, 40)
    assert strip.event(QHelpEvent(QEvent.Type.ToolTip, place, strip.mapToGlobal(place)))
    assert QToolTip.text() == strip.words_at(500)
    QToolTip.hideText()


def test_few_pixels_show_the_first_lead_only(qtbot: QtBot) -> None:
    values = np.zeros((10_000, 3), np.float32)
    values[:, 2] = ecg(10_000)[:, 1]
    strip = _strip(qtbot, ScriptedFeed(values))
    low = len(_columns(strip, theme.current().muted))
    strip.resize(1000, 260)
    _columns(strip, theme.current().muted)
    high = (np.abs(_pixels(strip) - _pixels(strip)[0, 0]).max(axis=2) > 60).sum(axis=0)
    assert low > 0
    assert np.median(high) >= 3


@pytest.mark.parametrize("value", [0.0, np.nan, 1e30])
def test_flat_lost_and_huge_signals_can_be_shown(qtbot: QtBot, value: float) -> None:
    strip = _strip(qtbot, ScriptedFeed(np.full((5000, 3), value, np.float32)))
    for size in ((1, 1), (160, 56), (3000, 300)):
        strip.resize(*size)
        strip.refresh()
        strip.grab()


def test_nothing_is_drawn_again_while_nothing_comes(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(10_000), stop=5000)
    strip = _strip(qtbot, feed)
    strip.refresh()
    picture = strip._picture
    strip.refresh()
    assert strip._picture is picture
    feed.advance(100)
    strip.refresh()
    assert strip._picture is not picture


def test_closing_lets_go_of_the_feed(qtbot: QtBot) -> None:
    strip = _strip(qtbot, ScriptedFeed(ecg(1000)))
    strip.close()
    strip.refresh()
    assert strip._feed is None
    assert strip.words_at(10) == ""
