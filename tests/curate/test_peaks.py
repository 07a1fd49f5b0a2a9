from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_ecg import made_ecg

from acquire.boards.sim import SimBoard
from benchmarks.beat_cases import simulated_cases
from curate.beats.peaks import REFRACTORY_S, Beats, find_r_peaks
from curate.beats.score import BeatScore, compare_beats
from curate.errors import SignalError
from curate.importers.options import ImportOptions
from curate.importers.wearable import WearableImporter
from curate.signals.clean import clean
from curate.signals.signal import Signal

RATE_HZ = 250.0


def record(*leads: np.ndarray, rate_hz: float = RATE_HZ) -> Signal:
    names = ("I", "II", "III")[: len(leads)]
    return Signal(values=np.stack(leads, axis=1), leads=names, rate_hz=rate_hz, unit="mV")


def beats_of(raw: Signal) -> Beats:
    return find_r_peaks(clean(raw, mains_hz=50), raw=raw)


def score(reference: np.ndarray, beats: Beats, rate_hz: float = RATE_HZ) -> BeatScore:
    return compare_beats(reference, beats.samples, rate_hz=rate_hz)


def simulated(person: str, activity: str, seconds: float) -> tuple[Signal, np.ndarray]:
    board = SimBoard(f"sim:?person={person}&session=01&speed=max&seed=3&mains_hz=50")
    total, parts = round(seconds * RATE_HZ), []
    with board:
        info = board.open()
        board.start()
        board.tell(activity, 0)
        while (done := sum(map(len, parts))) < total:
            chunk = board.read(1.0, max_samples=total - done)
            assert chunk is not None
            parts.append(chunk.samples)
        truth = np.asarray(board.beat_indices())
    values = np.concatenate(parts) * np.array([channel.gain for channel in info.channels])
    return record(*values.T), truth[(truth >= 0) & (truth < total)]


@pytest.mark.real_data
def test_mit_bih_100_is_found_to_99_8_percent(wfdb_data: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    source = wfdb.rdrecord(str(wfdb_data / "100"))
    notes = wfdb.rdann(str(wfdb_data / "100"), "atr")
    reference = notes.sample[np.isin(notes.symbol, list("NLRBAaJSVrFejnE/fQ?"))]
    assert reference.size == 2273
    for columns in ([0], [0, 1]):
        raw = record(*source.p_signal[:, columns].T.astype(float), rate_hz=float(source.fs))
        result = score(reference, find_r_peaks(clean(raw, mains_hz=60), raw=raw), raw.rate_hz)
        assert result.sensitivity >= 0.998
        assert result.precision >= 0.998


@pytest.mark.parametrize(("activity", "wanted"), [("rest", 0.999), ("jog", 0.97)])
def test_simulated_people_are_found(activity: str, wanted: float) -> None:
    found = missed = false = 0
    for person in ("S01", "S02", "S03", "S04"):
        raw, truth = simulated(person, activity, 120)
        # A beat cut by an end of the record is nobody's mistake.
        ends = (RATE_HZ, raw.n_samples - RATE_HZ)
        truth, beats = (at[(at >= ends[0]) & (at < ends[1])] for at in (truth, beats_of(raw).samples))
        result = compare_beats(truth, beats, rate_hz=RATE_HZ)
        found += result.true_positives
        missed += result.false_negatives
        false += result.false_positives
    assert found / (found + missed) >= wanted
    assert found / (found + false) >= wanted


def in_noise(lead: np.ndarray, truth: np.ndarray, times: float, seed: int = 5) -> np.ndarray:
    """Bursts of a slow random walk, as high as many beats, that come as often as steps do."""
    random = np.random.default_rng(seed)
    bumps = np.zeros(lead.size)
    for at in range(200, lead.size - 200, 95):
        width = random.uniform(8, 16)
        bumps += random.choice([-1, 1]) * np.exp(-0.5 * ((np.arange(lead.size) - at) / width) ** 2)
    return lead + times * bumps


def test_steps_higher_than_the_beats_are_no_beats_where_some_of_the_record_is_quiet() -> None:
    lead, truth = made_ecg(seconds=60)
    lead[6000:12500] = in_noise(lead, truth, 1.5)[6000:12500]
    result = score(truth, beats_of(record(lead)))
    assert result.sensitivity > 0.98
    assert result.precision > 0.98


def test_an_ectopic_beat_that_both_detectors_see_is_kept_beside_a_disputed_one() -> None:
    lead, truth = made_ecg(seconds=60)
    ectopic = truth[30]
    lead[ectopic - 40 : ectopic + 40] = 1.5 * np.exp(-0.5 * (np.arange(-40, 40) / 10.0) ** 2)
    random = np.random.default_rng(2)
    lead[ectopic + 450 : ectopic + 600] += 0.4 * random.standard_normal(150)
    found = beats_of(record(lead)).samples
    assert np.abs(found - ectopic).min() < 0.1 * RATE_HZ


def test_beats_that_clipping_hid_are_found_between_their_neighbours() -> None:
    case = next(case for case in simulated_cases(1, 120.0) if case.name == "jog, clipped")
    beats = beats_of(case.raw)
    for found in beats.by_lead:
        assert score(case.truth, replace(beats, samples=found)).false_negatives > 0
    assert score(case.truth, beats).false_negatives == 0


def test_a_pause_of_the_heart_is_not_filled_with_a_beat() -> None:
    lead, truth = made_ecg(seconds=60, noise_mv=0.03)
    at = truth[30]
    lead[at - 75 : at + 100] = 0.03 * np.random.default_rng(1).standard_normal(175)
    result = score(np.delete(truth, 30), beats_of(record(lead)))
    assert (result.false_positives, result.false_negatives) == (0, 0)


def test_beats_far_below_the_noise_of_moving_electrodes_are_found_in_the_band_of_the_qrs() -> None:
    case = next(case for case in simulated_cases(1, 60.0) if case.name == "rest, motion noise at -6 dB")
    result = score(case.truth, beats_of(case.raw))
    assert result.sensitivity > 0.98
    assert result.precision > 0.95


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["01_01_beh", "07_01_beh"])
def test_a_runner_whose_beats_are_lost_is_reported_and_not_guessed(wearable_data: Path, name: str) -> None:
    path = wearable_data / name[:2] / f"{name}.csv.gz"
    reading = WearableImporter().read(path, shown=Path(path.name), options=ImportOptions())
    raw = Signal(values=reading.counts.astype(np.float64), leads=("ECG",), rate_hz=reading.fitted_rate_hz, unit="adu")
    beats = beats_of(raw)
    assert beats.samples.size == 0
    np.testing.assert_array_equal(beats.rejected, [[0, raw.n_samples]])


def test_an_irregular_heart_is_found_like_any_other_where_its_beats_can_be_read() -> None:
    random = np.random.default_rng(4)
    truth = np.round(np.cumsum(random.uniform(0.4, 1.2, 100)) * RATE_HZ).astype(np.int64)
    beat, peaks = made_ecg(seconds=5, noise_mv=0.0)
    # Without its T wave, which would reach into the next beat.
    beat = beat[peaks[2] - 30 : peaks[2] + 31]
    lead = 0.03 * random.standard_normal(truth[-1] + 300)
    for peak in truth:
        lead[peak - 30 : peak + 31] += beat
    assert score(truth, beats_of(record(lead))).f1 == 1.0


def test_noise_behind_a_good_stretch_holds_no_beats() -> None:
    lead, _ = made_ecg(seconds=120)
    half = lead.size // 2
    lead[half:] = np.random.default_rng(4).standard_normal(lead.size - half)
    beats = beats_of(record(lead))
    assert not (beats.samples > half + RATE_HZ).any()
    assert any(stop == lead.size for _, stop in beats.rejected)


@pytest.mark.parametrize("rate_bpm", [195, 205, 230])
def test_a_racing_heart_is_found(rate_bpm: int) -> None:
    # NeuroKit's own limit of 0.3 s between beats would lose every second one, and the detectors would not agree.
    lead, truth = made_ecg(seconds=60, rate_bpm=rate_bpm, noise_mv=0.03)
    assert score(truth, beats_of(record(lead))).f1 > 0.99


def test_a_beat_lies_on_its_r_peak_to_the_sample() -> None:
    lead, truth = made_ecg(seconds=60, noise_mv=0.005)
    result = score(truth, beats_of(record(lead)))
    assert (result.sensitivity, result.precision) == (1.0, 1.0)
    assert result.median_jitter_s <= 1 / RATE_HZ


def test_an_inverted_lead_gives_the_same_beats_and_says_that_it_is_inverted() -> None:
    lead, truth = made_ecg(seconds=60)
    beats = beats_of(record(-lead))
    assert score(truth, beats).f1 == 1.0
    assert beats.polarity == -1
    assert beats_of(record(lead)).polarity == 1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 2000.0])
def test_the_unit_does_not_matter(scale: float) -> None:
    lead, truth = made_ecg(seconds=60)
    assert score(truth, beats_of(record(lead * scale))).f1 == 1.0


def test_one_clean_lead_outvotes_two_noisy_ones() -> None:
    lead, truth = made_ecg(seconds=120)
    noise = np.random.default_rng(1).standard_normal((2, lead.size))
    beats = beats_of(record(0.1 * lead + noise[0], lead, 0.1 * lead + noise[1]))
    assert score(truth, beats).f1 > 0.99
    assert beats.lead == "II"


def test_a_lead_that_falls_off_leaves_the_beats_to_the_others() -> None:
    lead, truth = made_ecg(seconds=60)
    off = lead.copy()
    off[5000:] = 0.0
    beats = beats_of(record(off, lead))
    assert score(truth, beats).f1 == 1.0


def test_beats_on_both_sides_of_a_gap_are_found_and_none_inside() -> None:
    lead, truth = made_ecg(seconds=90)
    lead[8000:12000] = np.nan
    beats = beats_of(record(lead))
    outside = truth[(truth < 8000) | (truth >= 12000)]
    assert score(outside, beats).f1 > 0.99
    assert not ((beats.samples >= 8000) & (beats.samples < 12000)).any()
    assert any(start <= 8000 and 12000 <= stop for start, stop in beats.rejected)


def test_a_flat_stretch_costs_no_beat_after_it() -> None:
    lead, truth = made_ecg(seconds=120)
    lead[10000:15000] = lead[10000]
    beats = beats_of(record(lead))
    later = truth[truth > 15500]
    assert compare_beats(later, beats.samples[beats.samples > 15500], rate_hz=RATE_HZ).sensitivity > 0.99
    assert not ((beats.samples > 10500) & (beats.samples < 14500)).any()


NOTHING = {
    "flat": np.zeros(30_000),
    "a constant": np.full(30_000, -3.3),
    "missing": np.full(30_000, np.nan),
    "infinite": np.full(30_000, np.inf),
    "white noise": np.random.default_rng(0).standard_normal(30_000),
    "a random walk": np.cumsum(np.random.default_rng(1).standard_normal(30_000)),
    "mains hum": np.sin(np.arange(30_000) * 2 * np.pi * 50 / 250),
    "a slow sine": np.sin(np.arange(30_000) * 2 * np.pi / 250),
    "one spike": np.eye(1, 30_000, 15_000)[0],
    "nothing at all": np.zeros(0),
    "one sample": np.ones(1),
    "a second": np.random.default_rng(2).standard_normal(250),
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("n_leads", [1, 3])
def test_what_holds_no_heart_holds_no_beat(name: str, n_leads: int) -> None:
    beats = beats_of(record(*[NOTHING[name]] * n_leads))
    assert beats.samples.size == 0
    assert beats.lead == ""


def test_noise_is_searched_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # sleepecg's search-back grows with the square of a stretch without beats; it must never get more than some minutes.
    import sleepecg.heartbeats

    longest = 0
    detect = sleepecg.heartbeats.detect_heartbeats

    def watched(ecg: np.ndarray, rate_hz: float) -> np.ndarray:
        nonlocal longest
        longest = max(longest, ecg.size)
        return np.asarray(detect(ecg, rate_hz))

    monkeypatch.setattr(sleepecg.heartbeats, "detect_heartbeats", watched)
    beats_of(record(np.random.default_rng(0).standard_normal(150_000)))
    assert 0 < longest <= 200 * RATE_HZ


@settings(deadline=None)  # the first example imports the detectors
@given(seed=st.integers(min_value=0, max_value=2**32 - 1), rate_bpm=st.integers(min_value=45, max_value=170))
def test_beats_rise_and_keep_the_refractory_time(seed: int, rate_bpm: int) -> None:
    lead, _ = made_ecg(seconds=20, rate_bpm=rate_bpm, noise_mv=0.15, seed=seed)
    samples = beats_of(record(lead)).samples
    assert (np.diff(samples) >= REFRACTORY_S * RATE_HZ).all()
    assert samples.size == 0 or (samples[0] >= 0 and samples[-1] < lead.size)


def test_every_parameter_stands_in_the_step_and_a_file_can_hold_it() -> None:
    step = beats_of(record(made_ecg(seconds=10)[0])).step
    assert json.loads(json.dumps(step)) == step
    assert step["name"] == "find_r_peaks"
    assert {"gate", "detectors", "again", "vote", "settle"} < set(step)


def test_a_rate_too_low_for_an_r_peak_is_refused() -> None:
    with pytest.raises(SignalError, match="at least 100 samples per second; the signal has 90"):
        find_r_peaks(record(np.zeros(1000), rate_hz=90.0))


def test_a_raw_signal_of_another_shape_is_refused() -> None:
    with pytest.raises(SignalError, match="raw signal has shape"):
        find_r_peaks(record(np.zeros(1000)), raw=record(np.zeros(900)))
