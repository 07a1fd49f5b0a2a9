from __future__ import annotations

import numpy as np
import pytest
from made_ecg import made_ecg

from curate.beats.peaks import Beats, find_r_peaks
from curate.beats.waves import WAVE_BOUNDS, Waves, delineate
from curate.errors import SignalError
from curate.quality.assess import Quality, assess
from curate.signals.clean import clean
from curate.signals.signal import Signal

RATE_HZ = 250.0


def prepared(lead: np.ndarray) -> tuple[Signal, Beats, Quality]:
    raw = Signal(values=lead[:, None], leads=("II",), rate_hz=RATE_HZ, unit="mV")
    cleaned = clean(raw, mains_hz=50)
    beats = find_r_peaks(cleaned, raw=raw)
    return cleaned, beats, assess(cleaned, raw=raw, beats=beats)


def waves_of(lead: np.ndarray) -> Waves:
    cleaned, beats, quality = prepared(lead)
    return delineate(cleaned, beats, quality, lead="II")


def test_bounds_enclose_their_waves_in_order() -> None:
    lead, truth = made_ecg(seconds=60)
    waves = waves_of(lead)
    assert set(waves.beats) <= set(truth)
    assert waves.beats.size > 0.8 * truth.size
    found = (waves.bounds >= 0).all(axis=1)
    assert found.mean() > 0.8
    bounds, beats = waves.bounds[found], waves.beats[found]
    assert (np.diff(bounds[:, [0, 1, 2, 3, 5]], axis=1) > 0).all()
    assert ((bounds[:, 2] < beats) & (beats < bounds[:, 3])).all()
    # P and T of the made heart lie 0.18 s before and 0.28 s behind R.
    column = {name: place for place, name in enumerate(WAVE_BOUNDS)}
    assert np.median(bounds[:, column["p_stop"]] - beats) / RATE_HZ == pytest.approx(-0.14, abs=0.05)
    assert np.median(bounds[:, column["t_stop"]] - beats) / RATE_HZ == pytest.approx(0.38, abs=0.06)
    assert np.median(bounds[:, column["qrs_stop"]] - bounds[:, column["qrs_start"]]) / RATE_HZ < 0.14


def test_an_inverted_lead_has_the_same_bounds() -> None:
    lead, _ = made_ecg(seconds=30)
    np.testing.assert_array_equal(waves_of(lead).bounds, waves_of(-lead).bounds)


def test_only_clean_stretches_are_searched() -> None:
    lead, _ = made_ecg(seconds=60)
    lead[5000:7500] += np.random.default_rng(0).standard_normal(2500)
    waves = waves_of(lead)
    assert waves.beats.size
    assert not ((waves.beats >= 5000) & (waves.beats < 7500)).any()
    assert all(stop <= 5000 or start >= 7500 for start, stop in waves.stretches)
    inside = [((start <= waves.bounds) & (waves.bounds < stop)) for start, stop in waves.stretches]
    assert (np.any(inside, axis=0) | (waves.bounds == -1)).all()


@pytest.mark.parametrize("lead", [np.zeros(15_000), np.full(15_000, np.nan), np.zeros(0), made_ecg(seconds=5)[0]])
def test_where_nothing_is_clean_there_are_no_waves(lead: np.ndarray) -> None:
    waves = waves_of(lead)
    assert waves.beats.shape == (0,)
    assert waves.bounds.shape == (0, len(WAVE_BOUNDS))
    assert waves.stretches.shape == (0, 2)


def test_an_unknown_lead_is_refused() -> None:
    cleaned, beats, quality = prepared(made_ecg(seconds=20)[0])
    with pytest.raises(SignalError, match="'V9'"):
        delineate(cleaned, beats, quality, lead="V9")


def test_pieces_leave_no_seam() -> None:
    lead, truth = made_ecg(seconds=300)
    waves = waves_of(lead)
    assert np.unique(waves.beats).size == waves.beats.size > 0.9 * truth.size
    assert ((waves.bounds >= 0).mean(axis=0) > 0.8).all()
