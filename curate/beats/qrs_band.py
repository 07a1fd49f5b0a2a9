"""Two detectors on one lead; where they differ, once more in the band of the QRS, which moving electrodes spare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.beats.detectors import agreement_per_block, neurokit, pan_tompkins
from curate.beats.score import pair_beats
from curate.signals.signal import runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PARAMETERS", "QRS_BAND_HZ", "LeadSearch", "in_qrs_band", "main_direction", "search", "search_again"]

QRS_BAND_HZ = (8.0, 30.0)
"""Most of a QRS lies in it, and most of what moving electrodes give lies below."""

_DIRECTION_S = 2.0
_MAX_UNEVEN = 0.15

PARAMETERS = {"band_hz": list(QRS_BAND_HZ), "max_uneven": _MAX_UNEVEN}
"""What ``search_again`` runs with, for the history of what it found."""


def in_qrs_band(values: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Filter to 8-30 Hz along the last axis, forward and backward; finite values, any number of leads."""
    from scipy import signal as dsp

    band = dsp.butter(2, QRS_BAND_HZ, btype="bandpass", fs=rate_hz, output="sos")
    return np.asarray(dsp.sosfiltfilt(band, values, axis=-1, padlen=min(round(rate_hz), values.shape[-1] - 1)))


def main_direction(values: NDArray[np.float64], rate_hz: float) -> int:
    """Which way the largest waves of a lead point: 1 or −1, as most two-second stretches of these values have it."""
    width = round(_DIRECTION_S * rate_hz)
    blocks = values[: values.size // width * width].reshape(-1, width)
    if blocks.size == 0:
        return 1
    # A quarter of the samples is plenty for the middle of each stretch.
    centre = np.median(blocks[:, ::4], axis=1)
    return 1 if np.median(blocks.max(axis=1) + blocks.min(axis=1) - 2 * centre) >= 0 else -1


@dataclass(frozen=True, kw_only=True)
class LeadSearch:
    """What two detectors made of one lead.

    Attributes:
        upright: what was searched, R pointing up: the cleaned lead, or its 8-30 Hz where these served better; shape
            (n_samples,).
        first: beats by the first detector, sample indices, rising.
        second: beats by the second one.
        agreement: how far they agree, shape (n_blocks,), see ``agreement_per_block``.
    """

    upright: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    agreement: NDArray[np.float64]


def search(
    upright: NDArray[np.float64], mask: NDArray[np.bool_], *, block: int, n_blocks: int, rate_hz: float
) -> LeadSearch:
    """Let both detectors search one lead.

    Args:
        upright: cleaned, R pointing up, shape (n_samples,).
        mask: where it may be searched.
        block: samples per block.
        n_blocks: how many blocks.
        rate_hz: samples per second.
    """
    runs = [(upright[start:stop], start) for start, stop in runs_of(mask)]
    first = _join([pan_tompkins(run, rate_hz) + start for run, start in runs])
    second = _join([neurokit(run, rate_hz) + start for run, start in runs])
    agreement = agreement_per_block(first, second, block=block, n_blocks=n_blocks, rate_hz=rate_hz)
    return LeadSearch(upright=upright, first=first, second=second, agreement=agreement)


def search_again(
    once: LeadSearch, mask: NDArray[np.bool_], *, doubted: NDArray[np.bool_], block: int, rate_hz: float
) -> LeadSearch:
    """Let both detectors look again at some blocks of a lead, in 8-30 Hz.

    A block takes the new beats where they agree better than the old ones did, and those that both saw follow one
    another evenly: half of all intervals differ from the one before by no more than 15 % of the usual interval. What
    shakes an electrode shakes it for both detectors, so that agreement alone would let the blows of a runner's steps
    pass; on two recordings of runners whose beats are lost throughout they differ by 20 to 70 %, on simulated hearts
    in noise of −6 dB by up to 14 %. The detectors are shown the blocks beside it too, to learn from.

    Elgendi 2013 (doi:10.1371/journal.pone.0073557) finds 8-20 Hz to serve detectors best; 30 Hz is ours: noise agrees
    less by chance there, see ``docs/quality.md``.
    """
    if not doubted.any():
        return once
    shown = doubted.copy()
    shown[1:] |= doubted[:-1]
    shown[:-1] |= doubted[1:]
    upright = once.upright.copy()
    firsts, seconds = [], []
    for start, stop in runs_of(mask & np.repeat(shown, block)[: mask.size]):
        if stop - start < rate_hz:
            continue
        part = in_qrs_band(once.upright[start:stop], rate_hz)
        part *= main_direction(part, rate_hz)
        upright[start:stop] = part
        firsts.append(pan_tompkins(part, rate_hz) + start)
        seconds.append(neurokit(part, rate_hz) + start)
    first, second = _join(firsts), _join(seconds)
    found = agreement_per_block(first, second, block=block, n_blocks=doubted.size, rate_hz=rate_hz)
    both = first[pair_beats(first, second, rate_hz=rate_hz)[:, 0]]
    better = doubted & (found > once.agreement)
    for number in np.flatnonzero(better):
        better[number] = _even(both[both // block == number])
    return LeadSearch(
        upright=np.where(np.repeat(better, block)[: mask.size], upright, once.upright),
        first=_exchange(once.first, first, better, block),
        second=_exchange(once.second, second, better, block),
        agreement=np.where(better, found, once.agreement),
    )


def _join(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _even(beats: NDArray[np.int64]) -> bool:
    """Whether beats follow one another as evenly as a heart's; never with fewer than four."""
    intervals = np.diff(beats)
    if intervals.size < 3:
        return False
    return bool(np.median(np.abs(np.diff(intervals))) <= _MAX_UNEVEN * np.median(intervals))


def _exchange(
    old: NDArray[np.int64], new: NDArray[np.int64], blocks: NDArray[np.bool_], block: int
) -> NDArray[np.int64]:
    """Beats with those of some blocks taken from another list."""
    return np.sort(np.concatenate([old[~blocks[old // block]], new[blocks[new // block]]]))
