from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from acquire.errors import JournalError
from acquire.recordings.content import Header, RecordingContent
from acquire.recordings.finish import build_content, journal_header
from acquire.recordings.journal import read_journal
from acquire.recordings.journal_write import JournalWriter
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.recordings.recovery import orphaned_journals, recover
from acquire.study import Study
from benchmarks.kill9 import PROTOCOL_S, kill_once

MakeContent = Callable[..., RecordingContent]


def _orphan(study: Study, content: RecordingContent, *, close: bool = False) -> Path:
    """A journal of the valid ranges and events of a recording, written ten samples at a time, that nobody holds."""
    header = content.header
    path = study.journal_path(header.subject, header.session, header.run)
    layout = journal_header(header, channels=content.channels, dtype="int32", protocol_text=content.protocol_text)
    with JournalWriter.create(path, layout) as writer:
        for start, stop in content.valid.tolist():
            for index in range(start, stop, 10):
                samples = content.counts[index : min(index + 10, stop)]
                writer.append_chunk(index=index, host_ns=index * 4_000_000, board_ns=-1, samples=samples)
        for event in content.events[: None if close else -1]:
            writer.append_event(asdict(event))
        if close:
            writer.append_close("the protocol ended")
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize("number", range(6))
def test_a_killed_recorder_loses_at_most_the_last_second(tmp_path: Path, number: int) -> None:
    speed = 4.0
    while_finishing = number >= 4
    seed = random.SystemRandom().randrange(10**6)
    moment_s = random.Random(seed).uniform(0, 0.15 if while_finishing else PROTOCOL_S / speed)
    kill = kill_once(tmp_path, moment_s=moment_s, while_finishing=while_finishing, speed=speed, seed=seed)
    assert kill.equal, f"{kill}, seed {seed}"
    assert kill.lost_ms <= 1000 * speed, f"{kill}, seed {seed}"


def test_an_orphan_becomes_the_recording_it_was_on_the_way_to(study: Study, make_content: MakeContent) -> None:
    content = make_content()
    journal = _orphan(study, content)
    assert [orphan.path for orphan in orphaned_journals(study)] == [journal]
    recovery = recover(study, journal)
    assert recovery.path == study.recording_path("S01", "01", 1)
    assert (recovery.doubts, recovery.evidence, recovery.dropped_bytes) == ((), None, 0)
    with open_recording(recovery.path) as recording:
        assert recording.header == replace(content.header, fitted_rate_hz=0.0)
        np.testing.assert_array_equal(recording.counts(), content.counts)
        assert [(gap.start, gap.length) for gap in recording.gaps] == [(300, 20)]
        stop = recording.events[-1]
        assert (stop.kind, stop.index, stop.activity) == ("stop", 1000, "rest")
        assert stop.text.startswith("recovered")
    assert list(study.journals_dir.iterdir()) == []
    assert orphaned_journals(study) == []


def test_a_journal_under_way_is_no_orphan_and_cannot_be_recovered(study: Study, make_content: MakeContent) -> None:
    content = make_content()
    path = study.journal_path("S01", "01", 1)
    header = journal_header(content.header, channels=content.channels, dtype="int32", protocol_text="")
    with JournalWriter.create(path, header):
        assert orphaned_journals(study) == []
        with pytest.raises(JournalError, match="right now"):
            recover(study, path)
    assert len(orphaned_journals(study)) == 1


def test_a_torn_end_is_told_and_costs_nothing_else(study: Study, make_content: MakeContent) -> None:
    journal = _orphan(study, replace(make_content(), events=()))
    journal.write_bytes(journal.read_bytes()[:-25])
    recovery = recover(study, journal)
    assert recovery.summary.n_samples == 990
    assert recovery.dropped_bytes == 20 + 32 + 80 - 25
    assert 0 < recovery.dropped_ms <= 1000 * 13 / 250
    assert recovery.evidence is None


def test_a_damaged_journal_gives_what_is_certain_and_is_kept(study: Study, make_content: MakeContent) -> None:
    journal = _orphan(study, make_content())
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    recovery = recover(study, journal)
    assert 0 < recovery.summary.n_samples < 1000
    assert recovery.doubts
    assert recovery.evidence is not None
    assert recovery.evidence.read_bytes() == bytes(data)
    assert orphaned_journals(study) == []
    with open_recording(recovery.path) as recording:
        np.testing.assert_array_equal(recording.counts(), make_content().counts[: recording.n_samples])


def test_a_journal_that_cannot_go_is_told_beside_its_recording(
    study: Study, make_content: MakeContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = _orphan(study, make_content())
    unlink = Path.unlink

    def refused(self: Path, missing_ok: bool = False) -> None:
        if self == journal:
            raise PermissionError(13, "Permission denied", str(self))
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        recovery = recover(study, journal)
    assert recovery.doubts == recovery.summary.doubts
    assert "could not be removed (Permission denied)" in recovery.doubts[0]
    assert recovery.evidence == journal
    again = recover(study, journal)
    assert (again.was_finished, again.path, again.doubts) == (True, recovery.path, ())
    assert orphaned_journals(study) == []


def test_a_journal_whose_recording_stands_already_only_goes(study: Study, make_content: MakeContent) -> None:
    content = make_content()
    journal = _orphan(study, content, close=True)
    built, _ = build_content(read_journal(journal), ending="")
    write_recording(study.recording_path("S01", "01", 1), built)
    before = study.recording_path("S01", "01", 1).read_bytes()
    recovery = recover(study, journal)
    assert recovery.was_finished
    assert study.recording_path("S01", "01", 1).read_bytes() == before
    assert study.recordings() == [study.recording_path("S01", "01", 1)]
    assert not journal.exists()


@pytest.mark.parametrize("other", ["a recording", "something else"])
def test_recovery_never_overwrites_another_recording(study: Study, make_content: MakeContent, other: str) -> None:
    journal = _orphan(study, make_content())
    taken = study.recording_path("S01", "01", 1)
    if other == "a recording":
        write_recording(taken, make_content(seed=1))
    else:
        taken.write_text(other)
    before = taken.read_bytes()
    recovery = recover(study, journal)
    assert recovery.path == study.recording_path("S01", "01", 2)
    with open_recording(recovery.path) as recording:
        assert recording.header.run == 2
    assert taken.read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"tlJ1", b"something else"])
def test_what_is_no_journal_is_left_alone(study: Study, data: bytes) -> None:
    path = study.journal_path("S01", "01", 1)
    path.write_bytes(data)
    with pytest.raises(JournalError):
        recover(study, path)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "change",
    [{"run": "one"}, {"subject": None}, {"nominal_rate_hz": "fast"}, {"extra": 1}, {"factors": []}, {"run": True}],
)
def test_a_header_that_lacks_something_is_refused(
    study: Study, make_content: MakeContent, change: dict[str, object]
) -> None:
    header = {**asdict(make_content().header), **change}
    path = study.journal_path("S01", "01", 1)
    with JournalWriter.create(
        path,
        {
            "header": header,
            "channels": [asdict(c) for c in make_content().channels],
            "dtype": "int32",
            "protocol_text": "",
        },
    ):
        pass
    with pytest.raises(JournalError, match="HEADER lacks"):
        recover(study, path)


def test_a_chunk_that_cannot_follow_ends_what_is_certain(study: Study, make_content: MakeContent) -> None:
    content = make_content()
    path = study.journal_path("S01", "01", 1)
    with JournalWriter.create(
        path, journal_header(content.header, channels=content.channels, dtype="int32", protocol_text="")
    ) as writer:
        for index in (0, 10, 5):
            writer.append_chunk(index=index, host_ns=0, board_ns=-1, samples=content.counts[:10])
        writer.append_chunk(index=10**14, host_ns=0, board_ns=-1, samples=content.counts[:10])
        writer.append_event({"kind": "mark"})
    recovery = recover(study, path)
    assert recovery.summary.n_samples == 20
    assert len(recovery.doubts) == 2
    assert recovery.evidence is not None


def test_the_journals_header_is_the_recordings(make_content: MakeContent) -> None:
    header = make_content().header
    assert Header(**journal_header(header, channels=(), dtype="int32", protocol_text="")["header"]) == header


def test_a_folder_that_is_called_a_journal_is_none(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    (study.journals_dir / "sub-S01_ses-01_run-01.journal").mkdir()
    assert orphaned_journals(study) == []
