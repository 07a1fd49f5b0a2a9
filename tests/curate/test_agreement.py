import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from sklearn.metrics import cohen_kappa_score

from curate.beats.score import pair_beats
from curate.labels.agreement import cohen_kappa, count_pairs, krippendorff_alpha
from curate.labels.beat_alignment import align_beats
from curate.labels.boundaries import Segments, boundary_offsets, match_segments, segments_of
from curate.labels.layer import Label, new_label
from curate.labels.layer_agreement import compare_layers
from curate.labels.pair_agreement import KindAgreement, PairAgreement
from curate.labels.runs import CONTRADICTION, SILENT, Axis, read_runs

N = 60
TIME = "2024-05-01T10:00:00+00:00"


def label(start: int, stop: int, value: str, *, kind: str = "activity", by: str = "anna") -> Label:
    return new_label(start, stop, kind=kind, value=value, annotator=by, time=TIME)


def said(kind: str, *ranges: tuple[int, int, str], by: str = "anna") -> list[Label]:
    return [label(start, stop, value, kind=kind, by=by) for start, stop, value in ranges]


def layer_of(kind: str, values: tuple[str, ...]) -> st.SearchStrategy[list[Label]]:
    one = st.tuples(st.integers(0, N - 1), st.integers(1, 20), st.sampled_from(values))
    return st.lists(one, max_size=8).map(
        lambda ranges: said(kind, *((start, min(N, start + n), value) for start, n, value in ranges))
    )


ACTIVITIES = layer_of("activity", ("rest", "walk", "jog"))
DEGREES = layer_of("artefact", ("1", "2", "3", "4"))
VALID = st.lists(st.integers(0, N), min_size=2, max_size=8, unique=True).map(
    lambda edges: np.array(sorted(edges)[: len(edges) // 2 * 2], dtype=np.int64).reshape(-1, 2)
)


def by_sample(labels: list[Label], kind: str) -> list[str | None]:
    """What a layer says of each sample, the slow way; None where it says nothing or contradicts itself."""
    answers = []
    for sample in range(N):
        here = {one.value for one in labels if one.kind == kind and one.start <= sample < one.stop}
        answers.append(max(here) if here and (kind == "artefact" or len(here) == 1) else None)
    return answers


def real_samples(valid: np.ndarray) -> list[int]:
    return [sample for start, stop in valid.tolist() for sample in range(start, stop)]


def only_pair(labels: dict[str, list[Label]], kind: str, *, n: int = N, rate_hz: float = 250.0) -> PairAgreement:
    found = compare_layers(labels, recording="r", valid=np.array([[0, n]]), rate_hz=rate_hz, kinds=[kind])
    (pair,) = found.kinds[kind].pairs
    return pair


@settings(max_examples=150, deadline=None)
@given(ACTIVITIES, ACTIVITIES, VALID)
def test_kappa_of_activities_is_that_of_scikit_learn_on_every_single_sample(
    anna: list[Label], ben: list[Label], valid: np.ndarray
) -> None:
    found = compare_layers({"anna": anna, "ben": ben}, recording="r", valid=valid, rate_hz=250, kinds=["activity"])
    if "activity" not in found.kinds:
        assert not (anna and ben)
        return
    (pair,) = found.kinds["activity"].pairs
    one, other = by_sample(anna, "activity"), by_sample(ben, "activity")
    both = [s for s in real_samples(valid) if one[s] is not None and other[s] is not None]
    assert sum(pair.table.values()) == len(both)
    assert pair.both_s == pytest.approx(len(both) / 250)
    assert pair.first_only_s * 250 == pytest.approx(
        sum(one[s] is not None and other[s] is None for s in real_samples(valid))
    )
    values = {one[s] for s in both} | {other[s] for s in both}
    if len(values) > 1:
        expected = cohen_kappa_score([one[s] for s in both], [other[s] for s in both])
        assert pair.kappa.value == pytest.approx(expected, abs=1e-12)
    else:
        assert math.isnan(pair.kappa.value)
        assert pair.kappa.reason


@settings(max_examples=100, deadline=None)
@given(DEGREES, DEGREES, st.sampled_from(["linear", "quadratic", "none"]))
def test_weighted_kappa_of_degrees_is_that_of_scikit_learn(anna: list[Label], ben: list[Label], weighting: str) -> None:
    one, other = by_sample(anna, "artefact"), by_sample(ben, "artefact")
    both = [s for s in range(N) if one[s] is not None and other[s] is not None]
    if len({one[s] for s in both} | {other[s] for s in both}) < 2:
        return
    pair = only_pair({"anna": anna, "ben": ben}, "artefact")
    expected = cohen_kappa_score(
        [int(one[s]) for s in both],
        [int(other[s]) for s in both],
        labels=[1, 2, 3, 4],
        weights=None if weighting == "none" else weighting,
    )
    ours = cohen_kappa(pair.table, ("1", "2", "3", "4"), weighting=weighting)
    assert ours.value == pytest.approx(expected, abs=1e-12)
    if weighting == "linear":
        assert pair.kappa == ours


def alpha_by_definition(units: list[list[str]], values: tuple[str, ...], *, ordinal: bool) -> float:
    """Krippendorff's alpha as its definition says: mean disagreement within units against that of all values."""
    units = [unit for unit in units if len(unit) > 1]
    everything = [value for unit in units for value in unit]
    often = Counter(everything)

    def distance(one: str, other: str) -> float:
        if not ordinal:
            return float(one != other)
        first, last = sorted((values.index(one), values.index(other)))
        between = sum(often[value] for value in values[first : last + 1])
        return (between - (often[one] + often[other]) / 2) ** 2

    seen = sum(
        distance(one, other) / (len(unit) - 1) for unit in units for one, other in itertools.permutations(unit, 2)
    ) / len(everything)
    chance = sum(distance(one, other) for one, other in itertools.permutations(everything, 2))
    return 1 - seen / (chance / (len(everything) * (len(everything) - 1)))


@settings(max_examples=60, deadline=None)
@given(st.lists(DEGREES, min_size=2, max_size=4), VALID)
def test_alpha_of_any_number_of_layers_is_what_its_definition_says(
    layers: list[list[Label]], valid: np.ndarray
) -> None:
    named = {f"a{number}": held for number, held in enumerate(layers)}
    found = compare_layers(named, recording="r", valid=valid, rate_hz=250, kinds=["artefact"])
    answers = [by_sample(held, "artefact") for held in layers]
    units = [[one[s] for one in answers if one[s] is not None] for s in real_samples(valid)]
    if len({value for unit in units if len(unit) > 1 for value in unit}) < 2:
        if "artefact" in found.kinds:
            assert not found.kinds["artefact"].alpha.is_defined
        return
    degrees = ("1", "2", "3", "4")
    kind = found.kinds["artefact"]
    assert kind.alpha.value == pytest.approx(alpha_by_definition(units, degrees, ordinal=True), abs=1e-9)
    nominal = krippendorff_alpha(kind.coincidences, degrees)
    assert nominal.value == pytest.approx(alpha_by_definition(units, degrees, ordinal=False), abs=1e-9)


def codes(*rows: str) -> tuple[np.ndarray, tuple[str, ...]]:
    values = tuple(sorted({letter for row in rows for letter in row if letter != "."}))
    return np.array([[values.index(letter) if letter != "." else -1 for letter in row] for row in rows]), values


@pytest.mark.parametrize(
    ("rows", "scale", "published"),
    [
        (("0100000010", "1110010000"), "nominal", 0.095),
        (("aabbdcccedda", "babbbcccedd" + "d"), "nominal", 0.692),
        (("123321412...", "1233224125.3", ".3332342251.", "1233244" + "1251."), "nominal", 0.743),
        (("123321412...", "1233224125.3", ".3332342251.", "1233244" + "1251."), "ordinal", 0.815),
    ],
)
def test_alpha_of_krippendorffs_own_worked_examples(rows: tuple[str, ...], scale: str, published: float) -> None:
    given_codes, values = codes(*rows)
    pairs = count_pairs(given_codes, np.ones(given_codes.shape[1], dtype=np.int64), values)
    assert krippendorff_alpha(pairs, values, scale=scale).value == pytest.approx(published, abs=0.0005)


def test_kappa_of_a_table_worked_out_by_hand() -> None:
    # 35 of 50 alike; by chance (25·30 + 25·20)/50² = 0.5; hence (0.7 − 0.5)/(1 − 0.5).
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    assert cohen_kappa(table, ("no", "yes")).value == pytest.approx(0.4)


def test_an_undefined_figure_says_why() -> None:
    same = {"anna": said("activity", (0, 50, "rest")), "ben": said("activity", (10, N, "rest"))}
    pair = only_pair(same, "activity")
    assert math.isnan(pair.kappa.value)
    assert "both say rest throughout" in pair.kappa.reason
    apart = {"anna": said("activity", (0, 20, "rest")), "ben": said("activity", (20, N, "walk"))}
    found = compare_layers(apart, recording="r", valid=np.array([[0, N]]), rate_hz=250)
    assert "no sample that both labelled" in found.kinds["activity"].pairs[0].kappa.reason
    assert "no sample that two annotators labelled" in found.kinds["activity"].alpha.reason
    nothing = compare_layers({"anna": [], "ben": []}, recording="r", valid=np.array([[0, N]]), rate_hz=250)
    assert nothing.kinds == {}
    gone = compare_layers(same, recording="r", valid=np.zeros((0, 2), dtype=np.int64), rate_hz=250)
    assert not gone.kinds["activity"].alpha.is_defined
    assert math.isnan(gone.kinds["activity"].pairs[0].f1)


def test_who_marks_nothing_unusable_says_that_it_is_usable() -> None:
    anna = [*said("activity", (0, N, "rest")), *said("unusable", (10, 20, "electrode off"))]
    ben = said("activity", (0, N, "rest"))
    pair = only_pair({"anna": anna, "ben": ben}, "unusable")
    assert pair.table == {("unusable", "usable"): 10, ("usable", "usable"): 50}
    assert pair.kappa.value == pytest.approx(0)
    ben += said("unusable", (10, 20, "another reason"))
    assert only_pair({"anna": anna, "ben": ben}, "unusable").kappa.value == 1.0


def test_the_protocol_is_not_taken_to_have_looked_whether_the_signal_is_usable() -> None:
    anna = [*said("activity", (0, N, "rest")), *said("unusable", (10, 20, ""))]
    found = compare_layers(
        {"anna": anna, "protocol": said("activity", (0, N, "rest"))},
        recording="r",
        valid=np.array([[0, N]]),
        rate_hz=250,
    )
    assert set(found.kinds) == {"activity"}


def test_a_layer_that_contradicts_itself_says_nothing_there_and_is_named() -> None:
    anna = said("activity", (0, 30, "rest"), (20, N, "walk"))
    ben = said("activity", (0, N, "rest"))
    found = compare_layers({"anna": anna, "ben": ben}, recording="r", valid=np.array([[0, N]]), rate_hz=10)
    assert found.kinds["activity"].contradictions_s == {"anna": 1.0}
    assert found.kinds["activity"].pairs[0].table == {("rest", "rest"): 20, ("walk", "rest"): 30}


def test_ranges_count_to_the_very_last_sample_and_not_one_more() -> None:
    anna = said("activity", (0, N - 1, "rest"), (N - 1, N, "walk"))
    ben = said("activity", (0, N, "rest"))
    assert only_pair({"anna": anna, "ben": ben}, "activity").table == {("rest", "rest"): N - 1, ("walk", "rest"): 1}


def test_a_thousand_labels_with_one_start_and_a_thousand_with_one_range_are_read_sample_exact() -> None:
    nested = said("artefact", *((0, stop, str(1 + stop % 4)) for stop in range(1, 1001)))
    runs = read_runs({"anna": nested}, "artefact", Axis.whole(1200))
    # The worst degree of all that reach there: one that reaches at least as far as this sample.
    expected = [max((1 + stop % 4 for stop in range(sample + 1, 1001)), default=0) for sample in range(1200)]
    per_sample = np.repeat(runs.codes[0] + 1, runs.lengths)
    np.testing.assert_array_equal(per_sample, expected)
    equal = said("activity", *((7, 9, "walk") for _ in range(1000)))
    pair = only_pair({"anna": equal, "ben": said("activity", (7, 9, "walk"), (9, 12, "rest"))}, "activity")
    assert pair.table == {("walk", "walk"): 2}
    assert pair.segments == {"walk": (1, 1, 1), "rest": (0, 1, 0)}


def test_the_work_grows_with_boundaries_and_not_with_samples() -> None:
    years = 2**40
    anna = said("activity", (0, years // 3, "rest"), (years // 3, years, "walk"))
    ben = said("activity", (0, years // 3 + 1000, "rest"), (years // 3 + 1000, years, "walk"))
    runs = read_runs({"anna": anna, "ben": ben}, "activity", Axis.whole(years))
    assert runs.codes.shape == (2, 3)
    found = compare_layers({"anna": anna, "ben": ben}, recording="r", valid=np.array([[0, years]]), rate_hz=1000)
    (pair,) = found.kinds["activity"].pairs
    assert sum(pair.table.values()) == years
    assert pair.table["walk", "rest"] == 1000
    assert pair.offset_median_ms == 1000.0


@settings(max_examples=100, deadline=None)
@given(VALID)
def test_samples_are_numbered_without_the_gaps_and_found_again(valid: np.ndarray) -> None:
    axis = Axis.of(valid)
    real = real_samples(valid)
    assert axis.n == len(real)
    np.testing.assert_array_equal(axis.sample(np.arange(axis.n)), real)
    index = np.arange(N + 1)
    np.testing.assert_array_equal(axis.count(index), [sum(s < place for s in real) for place in index])


@settings(max_examples=100, deadline=None)
@given(ACTIVITIES, VALID)
def test_segments_are_the_longest_stretches_of_one_value(labels: list[Label], valid: np.ndarray) -> None:
    runs = read_runs({"anna": labels}, "activity", Axis.of(valid))
    found = segments_of(runs, 0)
    answers = by_sample(labels, "activity")
    expected, at = [], 0
    for value, group in itertools.groupby(answers[sample] for sample in real_samples(valid)):
        length = len(list(group))
        if value is not None:
            expected.append((at, at + length, value))
        at += length
    # A contradiction is no value, but parts two segments as silence does.
    assert [
        (start, stop, runs.values[code])
        for start, stop, code in zip(found.start.tolist(), found.stop.tolist(), found.code.tolist(), strict=True)
    ] == expected


def segments(*ranges: tuple[int, int, int]) -> Segments:
    start, stop, code = zip(*ranges, strict=True) if ranges else ((), (), ())
    return Segments(
        start=np.array(start, dtype=np.int64), stop=np.array(stop, dtype=np.int64), code=np.array(code, dtype=np.int32)
    )


SEGMENTS = st.lists(st.tuples(st.integers(1, 6), st.integers(-1, 1)), max_size=12).map(
    lambda parts: segments(
        *(
            (stop - length, stop, code)
            for (length, code), stop in zip(parts, itertools.accumulate(length for length, _ in parts), strict=True)
            if code >= 0
        )
    )
)


@settings(max_examples=200, deadline=None)
@given(SEGMENTS, SEGMENTS)
def test_no_other_one_to_one_matching_makes_more_pairs(first: Segments, second: Segments) -> None:
    pairs = match_segments(first, second)
    assert len(set(pairs[:, 0].tolist())) == len(set(pairs[:, 1].tolist())) == len(pairs)
    fits = np.zeros((first.start.size, second.start.size), dtype=bool)
    for i, j in itertools.product(range(first.start.size), range(second.start.size)):
        common = min(first.stop[i], second.stop[j]) - max(first.start[i], second.start[j])
        union = max(first.stop[i], second.stop[j]) - min(first.start[i], second.start[j])
        fits[i, j] = first.code[i] == second.code[j] and common * 2 >= union
    assert all(fits[i, j] for i, j in pairs.tolist())
    best = maximum_bipartite_matching(csr_array(fits), perm_type="column") if fits.size else np.zeros(0)
    assert len(pairs) == int((best >= 0).sum()) if fits.size else len(pairs) == 0


def test_half_an_overlap_is_enough_and_less_is_not() -> None:
    assert match_segments(segments((0, 10, 0)), segments((0, 5, 0), (5, 10, 0))).tolist() == [[0, 0]]
    assert match_segments(segments((0, 10, 0)), segments((0, 4, 0))).tolist() == []
    assert match_segments(segments((0, 10, 0)), segments((0, 10, 1))).tolist() == []
    with pytest.raises(ValueError, match="min_iou"):
        match_segments(segments(), segments(), min_iou=0.4)


def test_boundary_offsets_are_in_recording_time_and_leave_out_what_nobody_judged() -> None:
    axis = Axis.of(np.array([[0, 100], [150, 300]]))
    runs = read_runs(
        {
            "anna": said("activity", (0, 90, "rest"), (90, 300, "walk")),
            # Across the gap, to its end: the same samples as up to its beginning.
            "ben": said("activity", (0, 150, "rest"), (150, 290, "walk")),
        },
        "activity",
        axis,
    )
    one, other = segments_of(runs, 0), segments_of(runs, 1)
    found = boundary_offsets(one, other, match_segments(one, other), axis)
    # Both begin with the recording; rest ends at 90 and at 100; walk begins at 90 and at 150, and ends at 300 and 290.
    assert sorted(found.tolist()) == [-10, 10, 60]


def test_labels_that_meet_across_a_gap_say_what_one_through_it_says() -> None:
    through = said("activity", (0, N, "walk"))
    in_two = said("activity", (0, 20, "walk"), (30, N, "walk"))
    found = compare_layers(
        {"anna": through, "ben": in_two}, recording="r", valid=np.array([[0, 20], [30, N]]), rate_hz=250
    )
    (pair,) = found.kinds["activity"].pairs
    assert pair.first_only_s == 0
    assert pair.f1 == 1.0
    assert pair.offsets_ms.size == 0


def test_segment_f1_is_given_for_each_value_and_over_all() -> None:
    anna = said("activity", (0, 10, "rest"), (10, 20, "walk"), (20, 30, "rest"), (30, 40, "jog"))
    ben = said("activity", (0, 11, "rest"), (11, 20, "walk"), (20, 23, "rest"), (23, 40, "jog"))
    pair = only_pair({"anna": anna, "ben": ben}, "activity", n=40, rate_hz=1000)
    assert pair.f1_by_value == {"jog": 1.0, "rest": 0.5, "walk": 1.0}
    assert pair.f1 == pytest.approx(0.75)
    # rest and walk meet one sample later, jog begins seven samples earlier; what lies on the ends was not judged.
    assert sorted(pair.offsets_ms.tolist()) == [-7, 0, 1, 1]
    assert pair.offset_median_ms == 1.0
    assert pair.offset_p95_ms == pytest.approx(np.percentile([7, 0, 1, 1], 95))


def beats(*places: int, value: str = "N") -> list[Label]:
    return said("beat", *((place, place + 1, value) for place in places))


def test_beats_are_compared_within_150_ms_inclusive_and_beats_in_a_gap_are_not() -> None:
    anna = beats(100, 300, 500, 700)
    ben = beats(137, 300, 538, 900)
    found = compare_layers(
        {"anna": anna, "ben": ben}, recording="r", valid=np.array([[0, 650], [800, 850]]), rate_hz=250, kinds=["beat"]
    )
    (pair,) = found.kinds["beat"].pairs
    # 37 samples are 148 ms, 38 are 152; 700 and 900 are in no valid range.
    assert pair.beats == (3, 3, 2)
    assert pair.sensitivity == pair.precision == pytest.approx(2 / 3)
    assert sorted(pair.offsets_ms.tolist()) == [0, 148]


def test_types_of_beats_are_compared_where_both_have_one() -> None:
    anna = [*beats(100, 300, 700), *beats(500, value="V"), *beats(900, value="")]
    ben = [*beats(100, 310), *beats(500, 700, value="V"), *beats(900, value="V")]
    pair = only_pair({"anna": anna, "ben": ben}, "beat", n=1000)
    assert pair.table == {("N", "N"): 2, ("V", "V"): 1, ("N", "V"): 1}
    assert pair.kappa.value == pytest.approx(cohen_kappa_score(list("NNVN"), list("NNVV")))
    untyped = only_pair({"anna": beats(1, value=""), "ben": beats(1, value="N")}, "beat")
    assert "no beat to which both gave a type" in untyped.kappa.reason


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=20), st.lists(st.integers(0, 900), max_size=20))
def test_two_layers_are_aligned_as_they_are_paired(one: list[int], other: list[int]) -> None:
    first, second = np.array(sorted(one), dtype=np.int64), np.array(sorted(other), dtype=np.int64)
    units = align_beats([first, second], rate_hz=250)
    both = units[(units >= 0).all(axis=1)]
    np.testing.assert_array_equal(both, pair_beats(first, second, rate_hz=250))
    assert sorted(units[:, 0][units[:, 0] >= 0]) == list(range(len(one)))


def test_recordings_are_pooled_by_samples_and_equal_times_count_alike() -> None:
    def compared(n: int, rate_hz: float) -> KindAgreement:
        labels = {
            "anna": said("activity", (0, n // 2, "rest"), (n // 2, n, "walk")),
            "ben": said("activity", (0, n // 4, "rest"), (n // 4, n, "walk")),
        }
        found = compare_layers(labels, recording="r", valid=np.array([[0, n]]), rate_hz=rate_hz)
        return found.kinds["activity"]

    slow, fast = compared(400, 250.0), compared(1600, 1000.0)
    pooled = KindAgreement.pooled([(slow, 1.0), (fast, 0.25)])
    (pair,) = pooled.pairs
    assert pair.table == {key: 2 * number for key, number in slow.pairs[0].table.items()}
    assert pair.kappa.value == pytest.approx(slow.pairs[0].kappa.value)
    assert pair.both_s == pytest.approx(3.2)
    assert pair.segments == {"rest": (2, 2, 2), "walk": (2, 2, 2)}


def test_codes_of_a_contradiction_and_of_silence_are_told_apart() -> None:
    runs = read_runs({"a": said("activity", (0, 3, "x"), (2, 4, "y"))}, "activity", Axis.whole(5))
    assert np.repeat(runs.codes[0], runs.lengths).tolist() == [0, 0, CONTRADICTION, 1, SILENT]
