from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from acquire.viewer.display_filter import MONITOR_FILTER, CausalFilter, DisplayFilter

RATE_HZ = 250.0


def made(wanted: DisplayFilter = MONITOR_FILTER, *, rate_hz: float = RATE_HZ, n_leads: int = 1) -> CausalFilter:
    return CausalFilter(wanted, rate_hz=rate_hz, mains_hz=50, n_leads=n_leads)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 2000), max_size=30), seed=st.integers(0, 9))
def test_the_result_does_not_depend_on_how_the_samples_came(cuts: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(300.0, 1.0, size=(2000, 3)).cumsum(axis=0)
    values[700:720, 1] = np.nan
    whole = made(n_leads=3).push(values)
    piecewise = made(n_leads=3)
    edges = [0, *sorted(cuts), 2000]
    parts = [piecewise.push(values[start:stop]) for start, stop in itertools.pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [40.0, 125.0, 250.0, 1000.0, 16000.0])
@pytest.mark.parametrize("offset_mv", [-375.0, 0.0, 300.0])
@pytest.mark.parametrize("size", [3, 1000])
def test_an_offset_makes_no_step_at_the_start_nor_behind_a_gap(rate_hz: float, offset_mv: float, size: int) -> None:
    through = made(rate_hz=rate_hz, n_leads=2)
    for start_mv in (offset_mv, offset_mv + 50.0):
        through.restart()
        shown = through.push(np.full((size, 2), start_mv))
        assert np.abs(shown).max() < 1e-4


def test_missing_values_stay_missing_and_never_reach_what_follows() -> None:
    values = np.full((600, 2), 300.0)
    values[200:203, 0] = [np.nan, np.inf, -1e300]
    values[599, 1] = np.nan
    through = made(n_leads=2)
    shown = through.push(values)
    assert np.flatnonzero(np.isnan(shown[:, 0])).tolist() == [200, 201, 202]
    assert np.flatnonzero(np.isnan(shown[:, 1])).tolist() == [599]
    assert np.nanmax(np.abs(shown)) < 1e-6
    # The second lead ended missing, so it begins anew; the first goes on, and sees a step.
    after = through.push(np.full((10, 2), 320.0))
    assert np.abs(after[:, 0]).max() > 1.0
    assert np.abs(after[:, 1]).max() < 1e-6


def test_what_monitoring_needs_passes_and_the_rest_does_not() -> None:
    sections = MONITOR_FILTER.sections(RATE_HZ, 50.0)

    def gain(hz: float) -> float:
        _, response = signal.freqz_sos(sections, worN=[hz], fs=RATE_HZ)
        return float(np.abs(response[0]))

    assert gain(0.0) < 1e-9
    assert gain(0.05) < 0.02
    assert gain(0.5) == pytest.approx(0.707, abs=0.01)
    assert all(0.9 < gain(hz) < 1.1 for hz in (1.5, 5.0, 10.0, 20.0))
    assert gain(50.0) < 1e-6
    assert gain(100.0) < 1e-6


def test_a_wave_appears_no_more_than_fifteen_milliseconds_late() -> None:
    rows = np.arange(2000)
    wave = 1.0 * np.exp(-(((rows - 1000) / 4.0) ** 2))
    shown = made().push(wave[:, None])[:, 0]
    assert 0 <= int(shown.argmax()) - 1000 <= 0.015 * RATE_HZ
    assert 0.75 < shown.max() < 1.05


@pytest.mark.parametrize("rate_hz", [40.0, 60.0, 89.0, 100.0])
def test_what_a_rate_has_no_room_for_is_left_out(rate_hz: float) -> None:
    shown = made(rate_hz=rate_hz).push(np.random.default_rng(0).normal(0, 1, size=(4000, 1)))
    assert np.isfinite(shown).all()
    assert 0.3 < shown.std() < 1.2


def test_no_filter_shows_what_is_there() -> None:
    values = np.array([[1.0], [np.nan], [3.0]])
    nothing = DisplayFilter(low_hz=None, high_hz=None, notch=False)
    np.testing.assert_array_equal(made(nothing).push(values), values.astype(np.float32))
    assert made(nothing).push(np.empty((0, 1))).shape == (0, 1)


@pytest.mark.parametrize(("low_hz", "high_hz"), [(0.0, 40.0), (-1.0, None), (np.nan, 40.0), (1.0, np.inf), (40.0, 0.5)])
def test_corners_that_make_no_sense_are_refused(low_hz: float, high_hz: float | None) -> None:
    with pytest.raises(ValueError, match=r"low_hz|high_hz"):
        DisplayFilter(low_hz=low_hz, high_hz=high_hz)


@settings(max_examples=40, deadline=None)
@given(wanted=st.sampled_from([MONITOR_FILTER, DisplayFilter(high_hz=None), DisplayFilter(low_hz=None)]))
def test_a_few_samples_at_a_time_go_the_same_way_as_many(wanted: DisplayFilter) -> None:
    values = np.random.default_rng(1).normal(375.0, 1.0, size=(500, 2))
    few, many = made(wanted, n_leads=2), made(wanted, n_leads=2)
    shown = np.concatenate([few.push(values[at : at + 3]) for at in range(0, 500, 3)])
    np.testing.assert_allclose(shown, many.push(values), rtol=1e-6, atol=1e-5)
