from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import SplitError
from curate.splits import SPLIT_KINDS, SplitPlan, SplitSettings, assign_sides, make_split, split_hash
from curate.windows import ActivityRange, WindowGrid

RATE_HZ = 100.0
SETTINGS = SplitSettings(window_s=3.0, hop_s=1.0, guard_s=3.0, seed=1)


def ranges(n_subjects: int = 4, n_sessions: int = 2, seconds: float = 60.0) -> list[ActivityRange]:
    n = round(seconds * RATE_HZ)
    grid = WindowGrid(up=1, down=1, n_raw=2 * n, n_samples=300, n_hop=100)
    return [
        ActivityRange(
            recording=f"S{subject}-{session}",
            recording_id=f"{subject}{session}",
            subject=f"S{subject}",
            session=f"{session}",
            activity=activity,
            start=place * n,
            stop=(place + 1) * n,
            rate_hz=RATE_HZ,
            grid=grid,
        )
        for subject in range(1, n_subjects + 1)
        for session in range(1, n_sessions + 1)
        for place, activity in enumerate(("rest", "walk"))
    ]


def windows_of(parts: list[ActivityRange]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names, starts, stops = [], [], []
    for part in parts:
        start, stop = part.grid.raw_ranges()
        inside = (start >= part.start) & (stop <= part.stop)
        names += [part.recording] * int(inside.sum())
        starts.append(start[inside])
        stops.append(stop[inside])
    return np.array(names), np.concatenate(starts), np.concatenate(stops)


def side_of_every_sample(plan: SplitPlan, parts: list[ActivityRange]) -> dict[str, np.ndarray]:
    found = {part.recording: np.zeros(part.grid.n_raw, dtype=int) for part in parts}
    for part in plan.parts:
        here = found[part.recording][part.start : part.stop]
        assert not here.any(), "two parts claim one sample"
        here[:] = part.side
    return found


@pytest.mark.parametrize("kind", SPLIT_KINDS)
def test_no_sample_is_claimed_twice_and_every_window_lies_whole_in_its_side(kind: str) -> None:
    parts = ranges()
    names, start, stop = windows_of(parts)
    for plan in make_split(kind, parts, SETTINGS):
        samples = side_of_every_sample(plan, parts)
        sides = assign_sides(plan, names, start, stop)
        for side in (1, 2, 3):
            assert (sides == side).sum() >= 8
        for name, a, b, side in zip(names, start, stop, sides, strict=True):
            if side:
                assert (samples[name][a:b] == side).all()


@pytest.mark.parametrize("kind", SPLIT_KINDS)
def test_the_same_seed_gives_the_same_split_whatever_the_order(kind: str) -> None:
    parts = ranges()
    assert make_split(kind, parts, SETTINGS) == make_split(kind, parts[::-1], SETTINGS)


@pytest.mark.parametrize("kind", ["random", "unseen-subjects"])
def test_another_seed_gives_another_split(kind: str) -> None:
    one, other = (make_split(kind, ranges(8), replace(SETTINGS, seed=seed)) for seed in (1, 2))
    assert one[0].parts != other[0].parts


def test_random_blocks_are_shared_out_within_each_subject_and_activity() -> None:
    parts = ranges()
    (plan,) = make_split("random", parts, SETTINGS)
    samples = side_of_every_sample(plan, parts)
    for subject in ("S1", "S2"):
        for place in (0, 1):
            mine = np.concatenate(
                [samples[f"{subject}-{session}"][place * 6000 : (place + 1) * 6000] for session in (1, 2)]
            )
            assert (mine == 3).mean() == pytest.approx(0.2, abs=0.03)
            assert (mine == 2).mean() == pytest.approx(0.1, abs=0.03)


def test_time_blocks_test_the_last_fifth_behind_a_guard() -> None:
    parts = ranges(1, 1)
    (plan,) = make_split("time-block", parts, SETTINGS)
    rest = [(part.start, part.stop, part.side) for part in plan.parts if part.stop <= 6000]
    assert rest == [(0, 600, 2), (900, 4500, 1), (4800, 6000, 3)]


def test_a_range_cut_by_a_gap_is_one_timeline_and_still_gives_whole_windows() -> None:
    whole = ranges(1, 1)[0]
    parts = [replace(whole, stop=5000), replace(whole, start=5100, stop=6100)]
    (plan,) = make_split("time-block", parts, SETTINGS)
    assert [(part.start, part.stop, part.side) for part in plan.parts] == [
        (0, 600, 2),
        (900, 4500, 1),
        (4800, 5000, 3),
        (5100, 6100, 3),
    ]


def test_what_is_too_short_to_be_cut_trains_whole_and_the_words_say_so() -> None:
    short = replace(ranges(1, 1)[0], stop=900)
    (plan,) = make_split("time-block", [short], SETTINGS)
    assert [part.side for part in plan.parts] == [1]
    assert "too short" in plan.words


def test_across_sessions_trains_one_way_and_then_the_other() -> None:
    forward, backward = make_split("across-sessions", ranges(), SETTINGS)
    assert (forward.name, backward.name) == ("across-sessions.1", "across-sessions.2")
    for plan, tested in ((forward, "2"), (backward, "1")):
        assert {part.recording[-1] for part in plan.parts if part.side == 3} == {tested}
        assert tested not in {part.recording[-1] for part in plan.parts if part.side in (1, 2)}


def test_sessions_are_halved_in_the_order_of_their_numbers_and_lone_ones_left_out() -> None:
    parts = [replace(part, session="10" if part.session == "1" else "9") for part in ranges()]
    parts += [replace(part, recording="S9-1", subject="S9") for part in ranges(1, 1)]
    plan = make_split("across-sessions", parts, SETTINGS)[0]
    assert plan.parameters["train_sessions"]["S1"] == ["9"]
    assert plan.parameters["unused_subjects"] == ["S9"]
    assert "S9" in plan.words
    assert "S9-1" not in {part.recording for part in plan.parts}


def test_each_subject_is_unseen_once() -> None:
    plans = make_split("unseen-subjects", ranges(7), SETTINGS)
    assert len(plans) == 5
    tested = [name for plan in plans for name in plan.parameters["test_subjects"]]
    assert sorted(tested) == [f"S{number}" for number in range(1, 8)]


@pytest.mark.parametrize(
    ("kind", "parts", "words"),
    [
        ("across-sessions", ranges(4, 1), "two sessions"),
        ("unseen-subjects", ranges(2), "three subjects"),
        ("sideways", ranges(), "splits are random"),
    ],
)
def test_a_split_that_the_data_do_not_allow_is_refused_in_a_sentence(
    kind: str, parts: list[ActivityRange], words: str
) -> None:
    with pytest.raises(SplitError, match=words):
        make_split(kind, parts, SETTINGS)


def test_the_hash_follows_the_sides_and_not_the_order() -> None:
    ids, start, sides = ["a", "b", "a"], np.array([0, 0, 5]), np.array([1, 3, 2], dtype=np.uint8)
    turned = [2, 0, 1]
    same = split_hash([ids[row] for row in turned], start[turned], start[turned] + 4, sides[turned])
    assert split_hash(ids, start, start + 4, sides) == same
    assert split_hash(ids, start, start + 4, sides[::-1]) != same


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SPLIT_KINDS),
    st.floats(4, 90),
    st.sampled_from([0.5, 1.0, 2.5, 3.0, 7.0]),
    st.floats(0, 8),
    st.integers(0, 100),
)
def test_whatever_the_numbers_no_two_sides_share_a_sample(
    kind: str, seconds: float, hop_s: float, guard_s: float, seed: int
) -> None:
    parts = [replace(part, grid=replace(part.grid, n_hop=round(hop_s * RATE_HZ))) for part in ranges(3, 2, seconds)]
    names, start, stop = windows_of(parts)
    for plan in make_split(kind, parts, replace(SETTINGS, hop_s=hop_s, guard_s=guard_s, seed=seed)):
        samples = side_of_every_sample(plan, parts)
        for name, a, b, side in zip(names, start, stop, assign_sides(plan, names, start, stop), strict=True):
            assert side == 0 or (samples[name][a:b] == side).all()
