from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import wait_until

from acquire.errors import JournalError, JournalErrorReason
from acquire.files import is_held
from acquire.recordings.journal import JournalTail, RecordKind, read_journal
from acquire.recordings.journal_samples import JournalSamples
from acquire.recordings.journal_write import JournalWriter

HEADER: dict[str, Any] = {"dtype": "int32", "channels": [{"name": "a"}, {"name": "b"}], "note": "Grüße\ud800"}


def _samples(n: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.random.default_rng(seed).integers(-(2**31), 2**31, size=(n, 2)).astype(np.int32)


def _write(path: Path, *, chunks: int = 4, close: bool = True) -> list[int]:
    """Ends of the records, in bytes."""
    ends = []
    with JournalWriter.create(path, HEADER) as writer:
        ends.append(path.stat().st_size)
        for number in range(chunks):
            writer.append_chunk(index=10 * number, host_ns=number, board_ns=-1, samples=_samples(10, number))
            ends.append(path.stat().st_size)
            writer.append_event({"kind": "mark", "index": 10 * number})
            ends.append(path.stat().st_size)
        if close:
            writer.append_close("the protocol ended")
            ends.append(path.stat().st_size)
    return ends


def test_a_journal_reads_back_as_it_was_written(tmp_path: Path) -> None:
    _write(tmp_path / "j.journal")
    content = read_journal(tmp_path / "j.journal")
    assert content.header["note"] == HEADER["note"]
    assert content.chunks.clock.rows(0, 4).tolist() == [[9, 0, -1], [19, 1, -1], [29, 2, -1], [39, 3, -1]]
    samples = JournalSamples(content.chunks)
    assert samples.shape == (40, 2)
    np.testing.assert_array_equal(samples.rows(30, 40), _samples(10, 3))
    assert [event["index"] for event in content.events] == [0, 10, 20, 30]
    assert content.close_reason == "the protocol ended"
    assert (content.dropped_bytes, content.fault, content.damaged) == (0, "", False)


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    ends = _write(tmp_path / "j.journal", chunks=1, close=False)
    data = (tmp_path / "j.journal").read_bytes()[ends[0] : ends[1]]
    magic, kind, length, sequence = struct.unpack_from("<4sIII", data)
    assert (magic, kind, length, sequence) == (b"tlJ1", 2, len(data) - 20, 1)
    assert struct.unpack_from("<qqqII", data, 20) == (0, 0, -1, 10, 0)
    assert data[52:] == _samples(10).astype("<i4").tobytes()


@settings(max_examples=80, deadline=None)
@given(cut=st.floats(0, 1))
def test_a_journal_cut_anywhere_keeps_every_whole_record(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "j.journal"
    ends = _write(path)
    data = path.read_bytes()
    size = ends[0] + round(cut * (len(data) - ends[0]))
    path.write_bytes(data[:size])
    content = read_journal(path)
    whole = max(end for end in ends if end <= size)
    assert content.whole_bytes == whole
    assert content.dropped_bytes == size - whole
    assert not content.damaged
    assert len(content.chunks) + len(content.events) + (content.close_reason is not None) == ends.index(whole)


def test_zeros_that_a_power_cut_left_at_the_end_are_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "j.journal"
    _write(path, close=False)
    path.write_bytes(path.read_bytes() + bytes(4096))
    content = read_journal(path)
    assert len(content.chunks) == 4
    assert content.dropped_bytes == 4096
    assert not content.damaged


@settings(max_examples=80, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_ends_the_reading_and_invents_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "j.journal"
    ends = _write(path)
    data = bytearray(path.read_bytes())
    position = ends[0] + int(place * (len(data) - ends[0]))
    data[position] ^= 1 << bit
    path.write_bytes(data)
    content = read_journal(path)
    assert content.fault
    assert content.whole_bytes == max(end for end in ends if end <= position)
    samples = JournalSamples(content.chunks)
    for number in range(len(content.chunks)):
        np.testing.assert_array_equal(samples.rows(10 * number, 10 * number + 10), _samples(10, number))


def test_a_damaged_middle_is_told_from_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "j.journal"
    ends = _write(path)
    data = bytearray(path.read_bytes())
    data[ends[2] + 60] ^= 1
    path.write_bytes(data)
    content = read_journal(path)
    assert content.damaged
    assert "checksum" in content.fault
    assert len(content.chunks) == 1


def test_a_missing_record_is_seen_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "j.journal"
    ends = _write(path)
    data = path.read_bytes()
    path.write_bytes(data[: ends[1]] + data[ends[3] :])
    content = read_journal(path)
    assert content.damaged
    assert "record 2 is missing" in content.fault
    assert len(content.chunks) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", JournalErrorReason.DAMAGED),
        (b"tlJ", JournalErrorReason.DAMAGED),
        (b"PK\x03\x04" + bytes(100), JournalErrorReason.NOT_A_JOURNAL),
        (b"tlJ1" + struct.pack("<IIII", 1, 2**31, 0, 0), JournalErrorReason.DAMAGED),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, data: bytes, reason: JournalErrorReason) -> None:
    path = tmp_path / "j.journal"
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"j\.journal") as caught:
        read_journal(path)
    assert caught.value.reason is reason
    with pytest.raises(JournalError):
        JournalTail(path)


@pytest.mark.parametrize(
    "header", [{}, {"dtype": "object", "channels": [1]}, {"dtype": "int32", "channels": []}, {"journal_version": 99}]
)
def test_a_header_that_says_too_little_is_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    with JournalWriter.create(tmp_path / "j.journal", header):
        pass
    with pytest.raises(JournalError):
        read_journal(tmp_path / "j.journal")


def test_an_existing_journal_is_never_written_over(tmp_path: Path) -> None:
    _write(tmp_path / "j.journal")
    before = (tmp_path / "j.journal").read_bytes()
    with pytest.raises(JournalError, match="exists") as caught:
        JournalWriter.create(tmp_path / "j.journal", HEADER)
    assert caught.value.reason is JournalErrorReason.IN_USE
    assert (tmp_path / "j.journal").read_bytes() == before


def test_a_journal_is_held_exactly_as_long_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "j.journal"
    with JournalWriter.create(path, HEADER):
        assert is_held(path)
    assert not is_held(path)


def test_a_journal_cannot_be_made_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be made"):
        JournalWriter.create(tmp_path / "nowhere" / "j.journal", HEADER)


def test_a_short_write_means_a_full_disk_and_is_cut_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.journal"
    real_write = os.write
    with JournalWriter.create(path, HEADER) as writer:
        writer.append_chunk(index=0, host_ns=0, board_ns=-1, samples=_samples(10))
        whole = path.stat().st_size
        monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:30]))
        with pytest.raises(JournalError, match="the disk took 30 of") as caught:
            writer.append_chunk(index=10, host_ns=0, board_ns=-1, samples=_samples(10))
        assert caught.value.reason is JournalErrorReason.DISK_FULL
    assert path.stat().st_size == whole
    assert read_journal(path).dropped_bytes == 0


def test_a_disk_that_refuses_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with JournalWriter.create(tmp_path / "j.journal", HEADER) as writer:
        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(JournalError, match="No space left on device; free some space"):
            writer.append_event({"kind": "mark"})


def test_a_disk_that_cannot_sync_stops_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acquire.recordings.journal_write.SYNC_INTERVAL_S", 0.001)

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with JournalWriter.create(tmp_path / "j.journal", HEADER) as writer:
        monkeypatch.setattr(os, "fsync", refuse)
        wait_until(lambda: not writer._syncer.is_alive())
        with pytest.raises(JournalError, match="Input/output error"):
            writer.append_event({"kind": "mark"})


def test_the_tail_gives_every_record_once_and_waits_for_a_half_written_one(tmp_path: Path) -> None:
    whole = tmp_path / "whole.journal"
    ends = _write(whole)
    data = whole.read_bytes()
    growing = tmp_path / "growing.journal"
    growing.write_bytes(data[: ends[0]])
    seen = []
    with JournalTail(growing) as tail, growing.open("ab", buffering=0) as writer:
        assert tail.header["dtype"] == "int32"
        assert tail.poll() == []
        for start in range(ends[0], len(data), 7):
            writer.write(data[start : start + 7])
            seen += tail.poll()
        chunks = [tail.chunk(record) for record in seen if record.kind is RecordKind.CHUNK]
    assert len(seen) == len(ends) - 1
    assert [chunk.index for chunk in chunks] == [0, 10, 20, 30]
    np.testing.assert_array_equal(chunks[2].samples, _samples(10, 2))


def test_who_comes_late_to_a_long_recording_gets_all_of_it_in_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.journal"
    monkeypatch.setattr("acquire.recordings.journal._BLOCK_BYTES", 4096)
    with JournalWriter.create(path, HEADER) as writer:
        for number in range(1000):
            writer.append_chunk(index=10 * number, host_ns=number, board_ns=-1, samples=_samples(10, number))
        writer.append_chunk(index=10_000, host_ns=0, board_ns=-1, samples=_samples(5000))
        with JournalTail(path) as tail:
            portions = list(iter(lambda: tail.poll(most_bytes=4096), []))
    assert max(map(len, portions)) < 40
    indices = [tail.chunk(record).index for portion in portions for record in portion]
    assert indices == [10 * number for number in range(1001)]


def test_a_chunk_that_no_recording_can_hold_ends_the_reading(tmp_path: Path) -> None:
    with JournalWriter.create(tmp_path / "j.journal", HEADER) as writer:
        for index in (0, 2**63 - 5):
            writer.append_chunk(index=index, host_ns=0, board_ns=-1, samples=_samples(10))
    content = read_journal(tmp_path / "j.journal")
    assert len(content.chunks) == 1
    assert content.damaged
    assert "a chunk stands at sample 9223372036854775803" in content.fault


def test_a_payload_nested_without_end_is_damage_and_no_crash(tmp_path: Path) -> None:
    with JournalWriter.create(tmp_path / "j.journal", HEADER) as writer:
        writer.append_event({"kind": "mark"})
        writer._append(RecordKind.EVENT, b"[" * 100_000)
    content = read_journal(tmp_path / "j.journal")
    assert (len(content.events), content.damaged) == (1, True)
