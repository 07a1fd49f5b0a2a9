from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_ecg import made_ecg

from benchmarks.lead_swaps import swap_electrodes
from benchmarks.simulated import simulate
from curate.beats.peaks import find_r_peaks
from curate.quality.lead_swap import LeadSwap, Swap, suspect_lead_swap, suspect_swaps
from curate.signals.clean import clean
from curate.signals.signal import Signal

PEOPLE = tuple(f"P{number:03d}" for number in range(1, 21))


def judged(raw: Signal) -> LeadSwap:
    cleaned = clean(raw, mains_hz=50)
    return suspect_lead_swap(cleaned, find_r_peaks(cleaned, raw=raw))


def resting(person: str) -> Signal:
    return simulate(person, ["rest"], seconds_each=30)[0]


def test_swaps_of_simulated_people_are_suspected_and_their_own_leads_are_not() -> None:
    right = {"none": 0, "RA/LA": 0, "LA/LL": 0}
    for person in PEOPLE:
        raw = resting(person)
        for swap in right:
            right[swap] += judged(swap_electrodes(raw, swap)).suspected.value == swap
    assert right["none"] >= 19
    assert right["RA/LA"] >= 17
    assert right["LA/LL"] >= 17


@pytest.mark.real_data
@pytest.mark.parametrize("swap", ["none", "RA/LA", "LA/LL"])
def test_a_real_patient_is_judged_right(wfdb_data: Path, swap: str) -> None:
    wfdb = pytest.importorskip("wfdb")
    record = wfdb.rdrecord(str(wfdb_data / "s0010_re"))
    values = np.asarray(record.p_signal[:, :3], dtype=np.float64)
    raw = Signal(values=values, leads=("I", "II", "III"), rate_hz=float(record.fs), unit="mV")
    assert judged(swap_electrodes(raw, swap)).suspected.value == swap


@pytest.mark.parametrize("kept", [(0, 1), (0, 2), (1, 2)])
def test_any_two_limb_leads_tell_as_much_as_three(kept: tuple[int, int]) -> None:
    raw = swap_electrodes(resting("P001"), "RA/LA")
    two = replace(raw, values=raw.values[:, kept], leads=tuple(raw.leads[k] for k in kept))
    assert judged(two).suspected is judged(raw).suspected is Swap.RA_LA


def test_the_unit_does_not_matter() -> None:
    raw = swap_electrodes(resting("P002"), "LA/LL")
    assert judged(replace(raw, values=raw.values * 1e4)).suspected is judged(raw).suspected


def test_one_lead_is_not_judged() -> None:
    raw = resting("P001")
    found = judged(replace(raw, values=raw.values[:, [1]], leads=("II",)))
    assert found.suspected is Swap.UNKNOWN
    assert "two of I, II and III" in found.reason


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_a_record_without_beats_is_not_judged(fill: float) -> None:
    raw = resting("P001")
    found = judged(replace(raw, values=np.full_like(raw.values, fill)))
    assert found.suspected is Swap.UNKNOWN
    assert found.n_beats == 0


def test_a_heart_too_fast_to_show_its_p_waves_is_not_judged() -> None:
    lead, _ = made_ecg(seconds=60, rate_bpm=150)
    raw = Signal(values=np.stack([0.6 * lead, lead], axis=1), leads=("I", "II"), rate_hz=250.0, unit="mV")
    found = judged(raw)
    assert found.suspected is Swap.UNKNOWN
    assert "too few" in found.reason


def test_a_suspicion_can_be_kept_in_a_file() -> None:
    raw, _ = simulate("P001", ["rest"], seconds_each=30)
    for signal in (
        swap_electrodes(raw, "RA/LA"),
        Signal(values=raw.values[:, :1], leads=("I",), rate_hz=250.0, unit="mV"),
    ):
        cleaned = clean(signal, mains_hz=50)
        beats = find_r_peaks(cleaned, raw=signal)
        found, kept = suspect_lead_swap(cleaned, beats), suspect_swaps(cleaned, beats)
        assert json.loads(json.dumps(kept, allow_nan=False)) == kept
        assert (kept["suspected"], kept["reason"]) == (found.suspected.value, found.reason)
        assert kept["p"] is None or kept["p"] == list(found.p)
