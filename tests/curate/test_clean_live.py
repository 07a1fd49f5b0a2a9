from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_ecg import made_ecg

from curate.errors import CleaningError, RateTooLow, SignalError
from curate.signals.clean import clean
from curate.signals.clean_live import LIVE_SETTLE_S, LiveCleaner, clean_causal
from curate.signals.signal import Signal

RATE_HZ = 250.0


def record(*leads: np.ndarray, rate_hz: float = RATE_HZ) -> Signal:
    names = ("I", "II", "III")[: len(leads)]
    return Signal(values=np.stack(leads, axis=1), leads=names, rate_hz=rate_hz, unit="mV")


def test_it_has_the_corners_and_notches_of_the_corpus_once_instead_of_twice() -> None:
    tones = (0.3, 0.5, 5.0, 20.0, 40.0, 50.0)
    at_s = np.arange(round(120 * RATE_HZ)) / RATE_HZ
    for hz in tones:
        raw = record(np.sin(2 * np.pi * hz * at_s))
        once = clean_causal(raw, mains_hz=50).values[10000:20000].std()
        twice = clean(raw, mains_hz=50).values[10000:20000].std()
        assert once**2 * np.sqrt(2) == pytest.approx(twice, rel=0.02, abs=1e-4)


@pytest.mark.parametrize(("rate_hz", "mains_hz"), [(125.0, 50), (250.0, 50), (250.0, 60), (497.13, 50), (1000.0, 60)])
def test_the_square_of_its_response_is_the_response_of_the_corpus_at_every_frequency(
    rate_hz: float, mains_hz: int
) -> None:
    impulse = np.zeros(round(120 * rate_hz))
    impulse[impulse.size // 2] = 1.0
    raw = record(impulse, rate_hz=rate_hz)
    once = np.fft.rfft(clean_causal(raw, mains_hz=mains_hz).values[:, 0])
    twice = np.fft.rfft(clean(raw, mains_hz=mains_hz).values[:, 0])
    np.testing.assert_allclose(np.abs(once) ** 2, np.abs(twice), atol=1e-6)


def test_parameters_are_those_of_the_corpus_filter_but_for_the_direction() -> None:
    raw = record(made_ecg(seconds=20)[0])
    causal, both = clean_causal(raw, mains_hz=60).steps[-1], clean(raw, mains_hz=60).steps[-1]
    assert causal["name"] == "clean_causal"
    shared = {"band_hz", "order", "mains_hz", "notches_hz", "notch_q", "rate_hz"}
    assert {name: causal[name] for name in shared} == {name: both[name] for name in shared}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(min_value=0, max_value=400), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_what_comes_out_does_not_depend_on_the_chunks(lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_normal((sum(lengths), 2)).cumsum(axis=0)
    values[random.random(values.shape) < 0.01] = np.nan
    whole = LiveCleaner(rate_hz=RATE_HZ, mains_hz=50, n_leads=2, settle_s=0.2)
    pieces = LiveCleaner(rate_hz=RATE_HZ, mains_hz=50, n_leads=2, settle_s=0.2)
    cleaned, trusted = whole.push(values)
    parts = [pieces.push(part) for part in np.split(values, np.cumsum(lengths)[:-1])]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts]), cleaned)
    np.testing.assert_array_equal(np.concatenate([mask for _, mask in parts]), trusted)


def test_nothing_reaches_across_a_gap_and_each_start_is_marked() -> None:
    lead, _ = made_ecg(seconds=40)
    lead[4000:4100] = np.nan
    cleaned = clean_causal(record(lead), mains_hz=50)
    alone = clean_causal(record(lead[4100:]), mains_hz=50)
    np.testing.assert_array_equal(cleaned.values[4100:], alone.values)
    assert np.isnan(cleaned.values[4000:4100]).all()
    settle = round(LIVE_SETTLE_S * RATE_HZ)
    expected = np.zeros(lead.size, dtype=bool)
    expected[settle:4000] = True
    expected[4100 + settle :] = True
    assert cleaned.trusted is not None
    np.testing.assert_array_equal(cleaned.trusted[:, 0], expected)


def test_an_offset_of_volts_makes_no_step() -> None:
    lead, _ = made_ecg(seconds=20, noise_mv=0.0)
    offset = clean_causal(record(lead + 5000.0), mains_hz=50).values
    np.testing.assert_allclose(offset, clean_causal(record(lead), mains_hz=50).values, atol=1e-6)


def test_what_is_trusted_behind_a_step_is_within_two_percent_of_it() -> None:
    # The worst start: on the peak of a wave, to which the filter then takes the lead to have always stood.
    step = np.zeros(5000)
    step[0] = 1.0
    cleaned = clean_causal(record(step), mains_hz=50)
    assert np.abs(cleaned.values[cleaned.reliable]).max() < 0.02


def test_beats_come_late_by_the_delay_that_is_told() -> None:
    lead, peaks = made_ecg(seconds=40, noise_mv=0.0)
    cleaner = LiveCleaner(rate_hz=RATE_HZ, mains_hz=50, n_leads=1)
    cleaned, _ = cleaner.push(lead[:, None])
    late = [cleaned[peak : peak + 25, 0].argmax() / RATE_HZ for peak in peaks[5:-2]]
    assert np.median(late) == pytest.approx(cleaner.delay_s, abs=0.006)


def test_after_a_restart_a_chunk_is_as_the_first() -> None:
    lead, _ = made_ecg(seconds=10)
    cleaner = LiveCleaner(rate_hz=RATE_HZ, mains_hz=50, n_leads=1)
    first, _ = cleaner.push(lead[:, None])
    cleaner.restart()
    np.testing.assert_array_equal(cleaner.push(lead[:, None])[0], first)


def test_what_was_not_trusted_before_is_not_trusted_after() -> None:
    lead, _ = made_ecg(seconds=20)
    trusted = np.ones((lead.size, 1), dtype=bool)
    trusted[2000:2100] = False
    signal = Signal(values=lead[:, None], leads=("II",), rate_hz=RATE_HZ, unit="mV", trusted=trusted)
    assert not clean_causal(signal, mains_hz=50).reliable[2000:2100].any()


def test_bad_parameters_and_chunks_are_refused() -> None:
    with pytest.raises(RateTooLow):
        LiveCleaner(rate_hz=80.0, mains_hz=50, n_leads=1)
    with pytest.raises(CleaningError, match="50 or 60"):
        LiveCleaner(rate_hz=250.0, mains_hz=0, n_leads=1)
    with pytest.raises(SignalError, match=r"not \(samples, 2\)"):
        LiveCleaner(rate_hz=250.0, mains_hz=50, n_leads=2).push(np.zeros((5, 3)))
