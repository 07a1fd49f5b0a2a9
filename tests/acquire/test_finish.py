from __future__ import annotations

import json
import tracemalloc
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquire.boards.board import Channel, LinkCounters
from acquire.errors import JournalError, RecordingError
from acquire.recordings.content import RecordingContent
from acquire.recordings.finish import (
    LOST_SAMPLES,
    RecordingSummary,
    build_content,
    discard,
    journal_header,
    keep_evidence,
    summary_of,
)
from acquire.recordings.journal import read_journal
from acquire.recordings.journal_samples import JournalSamples
from acquire.recordings.journal_write import JournalWriter
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.recordings.report import RecordingReport
from protocols.player import Event, Player
from protocols.script import parse_script

MakeContent = Callable[..., RecordingContent]
DATA = Path(__file__).parent / "data"

PROTOCOL = """
title = "Two steps"
[[steps]]
activity = "rest"
instruction = "Sit."
duration_s = 2
repeat = 2
rest_s = 1
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 4
"""


class Session:
    """A protocol that is played on samples with gaps, at 100 Hz, into a journal."""

    def __init__(self, path: Path, header: Any) -> None:
        script = parse_script(PROTOCOL, name="two")
        self.path = path
        self.player = Player(script.script, rate_hz=100.0)
        self.index = 0
        self.writer = JournalWriter.create(
            path,
            journal_header(
                replace(header, nominal_rate_hz=100.0, montage={"I": {"one": 1.0}}),
                channels=[Channel(name="one", gain=1.0)],
                dtype="int32",
                protocol_text=PROTOCOL,
            ),
        )
        self.write(self.player.start(0))

    def write(self, events: Sequence[Event]) -> None:
        for event in events:
            self.writer.append_event({**asdict(event), "host_ns": self.index})

    def samples(self, n_samples: int) -> None:
        for _ in range(n_samples // 10):
            rows = np.arange(self.index, self.index + 10, dtype=np.int32)[:, None]
            self.index += 10
            host_ns = self.index * 10_000_000
            self.writer.append_chunk(index=self.index - 10, host_ns=host_ns, board_ns=-1, samples=rows)
            self.write(self.player.advance(self.index))

    def lose(self, n_samples: int, cause: str = "") -> None:
        if cause:
            self.event("gap", cause)
        self.index += n_samples

    def event(self, kind: str, text: str, index: int | None = None) -> None:
        place = self.index if index is None else index
        event = Event(uuid=uuid.uuid4().hex, index=place, kind=kind, step=0, activity="", text=text)
        self.write([event])

    def finish(self, reason: str = "the protocol ended", **more: Any) -> RecordingContent:
        self.writer.append_close(reason, **more)
        self.writer.release()
        content, doubts = build_content(read_journal(self.path), ending="unused")
        assert doubts == ()
        return content


@pytest.fixture
def session(tmp_path: Path, make_content: MakeContent) -> Session:
    return Session(tmp_path / "j.journal", make_content().header)


def _received(content: RecordingContent) -> list[tuple[str, int, int, int]]:
    assert content.report is not None
    return [
        (step.activity, step.repetition, step.received_samples, step.expected_samples) for step in content.report.steps
    ]


def test_a_whole_protocol_covers_every_step(session: Session) -> None:
    session.samples(1000)
    report = session.finish(link=asdict(LinkCounters(received_bytes=7, bad_bytes=1))).report
    assert report is not None
    assert [(step.position, step.step, step.instruction) for step in report.steps] == [
        (0, 1, "Sit."),
        (2, 1, "Sit."),
        (4, 2, "Walk."),
    ]
    assert [step.coverage for step in report.steps] == [1.0, 1.0, 1.0]
    assert (report.expected_samples, report.received_samples, report.lost_samples) == (1000, 1000, 0)
    assert (report.n_gaps, report.longest_gap) == (0, 0)
    assert report.link == LinkCounters(received_bytes=7, bad_bytes=1)
    assert report.ending == "the protocol ended"


def test_what_a_gap_took_is_missing_from_its_step(session: Session) -> None:
    session.samples(50)
    session.lose(30)
    session.samples(500)
    session.lose(100)
    session.samples(320)
    content = session.finish()
    report = content.report
    assert _received(content) == [("rest", 1, 170, 200), ("rest", 2, 200, 200), ("walk", 1, 320, 400)]
    assert report is not None
    assert (report.lost_samples, report.n_gaps, report.longest_gap) == (130, 2, 100)
    assert report.link is None


def test_only_the_last_attempt_of_a_repeated_step_counts(session: Session) -> None:
    session.samples(150)
    session.write(session.player.repeat(session.index))
    session.samples(250)
    # In the rest behind the first repetition: once more the step before it.
    session.write(session.player.repeat(session.index))
    session.samples(200 + 100 + 200 + 100 + 400)
    assert _received(session.finish()) == [("rest", 1, 200, 200), ("rest", 2, 200, 200), ("walk", 1, 400, 400)]


def test_pauses_and_skips_show_in_the_coverage(session: Session) -> None:
    session.samples(100)
    session.write(session.player.pause(session.index))
    session.samples(70)
    session.write(session.player.resume(session.index))
    session.samples(100 + 100 + 50)
    session.write(session.player.skip(session.index))
    session.samples(100)
    session.write(session.player.stop(session.index))
    # Skipped in the second repetition, and stopped in the rest behind it.
    assert _received(session.finish()) == [("rest", 1, 200, 200), ("rest", 2, 50, 200), ("walk", 1, 0, 400)]


def test_a_gap_has_the_cause_that_the_recorder_wrote(session: Session) -> None:
    session.samples(50)
    session.lose(30, "the cable was unplugged")
    session.samples(50)
    session.lose(20)
    session.samples(50)
    session.event("gap", "an event where no gap begins", index=10)
    gaps = session.finish().gaps
    assert [(gap.start, gap.length, gap.cause) for gap in gaps] == [
        (50, 30, "the cable was unplugged"),
        (130, 20, LOST_SAMPLES),
    ]


def test_an_added_stop_says_what_the_close_says(session: Session) -> None:
    session.samples(50)
    content = session.finish(reason="the subject\0 left")
    assert content.report is not None
    assert content.events[-1].kind == "stop"
    assert content.events[-1].text == content.report.ending == "the subject? left"


def test_events_that_no_recording_can_have_are_left_out_with_a_doubt(session: Session, tmp_path: Path) -> None:
    session.samples(50)
    mark = {"uuid": "own", "index": 5, "host_ns": 1, "kind": "mark", "step": 0, "activity": "", "text": "first"}
    bad = [{"index": 51}, {"index": -1}, {"uuid": ""}, {"step": 2**63}, {"host_ns": -(2**64)}, {"more": 1}]
    for event in [mark, {**mark, "text": "second"}, *({**mark, "uuid": f"b{n}", **b} for n, b in enumerate(bad))]:
        session.writer.append_event(event)
    session.writer.release()
    content, doubts = build_content(read_journal(session.path), ending="")
    assert [event.text for event in content.events if event.kind == "mark"] == ["first"]
    assert doubts == (
        "an event that is not whole or stands outside the samples was left out",
        "two events have the uuid 'own', and the second was left out",
    )
    write_recording(tmp_path / "r.h5", content)


def _headed(path: Path, make_content: MakeContent, change: dict[str, Any]) -> Path:
    header = make_content().header
    head = journal_header(header, channels=[Channel(name="one", gain=1.0)], dtype="int32", protocol_text="")
    head["header"] |= {"montage": {"I": {"one": 1.0}}, **change}
    with JournalWriter.create(path, head) as writer:
        writer.append_chunk(index=0, host_ns=0, board_ns=-1, samples=np.ones((9, 1), dtype=np.int32))
    return path


def test_a_rate_or_gain_without_a_point_is_the_same_number(tmp_path: Path, make_content: MakeContent) -> None:
    path = _headed(tmp_path / "j.journal", make_content, {"nominal_rate_hz": 250, "fitted_rate_hz": 0})
    journal = read_journal(path)
    journal.header["channels"][0]["gain"] = 2
    content, _ = build_content(journal, ending="")
    write_recording(tmp_path / "r.h5", content)
    with open_recording(tmp_path / "r.h5") as recording:
        assert type(recording.header.nominal_rate_hz) is float
        assert (recording.header.nominal_rate_hz, recording.channels[0].gain) == (250.0, 2.0)


@pytest.mark.parametrize(
    "change",
    [
        {"nominal_rate_hz": 10**400},
        {"nominal_rate_hz": "250"},
        {"factors": {"electrode": 7}},
        {"montage": {"I": 1.0}},
        {"montage": {"I": {"one": True}}},
        {"run": 1.0},
        {"more": ""},
    ],
)
def test_a_header_that_no_recording_can_have_is_refused(
    tmp_path: Path, make_content: MakeContent, change: dict[str, Any]
) -> None:
    journal = read_journal(_headed(tmp_path / "j.journal", make_content, change))
    with pytest.raises(JournalError, match="HEADER lacks what a recording needs"):
        build_content(journal, ending="")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"run": 2**70}, "run is"),
        ({"montage": {"I": {"one": 10**400}}}, "which must be finite"),
        ({"nominal_rate_hz": float("1e300")}, "nominal_rate_hz is"),
    ],
)
def test_a_number_beyond_every_limit_is_one_sentence(
    tmp_path: Path, make_content: MakeContent, change: dict[str, Any], fault: str
) -> None:
    content, _ = build_content(read_journal(_headed(tmp_path / "j.journal", make_content, change)), ending="")
    with pytest.raises(RecordingError, match=fault):
        write_recording(tmp_path / "r.h5", content)
    assert [file.name for file in tmp_path.iterdir()] == ["j.journal"]


def test_a_journal_that_cannot_go_is_a_note_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "j.journal"
    journal.touch()

    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        assert discard(journal) == (
            "its journal j.journal could not be removed (Permission denied); run trilead recover"
        )
    assert discard(journal) == ""
    assert not journal.exists()


def test_a_doubtful_journal_keeps_its_name_where_the_disk_refuses_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "j.journal"
    journal.write_bytes(b"doubtful")

    def refused(temporary: Path, final: Path) -> None:
        raise PermissionError(13, "Permission denied", str(final))

    with monkeypatch.context() as patched:
        patched.setattr("acquire.recordings.finish.publish", refused)
        assert keep_evidence(journal) == journal
    (tmp_path / "j.kept-01").touch()
    assert keep_evidence(journal) == tmp_path / "j.kept-02"
    assert (tmp_path / "j.kept-02").read_bytes() == b"doubtful"


@pytest.mark.parametrize("link", [7, {"received_bytes": "x"}, {}, {"received_bytes": 1, "other": 2}])
def test_link_counters_that_are_none_are_passed_over(session: Session, link: object) -> None:
    session.samples(10)
    report = session.finish(link=link).report
    assert report is not None
    assert report.link is None


@pytest.mark.parametrize("text", ["half a pair \ud83d", "a null \0 in it", "x" * 20_000])
def test_no_text_of_an_operator_stands_between_the_samples_and_their_file(
    session: Session, tmp_path: Path, text: str
) -> None:
    session.samples(50)
    session.event("note", text)
    content = session.finish()
    write_recording(tmp_path / "r.h5", content)
    with open_recording(tmp_path / "r.h5") as recording:
        note = next(event for event in recording.events if event.kind == "note")
        assert note.text[:6] == text[:6]
        assert len(note.text) <= 10_000


def test_a_protocol_that_cannot_be_read_any_more_costs_only_the_coverage(make_content: MakeContent) -> None:
    content, _ = build_content(read_journal(DATA / "version-1.journal"), ending="")
    assert content.report is not None
    assert content.report.steps == ()
    assert content.report.received_samples == 980


def test_a_journal_without_samples_is_a_recording(session: Session, tmp_path: Path) -> None:
    content = session.finish()
    write_recording(tmp_path / "r.h5", content)
    assert content.report is not None
    assert (content.report.expected_samples, content.report.lateness, content.report.drift_ppm) == (0, None, None)
    assert [coverage[2] for coverage in _received(content)] == [0, 0, 0]


def test_the_report_is_stored_in_the_header_and_travels_with_the_summary(session: Session, tmp_path: Path) -> None:
    session.samples(1000)
    content = session.finish()
    path = tmp_path / "r.h5"
    write_recording(path, content)
    with open_recording(path) as recording:
        assert recording.report == content.report
    summary = summary_of(path, content, reason="x")
    assert RecordingSummary.from_values(json.loads(json.dumps(summary.to_values()))) == summary
    assert summary.report == content.report
    bare = replace(summary, report=None)
    assert RecordingSummary.from_values(bare.to_values()) == bare


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 7},
        {"steps": [7]},
        {"steps": [{}]},
        {"lost_samples": "many"},
        {"lateness": {"p50_ms": 1}},
        {"link": []},
        {"more": 1},
        {"drift_ppm": "x"},
    ],
)
def test_a_report_that_is_none_is_refused(session: Session, change: dict[str, Any]) -> None:
    session.samples(100)
    report = session.finish().report
    assert report is not None
    with pytest.raises(ValueError, match=r"must be|wrong type|no list"):
        RecordingReport.from_json(json.dumps({**json.loads(report.to_json()), **change}))
    for text in ("", "[]", "{", "[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            RecordingReport.from_json(text)


@settings(max_examples=40, deadline=None)
@given(
    chunks=st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 40]), st.integers(1, 30)), min_size=1, max_size=60),
    data=st.data(),
)
def test_any_rows_of_a_journal_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[int, int]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rows") / "j.journal"
    truth: list[Any] = []
    header = {"dtype": "int32", "channels": [1, 2]}
    with pytest.MonkeyPatch.context() as monkeypatch, JournalWriter.create(path, header) as writer:
        monkeypatch.setattr("acquire.recordings.chunk_index._BLOCK_CHUNKS", 4)
        for number, (lost, n_rows) in enumerate(chunks):
            rows = np.full((n_rows, 2), number + 1, dtype=np.int32) + np.arange(n_rows, dtype=np.int32)[:, None] * 1000
            truth += [[0, 0]] * lost
            writer.append_chunk(index=len(truth), host_ns=number, board_ns=-1, samples=rows)
            if number % 3 == 0:
                writer.append_event({"text": "between" * number})
            truth += rows.tolist()
        samples = JournalSamples(read_journal(path).chunks)
        assert samples.shape == (len(truth), 2)
        start = data.draw(st.integers(0, len(truth)))
        stop = data.draw(st.integers(start, len(truth)))
        assert samples.rows(start, stop).tolist() == truth[start:stop]


def test_a_journal_that_vanishes_while_it_is_read_is_one_sentence(session: Session) -> None:
    session.samples(100)
    content = session.finish()
    session.path.write_bytes(session.path.read_bytes()[:-2000])
    with pytest.raises(JournalError, match="shorter; check the disk"):
        content.counts.rows(0, 100)  # type: ignore[union-attr]
    session.path.unlink()
    with pytest.raises(JournalError, match="cannot be read any more"):
        content.counts.rows(0, 100)  # type: ignore[union-attr]


class Endless:
    """Samples that are made when they are asked for."""

    dtype = np.dtype(np.int32)
    shape = (3_000_000, 2)
    most = 0

    def rows(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        self.most = max(self.most, stop - start)
        return np.arange(2 * start, 2 * stop, dtype=np.int32).reshape(-1, 2)


def test_a_long_recording_passes_through_little_memory(tmp_path: Path, make_content: MakeContent) -> None:
    source = Endless()
    content = replace(
        make_content(),
        counts=source,
        valid=np.array([[0, 3_000_000]]),
        gaps=(),
        events=(),
        clock=np.array([[2_999_999, 1, -1]]),
    )
    tracemalloc.start()
    try:
        write_recording(tmp_path / "r.h5", content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert source.most == 2500
    assert peak < 8e6  # the samples are 24e6 bytes
    with open_recording(tmp_path / "r.h5") as recording:
        assert recording.holds(source)


def test_what_an_older_trilead_left_behind_is_still_finished(tmp_path: Path, make_content: MakeContent) -> None:
    content, doubts = build_content(read_journal(DATA / "version-1.journal"), ending="")
    assert doubts == ()
    assert content.header.loss_detection == ""
    np.testing.assert_array_equal(content.counts.rows(0, 1000), make_content().counts)  # type: ignore[union-attr]
    write_recording(tmp_path / "r.h5", content)
