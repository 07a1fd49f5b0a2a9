import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import acquire.checks.board_check
import acquire.checks.listen
from acquire.boards.board import Board, BoardInfo, Channel, Chunk, Contact, LinkCounters
from acquire.checks.board_check import BoardCheck
from acquire.checks.check_cli import app
from acquire.checks.listen import listen, pace_of
from acquire.checks.preflight import Finding, examine_study
from acquire.emulators import CytonDouble, LostFrames, PseudoTerminal
from acquire.errors import BoardError, BoardErrorReason
from acquire.files import hold_name, try_hold
from acquire.study import Study

FAST = "sim:?speed=100"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", mains_hz=50, board=FAST)


def examine(study: Study, board: str | None = None, **changes: object) -> dict[str, Finding]:
    findings = examine_study(study, board=board, **changes)  # type: ignore[arg-type]
    assert len({finding.name for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.words
        assert "\n" not in finding.words
    return {finding.name: finding for finding in findings}


class FakeBoard(Board):
    """Sends a slow wave at exactly the rate it is told, by a clock of its own."""

    def __init__(
        self,
        *,
        rate_hz: float = 250.0,
        true_rate_hz: float = 250.0,
        contacts: tuple[Contact, ...] = (),
        fails_in: str = "",
        link: LinkCounters | None = None,
        unit: str = "mV",
        flat: bool = False,
    ) -> None:
        self.rate_hz, self.true_rate_hz = rate_hz, true_rate_hz
        self.contacts, self.fails_in, self.counters, self.unit = contacts, fails_in, link or LinkCounters(), unit
        self.closed, self.flat = False, flat
        self.index = 0

    def open(self) -> BoardInfo:
        self.fail("open")
        return BoardInfo(
            address="fake:",
            name="fake board",
            firmware="7",
            nominal_rate_hz=self.rate_hz,
            channels=(Channel(name="I", gain=1e-4, unit=self.unit),),
            montage={"I": {"I": 1.0}},
            dtype="int32",
            loss_detection="none: it is a fake",
        )

    def start(self) -> None:
        self.fail("start")

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        self.fail("read")
        n_rows = min(max_samples or 10, 10)
        place = self.index + np.arange(n_rows)
        self.index += n_rows
        samples = np.rint((not self.flat) * 5000 * np.sin(place / 40.0)).astype(np.int32)[:, None]
        return Chunk(samples=samples, index=int(place[0]), host_ns=round(self.index / self.true_rate_hz * 1e9))

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def check_contact(self) -> tuple[Contact, ...]:
        self.fail("check_contact")
        return self.contacts

    def link(self) -> LinkCounters:
        return self.counters

    def fail(self, deed: str) -> None:
        if self.fails_in == deed:
            raise BoardError(f"It failed to {deed}; mend it.", reason=BoardErrorReason.SILENT, address="fake:")


def with_board(monkeypatch: pytest.MonkeyPatch, board: FakeBoard) -> FakeBoard:
    monkeypatch.setattr(acquire.checks.board_check, "open_board", lambda address, **named: board)
    return board


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


# The whole.


def test_a_simulated_board_is_good_throughout_and_nothing_is_written(study: Study) -> None:
    before = snapshot(study.path)
    told: list[tuple[str, float]] = []
    found = examine(study, on_progress=lambda words, share: told.append((words, share)))
    assert {name for name, finding in found.items() if finding.state not in ("good", "skipped")} == set()
    assert {"board", "contact", "lead I", "lead II", "lead III", "mains", "losses", "board clock"} < found.keys()
    assert "heart rate" in found["lead II"].words
    assert told[0] == ("reaching the board", 0.0)
    assert told[-1][1] == 1.0
    assert snapshot(study.path) == before


@pytest.mark.parametrize("deed", ["open", "check_contact", "start", "read"])
def test_a_board_that_fails_is_red_with_its_sentence_and_the_rest_is_looked_at(
    study: Study, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    board = with_board(monkeypatch, FakeBoard(fails_in=deed))
    found = examine(study)
    red = [finding for finding in found.values() if finding.state == "bad"]
    assert [finding.words for finding in red] == [f"It failed to {deed}; mend it."]
    assert found["disk"].state == "good"
    assert found["unfinished"].state == "good"
    assert board.closed


@pytest.mark.parametrize(
    "address", ["", "nonsense", "sim:?spede=1", "cyton:/dev/no-such-port", "replay:no-such-file.h5"]
)
def test_an_address_that_reaches_nothing_is_red(study: Study, address: str) -> None:
    found = examine(study, address)
    assert found["board"].state == "bad"
    assert found["signal"].state == "skipped"
    assert found["disk"].state == "good"


def test_a_montage_that_does_not_fit_the_board_is_red(study: Study) -> None:
    file = study.path / "study.toml"
    file.write_text(file.read_text() + "I = { CH7 = 1.0 }\n")
    found = examine(Study.open(study.path))
    assert found["montage"].state == "bad"
    assert "CH7" in found["montage"].words
    assert found["signal"].state == "skipped"


# Each check.


def test_contact_shows_ohms_for_each_electrode(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    contacts = (
        Contact(electrode="RA", ohms=7512.0, good=True, words="good"),
        Contact(electrode="LA", ohms=2.5e6, good=False, words="press it on"),
        Contact(electrode="LL", ohms=None, good=False, words="it is off; press it on"),
    )
    with_board(monkeypatch, FakeBoard(contacts=contacts))
    found = examine(study)
    assert (found["contact RA"].state, found["contact RA"].words) == ("good", "7.5 kΩ")
    assert (found["contact LA"].state, found["contact LA"].words) == ("bad", "2.5 MΩ; press it on")
    assert (found["contact LL"].state, found["contact LL"].words) == ("bad", "it is off; press it on")


def test_a_lead_that_is_off_names_its_electrodes(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with_board(monkeypatch, FakeBoard(flat=True))
    found = examine(study)
    assert (found["lead I"].state, "it is flat" in found["lead I"].words) == ("bad", True)
    assert (found["electrodes"].state, found["electrodes"].words) == (
        "bad",
        "press on or replace electrodes RA and LA.",
    )
    assert (found["mains"].state, found["mains"].words) == ("skipped", "no lead is on")


@pytest.mark.parametrize(
    ("true_rate_hz", "state"), [(250.0, "good"), (252.0, "good"), (240.0, "doubtful"), (125.0, "bad")]
)
def test_the_true_rate_is_compared_with_the_nominal(
    study: Study, monkeypatch: pytest.MonkeyPatch, true_rate_hz: float, state: str
) -> None:
    with_board(monkeypatch, FakeBoard(true_rate_hz=true_rate_hz))
    found = examine(study, "fake:")["board clock"]
    assert found.state == state
    assert f"{true_rate_hz:.1f} Hz" in found.words


def test_a_board_that_is_not_in_real_time_has_no_clock_to_compare(study: Study) -> None:
    assert examine(study, "sim:?speed=max")["board clock"].state == "skipped"


@pytest.mark.parametrize(
    ("address", "pace"),
    [("sim:", 1.0), ("sim:?speed=200", 200.0), ("sim:?speed=max", np.inf), ("replay:a?speed=2", 2.0), ("cyton:", 1.0)],
)
def test_the_pace_stands_in_the_address(address: str, pace: float) -> None:
    assert pace_of(address) == pace


def test_hum_of_the_other_frequency_names_the_wrong_setting(study: Study) -> None:
    found = examine(study, f"{FAST}&mains_hz=60&noise=2")["mains"]
    assert found.state == "bad"
    assert "set mains_hz = 60" in found.words


def test_hum_of_the_right_frequency_is_good(study: Study) -> None:
    found = examine(study, f"{FAST}&noise=2")["mains"]
    assert (found.state, "at 50 Hz" in found.words) == ("good", True)


@pytest.mark.parametrize("person", [f"S{number:02d}" for number in range(1, 9)])
def test_a_heart_without_hum_is_not_taken_for_hum(study: Study, person: str) -> None:
    found = examine(study, f"{FAST}&noise=0&person={person}")["mains"]
    assert (found.state, "too weak" in found.words) == ("good", True)


def test_hum_without_a_gain_cannot_be_judged(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with_board(monkeypatch, FakeBoard(unit="adu"))
    assert examine(study)["mains"].state == "skipped"


@pytest.mark.parametrize(("drop", "state"), [("600:5", "doubtful"), ("200:50,600:100", "bad")])
def test_losses_are_counted(study: Study, drop: str, state: str) -> None:
    lost = sum(int(part.partition(":")[2]) for part in drop.split(","))
    found = examine(study, f"{FAST}&drop={drop}")["losses"]
    assert found.state == state
    assert f"{lost} of 1250 samples" in found.words


def test_bad_bytes_on_the_link_are_doubtful(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with_board(monkeypatch, FakeBoard(link=LinkCounters(received_bytes=9000, bad_bytes=12)))
    found = examine(study)["losses"]
    assert (found.state, "12 bad bytes" in found.words) == ("doubtful", True)


@pytest.mark.parametrize("stop_after", ["0", "2"])
def test_a_board_that_falls_silent_is_red(study: Study, monkeypatch: pytest.MonkeyPatch, stop_after: str) -> None:
    monkeypatch.setattr(acquire.checks.listen, "SILENT_S", 0.2)
    found = examine(study, f"{FAST}&stop_after={stop_after}")
    assert found["signal"].state == "bad"
    assert "check" in found["signal"].words


def test_a_clock_that_cannot_be_right_is_red(study: Study) -> None:
    found = examine(study, now=lambda: datetime(1970, 1, 1, tzinfo=UTC))["computer clock"]
    assert (found.state, "set date and time" in found.words) == ("bad", True)


def test_a_clock_that_is_set_meanwhile_is_doubtful(study: Study) -> None:
    times = iter([NOW, *[NOW + timedelta(hours=1)] * 9])
    found = examine(study, now=lambda: next(times))["computer clock"]
    assert (found.state, "was set by" in found.words) == ("doubtful", True)


def test_a_clock_behind_the_newest_recording_is_doubtful(study: Study) -> None:
    recording = study.recording_path("S01", "01", 1)
    recording.write_bytes(b"")
    os.utime(recording, (NOW.timestamp() + 7200,) * 2)
    times = iter(NOW + timedelta(seconds=0.001 * k) for k in range(9))
    found = examine(study, now=lambda: next(times))["computer clock"]
    assert (found.state, "newest recording" in found.words) == ("doubtful", True)


def test_a_full_disk_is_red_with_its_figures(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acquire.recorder.disk.free_bytes", lambda folder: 1_000_000)
    found = examine(study)["disk"]
    assert (found.state, "1.0 MB free" in found.words) == ("bad", True)


def test_a_protocol_that_does_not_exist_is_red_and_the_board_is_looked_at(study: Study) -> None:
    found = examine(study, protocol="no-such-protocol")
    assert found["protocol"].state == "bad"
    assert found["disk"].state == "skipped"
    assert found["lead I"].state == "good"


def test_journals_are_named_whether_orphaned_or_under_way(study: Study) -> None:
    study.journal_path("S01", "01", 1).write_bytes(b"left behind")
    running = study.journal_path("S02", "01", 1)
    running.write_bytes(b"under way")
    descriptor = os.open(running, os.O_RDWR)
    try:
        assert try_hold(descriptor)
        found = examine(study)
    finally:
        os.close(descriptor)
    assert "sub-S01_ses-01_run-01 is waiting" in found["unfinished"].words
    assert "trilead recover" in found["unfinished"].words
    assert "sub-S02_ses-01_run-01 is under way" in found["other recordings"].words
    assert (found["unfinished"].state, found["other recordings"].state) == ("doubtful", "doubtful")


def test_a_board_that_somebody_records_from_is_red_and_left_alone(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("acquire.boards.lock._locks_folder", lambda: tmp_path)
    board = with_board(monkeypatch, FakeBoard(fails_in="open"))
    with hold_name(tmp_path, "fake:"):
        found = examine(study, "fake:")
    assert "is using the board fake:" in found["board"].words
    assert not board.closed


@pytest.mark.parametrize(
    ("duration_s", "told"),
    [(0.4, "0.4 s"), (30, "30 s"), (90, "90 s"), (100, "2 min"), (3600, "60 min"), (9000, "2 h 30 min")],
)
def test_a_protocol_tells_how_long_it_takes_in_the_unit_that_suits_it(
    study: Study, tmp_path: Path, duration_s: float, told: str
) -> None:
    script = tmp_path / "own.toml"
    script.write_text(f'title = "Own"\n[[steps]]\nactivity = "rest"\ninstruction = "Sit."\nduration_s = {duration_s}\n')
    assert examine(study, "sim:?speed=max", protocol=str(script))["protocol"].words == f"own, {told}"


@pytest.mark.parametrize(("protocol", "needed"), [("quick-check", "430 kB needed"), ("dt4ecg", "MB needed")])
def test_what_a_recording_needs_is_never_nothing(study: Study, protocol: str, needed: str) -> None:
    words = examine(study, "sim:?speed=max", protocol=protocol)["disk"].words
    assert words.endswith(needed)
    assert " 0 " not in words


# A board that is stayed with.


def test_the_signal_is_judged_anew_while_the_board_is_stayed_with(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = with_board(monkeypatch, FakeBoard(flat=True))
    with BoardCheck(study, "fake:") as check:
        check.reach()
        check.measure_contact()
        check.hear()
        assert {finding.name: finding.state for finding in check.findings}["lead I"] == "bad"
        before = [finding.name for finding in check.findings]
        board.flat = False
        for _ in range(50):
            check.go_on(10)
        check.judge_again()
        found = {finding.name: finding for finding in check.findings}
        assert found["lead I"].state != "bad"
        assert found["losses"].words.startswith("1750 samples came")
        assert [name for name in before if name != "electrodes"] == list(found)
        assert not board.closed
    assert board.closed


def test_a_board_that_cannot_be_stopped_is_let_go_all_the_same(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    board = with_board(monkeypatch, FakeBoard())
    monkeypatch.setattr(board, "stop", lambda: board.fail(board.fails_in))
    board.fails_in = "stop"
    assert examine(study)["lead I"].state != "bad"
    assert board.closed


# Listening by itself.


def test_listening_gives_up_on_a_board_that_hardly_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquire.checks.listen, "SILENT_S", 0.2)
    board = FakeBoard()
    slow = iter(range(10**9))

    def read(timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        time.sleep(0.001)  # the pace of the board, not a wait for anything
        index = next(slow)
        return Chunk(samples=np.zeros((1, 1), dtype=np.int32), index=index, host_ns=time.monotonic_ns())

    monkeypatch.setattr(board, "read", read)
    heard = listen(board, 100_000.0, lambda chunk: None, span_s=0.1)
    assert heard.fault.startswith("Only 0.0 s of 0.1 s")
    assert "rate" in heard.fault


def test_the_rate_is_right_though_chunks_come_in_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    board = FakeBoard()
    made = board.read

    def read(timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        chunk = made(timeout_s, max_samples)
        assert chunk is not None
        late_ns = -chunk.host_ns % 16_000_000  # what a USB serial adapter holds back
        return Chunk(samples=chunk.samples, index=chunk.index, host_ns=chunk.host_ns + late_ns)

    monkeypatch.setattr(board, "read", read)
    heard = listen(board, 250.0, lambda chunk: None, span_s=5.0)
    assert heard.rate_hz() == pytest.approx(250.0, rel=2e-3)
    assert heard.rate_hz(by_board=True) is None


# A board on a port, and the command.


@needs_pty
def test_a_cyton_is_checked_with_its_electrodes_and_its_losses(study: Study) -> None:
    # Time passes four times as fast for this one, which the check must notice.
    with PseudoTerminal(CytonDouble(), speed=4.0) as terminal:
        lose = [LostFrames(at=0, samples=3)]

        def progress(words: str, share: float) -> None:
            if share > 0.2 and lose:
                terminal.schedule(lose.pop())

        found = examine(study, f"cyton:{terminal.port}", on_progress=progress)
    assert "OpenBCI Cyton" in found["board"].words
    assert sum(name.startswith("contact CH") for name in found) == 6
    assert [found[f"lead {lead}"].state for lead in ("I", "II", "III")] == ["good"] * 3
    assert (found["losses"].state, "3 of 1250 samples" in found["losses"].words) == ("doubtful", True)
    assert (found["board clock"].state, "250.0 Hz by the board's own clock" in found["board clock"].words) == (
        "bad",
        True,
    )


def test_the_command_prints_a_line_per_finding_and_exits_with_0(study: Study) -> None:
    result = CliRunner().invoke(app, [str(study.path)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-1] == "READY to record."
    assert any(line.startswith("good  lead I  heart rate") for line in lines)


def test_the_command_exits_with_2_when_something_is_bad(study: Study) -> None:
    result = CliRunner().invoke(app, [str(study.path), "--board", "lines:/dev/no-such-port"])
    assert result.exit_code == 2
    assert result.output.startswith("BAD  board  ")
    assert "NOT READY: first mend board." in result.output


def test_the_command_gives_json(study: Study) -> None:
    result = CliRunner().invoke(app, [str(study.path), "--json", "--board", f"{FAST}&mains_hz=60&noise=3"])
    assert result.exit_code == 2
    told = json.loads(result.output)
    assert told["ready"] is False
    assert {"name", "state", "words"} == set(told["findings"][0])
    assert [finding["name"] for finding in told["findings"] if finding["state"] == "bad"] == ["mains"]


def test_a_folder_that_is_no_study_is_refused_in_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 2
    assert "is not a study folder" in result.output + result.stderr
