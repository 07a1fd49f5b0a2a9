import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acquire.boards.board import Chunk, open_board
from acquire.boards.replay import ReplayBoard
from acquire.errors import BoardError, BoardErrorReason
from acquire.recordings.recording import Gap, RecordingContent
from acquire.recordings.recording_write import write_recording

MakeContent = Callable[..., RecordingContent]


def replay(path: Path, options: str = "speed=max") -> ReplayBoard:
    board = open_board(f"replay:{path}?{options}".rstrip("?"))
    assert isinstance(board, ReplayBoard)
    return board


def read_to_end(board: ReplayBoard, max_samples: int | None = None) -> tuple[list[Chunk], BoardError]:
    chunks: list[Chunk] = []
    while True:
        try:
            chunk = board.read(5.0, max_samples)
        except BoardError as error:
            return chunks, error
        assert chunk is not None
        chunks.append(chunk)


@pytest.fixture
def content(make_content: MakeContent) -> RecordingContent:
    return make_content()


@pytest.fixture
def recording(tmp_path: Path, content: RecordingContent) -> Path:
    path = tmp_path / "sub-S01_ses-01_run-01.h5"
    write_recording(path, content)
    return path


@pytest.mark.parametrize("max_samples", [None, 1, 7, 250])
def test_samples_gaps_and_causes_are_the_recordings_own(
    recording: Path, content: RecordingContent, max_samples: int | None
) -> None:
    with replay(recording) as board:
        board.start()
        chunks, error = read_to_end(board, max_samples)
    assert error.reason is BoardErrorReason.HUNG_UP
    assert "replayed to its end" in str(error)
    reached = 0
    for chunk in chunks:
        assert chunk.samples.dtype == np.int32
        assert (chunk.samples == content.counts[chunk.index : chunk.index + len(chunk.samples)]).all()
        if chunk.index > reached:
            assert (reached, chunk.index - reached, chunk.cause) == (300, 20, "lost")
        else:
            assert chunk.cause == ""
        if max_samples is not None and chunk.index + len(chunk.samples) > reached + max_samples:
            assert len(chunk.samples) == 1
        reached = chunk.index + len(chunk.samples)
    assert reached == len(content.counts)


def test_a_replay_says_what_its_source_said_and_names_no_folder(recording: Path, content: RecordingContent) -> None:
    board = replay(recording, "")
    info = board.open()
    board.close()
    assert info.address == "replay:sub-S01_ses-01_run-01.h5"
    assert info.channels == content.channels
    assert info.montage == content.header.montage
    assert info.nominal_rate_hz == content.header.nominal_rate_hz
    assert content.header.recording_id in info.name
    assert str(recording.parent) not in repr(info)
    assert board.resource() == ""


def test_the_boards_clock_is_the_recordings_at_any_speed(recording: Path, content: RecordingContent) -> None:
    with replay(recording) as board:
        board.start()
        chunks, _ = read_to_end(board, 10)
    rows = np.array([chunk.index + len(chunk.samples) - 1 for chunk in chunks])
    times_s = np.array([chunk.board_ns for chunk in chunks]) / 1e9
    (first, last), (first_ns, last_ns) = content.clock[:, 0], content.clock[:, 1]
    inside = rows > first
    slope_s = (times_s[inside][-1] - times_s[inside][0]) / (rows[inside][-1] - rows[inside][0])
    assert slope_s == pytest.approx((last_ns - first_ns) / 1e9 / (last - first))
    assert np.all(np.diff(times_s) >= 0)


def test_a_replay_takes_the_time_that_its_speed_gives_it(tmp_path: Path, make_content: MakeContent) -> None:
    path = tmp_path / "a.h5"
    write_recording(path, make_content())
    with replay(path, "speed=8") as board:
        board.start()
        began_s = time.monotonic()
        chunks, _ = read_to_end(board)
        took_s = time.monotonic() - began_s
    assert took_s >= 1000 / 249.5 / 8 - 0.02
    assert took_s < 5.0
    assert len(chunks) >= 10
    assert np.all(np.diff([chunk.host_ns for chunk in chunks]) > 0)


def test_a_replay_waits_when_nothing_is_due_and_goes_on_after_a_stop(recording: Path) -> None:
    board = replay(recording, "speed=0.01")
    board.open()
    board.start()
    assert board.read(0.02) is None
    board.stop()
    assert board.read(10.0) is None
    board.close()
    fast = replay(recording)
    fast.open()
    fast.start()
    first = fast.read(1.0, 100)
    fast.stop()
    fast.start()
    second = fast.read(1.0, 100)
    fast.close()
    assert first is not None
    assert second is not None
    assert (first.index, second.index) == (0, 100)


def test_gaps_at_both_ends_and_side_by_side_are_replayed(tmp_path: Path, make_content: MakeContent) -> None:
    content = make_content()
    gaps = (
        Gap(start=0, length=50, cause="late"),
        Gap(start=300, length=20, cause="lost"),
        Gap(start=320, length=5, cause="unplugged"),
        Gap(start=990, length=10, cause="end"),
    )
    counts = content.counts.copy()
    for gap in gaps:
        counts[gap.start : gap.start + gap.length] = 0
    valid = np.array([[50, 300], [325, 990]], dtype=np.int64)
    clock = content.clock.copy()
    clock[-1, 0] = 989
    path = tmp_path / "a.h5"
    write_recording(path, replace(content, counts=counts, gaps=gaps, valid=valid, clock=clock))
    with replay(path) as board:
        board.start()
        chunks, _ = read_to_end(board)
    assert [(chunk.index, len(chunk.samples), chunk.cause) for chunk in chunks] == [
        (50, 250, "late"),
        (325, 665, "lost; unplugged"),
    ]


@pytest.mark.parametrize(("stored", "given"), [("int16", "int32"), ("float32", "float32"), ("float64", "float32")])
def test_other_number_types_are_replayed_where_no_sample_changes(
    stored: str, given: str, tmp_path: Path, make_content: MakeContent
) -> None:
    content = make_content()
    counts = (content.counts // 4096).astype(stored)
    path = tmp_path / "a.h5"
    write_recording(path, replace(content, counts=counts))
    with replay(path) as board:
        board.start()
        chunks, _ = read_to_end(board)
    assert {str(chunk.samples.dtype) for chunk in chunks} == {given}
    assert all((chunk.samples == counts[chunk.index : chunk.index + len(chunk.samples)]).all() for chunk in chunks)


def test_numbers_that_32_bits_cannot_hold_are_refused(tmp_path: Path, make_content: MakeContent) -> None:
    content = make_content()
    path = tmp_path / "a.h5"
    write_recording(path, replace(content, counts=content.counts * 1.1))
    with pytest.raises(BoardError, match="32 bits cannot hold") as caught:
        replay(path).open()
    assert caught.value.reason is BoardErrorReason.UNSUPPORTED


@pytest.mark.parametrize("kind", ["missing", "empty", "folder", "text", "cut", "flipped"])
def test_what_is_no_sound_recording_is_refused_in_one_sentence(kind: str, recording: Path) -> None:
    data = recording.read_bytes()
    path = recording.with_name("other.h5")
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        flipped = data[:4000] + bytes([data[4000] ^ 1]) + data[4001:]
        path.write_bytes({"empty": b"", "text": b"512\n", "cut": data[: len(data) // 2], "flipped": flipped}[kind])
    with pytest.raises(BoardError, match=r"other\.h5") as caught:
        replay(path).open()
    assert "\n" not in str(caught.value)


def test_a_name_that_no_disk_takes_is_refused() -> None:
    with pytest.raises(BoardError) as caught:
        replay(Path("x" * 3000)).open()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "address",
    [
        "replay:",
        "replay:?speed=1",
        "replay:x.h5?speed=0",
        "replay:x.h5?speed=-1",
        "replay:x.h5?speed=nan",
        "replay:x.h5?speed=inf",
        "replay:x.h5?speed=1e9",
        "replay:x.h5?speed=1&speed=2",
        "replay:x.h5?rate=250",
        "replay:x%00.h5",
        "replay:~nobody-of-that-name/x.h5",
    ],
)
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(BoardError) as caught:
        open_board(address)
    assert caught.value.reason in (BoardErrorReason.BAD_ADDRESS, BoardErrorReason.BAD_OPTION)


def test_a_board_that_is_not_open_cannot_be_read(recording: Path) -> None:
    board = replay(recording)
    with pytest.raises(BoardError, match="not open"):
        board.start()
    board.open()
    with pytest.raises(ValueError, match="at least 1"):
        board.read(0.1, 0)
    board.close()
    board.close()
    with pytest.raises(BoardError, match="not open"):
        board.read(0.1)


def test_eight_channels_at_16_khz_are_replayed_faster_than_they_come_in_bounded_memory(
    tmp_path: Path, make_content: MakeContent
) -> None:
    rate_hz, seconds = 16_000, 60
    content = make_content(n_samples=1000)
    channels = tuple(replace(content.channels[0], name=f"c{place}") for place in range(8))
    n_samples = rate_hz * seconds
    counts = np.random.default_rng(1).integers(-2000, 2000, size=(n_samples, 8)).astype(np.int32)
    header = replace(
        content.header,
        nominal_rate_hz=float(rate_hz),
        fitted_rate_hz=0.0,
        montage={"I": {"c0": 1.0}, "II": {"c1": 1.0}},
    )
    path = tmp_path / "large.h5"
    write_recording(
        path,
        replace(
            content,
            header=header,
            channels=channels,
            counts=counts,
            valid=np.array([[0, n_samples]], dtype=np.int64),
            clock=content.clock[:0],
            gaps=(),
            events=content.events[:1],
        ),
    )
    with replay(path) as board:
        board.start()
        tracemalloc.start()
        began_s = time.monotonic()
        came = 0
        while came < n_samples:
            chunk = board.read(5.0, 16_000)
            assert chunk is not None
            assert (chunk.samples == counts[came : came + len(chunk.samples)]).all()
            came += len(chunk.samples)
        took_s = time.monotonic() - began_s
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert took_s < seconds / 3
    # A block of 10 s, once as it is read and once as it is kept, and no more however long the recording is.
    assert peak < 5 * 10 * rate_hz * 8 * 4
