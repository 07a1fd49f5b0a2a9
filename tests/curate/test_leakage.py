import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import LeakError, SplitError
from curate.splits.content_prints import SAMPLES, fingerprints
from curate.splits.leakage import check_shared_contents, check_shared_samples, check_split, check_subjects


def check(rows: list[tuple[str, int, int, int]]) -> None:
    names, start, stop, sides = zip(*rows, strict=True)
    check_shared_samples("s", np.array(names), np.array(start), np.array(stop), np.array(sides, dtype=np.uint8))


def test_one_shared_sample_is_found_and_named() -> None:
    with pytest.raises(LeakError, match=r"recording b.*train window \[0, 100\).*test window \[99, 120\)"):
        check([("a", 0, 100, 1), ("b", 99, 120, 3), ("b", 0, 100, 1), ("a", 100, 200, 3)])


def test_ranges_that_only_touch_or_lie_in_other_recordings_are_no_leak() -> None:
    check([("a", 0, 100, 1), ("a", 100, 200, 3), ("b", 50, 150, 3), ("a", 200, 260, 2), ("a", 90, 110, 0)])


def test_a_long_early_range_is_not_forgotten_behind_short_ones() -> None:
    with pytest.raises(LeakError):
        check([("a", 0, 1000, 3), ("a", 10, 20, 3), ("a", 30, 40, 3), ("a", 999, 1001, 2)])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 9), st.integers(0, 3)),
        min_size=1,
        max_size=14,
    )
)
def test_the_sweep_agrees_with_looking_at_every_sample(rows: list[tuple[str, int, int, int]]) -> None:
    held: dict[tuple[str, int], set[int]] = {}
    for name, start, length, side in rows:
        for sample in range(start, start + length):
            held.setdefault((name, sample), set()).update({side} - {0})
    leaks = any(len(sides) > 1 for sides in held.values())
    try:
        check([(name, start, start + length, side) for name, start, length, side in rows])
    except LeakError:
        assert leaks
    else:
        assert not leaks


def table(n: int = 12) -> pd.DataFrame:
    start = np.arange(n) * 10
    return pd.DataFrame(
        {
            "recording": [f"r{place % 4}" for place in range(n)],
            "subject": [f"S{place % 2}" for place in range(n)],
            "session": [f"{place % 4 // 2}" for place in range(n)],
            "activity": ["rest"] * n,
            "start": start,
            "stop": start + 10,
        }
    )


def test_a_session_on_both_sides_leaks() -> None:
    sides = np.array([1, 1, 3, 3] * 2 + [2, 2, 3, 3] + [1, 1, 3, 3] * 2, dtype=np.uint8)
    rows = table(20)
    with pytest.raises(SplitError, match="validate"):
        check_split("x", rows, sides, {"kind": "across-sessions"})
    sides[[4, 5]] = 2
    check_split("x", rows, sides, {"kind": "across-sessions"})
    rows.loc[0, "session"] = "1"
    with pytest.raises(LeakError, match="session 1 of subject S0"):
        check_split("x", rows, sides, {"kind": "across-sessions"})


def test_a_subject_on_both_sides_of_unseen_subjects_leaks() -> None:
    with pytest.raises(LeakError, match="subject S0"):
        check_split("x", table(), np.array([1, 2, 3] * 4, dtype=np.uint8), {"kind": "unseen-subjects"})


def test_a_level_of_a_factor_on_both_sides_leaks_and_a_factor_that_is_not_told_is_refused() -> None:
    info = {"kind": "across-factor", "apart": [["electrode"], ["recording"]]}
    rows = table(20)
    sides = np.where(rows["recording"].isin(["r0", "r1"]), 3, 1).astype(np.uint8)
    sides[[2, 3, 6, 7]] = 2
    rows["electrode"] = np.where(sides == 3, "dry", "gel")
    check_split("x", rows, sides, info)
    with pytest.raises(SplitError, match="keeps electrode apart, which the corpus does not tell"):
        check_split("x", rows.drop(columns="electrode"), sides, info)
    rows.loc[0, "electrode"] = "gel"
    with pytest.raises(LeakError, match="electrode gel is trained and tested"):
        check_split("x", rows, sides, info)


def test_what_cannot_be_asked_need_not_be_trained() -> None:
    rows = table(24)
    sides = np.array([1] * 8 + [2] * 8 + [3] * 8, dtype=np.uint8)
    rows.loc[16:, "activity"] = "walk"
    check_split("x", rows, sides, {"kind": "across-activities", "tasks": ["identity"], "apart": [["activity"]]})
    with pytest.raises(SplitError, match="activity 'walk'"):
        check_split("x", rows, sides, {"kind": "random"})


@pytest.mark.parametrize("column", ["activity", "subject"])
def test_what_is_tested_but_never_trained_is_refused(column: str) -> None:
    rows = table(24)
    sides = np.array([1] * 8 + [2] * 8 + [3] * 8, dtype=np.uint8)
    check_split("x", rows, sides, {"kind": "random"})
    rows.loc[20, column] = "new"
    with pytest.raises(SplitError, match=f"{column} 'new'"):
        check_split("x", rows, sides, {"kind": "random"})


@pytest.mark.parametrize("subjects", [[], ["S01"], ["S01", "S01"]])
def test_one_subject_is_nobody_to_be_told_apart_from(subjects: list[str]) -> None:
    with pytest.raises(LeakError, match="at least two"):
        check_subjects(subjects)


def counts(seed: int, n: int = 20_000) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, (n, 2)).astype(np.int32)


def test_a_cropped_copy_is_found_wherever_it_begins() -> None:
    one, other = counts(1), counts(2)
    other[3_000:9_000] = one[7_123:13_123]
    with pytest.raises(LeakError, match="a and b share"):
        check_shared_contents(
            {"a": "1", "b": "2"}, {"a": {SAMPLES: fingerprints(one)}, "b": {SAMPLES: fingerprints(other)}}
        )


def test_recordings_of_their_own_share_nothing_though_both_sit_on_a_rail() -> None:
    one, other = counts(1), counts(2)
    one[5_000:9_000] = other[2_000:6_000] = 4095
    check_shared_contents(
        {"a": "1", "b": "2"}, {"a": {SAMPLES: fingerprints(one)}, "b": {SAMPLES: fingerprints(other)}}
    )


def test_two_names_for_the_same_samples_are_refused() -> None:
    with pytest.raises(LeakError, match="a and c hold the very same"):
        check_shared_contents({"a": "1", "b": "2", "c": "1"}, {})


def test_floats_have_fingerprints_too_and_short_recordings_none() -> None:
    values = np.random.default_rng(0).standard_normal((20_000, 1)).astype(np.float32)
    assert 40 < fingerprints(values).size < 120
    assert fingerprints(values[:63]).size == 0
    assert np.isin(fingerprints(values[5_001:]), fingerprints(values)).all()
