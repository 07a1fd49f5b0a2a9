"""How far annotators agree beyond chance: Cohen's kappa for two, Krippendorff's alpha for any number.

Both are worked out from tables of how many samples got which values, so that hours cost no more than minutes. Own
code, because both have to take lengths of runs as weights and missing values, and because an undefined figure has to
say why: scikit-learn's ``cohen_kappa_score`` knows no missing values and the ``krippendorff`` package is under the GPL.
The tests hold both formulas against scikit-learn and against Krippendorff's own worked examples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNDEFINED", "Coefficient", "Scale", "Weighting", "cohen_kappa", "count_pairs", "krippendorff_alpha"]

Weighting = Literal["none", "linear", "quadratic"]
Scale = Literal["nominal", "ordinal"]

UNDEFINED = float("nan")


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A figure that may have no value.

    Attributes:
        value: 1 is perfect, 0 what chance gives, below 0 worse than that; NaN where it is undefined.
        reason: why it is undefined; "" where it is defined.
    """

    value: float
    reason: str = ""

    @property
    def is_defined(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)


def cohen_kappa(
    table: Mapping[tuple[str, str], float], values: Sequence[str], *, weighting: Weighting = "none"
) -> Coefficient:
    """Cohen's kappa of two annotators.

    κ = 1 − Σ w·o / Σ w·e with o the share of samples that got each pair of values, e the product of the shares that
    each annotator gave each value, and w the disagreement: 1 for any two values (``none``), their distance in the order
    of ``values`` (``linear``) or its square (``quadratic``).

    Args:
        table: (first annotator's value, second annotator's value) → number of samples.
        values: all values, in their order.
        weighting: see above.

    Cohen (1960, doi:10.1177/001316446002000104); weighted: Cohen (1968, doi:10.1037/h0026256).
    """
    counts = _matrix(table, values)
    total = counts.sum()
    if not total:
        return Coefficient(value=UNDEFINED, reason="there is no sample that both labelled")
    distance = np.abs(np.subtract.outer(np.arange(len(values)), np.arange(len(values)))).astype(np.float64)
    cost = {"none": (distance > 0).astype(np.float64), "linear": distance, "quadratic": distance**2}[weighting]
    expected = float((cost * np.outer(counts.sum(axis=1), counts.sum(axis=0))).sum()) / total
    if not expected:
        only = values[int(np.argmax(counts.sum(axis=1)))]
        return Coefficient(value=UNDEFINED, reason=f"both say {only} throughout, where chance agrees as well")
    return Coefficient(value=1.0 - float((cost * counts).sum()) / expected)


def krippendorff_alpha(
    coincidences: Mapping[tuple[str, str], float], values: Sequence[str], *, scale: Scale = "nominal"
) -> Coefficient:
    """Krippendorff's alpha of any number of annotators, of whom some may have labelled nothing here and there.

    α = 1 − (n − 1) Σ o·δ² / Σ n_c·n_k·δ² with o the coincidences, n_c how often a value stands in them and n their sum.
    δ² is 1 for two values on a nominal scale; on an ordinal one it is the square of how many values lie from the one to
    the other, (Σ n_g for g from c to k − (n_c + n_k)/2)².

    Args:
        coincidences: see ``count_pairs``.
        values: all values, in their order.
        scale: whether their order means something.

    Krippendorff (2011), Computing Krippendorff's alpha-reliability, https://repository.upenn.edu/handle/20.500.14332/2089;
    Hayes and Krippendorff (2007, doi:10.1080/19312450709336664).
    """
    counts = _matrix(coincidences, values)
    each = counts.sum(axis=1)
    total = each.sum()
    if not total:
        return Coefficient(value=UNDEFINED, reason="there is no sample that two annotators labelled")
    if scale == "nominal":
        cost = 1.0 - np.eye(len(values))
    else:
        up_to = np.cumsum(each)
        # From the one to the other, with half of each end: the difference of the middles of both.
        middle = up_to - each / 2
        cost = np.subtract.outer(middle, middle) ** 2
    expected = float((cost * np.outer(each, each)).sum())
    if not expected:
        only = values[int(np.argmax(each))]
        return Coefficient(value=UNDEFINED, reason=f"all say {only} throughout, where chance agrees as well")
    return Coefficient(value=1.0 - (total - 1.0) * float((cost * counts).sum()) / expected)


def count_pairs(
    codes: NDArray[np.int32], weights: NDArray[np.int64], values: Sequence[str]
) -> Counter[tuple[str, str]]:
    """Count Krippendorff's coincidences: every pair of values that two annotators gave one sample.

    A sample that m annotators labelled counts m in all: each of its m·(m − 1) ordered pairs 1/(m − 1).

    Args:
        codes: shape (n_annotators, n_runs): index of the value, below 0 where there is none.
        weights: shape (n_runs,): how many samples each run holds.
        values: what the codes count into.

    Returns:
        (value, value) → how often, in both orders; only pairs that occur.
    """
    if not values:
        return Counter()
    given = np.stack([(codes == code).sum(axis=0) for code in range(len(values))], axis=1, dtype=np.float64)
    labelled = given.sum(axis=1)
    pairable = labelled >= 2
    given, share = given[pairable], weights[pairable] / (labelled[pairable] - 1)
    counts = (given * share[:, None]).T @ given
    np.fill_diagonal(counts, share @ (given * (given - 1)))
    return Counter(
        {
            (values[first], values[second]): float(counts[first, second])
            for first, second in zip(*np.nonzero(counts), strict=True)
        }
    )


def _matrix(table: Mapping[tuple[str, str], float], values: Sequence[str]) -> NDArray[np.float64]:
    place = {value: number for number, value in enumerate(values)}
    counts = np.zeros((len(values), len(values)))
    for (first, second), number in table.items():
        counts[place[first], place[second]] += number
    return counts
