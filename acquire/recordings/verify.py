"""Whether a recording is still what was recorded, and if not, what was changed in it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any

from acquire.errors import RecordingErrorReason
from acquire.recorder.child import child_environment, module_command
from acquire.recordings.examine import FIRST_WITH_DIGESTS
from acquire.recordings.seal import is_sealed

__all__ = ["Verdict", "Verification", "verify"]

PATIENCE_S = 30.0
_HEAD_BYTES = 1 << 16

Progress = Callable[[int, int], None]


class Verdict(Enum):
    """What can be said of a recording file."""

    SOUND = "sound"
    SEALED = "sealed, without digests"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    NEWER = "of a newer trilead"
    NOT_A_RECORDING = "not a recording"
    MISSING = "missing"


_REFUSALS = {
    RecordingErrorReason.NOT_A_RECORDING.value: Verdict.NOT_A_RECORDING,
    RecordingErrorReason.NEWER_VERSION.value: Verdict.NEWER,
}


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of verifying one file.

    Attributes:
        path: the file.
        verdict: what can be said of it.
        root: the root digest of what is in it, or "" where it has none or cannot be read whole.
        findings: what is wrong with it, a clause each; empty where it is sound.
    """

    path: Path
    verdict: Verdict
    root: str = ""
    findings: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, as far as the file lets anybody tell."""
        return self.verdict in (Verdict.SOUND, Verdict.SEALED)

    @property
    def is_spoilt(self) -> bool:
        """Whether it is, or was, a recording with which something is wrong."""
        return self.verdict in (Verdict.CHANGED, Verdict.UNREADABLE)


def verify(path: Path, *, progress: Progress = lambda done, total: None) -> Verification:
    """Recompute the seal and all digests of a recording file.

    HDF5 may hang or crash on a damaged file, and a seal can be made anew by whoever damaged it. So another process
    looks into the file, and the fate of that process is a finding too.

    Args:
        path: the file.
        progress: is told now and then how much of how much was done; there are two rounds.

    Returns:
        What can be said of it; nothing about the file raises an error.
    """
    try:
        if not path.exists():
            return _refused(path, Verdict.MISSING, "there is no such file")
        if not path.is_file():
            return _refused(path, Verdict.NOT_A_RECORDING, "it is no file, but a folder, a device or a pipe")
        sealed = is_sealed(path, progress=progress)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        return _refused(path, Verdict.UNREADABLE, f"it cannot be read: {error.strerror or error}")
    except ValueError:
        return _refused(path, Verdict.MISSING, "no file can have this name")
    if not head.startswith(b"\x89HDF\r\n\x1a\n"):
        if sealed or path.suffix == ".h5":
            return _refused(path, Verdict.UNREADABLE, "it is no HDF5 file, or its beginning was destroyed")
        return _refused(path, Verdict.NOT_A_RECORDING, "it is not a recording of trilead, but some other file")
    return _examined(path, sealed, progress)


def _refused(path: Path, verdict: Verdict, finding: str) -> Verification:
    return Verification(path=path, verdict=verdict, findings=(finding,))


def _examined(path: Path, sealed: bool, progress: Progress) -> Verification:
    findings: list[str] = []
    version, root = FIRST_WITH_DIGESTS, ""
    try:
        for line in _ask(path):
            version = line.get("version", version)
            root = line.get("root", root)
            if "refused" in line:
                return _refused(path, _REFUSALS.get(str(line.get("reason")), Verdict.UNREADABLE), str(line["refused"]))
            if "found" in line:
                findings.append(str(line["found"]))
            if "progress" in line:
                progress(*line["progress"])
    except _BrokeDown as breakdown:
        findings.append(f"HDF5 {breakdown}, so its inner tables are damaged")
    if not findings and sealed:
        verdict = Verdict.SOUND if version >= FIRST_WITH_DIGESTS else Verdict.SEALED
        return Verification(path=path, verdict=verdict, root=root)
    if not findings and version < FIRST_WITH_DIGESTS:
        findings.append("its seal is broken; of format version 1 it has no digests, so what was changed cannot be told")
    elif not findings:
        findings.append(
            "its seal is missing or broken, though samples, events and header are as they were written;"
            " something else in the file was changed, or it was saved by another program"
        )
    return Verification(path=path, verdict=Verdict.CHANGED, root=root, findings=tuple(findings))


class _BrokeDown(Exception):
    """What HDF5 did instead of an answer, as the middle of a sentence."""


def _ask(path: Path) -> Iterator[dict[str, Any]]:
    """What another process says of a file, line by line.

    Raises:
        _BrokeDown: it said nothing for too long, or ended before it was done.
    """
    process = subprocess.Popen(
        module_command("acquire.recordings.verify_child", str(path.absolute())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
    )
    said: queue.Queue[bytes] = queue.Queue()
    listener = threading.Thread(target=_listen, args=(process.stdout, said), name="verify-listen", daemon=True)
    listener.start()
    try:
        done = False
        # A crash can cut the last line; what is left of it says nothing.
        while (line := said.get(timeout=PATIENCE_S)).endswith(b"\n"):
            answer = json.loads(line)
            done = "root" in answer
            yield answer
        if not done:
            raise _BrokeDown(f"broke down over the rest of it ({_how(process.wait(PATIENCE_S))})")
    except (queue.Empty, subprocess.TimeoutExpired):
        raise _BrokeDown(f"gave no answer about the rest of it for {PATIENCE_S:g} s") from None
    finally:
        process.kill()
        listener.join()
        with process:
            pass


def _listen(stdout: IO[bytes], said: queue.Queue[bytes]) -> None:
    for line in stdout:
        said.put(line)
    said.put(b"")


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
