from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.windows import ActivityRange, WindowGrid
from curate.errors import SplitError
from curate.splits.make import (
    SPLIT_KINDS,
    SplitPlan,
    SplitSettings,
    apart_columns,
    assign_sides,
    check_kinds,
    default_kinds,
    family_of,
    make_split,
    scored_tasks,
    split_hash,
)

RATE_HZ = 100.0
SETTINGS = SplitSettings(window_s=3.0, hop_s=1.0, guard_s=3.0, seed=1)
KINDS = (
    "random",
    "time-block",
    "across-sessions",
    "across-sessions:forward",
    "across-activities",
    "across-activities:walk",
    "across-factor:electrode",
    "unseen-subjects",
    "unseen-subjects:2",
)


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
            factors={"electrode": "gel" if session % 2 else "dry"},
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


@pytest.mark.parametrize("kind", KINDS)
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


@pytest.mark.parametrize("kind", KINDS)
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
    assert rest == [(0, 600, 2), (900, 4500, 1), (4800, 5700, 3)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random"])
@pytest.mark.parametrize("guard_s", [0.0, 1.5, 3.0, 20.0])
def test_wherever_two_sides_meet_in_a_recording_the_guard_lies_between(kind: str, guard_s: float) -> None:
    for plan in make_split(kind, ranges(), replace(SETTINGS, guard_s=guard_s)):
        for one, other in pairwise(plan.parts):
            if one.recording == other.recording and one.side != other.side:
                assert other.start - one.stop >= guard_s * RATE_HZ


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


def at(session: str, begun: str) -> list[ActivityRange]:
    return [replace(part, started_at=begun) for part in ranges(2) if part.session == session]


def test_forward_goes_by_the_clock_and_not_by_the_names_where_the_clock_is_known() -> None:
    parts = at("1", "2024-05-03T10:00:00+00:00") + at("2", "2024-05-01T10:00:00Z")
    (plan,) = make_split("across-sessions:forward", parts, SETTINGS)
    assert (plan.name, plan.family, plan.kind) == ("across-sessions.forward",) * 2 + ("across-sessions",)
    assert plan.parameters["train_sessions"] == {"S1": ["2"], "S2": ["2"]}
    assert "when they were recorded" in plan.words
    by_name = make_split("across-sessions", parts, SETTINGS)[0]
    assert by_name.parameters["train_sessions"] == {"S1": ["1"], "S2": ["1"]}


@pytest.mark.parametrize("begun", ["", "1970-01-01T00:00:00.000000Z", "yesterday", "2024-05-01T10:00:00+00:00"])
def test_forward_goes_by_the_names_where_no_time_tells_sessions_apart(begun: str) -> None:
    parts = at("1", begun) + at("2", "2024-05-01T10:00:00+00:00")
    (plan,) = make_split("across-sessions:forward", parts, SETTINGS)
    assert plan.parameters["train_sessions"] == {"S1": ["1"], "S2": ["1"]}
    assert "their names" in plan.words


def test_forward_names_the_subjects_whose_sessions_have_no_times() -> None:
    parts = at("1", "2024-05-03T10:00:00") + at("2", "2024-05-01T10:00:00")
    parts = [replace(part, started_at="") if part.subject == "S2" else part for part in parts]
    (plan,) = make_split("across-sessions:forward", parts, SETTINGS)
    assert plan.parameters["train_sessions"] == {"S1": ["2"], "S2": ["1"]}
    assert "by name where that is not known: S2" in plan.words


def doing(activities: dict[str, tuple[str, ...]]) -> list[ActivityRange]:
    """Subjects who did these activities, a recording each."""
    one = ranges(1, 1)[0]
    return [
        replace(one, recording=f"{subject}-{activity}", subject=subject, activity=activity)
        for subject, names in activities.items()
        for activity in names
    ]


def test_across_activities_enrols_the_still_and_tests_the_moving_by_the_vocabulary() -> None:
    parts = doing(dict.fromkeys("ABC", ("rest", "sit", "walk", "jog", "juggling")) | {"D": ("rest",), "E": ("walk",)})
    (plan,) = make_split("across-activities", parts, SETTINGS)
    sides = {side: {part.recording for part in plan.parts if part.side == side} for side in (1, 2, 3)}
    assert sides[1] == sides[2] == {f"{who}-{what}" for who in "ABC" for what in ("rest", "sit")}
    assert sides[3] == {f"{who}-{what}" for who in "ABC" for what in ("walk", "jog")}
    assert plan.tasks == ("identity",)
    assert plan.parameters["unused_activities"] == ["juggling"]
    assert plan.parameters["unused_subjects"] == ["D", "E"]
    assert "juggling" in plan.words
    assert "D, E" in plan.words


def test_across_activities_enrols_what_is_named_and_tests_all_else() -> None:
    parts = doing(dict.fromkeys("AB", ("rest", "walk", "juggling")))
    (plan,) = make_split("across-activities:juggling, rest", parts, SETTINGS)
    assert plan.name == "across-activities.juggling-rest"
    assert {part.recording for part in plan.parts if part.side == 3} == {"A-walk", "B-walk"}


def under(levels: dict[str, tuple[str, ...]]) -> list[ActivityRange]:
    """Subjects recorded under these levels of a factor; "" says nothing of it."""
    one = ranges(1, 1)[0]
    return [
        replace(one, recording=f"{who}-{level}", subject=who, factors={"place": level} if level else {})
        for who, names in levels.items()
        for level in names
    ]


def test_each_level_of_a_factor_trains_once_and_all_others_are_tested() -> None:
    parts = under({"A": ("x", "y", "z"), "B": ("x", "y", "z", ""), "C": ("x", "z"), "D": ("y",), "E": ("x",)})
    plans = make_split("across-factor:place", parts, SETTINGS)
    assert [plan.name for plan in plans] == [f"across-factor.place.{fold}" for fold in (1, 2, 3)]
    assert {plan.family for plan in plans} == {"across-factor.place"}
    trained = [sorted({part.recording for part in plan.parts if part.side == 1}) for plan in plans]
    tested = [sorted({part.recording for part in plan.parts if part.side == 3}) for plan in plans]
    assert trained == [["A-x", "B-x", "C-x"], ["A-y", "B-y"], ["A-z", "B-z", "C-z"]]
    assert tested == [
        ["A-y", "A-z", "B-y", "B-z", "C-z"],
        ["A-x", "A-z", "B-x", "B-z"],
        ["A-x", "A-y", "B-x", "B-y", "C-x"],
    ]
    assert plans[1].parameters["unused_subjects"] == ["C", "D", "E"]
    assert "C, D, E" in plans[1].words
    assert "1 recording says nothing of place" in plans[1].words
    assert plans[0].apart == (("place",), ("recording",))


def test_a_level_that_one_subject_has_alone_makes_no_fold() -> None:
    plans = make_split("across-factor:place", under({"A": ("x", "y"), "B": ("x", "y"), "C": ("x", "q")}), SETTINGS)
    assert [plan.parameters["train_level"] for plan in plans] == ["x", "y"]
    assert plans[0].parameters["test_levels"] == ["q", "y"]


def test_each_subject_is_unseen_once() -> None:
    plans = make_split("unseen-subjects", ranges(7), SETTINGS)
    assert len(plans) == 5
    tested = [name for plan in plans for name in plan.parameters["test_subjects"]]
    assert sorted(tested) == [f"S{number}" for number in range(1, 8)]
    assert {plan.tasks for plan in plans} == {("activity",)}


@pytest.mark.parametrize(("n_subjects", "n_folds"), [(3, 3), (7, 2), (7, 7), (12, 5), (40, 6)])
def test_folds_of_unseen_subjects_hold_equal_numbers_of_them(n_subjects: int, n_folds: int) -> None:
    plans = make_split(f"unseen-subjects:{n_folds}", ranges(n_subjects, 1), SETTINGS)
    sizes = [len(plan.parameters["test_subjects"]) for plan in plans]
    assert len(plans) == n_folds
    assert sum(sizes) == n_subjects
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_folds_of_unseen_subjects_are_alike_in_what_was_done_and_under_what(seed: int) -> None:
    # 8 of 20 subjects squat, 4 others wear dry electrodes, and one in five was recorded four times as long.
    parts = []
    for number in range(20):
        base = replace(ranges(1, 1, 240 if number % 5 == 0 else 60)[0], subject=f"P{number}", recording=f"P{number}")
        electrode = "dry" if number % 5 == 1 else "gel"
        parts.append(replace(base, factors={"electrode": electrode}))
        if number % 5 in (2, 3):
            parts.append(replace(base, recording=f"P{number}q", activity="squats", factors={"electrode": electrode}))
    plans = make_split("unseen-subjects:4", parts, replace(SETTINGS, seed=seed))
    for plan in plans:
        tested = {int(name[1:]) for name in plan.parameters["test_subjects"]}
        assert sum(number % 5 in (2, 3) for number in tested) == 2
        assert sum(number % 5 == 1 for number in tested) == 1
        assert sum(number % 5 == 0 for number in tested) == 1


def test_blocks_of_several_windows_leave_whole_those_that_begin_anywhere() -> None:
    parts = ranges(2, 1)
    (plan,) = make_split("random", parts, replace(SETTINGS, block_windows=4))
    assert plan.parameters["block_s"] == 12.0
    lengths = {part.stop - part.start for part in plan.parts}
    assert min(lengths) >= 300
    assert 1200 in lengths


def test_what_is_tried_unless_named_follows_the_factors() -> None:
    assert default_kinds(ranges()) == [
        "random",
        "time-block",
        "across-sessions",
        "across-activities",
        "across-factor:electrode",
        "unseen-subjects",
    ]
    assert "across-factor:electrode" not in default_kinds([replace(part, factors={}) for part in ranges()])


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("random", "random"),
        ("across-sessions:forward", "across-sessions.forward"),
        ("across-factor:electrode", "across-factor.electrode"),
        ("across-activities:rest, sit", "across-activities.rest-sit"),
        ("unseen-subjects:8", "unseen-subjects"),
        ("fixed:/home/somebody/My sides.v2.csv", "fixed.My-sides-v2"),
        ("fixed:C:\\work\\sides.csv", "fixed.sides"),
        ("fixed:../../../.csv", "fixed.csv"),
        ("fixed:сплит.csv", "fixed.unnamed"),
    ],
)
def test_the_name_of_a_family_is_safe_in_a_file_and_a_folder(kind: str, family: str) -> None:
    assert family_of(kind) == family


def test_the_name_of_a_family_is_never_long() -> None:
    assert len(family_of("across-factor:" + "x" * 300)) == 48


def test_two_splits_that_would_take_one_name_are_refused() -> None:
    assert check_kinds(["random", "fixed:a.csv", "random"]) == ["random", "fixed:a.csv"]
    with pytest.raises(SplitError, match=r"both be named fixed\.a in"):
        check_kinds(["fixed:one/a.csv", "fixed:two/a.csv"])


def test_where_a_file_says_nothing_of_tasks_its_kind_decides() -> None:
    assert scored_tasks({"kind": "unseen-subjects"}) == ("activity",)
    assert scored_tasks({"kind": "random"}) == scored_tasks({}) == ("identity", "activity")
    assert scored_tasks({"kind": "random", "tasks": ["activity", "astrology"]}) == ("activity",)
    assert apart_columns({"kind": "across-sessions"}) == [("subject", "session"), ("recording",)]
    assert apart_columns({"kind": "random"}) == []
    assert apart_columns({"kind": "x", "apart": [["electrode"]]}) == [("electrode",)]


@pytest.mark.parametrize(
    ("kind", "parts", "words"),
    [
        ("across-sessions", ranges(4, 1), "two sessions"),
        ("unseen-subjects", ranges(2), "three subjects"),
        ("sideways", ranges(), "splits are random"),
        ("random:5", ranges(), "takes nothing behind a colon"),
        ("across-sessions:", ranges(), "leave the colon out"),
        ("across-sessions:backward", ranges(), "across-sessions:forward"),
        ("across-sessions:forward", ranges(4, 1), "two sessions"),
        ("across-activities", doing(dict.fromkeys("AB", ("walk", "jog"))), "nothing with the body still"),
        ("across-activities", doing(dict.fromkeys("AB", ("rest", "juggling"))), "nothing else"),
        ("across-activities", doing({"A": ("rest", "walk"), "B": ("rest",)}), "of 2 subjects 1 did"),
        ("across-activities:sleep", ranges(), "'sleep', which nobody did"),
        ("across-activities:rest,walk", ranges(), "nothing else"),
        ("across-factor", ranges(), "needs the name of a factor"),
        ("across-factor:colour", ranges(), "no factor 'colour'"),
        ("across-factor:place", under({"A": ("x",), "B": ("y",)}), "of 2 subjects 0 were"),
        ("unseen-subjects:1", ranges(6), "from 2 to 6"),
        ("unseen-subjects:7", ranges(6), "from 2 to 6"),
        ("unseen-subjects:2", ranges(3), "from 3 to 3"),
        ("unseen-subjects:many", ranges(6), "'many' folds"),
        ("fixed:", ranges(), "leave the colon out"),
        ("fixed", ranges(), "fixed:FILE.csv"),
    ],
)
def test_a_split_that_the_data_do_not_allow_is_refused_in_a_sentence(
    kind: str, parts: list[ActivityRange], words: str
) -> None:
    with pytest.raises(SplitError, match=words) as caught:
        make_split(kind, parts, SETTINGS)
    assert "\n" not in str(caught.value)


def test_every_kind_has_a_test_here() -> None:
    assert {kind.partition(":")[0] for kind in KINDS} | {"fixed"} == set(SPLIT_KINDS)


def test_the_hash_follows_the_sides_and_not_the_order() -> None:
    ids, start, sides = ["a", "b", "a"], np.array([0, 0, 5]), np.array([1, 3, 2], dtype=np.uint8)
    turned = [2, 0, 1]
    same = split_hash([ids[row] for row in turned], start[turned], start[turned] + 4, sides[turned])
    assert split_hash(ids, start, start + 4, sides) == same
    assert split_hash(ids, start, start + 4, sides[::-1]) != same


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.floats(4, 90),
    st.sampled_from([0.5, 1.0, 2.5, 3.0, 7.0]),
    st.floats(0, 8),
    st.integers(0, 100),
)
def test_whatever_the_numbers_no_two_sides_share_a_sample(
    kind: str, seconds: float, hop_s: float, guard_s: float, seed: int
) -> None:
    parts = [replace(part, grid=replace(part.grid, n_hop=round(hop_s * RATE_HZ))) for part in ranges(4, 2, seconds)]
    names, start, stop = windows_of(parts)
    chosen = replace(SETTINGS, hop_s=hop_s, guard_s=guard_s, seed=seed)
    for plan in make_split(kind, parts, chosen):
        samples = side_of_every_sample(plan, parts)
        for name, a, b, side in zip(names, start, stop, assign_sides(plan, names, start, stop), strict=True):
            assert side == 0 or (samples[name][a:b] == side).all()
