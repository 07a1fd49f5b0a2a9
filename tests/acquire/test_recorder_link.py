"""Stalls, lost boards and what the protocol does meanwhile, over boards that a test has written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_board import ScriptedBoard, rows
from waiting import wait_until

import acquire.recorder.link_watch
import acquire.recorder.process
from acquire.boards.board import Chunk, LinkCounters
from acquire.errors import BoardError, BoardErrorReason
from acquire.recorder.control import ControlClient, connect, state_path
from acquire.recorder.launch import prepare
from acquire.recorder.process import RecorderConfig, record
from acquire.recordings.finish import RecordingSummary
from acquire.recordings.journal import read_journal
from acquire.recordings.recording import open_recording
from acquire.study import Study
from protocols.spans import activity_spans

SCRIPT = """
title = "Two"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 1
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 1
"""
GONE = BoardError("The dongle was pulled; plug it in.", reason=BoardErrorReason.HUNG_UP, address="bench:")


class SilentBoard(ScriptedBoard):
    """Where a number of seconds stands between the chunks, it is silent for so long; an error it raises once."""

    can_reconnect = True  # until it is through

    def __init__(self, script: list[Chunk | float | BoardError]) -> None:
        super().__init__([])
        self.script = script
        self.reconnects = 0
        self.until_s = 0.0

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        if self.until_s > time.monotonic():
            threading.Event().wait(min(timeout_s, 0.01))
            return None
        if not self.script:
            self.can_reconnect = False  # type: ignore[misc]
            raise BoardError("The bench is through; nothing more comes.", reason=BoardErrorReason.SILENT, address="")
        match self.script[0]:
            case Chunk() as chunk:
                del self.script[0]
                return chunk
            case BoardError() as error:
                # It stays gone until it is reached again.
                raise error
            case silent_s:
                del self.script[0]
                self.until_s = time.monotonic() + silent_s
                return None

    def reconnect(self) -> None:
        self.reconnects += 1
        if isinstance(self.script[0], BoardError):
            del self.script[0]

    def link(self) -> LinkCounters:
        return LinkCounters(received_bytes=33, bad_bytes=7, resyncs=1, reconnects=self.reconnects)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "two.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


@pytest.fixture
def config(study: Study, script: str, monkeypatch: pytest.MonkeyPatch) -> RecorderConfig:
    monkeypatch.setattr(acquire.recorder.link_watch, "STALL_S", 0.05)
    return replace(prepare(study, subject="S01", board="sim:", protocol=script), stall_limit_s=0.0)


def run(config: RecorderConfig, board: ScriptedBoard, monkeypatch: pytest.MonkeyPatch) -> RecordingSummary:
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    return record(config)


def events(path: Path) -> list[tuple[str, int, str]]:
    with open_recording(path) as recording:
        return [(event.kind, event.index, event.text) for event in recording.events]


def spans(path: Path) -> list[tuple[str, int, int]]:
    with open_recording(path) as recording:
        return [(s.activity, s.start, s.stop) for s in activity_spans(recording.events, recording.n_samples)]


def chunks(start: int, stop: int, **more: Any) -> list[Chunk | float | BoardError]:
    return [rows(index, 10, **(more if index == start else {})) for index in range(start, stop, 10)]


def test_after_a_stall_that_lost_samples_the_protocol_has_waited(
    config: RecorderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = SilentBoard([*chunks(0, 100), 0.3, *chunks(350, 800, cause="the radio was silent"), *chunks(800, 900)])
    summary = run(config, board, monkeypatch)
    assert summary.complete
    told = events(summary.path)
    assert [(kind, index) for kind, index, _ in told] == [
        ("start", 0), ("step", 0), ("board", 100), ("gap", 100), ("pause", 100),
        ("board", 350), ("resume", 350), ("step", 500), ("end", 750),
    ]  # fmt: skip
    texts = {(kind, index): text for kind, index, text in told}
    assert "No samples come" in texts["board", 100]
    assert texts["gap", 100] == "the radio was silent"
    assert texts["pause", 100] == texts["resume", 350] == "no samples: the protocol waited"
    assert texts["board", 350].startswith("samples come again after 0.")
    assert spans(summary.path) == [("rest", 0, 100), ("rest", 350, 500), ("walk", 500, 750)]
    assert [(gap.start, gap.length, gap.cause) for gap in summary.gaps] == [(100, 250, "the radio was silent")]
    assert summary.report is not None
    assert [step.coverage for step in summary.report.steps] == [1.0, 1.0]
    assert summary.report.link == LinkCounters(received_bytes=33, bad_bytes=7, resyncs=1, reconnects=0)


def test_a_stall_that_lost_nothing_leaves_the_protocol_alone(
    config: RecorderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = run(config, SilentBoard([*chunks(0, 100), 0.2, *chunks(100, 500)]), monkeypatch)
    assert [(kind, index) for kind, index, _ in events(summary.path)] == [
        ("start", 0), ("step", 0), ("board", 100), ("board", 100), ("step", 250), ("end", 500),
    ]  # fmt: skip
    assert summary.gaps == ()


def test_a_loss_without_a_stall_is_time_that_passed(config: RecorderConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run(config, SilentBoard([*chunks(0, 100), *chunks(150, 500)]), monkeypatch)
    assert [(kind, index) for kind, index, _ in events(summary.path)] == [
        ("start", 0), ("step", 0), ("gap", 100), ("step", 250), ("end", 500),
    ]  # fmt: skip
    assert summary.gaps[0].cause == "the board's sample counter jumped: samples were lost on the way"


def test_a_protocol_that_was_paused_already_stays_paused(
    config: RecorderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = SilentBoard([*chunks(0, 100), 60.0, *chunks(200, 400)])

    def pause(client: ControlClient) -> None:
        wait_until(lambda: client.request("status").state == "stalled")
        assert client.request("pause").message
        board.until_s = 0.0

    with operator(config, pause):
        summary = run(config, board, monkeypatch)
    assert summary.reason == "The bench is through; nothing more comes."
    kinds = [(kind, index) for kind, index, _ in events(summary.path)]
    assert kinds.count(("pause", 100)) == 1
    assert not any(kind == "resume" for kind, _ in kinds)
    assert spans(summary.path) == [("rest", 0, 100)]


def test_a_board_that_hung_up_is_reached_again_while_commands_are_obeyed(
    config: RecorderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = SilentBoard([*chunks(0, 100), GONE, *chunks(130, 530, cause="the cable was out")])
    held = threading.Event()
    really = board.reconnect

    def reconnect() -> None:
        if not held.is_set():
            raise GONE
        really()

    def note(client: ControlClient) -> None:
        wait_until(lambda: client.request("status").state == "reconnecting")
        status = client.request("note", "the cat did it")
        assert status.message == "The dongle was pulled; plug it in; recording then goes on by itself."
        assert status.bad_bytes == 7
        held.set()

    monkeypatch.setattr(board, "reconnect", reconnect)
    with operator(config, note):
        summary = run(config, board, monkeypatch)
    assert summary.complete
    told = [(kind, index) for kind, index, _ in events(summary.path)]
    assert ("note", 100) in told
    assert spans(summary.path) == [("rest", 0, 100), ("rest", 130, 280), ("walk", 280, 530)]


def test_a_board_that_never_comes_back_ends_in_a_whole_recording_when_the_limit_is_reached(
    config: RecorderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = SilentBoard([*chunks(0, 100), GONE])
    monkeypatch.setattr(board, "reconnect", lambda: (_ for _ in ()).throw(GONE))
    summary = run(replace(config, stall_limit_s=0.3), board, monkeypatch)
    assert "the limit is 0.3 s" in summary.reason
    assert summary.n_samples == 100
    assert events(summary.path)[-1][:2] == ("stop", 100)


def test_a_stop_is_obeyed_while_the_board_is_gone(config: RecorderConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    board = SilentBoard([*chunks(0, 100), GONE])
    monkeypatch.setattr(board, "reconnect", lambda: (_ for _ in ()).throw(GONE))

    def stop(client: ControlClient) -> None:
        wait_until(lambda: client.request("status").state == "reconnecting")
        client.request("stop")

    with operator(config, stop):
        summary = run(config, board, monkeypatch)
    assert summary.reason == "stopped by the operator"
    assert board.closed


def test_the_close_of_a_journal_says_what_came_over_the_link(
    config: RecorderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def keep(journal: Path) -> Any:
        content = read_journal(journal)
        seen.append(content.close)
        return content

    monkeypatch.setattr(acquire.recorder.process, "read_journal", keep)
    run(config, SilentBoard(chunks(0, 500)), monkeypatch)
    assert seen[0]["reason"] == "the protocol ended"
    assert seen[0]["link"] == {"received_bytes": 33, "bad_bytes": 7, "resyncs": 1, "reconnects": 0}


@contextmanager
def operator(config: RecorderConfig, deeds: Callable[[ControlClient], None]) -> Iterator[None]:
    """Somebody who commands the recorder of the block from another thread; a recorder wants the main one."""
    failed: list[BaseException] = []

    def operate() -> None:
        try:
            wait_until(lambda: state_path(Path(config.journal)).exists())
            with connect(Path(config.journal)) as client:
                deeds(client)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=operate)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()
    if failed:
        raise failed[0]
