from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from waiting import wait_until

import acquire.checks.listener
from acquire.boards.board import open_board
from acquire.boards.lock import hold_address, hold_board
from acquire.checks.listener import JOURNAL_NAME, SCRATCH_PREFIX, ListenerConfig
from acquire.checks.preflight import examine_study
from acquire.emulators import CytonDouble, PseudoTerminal
from acquire.errors import RecorderError
from acquire.recordings.journal import read_journal
from acquire.study import Study
from acquire.viewer.listening import Listening, ListeningState

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
FAST = "sim:?speed=max"

Start = Callable[..., Listening]


@pytest.fixture
def start(study: Study) -> Iterator[Start]:
    started: list[Listening] = []

    def start(board: str, protocol: str = "quick-check") -> Listening:
        started.append(Listening.start(study, board, protocol))
        return started[-1]

    yield start
    for listening in started:
        listening.close()
        assert not listening.journal.parent.exists()


def reached(listening: Listening, phase: str) -> ListeningState:
    wait_until(lambda: listening.state().phase in (phase, "failed"))
    state = listening.state()
    assert state.phase == phase, state.words
    return state


def test_it_finds_what_the_check_command_finds_and_then_listens_on(study: Study, start: Start) -> None:
    listening = start(FAST)
    state = reached(listening, "listening")
    expected = examine_study(study, board=FAST, protocol="quick-check")
    assert [finding.name for finding in state.findings] == [finding.name for finding in expected]
    assert [finding.state for finding in state.findings] == [finding.state for finding in expected]
    wait_until(lambda: len(listening.state().leads) == 3)
    assert [lead["lead"] for lead in listening.state().leads] == ["I", "II", "III"]
    assert {"judgement", "words", "heart_rate_bpm"} <= listening.state().leads[0].keys()


def test_what_is_heard_stands_in_a_journal_in_real_time_even_from_a_faster_board(start: Start) -> None:
    listening = start(FAST)
    reached(listening, "listening")
    begun_s = time.monotonic()
    before = read_journal(listening.journal)
    wait_until(lambda: len(read_journal(listening.journal).chunks) >= len(before.chunks) + 20)
    journal = read_journal(listening.journal)
    assert journal.header["header"]["nominal_rate_hz"] == 250.0
    assert not journal.damaged
    starts, stops = next(iter(journal.chunks.ranges()))
    assert list(starts[1:]) == list(stops[:-1])
    assert stops[-1] - 1250 < 250 * (time.monotonic() - begun_s + 1.5)


def test_a_loss_is_a_gap_of_the_journal_with_its_cause(start: Start) -> None:
    listening = start(f"{FAST}&drop=500:30")
    reached(listening, "listening")
    events = [event for event in read_journal(listening.journal).events if event["kind"] == "gap"]
    assert [event["index"] for event in events] == [500]
    assert "30 of" in next(finding.words for finding in listening.state().findings if finding.name == "losses")


@pytest.mark.parametrize(
    ("board", "named"),
    [
        ("cyton:/dev/no-such-port", "no-such-port"),
        ("nonsense", "names no known kind"),
        ("sim:?spede=1", "spede"),
        ("replay:no-such-file.h5", "no-such-file.h5"),
        ("", "names no known kind"),
        ("lines:\ud800", "control characters"),
    ],
)
def test_a_board_that_is_not_there_is_told_and_the_computer_is_looked_at_all_the_same(
    start: Start, board: str, named: str
) -> None:
    listening = start(board)
    wait_until(lambda: listening.state().phase == "failed")
    state = listening.state()
    assert named in state.words
    found = {finding.name: finding.state for finding in state.findings}
    assert (found["board"], found["signal"], found["disk"]) == ("bad", "skipped", "good")
    assert state.leads == ()
    assert not listening.journal.exists()


def test_a_protocol_that_cannot_be_used_is_red_and_the_board_is_listened_to(start: Start) -> None:
    state = reached(start(FAST, protocol="no-such-protocol"), "listening")
    assert {finding.name: finding.state for finding in state.findings}["protocol"] == "bad"


@needs_pty
def test_a_cyton_is_measured_heard_and_free_again_at_once(start: Start) -> None:
    with PseudoTerminal(CytonDouble(), speed=6.0) as terminal:
        address = f"cyton:{terminal.port}"
        listening = start(address)
        state = reached(listening, "listening")
        assert sum(finding.name.startswith("contact CH") for finding in state.findings) == 6
        with ExitStack() as stack, pytest.raises(RecorderError, match="is using the board"):
            hold_address(stack, address)
        begun_s = time.monotonic()
        listening.close()
        with ExitStack() as stack:
            hold_address(stack, address)
            board = open_board(address)
            stack.callback(board.close)
            board.open()
            hold_board(stack, board.resource(), address)
            assert time.monotonic() - begun_s < 8.0


@needs_pty
def test_one_that_measures_contact_ends_within_three_seconds_of_being_told(start: Start) -> None:
    with PseudoTerminal(CytonDouble()) as terminal:
        listening = start(f"cyton:{terminal.port}")
        reached(listening, "contact")
        begun_s = time.monotonic()
        listening.close()
        assert time.monotonic() - begun_s < 3.0
        with ExitStack() as stack:
            hold_address(stack, f"cyton:{terminal.port}")


def test_a_board_that_somebody_uses_is_told_and_left_alone(start: Start) -> None:
    with ExitStack() as stack:
        hold_address(stack, "lines:/dev/somebody-has-it")
        listening = start("lines:/dev/somebody-has-it")
        wait_until(lambda: listening.state().phase == "failed")
    assert "is using the board" in listening.state().words


@needs_pty
def test_a_board_that_is_unplugged_while_it_is_listened_to_is_told(start: Start) -> None:
    with PseudoTerminal(CytonDouble(), speed=6.0) as terminal:
        listening = start(f"cyton:{terminal.port}")
        reached(listening, "listening")
    wait_until(lambda: listening.state().phase == "failed")
    state = listening.state()
    assert "cyton:" in state.words
    assert "Errno" not in state.words
    told = {finding.name: finding.state for finding in state.findings}
    assert (told["board"], told["lead I"], told["losses"], told["disk"]) == ("bad", "skipped", "skipped", "good")
    assert list(told.values()).count("bad") == 1
    assert {lead["judgement"] for lead in state.leads} == {"skipped"}
    assert state.stood_at is not None


@needs_pty
def test_a_board_that_is_unplugged_while_its_contact_is_measured_is_one_red_line(start: Start) -> None:
    with PseudoTerminal(CytonDouble()) as terminal:
        listening = start(f"cyton:{terminal.port}")
        reached(listening, "contact")
    wait_until(lambda: listening.state().phase == "failed")
    bad = [finding.name for finding in listening.state().findings if finding.state == "bad"]
    assert bad == ["board"]


def test_a_listener_that_is_killed_is_told(start: Start) -> None:
    listening = start("sim:")
    reached(listening, "signal")
    listening._process.kill()
    wait_until(lambda: listening.state().phase == "failed")
    assert "listener" in listening.state().words
    assert [finding.name for finding in listening.state().findings if finding.state == "bad"] == ["listener"]
    assert "good" not in {lead["judgement"] for lead in listening.state().leads}


def test_closing_twice_and_before_anything_was_said_does_no_harm(start: Start) -> None:
    listening = start("sim:")
    listening.close()
    listening.close()
    assert listening._process.returncode is not None
    assert not listening.journal.parent.exists()


def test_what_a_driver_prints_is_passed_over(start: Start) -> None:
    listening = start(FAST)
    before = reached(listening, "listening")
    for line in (
        b"hello",
        b"[1]",
        b"7",
        b'{"phase": "lunch"}',
        b'{"phase": "signal"}',
        b'{"findings": 3}',
        b"\xff",
        b"[" * 9999,
    ):
        listening._take(line)
    assert listening.state().phase == before.phase


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_it_does_not_outlive_who_started_it_and_leaves_no_signal_behind(study: Study) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from acquire.study import Study
        from acquire.viewer.listening import Listening
        listening = Listening.start(Study.open(sys.argv[1]), "sim:", "quick-check")
        while not listening.journal.exists():
            time.sleep(0.01)
        print(listening._process.pid, listening.journal, flush=True)
        time.sleep(1000)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(study.path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        pid, _, journal = parent.stdout.readline().strip().partition(" ")
        assert Path(journal).exists()
        parent.kill()
    wait_until(lambda: not _lives(int(pid)), limit_s=5.0)
    assert not Path(journal).parent.exists()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # One that nobody has waited for yet has ended all the same.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_an_earlier_listening_left_is_removed_when_it_is_old(study: Study, start: Start) -> None:
    old, new = (Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX)) for _ in range(2))
    for folder in (old, new):
        (folder / JOURNAL_NAME).write_bytes(b"what a heart did")
    os.utime(old, (time.time() - 10 * 3600,) * 2)
    start(FAST)
    assert (old.exists(), new.exists()) == (False, True)


# The process itself.


def listener(text: str) -> tuple[int, list[dict[str, object]]]:
    ran = subprocess.run(
        [sys.executable, "-m", "acquire.checks.listener"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("text", ["", "\n", "{", "7\n", "[]\n", "{}\n", '{"study": 1}\n', "[" * 100_000 + "\n"])
def test_a_config_that_cannot_be_used_is_told_in_a_sentence(text: str) -> None:
    code, said = listener(text)
    assert code == 2
    assert [list(line) for line in said] == [["error"]]
    assert "config cannot be used" in str(said[0]["error"])


def test_a_study_that_has_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    config = {
        "study": str(tmp_path / "gone"),
        "board": "sim:",
        "protocol": "quick-check",
        "journal": str(tmp_path / "j"),
    }
    code, said = listener(json.dumps(config) + "\n")
    assert code == 2
    assert "is not a study folder" in str(said[-1]["error"])


@pytest.mark.parametrize(("limit", "value"), [("LONGEST_S", 0.05), ("MOST_BYTES", 20_000)])
def test_it_ends_by_itself_when_it_was_forgotten(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(acquire.checks.listener, limit, value)
    with pytest.raises(RecorderError, match="which is the longest"):
        listen(study, FAST, tmp_path)


def test_a_board_that_falls_silent_is_told_and_then_given_up(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquire.checks.listener, "SILENT_S", 0.1)
    monkeypatch.setattr(acquire.checks.listener, "GIVEN_UP_S", 0.3)
    said: list[str] = []
    with pytest.raises(RecorderError, match="No samples came for"):
        listen(study, f"{FAST}&stop_after=6", tmp_path, said)
    assert any("no samples for" in words for words in said)


def listen(study: Study, board: str, folder: Path, said: list[str] | None = None) -> None:
    """Run a listener in this very process until it ends by itself."""
    import threading

    class Ear(acquire.checks.listener._Speech):
        def say(self, **line: object) -> None:
            if said is not None and "words" in line:
                said.append(str(line["words"]))

    config = ListenerConfig(
        study=str(study.path), board=board, protocol="quick-check", journal=str(folder / JOURNAL_NAME)
    )
    acquire.checks.listener._Listener(config, Ear(), threading.Event()).run()
