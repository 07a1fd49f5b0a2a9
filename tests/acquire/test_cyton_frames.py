"""The Cyton's parser from bytes alone: what comes is right, and what does not come is counted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from acquire.boards.cyton_frames import FRAME_BYTES, CytonParser, Frame, channel_counts
from acquire.boards.unwrap import CounterUnwrapper
from acquire.emulators import (
    PATTERNS,
    CorruptByte,
    CytonDouble,
    DuplicateFrame,
    Fault,
    Garbage,
    LostByte,
    LostFrames,
    Pattern,
    Piece,
    known_counts,
)

PERIOD_NS = 4_000_000


def pieces(
    faults: Sequence[Fault] = (),
    *,
    n: int = 400,
    pattern: Pattern = "ecg",
    clock_ppm: float = 0.0,
    clock_ms: float = 2317.0,
) -> list[Piece]:
    double = CytonDouble(pattern=pattern, faults=faults, clock_ppm=clock_ppm, clock_ms=clock_ms)
    double.receive(b"<b")
    return double.advance(n)


def parse(sent: Sequence[Piece], *, pattern: Pattern = "ecg") -> tuple[list[int], list[int], CytonParser]:
    """Indices that were given, those among them that are wrong, and the parser."""
    parser = CytonParser()
    frames: list[Frame] = []
    now_ns = 0
    for piece in sent:
        now_ns = max(now_ns, piece.index * PERIOD_NS)
        frames += parser.feed(piece.data, now_ns)
    frames += parser.flush()
    unwrapper = CounterUnwrapper(250.0)
    indices = [unwrapper.unwrap(f.counter, host_ns=f.host_ns, clock_ms=f.clock_ms) for f in frames]
    right = (known_counts(np.array(indices), pattern=pattern) == channel_counts(frames)).all(axis=1)
    return indices, [index for index, good in zip(indices, right, strict=True) if not good], parser


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_sound_stream_comes_whole(pattern: Pattern) -> None:
    indices, wrong, parser = parse(pieces(pattern=pattern), pattern=pattern)
    assert indices == list(range(400))
    assert not wrong
    assert (parser.bad_bytes, parser.resyncs, parser.duplicates) == (0, 0, 0)


def test_a_frame_behind_another_is_given_with_its_last_byte_and_not_with_the_next_header() -> None:
    sent = pieces(n=10)
    parser = CytonParser()
    given = [len(parser.feed(piece.data, piece.index)) for piece in sent]
    assert given == [0, 2, *[1] * 8]
    assert parser.feed(b"", 99) == []


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("offset", range(FRAME_BYTES))
def test_a_lost_byte_costs_its_own_sample_only(offset: int, pattern: Pattern) -> None:
    sent = pieces([LostByte(at=200, offset=offset)], pattern=pattern)
    indices, wrong, parser = parse(sent, pattern=pattern)
    assert not wrong
    assert set(range(400)) - set(indices) == {200}
    assert parser.bad_bytes == FRAME_BYTES - 1
    assert parser.resyncs == 1


@pytest.mark.parametrize("flip", [1, 0x10, 0xFF])
@pytest.mark.parametrize("offset", [0, 1, 32])
def test_a_corrupt_framing_byte_costs_its_own_sample_at_most(offset: int, flip: int) -> None:
    indices, wrong, _ = parse(pieces([CorruptByte(at=200, offset=offset, flip=flip)]))
    assert not wrong
    assert set(range(400)) - set(indices) <= {200}


@pytest.mark.parametrize("offset", range(26, 32))
def test_a_corrupt_auxiliary_byte_costs_nothing_and_moves_no_clock(offset: int) -> None:
    sent = pieces([CorruptByte(at=200, offset=offset)])
    indices, wrong, _ = parse(sent)
    assert indices == list(range(400))
    assert not wrong


def test_a_corrupt_byte_in_a_count_cannot_be_seen_and_stays_in_its_own_sample() -> None:
    indices, wrong, parser = parse(pieces([CorruptByte(at=200, offset=9)]))
    assert indices == list(range(400))
    assert wrong == [200]
    assert parser.bad_bytes == 0


@pytest.mark.parametrize("lost", [1, 2, 255, 256, 257, 512, 768, 1024])
@pytest.mark.parametrize("clock_ppm", [-5000.0, 0.0, 5000.0])
def test_lost_frames_are_counted_exactly_by_counter_and_clock(lost: int, clock_ppm: float) -> None:
    sent = pieces([LostFrames(at=300, samples=lost)], n=600 + lost, clock_ppm=clock_ppm)
    indices, wrong, parser = parse(sent)
    assert indices == [*range(300), *range(300 + lost, 600 + lost)]
    assert not wrong
    assert parser.bad_bytes == 0


def test_the_boards_clock_may_wrap_while_frames_are_lost() -> None:
    sent = pieces([LostFrames(at=300, samples=512)], n=1200, clock_ms=2.0**32 - 2000)
    indices, wrong, _ = parse(sent)
    assert len(indices) == 1200 - 512
    assert not wrong


def test_a_frame_that_comes_twice_is_given_once_and_counted() -> None:
    indices, wrong, parser = parse(pieces([DuplicateFrame(at=200)]))
    assert indices == list(range(400))
    assert not wrong
    assert parser.duplicates == 1


@pytest.mark.parametrize("garbage", [b"\xa0", b"\xa0" * 40, b"\xc0\xa0", bytes(33), b"\xa0" + bytes(31) + b"\xc4\xa0"])
def test_bytes_that_belong_to_nothing_cost_nothing_and_are_counted(garbage: bytes) -> None:
    indices, wrong, parser = parse(pieces([Garbage(at=200, data=garbage)]))
    assert indices == list(range(400))
    assert not wrong
    assert parser.bad_bytes == len(garbage)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_head_and_a_tail_of_two_frames_are_not_taken_for_one(frames: int) -> None:
    lost = [LostByte(at=200 + (12 + k) // 33, offset=(12 + k) % 33) for k in range(33 * frames)]
    indices, wrong, _ = parse(pieces(lost))
    assert not wrong
    assert set(range(400)) - set(indices) == set(range(200, 201 + frames))


def test_a_frame_that_comes_twice_and_altered_is_no_loss_of_a_whole_turn() -> None:
    sent = pieces(n=400)
    copy = bytearray(sent[200].data)
    copy[9] ^= 1
    indices, wrong, parser = parse([*sent[:201], replace(sent[200], data=b"\0" + bytes(copy)), *sent[201:]])
    assert indices == list(range(400))
    assert not wrong
    assert parser.bad_bytes == FRAME_BYTES + 1


@pytest.mark.parametrize("before", range(8, 28))
def test_a_header_in_a_count_before_lost_bytes_gives_no_sample_of_two_frames(before: int) -> None:
    sent = pieces(n=400)
    data = bytearray(b"".join(piece.data for piece in sent))
    lost_to = 201 * FRAME_BYTES + before
    # Behind the loss, the head and the rest are as long as a frame, of which the end is sound.
    data[200 * FRAME_BYTES + 5 : 200 * FRAME_BYTES + 7] = bytes((0xA0, 201))
    del data[200 * FRAME_BYTES + 5 + before : lost_to]
    indices, wrong, _ = parse([replace(sent[-1], data=bytes(data))])
    assert not wrong
    assert set(range(400)) - set(indices) == {200, 201}


def test_bytes_put_in_that_end_in_the_header_of_the_frame_they_tear_give_no_sample() -> None:
    sent = pieces([Garbage(at=201, data=b"\xff\xa0\xc9\x55\x55")], n=400)
    data = bytearray(b"".join(piece.data for piece in sent))
    torn = 201 * FRAME_BYTES
    junk, head = data[torn : torn + 5], data[torn + 5 : torn + 9]
    data[torn : torn + 9] = head + junk
    indices, wrong, _ = parse([replace(sent[-1], data=bytes(data))])
    assert not wrong
    assert set(range(400)) - set(indices) == {201}


def test_two_equal_losses_close_to_each_other_are_no_witnesses_of_one_another() -> None:
    lost = [LostByte(at=frame + (12 + k) // 33, offset=(12 + k) % 33) for frame in (200, 203) for k in range(66)]
    indices, wrong, _ = parse(pieces(lost))
    assert not wrong
    assert set(range(400)) - set(indices) == {*range(200, 206)}


def test_two_clocks_that_are_corrupt_alike_far_ahead_open_no_gap_of_a_thousand_million_samples() -> None:
    """Found by the fuzzer: each was the other's witness, and the way back looked like the clock's wrap."""
    stream = bytearray(b"".join(piece.data for piece in pieces(n=40)))
    lost = 2 * FRAME_BYTES - 1
    del stream[2 * FRAME_BYTES + 1 : 2 * FRAME_BYTES + 1 + lost]
    for frame in (4, 7):
        stream[frame * FRAME_BYTES - lost + 30] ^= 0xA1
    indices, wrong, _ = parse([Piece(index=0, data=bytes(stream))])
    assert wrong == []
    assert indices == [0, 1, *range(5, 40)]


def test_a_corrupt_clock_in_the_first_frame_moves_no_index() -> None:
    indices, _, parser = parse(pieces([CorruptByte(at=0, offset=28, flip=1)]))
    assert indices == list(range(399))
    assert parser.bad_bytes == FRAME_BYTES


def test_frames_from_before_the_clock_was_on_are_passed_over() -> None:
    double = CytonDouble()
    double.receive(b"b")
    stale = double.advance(3)
    double.receive(b"<")
    sent = stale + double.advance(50)
    parser = CytonParser()
    frames = [frame for piece in sent for frame in parser.feed(piece.data, 0)]
    assert [frame.counter for frame in frames] == list(range(3, 53))
    assert parser.bad_bytes == 3 * FRAME_BYTES


@pytest.mark.parametrize("seed", range(12))
def test_many_faults_at_once_give_no_wrong_sample_and_cost_one_sample_a_byte(seed: int) -> None:
    chance = random.Random(seed)
    pattern = PATTERNS[seed % len(PATTERNS)]
    faults: list[Fault] = []
    at, cost, away = 5, 0, set()
    while at < 500:
        match chance.randrange(5):
            case 0:
                faults.append(LostByte(at=at, offset=chance.randrange(33)))
                cost += 1
            case 1:
                offset = chance.choice([0, 1, 26, 28, 30, 31, 32])
                faults.append(CorruptByte(at=at, offset=offset, flip=chance.randrange(1, 256)))
                cost += 1
            case 2:
                faults.append(DuplicateFrame(at=at))
            case 3:
                faults.append(Garbage(at=at, data=chance.randbytes(chance.randrange(1, 50))))
            case _:
                lost = chance.choice([1, 2, 255, 256, 512])
                faults.append(LostFrames(at=at, samples=lost))
                away |= set(range(at, at + lost))
        at += chance.randrange(1, 40)
    indices, wrong, _ = parse(pieces(faults, n=1500, pattern=pattern), pattern=pattern)
    assert not wrong
    assert len(set(range(1500)) - away - set(indices)) <= cost


@pytest.mark.parametrize("seed", range(6))
def test_how_the_bytes_are_cut_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    faults = [LostByte(at=50, offset=7), CorruptByte(at=90, offset=30), LostFrames(at=120, samples=256)]
    data = b"".join(piece.data for piece in pieces(faults, n=600, pattern="false-frame"))
    whole = CytonParser().feed(data, 0)
    parser, frames, at = CytonParser(), list[Frame](), 0
    while at < len(data):
        step = chance.randrange(1, 70)
        frames += parser.feed(data[at : at + step], 0)
        at += step
    assert frames == whole


def test_each_frame_has_the_time_of_its_last_byte() -> None:
    sent = pieces(n=4)
    data = b"".join(piece.data for piece in sent)
    parser = CytonParser()
    frames = [frame for k in range(0, len(data), 11) for frame in parser.feed(data[k : k + 11], k)]
    assert [frame.host_ns for frame in frames] == [22, 55, 88, 121]


def test_after_an_interruption_the_middle_of_a_frame_is_skipped_and_the_loss_counted() -> None:
    sent = pieces([LostFrames(at=100, samples=300)], n=800)
    parser, unwrapper = CytonParser(), CounterUnwrapper(250.0)
    early = [frame for piece in sent[:100] for frame in parser.feed(piece.data, 0)]
    parser.interrupted()
    later = parser.feed(sent[100].data[20:] + b"".join(piece.data for piece in sent[101:]), 0)
    indices = [unwrapper.unwrap(f.counter, host_ns=0, clock_ms=f.clock_ms) for f in early + later]
    assert indices == [*range(100), *range(401, 800)]
    assert later[0].after_noise


@pytest.mark.parametrize("data", [b"", b"\xa0", b"\xa0" * 5000, bytes(5000), b"Failure: $$$" * 50])
def test_what_is_no_stream_gives_nothing_and_is_not_kept(data: bytes) -> None:
    parser = CytonParser()
    assert parser.feed(data, 0) == []
    assert parser.flush() == []
    assert parser.bad_bytes == len(data)


def test_counts_keep_their_sign_and_all_their_bits() -> None:
    extremes = [-(2**23), -1, 0, 1, 2**23 - 1, 0x123456, -0x123456, 0xA0]
    raw = b"\xa0\x00" + b"".join(value.to_bytes(3, "big", signed=True) for value in extremes) + bytes(6) + b"\xc0"
    frame = Frame(raw, 0, -1, 0, False)
    counts = channel_counts([frame, frame])
    assert counts.dtype == np.int32
    assert counts.tolist() == [extremes, extremes]
    assert channel_counts([frame], 3).tolist() == [extremes[:3]]
