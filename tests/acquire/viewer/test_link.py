from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import wait_until

from acquire.recorder.control import state_path
from acquire.recorder.launch import RecorderProcess, prepare, start_recorder
from acquire.recordings.recovery import recover
from acquire.study import Study
from acquire.viewer.link import Ended, RecorderLink


@contextmanager
def recording(study: Study, board: str = "sim:") -> Iterator[RecorderProcess]:
    recorder = start_recorder(prepare(study, subject="S01", board=board, protocol="dt4ecg"))
    try:
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.process.kill()
        recorder.process.wait()
        for stream in (recorder.process.stdout, recorder._complaints):
            if stream is not None and not stream.closed:
                stream.close()
        recorder._hang_up()


@contextmanager
def linked(journal: Path, process: RecorderProcess | None) -> Iterator[RecorderLink]:
    link = RecorderLink(journal, process)
    try:
        yield link
    finally:
        link.close()


def end_of(link: RecorderLink, limit_s: float = 30.0) -> Ended:
    wait_until(lambda: link.ended is not None, limit_s)
    assert link.ended is not None
    return link.ended


def is_recording(link: RecorderLink) -> bool:
    return link.status is not None and link.status.n_samples > 0


def test_commands_are_obeyed_in_order_and_refusals_come_back_as_sentences(study: Study) -> None:
    with recording(study) as recorder, linked(recorder.journal, recorder) as link:
        wait_until(lambda: is_recording(link))
        for command, text in (("pause", ""), ("pause", ""), ("resume", ""), ("mark", "cough"), ("note", "x" * 3000)):
            link.send(command, text)
        outcomes = []

        def all_told() -> bool:
            outcomes.extend(link.outcomes())
            return len(outcomes) == 5

        wait_until(all_told)
        assert [outcome.command for outcome in outcomes] == ["pause", "pause", "resume", "mark", "note"]
        assert [bool(outcome.error) for outcome in outcomes] == [False, True, False, False, False]
        assert "cannot be paused" in outcomes[1].error
        assert outcomes[3].text == "cough"
        assert link.answered_s_ago < 5
        link.send("stop")
        end = end_of(link)
        assert end.error == ""
        assert end.summary is not None
        assert end.recording == end.summary.path
        assert end.recording.exists()
        assert end.orphan is None
        link.outcomes()
        link.send("mark", "too late")
        wait_until(lambda: any("the recording has ended" in outcome.error for outcome in link.outcomes()))


def test_a_recorder_that_is_killed_is_told_with_its_journal(study: Study) -> None:
    with recording(study) as recorder, linked(recorder.journal, recorder) as link:
        wait_until(lambda: is_recording(link))
        recorder.process.kill()
        end = end_of(link, 2.0)
        assert end.orphan == recorder.journal
        assert end.recording is None
        assert "run trilead recover" in end.error


def test_a_recorder_that_cannot_begin_says_why(study: Study) -> None:
    config = prepare(study, subject="S01", board="sim:", protocol="dt4ecg")
    Path(config.recording).write_text("mine")
    recorder = start_recorder(config)
    with linked(recorder.journal, recorder) as link:
        end = end_of(link)
        assert "exists and is not overwritten" in end.error
        assert end.orphan is None
        assert link.status is None


def test_a_window_opened_again_sees_the_recorder_commands_it_and_sees_its_end(study: Study) -> None:
    with recording(study) as recorder:
        with linked(recorder.journal, recorder) as first:
            wait_until(lambda: is_recording(first))
        assert recorder.process.poll() is None
        with linked(recorder.journal, None) as link:
            wait_until(lambda: is_recording(link))
            link.send("stop")
            end = end_of(link)
            assert end == Ended(
                summary=None,
                recording=study.recordings_dir / f"{recorder.journal.stem}.h5",
                error="",
                orphan=None,
            )
        recorder.result()


def test_a_window_opened_again_sees_that_the_recorder_was_killed(study: Study) -> None:
    with recording(study) as recorder, linked(recorder.journal, None) as link:
        wait_until(lambda: is_recording(link))
        recorder.process.kill()
        end = end_of(link, 2.0)
        assert end.orphan == recorder.journal
        assert end.recording is None
        assert "trilead recover" in end.error


def test_a_journal_that_others_have_recovered_leads_to_its_recording(study: Study) -> None:
    with recording(study) as recorder:
        with linked(recorder.journal, None) as link:
            wait_until(lambda: is_recording(link))
        recorder.process.kill()
        recorder.process.wait()
        assert state_path(recorder.journal).exists()
        path = recover(study, recorder.journal).path
        with linked(recorder.journal, None) as link:
            assert end_of(link).recording == path


def test_where_nobody_records_and_nothing_is_that_is_told(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acquire.viewer.link.FIRST_PATIENCE_S", 0.05)
    with linked(study.journals_dir / "sub-S09_ses-01_run-01.journal", None) as link:
        end = end_of(link)
    assert "there is no recording of that name" in end.error
    assert end.orphan is None


def test_a_command_that_does_not_exist_is_refused_at_once(study: Study) -> None:
    with recording(study) as recorder, linked(recorder.journal, recorder) as link:
        with pytest.raises(ValueError, match="there is no command 'reboot'"):
            link.send("reboot")
