from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquire.recordings.chunk_index import ChunkIndexer

WORDS = st.integers(-(2**63), 2**63 - 1)
CHUNKS = st.lists(
    st.tuples(st.integers(0, 2**62 - 1), WORDS, WORDS, st.integers(1, 2**24), st.integers(0, 2**62)), max_size=30
)


def _indexer() -> ChunkIndexer:
    return ChunkIndexer(Path("none.journal"), np.dtype("<i4"), 3)


@settings(max_examples=150, deadline=None)
@given(chunks=CHUNKS, data=st.data())
def test_any_chunks_come_out_as_they_went_in(chunks: list[tuple[int, int, int, int, int]], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("acquire.recordings.chunk_index._BLOCK_CHUNKS", 4)
        indexer = _indexer()
        for chunk in chunks:
            indexer.add(*chunk)
        index = indexer.index().first(data.draw(st.integers(0, len(chunks))))
        kept = chunks[: len(index)]
        assert index.clock.shape == (len(kept), 3)
        start = data.draw(st.integers(0, len(kept)))
        stop = data.draw(st.integers(start, len(kept)))
        part = index.part(start, stop)
        expected = [(first + rows - 1, host, board, rows, place) for first, host, board, rows, place in kept]
        assert list(zip(*(column.tolist() for column in part), strict=True)) == expected[start:stop]
        assert index.clock.rows(start, stop).tolist() == [list(entry[:3]) for entry in expected[start:stop]]
        ranges = [
            pair for starts, stops in index.ranges() for pair in zip(starts.tolist(), stops.tolist(), strict=True)
        ]
        assert ranges == [(first, first + rows) for first, _, _, rows, _ in kept]


def test_a_day_of_a_hundred_chunks_a_second_takes_less_than_a_hundred_megabytes() -> None:
    n_chunks = 100_000
    late_ns = np.random.default_rng(7).exponential(3e6, size=n_chunks).astype(int).tolist()
    tracemalloc.start()
    try:
        indexer, index, place = _indexer(), 0, 500
        for number in range(n_chunks):
            rows = 2 + number % 2
            indexer.add(index, 10**15 + number * 10_000_000 + late_ns[number], number * 10_000_000, rows, place)
            index += rows + (30 if number % 5000 == 0 else 0)
            place += 52 + 12 * rows + (200 if number % 6000 == 0 else 0)
        chunks = indexer.index()
        del indexer
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(chunks) == n_chunks
    assert 24 * 360_000 / n_chunks * held < 100e6
