"""How well found beats agree with known ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.errors import SignalError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HALF_SCATTER_S", "TOLERANCE_S", "BeatScore", "compare_beats", "pair_beats"]

TOLERANCE_S = 0.150
"""How far a found beat may lie from the true one, 150 ms inclusive, as in ANSI/AAMI EC57 and PhysioNet's ``bxb``."""

HALF_SCATTER_S = 0.010
"""The scatter at which JF is half of F1: a quarter of the usual beat-to-beat variability."""


@dataclass(frozen=True, kw_only=True)
class BeatScore:
    """The outcome of a comparison.

    Attributes:
        true_positives: reference beats that were found.
        false_negatives: reference beats that were missed.
        false_positives: found beats that are none.
        median_jitter_s: median distance of a found beat from its reference, absolute; NaN without a pair.
        p95_jitter_s: what 95 % of these distances do not exceed; NaN without a pair.
        scatter_s: median distance of these differences from their own median, so that a constant delay does not count;
            NaN without a pair.
    """

    true_positives: int
    false_negatives: int
    false_positives: int
    median_jitter_s: float
    p95_jitter_s: float
    scatter_s: float

    @property
    def sensitivity(self) -> float:
        """Share of the reference beats that were found; NaN without reference beats."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def precision(self) -> float:
        """Share of the found beats that are true (positive predictive value); NaN without found beats."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; NaN where there is no beat on either side."""
        return _share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)

    @property
    def jf(self) -> float:
        """F1 / (1 + scatter / 10 ms), the JF score of Porr and Macfarlane (2024, doi:10.1371/journal.pone.0309739).

        Deviation: only beats within the tolerance are pairs, and their differences keep their sign, so that a detector
        that is early as often as late does not pass for a steady one. 0 where no beat was found; NaN where F1 is.
        """
        if not self.true_positives:
            return self.f1
        return self.f1 / (1.0 + self.scatter_s / HALF_SCATTER_S)


def compare_beats(
    reference: NDArray[np.int64], found: NDArray[np.int64], *, rate_hz: float, tolerance_s: float = TOLERANCE_S
) -> BeatScore:
    """Compare found beats with reference beats, one to one.

    As many pairs as possible are made of beats no more than ``tolerance_s`` apart, inclusive; a beat is in one pair at
    most.

    Args:
        reference: sample indices, rising, shape (n,).
        found: sample indices, rising, shape (m,).
        rate_hz: samples per second of both.
        tolerance_s: see above.

    Raises:
        SignalError: indices do not rise, or the rate or the tolerance makes no sense.
    """
    pairs = pair_beats(reference, found, rate_hz=rate_hz, tolerance_s=tolerance_s)
    difference = np.asarray(found)[pairs[:, 1]] - np.asarray(reference)[pairs[:, 0]]
    return BeatScore(
        true_positives=len(pairs),
        false_negatives=len(reference) - len(pairs),
        false_positives=len(found) - len(pairs),
        median_jitter_s=float(np.median(np.abs(difference))) / rate_hz if len(pairs) else float("nan"),
        p95_jitter_s=float(np.percentile(np.abs(difference), 95)) / rate_hz if len(pairs) else float("nan"),
        scatter_s=float(np.median(np.abs(difference - np.median(difference)))) / rate_hz
        if len(pairs)
        else float("nan"),
    )


def pair_beats(
    reference: NDArray[np.int64], found: NDArray[np.int64], *, rate_hz: float, tolerance_s: float = TOLERANCE_S
) -> NDArray[np.int64]:
    """Pair positions in ``reference`` with positions in ``found``; shape (n_pairs, 2). See ``compare_beats``."""
    for name, beats in (("reference", np.asarray(reference)), ("found", np.asarray(found))):
        if beats.ndim != 1 or (np.diff(beats) < 0).any():
            raise SignalError(f"The {name} beats are not a rising list of sample indices; sort them.")
    if not (np.isfinite(rate_hz) and rate_hz > 0 and np.isfinite(tolerance_s) and tolerance_s >= 0):
        raise SignalError(
            f"A rate of {rate_hz} Hz with a tolerance of {tolerance_s} s cannot be; both are numbers, the rate above 0."
        )
    # Half a nanosecond more, so that a beat exactly on the limit is inside whatever the rounding of the product.
    limit = tolerance_s * rate_hz + 0.5e-9 * rate_hz
    true, other = np.asarray(reference), np.asarray(found)
    first, n_others = _within(true, other, limit)
    _, n_true = _within(other, true, limit)
    # Most beats could be paired with one other alone, which has no other choice either: these are pairs.
    at = np.flatnonzero(n_others == 1)
    at = at[n_true[first[at]] == 1]
    pairs = np.stack([at, first[at]], axis=1)
    n_others[at] = n_true[first[at]] = 0
    left_true, left_other = np.flatnonzero(n_others), np.flatnonzero(n_true)
    rest = _pair_in_order(true[left_true].tolist(), other[left_other].tolist(), limit)
    if rest.size:
        pairs = np.concatenate([pairs, np.stack([left_true[rest[:, 0]], left_other[rest[:, 1]]], axis=1)])
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return np.asarray(pairs, dtype=np.int64)


def _within(
    beats: NDArray[np.int64], others: NDArray[np.int64], limit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Position of the first other beat no more than ``limit`` away, and how many there are, for each beat."""
    first = np.searchsorted(others, beats - limit, side="left")
    return first, np.searchsorted(others, beats + limit, side="right") - first


def _pair_in_order(true: list[int], other: list[int], limit: float) -> NDArray[np.int64]:
    """Pair beats of which some could be in several pairs; shape (n_pairs, 2)."""
    pairs = []
    i = j = 0
    # On a line, pairing the earliest two that may be paired never costs a pair later.
    while i < len(true) and j < len(other):
        if abs(true[i] - other[j]) <= limit:
            pairs.append((i, j))
            i += 1
            j += 1
        elif true[i] < other[j]:
            i += 1
        else:
            j += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
