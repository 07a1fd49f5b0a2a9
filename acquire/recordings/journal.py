"""The journal: an append-only file that a crash can cut but not garble.

A journal is a sequence of records: HEADER, then CHUNKs and EVENTs as they come, then CLOSE. ``docs/formats.md`` tells
their bytes. HEADER is JSON with everything needed to make the recording file without the process that wrote it. CHUNK
is consecutive samples, EVENT one recorded event. CLOSE says why the recording ended; a journal without one was cut off.

This module reads, and never holds more of a journal than one record and its index: a day of samples need not fit in
memory. ``acquire.recordings.journal_write`` writes.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from acquire.errors import JournalError, JournalErrorReason
from acquire.recordings.chunk_index import ChunkIndex, ChunkIndexer

__all__ = ["JournalContent", "JournalTail", "Record", "RecordKind", "StoredChunk", "read_journal"]

JOURNAL_VERSION = 1
MAGIC = b"tlJ1"
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
RECORD_HEAD = struct.Struct("<4sIIII")
CHUNK_HEAD = struct.Struct("<qqqII")
_BLOCK_BYTES = 4 * 1024 * 1024
_MAX_INDEX = 1 << 62


class RecordKind(IntEnum):
    """What a record's payload is."""

    HEADER = 1
    CHUNK = 2
    EVENT = 3
    CLOSE = 4


_KINDS = {kind.value: kind for kind in RecordKind}


class Record(NamedTuple):
    """One whole record, its checksum found right.

    A named tuple, for a day has millions of them, and it is made in a third of the time that a frozen dataclass takes.
    """

    kind: RecordKind
    payload: bytes

    def json(self) -> dict[str, Any]:
        """The payload of a HEADER, EVENT or CLOSE.

        Raises:
            ValueError: it is not a JSON object.
        """
        try:
            value = json.loads(self.payload)
        except RecursionError as error:
            raise ValueError("the payload is nested too deeply") from error
        if not isinstance(value, dict):
            raise ValueError("the payload is not a JSON object")
        return value

    def chunk(self, dtype: np.dtype[Any], n_channels: int) -> StoredChunk:
        """The payload of a CHUNK.

        Raises:
            ValueError: its length is not that of its rows.
        """
        index, host_ns, board_ns, rows = self.chunk_head(n_channels * dtype.itemsize)
        samples = np.frombuffer(self.payload, dtype=dtype, offset=CHUNK_HEAD.size).reshape(rows, n_channels)
        return StoredChunk(index=index, host_ns=host_ns, board_ns=board_ns, samples=samples)

    def chunk_head(self, row_bytes: int) -> tuple[int, int, int, int]:
        """Index, host ns, board ns and rows of a CHUNK.

        Raises:
            ValueError: its length is not that of its rows, or no recording is that long.
        """
        if len(self.payload) < CHUNK_HEAD.size:
            raise ValueError("the payload is shorter than a chunk's head")
        index, host_ns, board_ns, rows, _ = CHUNK_HEAD.unpack_from(self.payload)
        if rows == 0 or len(self.payload) != CHUNK_HEAD.size + rows * row_bytes:
            raise ValueError(f"the payload does not hold {rows} rows of {row_bytes} bytes")
        if not 0 <= index < _MAX_INDEX:
            raise ValueError(f"a chunk stands at sample {index}")
        return index, host_ns, board_ns, rows


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredChunk:
    """A chunk as the journal keeps it; see ``acquire.boards.board.Chunk``."""

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
        chunks: where the chunks stand, in the order they were written; the samples themselves stay in the file.
        events: the EVENTs' JSON, in the order they were written.
        close: the CLOSE's JSON, or None when there is none.
        whole_bytes: length of the part that holds whole, right records.
        dropped_bytes: what follows it and could not be used.
        fault: why reading stopped before the end of the file, as the middle of a sentence; "" when it did not.
            A torn last record is no damage but what a crash leaves; ``damaged`` tells the two apart.
        damaged: whether anything but a torn last record was met.
    """

    path: Path
    header: dict[str, Any]
    chunks: ChunkIndex
    events: tuple[dict[str, Any], ...]
    close: dict[str, Any] | None
    whole_bytes: int
    dropped_bytes: int
    fault: str
    damaged: bool

    @property
    def close_reason(self) -> str | None:
        """Why the recording ended, or None when there is no CLOSE."""
        return None if self.close is None else str(self.close.get("reason", ""))


def read_journal(path: Path) -> JournalContent:
    """Read all that is whole and right, and say what is not.

    Reading stops at the first record that is not right: what lies behind it cannot be placed with certainty.

    Raises:
        JournalError: it cannot be read, is no journal, has no whole HEADER, or is newer than this trilead.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return _read(path, file)
    except OSError as error:
        raise _unreadable(path, error, "mend its permissions or name") from error


def _read(path: Path, file: BinaryIO) -> JournalContent:
    walk = _Walk(file)
    header = _first_header(path, walk)
    dtype, n_channels = _sample_layout(path, header)
    indexer = ChunkIndexer(path, dtype, n_channels)
    events: list[dict[str, Any]] = []
    close: dict[str, Any] | None = None
    whole = walk.position
    fault, damaged = "", False
    for record in walk:
        try:
            if close is not None:
                raise ValueError("there is something behind the CLOSE record")
            if record.kind is RecordKind.CHUNK:
                samples_at = whole + RECORD_HEAD.size + CHUNK_HEAD.size
                indexer.add(*record.chunk_head(indexer.row_bytes), samples_at)
            elif record.kind is RecordKind.EVENT:
                events.append(record.json())
            elif record.kind is RecordKind.CLOSE:
                close = record.json()
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
        chunks=indexer.index(),
        events=tuple(events),
        close=close,
        whole_bytes=whole,
        dropped_bytes=file.seek(0, io.SEEK_END) - whole,
        fault=fault,
        damaged=damaged,
    )


def _unreadable(path: Path, error: OSError, mend: str) -> JournalError:
    return JournalError(
        f"{path} cannot be read: {error.strerror or error}; {mend}.",
        path=path,
        reason=JournalErrorReason.NOT_A_JOURNAL,
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
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(path, error, "look whether the recording has finished") from error
        try:
            self._walk = _Walk(self._file)
            self.header = _first_header(path, self._walk)
            self._layout = _sample_layout(path, self.header)
        except OSError as error:
            self._file.close()
            raise _unreadable(path, error, "look whether the recording has finished") from error
        except BaseException:
            self._file.close()
            raise

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

    def poll(self, most_bytes: int = _BLOCK_BYTES) -> list[Record]:
        """The whole records added since the last call; one that is still being written comes the next time.

        Who comes late to a long recording gets about ``most_bytes`` at each call, until an empty list says that there
        are no more.
        """
        if self._walk.fault:
            # What was read of a record that was not whole may have been replaced meanwhile.
            self._walk.read_again()
        records: list[Record] = []
        limit = self._walk.position + most_bytes
        while self._walk.position < limit and (record := next(self._walk, None)) is not None:
            records.append(record)
        return records

    @property
    def damage(self) -> str:
        """Why nothing behind the last record can be read, as the middle of a sentence; "" where all is well."""
        return self._walk.fault if self._walk.damaged else ""


class _Walk(Iterator[Record]):
    """Steps from record to record and stops at the first that is not whole and right.

    It can be asked again when the file has grown. Only what it has read ahead is in memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.position = 0
        self.sequence = 0
        self.fault = ""
        self.damaged = False
        self._file = file
        self._data = b""
        self._at = 0  # of `position`, in `_data`

    def __next__(self) -> Record:
        self.fault, self.damaged = "", False
        if not self._has(RECORD_HEAD.size):
            if self._at == len(self._data):
                raise StopIteration
            return self._stop("the last record is torn", damaged=False)
        magic, kind, length, sequence, checksum = RECORD_HEAD.unpack_from(self._data, self._at)
        if magic != MAGIC or length > MAX_PAYLOAD_BYTES:
            return self._stop("a record does not begin where one should", damaged=self._anything_left())
        if not self._has(RECORD_HEAD.size + length):
            return self._stop("the last record is torn", damaged=False)
        start = self._at + RECORD_HEAD.size
        payload = self._data[start : start + length]
        if zlib.crc32(payload, zlib.crc32(self._data[self._at + 4 : self._at + 16])) != checksum:
            return self._stop("a record does not match its checksum", damaged=self._has(RECORD_HEAD.size + length + 1))
        if sequence != self.sequence:
            return self._stop(f"record {self.sequence} is missing, number {sequence} follows", damaged=True)
        if kind not in _KINDS:
            return self._stop(f"record {sequence} is of unknown kind {kind}", damaged=True)
        self._at = start + length
        self.position += RECORD_HEAD.size + length
        self.sequence += 1
        return Record(kind=_KINDS[kind], payload=payload)

    def read_again(self) -> None:
        """Read what stands behind the last whole record anew at the next step."""
        self._file.seek(self.position)
        self._data, self._at = b"", 0

    def starts_with(self, begin: bytes) -> bool:
        """Whether what comes next begins like this, as far as there is anything."""
        self._has(len(begin))
        data = self._data[self._at : self._at + len(begin)]
        return data == begin[: len(data)]

    def _has(self, n_bytes: int) -> bool:
        """Read ahead until so many bytes are there; whether they are."""
        missing = n_bytes - (len(self._data) - self._at)
        if missing <= 0:
            return True
        parts = [self._data[self._at :]]
        while missing > 0 and (block := self._file.read(max(missing, _BLOCK_BYTES))):
            parts.append(block)
            missing -= len(block)
        self._data, self._at = b"".join(parts), 0
        return missing <= 0

    def _anything_left(self) -> bool:
        """Whether the rest of the file holds anything but zeros.

        A file system may lengthen a file before its content arrives: zeros to the end are a torn tail too. Where they
        are at the end of a journal that still grows, their place is kept, for what belongs there may yet come.
        """
        if self._data.count(0, self._at) < len(self._data) - self._at:
            return True
        place = self._file.tell()
        try:
            while block := self._file.read(_BLOCK_BYTES):
                if block.count(0) < len(block):
                    return True
        finally:
            self._file.seek(place)
        return False

    def _stop(self, fault: str, *, damaged: bool) -> Record:
        self.fault = fault
        self.damaged = damaged
        raise StopIteration


def _first_header(path: Path, walk: _Walk) -> dict[str, Any]:
    if not walk.starts_with(MAGIC):
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
