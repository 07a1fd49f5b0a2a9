from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from foreign_files import refused, take_one
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.importers.polar import parse_packet

PER_PACKET = 73
SINCE_2000_NS = 725_000_000_000_000_000


def packet(values: NDArray[np.int64], last_ns: int, *, kind: int = 0, frame: int = 0) -> bytes:
    """A packet by the description of the format, value by value."""
    samples = b"".join(struct.pack("<i", int(value))[:3] for value in values)
    return bytes([kind]) + struct.pack("<Q", last_ns) + bytes([frame]) + samples


def log(values: NDArray[np.int64], *, rate_hz: float = 130.3, lost: set[int] | None = None, head: bool = True) -> str:
    lines = ["time\tdevice\tdata"] if head else []
    for number, start in enumerate(range(0, len(values), PER_PACKET)):
        part = values[start : start + PER_PACKET]
        last_ns = SINCE_2000_NS + round((start + len(part) - 1) * 1e9 / rate_hz)
        if number not in (lost or set()):
            lines.append(f"2023-01-01 10:00:{number % 60:02d}\tH10\t{packet(part, last_ns).hex()}")
    return "\n".join(lines) + "\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "polar_h10.txt"
    path.write_text(text)
    return path


def values(n_packets: int = 60) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(-(2**23), 2**23, n_packets * PER_PACKET)


def test_every_microvolt_goes_over_exactly_with_its_sign(study: Study, tmp_path: Path) -> None:
    recording, _ = take_one(study, write(tmp_path, log(values())))
    with open_recording(recording) as opened:
        assert opened.counts().dtype == np.int32
        np.testing.assert_array_equal(opened.counts()[:, 0], values())
        np.testing.assert_allclose(opened.signal()[:, 0], values() / 1000)
        assert (opened.leads, opened.unit, opened.header.nominal_rate_hz) == (("ECG",), "mV", 130.0)
        assert abs(opened.rate_hz / 130.3 - 1) < 1e-6
        assert opened.header.started_at.startswith("2022-12-")


@pytest.mark.parametrize("lost", [{5}, {5, 6, 7}, {3, 20}])
def test_lost_packets_become_gaps(study: Study, tmp_path: Path, lost: set[int]) -> None:
    recording, notes = take_one(study, write(tmp_path, log(values(), lost=lost)))
    kept = np.array([k // PER_PACKET not in lost for k in range(60 * PER_PACKET)])
    with open_recording(recording) as opened:
        valid = np.zeros(opened.n_samples, dtype=bool)
        for start, stop in opened.valid:
            valid[start:stop] = True
        np.testing.assert_array_equal(valid, kept)
        np.testing.assert_array_equal(opened.counts()[kept, 0], values()[kept])
    assert f"{len(lost) * PER_PACKET} missing samples" in notes


def test_packets_of_another_measurement_are_counted_and_left_out(study: Study, tmp_path: Path) -> None:
    text = log(values()) + "x\tH10\t" + packet(values(1), SINCE_2000_NS, kind=2).hex() + "\n"
    recording, notes = take_one(study, write(tmp_path, text))
    with open_recording(recording) as opened:
        assert opened.n_samples == 60 * PER_PACKET
    assert "1 line could not be kept: packets of another measurement" in notes


ONE = log(values(2), head=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("time\tdata\n", "no packet of ECG"),
        (ONE + "a\tb\n", "line 3: 'a\ufffdb' has no column with a packet"),
        (ONE + "x\t" + packet(values(1), SINCE_2000_NS).hex() + "\n", "packet 3 is not later"),
        (ONE + "x\t" + packet(values(1), SINCE_2000_NS)[:-1].hex() + "\n", "218 bytes of samples"),
        (ONE + "x\t" + packet(values(9), SINCE_2000_NS).hex() + "\n", "not 1 to 200 times 3"),
        (ONE + "x\t" + packet(values(1), 2**63, frame=0).hex() + "\n", "no time of our days"),
        (ONE + "x\t" + packet(values(1), 5, frame=7).hex() + "\n", "frame type 7"),
        (log(values(20), rate_hz=500.0), "500.0 samples per second, not at about 130"),
        (ONE + "x\t" + packet(values(1), SINCE_2000_NS + 10**16).hex() + "\n", "split the file there"),
        (ONE + "\x00", "null bytes"),
        (ONE + "é\n", "no column with a packet"),
        (ONE + "0" * 100_000, "longer than 64 KiB"),
    ],
)
def test_a_log_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(study, write(tmp_path, text), format="polar")


@given(st.binary(min_size=13, max_size=300))
@settings(deadline=None, max_examples=200)
def test_any_packet_is_read_or_refused(data: bytes) -> None:
    said = ""
    try:
        read = parse_packet(data)
    except ValueError as error:
        said = str(error)
    else:
        assert read is None or read.samples.size == (len(data) - 10) // 3
    assert said.isprintable()


def test_a_log_is_recognised_by_its_packets(study: Study, tmp_path: Path) -> None:
    recording, _ = take_one(study, write(tmp_path, log(values())))
    assert recording.is_file()
