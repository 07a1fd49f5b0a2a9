"""The doubles: a known waveform, a board's side of the protocol, faults where they were ordered, a port to open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from numpy.typing import NDArray
from waiting import wait_until

from acquire.emulators import (
    FRAME_BYTES,
    MAX_INDEX,
    PATTERNS,
    Ads1292rDouble,
    Ads1293Double,
    Burst,
    CorruptByte,
    CytonDouble,
    Device,
    DuplicateFrame,
    ElectrodeOff,
    Fault,
    Garbage,
    HangUp,
    LinesDouble,
    LostByte,
    LostFrames,
    Pattern,
    PowerCycle,
    PseudoTerminal,
    Silence,
    known_counts,
    known_index,
    known_levels,
    known_words,
    read_fault,
)

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def streaming_cyton(**options: object) -> CytonDouble:
    cyton = CytonDouble(**options)  # type: ignore[arg-type]
    cyton.receive(b"b")
    return cyton


def wire(device: Device, samples: int) -> bytes:
    return b"".join(piece.data for piece in device.advance(samples))


def frames(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, FRAME_BYTES)


def counts_of(data: bytes) -> NDArray[np.int32]:
    table = frames(data)
    wide = np.zeros((len(table), 8, 4), np.uint8)
    wide[:, :, :3] = table[:, 2:26].reshape(-1, 8, 3)
    return (wide.view(">i4")[..., 0] >> 8).astype(np.int32)


class TestWaveform:
    @pytest.mark.parametrize("pattern", PATTERNS)
    @pytest.mark.parametrize("channels", [range(8), (0, 1, 2), (3, 4, 5), (2, 1, 0)])
    def test_its_index_can_be_read_back(self, pattern: Pattern, channels: range | tuple[int, ...]) -> None:
        index = np.concatenate([np.arange(2000), np.random.default_rng(1).integers(0, MAX_INDEX, 2000), [MAX_INDEX]])
        counts = known_counts(index, pattern=pattern)[:, list(channels)]
        assert (known_index(counts, channels, pattern=pattern) == index).all()

    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_it_fits_24_bits_and_knows_no_two_equal_samples(self, pattern: Pattern) -> None:
        counts = known_counts(np.arange(100_000), 3, pattern=pattern)
        assert counts.min() >= -(2**23)
        assert counts.max() < 2**23
        assert len(np.unique(counts, axis=0)) == 100_000

    def test_a_row_put_together_from_two_samples_is_told_wrong(self) -> None:
        counts = known_counts(np.arange(5000), 3)
        for channel in range(3):
            mixed = counts.copy()
            mixed[:, channel] = np.roll(counts[:, channel], 1)
            read = known_index(mixed)
            differs = mixed[:, channel] != counts[:, channel]
            assert differs.mean() > 0.99
            assert (read != np.arange(5000))[differs].all()
            assert not (np.roll(counts, 1, axis=0) == mixed).all(axis=1)[differs].any()

    def test_a_single_wrong_bit_is_told_wrong(self) -> None:
        counts = known_counts(np.arange(500), 3)
        for bit in range(24):
            for channel in range(3):
                changed = counts.copy()
                changed[:, channel] ^= 1 << bit
                assert not np.isin(known_index(changed), np.arange(100_000)).any()

    def test_a_frame_shifted_by_bytes_is_told_wrong(self) -> None:
        stream = wire(streaming_cyton(), 300)
        for shift in range(1, FRAME_BYTES):
            shifted = stream[shift : shift + 299 * FRAME_BYTES]
            assert (known_index(counts_of(shifted), range(8)) == -1).all()

    def test_false_frames_look_like_frames_at_a_wrong_place(self) -> None:
        table = frames(wire(streaming_cyton(pattern="false-frame"), 100)[5 : 5 + 99 * FRAME_BYTES])
        assert (table[:, 0] == 0xA0).all()
        assert (table[:, -1] == 0xC0).all()

    def test_channels_that_cannot_tell_the_index_are_refused(self) -> None:
        with pytest.raises(ValueError, match="0 to 2 or 3 to 5"):
            known_index(np.zeros((1, 2), np.int32), (0, 1))

    def test_levels_fit_a_10_bit_converter_and_words_16_bits(self) -> None:
        levels = known_levels(np.arange(10_000), 8)
        assert levels.min() >= 0
        assert levels.max() <= 1023
        words = known_words(np.arange(65_536))
        assert np.array_equal(words, words.astype(np.int16))
        assert len(np.unique(words & 0xFF, axis=0)) == 65_536


class TestCytonSpeaks:
    def test_it_greets_on_v_and_ends_with_three_dollars(self) -> None:
        greeting = CytonDouble(firmware="v3.1.1").receive(b"v")
        assert greeting.startswith(b"OpenBCI V3")
        assert b"Firmware: v3.1.1" in greeting
        assert b"Daisy" not in greeting
        assert greeting.endswith(b"$$$")
        assert greeting.count(b"$") == 3

    def test_it_says_that_it_carries_a_daisy(self) -> None:
        assert b"On Daisy ADS1299" in CytonDouble(daisy=True).receive(b"v")

    def test_it_may_be_of_another_firmware(self) -> None:
        assert CytonDouble(greeting="Ganglion v2").receive(b"v") == b"Ganglion v2$$$"

    def test_it_takes_channel_settings_in_pieces_and_confirms_them(self) -> None:
        cyton = CytonDouble()
        assert cyton.receive(b"x10501") == b""
        assert cyton.receive(b"00X") == b"Success: Channel set for 1$$$"
        assert cyton.settings[1] == "050100"

    @pytest.mark.parametrize("command", [b"x9050100X", b"x1090100X", b"x105X", b"x1050100Y", b"z12 Z", b"z1100Z"])
    def test_it_refuses_what_is_no_setting(self, command: bytes) -> None:
        cyton = CytonDouble()
        assert cyton.receive(command).startswith(b"Failure")
        assert cyton.settings == CytonDouble().settings

    def test_channels_go_off_and_on(self) -> None:
        cyton = streaming_cyton()
        cyton.receive(b"2")
        assert (counts_of(wire(cyton, 10))[:, 1] == 0).all()
        cyton.receive(b"@")
        assert known_index(counts_of(wire(cyton, 1)), range(8)).tolist() == [10]

    def test_without_a_board_the_dongle_says_so_and_nothing_streams(self) -> None:
        cyton = CytonDouble(no_board=True)
        assert cyton.receive(b"v").startswith(b"Failure: Communications timeout")
        cyton.receive(b"b")
        assert wire(cyton, 100) == b""
        assert cyton.receive(b"\xf0\x07") == b"Failure: System is Down$$$"

    def test_it_streams_the_known_waveform_from_index_0(self) -> None:
        data = wire(streaming_cyton(), 1000)
        assert (known_index(counts_of(data), range(8)) == np.arange(1000)).all()
        table = frames(data)
        assert (table[:, 1] == np.arange(1000) % 256).all()
        assert (table[:, 0] == 0xA0).all()
        assert (table[:, -1] == 0xC0).all()

    def test_with_the_clock_on_each_frame_ends_in_milliseconds(self) -> None:
        cyton = CytonDouble(clock_ms=2**32 - 1000)
        assert cyton.receive(b"<") == b"Time stamp ON$$$"
        cyton.receive(b"b")
        table = frames(wire(cyton, 500))
        assert table[0, -1] == 0xC3
        assert (table[1:, -1] == 0xC4).all()
        clock = table[:, 28:32].copy().view(">u4")[:, 0].astype(np.int64)
        assert ((clock - clock[0]) % 2**32 == 4 * np.arange(500)).all()

    def test_an_older_firmware_knows_no_clock(self) -> None:
        cyton = CytonDouble(has_clock=False)
        assert cyton.receive(b"<") == b""
        cyton.receive(b"b")
        assert (frames(wire(cyton, 10))[:, -1] == 0xC0).all()

    def test_a_slow_board_has_a_true_clock_and_a_wrong_clock_has_a_true_rate(self) -> None:
        def clock_after(samples: int, **options: float) -> int:
            cyton = CytonDouble(clock_ms=0, **options)  # type: ignore[arg-type]
            cyton.receive(b"<b")
            last = frames(wire(cyton, samples + 1))[-1]
            return int.from_bytes(last[28:32].tobytes(), "big")

        assert clock_after(25_000) == 100_000
        assert clock_after(25_000, rate_ppm=-10_000) == pytest.approx(101_010, abs=1)
        assert clock_after(25_000, clock_ppm=500) == pytest.approx(100_050, abs=1)

    def test_stale_frames_and_8_bytes_of_junk_follow_a_stop(self) -> None:
        cyton = streaming_cyton(stale_frames=3)
        wire(cyton, 10)
        assert len(cyton.receive(b"s")) == 3 * FRAME_BYTES + 8
        assert wire(cyton, 10) == b""
        assert cyton.receive(b"s") == b""

    def test_an_electrode_of_some_ohms_is_heard_while_lead_off_is_on(self) -> None:
        cyton = CytonDouble(ohms={"1P": 50_000.0, "2N": 5_000.0})
        assert cyton.receive(b"x1060100Xx2060100Xz110Zz201Z").count(b"Success") == 4
        cyton.receive(b"b")
        extra = counts_of(wire(cyton, 1250)) - known_counts(np.arange(1250))
        assert not extra[:, 2:].any()
        volts = extra[:, :2] * (4.5 / 24 / (2**23 - 1))
        ohms = np.sqrt(2) * volts.std(axis=0) / 6e-9 - 2200
        assert ohms == pytest.approx([50_000, 5_000], rel=0.01)


class TestFaults:
    def test_a_burst_holds_all_back_and_loses_nothing(self) -> None:
        cyton = streaming_cyton(faults=[Burst(at=10, samples=50)])
        assert len(wire(cyton, 10)) == 10 * FRAME_BYTES
        assert wire(cyton, 49) == b""
        late = wire(cyton, 1)
        assert (known_index(counts_of(late), range(8)) == np.arange(10, 60)).all()

    def test_in_a_burst_an_answer_waits_behind_the_samples(self) -> None:
        cyton = streaming_cyton(faults=[Burst(at=0, samples=3)])
        wire(cyton, 2)
        assert cyton.receive(b"\xf0\x07") == b""
        assert wire(cyton, 2)[2 * FRAME_BYTES :].startswith(b"Success: System is Up$$$\xa0")

    def test_a_lost_and_a_corrupt_byte_hit_the_byte_they_name(self) -> None:
        whole = wire(streaming_cyton(), 3)
        lost = wire(streaming_cyton(faults=[LostByte(at=1, offset=5)]), 3)
        assert lost == whole[: FRAME_BYTES + 5] + whole[FRAME_BYTES + 6 :]
        corrupt = wire(streaming_cyton(faults=[CorruptByte(at=2, offset=0, flip=0x0F)]), 3)
        assert [place for place in range(len(whole)) if whole[place] != corrupt[place]] == [2 * FRAME_BYTES]
        assert corrupt[2 * FRAME_BYTES] == 0xAF

    def test_lost_bytes_of_one_frame_are_counted_in_the_whole_frame(self) -> None:
        whole = wire(streaming_cyton(), 1)
        lost = wire(streaming_cyton(faults=[LostByte(at=0, offset=0), LostByte(at=0, offset=1)]), 1)
        assert lost == whole[2:]

    def test_a_duplicate_frame_comes_twice_and_brings_one_sample(self) -> None:
        pieces = streaming_cyton(faults=[DuplicateFrame(at=2)]).advance(4)
        assert [piece.index for piece in pieces] == [0, 1, 2, -1, 3]
        assert pieces[2].data == pieces[3].data

    def test_garbage_comes_before_its_frame(self) -> None:
        assert wire(streaming_cyton(faults=[Garbage(at=1, data=b"??")]), 2)[FRAME_BYTES : FRAME_BYTES + 2] == b"??"

    @pytest.mark.parametrize("samples", [1, 255, 256, 257, 512, 1024])
    def test_lost_frames_leave_counter_and_clock_running(self, samples: int) -> None:
        data = wire(streaming_cyton(faults=[LostFrames(at=100, samples=samples)]), 100 + samples + 10)
        index = known_index(counts_of(data), range(8))
        assert index.tolist() == [*range(100), *range(100 + samples, 110 + samples)]
        assert (frames(data)[:, 1] == index % 256).all()

    def test_in_a_silence_nothing_is_answered_either(self) -> None:
        cyton = streaming_cyton(faults=[Silence(at=5, samples=10)])
        wire(cyton, 6)
        assert cyton.receive(b"\xf0\x07") == b""
        assert known_index(counts_of(wire(cyton, 10)), range(8))[0] == 15
        assert cyton.receive(b"\xf0\x07") == b"Success: System is Up$$$"

    def test_a_silence_without_an_end_lasts(self) -> None:
        cyton = streaming_cyton(faults=[Silence(at=5)])
        assert len(wire(cyton, 10_000)) == 5 * FRAME_BYTES
        assert cyton.receive(b"sv") == b""

    def test_after_a_power_cycle_all_starts_anew_and_waits_for_b(self) -> None:
        cyton = CytonDouble(clock_ms=50_000, faults=[PowerCycle(at=100, samples=75)])
        cyton.receive(b"<x1050100Xb")
        assert len(frames(wire(cyton, 120))) == 100
        assert cyton.receive(b"v").startswith(b"Failure: Communications timeout")
        assert wire(cyton, 80) == b""
        assert cyton.settings == CytonDouble().settings
        cyton.receive(b"<b")
        table = frames(wire(cyton, 5))
        assert table[:, 1].tolist() == [0, 1, 2, 3, 4]
        assert known_index(counts_of(table.tobytes()), range(8)).tolist() == [200, 201, 202, 203, 204]
        assert int.from_bytes(table[0, 28:32].tobytes(), "big") == 4 * 25

    def test_a_hang_up_takes_the_port_and_brings_it_back(self) -> None:
        pieces = streaming_cyton(faults=[HangUp(at=3, samples=4)]).advance(10)
        ports = [(piece.port, piece.index) for piece in pieces]
        assert ports[3] == ("goes", -1)
        assert ports[8] == ("returns", -1)

    def test_a_fault_that_should_have_been_happens_with_the_next_sample(self) -> None:
        cyton = streaming_cyton()
        wire(cyton, 10)
        cyton.schedule(LostFrames(at=3, samples=2))
        assert known_index(counts_of(wire(cyton, 4)), range(8)).tolist() == [12, 13]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("burst:10:20", Burst(at=10, samples=20)),
            ("corrupt-byte:10:32", CorruptByte(at=10, offset=32)),
            ("corrupt-byte:10:32:1", CorruptByte(at=10, offset=32, flip=1)),
            ("silence:7", Silence(at=7)),
            ("hang-up:7:250", HangUp(at=7, samples=250)),
            ("garbage:7:a0C0", Garbage(at=7, data=b"\xa0\xc0")),
            ("duplicate-frame:0", DuplicateFrame(at=0)),
        ],
    )
    def test_it_is_read_from_text(self, text: str, fault: Fault) -> None:
        assert read_fault(text) == fault

    @pytest.mark.parametrize(
        "text",
        ["", "burst", "burst:1", "burst:1:2:3", "burst:x:2", "burst:-1:2", "burst:1:0", "lost-byte:1:-1", "garbage:1:g",
         "corrupt-byte:1:2:0", "corrupt-byte:1:2:256", "no-fault:1", "burst:1:" + "9" * 5000],
    )  # fmt: skip
    def test_text_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"fault|bits"):
            read_fault(text)

    @pytest.mark.parametrize("rate_ppm", [-1e6, 1e6, float("nan")])
    def test_an_impossible_rate_is_refused(self, rate_ppm: float) -> None:
        with pytest.raises(ValueError, match="ppm"):
            CytonDouble(rate_ppm=rate_ppm)

    @pytest.mark.parametrize(
        ("make", "fault", "sentence"),
        [
            (CytonDouble, ElectrodeOff(at=3, samples=2), "this board cannot tell of electrodes"),
            (Ads1293Double, ElectrodeOff(at=3, samples=2), "this board cannot tell of electrodes"),
            (CytonDouble, LostByte(at=3, offset=33), "the bytes of this board's frames are 0 to 32"),
            (Ads1293Double, LostByte(at=3, offset=19), "the bytes of this board's frames are 0 to 18"),
            (Ads1292rDouble, CorruptByte(at=3, offset=16), "the bytes of this board's frames are 0 to 15"),
            (LinesDouble, LostByte(at=3, offset=6), "the bytes of this board's frames are 0 to 5"),
        ],
    )
    def test_a_fault_that_does_nothing_to_a_board_is_refused(
        self, make: Callable[..., Device], fault: Fault, sentence: str
    ) -> None:
        with pytest.raises(ValueError, match=sentence):
            make(faults=[fault])
        with pytest.raises(ValueError, match=sentence):
            make().schedule(fault)


class TestBoardsThatTalkUnasked:
    def test_lines_hold_the_known_levels(self) -> None:
        lines = LinesDouble(n_columns=3, separator="\t")
        assert wire(lines, 5) == b""
        lines.opened()
        rows = [[int(level) for level in line.split("\t")] for line in wire(lines, 100).decode().splitlines()]
        assert rows == known_levels(np.arange(100), 3).tolist()

    def test_an_electrode_that_is_off_shows_as_a_mark(self) -> None:
        lines = LinesDouble(faults=[ElectrodeOff(at=2, samples=3)])
        lines.opened()
        assert [line == "!" for line in wire(lines, 7).decode().split()] == [
            False,
            False,
            True,
            True,
            True,
            False,
            False,
        ]

    def test_three_leads_come_as_32_bit_words_in_frames(self) -> None:
        board = Ads1293Double()
        board.opened()
        table = np.frombuffer(wire(board, 50), np.uint8).reshape(50, 19)
        assert bytes(table[7, :5]) == b"\x0a\xfa\x0c\x00\x02"
        assert bytes(table[7, -2:]) == b"\x00\x0b"
        assert (known_index(table[:, 5:17].copy().view("<i4").astype(np.int32)) == np.arange(50)).all()

    def test_a_lead_and_breathing_come_as_16_bit_words_in_frames(self) -> None:
        board = Ads1292rDouble(payload_bytes=8)
        board.opened()
        table = np.frombuffer(wire(board, 50), np.uint8).reshape(50, 15)
        assert (table[:, 5:9].copy().view("<i2") == known_words(np.arange(50))).all()

    @pytest.mark.parametrize("make", [LinesDouble, Ads1293Double, Ads1292rDouble])
    def test_after_a_power_cycle_it_talks_again_unasked(self, make: Callable[..., Device]) -> None:
        board = make(faults=[PowerCycle(at=2, samples=3)])
        board.opened()
        assert [piece.index for piece in board.advance(7)] == [0, 1, 5, 6]


@needs_pty
class TestPseudoTerminal:
    def test_a_serial_port_reads_what_the_board_sends_in_real_time(self) -> None:
        with PseudoTerminal(CytonDouble()) as terminal, serial.Serial(terminal.port, 115200, timeout=10) as port:
            port.write(b"v")
            assert port.read_until(b"$$$").startswith(b"OpenBCI")
            port.write(b"b")
            data = port.read(100 * FRAME_BYTES)
            times = terminal.sent_times_ns
        assert (known_index(counts_of(data), range(8)) == np.arange(100)).all()
        assert [index for index, _ in times[:100]] == list(range(100))
        taken_s = (times[99][1] - times[0][1]) / 1e9
        assert 0.99 * 99 / 250 < taken_s + 0.02

    def test_unpaced_it_waits_for_the_reader_and_drops_nothing(self) -> None:
        with (
            PseudoTerminal(CytonDouble(), speed=0) as terminal,
            serial.Serial(terminal.port, 115200, timeout=10) as port,
        ):
            port.write(b"b")
            assert (known_index(counts_of(port.read(20_000 * FRAME_BYTES)), range(8)) == np.arange(20_000)).all()
            assert terminal.dropped == 0

    def test_a_start_may_be_unpaced(self) -> None:
        with (
            PseudoTerminal(CytonDouble(), speed=1e-3, unpaced_until=5000) as terminal,
            serial.Serial(terminal.port, 115200, timeout=10) as port,
        ):
            port.write(b"b")
            assert len(port.read(5000 * FRAME_BYTES)) == 5000 * FRAME_BYTES
            assert terminal.wait_sent(4999, timeout_s=10)

    def test_who_does_not_read_does_not_hold_it_up(self) -> None:
        with PseudoTerminal(CytonDouble(), speed=2000) as terminal, serial.Serial(terminal.port, 115200) as port:
            port.write(b"b")
            wait_until(lambda: terminal.dropped > 0)

    def test_nobody_hears_what_is_sent_while_the_port_is_closed(self) -> None:
        with PseudoTerminal(CytonDouble(), speed=10) as terminal:
            with serial.Serial(terminal.port, 115200, timeout=10) as port:
                port.write(b"b")
                port.read(FRAME_BYTES)
            wait_until(lambda: terminal.unheard > 500)
            with serial.Serial(terminal.port, 115200, timeout=10) as port:
                assert known_index(counts_of(port.read(FRAME_BYTES)), range(8))[0] > 500

    def test_after_a_hang_up_it_is_another_port_and_the_link_follows(self, tmp_path: Path) -> None:
        link = tmp_path / "board"
        with PseudoTerminal(CytonDouble(), link=link, speed=10) as terminal:
            before = terminal.port
            assert os.path.realpath(link) == before
            with serial.Serial(str(link), 115200, timeout=10) as port:
                port.write(b"b")
                port.read(FRAME_BYTES)
                terminal.hang_up()
                with pytest.raises(serial.SerialException):
                    port.read(1 << 20)
            assert not link.is_symlink()
            terminal.come_back()
            assert terminal.port != before
            with serial.Serial(str(link), 115200, timeout=10) as port:
                assert known_index(counts_of(port.read(FRAME_BYTES)), range(8))[0] > 0
        assert not link.is_symlink()

    def test_an_ordered_hang_up_comes_at_its_sample(self, tmp_path: Path) -> None:
        link = tmp_path / "board"
        device = CytonDouble(faults=[HangUp(at=200, samples=100)])
        with PseudoTerminal(device, link=link, speed=10) as terminal:
            with serial.Serial(terminal.port, 115200, timeout=10) as port:
                port.write(b"b")
                whole = counts_of(port.read(150 * FRAME_BYTES))
                with pytest.raises(serial.SerialException):
                    port.read(1 << 20)
            assert (known_index(whole, range(8)) == np.arange(150)).all()
            # The system may give the same number to the port that comes after it.
            wait_until(lambda: link.is_symlink())
            with serial.Serial(str(link), 115200, timeout=10) as port:
                port.write(b"b")
                assert port.read(FRAME_BYTES)

    def test_jitter_delays_but_keeps_the_order(self) -> None:
        with (
            PseudoTerminal(LinesDouble(), speed=5, jitter_s=0.02) as terminal,
            serial.Serial(terminal.port, 115200, timeout=10) as port,
        ):
            lines = [int(port.read_until(b"\n")) for _ in range(200)]
        # The board sends from when it is plugged in, and what came before the port was opened is not heard.
        sent = known_levels(np.arange(5000))[:, 0].tolist()
        assert any(lines == sent[missed : missed + 200] for missed in range(4800))

    def test_a_link_that_exists_is_left_alone(self, tmp_path: Path) -> None:
        link = tmp_path / "board"
        link.write_text("mine")
        with pytest.raises(FileExistsError), PseudoTerminal(CytonDouble(), link=link):
            pass
        assert link.read_text() == "mine"

    @pytest.mark.parametrize("options", [{"speed": -1}, {"speed": float("nan")}, {"jitter_s": -1}])
    def test_an_impossible_pace_is_refused(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="must be"):
            PseudoTerminal(CytonDouble(), **options)  # type: ignore[arg-type]

    def test_what_breaks_the_double_reaches_the_test(self) -> None:
        class Broken(CytonDouble):
            def _answer(self, data: bytes) -> bytes:
                raise RuntimeError("broken")

        with pytest.raises(RuntimeError, match="broken"):
            _write_v(PseudoTerminal(Broken()))


def _write_v(terminal: PseudoTerminal) -> None:
    with terminal, serial.Serial(terminal.port, 115200) as port:
        port.write(b"v")
        terminal.wait_sent(0, timeout_s=10)


@needs_pty
class TestCommand:
    def test_it_prints_the_address_and_ends_on_an_interrupt(self, tmp_path: Path) -> None:
        link = tmp_path / "board"
        command = [sys.executable, "-m", "acquire.emulators", "cyton", "--link", str(link), "--fault", "burst:10:5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "500"}) as run:
            wait_until(link.is_symlink)
            with serial.Serial(str(link), 115200, timeout=10) as port:
                port.write(b"b")
                assert (known_index(counts_of(port.read(50 * FRAME_BYTES)), range(8)) == np.arange(50)).all()
            run.send_signal(signal.SIGINT)
            said, _ = run.communicate(timeout=20)
        assert run.returncode == 0
        assert f"cyton:{link}" in said
        assert "Sent" in said
        assert not link.is_symlink()

    @pytest.mark.parametrize("options", [["--fault", "burst"], ["--pattern", "flat"], ["--speed", "-1"]])
    def test_what_it_cannot_do_it_says(self, options: list[str]) -> None:
        command = [sys.executable, "-m", "acquire.emulators", "cyton", *options]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert run.returncode == 2
        assert "Traceback" not in run.stderr
