"""Where P, QRS and T begin and end, on clean stretches alone, by NeuroKit's wavelet delineator."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from curate.beats.peaks import Beats
from curate.errors import SignalError
from curate.quality.assess import Grade, Quality
from curate.signals.signal import Signal, Step, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WAVE_BOUNDS", "Waves", "delineate"]

WAVE_BOUNDS = ("p_start", "p_stop", "qrs_start", "qrs_stop", "t_start", "t_stop")
"""The columns of ``Waves.bounds``, in the order in which they have to follow one another."""

_NAMES = (
    "ECG_P_Onsets",
    "ECG_P_Offsets",
    "ECG_R_Onsets",
    "ECG_R_Offsets",
    "ECG_T_Onsets",
    "ECG_T_Offsets",
)
_SHORTEST_S = 6.0
_FEWEST_BEATS = 5
_PIECE_BEATS = 200
_MOST_S = {"p": 0.20, "qrs": 0.20, "t": 0.45}


@dataclass(frozen=True, kw_only=True)
class Waves:
    """Bounds of the waves of some beats of one lead.

    Attributes:
        lead: which lead.
        beats: R peaks of the beats that were looked at, sample indices, rising, shape (n,).
        bounds: sample indices, one row per beat and one column per ``WAVE_BOUNDS``, −1 where a bound was not found.
        stretches: the clean ranges that were searched, shape (k, 2).
        step: every parameter that they were found with, as a step in a signal's history.
    """

    lead: str
    beats: NDArray[np.int64]
    bounds: NDArray[np.int64]
    stretches: NDArray[np.int64]
    step: Step


def delineate(cleaned: Signal, beats: Beats, quality: Quality, *, lead: str) -> Waves:
    """Find the bounds of P, QRS and T of a lead where it is clean.

    Searched are runs of windows of grade *good* with every sample trusted, at least 6 s long and with five beats or
    more. The two beats at the ends of a run have no bounds, for their waves may reach out of it. A wave is kept
    whole or not at all: where one of its bounds is missing, out of order, on the wrong side of R, beyond the beats
    beside it, or too far from the other (0.2 s for P and QRS, 0.45 s for T), both become −1.

    Args:
        cleaned: shape (n_samples, n_leads).
        beats: found in ``cleaned``.
        quality: of the same record.
        lead: which lead to look at.

    Raises:
        SignalError: the signal has no such lead, or ``quality`` is of other leads.

    The method is the discrete wavelet transform after Martínez et al. 2004 (doi:10.1109/TBME.2003.821031) as NeuroKit
    has it (Makowski et al. 2021, doi:10.3758/s13428-020-01516-y), in pieces of 200 beats. It takes about twenty
    seconds per hour and lead; the corpus does without. Cleaning at 0.5 Hz moves the ends of T a little: measure ST
    levels elsewhere.
    """
    if lead not in cleaned.leads or quality.leads != cleaned.leads:
        raise SignalError(
            f"Waves of {lead!r} are asked for; the signal has {', '.join(cleaned.leads)}, the quality "
            f"{', '.join(quality.leads)}; give both of the same record, and one of its leads."
        )
    column = cleaned.leads.index(lead)
    found, rows, searched = [], [], []
    for start, stop in _clean_stretches(cleaned, quality, column):
        peaks = beats.samples[(beats.samples >= start) & (beats.samples < stop)]
        if peaks.size < _FEWEST_BEATS:
            continue
        searched.append((start, stop))
        found.append(peaks[1:-1])
        rows.append(_bounds(cleaned.values[start:stop, column], peaks - start, cleaned.rate_hz, start))
    return Waves(
        lead=lead,
        beats=np.concatenate(found) if found else np.zeros(0, dtype=np.int64),
        bounds=np.concatenate(rows) if rows else np.zeros((0, len(WAVE_BOUNDS)), dtype=np.int64),
        stretches=np.array(searched, dtype=np.int64).reshape(-1, 2),
        step={
            "name": "delineate",
            "lead": lead,
            "method": "dwt",
            "neurokit2": version("neurokit2"),
            "shortest_s": _SHORTEST_S,
            "fewest_beats": _FEWEST_BEATS,
            "piece_beats": _PIECE_BEATS,
            "most_s": dict(_MOST_S),
        },
    )


def _clean_stretches(cleaned: Signal, quality: Quality, column: int) -> list[tuple[int, int]]:
    good = np.zeros(cleaned.n_samples, dtype=np.bool_)
    bad = np.zeros(cleaned.n_samples, dtype=np.bool_)
    for start, stop, grade in zip(quality.starts, quality.stops, quality.grades[:, column], strict=True):
        # The last window may reach back into one of another grade.
        (good if grade == Grade.GOOD else bad)[start:stop] = True
    runs = runs_of(good & ~bad & cleaned.reliable[:, column])
    return [(int(start), int(stop)) for start, stop in runs if stop - start >= _SHORTEST_S * cleaned.rate_hz]


def _bounds(values: NDArray[np.float64], peaks: NDArray[np.int64], rate_hz: float, start: int) -> NDArray[np.int64]:
    """Bounds of all beats of a stretch but the two at its ends, as sample indices of the record that it begins in."""
    # It expects R to point up.
    upright = values if np.median(values[peaks]) >= np.median(values) else -values
    table = np.full((peaks.size, len(WAVE_BOUNDS)), np.nan)
    # A last piece of less than half is left to the one before it; every piece looks one beat beyond its ends.
    n_pieces = max(1, round(peaks.size / _PIECE_BEATS))
    for piece in np.array_split(np.arange(peaks.size), n_pieces):
        low, high = max(0, piece[0] - 1), min(peaks.size - 1, piece[-1] + 1)
        begin = 0 if low == 0 else int(peaks[low - 1] + peaks[low]) // 2
        end = values.size if high == peaks.size - 1 else int(peaks[high] + peaks[high + 1]) // 2
        part = _neurokit(upright[begin:end], peaks[low : high + 1] - begin, rate_hz) + begin
        table[piece] = part[piece - low]
    table = table[1:-1]
    _drop_odd(table, peaks, rate_hz)
    return np.where(np.isfinite(table), table + start, -1).astype(np.int64)


def _neurokit(values: NDArray[np.float64], peaks: NDArray[np.int64], rate_hz: float) -> NDArray[np.float64]:
    # It takes seconds to import, and few ask for waves.
    from neurokit2.ecg import ecg_delineate

    with warnings.catch_warnings():
        # It warns where a wave is not found; here that is −1.
        warnings.simplefilter("ignore")
        _, found = ecg_delineate(values, peaks, sampling_rate=round(rate_hz), method="dwt")
    return np.stack([np.asarray(found[name], dtype=np.float64) for name in _NAMES], axis=1)


def _drop_odd(table: NDArray[np.float64], peaks: NDArray[np.int64], rate_hz: float) -> None:
    """Make both bounds of a wave NaN where they cannot be its bounds; in place."""
    before, beat, after = peaks[:-2], peaks[1:-1], peaks[2:]
    # What each wave may not begin before and not end behind; QRS is settled first, for the others stand beside it.
    for name, (start, stop) in {"qrs": (2, 3), "p": (0, 1), "t": (4, 5)}.items():
        lowest = {"qrs": before, "p": before, "t": np.where(np.isnan(table[:, 3]), beat, table[:, 3])}[name]
        highest = {"qrs": after, "p": np.where(np.isnan(table[:, 2]), beat, table[:, 2]), "t": after}[name]
        begin, end = table[:, start], table[:, stop]
        with np.errstate(invalid="ignore"):
            fits = (begin < end) & (begin >= lowest) & (end <= highest) & (end - begin <= _MOST_S[name] * rate_hz)
            if name == "qrs":
                fits &= (begin <= beat) & (beat <= end)
        table[~fits, start] = table[~fits, stop] = np.nan
