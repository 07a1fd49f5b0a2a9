"""Whether this computer has what trilead needs, and the command that mends what it lacks."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from acquire.boards.discovery import Survey, survey
from acquire.files import try_hold, write_new

__all__ = ["Check", "examine"]

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1_000_000_000
_EXTRAS = {
    "app": "the recording window",
    "train": "training and evaluating networks",
    "lsl": "recording from and to the Lab Streaming Layer",
}
QT_PACKAGES = (
    "libegl1 libgl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libwayland-cursor0 libxkbcommon-x11-0 libxcb-cursor0"
    " libxcb-icccm4 libxcb-keysyms1 libxcb-randr0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1"
)
"""What a bare Debian or Ubuntu lacks for Qt."""
_XCB_LIBRARIES = ("libxcb-cursor.so.0", "libxcb-icccm.so.4", "libxcb-keysyms.so.1", "libxkbcommon-x11.so.0")
_SERIAL_GROUPS = ("dialout", "uucp")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: fine; optional, when something that not everybody needs is absent; or mend.
        words: what was found, and the mend where there is something to mend.
    """

    name: str
    state: Literal["fine", "optional", "mend"]
    words: str


def examine(folder: Path) -> list[Check]:
    """Look at Python, the packages and drivers, the serial ports, the folder, its disk, and the loopback network.

    Args:
        folder: where studies shall lie.
    """
    return [
        _python(),
        *_packages(),
        *_drivers(),
        _serial_ports(survey(), _lacked_group()),
        _folder(folder),
        _disk(folder),
        _loopback(),
    ]


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check(name="Python", state="mend", words=f"{found} is too old; install Python 3.11 or newer.")
    return Check(name="Python", state="fine", words=f"{found} on {platform.system()} {platform.machine()}")


def _packages() -> list[Check]:
    try:
        needed = [Requirement(text) for text in _requirements()]
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError, KeyError, InvalidRequirement):
        words = "trilead is not installed, so what it needs is not known; run: pip install ."
        return [Check(name="packages", state="mend", words=words)]
    checks = [_package(requirement) for requirement in needed if _applies(requirement, "")]
    for extra, purpose in _EXTRAS.items():
        only_here = [item for item in needed if _applies(item, extra) and not _applies(item, "")]
        checks += [_optional_package(requirement, extra, purpose) for requirement in only_here]
    return checks


def _requirements() -> list[str]:
    """What trilead needs, from its installation, or from pyproject.toml where it runs from a checkout."""
    try:
        found = importlib.metadata.requires("trilead")
    except importlib.metadata.PackageNotFoundError:
        project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
        found = list(project["dependencies"])
        for extra in _EXTRAS:
            found += [f'{text}; extra == "{extra}"' for text in project["optional-dependencies"][extra]]
    return found or []


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _package(requirement: Requirement) -> Check:
    wanted = str(requirement.specifier) or "any version"
    mend = f'run: pip install "{requirement.name}{requirement.specifier}"'
    try:
        found = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name=requirement.name, state="mend", words=f"is not installed, {wanted} is needed; {mend}")
    if not requirement.specifier.contains(found, prereleases=True):
        return Check(name=requirement.name, state="mend", words=f"{found} is installed, {wanted} is needed; {mend}")
    return Check(name=requirement.name, state="fine", words=f"{found} ({wanted})")


def _optional_package(requirement: Requirement, extra: str, purpose: str) -> Check:
    check = _package(requirement)
    if check.state == "fine":
        return check
    found = check.words.partition("; ")[0]
    return Check(
        name=check.name,
        state="optional",
        words=f'{found}; for {purpose} run: pip install "trilead[{extra}]"',
    )


def _drivers() -> list[Check]:
    """Whether what is installed can be loaded: some packages bring, or need, libraries that are not Python."""
    mends = {
        "brainflow": ("brainflow.board_shim", 'pip install --force-reinstall "setuptools<81" brainflow'),
        "PySide6": ("PySide6.QtWidgets", f"sudo apt install {QT_PACKAGES}"),
        "pylsl": ("pylsl", "pip install --force-reinstall pylsl; on Linux, install liblsl too"),
    }
    checks = []
    for package, (module, mend) in mends.items():
        if importlib.util.find_spec(package) is None:
            continue  # told among the packages
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(module)
            if package == "PySide6" and sys.platform.startswith("linux"):
                # Qt looks for these only when the first window opens, and then ends the process.
                for library in _XCB_LIBRARIES:
                    ctypes.CDLL(library)
        except (ImportError, OSError, RuntimeError) as error:
            words = f"is installed but cannot be loaded ({' '.join(str(error).split())[:120]}); run: {mend}"
            state: Literal["mend", "optional"] = "mend" if package == "brainflow" else "optional"
            checks.append(Check(name=f"library of {package}", state=state, words=words))
        else:
            checks.append(Check(name=f"library of {package}", state="fine", words="can be loaded"))
    return checks


def _lacked_group() -> str:
    """The group that may use serial ports and that the user is not in; "" where there is none such, or no need."""
    try:
        import grp

        groups = {group.gr_name: group.gr_gid for group in grp.getgrall()}
        if os.geteuid() == 0:
            return ""
    except (ImportError, AttributeError):  # Windows asks no group
        return ""
    mine = {os.getgid(), *os.getgroups()}
    lacked = [name for name in _SERIAL_GROUPS if name in groups and groups[name] not in mine]
    return lacked[0] if lacked and sys.platform.startswith("linux") else ""


def _serial_ports(found: Survey, lacked_group: str) -> Check:
    troubles = [trouble for port in found.ports for trouble in port.troubles] + list(found.hints)
    if troubles:
        more = f" (and {len(troubles) - 1} more: see trilead boards)" if len(troubles) > 1 else ""
        # Whoever records from a simulated or a wireless board can do without.
        return Check(name="serial ports", state="optional", words=troubles[0] + more)
    if lacked_group:
        words = (
            f"you are not in the group {lacked_group}, which boards on a serial port need; run: sudo usermod -aG"
            f" {lacked_group} $USER, then log out and in again."
        )
        return Check(name="serial ports", state="optional", words=words)
    ports = ", ".join(port.device for port in found.ports)
    return Check(
        name="serial ports", state="fine", words=ports or "none is plugged in, and nothing is in the way of one"
    )


def _folder(folder: Path) -> Check:
    try:
        with tempfile.TemporaryDirectory(prefix=".trilead-doctor-", dir=folder) as scratch:
            probe = Path(scratch) / "probe"
            write_new(probe, b"probe")
            if not _can_lock(probe):
                words = f"{folder} does not lock files; choose a folder on a disk of this computer."
                return Check(name="folder", state="mend", words=words)
    except OSError as error:
        words = f"{folder} cannot be written ({error.strerror or error}); choose another folder."
        return Check(name="folder", state="mend", words=words)
    return Check(name="folder", state="fine", words=f"{folder} can be written, and locks files")


def _can_lock(probe: Path) -> bool:
    descriptor = os.open(probe, os.O_RDWR)
    try:
        return try_hold(descriptor)
    finally:
        os.close(descriptor)


def _disk(folder: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Check:
    try:
        free = usage(folder)[2]
    except OSError as error:
        return Check(name="disk", state="mend", words=f"its free space is not known ({error.strerror or error})")
    words = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return Check(name="disk", state="mend", words=f"{words}; free at least {LEAST_FREE_BYTES / 1e9:g} GB.")
    return Check(name="disk", state="fine", words=words)


def _loopback() -> Check:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            with socket.create_connection(server.getsockname(), timeout=5.0):
                pass
    except OSError as error:
        words = f"127.0.0.1 does not answer ({error.strerror or error}); let the firewall allow local connections."
        return Check(name="loopback", state="mend", words=words)
    return Check(name="loopback", state="fine", words="127.0.0.1 answers, so recorders can be reached")
