import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stream_boards import hurry, needs_pty, offset_of, opened, read_samples

import acquire.boards.protocentral
from acquire.boards.board import open_board
from acquire.boards.protocentral import OPTIONS
from acquire.boards.protocentral_frames import UNREADABLE, FrameParser, Row, build_frame
from acquire.emulators import (
    Ads1292rDouble,
    Ads1293Double,
    CorruptByte,
    Garbage,
    LinesDouble,
    LostByte,
    known_counts,
    known_index,
    known_words,
)
from acquire.errors import BoardError, BoardErrorReason

FRAME_BYTES = 19


def frame(*row: int, padding: int = 0) -> bytes:
    return build_frame(struct.pack("<3i", *row) + bytes(padding))


def parser() -> FrameParser:
    return FrameParser((12, 16), "3i")


def samples_of(items: list[Row | str]) -> list[Row]:
    return [item for item in items if not isinstance(item, str)]


def test_a_frame_looks_as_the_maker_documents_it() -> None:
    expected = bytes.fromhex("0afa0c0002") + bytes.fromhex("01000000feffffff00010000") + bytes.fromhex("000b")
    assert frame(1, -2, 256) == expected


@pytest.mark.parametrize("padding", [0, 4])
def test_the_payloads_length_is_learnt_and_no_other_is_taken_after(padding: int) -> None:
    reading = parser()
    good = frame(1, 2, 3, padding=padding)
    assert reading.feed(good * 3) == [(1, 2, 3)] * 3
    assert reading.length == 12 + padding
    assert samples_of(reading.feed(frame(4, 5, 6, padding=4 - padding) * 3 + good * 3)) == [(1, 2, 3)] * 3


def test_the_first_frame_waits_for_the_next_ones_header_and_later_ones_do_not() -> None:
    reading = parser()
    assert reading.feed(frame(1, 2, 3)) == []
    assert reading.feed(frame(4, 5, 6)[:4]) == []
    assert reading.feed(frame(4, 5, 6)[4:]) == [(1, 2, 3), (4, 5, 6)]
    assert reading.feed(frame(7, 8, 9)) == [(7, 8, 9)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3), min_size=2, max_size=12),
    st.integers(0, FRAME_BYTES - 1),
    st.data(),
)
def test_a_valid_stream_gives_every_sample_however_it_is_cut(
    rows: list[tuple[int, int, int]], skipped: int, data: st.DataObject
) -> None:
    text = b"".join(frame(*row) for row in rows)[skipped:]
    reading = parser()
    items: list[Row | str] = []
    while text:
        n_bytes = data.draw(st.integers(1, len(text)))
        items += reading.feed(text[:n_bytes])
        text = text[n_bytes:]
    expected = rows[1:] if skipped else rows
    if len(expected) == 1:
        expected = []  # a lone frame is not believed yet
    assert samples_of(items) == expected
    assert UNREADABLE not in items


def known_stream(n_frames: int) -> list[bytes]:
    return [frame(*row) for row in known_counts(np.arange(n_frames), 3).tolist()]


@pytest.mark.parametrize("offset", range(FRAME_BYTES))
@pytest.mark.parametrize("lost", [True, False])
def test_one_bad_byte_costs_one_sample_which_is_told(offset: int, lost: bool) -> None:
    frames = known_stream(30)
    hit = frames[10]
    frames[10] = hit[:offset] + (b"" if lost else bytes([hit[offset] ^ 0xFF])) + hit[offset + 1 :]
    reading = parser()
    items = reading.feed(b"".join(frames))
    in_payload = 5 <= offset < FRAME_BYTES - 2
    if in_payload and not lost:
        # Without a checksum nobody can see it; but it moves nothing.
        assert len(samples_of(items)) == 30
        return
    assert items[10] == UNREADABLE
    assert len(items) == 30
    index = known_index(np.array(samples_of(items), dtype=np.int32))
    assert index.tolist() == [*range(10), *range(11, 30)]
    assert reading.resyncs == 1
    assert reading.bad_bytes == len(frames[10])


def test_a_payload_that_looks_like_a_header_misleads_nobody() -> None:
    false = (
        int.from_bytes(b"\x0a\xfa\x0c\x00", "little"),
        0x02,
        int.from_bytes(b"\x00\x0b\x0a\xfa", "little", signed=True),
    )
    stream = frame(*false) * 20
    for skipped in range(FRAME_BYTES):
        reading = parser()
        assert set(samples_of(reading.feed(stream[skipped:]))) == {false}
        assert reading.good_frames >= 18


def test_a_stream_that_is_joined_in_the_middle_of_a_frame_misses_nothing() -> None:
    reading = parser()
    stream = frame(1, 2, 3) * 6
    assert reading.feed(stream[7:]) == [(1, 2, 3)] * 5
    reading.restart()
    assert reading.feed(stream[3:]) == [(1, 2, 3)] * 5


def test_noise_between_frames_is_counted_and_not_taken_for_a_missing_sample() -> None:
    reading = parser()
    items = reading.feed(frame(1, 2, 3) * 2 + b"\x0a\xfaxyz" + frame(1, 2, 3) * 2)
    assert items == [(1, 2, 3)] * 4
    assert reading.bad_bytes == 5


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(frame(1, 2, 3)), st.just(b"\x0a\xfa" * 40)), max_size=20))
def test_whatever_comes_is_taken_and_nothing_piles_up(pieces: list[bytes]) -> None:
    reading = parser()
    for piece in pieces:
        for item in reading.feed(piece):
            assert isinstance(item, str) or len(item) == 3
        assert len(reading._buffer) < 2 * (16 + 7)
    reading.restart()
    assert samples_of(reading.feed(frame(1, 2, 3) * 4))[-1:] in ([(1, 2, 3)], [])


def test_lengths_that_cannot_hold_the_samples_are_a_programmers_error() -> None:
    with pytest.raises(ValueError, match="do not hold"):
        FrameParser((8,), "3i")


def _counts(index: NDArray[np.int64]) -> NDArray[np.int32]:
    return known_counts(index, 3)


@needs_pty
def test_three_leads_are_recorded_to_the_sample_with_a_bad_frame_as_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = Ads1293Double(rate_hz=500.0)
    with opened("ads1293:PORT", device, tmp_path) as (board, terminal):
        now = device.index
        terminal.schedule(LostByte(at=now + 100, offset=9))
        terminal.schedule(CorruptByte(at=now + 200, offset=1))
        terminal.schedule(Garbage(at=now + 300, data=b"\x0a\xfa"))
        chunks = read_samples(board, 450)
        assert board.link().resyncs == 3
        assert board.link().bad_bytes == FRAME_BYTES - 1 + FRAME_BYTES + 2
    assert [chunk.cause for chunk in chunks if chunk.cause] == [UNREADABLE] * 2
    index = np.concatenate([np.arange(chunk.index, chunk.index + len(chunk.samples)) for chunk in chunks])
    true = known_index(np.concatenate([chunk.samples for chunk in chunks]))
    assert np.all(true >= 0)
    assert set(true - index) == {true[0]}


@needs_pty
def test_the_ads1293_says_what_is_known_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    with opened("ads1293:PORT?rate=500&leads=I,II,-", Ads1293Double(rate_hz=500.0), tmp_path) as (board, _):
        board.close()
        info = board.open()
    assert info.nominal_rate_hz == 500.0
    assert [channel.name for channel in info.channels] == ["I", "II", "CH3"]
    assert {channel.unit for channel in info.channels} == {"adu"}
    assert set(info.montage) == {"I", "II"}
    assert info.loss_detection.startswith("none: ")
    assert info.rails == (-(2.0**23), 2.0**23 - 1)


@needs_pty
@pytest.mark.parametrize("payload_bytes", [8, 9, 20])
def test_one_lead_and_respiration_come_from_every_sketch_of_the_maker(
    payload_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    device = Ads1292rDouble(rate_hz=500.0, payload_bytes=payload_bytes)
    with opened("ads1292r:PORT?rate=500&gain_mv=0.001", device, tmp_path) as (board, _):
        chunks = read_samples(board, 100)
        board.close()
        info = board.open()
    offset_of(chunks, known_words, device.index)
    assert [(channel.name, channel.unit) for channel in info.channels] == [("I", "mV"), ("respiration", "adu")]
    assert info.montage == {"I": {"I": 1.0}}


@needs_pty
def test_a_sketch_that_prints_lines_is_no_board_of_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    with (
        pytest.raises(BoardError, match="sketch for OpenView") as caught,
        opened("ads1292r:PORT", LinesDouble(rate_hz=500.0), tmp_path),
    ):
        pass
    assert caught.value.reason is BoardErrorReason.UNSUPPORTED


@needs_pty
def test_a_board_at_another_rate_than_the_makers_is_refused_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    with (
        pytest.raises(BoardError, match="not 125; write rate=") as caught,
        opened("ads1292r:PORT", Ads1292rDouble(rate_hz=500.0), tmp_path),
    ):
        pass
    assert caught.value.reason is BoardErrorReason.BAD_OPTION


@pytest.mark.parametrize("address", ["ads1293:x?leads=I,II", "ads1292r:x?leads=I,II", "ads1293:x?bits=24"])
def test_an_option_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(BoardError) as caught:
        open_board(address)
    assert caught.value.reason is BoardErrorReason.BAD_OPTION


def test_every_option_is_told_in_the_help() -> None:
    told = acquire.boards.protocentral.__doc__
    assert told is not None
    assert all(f"\n{option} " in told for option in OPTIONS)
