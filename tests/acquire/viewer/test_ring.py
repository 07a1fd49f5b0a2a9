from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acquire.viewer.ring import SampleRing


@given(
    capacity=st.integers(1, 12),
    blocks=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=10),
    asked=st.tuples(st.integers(-5, 120), st.integers(-5, 120)),
)
def test_a_ring_keeps_the_newest_rows_and_gives_those_that_are_asked_for(
    capacity: int, blocks: list[tuple[bool, int]], asked: tuple[int, int]
) -> None:
    ring = SampleRing(capacity, 1)
    whole: list[float] = []
    for is_gap, n_rows in blocks:
        if is_gap:
            ring.skip(n_rows)
            whole += [np.nan] * n_rows
        else:
            rows = np.arange(len(whole), len(whole) + n_rows, dtype=np.float32)
            ring.append(rows[:, None])
            whole += rows.tolist()
    assert ring.stop == len(whole)
    assert ring.start == max(0, len(whole) - capacity)
    start, rows = ring.rows(*asked)
    first = max(asked[0], ring.start)
    expected = whole[first : max(first, min(asked[1], len(whole)))]
    assert start == first
    np.testing.assert_array_equal(rows[:, 0], np.array(expected, np.float32))
