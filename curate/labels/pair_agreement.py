"""What is counted of two layers, and of all layers, in one kind, and the figures that follow from the counts.

Counts can be added up over recordings: a figure of a study is worked out from all of its samples, not averaged over
recordings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curate.labels.agreement import UNDEFINED, Coefficient, Scale, Weighting, cohen_kappa, krippendorff_alpha
from curate.labels.label import ARTEFACT_DEGREES
from curate.labels.runs import MARKED

__all__ = ["KINDS", "SCALE", "USABLE", "WEIGHTING", "KindAgreement", "PairAgreement"]

KINDS = ("activity", "artefact", "unusable", "beat")
WEIGHTING: dict[str, Weighting] = {"artefact": "linear"}
"""How kappa weighs disagreement; artefact degrees as quality's calibration does, everything else all or nothing."""
SCALE: dict[str, Scale] = {"artefact": "ordinal"}
"""Which kinds have an order for alpha."""

USABLE = "usable"


@dataclass(frozen=True, kw_only=True)
class PairAgreement:
    """Two layers beside each other, in one kind; such counts can be added up over recordings.

    Attributes:
        kind: the kind.
        first: one layer.
        second: the other.
        table: (the first's value, the second's) → samples that both labelled; of beats, beats that both typed.
        both_s: seconds that both labelled.
        first_only_s: seconds that only the first labelled.
        second_only_s: seconds that only the second labelled.
        segments: value → how many segments the first has, the second has, and how many of them match.
        offsets_ms: how much later the second puts each boundary of the matched segments; of beats, each beat.
        beats: how many beats the first has, the second has, and how many match within 150 ms.
    """

    kind: str
    first: str
    second: str
    table: Counter[tuple[str, str]] = field(default_factory=Counter)
    both_s: float = 0.0
    first_only_s: float = 0.0
    second_only_s: float = 0.0
    segments: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    offsets_ms: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    beats: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def pooled(cls, parts: Sequence[tuple[Self, float]]) -> Self:
        """Add up what several recordings gave for the same two layers.

        Args:
            parts: each recording's counts, and how much one of its samples counts.
        """
        head = parts[0][0]
        segments: dict[str, tuple[int, int, int]] = {}
        for pair, _ in parts:
            for value, counts in pair.segments.items():
                segments[value] = _added(segments.get(value, (0, 0, 0)), counts)
        beats = (0, 0, 0)
        for pair, _ in parts:
            beats = _added(beats, pair.beats)
        return replace(
            head,
            table=_weighted_sum((pair.table, weight) for pair, weight in parts),
            both_s=sum(pair.both_s for pair, _ in parts),
            first_only_s=sum(pair.first_only_s for pair, _ in parts),
            second_only_s=sum(pair.second_only_s for pair, _ in parts),
            segments=dict(sorted(segments.items())),
            offsets_ms=np.concatenate([pair.offsets_ms for pair, _ in parts]),
            beats=beats,
        )

    @property
    def kappa(self) -> Coefficient:
        """Cohen's kappa over the samples that both labelled; of beats, over the types of those that match."""
        if self.kind == "beat" and not self.table:
            return Coefficient(value=UNDEFINED, reason="there is no beat to which both gave a type")
        values = _order(self.kind, self.table)
        return cohen_kappa(self.table, values, weighting=WEIGHTING.get(self.kind, "none"))

    @property
    def same(self) -> float:
        """Share of what both labelled to which they gave the same value; NaN without any."""
        alike = sum(number for (first, second), number in self.table.items() if first == second)
        return _share(alike, sum(self.table.values()))

    @property
    def f1_by_value(self) -> dict[str, float]:
        """F1 of the segments of each value."""
        return {value: _f1(*counts) for value, counts in self.segments.items()}

    @property
    def events(self) -> tuple[int, int, int]:
        """How many segments, or beats, the first has, the second has, and how many match."""
        if self.kind == "beat":
            return self.beats
        total = (0, 0, 0)
        for counts in self.segments.values():
            total = _added(total, counts)
        return total

    @property
    def f1(self) -> float:
        """F1 of all segments together, or of beats; NaN where there is none on either side."""
        return _f1(*self.events)

    @property
    def sensitivity(self) -> float:
        """Share of the first layer's beats that the second has too; NaN without any."""
        return _share(self.beats[2], self.beats[0])

    @property
    def precision(self) -> float:
        """Share of the second layer's beats that the first has too; NaN without any."""
        return _share(self.beats[2], self.beats[1])

    @property
    def offset_median_ms(self) -> float:
        """Median distance of the boundaries of matched segments, or of matched beats; NaN without any."""
        return float(np.median(np.abs(self.offsets_ms))) if self.offsets_ms.size else UNDEFINED

    @property
    def offset_p95_ms(self) -> float:
        """95th percentile of the same distances (linear interpolation); NaN without any."""
        return float(np.percentile(np.abs(self.offsets_ms), 95)) if self.offsets_ms.size else UNDEFINED


@dataclass(frozen=True, kw_only=True)
class KindAgreement:
    """All layers that have a say about one kind.

    Attributes:
        kind: the kind.
        layers: who has a say.
        coincidences: see ``curate.labels.agreement.count_pairs``; of beats, of their types.
        pairs: every two of the layers.
        contradictions_s: layer → seconds in which it names two activities at once, which count as not labelled.
    """

    kind: str
    layers: tuple[str, ...]
    coincidences: Counter[tuple[str, str]]
    pairs: tuple[PairAgreement, ...]
    contradictions_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def alpha(self) -> Coefficient:
        """Krippendorff's alpha of all layers together."""
        if self.kind == "beat" and not self.coincidences:
            return Coefficient(value=UNDEFINED, reason="there is no beat to which two annotators gave a type")
        values = _order(self.kind, self.coincidences)
        return krippendorff_alpha(self.coincidences, values, scale=SCALE.get(self.kind, "nominal"))

    @property
    def rank(self) -> float:
        """What recordings are ordered by, the worst first: alpha, or the lowest F1 of two layers; NaN comes last."""
        if self.kind != "beat" and self.alpha.is_defined:
            return self.alpha.value
        scores = [pair.f1 for pair in self.pairs if not np.isnan(pair.f1)]
        return min(scores, default=UNDEFINED)

    @classmethod
    def pooled(cls, parts: Sequence[tuple[Self, float]]) -> Self:
        """Add up what several recordings gave for one kind; see ``PairAgreement.pooled``."""
        pairs: dict[tuple[str, str], list[tuple[PairAgreement, float]]] = {}
        contradictions: Counter[str] = Counter()
        for part, weight in parts:
            for pair in part.pairs:
                pairs.setdefault((pair.first, pair.second), []).append((pair, weight))
            contradictions.update(part.contradictions_s)
        return replace(
            parts[0][0],
            layers=tuple(sorted({name for part, _ in parts for name in part.layers})),
            coincidences=_weighted_sum((part.coincidences, weight) for part, weight in parts),
            pairs=tuple(PairAgreement.pooled(pairs[names]) for names in sorted(pairs)),
            contradictions_s=dict(sorted(contradictions.items())),
        )


def _order(kind: str, table: Mapping[tuple[str, str], float]) -> tuple[str, ...]:
    """All values of a kind, in their order."""
    if kind == "artefact":
        return ARTEFACT_DEGREES
    if kind == "unusable":
        return (USABLE, MARKED)
    return tuple(sorted({value for pair in table for value in pair}))


def _weighted_sum(tables: Iterable[tuple[Counter[tuple[str, str]], float]]) -> Counter[tuple[str, str]]:
    total: Counter[tuple[str, str]] = Counter()
    for table, weight in tables:
        # Whole numbers stay whole where nothing has to be weighted.
        total.update(table if weight == 1.0 else {pair: number * weight for pair, number in table.items()})
    return total


def _added(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def _f1(n_first: int, n_second: int, n_matched: int) -> float:
    return _share(2 * n_matched, n_first + n_second)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else UNDEFINED
