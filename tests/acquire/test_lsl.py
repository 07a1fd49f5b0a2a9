import builtins
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsl_lab import Sender, loopback_lsl
from numpy.typing import NDArray
from waiting import wait_until

from acquire.boards.board import Chunk, open_board
from acquire.boards.lsl import NOT_A_NUMBER, LslBoard
from acquire.boards.lsl_stamps import FOUND_AGAIN, JUMPED
from acquire.errors import BoardError, BoardErrorReason

LIMIT_S = 30.0


def read_until(board: LslBoard, enough: Callable[[list[Chunk]], bool], max_samples: int | None = None) -> list[Chunk]:
    chunks: list[Chunk] = []
    limit_s = time.monotonic() + LIMIT_S
    while not enough(chunks):
        assert time.monotonic() < limit_s, f"only {len(chunks)} chunks came"
        chunk = board.read(0.05, max_samples)
        if chunk is not None:
            chunks.append(chunk)
    return chunks


def read_to_the_end(board: LslBoard, chunks: list[Chunk]) -> None:
    """Read until it raises."""
    limit_s = time.monotonic() + LIMIT_S
    while time.monotonic() < limit_s:
        if (chunk := board.read(0.05)) is not None:
            chunks.append(chunk)


def read_rows(board: LslBoard, n_rows: int) -> list[Chunk]:
    return read_until(board, lambda chunks: sum(len(chunk.samples) for chunk in chunks) >= n_rows)


def indices(chunks: list[Chunk]) -> NDArray[np.int64]:
    return np.concatenate([chunk.index + np.arange(len(chunk.samples)) for chunk in chunks])


def told(chunks: list[Chunk]) -> NDArray[np.int64]:
    """The index that each row tells of itself."""
    return np.concatenate([chunk.samples[:, 0] for chunk in chunks]).astype(np.int64)


def board_of(name: str) -> LslBoard:
    """By source id, which need not be waited for as a name must: another stream might have the same one."""
    return LslBoard(f"lsl:?source_id=source%20of%20{name}")


def opened(name: str, sender: Sender) -> LslBoard:
    board = board_of(name)
    board.open()
    board.start()
    sender.wait_for_listener()
    return board


def label(*channels: tuple[str, str, str]) -> Callable[[Any], None]:
    def describe(desc: Any) -> None:
        element = desc.append_child("channels")
        for name, unit, kind in channels:
            one = element.append_child("channel")
            for tag, text in (("label", name), ("unit", unit), ("type", kind)):
                one.append_child_value(tag, text)

    return describe


def test_every_sample_comes_once_at_its_index_with_both_clocks() -> None:
    sender = Sender("plain")
    board = opened("plain", sender)
    sender.begin_s = sender.lsl.local_clock() - 4000 / 250
    sender.send(0, 4000)
    chunks = read_rows(board, 4000)
    assert np.array_equal(indices(chunks), np.arange(4000))
    assert np.array_equal(told(chunks), np.arange(4000))
    assert {chunk.cause for chunk in chunks} == {""}
    ends = np.array([chunk.index + len(chunk.samples) - 1 for chunk in chunks])
    due_s = sender.begin_s + ends / 250
    assert np.allclose([chunk.board_ns * 1e-9 for chunk in chunks], due_s, atol=0.005)
    assert all(0 < time.monotonic_ns() - chunk.host_ns < LIMIT_S * 1e9 for chunk in chunks)
    assert board.link().received_bytes == 4000 * (2 * 4 + 8)
    board.close()


def test_a_hole_in_the_stamps_is_a_gap_of_its_length_with_its_cause() -> None:
    sender = Sender("hole")
    board = opened("hole", sender)
    for start, stop in ((0, 1000), (1001, 1500), (1900, 2600)):
        sender.send(start, stop)
    chunks = read_rows(board, 2199)
    assert np.array_equal(indices(chunks), told(chunks))
    assert [(chunk.index, chunk.cause) for chunk in chunks if chunk.cause] == [(1001, JUMPED), (1900, JUMPED)]
    board.close()


def test_no_chunk_reaches_past_what_was_asked_for_unless_a_loss_swallows_it_all() -> None:
    sender = Sender("limits")
    board = opened("limits", sender)
    sender.send(0, 400)
    sender.send(450, 1000)
    chunks = read_until(board, lambda chunks: bool(chunks) and chunks[-1].index >= 990, max_samples=10)
    ends = [0, *(chunk.index + len(chunk.samples) for chunk in chunks)]
    for before, chunk in zip(ends, chunks, strict=False):
        assert chunk.index + len(chunk.samples) <= before + 10 or len(chunk.samples) == 1
    assert np.array_equal(indices(chunks), told(chunks))
    with pytest.raises(ValueError, match="max_samples is 0"):
        board.read(0.0, 0)
    board.close()


def test_rows_that_hold_no_numbers_become_gaps() -> None:
    sender = Sender("nan", form="cf_double64")
    board = opened("nan", sender)
    rows = sender.rows(0, 1000)
    rows[300:304, 1] = np.nan
    rows[700, 1] = np.inf
    rows[800, 1] = 1e300  # no number as float32 either
    sender.send(0, 1000, rows=rows)
    chunks = read_rows(board, 994)
    assert np.array_equal(indices(chunks), told(chunks))
    assert [(chunk.index, chunk.cause) for chunk in chunks if chunk.cause] == [
        (304, NOT_A_NUMBER),
        (701, NOT_A_NUMBER),
        (801, NOT_A_NUMBER),
    ]
    assert chunks[0].samples.dtype == np.float32
    board.close()


@pytest.mark.parametrize("form", ["cf_int8", "cf_int16", "cf_int32"])
def test_whole_numbers_stay_whole(form: str) -> None:
    sender = Sender(form, form=form)
    board = opened(form, sender)
    rows = np.tile([[-128.0, 127.0]], (500, 1))
    sender.send(0, 500, rows=rows)
    (*_, chunk) = read_rows(board, 500)
    assert chunk.samples.dtype == np.int32
    assert chunk.samples[-1].tolist() == [-128, 127]
    board.close()


def test_labels_units_and_leads_come_from_the_description() -> None:
    described = label(("ECG_II", "microvolts", "ECG"), ("V1", "mV", "ECG"), ("Pleth", "furlong", "PPG"))
    sender = Sender("labels", n_channels=3, describe=described)
    info = board_of("labels").open()
    assert [(channel.name, channel.unit, channel.gain) for channel in info.channels] == [
        ("ECG_II", "mV", 1e-3),
        ("V1", "mV", 1.0),
        ("Pleth", "adu", 1.0),
    ]
    assert info.montage == {"II": {"ECG_II": 1.0}, "V1": {"V1": 1.0}}
    assert (info.nominal_rate_hz, info.dtype) == (250.0, "float32")
    assert info.loss_detection == "time stamps of the LSL stream; the sender's clock by liblsl's clock correction"
    sender.leave()


@pytest.mark.parametrize(
    ("channels", "names", "leads"),
    [
        ([], ["ch1", "ch2"], ["ch1", "ch2"]),
        ([("same", "", ""), ("same", "", "")], ["ch1", "ch2"], ["ch1", "ch2"]),
        ([("a\nb", "uV", ""), ("x" * 65, "V", "")], ["ch1", "ch2"], ["ch1", "ch2"]),
        ([("one", "uV", "")], ["ch1", "ch2"], ["ch1", "ch2"]),
        ([("breath", "", "RESP"), ("heart", "uV", "ECG")], ["breath", "heart"], ["heart"]),
        ([("ch2", "", ""), ("", "", "")], ["ch2", "ch2'"], ["ch2", "ch2'"]),
    ],
)
def test_a_poor_or_hostile_description_still_gives_channels_that_can_be_recorded(
    channels: list[tuple[str, str, str]], names: list[str], leads: list[str]
) -> None:
    sender = Sender("poor", describe=label(*channels) if channels else None)
    info = board_of("poor").open()
    assert [channel.name for channel in info.channels] == names
    assert list(info.montage) == leads
    sender.leave()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"form": "cf_string", "rate_hz": 0.0}, "it carries texts"),
        ({"rate_hz": 0.0}, "it has no regular rate"),
        ({"form": "cf_int64"}, "64-bit integers"),
        ({"rate_hz": 1e6}, "its rate is 1e\\+06 Hz, and the limit is 100000 Hz"),
        ({"n_channels": 300}, "it has 300 channels, and the limit is 256"),
    ],
)
def test_a_stream_that_cannot_be_recorded_is_refused_with_a_sentence(settings: dict[str, Any], why: str) -> None:
    sender = Sender("odd", **settings)
    with pytest.raises(BoardError, match=why) as caught:
        board_of("odd").open()
    assert caught.value.reason is BoardErrorReason.UNSUPPORTED
    sender.leave()


def test_a_stream_that_is_not_there_is_told_with_those_that_are() -> None:
    sender = Sender("somebody else")
    with pytest.raises(BoardError, match=r"was not found within 1 s; .* in sight: 'somebody else' \(type") as caught:
        LslBoard("lsl:nobody?timeout=1").open()
    assert caught.value.reason is BoardErrorReason.NOT_FOUND
    sender.leave()


def test_of_two_streams_that_fit_none_is_guessed() -> None:
    one, other = Sender("twin", source_id="left"), Sender("twin", source_id="right")
    with pytest.raises(BoardError, match=r"fits several streams: 'twin' .*'left'.*'right'.*by its source_id") as caught:
        LslBoard("lsl:twin").open()
    assert caught.value.reason is BoardErrorReason.AMBIGUOUS
    with LslBoard("lsl:?source_id=right") as board:
        board.start()
        other.wait_for_listener()
        assert not one.outlet.have_consumers()
    one.leave()
    other.leave()


def test_a_stream_of_markers_beside_the_signal_is_not_mistaken_for_it() -> None:
    signal = Sender("pair", source_id="signal")
    markers = Sender("pair", source_id="markers", form="cf_string", rate_hz=0.0, kind="Markers", n_channels=1)
    assert LslBoard("lsl:pair").open().nominal_rate_hz == 250.0
    signal.leave()
    markers.leave()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("lsl:a?name=b", "name stands twice"),
        ("lsl:?tipe=ECG", "did you mean type"),
        ("lsl:?timeout=0", "timeout is '0'; it must be 0.1 to 60 seconds"),
        ("lsl:?timeout=nan", "it must be 0.1 to 60 seconds"),
        ("lsl:" + "x" * 5000, "longer than 4096 characters"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(address: str, sentence: str) -> None:
    loopback_lsl()
    with pytest.raises(BoardError, match=sentence):
        open_board(address)


def test_liblsl_is_quiet_unless_somebody_has_set_it_up() -> None:
    look = "import sys, pylsl; from acquire.boards.lsl_streams import quieten; quieten(pylsl)"
    looked = f"{look}; pylsl.ContinuousResolver().results()"
    for settings, is_quiet in (({}, True), ({"LSLAPICFG": os.devnull}, False)):
        environment = {name: value for name, value in os.environ.items() if name != "LSLAPICFG"}
        done = subprocess.run(
            [sys.executable, "-c", looked],
            cwd=Path(__file__).resolve().parents[2],
            env={**environment, "HOME": os.devnull, **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0
        assert (done.stdout + done.stderr == "") == is_quiet


def test_a_missing_pylsl_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pylsl(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "pylsl":
            raise ModuleNotFoundError("No module named 'pylsl'", name="pylsl")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_pylsl)
    with pytest.raises(BoardError, match=r"needs the Python package pylsl; pip install trilead\[lsl\]") as caught:
        LslBoard("lsl:x")
    assert caught.value.reason is BoardErrorReason.MISSING_DRIVER


def test_a_sender_that_ends_has_hung_up_and_what_it_sent_is_not_lost() -> None:
    sender = Sender("quits")
    board = opened("quits", sender)
    sender.send(0, 1000)
    wait_until(lambda: board._inlet is not None and board._inlet.samples_available() == 1000)
    sender.leave()
    chunks: list[Chunk] = []
    with pytest.raises(BoardError, match="has left the network") as caught:
        read_to_the_end(board, chunks)
    assert caught.value.reason is BoardErrorReason.HUNG_UP
    assert np.array_equal(told(chunks), np.arange(1000))
    with pytest.raises(BoardError, match="it is not on the network") as caught:
        board.reconnect()
    assert caught.value.reason is BoardErrorReason.NOT_FOUND
    board.close()


def test_a_sender_that_is_only_silent_has_not_hung_up() -> None:
    sender = Sender("quiet")
    board = opened("quiet", sender)
    sender.send(0, 500)
    read_rows(board, 500)
    end_s = time.monotonic() + 3.5
    while time.monotonic() < end_s:
        assert board.read(0.1) is None
    board.close()
    sender.leave()


def test_a_sender_that_comes_back_is_found_again_and_the_break_is_a_gap_by_its_stamps() -> None:
    sender = Sender("returns")
    board = opened("returns", sender)
    with sender.keep_sending(0):
        before = read_rows(board, 250)
    sender.leave()
    with pytest.raises(BoardError, match="has left"):
        read_to_the_end(board, before)
    last_ns, last = before[-1].board_ns, before[-1].index + len(before[-1].samples) - 1
    sender.come_back()
    with sender.keep_sending(100_000):
        board.reconnect()
        after = read_rows(board, 100)
    assert after[0].cause == FOUND_AGAIN
    passed = (after[-1].board_ns - last_ns) * 1e-9 * 250
    assert abs(after[-1].index + len(after[-1].samples) - 1 - last - passed) <= 1
    assert board.link().reconnects == 1
    board.close()


def test_reading_what_is_not_started_is_told() -> None:
    loopback_lsl()
    board = LslBoard("lsl:x")
    for deed in (lambda: board.read(0.0), board.start, board.reconnect):
        with pytest.raises(BoardError) as caught:
            deed()
        assert caught.value.reason is BoardErrorReason.WRONG_STATE
    board.stop()
    board.close()
