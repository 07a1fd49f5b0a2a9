import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.windows import REASONS, CutWindows, Keep, WindowGrid, activity_ranges, choose_windows, take
from curate.errors import CorpusError
from curate.labels.layer import new_label
from curate.labels.layers import MergedLabels, merge_labels
from curate.quality.assess import Grade
from curate.signals.resample import grid_for


def merged_of(*spans: tuple[int, int, str], n: int, unusable: tuple[int, int] | None = None) -> MergedLabels:
    labels = [new_label(a, b, kind="activity", value=value, annotator="anna") for a, b, value in spans]
    if unusable:
        labels.append(new_label(*unusable, kind="unusable", annotator="anna"))
    return merge_labels(labels, n)


def cut_of(
    merged: MergedLabels,
    n: int,
    *,
    valid: list[list[int]] | None = None,
    size: int = 10,
    hop: int = 5,
    keep: Keep | None = None,
) -> CutWindows:
    grid = WindowGrid(up=1, down=1, n_raw=n, n_samples=size, n_hop=hop)
    values = np.sin(np.arange(n))[:, None]
    reliable = np.ones((n, 1), dtype=bool)
    return choose_windows(
        grid.spans(), merged, np.array(valid or [[0, n]]), reliable, values, all_good(grid), keep=keep
    )


def all_good(grid: WindowGrid, n_leads: int = 1) -> np.ndarray:
    return np.full((grid.n_windows, n_leads), Grade.GOOD, dtype=np.int8)


def test_no_window_spans_two_activities_a_gap_or_an_unusable_stretch() -> None:
    merged = merged_of((0, 43, "rest"), (43, 100, "walk"), n=100, unusable=(70, 72))
    cut = cut_of(merged, 100, valid=[[0, 22], [26, 100]])
    assert cut.spans.raw_start.tolist() == [0, 5, 10, 30, 45, 50, 55, 60, 75, 80, 85, 90]
    assert [merged.activities[code] for code in cut.activity] == ["rest"] * 4 + ["walk"] * 8
    assert cut.excluded["missing samples"] == 3
    assert cut.excluded["marked unusable"] == 2
    assert cut.excluded["activity changes inside"] == 2


def test_every_window_is_kept_or_counted_once() -> None:
    merged = merged_of((0, 43, "rest"), (40, 80, "walk"), n=100)
    cut = cut_of(merged, 100)
    assert list(cut.excluded) == list(REASONS)
    assert cut.activity.size + sum(cut.excluded.values()) == 19
    assert cut.excluded["labels contradict one another"] == 2


def test_contested_samples_are_counted_as_contradiction() -> None:
    labels = [
        new_label(0, 60, kind="activity", value="rest", annotator="anna"),
        new_label(50, 100, kind="activity", value="walk", annotator="ben"),
    ]
    assert cut_of(merge_labels(labels, 100), 100).excluded["labels contradict one another"] == 3


def test_neighbouring_labels_of_one_activity_are_one_stretch() -> None:
    merged = merged_of((0, 20, "rest"), (20, 40, "rest"), n=40)
    assert activity_ranges(merged, np.array([[0, 40]])) == [(0, 40, "rest")]
    assert cut_of(merged, 40).excluded["activity changes inside"] == 0


def test_a_flat_or_untrusted_lead_is_marked_and_zeroed_and_the_others_stay() -> None:
    merged = merged_of((0, 40, "rest"), n=40)
    values = np.stack([np.sin(np.arange(40.0)), np.full(40, 3.0), np.arange(40.0)], axis=1)
    reliable = np.ones((40, 3), dtype=bool)
    reliable[:12, 2] = False
    grid = WindowGrid(up=1, down=1, n_raw=40, n_samples=10, n_hop=10)
    cut = choose_windows(grid.spans(), merged, np.array([[0, 40]]), reliable, values, all_good(grid, 3))
    assert cut.lead_ok.tolist() == [
        [True, False, False],
        [True, False, False],
        [True, False, True],
        [True, False, True],
    ]
    windows = take(values, cut, 10)
    assert windows.dtype == np.float32
    assert not windows[:, 1].any()
    np.testing.assert_array_equal(windows[2, 2], np.arange(20, 30))


def test_values_that_float32_cannot_hold_are_refused() -> None:
    merged = merged_of((0, 40, "rest"), n=40)
    with pytest.raises(CorpusError, match="float32"):
        take(np.full((40, 1), 1e60), cut_of(merged, 40), 10)


def test_the_worst_artefact_degree_in_a_window_counts() -> None:
    labels = [
        new_label(0, 40, kind="activity", value="rest", annotator="anna"),
        new_label(0, 12, kind="artefact", value="1", annotator="anna"),
        new_label(12, 14, kind="artefact", value="3", annotator="anna"),
    ]
    assert cut_of(merge_labels(labels, 40), 40, hop=10).artefact.tolist() == [1, 3, 0, 0]


def test_a_recording_shorter_than_a_window_gives_none() -> None:
    merged = merged_of((0, 7, "rest"), n=7)
    assert cut_of(merged, 7).activity.size == 0


@settings(max_examples=60, deadline=None)
@given(
    st.floats(120, 1000),
    st.sampled_from([125.0, 250.0, 500.0]),
    st.integers(2_000, 60_000),
)
def test_windows_that_follow_one_another_share_no_raw_sample_and_leave_none_out(
    rate_hz: float, new_rate_hz: float, n_raw: int
) -> None:
    grid = WindowGrid.of(grid_for(rate_hz, new_rate_hz), n_raw, n_samples=300, n_hop=300)
    start, stop = grid.raw_ranges()
    np.testing.assert_array_equal(start[1:], stop[:-1])
    assert (stop > start).all()
    assert stop.size == 0 or stop[-1] <= n_raw


def test_only_wanted_activities_degrees_and_qualities_stay_and_the_rest_is_counted() -> None:
    labels = [
        new_label(0, 50, kind="activity", value="rest", annotator="anna"),
        new_label(50, 100, kind="activity", value="walk", annotator="anna"),
        new_label(10, 12, kind="artefact", value="4", annotator="anna"),
    ]
    merged = merge_labels(labels, 100)
    grid = WindowGrid(up=1, down=1, n_raw=100, n_samples=10, n_hop=10)
    values = np.stack([np.sin(np.arange(100)), np.cos(np.arange(100))], axis=1)
    grades = np.full((10, 2), Grade.GOOD, dtype=np.int8)
    grades[3] = Grade.UNUSABLE
    grades[4, 0] = Grade.DOUBTFUL
    keep = Keep(activities=("rest",), max_artefact=3, min_quality=Grade.GOOD)
    cut = choose_windows(
        grid.spans(), merged, np.array([[0, 100]]), np.ones((100, 2), dtype=bool), values, grades, keep=keep
    )
    assert cut.spans.start.tolist() == [0, 20, 40]
    assert cut.excluded["activity not wanted"] == 5
    assert cut.excluded["artefact too strong"] == 1
    assert cut.excluded["quality too low"] == 1
    assert cut.lead_ok.tolist() == [[True, True], [True, True], [False, True]]
    assert not take(values, cut, 10)[2, 0].any()
