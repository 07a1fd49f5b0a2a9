"""Pictures of a corpus as SVG text, small and without a font of their own: colours and letters are the page's.

They are written directly: a strip of ECG is one line on a grid, and dozens of them stand on a card.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["ecg_picture", "heart_rate_picture"]

# The page may set these; the values after the comma hold where it does not.
_TRACE = "var(--trace, #2563c9)"
_GRID = "var(--grid, #d9584a)"

_WIDTH = 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 6.0, 6.0, 26.0
_STRIP = 64.0
_STRIP_GAP = 8.0

_RATE_WIDTH = 680.0
_RATE_LEFT = 110.0
_RATE_RIGHT = 16.0
_RATE_ROW = 46.0
_RATE_BINS = 60


def ecg_picture(
    window: NDArray[np.float32], *, leads: Sequence[str], lead_ok: NDArray[np.bool_], rate_hz: float, unit: str
) -> str:
    """Draw one window, lead under lead on one scale, over seconds.

    Args:
        window: shape (n_leads, n_samples).
        leads: name of each lead.
        lead_ok: which leads hold signal; for the others the strip says that there is none.
        rate_hz: samples per second.
        unit: of the values.

    Returns:
        An ``<svg>`` element.
    """
    shown = window[lead_ok] if lead_ok.any() else window
    low, high = float(shown.min()), float(shown.max())
    room = 0.06 * (high - low) or 1.0
    low, high = low - room, high + room
    seconds = window.shape[1] / rate_hz
    right = _WIDTH - _RIGHT
    x = _LEFT + (right - _LEFT) * np.arange(window.shape[1]) / max(window.shape[1] - 1, 1)
    parts = []
    for place, (lead, values, ok) in enumerate(zip(leads, window, lead_ok, strict=True)):
        top = _TOP + place * (_STRIP + _STRIP_GAP)
        y = top + _STRIP * (high - values.astype(np.float64)) / (high - low)
        for tick in _ticks(0.0, seconds, 0.2):
            at = _LEFT + (right - _LEFT) * tick / seconds
            parts.append(_line(at, top, at, top + _STRIP, _GRID, 0.18 if round(tick * 5) % 5 else 0.4))
        for tick in _ticks(low, high, _nice_step((high - low) / 3)):
            at = top + _STRIP * (high - tick) / (high - low)
            parts.append(_line(_LEFT, at, right, at, _GRID, 0.3))
            parts.append(_text(_LEFT - 4, at + 3, f"{tick:.4g}", anchor="end", size=9, faint=True))
        parts.append(_text(4, top + _STRIP / 2 + 4, lead, size=12, bold=True))
        if ok:
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
            parts.append(
                f'<polyline points="{points}" fill="none" style="stroke:{_TRACE}" stroke-width="1.1" '
                'stroke-linejoin="round"/>'
            )
        else:
            parts.append(_text((_LEFT + right) / 2, top + _STRIP / 2 + 4, "no signal", anchor="middle", faint=True))
    bottom = _TOP + len(leads) * (_STRIP + _STRIP_GAP) - _STRIP_GAP
    step = _nice_step(seconds / 6)
    for tick in _ticks(0.0, seconds, step):
        at = _LEFT + (right - _LEFT) * tick / seconds
        last = tick + step > seconds
        parts.append(
            _text(
                at, bottom + 14, f"{tick:.4g}" + (" s" if last else ""), anchor="end" if last else "middle", faint=True
            )
        )
    return _svg(parts, _WIDTH, bottom + _BOTTOM - 6, f"{seconds:g} s of ECG, leads {', '.join(leads)}, in {unit}")


def heart_rate_picture(rates: Mapping[str, NDArray[np.float32]]) -> str:
    """Draw how heart rate is spread in each activity, one histogram under the other on one axis.

    Args:
        rates: activity → heart rate per window, per minute; NaN where unknown.

    Returns:
        An ``<svg>`` element, or "" when no rate is known.
    """
    known = {name: values[np.isfinite(values)].astype(np.float64) for name, values in rates.items()}
    everything = np.concatenate([*known.values(), np.zeros(0)])
    if not everything.size:
        return ""
    low = 10 * np.floor(np.percentile(everything, 0.2) / 10)
    high = 10 * np.floor(np.percentile(everything, 99.8) / 10 + 1)
    edges = np.linspace(low, high, _RATE_BINS + 1)
    scale = (_RATE_WIDTH - _RATE_RIGHT - _RATE_LEFT) / (high - low)
    parts = []
    for place, (name, values) in enumerate(known.items()):
        floor = _TOP + (place + 1) * _RATE_ROW
        counts = np.histogram(values, bins=edges)[0]
        tallest = max(int(counts.max()), 1)
        for left, n in zip(edges[:-1], counts, strict=True):
            if n:
                height = (_RATE_ROW - 12) * n / tallest
                parts.append(
                    f'<rect x="{_RATE_LEFT + (left - low) * scale:.1f}" y="{floor - height:.1f}" '
                    f'width="{(edges[1] - edges[0]) * scale - 0.6:.1f}" height="{height:.1f}" style="fill:{_TRACE}" '
                    'fill-opacity="0.75"/>'
                )
        parts.append(_line(_RATE_LEFT, floor, _RATE_WIDTH - _RATE_RIGHT, floor, "currentColor", 0.4))
        parts.append(_text(_RATE_LEFT - 10, floor - 8, name, anchor="end", size=12))
        if values.size:
            at = _RATE_LEFT + (float(np.median(values)) - low) * scale
            parts.append(_line(at, floor - _RATE_ROW + 8, at, floor, _GRID, 1.0, width=1.6))
    floor = _TOP + len(known) * _RATE_ROW
    for tick in _ticks(low, high, _nice_step((high - low) / 8)):
        parts.append(_text(_RATE_LEFT + (tick - low) * scale, floor + 15, f"{tick:g}", anchor="middle", faint=True))
    middle = (_RATE_LEFT + _RATE_WIDTH - _RATE_RIGHT) / 2
    parts.append(_text(middle, floor + 32, "beats per minute; the line is the median", anchor="middle", faint=True))
    return _svg(parts, _RATE_WIDTH, floor + 40, "Heart rate by activity")


def _nice_step(rough: float) -> float:
    """The 1, 2 or 5 times a power of ten that is nearest above."""
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough * 0.999))


def _ticks(low: float, high: float, step: float) -> list[float]:
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(number * step, 9) for number in range(first, last + 1)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, opacity: float, *, width: float = 0.8) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" style="stroke:{colour}" '
        f'stroke-opacity="{opacity:g}" stroke-width="{width:g}"/>'
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 10, bold: bool = False, faint: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="currentColor" '
        f'fill-opacity="{0.7 if faint else 1:g}"{weight}>{html.escape(words)}</text>'
    )


def _svg(parts: Sequence[str], width: float, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{html.escape(title)}">{"".join(parts)}</svg>'
    )
