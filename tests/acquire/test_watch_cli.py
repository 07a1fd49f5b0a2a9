from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner
from waiting import wait_until

from acquire.recorder.control import RecorderStatus, connect
from acquire.recorder.launch import RecorderProcess, prepare, start_recorder
from acquire.recorder.status_view import Alarm, clock, print_summary, status_line, status_table
from acquire.recorder.watch_cli import app
from acquire.recordings.content import Gap
from acquire.recordings.finish import RecordingSummary
from acquire.recordings.recording import open_recording
from acquire.recordings.report import RecordingReport
from acquire.study import Study

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = 'title = "One"\n[[steps]]\nactivity = "rest"\ninstruction = "Sit."\nduration_s = 4\n'


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "one.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


@contextmanager
def under_way(study: Study, script: str, board: str, subject: str = "S01") -> Iterator[RecorderProcess]:
    recorder = start_recorder(prepare(study, subject=subject, board=board, protocol=script))
    try:
        wait_until(lambda: (status := recorder.status()) is not None and status.n_samples > 0)
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.process.kill()
            recorder.wait(30)
        recorder._hang_up()
        for stream in (recorder.process.stdout, recorder._complaints):
            if stream is not None and not stream.closed:
                stream.close()


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def watching(study: Study) -> subprocess.Popen[str]:
    """A viewer in a process of its own, that has begun."""
    code = "from acquire.recorder.watch_cli import app; print('here', flush=True); app()"
    watcher = subprocess.Popen(
        [sys.executable, "-c", code, "watch", str(study.path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == "here\n"
    return watcher


def test_a_recorder_is_commanded_from_another_terminal(study: Study, script: str) -> None:
    with under_way(study, script, "sim:") as recorder:
        said = run("tell", study.path, "mark", "here it is")[1]
        assert re.match(r"sub-S01_ses-01_run-01: mark “here it is” at 0:0\d; recording at 0:0", said)
        assert re.match(r"sub-S01_ses-01_run-01: mark at 0:0\d; recording", run("tell", study.path, "mark")[1])
        assert "note “x" in run("tell", study.path, "note", "x" * 10_000)[1]
        assert "paused at" in run("tell", study.path, "pause")[1]
        code, output = run("tell", study.path, "pause")
        assert code == 2
        assert re.search(r"cannot be paused at 0:0\d \(sample \d+\): it is paused", output)
        assert run("tell", study.path, "resume")[0] == 0
        assert run("tell", study.path, "stop")[0] == 0
        summary = recorder.result()
    with open_recording(summary.path) as recording:
        assert [event.text for event in recording.events if event.kind == "mark"] == ["here it is", ""]
        assert [event.text for event in recording.events if event.kind == "note"] == ["x" * 10_000]
    assert summary.reason == "stopped by the operator"


def test_what_cannot_be_told_is_one_sentence(study: Study, script: str) -> None:
    assert "No recording is under way" in run("tell", study.path, "stop")[1]
    assert "There is no command 'sotp'" in run("tell", study.path, "sotp")[1]
    assert "A text goes with mark and note only" in run("tell", study.path, "stop", "now")[1]
    assert "The text of the note is missing; write it in quotes" in run("tell", study.path, "note")[1]
    assert "has 10001 characters, and 10000 is the most" in run("tell", study.path, "note", "x" * 10_001)[1]
    assert "No recording is under way" in run("watch", study.path)[1]
    # What a killed recorder leaves behind is nobody who could be told.
    with under_way(study, script, "sim:") as recorder:
        recorder.process.kill()
        recorder.wait(30)
        assert "No recording is under way" in run("tell", study.path, "stop")[1]


def test_of_several_recordings_one_is_named(study: Study, script: str) -> None:
    with under_way(study, script, "sim:"), under_way(study, script, "sim:?seed=2", "S02") as second:
        assert "Several recordings are under way (sub-S01_ses-01_run-01, sub-S02" in run("tell", study.path, "pause")[1]
        assert "there is sub-S01" in run("tell", study.path, "pause", "--recording", "sub-S03_ses-01_run-01")[1]
        assert run("tell", study.path, "pause", "--recording", "sub-S02_ses-01_run-01")[0] == 0
        assert (status := second.status()) is not None
        assert status.state == "paused"


def test_two_watch_to_the_end_and_are_told_where_the_file_is(study: Study, script: str) -> None:
    with under_way(study, script, "sim:?speed=2") as recorder:
        watchers = [watching(study), watching(study)]
        outputs = [watcher.communicate(timeout=60)[0] for watcher in watchers]
        assert recorder.result().complete
    assert [watcher.returncode for watcher in watchers] == [0, 0]
    assert all("its file is" in " ".join(output.split()) for output in outputs)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process only")
def test_a_viewer_that_leaves_does_not_end_the_recording(study: Study, script: str) -> None:
    with under_way(study, script, "sim:") as recorder:
        watcher = watching(study)
        with connect(recorder.journal) as client:
            wait_until(lambda: client.request("status").n_samples > 400)
            watcher.send_signal(signal.SIGINT)
            output = watcher.communicate(timeout=60)[0]
            assert client.request("status").state in ("recording", "finishing")
        assert recorder.result().complete
    assert "You no longer watch sub-S01_ses-01_run-01" in " ".join(output.split())


def test_a_watcher_is_told_when_the_recorder_died(study: Study, script: str) -> None:
    with under_way(study, script, "sim:") as recorder:
        watcher = watching(study)
        with connect(recorder.journal) as client:
            wait_until(lambda: client.request("status").n_samples > 400)
        recorder.process.kill()
        output = watcher.communicate(timeout=60)[0]
    assert watcher.returncode == 2
    assert "has gone without finishing" in " ".join(output.split())


def test_the_bell_rings_once_for_each_stall() -> None:
    class Bell(Console):
        rung = 0

        def bell(self) -> None:
            self.rung += 1

    console = Bell()
    alarm = Alarm(console)
    for state in ("recording", "stalled", "reconnecting", "stalled", "recording", "stalled"):
        alarm(RecorderStatus(state=state))
    assert console.rung == 2


def test_all_that_is_wrong_is_shown() -> None:
    status = RecorderStatus(
        state="reconnecting",
        n_samples=1000,
        rate_hz=250.0,
        stalled_s=3.0,
        message="The port is gone; plug it in.",
        gaps=1,
        lost_samples=7,
        bad_bytes=33,
        reconnects=2,
        disk_left_s=3700.0,
        leads=({"lead": "I", "judgement": "bad", "words": "press on electrode RA", "heart_rate_bpm": None},),
    )
    console = Console(width=200)
    with console.capture() as captured:
        console.print(status_table(status))
    shown = captured.get()
    for words in (
        "RECONNECTING: no samples for 3 s", "plug it in.", "7 samples lost in 1 gap", "33 bad bytes",
        "reached again 2 times", "room for 1:01:40", "lead I", "bad: press on electrode RA",
    ):  # fmt: skip
        assert words in shown
    assert status_line(status) == "reconnecting at 0:00, 7 samples lost: The port is gone; plug it in."
    assert [clock(s) for s in (0, 59.6, 3599, 3600, 90061)] == ["0:00", "1:00", "59:59", "1:00:00", "25:01:01"]


@pytest.mark.parametrize(("n_samples", "told"), [(250 * 59, False), (250 * 60, True)])
def test_a_short_recording_does_not_pretend_to_know_the_boards_drift(n_samples: int, told: bool) -> None:
    report = RecordingReport(
        expected_samples=n_samples,
        received_samples=n_samples - 1,
        lost_samples=1,
        n_gaps=1,
        longest_gap=1,
        steps=(),
        nominal_rate_hz=250.0,
        fitted_rate_hz=249.99,
        drift_ppm=-41.6,
        first_third_rate_hz=0.0,
        last_third_rate_hz=0.0,
        lateness=None,
        link=None,
        ending="",
    )
    summary = RecordingSummary(
        path=Path("r.h5"),
        n_samples=n_samples,
        rate_hz=249.99,
        n_events=3,
        gaps=(Gap(start=5, length=1, cause="radio"),),
        complete=True,
        reason="",
        report=report,
    )
    console = Console(width=200)
    with console.capture() as captured:
        print_summary(console, summary)
    assert ("the board runs −42 ppm off its rate" in captured.get()) == told
    assert "1 sample lost in 1 gap; the whole protocol" in captured.get()
