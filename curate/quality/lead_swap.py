"""Suspects swapped limb electrodes from the directions of P, QRS and T."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.beats.peaks import Beats
from curate.signals.signal import Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LeadSwap", "Swap", "suspect_lead_swap", "suspect_swaps"]

_LEADS = ("I", "II", "III")
_BEFORE_S, _AFTER_S = 0.30, 0.45
_P_S = (-0.26, -0.07)
_QRS_S = (-0.06, 0.06)
_T_S = (0.14, 0.42)
_LEAST_RR_S = 0.6
_FEWEST_BEATS = 10
_MOST_BEATS = 600
_LEAST_P_SHARE = 0.03
_P_MARGIN = 0.15


class Swap(Enum):
    """Which two electrodes seem to sit in each other's place."""

    NONE = "none"
    RA_LA = "RA/LA"
    LA_LL = "LA/LL"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class LeadSwap:
    """What the limb leads suggest.

    Attributes:
        suspected: the swap, ``NONE``, or ``UNKNOWN`` where it could not be judged.
        reason: one sentence for a person.
        p: height of the P wave in I, II and III, in the unit of the signal; NaN where unknown.
        qrs: highest plus lowest point of the QRS.
        t: height of the T wave.
        n_beats: how many beats the shapes are the median of.
    """

    suspected: Swap
    reason: str
    p: tuple[float, float, float]
    qrs: tuple[float, float, float]
    t: tuple[float, float, float]
    n_beats: int


def suspect_lead_swap(cleaned: Signal, beats: Beats) -> LeadSwap:
    """Judge whether two limb electrodes were swapped, from the median of the slow beats in I, II and III.

    With RA and LA swapped, I is upside down and II and III change places: *suspected where P and QRS both point down in
    I and P points up in II or III*. With LA and LL swapped, I and II change places and III is upside down: *suspected
    where P is higher in I than in II by more than 15 %*, P pointing up in both. Everything else passes.

    Only beats at least 0.6 s after the one before them count, for at higher rates T hides P. Waves are read where the
    three leads together are largest, so that they are read at one instant, over a straight line between the ends of
    their stretch.

    Args:
        cleaned: with the leads I and II, or any two of I, II and III, from which the third follows.
        beats: found in ``cleaned``.

    Returns:
        ``UNKNOWN`` with the reason where a lead is lacking, less than ten slow beats are whole, or P is below 3 % of
        the QRS.

    The signs are those of Batchvarov, Malik and Camm 2007 (doi:10.1093/europace/eum198), and for LA/LL of Abdollah and
    Milliken 1997 (American Journal of Cardiology 80:1247); the margin is ours. Neither can be certain: dextrocardia
    looks like RA/LA, an atrial rhythm from low in the atria or a P axis below 30° like LA/LL. A swap is a question to
    whoever placed the electrodes, never a reason to change the leads.
    """
    limbs = _limb_leads(cleaned)
    if limbs is None:
        return _unknown(f"It takes two of I, II and III to judge a swap; the signal has {', '.join(cleaned.leads)}.")
    shape, n_beats = _usual_beat(limbs, beats.samples, cleaned.rate_hz)
    if shape is None:
        return _unknown(f"{n_beats} whole beats under 100 per minute are too few; {_FEWEST_BEATS} are needed.", n_beats)
    at_s = np.arange(shape.shape[0]) / cleaned.rate_hz - _BEFORE_S
    p, t = _wave(shape, at_s, _P_S), _wave(shape, at_s, _T_S)
    qrs_part = shape[(at_s >= _QRS_S[0]) & (at_s <= _QRS_S[1])] - shape[np.abs(at_s - _QRS_S[0]).argmin()]
    qrs = qrs_part.max(axis=0) + qrs_part.min(axis=0)
    size = float(np.linalg.norm(qrs_part, axis=1).max())
    if float(np.linalg.norm(p)) < _LEAST_P_SHARE * size:
        return _unknown("No P wave stands out of the usual beat.", n_beats)
    suspected, reason = _judge(p, qrs)
    return LeadSwap(suspected=suspected, reason=reason, p=_three(p), qrs=_three(qrs), t=_three(t), n_beats=n_beats)


def suspect_swaps(cleaned: Signal, beats: Beats) -> dict[str, Any]:
    """What ``suspect_lead_swap`` finds, with every parameter, in plain values that a file can hold.

    Returns:
        ``suspected`` (``none``, ``RA/LA``, ``LA/LL`` or ``unknown``), ``reason`` (a sentence), ``p``, ``qrs`` and ``t``
        (their heights in I, II and III in the unit of the signal; None where unknown), ``n_beats``, and ``parameters``.
    """
    found = suspect_lead_swap(cleaned, beats)
    heights = {name: getattr(found, name) for name in ("p", "qrs", "t")}
    return {
        "suspected": found.suspected.value,
        "reason": found.reason,
        **{name: None if np.isnan(three).any() else list(three) for name, three in heights.items()},
        "n_beats": found.n_beats,
        "parameters": {
            "p_s": list(_P_S),
            "qrs_s": list(_QRS_S),
            "t_s": list(_T_S),
            "least_rr_s": _LEAST_RR_S,
            "fewest_beats": _FEWEST_BEATS,
            "least_p_share": _LEAST_P_SHARE,
            "p_margin": _P_MARGIN,
        },
    }


def _judge(p: NDArray[np.float64], qrs: NDArray[np.float64]) -> tuple[Swap, str]:
    if p[0] < 0 and qrs[0] < 0 and max(p[1], p[2]) > 0:
        return Swap.RA_LA, "P and QRS point down in I: RA and LA may be swapped, or the heart lies on the right."
    if p[0] > 0 and p[1] > 0 and p[0] > (1 + _P_MARGIN) * p[1]:
        return Swap.LA_LL, "P is higher in I than in II: LA and LL may be swapped, or the P axis lies far to the left."
    return Swap.NONE, "The directions of P and QRS are the usual ones."


def _limb_leads(signal: Signal) -> NDArray[np.float64] | None:
    """I, II and III as columns; NaN where a sample may not be trusted."""
    have = {
        lead: np.where(signal.reliable[:, k], signal.values[:, k], np.nan)
        for k, lead in enumerate(signal.leads)
        if lead in _LEADS
    }
    if len(have) < 2:
        return None
    if "I" not in have:
        have["I"] = have["II"] - have["III"]
    if "II" not in have:
        have["II"] = have["I"] + have["III"]
    if "III" not in have:
        have["III"] = have["II"] - have["I"]
    return np.stack([have[lead] for lead in _LEADS], axis=1)


def _usual_beat(
    limbs: NDArray[np.float64], beats: NDArray[np.int64], rate_hz: float
) -> tuple[NDArray[np.float64] | None, int]:
    """Median of the slow, whole beats, shape (n, 3), or None with too few of them; and their number."""
    reach = np.arange(-round(_BEFORE_S * rate_hz), round(_AFTER_S * rate_hz) + 1)
    slow = beats[1:][np.diff(beats) >= _LEAST_RR_S * rate_hz]
    slow = slow[(slow + reach[0] >= 0) & (slow + reach[-1] < len(limbs))]
    # Spread over the whole record where there are more than a median needs.
    slow = slow[:: max(1, -(-slow.size // _MOST_BEATS))]
    shapes = limbs[slow[:, None] + reach]
    shapes = shapes[np.isfinite(shapes).all(axis=(1, 2))]
    if len(shapes) < _FEWEST_BEATS:
        return None, len(shapes)
    return np.median(shapes, axis=0), len(shapes)


def _wave(shape: NDArray[np.float64], at_s: NDArray[np.float64], within_s: tuple[float, float]) -> NDArray[np.float64]:
    """Heights of the largest wave of a stretch in the three leads, over a line between the stretch's ends."""
    part = shape[(at_s >= within_s[0]) & (at_s <= within_s[1])]
    part = part - np.linspace(part[0], part[-1], len(part))
    return np.asarray(part[np.linalg.norm(part, axis=1).argmax()])


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third


def _unknown(reason: str, n_beats: int = 0) -> LeadSwap:
    none = (float("nan"),) * 3
    return LeadSwap(suspected=Swap.UNKNOWN, reason=reason, p=none, qrs=none, t=none, n_beats=n_beats)
