from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from curate.beats.score import compare_beats, pair_beats
from curate.errors import SignalError

BEATS = st.lists(st.integers(min_value=0, max_value=1200), max_size=25).map(lambda beats: np.array(sorted(beats), int))


@given(reference=BEATS, found=BEATS)
def test_there_is_no_way_to_make_more_pairs(reference: np.ndarray, found: np.ndarray) -> None:
    pairs = pair_beats(reference, found, rate_hz=250.0)
    near = np.abs(np.subtract.outer(reference, found)) <= 37.5
    best = near[linear_sum_assignment(near, maximize=True)].sum()
    assert len(pairs) == best
    assert near[pairs[:, 0], pairs[:, 1]].all()
    assert (np.diff(pairs, axis=0) > 0).all()


def test_a_beat_exactly_150_ms_away_counts_and_one_sample_more_does_not() -> None:
    reference = np.array([1000])
    assert compare_beats(reference, np.array([1054]), rate_hz=360.0).true_positives == 1
    assert compare_beats(reference, np.array([946]), rate_hz=360.0).true_positives == 1
    assert compare_beats(reference, np.array([1055]), rate_hz=360.0).true_positives == 0


def test_a_beat_found_twice_is_one_true_and_one_false() -> None:
    result = compare_beats(np.array([1000]), np.array([990, 1010]), rate_hz=360.0)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (1, 1, 0)


def test_pairing_takes_as_many_pairs_as_there_can_be() -> None:
    # Nearest first would pair 100 with 110 and leave both others alone.
    pairs = pair_beats(np.array([100, 145]), np.array([60, 110]), rate_hz=360.0)
    assert pairs.tolist() == [[0, 0], [1, 1]]


def test_a_constant_delay_costs_no_jf_and_scatter_does() -> None:
    reference = np.arange(1000, 9000, 250)
    assert compare_beats(reference, reference + 5, rate_hz=250.0).jf == 1.0
    early_and_late = reference + np.where(np.arange(reference.size) % 2, 5, -5)
    found = compare_beats(reference, early_and_late, rate_hz=250.0)
    assert found.scatter_s == pytest.approx(0.02)
    assert found.jf == pytest.approx(1 / 3)
    assert compare_beats(reference, reference[:0], rate_hz=250.0).jf == 0.0


def test_without_beats_the_figures_are_not_numbers() -> None:
    none = np.zeros(0, dtype=np.int64)
    result = compare_beats(none, none, rate_hz=360.0)
    assert np.isnan([result.sensitivity, result.precision, result.f1, result.median_jitter_s]).all()


def test_beats_out_of_order_are_refused() -> None:
    with pytest.raises(SignalError, match="rising"):
        compare_beats(np.array([5, 3]), np.array([1]), rate_hz=360.0)
