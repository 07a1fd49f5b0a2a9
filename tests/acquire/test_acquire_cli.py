from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner
from waiting import wait_until

import acquire.checks.doctor
from acquire.checks.doctor import examine
from acquire.cli import app
from acquire.emulators import LinesDouble, PseudoTerminal, Silence
from acquire.errors import RecorderError
from acquire.recorder.control import RecorderStatus, state_path
from acquire.recorder.launch import prepare, record_headless, start_recorder
from acquire.recordings.recording import open_recording
from acquire.study import Study
from protocols.console import EXIT_ENDED_EARLY

ROOT = Path(__file__).resolve().parents[2]
QUICK = "sim:?speed=max"
SCRIPT = 'title = "Stairs"\n[[steps]]\nactivity = "climb"\ninstruction = "Climb."\nduration_s = 2\n'


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def refused(*arguments: object) -> str:
    code, output = run(*arguments)
    assert code == 2
    assert "Traceback" not in output
    return output


def test_new_makes_a_study(tmp_path: Path) -> None:
    code, output = run("new", tmp_path / "s", "--mains-hz", "60", "--factor", "electrode=agcl,crni")
    assert code == 0
    assert "Made the study s" in output
    assert Study.open(tmp_path / "s").factors == {"electrode": ["agcl", "crni"]}


def test_new_wants_the_mains_frequency(tmp_path: Path) -> None:
    assert "--mains-hz is missing: give 50 or 60" in refused("new", tmp_path / "s")
    assert "--mains-hz is '55'" in refused("new", tmp_path / "s", "--mains-hz", "55")
    assert "--mains-hz is 'fifty'" in refused("new", tmp_path / "s", "--mains-hz", "fifty")
    assert not (tmp_path / "s").exists()


def test_new_refuses_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be made" in refused("new", tmp_path / "file", "--mains-hz", "50")
    assert "is not empty" in refused("new", tmp_path, "--mains-hz", "50")
    assert "write a name, = and a value" in refused("new", tmp_path / "s", "--mains-hz", "50", "--factor", "x")


def test_new_refuses_a_protocol_or_board_that_no_recording_could_use(tmp_path: Path) -> None:
    for wish, sentence in (
        (("--protocol", "dt4eg"), "did you mean dt4ecg?"),
        (("--protocol", tmp_path / "missing.toml"), "there is no such file"),
        (("--board", "bogus:"), "names no known kind of board"),
        (("--board", "sim:?speed=-1"), "speed is '-1'"),
        (("--factor", "electrode=agcl,agcl"), "the factor electrode has the level agcl twice"),
    ):
        assert sentence in refused("new", tmp_path / "s", "--mains-hz", "50", *wish)
    script = tmp_path / "study.toml"
    script.write_text(SCRIPT)
    assert "rename the script" in refused("new", tmp_path / "s", "--mains-hz", "50", "--protocol", script)
    assert not (tmp_path / "s").exists()


def test_a_study_records_by_its_own_copy_of_a_script_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "stairs.toml"
    script.write_text(SCRIPT)
    code, output = run("new", tmp_path / "s", "--mains-hz", "50", "--protocol", script, "--board", QUICK)
    assert code == 0
    assert "the study records by this copy" in output
    script.unlink()
    monkeypatch.chdir(tmp_path)
    assert run("record", "s", "--headless", "--subject", "S01")[0] == 0
    with open_recording(Study.open("s").recording_path("S01", "01", 1)) as recording:
        assert recording.header.protocol_name == "stairs"
        assert recording.protocol_text == SCRIPT


def test_levels_may_stand_apart(tmp_path: Path) -> None:
    run("new", tmp_path / "s", "--mains-hz", "50", "--factor", "electrode=agcl, crni")
    assert Study.open(tmp_path / "s").factors == {"electrode": ["agcl", "crni"]}


def test_record_makes_a_recording_and_tells_of_a_new_subject(study: Study) -> None:
    wishes = ("record", study.path, "--headless", "--protocol", "quick-check", "--board", QUICK)
    code, output = run(*wishes, "--subject", "S01", "--factor", "electrode=crni", "--operator", "ab")
    assert code == 0
    assert output.startswith("Session 01, the first of S01. S01 is new")
    assert "S01 is new in this study and was added to subjects.csv" in output
    assert "the whole protocol" in output
    assert re.search(r"Expected (\d+) samples and received \1 \(100 %\)", output)
    assert "step activity expected recorded coverage 1.1" in output
    with open_recording(study.recording_path("S01", "01", 1)) as recording:
        assert recording.header.factors == {"electrode": "crni"}
        assert recording.header.operator == "ab"
    assert run(*wishes, "--subject", "S01", "--session", "NEW")[0] == 0
    code, output = run(*wishes, "--subject", "S01")
    assert code == 0
    assert "Session 02, as in the last recording of S01; --session new begins another." in output
    assert (
        "Note: this recording will not say its electrode (agcl or crni); say it with --factor electrode=agcl" in output
    )
    assert "differs from it only in capitals or leading zeros" in refused(*wishes, "--subject", "S01", "--session", "2")
    code, output = run(*wishes, "--subject", "Anna")
    assert "Anna looks like a name" in output
    assert [path.stem for path in study.recordings()] == [
        "sub-Anna_ses-01_run-01",
        "sub-S01_ses-01_run-01",
        "sub-S01_ses-02_run-01",
        "sub-S01_ses-02_run-02",
    ]


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (["--subject", "S01"], "add --headless"),
        (["--headless"], "--subject is missing"),
        (["--headless", "--subject", "../S01"], "a pseudonym is"),
        (["--headless", "--subject", "S01", "--session", "a/b"], "a session label is"),
        (["--headless", "--subject", "S01", "--protocol", "stairs"], "no protocol named 'stairs'"),
        (["--headless", "--subject", "S01", "--board", "cyto:"], "no known kind of board"),
        (["--headless", "--subject", "S01", "--board", "sim:?rate=7"], "rate is '7'"),
        (["--headless", "--subject", "S01", "--factor", "electrode"], "write a name, = and a value"),
        (["--headless", "--subject", "S01", "--factor", "day=1"], "names no factor 'day'"),
        (["--headless", "--subject", "S01", "--factor", "electrode=gold"], "no level 'gold'"),
        (["--headless", "--subject", "S01", "--operator", "a\nb"], "operator"),
        (
            ["--headless", "--subject", "S01", "--stall-limit", "nan"],
            "--stall-limit is nan; it must be 0 to 86400 seconds",
        ),
    ],
)
def test_record_refuses_with_a_sentence_and_leaves_nothing(
    study: Study, wishes: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if "--headless" not in wishes and not sys.platform.startswith("linux"):
        pytest.skip("there is a screen to open a window on")
    assert sentence in refused("record", study.path, *wishes)
    assert study.recordings() == []
    assert study.subjects() == []
    assert list(study.journals_dir.iterdir()) == []


def test_every_command_wants_a_study(tmp_path: Path) -> None:
    assert "is not a study folder" in refused("record", tmp_path, "--headless", "--subject", "S01")
    assert "is not a study folder" in refused("recover", tmp_path)


def test_a_montage_of_channels_that_the_board_lacks_is_refused_before_recording(study: Study) -> None:
    with (study.path / "study.toml").open("a") as file:
        file.write("ECG = { CH9 = 1.0 }\n")
    output = refused("record", study.path, "--headless", "--subject", "S01", "--board", QUICK)
    assert "channel 'CH9'" in output
    assert "mend study.toml" in output
    assert list(study.journals_dir.iterdir()) == []


def test_a_study_without_mains_hz_is_refused(study: Study) -> None:
    (study.path / "study.toml").write_text('name = "x"\n')
    assert "mains_hz is missing" in refused("record", study.path, "--headless", "--subject", "S01")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles")
def test_ctrl_c_stops_cleanly_with_a_whole_recording(study: Study) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from acquire.cli import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "record", str(study.path), "--headless", "--subject", "S01"],
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )
    journal = study.journal_path("S01", "01", 1)
    wait_until(lambda: journal.exists() and journal.stat().st_size > 6_000)
    assert "1 recording under way is left to its recorder" in run("recover", study.path)[1]
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"ended early: stopped by the operator" in output
    with open_recording(study.recording_path("S01", "01", 1)) as recording:
        assert recording.events[-1].kind == "stop"
    assert not journal.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_recover_makes_a_recording_of_an_orphan_and_record_speaks_of_it(study: Study) -> None:
    assert "nothing to recover" in run("recover", study.path)[1]
    recorder = start_recorder(prepare(study, subject="S01", board="sim:?speed=5"))
    wait_until(lambda: (status := recorder.status()) is not None and status.n_samples > 100)
    recorder.process.kill()
    with pytest.raises(
        RecorderError, match=f"ended by signal 9; what it recorded is in its journal: run trilead recover {study.path}"
    ):
        recorder.result()
    wishes = ("--headless", "--subject", "S02", "--protocol", "quick-check", "--board", QUICK)
    assert "1 unfinished recording waits" in run("record", study.path, *wishes)[1]
    (study.journals_dir / "sub-S09_ses-01_run-01.journal").write_bytes(b"no journal")
    output = refused("recover", study.path)
    assert "recovered" in output
    assert "is not a journal of trilead" in output
    assert "1 of 2 journals could not be recovered" in output
    assert study.recording_path("S01", "01", 1).exists()


def _recording(study: Study, *wishes: str, out: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """``trilead record`` in a process of its own, whose subject is S01."""
    return subprocess.Popen(
        [sys.executable, "-m", "trilead", "record", str(study.path), "--headless", "--subject", "S01", *wishes],
        cwd=ROOT,
        stdout=out,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles")
def test_a_second_ctrl_c_tells_that_finishing_goes_on_and_where_the_file_will_be(study: Study) -> None:
    journal = study.journal_path("S01", "01", 1)
    with _recording(study) as process:
        try:
            wait_until(lambda: state_path(journal).exists() and journal.stat().st_size > 6_000)
            pid = json.loads(state_path(journal).read_bytes())["pid"]
            # The recorder holds still, as over a long recording that takes its time to finish.
            os.kill(pid, signal.SIGSTOP)
            try:
                os.killpg(process.pid, signal.SIGINT)
                # The first one is heard when the answer to the command is waited for; it may take one more.
                wait_until(lambda: _interrupted(process))
                _, said = process.communicate(timeout=60)
            finally:
                os.kill(pid, signal.SIGCONT)
        finally:
            process.kill()
        try:
            wait_until(lambda: study.recording_path("S01", "01", 1).exists() and not journal.exists())
        except BaseException:
            # A recorder outlives the command that began it; no test may leave one behind.
            os.kill(pid, signal.SIGKILL)
            raise
    assert process.returncode == 130
    assert "Still finishing sub-S01_ses-01_run-01: that goes on in the background" in said.decode()
    assert str(study.recording_path("S01", "01", 1)) in said.decode()


def _interrupted(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    return process.poll() is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_recording_whose_output_cannot_be_written_is_whole_and_the_sentence_names_it(study: Study) -> None:
    with Path("/dev/full").open("wb") as full:
        process = _recording(study, "--protocol", "quick-check", "--board", QUICK, out=full)
        _, said = process.communicate(timeout=60)
    file = study.recording_path("S01", "01", 1)
    assert process.returncode == 2
    assert said.decode().endswith(f"The recording is whole all the same: {file}\n")
    assert said.count(b"\n") == 1
    with open_recording(file) as recording:
        assert recording.events[-1].kind == "end"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_recording_that_ends_by_itself_before_its_time_has_an_exit_code_of_its_own(study: Study) -> None:
    device = LinesDouble(faults=[Silence(at=100)])
    with PseudoTerminal(device, link=study.path / "board") as terminal:
        wishes = ("--headless", "--subject", "S01", "--board", f"lines:{terminal.link}", "--stall-limit", "1")
        code, output = run("record", study.path, *wishes)
    assert code == EXIT_ENDED_EARLY == 3
    assert "ended early: " in output
    assert study.recording_path("S01", "01", 1).exists()


@pytest.mark.parametrize("command", [("recover",), ("record", "--headless", "--subject", "S01"), ("check",)])
def test_a_file_in_the_place_of_the_journals_is_named(study: Study, command: tuple[str, ...]) -> None:
    study.journals_dir.rmdir()
    study.journals_dir.touch()
    output = refused(command[0], study.path, *command[1:])
    assert "journals is a file, where the study needs a folder; move it away." in output


def test_a_stopped_headless_recording_is_whole(study: Study) -> None:
    stop = threading.Event()

    def stop_soon(status: RecorderStatus) -> None:
        if status.n_samples > 100:
            stop.set()

    summary = record_headless(study, subject="S01", board="sim:?speed=5", stop=stop, on_status=stop_soon)
    assert not summary.complete
    assert summary.reason == "stopped by the operator"


def test_doctor_finds_everything_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run("doctor")
    assert code == 0, output
    assert "Everything that is needed is here." in output
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_what_is_wrong_and_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ["numpy>=99", "no-such-package>=1", 'no-such-extra>=2; extra == "train"', 'ours<1; python_version < "3"']
    monkeypatch.setattr(acquire.checks.doctor, "_requirements", lambda: needs)
    monkeypatch.chdir(tmp_path)
    code, output = run("doctor")
    assert code == 2
    assert 'run: pip install "numpy>=99"' in output
    assert "no-such-package is not installed" in output
    assert 'pip install "trilead[train]"' in output
    assert "ours" not in output
    assert "2 of" in output


def test_doctor_sees_a_folder_that_cannot_be_written_and_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    states = {check.name: check.state for check in examine(tmp_path / "file")}
    assert states["folder"] == "mend"
    assert acquire.checks.doctor._disk(tmp_path, lambda _: (1, 1, 10**8)).state == "mend"
