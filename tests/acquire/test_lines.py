import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stream_boards import hurry, needs_pty, offset_of, opened, read_samples

import acquire.boards.stream
from acquire.boards.arrival import ArrivalClock, estimate_rate_hz
from acquire.boards.board import Chunk, open_board
from acquire.boards.line_parser import ELECTRODE_OFF, MAX_LINE, UNREADABLE, LineParser, Row
from acquire.boards.lines import OPTIONS
from acquire.boards.stream import AWAY, SILENCE
from acquire.emulators import ElectrodeOff, Garbage, HangUp, LinesDouble, PseudoTerminal, Silence, known_levels
from acquire.errors import BoardError, BoardErrorReason

RATE_HZ = 1000.0


def parse(data: bytes, *, columns: int | None = None, whole: bool | None = None) -> list[Row | str]:
    return LineParser(columns=columns, whole=whole).feed(b"\n" + data)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b"512", (512,)),
        (b"-3", (-3,)),
        (b"+7 8", (7, 8)),
        (b"1,2;3\t4 , 5", (1, 2, 3, 4, 5)),
        (b"  12 , 13 ,", (12, 13)),
        (b"1.5,2", (1.5, 2.0)),
        (b".25", (0.25,)),
        (b"3.", (3.0,)),
        (b"!", ELECTRODE_OFF),
        (b"512,!", ELECTRODE_OFF),
        (b"nan", UNREADABLE),
        (b"inf", UNREADABLE),
        (b"-inf", UNREADABLE),
        (b"ovf", UNREADABLE),
        (b"1e5", UNREADABLE),
        (b"0x1F", UNREADABLE),
        (b"1_000", UNREADABLE),
        (b"1,,2", UNREADABLE),
        (b",1", UNREADABLE),
        (b"--1", UNREADABLE),
        (b"1-1", UNREADABLE),
        (b".", UNREADABLE),
        (b"!!", UNREADABLE),
        ("５".encode(), UNREADABLE),
        (b"\x00512", UNREADABLE),
        (b"9" * 16, UNREADABLE),
        (b"1 " * 40, UNREADABLE),
    ],
)
def test_a_line_is_numbers_or_an_electrode_that_is_off_or_unreadable(line: bytes, row: Row | str) -> None:
    assert parse(line + b"\n") == [row]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\r", b"\r\n\r\n"])
def test_every_line_end_will_do_wherever_it_is_cut(end: bytes) -> None:
    data = end.join([b"", b"1", b"2", b"3", b""])
    for cut in range(len(data)):
        parser = LineParser()
        assert parser.feed(data[:cut]) + parser.feed(data[cut:]) == [(1,), (2,), (3,)]
        assert parser.bad_bytes == 0


def test_the_half_line_at_the_start_is_dropped_and_not_held_against_the_board() -> None:
    parser = LineParser()
    assert parser.feed(b"12\n512\n") == [(512,)]
    parser.restart()
    assert parser.feed(b"x7,\n9\n") == [(9,)]
    assert parser.bad_bytes == parser.resyncs == 0


def test_bytes_of_bad_lines_are_counted_and_good_ones_go_on() -> None:
    parser = LineParser(columns=1, whole=True)
    assert parser.feed(b"\n1\nrubbish\n2,3\n4.5\n6\n") == [(1,), UNREADABLE, UNREADABLE, UNREADABLE, (6,)]
    assert parser.bad_bytes == len(b"rubbish\n2,3\n4.5\n")
    assert parser.resyncs == 1
    assert parser.good_lines == 2


def test_a_number_that_the_converter_cannot_give_is_no_measurement() -> None:
    parser = LineParser(limits=(0, 1023))
    assert parser.feed(b"\n1023\n1024\n-1\n0\n512513\n") == [(1023,), UNREADABLE, UNREADABLE, (0,), UNREADABLE]


def test_whole_numbers_stay_within_32_bits() -> None:
    assert parse(b"2147483647\n2147483648\n", whole=True) == [(2**31 - 1,), UNREADABLE]
    assert parse(b"2147483648\n") == [(2.0**31,)]


def test_a_huge_line_without_an_end_keeps_no_memory_and_costs_itself_alone() -> None:
    parser = LineParser()
    assert parser.feed(b"\n1\n") == [(1,)]
    for _ in range(1000):
        assert parser.feed(b"7" * 1000) == []
    assert len(parser._rest) <= MAX_LINE
    assert parser.feed(b"\n2\n") == [UNREADABLE, (2,)]
    assert parser.bad_bytes >= 1_000_000


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=3, max_size=3)), st.data())
def test_what_was_printed_is_read_however_it_is_cut(rows: list[list[int]], data: st.DataObject) -> None:
    text = b"\n" + b"".join(b",".join(b"%d" % number for number in row) + b"\r\n" for row in rows)
    parser = LineParser(columns=3, whole=True)
    read: list[Row | str] = []
    while text:
        n_bytes = data.draw(st.integers(1, len(text)))
        read += parser.feed(text[:n_bytes])
        text = text[n_bytes:]
    assert read == [tuple(row) for row in rows]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=700), max_size=8))
def test_whatever_comes_is_taken_and_every_item_is_sound(pieces: list[bytes]) -> None:
    parser = LineParser(columns=2, whole=False)
    for piece in pieces:
        for item in parser.feed(piece):
            assert isinstance(item, str) or (len(item) == 2 and all(np.isfinite(item)))
        assert len(parser._rest) <= MAX_LINE


def test_the_rate_is_read_from_the_earliest_arrivals_and_not_from_the_bursts() -> None:
    random = np.random.default_rng(1)
    due_ns = np.arange(1, 751) * 1e9 / 250.0
    late_ns = random.exponential(3e6, 750) + np.where(random.random(750) < 0.03, 80e6, 0.0)
    arrivals = np.maximum.accumulate(due_ns + late_ns).astype(np.int64)
    found = estimate_rate_hz([(count, int(at)) for count, at in enumerate(arrivals, 1)])
    assert found == pytest.approx(250.0, rel=2e-3)
    assert estimate_rate_hz([]) == estimate_rate_hz([(1, 5)]) == estimate_rate_hz([(1, 5), (2, 5)]) == 0.0


def test_a_long_absence_is_measured_with_the_rate_that_was_seen_and_not_with_the_first_guess() -> None:
    clock = ArrivalClock(250.0)
    true_hz = 251.0
    for count in range(1, 60 * 251):
        clock.arrived(count, round(count * 1e9 / true_hz))
    away = 600 * 251
    back_ns = round((count + away + 1) * 1e9 / true_hz)
    assert abs(clock.missing(count + 1, back_ns) - away) <= 1
    assert clock.missing(count + 1, round((count + 3) * 1e9 / true_hz)) == 0
    assert clock.missing(count + 1, round((count + 3.5) * 1e9 / true_hz), certain=True) == 2


@needs_pty
def test_a_sketch_is_recorded_to_the_sample_with_its_rate_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(acquire.boards.stream, "MEASURE_S", 1.0)
    device = LinesDouble(rate_hz=500.0, n_columns=3, separator="\t")
    with PseudoTerminal(device, link=tmp_path / "port") as terminal:
        board = open_board(f"lines:{terminal.link}?leads=I,-,II&bits=10&gain_mv=0.01&offset=512")
        info = board.open()
        assert info.nominal_rate_hz == pytest.approx(500.0, rel=0.01)
        assert [channel.name for channel in info.channels] == ["I", "CH2", "II"]
        assert {(channel.unit, channel.gain, channel.offset) for channel in info.channels} == {("mV", 0.01, 512.0)}
        assert info.montage == {"I": {"I": 1.0}, "II": {"II": 1.0}}
        assert (info.dtype, info.rails) == ("int32", (0.0, 1023.0))
        assert "estimate" in info.name
        assert info.loss_detection.startswith("none: ")
        assert board.resource()
        board.start()
        chunks = read_samples(board, 500)
        board.close()
    assert _consecutive(chunks)
    assert chunks[0].index == 0
    offset_of(chunks, lambda index: known_levels(index, 3), device.index)
    assert board.link().bad_bytes == 0


def _levels(index: NDArray[np.int64]) -> NDArray[np.int32]:
    return known_levels(index, 1)


def _consecutive(chunks: list[Chunk]) -> bool:
    return all(before.index + len(before.samples) == after.index for before, after in itertools.pairwise(chunks))


def _jump(chunks: list[Chunk]) -> int:
    """The place of the only chunk that does not follow the one before."""
    jumps = [
        place
        for place in range(1, len(chunks))
        if chunks[place - 1].index + len(chunks[place - 1].samples) != chunks[place].index
    ]
    assert len(jumps) == 1
    assert [place for place, chunk in enumerate(chunks) if chunk.cause] == jumps
    return jumps[0]


@needs_pty
def test_an_electrode_that_is_off_is_one_gap_of_the_exact_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = LinesDouble(rate_hz=RATE_HZ)
    with opened(f"lines:PORT?rate={RATE_HZ:g}", device, tmp_path) as (board, terminal):
        terminal.schedule(ElectrodeOff(at=device.index + 400, samples=237))
        chunks = read_samples(board, 900)
        assert board.link().bad_bytes == 0
    jump = _jump(chunks)
    assert chunks[jump].cause == ELECTRODE_OFF
    assert chunks[jump].index - chunks[jump - 1].index - len(chunks[jump - 1].samples) == 237
    assert offset_of(chunks[:jump], _levels, device.index) == offset_of(chunks[jump:], _levels, device.index)


@needs_pty
def test_a_board_that_only_tells_of_an_electrode_is_not_taken_for_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = LinesDouble(rate_hz=RATE_HZ)
    with opened(f"lines:PORT?rate={RATE_HZ:g}", device, tmp_path) as (board, terminal):
        terminal.schedule(ElectrodeOff(at=device.index, samples=1500))
        assert terminal.wait_sent(device.index + 600, 30.0)
        while board.read(0.05) is not None:
            pass
        with pytest.raises(BoardError, match="an electrode was off"):
            board.reconnect()
        assert board.link().reconnects == 0
        assert read_samples(board, 100)[0].cause == ELECTRODE_OFF


@needs_pty
def test_a_line_that_cannot_be_read_is_one_missing_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    device = LinesDouble(rate_hz=RATE_HZ)
    with opened(f"lines:PORT?rate={RATE_HZ:g}", device, tmp_path) as (board, terminal):
        terminal.schedule(Garbage(at=device.index + 300, data=b"\xffnoise"))
        chunks = read_samples(board, 700)
        assert board.link().resyncs == 1
    jump = _jump(chunks)
    assert chunks[jump].cause == UNREADABLE
    assert offset_of(chunks[:jump], _levels, device.index) == offset_of(chunks[jump:], _levels, device.index)


@needs_pty
def test_a_silence_is_a_gap_of_about_its_length_judged_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = LinesDouble(rate_hz=RATE_HZ)
    with opened(f"lines:PORT?rate={RATE_HZ:g}", device, tmp_path) as (board, terminal):
        terminal.schedule(Silence(at=device.index + 400, samples=900))
        chunks = read_samples(board, 900)
    jump = _jump(chunks)
    assert chunks[jump].cause == SILENCE
    shift = offset_of(chunks[jump:], _levels, device.index) - offset_of(chunks[:jump], _levels, device.index)
    assert abs(shift) <= 0.05 * RATE_HZ


@needs_pty
def test_a_cable_that_was_out_leaves_one_gap_and_the_port_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = LinesDouble(rate_hz=RATE_HZ)
    with opened(f"lines:PORT?rate={RATE_HZ:g}", device, tmp_path) as (board, terminal):
        terminal.schedule(HangUp(at=device.index + 400, samples=600))
        chunks = read_samples(board, 900)
        assert board.link().reconnects == 1
    jump = _jump(chunks)
    assert AWAY in chunks[jump].cause
    shift = offset_of(chunks[jump:], _levels, device.index) - offset_of(chunks[:jump], _levels, device.index)
    assert abs(shift) <= 0.05 * RATE_HZ


@needs_pty
def test_a_chunk_never_reaches_past_the_limit_and_a_gap_over_it_gives_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = LinesDouble(rate_hz=RATE_HZ)
    with opened(f"lines:PORT?rate={RATE_HZ:g}", device, tmp_path) as (board, terminal):
        terminal.schedule(ElectrodeOff(at=device.index + 100, samples=200))
        chunks = read_samples(board, 300, max_samples=7)
    assert max(len(chunk.samples) for chunk in chunks) <= 7
    assert len(chunks[_jump(chunks)].samples) == 1
    board.close()
    with pytest.raises(ValueError, match="at least 1"):
        board.read(0.1, 0)
    with pytest.raises(BoardError, match="not open"):
        board.read(0.1)


class _Talker(LinesDouble):
    """A sketch that sends the same bytes with every sample."""

    def __init__(self, data: bytes) -> None:
        super().__init__(rate_hz=200.0)
        self._data = data

    def _frame(self, index: int) -> bytes:
        return self._data


@needs_pty
@pytest.mark.parametrize(
    ("data", "options", "reason", "words"),
    [
        (b"", "", BoardErrorReason.SILENT, "check its power"),
        (b"\x80\xf8\x00\xfe", "", BoardErrorReason.UNSUPPORTED, "baud=9600"),
        (b"Hello, world\n", "", BoardErrorReason.UNSUPPORTED, "baud=9600"),
        (b"1 2\n", "leads=I,II,III&rate=200", BoardErrorReason.UNSUPPORTED, "3 columns"),
        (b"!\n", "", BoardErrorReason.REFUSED, "electrode is off"),
        (b"512\n", "rate=500", BoardErrorReason.BAD_OPTION, "not 500"),
    ],
)
def test_what_talks_otherwise_is_refused_with_the_mend(
    data: bytes,
    options: str,
    reason: BoardErrorReason,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(acquire.boards.stream, "LISTEN_S", 0.4)
    with PseudoTerminal(_Talker(data), link=tmp_path / "port") as terminal:
        board = open_board(f"lines:{terminal.link}?{options}".rstrip("?"))
        with pytest.raises(BoardError, match=words) as caught:
            board.open()
    assert caught.value.reason is reason
    assert board.resource()


@needs_pty
def test_decimal_points_make_a_board_of_floats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    with PseudoTerminal(_Talker(b"1.25;-3\n"), link=tmp_path / "port") as terminal:
        board = open_board(f"lines:{terminal.link}?rate=200")
        info = board.open()
        board.start()
        samples = read_samples(board, 20)[0].samples
        board.close()
    assert (info.dtype, info.channels[1].unit, list(info.montage)) == ("float32", "adu", ["CH1", "CH2"])
    assert samples.dtype == np.float32
    assert samples[0].tolist() == [1.25, -3.0]


@needs_pty
@pytest.mark.parametrize(
    "query",
    [
        "baud=0",
        "baud=9600.5",
        "rate=0",
        "rate=nan",
        "rate=1e9",
        "bits=0",
        "bits=40",
        "gain_mv=0",
        "gain_mv=-1",
        "gain_mv=inf",
        "offset=x",
        "leads=",
        "leads=I,I",
        "leads=-",
        "leads=I,,II",
        "leads=CH2,-",
        "leads=%07",
        "leads=" + ",".join(map(str, range(40))),
        "speed=max",
        "baud=9600&baud=9600",
    ],
)
def test_an_option_that_cannot_be_is_refused_before_any_port_is_opened(query: str) -> None:
    with pytest.raises(BoardError) as caught:
        open_board(f"lines:/dev/null?{query}")
    assert caught.value.reason in (BoardErrorReason.BAD_OPTION, BoardErrorReason.BAD_ADDRESS)
    assert len(str(caught.value)) < 500


def test_every_option_is_told_in_the_help() -> None:
    import acquire.boards.lines as told

    assert told.__doc__ is not None
    assert all(f"\n{option} " in told.__doc__ for option in OPTIONS)


def test_a_port_that_is_none_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("512\n")
    for target in ("/dev/null", str(tmp_path / "file"), str(tmp_path / "nothing"), "A-SERIAL-NUMBER"):
        began_s = time.monotonic()
        with pytest.raises(BoardError) as caught:
            open_board(f"lines:{target}").open()
        assert caught.value.reason in (BoardErrorReason.NOT_FOUND, BoardErrorReason.UNSUPPORTED)
        assert time.monotonic() - began_s < 5.0
