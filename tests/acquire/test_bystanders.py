from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import wakepy
from scripted_board import ScriptedBoard, rows
from waiting import wait_until

import acquire.recorder.bystanders
import acquire.recorder.process
from acquire.checks.live import LeadState
from acquire.errors import RecorderError, RecorderErrorReason
from acquire.recorder.awake import Awake
from acquire.recorder.bystanders import Bystanders
from acquire.recorder.launch import prepare
from acquire.recorder.process import record
from acquire.recordings.content import Header, RecordedEvent
from acquire.recordings.recording import open_recording
from acquire.study import Study

SCRIPT = 'title = "One"\n[[steps]]\nactivity = "rest"\ninstruction = "Sit."\nduration_s = 4\n'
HEADER = Header(
    recording_id="id",
    subject="S01",
    session="01",
    run=1,
    started_at="2026-01-02T03:04:05.678+00:00",
    board="bench:",
    nominal_rate_hz=250.0,
    mains_hz=50,
    factors={},
    protocol_name="one",
    protocol_sha256="",
    montage={"ECG": {"a": 1.0}},
    software_version="0",
)
EVENT = RecordedEvent(uuid="u", index=0, host_ns=1, kind="mark", step=1, activity="rest", text="")


class Clock:
    s = 0.0

    def __call__(self) -> float:
        return self.s


class Outlet:
    """An LSL outlet that breaks when it is told to."""

    def __init__(self) -> None:
        self.fault = ""
        self.broken = False
        self.seen: list[Any] = []
        self.closed = 0

    def push(self, chunk: Any) -> None:
        if self.broken:
            raise RuntimeError("no network")
        self.seen.append(chunk)

    def event(self, event: Any) -> None:
        self.push(event)

    def close(self) -> None:
        self.closed += 1


class Leads:
    """Signal checks whose answer a test sets."""

    def __init__(self, *_: Any) -> None:
        self.off = False

    def feed(self, index: int, samples: Any) -> None:
        if index == 666:
            raise ValueError("a bug")

    def leads(self) -> tuple[LeadState, ...]:
        return (LeadState(lead="ECG", electrode_off=self.off, words="press it on"), LeadState(lead="X", derived=True))


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> Leads:
    made = Leads()
    monkeypatch.setattr(acquire.recorder.bystanders, "LiveChecks", lambda *_: made)
    return made


def looking_on(clock: Clock, outlet: Any = None) -> Bystanders:
    return Bystanders(ScriptedBoard([]).open(), HEADER, outlet, now_s=clock)


def test_an_electrode_that_comes_off_is_told_once_it_has_been_off_for_a_second(leads: Leads) -> None:
    clock = Clock()
    bystanders = looking_on(clock)
    told = []
    for step in range(80):
        clock.s = 0.1 * step
        leads.off = 20 <= step < 45 or step == 5
        told += [(step, news) for news in bystanders.look()]
    assert [news for _, news in told] == ["ECG: electrode off (press it on)", "ECG: electrodes on again"]
    assert 30 <= told[0][0] <= 41
    assert 55 <= told[1][0] <= 66
    assert bystanders.leads[0]["lead"] == "ECG"


def test_signal_checks_that_fail_are_let_go_and_the_rest_goes_on(leads: Leads) -> None:
    clock, outlet = Clock(), Outlet()
    bystanders = looking_on(clock, outlet)
    bystanders.chunk(rows(666))
    assert bystanders.look() == ["the signal checks failed (ValueError: a bug) and ended"]
    bystanders.chunk(rows(666))
    clock.s = 9.0
    assert bystanders.look() == []
    assert bystanders.leads == ()
    assert len(outlet.seen) == 2


def test_an_outlet_that_fails_or_gives_up_is_let_go(leads: Leads) -> None:
    for broken, news in ((True, "the LSL outlet failed (RuntimeError: no network) and ended"), (False, "It is over.")):
        clock, outlet = Clock(), Outlet()
        bystanders = looking_on(clock, outlet)
        bystanders.chunk(rows(0))
        outlet.broken, outlet.fault = broken, "" if broken else "It is over."
        bystanders.event(EVENT) if broken else bystanders.chunk(rows(10))
        clock.s = 1.0
        assert bystanders.look() == [news]
        bystanders.chunk(rows(20))
        bystanders.event(EVENT)
        assert len(outlet.seen) == (1 if broken else 2)
        bystanders.close()


def test_the_outlet_is_closed_once(leads: Leads) -> None:
    outlet = Outlet()
    bystanders = looking_on(Clock(), outlet)
    bystanders.close()
    bystanders.close()
    assert outlet.closed == 1


def test_a_recording_is_the_same_whatever_its_bystanders_do(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leads: Leads
) -> None:
    script = tmp_path / "one.toml"
    script.write_text(SCRIPT, encoding="utf-8")
    board = ScriptedBoard([rows(index) for index in range(0, 1000, 10)])
    outlet = Outlet()
    outlet.broken = True
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    monkeypatch.setattr(acquire.recorder.process, "_outlet", lambda *_: outlet)
    monkeypatch.setattr("acquire.recorder.loop.SHOW_INTERVAL_S", 0.0)
    summary = record(prepare(study, subject="S01", board="sim:", protocol=str(script), lsl_outlet=True))
    assert (summary.complete, summary.n_samples) == (True, 1000)
    with open_recording(summary.path) as recording:
        told = [event.text for event in recording.events if event.kind == "signal"]
    assert told == ["the LSL outlet failed (RuntimeError: no network) and ended"]


def test_an_outlet_that_cannot_be_made_is_told_before_anything_is_recorded(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> Any:
        raise RecorderError("There is no pylsl.", reason=RecorderErrorReason.NOT_STARTED)

    script = tmp_path / "one.toml"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(acquire.recorder.process, "_outlet", none)
    config = prepare(study, subject="S01", board="sim:", protocol=str(script))
    with pytest.raises(RecorderError, match=r"There is no pylsl\."):
        record(replace(config, lsl_outlet=True))
    assert list(study.journals_dir.iterdir()) == []


def test_staying_awake_is_asked_for_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Mode:
        active = True

        def __enter__(self) -> Mode:
            seen.append("held")
            return self

        def __exit__(self, *_: object) -> None:
            seen.append("let go")

    monkeypatch.setattr(wakepy.keep, "running", lambda **_: Mode())
    with Awake() as awake:
        wait_until(lambda: awake.held)
    assert seen == ["held", "let go"]
    assert not awake.held


def test_a_system_that_cannot_be_asked_to_stay_awake_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wakepy", None)
    with Awake() as awake:
        wait_until(lambda: not awake._thread.is_alive())
        assert not awake.held
    assert capfd.readouterr() == ("", "")
