import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acquire.boards.board import Chunk, open_board
from acquire.boards.sim import COUNT_LIMIT, GAIN_MV, SimBoard
from acquire.boards.sim_options import OPTIONS
from acquire.errors import BoardError, BoardErrorReason

Schedule = list[tuple[int, str]]
SCHEDULE: Schedule = [(0, "rest"), (313, "jog"), (900, "arms"), (901, "")]


def sim(options: str = "", *, speed: str = "max", subject: str = "S01") -> SimBoard:
    board = open_board(f"sim:?speed={speed}{'&' + options if options else ''}", subject=subject)
    assert isinstance(board, SimBoard)
    board.open()
    board.start()
    return board


def read_chunks(board: SimBoard, n_samples: int, schedule: Schedule, portions: list[int]) -> list[Chunk]:
    """Read as the recorder does: never past the next change of activity before telling of it."""
    waiting, sizes = list(schedule), itertools.cycle(portions)
    chunks: list[Chunk] = []
    reached = 0
    while reached < n_samples:
        while waiting and waiting[0][0] <= reached:
            index, activity = waiting.pop(0)
            board.tell(activity, index)
        limit = waiting[0][0] if waiting else n_samples
        chunk = board.read(5.0, max(1, min(next(sizes), limit - reached)))
        assert chunk is not None
        chunks.append(chunk)
        reached = chunk.index + len(chunk.samples)
    return chunks


def read(
    options: str = "",
    n_samples: int = 1500,
    *,
    schedule: Schedule = SCHEDULE,
    portions: tuple[int, ...] = (250,),
    speed: str = "max",
    subject: str = "S01",
) -> NDArray[np.int32]:
    board = sim(options, speed=speed, subject=subject)
    return np.concatenate([chunk.samples for chunk in read_chunks(board, n_samples, schedule, list(portions))])


@pytest.mark.parametrize("options", ["", "rate=125", "rate=2000", "rate=497", "noise=20"])
def test_lead_three_is_two_minus_one_in_every_count(options: str) -> None:
    counts = read(options)
    assert counts.dtype == np.int32
    assert counts.shape == (1500, 3)
    np.testing.assert_array_equal(counts[:, 2], counts[:, 1] - counts[:, 0])
    assert np.ptp(counts[:, 2]) > 0


@settings(max_examples=20, deadline=None)
@given(portions=st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_samples_do_not_depend_on_how_they_are_read(portions: list[int]) -> None:
    np.testing.assert_array_equal(read(portions=tuple(portions)), read())


def test_samples_do_not_depend_on_the_speed() -> None:
    np.testing.assert_array_equal(read(speed="200", portions=(7, 1000)), read())


@pytest.mark.parametrize("rate", [125, 2000])
def test_single_samples_equal_whole_reads_at_any_rate(rate: int) -> None:
    np.testing.assert_array_equal(read(f"rate={rate}", portions=(1, 3)), read(f"rate={rate}", portions=(10_000,)))


def test_an_activity_changes_nothing_before_its_first_sample() -> None:
    rest, jog = read(schedule=[(0, "rest")]), read(schedule=[(0, "rest"), (700, "jog")])
    np.testing.assert_array_equal(rest[:701], jog[:701])
    assert not np.array_equal(rest[701:], jog[701:])


@pytest.mark.parametrize("options", ["person=S02", "session=02", "seed=1", "mains_hz=60", "noise=0.5"])
def test_every_option_of_the_heart_changes_the_samples(options: str) -> None:
    assert not np.array_equal(read(options), read())


def test_the_subject_is_the_person_unless_the_address_says_otherwise() -> None:
    np.testing.assert_array_equal(read(subject="S05"), read("person=S05", subject="S09"))


def test_lost_samples_show_as_a_jump_of_the_index_and_leave_the_others_as_they_were() -> None:
    chunks = read_chunks(sim("drop=0:5,100:50,400:1"), 1500, SCHEDULE, [60])
    indices = np.concatenate([np.arange(chunk.index, chunk.index + len(chunk.samples)) for chunk in chunks])
    lost = [*range(5), *range(100, 150), 400]
    np.testing.assert_array_equal(indices, np.setdiff1d(np.arange(1500), lost))
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), np.delete(read(), lost, axis=0))


def test_a_loss_over_a_boundary_shows_with_one_sample_and_the_rest_follows_the_late_word() -> None:
    board = sim("drop=600:400")
    chunks = read_chunks(board, 1500, [(0, "rest"), (700, "jog")], [250])
    after = next(chunk for chunk in chunks if chunk.index >= 600)
    assert (after.index, len(after.samples)) == (1000, 1)
    assert chunks[-1].index + len(chunks[-1].samples) == 1500


def test_the_board_falls_silent_where_it_is_told_to() -> None:
    board = sim("stop_after=2")
    chunks = read_chunks(board, 500, [], [300])
    assert sum(len(chunk.samples) for chunk in chunks) == 500
    assert board.read(0.01) is None


def test_counts_saturate_as_the_converter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acquire.boards.sim.GAIN_MV", 1e-9)
    counts = read()
    assert counts[:, :2].max() == COUNT_LIMIT
    assert counts[:, :2].min() >= -COUNT_LIMIT
    np.testing.assert_array_equal(counts[:, 2], counts[:, 1] - counts[:, 0])


def test_the_board_says_what_it_is() -> None:
    board = open_board("sim:?rate=500", subject="S03", session="02")
    info = board.open()
    assert info.address == "sim:?rate=500"
    assert (info.nominal_rate_hz, info.dtype) == (500.0, "int32")
    assert [channel.name for channel in info.channels] == ["I", "II", "III"]
    assert {(channel.gain, channel.offset, channel.unit) for channel in info.channels} == {(GAIN_MV, 0.0, "mV")}
    assert info.montage == {"I": {"I": 1.0}, "II": {"II": 1.0}, "III": {"III": 1.0}}
    assert pytest.approx(4500 / 12 / (2**23 - 1)) == GAIN_MV


def test_the_board_clock_stands_at_the_last_sample_of_a_chunk() -> None:
    board = sim("rate=500")
    chunk = board.read(1.0, 100)
    assert chunk is not None
    assert chunk.board_ns == 99 * 1_000_000_000 // 500


def test_a_paced_board_keeps_the_pace_it_was_given() -> None:
    board = sim(speed="200")
    began = time.monotonic()
    chunks = read_chunks(board, 200 * 250, [], [100_000])
    took = time.monotonic() - began
    assert took >= 0.99
    assert took < 3.0, "200 times real time must leave room on a busy core"
    ahead = [chunk.index + len(chunk.samples) - (chunk.host_ns / 1e9 - began) * 200 * 250 for chunk in chunks]
    assert max(ahead) < 250 * 200 * 0.01


def test_a_read_in_real_time_waits_for_a_batch_and_gives_up_at_its_timeout() -> None:
    board = sim(speed="1")
    chunk = board.read(5.0)
    assert chunk is not None
    assert 2 <= len(chunk.samples) < 125
    slow = sim(speed="0.01")
    began = time.monotonic()
    assert slow.read(0.05) is None
    assert 0.05 <= time.monotonic() - began < 2.0


def test_a_stopped_board_goes_on_where_it_was() -> None:
    board = sim(speed="200")
    first = read_chunks(board, 300, [], [300])
    board.stop()
    assert board.read(0.01) is None
    board.start()
    second = board.read(5.0, 100)
    assert second is not None
    assert second.index == 300
    whole = read(schedule=[], n_samples=400)
    np.testing.assert_array_equal(first[-1].samples[-1], whole[299])
    np.testing.assert_array_equal(second.samples, whole[300 : 300 + len(second.samples)])


def test_calls_out_of_order_are_refused() -> None:
    board = open_board("sim:")
    assert isinstance(board, SimBoard)
    calls = (board.start, lambda: board.read(0.1), lambda: board.tell("rest", 0), board.beat_indices)
    for call in calls:
        with pytest.raises(BoardError, match="it is not open; call open first") as caught:
            call()
        assert caught.value.reason is BoardErrorReason.WRONG_STATE
    board.stop()
    board.close()
    with pytest.raises(ValueError, match="max_samples is 0"):
        sim().read(0.1, 0)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?rate=124", "rate is '124'; it must be a whole number from 125 to 2000 (samples per second)."),
        ("?rate=2001", "rate is '2001'; it must be a whole number from 125 to 2000 (samples per second)."),
        ("?rate=nan", "rate is 'nan'; it must be a whole number from 125 to 2000 (samples per second)."),
        ("?rate=", "rate is ''; it must be a whole number from 125 to 2000 (samples per second)."),
        ("?rate=250.5", "rate is '250.5'; it must be a whole number from 125 to 2000 (samples per second)."),
        ("?speed=0", "speed is '0'; it must be a number above 0 and at most 10000, or max."),
        ("?speed=-1", "speed is '-1'; it must be a number above 0 and at most 10000, or max."),
        ("?speed=inf", "speed is 'inf'; it must be a number above 0 and at most 10000, or max."),
        ("?seed=-1", "seed is '-1'; it must be a whole number from 0 to 2^63 - 1."),
        ("?seed=9223372036854775808", "seed is '9223372036854775808'; it must be a whole number from 0 to 2^63 - 1."),
        ("?mains_hz=16", "mains_hz is '16'; it must be 50 or 60."),
        ("?noise=nan", "noise is 'nan'; it must be a number from 0 to 20."),
        ("?noise=.", "noise is '.'; it must be a number from 0 to 20."),
        ("?stop_after=-2", "stop_after is '-2'; it must be a number of seconds from 0 to 1e7."),
        ("?person=../x", "person is '../x'; it must be 1 to 64 letters, digits, - and _."),
        ("?session=%00", "session is '\\x00'; it must be 1 to 64 letters, digits, - and _."),
        ("?rate=250&rate=500", "rate stands twice; give it once."),
        ("?sped=2", "there is no option 'sped'; did you mean speed? The options are " + ", ".join(OPTIONS) + "."),
        ("?x=2", "there is no option 'x'; the options are " + ", ".join(OPTIONS) + "."),
    ],
)
def test_a_wrong_option_is_refused_with_its_value_and_limit(query: str, sentence: str) -> None:
    with pytest.raises(BoardError) as caught:
        open_board(f"sim:{query}")
    assert str(caught.value) == f"The board address 'sim:{query}': {sentence}"
    assert caught.value.reason is BoardErrorReason.BAD_OPTION


@pytest.mark.parametrize(
    "value", ["", "5", "5:0", "a:b", "5:-1", "9:2,3:1", "3:2,5:1", "3:2,,", "0:10000001", "9" * 17 + ":1"]
)
def test_a_wrong_loss_is_refused(value: str) -> None:
    with pytest.raises(BoardError, match=r"drop is .*; it must be START:LENGTH in samples") as caught:
        open_board(f"sim:?drop={value}")
    assert (caught.value.option, caught.value.value) == ("drop", value)


@pytest.mark.parametrize("address", ["sim:speed=2", "sim:?speed", "sim:?&", "sim:?=2", "sim:?" + "x" * 5000])
def test_an_address_that_is_no_query_is_refused(address: str) -> None:
    with pytest.raises(BoardError) as caught:
        open_board(address)
    assert caught.value.reason in (BoardErrorReason.BAD_ADDRESS, BoardErrorReason.BAD_OPTION)
    assert len(str(caught.value)) < 400


def test_an_address_may_have_no_options() -> None:
    for address in ("sim:", "sim:?"):
        board = open_board(address)
        assert isinstance(board, SimBoard)
        assert (board.options.person, board.options.session, board.options.rate_hz) == ("S01", "01", 250)
