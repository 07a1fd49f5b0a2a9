"""What a corpus's card counts: hours without counting a sample twice, and who did what under which condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.quality.assess import Grade

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from curate.corpus.read import Corpus

__all__ = ["Cell", "CrossTable", "Share", "covered_hours", "cross_tables", "lead_rows", "made_how"]

_PALEST, _DEEPEST = 6, 28


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of a whole, for a bar."""

    name: str
    n: int
    percent: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number of windows and how strongly its cell is coloured, in per cent; 0 windows is a hole in the design."""

    n: int
    fill: int


@dataclass(frozen=True, kw_only=True)
class CrossTable:
    """Windows by two things at once.

    Attributes:
        rows: what the rows are of.
        columns: the heads of the columns.
        body: the head of each row, its cells, and its sum.
    """

    rows: str
    columns: tuple[str, ...]
    body: tuple[tuple[str, tuple[Cell, ...], int], ...]

    @property
    def n_empty(self) -> int:
        """How many combinations there are no windows of."""
        return sum(cell.n == 0 for _, cells, _ in self.body for cell in cells)


def cross_tables(table: pd.DataFrame, factors: Sequence[str]) -> list[CrossTable]:
    """Each factor's levels against activities, then against subjects, then each pair of factors."""
    pairs = [(factor, "activity") for factor in factors] + [(factor, "subject") for factor in factors]
    pairs += [(one, other) for place, one in enumerate(factors) for other in factors[place + 1 :]]
    return [cross_table(table, rows=rows, columns=columns) for columns, rows in pairs]


def cross_table(table: pd.DataFrame, *, rows: str, columns: str) -> CrossTable:
    """Count windows by two columns of a corpus's table."""
    across = sorted(str(name) for name in table[columns].unique())
    down = sorted(str(name) for name in table[rows].unique())
    counts = table.groupby([table[rows].astype(str), table[columns].astype(str)]).size()
    most = int(counts.max())

    def cell(one: str, other: str) -> Cell:
        n = int(counts.get((one, other), 0))
        return Cell(n=n, fill=_PALEST + round((_DEEPEST - _PALEST) * n / most))

    body = []
    for name in down:
        cells = tuple(cell(name, head) for head in across)
        body.append((name or "not said", cells, sum(one.n for one in cells)))
    heads = tuple(name or "not said" for name in across)
    return CrossTable(rows=f"{rows} by {columns}", columns=heads, body=tuple(body))


def covered_hours(table: pd.DataFrame, rate_hz: Mapping[str, float], by: str) -> dict[str, float]:
    """Hours of recording that windows cover, a sample under several windows counted once.

    Args:
        table: one row per window.
        rate_hz: recording → its raw samples per second.
        by: the column whose values the hours are summed for.

    Returns:
        Value → hours, sorted by value.
    """
    recording = table["recording"].astype(str).to_numpy()
    names, code = np.unique(recording, return_inverse=True)
    value = table[by].astype(str).to_numpy()
    values, group = np.unique(value, return_inverse=True)
    start, stop = (table[name].to_numpy(dtype=np.int64) for name in ("start", "stop"))
    order = np.lexsort((start, group, code))
    code, group, start, stop = code[order], group[order], start[order], stop[order]
    fresh = np.ones(order.size, dtype=np.bool_)
    fresh[1:] = (code[1:] != code[:-1]) | (group[1:] != group[:-1])
    # Each recording's stretch of one value is laid behind the others, so that one running maximum serves them all.
    offset = (np.cumsum(fresh) - 1) * (int(stop.max(initial=0)) + 1)
    reached = np.maximum.accumulate(stop + offset)
    before = np.concatenate(([0], reached[:-1]))
    new = np.maximum(0, stop + offset - np.maximum(start + offset, before))
    seconds = new / np.array([rate_hz[name] for name in names])[code]
    return {str(name): float(seconds[group == place].sum()) / 3600 for place, name in enumerate(values)}


def lead_rows(corpus: Corpus) -> list[dict[str, Any]]:
    """Per lead, the share of windows in which it holds signal, and its grades there."""
    rows = []
    everything = np.arange(corpus.n_windows)
    lead_ok: NDArray[np.bool_] = corpus.lead_ok(everything)
    quality: NDArray[np.uint8] = corpus.lead_quality(everything)
    for place, lead in enumerate(corpus.leads):
        held = lead_ok[:, place]
        grades = quality[held, place]
        shares = []
        for grade in sorted(Grade, reverse=True):
            n = int(np.count_nonzero(grades == grade))
            shares.append(Share(name=grade.name.lower(), n=n, percent=100 * n / max(grades.size, 1)))
        rows.append({"lead": lead, "held": 100 * float(held.mean()) if held.size else 0.0, "grades": shares})
    return rows


def made_how(sources: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, int]]]]:
    """How recordings came about: boards, protocols, true rates, layers of labels; each with how many recordings."""
    listed: dict[str, dict[str, int]] = {
        "board": {},
        "protocol": {},
        "true rate": {},
        "taken over from": {},
        "labels by": {},
    }
    for source in sources:
        said = {
            "board": [str(source.get("board", "")) or "not said"],
            "protocol": [str(source.get("protocol", "")) or "none"],
            "true rate": [f"{round(float(source['rate_hz']), 1):g} Hz"],
            "taken over from": [str(source["source"]).partition(";")[0]] if source.get("source") else [],
            "labels by": [str(layer["annotator"]) for layer in source.get("layers", ())] or ["nobody"],
        }
        for what, names in said.items():
            for name in names:
                listed[what][name] = listed[what].get(name, 0) + 1
    return [
        (what, sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        for what, counts in listed.items()
        if counts
    ]
