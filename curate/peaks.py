"""R peaks: where the heart beats, on any number of leads.

Each lead is searched by sleepecg's detector, where there is something to search; the leads then vote, a lead's voice
being as strong as its agreement with a second, unrelated detector; a beat is set on the extremum of the best lead
nearby. Where the detectors or the leads disagree, the shape of the beats around that they agree on has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.beats_score import pair_beats
from curate.combine import settle
from curate.detectors import REFRACTORY_S, agreement_per_block, neurokit, pan_tompkins
from curate.errors import SignalError
from curate.gate import searchable
from curate.signal import Signal, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REFRACTORY_S", "Beats", "find_r_peaks"]

_MIN_RATE_HZ = 100.0
_SAME_BEAT_S = 0.1
_REFINE_S = 0.06
_WEIGHT_BLOCK_S = 10.0
_DOUBTED_AGREEMENT = 0.5
_TRUSTED_AGREEMENT = 0.75
_VOICE_POWER = 4
_MAJORITY = 0.5
_MINORITY = 1 / 6


@dataclass(frozen=True, kw_only=True)
class Beats:
    """Where a record beats.

    Attributes:
        samples: the R peaks, sample indices of the signal they were found in, strictly rising, shape (n,).
        lead: the lead that most of them were set on; "" without beats.
        polarity: 1 where R points up in that lead, −1 where it points down.
        rejected: half-open ranges that no lead could be searched in (missing, flat, stuck, noise), shape (k, 2).
        by_lead: what the first detector found in each lead alone; for agreement indices.
        by_lead_second: what the second one found.
    """

    samples: NDArray[np.int64]
    lead: str
    polarity: int
    rejected: NDArray[np.int64]
    by_lead: tuple[NDArray[np.int64], ...]
    by_lead_second: tuple[NDArray[np.int64], ...]


def find_r_peaks(signal: Signal, *, raw: Signal | None = None) -> Beats:
    """Find the R peaks of a cleaned record.

    1. Gate: samples that are missing, stuck at one value for half a second in ``raw`` (a flat line or a rail), or in a
       second that moves less than 5 % of what the lead usually moves, are not searched, and neither are runs under 3
       s. This keeps NaN and flat stretches, which sleepecg and others stumble over, away from the detectors.
    2. Each lead is searched by ``pan_tompkins`` (sleepecg) and by ``neurokit`` (NeuroKit).
    3. Ten-second blocks where the detectors agree in less than half of the beats on every lead hold no rhythm that
       could be found: they are rejected. So is a stretch of blocks above that without a single one where they agree in
       three quarters (pure noise gives 0.35 to 0.7 by chance).
    4. Detections within 0.1 s of one another are one candidate. It is a beat when the leads that saw it carry at least
       half the weight of the leads that could have; a lead's weight in a block is that agreement to the fourth power,
       so that one clean lead outvotes two noisy ones.
    5. A beat is moved to the extremum, in the lead's main direction, within 60 ms in the most prominent lead that was
       searchable there. Of two beats closer than 0.2 s the larger stays.
    6. Blocks in which the detectors differ, or a sixth of the leads' weight was outvoted, and blocks rejected in step 3
       are searched again by ``curate.combine.settle`` for the shape of the beats that both detectors saw nearby.

    Args:
        signal: cleaned; shape (n_samples, n_leads), at least 100 samples per second; any unit.
        raw: the same leads before cleaning, to see stuck values; None where there is none.

    Returns:
        The beats; none on a record that is flat, missing or noise.

    Raises:
        SignalError: the rate is too low, or ``raw`` does not match.

    Steps 3 and 4 and all their limits are ours; the detectors' sources stand with them.
    """
    rate_hz = signal.rate_hz
    if rate_hz < _MIN_RATE_HZ:
        raise SignalError(f"R peaks need at least {_MIN_RATE_HZ:g} samples per second; the signal has {rate_hz:g}.")
    if raw is not None and raw.values.shape != signal.values.shape:
        raise SignalError(
            f"The raw signal has shape {raw.values.shape}, the cleaned one {signal.values.shape}; give both alike."
        )
    mask = searchable(signal, raw=raw)
    directions = [_direction(signal.values[:, lead], mask[:, lead], rate_hz) for lead in range(signal.n_leads)]
    first: list[NDArray[np.int64]] = []
    second: list[NDArray[np.int64]] = []
    for lead, direction in enumerate(directions):
        upright = signal.values[:, lead] * direction
        runs = runs_of(mask[:, lead])
        first.append(_join([pan_tompkins(upright[a:b], rate_hz) + a for a, b in runs]))
        second.append(_join([neurokit(upright[a:b], rate_hz) + a for a, b in runs]))

    block = max(1, round(_WEIGHT_BLOCK_S * rate_hz))
    agreement = _agreement(first, second, block=block, n_blocks=-(-signal.n_samples // block), rate_hz=rate_hz)
    hopeless = _hopeless(agreement)
    candidates, outvoted = _vote(first, mask, agreement**_VOICE_POWER, block, round(_SAME_BEAT_S * rate_hz))
    candidates = candidates[~hopeless[candidates // block]]
    disputed = agreement.max(axis=1, initial=0.0) < 1.0
    disputed[outvoted // block] = True
    ranks = _by_prominence(signal, candidates, mask)
    samples = _refine(signal, candidates, mask, ranks, directions)
    samples, hopeless = settle(
        signal,
        samples,
        agreed=_agreed(samples, first, second, agreement, block, rate_hz),
        mask=mask,
        disputed=disputed,
        rejected=hopeless,
        block=block,
    )
    rejected = runs_of(~mask.any(axis=1) | np.repeat(hopeless, block)[: signal.n_samples])
    return Beats(
        samples=samples,
        lead=signal.leads[ranks[0]] if samples.size else "",
        polarity=directions[ranks[0]] if samples.size else 1,
        rejected=rejected,
        by_lead=tuple(first),
        by_lead_second=tuple(second),
    )


def _direction(values: NDArray[np.float64], mask: NDArray[np.bool_], rate_hz: float) -> int:
    """Which way the largest waves of a lead point: 1 or −1, as most two-second stretches have it."""
    usable = values[mask]
    width = round(2 * rate_hz)
    blocks = usable[: usable.size // width * width].reshape(-1, width)
    if blocks.size == 0:
        return 1
    centre = np.median(blocks, axis=1)
    return 1 if np.median(blocks.max(axis=1) + blocks.min(axis=1) - 2 * centre) >= 0 else -1


def _join(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _agreement(
    first: list[NDArray[np.int64]], second: list[NDArray[np.int64]], *, block: int, n_blocks: int, rate_hz: float
) -> NDArray[np.float64]:
    """How far the detectors agree, shape (n_blocks, n_leads)."""
    table = np.zeros((n_blocks, len(first)))
    for lead, (ours, theirs) in enumerate(zip(first, second, strict=True)):
        table[:, lead] = agreement_per_block(ours, theirs, block=block, n_blocks=n_blocks, rate_hz=rate_hz)
    return table


def _agreed(
    samples: NDArray[np.int64],
    first: list[NDArray[np.int64]],
    second: list[NDArray[np.int64]],
    agreement: NDArray[np.float64],
    block: int,
    rate_hz: float,
) -> NDArray[np.bool_]:
    """Which beats both detectors saw in one lead at least, of those where they are not merely guessing."""
    seen = np.zeros(samples.size, dtype=np.bool_)
    for lead, (ours, theirs) in enumerate(zip(first, second, strict=True)):
        both = ours[pair_beats(ours, theirs, rate_hz=rate_hz)[:, 0]]
        both = both[agreement[both // block, lead] >= _DOUBTED_AGREEMENT]
        seen[pair_beats(samples, both, rate_hz=rate_hz, tolerance_s=_SAME_BEAT_S)[:, 0]] = True
    return seen


def _hopeless(agreement: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which blocks to reject: all but stretches that are never below the lower limit and once above the upper."""
    best = agreement.max(axis=1, initial=0.0)
    hopeless = np.ones(best.shape, dtype=np.bool_)
    for start, stop in runs_of(best >= _DOUBTED_AGREEMENT):
        hopeless[start:stop] = best[start:stop].max() < _TRUSTED_AGREEMENT
    return hopeless


def _vote(
    found: list[NDArray[np.int64]],
    mask: NDArray[np.bool_],
    weights: NDArray[np.float64],
    block: int,
    same_beat: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join what the leads found into candidates, and keep those that carry half the weight that there was.

    Args:
        found: sample indices per lead.
        mask: shape (n_samples, n_leads), where each lead was searched.
        weights: shape (n_blocks, n_leads).
        block: samples per block.
        same_beat: how far apart two detections of one beat may lie.

    Returns:
        Rising sample indices, the weighted mean of the detections of each beat; and of those outvoted that a sixth of
        the weight was for.
    """
    samples = _join(found)
    leads = np.repeat(np.arange(len(found)), [beats.size for beats in found])
    if samples.size == 0:
        return samples, samples
    order = np.argsort(samples, kind="stable")
    samples, leads = samples[order], leads[order]
    first = np.flatnonzero(np.diff(samples, prepend=samples[0] - same_beat - 1) > same_beat)
    group = np.zeros(samples.size, dtype=np.int64)
    group[first] = 1
    group = np.cumsum(group) - 1
    # A tiny weight for every voice, so that a block in which no lead is sure still has a centre.
    voice = weights[samples // block, leads] + 1e-9
    seen = np.zeros((first.size, len(found)))
    seen[group, leads] = voice
    centre = np.bincount(group, weights=samples * voice) / np.bincount(group, weights=voice)
    at: NDArray[np.int64] = np.round(centre).astype(np.int64)
    possible = np.where(mask[at], weights[at // block] + 1e-9, 0.0)
    share = seen.sum(axis=1) / np.maximum(possible.sum(axis=1), 1e-12)
    return at[share >= _MAJORITY], at[(share < _MAJORITY) & (share >= _MINORITY)]


def _by_prominence(signal: Signal, beats: NDArray[np.int64], mask: NDArray[np.bool_]) -> list[int]:
    """Order the leads by how far their beats stand out of what lies between them."""
    prominence = []
    for lead in range(signal.n_leads):
        there = mask[:, lead]
        spread = np.median(np.abs(signal.values[there, lead][::7])) if there.any() else 0.0
        here = beats[there[beats]] if beats.size else beats
        height = np.median(np.abs(signal.values[here, lead])) if here.size else 0.0
        prominence.append(height / spread if spread > 0 else 0.0)
    return sorted(range(signal.n_leads), key=lambda lead: -prominence[lead])


def _refine(
    signal: Signal, beats: NDArray[np.int64], mask: NDArray[np.bool_], ranks: list[int], directions: list[int]
) -> NDArray[np.int64]:
    """Move beats to the extremum nearby, and drop the smaller of two that are too close."""
    if beats.size == 0:
        return beats
    reach = max(1, round(_REFINE_S * signal.rate_hz))
    around = np.clip(beats[:, None] + np.arange(-reach, reach + 1), 0, signal.n_samples - 1)
    samples = beats.copy()
    height = np.zeros(beats.size)
    open_beats = np.ones(beats.size, dtype=np.bool_)
    for lead in ranks:
        here = open_beats & mask[beats, lead]
        if here.any():
            nearby = around[here]
            waves = np.where(mask[nearby, lead], signal.values[nearby, lead] * directions[lead], -np.inf)
            best = waves.argmax(axis=1)
            samples[here] = nearby[np.arange(best.size), best]
            height[here] = waves[np.arange(best.size), best]
            open_beats &= ~here
    order = np.argsort(samples, kind="stable")
    samples, height = samples[order], height[order]
    refractory = REFRACTORY_S * signal.rate_hz
    while samples.size > 1 and (close := np.flatnonzero(np.diff(samples) < refractory)).size:
        # Every second clash only: dropping a beat may settle its neighbour's clash too.
        close = close[np.diff(close, prepend=-2) > 1]
        losers = close + (height[close] >= height[close + 1])
        keep = np.ones(samples.size, dtype=np.bool_)
        keep[losers] = False
        samples, height = samples[keep], height[keep]
    return samples
