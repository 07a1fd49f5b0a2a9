from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from acquire.boards import ports
from acquire.boards.ports import find_again, find_port, list_ports
from acquire.errors import BoardError, BoardErrorReason

Plug = Callable[..., None]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Plug in devices, each (device, serial number, vid, pid)."""

    def plug_in(*devices: tuple[str, str | None, int | None, int | None]) -> None:
        found = [
            SimpleNamespace(device=device, serial_number=serial, vid=vid, pid=pid, description=None)
            for device, serial, vid, pid in devices
        ]
        monkeypatch.setattr(ports._system, "comports", lambda: found)

    return plug_in


DONGLE = ("/dev/ttyUSB0", "DM00ABCD", 0x0403, 0x6015)
OTHER_DONGLE = ("/dev/ttyUSB1", "DM00EFGH", 0x0403, 0x6015)
ARDUINO = ("/dev/ttyACM0", "7573", 0x2341, 0x0043)


def test_ports_are_listed_with_what_they_may_be(plug: Plug) -> None:
    plug(DONGLE, ARDUINO, ("/dev/ttyUSB9", None, 0x1234, 1))
    assert [(port.device, port.guess) for port in list_ports()] == [
        ("/dev/ttyACM0", "lines"),
        ("/dev/ttyUSB0", "cyton"),
        ("/dev/ttyUSB9", ""),
    ]


def test_the_only_port_that_looks_right_needs_no_name(plug: Plug) -> None:
    plug(ARDUINO, DONGLE)
    assert find_port("", guess="cyton").serial_number == "DM00ABCD"


def test_two_that_look_right_are_ambiguous_and_both_are_named(plug: Plug) -> None:
    plug(DONGLE, OTHER_DONGLE)
    with pytest.raises(BoardError, match=r"2 serial ports .*DM00ABCD.*DM00EFGH.*for example cyton:DM00ABCD") as caught:
        find_port("", guess="cyton", address="cyton:")
    assert caught.value.reason is BoardErrorReason.AMBIGUOUS


@pytest.mark.parametrize("target", ["", "/dev/ttyUSB7", "DM00ZZZZ", "COM3", "/", "no\u202esuch"])
def test_what_is_not_there_is_not_found_and_the_sentence_says_what_is(target: str, plug: Plug) -> None:
    plug(ARDUINO)
    with pytest.raises(BoardError, match="/dev/ttyACM0") as caught:
        find_port(target, guess="cyton", address=f"cyton:{target}")
    assert caught.value.reason is BoardErrorReason.NOT_FOUND


def test_no_port_at_all_is_said(plug: Plug) -> None:
    plug()
    with pytest.raises(BoardError, match="no serial port is plugged in"):
        find_port("", guess="cyton")


def test_a_device_is_found_again_by_its_serial_number_on_another_port(plug: Plug) -> None:
    plug(DONGLE)
    before = find_port("/dev/ttyUSB0", guess="cyton")
    plug(("/dev/ttyUSB0", *OTHER_DONGLE[1:]), ("/dev/ttyUSB1", *DONGLE[1:]))
    assert find_again(before).device == "/dev/ttyUSB1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_link_to_a_terminal_is_kept_as_it_may_move(plug: Plug, tmp_path: Path) -> None:
    plug()
    master, slave = os.openpty()
    link = tmp_path / "board"
    link.symlink_to(os.ttyname(slave))
    try:
        port = find_port(str(link), guess="cyton")
        assert port.device == str(link)
        assert find_again(port).device == str(link)
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists ports that have no connector")
def test_ports_of_the_mainboard_are_not_listed_on_linux(plug: Plug) -> None:
    plug(("/dev/ttyS0", None, None, None))
    assert list_ports() == []


def test_a_board_that_was_pulled_out_is_told_in_one_short_sentence_that_can_be_followed(plug: Plug) -> None:
    plug(DONGLE)
    before = find_port("/dev/ttyUSB0", guess="cyton")
    plug()
    with pytest.raises(BoardError, match=r"^The board 'cyton:' is not plugged in; plug it in again\.$") as caught:
        find_again(before, address="cyton:")
    assert caught.value.reason is BoardErrorReason.NOT_FOUND
