"""Boards behind BrainFlow: its synthetic and playback boards, and its own Cyton driver on a double of the board."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from acquire.boards import ports
from acquire.boards.board import Chunk, open_board
from acquire.boards.brainflow_board import BrainFlowBoard
from acquire.boards.brainflow_library import board_names, library, translate
from acquire.boards.package_numbers import AWAY, JUMP, NOT_A_NUMBER, RESTART, PackageNumbers
from acquire.boards.ports import SerialPort
from acquire.emulators import (
    Burst,
    CytonDouble,
    DuplicateFrame,
    Fault,
    HangUp,
    LostByte,
    LostFrames,
    PseudoTerminal,
    known_index,
)
from acquire.errors import BoardError, BoardErrorReason

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
UV_PER_COUNT = 4.5e6 / 24 / (2**23 - 1)
SECOND_NS = 1_000_000_000


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def board_at(address: str) -> BrainFlowBoard:
    board = open_board(address)
    assert isinstance(board, BrainFlowBoard)
    return board


def read_until(board: BrainFlowBoard, enough: Callable[[Chunk], bool], limit_s: float = 30.0) -> list[Chunk]:
    """Chunks up to the first one that is enough."""
    limit = time.monotonic() + limit_s
    chunks: list[Chunk] = []
    while time.monotonic() < limit:
        chunk = board.read(0.5)
        if chunk is not None:
            chunks.append(chunk)
            if enough(chunk):
                return chunks
    raise AssertionError("not enough came in time")


def past(index: int) -> Callable[[Chunk], bool]:
    return lambda chunk: chunk.index + len(chunk.samples) > index


def true_index(chunk: Chunk) -> NDArray[np.int64]:
    counts = np.rint(chunk.samples.astype(np.float64) / UV_PER_COUNT).astype(np.int32)
    return known_index(counts, range(counts.shape[1]))


def all_right(chunks: list[Chunk]) -> bool:
    return all((true_index(chunk) == chunk.index + np.arange(len(chunk.samples))).all() for chunk in chunks)


def fault_of(address: str) -> BoardError:
    with pytest.raises(BoardError) as caught:
        open_board(address).open()
    return caught.value


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "reason", "words"),
        [
            ("brainflow:", BoardErrorReason.BAD_ADDRESS, "BrainFlow's boards are"),
            ("brainflow:ganglon", BoardErrorReason.BAD_ADDRESS, "ganglion"),
            ("brainflow:no_board", BoardErrorReason.BAD_ADDRESS, "knows no board of this name"),
            ("brainflow:synthetic?chanels=1", BoardErrorReason.BAD_OPTION, "channels"),
            ("brainflow:synthetic?channels=0", BoardErrorReason.BAD_OPTION, "from 1 to 64"),
            ("brainflow:synthetic?channels=1,1", BoardErrorReason.BAD_OPTION, "no two alike"),
            ("brainflow:synthetic?channels=", BoardErrorReason.BAD_OPTION, "from 1 to 64"),
            ("brainflow:synthetic?channels=17", BoardErrorReason.BAD_OPTION, "1 to 16"),
            ("brainflow:synthetic?channels=1,2&leads=I", BoardErrorReason.BAD_OPTION, "1 names for 2 channels"),
            ("brainflow:synthetic?preset=other", BoardErrorReason.BAD_OPTION, "ancillary"),
            ("brainflow:synthetic?preset=ancillary", BoardErrorReason.BAD_OPTION, "leave preset out"),
            ("brainflow:synthetic?timeout=61", BoardErrorReason.BAD_OPTION, "1 to 60"),
            ("brainflow:synthetic?ip_port=70000", BoardErrorReason.BAD_OPTION, "65535"),
            (f"brainflow:playback_file?file={__file__}", BoardErrorReason.BAD_ADDRESS, "master_board"),
            (
                f"brainflow:playback_file?file={__file__}&master_board=none",
                BoardErrorReason.BAD_OPTION,
                "BrainFlow board",
            ),
            ("brainflow:playback_file", BoardErrorReason.BAD_OPTION, "playback_file needs file"),
            ("brainflow:playback_file?file=/none", BoardErrorReason.BAD_OPTION, "the file '/none' does not exist"),
            (
                "brainflow:playback_file?file=/&master_board=cyton",
                BoardErrorReason.BAD_OPTION,
                "the file '/' is no file",
            ),
        ],
    )
    def test_a_mistake_is_named_before_anything_is_opened(
        self, address: str, reason: BoardErrorReason, words: str
    ) -> None:
        with pytest.raises(BoardError) as caught:
            open_board(address)
        assert caught.value.reason is reason
        assert words in str(caught.value)

    @pytest.mark.parametrize("name", ["synthetic", "SYNTHETIC_BOARD", "Synthetic_Board"])
    def test_a_name_may_be_written_as_brainflow_does_or_short(self, name: str) -> None:
        assert board_at(f"brainflow:{name}").resource() == ""

    def test_every_board_of_brainflow_can_be_named(self) -> None:
        names = board_names(library("brainflow:"))
        assert {"cyton", "ganglion_native", "callibri_ecg", "shimmer3", "synthetic", "playback_file"} <= set(names)

    def test_channels_are_leads_only_where_they_are_named(self) -> None:
        with board_at("brainflow:synthetic?channels=3,1,2&leads=I,-,II") as board:
            info = board.open()
        assert [channel.name for channel in info.channels] == ["I", "CH1", "II"]
        assert info.montage == {"I": {"I": 1.0}, "II": {"II": 1.0}}


class TestErrors:
    @pytest.mark.parametrize(
        ("address", "reason"),
        [
            ("brainflow:cyton?serial_port=/dev/none", BoardErrorReason.NOT_FOUND),
            ("brainflow:cyton", BoardErrorReason.BAD_OPTION),
            ("brainflow:playback_file?file=/none&master_board=cyton", BoardErrorReason.BAD_OPTION),
        ],
    )
    def test_a_board_that_cannot_be_opened_says_what_to_do(self, address: str, reason: BoardErrorReason) -> None:
        error = fault_of(address)
        assert error.reason is reason
        assert ";" in str(error)

    @pytest.mark.parametrize("code", range(1, 24))
    def test_every_exit_code_has_a_sentence(self, code: int) -> None:
        error = library("").BrainFlowError("some text", code)
        ours = translate(error, "brainflow:x", "")
        assert str(ours).startswith("The board 'brainflow:x' ")
        assert str(ours).endswith(".")

    def test_a_port_that_is_not_yours_names_the_group(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        port = tmp_path / "port"
        port.touch()
        error = library("").BrainFlowError("no", 2)
        assert translate(error, "", str(port)).reason is BoardErrorReason.BUSY
        monkeypatch.setattr("os.access", lambda path, mode: False)
        refused = translate(error, "", str(port))
        assert refused.reason is BoardErrorReason.NOT_PERMITTED
        assert "dialout" in str(refused)

    def test_a_board_opened_twice_is_refused_and_goes_on_for_who_had_it_first(self) -> None:
        with board_at("brainflow:synthetic") as board:
            board.start()
            assert fault_of("brainflow:synthetic").reason is BoardErrorReason.BUSY
            gc.collect()
            read_until(board, past(50))

    def test_loading_it_warns_of_nothing(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            library("brainflow:synthetic")

    def test_without_the_package_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "brainflow", None)
        with pytest.raises(BoardError) as caught:
            open_board("brainflow:synthetic")
        assert caught.value.reason is BoardErrorReason.MISSING_DRIVER
        assert "pip install" in str(caught.value)

    @pytest.mark.parametrize("deed", ["start", "read", "reconnect"])
    def test_what_is_not_open_refuses(self, deed: str) -> None:
        board = board_at("brainflow:synthetic")
        with pytest.raises(BoardError) as caught:
            board.read(0.0) if deed == "read" else getattr(board, deed)()
        assert caught.value.reason is BoardErrorReason.WRONG_STATE

    def test_stopping_and_closing_may_be_done_at_any_time(self) -> None:
        board = board_at("brainflow:synthetic")
        for _ in range(2):
            board.stop()
            board.close()
            board.open()
            board.close()
            board.stop()


class TestSynthetic:
    def test_its_rows_come_without_a_loss_and_in_microvolts(self) -> None:
        with board_at("brainflow:synthetic?channels=1,2,3") as board:
            info = board.open()
            board.start()
            chunks = read_until(board, past(100))
        assert info.nominal_rate_hz == 250.0
        assert info.dtype == "float32"
        assert [channel.gain for channel in info.channels] == [0.001] * 3
        assert info.loss_detection.startswith("package number modulo 256")
        assert [chunk.index for chunk in chunks] == np.cumsum([0, *(len(c.samples) for c in chunks[:-1])]).tolist()
        assert all(chunk.samples.shape[1] == 3 and chunk.samples.dtype == np.float32 for chunk in chunks)
        assert not any(chunk.cause for chunk in chunks)

    def test_a_chunk_reaches_no_further_than_asked(self) -> None:
        with board_at("brainflow:synthetic?channels=1") as board:
            board.start()
            end = 0
            for _ in range(20):
                chunk = board.read(5.0, max_samples=2)
                assert chunk is not None
                assert chunk.index == end
                end = chunk.index + len(chunk.samples)
                assert len(chunk.samples) <= 2
            with pytest.raises(ValueError, match="max_samples"):
                board.read(0.0, max_samples=0)

    def test_after_a_stop_nothing_is_left_over(self) -> None:
        with board_at("brainflow:synthetic") as board:
            board.start()
            read_until(board, past(10))
            board.stop()
            limit = 0
            while board.read(0.05) is not None:
                limit += 1
                assert limit < 100
            board.start()
            assert read_until(board, past(0))[0].index == 0

    def test_it_can_be_reached_again(self) -> None:
        with board_at("brainflow:synthetic?channels=1") as board:
            board.start()
            end = read_until(board, past(50))[-1]
            board.reconnect()
            chunk = read_until(board, past(0))[0]
            assert chunk.index >= end.index + len(end.samples)
            assert chunk.cause in ("", AWAY)
            assert board.link().reconnects == 1


class TestPlayback:
    def test_a_file_of_a_cyton_is_played_and_its_hole_is_seen(self, tmp_path: Path) -> None:
        rows = np.zeros((300, 24))
        index = np.delete(np.arange(400), np.arange(100, 200))
        rows[:, 0] = index % 256
        rows[:, 1] = index
        rows[:, 22] = 1.7e9 + index * 1e-3
        path = tmp_path / "cyton.csv"
        np.savetxt(path, rows, delimiter="\t", fmt="%.6f")
        with board_at(f"brainflow:playback_file?file={path}&master_board=cyton&channels=1") as board:
            board.start()
            chunks = read_until(board, past(390))
        came = np.concatenate([chunk.samples[:, 0] for chunk in chunks])
        placed = np.concatenate([chunk.index + np.arange(len(chunk.samples)) for chunk in chunks])
        assert (came - came[0] == placed).all()
        assert [chunk.cause for chunk in chunks if chunk.cause] == [JUMP]


@needs_pty
class TestCytonThroughBrainFlow:
    def test_samples_are_right_and_small_losses_and_copies_are_seen(self) -> None:
        faults: list[Fault] = [
            DuplicateFrame(at=60),
            LostFrames(at=100, samples=3),
            Burst(at=150, samples=40),
            LostByte(at=250, offset=32),
        ]
        with (
            PseudoTerminal(CytonDouble(faults=faults)) as terminal,
            board_at(f"brainflow:cyton?serial_port={terminal.port}") as board,
        ):
            board.start()
            chunks = read_until(board, past(300))
        assert all_right(chunks)
        gaps = [
            (before.index + len(before.samples), after.index)
            for before, after in itertools.pairwise(chunks)
            if before.index + len(before.samples) != after.index
        ]
        assert gaps[0] == (100, 103)
        assert len(gaps) == 2
        assert 250 <= gaps[1][0] < gaps[1][1] <= 254

    @pytest.mark.parametrize("samples", [256, 512])
    def test_a_loss_of_whole_turns_is_told_by_the_clock(self, samples: int) -> None:
        device = CytonDouble(faults=[LostFrames(at=100, samples=samples)])
        with (
            PseudoTerminal(device) as terminal,
            board_at(f"brainflow:cyton?serial_port={terminal.port}") as board,
        ):
            board.start()
            chunks = read_until(board, past(100 + samples))
        assert all_right(chunks)
        assert [chunk.index for chunk in chunks if chunk.cause] == [100 + samples]

    def test_a_pulled_cable_is_told_and_the_board_reached_again_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with PseudoTerminal(CytonDouble()) as terminal:

            def plugged_in() -> list[SerialPort]:
                return [SerialPort(device=terminal.port, serial_number="DM01")]

            monkeypatch.setattr(ports, "list_ports", plugged_in)
            with board_at("brainflow:cyton?serial_port=DM01") as board:
                assert board.resource() == "serial port DM01"
                board.start()
                read_until(board, past(100))
                terminal.schedule(HangUp(at=0, samples=100))
                with pytest.raises(BoardError) as caught:
                    read_until(board, past(10_000))
                assert caught.value.reason is BoardErrorReason.HUNG_UP
                limit = time.monotonic() + 30
                while True:
                    try:
                        board.reconnect()
                        break
                    except BoardError:
                        assert time.monotonic() < limit
                        time.sleep(0.05)
                chunk = read_until(board, past(0))[0]
        assert chunk.cause == AWAY
        assert abs(int(true_index(chunk)[0]) - chunk.index) <= 25

    def test_a_dongle_without_a_board_does_not_answer(self) -> None:
        with PseudoTerminal(CytonDouble(no_board=True)) as terminal:
            error = fault_of(f"brainflow:cyton?serial_port={terminal.port}")
        assert error.reason is BoardErrorReason.NO_ANSWER


class TestPackageNumbers:
    def place(self, numbers: PackageNumbers, given: list[float], at_s: float) -> list[tuple[int, int, str]]:
        runs = numbers.place(given, [True] * len(given), round(at_s * SECOND_NS))
        return [(run.index, run.stop - run.start, run.cause) for run in runs]

    def test_consecutive_numbers_are_one_run_over_the_turn(self) -> None:
        numbers = PackageNumbers(250.0, 256)
        assert self.place(numbers, [float(k % 256) for k in range(250, 270)], 0.0) == [(0, 20, "")]

    def test_a_jump_is_a_loss(self) -> None:
        numbers = PackageNumbers(250.0, 256)
        assert self.place(numbers, [254, 255, 3, 4], 0.0) == [(0, 2, ""), (5, 2, JUMP)]

    def test_the_same_and_an_old_number_are_dropped(self) -> None:
        numbers = PackageNumbers(250.0, 256)
        self.place(numbers, [10, 11, 12], 0.0)
        assert self.place(numbers, [12, 11, 13, 14], 0.01) == [(3, 2, "")]
        assert numbers.dropped == 2

    def test_numbers_that_start_anew_are_followed(self) -> None:
        numbers = PackageNumbers(250.0, 256)
        self.place(numbers, [float(k) for k in range(100)], 0.0)
        assert self.place(numbers, [0, 1, 2, 3], 0.01) == [(101, 3, RESTART)]

    @pytest.mark.parametrize("turns", [1, 2, 4, 100])
    def test_whole_turns_are_told_by_the_clock(self, turns: int) -> None:
        numbers = PackageNumbers(256.0, 256)
        self.place(numbers, [0, 1, 2, 3], 0.0)
        assert self.place(numbers, [4, 5], turns + 2 / 256) == [(4 + turns * 256, 2, JUMP)]

    def test_a_burst_after_a_silence_is_no_loss(self) -> None:
        numbers = PackageNumbers(250.0, 256)
        self.place(numbers, [0], 0.0)
        burst = [float(k % 256) for k in range(1, 501)]
        assert self.place(numbers, burst, 2.0) == [(1, 500, "")]

    def test_the_turn_of_an_unknown_board_is_learnt(self) -> None:
        numbers = PackageNumbers(200.0, None)
        rows = [float(k % 101) for k in range(300)]
        assert self.place(numbers, rows, 0.0) == [(0, 300, "")]
        assert self.place(numbers, [5.0, 6.0], 0.02) == [(300 + 8, 2, JUMP)]

    def test_samples_may_share_a_number(self) -> None:
        numbers = PackageNumbers(200.0, None)
        assert self.place(numbers, [0, 0, 1, 1, 2, 2], 0.0) == [(0, 6, "")]
        assert self.place(numbers, [5, 5], 0.01) == [(6 + 4, 2, JUMP)]

    def test_what_is_no_number_is_dropped_or_missing(self) -> None:
        numbers = PackageNumbers(250.0, 256)
        assert self.place(numbers, [0, float("nan"), 0.5, float("inf"), 1], 0.0) == [(0, 1, ""), (1, 1, "")]
        runs = numbers.place([2, 3, 4], [True, False, True], 0)
        assert [(run.index, run.start, run.stop, run.cause) for run in runs] == [(2, 0, 1, ""), (4, 2, 3, NOT_A_NUMBER)]

    def test_any_numbers_give_growing_indices(self) -> None:
        random = np.random.default_rng(5)
        for turn in (256, None):
            numbers = PackageNumbers(250.0, turn)
            end, at_s = 0, 0.0
            for _ in range(300):
                at_s += float(random.choice([0.01, 0.3, 3.0]))
                for index, length, _ in self.place(numbers, random.integers(-5, 300, 20).astype(float).tolist(), at_s):
                    assert index >= end
                    end = index + length
