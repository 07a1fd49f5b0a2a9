"""The Cyton's driver against the double on a pseudo-terminal, and its address and commands without one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from acquire.boards import cyton_commands as says
from acquire.boards import cyton_talk
from acquire.boards.board import Chunk
from acquire.boards.cyton import HUNG_UP, RADIO, RESTARTED, WIRE, CytonBoard
from acquire.emulators import (
    CytonDouble,
    Fault,
    HangUp,
    LostByte,
    LostFrames,
    PowerCycle,
    PseudoTerminal,
    Silence,
    known_counts,
)
from acquire.errors import BoardError, BoardErrorReason
from tests.acquire.waiting import wait_until

on_terminal = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")

Start = Callable[..., tuple[CytonBoard, PseudoTerminal]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A board that streams from a double with these faults."""
    running: list[tuple[CytonBoard, PseudoTerminal]] = []

    def begin(
        *faults: Fault, options: str = "", speed: float = 1.0, **kind: object
    ) -> tuple[CytonBoard, PseudoTerminal]:
        double = CytonDouble(faults=faults, **kind)  # type: ignore[arg-type]
        terminal = PseudoTerminal(double, link=tmp_path / f"board{len(running)}", speed=speed)
        terminal.__enter__()
        board = CytonBoard(f"cyton:{terminal.link}{options}")
        running.append((board, terminal))
        board.open()
        board.start()
        return board, terminal

    yield begin
    for board, terminal in running:
        board.close()
        terminal.__exit__(None, None, None)


def read_to(board: CytonBoard, index: int, *, reconnect: bool = False) -> list[Chunk]:
    """Chunks until one reaches ``index``."""
    chunks: list[Chunk] = []

    def reached() -> bool:
        try:
            chunk = board.read(0.3)
            if chunk is not None:
                chunks.append(chunk)
            elif reconnect:
                board.reconnect()
        except BoardError:
            if not reconnect:
                raise
            attempt(board)
        return bool(chunks) and chunks[-1].index + len(chunks[-1].samples) >= index

    wait_until(reached)
    return chunks


def attempt(board: CytonBoard) -> bool:
    try:
        board.reconnect()
    except BoardError:
        return False
    return True


def check(chunks: list[Chunk], *, offset: int = 0) -> list[tuple[int, int, str]]:
    """Every sample is right; what is missing: (where, how many, why)."""
    gaps, end = [], 0
    for chunk in chunks:
        index = np.arange(chunk.index, chunk.index + len(chunk.samples))
        assert np.array_equal(chunk.samples, known_counts(index + offset)[:, : chunk.samples.shape[1]])
        if chunk.index > end:
            gaps.append((end, chunk.index - end, chunk.cause))
        else:
            assert not chunk.cause
        end = chunk.index + len(chunk.samples)
    return gaps


@on_terminal
def test_a_board_is_set_up_streams_every_sample_right_and_stops(tmp_path: Path) -> None:
    double = CytonDouble()
    with PseudoTerminal(double, speed=4.0) as terminal:
        with CytonBoard(f"cyton:{terminal.port}?leads=I,II") as board:
            info = CytonBoard.open(board)
            assert (info.firmware, info.nominal_rate_hz, info.dtype) == ("v3.1.2", 250.0, "int32")
            assert info.montage == {"I": {"CH1": 1.0}, "II": {"CH2": 1.0}}
            assert info.channels[0].gain == pytest.approx(4500 / 12 / (2**23 - 1))
            assert info.loss_detection == "sample counter modulo 256 and board clock"
            assert double.settings[1] == double.settings[2] == "050100"
            assert all(double.settings[channel] == "150000" for channel in range(3, 9))
            assert board.resource() == f"serial port {terminal.port}"
            board.start()
            assert check(read_to(board, 500)) == []
            assert board.link().bad_bytes == 0
            assert board.link().received_bytes > 500 * 33
        assert not double.streaming
        assert b"~" not in double.commands


@on_terminal
def test_a_chunk_says_when_it_came_by_the_computers_and_the_boards_clock(start: Start) -> None:
    board, _ = start()
    first, *_, last = read_to(board, 250)
    samples = last.index + len(last.samples) - first.index - len(first.samples)
    assert last.board_ns - first.board_ns == pytest.approx(samples * 4e6, abs=2e6)
    assert last.host_ns - first.host_ns == pytest.approx(samples * 4e6, abs=1e9)


@on_terminal
def test_no_chunk_reaches_past_max_samples_unless_a_loss_does(start: Start) -> None:
    board, terminal = start(LostFrames(at=50, samples=100), speed=4.0)
    assert terminal.wait_sent(300, 20)
    ends, chunks = [0], []
    while ends[-1] < 250:
        chunk = board.read(1.0, 7)
        assert chunk is not None
        assert chunk.index + len(chunk.samples) <= ends[-1] + 7 or len(chunk.samples) == 1
        chunks.append(chunk)
        ends.append(chunk.index + len(chunk.samples))
    assert check(chunks) == [(50, 100, RADIO)]


@on_terminal
def test_losses_are_told_with_their_length_and_cause(start: Start) -> None:
    faults = (LostByte(at=40, offset=9), LostFrames(at=100, samples=256), LostFrames(at=500, samples=3))
    board, _ = start(*faults, speed=4.0)
    assert check(read_to(board, 600)) == [(40, 1, WIRE), (100, 256, RADIO), (500, 3, RADIO)]


@on_terminal
def test_a_consumer_that_is_busy_for_five_seconds_loses_nothing(start: Start) -> None:
    board, terminal = start(speed=5.0)
    assert terminal.wait_sent(6250, 60)  # 25 s of samples, 200 kB, of which the system keeps 4 kB
    assert check(read_to(board, 6250)) == []
    assert terminal.dropped == 0


@on_terminal
def test_a_board_on_another_port_goes_on_with_one_gap_of_the_right_length(start: Start) -> None:
    board, terminal = start(HangUp(at=200, samples=300))
    before = terminal.port
    chunks = read_to(board, 700, reconnect=True)
    ((where, lost, cause),) = check(chunks)
    assert terminal.port != before
    assert where <= 200
    assert where + lost >= 500
    assert cause == HUNG_UP
    assert board.link().reconnects == 1


@on_terminal
def test_a_board_that_was_out_of_reach_is_not_reset_and_goes_on_exactly(start: Start) -> None:
    board, terminal = start(Silence(at=100, samples=500))
    assert isinstance(terminal.device, CytonDouble)
    chunks = read_to(board, 700, reconnect=True)
    assert [gap[:2] for gap in check(chunks)] == [(100, 500)]
    assert terminal.device.commands.count(b"v") == 1


@on_terminal
def test_a_board_that_was_off_is_set_up_anew_and_the_gap_judged_by_the_computers_clock(start: Start) -> None:
    board, terminal = start(PowerCycle(at=100, samples=250), clock_ms=100_000.0)
    assert isinstance(terminal.device, CytonDouble)
    chunks = read_to(board, 500, reconnect=True)
    later = next(chunk for chunk in chunks if chunk.cause)
    assert later.cause == RESTARTED
    truth = int(np.flatnonzero((known_counts(np.arange(2000))[:, :3] == later.samples[0]).all(axis=1))[0])
    assert abs(later.index - truth) <= 25
    assert terminal.device.settings[1] == "050100"
    assert later.board_ns > chunks[0].board_ns


@on_terminal
def test_a_port_that_does_not_come_back_stays_gone(start: Start) -> None:
    board, _ = start(HangUp(at=50), speed=4.0)
    with pytest.raises(BoardError) as caught:
        read_to(board, 10_000)
    assert caught.value.reason is BoardErrorReason.HUNG_UP
    with pytest.raises(BoardError) as caught:
        board.reconnect()
    assert caught.value.reason is BoardErrorReason.NOT_FOUND
    with pytest.raises(BoardError):
        board.read(0.01)
    assert board.link().reconnects == 0


@on_terminal
def test_a_silent_board_is_said_to_be_silent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyton_talk, "_ANSWER_S", 0.1)
    board, _ = start(Silence(at=20), speed=4.0)
    read_to(board, 20)
    with pytest.raises(BoardError, match="bring board and dongle nearer") as caught:
        board.reconnect()
    assert caught.value.reason is BoardErrorReason.SILENT
    assert board.read(0.01) is None


@on_terminal
@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ({"no_board": True}, BoardErrorReason.NO_BOARD, r"switch the board on \(to PC\), charge its battery"),
        ({"daisy": True}, BoardErrorReason.UNSUPPORTED, "a Daisy module sits on the board"),
        ({"greeting": "Grbl 1.1h ['$' for help]"}, BoardErrorReason.UNSUPPORTED, "no Cyton .*Grbl"),
        ({"greeting": "Failure: System is Down"}, BoardErrorReason.RADIO, "2.4 GHz"),
        ({"firmware": "v1.0.0"}, BoardErrorReason.UNSUPPORTED, "firmware v1.0.0 .* update it to v3"),
        ({"greeting": "OpenBCI V3 16CHAN\nADS1299"}, BoardErrorReason.UNSUPPORTED, "gives no version"),
        (
            {"has_clock": False},
            BoardErrorReason.UNSUPPORTED,
            r"does not send its clock, .* update its firmware to v3, or record through brainflow:cyton\?serial_port="
            r"/dev/\S+, which cannot tell a loss of 256 samples\.$",
        ),
    ],
)
def test_what_cannot_be_recorded_from_is_refused_with_the_mend(
    kind: dict[str, object], reason: BoardErrorReason, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cyton_talk, "_ANSWER_S", 0.3)
    threads = threading.active_count()
    with PseudoTerminal(CytonDouble(**kind)) as terminal:  # type: ignore[arg-type]
        board = CytonBoard(f"cyton:{terminal.port}")
        with pytest.raises(BoardError, match=words) as caught:
            board.open()
        with pytest.raises(BoardError, match="not open"):
            board.start()
    assert caught.value.reason is reason
    assert threading.active_count() <= threads


@on_terminal
def test_a_port_that_says_nothing_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyton_talk, "_GREETING_S", 0.1)
    master, slave = os.openpty()
    try:
        with pytest.raises(BoardError, match="did not answer on") as caught:
            CytonBoard(f"cyton:{os.ttyname(slave)}").open()
        assert caught.value.reason is BoardErrorReason.NO_ANSWER
    finally:
        os.close(slave)
        os.close(master)


@on_terminal
def test_electrodes_are_measured_before_a_recording_and_the_current_is_switched_off_again() -> None:
    double = CytonDouble(ohms={"1P": 5_000.0, "1N": 50_000.0, "2P": 400_000.0})
    with PseudoTerminal(double, speed=4.0) as terminal, CytonBoard(f"cyton:{terminal.port}?leads=I,II") as board:
        contacts = board.check_contact()
        assert set(double.lead_off.values()) == {"00"}
        board.start()
        assert read_to(board, 50)[0].index == 0
        with pytest.raises(BoardError, match="do so before the recording"):
            board.check_contact()
    assert [contact.electrode for contact in contacts] == [
        "CH1 (lead I) +",
        "CH1 (lead I) -",
        "CH2 (lead II) +",
        "CH2 (lead II) -",
    ]
    ohms = [contact.ohms for contact in contacts]
    assert ohms == [pytest.approx(o, abs=15_000) for o in (5_000, 50_000, 400_000, 8_000)]
    assert [contact.good for contact in contacts] == [True, True, False, True]
    assert "gel" in contacts[2].words


@on_terminal
def test_a_board_that_was_left_streaming_is_brought_to_rest_first() -> None:
    double = CytonDouble()
    with PseudoTerminal(double) as terminal:
        for _ in range(2):
            board = CytonBoard(f"cyton:{terminal.port}")
            board.open()
            board.start()
            read_to(board, 20)
            assert board._link is not None
            board._link.close()  # as a recorder that is killed


@pytest.mark.parametrize(
    ("address", "option", "words"),
    [
        ("cyton:?gain=3", "gain", "one of 1, 2, 4, 6, 8, 12 and 24"),
        ("cyton:?gain=012", "gain", "one of 1, 2"),
        ("cyton:?gain=", "gain", "one of 1, 2"),
        ("cyton:?leads=", "leads", "1 to 8 different names"),
        ("cyton:?leads=I,I", "leads", "1 to 8 different names"),
        ("cyton:?leads=a,b,c,d,e,f,g,h,i", "leads", "1 to 8 different names"),
        ("cyton:?gian=12", "gian", "did you mean gain"),
    ],
)
def test_a_wrong_option_is_named_before_any_port_is_touched(address: str, option: str, words: str) -> None:
    with pytest.raises(BoardError, match=words) as caught:
        CytonBoard(address)
    assert caught.value.reason is BoardErrorReason.BAD_OPTION
    assert caught.value.option == option


@pytest.mark.parametrize("gain", says.GAINS)
def test_a_channel_is_set_with_the_code_of_its_gain(gain: int) -> None:
    code = says.GAINS.index(gain)
    assert says.channel_command(1, gain=gain, on=True) == f"x10{code}0100X".encode()
    assert says.channel_command(8, gain=gain, on=False) == f"x81{code}0000X".encode()


def test_the_command_of_the_facts_is_the_usual_one() -> None:
    assert says.channel_command(1, gain=12, on=True) == b"x1050100X"
    assert says.gain_mv(24) * 1000 == pytest.approx(0.02235, rel=1e-3)
    assert says.lead_off_command(2, positive=True) == b"z210Z"


@pytest.mark.parametrize("ohms", [0.0, 1_000.0, 20_000.0, 750_000.0])
def test_an_impedance_is_read_out_of_its_own_frequency_beside_offset_drift_and_hum(ohms: float) -> None:
    at_s = np.arange(256) / 250.0
    peak_mv = 6e-9 * (ohms + 2200.0) * 1000.0
    signal_mv = peak_mv * np.sin(2 * np.pi * 31.25 * at_s) + 150.0 + 0.5 * at_s + 0.2 * np.sin(2 * np.pi * 50.0 * at_s)
    counts = np.rint(signal_mv / says.gain_mv(12)).astype(np.int32)
    assert says.contact_ohms(counts, gain=12) == pytest.approx(ohms, abs=300.0)


def test_an_input_at_its_rail_has_no_impedance() -> None:
    assert says.contact_ohms(np.full(256, 2**23 - 1, dtype=np.int32), gain=12) is None
    assert says.contact_ohms(np.full(256, -(2**23), dtype=np.int32), gain=12) is None
    assert says.contact_ohms(np.empty(0, dtype=np.int32), gain=12) is None
