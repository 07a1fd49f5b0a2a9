"""How good a record is, ten seconds at a time, lead by lead, all windows at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from curate.beats_score import TOLERANCE_S, pair_beats
from curate.errors import SignalError
from curate.gate import on_rail, stuck
from curate.peaks import Beats
from curate.signal import Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["QUALITY_WINDOW_S", "Grade", "Quality", "assess", "grade_ranges"]

QUALITY_WINDOW_S = 10.0

_STUCK_S = 0.2
_TEMPLATE_POINTS = 61
_MAX_MISSING = 0.05
_MAX_FLAT = 0.20
_MAX_RAIL = 0.05
_MIN_CORRELATION = 0.66
_RATE_RANGE_BPM = (40.0, 180.0)
_MAX_RR_S = 3.0
_MAX_RR_RATIO = 2.2
_FAST_BPM = 130.0


class Grade(IntEnum):
    """What a window is good for; a larger number is better."""

    UNUSABLE = 0
    DOUBTFUL = 1
    GOOD = 2


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Quality indices of a record; see ``assess`` for what they mean.

    Attributes:
        leads: the name of each column below.
        starts: first sample of each window, shape (n_windows,).
        stops: one past the last, shape (n_windows,).
        missing: share of samples that are missing, shape (n_windows, n_leads), as all that follow unless said
            otherwise.
        flat: share that sits still.
        rail: share on a limit of the board.
        ksqi: kurtosis (a Gaussian has 3).
        psqi: share of the power of 5-40 Hz that lies in 5-15 Hz.
        bassqi: 1 − share of the power of 0-40 Hz that lies below 1 Hz.
        bsqi: share of beats that two detectors agree on.
        template_correlation: mean correlation of the beats with their mean.
        heart_rate_bpm: from the median RR interval; NaN without two beats; shape (n_windows,).
        rhythm_ok: whether the beats can be a heart's, shape (n_windows,).
        grades: ``Grade`` values, int8.
    """

    leads: tuple[str, ...]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    missing: NDArray[np.float64]
    flat: NDArray[np.float64]
    rail: NDArray[np.float64]
    ksqi: NDArray[np.float64]
    psqi: NDArray[np.float64]
    bassqi: NDArray[np.float64]
    bsqi: NDArray[np.float64]
    template_correlation: NDArray[np.float64]
    heart_rate_bpm: NDArray[np.float64]
    rhythm_ok: NDArray[np.bool_]
    grades: NDArray[np.int8]

    @property
    def n_windows(self) -> int:
        """How many windows there are."""
        return int(self.starts.size)

    def grades_between(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int8]:
        """Grade other ranges of the same record: the worst grade of any window that a range touches, per lead.

        Args:
            starts: first samples, shape (n,).
            stops: one past the last, above ``starts`` and within the record, shape (n,).

        Returns:
            Shape (n, n_leads).
        """
        n_leads = len(self.leads)
        if self.n_windows == 0:
            return np.zeros((len(starts), n_leads), dtype=np.int8)
        first = np.searchsorted(self.stops, starts, side="right").clip(0, self.n_windows - 1)
        past = np.maximum(np.searchsorted(self.starts, stops, side="left"), first + 1)
        # Pairs (first, past) become the even slices of one reduction; a sentinel row lets the last slice end there.
        padded = np.concatenate([self.grades, np.full((1, n_leads), Grade.GOOD, dtype=np.int8)])
        slices = np.stack([first, past], axis=1).ravel()
        return (
            np.minimum.reduceat(padded, slices, axis=0)[::2] if len(starts) else np.zeros((0, n_leads), dtype=np.int8)
        )


def grade_ranges(quality: Quality, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.str_]:
    """Grade ranges of a record in words: ``good``, ``doubtful`` or ``unusable``, by their worst lead."""
    words = np.array([grade.name.lower() for grade in Grade])
    worst = quality.grades_between(starts, stops).min(axis=1, initial=Grade.GOOD)
    return words[worst] if quality.leads else np.full(len(starts), words[Grade.UNUSABLE])


def assess(
    cleaned: Signal,
    *,
    raw: Signal,
    beats: Beats,
    window_s: float = QUALITY_WINDOW_S,
    rails: tuple[float, float] | None = None,
) -> Quality:
    """Compute the quality indices of a record per window and lead, and grade them.

    The windows lie side by side from sample 0; where the record does not fill the last one, that one is moved back so
    that it ends with the record. A record shorter than a window is one window. No index depends on the unit.

    ================ ============================================================ ========== ==========
    index            what                                                         good       doubtful
    ================ ============================================================ ========== ==========
    kSQI [1]_        kurtosis of the cleaned window                               > 5        3.5 to 5
    pSQI [2]_        power 5-15 Hz / power 5-40 Hz, as recorded                   0.5-0.8    0.4-0.5
    … above 130 /min                                                              0.4-0.7    0.3-0.4
    basSQI [2]_      1 − power 0-1 Hz / power 0-40 Hz, as recorded                ≥ 0.95     ≥ 0.90
    bSQI [1]_        beats that both detectors saw within 150 ms / all of them    ≥ 0.9      ≥ 0.7
    template [3]_    mean correlation of beats with their mean                    ≥ 0.66
    rhythm [3]_      40-180 /min, RR ≤ 3 s, longest RR / shortest RR < 2.2
    ================ ============================================================ ========== ==========

    Grade of a lead in a window: *unusable* where over 5 % is missing, over 20 % sits still, over 5 % is on a rail, or
    where template or rhythm fail and at least two of the four indices are neither good nor doubtful; *good* where
    template and rhythm hold, no index is bad and at most one is doubtful; *doubtful* otherwise.

    Deviations: template windows span one median RR around each beat, resampled to 61 points, and may reach past the
    window; the powers come from one Hann-windowed spectrum of the window without its mean, where the fuzzy rules of
    [2]_ are replaced by the grade above; the limits for doubtful kSQI and bSQI, for missing, still and rail shares,
    and the grade itself are ours.

    Args:
        cleaned: shape (n_samples, n_leads), at the recording's own rate.
        raw: the same samples and leads as recorded; basSQI is meaningless on a cleaned signal.
        beats: found in ``cleaned``.
        window_s: seconds per window.
        rails: lowest and highest value that the board can show, in the unit of ``raw``; None takes the record's
            extremes.

    Raises:
        SignalError: the two signals do not match, or a window is under 2 s.

    .. [1] Li, Mark and Clifford 2008 (doi:10.1088/0967-3334/29/1/002).
    .. [2] Zhao and Zhang 2018 (doi:10.3389/fphys.2018.00727).
    .. [3] Orphanidou et al. 2015 (doi:10.1109/JBHI.2014.2338351).
    """
    if raw.values.shape != cleaned.values.shape or raw.rate_hz != cleaned.rate_hz:
        raise SignalError(
            f"The raw signal ({raw.values.shape}, {raw.rate_hz:g} Hz) and the cleaned one ({cleaned.values.shape}, "
            f"{cleaned.rate_hz:g} Hz) are not the same samples; give both at the recording's own rate."
        )
    if not (np.isfinite(window_s) and window_s >= 2.0):
        raise SignalError(f"window_s is {window_s:g}; quality needs windows of at least 2 s.")
    starts, stops = _windows(raw.n_samples, round(window_s * raw.rate_hz))
    rr = _intervals(beats.samples, starts, stops, raw.rate_hz)
    width = int(stops[0] - starts[0]) if starts.size else 0
    columns: dict[str, list[NDArray[np.float64]]] = {
        name: [] for name in ("missing", "flat", "rail", "ksqi", "psqi", "bassqi", "bsqi", "template_correlation")
    }
    for lead in range(raw.n_leads):
        here = raw.values[:, lead]
        windows = _cut(here, starts, width)
        present = np.isfinite(windows)
        psqi, bassqi = _spectral(windows, present, raw.rate_hz)
        columns["missing"].append(1.0 - present.mean(axis=1) if width else np.zeros(0))
        columns["flat"].append(_share(stuck(here, max(2, round(_STUCK_S * raw.rate_hz))), starts, stops))
        columns["rail"].append(_share(on_rail(here, rails=rails), starts, stops))
        columns["ksqi"].append(_kurtosis(_cut(cleaned.values[:, lead], starts, width)))
        columns["psqi"].append(psqi)
        columns["bassqi"].append(bassqi)
        columns["bsqi"].append(_agreement(beats.by_lead[lead], beats.by_lead_second[lead], starts, stops, raw.rate_hz))
        columns["template_correlation"].append(_template(cleaned.values[:, lead], beats.samples, starts, stops, rr))
    tables = {name: np.stack(parts, axis=1) if parts else np.zeros((starts.size, 0)) for name, parts in columns.items()}
    return Quality(
        leads=raw.leads,
        starts=starts,
        stops=stops,
        heart_rate_bpm=rr.rate_bpm,
        rhythm_ok=rr.plausible,
        grades=_grade(tables, rr),
        **tables,
    )


@dataclass(frozen=True, kw_only=True)
class _Intervals:
    """RR intervals per window: the median in samples (0 without any), the rate, and whether they can be a heart's."""

    median: NDArray[np.float64]
    rate_bpm: NDArray[np.float64]
    plausible: NDArray[np.bool_]


def _windows(n_samples: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if n_samples == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    width = min(width, n_samples)
    starts = np.arange(0, n_samples - width + 1, width, dtype=np.int64)
    if starts[-1] + width < n_samples:
        starts = np.append(starts, n_samples - width)
    return starts, starts + width


def _cut(values: NDArray[np.float64], starts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """All windows of one lead, shape (n_windows, width); a view where they lie side by side."""
    n_whole = values.size // width if width else 0
    whole = values[: n_whole * width].reshape(n_whole, width) if n_whole else np.zeros((0, width))
    return whole if n_whole == starts.size else np.concatenate([whole, values[None, starts[-1] : starts[-1] + width]])


def _share(mask: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.concatenate([[0], np.cumsum(mask)])
    return np.asarray((total[stops] - total[starts]) / np.maximum(stops - starts, 1), dtype=np.float64)


def _kurtosis(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    present = np.isfinite(windows)
    n_present = np.maximum(present.sum(axis=1), 1)
    filled = np.where(present, windows, 0.0)
    centred = np.where(present, filled - (filled.sum(axis=1) / n_present)[:, None], 0.0)
    squared = centred * centred
    variance = squared.sum(axis=1) / n_present
    fourth = np.einsum("ij,ij->i", squared, squared) / n_present
    kurtosis = np.divide(fourth, variance**2, out=np.zeros_like(variance), where=variance > 0)
    return np.asarray(kurtosis, dtype=np.float64)


def _spectral(
    windows: NDArray[np.float64], present: NDArray[np.bool_], rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """PSQI and basSQI of all windows of one lead."""
    from scipy import fft

    n_windows, width = windows.shape
    if n_windows == 0:
        return np.zeros(0), np.zeros(0)
    filled = np.where(present, windows, 0.0)
    mean = filled.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    centred = np.where(present, filled - mean[:, None], 0.0) * np.hanning(width)
    spectrum = fft.rfft(centred, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    hz = np.arange(power.shape[1]) * rate_hz / width

    def band(low_hz: float, high_hz: float) -> NDArray[np.float64]:
        return np.asarray(power[:, (hz >= low_hz) & (hz < high_hz)].sum(axis=1), dtype=np.float64)

    def ratio(part: NDArray[np.float64], whole: NDArray[np.float64], empty: float) -> NDArray[np.float64]:
        return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)

    return ratio(band(5, 15), band(5, 40), 0.0), 1.0 - ratio(band(0, 1), band(0, 40), 1.0)


def _counts(beats: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(beats, stops) - np.searchsorted(beats, starts)


def _agreement(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rate_hz: float,
) -> NDArray[np.float64]:
    pairs = pair_beats(first, second, rate_hz=rate_hz, tolerance_s=TOLERANCE_S)
    both = _counts(first[pairs[:, 0]], starts, stops)
    alone = _counts(np.delete(second, pairs[:, 1]), starts, stops)
    union = _counts(first, starts, stops) + alone
    return np.asarray(both / np.maximum(union, 1), dtype=np.float64)


def _intervals(
    beats: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64], rate_hz: float
) -> _Intervals:
    low = np.searchsorted(beats, starts)
    n_intervals = np.maximum(np.searchsorted(beats, stops) - low - 1, 0)
    some = np.flatnonzero(n_intervals)
    median = np.zeros(starts.size)
    rate_bpm = np.full(starts.size, np.nan)
    plausible = np.zeros(starts.size, dtype=np.bool_)
    if some.size:
        place = np.arange(n_intervals.max())
        at = np.minimum(low[some, None] + place, beats.size - 2)
        table = np.where(place < n_intervals[some, None], np.diff(beats)[at].astype(np.float64), np.nan)
        median[some] = np.nanmedian(table, axis=1)
        rate_bpm[some] = 60.0 * rate_hz / median[some]
        longest, shortest = np.nanmax(table, axis=1), np.nanmin(table, axis=1)
        plausible[some] = (longest <= _MAX_RR_S * rate_hz) & (longest < _MAX_RR_RATIO * shortest)
        plausible &= (rate_bpm >= _RATE_RANGE_BPM[0]) & (rate_bpm <= _RATE_RANGE_BPM[1])
    return _Intervals(median=median, rate_bpm=rate_bpm, plausible=plausible)


def _template(
    values: NDArray[np.float64],
    beats: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rr: _Intervals,
) -> NDArray[np.float64]:
    """Mean correlation of each window's beats with their mean; 0 with fewer than two whole beats."""
    counts = np.where(rr.median > 0, _counts(beats, starts, stops), 0)
    window = np.repeat(np.arange(starts.size), counts)
    result = np.zeros(starts.size)
    if window.size == 0:
        return result
    within = np.arange(window.size) - np.repeat(np.cumsum(counts) - counts, counts)
    centre = beats[np.searchsorted(beats, starts)[window] + within]
    offset = rr.median[window, None] * np.linspace(-0.5, 0.5, _TEMPLATE_POINTS)
    at = np.round(centre[:, None] + offset).astype(np.int64)
    whole = (at[:, 0] >= 0) & (at[:, -1] < values.size)
    shapes = values[at.clip(0, values.size - 1)]
    whole &= np.isfinite(shapes).all(axis=1)
    window, shapes = window[whole], shapes[whole]
    if window.size == 0:
        return result
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    first = np.flatnonzero(np.diff(window, prepend=-1))
    n_beats = np.diff(first, append=window.size)
    templates = np.repeat(np.add.reduceat(shapes, first, axis=0) / n_beats[:, None], n_beats, axis=0)
    norm = np.linalg.norm(shapes, axis=1) * np.linalg.norm(templates, axis=1)
    product = np.einsum("ij,ij->i", shapes, templates)
    correlation = np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)
    result[window[first]] = np.where(n_beats > 1, np.add.reduceat(correlation, first) / n_beats, 0.0)
    return result


def _grade(tables: dict[str, NDArray[np.float64]], rr: _Intervals) -> NDArray[np.int8]:
    fast = (np.nan_to_num(rr.rate_bpm) > _FAST_BPM)[:, None]
    psqi, shift = tables["psqi"], np.where(fast, 0.1, 0.0)
    good = (
        (tables["ksqi"] > 5.0).astype(int)
        + ((psqi >= 0.5 - shift) & (psqi <= 0.8 - shift))
        + (tables["bassqi"] >= 0.95)
        + (tables["bsqi"] >= 0.9)
    )
    fair = (
        (tables["ksqi"] > 3.5).astype(int)
        + ((psqi >= 0.4 - shift) & (psqi <= 0.8 - shift))
        + (tables["bassqi"] >= 0.90)
        + (tables["bsqi"] >= 0.7)
    )
    beats_ok = (tables["template_correlation"] >= _MIN_CORRELATION) & rr.plausible[:, None]
    lost = (
        (tables["missing"] > _MAX_MISSING)
        | (tables["flat"] > _MAX_FLAT)
        | (tables["rail"] > _MAX_RAIL)
        | (~beats_ok & (fair <= 2))
    )
    grades = np.full(psqi.shape, Grade.DOUBTFUL, dtype=np.int8)
    grades[beats_ok & (fair == 4) & (good >= 3)] = Grade.GOOD
    grades[lost] = Grade.UNUSABLE
    return grades
