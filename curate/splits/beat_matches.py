"""Find recordings that share heart beats, whatever their rates, gains, leads and boards.

No two hearts, and no heart twice, keep the same irregular rhythm to a few milliseconds. Recordings that do so over many
beats hold the same beats: one is a copy of the other, resampled or filtered or cut perhaps, or two boards recorded one
person at once. Where a rhythm hardly varies it tells nothing, and nobody is accused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.spatial import KDTree

from curate.splits.content_prints import BEATS, PICTURE, PICTURE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BeatMatch", "shared_beats"]

GRAM: Final = 8
"""Intervals in the short sequences that are looked up."""

_SHORTEST_S, _LONGEST_S = 0.25, 2.5
_CHOSEN_AMONG = 5
_NEIGHBOURS = 6
_REACH = 0.006
_INEXACT = 0.5
_LEAST_SPREAD = 0.004
_MOST_STEP = 0.15
_LEAST_VOTES = 3
_SAME_SHIFT_S = 0.3
_DEVIATION_S = 0.015
_LEAST_RUN = 12
_OTHER_LAGS = 12
_FLOOR_S = 0.0005
_LEAST_EVIDENCE = 40.0
_LEAST_PER_LOG_BEATS = 5.0
_LEAST_PER_INTERVAL = 1.0
_ALIKE = 0.7
_MEAN_BEAT_BINS = 60
_MEAN_BEAT_S = 1.2
_NEAR_BEAT_S = 0.12


@dataclass(frozen=True, kw_only=True)
class BeatMatch:
    """A stretch of beats that two recordings share.

    Attributes:
        one: the first recording.
        other: the second.
        start_s: where the longest unbroken stretch begins in the first.
        other_start_s: where it begins in the second.
        seconds: how long that is, in the first.
        n_intervals: beat-to-beat intervals that agree, in all stretches together.
        evidence: logarithm (base e) of how much better they agree than the same intervals do some beats off.
        likeness: correlation of the two signals over the stretch, mean beats taken away, over the best pair of
            channels.
    """

    one: str
    other: str
    start_s: float
    other_start_s: float
    seconds: float
    n_intervals: int
    evidence: float
    likeness: float

    @property
    def same_signal(self) -> bool:
        """Whether the signals agree between the beats too: a copy, not a second board."""
        return self.likeness >= _ALIKE


@dataclass(frozen=True, kw_only=True)
class _Rhythm:
    """A recording's beats.

    Attributes:
        times_s: instants, shape (n,).
        logs: logarithms of the intervals, shape (n − 1,); NaN where one is no heart beat's.
    """

    times_s: NDArray[np.float64]
    logs: NDArray[np.float64]

    @classmethod
    def of(cls, beats_us: NDArray[np.int64]) -> _Rhythm:
        times_s = np.sort(np.asarray(beats_us, dtype=np.float64)) * 1e-6
        intervals = np.diff(times_s)
        known = (intervals >= _SHORTEST_S) & (intervals <= _LONGEST_S)
        logs = np.full(intervals.shape, np.nan)
        logs[known] = np.log(intervals[known])
        return cls(times_s=times_s, logs=logs)


def shared_beats(prints: Mapping[str, Mapping[str, NDArray[Any]]]) -> Iterator[BeatMatch]:
    """Find pairs of recordings that share a stretch of heart beats.

    1. Every sequence of 8 intervals becomes a point: logarithms less their mean, so that a wrong sampling rate does not
       matter. Of five in a row the one that varies most is taken, unless it hardly varies either.
    2. Each looks up its nearest neighbours in a k-d tree. Three of them in another recording that agree, to 0.3 s, on
       how far the two recordings' beginnings lie apart make a candidate.
    3. A candidate is followed to both sides as long as intervals agree to 15 ms, beyond a missed beat from the next
       neighbours on. Its evidence is the sum over the
       intervals of the logarithm of how much better they agree than at best when one recording is moved by 1 to 12
       beats: a rhythm that repeats itself, or does not vary, gives none.
    4. A match needs evidence of 1 for each interval, and in all of 40 or, where that is more, of five times the
       logarithm of how many beats there are to compare: 58 for a hundred thousand. Copies of a minute have 200 and 2.5.
       Different people reach 31 among 75 000 beats of 200 simulated people, and 47 among 480 000; hundreds of made-up
       hearts of one regular kind (paced, bigeminal, breathing to a metronome) reach 26.

    Whether the signals agree too says whether it is a copy or a second board, and does not decide: a second board's
    electrodes see another signal of the same beats. The limits are ours, set on 100 wearable recordings, on 200
    simulated people and on copies of both.

    Args:
        prints: recording → its ``content_prints``. Pictures are only asked for of recordings that match.

    Yields:
        One match for each pair, the strongest stretch, in the order of the names.
    """
    names = sorted(name for name in prints if BEATS in prints[name])
    rhythms = [_Rhythm.of(prints[name][BEATS]) for name in names]
    n_beats = sum(rhythm.times_s.size for rhythm in rhythms)
    # The more there is to compare, the better the best chance agreement.
    least_in_all = max(_LEAST_EVIDENCE, _LEAST_PER_LOG_BEATS * float(np.log(max(n_beats, 1))))
    best: dict[tuple[int, int], tuple[float, list[_Run]]] = {}
    for one, other, votes in _candidates(rhythms):
        runs = _runs(rhythms[one], rhythms[other], votes)
        evidence = sum(run.evidence for run in runs)
        least = max(least_in_all, _LEAST_PER_INTERVAL * sum(run.n_intervals for run in runs))
        if evidence >= max(least, best.get((one, other), (0.0, []))[0]):
            best[one, other] = evidence, runs
    for (one, other), (evidence, runs) in sorted(best.items()):
        longest = max(runs, key=lambda run: run.n_intervals)
        here_s = rhythms[one].times_s[longest.start : longest.stop + 1]
        there_s = rhythms[other].times_s[longest.start + longest.offset : longest.stop + longest.offset + 1]
        yield BeatMatch(
            one=names[one],
            other=names[other],
            start_s=float(here_s[0]),
            other_start_s=float(there_s[0]),
            seconds=float(here_s[-1] - here_s[0]),
            n_intervals=sum(run.n_intervals for run in runs),
            evidence=evidence,
            likeness=_likeness(prints[names[one]], prints[names[other]], here_s, there_s),
        )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Intervals ``[start, stop)`` of one recording that agree with those ``offset`` later of another."""

    offset: int
    start: int
    stop: int
    evidence: float

    @property
    def n_intervals(self) -> int:
        return self.stop - self.start


def _candidates(rhythms: Sequence[_Rhythm]) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Pairs of recordings, with the places in both of sequences that agree, and agree on how far the two are apart.

    Yields:
        The two recordings' numbers, and the places in each, shape (n, 2); n is at least 3.
    """
    points, owners, places = _points(rhythms)
    if len(rhythms) < 2 or len(points) < 2:
        return
    # Half a distance too far costs a neighbour now and then, and saves half of the time.
    _, found = KDTree(points).query(
        points, k=_NEIGHBOURS, eps=_INEXACT, distance_upper_bound=_REACH * np.sqrt(GRAM), workers=-1
    )
    ask = np.repeat(np.arange(len(points)), _NEIGHBOURS)
    hit = found.ravel()
    there = hit < len(points)
    ask, hit = ask[there], hit[there]
    apart = owners[ask] != owners[hit]
    ask, hit = ask[apart], hit[apart]
    swapped = owners[ask] > owners[hit]
    one, other = np.where(swapped, hit, ask), np.where(swapped, ask, hit)
    votes = np.unique(np.stack([owners[one], owners[other], places[one], places[other]], axis=1), axis=0)
    starts = np.concatenate(([0], np.cumsum([rhythm.times_s.size for rhythm in rhythms])))
    times_s = np.concatenate([rhythm.times_s for rhythm in rhythms])
    shift_s = times_s[starts[votes[:, 1]] + votes[:, 3]] - times_s[starts[votes[:, 0]] + votes[:, 2]]
    order = np.lexsort((shift_s, votes[:, 1], votes[:, 0]))
    votes, shift_s = votes[order], shift_s[order]
    pair_changes = (np.diff(votes[:, :2], axis=0) != 0).any(axis=1)
    bounds = np.flatnonzero(pair_changes | (np.diff(shift_s) > _SAME_SHIFT_S)) + 1
    for group in np.split(votes, bounds):
        if len(group) >= _LEAST_VOTES:
            yield int(group[0, 0]), int(group[0, 1]), group[:, 2:]


def _runs(one: _Rhythm, other: _Rhythm, votes: NDArray[np.int64]) -> list[_Run]:
    """Follow each vote to both sides; runs of which none is counted twice."""
    runs: list[_Run] = []
    for place, there in votes.tolist():
        offset = there - place
        if any(run.offset == offset and run.start <= place < run.stop for run in runs):
            continue
        run = _follow(one, other, offset, place)
        # Runs of other offsets would count the same intervals again.
        if run is not None and not any(known.start < run.stop and run.start < known.stop for known in runs):
            runs.append(run)
    return runs


def _points(rhythms: Sequence[_Rhythm]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The most telling sequences of intervals as points, with the recording and the place each comes from.

    Those are chosen that vary most among their neighbours, so that a copy chooses the same ones wherever it begins.
    """
    points, owners, places = [np.zeros((0, GRAM))], [], []
    for number, rhythm in enumerate(rhythms):
        if rhythm.logs.size < GRAM:
            continue
        grams = np.lib.stride_tricks.sliding_window_view(rhythm.logs, GRAM)
        # A missed beat is no reason to choose a sequence, so it counts no more than a large variation would.
        steps = np.clip(np.diff(rhythm.logs), -_MOST_STEP, _MOST_STEP)
        spread = np.lib.stride_tricks.sliding_window_view(steps, GRAM - 1).std(axis=1)
        spread[np.isnan(spread)] = 0.0
        telling = np.flatnonzero((spread >= _LEAST_SPREAD) & (spread >= maximum_filter1d(spread, _CHOSEN_AMONG)))
        points.append(grams[telling] - grams[telling].mean(axis=1, keepdims=True))
        owners.append(np.full(telling.size, number))
        places.append(telling)
    if not owners:
        return points[0], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate(points), np.concatenate(owners), np.concatenate(places)


def _follow(one: _Rhythm, other: _Rhythm, offset: int, place: int) -> _Run | None:
    """Follow an alignment to both sides, as far as intervals agree; None where that is not far."""
    low, high = max(0, -offset), min(one.logs.size, other.logs.size - offset)
    logs, others = one.logs[low:high], other.logs[low + offset : high + offset]
    place -= low
    scale = float(np.median((logs - others)[place : place + GRAM]))
    intervals = np.exp(logs)
    deviation = (logs - others - scale) * intervals
    agrees = np.abs(deviation) <= _DEVIATION_S
    if not agrees[place : place + GRAM].all():
        return None
    breaks = np.flatnonzero(~agrees)
    at = int(np.searchsorted(breaks, place))
    start = int(breaks[at - 1]) + 1 if at else 0
    stop = int(breaks[at]) if at < breaks.size else logs.size
    if stop - start < _LEAST_RUN:
        return None
    here = _misfit(logs[start:stop] - others[start:stop], intervals[start:stop])
    elsewhere = _least_misfit_moved(logs[start:stop], others[start:stop], intervals[start:stop])
    evidence = (stop - start) * (elsewhere - here)
    return _Run(offset=offset, start=start + low, stop=stop + low, evidence=evidence)


def _least_misfit_moved(
    logs: NDArray[np.float64], others: NDArray[np.float64], intervals: NDArray[np.float64]
) -> float:
    """How well two stretches agree at best when one is moved by some beats against the other.

    Within the stretch: right outside of it stands whatever ended it, and would make every move look bad.
    """
    least = np.inf
    for lag in range(1, min(_OTHER_LAGS, logs.size // 2) + 1):
        least = min(
            least,
            _misfit(logs[lag:] - others[:-lag], intervals[lag:]),
            _misfit(logs[:-lag] - others[lag:], intervals[:-lag]),
        )
    return least


def _misfit(ratios: NDArray[np.float64], intervals: NDArray[np.float64]) -> float:
    """Mean logarithm of how far intervals are apart, in seconds, once a constant ratio is taken away.

    Logarithms, so that one missed or extra beat, which two hearts may share, weighs little.
    """
    return float(np.log(np.hypot((ratios - np.median(ratios)) * intervals, _FLOOR_S)).mean())


def _likeness(
    one: Mapping[str, NDArray[Any]],
    other: Mapping[str, NDArray[Any]],
    first_s: NDArray[np.float64],
    second_s: NDArray[np.float64],
) -> float:
    """Correlation of two stretches whose beats are known to correspond, over the best pair of channels, either way up.

    Each channel's mean beat is taken away, and what is near a beat left out: what any two signals of one rhythm have in
    common is that they beat.
    """
    at_s = np.arange(first_s[0], first_s[-1], 1 / PICTURE_HZ)
    there_s = np.interp(at_s, first_s, second_s)
    last = np.searchsorted(first_s, at_s, side="right") - 1
    since_s = at_s - first_s[last]
    far = (since_s >= _NEAR_BEAT_S) & (first_s[np.minimum(last + 1, first_s.size - 1)] - at_s >= _NEAR_BEAT_S)
    at_s, there_s, since_s = at_s[far], there_s[far], since_s[far]
    bins = np.minimum((since_s * (_MEAN_BEAT_BINS / _MEAN_BEAT_S)).astype(np.int64), _MEAN_BEAT_BINS - 1)
    mine = [_between_beats(one[name], at_s, bins) for name in one if name.startswith(PICTURE)]
    theirs = [_between_beats(other[name], there_s, bins) for name in other if name.startswith(PICTURE)]
    return max((abs(_correlation(a, b)) for a in mine for b in theirs), default=0.0)


def _between_beats(picture: NDArray[Any], at_s: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.float64]:
    values = np.interp(at_s * PICTURE_HZ - 0.5, np.arange(picture.size), picture.astype(np.float64))
    sums = np.bincount(bins, weights=values, minlength=_MEAN_BEAT_BINS)
    means = sums / np.maximum(np.bincount(bins, minlength=_MEAN_BEAT_BINS), 1)
    rest: NDArray[np.float64] = values - means[bins]
    return rest


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    norm = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / norm if norm > 0 else 0.0
