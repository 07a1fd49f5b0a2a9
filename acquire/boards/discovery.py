"""What is plugged in, which address it has, and what on this computer stands in its way.

Nothing is opened: to open the port of an Arduino resets it, and whoever is recording from it would lose seconds. Who
holds a port is read in ``/proc`` instead, where the processes of other users are not shown, so a port may be busy and
not seem so.

All that is read lies below one folder, so that tests can build a system of their own. On Windows and macOS there is
nothing of it to read, and only the ports themselves are told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from acquire.boards.ports import SerialPort, list_ports

__all__ = ["FoundPort", "Survey", "System", "survey"]

LATENCY_RULE = 'ACTION=="add", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{latency_timer}="1"'
RULES_FILE = "/etc/udev/rules.d/99-trilead.rules"
LATENCY_LIMIT_MS = 1

_RULE_FOLDERS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_MAX_TEXT = 64
_MAX_FILE = 1 << 20
_AGAIN = "then run: sudo udevadm control --reload, and plug it in again"

_CHIPS: dict[tuple[int, int | None], str] = {
    (0x0403, 0x6015): "FTDI FT231X, as on OpenBCI's dongle",
    (0x0403, None): "FTDI USB-to-serial chip",
    (0x1A86, 0x7523): "CH340, as on many Arduino-like boards",
    (0x1A86, None): "WCH USB-to-serial chip, as on many Arduino-like boards",
    (0x10C4, 0xEA60): "CP210x, as on many ESP32 boards",
    (0x2341, None): "Arduino",
    (0x2A03, None): "Arduino",
    (0x16C0, 0x0483): "Teensy",
    (0x303A, None): "Espressif (ESP32)",
    (0x239A, None): "Adafruit",
    (0x1B4F, None): "SparkFun",
    (0x2886, None): "Seeed",
    (0x1915, None): "Nordic (nRF)",
    (0x2E8A, None): "Raspberry Pi (RP2040)",
}
"""(USB vendor, USB product or any) → what carries it."""

_BRIDGES = ((0x0403, 0x6001), (0x0403, 0x6015), (0x1A86, 0x7523), (0x10C4, 0xEA60))
"""Chips that are serial ports and nothing else."""


@dataclass(frozen=True, kw_only=True)
class FoundPort:
    """A serial port that is there.

    Attributes:
        device: its path or name.
        serial_number: of the USB device, or "".
        usb: vendor and product, such as "0403:6015", or "".
        guess: what it may be, in words; "" where nothing is known of it.
        addresses: what may be typed to record from it, the likeliest first.
        troubles: what stands in the way, a sentence with the mend each.
    """

    device: str
    serial_number: str
    usb: str
    guess: str
    addresses: tuple[str, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found.

    Attributes:
        ports: by device name.
        hints: what is wrong beside the ports, a sentence with the mend each.
    """

    ports: tuple[FoundPort, ...]
    hints: tuple[str, ...]


def _may_use(device: str) -> bool:
    return os.access(device, os.R_OK | os.W_OK)


def _group_of(device: str) -> str:
    try:
        import grp  # not on Windows

        return grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return ""


@dataclass(frozen=True, kw_only=True)
class System:
    """The computer, as far as it is looked at.

    Attributes:
        root: the folder below which ``sys``, ``proc``, ``etc`` and ``usr`` lie.
        list_ports: what is plugged in.
        may_use: whether a device may be read and written by whoever asks.
        group_of: the name of the group that a device belongs to, or "".
    """

    root: Path = Path("/")
    list_ports: Callable[[], list[SerialPort]] = list_ports
    may_use: Callable[[str], bool] = _may_use
    group_of: Callable[[str], str] = _group_of

    def text(self, path: str | Path) -> str:
        """What a small file says, or "" where it cannot be read."""
        try:
            with (self.root / path).open("rb") as file:
                return file.read(_MAX_FILE).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def listed(self, folder: str) -> list[Path]:
        """What lies in a folder, by name; nothing where it cannot be read."""
        try:
            return sorted((self.root / folder).iterdir())
        except OSError:
            return []

    def processes(self) -> Iterator[tuple[Path, str]]:
        """Folder and name of each process that is shown."""
        for folder in self.listed("proc"):
            if folder.name.isdigit():
                yield folder, self.text(folder / "comm")

    def rules(self) -> Iterator[str]:
        """The lines of all udev rules that are no comments."""
        # As in udev, a file in the first folder stands for those of the same name in the others.
        paths: dict[str, Path] = {}
        for folder in _RULE_FOLDERS:
            for path in self.listed(folder):
                paths.setdefault(path.name, path)
        for name, path in paths.items():
            if name.endswith(".rules"):
                yield from (line for line in self.text(path).splitlines() if not line.lstrip().startswith("#"))


def survey(system: System | None = None) -> Survey:
    """Look at what is plugged in and at what stands in its way.

    Args:
        system: what to look at; this computer, if left out.
    """
    system = system or System()
    ports = system.list_ports()
    names = {folder: name for folder, name in system.processes()}
    holders = _holders(system, names, {port.device for port in ports})
    rules = tuple(system.rules())
    found = tuple(
        FoundPort(
            device=_printable(port.device),
            serial_number=_printable(port.serial_number),
            usb="" if port.vid is None or port.pid is None else f"{port.vid:04x}:{port.pid:04x}",
            guess=_guess(port),
            addresses=_addresses(port, ports),
            troubles=tuple(_troubles(system, port, holders.get(port.device, ""), rules)),
        )
        for port in ports
    )
    running = set(names.values())
    return Survey(ports=found, hints=tuple(_hints(system, ports, running, rules)))


def _printable(text: str) -> str:
    """Text that a USB device says of itself, fit to be shown: a device may say anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MAX_TEXT])


def _guess(port: SerialPort) -> str:
    if port.vid is None:
        return _printable(port.description)
    return _CHIPS.get((port.vid, port.pid)) or _CHIPS.get((port.vid, None)) or _printable(port.description)


def _addresses(port: SerialPort, ports: list[SerialPort]) -> tuple[str, ...]:
    # A serial number outlives the next plug, but cheap chips all have the same, or none, or rubbish.
    serial = port.serial_number
    is_alone = sum(other.serial_number == serial for other in ports) == 1
    can_be_typed = bool(serial) and serial == _printable(serial)
    target = quote(serial if is_alone and can_be_typed else port.device, safe="/:\\ ")
    schemes = ("cyton", "lines") if port.guess == "cyton" else ("lines", "ads1293", "ads1292r")
    return tuple(f"{scheme}:{target}" for scheme in schemes)


def _troubles(system: System, port: SerialPort, holder: str, rules: tuple[str, ...]) -> Iterator[str]:
    device = _printable(port.device)
    if not system.may_use(port.device):
        group = system.group_of(port.device)
        if group and group != "root":
            yield f"{device} may not be opened by you; run: sudo usermod -aG {group} $USER, then log out and in again."
        else:
            yield f"{device} may not be opened by you; ask whoever administers this computer for access to it."
    if holder:
        yield f"{device} is in use by {holder}; close that program before you record."
    latency = system.text(f"sys/bus/usb-serial/devices/{Path(port.device).name}/latency_timer")
    if re.fullmatch(r"[0-9]{1,4}", latency) and int(latency) > LATENCY_LIMIT_MS:
        late = f"{device} hands samples over in bursts, every {int(latency)} ms"
        if any("latency_timer" in rule for rule in rules):
            yield f"{late}, although a udev rule says otherwise; plug it in again."
        else:
            yield f"{late}; put the line {LATENCY_RULE} into {RULES_FILE}, {_AGAIN}."


def _holders(system: System, names: dict[Path, str], devices: set[str]) -> dict[str, str]:
    """Device → the process that has it open, in words, as far as processes may be looked into."""
    holders: dict[str, str] = {}
    for folder, name in names.items():
        if folder.name == str(os.getpid()):
            continue
        for link in system.listed(str(folder / "fd")):
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target in devices:
                holders.setdefault(target, f"{_printable(name) or 'a program'} (process {folder.name})")
    return holders


def _hints(system: System, ports: list[SerialPort], running: set[str], rules: tuple[str, ...]) -> Iterator[str]:
    has_brltty = "brltty" in running or any((system.root / path).exists() for path in ("usr/bin/brltty", "bin/brltty"))
    for vid, pid in _without_port(system, ports):
        chip = f"The USB device {vid:04x}:{pid:04x} ({_CHIPS.get((vid, pid)) or _CHIPS[vid, None]})"
        if has_brltty:
            yield (
                f"{chip} is plugged in but has no serial port, probably because brltty, a program for Braille displays,"
                " took it; if nobody here needs one, run: sudo apt remove brltty, and plug it in again."
            )
        else:
            yield (
                f"{chip} is plugged in but has no serial port; look for its driver in the last lines of: sudo dmesg."
            )
    taken = sorted({(port.vid, port.pid) for port in ports if port.vid is not None and port.pid is not None})
    for vid, pid in taken:
        if has_brltty and any(f"{vid:x}/{pid:x}/" in rule.lower() and "brltty" in rule.lower() for rule in rules):
            yield (
                f"brltty, a program for Braille displays, claims every USB device {vid:04x}:{pid:04x} and may take the"
                " port away; if nobody here needs it, run: sudo apt remove brltty."
            )
    if "ModemManager" in running:
        for vid in sorted({vid for vid, _ in taken}):
            if not any("ID_MM_DEVICE_IGNORE" in rule and f'"{vid:04x}"' in rule.lower() for rule in rules):
                yield (
                    f"ModemManager may write to the USB device {vid:04x} when it is plugged in, to see whether it is a"
                    f' modem; put the line ATTRS{{idVendor}}=="{vid:04x}", ENV{{ID_MM_DEVICE_IGNORE}}="1" into'
                    f" {RULES_FILE}, {_AGAIN}."
                )


def _without_port(system: System, ports: list[SerialPort]) -> list[tuple[int, int]]:
    """USB serial chips that are plugged in and have no port: (vendor, product)."""
    lost = []
    served = [(port.vid, port.pid) for port in ports]
    for folder in system.listed("sys/bus/usb/devices"):
        words = system.text(folder / "idVendor"), system.text(folder / "idProduct")
        if not all(re.fullmatch(r"[0-9a-f]{4}", word) for word in words):
            continue
        vid, pid = (int(word, 16) for word in words)
        if (vid, pid) in served:
            served.remove((vid, pid))
        elif (vid, pid) in _BRIDGES:
            lost.append((vid, pid))
    return lost
