"""Where the chunks of a journal stand, packed so that a day at a hundred chunks a second takes some ten megabytes.

Eight thousand chunks at a time become a block of columns, each kept as the differences between neighbours in the
smallest type that holds them. A block is unpacked when one of its chunks is asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChunkClock", "ChunkIndex", "ChunkIndexer", "ChunkPart"]

_BLOCK_CHUNKS = 8192
_COLUMNS = 5

Integers = NDArray[np.int64]


class ChunkPart(NamedTuple):
    """Consecutive chunks, one entry of each column for each; all of shape (k,).

    Attributes:
        last: index of the last row.
        host_ns: the computer's clock.
        board_ns: the board's clock, or −1.
        rows: how many rows the chunk has.
        places: the byte of the file at which its samples begin.
    """

    last: Integers
    host_ns: Integers
    board_ns: Integers
    rows: Integers
    places: Integers

    def cut(self, start: int, stop: int) -> ChunkPart:
        """The chunks ``[start, stop)`` of these."""
        return ChunkPart(*(column[start:stop] for column in self))


class _Packed:
    """At least one integer, each about as much more than the one before it.

    Everything is computed modulo 2**64, so there is no integer that does not fit.
    """

    __slots__ = ("_first", "_least", "_more", "_size")

    def __init__(self, values: Integers) -> None:
        steps = np.diff(values)
        self._size = len(values)
        self._first = values[0]
        self._least = steps.min() if steps.size else np.int64(0)
        more = (steps - self._least).view(np.uint64)
        most = more.max(initial=np.uint64(0))
        self._more = more.astype(np.min_scalar_type(most)) if most else None

    def unpacked(self) -> Integers:
        values = np.full(self._size, self._least)
        if self._more is not None:
            values[1:] += self._more.astype(np.uint64).view(np.int64)
        values[0] = self._first
        return np.cumsum(values, out=values)


class _Block:
    """Up to ``_BLOCK_CHUNKS`` chunks, packed."""

    __slots__ = ("_columns", "_row_bytes")

    def __init__(self, part: ChunkPart, row_bytes: int) -> None:
        self._row_bytes = row_bytes
        reached = np.cumsum(part.rows)
        # Without the rows before them, the indices change at gaps only, and the places by as much as a record's head.
        self._columns = [
            _Packed(column)
            for column in (
                part.last - reached,
                part.host_ns,
                part.board_ns,
                part.rows,
                part.places - row_bytes * (reached - part.rows),
            )
        ]

    def unpacked(self) -> ChunkPart:
        last, host_ns, board_ns, rows, places = (column.unpacked() for column in self._columns)
        reached = np.cumsum(rows)
        return ChunkPart(last + reached, host_ns, board_ns, rows, places + self._row_bytes * (reached - rows))


class ChunkIndexer:
    """Collects where chunks stand."""

    def __init__(self, path: Path, dtype: np.dtype[Any], n_channels: int) -> None:
        self.row_bytes = n_channels * dtype.itemsize
        self._path = path
        self._layout = (dtype, n_channels)
        self._blocks: list[_Block] = []
        self._pending = array("q")

    def add(self, index: int, host_ns: int, board_ns: int, rows: int, place: int) -> None:
        """Take the next chunk, whose samples begin at byte ``place`` of the file."""
        self._pending.extend((index + rows - 1, host_ns, board_ns, rows, place))
        if len(self._pending) == _COLUMNS * _BLOCK_CHUNKS:
            self._pack()

    def index(self) -> ChunkIndex:
        """All that was collected; nothing can be added behind it."""
        n_chunks = len(self._blocks) * _BLOCK_CHUNKS + len(self._pending) // _COLUMNS
        if self._pending:
            self._pack()
        return ChunkIndex(self._path, *self._layout, blocks=self._blocks, n_chunks=n_chunks)

    def _pack(self) -> None:
        columns = np.array(self._pending, dtype=np.int64).reshape(-1, _COLUMNS).T
        self._blocks.append(_Block(ChunkPart(*columns), self.row_bytes))
        self._pending = array("q")


class ChunkIndex:
    """Where the chunks of a journal stand, in the order they were written.

    Attributes:
        path: the journal.
        dtype: type of a sample, little-endian.
        n_channels: numbers in a row.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], n_channels: int, *, blocks: list[_Block], n_chunks: int
    ) -> None:
        self.path = path
        self.dtype = dtype
        self.n_channels = n_channels
        self._blocks = blocks
        self._n_chunks = n_chunks
        # Chunks are asked for in order, a few at a time, so the block of the last answer is most often the next one's.
        self._unpacked: tuple[int, ChunkPart] | None = None

    def __len__(self) -> int:
        return self._n_chunks

    @property
    def clock(self) -> ChunkClock:
        """The table of when they came."""
        return ChunkClock(self)

    def first(self, n_chunks: int) -> ChunkIndex:
        """The same without what comes behind so many chunks."""
        return ChunkIndex(self.path, self.dtype, self.n_channels, blocks=self._blocks, n_chunks=n_chunks)

    def ranges(self) -> Iterator[tuple[Integers, Integers]]:
        """First row, and one past the last row, of each chunk, for some thousand chunks at a time."""
        for part in self.parts():
            yield part.last + 1 - part.rows, part.last + 1

    def parts(self, start: int = 0, stop: int | None = None) -> Iterator[ChunkPart]:
        """The chunks ``[start, stop)``, some thousand at a time; up to the last one where ``stop`` is None."""
        stop = len(self) if stop is None else min(stop, len(self))
        while start < stop:
            number, within = divmod(start, _BLOCK_CHUNKS)
            part = self._block(number).cut(within, within + stop - start)
            yield part
            start += len(part.rows)

    def part(self, start: int, stop: int) -> ChunkPart:
        """The chunks ``[start, stop)`` in one piece."""
        parts = list(self.parts(start, stop)) or [ChunkPart(*np.empty((_COLUMNS, 0), dtype=np.int64))]
        return parts[0] if len(parts) == 1 else ChunkPart(*map(np.concatenate, zip(*parts, strict=True)))

    def _block(self, number: int) -> ChunkPart:
        if self._unpacked is None or self._unpacked[0] != number:
            self._unpacked = number, self._blocks[number].unpacked()
        return self._unpacked[1]


class ChunkClock:
    """The rows of ``/clock`` that chunks give, made when they are asked for."""

    dtype = np.dtype(np.int64)

    def __init__(self, chunks: ChunkIndex) -> None:
        self._chunks = chunks

    @property
    def shape(self) -> tuple[int, ...]:
        """Chunks and 3: index of a chunk's last row, host ns, board ns or −1."""
        return len(self._chunks), 3

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """The rows ``[start, stop)``, shape (stop - start, 3)."""
        part = self._chunks.part(start, stop)
        return np.stack([part.last, part.host_ns, part.board_ns], axis=1)
