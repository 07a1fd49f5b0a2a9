"""A recorder's port: who may keep a place on it, and what may be said to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from waiting import wait_until

from acquire.errors import RecorderError
from acquire.recorder.commands import MAX_TEXT, checked_text
from acquire.recorder.control import (
    MAX_CONNECTIONS,
    MAX_STRANGERS,
    ControlServer,
    RecorderStatus,
    connect,
    state_path,
)
from acquire.recordings.content_rules import MAX_TEXT as LONGEST_IN_A_RECORDING


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "sub-S01_ses-01_run-01.journal"
    with ControlServer(state_path(path), lambda: RecorderStatus(state="recording")):
        yield path


@contextmanager
def _strangers(journal: Path, number: int) -> Iterator[list[socket.socket]]:
    """Connections that show no token."""
    port = json.loads(state_path(journal).read_bytes())["port"]
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(number)]


def test_idle_connections_without_the_token_lock_nobody_out(journal: Path) -> None:
    with _strangers(journal, 3 * MAX_STRANGERS):
        for _ in range(3):
            with connect(journal, timeout_s=5) as client:
                assert client.request("status").state == "recording"


def test_connections_that_do_not_show_the_token_soon_are_dropped(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _strangers(journal, 2) as (silent, slow):
        slow.sendall(b'{"token": ')
        # A program with the token is given all the time it wants.
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""


def test_a_program_with_the_token_may_be_silent_and_is_heard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []
    set_one = socket.socket.settimeout

    def noted(self: socket.socket, limit_s: float | None) -> None:
        limits.append(limit_s)
        set_one(self, limit_s)

    path = tmp_path / "sub-S02_ses-01_run-01.journal"
    with ControlServer(state_path(path), lambda: RecorderStatus(state="recording")), connect(path) as client:
        client.request("status")
        monkeypatch.setattr(socket.socket, "settimeout", noted)
        # A window with which nobody does anything for an hour must still be obeyed at once.
        assert client.request("status").state == "recording"
        with connect(path, timeout_s=5) as other:
            other.request("status")
            assert limits[-1] is None
            assert other.request("status").state == "recording"


def test_programs_with_the_token_are_bounded_by_a_sentence(journal: Path) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            assert stack.enter_context(connect(journal)).request("status").state == "recording"
        with connect(journal) as one_more, pytest.raises(RecorderError, match="16 programs are connected to this"):
            one_more.request("status")

    def has_room() -> bool:
        try:
            with connect(journal) as client:
                return client.request("status").state == "recording"
        except RecorderError:
            return False

    wait_until(has_room)


@pytest.mark.parametrize(
    ("command", "text", "sentence"),
    [
        ("note", "x" * (MAX_TEXT + 1), "has 10001 characters, and 10000 is the most; shorten it, or make two of it"),
        ("note", "  \n\t ", "The text of the note is missing"),
        ("mark", "caf\udce9", "holds bytes that are no UTF-8"),
        ("pause", "why", "goes with mark and note only"),
    ],
)
def test_a_text_that_cannot_be_kept_whole_is_refused_on_both_sides(
    journal: Path, command: str, text: str, sentence: str
) -> None:
    with connect(journal) as client, pytest.raises(RecorderError, match=sentence):
        client.request(command, text)
    state = json.loads(state_path(journal).read_bytes())
    line = json.dumps({"token": state["token"], "command": command, "text": text}).encode() + b"\n"
    with socket.create_connection(("127.0.0.1", state["port"]), timeout=30) as raw, raw.makefile("rb") as answers:
        raw.sendall(line)
        answer = json.loads(answers.readline())
    assert answer["ok"] is False
    assert sentence in answer["error"]


@pytest.mark.parametrize("text", ["é" * MAX_TEXT, "\U0001f600" * MAX_TEXT, '"\\' * (MAX_TEXT // 2)])
def test_the_longest_text_arrives_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.journal"
    with ControlServer(state_path(path), lambda: RecorderStatus(state="recording")) as server:
        heard: list[str] = []

        def obey() -> None:
            def one() -> bool:
                command = server.next_command()
                if command is not None:
                    heard.append(command.text)
                    command.answer()
                return command is not None

            wait_until(one)

        recorder = threading.Thread(target=obey)
        recorder.start()
        with connect(path) as client:
            client.request("note", text)
        recorder.join(30)
    assert heard == [text]


def test_a_mark_needs_no_text_and_a_text_stands_on_one_line() -> None:
    assert checked_text("mark", "") == ""
    assert checked_text("note", " one\ntwo\x1b[31m ") == "one two [31m"
    assert MAX_TEXT == LONGEST_IN_A_RECORDING
