"""The heart rate of each lead, from the last seconds, while they are being recorded.

After Pan and Tompkins 1985 (doi:10.1109/TBME.1985.325532): band-pass, slope, square, moving integral, and thresholds
that follow the peaks of signal and of noise, with a search back for a missed beat and a look at the slope to tell a
T wave. Where this differs:

- it looks at the last ten seconds anew each time, always only back, so the thresholds need no two seconds of learning:
  they start from the median of each second's largest peak, which one jolt does not spoil;
- the filters are linear-phase FIR filters made for the rate at hand, not integer filters for 200 Hz;
- a second signal is not thresholded: the band-passed wave only tells where the beat is;
- beats must look alike before a rate is believed: their mean correlation with their common shape, an idea of
  Orphanidou 2015 (doi:10.1109/JBHI.2014.2338351), taken here on the band-passed wave.

Only NumPy is needed, as this runs inside the recorder.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["HeartMeter", "beat_positions", "likeness_of"]

Array = NDArray[np.float64]

WINDOW_S = 10.0
"""How far back beats are looked for."""

_WORKING_RATE_HZ = 200.0
_LOWEST_RATE_HZ = 40.0
_BAND_HZ = (5.0, 15.0)
_BAND_TAPS_S = 0.25
_INTEGRAL_S = 0.150
_REFRACTORY_S = 0.200
_T_WAVE_S = 0.360
_SHORTEST_RUN_S = 1.5
_SNIPPET_S = 0.10
_ALIKE = 0.8
_ALIKE_ELSEWHERE = 0.6
"""Of noise, ten waves at the beats of another lead are alike by a third."""
_FEWEST_ELSEWHERE = 4
_AGREE = 0.1
_MOST_RR = 8
_STEADY_RR = 0.25
_STEADY_SHARE = 0.6
_RR_LIMITS_S = (60.0 / 240.0, 60.0 / 25.0)
_OLDEST_BEAT_RR = 2.5


class HeartMeter:
    """The heart rates of a few leads over the last ten seconds.

    Args:
        rate_hz: samples per second. Far above 200 Hz they are low-passed and thinned out; below 40 Hz no heart rate is
            given.
        n_leads: how many leads.
    """

    def __init__(self, rate_hz: float, n_leads: int) -> None:
        self._n_leads = n_leads
        self._step = max(1, math.floor(rate_hz / _WORKING_RATE_HZ))
        self._rate_hz = rate_hz / self._step
        self._thinning = _thinning_taps(self._step)
        self._kept = math.ceil(WINDOW_S * self._rate_hz)
        self.restart()

    @property
    def can_tell(self) -> bool:
        """Whether the rate is high enough to see beats at all."""
        return self._rate_hz >= _LOWEST_RATE_HZ

    def restart(self) -> None:
        """Forget what came; the next samples follow on nothing."""
        self._pending = np.empty((0, self._n_leads))
        self._thinned = np.empty((0, self._n_leads))

    def push(self, values: Array) -> None:
        """Take the next samples.

        Args:
            values: shape (n, n_leads), in any unit; NaN where samples are missing. Rows follow on the ones before.
        """
        if self._step == 1:
            fresh = values
        else:
            pending = np.concatenate([self._pending, values])
            n_taps = len(self._thinning)
            n_out = max(0, (len(pending) - n_taps) // self._step + 1)
            self._pending = pending[n_out * self._step :]
            if n_out == 0:
                return
            views = sliding_window_view(pending, n_taps, axis=0)[:: self._step]
            fresh = views @ self._thinning
        self._thinned = np.concatenate([self._thinned, fresh])[-self._kept :]

    def rates_bpm(self) -> list[float | None]:
        """Beats per minute of each lead, from the median of up to eight RR intervals; None where not to be trusted.

        That is: fewer than three beats, beats that do not look alike, intervals of all lengths, no beat of late, or
        another rate than the lead has whose beats look most alike, as there is one heart. No interval crosses a gap.

        A lead that the heart hardly points along has beats too small to be found; it has the rate of that best lead
        where its waves at the best lead's beats are alike.
        """
        found = [_look(self._thinned[:, lead], self._rate_hz) for lead in range(self._n_leads)]
        best = max(found, key=lambda one: one.likeness, default=_NOTHING)
        if not best.likeness:
            return [None] * self._n_leads
        rates: list[float | None] = []
        for one in found:
            agrees = one.likeness and abs(one.rate_bpm - best.rate_bpm) <= _AGREE * best.rate_bpm
            if agrees:
                rates.append(one.rate_bpm)
            else:
                rates.append(best.rate_bpm if self._beats_with(one, best) else None)
        return rates

    def _beats_with(self, one: _Look, best: _Look) -> bool:
        """Whether a lead has a wave of its own at the beats of another."""
        reach = round(_SNIPPET_S * self._rate_hz)
        if len(one.wave) != len(best.wave):
            return False
        snippets = _snippets(one.wave, best.beats[-_MOST_RR - 1 :], reach)
        return len(snippets) >= _FEWEST_ELSEWHERE and likeness_of(snippets) >= _ALIKE_ELSEWHERE


@dataclass(frozen=True, kw_only=True, eq=False)
class _Look:
    """What one lead shows of the heart.

    Attributes:
        rate_bpm: 0 where it is not to be trusted.
        likeness: of its beats, 0 likewise.
        beats: rows of all that look like beats.
        wave: band-passed, NaN where the filter does not reach.
    """

    rate_bpm: float
    likeness: float
    beats: NDArray[np.int64]
    wave: Array


_NOTHING = _Look(rate_bpm=0.0, likeness=0.0, beats=np.empty(0, dtype=np.int64), wave=np.empty(0))


def beat_positions(run: Array, rate_hz: float) -> tuple[NDArray[np.int64], Array]:
    """Where the beats are in one run of samples without a gap.

    Args:
        run: one lead in any unit, shape (n,), finite.
        rate_hz: its samples per second.

    Returns:
        Row of the crest of each beat's band-passed wave, ascending, and that wave, shape (n,), zero where the filter
        does not reach.
    """
    taps = _band_taps(rate_hz)
    width = max(2, round(_INTEGRAL_S * rate_hz))
    half = len(taps) // 2
    wave = np.zeros(len(run))
    if len(run) < len(taps) + width + 8:
        return np.empty(0, dtype=np.int64), wave
    wave[half : len(run) - half] = np.convolve(run - run.mean(), taps, mode="valid")
    slope = (2 * (wave[3:-1] - wave[1:-3]) + wave[4:] - wave[:-4]) / 8.0  # slope[i] is at row i + 2
    slope[:half] = slope[len(slope) - half :] = 0.0  # the step at the filter's edge is none of the heart's
    power = slope**2
    total = np.concatenate([[0.0], np.cumsum(power)])
    energy = (total[width:] - total[:-width]) / width  # energy[i] is over power[i : i + width]
    peaks = _peaks(energy, max(1, round(_REFRACTORY_S * rate_hz)))
    if len(peaks) == 0:
        return peaks, wave
    steepest = sliding_window_view(power, width)[peaks].max(axis=1)
    second = min(len(energy), max(1, round(rate_hz)))
    usual = float(np.median(energy[: len(energy) // second * second].reshape(-1, second).max(axis=1)))
    chosen = _choose(peaks.tolist(), energy[peaks].tolist(), steepest.tolist(), usual, rate_hz)
    starts = peaks[chosen] + 2
    return np.unique(starts + np.abs(sliding_window_view(wave, width)[starts]).argmax(axis=1)), wave


def _choose(peaks: list[int], heights: list[float], steepest: list[float], usual: float, rate_hz: float) -> list[int]:
    """Which peaks are beats: thresholds that follow signal and noise, a search back, and a look for T waves."""
    signal, noise = usual, 0.0
    chosen: list[int] = []

    def is_t_wave(i: int) -> bool:
        """Whether a peak follows the last beat closely and is less than half as steep."""
        if not chosen:
            return False
        return peaks[i] - peaks[chosen[-1]] < _T_WAVE_S * rate_hz and steepest[i] < 0.25 * steepest[chosen[-1]]

    for i, height in enumerate(heights):
        threshold = noise + 0.25 * (signal - noise)
        if len(chosen) >= 2:
            recent = chosen[-_MOST_RR:]
            mean_rr = (peaks[recent[-1]] - peaks[recent[0]]) / (len(recent) - 1)
            if peaks[i] - peaks[chosen[-1]] > 1.66 * mean_rr:
                between = [j for j in range(chosen[-1] + 1, i) if not is_t_wave(j)]
                missed = max(between, key=heights.__getitem__, default=i)
                if missed != i and heights[missed] > 0.5 * threshold:
                    signal = 0.25 * heights[missed] + 0.75 * signal
                    chosen.append(missed)
        if height > threshold and not is_t_wave(i):
            # A jolt may not lift the threshold over the heart.
            signal = 0.125 * min(height, 4 * signal) + 0.875 * signal
            chosen.append(i)
        else:
            noise = 0.125 * min(height, signal) + 0.875 * noise
    return chosen


def _peaks(energy: Array, apart: int) -> NDArray[np.int64]:
    """Local maxima, the largest of those that lie less than ``apart`` rows from each other."""
    candidates = np.flatnonzero((energy[1:-1] > energy[:-2]) & (energy[1:-1] >= energy[2:])) + 1
    kept: list[int] = []
    height = 0.0
    for place, value in zip(candidates.tolist(), energy[candidates].tolist(), strict=True):
        if not kept or place - kept[-1] >= apart:
            kept.append(place)
            height = value
        elif value > height:
            kept[-1] = place
            height = value
    return np.array(kept, dtype=np.int64)


def _look(values: Array, rate_hz: float) -> _Look:
    """The rate of one lead and how much its beats look alike, or zeros where the rate is not to be trusted."""
    if rate_hz < _LOWEST_RATE_HZ:
        return _NOTHING
    intervals: list[Array] = [np.empty(0)]
    places: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    whole = np.full(len(values), np.nan)
    half = len(_band_taps(rate_hz)) // 2
    for start, stop in _finite_runs(values):
        if stop - start < _SHORTEST_RUN_S * rate_hz:
            continue
        beats, wave = beat_positions(values[start:stop], rate_hz)
        intervals.append(np.diff(beats) / rate_hz)
        places.append(beats + start)
        whole[start + half : stop - half] = wave[half : len(wave) - half]
    beats = np.concatenate(places)
    rr_s = np.concatenate(intervals)[-_MOST_RR:]
    likeness = likeness_of(_snippets(whole, beats, round(_SNIPPET_S * rate_hz))[-_MOST_RR - 1 :])
    nothing = _Look(rate_bpm=0.0, likeness=0.0, beats=beats, wave=whole)
    if len(rr_s) < 2 or likeness < _ALIKE:
        return nothing
    median_s = float(np.median(rr_s))
    steady = np.count_nonzero(np.abs(rr_s - median_s) <= _STEADY_RR * median_s) >= _STEADY_SHARE * len(rr_s)
    recent = (len(values) - int(beats[-1])) / rate_hz < _OLDEST_BEAT_RR * median_s + _BAND_TAPS_S
    if not (steady and recent and _RR_LIMITS_S[0] <= median_s <= _RR_LIMITS_S[1]):
        return nothing
    return _Look(rate_bpm=60.0 / median_s, likeness=likeness, beats=beats, wave=whole)


def _snippets(wave: Array, beats: NDArray[np.int64], reach: int) -> list[Array]:
    """The wave around each beat that lies far enough within what is there."""
    cut = (wave[beat - reach : beat + reach + 1] for beat in beats.tolist() if reach <= beat < len(wave) - reach)
    return [piece for piece in cut if np.isfinite(piece).all()]


def likeness_of(snippets: list[Array]) -> float:
    """How much beats look alike: their mean correlation with the mean of all of them."""
    if len(snippets) < 2:
        return 0.0
    shapes = np.stack(snippets)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shapes, axis=1)
    if not (np.isfinite(lengths).all() and lengths.all()):
        return 0.0
    shapes /= lengths[:, None]
    common = shapes.mean(axis=0)
    length = float(np.linalg.norm(common))
    return float(np.mean(shapes @ common)) / length if length > 0 else 0.0


def _finite_runs(values: Array) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.isfinite(values), prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _low_pass(corner: float, n_taps: int) -> Array:
    """Windowed sinc of odd length; the corner is a fraction of the rate, the gain at 0 Hz is 1."""
    lag = np.arange(n_taps) - n_taps // 2
    taps = np.sinc(2 * corner * lag) * np.hamming(n_taps)
    return np.asarray(taps / taps.sum())


@functools.cache
def _band_taps(rate_hz: float) -> Array:
    n_taps = 2 * round(_BAND_TAPS_S * rate_hz / 2) + 1
    high = min(_BAND_HZ[1], 0.45 * rate_hz)
    return _low_pass(high / rate_hz, n_taps) - _low_pass(_BAND_HZ[0] / rate_hz, n_taps)


def _thinning_taps(step: int) -> Array:
    """Low-pass before every ``step``-th sample is kept: 50 dB down from half the new rate on."""
    return _low_pass(0.25 / step, 8 * step + 1)
