from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquire.boards.board import Channel
from acquire.errors import RecordingError
from acquire.recordings.content import Gap, RecordedEvent, RecordingContent
from acquire.recordings.digests import (
    BlockDigests,
    block_rows,
    channel_digest,
    event_digest,
    field_digest,
    gaps_digest,
    integers_digest,
)
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.recordings.seal import sealed

MakeContent = Callable[..., RecordingContent]


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()


def test_the_hashed_bytes_are_the_documented_ones() -> None:
    assert field_digest("Grüße") == _sha(b"s" + "Grüße".encode())
    assert field_digest(np.int64(-3)) == _sha(b"i" + struct.pack("<q", -3))
    assert field_digest(np.float64(0.1)) == _sha(b"f" + struct.pack("<d", 0.1))
    channel = Channel(name="eins", unit="µV", gain=0.5, offset=-1.0)
    assert channel_digest(channel) == _sha(_text("eins") + _text("µV") + struct.pack("<dd", 0.5, -1.0))
    event = RecordedEvent(uuid="u", index=5, host_ns=-1, kind="step", step=2, activity="walk", text="Géh.")
    packed = _text("u") + struct.pack("<qq", 5, -1) + _text("step") + struct.pack("<q", 2) + _text("walk")
    assert event_digest(event) == _sha(packed + _text("Géh."))
    assert gaps_digest([Gap(start=1, length=2, cause="c")]) == _sha(struct.pack("<qq", 1, 2) + _text("c"))
    assert integers_digest([np.array([[1, 2]]), np.array([[3, -4]])]) == _sha(struct.pack("<qqqq", 1, 2, 3, -4))


@pytest.mark.parametrize("value", [None, 1.5 + 2j, b"bytes", True, np.array([1, 2]), np.float32(1), 7])
def test_an_attribute_of_a_foreign_type_has_no_digest(value: Any) -> None:
    assert field_digest(value) is None


@pytest.mark.parametrize(("rate_hz", "n_rows"), [(250.0, 250), (249.5, 250), (2.5, 2), (0.1, 1), (16000.0, 16000)])
def test_a_block_is_about_a_second(rate_hz: float, n_rows: int) -> None:
    assert block_rows(rate_hz) == n_rows


@given(portions=st.lists(st.integers(0, 25), max_size=12), n_block=st.integers(1, 20))
def test_blocks_do_not_depend_on_the_portions_that_samples_come_in(portions: list[int], n_block: int) -> None:
    samples = np.arange(2 * sum(portions), dtype=">i4").reshape(-1, 2)
    blocks = BlockDigests(n_block)
    at = 0
    for portion in portions:
        blocks.feed(samples[at : at + portion])
        at += portion
    stored = samples.astype("<i4")
    expected = [_sha(stored[start : start + n_block].tobytes()) for start in range(0, len(stored), n_block)]
    assert list(blocks.finish()) == expected


def _root(path: Path) -> str:
    with open_recording(path) as recording:
        return recording.content_sha256


def test_the_root_digest_knows_the_content_and_nothing_else(tmp_path: Path, make_content: MakeContent) -> None:
    for name in ("a.h5", "b.h5"):
        write_recording(tmp_path / name, make_content())
    assert _root(tmp_path / "a.h5") == _root(tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5", "r") as file, h5py.File(tmp_path / "packed.h5", "w") as packed:
        for name, value in file.attrs.items():
            packed.attrs[name] = value
        for name in file:
            if name != "signal":
                file.copy(name, packed)
        packed.create_dataset("signal", data=file["signal"][:], compression="lzf", chunks=(77, 1))
        for name, value in file["signal"].attrs.items():
            packed["signal"].attrs[name] = value
    (tmp_path / "packed.h5").write_bytes(sealed((tmp_path / "packed.h5").read_bytes()))
    assert _root(tmp_path / "packed.h5") == _root(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: replace(content, protocol_text="x"),
        lambda content: replace(content, header=replace(content.header, operator="other")),
        lambda content: replace(content, gaps=(replace(content.gaps[0], cause="other"),)),
        lambda content: replace(content, events=content.events[:2]),
        lambda content: replace(content, counts=content.counts.astype(np.float64)),
        lambda content: replace(content, channels=(replace(content.channels[0], gain=2.0), content.channels[1])),
        lambda content: replace(content, clock=content.clock[:1]),
    ],
)
def test_anything_that_is_said_differently_gives_another_root(
    tmp_path: Path, make_content: MakeContent, change: Callable[[RecordingContent], RecordingContent]
) -> None:
    write_recording(tmp_path / "a.h5", make_content())
    write_recording(tmp_path / "b.h5", change(make_content()))
    assert _root(tmp_path / "a.h5") != _root(tmp_path / "b.h5")


def test_a_change_that_somebody_sealed_again_is_refused_by_its_name(tmp_path: Path, make_content: MakeContent) -> None:
    path = tmp_path / "r.h5"
    write_recording(path, make_content())
    with h5py.File(path, "r+") as file:
        file.attrs["subject"] = "S02"
    path.write_bytes(sealed(path.read_bytes()))
    with pytest.raises(RecordingError, match="header field subject was changed"):
        open_recording(path)
