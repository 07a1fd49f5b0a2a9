"""Serial ports: what is plugged in, and which one an address means.

A port is best known by its USB serial number, which stays with the device wherever it is plugged in; a device path such
as ``/dev/ttyUSB0`` or ``COM3`` goes to whoever comes first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports as _system

from acquire.boards.address import short
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["SerialPort", "find_again", "find_port", "list_ports"]

_FTDI = 0x0403
_CYTON_DONGLE = (_FTDI, 0x6015)
"""The FT231X of OpenBCI's radio dongle."""

_ARDUINO_VENDORS = frozenset((0x2341, 0x2A03, 0x1A86, 0x10C4, 0x1B4F, 0x239A, 0x2886, 0x303A, _FTDI))
"""Vendors of the boards, and of the USB bridges on them, that carry an AD8232, an ADS1293 or an ADS1292R."""

_LOOKS = {"cyton": "an OpenBCI dongle", "lines": "an Arduino-like board"}


@dataclass(frozen=True, kw_only=True)
class SerialPort:
    """A serial port of this machine.

    Attributes:
        device: what to open.
        serial_number: of the USB device, or "".
        vid: USB vendor, or None where it is no USB device.
        pid: USB product, or None where it is no USB device.
        description: in the words of the system.
        guess: the scheme of the board that it may be ("cyton", "lines"), or "".
    """

    device: str
    serial_number: str = ""
    vid: int | None = None
    pid: int | None = None
    description: str = ""
    guess: str = ""


def list_ports() -> list[SerialPort]:
    """What is plugged in, by device name."""
    found = []
    for port in _system.comports():
        if port.vid is None and sys.platform.startswith("linux"):
            continue  # ttyS0 to ttyS31 exist whether or not there is a connector
        found.append(
            SerialPort(
                device=port.device,
                serial_number=port.serial_number or "",
                vid=port.vid,
                pid=port.pid,
                description=port.description or "",
                guess=_guess(port.vid, port.pid),
            )
        )
    return sorted(found, key=lambda port: port.device)


def find_port(target: str, *, guess: str, address: str = "") -> SerialPort:
    """The port that an address means.

    Args:
        target: a device, a link to one, or a USB serial number; "" for the only port that looks right.
        guess: what a port must look like where ``target`` is "".
        address: as the operator gave it, for messages.

    Raises:
        BoardError: there is no such port, or more than one that looks right.
    """
    ports = list_ports()
    if target:
        return _named(target, ports, address)
    fitting = [port for port in ports if port.guess == guess]
    looks = _LOOKS.get(guess, "a board of this kind")
    if not fitting:
        raise BoardError(
            f"The board {address or guess!r} was not found: no serial port looks like {looks} ({_shown(ports)});"
            " plug it in, or name its port in the address.",
            reason=BoardErrorReason.NOT_FOUND,
            address=address,
        )
    if len(fitting) > 1:
        raise BoardError(
            f"The board {address or guess!r} is ambiguous: {len(fitting)} serial ports look like {looks}"
            f" ({_shown(fitting)}); name one in the address, for example"
            f" {address.partition(':')[0] or guess}:{_lasting_name(fitting[0])}.",
            reason=BoardErrorReason.AMBIGUOUS,
            address=address,
        )
    return fitting[0]


def find_again(port: SerialPort, *, address: str = "") -> SerialPort:
    """The same device wherever it is plugged in now: by its USB serial number, else by its path.

    Raises:
        BoardError: it is not there.
    """
    try:
        return find_port(port.serial_number or port.device, guess="", address=address)
    except BoardError as error:
        if error.reason is not BoardErrorReason.NOT_FOUND:
            raise
        # Nobody names another port for a board that was open a moment ago.
        raise BoardError(
            f"The board {address or port.device!r} is not plugged in; plug it in again.",
            reason=BoardErrorReason.NOT_FOUND,
            address=address,
        ) from error


def _named(target: str, ports: Sequence[SerialPort], address: str) -> SerialPort:
    for port in ports:
        if target in (port.device, port.serial_number):
            return port
    if sys.platform == "win32":
        # Windows lists every port that can be opened, so one that is not listed is not there.
        same = [port for port in ports if port.device.upper() == target.upper()]
    else:
        real = os.path.realpath(target)
        same = [port for port in ports if port.device == real]
        if not same and target.startswith("/") and Path(target).is_char_device():
            # A pseudo-terminal, or a port that the system does not list; the link is kept, as it may move.
            same = [SerialPort(device=target, description="a terminal device")]
    if same:
        return same[0]
    raise BoardError(
        f"The board {address or target!r} was not found: {short(target)} is neither a serial port nor the USB serial"
        f" number of one ({_shown(ports)}); plug it in or name another port.",
        reason=BoardErrorReason.NOT_FOUND,
        address=address,
    )


def _guess(vid: int | None, pid: int | None) -> str:
    if (vid, pid) == _CYTON_DONGLE:
        return "cyton"
    return "lines" if vid in _ARDUINO_VENDORS else ""


def _lasting_name(port: SerialPort) -> str:
    return port.serial_number or port.device


def _shown(ports: Sequence[SerialPort]) -> str:
    if not ports:
        return "no serial port is plugged in"
    names = [
        port.device + (f" with serial number {port.serial_number}" if port.serial_number else "") for port in ports[:8]
    ]
    return "there is " + ", ".join(names) + (f" and {len(ports) - 8} more" if len(ports) > 8 else "")
