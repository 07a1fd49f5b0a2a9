"""The journal: an append-only file that a crash can cut but not garble.

A journal is a sequence of records. All numbers are little-endian.

====== ======== ============================================================
offset type     meaning
====== ======== ============================================================
0      4 bytes  magic ``tlJ1``
4      uint32   kind: 1 HEADER, 2 CHUNK, 3 EVENT, 4 CLOSE
8      uint32   length of the payload in bytes
12     uint32   sequence number: 0 for the HEADER, then counting up by one
16     uint32   CRC32 of bytes 4 to 15 and the payload
20     payload
====== ======== ============================================================

HEADER, always first and only once: UTF-8 JSON with everything needed to make the recording file without the process
that wrote it. CHUNK: int64 index, int64 host_ns, int64 board_ns, uint32 rows, uint32 zero, then the samples row by
row, their type and number of columns as the HEADER says. EVENT: UTF-8 JSON, one recorded event. CLOSE, last: UTF-8
JSON ``{"reason": ...}``; a journal without one was cut off.

This module reads; ``acquire.journal_write`` writes.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from acquire.errors import JournalError, JournalErrorReason

__all__ = ["JournalContent", "JournalTail", "Record", "RecordKind", "StoredChunk", "read_journal"]

JOURNAL_VERSION = 1
MAGIC = b"tlJ1"
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
RECORD_HEAD = struct.Struct("<4sIIII")
CHUNK_HEAD = struct.Struct("<qqqII")


class RecordKind(IntEnum):
    """What a record's payload is."""

    HEADER = 1
    CHUNK = 2
    EVENT = 3
    CLOSE = 4


_KINDS = {kind.value: kind for kind in RecordKind}


@dataclass(frozen=True, kw_only=True)
class Record:
    """One whole record, its checksum found right."""

    kind: RecordKind
    payload: bytes

    def json(self) -> dict[str, Any]:
        """The payload of a HEADER, EVENT or CLOSE.

        Raises:
            ValueError: it is not a JSON object.
        """
        value = json.loads(self.payload)
        if not isinstance(value, dict):
            raise ValueError("the payload is not a JSON object")
        return value

    def chunk(self, dtype: np.dtype[Any], n_channels: int) -> StoredChunk:
        """The payload of a CHUNK.

        Raises:
            ValueError: its length is not that of its rows.
        """
        if len(self.payload) < CHUNK_HEAD.size:
            raise ValueError("the payload is shorter than a chunk's head")
        index, host_ns, board_ns, rows, _ = CHUNK_HEAD.unpack_from(self.payload)
        if rows == 0 or len(self.payload) != CHUNK_HEAD.size + rows * n_channels * dtype.itemsize:
            raise ValueError(f"the payload does not hold {rows} rows of {n_channels} channels")
        samples = np.frombuffer(self.payload, dtype=dtype, offset=CHUNK_HEAD.size).reshape(rows, n_channels)
        return StoredChunk(index=index, host_ns=host_ns, board_ns=board_ns, samples=samples)


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredChunk:
    """A chunk as the journal keeps it; see ``acquire.board.Chunk``."""

    index: int
    host_ns: int
    board_ns: int
    samples: NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class JournalContent:
    """What could be read from a journal.

    Attributes:
        path: the journal.
        header: the HEADER's JSON.
        chunks: in the order they were written.
        events: the EVENTs' JSON, in the order they were written.
        close_reason: from the CLOSE, or None when there is none.
        whole_bytes: length of the part that holds whole, right records.
        dropped_bytes: what follows it and could not be used.
        fault: why reading stopped before the end of the file, as the middle of a sentence; "" when it did not.
            A torn last record is no damage but what a crash leaves; ``damaged`` tells the two apart.
        damaged: whether anything but a torn last record was met.
    """

    path: Path
    header: dict[str, Any]
    chunks: tuple[StoredChunk, ...]
    events: tuple[dict[str, Any], ...]
    close_reason: str | None
    whole_bytes: int
    dropped_bytes: int
    fault: str
    damaged: bool


def read_journal(path: Path) -> JournalContent:
    """Read all that is whole and right, and say what is not.

    Reading stops at the first record that is not right: what lies behind it cannot be placed with certainty.

    Raises:
        JournalError: it cannot be read, is no journal, has no whole HEADER, or is newer than this trilead.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(
            f"{path} cannot be read: {error.strerror or error}; mend its permissions or name.",
            path=path,
            reason=JournalErrorReason.NOT_A_JOURNAL,
        ) from error
    walk = _Walk(data)
    header = _first_header(path, data, walk)
    dtype, n_channels = _sample_layout(path, header)
    chunks: list[StoredChunk] = []
    events: list[dict[str, Any]] = []
    close_reason: str | None = None
    whole = walk.position
    fault, damaged = "", False
    for record in walk:
        try:
            if close_reason is not None:
                raise ValueError("there is something behind the CLOSE record")
            if record.kind is RecordKind.CHUNK:
                chunks.append(record.chunk(dtype, n_channels))
            elif record.kind is RecordKind.EVENT:
                events.append(record.json())
            elif record.kind is RecordKind.CLOSE:
                close_reason = str(record.json().get("reason", ""))
            else:
                raise ValueError("there is a second HEADER")
        except ValueError as error:
            fault, damaged = str(error), True
            break
        whole = walk.position
    else:
        fault, damaged = walk.fault, walk.damaged
    return JournalContent(
        path=path,
        header=header,
        chunks=tuple(chunks),
        events=tuple(events),
        close_reason=close_reason,
        whole_bytes=whole,
        dropped_bytes=len(data) - whole,
        fault=fault,
        damaged=damaged,
    )


class JournalTail:
    """Follows a journal that somebody else is writing; used as a context manager it closes the file at the end.

    Attributes:
        header: the HEADER's JSON.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal at its beginning.

        Raises:
            JournalError: it cannot be read, is no journal, or has no whole HEADER.
        """
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise JournalError(
                f"{path} cannot be read: {error.strerror or error}; look whether the recording has finished.",
                path=path,
                reason=JournalErrorReason.NOT_A_JOURNAL,
            ) from error
        try:
            self._pending = self._file.read()
            self._sequence = 0
            walk = _Walk(self._pending)
            self.header = _first_header(path, self._pending, walk)
            self._layout = _sample_layout(path, self.header)
        except BaseException:
            self._file.close()
            raise
        self._pending = self._pending[walk.position :]
        self._sequence = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def chunk(self, record: Record) -> StoredChunk:
        """The samples of a CHUNK record.

        Raises:
            ValueError: its length is not that of its rows.
        """
        return record.chunk(*self._layout)

    def poll(self) -> list[Record]:
        """The whole records added since the last call; one that is still being written comes the next time."""
        self._pending += self._file.read()
        walk = _Walk(self._pending, sequence=self._sequence)
        records = list(walk)
        self._sequence = walk.sequence
        self._pending = self._pending[walk.position :]
        return records


class _Walk(Iterator[Record]):
    """Steps from record to record and stops at the first that is not whole and right."""

    def __init__(self, data: bytes, sequence: int = 0) -> None:
        self.position = 0
        self.sequence = sequence
        self.fault = ""
        self.damaged = False
        self._data = data

    def __next__(self) -> Record:
        data, start = self._data, self.position
        if start == len(data):
            raise StopIteration
        if len(data) - start < RECORD_HEAD.size:
            return self._stop("the last record is torn", damaged=False)
        magic, kind, length, sequence, checksum = RECORD_HEAD.unpack_from(data, start)
        if magic != MAGIC or length > MAX_PAYLOAD_BYTES:
            # A file system may lengthen a file before its content arrives: zeros to the end are a torn tail too.
            torn = not any(data[start:])
            return self._stop("a record does not begin where one should", damaged=not torn)
        stop = start + RECORD_HEAD.size + length
        if stop > len(data):
            return self._stop("the last record is torn", damaged=False)
        payload = data[start + RECORD_HEAD.size : stop]
        if zlib.crc32(payload, zlib.crc32(data[start + 4 : start + 16])) != checksum:
            return self._stop("a record does not match its checksum", damaged=stop < len(data))
        if sequence != self.sequence:
            return self._stop(f"record {self.sequence} is missing, number {sequence} follows", damaged=True)
        if kind not in _KINDS:
            return self._stop(f"record {sequence} is of unknown kind {kind}", damaged=True)
        self.position = stop
        self.sequence += 1
        return Record(kind=_KINDS[kind], payload=payload)

    def _stop(self, fault: str, *, damaged: bool) -> Record:
        self.fault = fault
        self.damaged = damaged
        raise StopIteration


def _first_header(path: Path, data: bytes, walk: _Walk) -> dict[str, Any]:
    if data and data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise JournalError(
            f"{path} is not a journal of trilead; take it out of the journals folder.",
            path=path,
            reason=JournalErrorReason.NOT_A_JOURNAL,
        )
    record = next(walk, None)
    try:
        if record is None or record.kind is not RecordKind.HEADER:
            raise ValueError(walk.fault or "it is empty")
        header = record.json()
    except ValueError as error:
        raise JournalError(
            f"{path} has no whole HEADER ({error}), so no sample was recorded with it; it may be deleted.",
            path=path,
            reason=JournalErrorReason.DAMAGED,
        ) from error
    version = header.get("journal_version")
    if version != JOURNAL_VERSION:
        raise JournalError(
            f"{path} has journal version {str(version)[:20]}, and this trilead reads"
            f" {JOURNAL_VERSION}; use the trilead that wrote it.",
            path=path,
            reason=JournalErrorReason.NEWER_VERSION,
        )
    return header


def _sample_layout(path: Path, header: Mapping[str, Any]) -> tuple[np.dtype[Any], int]:
    dtype, channels = header.get("dtype"), header.get("channels")
    if dtype not in ("int32", "float32") or not isinstance(channels, list) or not channels:
        raise JournalError(
            f"{path}: the HEADER does not say of what type the samples are and how many channels they have.",
            path=path,
            reason=JournalErrorReason.DAMAGED,
        )
    return np.dtype(dtype).newbyteorder("<"), len(channels)
