from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from made_ecg import made_ecg
from scipy import stats

from curate.beats.peaks import find_r_peaks
from curate.errors import SignalError
from curate.quality.assess import Grade, Quality, assess
from curate.quality.calibration import CALIBRATED
from curate.signals.clean import clean
from curate.signals.signal import Signal

RATE_HZ = 250.0


def record(*leads: np.ndarray) -> Signal:
    return Signal(values=np.stack(leads, axis=1), leads=("I", "II", "III")[: len(leads)], rate_hz=RATE_HZ, unit="mV")


def quality_of(raw: Signal, *, rails: tuple[float, float] | None = None) -> Quality:
    cleaned = clean(raw, mains_hz=50)
    return assess(cleaned, raw=raw, beats=find_r_peaks(cleaned, raw=raw), rails=rails)


def test_a_clean_lead_is_good_in_every_window() -> None:
    lead, _ = made_ecg(seconds=60)
    quality = quality_of(record(lead))
    assert (quality.grades[1:-1] == Grade.GOOD).all()
    assert quality.rhythm_ok.all()
    np.testing.assert_allclose(quality.heart_rate_bpm, 70.0, atol=5.0)


def test_noise_is_unusable_while_a_clean_lead_beside_it_stays_good() -> None:
    lead, _ = made_ecg(seconds=60)
    quality = quality_of(record(lead, np.random.default_rng(0).standard_normal(lead.size)))
    assert (quality.grades[1:-1, 0] == Grade.GOOD).all()
    assert (quality.grades[:, 1] < Grade.GOOD).all()


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_a_window_that_is_missing_or_flat_is_unusable(fill: float) -> None:
    lead, _ = made_ecg(seconds=60)
    lead[5000:7500] = fill
    quality = quality_of(record(lead))
    assert (quality.grades[10:15, 0] == Grade.UNUSABLE).all()
    assert (quality.grades[[7, 8, 17, 18], 0] == Grade.GOOD).all()
    share = quality.missing if np.isnan(fill) else quality.flat
    assert np.flatnonzero(share[:, 0]).tolist() == [10, 11, 12, 13, 14]


def test_samples_on_the_rail_are_counted_and_make_a_window_unusable() -> None:
    lead, _ = made_ecg(seconds=60)
    lead[5000:5500] += 9.0
    clipped = np.clip(lead, -1.0, 2.0)
    quality = quality_of(record(clipped), rails=(-1.0, 2.0))
    np.testing.assert_allclose(quality.rail[:, 0], np.arange(30) == 10, atol=0.01)
    assert quality.grades[10, 0] == Grade.UNUSABLE


def test_rails_are_taken_from_the_record_where_nobody_knows_them() -> None:
    lead, _ = made_ecg(seconds=60)
    assert quality_of(record(lead)).rail.max() < 0.01
    lead[5000:5500] = 5.0
    assert quality_of(record(lead)).rail[10, 0] == pytest.approx(1.0, abs=0.01)


def test_kurtosis_is_the_one_of_the_textbook() -> None:
    lead, _ = made_ecg(seconds=30)
    raw = record(lead)
    cleaned = clean(raw, mains_hz=50)
    quality = assess(cleaned, raw=raw, beats=find_r_peaks(cleaned, raw=raw))
    expected = [stats.kurtosis(part, fisher=False) for part in cleaned.values[:, 0].reshape(3, -1)]
    np.testing.assert_allclose(quality.ksqi[:, 0], np.repeat(expected, 5))


def test_spectral_shares_are_those_of_known_tones() -> None:
    at_s = np.arange(5000) / RATE_HZ
    tones = np.sin(2 * np.pi * 10 * at_s) + np.sin(2 * np.pi * 20 * at_s) + 2 * np.sin(2 * np.pi * 0.5 * at_s)
    quality = quality_of(record(tones + 100.0))
    np.testing.assert_allclose(quality.psqi, 0.5, atol=0.02)
    np.testing.assert_allclose(quality.bassqi, 1 - 4 / 6, atol=0.02)


def test_baseline_is_judged_on_the_raw_signal() -> None:
    lead, _ = made_ecg(seconds=60)
    wander = lead + 3.0 * np.sin(2 * np.pi * 0.2 * np.arange(lead.size) / RATE_HZ)
    assert (quality_of(record(lead)).bassqi > 0.85).all()
    assert (quality_of(record(wander)).bassqi < 0.5).all()


@pytest.mark.parametrize("scale", [1e-3, 500.0])
def test_no_index_depends_on_the_unit(scale: float) -> None:
    lead, _ = made_ecg(seconds=60)
    one, other = quality_of(record(lead)), quality_of(record(lead * scale))
    for name in ("ksqi", "psqi", "bassqi", "bsqi", "template_correlation", "flat", "rail"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(one.grades, other.grades)


def test_beats_of_ever_another_shape_fail_the_template() -> None:
    lead, peaks = made_ecg(seconds=60)
    random = np.random.default_rng(3)
    for peak in peaks:
        lead[peak + 15 : peak + 120] = (
            np.cumsum(random.standard_normal(105))[: max(0, min(105, lead.size - peak - 15))] * 0.3
        )
    assert (
        quality_of(record(lead)).template_correlation < quality_of(record(made_ecg(seconds=60)[0])).template_correlation
    ).all()


@pytest.mark.parametrize("noise_mv", [0.05, 0.1])
def test_the_shape_residual_is_the_noise_that_a_beat_carries(noise_mv: float) -> None:
    lead, _ = made_ecg(seconds=60, noise_mv=noise_mv)
    without, peaks = made_ecg(seconds=60, noise_mv=0.0)
    beat = without[peaks[20] - 38 : peaks[20] + 39]
    # Of white noise up to 125 Hz, the band up to 40 Hz keeps at most 0.32 of the power.
    wanted = noise_mv * np.sqrt(0.32 * beat.size) / np.linalg.norm(beat - beat.mean())
    assert np.median(quality_of(record(lead)).shape_residual) == pytest.approx(wanted, rel=0.15)
    assert np.median(quality_of(record(without)).shape_residual) < 0.05


@pytest.mark.parametrize("rate_hz", [125.0, 250.0, 500.0, 1000.0])
def test_a_clean_lead_is_good_at_any_rate(rate_hz: float) -> None:
    lead, _ = made_ecg(seconds=60, rate_hz=rate_hz)
    raw = Signal(values=lead[:, None], leads=("II",), rate_hz=rate_hz, unit="mV")
    quality = quality_of(raw)
    assert np.median(quality.shape_residual) < 0.1
    assert (quality.grades[1:-1] == Grade.GOOD).all()


def test_the_grade_falls_as_noise_rises() -> None:
    shares = []
    for noise_mv in (0.01, 0.1, 1.0):
        lead, _ = made_ecg(seconds=60, noise_mv=noise_mv)
        shares.append(quality_of(record(lead)).grades.mean())
    assert shares[0] > 1.9
    assert shares[0] > shares[1] > shares[2]


@pytest.mark.real_data
def test_the_grade_agrees_with_annotators_who_were_not_used_to_find_its_limits(wearable_data: Path) -> None:
    pytest.importorskip("benchmarks.quality")
    from benchmarks import quality as benchmark

    assert not set(benchmark.CALIBRATION) & set(benchmark.TEST)
    rows = benchmark._read(wearable_data, benchmark.TEST[:2], with_neurokit=False)
    assert benchmark.kappa(rows.truth, rows.ours) > 0.35


def test_the_last_window_ends_with_the_record() -> None:
    lead, _ = made_ecg(seconds=64)
    quality = quality_of(record(lead))
    assert quality.starts.tolist() == list(range(0, 16000, 500))
    assert quality.stops[-1] == lead.size
    odd = quality_of(record(lead[:15900]))
    assert odd.starts.tolist() == [*range(0, 15500, 500), 15400]
    assert odd.stops[-1] == 15900


def test_a_range_has_the_worst_grade_of_the_windows_it_touches() -> None:
    lead, _ = made_ecg(seconds=60)
    lead[5000:7500] = 0.0
    quality = quality_of(record(lead))
    starts, stops = np.array([2500, 4900, 4900, 7499, 7500, 14999]), np.array([5000, 5000, 5001, 7600, 10000, 15000])
    grades = quality.grades_between(starts, stops)[:, 0]
    touched = ((5, 10), (9, 10), (9, 11), (14, 16), (15, 20), (29, 30))
    assert grades.tolist() == [min(quality.grades[first:past, 0]) for first, past in touched]
    assert quality.grades_between(starts[:0], stops[:0]).shape == (0, 1)


@pytest.mark.parametrize(("n_samples", "n_windows"), [(0, 0), (1, 1), (100, 1), (499, 1), (501, 2), (2499, 5)])
def test_a_record_shorter_than_a_window_is_one_window_or_none(n_samples: int, n_windows: int) -> None:
    quality = quality_of(record(np.random.default_rng(0).standard_normal(n_samples)))
    assert quality.n_windows == n_windows
    assert (quality.grades == Grade.UNUSABLE).all()


def test_every_parameter_stands_in_the_step_and_a_file_can_hold_it() -> None:
    step = quality_of(record(made_ecg(seconds=10)[0]), rails=(-5.0, 5.0)).step
    assert json.loads(json.dumps(step)) == step
    assert step["rails"] == [-5.0, 5.0]
    assert step["limits"] == asdict(CALIBRATED)


def test_signals_that_are_not_the_same_samples_are_refused() -> None:
    lead, _ = made_ecg(seconds=20)
    raw = record(lead)
    cleaned = clean(raw, mains_hz=50)
    with pytest.raises(SignalError, match="not the same samples"):
        assess(cleaned, raw=record(lead[:-1]), beats=find_r_peaks(cleaned))
    with pytest.raises(SignalError, match="no shorter than a window"):
        assess(cleaned, raw=raw, beats=find_r_peaks(cleaned), context_s=1.0)
    with pytest.raises(SignalError, match="at least 2 s"):
        assess(cleaned, raw=raw, beats=find_r_peaks(cleaned), window_s=0.5)
