"""The whole window on real recorder processes: a protocol through all four stages, and what may go wrong around it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot
from waiting import wait_until

from acquire.app.widgets import Banner
from acquire.app.window import MainWindow
from acquire.emulators import CytonDouble, PseudoTerminal, known_index
from acquire.recorder.child import child_environment
from acquire.recorder.launch import prepare, start_recorder
from acquire.recordings.recording import open_recording
from acquire.study import Study
from acquire.viewer.conductor import Stage
from acquire.viewer.preferences import Preferences
from acquire.viewer.preparing import Preparation
from protocols.spans import activity_spans

LIMIT_MS = 30_000

SCRIPT = """
title = "Three"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 4
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 4
[[steps]]
activity = "rest"
instruction = "Sit down again."
duration_s = 4
"""


@pytest.fixture
def script(study: Study) -> str:
    path = study.path / "three.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[PseudoTerminal]:
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    with PseudoTerminal(CytonDouble(), link=tmp_path / "ttyCyton") as made:
        yield made


@contextmanager
def opened(
    qtbot: QtBot, study: Study, *, board: str = "sim:?speed=4", protocol: str = "", subject: str = "S01"
) -> Iterator[MainWindow]:
    first = Preparation(subject=subject, operator="op", board=board, protocol=protocol, factors={"electrode": "agcl"})
    window = MainWindow(study.path, Preferences(cues="off"), first=first)
    window.resize(1366, 768)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=LIMIT_MS)
    try:
        yield window
    finally:
        window.leave()
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=LIMIT_MS)
        window.deleteLater()
        QApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete)


def reach(qtbot: QtBot, window: MainWindow, stage: Stage) -> None:
    def reached() -> None:
        assert (window.conductor.stage, window.conductor.busy) == (stage, False), window.body.trouble.text
        assert not window.guard.held

    qtbot.waitUntil(reached, timeout=LIMIT_MS)


def press(window: MainWindow, key: Qt.Key | str) -> None:
    """Press a key where the keyboard is."""
    target = window.focusWidget() or window
    if isinstance(key, str):
        QTest.keyClicks(target, key)
    else:
        QTest.keyClick(target, key)


def start_recording(qtbot: QtBot, window: MainWindow) -> None:
    """From the choices to the recording, by Enter alone."""
    qtbot.waitUntil(lambda: button(window.prepare, "Continue").isEnabled(), timeout=LIMIT_MS)
    press(window, Qt.Key.Key_Return)
    reach(qtbot, window, Stage.CHECK)
    qtbot.waitUntil(lambda: button(window.check, "Start").isEnabled(), timeout=LIMIT_MS)
    press(window, Qt.Key.Key_Return)
    reach(qtbot, window, Stage.RECORD)
    qtbot.waitUntil(lambda: samples(window) > 0 and words_of_state(window) == "Recording", timeout=LIMIT_MS)


def samples(window: MainWindow) -> int:
    feed = window.conductor.feed
    return 0 if feed is None else feed.state.stop


def words_of_state(window: MainWindow) -> str:
    return window.record.step.state[0]


def happened(window: MainWindow, kind: str) -> bool:
    feed = window.conductor.feed
    return feed is not None and any(event.kind == kind for event in feed.events())


def button(page: QObject, words: str) -> QAbstractButton:
    """The button of a page that begins with these words."""
    (found,) = [one for one in page.findChildren(QAbstractButton) if one.text().startswith(words)]
    return found


def all_words(page: QWidget) -> str:
    """All that is to be read on a page."""
    return plain(" ".join(one.text() for one in page.findChildren(QLabel) if one.isVisible()))


def plain(words: str) -> str:
    """Without the places where a long path may be broken."""
    return words.replace("\u200b", "")


def check_every_sample(path: Path) -> None:
    """Each row that is no gap is the sample of the double that belongs there."""
    with open_recording(path) as recording:
        counts = recording.counts()
        valid = np.concatenate([np.arange(start, stop) for start, stop in recording.valid])
        sent = known_index(counts[valid])
        np.testing.assert_array_equal(sent - sent[0], valid)


@pytest.mark.timeout(180)
def test_a_protocol_is_recorded_with_all_that_an_operator_does_and_a_cable_that_is_pulled(
    qtbot: QtBot, study: Study, script: str, terminal: PseudoTerminal
) -> None:
    with opened(qtbot, study, board=f"cyton:{terminal.link}", protocol=script) as window:
        start_recording(qtbot, window)
        page = window.record
        qtbot.waitUntil(lambda: samples(window) > 200, timeout=LIMIT_MS)
        press(window, Qt.Key.Key_Space)
        qtbot.waitUntil(lambda: "Paused" in words_of_state(window), timeout=LIMIT_MS)
        press(window, Qt.Key.Key_Space)
        qtbot.waitUntil(lambda: happened(window, "resume"), timeout=LIMIT_MS)
        press(window, Qt.Key.Key_2)
        qtbot.waitUntil(lambda: happened(window, "mark"), timeout=LIMIT_MS)
        press(window, Qt.Key.Key_N)
        QTest.keyClicks(QApplication.focusWidget(), "moved 1 cable")
        press(window, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: happened(window, "note"), timeout=LIMIT_MS)
        qtbot.waitUntil(lambda: page.step_now is not None and page.step_now.step == 2, timeout=LIMIT_MS)
        press(window, Qt.Key.Key_R)
        press(window, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: happened(window, "repeat"), timeout=LIMIT_MS)
        terminal.hang_up()
        silent_since_s = time.monotonic()
        qtbot.waitUntil(page.banner.isVisible, timeout=LIMIT_MS)
        assert time.monotonic() - silent_since_s < 1.5 + 1.0  # the alarm's own limit, and a loaded computer
        came = samples(window)
        terminal.come_back()
        qtbot.waitUntil(lambda: samples(window) > came + 250, timeout=LIMIT_MS)
        reach(qtbot, window, Stage.FINISH)
        (path,) = study.recordings()
        check_every_sample(path)
        with open_recording(path) as recording:
            kinds = [event.kind for event in recording.events]
            told = {event.kind: event.text for event in recording.events}
            spans = activity_spans(recording.events, recording.n_samples)
            assert len(recording.gaps) == 1
            assert recording.header.subject == "S01"
            assert recording.header.operator == "op"
            assert recording.header.factors == {"electrode": "agcl"}
        assert [kinds.count(kind) for kind in ("start", "repeat", "mark", "note", "gap", "end")] == [1] * 6
        assert told["mark"] == "talking"
        assert told["note"] == "moved 1 cable"
        # Samples while the subject did the last attempt of each step; the second was begun anew.
        walked = [span.stop - span.start for span in spans if span.activity == "walk"]
        rested = sum(span.stop - span.start for span in spans if span.activity == "rest")
        assert sum(walked[1:]) == 1000 or sum(walked) >= 1000
        assert rested == 2000
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.PREPARE)
        assert window.prepare.preparation().subject == ""
        assert window.prepare.preparation().operator == "op"


DRIVER = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pathlib import Path
from acquire.app import theme
from acquire.app.window import MainWindow
from acquire.viewer.conductor import Stage
from acquire.viewer.preferences import Preferences
from acquire.viewer.preparing import Preparation

app = QApplication([])
theme.apply("light")
first = Preparation(subject="S01", board="sim:", protocol=sys.argv[2], factors={"electrode": "agcl"})
window = MainWindow(Path(sys.argv[1]), Preferences(cues="off"), first=first)
window.show()

def go_on():
    conductor = window.conductor
    if conductor.stage is Stage.PREPARE and not conductor.busy and window.prepare.preparation().subject:
        conductor.prepared(window.prepare.preparation())
    elif conductor.stage is Stage.CHECK and not conductor.busy:
        conductor.record()
    elif conductor.stage is Stage.RECORD and conductor.feed.state.stop > 100:
        print(conductor.feed.state.stop, flush=True)

timer = QTimer()
timer.timeout.connect(go_on)
timer.start(50)
app.exec()
"""


@pytest.mark.timeout(180)
def test_a_window_that_is_killed_leaves_the_recorder_and_the_next_one_shows_the_whole_recording(
    qtbot: QtBot, study: Study, script: str
) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(study.path), script],
        stdout=subprocess.PIPE,
        env=child_environment(),
        cwd=study.path,
    )
    assert first.stdout is not None
    assert int(first.stdout.readline()) > 100
    first.kill()
    first.wait(30)
    first.stdout.close()
    with opened(qtbot, study, subject="", protocol=script) as window:
        reach(qtbot, window, Stage.RECORD)
        feed = window.conductor.feed
        assert feed is not None
        qtbot.waitUntil(lambda: feed.state.caught_up and feed.state.stop > 300, timeout=LIMIT_MS)
        assert feed.overview().edges[0] == 0
        assert feed.bands()[0].start == 0
        qtbot.waitUntil(lambda: "S01" in window.record.facts.text, timeout=LIMIT_MS)
        reach(qtbot, window, Stage.FINISH)
        (path,) = study.recordings()
        with open_recording(path) as recording:
            assert recording.n_samples == 3000
            assert recording.gaps == ()


def test_a_recorder_that_is_killed_leaves_a_journal_that_one_click_makes_whole(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        qtbot.waitUntil(lambda: samples(window) > 500, timeout=LIMIT_MS)
        os.kill(recorder_pid(study), signal.SIGKILL)
        reach(qtbot, window, Stage.FINISH)
        button(window.finish, "Recover").click()
        qtbot.waitUntil(lambda: "Sit still." in plan_words(window), timeout=LIMIT_MS)
        reach(qtbot, window, Stage.FINISH)
        assert len(study.recordings()) == 1


def plan_words(window: MainWindow) -> str:
    tables = window.finish.findChildren(QAbstractItemView)
    models = [table.model() for table in tables if table.model() is not None]
    cells = [model.index(row, column) for model in models for row in range(model.rowCount()) for column in range(3)]
    return " ".join(str(cell.data()) for cell in cells)


def test_an_orphan_of_an_earlier_day_is_recovered_on_the_first_page(qtbot: QtBot, study: Study, script: str) -> None:
    recorder = start_recorder(prepare(study, subject="S02", board="sim:", protocol=script))
    wait_until(lambda: (status := recorder.status()) is not None and status.n_samples > 200)
    recorder.process.kill()
    recorder.wait(30)
    recorder.close()
    with opened(qtbot, study, protocol=script) as window:
        qtbot.waitUntil(lambda: len(recover_buttons(window)) == 1, timeout=LIMIT_MS)
        recover_buttons(window)[0].click()
        qtbot.waitUntil(lambda: "whole again" in window.body.trouble.text, timeout=LIMIT_MS)
        qtbot.waitUntil(lambda: recover_buttons(window) == [], timeout=LIMIT_MS)
        assert [path.stem for path in study.recordings()] == ["sub-S02_ses-01_run-01"]


def recover_buttons(window: MainWindow) -> list[QAbstractButton]:
    found = [one for one in window.prepare.findChildren(QAbstractButton) if one.isVisible()]
    return [one for one in found if one.text().startswith("Recover ")]


def recorder_pid(study: Study) -> int:
    (state,) = study.journals_dir.glob("*.state")
    return int(json.loads(state.read_text())["pid"])


def test_a_board_that_is_not_there_is_told_at_the_check_and_one_can_go_back(qtbot: QtBot, study: Study) -> None:
    with opened(qtbot, study, board="cyton:/dev/ttyNOWHERE") as window:
        qtbot.waitUntil(lambda: button(window.prepare, "Continue").isEnabled(), timeout=LIMIT_MS)
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.CHECK)
        qtbot.waitUntil(lambda: "ttyNOWHERE" in all_words(window.check), timeout=LIMIT_MS)
        assert not button(window.check, "Start").isEnabled()
        press(window, Qt.Key.Key_Escape)
        reach(qtbot, window, Stage.PREPARE)
        assert window.prepare.preparation().subject == "S01"


def test_a_protocol_that_is_spoilt_after_it_was_chosen_stops_at_the_start_with_a_sentence(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window:
        qtbot.waitUntil(lambda: button(window.prepare, "Continue").isEnabled(), timeout=LIMIT_MS)
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.CHECK)
        qtbot.waitUntil(lambda: button(window.check, "Start").isEnabled(), timeout=LIMIT_MS)
        Path(script).write_text("[[steps]]\nactivity = 5", encoding="utf-8")
        press(window, Qt.Key.Key_Return)
        qtbot.waitUntil(window.body.trouble.isVisible, timeout=LIMIT_MS)
        reach(qtbot, window, Stage.PREPARE)
        assert "three.toml" in plain(window.body.trouble.text)
        assert study.recordings() == []
        qtbot.waitUntil(lambda: not button(window.prepare, "Continue").isEnabled(), timeout=LIMIT_MS)


def test_a_study_that_is_removed_while_it_records_is_told_and_the_window_stays(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        shutil.rmtree(study.path)
        reach(qtbot, window, Stage.FINISH)
        # Nothing is promised of a journal that is not there.
        (verdict,) = window.finish.findChildren(Banner)
        assert "if it was moved, put it back" in plain(verdict.text)
        assert "safe" not in verdict.text
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.PREPARE)
        qtbot.waitUntil(
            lambda: "folder" in window.body.trouble.text and "is gone" in window.body.trouble.text, timeout=LIMIT_MS
        )
        assert window.isVisible()


def test_closing_while_it_records_asks_and_the_recording_goes_on(qtbot: QtBot, study: Study, script: str) -> None:
    with opened(qtbot, study, protocol=script, board="sim:") as window:
        start_recording(qtbot, window)
        window.close()
        assert window.isVisible()
        assert window.body.leaving.isVisible()
        # The page's own meaning of these keys waits until the question is answered.
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
        assert not window.body.leaving.isVisible()
        assert window.isVisible()
        window.close()
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=LIMIT_MS)
    wait_until(lambda: len(study.recordings()) == 1)
    with open_recording(study.recordings()[0]) as recording:
        assert recording.n_samples == 3000


def test_every_control_of_every_page_has_a_name_and_is_reached_by_tab(qtbot: QtBot, study: Study, script: str) -> None:
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        for page in (window.prepare, window.check, window.record, window.finish, window.settings):
            controls = [
                one
                for one in page.findChildren(QWidget)
                if isinstance(one, QAbstractButton | QLineEdit | QComboBox | QAbstractItemView)
                and not isinstance(one, QHeaderView)
                and not isinstance(one.parent(), QComboBox | QAbstractSpinBox)
                and one.objectName() not in ("qt_scrollarea_viewport",)
                and "Popup" not in type(one.window()).__name__
                and one.isVisibleTo(page)
            ]
            assert controls or page is window.finish
            unnamed = [one for one in controls if not (one.accessibleName() or getattr(one, "text", lambda: "")())]
            assert [f"{one} in {one.parent()}" for one in unnamed] == []
            unreached = [one for one in controls if not one.focusPolicy() & Qt.FocusPolicy.TabFocus]
            assert [f"{one} in {one.parent()}" for one in unreached] == []


@pytest.mark.timeout(180)
def test_nothing_on_the_windows_thread_opens_a_file_or_socket_or_starts_a_process_or_sleeps(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window, blocking_calls() as seen:
        start_recording(qtbot, window)
        qtbot.waitUntil(lambda: samples(window) > 500, timeout=LIMIT_MS)
        press(window, Qt.Key.Key_1)
        press(window, Qt.Key.Key_F9)
        reach(qtbot, window, Stage.FINISH)
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=LIMIT_MS)
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.PREPARE)
        window.show_preferences()
        window.set_preferences(Preferences(theme="dark", cues="off"))
        reach(qtbot, window, Stage.PREPARE)
    assert seen == []


_BLOCKING = ("open", "socket.connect", "socket.bind", "subprocess.Popen", "os.listdir", "os.scandir", "shutil.rmtree")
_watched: list[list[str]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event in _BLOCKING and threading.current_thread() is threading.main_thread():
        stack = traceback.extract_stack()[:-1]
        # Importing a module late reads its file; what a test itself does is no business of the window's.
        files = [frame for frame in stack if f"{os.sep}tests{os.sep}" not in frame.filename]
        ours = [frame for frame in files if f"{os.sep}acquire{os.sep}" in frame.filename]
        if ours and not any("importlib" in frame.filename for frame in stack):
            _watched[-1].append(f"{event}{arguments[:1]} from {ours[-1].filename}:{ours[-1].lineno}")


@contextmanager
def blocking_calls() -> Iterator[list[str]]:
    """What the main thread does that may block, while this lasts: files, sockets, processes, folders."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    seen: list[str] = []
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.pop()


_hooked = False


def test_closing_leaves_no_timer_and_no_thread(qtbot: QtBot, study: Study, script: str) -> None:
    before = set(threading.enumerate())
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        timers = window.findChildren(QTimer)
        assert any(timer.isActive() for timer in timers)
        window.leave()
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=LIMIT_MS)
        assert [timer for timer in timers if timer.isActive()] == []
    wait_until(lambda: {thread for thread in threading.enumerate() if thread not in before} == set())


@pytest.mark.timeout(180)
def test_a_note_that_is_still_written_when_the_protocol_ends_is_stored_and_presses_nothing(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        press(window, Qt.Key.Key_N)
        press(window, "she cou")
        qtbot.waitUntil(lambda: words_of_state(window) == "Waiting for the note", timeout=LIMIT_MS)
        press(window, "ghed rs f")
        press(window, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: window.conductor.stage is Stage.FINISH and not window.conductor.busy, timeout=LIMIT_MS)
        assert window.guard.held
        for key in ("s", "r", " "):
            press(window, key)
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.FINISH)
        (path,) = study.recordings()
        with open_recording(path) as recording:
            notes = [(event.text, event.index) for event in recording.events if event.kind == "note"]
            assert notes == [("she coughed rs f", recording.n_samples)]
        assert not window.body.trouble.isVisible()
        press(window, Qt.Key.Key_S)
        reach(qtbot, window, Stage.PREPARE)


def test_a_note_that_nobody_can_store_any_more_is_told_on_the_last_page(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        press(window, Qt.Key.Key_N)
        press(window, "half a sent")
        os.kill(recorder_pid(study), signal.SIGKILL)
        qtbot.waitUntil(lambda: window.conductor.stage is Stage.FINISH and not window.conductor.busy, timeout=LIMIT_MS)
        assert "half a sent" in window.body.trouble.text
        reach(qtbot, window, Stage.FINISH)
        button(window.finish, "Recover").click()
        qtbot.waitUntil(lambda: len(study.recordings()) == 1, timeout=LIMIT_MS)
        reach(qtbot, window, Stage.FINISH)
        assert "half a sent" in window.body.trouble.text
        for key in ("s", "r"):
            press(window, key)
        press(window, Qt.Key.Key_Return)
        window.show_trouble("")
        assert window.conductor.stage is Stage.FINISH
        assert "half a sent" in window.body.trouble.text
        assert window.body.trouble.isVisible()
        press(window, Qt.Key.Key_F6)
        assert not window.body.trouble.isVisible()
        press(window, Qt.Key.Key_S)
        reach(qtbot, window, Stage.PREPARE)


def test_the_ticks_outlast_other_preferences_and_keys_are_named_in_the_new_language(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script) as window:
        start_recording(qtbot, window)
        press(window, Qt.Key.Key_Escape)
        press(window, Qt.Key.Key_Return)
        reach(qtbot, window, Stage.FINISH)
        window.finish.tick((1,))
        window.set_preferences(replace(window.conductor.preferences, language="de"))
        try:
            reach(qtbot, window, Stage.FINISH)
            assert window.finish.ticked() == (1,)
            assert "von der Versuchsleitung beendet" in window.finish._verdict.text
            assert window.body.options.key_words() == "Strg+,"
        finally:
            window.set_preferences(replace(window.conductor.preferences, language="en"))
        reach(qtbot, window, Stage.FINISH)
        assert window.finish.ticked() == (1,)
        assert window.body.options.key_words() == "Ctrl+,"


def test_the_closing_question_is_answered_wherever_the_keyboard_is_and_a_note_goes_on_behind_it(
    qtbot: QtBot, study: Study, script: str
) -> None:
    with opened(qtbot, study, protocol=script, board="sim:") as window:
        start_recording(qtbot, window)
        press(window, Qt.Key.Key_N)
        press(window, "half a note")
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
        assert window.body.leaving.isVisible()
        assert "goes on without this window" in window.body.leaving.text
        for noting in (True, False):
            window.body.show_leaving(over=True, noting=noting)
            assert "goes on without" not in window.body.leaving.text
            assert ("note" in window.body.leaving.text) == noting
        window.record.setFocus()
        press(window, Qt.Key.Key_Escape)
        assert not window.body.leaving.isVisible()
        assert (window.record.bar.asked, window.record.bar.noting) == ("", True)
        press(window, " more")
        assert window.record.bar.note.text() == "half a note more"
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
        press(window, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=LIMIT_MS)
    wait_until(lambda: len(study.recordings()) == 1)
    with open_recording(study.recordings()[0]) as recording:
        assert recording.n_samples == 3000
        assert [event.text for event in recording.events if event.kind == "note"] == ["half a note more"]


def test_enter_presses_the_buttons_beside_the_pages(qtbot: QtBot, study: Study, script: str) -> None:
    with opened(qtbot, study, protocol=script) as window:
        qtbot.waitUntil(lambda: not window.conductor.busy and bool(window.windowTitle()), timeout=LIMIT_MS)
        window.show_trouble("Something is wrong.")
        button(window.body.trouble, "Put away").setFocus()
        press(window, Qt.Key.Key_Return)
        assert not window.body.trouble.isVisible()
        window.body.options.setFocus()
        press(window, Qt.Key.Key_Return)
        assert window.body.pages.currentWidget() is window.settings
