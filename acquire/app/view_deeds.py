"""What the keys that only change what is seen and heard make of the preferences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from acquire.viewer.preferences import GAINS_MM_PER_MV, Cues, Preferences

__all__ = ["SPANS_S", "after_deed"]

SPANS_S = (5.0, 10.0, 15.0, 20.0, 30.0)


def after_deed(deed: str, old: Preferences, *, cues_before: Cues) -> Preferences:
    """The preferences as they are after a key of the view.

    Args:
        deed: of `acquire.app.record_keys.KEYS`.
        old: the preferences so far.
        cues_before: what cues are switched on again as.
    """
    if deed in ("gain_up", "gain_down"):
        return replace(old, gain_mm_per_mv=_neighbour(GAINS_MM_PER_MV, old.gain_mm_per_mv, up=deed == "gain_up"))
    if deed in ("span_longer", "span_shorter"):
        return replace(old, span_s=_neighbour(SPANS_S, old.span_s, up=deed == "span_longer"))
    if deed == "grid":
        return replace(old, grid=not old.grid)
    if deed == "filter":
        return replace(old, filtered=not old.filtered)
    return replace(old, cues="off" if old.cues != "off" else cues_before)


def _neighbour(values: Sequence[float], value: float, *, up: bool) -> float:
    """The next of ascending values above or below one, which need not be among them; the last one at the end."""
    beyond = [other for other in values if (other > value if up else other < value)]
    if not beyond:
        return values[-1] if up else values[0]
    return beyond[0] if up else beyond[-1]
