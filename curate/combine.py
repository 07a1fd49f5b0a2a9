"""Where two detectors of beats disagree, the shape that they agree on nearby decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.detectors import REFRACTORY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.signal import Signal

__all__ = ["QRS_BAND_HZ", "settle"]

QRS_BAND_HZ = (8.0, 30.0)
"""Most of a QRS lies in it, and most of what moving electrodes give lies below."""

_PART_S = 60.0
_MARGIN_S = 1.0
_HALF_S = 0.08
_FEWEST_AGREED = 8
_BEAT_FIT = 0.5
_SURE_FIT = 0.6
_GREY_FIT = 0.3
_MAX_GREY = 0.25
_FEWEST_BEATS = 5
_MAX_RR_RATIO = 2.2


def settle(
    signal: Signal,
    samples: NDArray[np.int64],
    *,
    agreed: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    disputed: NDArray[np.bool_],
    rejected: NDArray[np.bool_],
    block: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Search the blocks again in which the detectors disagree, for the beat that they agree on around them.

    A record is taken a minute at a time. Of the beats that both detectors saw, the median shape in 8-30 Hz is taken in
    every lead; the leads' correlations with it are added up, each divided by its noise in the block, so that the sum is
    1 where the usual beat stands (a matched filter). In a disputed block, beats are the peaks of this sum above one
    half, and those beats that both detectors saw although they look different, as ectopic ones do. A block that was
    rejected is taken back where these peaks stand clear of the rest: at most one peak in the grey between 0.3 and 0.6
    to four above, at least five of these, and the longest interval less than 2.2 times the shortest.

    Args:
        signal: cleaned, shape (n_samples, n_leads).
        samples: R peaks found so far, set on their extremum, rising.
        agreed: which of them both detectors saw.
        mask: where each lead was searched, shape (n_samples, n_leads).
        disputed: blocks to be searched again, shape (n_blocks,).
        rejected: blocks that were given up, shape (n_blocks,); their beats are not in ``samples``.
        block: samples per block.

    Returns:
        The beats, rising, and which blocks are given up now. A minute with less than eight agreed beats is left as it
        was.

    The method is the matched filter of the textbooks; the limits are ours, see ``benchmarks.r_peaks``.
    """
    rejected = rejected.copy()
    parts = max(1, round(rejected.size * block / (_PART_S * signal.rate_hz)))
    for blocks in np.array_split(np.arange(rejected.size), parts):
        open_blocks = blocks[disputed[blocks] | rejected[blocks]]
        here = (samples // block >= blocks[0]) & (samples // block <= blocks[-1]) if blocks.size else samples < 0
        if open_blocks.size == 0 or np.count_nonzero(agreed & here) < _FEWEST_AGREED:
            continue
        fit, first = _fit(signal, samples[agreed & here], mask, blocks, block)
        for number in open_blocks:
            found, rejected[number] = _search(
                fit[number * block - first : (number + 1) * block - first], signal.rate_hz, was=bool(rejected[number])
            )
            inside = samples // block == number
            kept = samples[inside & agreed]
            found = found + number * block
            lone = kept[~_near(kept, found, REFRACTORY_S * signal.rate_hz)]
            agreed = np.concatenate([agreed[~inside], np.zeros(found.size, dtype=np.bool_), lone >= 0])
            samples = np.concatenate([samples[~inside], found, lone])
            order = np.argsort(samples, kind="stable")
            samples, agreed = samples[order], agreed[order]
    return samples, rejected


def _fit(
    signal: Signal, beats: NDArray[np.int64], mask: NDArray[np.bool_], blocks: NDArray[np.int64], block: int
) -> tuple[NDArray[np.float64], int]:
    """How far each sample of some blocks is like the usual beat there: 1 on one; and the first of these samples."""
    from scipy import signal as dsp

    first, stop = int(blocks[0]) * block, min((int(blocks[-1]) + 1) * block, signal.n_samples)
    low, high = first - round(_MARGIN_S * signal.rate_hz), stop + round(_MARGIN_S * signal.rate_hz)
    low, high = max(0, low), min(signal.n_samples, high)
    searched = mask[low:high].T
    band = dsp.butter(2, QRS_BAND_HZ, btype="bandpass", fs=signal.rate_hz, output="sos")
    values = dsp.sosfiltfilt(band, np.where(searched, signal.values[low:high].T, 0.0), axis=-1)
    half = round(_HALF_S * signal.rate_hz)
    beats = beats[(beats >= low + half) & (beats < high - half)] - low
    number = np.arange(low, high) // block - blocks[0]
    number = number.clip(0, blocks.size - 1)
    above, below = np.zeros(high - low), np.zeros(high - low)
    for wave, there in zip(values, searched, strict=True):
        usable = beats[there[beats]]
        if usable.size < _FEWEST_AGREED:
            continue
        usual = np.median(wave[usable[:, None] + np.arange(-half, half + 1)], axis=0)
        noise = np.array([_noise(wave[there & (number == k)]) for k in range(blocks.size)])
        weight = there / noise[number]
        above += weight * np.correlate(wave, usual, mode="same")
        below += weight * float(usual @ usual)
    fit = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return fit[first - low : stop - low], first


def _noise(wave: NDArray[np.float64]) -> float:
    """Power of what lies between beats; infinite where there is nothing, so that the lead has no say."""
    power = float(np.median(np.abs(wave))) ** 2 if wave.size else 0.0
    return power if power > 0 else float("inf")


def _search(fit: NDArray[np.float64], rate_hz: float, *, was: bool) -> tuple[NDArray[np.int64], bool]:
    """Beats of one block, and whether it is given up, which it only can be if it was before."""
    from scipy import signal as dsp

    peaks, _ = dsp.find_peaks(fit, height=_GREY_FIT, distance=max(1, round(REFRACTORY_S * rate_hz)))
    heights = fit[peaks]
    beats = peaks[heights >= _BEAT_FIT].astype(np.int64)
    if not was:
        return beats, False
    sure = np.count_nonzero(heights >= _SURE_FIT)
    intervals = np.diff(beats)
    clear = (
        sure >= _FEWEST_BEATS
        and peaks.size - sure <= _MAX_GREY * sure
        and intervals.max() < _MAX_RR_RATIO * intervals.min()
    )
    return (beats, False) if clear else (beats[:0], True)


def _near(beats: NDArray[np.int64], others: NDArray[np.int64], reach: float) -> NDArray[np.bool_]:
    """Which beats have another one within ``reach`` samples."""
    if others.size == 0:
        return np.zeros(beats.size, dtype=np.bool_)
    place = np.searchsorted(others, beats)
    before = np.abs(beats - others[np.maximum(place - 1, 0)])
    after = np.abs(beats - others[np.minimum(place, others.size - 1)])
    return np.asarray(np.minimum(before, after) < reach)
