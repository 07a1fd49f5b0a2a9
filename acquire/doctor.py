"""Whether this computer has what trilead needs, and the command that mends what it lacks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from acquire.files import try_hold, write_new

__all__ = ["Check", "examine"]

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1_000_000_000
_EXTRAS = {"train": "training and evaluating networks"}


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
    """Look at Python, the packages, the folder, its disk, and the loopback network.

    Args:
        folder: where studies shall lie.
    """
    return [_python(), *_packages(), _folder(folder), _disk(folder), _loopback()]


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
        project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))[
            "project"
        ]
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
