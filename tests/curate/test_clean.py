from __future__ import annotations

import numpy as np
import pytest
from made_ecg import made_ecg

from curate.errors import CleaningError, RateTooLow
from curate.signals.clean import SETTLE_S, clean
from curate.signals.signal import Signal

RATE_HZ = 250.0


def one_lead(values: np.ndarray, rate_hz: float = RATE_HZ) -> Signal:
    return Signal(values=values[:, None], leads=("II",), rate_hz=rate_hz, unit="mV")


def tone(hz: float, *, rate_hz: float = RATE_HZ, seconds: float = 30.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def left_over_db(signal: Signal) -> float:
    trusted = signal.values[signal.trusted]
    return float(20 * np.log10(np.sqrt(2) * trusted.std()))


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
@pytest.mark.parametrize("harmonic", [1, 2, 3])
def test_mains_hum_and_its_harmonics_lose_at_least_40_db(mains_hz: float, harmonic: int) -> None:
    cleaned = clean(
        one_lead(tone(mains_hz * harmonic, rate_hz=1000.0), 1000.0), mains_hz=mains_hz, band_hz=(0.5, 150.0)
    )
    if mains_hz * harmonic < 150:
        assert [mains_hz * k for k in (1, 2)] == cleaned.steps[-1]["notches_hz"][:2]  # type: ignore[index]
    assert left_over_db(cleaned) < -40.0


def test_mains_hum_above_the_band_loses_at_least_40_db_too() -> None:
    assert left_over_db(clean(one_lead(tone(50.0)), mains_hz=50)) < -40.0


def test_baseline_wander_of_a_slow_breath_goes_and_the_middle_of_the_band_stays() -> None:
    assert left_over_db(clean(one_lead(tone(0.15, seconds=120.0)), mains_hz=50)) < -40.0
    assert abs(left_over_db(clean(one_lead(tone(10.0)), mains_hz=50))) < 0.1


def test_no_wave_is_moved() -> None:
    lead, peaks = made_ecg(seconds=30, noise_mv=0.0)
    cleaned = clean(one_lead(lead), mains_hz=50).values[:, 0]
    for peak in peaks[3:-3]:
        assert peak - 10 + cleaned[peak - 10 : peak + 11].argmax() == peak


def test_each_side_of_a_gap_is_filtered_as_if_the_other_were_not_there() -> None:
    lead, _ = made_ecg(seconds=40)
    lead[4000:4600] = np.nan
    both = clean(one_lead(lead), mains_hz=50).values
    np.testing.assert_array_equal(both[:4000], clean(one_lead(lead[:4000]), mains_hz=50).values)
    np.testing.assert_array_equal(both[4600:], clean(one_lead(lead[4600:]), mains_hz=50).values)
    assert np.isnan(both[4000:4600]).all()


def test_samples_near_the_ends_of_each_run_are_there_but_not_trusted() -> None:
    lead, _ = made_ecg(seconds=40)
    lead[4000:4600] = np.nan
    cleaned = clean(one_lead(lead), mains_hz=50)
    settle = round(SETTLE_S * RATE_HZ)
    expected = np.zeros(lead.size, dtype=bool)
    expected[settle : 4000 - settle] = True
    expected[4600 + settle : lead.size - settle] = True
    assert cleaned.trusted is not None
    np.testing.assert_array_equal(cleaned.trusted[:, 0], expected)
    assert np.isfinite(cleaned.values[:4000]).all()


def test_a_run_too_short_to_settle_comes_out_missing_and_counted_never_unfiltered() -> None:
    lead, _ = made_ecg(seconds=40)
    lead[4000:4200] = np.nan
    lead[4400:4600] = np.nan
    cleaned = clean(one_lead(lead), mains_hz=50)
    assert np.isnan(cleaned.values[4200:4400]).all()
    assert cleaned.trusted is not None
    assert not cleaned.trusted[4000:4600].any()
    assert cleaned.steps[-1]["samples_in_runs_too_short"] == 200


def test_leads_that_miss_different_samples_do_not_touch_one_another() -> None:
    lead, _ = made_ecg(seconds=40)
    two = np.stack([lead, lead], axis=1)
    two[5000:5100, 1] = np.nan
    cleaned = clean(Signal(values=two, leads=("I", "II"), rate_hz=RATE_HZ, unit="mV"), mains_hz=50)
    np.testing.assert_array_equal(cleaned.values[:, 0], clean(one_lead(lead), mains_hz=50).values[:, 0])
    np.testing.assert_array_equal(np.isnan(cleaned.values[:, 1]), np.isnan(two[:, 1]))


def test_what_was_not_trusted_before_is_not_trusted_after() -> None:
    lead, _ = made_ecg(seconds=20)
    trusted = np.ones((lead.size, 1), dtype=bool)
    trusted[2000:2100] = False
    signal = Signal(values=lead[:, None], leads=("II",), rate_hz=RATE_HZ, unit="mV", trusted=trusted)
    cleaned = clean(signal, mains_hz=50)
    assert cleaned.trusted is not None
    assert not cleaned.trusted[2000:2100].any()
    assert cleaned.trusted[2100]


def test_every_parameter_stands_in_the_step() -> None:
    step = clean(one_lead(tone(5.0)), mains_hz=60, band_hz=(0.7, 35.0), settle_s=1.5).steps[-1]
    assert step["name"] == "clean"
    assert (step["band_hz"], step["mains_hz"], step["settle_s"], step["rate_hz"]) == ([0.7, 35.0], 60.0, 1.5, RATE_HZ)
    assert {"order", "notch_q", "notches_hz", "filter"} <= step.keys()


@pytest.mark.parametrize("n_samples", [0, 1, 2, 50])
def test_a_signal_of_hardly_anything_comes_out_missing(n_samples: int) -> None:
    cleaned = clean(one_lead(np.ones(n_samples)), mains_hz=50)
    assert cleaned.values.shape == (n_samples, 1)
    assert np.isnan(cleaned.values).all()


def test_a_band_that_does_not_fit_the_rate_is_refused_with_both_figures() -> None:
    with pytest.raises(RateTooLow, match=r"40 Hz .* 80 samples .* below 40 Hz") as caught:
        clean(one_lead(np.zeros(100), rate_hz=80.0), mains_hz=50)
    assert (caught.value.corner_hz, caught.value.limit_hz) == (40.0, 40.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mains_hz": 55}, "50 or 60"),
        ({"mains_hz": float("nan")}, "50 or 60"),
        ({"mains_hz": 50, "band_hz": (0.0, 40.0)}, "band_hz"),
        ({"mains_hz": 50, "band_hz": (40.0, 0.5)}, "band_hz"),
        ({"mains_hz": 50, "band_hz": (0.5, float("nan"))}, "band_hz"),
        ({"mains_hz": 50, "settle_s": -1.0}, "settle_s"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(CleaningError, match=said):
        clean(one_lead(np.zeros(1000)), **settings)  # type: ignore[arg-type]
