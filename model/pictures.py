"""The pictures of a report as inline SVG; the page's style sheet colours them, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "confusion_matrix", "line_chart", "trace"]

CHART_WIDTH: Final = 420
CHART_HEIGHT: Final = 200
MARGIN: Final = (46, 10, 12, 30)
"""Left, right, top, bottom of a chart, in units of its view box."""

MOST_NUMBERED_CLASSES: Final = 12
"""With more classes the numbers in the cells could not be read; they stay as tooltips."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart.

    Attributes:
        label: for the tooltip.
        style: a class of the page's style sheet.
        values: one per epoch, from epoch 1.
    """

    label: str
    style: str
    values: Sequence[float]


def line_chart(
    lines: Sequence[Line], *, title: str, percent: bool = False, from_zero: bool = True, mark: int | None = None
) -> str:
    """Draw values over epochs.

    Args:
        lines: at least one, all of the same length.
        title: read out where pictures are not seen.
        percent: values are shares, and ticks percentages.
        from_zero: the vertical axis starts at 0.
        mark: an epoch to mark, the one whose weights were kept.
    """
    left, right, top, bottom = MARGIN
    n = len(lines[0].values)
    low, high = min(min(line.values) for line in lines), max(max(line.values) for line in lines)
    ticks = _ticks(0.0 if from_zero else low, high)
    base, peak = ticks[0], ticks[-1]
    width, height = CHART_WIDTH - left - right, CHART_HEIGHT - top - bottom

    def x(epoch: float) -> float:
        return left + (width * (epoch - 1) / (n - 1) if n > 1 else width / 2)

    def y(value: float) -> float:
        return top + height * (1 - (value - base) / (peak - base))

    parts = [
        f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="tick" x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_tick_text(tick, percent)}</text>'
        for tick in ticks
    ]
    for epoch in sorted({1, n} | {round(tick) for tick in _ticks(1, n) if 1 < tick < 0.93 * n}):
        parts.append(
            f'<text class="tick" x="{x(epoch):.1f}" y="{CHART_HEIGHT - 10}" text-anchor="middle">{epoch}</text>'
        )
    if mark is not None:
        parts.append(
            f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top}" y2="{top + height}">'
            f"<title>kept: epoch {mark}</title></line>"
        )
    for line in lines:
        points = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in enumerate(line.values, start=1))
        shape = (
            f'<polyline class="line {line.style}" points="{points}">'
            if n > 1
            else f'<circle class="dot {line.style}" r="3" cx="{x(1):.1f}" cy="{y(line.values[0]):.1f}">'
        )
        parts.append(f"{shape}<title>{escape(line.label)}</title></{'polyline' if n > 1 else 'circle'}>")
    return _svg(CHART_WIDTH, CHART_HEIGHT, "chart", title, parts)


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str], *, title: str) -> str:
    """Draw a confusion matrix: a row per true class, shaded by the share of the row.

    Right cells have one colour and wrong cells another; up to 12 classes each cell holds its percentage.
    """
    n = len(classes)
    cell = 46 if n <= MOST_NUMBERED_CLASSES else max(9, 560 // n)
    size = 12 if n <= MOST_NUMBERED_CLASSES else min(12, max(7, cell - 1))
    shown = [name if len(name) <= 16 else name[:15] + "…" for name in classes]
    room = 14 + 0.6 * size * max(len(name) for name in shown)
    slanted = n > MOST_NUMBERED_CLASSES or max(len(name) for name in shown) * size * 0.6 > cell
    head = room if slanted else size + 14
    parts = []
    for row, counts in enumerate(confusion):
        y, total = head + row * cell, sum(counts)
        parts.append(
            f'<text class="tick" style="font-size:{size}px" x="{room - 6:.1f}" y="{y + cell / 2 + size * 0.36:.1f}" '
            f'text-anchor="end">{escape(shown[row])}</text>'
        )
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            x = room + column * cell
            told = f"{classes[row]} named {classes[column]}: {count} of {total}"
            kind = "right" if row == column else "wrong"
            parts.append(f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{cell - 1}" height="{cell - 1}"/>')
            if count:
                # Shading by the square root lets the rare confusions be seen.
                parts.append(
                    f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{cell - 1}" height="{cell - 1}" '
                    f'fill-opacity="{0.08 + 0.92 * math.sqrt(share):.2f}"><title>{escape(told)}</title></rect>'
                )
            if count and n <= MOST_NUMBERED_CLASSES:
                ink = "on" if share > 0.3 else "off"
                text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
                parts.append(
                    f'<text class="share {ink}" x="{x + (cell - 1) / 2:.1f}" y="{y + cell / 2 + 4:.1f}" '
                    f'text-anchor="middle">{escape(text)}</text>'
                )
    for column, name in enumerate(shown):
        x = room + column * cell + cell / 2
        turn = f' transform="rotate(-90 {x + size * 0.36:.1f} {head - 6:.1f})"' if slanted else ""
        anchor, shift = ("start", size * 0.36) if slanted else ("middle", 0)
        parts.append(
            f'<text class="tick" style="font-size:{size}px" x="{x + shift:.1f}" y="{head - 6:.1f}" '
            f'text-anchor="{anchor}"{turn}>{escape(name)}</text>'
        )
    return _svg(room + n * cell, head + n * cell, "matrix", title, parts)


def trace(window: NDArray[np.float32], *, leads: Sequence[str], rate_hz: float, title: str) -> str:
    """Draw one window as on ECG paper, a lead below the other, all at one scale; big squares are 0.2 s wide.

    Args:
        window: (n_leads, n_samples).
        leads: their names.
        rate_hz: samples per second.
        title: read out where pictures are not seen.
    """
    n_leads, n_samples = window.shape
    width, row = 360.0, 96.0 if n_leads == 1 else 62.0
    seconds = n_samples / rate_hz
    step = width * 0.2 / seconds
    height = row * n_leads
    parts = [
        f'<line class="paper" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height:g}"/>'
        for at in np.arange(0, width + 0.5, step)
    ]
    parts += [
        f'<line class="paper" x1="0" x2="{width:g}" y1="{at:.1f}" y2="{at:.1f}"/>'
        for at in np.arange(0, height + 0.5, step)
    ]
    values = window.astype(np.float64) - np.median(window, axis=1, keepdims=True)
    reach = max(float(np.abs(values).max()), 1e-9)
    for position, name in enumerate(leads):
        middle = row * (position + 0.5)
        line = middle - values[position] / reach * row * 0.46
        points = " ".join(f"{width * i / n_samples:.1f},{at:.1f}" for i, at in enumerate(line))
        parts.append(f'<polyline class="ecg" points="{points}"/>')
        parts.append(f'<text class="tick" x="4" y="{row * position + 13:.1f}">{escape(name)}</text>')
    return _svg(width, height, "trace", title, parts)


def _svg(width: float, height: float, style: str, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="{style}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'style="max-width:{width:.0f}px">{"".join(parts)}</svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers that span a range."""
    span = high - low
    if span <= 0:
        span = abs(high) or 1.0
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [number * step for number in range(first, last + 1)]


def _tick_text(value: float, percent: bool) -> str:
    return f"{100 * value:g}" if percent else f"{value:.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}"
