from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wearable_files import times_us

from curate.importers.time_axis import fit_time_axis


@pytest.mark.parametrize("rate_hz", [495.95, 497.31, 500.0])
def test_the_rate_is_fitted_to_a_hundredth_of_a_percent_under_skewed_jitter(rate_hz: float) -> None:
    axis = fit_time_axis(times_us(30_000, rate_hz=rate_hz, jitter_us=200.0))
    assert abs(axis.rate_hz / rate_hz - 1) < 1e-4
    assert axis.gaps.shape == (0, 2)
    assert axis.index.tolist() == list(range(30_000))


@given(seed=st.integers(min_value=0, max_value=10_000))
@settings(max_examples=40, deadline=None)
def test_jitter_makes_no_gap(seed: int) -> None:
    assert fit_time_axis(times_us(5_000, jitter_us=300.0, seed=seed)).gaps.size == 0


@pytest.mark.parametrize("lost", [1, 2, 3, 50, 11_204])
def test_a_gap_has_as_many_samples_as_its_time_says(lost: int) -> None:
    times = times_us(30_000 + lost)
    times = np.delete(times, slice(12_000, 12_000 + lost))
    axis = fit_time_axis(times)
    assert axis.gaps.tolist() == [[12_000, lost]]
    assert axis.index[11_999:12_001].tolist() == [11_999, 12_000 + lost]
    assert abs(axis.rate_hz / 497.3 - 1) < 1e-4


def test_several_gaps_each_count_for_themselves_even_close_together() -> None:
    times = times_us(20_000)
    gone = np.r_[5_000:5_010, 5_100:5_103, 9_000:11_000]
    axis = fit_time_axis(np.delete(times, gone))
    assert axis.gaps.tolist() == [[5_000, 10], [5_100, 3], [9_000, 2_000]]
    assert axis.n_samples == 20_000


@pytest.mark.parametrize("stalled", [3, 10, 28, 150])
def test_a_stall_that_its_burst_makes_up_for_is_no_gap(stalled: int) -> None:
    times = times_us(10_000)
    # Everything due in the meantime comes at once, a microsecond apart.
    times[4_000 : 4_000 + stalled] = times[4_000 + stalled] - np.arange(stalled, 0, -1)
    axis = fit_time_axis(times)
    assert axis.gaps.size == 0
    assert abs(axis.rate_hz / 497.3 - 1) < 1e-4


@pytest.mark.parametrize("burst_us", [4_000, 16_000, 32_000])
@pytest.mark.parametrize("rate_hz", [495.95, 497.3, 498.5])
def test_lines_that_always_come_in_bursts_make_no_gap_and_bend_no_rate(burst_us: int, rate_hz: float) -> None:
    # A serial adapter hands its bytes over every 16 ms.
    even = times_us(30_000, rate_hz=rate_hz)
    times = -(-even // burst_us) * burst_us
    axis = fit_time_axis(times)
    assert axis.gaps.size == 0
    assert abs(axis.rate_hz / rate_hz - 1) < 2e-4
    (gap,) = fit_time_axis(np.delete(times, slice(9_000, 9_200))).gaps.tolist()
    # Which lines of a burst were lost, nobody can tell.
    per_burst = burst_us * rate_hz / 1e6
    assert abs(gap[0] - 9_000) <= per_burst + 1
    assert abs(gap[1] - 200) <= 2


def test_a_gap_is_seen_behind_a_stall() -> None:
    times = np.delete(times_us(10_000), slice(4_000, 4_020))
    times[4_000:4_010] = times[4_010] - np.arange(10, 0, -1)
    assert fit_time_axis(times).gaps.tolist() == [[4_000, 20]]


def test_lines_become_half_open_sample_ranges_across_a_gap() -> None:
    axis = fit_time_axis(np.delete(times_us(6_000), slice(1_000, 1_500)))
    assert axis.sample_range(0, 1_000) == (0, 1_000)
    assert axis.sample_range(1_000, 2_000) == (1_500, 2_500)
    assert axis.sample_range(500, 1_500) == (500, 2_000)
    assert axis.sample_range(5_499, 5_500) == (5_999, 6_000)
