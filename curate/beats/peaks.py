"""R peaks: where the heart beats, on any number of leads.

Each lead is searched by two unrelated detectors, where there is something to search, and once more in the band of the
QRS where they differ; the leads then vote, a lead's voice being as strong as its detectors' agreement; a beat is set on
the extremum of the best lead nearby. Where doubt remains, the shape of the beats that are agreed on has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from curate.beats import combine, detectors, qrs_band
from curate.beats.combine import settle
from curate.beats.detectors import REFRACTORY_S, TRUSTED_AGREEMENT
from curate.beats.qrs_band import LeadSearch, main_direction, search, search_again
from curate.beats.score import pair_beats
from curate.errors import SignalError
from curate.signals import gate
from curate.signals.gate import searchable
from curate.signals.signal import Signal, Step, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REFRACTORY_S", "Beats", "find_r_peaks"]

_MIN_RATE_HZ = 100.0
_SAME_BEAT_S = 0.1
_REFINE_S = 0.06
_BLOCK_S = 10.0
_DOUBTED_AGREEMENT = 0.5
_FEWEST_TO_VOUCH = 4
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
        step: every parameter that they were found with, as a step in a signal's history.
    """

    samples: NDArray[np.int64]
    lead: str
    polarity: int
    rejected: NDArray[np.int64]
    by_lead: tuple[NDArray[np.int64], ...]
    by_lead_second: tuple[NDArray[np.int64], ...]
    step: Step = field(default_factory=dict)


def find_r_peaks(signal: Signal, *, raw: Signal | None = None) -> Beats:
    """Find the R peaks of a cleaned record.

    1. Gate: samples that are missing, stuck at one value for half a second in ``raw`` (a flat line or a rail), or in a
       second that moves less than 5 % of what the lead usually moves, are not searched, and neither are runs under 3
       s. This keeps NaN and flat stretches, which sleepecg and others stumble over, away from the detectors.
    2. Each lead is searched by ``pan_tompkins`` (sleepecg) and by ``neurokit`` (NeuroKit's method). Where they agree in
       less than three quarters of the beats of a block of about ten seconds, and in all of them on no other lead, they
       are asked again in 8-30 Hz, see ``curate.beats.qrs_band.search_again``.
    3. Blocks where the detectors agree in less than half of the beats on every lead hold no rhythm that could be found:
       they are rejected. So is a stretch of blocks above that without a single one where they agree in three quarters:
       what shakes electrodes makes them agree in 0.4 to 0.7.
    4. Detections within 0.1 s of one another are one candidate. It is a beat when the leads that saw it carry at least
       half the weight of the leads that could have; a lead's weight in a block is that agreement to the fourth power,
       so that one clean lead outvotes two noisy ones.
    5. A beat is moved to the extremum, in the lead's main direction, within 60 ms in the most prominent lead that the
       detectors agree in there; of its 8-30 Hz, where it was found in these. Of two beats closer than 0.2 s the larger
       stays.
    6. Blocks in which the detectors differ, or a sixth of the leads' weight was outvoted, and blocks rejected in step 3
       are searched again by ``curate.beats.combine.settle`` for the shape of the beats that both detectors saw nearby.

    Args:
        signal: cleaned; shape (n_samples, n_leads), at least 100 samples per second; any unit.
        raw: the same leads before cleaning, to see stuck values; None where there is none.

    Returns:
        The beats; none on a record that is flat, missing or noise.

    Raises:
        SignalError: the rate is too low, or ``raw`` does not match.

    Steps 2 to 6 and all their limits are ours; the detectors' sources stand with them. What came of it on signals with
    known beats stands in ``docs/quality.md``.
    """
    rate_hz = signal.rate_hz
    if rate_hz < _MIN_RATE_HZ:
        raise SignalError(f"R peaks need at least {_MIN_RATE_HZ:g} samples per second; the signal has {rate_hz:g}.")
    if raw is not None and raw.values.shape != signal.values.shape:
        raise SignalError(
            f"The raw signal has shape {raw.values.shape}, the cleaned one {signal.values.shape}; give both alike."
        )
    mask = searchable(signal, raw=raw)
    directions = [main_direction(signal.values[mask[:, lead], lead], rate_hz) for lead in range(signal.n_leads)]
    # Blocks of equal length: a short one at the end would be judged by a beat or two.
    n_blocks = max(1, round(signal.n_samples / (_BLOCK_S * rate_hz)))
    block = max(1, -(-signal.n_samples // n_blocks))
    once = [
        search(signal.values[:, lead] * direction, mask[:, lead], block=block, n_blocks=n_blocks, rate_hz=rate_hz)
        for lead, direction in enumerate(directions)
    ]
    # Where one lead leaves no doubt, the others are outvoted anyway.
    best = np.max([one.agreement for one in once], axis=0, initial=0.0)
    leads = [
        search_again(
            one,
            mask[:, lead],
            doubted=(one.agreement < TRUSTED_AGREEMENT) & (best < 1.0),
            block=block,
            rate_hz=rate_hz,
        )
        for lead, one in enumerate(once)
    ]
    first = [lead.first for lead in leads]
    agreement = np.stack([lead.agreement for lead in leads], axis=1) if leads else np.zeros((n_blocks, 0))
    upright = np.stack([lead.upright for lead in leads], axis=1) if leads else signal.values

    hopeless = _hopeless(agreement, _most_beats(first, block, n_blocks))
    candidates, outvoted = _vote(first, mask, agreement**_VOICE_POWER, block, round(_SAME_BEAT_S * rate_hz))
    candidates = candidates[~hopeless[candidates // block]]
    disputed = agreement.max(axis=1, initial=0.0) < 1.0
    disputed[outvoted // block] = True
    ranks = _by_prominence(upright, candidates, mask)
    trusted = np.repeat(agreement >= TRUSTED_AGREEMENT, block, axis=0)[: signal.n_samples]
    samples = _refine(upright, candidates, [mask & trusted, mask], ranks, rate_hz)
    samples, hopeless = settle(
        signal,
        samples,
        agreed=_agreed(samples, leads, block, rate_hz),
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
        by_lead=tuple(lead.first for lead in once),
        by_lead_second=tuple(lead.second for lead in once),
        step=_step(signal, raw),
    )


def _step(signal: Signal, raw: Signal | None) -> Step:
    return {
        "name": "find_r_peaks",
        "rate_hz": float(signal.rate_hz),
        "leads": list(signal.leads),
        "gate": {**gate.PARAMETERS, "saw_raw": raw is not None},
        "detectors": {**detectors.PARAMETERS, "sleepecg": version("sleepecg")},
        "again": qrs_band.PARAMETERS,
        "vote": {
            "block_s": _BLOCK_S,
            "doubted_agreement": _DOUBTED_AGREEMENT,
            "trusted_agreement": TRUSTED_AGREEMENT,
            "fewest_to_vouch": _FEWEST_TO_VOUCH,
            "voice_power": _VOICE_POWER,
            "majority": _MAJORITY,
            "minority": _MINORITY,
            "same_beat_s": _SAME_BEAT_S,
            "refine_s": _REFINE_S,
        },
        "settle": combine.PARAMETERS,
    }


def _join(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _agreed(samples: NDArray[np.int64], leads: list[LeadSearch], block: int, rate_hz: float) -> NDArray[np.bool_]:
    """Which beats both detectors saw in one lead at least, of those where they are not merely guessing."""
    seen = np.zeros(samples.size, dtype=np.bool_)
    for lead in leads:
        both = lead.first[pair_beats(lead.first, lead.second, rate_hz=rate_hz)[:, 0]]
        both = both[lead.agreement[both // block] >= _DOUBTED_AGREEMENT]
        seen[pair_beats(samples, both, rate_hz=rate_hz, tolerance_s=_SAME_BEAT_S)[:, 0]] = True
    return seen


def _most_beats(first: list[NDArray[np.int64]], block: int, n_blocks: int) -> NDArray[np.int64]:
    """How many beats the lead with the most of them has in each block."""
    counts = [np.bincount(beats // block, minlength=n_blocks) for beats in first]
    return np.max(counts, axis=0, initial=0) if counts else np.zeros(n_blocks, dtype=np.int64)


def _hopeless(agreement: NDArray[np.float64], n_beats: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which blocks to reject: all but stretches that are never below the lower limit and once above the upper.

    A block of less than four beats, most of which is missing, does not vouch for the blocks beside it: in noise, three
    beats agree by chance now and then.
    """
    best = agreement.max(axis=1, initial=0.0)
    vouches = (best >= TRUSTED_AGREEMENT) & (n_beats >= _FEWEST_TO_VOUCH)
    hopeless = np.ones(best.shape, dtype=np.bool_)
    for start, stop in runs_of(best >= _DOUBTED_AGREEMENT):
        trusted = vouches[start:stop].any() or (stop - start == 1 and best[start] >= TRUSTED_AGREEMENT)
        hopeless[start:stop] = not trusted
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


def _by_prominence(upright: NDArray[np.float64], beats: NDArray[np.int64], mask: NDArray[np.bool_]) -> list[int]:
    """Order the leads by how far their beats stand out of what lies between them."""
    prominence = []
    for wave, there in zip(upright.T, mask.T, strict=True):
        spread = np.median(np.abs(wave[there][::7])) if there.any() else 0.0
        here = beats[there[beats]] if beats.size else beats
        height = np.median(np.abs(wave[here])) if here.size else 0.0
        prominence.append(height / spread if spread > 0 else 0.0)
    return sorted(range(len(prominence)), key=lambda lead: -prominence[lead])


def _refine(
    upright: NDArray[np.float64],
    beats: NDArray[np.int64],
    masks: list[NDArray[np.bool_]],
    ranks: list[int],
    rate_hz: float,
) -> NDArray[np.int64]:
    """Move beats to the highest point nearby, and drop the smaller of two that are too close.

    Args:
        upright: shape (n_samples, n_leads), R pointing up.
        beats: sample indices, rising.
        masks: where leads may be looked at, the best places first.
        ranks: which lead to prefer among those.
        rate_hz: samples per second.
    """
    if beats.size == 0:
        return beats
    reach = max(1, round(_REFINE_S * rate_hz))
    around = np.clip(beats[:, None] + np.arange(-reach, reach + 1), 0, len(upright) - 1)
    samples = beats.copy()
    height = np.zeros(beats.size)
    open_beats = np.ones(beats.size, dtype=np.bool_)
    for mask, lead in product(masks, ranks):
        here = open_beats & mask[beats, lead]
        if here.any():
            nearby = around[here]
            waves = np.where(mask[nearby, lead], upright[nearby, lead], -np.inf)
            best = waves.argmax(axis=1)
            samples[here] = nearby[np.arange(best.size), best]
            height[here] = waves[np.arange(best.size), best]
            open_beats &= ~here
    order = np.argsort(samples, kind="stable")
    samples, height = samples[order], height[order]
    refractory = REFRACTORY_S * rate_hz
    while samples.size > 1 and (close := np.flatnonzero(np.diff(samples) < refractory)).size:
        # Every second clash only: dropping a beat may settle its neighbour's clash too.
        close = close[np.diff(close, prepend=-2) > 1]
        losers = close + (height[close] >= height[close + 1])
        keep = np.ones(samples.size, dtype=np.bool_)
        keep[losers] = False
        samples, height = samples[keep], height[keep]
    return samples
