"""Two unrelated beat detectors for one lead, and how far they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.beats_score import TOLERANCE_S, pair_beats

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REFRACTORY_S", "agreement_per_block", "neurokit", "pan_tompkins"]

_PIECE_S = 120.0
_OVERLAP_S = 10.0

REFRACTORY_S = 0.2
"""No two beats are closer; the heart muscle's absolute refractory period is longer."""


def pan_tompkins(values: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """Find beats with sleepecg's variant of Pan and Tompkins (1985, doi:10.1109/TBME.1985.325532).

    The lead is searched in pieces of two minutes with ten seconds of overlap to either side: where the detector finds
    nothing its search-back looks again and again at the same samples (older versions hung), and one huge artefact then
    spoils the thresholds of two minutes, not of an hour. Beyond the ends of the run it is shown the run's mirror image:
    where no beat comes in its first second, the detector would take a P wave for one.

    Args:
        values: one run of one lead, finite, R pointing up, shape (n,).
        rate_hz: samples per second.

    Returns:
        Sample indices, rising.
    """
    from sleepecg.heartbeats import detect_heartbeats

    piece, overlap = round(_PIECE_S * rate_hz), round(_OVERLAP_S * rate_hz)
    margin = min(overlap, values.size - 1)
    mirrored = np.pad(values, margin, mode="reflect")
    found = []
    # A last piece under half a length is left to the one before it.
    n_pieces = max(1, round(values.size / piece))
    for number in range(n_pieces):
        start = number * piece
        stop = values.size if number == n_pieces - 1 else start + piece
        low = max(0, start - overlap + margin)
        part = mirrored[low : stop + overlap + margin]
        if np.ptp(part) == 0:
            continue
        beats = detect_heartbeats(np.ascontiguousarray(part), rate_hz) + low - margin
        found.append(beats[(beats >= start) & (beats < stop)].astype(np.int64))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def neurokit(values: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """Find beats with NeuroKit's own detector (Makowski et al. 2021, doi:10.3758/s13428-020-01516-y).

    It looks for stretches where the lead is steeper than it is on average around them, and for the most prominent
    maximum in each. That is unlike ``pan_tompkins``, which adapts one threshold to the beats it has seen.

    Deviation: two beats may be 0.2 s apart; NeuroKit's own limit of 0.3 s loses every second beat above 200 per minute.

    Args:
        values: one run of one lead, finite, R pointing up, shape (n,).
        rate_hz: samples per second.

    Returns:
        Sample indices, rising.
    """
    # It takes seconds to import, and is still the better second opinion: two moving averages of our own were faster,
    # but agreed with the first detector on real recordings that are artefact from end to end.
    from neurokit2.ecg import ecg_findpeaks

    found = ecg_findpeaks(values, sampling_rate=rate_hz, method="neurokit", mindelay=REFRACTORY_S)
    return np.asarray(found["ECG_R_Peaks"], dtype=np.int64)


def agreement_per_block(
    first: NDArray[np.int64], second: NDArray[np.int64], *, block: int, n_blocks: int, rate_hz: float
) -> NDArray[np.float64]:
    """Tell, per block of samples, which share of all beats both detectors saw within 150 ms.

    Args:
        first: sample indices, rising.
        second: sample indices, rising.
        block: samples per block.
        n_blocks: how many blocks.
        rate_hz: samples per second.

    Returns:
        Shape (n_blocks,), 0 to 1: pairs / (pairs + unpaired beats of either); 0 where there is no beat.

    This is bSQI (Li, Mark and Clifford 2008, doi:10.1088/0967-3334/29/1/002) with the union as denominator.
    """
    pairs = pair_beats(first, second, rate_hz=rate_hz, tolerance_s=TOLERANCE_S)
    both = np.bincount(first[pairs[:, 0]] // block, minlength=n_blocks)
    # The partner is counted in the block of the first, so that a pair across a border counts once.
    alone = np.bincount(np.delete(second, pairs[:, 1]) // block, minlength=n_blocks)
    union = np.bincount(first // block, minlength=n_blocks) + alone
    return np.asarray(both / np.maximum(union, 1), dtype=np.float64)
