from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import ecg_uv, physical, refused, take_one
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import ImportRefused
from curate.importers.xdf_chunks import walk

T0 = 5000.0


def chunk(tag: int, content: bytes) -> bytes:
    length = len(content) + 2
    width = 1 if length < 256 else 4
    return bytes([width]) + length.to_bytes(width, "little") + struct.pack("<H", tag) + content


def file_header(moment: str = "2024-05-06T07:08:09+0200") -> bytes:
    return b"XDF:" + chunk(1, f"<info><version>1.0</version><datetime>{moment}</datetime></info>".encode())


def stream_header(
    number: int = 1,
    *,
    name: str = "ecg",
    kind: str = "ECG",
    n: str = "2",
    rate: str = "250",
    form: str = "float32",
    labels: tuple[str, ...] = ("I", "II"),
    unit: str = "microvolts",
) -> bytes:
    channels = "".join(f"<channel><label>{label}</label><unit>{unit}</unit></channel>" for label in labels)
    xml = (
        f'<?xml version="1.0"?><info><name>{name}</name><type>{kind}</type><channel_count>{n}</channel_count>'
        f"<nominal_srate>{rate}</nominal_srate><channel_format>{form}</channel_format>"
        f"<desc><channels>{channels}</channels></desc></info>"
    )
    return chunk(2, struct.pack("<I", number) + xml.encode())


def samples(times: NDArray[np.float64], values: NDArray[Any], number: int = 1, *, first_only: bool = False) -> bytes:
    out = b""
    for start in range(0, len(times), 50):
        part = b""
        for k in range(start, min(start + 50, len(times))):
            stamped = not first_only or k == start
            part += (b"\x08" + struct.pack("<d", times[k]) if stamped else b"\x00") + values[k].tobytes()
        count = min(50, len(times) - start)
        out += chunk(3, struct.pack("<I", number) + b"\x04" + struct.pack("<I", count) + part)
    return out


def marker(when: float, text: str, number: int = 2) -> bytes:
    data = text.encode()
    content = b"\x01\x01\x08" + struct.pack("<d", when) + b"\x01" + bytes([len(data)]) + data
    return chunk(3, struct.pack("<I", number) + content)


def offset(number: int, when: float, behind: float) -> bytes:
    return chunk(4, struct.pack("<Idd", number, when, behind))


def footer(number: int = 1) -> bytes:
    return chunk(6, struct.pack("<I", number) + b"<info></info>")


MARKERS = stream_header(2, name="marks", kind="Markers", n="1", rate="0", form="string", labels=())


def times(n: int = 3000, rate_hz: float = 249.5) -> NDArray[np.float64]:
    return T0 + np.arange(n) / rate_hz


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.xdf"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("form", "dtype", "kept"),
    [
        ("float32", "<f4", "float32"),
        ("double64", "<f8", "float64"),
        ("int8", "<i1", "int16"),
        ("int16", "<i2", "int16"),
        ("int32", "<i4", "int32"),
        ("int64", "<i8", "int32"),
    ],
)
def test_samples_of_every_type_are_those_that_pyxdf_reads(
    study: Study, tmp_path: Path, form: str, dtype: str, kept: str
) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    values = (ecg_uv(3000) / 20).astype(dtype)
    path = write(tmp_path, file_header() + stream_header(form=form) + samples(times(), values) + footer())
    (expected,), _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    recording, _ = take_one(study, path)
    with open_recording(recording) as opened:
        assert str(opened.counts().dtype) == kept
        np.testing.assert_array_equal(opened.counts(), expected["time_series"])
        assert abs(opened.rate_hz / 249.5 - 1) < 1e-5
        assert opened.header.nominal_rate_hz == 250.0
        assert opened.measured_leads == ("I", "II", "III")
        assert opened.header.started_at == "2024-05-06T05:08:09.000000Z"
        clock = opened.clock
        np.testing.assert_allclose(
            clock[:, 1] / 1e9, (expected["time_stamps"] - expected["time_stamps"][0])[clock[:, 0]], atol=1e-6
        )
    np.testing.assert_allclose(physical(recording), expected["time_series"] / 1000, rtol=1e-6)


def test_samples_without_a_time_follow_the_one_before(study: Study, tmp_path: Path) -> None:
    values = ecg_uv(1000).astype("<f4")
    data = file_header() + stream_header() + samples(times(1000, 250.0), values, first_only=True)
    recording, _ = take_one(study, write(tmp_path, data))
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts(), values)
        assert (opened.gaps, round(opened.rate_hz, 3)) == ((), 250.0)


def test_a_gap_in_the_times_is_found_and_markers_keep_their_samples(study: Study, tmp_path: Path) -> None:
    values = ecg_uv(3000).astype("<f4")
    kept = np.r_[0:1000, 1500:3000]
    # The clock of the markers' sender is 2 s ahead, as its comparisons say.
    data = file_header() + stream_header() + MARKERS + samples(times()[kept], values[kept])
    data += offset(2, T0, -2.0) + offset(2, T0 + 10, -2.0)
    for at, text in ((500, "walk"), (2000, "stop é"), (99_999, "late")):
        data += marker(T0 + 2.0 + at / 249.5, text)
    recording, notes = take_one(study, write(tmp_path, data))
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(1000, 500)]
        np.testing.assert_array_equal(opened.counts(1500), values[1500:])
        assert [(e.index, e.kind, e.text) for e in opened.events] == [(500, "mark", "walk"), (2000, "mark", "stop é")]
    assert "1 marker outside the samples" in notes


def test_samples_that_are_no_numbers_become_a_gap(study: Study, tmp_path: Path) -> None:
    values = ecg_uv(1000).astype("<f4")
    values[200:210, 1] = np.nan
    recording, notes = take_one(study, write(tmp_path, file_header() + stream_header() + samples(times(1000), values)))
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(200, 10)]
    assert "no numbers became gaps" in notes


def test_of_several_streams_the_ecg_is_taken_or_the_one_that_is_named(study: Study, tmp_path: Path) -> None:
    values = ecg_uv(1000).astype("<f4")
    other = stream_header(3, name="acc", kind="Accelerometer")
    data = file_header() + stream_header() + other + samples(times(1000), values) + samples(times(1000), values, 3)
    recording, notes = take_one(study, write(tmp_path, data))
    assert "1 further stream (acc) could not be kept" in notes
    with open_recording(recording) as opened:
        assert opened.header.board == "imported: xdf (ecg)"
    twice = data.replace(b"<type>Accelerometer</type>", b"<type>ECG</type><!-- . -->")
    (tmp_path / "b").mkdir()
    again = write(tmp_path / "b", twice)
    assert "2 streams may be the ECG" in refused(study, again)
    recording, _ = take_one(study, again, stream="acc")
    with open_recording(recording) as opened:
        assert opened.header.board == "imported: xdf (acc)"


def test_a_cut_file_keeps_its_whole_chunks(study: Study, tmp_path: Path) -> None:
    data = file_header() + stream_header() + samples(times(), ecg_uv(3000).astype("<f4"))
    recording, notes = take_one(study, write(tmp_path, data[:-100]))
    with open_recording(recording) as opened:
        assert opened.n_samples == 2950
    assert "its last chunk is not whole" in notes


SOME = samples(times(200), ecg_uv(200).astype("<f4"))
ENDLESS_TEXT = chunk(3, struct.pack("<I", 2) + b"\x01\x01\x00\x08" + b"\xff" * 8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"XDF:", "no stream may be the ECG"),
        (b"XDF:" + b"\xff" * 100, "no stream may be the ECG"),
        (file_header() + stream_header(), "has 0 samples"),
        (file_header() + SOME, "come before its header"),
        (file_header() + stream_header() + stream_header(), "stream 1 twice"),
        (file_header() + stream_header(n="0") + SOME, "has '0' channels"),
        (file_header() + stream_header(n="-3") + SOME, "has '-3' channels"),
        (file_header() + stream_header(n="99999999") + SOME, "has '99999999' channels"),
        (file_header() + stream_header(rate="-250") + SOME, "'-250' samples per second"),
        (file_header() + stream_header(rate="nan") + SOME, "'nan' samples per second"),
        (file_header() + stream_header(rate="1000") + SOME, "its times give 249.5"),
        (file_header() + stream_header(form="float128") + SOME, "has the format 'float128'"),
        (file_header() + stream_header(labels=("I", "I")) + SOME, "two of its channels are named 'I'"),
        (file_header() + stream_header(labels=("I", "")) + SOME, "is named ''"),
        (file_header() + stream_header() + SOME[: len(SOME) // 4], "at least 100 are needed"),
        (file_header() + stream_header(n="50", labels=()) + SOME, "claims 50 samples and does not hold them"),
        (
            file_header() + stream_header() + chunk(3, struct.pack("<IBQ", 1, 8, 1 << 40) + bytes(900)),
            "claims 1099511627776 samples",
        ),
        (file_header() + stream_header() + chunk(3, struct.pack("<I", 1) + b"\x09"), "damaged"),
        (file_header() + stream_header() + chunk(3, b"\x01"), "names no stream"),
        (b"XDF:" + chunk(1, b"<info>"), "no XML"),
        (b"XDF:" + chunk(1, b'<!DOCTYPE x [<!ENTITY a "aaaa">]><info>&a;</info>'), "document type"),
        (b"XDF:" + b"\x08" + struct.pack("<Q", 1) + b"\x01\x00", "said to have 1 bytes"),
        (b"XDF:" + b"\x08" + struct.pack("<Q", 1 << 62), "no stream may be the ECG"),
        (
            file_header() + stream_header() + samples(times(200)[::-1], ecg_uv(200).astype("<f4")),
            "times of stream 'ecg'",
        ),
        (file_header() + stream_header() + samples(np.zeros(200), ecg_uv(200).astype("<f4")), "span 0 s"),
        (file_header() + stream_header() + samples(np.full(200, np.inf), ecg_uv(200).astype("<f4")), "tells the time"),
        (file_header() + stream_header() + samples(times(200), np.full((200, 2), np.inf, "<f4")), "infinite samples"),
        (
            file_header()
            + stream_header()
            + MARKERS
            + SOME
            + chunk(3, struct.pack("<I", 2) + b"\x01\x01\x00\x08" + b"\xff" * 8),
            "does not hold them",
        ),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refused(study, write(tmp_path, data), format="xdf")


@given(data=st.binary(max_size=200), at=st.integers(0, 2000))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_walked_or_refused(tmp_path: Path, data: bytes, at: int) -> None:
    good = file_header() + stream_header() + MARKERS + SOME
    path = write(tmp_path, good[:at] + data + good[at + len(data) :])
    said = ""
    try:
        file = walk(path, shown=Path("a.xdf"))
        for number, info in file.streams.items():
            if info.format == "string":
                file.texts(number)
            else:
                file.numbers(number)
    except ImportRefused as error:
        said = str(error)
    assert said.isprintable()
