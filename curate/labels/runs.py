"""What several layers say about a recording, run by run: sample-exact, and as small as the number of boundaries.

An hour at 1 kHz has 3.6 million samples and perhaps a hundred boundaries. Between two neighbouring boundaries of any
layer nothing changes, so that each such run stands for all of its samples, with its length as weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curate.labels.label import ABSENT, ARTEFACT_DEGREES, Label

__all__ = ["CONTRADICTION", "RANGE_KINDS", "SILENT", "Axis", "Runs", "read_runs", "taking_part"]

RANGE_KINDS = ("activity", "artefact", "unusable")
SILENT = -1
CONTRADICTION = -2

MARKED = "unusable"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The samples that count, numbered without the gaps between them.

    Attributes:
        start: shape (k,): first sample of each range that counts, rising.
        stop: shape (k,): one past its last.
        before: shape (k,): how many samples count before it.
        n: how many count in all.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    before: NDArray[np.int64]
    n: int

    @classmethod
    def of(cls, valid: NDArray[np.int64]) -> Self:
        """From ordered, disjoint ranges, shape (k, 2), such as a recording's ``valid``."""
        ranges = np.asarray(valid, dtype=np.int64).reshape(-1, 2)
        ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
        return cls(
            start=ranges[:, 0],
            stop=ranges[:, 1],
            before=np.concatenate((np.zeros(min(1, ends.size), dtype=np.int64), ends[:-1])),
            n=int(ends[-1]) if ends.size else 0,
        )

    @classmethod
    def whole(cls, n_samples: int) -> Self:
        """Every sample of a recording, gaps included."""
        return cls.of(np.array([[0, n_samples]], dtype=np.int64))

    def count(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many samples that count lie before each index."""
        if not self.start.size:
            return np.zeros_like(index)
        place = np.searchsorted(self.start, index, side="right") - 1
        run = np.maximum(place, 0)
        inside = self.before[run] + np.minimum(index, self.stop[run]) - self.start[run]
        return np.where(place < 0, 0, inside)

    def sample(self, number: NDArray[np.int64]) -> NDArray[np.int64]:
        """The index of the sample with each number, from 0 to n − 1."""
        run = np.searchsorted(self.before, number, side="right") - 1
        counted: NDArray[np.int64] = self.start[run] + number - self.before[run]
        return counted

    def edges(self) -> NDArray[np.int64]:
        """The numbers at which a range begins or ends: where nobody had to judge where something changes."""
        return np.append(self.before, self.n)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What each layer says between each two neighbouring boundaries.

    Attributes:
        axis: the samples that count.
        layers: the layers' names.
        values: what can be said; codes count into it.
        edges: shape (n + 1,), rising, from 0 to ``axis.n``: run r holds the samples with numbers
            ``edges[r]`` to ``edges[r + 1] − 1``.
        codes: shape (n_layers, n) int32: index of the value, ``SILENT``, or ``CONTRADICTION`` where the layer names two
            activities at once.
    """

    axis: Axis
    layers: tuple[str, ...]
    values: tuple[str, ...]
    edges: NDArray[np.int64]
    codes: NDArray[np.int32]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many samples each run holds."""
        return np.diff(self.edges)


def read_runs(layers: Mapping[str, Sequence[Label]], kind: str, axis: Axis) -> Runs:
    """Read what layers say of one kind.

    Where artefact degrees of one layer overlap, the worst holds; where its activities do, it contradicts itself. Labels
    that only touch or overlap with the same value say one thing.

    Args:
        layers: name → labels, of all kinds, in any order.
        kind: activity, artefact or unusable.
        axis: which samples count.
    """
    chosen = [[label for label in labels if label.kind == kind] for labels in layers.values()]
    bounds = [
        axis.count(np.array([(label.start, label.stop) for label in labels], dtype=np.int64).reshape(-1, 2))
        for labels in chosen
    ]
    edges = np.unique(np.concatenate([np.array([0, axis.n], dtype=np.int64), *(bound.ravel() for bound in bounds)]))
    values = _values(kind, chosen)
    codes = np.full((len(chosen), edges.size - 1), SILENT, dtype=np.int32)
    for row, labels, bound in zip(codes, chosen, bounds, strict=True):
        said = np.array([_value(label) for label in labels], dtype=object)
        places = np.searchsorted(edges, bound)
        for code, value in enumerate(values):
            mine = places[said == value]
            if not mine.size:
                continue
            change = np.bincount(mine[:, 0], minlength=edges.size) - np.bincount(mine[:, 1], minlength=edges.size)
            there = np.cumsum(change)[:-1] > 0
            # Values come in rising order, so that of degrees the worst is written last.
            row[there] = code if kind != "activity" else np.where(row[there] == SILENT, code, CONTRADICTION)
    return Runs(axis=axis, layers=tuple(layers), values=values, edges=edges, codes=codes)


def taking_part(layers: Mapping[str, Sequence[Label]], kind: str, *, looked: frozenset[str]) -> tuple[str, ...]:
    """Which layers have a say about a kind.

    Those that say anything of this kind, and for unusable, where saying nothing means that the signal is usable, also
    those of ``looked`` that say what was done or how disturbed it was.

    Args:
        layers: name → labels.
        kind: the kind.
        looked: the layers of people who looked at the signal.
    """
    telling = {kind} if kind != "unusable" else set(RANGE_KINDS)
    return tuple(
        name
        for name, labels in layers.items()
        if any(
            label.kind == kind
            or (label.kind == ABSENT and label.value == kind)
            or (name in looked and label.kind in telling)
            for label in labels
        )
    )


def _value(label: Label) -> str:
    # Why something is unusable is a remark; that it is, is what is said.
    return MARKED if label.kind == "unusable" else label.value


def _values(kind: str, labels: Sequence[Sequence[Label]]) -> tuple[str, ...]:
    if kind == "unusable":
        return (MARKED,)
    if kind == "artefact":
        return ARTEFACT_DEGREES
    return tuple(sorted({label.value for held in labels for label in held}))
