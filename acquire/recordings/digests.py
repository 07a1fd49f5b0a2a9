"""SHA-256 of each part of a recording, so that a change can be told by its place, and one root over all of them.

The bytes that are hashed are told in ``docs/formats.md``, exactly enough for another program to compute the same. They
are made of what a recording says and not of how HDF5 keeps it, so that another compression changes no digest.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.content import Gap, RecordedEvent

__all__ = [
    "DATASETS",
    "BlockDigests",
    "Digests",
    "block_rows",
    "channel_digest",
    "event_digest",
    "field_digest",
    "gaps_digest",
    "integers_digest",
    "text_digest",
]

DATASETS = ("clock", "gaps", "protocol", "valid")
"""The data sets that have one digest each, in the order in which they are hashed."""

_MARK = "trilead-digests-1"


@dataclass(frozen=True, kw_only=True)
class Digests:
    """The SHA-256 of every part of a recording.

    Attributes:
        header: attribute of the file → digest, for all but ``content_sha256``.
        channels: one per channel.
        signal: one per block of ``block_rows`` rows; the last block may be shorter.
        events: one per event.
        datasets: data set of ``DATASETS`` → digest.
        dtype: type of the samples, for example "int32".
        n_samples: rows.
        n_channels: columns.
        block_rows: rows of one block.
    """

    header: Mapping[str, bytes]
    channels: tuple[bytes, ...]
    signal: tuple[bytes, ...]
    events: tuple[bytes, ...]
    datasets: Mapping[str, bytes]
    dtype: str
    n_samples: int
    n_channels: int
    block_rows: int

    def root(self) -> str:
        """One SHA-256 over all of them, in hexadecimal."""
        root = hashlib.sha256(_text(_MARK))
        root.update(_text("header") + _integer(len(self.header)))
        for name in sorted(self.header, key=str.encode):
            root.update(_text(name) + self.header[name])
        root.update(_text("channels") + _integer(len(self.channels)) + b"".join(self.channels))
        root.update(_text("signal") + _text(self.dtype))
        root.update(b"".join(map(_integer, (self.n_samples, self.n_channels, self.block_rows, len(self.signal)))))
        root.update(b"".join(self.signal))
        root.update(_text("events") + _integer(len(self.events)) + b"".join(self.events))
        root.update(_text("datasets") + _integer(len(self.datasets)))
        for name in sorted(self.datasets, key=str.encode):
            root.update(_text(name) + self.datasets[name])
        return root.hexdigest()


def block_rows(nominal_rate_hz: float) -> int:
    """How many rows one digest of the samples covers: about a second."""
    return max(1, round(nominal_rate_hz))


def field_digest(value: Any) -> bytes | None:
    """SHA-256 of an attribute of the file: a text, int64 or float64; None for what no recording has."""
    if isinstance(value, str):
        return hashlib.sha256(b"s" + value.encode("utf-8", "surrogateescape")).digest()
    if isinstance(value, np.int64):
        return hashlib.sha256(b"i" + _integer(int(value))).digest()
    if isinstance(value, np.float64):
        return hashlib.sha256(b"f" + struct.pack("<d", value)).digest()
    return None


def channel_digest(channel: Channel) -> bytes:
    """SHA-256 of what is said of one channel."""
    values = _text(channel.name) + _text(channel.unit) + struct.pack("<dd", channel.gain, channel.offset)
    return hashlib.sha256(values).digest()


def event_digest(event: RecordedEvent) -> bytes:
    """SHA-256 of one event."""
    return hashlib.sha256(
        _text(event.uuid)
        + _integer(event.index)
        + _integer(event.host_ns)
        + _text(event.kind)
        + _integer(event.step)
        + _text(event.activity)
        + _text(event.text)
    ).digest()


def integers_digest(parts: Iterable[NDArray[np.int64]]) -> bytes:
    """SHA-256 of a table of 64-bit integers, row by row; it may come in parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part, dtype="<i8").data)
    return digest.digest()


def gaps_digest(gaps: Iterable[Gap]) -> bytes:
    """SHA-256 of all gaps."""
    rows = (_integer(gap.start) + _integer(gap.length) + _text(gap.cause) for gap in gaps)
    return hashlib.sha256(b"".join(rows)).digest()


def text_digest(text: str) -> bytes:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).digest()


class BlockDigests:
    """Hashes samples block by block, in whatever portions they come."""

    def __init__(self, n_block_rows: int) -> None:
        self._n_block_rows = n_block_rows
        self._block = hashlib.sha256()
        self._rows_in_block = 0
        self._digests: list[bytes] = []

    def feed(self, rows: NDArray[Any]) -> None:
        """Take the next rows, shape (n, n_channels)."""
        stored = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
        at = 0
        while at < len(stored):
            taken = min(len(stored) - at, self._n_block_rows - self._rows_in_block)
            self._block.update(stored[at : at + taken].data)
            self._rows_in_block += taken
            at += taken
            if self._rows_in_block == self._n_block_rows:
                self._end_block()

    def finish(self) -> tuple[bytes, ...]:
        """The digests of all blocks; the last one may hold fewer rows."""
        if self._rows_in_block:
            self._end_block()
        return tuple(self._digests)

    def _end_block(self) -> None:
        self._digests.append(self._block.digest())
        self._block = hashlib.sha256()
        self._rows_in_block = 0


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    return struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return struct.pack("<q", value)
