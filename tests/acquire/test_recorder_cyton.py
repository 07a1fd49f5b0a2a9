"""A whole recorder process on an emulated Cyton: the cable is pulled, the board falls silent, viewers come and go."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_until

from acquire.emulators import CytonDouble, PseudoTerminal, Silence, known_index
from acquire.recorder.control import RecorderStatus, connect
from acquire.recorder.launch import RecorderProcess, prepare, start_recorder
from acquire.recorder.process import record
from acquire.recordings.finish import RecordingSummary
from acquire.recordings.recording import open_recording
from acquire.study import Study
from protocols.spans import activity_spans

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")

SCRIPT = """
title = "Two"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 2
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 3
"""
REST, WALK = 500, 750


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[PseudoTerminal]:
    with PseudoTerminal(CytonDouble(), link=tmp_path / "ttyCyton") as made:
        yield made


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "two.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


@contextmanager
def under_way(study: Study, script: str, terminal: PseudoTerminal) -> Iterator[RecorderProcess]:
    recorder = start_recorder(prepare(study, subject="S01", board=f"cyton:{terminal.link}", protocol=script))
    try:
        wait_until(lambda: (status := recorder.status()) is not None and status.n_samples > 0)
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.process.kill()
            recorder.wait(30)


def status_of(recorder: RecorderProcess) -> RecorderStatus:
    status = recorder.status()
    assert status is not None
    return status


def check_every_sample(summary: RecordingSummary) -> None:
    """Each row that is no gap is the sample of the double that belongs there."""
    with open_recording(summary.path) as recording:
        counts = recording.counts()
        valid = np.concatenate([np.arange(start, stop) for start, stop in recording.valid])
        np.testing.assert_array_equal(known_index(counts[valid]), valid)


def test_unplugged_and_plugged_in_elsewhere_it_records_on_with_one_gap_and_every_step_whole(
    study: Study, script: str, terminal: PseudoTerminal
) -> None:
    first_port = terminal.port
    with under_way(study, script, terminal) as recorder:
        wait_until(lambda: status_of(recorder).n_samples > 200)
        terminal.hang_up()
        wait_until(lambda: status_of(recorder).state == "reconnecting")
        away = status_of(recorder)
        assert away.message
        wait_until(lambda: status_of(recorder).stalled_s > 1.2)
        terminal.come_back()
        assert terminal.port != first_port
        wait_until(lambda: status_of(recorder).state == "recording")
        assert status_of(recorder).reconnects == 1
        summary = recorder.result()
    assert summary.complete
    check_every_sample(summary)
    (gap,) = summary.gaps
    assert gap.start == away.n_samples
    assert gap.length > 250
    stop = gap.start + gap.length
    with open_recording(summary.path) as recording:
        events = recording.events
        spans = [(span.activity, span.start, span.stop) for span in activity_spans(events, recording.n_samples)]
    told = [(event.kind, event.index) for event in events if event.kind not in ("board", "signal")]
    waited = gap.length
    assert told == [
        ("start", 0), ("step", 0), ("gap", gap.start), ("pause", gap.start), ("resume", stop),
        ("step", REST + waited), ("end", REST + waited + WALK),
    ]  # fmt: skip
    assert spans == [("rest", 0, gap.start), ("rest", stop, REST + waited), ("walk", REST + waited, 1250 + waited)]
    assert summary.n_samples == 1250 + waited
    assert summary.report is not None
    assert [step.coverage for step in summary.report.steps] == [1.0, 1.0]


def test_silence_is_an_alarm_within_one_and_a_half_seconds(study: Study, script: str, terminal: PseudoTerminal) -> None:
    with under_way(study, script, terminal) as recorder:
        wait_until(lambda: status_of(recorder).n_samples > 100)
        terminal.schedule(Silence(at=0, samples=500))
        _, last_ns = terminal.sent_times_ns[-1]
        wait_until(lambda: status_of(recorder).state == "stalled")
        noticed_s = (time.monotonic_ns() - last_ns) / 1e9
        assert 0.9 < noticed_s < 1.5
        assert "check its power and cable" in status_of(recorder).message
        wait_until(lambda: status_of(recorder).state == "recording")
        assert status_of(recorder).message == ""
        summary = recorder.result()
    check_every_sample(summary)
    assert summary.complete
    (gap,) = summary.gaps
    assert gap.length == 500


def test_a_journal_that_cannot_be_written_for_five_seconds_loses_nothing_and_raises_no_alarm(
    study: Study, script: str, terminal: PseudoTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, blocked = os.write, threading.Event()

    def write(descriptor: int, data: bytes) -> int:
        if bytes(data[:4]) == b"tlJ1" and terminal.sent > 100 and not blocked.is_set():
            blocked.set()
            threading.Event().wait(5.0)
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    summary = record(prepare(study, subject="S01", board=f"cyton:{terminal.link}", protocol=script))
    assert blocked.is_set()
    assert (summary.complete, summary.gaps, summary.n_samples) == (True, (), REST + WALK)
    check_every_sample(summary)
    with open_recording(summary.path) as recording:
        assert [event.kind for event in recording.events if event.kind != "signal"] == ["start", "step", "step", "end"]


def test_two_viewers_watch_and_a_recorder_without_any_goes_on(
    study: Study, script: str, terminal: PseudoTerminal
) -> None:
    with under_way(study, script, terminal) as recorder:
        with connect(recorder.journal) as one, connect(recorder.journal) as two:
            assert one.request("mark", "from the one").state == "recording"
            assert two.request("note", "from the other").state == "recording"
            assert one.request("status").step == two.request("status").step == 1
        recorder._hang_up()
        summary = recorder.result()
    assert summary.complete
    with open_recording(summary.path) as recording:
        assert {"from the one", "from the other"} <= {event.text for event in recording.events}


def test_a_second_recorder_on_the_same_port_is_refused_and_the_first_loses_nothing(
    study: Study, script: str, terminal: PseudoTerminal
) -> None:
    with under_way(study, script, terminal) as recorder:
        for address in (f"cyton:{terminal.link}", f"cyton:{terminal.port}"):
            second = start_recorder(prepare(study, subject="S02", board=address, protocol=script))
            with pytest.raises(Exception, match=r"Another recording or check is using|in use by another program"):
                second.result()
        summary = recorder.result()
    assert summary.gaps == ()
    assert [path.stem for path in study.recordings()] == ["sub-S01_ses-01_run-01"]
    check_every_sample(summary)
