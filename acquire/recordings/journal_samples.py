"""The samples of a journal, read from the file where they are asked for; only where they stand is in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.errors import JournalError, JournalErrorReason
from acquire.recordings.chunk_index import ChunkIndex

__all__ = ["JournalSamples"]


class JournalSamples:
    """The samples of chunks that follow one another, with zeros between them where samples were lost."""

    def __init__(self, chunks: ChunkIndex) -> None:
        self._chunks = chunks
        # Where each part of the index begins and up to which row it reaches, to find a row's without unpacking all.
        table = [(len(part.last), part.last[-1]) for part in chunks.parts()]
        sizes, self._reached = np.array(table, dtype=np.int64).reshape(-1, 2).T
        self._begins = np.concatenate([[0], np.cumsum(sizes)])
        self._n_rows = int(self._reached[-1]) + 1 if table else 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and channels."""
        return self._n_rows, self._chunks.n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one sample, in this machine's byte order."""
        return self._chunks.dtype.newbyteorder("=")

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """The rows ``[start, stop)``, shape (stop - start, n_channels).

        Raises:
            JournalError: the journal cannot be read any more.
        """
        chunks = self._chunks
        wanted = np.zeros((stop - start, chunks.n_channels), dtype=self.dtype)
        first = self._holding(start)
        behind = min(self._holding(stop - 1) + 1, len(chunks))
        if start >= stop or first >= behind:
            return wanted
        part = chunks.part(first, behind)
        counts = part.rows
        begins = part.last + 1 - counts
        samples = self._samples(part.places, counts)
        # One slice for each run of chunks without a gap between them, which is nearly always all of them.
        at = np.concatenate([[0], np.cumsum(counts)])
        runs = np.flatnonzero(np.diff(begins) != counts[:-1]) + 1
        for run, behind_run in zip([0, *runs], [*runs, len(counts)], strict=True):
            begin, length = int(begins[run]), int(at[behind_run] - at[run])
            low, high = max(begin, start), min(begin + length, stop)
            if low < high:
                taken = int(at[run]) + low - begin
                wanted[low - start : high - start] = samples[taken : taken + high - low]
        return wanted

    def _holding(self, row: int) -> int:
        """The first chunk that reaches up to a row."""
        number = int(np.searchsorted(self._reached, row))
        begin = int(self._begins[number])
        if number == len(self._reached):
            return begin
        return begin + int(np.searchsorted(self._chunks.part(begin, int(self._begins[number + 1])).last, row))

    def _samples(self, places: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[Any]:
        chunks = self._chunks
        row_bytes = chunks.n_channels * chunks.dtype.itemsize
        start = int(places[0])
        n_bytes = int(places[-1]) - start + int(counts[-1]) * row_bytes
        try:
            with chunks.path.open("rb") as file:
                file.seek(start)
                data = memoryview(file.read(n_bytes))
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if len(data) < n_bytes:
            raise self._lost("it has become shorter")
        begins = (places - start).tolist()
        ends = (places - start + counts * row_bytes).tolist()
        joined = b"".join([data[begin:end] for begin, end in zip(begins, ends, strict=True)])
        return np.frombuffer(joined, dtype=chunks.dtype).reshape(-1, chunks.n_channels)

    def _lost(self, why: str) -> JournalError:
        return JournalError(
            f"{self._chunks.path} cannot be read any more: {why}; check the disk.",
            path=self._chunks.path,
            reason=JournalErrorReason.DAMAGED,
        )
