"""Two unrelated beat detectors for one lead, and how far they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.beats_score import TOLERANCE_S, pair_beats
from curate.signal import runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["agreement_per_block", "pan_tompkins", "two_averages"]

_PIECE_S = 120.0
_OVERLAP_S = 10.0

_QRS_BAND_HZ = (8.0, 20.0)
_QRS_S = 0.097
_BEAT_S = 0.611
_OFFSET_SHARE = 0.08
_REFRACTORY_S = 0.2


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


def two_averages(values: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """Find beats by two moving averages (Elgendi 2013, doi:10.1371/journal.pone.0073557).

    The lead is band-passed to 8-20 Hz and squared. Where its average over a QRS (97 ms) exceeds its average over a beat
    (611 ms) plus an offset, for at least 97 ms, there is a beat, at the extremum inside.

    Deviations: the filter runs both ways, so that nothing is delayed; the offset is 8 % of the *median* of the beat
    average times 1.5 (the paper: of the mean of the whole squared signal), so that one artefact does not silence the
    rest; of two beats closer than 0.2 s only the first is kept (the paper: 0.3 s).

    Args:
        values: one run of one lead, finite, either polarity, shape (n,).
        rate_hz: samples per second.

    Returns:
        Sample indices, rising.
    """
    from scipy import signal as dsp
    from scipy.ndimage import uniform_filter1d

    sos = dsp.butter(3, _QRS_BAND_HZ, btype="bandpass", fs=rate_hz, output="sos")
    filtered = dsp.sosfiltfilt(sos, values, padlen=min(values.size - 1, round(rate_hz)))
    squared = filtered**2
    qrs_width = max(1, round(_QRS_S * rate_hz))
    qrs = uniform_filter1d(squared, qrs_width)
    beat = uniform_filter1d(squared, max(1, round(_BEAT_S * rate_hz)))
    blocks = runs_of(qrs > beat + 1.5 * _OFFSET_SHARE * np.median(beat))
    blocks = blocks[blocks[:, 1] - blocks[:, 0] >= qrs_width]
    if blocks.size == 0:
        return np.zeros(0, dtype=np.int64)
    peaks = np.array([start + squared[start:stop].argmax() for start, stop in blocks.tolist()], dtype=np.int64)
    kept = [int(peaks[0])]
    for peak in peaks[1:].tolist():
        if peak - kept[-1] >= _REFRACTORY_S * rate_hz:
            kept.append(peak)
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
