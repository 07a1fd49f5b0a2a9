from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted_board import ScriptedBoard, rows
from waiting import wait_until

import acquire.boards.lock
import acquire.recorder.loop
import acquire.recorder.process
from acquire.boards.simulate import simulate
from acquire.errors import BoardError, BoardErrorReason, RecorderError, RecorderErrorReason
from acquire.files import hold_name, is_held
from acquire.recorder.control import ControlClient, connect, state_path
from acquire.recorder.launch import RecorderProcess, prepare, record_headless, start_recorder
from acquire.recorder.process import RecorderConfig, main, record
from acquire.recordings.journal import JournalTail
from acquire.recordings.recording import open_recording
from acquire.study import Study
from protocols.script import load_script

SCRIPT = """
title = "Short"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 3.01
repeat = 2
rest_s = 1
[[steps]]
activity = "jog"
instruction = "Jog."
duration_s = 4
"""
SHORT_SAMPLES = 752 + 250 + 752 + 250 + 1000


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "short.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


@contextmanager
def under_way(study: Study, script: str, board: str, **wishes: Any) -> Iterator[RecorderProcess]:
    """A recorder that is recording; it is killed if the test leaves it running."""
    recorder = start_recorder(prepare(study, subject="S01", board=board, protocol=script, **wishes))
    try:
        wait_until(lambda: (status := recorder.status()) is not None and status.n_samples > 0)
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.process.kill()
            recorder.wait(30)
        for stream in (recorder.process.stdout, recorder._complaints):
            if stream is not None and not stream.closed:
                stream.close()
        recorder._hang_up()


def kinds(path: Path) -> list[tuple[str, int]]:
    with open_recording(path) as recording:
        return [(event.kind, event.index) for event in recording.events]


@pytest.mark.parametrize("speed", ["max", "200"])
def test_the_recording_holds_what_the_simulator_sent_and_each_step_at_its_sample(
    study: Study, script: str, speed: str
) -> None:
    seen = []
    summary = record_headless(
        study,
        subject="S01",
        board=f"sim:?speed={speed}",
        protocol=script,
        factors={"electrode": "agcl"},
        on_status=seen.append,
    )
    assert summary.complete
    assert kinds(summary.path) == [
        ("start", 0),
        ("step", 0),
        ("rest", 752),
        ("step", 1002),
        ("rest", 1754),
        ("step", 2004),
        ("end", SHORT_SAMPLES),
    ]
    truth = simulate(load_script(script).script, subject="S01", session="01", mains_hz=50, n_samples=SHORT_SAMPLES)
    with open_recording(summary.path) as recording:
        np.testing.assert_array_equal(recording.counts(), truth)
        assert recording.protocol_text == SCRIPT
        assert recording.header.factors == {"electrode": "agcl"}
        assert recording.header.fitted_rate_hz == pytest.approx(250.0, abs=1e-6)
    assert list(study.journals_dir.iterdir()) == []
    assert [somebody.pseudonym for somebody in study.subjects()] == ["S01"]


def test_the_same_seed_gives_the_same_samples_and_another_gives_others(tmp_path: Path, script: str) -> None:
    counts = []
    for number, seed in enumerate((7, 7, 8)):
        study = Study.create(tmp_path / f"study{number}", mains_hz=50)
        summary = record_headless(study, subject="S01", board=f"sim:?speed=max&seed={seed}", protocol=script)
        with open_recording(summary.path) as recording:
            counts.append(recording.counts())
    np.testing.assert_array_equal(counts[0], counts[1])
    assert not np.array_equal(counts[0], counts[2])


def test_lost_samples_become_a_gap_and_an_event(study: Study, script: str) -> None:
    summary = record_headless(study, subject="S01", board="sim:?speed=max&drop=100:25,740:20", protocol=script)
    with open_recording(summary.path) as recording:
        assert [(gap.start, gap.length) for gap in recording.gaps] == [(100, 25), (740, 20)]
        assert recording.valid.tolist() == [[0, 100], [125, 740], [760, SHORT_SAMPLES]]
        assert np.isnan(recording.signal(["II"], 90, 135)).sum() == 25
        gaps = [(event.index, event.text) for event in recording.events if event.kind == "gap"]
        assert gaps == [(gap.start, gap.cause) for gap in recording.gaps]
    assert ("rest", 752) in kinds(summary.path)
    assert summary.lost_samples == 45


def test_commands_are_obeyed_and_stand_in_the_recording(study: Study, script: str) -> None:
    with under_way(study, script, "sim:?speed=2") as recorder:
        assert is_held(recorder.journal)
        status = recorder.command("pause")
        assert status is not None
        assert status.state == "paused"
        with pytest.raises(RecorderError, match="cannot be paused"):
            recorder.command("pause")
        recorder.command("mark", "here\n\x1b[31m it is")
        recorder.command("note", "x" * 5000)
        recorder.command("resume")
        recorder.command("repeat")
        recorder.command("skip")
        status = recorder.command("skip")
        assert status is not None
        assert status.step == 1
        with JournalTail(recorder.journal) as tail:
            assert tail.poll()
        assert recorder.stop()
        summary = recorder.result()
    assert [kind for kind, _ in kinds(summary.path)] == [
        "start", "step", "pause", "mark", "note", "resume", "repeat", "step", "skip", "rest", "skip", "step", "stop",
    ]  # fmt: skip
    assert not summary.complete
    with open_recording(summary.path) as recording:
        texts = {event.kind: event.text for event in recording.events}
        assert recording.n_samples == recording.events[-1].index
    assert texts["mark"] == "here  [31m it is"
    assert texts["note"] == "x" * 5000
    assert texts["stop"] == "stopped by the operator"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop a process cleanly")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_recording_cleanly(study: Study, script: str, number: signal.Signals) -> None:
    with under_way(study, script, "sim:") as recorder:
        recorder.process.send_signal(number)
        summary = recorder.result()
    assert kinds(summary.path)[-1] == ("stop", summary.n_samples)
    assert summary.reason == f"stopped by {number.name}"
    assert list(study.journals_dir.iterdir()) == []


def test_when_no_samples_come_the_protocol_stands_still_and_then_the_recording_ends_whole(
    study: Study, script: str
) -> None:
    seen = []
    summary = record_headless(
        study,
        subject="S01",
        board="sim:?speed=50&stop_after=2",
        protocol=script,
        stall_limit_s=1.5,
        on_status=seen.append,
    )
    assert summary.n_samples == 500
    assert "sent no samples for 2 s (the limit is 1.5 s)" in summary.reason
    stalled = [status for status in seen if status.state == "stalled"]
    assert stalled
    assert all(status.stalled_s >= 1 and status.n_samples == 500 for status in stalled)
    assert kinds(summary.path)[-1] == ("stop", 500)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"[]\n",
        b"{}\n",
        b"\xff\xfe\n",
        b"[" * 60_000 + b"\n",
        b'{"token": 1, "command": "stop"}\n',
        b'{"token": "' + b"0" * 64 + b'", "command": "stop"}\n',
        '{"token": "é\\ud800", "command": "stop"}\n'.encode(),
        b"x" * 200_000,
    ],
)
def test_strangers_are_cut_off_and_the_recording_goes_on(recording_for_strangers: Path, line: bytes) -> None:
    state = json.loads(state_path(recording_for_strangers).read_bytes())
    stranger = ControlClient(state["port"], "")
    try:
        stranger._socket.sendall(line)
        answer = stranger._stream.readline()
        assert not answer or json.loads(answer)["ok"] is False
        assert stranger._stream.read() == b""
    except ConnectionError:
        pass
    finally:
        stranger.close()
    with connect(recording_for_strangers) as friend:
        assert friend.request("status").state == "recording"
        with pytest.raises(RecorderError, match="There is no command 'reboot'"):
            friend.request("reboot")


@pytest.fixture(scope="module")
def recording_for_strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("strangers")
    study = Study.create(folder / "study", mains_hz=50)
    with under_way(study, "dt4ecg", "sim:") as recorder:
        yield recorder.journal


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_the_token_is_for_its_owner_only_and_on_no_command_line(recording_for_strangers: Path) -> None:
    state = json.loads(state_path(recording_for_strangers).read_bytes())
    assert state_path(recording_for_strangers).stat().st_mode & 0o077 == 0
    command_line = Path(f"/proc/{state['pid']}/cmdline")
    if command_line.exists():
        assert state["token"].encode() not in command_line.read_bytes()


def test_a_second_recorder_on_the_same_journal_is_refused(study: Study, script: str) -> None:
    config = prepare(study, subject="S01", board="sim:", protocol=script)
    first = start_recorder(config)
    wait_until(lambda: first.status() is not None)
    second = start_recorder(config)
    with pytest.raises(RecorderError, match="another recorder is writing it"):
        second.result()
    assert first.stop()
    assert first.result().path.exists()


def test_an_existing_recording_is_refused_before_anything_is_recorded(study: Study, script: str) -> None:
    config = prepare(study, subject="S01", board="sim:", protocol=script)
    Path(config.recording).write_text("mine")
    with pytest.raises(RecorderError, match="exists and is not overwritten"):
        start_recorder(config).result()
    assert Path(config.recording).read_text() == "mine"
    assert list(study.journals_dir.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a process's files")
def test_a_full_disk_ends_in_a_whole_recording_of_what_fitted(study: Study) -> None:
    config = prepare(study, subject="S01", board="sim:?speed=max", protocol="dt4ecg")
    process = subprocess.run(
        ["sh", "-c", f"ulimit -f 400; exec {sys.executable} -m acquire.recorder.process -"],
        input=json.dumps(asdict(config)).encode(),
        capture_output=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.returncode == 0, process.stdout + process.stderr
    summary = json.loads(process.stdout)["summary"]
    assert "free some space" in summary["reason"]
    assert kinds(Path(config.recording))[-1] == ("stop", summary["n_samples"])
    truth = simulate(
        load_script("dt4ecg").script, subject="S01", session="01", mains_hz=50, n_samples=summary["n_samples"]
    )
    with open_recording(config.recording) as recording:
        assert recording.n_samples > 1000
        np.testing.assert_array_equal(recording.counts(), truth)


def test_the_recorder_goes_on_when_its_starter_dies(study: Study, script: str) -> None:
    config = prepare(study, subject="S01", board="sim:?speed=20", protocol=script)
    starter = (
        "import json, os, sys\n"
        "from acquire.recorder.launch import start_recorder\n"
        "from acquire.recorder.process import RecorderConfig\n"
        "start_recorder(RecorderConfig.from_json(sys.stdin.read()))\n"
        "os._exit(0)\n"
    )
    subprocess.run(
        [sys.executable, "-c", starter],
        input=json.dumps(asdict(config)).encode(),
        check=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[2],
    )
    wait_until(lambda: Path(config.recording).exists() and not Path(config.journal).exists())
    assert kinds(Path(config.recording))[-1] == ("end", SHORT_SAMPLES)


def test_the_recorder_starts_without_what_only_finishing_needs() -> None:
    slow = ("h5py", "pandas", "scipy", "rich", "typer", "matplotlib", "neurokit2")
    code = f"import sys, acquire.recorder.process; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"board": 1}', "[" * 100_000, "\ud800"])
def test_a_config_that_is_none_is_one_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["-"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert "config cannot be used" in answer["error"]
    assert answer["reason"] == RecorderErrorReason.BAD_CONFIG.value


def test_a_config_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere.json")]) == 2
    assert main([]) == 2
    assert "cannot be read" in capsys.readouterr().out


def _config(study: Study, script: str, **changes: Any) -> RecorderConfig:
    return replace(prepare(study, subject="S01", board="sim:", protocol=script), **changes)


def test_a_board_that_hangs_up_leaves_a_whole_recording_that_says_so(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = BoardError("The dongle was pulled; plug it in.", reason=BoardErrorReason.HUNG_UP, address="bench:")
    board = ScriptedBoard([rows(0), rows(10)], gone)
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    summary = record(_config(study, script))
    assert summary.reason == "The dongle was pulled; plug it in."
    assert summary.n_samples == 20
    assert board.closed
    assert board.told == [("rest", 0)]


@pytest.mark.parametrize("index", [5, -1, 10**15])
def test_a_counter_that_cannot_be_right_ends_the_recording(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    board = ScriptedBoard([rows(0), rows(index, fill=9)])
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    summary = record(_config(study, script))
    assert "its counter cannot be trusted" in summary.reason
    with open_recording(summary.path) as recording:
        assert recording.counts().tolist() == [[1]] * 10


def test_no_read_goes_past_a_boundary_the_board_was_not_told_of(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = ScriptedBoard([rows(0, 250), rows(250, 250), rows(500, 250), rows(750, 2), rows(752, 250)])
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    record(_config(study, script, stall_limit_s=0.05))
    assert board.limits[:6] == [250, 250, 250, 2, 250, 250]
    assert board.told == [("rest", 0), ("", 752), ("rest", 1002)]


@pytest.mark.parametrize("held", ["bench:", "serial number DN0095MO"])
def test_a_board_is_used_by_one_recorder_at_a_time_by_whatever_address(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    board = ScriptedBoard([rows(0)], resource="serial number DN0095MO")
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    config = _config(study, script, board="bench:", stall_limit_s=0.05)
    with hold_name(acquire.boards.lock._locks_folder(), held) as free:
        assert free
        with pytest.raises(RecorderError, match="is using the board bench:"):
            record(config)
    assert not Path(config.journal).exists()
    board.chunks = [rows(0)]
    assert record(config).n_samples == 10


def test_a_board_without_a_single_sample_gives_an_empty_recording(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: ScriptedBoard([]))
    summary = record(_config(study, script, stall_limit_s=0.05))
    assert summary.n_samples == 0
    assert kinds(summary.path)[-1] == ("stop", 0)


def test_what_cannot_be_finished_stays_in_its_journal(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = ScriptedBoard([rows(0)])
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    config = _config(study, script, stall_limit_s=0.05)
    real = os.link

    def refuse(source: Path, target: Path) -> None:
        if str(target).endswith(".h5"):
            Path(target).write_text("somebody was faster")
        real(source, target)

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(RecorderError, match="run trilead recover") as caught:
        record(config)
    assert caught.value.journal == Path(config.journal)
    assert Path(config.journal).exists()
    assert Path(config.recording).read_text() == "somebody was faster"


BRIEF = """
title = "Brief"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 2
"""


@pytest.fixture
def brief(tmp_path: Path) -> str:
    path = tmp_path / "brief.toml"
    path.write_text(BRIEF, encoding="utf-8")
    return str(path)


def notes(path: Path) -> list[tuple[str, int]]:
    with open_recording(path) as recording:
        assert recording.n_samples == 500
        return [(event.text, event.index) for event in recording.events if event.kind == "note"]


def test_a_note_that_is_being_written_when_the_protocol_ends_is_stored_at_the_last_sample(
    study: Study, brief: str
) -> None:
    with under_way(study, brief, "sim:") as recorder:
        recorder.command("draft", "she cou")
        wait_until(lambda: (status := recorder.status()) is not None and status.state == "finishing")
        with pytest.raises(RecorderError, match="came too late"):
            recorder.command("mark", "cough")
        recorder.command("draft", "she coughed tw")
        recorder.command("note", "she coughed twice")
        assert notes(recorder.result().path) == [("she coughed twice", 500)]


def test_a_note_that_is_given_up_after_the_end_is_not_stored(study: Study, brief: str) -> None:
    with under_way(study, brief, "sim:") as recorder:
        recorder.command("draft")
        wait_until(lambda: (status := recorder.status()) is not None and status.state == "finishing")
        recorder.command("draft", "never mind")
        recorder.command("drop")
        assert notes(recorder.result().path) == []


def test_a_stop_does_not_wait_for_a_note_and_keeps_what_there_is_of_it(study: Study, brief: str) -> None:
    with under_way(study, brief, "sim:") as recorder:
        recorder.command("draft", "she cou")
        wait_until(lambda: (status := recorder.status()) is not None and status.state == "finishing")
        recorder.command("stop")
        assert notes(recorder.result().path) == [("she cou", 500)]


def test_a_note_whose_window_is_gone_is_stored_as_far_as_it_came_and_nobody_waits_for_it(
    study: Study, brief: str
) -> None:
    with under_way(study, brief, "sim:") as recorder:
        with connect(recorder.journal) as window:
            window.request("draft", "her cable was lo")
        assert recorder.wait(20)
        ((words, index),) = notes(recorder.result().path)
        assert words == "her cable was lo"
        assert index < 500


def test_two_windows_write_a_note_each(study: Study, brief: str) -> None:
    with under_way(study, brief, "sim:") as recorder, connect(recorder.journal) as window:
        recorder.command("draft", "first")
        window.request("draft", "second")
        recorder.command("drop")
        wait_until(lambda: (status := recorder.status()) is not None and status.state == "finishing")
        status = recorder.status()
        assert status is not None
        assert "a note" in status.message
        window.request("note", "second is whole")
        assert notes(recorder.result().path) == [("second is whole", 500)]


def test_a_pause_is_told_whatever_else_the_recorder_does(study: Study, brief: str) -> None:
    with under_way(study, brief, "sim:") as recorder:
        paused, on = recorder.command("pause"), recorder.command("resume")
        assert paused is not None
        assert on is not None
        assert (paused.paused, on.paused) == (True, False)
        recorder.stop()
        recorder.wait(20)
