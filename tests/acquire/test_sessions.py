"""Which session a recording belongs to when nobody, or somebody, says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from acquire.errors import StudyError
from acquire.recordings.content import RecordingContent
from acquire.recordings.finish import journal_header
from acquire.recordings.journal_write import JournalWriter
from acquire.recordings.recording_write import write_recording
from acquire.study import Study

MakeContent = Callable[..., RecordingContent]


@pytest.fixture
def record(study: Study, make_content: MakeContent) -> Callable[..., Path]:
    """Put a recording that was begun at some time into the study, though it was copied there at another."""

    def put(session: str, run: int, started_at: str, *, copied_s: int, subject: str = "S01") -> Path:
        content = make_content(subject=subject, session=session, run=run, n_samples=400, seed=run)
        path = study.recording_path(subject, session, run)
        write_recording(path, replace(content, header=replace(content.header, started_at=started_at)))
        os.utime(path, (copied_s, copied_s))
        return path

    return put


def test_the_latest_session_is_that_of_the_last_recording_and_not_of_the_last_label(
    study: Study, record: Callable[..., Path]
) -> None:
    record("07", 1, "2026-01-01T10:00:00+00:00", copied_s=5000)
    record("zeta", 1, "2026-01-02T10:00:00+00:00", copied_s=4000)
    record("pre", 1, "2026-01-01T09:00:00+00:00", copied_s=3000)
    record("pre", 2, "2026-01-03T10:00:00+02:00", copied_s=1000)
    record("09", 1, "2026-02-01T10:00:00+00:00", copied_s=9000, subject="S02")
    assert study.latest_session("S01") == "pre"
    choice = study.choose_session("S01", None)
    assert choice.label == "pre"
    assert choice.words == "Session pre, as in the last recording of S01; --session new begins another."


def test_a_recording_under_way_counts_by_its_journal(
    study: Study, record: Callable[..., Path], make_content: MakeContent
) -> None:
    record("07", 1, "2026-01-01T10:00:00+00:00", copied_s=5000)
    content = make_content(session="pre")
    header = replace(content.header, started_at="2026-01-02T10:00:00+00:00")
    first = journal_header(header, channels=content.channels, dtype="int32", protocol_text="")
    with JournalWriter.create(study.journal_path("S01", "pre", 1), first):
        assert study.latest_session("S01") == "pre"


def test_a_recording_that_cannot_be_read_counts_by_when_it_was_written(
    study: Study, record: Callable[..., Path]
) -> None:
    record("07", 1, "2026-01-01T10:00:00+00:00", copied_s=5000)
    study.recording_path("S01", "pre", 1).write_bytes(b"damaged")
    assert study.latest_session("S01") == "pre"
    os.utime(study.recording_path("S01", "pre", 1), (1000, 1000))
    assert study.latest_session("S01") == "07"


def test_nothing_is_opened_where_there_is_but_one_session(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acquire.sessions._started_at", lambda file: pytest.fail(f"{file} was opened"))
    for run in range(1, 4):
        study.recording_path("S01", "pre", run).touch()
    assert study.latest_session("S01") == "pre"


@pytest.mark.parametrize("asked", ["new", "NEW", "New"])
def test_new_in_any_capitals_begins_the_next_number(study: Study, asked: str) -> None:
    study.recording_path("S01", "04", 1).touch()
    assert asdict(study.choose_session("S01", asked)) == {"label": "05", "words": "Session 05, new for S01."}


def test_the_first_session_and_one_that_is_there_are_told(study: Study) -> None:
    assert study.choose_session("S01", None).words == "Session 01, the first of S01."
    study.recording_path("S01", "pre", 1).touch()
    assert study.choose_session("S01", "pre").words == "Session pre, which S01 has already."
    assert study.choose_session("S01", "post").words == "Session post, new for S01."


@pytest.mark.parametrize(("there", "asked"), [("01", "1"), ("1", "001"), ("pre", "Pre"), ("Pre2", "pre2")])
def test_a_label_that_hardly_differs_from_another_is_refused(study: Study, there: str, asked: str) -> None:
    study.recording_path("S01", there, 1).touch()
    with pytest.raises(StudyError, match=f"S01 has the session {there} already, and {asked} differs from it only in"):
        study.choose_session("S01", asked)
    assert study.choose_session("S02", asked).label == asked
    study.recording_path("S01", asked, 1).touch()
    assert study.choose_session("S01", asked).label == asked


def test_what_is_no_label_is_refused(study: Study) -> None:
    with pytest.raises(StudyError, match="a session label is"):
        study.choose_session("S01", "a/b")
