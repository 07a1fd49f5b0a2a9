"""Records with known beats, from easy to hopeless, for judging detectors of R peaks.

Simulated people rest, walk or jog. Motion noise is what the simulated board adds to the heart of a jogging person
(electrode movement at every stride, muscle, wander, hum): the difference between two runs that differ in their
``noise`` option alone. Its level follows the noise stress test of MIT-BIH (Moody, Muldrow and Mark 1984): the signal's
power is an eighth of the square of the usual QRS, peak to peak, in lead II; all leads take the same factor, so that
III stays II − I.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated import simulate
from curate.signals.signal import Signal

__all__ = ["SNRS_DB", "BeatCase", "empty_cases", "mit_bih", "simulated_cases"]

ACTIVITIES = ("rest", "walk", "jog")
SNRS_DB = (24, 18, 12, 6, 0, -6)
BEAT_SYMBOLS = tuple("NLRBAaJSVrFejnE/fQ?")

Floats = NDArray[np.float64]
Beats = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BeatCase:
    """A record and its beats.

    Attributes:
        name: what is special about it; records of one name are counted together.
        raw: as recorded, NaN where missing.
        truth: R peaks, sample indices.
        lead: the column that detectors of a single lead are given.
        mains_hz: of the country it was recorded in.
    """

    name: str
    raw: Signal
    truth: Beats
    lead: int
    mains_hz: float = 50.0


def mit_bih(folder: Path) -> Iterator[BeatCase]:
    """MIT-BIH record 100 with its experts' beats; nothing where the record or the package ``wfdb`` is absent."""
    try:
        import wfdb
    except ModuleNotFoundError:
        return
    if not (folder / "100.dat").is_file():
        return
    record = wfdb.rdrecord(str(folder / "100"))
    notes = wfdb.rdann(str(folder / "100"), "atr")
    truth = np.asarray(notes.sample[np.isin(notes.symbol, BEAT_SYMBOLS)], dtype=np.int64)
    values = np.asarray(record.p_signal, dtype=np.float64)
    raw = Signal(values=values, leads=tuple(record.sig_name), rate_hz=float(record.fs), unit="mV")
    yield BeatCase(name="MIT-BIH 100", raw=raw, truth=truth, lead=0, mains_hz=60.0)


def simulated_cases(people: int, seconds: float, *, first: int = 1) -> Iterator[BeatCase]:
    """Each person in each activity: as the board gives it, in motion noise, clipped, half flat, and with gaps."""
    for number in range(first, first + people):
        person = f"S{number:02d}"
        motion = _noise_of(person, seconds)
        for activity in ACTIVITIES:
            raw, truth = simulate(person, [activity], seconds_each=seconds)
            clean, _ = simulate(person, [activity], seconds_each=seconds, noise=0.0)
            lead = raw.leads.index("II")
            case = BeatCase(name=activity, raw=raw, truth=_inside(truth, raw), lead=lead)
            yield case
            for snr_db in SNRS_DB:
                factor = _factor(clean.values[:, lead], truth, motion[:, lead], raw.rate_hz, snr_db)
                noisy = replace(raw, values=clean.values + factor * motion)
                yield replace(case, name=f"{activity}, motion noise at {snr_db} dB", raw=noisy)
            yield _clipped(case)
            yield _half_flat(case)
            yield _with_gaps(case, number)


def empty_cases(people: int, seconds: float) -> Iterator[BeatCase]:
    """Records without a heart: flat, missing, white noise, wander, hum, and the motion of a body."""
    n_samples = round(250 * seconds)
    random = np.random.default_rng(7)
    at_s = np.arange(n_samples) / 250.0
    shapes = {
        "flat": np.zeros((n_samples, 3)),
        "all missing": np.full((n_samples, 3), np.nan),
        "white noise": random.standard_normal((n_samples, 3)),
        "a random walk": np.cumsum(random.standard_normal((n_samples, 3)), axis=0),
        "mains hum": np.sin(2 * np.pi * 50 * at_s)[:, None].repeat(3, axis=1),
    }
    none = np.zeros(0, dtype=np.int64)
    for name, values in shapes.items():
        raw = Signal(values=values, leads=("I", "II", "III"), rate_hz=250.0, unit="mV")
        yield BeatCase(name=name, raw=raw, truth=none, lead=1)
    for number in range(1, people + 1):
        raw = Signal(values=_noise_of(f"S{number:02d}", seconds), leads=("I", "II", "III"), rate_hz=250.0, unit="mV")
        yield BeatCase(name="motion noise, no heart", raw=raw, truth=none, lead=1)


def _noise_of(person: str, seconds: float) -> Floats:
    with_noise, _ = simulate(person, ["jog"], seconds_each=seconds, seed=1)
    without, _ = simulate(person, ["jog"], seconds_each=seconds, seed=1, noise=0.0)
    return with_noise.values - without.values


def _factor(lead: Floats, beats: Beats, noise: Floats, rate_hz: float, snr_db: float) -> float:
    half = round(0.05 * rate_hz)
    whole = beats[(beats >= half) & (beats < lead.size - half)]
    height = float(np.median(np.ptp(lead[whole[:, None] + np.arange(-half, half + 1)], axis=1)))
    return float(np.sqrt(height**2 / 8.0 / noise.var() / 10.0 ** (snr_db / 10.0)))


def _inside(beats: Beats, raw: Signal) -> Beats:
    """Leave out a second at either end: a beat that the end cuts is nobody's mistake."""
    return beats[(beats >= raw.rate_hz) & (beats < raw.n_samples - raw.rate_hz)]


def _clipped(case: BeatCase) -> BeatCase:
    """The board's range ends at 60 % of what the largest wave of each lead usually reaches, to either side."""
    width = round(2 * case.raw.rate_hz)
    pieces = case.raw.values[: case.raw.n_samples // width * width].reshape(-1, width, case.raw.n_leads)
    centre = np.median(case.raw.values, axis=0)
    reach = np.median(np.abs(pieces - centre).max(axis=1), axis=0)
    values = np.clip(case.raw.values, centre - 0.6 * reach, centre + 0.6 * reach)
    return replace(case, name=f"{case.name}, clipped", raw=replace(case.raw, values=values))


def _half_flat(case: BeatCase) -> BeatCase:
    values = case.raw.values.copy()
    half = len(values) // 2
    values[half:] = values[half - 1]
    truth = case.truth[case.truth < half - round(case.raw.rate_hz)]
    return replace(case, name=f"{case.name}, half flat", raw=replace(case.raw, values=values), truth=truth)


def _with_gaps(case: BeatCase, seed: int) -> BeatCase:
    """About every 20 s a gap of 0.1 to 5 s on all leads; beats within 0.2 s of one are left out of the truth."""
    random = np.random.default_rng(seed)
    values = case.raw.values.copy()
    rate_hz = case.raw.rate_hz
    missing = np.zeros(len(values), dtype=np.bool_)
    start = 0
    while (start := start + round(random.uniform(10, 30) * rate_hz)) < len(values):
        missing[start : start + round(random.uniform(0.1, 5.0) * rate_hz)] = True
    values[missing] = np.nan
    near = np.convolve(missing, np.ones(2 * round(0.2 * rate_hz) + 1), mode="same") > 0
    return replace(
        case, name=f"{case.name}, gaps", raw=replace(case.raw, values=values), truth=case.truth[~near[case.truth]]
    )
