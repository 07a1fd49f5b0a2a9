from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acquire.viewer.pyramid import Pyramid

VALUE = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, width=32))
BLOCKS = st.lists(
    st.one_of(st.lists(st.tuples(VALUE, VALUE), min_size=0, max_size=40), st.integers(1, 300)), min_size=0, max_size=12
)


def brute_force(rows: NDArray[np.float32], edges: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    low, high, valid = [], [], []
    for start, stop in itertools.pairwise(edges):
        part = rows[start:stop]
        some = ~np.isnan(part).all(axis=0)
        low.append(np.where(some, np.nanmin(np.where(some, part, 0), axis=0), np.nan))
        high.append(np.where(some, np.nanmax(np.where(some, part, 0), axis=0), np.nan))
        valid.append(np.mean(~np.isnan(part).all(axis=1)))
    return [np.array(low, np.float32), np.array(high, np.float32), np.array(valid, np.float32)]


@settings(max_examples=150, deadline=None)
@given(blocks=BLOCKS, most_bins=st.sampled_from([2, 4, 16, 64]))
def test_every_bin_holds_the_extremes_of_its_own_samples_whatever_came_how(
    blocks: list[list[tuple[float, float]] | int], most_bins: int
) -> None:
    pyramid = Pyramid(2, most_bins=most_bins)
    whole = [np.empty((0, 2), np.float32)]
    for block in blocks:
        if isinstance(block, int):
            pyramid.skip(block)
            whole.append(np.full((block, 2), np.nan, np.float32))
        else:
            values = np.array(block, np.float32).reshape(-1, 2)
            pyramid.push(values)
            whole.append(values)
    rows = np.concatenate(whole)
    seen = pyramid.overview()
    assert pyramid.stop == len(rows) == seen.edges[-1]
    lengths = np.diff(seen.edges)
    assert len(lengths) <= most_bins
    assert len(set(lengths[:-1].tolist())) <= 1
    if len(rows) >= most_bins:
        assert len(lengths) > most_bins // 2
    if len(rows):
        low, high, valid = brute_force(rows, seen.edges)
        np.testing.assert_array_equal(seen.low, low)
        np.testing.assert_array_equal(seen.high, high)
        np.testing.assert_allclose(seen.valid, valid, rtol=1e-6)


def test_a_spike_of_one_sample_is_still_there_after_a_day() -> None:
    pyramid = Pyramid(1)
    block = np.zeros((250_000, 1), np.float32)
    for number in range(87):
        block[1234] = 5.0 if number == 40 else 0.0
        pyramid.push(block)
    seen = pyramid.overview()
    assert 2048 < len(seen.valid) <= 4096
    spike = 40 * 250_000 + 1234
    (found,) = np.flatnonzero(seen.high[:, 0] == 5.0)
    assert seen.edges[found] <= spike < seen.edges[found + 1]


def test_a_gap_of_a_day_takes_no_longer_than_a_short_one() -> None:
    pyramid = Pyramid(1)
    pyramid.push(np.ones((10, 1), np.float32))
    pyramid.skip(86_400 * 16_000)
    seen = pyramid.overview()
    assert seen.valid[0] * (seen.edges[1] - seen.edges[0]) == pytest.approx(10, rel=1e-6)
    assert np.isnan(seen.low[1:]).all()


@pytest.mark.parametrize("most_bins", [0, 1, 3])
def test_bins_that_cannot_be_halved_are_refused(most_bins: int) -> None:
    with pytest.raises(ValueError, match=f"most_bins is {most_bins}"):
        Pyramid(1, most_bins=most_bins)
