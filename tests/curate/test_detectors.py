from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from made_ecg import made_ecg
from numpy.typing import NDArray

from benchmarks.simulated import simulate
from curate.beats.detectors import REFRACTORY_S, neurokit
from curate.importers.options import ImportOptions
from curate.importers.wearable import WearableImporter
from curate.signals.clean import clean
from curate.signals.signal import Signal


def by_the_library(values: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    with warnings.catch_warnings():
        # Its dependencies warn while it is imported.
        warnings.simplefilter("ignore")
        from neurokit2.ecg import ecg_findpeaks

        found = ecg_findpeaks(values, sampling_rate=rate_hz, method="neurokit", mindelay=REFRACTORY_S)
    return np.asarray(found["ECG_R_Peaks"], dtype=np.int64)


@pytest.mark.parametrize("activity", ["rest", "walk", "jog"])
@pytest.mark.parametrize("noise", [0.0, 1.0, 8.0])
def test_the_second_detector_is_neurokits_on_simulated_people(activity: str, noise: float) -> None:
    raw, _ = simulate("S03", [activity], seconds_each=60, noise=noise)
    for lead in clean(raw, mains_hz=50).values.T:
        np.testing.assert_array_equal(neurokit(lead, raw.rate_hz), by_the_library(lead, raw.rate_hz))


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 249.7, 360.0, 497.13, 1000.0])
def test_the_second_detector_is_neurokits_at_any_rate(rate_hz: float) -> None:
    lead, _ = made_ecg(seconds=30, rate_hz=rate_hz, rate_bpm=150, noise_mv=0.1)
    np.testing.assert_array_equal(neurokit(lead, rate_hz), by_the_library(lead, rate_hz))


@pytest.mark.parametrize("seed", range(5))
def test_the_second_detector_is_neurokits_on_noise_and_on_steps_of_a_coarse_converter(seed: int) -> None:
    random = np.random.default_rng(seed)
    white = random.standard_normal(7500)
    # Rounding makes plateaus and equal prominences, where ties have to fall the same way.
    for lead in (white, np.round(white), np.round(np.cumsum(white)), np.round(3 * np.sin(np.arange(7500) / 9))):
        np.testing.assert_array_equal(neurokit(lead, 250.0), by_the_library(lead, 250.0))


@pytest.mark.parametrize("n_samples", [188, 250, 750])
def test_the_second_detector_is_neurokits_on_hardly_anything(n_samples: int) -> None:
    for lead in (np.arange(n_samples, dtype=float), made_ecg(seconds=n_samples / 250)[0]):
        np.testing.assert_array_equal(neurokit(lead, 250.0), by_the_library(lead, 250.0))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["01/01_01_klud", "04/04_02_beh", "05/05_01_ruky", "08/08_02_drepy"])
def test_the_second_detector_is_neurokits_on_real_recordings(wearable_data: Path, name: str) -> None:
    path = wearable_data / f"{name}.csv.gz"
    reading = WearableImporter().read(path, shown=Path(path.name), options=ImportOptions())
    raw = Signal(values=reading.counts.astype(np.float64), leads=("ECG",), rate_hz=reading.fitted_rate_hz, unit="adu")
    lead = clean(raw, mains_hz=50).values[:, 0]
    lead = lead[np.isfinite(lead)]
    np.testing.assert_array_equal(neurokit(lead, raw.rate_hz), by_the_library(lead, raw.rate_hz))
