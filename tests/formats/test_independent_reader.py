"""What trilead writes is read by a reader that knows docs/formats.md and nothing else."""

from __future__ import annotations

import ast
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import NamedTuple

import h5py
import independent_reader
import numpy as np
import pytest
from independent_reader import FormatError, read_journal, read_recording, seal

import acquire.recordings.journal
from acquire.errors import JournalError
from acquire.recorder.launch import record_headless
from acquire.recordings.content import RecordingContent
from acquire.recordings.finish import build_content
from acquire.recordings.journal_write import JournalWriter
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.recordings.recovery import ENDING, recover
from acquire.recordings.samples import rows_of
from acquire.study import Study

SCRIPT = """
title = "Überblick"
[[steps]]
activity = "rest"
instruction = "Sit still – breathe."
duration_s = 2.5
repeat = 2
rest_s = 1
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 3
"""
N_SAMPLES = 625 + 250 + 625 + 250 + 750
VERSION_1 = Path(__file__).resolve().parents[1] / "acquire" / "data" / "version-1.h5"
EVENT = {"uuid": "own", "host_ns": 5, "step": 0, "activity": ""}


class Recorded(NamedTuple):
    journal: Path
    recording: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A recording with 40 lost samples, and the journal it was made from, kept by a second name."""
    folder = tmp_path_factory.mktemp("recorded")
    study = Study.create(folder / "study", mains_hz=50, factors={"electrode": ["agcl", "crni"]})
    script, kept = folder / "own.toml", folder / "kept.journal"
    script.write_text(SCRIPT, encoding="utf-8")

    def keep(_status: object) -> None:
        if not kept.exists():
            os.link(next(study.journals_dir.glob("*.journal")), kept)

    board = "sim:?speed=20&drop=500:40"
    summary = record_headless(
        study, subject="S01", board=board, protocol=str(script), factors={"electrode": "agcl"}, on_status=keep
    )
    return Recorded(kept, summary.path)


def test_the_second_reader_takes_nothing_from_trilead() -> None:
    tree = ast.parse(Path(independent_reader.__file__).read_text(encoding="utf-8"))
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imports - sys.stdlib_module_names <= {"h5py", "numpy", "numpy.typing"}


def test_two_readers_find_the_same_in_a_recording(recorded: Recorded) -> None:
    read = read_recording(recorded.recording)
    with open_recording(recorded.recording) as known:
        np.testing.assert_array_equal(read.samples, known.counts(), strict=True)
        np.testing.assert_allclose(read.values, known.signal(known.measured_leads), rtol=1e-12)
        np.testing.assert_array_equal(read.clock, known.clock)
        assert read.valid == [tuple(pair) for pair in known.valid.tolist()] == [(0, 500), (540, N_SAMPLES)]
        assert [gap._asdict() for gap in read.gaps] == [asdict(gap) for gap in known.gaps]
        assert read.events == [asdict(event) for event in known.events]
        assert [channel._asdict() for channel in read.channels] == [asdict(channel) for channel in known.channels]
        assert read.protocol_text == known.protocol_text == SCRIPT
        header = {field.name: read.attributes[field.name] for field in fields(known.header)}
        assert header | {name: json.loads(header[name]) for name in ("factors", "montage")} == asdict(known.header)
        assert read.root == known.content_sha256
    assert read.changed == []


def test_two_readers_find_the_same_report_and_it_fits_the_samples(recorded: Recorded) -> None:
    read = read_recording(recorded.recording)
    with open_recording(recorded.recording) as known:
        assert known.report is not None
        expected = json.loads(json.dumps(asdict(known.report)))
    for step in expected["steps"]:
        step["coverage"] = step["received_samples"] / step["expected_samples"]
    assert read.report == expected
    assert [(step["position"], step["step"], step["repetition"]) for step in expected["steps"]] == [
        (0, 1, 1),
        (2, 1, 2),
        (4, 2, 1),
    ]
    counts = [expected[f"{name}_samples"] for name in ("expected", "received", "lost")]
    assert counts == [len(read.samples), sum(stop - start for start, stop in read.valid), 40]
    assert (expected["n_gaps"], expected["longest_gap"]) == (1, 40)


def test_two_readers_find_the_same_in_a_journal(recorded: Recorded) -> None:
    read, known = read_journal(recorded.journal), acquire.recordings.journal.read_journal(recorded.journal)
    _assert_same_journal(read, known)
    assert read.header == known.header["header"]
    assert [channel._asdict() for channel in read.channels] == known.header["channels"]
    assert read.protocol_text == known.header["protocol_text"] == SCRIPT
    assert read.close is not None
    assert (read.close, read.close["reason"]) == (known.close, known.close_reason)
    assert read.close["link"].keys() == {"received_bytes", "bad_bytes", "resyncs", "reconnects"}
    assert (read.whole_bytes, read.fault) == (recorded.journal.stat().st_size, "")


def _assert_same_journal(read: independent_reader.Journal, known: acquire.recordings.journal.JournalContent) -> None:
    content, _ = build_content(known, ending=ENDING)
    assert content.report is not None
    np.testing.assert_array_equal(read.samples, rows_of(content.counts, 0, len(read.samples)))
    assert read.samples.shape == content.counts.shape
    assert read.clock.tolist() == rows_of(content.clock, 0, len(read.clock)).tolist()
    assert read.clock.shape == content.clock.shape
    assert read.events == [asdict(event) for event in content.events]
    assert read.valid == [tuple(pair) for pair in content.valid.tolist()]
    assert [gap._asdict() for gap in read.gaps] == [asdict(gap) for gap in content.gaps]
    assert read.ending == content.report.ending
    assert (read.close, read.whole_bytes, bool(read.fault)) == (known.close, known.whole_bytes, bool(known.fault))


def test_a_journal_alone_leads_to_its_recording(recorded: Recorded) -> None:
    journal, recording = read_journal(recorded.journal), read_recording(recorded.recording)
    np.testing.assert_array_equal(journal.samples, recording.samples, strict=True)
    np.testing.assert_array_equal(journal.clock, recording.clock, strict=True)
    for part in ("channels", "valid", "gaps", "events", "protocol_text"):
        assert getattr(journal, part) == getattr(recording, part)
    assert recording.report is not None
    assert journal.close == {"reason": recording.report["ending"], "link": recording.report["link"]}
    later = {"format", "version", "report", "content_sha256"}
    assert journal.header.keys() == recording.attributes.keys() - later
    for name, value in journal.header.items():
        written = recording.attributes[name]
        if name != "fitted_rate_hz":
            assert value == (json.loads(written) if name in ("factors", "montage") else written)


def test_a_recovered_journal_gets_its_gaps_and_a_stop_as_told(tmp_path: Path, recorded: Recorded) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    path = study.journal_path("S01", "01", 1)
    rows = read_journal(recorded.journal).samples
    with JournalWriter.create(path, acquire.recordings.journal.read_journal(recorded.journal).header) as writer:
        writer.append_event({**EVENT, "index": 25, "kind": "mark", "text": "second"})
        writer.append_chunk(index=10, host_ns=1_000, board_ns=-1, samples=rows[10:20])
        writer.append_chunk(index=20, host_ns=2_000, board_ns=-1, samples=rows[20:30])
        writer.append_chunk(index=35, host_ns=3_000, board_ns=7, samples=rows[35:50])
        writer.append_event({**EVENT, "uuid": "b", "index": 25, "kind": "note", "text": "third"})
        writer.append_event({**EVENT, "uuid": "c", "index": 0, "kind": "gap", "text": "the cable"})
    journal = read_journal(path)
    recording = read_recording(recover(study, path).path)
    np.testing.assert_array_equal(journal.samples, recording.samples, strict=True)
    assert journal.clock.tolist() == recording.clock.tolist() == [[19, 1000, -1], [29, 2000, -1], [49, 3000, 7]]
    assert journal.valid == recording.valid == [(10, 30), (35, 50)]
    assert [gap[:2] for gap in journal.gaps] == [(0, 10), (30, 5)]
    assert journal.gaps[0].cause == "the cable"
    assert recording.gaps == journal.gaps
    assert [event["text"] for event in journal.events[:-1]] == ["the cable", "second", "third"]
    assert (journal.events[-1]["kind"], journal.events[-1]["index"]) == ("stop", 50)
    assert recording.events == journal.events
    assert (recording.changed, recording.report and recording.report["ending"]) == ([], journal.ending)


def _record(kind: int, number: int, payload: bytes) -> bytes:
    checked = struct.pack("<III", kind, len(payload), number)
    return b"tlJ1" + checked + struct.pack("<I", zlib.crc32(checked + payload)) + payload


def _chunk(index: int, n_rows: int, *, reserved: int = 0, told: int | None = None) -> tuple[int, bytes]:
    head = struct.pack("<qqqII", index, 10**9, -1, n_rows if told is None else told, reserved)
    return independent_reader.CHUNK, head + np.arange(3 * n_rows, dtype="<i4").tobytes()


def _event(**columns: object) -> tuple[int, bytes]:
    return independent_reader.EVENT, json.dumps({**EVENT, "kind": "mark", "text": "", "index": 0, **columns}).encode()


CLOSE = independent_reader.CLOSE, b'{"reason": "enough", "link": {"received_bytes": 1}}'
DAY = 86_400 * 250


@pytest.mark.parametrize(
    ("records", "n_whole"),
    [
        pytest.param([_chunk(0, 5), CLOSE], 2, id="all is right"),
        pytest.param([_chunk(0, 5, reserved=7), CLOSE], 2, id="what is reserved is used"),
        pytest.param([_chunk(0, 5), CLOSE, _chunk(5, 5)], 2, id="something behind the CLOSE"),
        pytest.param([_chunk(0, 5), (independent_reader.HEADER, b"{}"), CLOSE], 1, id="a second HEADER"),
        pytest.param([_chunk(0, 5), (5, b""), CLOSE], 1, id="an unknown kind"),
        pytest.param([_chunk(0, 5), (independent_reader.EVENT, b"[]"), CLOSE], 1, id="an EVENT that is no object"),
        pytest.param([_chunk(0, 5), (independent_reader.EVENT, b"\xff{"), CLOSE], 1, id="an EVENT that is no text"),
        pytest.param([_chunk(0, 5), (independent_reader.CLOSE, b"7")], 1, id="a CLOSE that is no object"),
        pytest.param([_chunk(0, 5), _chunk(5, 5, told=4), CLOSE], 1, id="a CHUNK of another length"),
        pytest.param([_chunk(0, 5), _chunk(5, 0), CLOSE], 1, id="a CHUNK of no rows"),
        pytest.param([_chunk(0, 5), _chunk(-1, 5), CLOSE], 1, id="a negative index"),
        pytest.param([_chunk(0, 5), _chunk(2**62, 5), CLOSE], 1, id="an absurd index"),
        pytest.param([_chunk(0, 5), (independent_reader.CHUNK, b"short"), CLOSE], 1, id="a CHUNK without its head"),
        pytest.param([_chunk(0, 5), _chunk(4, 5), _chunk(9, 5), CLOSE], 4, id="a chunk before the end of another"),
        pytest.param([_chunk(0, 5), _chunk(5 + DAY + 1, 5), _chunk(9, 5), CLOSE], 4, id="a gap of more than a day"),
        pytest.param([_chunk(3, 5), _event(index=0, kind="gap")], 2, id="a gap whose event says nothing"),
        pytest.param(
            [
                _event(uuid="1", index=0, kind="gap", text="first"),
                _event(uuid="2", index=0, kind="gap", text="second"),
                _event(uuid="3", index=1, kind="gap", text="where no gap begins"),
                _chunk(3, 5),
            ],
            4,
            id="several gap events",
        ),
        pytest.param(
            [
                _chunk(0, 5),
                _event(index=6),
                _event(index=-1),
                _event(index=1.0),
                _event(index=True),
                _event(uuid=""),
                _event(more=1),
                _event(step=2**63),
                _event(uuid="a", text="kept \0\ud83d" + "x" * 10_000, index=5, activity="walk", step=3, host_ns=10**10),
                _event(uuid="a", text="left out"),
            ],
            10,
            id="events that no recording can have",
        ),
        pytest.param([_chunk(0, 5), (independent_reader.CLOSE, b'{"reason": ""}')], 2, id="a CLOSE without a reason"),
        pytest.param([], 0, id="a HEADER and nothing else"),
    ],
)
def test_two_readers_keep_the_same_of_a_journal_that_is_not_right(
    study: Study, recorded: Recorded, records: list[tuple[int, bytes]], n_whole: int
) -> None:
    path = study.journal_path("S01", "01", 1)
    header = json.dumps(
        {"journal_version": 1, **acquire.recordings.journal.read_journal(recorded.journal).header}
    ).encode()
    parts = [_record(kind, number, payload) for number, (kind, payload) in enumerate([(1, header), *records])]
    path.write_bytes(b"".join(parts))
    read = read_journal(path)
    assert read.whole_bytes == sum(map(len, parts[: n_whole + 1]))
    _assert_same_journal(read, acquire.recordings.journal.read_journal(path))
    recording = read_recording(recover(study, path).path)
    for part in ("channels", "valid", "gaps", "events", "protocol_text"):
        assert getattr(read, part) == getattr(recording, part)
    np.testing.assert_array_equal(read.samples, recording.samples, strict=True)
    assert recording.report is not None
    assert (recording.report["ending"], recording.report["link"], recording.changed) == (read.ending, None, [])


@pytest.mark.parametrize("first", [(1, b"[]"), (1, b"{"), (2, b"{}"), (1, b'{"journal_version": 2}')])
def test_a_journal_without_its_header_is_read_by_nobody(tmp_path: Path, first: tuple[int, bytes]) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(_record(first[0], 0, first[1]))
    with pytest.raises(FormatError, match="HEADER"):
        read_journal(path)
    with pytest.raises(JournalError):
        acquire.recordings.journal.read_journal(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("tail", [b"", bytes(4096), b"tlJ1" + bytes(100)])
def test_a_torn_journal_is_read_up_to_the_tear(tmp_path: Path, recorded: Recorded, share: float, tail: bytes) -> None:
    data = recorded.journal.read_bytes()
    torn = tmp_path / "torn.journal"
    torn.write_bytes(data[: int(share * len(data))] + tail)
    read, whole = read_journal(torn), read_journal(recorded.journal)
    _assert_same_journal(read, acquire.recordings.journal.read_journal(torn))
    assert read.fault
    assert read.close is None
    assert 0 < len(read.samples) <= len(whole.samples)
    np.testing.assert_array_equal(read.samples, whole.samples[: len(read.samples)])
    assert data.startswith(torn.read_bytes()[: read.whole_bytes])


@pytest.mark.parametrize(
    ("place", "fault"), [(0, "tlJ1"), (4, "CRC"), (12, "CRC"), (16, "CRC"), (20, "CRC")], ids=lambda value: str(value)
)
def test_a_flipped_bit_in_a_journal_ends_the_reading_before_its_record(
    tmp_path: Path, recorded: Recorded, place: int, fault: str
) -> None:
    data = bytearray(recorded.journal.read_bytes())
    at = data.rindex(b"tlJ1")
    data[at + place] ^= 1
    path = tmp_path / "flipped.journal"
    path.write_bytes(data)
    read = read_journal(path)
    assert (read.whole_bytes, read.close) == (at, None)
    assert fault in read.fault
    _assert_same_journal(read, acquire.recordings.journal.read_journal(path))


def _sample(file: h5py.File) -> None:
    file["signal"][777, 1] += 1


def _one_event(file: h5py.File) -> None:
    events = file["events"][()]
    events["activity"][1] = "jog"
    file["events"][...] = events


def _gap(file: h5py.File) -> None:
    gaps = file["gaps"][()]
    gaps["cause"][0] = "unknown"
    file["gaps"][...] = gaps


def _header(file: h5py.File) -> None:
    file.attrs["subject"] = "S02"


def _rate(file: h5py.File) -> None:
    file.attrs["fitted_rate_hz"] = np.float64(251)


def _gain(file: h5py.File) -> None:
    file["signal"].attrs["gain"] = np.asarray(file["signal"].attrs["gain"]) * [1, 1, 2]


def _clock(file: h5py.File) -> None:
    file["clock"][0, 1] += 1


def _protocol(file: h5py.File) -> None:
    file["protocol"][()] = SCRIPT + "# later\n"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_sample, "signal/750:1000"),
        (_one_event, "events/1"),
        (_header, "header/subject"),
        (_rate, "header/fitted_rate_hz"),
        (_gain, "channels/2"),
        (_gap, "datasets/gaps"),
        (_clock, "datasets/clock"),
        (_protocol, "datasets/protocol"),
    ],
)
def test_the_digests_name_the_part_that_was_changed(
    tmp_path: Path, recorded: Recorded, change: Callable[[h5py.File], None], named: str
) -> None:
    path = tmp_path / "changed.h5"
    path.write_bytes(recorded.recording.read_bytes()[:-88])
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FormatError, match="seal"):
        read_recording(path)
    body = path.read_bytes()
    path.write_bytes(body + seal(body))
    read = read_recording(path)
    assert read.changed == [named, "content_sha256"]
    assert read.root != read.attributes["content_sha256"]


@pytest.mark.parametrize("place", [100, -100, -88, -70, -1])
def test_a_flipped_bit_in_a_recording_is_seen_by_the_seal(tmp_path: Path, recorded: Recorded, place: int) -> None:
    data = bytearray(recorded.recording.read_bytes())
    data[place] ^= 1
    path = tmp_path / "flipped.h5"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="seal"):
        read_recording(path)


@pytest.mark.parametrize("rate_hz", [250.0, 2.5, 0.2, 16000.0])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_the_digests_fit_for_every_type_of_sample_and_every_length_of_block(
    tmp_path: Path, make_content: Callable[..., RecordingContent], dtype: str, rate_hz: float
) -> None:
    content = make_content(n_samples=990)
    counts, header = (content.counts // 1024).astype(dtype), replace(content.header, nominal_rate_hz=rate_hz)
    write_recording(tmp_path / "r.h5", replace(content, counts=counts, header=header))
    read = read_recording(tmp_path / "r.h5")
    np.testing.assert_array_equal(read.samples, counts, strict=True)
    np.testing.assert_array_equal(read.values[:300], (counts[:300] - np.array([0.0, 10.0])) * [0.5, 0.25])
    assert np.isnan(read.values[300:320]).all()
    assert (read.report, read.changed) == (None, [])


def test_the_digests_fit_where_there_are_no_samples(
    tmp_path: Path, make_content: Callable[..., RecordingContent]
) -> None:
    content = make_content()
    empty = {"counts": content.counts[:0], "valid": content.valid[:0], "clock": content.clock[:0]}
    write_recording(tmp_path / "r.h5", replace(content, **empty, gaps=(), events=()))
    read = read_recording(tmp_path / "r.h5")
    assert (read.samples.shape, read.valid, read.gaps, read.events, read.changed) == ((0, 2), [], [], [], [])


def test_a_recording_of_version_1_is_read_without_digests(make_content: Callable[..., RecordingContent]) -> None:
    read, content = read_recording(VERSION_1), make_content()
    np.testing.assert_array_equal(read.samples, content.counts, strict=True)
    assert read.events == [asdict(event) for event in content.events]
    assert (read.report, read.root, read.changed) == (None, "", [])
