"""Where P, QRS and T begin and end, on clean stretches alone, by NeuroKit's wavelet delineator."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.errors import SignalError
from curate.peaks import Beats
from curate.quality import Grade, Quality
from curate.signal import Signal, runs_of

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
    """

    lead: str
    beats: NDArray[np.int64]
    bounds: NDArray[np.int64]
    stretches: NDArray[np.int64]


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
    has it (Makowski et al. 2021, doi:10.3758/s13428-020-01516-y), in pieces of 200 beats. It takes some seconds per hour
    and lead; the corpus does without. Cleaning at 0.5 Hz moves the ends of T a little: measure ST levels elsewhere.
    """
    if lead not in cleaned.leads or quality.leads != cleaned.leads:
        raise SignalError(
            f"Waves of {lead!r} are asked for; the signal has {', '.join(cleaned.leads)}, the quality "
            f"{', '.join(quality.leads)}; give both of the same record, and one of its leads."
        )
    column = cleaned.leads.index(lead)
    stretches = _clean_stretches(cleaned, quality, column)
    found, rows, searched = [], [], []
    for start, stop in stretches:
        peaks = beats.samples[(beats.samples >= start) & (beats.samples < stop)]
        if peaks.size < _FEWEST_BEATS:
            continue
        searched.append((start, stop))
        values = cleaned.values[start:stop, column] * beats.polarity
        found.append(peaks[1:-1])
        rows.append(_bounds(values, peaks - start, cleaned.rate_hz) + np.int64(start))
    bounds = np.concatenate(rows) if rows else np.zeros((0, len(WAVE_BOUNDS)), dtype=np.int64)
    first_of = np.repeat([start for start, _ in searched], [len(row) for row in rows]) if rows else np.zeros(0)
    bounds[bounds == first_of[:, None] - 1] = -1
    return Waves(
        lead=lead,
        beats=np.concatenate(found) if found else np.zeros(0, dtype=np.int64),
        bounds=bounds,
        stretches=np.array(searched, dtype=np.int64).reshape(-1, 2),
    )
