from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from model.metrics import compare, fold_figures, mean_over_folds

SUBJECTS = ("A", "B", "C")
ACTIVITIES = ("rest", "walk")


def table(rows: list[tuple[str, str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["recording", "subject", "subject_predicted", "activity", "activity_predicted"])


def many(n_recordings: int, per_recording: int, share_right: float, seed: int) -> pd.DataFrame:
    """Recordings that are named right as a whole or not at all: the most alike that windows can be."""
    rng = np.random.default_rng(seed)
    rows = []
    for recording in range(n_recordings):
        right = rng.random() < share_right
        rows += [(f"r{recording}", "A", "A" if right else "B", "rest", "rest")] * per_recording
    return table(rows)


def test_figures_of_a_table_worked_out_by_hand() -> None:
    predictions = table(
        [
            ("r1", "A", "A", "rest", "rest"),
            ("r1", "A", "B", "walk", "rest"),
            ("r2", "B", "B", "rest", "rest"),
            ("r2", "B", "B", "walk", "walk"),
        ]
    )
    figures = fold_figures(predictions, subjects=SUBJECTS, activities=ACTIVITIES, applying=("identity", "activity"))
    identity = figures.tasks["identity"]
    assert identity is not None
    assert identity.accuracy == 0.75
    assert identity.confusion == ((1, 1, 0), (0, 2, 0), (0, 0, 0))
    assert identity.balanced_accuracy == 0.75  # C is not there, and is not counted as 0.
    assert identity.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert identity.chance == 0.5
    assert identity.by_class["B"].precision == pytest.approx(2 / 3)
    assert identity.by_class["C"].recall is None
    assert figures.by_activity["walk"] == {"n": 2, "identity": 0.5, "activity": 0.5}
    assert figures.by_subject["A"] == {"n": 2, "identity": 0.5, "activity": 0.5}
    json.dumps(figures.to_json(), allow_nan=False)


def test_identity_that_does_not_apply_is_none_and_never_zero() -> None:
    predictions = table([("r1", "Z", "", "rest", "rest"), ("r2", "Z", "", "walk", "rest")])
    figures = fold_figures(predictions, subjects=SUBJECTS, activities=ACTIVITIES, applying=("activity",))
    assert figures.tasks["identity"] is None
    assert figures.by_subject["Z"] == {"n": 2, "identity": None, "activity": 0.5}


def test_the_interval_knows_that_windows_of_a_recording_are_alike() -> None:
    few, more = many(20, 5, 0.7, seed=1), many(20, 500, 0.7, seed=1)
    _, narrow = mean_over_folds([few], "identity")
    _, wide = mean_over_folds([more], "identity")
    assert narrow is not None
    assert wide == pytest.approx(narrow)  # 100 times the windows of the same recordings tell nothing new.
    assert narrow[1] - narrow[0] > 0.25


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_truth_most_of_the_time(seed: int) -> None:
    inside = 0
    for trial in range(20):
        _, interval = mean_over_folds([many(60, 3, 0.7, seed=100 * seed + trial)], "identity")
        assert interval is not None
        inside += interval[0] <= 0.7 <= interval[1]
    assert inside >= 16


def test_with_too_few_recordings_there_is_no_interval() -> None:
    assert mean_over_folds([many(4, 10, 0.5, seed=0)], "identity")[1] is None
    assert mean_over_folds([many(40, 1, 0.5, seed=0), many(4, 1, 0.5, seed=0)], "identity")[1] is None


def test_each_fold_counts_the_same_whatever_its_size() -> None:
    folds = [many(5, 100, 1.0, seed=0), many(5, 1, 0.0, seed=0)]
    assert mean_over_folds(folds, "identity")[0] == 0.5


def test_a_network_equals_itself_exactly() -> None:
    fold = many(30, 4, 0.6, seed=2)
    assert compare([fold], [fold], "identity") == (0.0, (0.0, 0.0))


def test_what_is_hard_for_both_cancels_out_of_a_comparison() -> None:
    worse = many(40, 10, 0.5, seed=3)
    better = worse.copy()
    rows = better.index[better["subject_predicted"] != "A"][::10]
    better.loc[rows, "subject_predicted"] = "A"  # One window of each missed recording more.
    difference, interval = compare([better], [worse], "identity")
    assert difference == pytest.approx(len(rows) / len(worse))
    assert interval is not None
    assert interval[0] > 0
    own = mean_over_folds([better], "identity")[1]
    assert own is not None
    assert interval[1] - interval[0] < (own[1] - own[0]) / 3
