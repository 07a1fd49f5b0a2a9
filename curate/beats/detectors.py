"""Two unrelated beat detectors for one lead, and how far they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.beats.score import TOLERANCE_S, pair_beats

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PARAMETERS", "REFRACTORY_S", "TRUSTED_AGREEMENT", "agreement_per_block", "neurokit", "pan_tompkins"]

_PIECE_S = 120.0
_OVERLAP_S = 10.0

_SMOOTH_S = 0.1
_AROUND_S = 0.75
_STEEPER = 1.5
_LEAST_OF_MEAN_LENGTH = 0.4

REFRACTORY_S = 0.2
"""No two beats are closer; the heart muscle's absolute refractory period is longer."""

TRUSTED_AGREEMENT = 0.75
"""Share of beats that both detectors see, from which on a stretch holds a rhythm: noise stays below it."""


PARAMETERS = {
    "first": "sleepecg.detect_heartbeats",
    "second": "neurokit",
    "piece_s": _PIECE_S,
    "overlap_s": _OVERLAP_S,
    "refractory_s": REFRACTORY_S,
    "tolerance_s": TOLERANCE_S,
}
"""Which detectors there are and what they run with, for the history of what they found."""


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

    NeuroKit asks SciPy for the maxima of one stretch after the other, which is most of its time, and takes seconds to
    import. Here SciPy is asked once for all of them, with infinite samples between the stretches so that no prominence
    reaches from one into the next. What comes out is what ``neurokit2.ecg_findpeaks(method="neurokit", mindelay=0.2)``
    gives, sample for sample: ``tests/curate/test_detectors.py`` holds the two together.

    Deviation: two beats may be 0.2 s apart; NeuroKit's own limit of 0.3 s loses every second beat above 200 per minute.

    Args:
        values: one run of one lead, finite, R pointing up, at least 0.75 s long, shape (n,).
        rate_hz: samples per second.

    Returns:
        Sample indices, rising.
    """
    from scipy import ndimage
    from scipy import signal as dsp

    steepness = ndimage.uniform_filter1d(np.abs(np.gradient(values)), _samples(_SMOOTH_S, rate_hz), mode="nearest")
    usual = ndimage.uniform_filter1d(steepness, _samples(_AROUND_S, rate_hz), mode="nearest")
    turns = np.diff((steepness > _STEEPER * usual).astype(np.int8))
    starts, stops = np.flatnonzero(turns == 1), np.flatnonzero(turns == -1)
    if starts.size:
        stops = stops[stops > starts[0]]
    n_stretches = min(starts.size, stops.size)
    if n_stretches == 0:
        return np.zeros(0, dtype=np.int64)
    starts, lengths = starts[:n_stretches], (stops[:n_stretches] - starts[:n_stretches])
    long_enough = lengths >= _LEAST_OF_MEAN_LENGTH * lengths.mean()
    starts, lengths = starts[long_enough], lengths[long_enough]

    # Every stretch begins with a barrier; one more stands at the end.
    barriers = np.concatenate(([0], np.cumsum(lengths + 1)))
    walled = np.full(barriers[-1] + 1, np.inf)
    number = np.repeat(np.arange(starts.size), lengths)
    place = np.arange(number.size) + number + 1
    walled[place] = values[place - barriers[number] - 1 + starts[number]]
    maxima = dsp.find_peaks(walled)[0]
    maxima = maxima[np.isfinite(walled[maxima])]
    if maxima.size == 0:
        return np.zeros(0, dtype=np.int64)
    prominence = dsp.peak_prominences(walled, maxima)[0]
    number = np.searchsorted(barriers, maxima, side="right") - 1
    # By stretch, the most prominent first, of equals the earlier.
    order = np.lexsort((maxima, -prominence, number))
    best = order[np.flatnonzero(np.diff(number[order], prepend=-1))]
    peaks = maxima[best] - barriers[number[best]] - 1 + starts[number[best]]
    return _apart(peaks, _samples(REFRACTORY_S, rate_hz))


def _samples(seconds: float, rate_hz: float) -> int:
    return int(np.rint(seconds * rate_hz))


def _apart(peaks: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Leave out peaks that are no more than ``least`` samples behind the one kept before them, or the start."""
    kept: list[int] = []
    last = 0
    for peak in peaks.tolist():
        if peak - last > least:
            kept.append(peak)
            last = peak
    return np.array(kept, dtype=np.int64)


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
