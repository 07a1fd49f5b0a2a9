"""Writing a journal (layout: ``acquire.recordings.journal``) so that a crash costs at most its last second.

Records are written with one unbuffered ``write`` each, whose returned count is checked, because a full disk announces
itself first as a short count. A thread syncs the file to the disk about once a second, so a power cut costs no more
than that. The writer holds the operating system's lock on the file: a journal that nobody holds was left by a process
that died.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from acquire.errors import JournalError, JournalErrorReason
from acquire.files import fsync_folder, try_hold
from acquire.recordings.journal import CHUNK_HEAD, JOURNAL_VERSION, MAGIC, MAX_PAYLOAD_BYTES, RecordKind

__all__ = ["JournalWriter"]

SYNC_INTERVAL_S = 1.0
_LOCK_PATIENCE_S = 1.0
_CHECKED = struct.Struct("<III")


class JournalWriter:
    """Appends records to a new journal; used as a context manager it lets go of the file at the end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._sequence = 0
        self._end = 0
        self._sync_error: OSError | None = None
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_regularly, name="journal-sync", daemon=True)

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """Make a new journal, take its lock, and write its HEADER durably.

        Raises:
            JournalError: the name is taken, or the file cannot be written.
        """
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
            descriptor = os.open(path, flags, 0o666)
        except FileExistsError as error:
            raise JournalError(
                f"{path} exists: another recorder is writing it, or one died; see trilead recover.",
                path=path,
                reason=JournalErrorReason.IN_USE,
            ) from error
        except OSError as error:
            raise JournalError(
                f"{path} cannot be made: {error.strerror or error}; mend the folder's permissions or free some space.",
                path=path,
                reason=JournalErrorReason.NOT_WRITABLE,
            ) from error
        writer = cls(path, descriptor)
        try:
            writer._take_lock()
            writer._append(RecordKind.HEADER, _as_json({"journal_version": JOURNAL_VERSION, **header}))
            os.fsync(descriptor)
            fsync_folder(path.parent)
        except BaseException as error:
            os.close(descriptor)
            # Nothing was recorded yet, so nothing is lost with it.
            with contextlib.suppress(OSError):
                path.unlink()
            if isinstance(error, OSError):
                raise JournalError(
                    f"{path} cannot be made durable: {error.strerror or error}; check the disk.",
                    path=path,
                    reason=JournalErrorReason.NOT_WRITABLE,
                ) from error
            raise
        writer._syncer.start()
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def append_chunk(self, *, index: int, host_ns: int, board_ns: int, samples: NDArray[Any]) -> None:
        """Append consecutive samples, shape (n, n_channels), of the type that the HEADER names.

        Raises:
            JournalError: the disk is full or failing; the journal ends with its last whole record.
        """
        head = CHUNK_HEAD.pack(index, host_ns, board_ns, samples.shape[0], 0)
        if sys.byteorder == "big":
            samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
        self._append(RecordKind.CHUNK, head + samples.tobytes())

    def append_event(self, event: Mapping[str, Any]) -> None:
        """Append one event.

        Raises:
            JournalError: the disk is full or failing; the journal ends with its last whole record.
        """
        self._append(RecordKind.EVENT, _as_json(event))

    def append_close(self, reason: str, **more: Any) -> None:
        """Say that this journal is complete, and make it durable.

        Args:
            reason: why the recording ended.
            more: what else is known only at the end, of types that JSON has.

        Raises:
            JournalError: the disk is full or failing; the journal ends with its last whole record.
        """
        self._append(RecordKind.CLOSE, _as_json({"reason": reason, **more}))
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._failed(error) from error

    def release(self) -> None:
        """Stop syncing and let go of the file and its lock; a second time does nothing."""
        if self._descriptor < 0:
            return
        self._closing.set()
        if self._syncer.is_alive():
            self._syncer.join()
        os.close(self._descriptor)
        self._descriptor = -1

    def _take_lock(self) -> None:
        # Somebody who asks whether a journal is held takes its lock for an instant, so a first refusal means little.
        limit = time.monotonic() + _LOCK_PATIENCE_S
        while not try_hold(self._descriptor):
            if time.monotonic() > limit:
                raise JournalError(
                    f"{self.path} is held by another process; wait until it has finished.",
                    path=self.path,
                    reason=JournalErrorReason.IN_USE,
                )
            time.sleep(0.01)

    def _append(self, kind: RecordKind, payload: bytes) -> None:
        if self._sync_error is not None:
            raise self._failed(self._sync_error) from self._sync_error
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise JournalError(
                f"{self.path}: a record of {len(payload)} bytes is above the limit of {MAX_PAYLOAD_BYTES};"
                " read fewer samples at once.",
                path=self.path,
                reason=JournalErrorReason.TOO_LARGE,
            )
        record = _encode(kind, self._sequence, payload)
        try:
            written = os.write(self._descriptor, record)
        except OSError as error:
            raise self._failed(error) from error
        if written != len(record):
            self._cut_back()
            raise JournalError(
                f"{self.path}: the disk took {written} of {len(record)} bytes, so it is full; free some space.",
                path=self.path,
                reason=JournalErrorReason.DISK_FULL,
            )
        self._sequence += 1
        self._end += written

    def _failed(self, error: OSError) -> JournalError:
        self._cut_back()
        return JournalError(
            f"{self.path} cannot be written any further: {error.strerror or error}; free some space or check the disk.",
            path=self.path,
            reason=JournalErrorReason.DISK_FULL,
        )

    def _cut_back(self) -> None:
        # A torn record at the end does no harm, so it is no loss where even this fails.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._end)

    def _sync_regularly(self) -> None:
        while not self._closing.wait(SYNC_INTERVAL_S):
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._sync_error = error
                return


def _encode(kind: RecordKind, sequence: int, payload: bytes) -> bytes:
    checked = _CHECKED.pack(kind, len(payload), sequence)
    return MAGIC + checked + struct.pack("<I", zlib.crc32(payload, zlib.crc32(checked))) + payload


def _as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
