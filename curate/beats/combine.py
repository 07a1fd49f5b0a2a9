"""Where two detectors of beats disagree, the shape that they agree on nearby decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.beats.detectors import REFRACTORY_S
from curate.beats.qrs_band import in_qrs_band

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.signals.signal import Signal

__all__ = ["PARAMETERS", "settle"]

_PART_S = 60.0
_MARGIN_S = 1.0
_HALF_S = 0.08
_FEWEST_AGREED = 8
_BEAT_FIT = 0.45
_SURE_FIT = 0.6
_GREY_FIT = 0.35
_MAX_GREY = 0.25
_FEWEST_BEATS = 5
_MAX_RR_RATIO = 2.2
_GAP = (1.6, 2.4)
_GAP_AROUND = 4
_GAP_FIT = 0.25
_GAP_CLEAR = 1.5
_GAP_OFF = 0.15

PARAMETERS = {
    "part_s": _PART_S,
    "half_s": _HALF_S,
    "fewest_agreed": _FEWEST_AGREED,
    "beat_fit": _BEAT_FIT,
    "sure_fit": _SURE_FIT,
    "grey_fit": _GREY_FIT,
    "max_grey": _MAX_GREY,
    "fewest_beats": _FEWEST_BEATS,
    "max_rr_ratio": _MAX_RR_RATIO,
    "gap": list(_GAP),
    "gap_around": _GAP_AROUND,
    "gap_fit": _GAP_FIT,
    "gap_clear": _GAP_CLEAR,
    "gap_off": _GAP_OFF,
}
"""What ``settle`` runs with, for the history of what it found."""


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
    1 where the usual beat stands (a matched filter). In a disputed block, beats are the peaks of this sum above 0.45,
    and those beats that both detectors saw although they look different, as ectopic ones do. A block that was
    rejected is taken back where these peaks stand clear of the rest: at most one peak in the grey between 0.35 and 0.6
    to four above, at least five of these, and the longest interval less than 2.2 times the shortest.

    Where an interval is as long as two (1.6 to 2.4 times the median of nine around it), the sum is looked at once more:
    a beat that a clipped wave or an artefact hid from both detectors is taken where the sum has its highest peak of all
    between the two beats, above 0.25 and 1.5 times as high as anything else there, within 15 % of an interval from the
    middle. A pause has no such peak and stays one.

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

    A minute without trusted beats is not searched, though its doubtful beats might have a shape in common: tried on the
    motion of a body without a heart, that found ten beats a minute.

    The method is the matched filter of the textbooks; the limits are ours, see ``benchmarks.r_peaks``.
    """
    rejected = rejected.copy()
    refractory = REFRACTORY_S * signal.rate_hz
    disputed = disputed.copy()
    disputed[(samples[:-1] + samples[1:])[_double(samples)] // 2 // block] = True
    parts = max(1, round(rejected.size * block / (_PART_S * signal.rate_hz)))
    for blocks in np.array_split(np.arange(rejected.size), parts):
        open_blocks = blocks[disputed[blocks] | rejected[blocks]]
        here = (samples // block >= blocks[0]) & (samples // block <= blocks[-1]) if blocks.size else samples < 0
        if open_blocks.size == 0 or np.count_nonzero(agreed & here) < _FEWEST_AGREED:
            continue
        fit, start = _fit(signal, samples[agreed & here], mask, blocks, block)
        peaks, heights = _peaks(fit, start, signal.rate_hz)
        for number in open_blocks:
            there = peaks // block == number
            found = peaks[there & (heights >= _BEAT_FIT)]
            if rejected[number]:
                rejected[number] = not _clear(found, heights[there])
                found = found[:0] if rejected[number] else found
            inside = samples // block == number
            # A beat on the border may stand in the block beside this one already.
            found = found[~_near(found, samples[~inside], refractory)]
            kept = samples[inside & agreed]
            lone = kept[~_near(kept, found, refractory)]
            agreed = np.concatenate([agreed[~inside], np.zeros(found.size, dtype=np.bool_), lone >= 0])
            samples = np.concatenate([samples[~inside], found, lone])
            order = np.argsort(samples, kind="stable")
            samples, agreed = samples[order], agreed[order]
        hidden = _hidden(samples, fit, start, round(refractory))
        hidden = hidden[~rejected[hidden // block]]
        order = np.argsort(np.concatenate([samples, hidden]), kind="stable")
        samples = np.concatenate([samples, hidden])[order]
        agreed = np.concatenate([agreed, np.zeros(hidden.size, dtype=np.bool_)])[order]
    return samples, rejected


def _double(samples: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which intervals are as long as two of those around them."""
    intervals = np.diff(samples)
    if intervals.size <= _GAP_AROUND:
        return np.zeros(intervals.size, dtype=np.bool_)
    padded = np.pad(intervals, _GAP_AROUND, mode="reflect")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _GAP_AROUND + 1), axis=1)
    return np.asarray((intervals >= _GAP[0] * usual) & (intervals <= _GAP[1] * usual))


def _hidden(samples: NDArray[np.int64], fit: NDArray[np.float64], start: int, refractory: int) -> NDArray[np.int64]:
    """Beats in the middle of double intervals that the fit, which begins at sample ``start``, speaks for."""
    found = []
    for place in np.flatnonzero(_double(samples)):
        before, after = int(samples[place]), int(samples[place + 1])
        if before < start or after > start + fit.size:
            continue
        between = fit[before + refractory - start : after - refractory - start]
        at = int(between.argmax()) if between.size else 0
        peak = before + refractory + at
        if not between.size or abs(peak - (before + after) / 2) > _GAP_OFF * (after - before) / 2:
            continue
        rest = np.concatenate([between[: max(0, at - refractory)], between[at + refractory :]])
        if between[at] >= max(_GAP_FIT, _GAP_CLEAR * rest.max(initial=0.0)):
            found.append(peak)
    return np.array(found, dtype=np.int64)


def _fit(
    signal: Signal, beats: NDArray[np.int64], mask: NDArray[np.bool_], blocks: NDArray[np.int64], block: int
) -> tuple[NDArray[np.float64], int]:
    """How far each sample of some blocks is like the usual beat there: 1 on one; and the first of these samples."""
    first, stop = int(blocks[0]) * block, min((int(blocks[-1]) + 1) * block, signal.n_samples)
    low, high = first - round(_MARGIN_S * signal.rate_hz), stop + round(_MARGIN_S * signal.rate_hz)
    low, high = max(0, low), min(signal.n_samples, high)
    searched = mask[low:high].T
    values = in_qrs_band(np.where(searched, signal.values[low:high].T, 0.0), signal.rate_hz)
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


def _peaks(fit: NDArray[np.float64], first: int, rate_hz: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where the fit peaks above the least that is looked at, as sample indices of the record, and how high."""
    from scipy import signal as dsp

    peaks, _ = dsp.find_peaks(fit, height=_GREY_FIT, distance=max(1, round(REFRACTORY_S * rate_hz)))
    return peaks.astype(np.int64) + first, fit[peaks]


def _clear(beats: NDArray[np.int64], heights: NDArray[np.float64]) -> bool:
    """Whether a block's beats stand clear of all that is no beat, given the heights of all its peaks."""
    sure = np.count_nonzero(heights >= _SURE_FIT)
    if sure < _FEWEST_BEATS or heights.size - sure > _MAX_GREY * sure:
        return False
    intervals = np.diff(beats)
    return bool(intervals.max() < _MAX_RR_RATIO * intervals.min())


def _near(beats: NDArray[np.int64], others: NDArray[np.int64], reach: float) -> NDArray[np.bool_]:
    """Which beats have another one within ``reach`` samples."""
    if others.size == 0:
        return np.zeros(beats.size, dtype=np.bool_)
    place = np.searchsorted(others, beats)
    before = np.abs(beats - others[np.maximum(place - 1, 0)])
    after = np.abs(beats - others[np.minimum(place, others.size - 1)])
    return np.asarray(np.minimum(before, after) < reach)
