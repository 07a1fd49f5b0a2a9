from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import CleaningError
from curate.signals.resample import Grid, grid_for, resample
from curate.signals.signal import Signal


def waves(at_s: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * 7.0 * at_s) + 0.5 * np.cos(2 * np.pi * 23.0 * at_s + 1.0)


def one_lead(values: np.ndarray, rate_hz: float) -> Signal:
    return Signal(values=values[:, None], leads=("II",), rate_hz=rate_hz, unit="mV")


@pytest.mark.parametrize("rate_hz", [497.4532, 495.9437, 360.0, 1000.0, 499.99, 249.5])
def test_values_are_those_of_the_wave_at_the_positions_of_the_grid(rate_hz: float) -> None:
    values = waves(np.arange(round(20 * rate_hz)) / rate_hz)
    new, grid = resample(one_lead(values, rate_hz), 250.0)
    positions = np.arange(new.n_samples) * grid.down / grid.up
    middle = slice(50, -50)
    np.testing.assert_allclose(new.values[middle, 0], waves(positions / rate_hz)[middle], atol=2e-3)
    assert abs(new.rate_hz / 250.0 - 1) <= 1e-4


def test_positions_do_not_drift_over_an_hour() -> None:
    rate_hz = 497.0312
    values = waves(np.arange(round(600 * rate_hz)) / rate_hz)
    new, _ = resample(one_lead(values, rate_hz), 250.0)
    at_s = np.arange(new.n_samples) / new.rate_hz
    np.testing.assert_allclose(new.values[-300:-50, 0], waves(at_s)[-300:-50], atol=2e-3)


def test_each_side_of_a_gap_is_resampled_as_if_the_other_were_not_there() -> None:
    rate_hz = 497.3
    values = waves(np.arange(6000) / rate_hz)
    values[2001:2503] = np.nan
    new, grid = resample(one_lead(values, rate_hz), 250.0)
    other = values.copy()
    other[2503:] = 0.0
    alone, _ = resample(one_lead(other, rate_hz), 250.0)
    _, past = grid.new_range(0, 2001)
    np.testing.assert_array_equal(new.values[:past], alone.values[:past])
    first, _ = grid.new_range(2503, 6000)
    assert np.isnan(new.values[past:first]).all()
    assert np.isfinite(new.values[first:]).all()
    at_s = np.arange(first, new.n_samples) / new.rate_hz
    np.testing.assert_allclose(new.values[first + 30 : -30, 0], waves(at_s)[30:-30], atol=2e-3)


def test_trust_is_inherited_from_both_raw_neighbours() -> None:
    trusted = np.ones((4000, 1), dtype=bool)
    trusted[1000:1500] = False
    signal = Signal(values=np.zeros((4000, 1)), leads=("II",), rate_hz=497.3, unit="mV", trusted=trusted)
    new, grid = resample(signal, 250.0)
    assert new.trusted is not None
    for k in range(new.n_samples):
        low, high = grid.raw_range(k, k + 1)
        assert new.trusted[k, 0] == trusted[low:high].all()


def test_a_rate_that_is_right_already_changes_no_sample_and_says_so() -> None:
    signal = one_lead(np.random.default_rng(0).standard_normal(1000), 250.01)
    new, grid = resample(signal, 250.0)
    assert (grid.up, grid.down) == (1, 1)
    np.testing.assert_array_equal(new.values, signal.values)
    assert new.rate_hz == 250.01
    assert new.steps[-1]["unchanged"] is True


def test_the_step_tells_both_rates_and_the_exact_ratio() -> None:
    new, grid = resample(one_lead(np.zeros(1000), 497.3), 250.0)
    step = new.steps[-1]
    assert (step["from_hz"], step["wanted_hz"], step["to_hz"]) == (497.3, 250.0, new.rate_hz)
    assert (step["up"], step["down"]) == (grid.up, grid.down)


@given(
    rate_hz=st.floats(min_value=100.0, max_value=2000.0),
    start=st.integers(min_value=0, max_value=10**6),
    length=st.integers(min_value=1, max_value=10**4),
)
def test_raw_and_new_ranges_hold_one_another(rate_hz: float, start: int, length: int) -> None:
    grid = grid_for(rate_hz, 250.0)
    assert abs(rate_hz * grid.up / grid.down / 250.0 - 1) <= 1e-4
    low, high = grid.raw_range(start, start + length)
    assert low * grid.up <= start * grid.down < (low + 1) * grid.up
    assert (high - 2) * grid.up < (start + length - 1) * grid.down <= (high - 1) * grid.up
    first, past = grid.new_range(low, high)
    assert first <= start
    assert start + length <= past


def test_the_last_new_sample_lies_on_a_raw_one_or_before_the_last() -> None:
    grid = Grid(up=250, down=497)
    for n_raw in (1, 2, 3, 497, 498, 1000):
        last = grid.n_new(n_raw) - 1
        assert last * grid.down <= (n_raw - 1) * grid.up < (last + 1) * grid.down
    assert grid.n_new(0) == 0


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 20])
def test_hardly_anything_is_resampled_without_a_fuss(n_samples: int) -> None:
    new, grid = resample(one_lead(np.ones(n_samples), 497.3), 250.0)
    assert new.n_samples == grid.n_new(n_samples)
    np.testing.assert_allclose(new.values, 1.0, atol=1e-2)


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_rate_that_makes_no_sense_is_refused(rate_hz: float) -> None:
    with pytest.raises(CleaningError, match="Hz"):
        grid_for(500.0, rate_hz)
