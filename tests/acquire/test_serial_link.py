from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from acquire.boards.serial_link import SerialLink
from acquire.errors import BoardError, BoardErrorReason

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


class Terminal:
    """A pseudo-terminal: what is written to `master` comes out of the port."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        self.port = os.ttyname(self._slave)
        os.set_blocking(self.master, False)

    def hang_up(self) -> None:
        for number in (self._slave, self.master):
            if number >= 0:
                os.close(number)
        self._slave = self.master = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.hang_up()


def opened(terminal: Terminal) -> SerialLink:
    return SerialLink(terminal.port, baud=115200, address="cyton:x")


def test_bytes_come_with_the_time_of_their_arrival(terminal: Terminal) -> None:
    link = opened(terminal)
    before_ns = time.monotonic_ns()
    os.write(terminal.master, b"\x00\xff\x11\x13\r\n\x03")
    (data, host_ns), *rest = link.read(5.0)
    assert (data, rest) == (b"\x00\xff\x11\x13\r\n\x03", [])
    assert before_ns <= host_ns <= time.monotonic_ns()
    assert link.received_bytes == 7
    link.close()


def test_silence_is_an_empty_read_after_the_time_asked_for(terminal: Terminal) -> None:
    link = opened(terminal)
    began_s = time.monotonic()
    assert link.read(0.05) == []
    assert 0.04 < time.monotonic() - began_s < 5.0
    assert link.read(0.0) == []
    link.close()


def test_bytes_are_written(terminal: Terminal) -> None:
    link = opened(terminal)
    link.write(b"x1050100X")
    assert os.read(terminal.master, 100) == b"x1050100X"
    link.close()


def test_a_reader_that_is_away_loses_nothing_of_much_more_than_the_system_keeps(terminal: Terminal) -> None:
    link = opened(terminal)
    sent = os.urandom(200_000)
    done = threading.Event()

    def send() -> None:
        at = 0
        while at < len(sent) and not done.is_set():
            try:
                at += os.write(terminal.master, sent[at : at + 1000])
            except BlockingIOError:
                done.wait(0.001)

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(20)  # nobody reads meanwhile
    done.set()
    assert not sender.is_alive()
    came = b""
    while len(came) < len(sent):
        got = link.read(5.0)
        assert got
        came += b"".join(data for data, _ in got)
    assert came == sent
    link.close()


def test_a_hang_up_is_told_after_all_that_came_before_it(terminal: Terminal) -> None:
    link = opened(terminal)
    os.write(terminal.master, b"last words")
    assert link.read(5.0)[0][0] == b"last words"
    terminal.hang_up()
    with pytest.raises(BoardError, match=r"hung up .* plug it in again") as caught:
        link.read(5.0)
    assert caught.value.reason is BoardErrorReason.HUNG_UP
    assert not link.alive
    with pytest.raises(BoardError, match="hung up"):
        link.write(b"b")
    link.close()


def test_a_closed_link_leaves_no_thread_and_gives_the_port_back(terminal: Terminal) -> None:
    before = threading.active_count()
    for _ in range(3):
        link = opened(terminal)
        link.close()
        link.close()
    assert threading.active_count() == before
    assert not link.alive


def test_a_port_that_is_held_is_refused_as_busy(terminal: Terminal) -> None:
    link = opened(terminal)
    with pytest.raises(BoardError, match="in use by another program") as caught:
        opened(terminal)
    assert caught.value.reason is BoardErrorReason.BUSY
    link.close()


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        (errno.ENOENT, BoardErrorReason.NOT_FOUND, "plug the board in"),
        (errno.EBUSY, BoardErrorReason.BUSY, "close that program"),
        (errno.EACCES, BoardErrorReason.NOT_PERMITTED, r"sudo usermod -aG dialout \$USER, then log in again"),
        (errno.EIO, BoardErrorReason.UNSUPPORTED, "name another port"),
    ],
)
def test_what_forbids_opening_is_told_with_its_mend(
    number: int, reason: BoardErrorReason, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(number, f"could not open port x: {os.strerror(number)}")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(BoardError, match=words) as caught:
        SerialLink("x", baud=115200, address="cyton:x")
    assert caught.value.reason is reason


def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BoardError, match="cannot be opened as a serial port") as caught:
        SerialLink(str(tmp_path / "file"), baud=115200, address="cyton:x")
    assert caught.value.reason is BoardErrorReason.UNSUPPORTED
