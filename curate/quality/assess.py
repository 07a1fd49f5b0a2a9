"""How good a record is, two seconds at a time, lead by lead."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from curate.beats.peaks import Beats
from curate.beats.shape import TEMPLATE_S, residual_per_window, shape_residuals
from curate.errors import SignalError
from curate.quality import indices
from curate.quality.calibration import CALIBRATED, Limits
from curate.signals.gate import on_rail, stuck
from curate.signals.signal import Signal, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONTEXT_S", "QUALITY_WINDOW_S", "Grade", "Quality", "assess"]

QUALITY_WINDOW_S = 2.0
"""Seconds per graded window; annotators graded the recordings that the limits come from in steps of this length."""

CONTEXT_S = 10.0
"""Seconds per stretch over which the indices that need several beats are taken."""

_STUCK_S = 0.2


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
        shape_residual: what the usual beat leaves of the beats here; infinite where there is no beat.
        ksqi: kurtosis of the ten seconds around (a Gaussian has 3).
        psqi: their share of the power of 5-40 Hz that lies in 5-15 Hz.
        bassqi: their 1 − share of the power of 0-40 Hz that lies below 1 Hz.
        bsqi: share of their beats that two detectors agree on.
        template_correlation: mean correlation of their beats with the mean of them.
        heart_rate_bpm: from their median RR interval; NaN without two beats; shape (n_windows,).
        rhythm_ok: whether their beats can be a heart's, shape (n_windows,).
        grades: ``Grade`` values, int8.
        step: every parameter that they were found with, as a step in a signal's history.
    """

    leads: tuple[str, ...]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    missing: NDArray[np.float64]
    flat: NDArray[np.float64]
    rail: NDArray[np.float64]
    shape_residual: NDArray[np.float64]
    ksqi: NDArray[np.float64]
    psqi: NDArray[np.float64]
    bassqi: NDArray[np.float64]
    bsqi: NDArray[np.float64]
    template_correlation: NDArray[np.float64]
    heart_rate_bpm: NDArray[np.float64]
    rhythm_ok: NDArray[np.bool_]
    grades: NDArray[np.int8]
    step: Step = field(default_factory=dict)

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


def assess(
    cleaned: Signal,
    *,
    raw: Signal,
    beats: Beats,
    window_s: float = QUALITY_WINDOW_S,
    context_s: float = CONTEXT_S,
    rails: tuple[float, float] | None = None,
    limits: Limits = CALIBRATED,
) -> Quality:
    """Compute the quality indices of a record per window and lead, and grade them.

    The windows lie side by side from sample 0; where the record does not fill the last one, that one is moved back so
    that it ends with the record. A record shorter than a window is one window. Indices that need several beats are
    taken over ``context_s``, laid out in the same way, and every window has those of the stretch that it starts in. No
    index depends on the unit.

    ================ =================================================================== ======= =======
    index            what                                                                over    grades
    ================ =================================================================== ======= =======
    shape residual   median ‖beat − usual beat‖ / ‖usual beat‖ (``curate.beats.shape``)   window  yes
    bSQI [1]_        beats that both detectors saw within 150 ms / all of them           context yes
    rail             share of samples on a limit of the board                            window  yes
    missing, flat    share of samples that are missing, or still for 0.2 s and more      window  yes
    kSQI [1]_        kurtosis of the cleaned signal                                      context no
    pSQI [2]_        power 5-15 Hz / power 5-40 Hz, as recorded                          context no
    basSQI [2]_      1 − power 0-1 Hz / power 0-40 Hz, as recorded                       context no
    template [3]_    mean correlation of beats with their mean                           context no
    rhythm [3]_      40-180 /min, RR ≤ 3 s, longest RR / shortest RR < 2.2               context no
    ================ =================================================================== ======= =======

    A lead is *unusable* where one of the indices that grade says so, *good* where all of them do, and *doubtful*
    otherwise: its beats can be counted, but the shape of its waves is not to be relied on. The limits, and why the
    other indices have no say, stand in ``curate.quality.calibration``.

    Args:
        cleaned: shape (n_samples, n_leads), at the recording's own rate.
        raw: the same samples and leads as recorded; basSQI is meaningless on a cleaned signal.
        beats: found in ``cleaned``.
        window_s: seconds per graded window; the limits hold for the default.
        context_s: seconds per stretch for the indices that need several beats; ``window_s`` or more.
        rails: lowest and highest value that the board can show, in the unit of ``raw``; None takes the record's
            extremes.
        limits: where the grades meet.

    Raises:
        SignalError: the two signals do not match, a window is under 2 s, or the context is shorter than a window.

    .. [1] Li, Mark and Clifford 2008 (doi:10.1088/0967-3334/29/1/002).
    .. [2] Zhao and Zhang 2018 (doi:10.3389/fphys.2018.00727).
    .. [3] Orphanidou et al. 2015 (doi:10.1109/JBHI.2014.2338351).
    """
    _check(cleaned, raw, window_s, context_s)
    rate_hz = raw.rate_hz
    starts, stops = indices.tile(raw.n_samples, round(window_s * rate_hz))
    wide, wide_stops = indices.tile(raw.n_samples, round(context_s * rate_hz))
    width = int(wide_stops[0] - wide[0]) if wide.size else 0
    # The last stretch was moved back; whatever starts behind the one before it belongs to it.
    around = np.minimum(starts // max(width, 1), wide.size - 1)
    rr = indices.intervals(beats.samples, wide, wide_stops, rate_hz)
    columns: dict[str, list[NDArray[np.float64]]] = {}

    def put(name: str, column: NDArray[np.float64]) -> None:
        columns.setdefault(name, []).append(column)

    for lead in range(raw.n_leads):
        recorded, filtered = raw.values[:, lead], cleaned.values[:, lead]
        put("missing", indices.share(~np.isfinite(recorded), starts, stops))
        put("flat", indices.share(stuck(recorded, max(2, round(_STUCK_S * rate_hz))), starts, stops))
        put("rail", indices.share(on_rail(recorded, rails=rails), starts, stops))
        residuals = shape_residuals(filtered, beats.samples, rate_hz)
        put("shape_residual", residual_per_window(residuals, beats.samples, starts, stops))
        put("ksqi", indices.kurtosis(indices.cut(filtered, wide, width))[around])
        psqi, bassqi = indices.spectral(indices.cut(recorded, wide, width), rate_hz)
        put("psqi", psqi[around])
        put("bassqi", bassqi[around])
        agreed = indices.agreement(beats.by_lead[lead], beats.by_lead_second[lead], wide, wide_stops, rate_hz)
        put("bsqi", agreed[around])
        put("template_correlation", indices.template(filtered, beats.samples, wide, wide_stops, rr)[around])
    names = ("missing", "flat", "rail", "shape_residual", "ksqi", "psqi", "bassqi", "bsqi", "template_correlation")
    tables = {name: np.stack(columns[name], axis=1) if columns else np.zeros((starts.size, 0)) for name in names}
    return Quality(
        leads=raw.leads,
        starts=starts,
        stops=stops,
        heart_rate_bpm=rr.rate_bpm[around],
        rhythm_ok=rr.plausible[around],
        grades=_grade(tables, limits),
        step={
            "name": "assess",
            "window_s": float(window_s),
            "context_s": float(context_s),
            "rails": None if rails is None else [float(rail) for rail in rails],
            "stuck_s": _STUCK_S,
            "template_s": TEMPLATE_S,
            "limits": asdict(limits),
        },
        **tables,
    )


def _check(cleaned: Signal, raw: Signal, window_s: float, context_s: float) -> None:
    if raw.values.shape != cleaned.values.shape or raw.rate_hz != cleaned.rate_hz:
        raise SignalError(
            f"The raw signal ({raw.values.shape}, {raw.rate_hz:g} Hz) and the cleaned one ({cleaned.values.shape}, "
            f"{cleaned.rate_hz:g} Hz) are not the same samples; give both at the recording's own rate."
        )
    if not (np.isfinite(window_s) and window_s >= 2.0):
        raise SignalError(f"window_s is {window_s:g}; quality needs windows of at least 2 s.")
    if not (np.isfinite(context_s) and context_s >= window_s):
        raise SignalError(f"context_s is {context_s:g}; it must be no shorter than a window of {window_s:g} s.")


def _grade(tables: dict[str, NDArray[np.float64]], limits: Limits) -> NDArray[np.int8]:
    residual, bsqi, rail = tables["shape_residual"], tables["bsqi"], tables["rail"]
    good = (residual <= limits.residual_good) & (bsqi >= limits.bsqi_good) & (rail <= limits.rail_good)
    lost = (
        (tables["missing"] > limits.missing)
        | (tables["flat"] > limits.flat)
        | (rail > limits.rail_unusable)
        | (bsqi < limits.bsqi_unusable)
        | (residual > limits.residual_unusable)
    )
    grades = np.full(residual.shape, Grade.DOUBTFUL, dtype=np.int8)
    grades[good] = Grade.GOOD
    grades[lost] = Grade.UNUSABLE
    return grades
