"""Room on the disk: enough before a recording begins, watched while it runs, and held back for its end.

While it records, a recorder writes a journal, and at the end a recording file of the journal's samples beside it. So
every second of recording needs room twice. A recording begins only where all of that fits, and it ends cleanly when
only the reserve is left. Because another program may fill the disk faster than anybody looks, a ballast file grows with
the journal and takes up the space that the recording file will need; it is removed when that space is wanted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from acquire.boards.board import BATCH_S
from acquire.errors import RecorderError, RecorderErrorReason
from acquire.files import TEMPORARY_PREFIX
from acquire.recordings.journal import CHUNK_HEAD, RECORD_HEAD
from protocols.script import Script

__all__ = [
    "RESERVE_BYTES",
    "DiskNeed",
    "DiskWatch",
    "check_room",
    "estimate_need",
    "free_bytes",
    "in_words",
    "span_in_words",
]

RESERVE_BYTES = 32 * 1024 * 1024
"""What a recording leaves free, for its events, its operator's notes and everybody else."""
LOOK_INTERVAL_S = 2.0
_BYTES_PER_COUNT = 4
_BALLAST_MARGIN = 4 * 1024 * 1024
_BALLAST_STEP = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class DiskNeed:
    """What a recording will take up.

    Attributes:
        duration_s: of the protocol without pauses.
        journal_bytes: while it records.
        recording_bytes: at the end, at most.
        bytes_per_s: of both, for each second that is recorded.
    """

    duration_s: float
    journal_bytes: int
    recording_bytes: int
    bytes_per_s: float


def estimate_need(script: Script, *, rate_hz: float, n_channels: int) -> DiskNeed:
    """Estimate what recording a whole protocol takes up, from above.

    A recording file holds what the journal holds, more tightly, so the journal's size bounds both.

    Args:
        script: the protocol.
        rate_hz: nominal sampling rate.
        n_channels: columns of a chunk.
    """
    duration_s = sum(entry.duration_s for entry in script.plan())
    chunks_per_s = min(rate_hz, 1 / BATCH_S)
    journal_per_s = rate_hz * n_channels * _BYTES_PER_COUNT + chunks_per_s * (RECORD_HEAD.size + CHUNK_HEAD.size)
    needed = round(duration_s * journal_per_s)
    return DiskNeed(
        duration_s=duration_s, journal_bytes=needed, recording_bytes=needed, bytes_per_s=2.0 * journal_per_s
    )


def free_bytes(folder: Path) -> int:
    """What may still be written into a folder.

    Raises:
        RecorderError: the folder cannot be looked at.
    """
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise RecorderError(
            f"The disk of {folder} cannot be looked at: {error.strerror or error}; check that it is still there.",
            reason=RecorderErrorReason.DISK,
        ) from error


def check_room(need: DiskNeed, *, journals: Path, recordings: Path) -> None:
    """Refuse a recording that cannot fit.

    Args:
        need: what it takes up.
        journals: the folder of its journal.
        recordings: the folder of its recording file, perhaps on another disk.

    Raises:
        RecorderError: it cannot fit, with the figures.
    """
    if _disk(journals) == _disk(recordings):
        demands = [(journals, need.journal_bytes + need.recording_bytes + _BALLAST_MARGIN)]
    else:
        demands = [(journals, need.journal_bytes), (recordings, need.recording_bytes + _BALLAST_MARGIN)]
    for folder, taken in demands:
        free = free_bytes(folder)
        if free < taken + RESERVE_BYTES:
            raise RecorderError(
                f"The disk of {folder} has {in_words(free)} free, and recording {span_in_words(need.duration_s)} needs"
                f" {in_words(taken)} and {in_words(RESERVE_BYTES)} in reserve; free"
                f" {in_words(taken + RESERVE_BYTES - free)} or take a shorter protocol.",
                reason=RecorderErrorReason.DISK,
            )


class DiskWatch:
    """Watches the room that is left for one recording, and holds back what its end needs.

    Used as a context manager it lets go of the ballast at the end.

    Args:
        journal: being written.
        recording: the file that will be made of it.
        need: what was estimated.
        now_s: a clock that never goes back.

    Attributes:
        left_s: how long the recording can go on before only the reserve is left, by the sample clock.
    """

    def __init__(
        self, journal: Path, recording: Path, need: DiskNeed, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.left_s = 0.0
        self._journal = journal
        self._folders = (journal.parent, recording.parent)
        self._bytes_per_s = need.bytes_per_s
        self._now_s = now_s
        self._looked_s = float("-inf")
        # The name is one that a recovery of this journal removes.
        name = f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{journal.stem}.ballast"
        self._ballast = recording.with_name(name)
        self._descriptor = -1
        self._held_bytes = 0
        self._holds = True

    def __enter__(self) -> Self:
        """Look for the first time, and take hold of the first of the ballast.

        Raises:
            RecorderError: there is no room even for that.
        """
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self._ballast, flags, 0o600)
            if shortage := self.shortage():
                raise RecorderError(shortage, reason=RecorderErrorReason.DISK)
        except OSError as error:
            self.make_room()
            raise RecorderError(
                f"{self._ballast.parent} cannot be written: {error.strerror or error}; mend its permissions or free"
                " some space.",
                reason=RecorderErrorReason.DISK,
            ) from error
        except BaseException:
            self.make_room()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.make_room()

    def shortage(self) -> str:
        """Why the recording must end now, as a sentence; "" while there is room. Looks every other second."""
        if self._now_s() - self._looked_s < LOOK_INTERVAL_S:
            return ""
        self._looked_s = self._now_s()
        try:
            self._hold(self._journal.stat().st_size + _BALLAST_MARGIN)
            free = min(shutil.disk_usage(folder).free for folder in self._folders)
        except OSError as error:
            return (
                f"The disk of {self._journal.parent} has no room for the end of the recording or fails"
                f" ({error.strerror or error}), so the recording was ended; free some space or check the disk."
            )
        self.left_s = max(0.0, (free - RESERVE_BYTES) / self._bytes_per_s)
        if free >= RESERVE_BYTES:
            return ""
        return (
            f"The disk of {self._journal.parent} has only {in_words(free)} free, less than the reserve of"
            f" {in_words(RESERVE_BYTES)}, so the recording was ended; free some space."
        )

    def make_room(self) -> None:
        """Let go of the ballast; a second time does nothing."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._ballast.unlink()

    def _hold(self, wanted: int) -> None:
        """Let the ballast take up ``wanted`` bytes, rounded up."""
        if not self._holds or self._descriptor < 0 or wanted <= self._held_bytes:
            return
        length = -(-(wanted - self._held_bytes) // _BALLAST_STEP) * _BALLAST_STEP
        try:
            _take_up(self._descriptor, self._held_bytes, length)
        except OSError as error:
            if error.errno in _FULL:
                raise
            # A disk on which no space can be held back is no reason not to record; it is watched all the same.
            self._holds = False
        else:
            self._held_bytes += length


def _take_up(descriptor: int, start: int, length: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, length)
        return
    # Zeros that are written take up space everywhere but on a disk that compresses.
    for _ in range(length // _BALLAST_STEP):
        if os.write(descriptor, bytes(_BALLAST_STEP)) != _BALLAST_STEP:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _disk(folder: Path) -> int:
    return folder.stat().st_dev


def in_words(n_bytes: int) -> str:
    """A size to two or more digits, in the unit that suits it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.0f} {unit}" if unit == "MB" and n_bytes >= 1e7 else f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


def span_in_words(span_s: float) -> str:
    """How long something takes, as precisely as anybody wants to know."""
    if span_s < 100:
        return f"{span_s:.0f} s" if span_s >= 1 else f"{span_s:.1g} s"
    minutes = round(span_s / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
