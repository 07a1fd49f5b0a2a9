import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import made_up_content, write_content

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import CurateError, LayerError
from curate.labels.adjudication import Adjudication, adjudicate
from curate.labels.consensus import Consensus, find_consensus, shortened
from curate.labels.decisions import Decision, without
from curate.labels.layer import Label, Layer, new_label
from curate.labels.layers import MergedLabels, merge_labels, open_layers

N = 40
TIME = "2024-05-01T10:00:00+00:00"
NAME = "sub-S01_ses-01_run-01"


def label(start: int, stop: int, value: str, *, kind: str = "activity", by: str = "anna") -> Label:
    return new_label(start, stop, kind=kind, value=value, annotator=by, time=TIME)


def held(*ranges: tuple[int, int, str], kind: str = "activity", by: str = "anna") -> list[Label]:
    return [label(start, stop, value, kind=kind, by=by) for start, stop, value in ranges]


def consensus(kind: str = "activity", rule: str = "unanimous", **layers: list[Label]) -> Consensus:
    return find_consensus(layers, kind, n_samples=N, rate_hz=250.0, rule=rule)


def found(of: Consensus) -> list[tuple[int, int, str]]:
    return [(one.start, one.stop, one.value) for one in of.findings]


def disputed(of: Consensus) -> list[tuple[int, int, dict[str, str]]]:
    return [(one.start, one.stop, dict(one.said)) for one in of.disputes]


# what is agreed on


def test_what_all_say_is_taken_over_and_the_rest_is_disputed() -> None:
    of = consensus(anna=held((0, 20, "rest"), (20, 40, "walk")), ben=held((0, 23, "rest"), (23, 38, "walk")))
    assert found(of) == [(0, 20, "rest"), (23, 38, "walk")]
    assert disputed(of) == [(20, 23, {"anna": "walk", "ben": "rest"}), (38, 40, {"anna": "walk", "ben": ""})]
    assert {one.origin for one in of.findings} == {"unanimous: anna, ben"}


def test_a_majority_is_more_than_half_and_says_who_it_is() -> None:
    layers = {
        "anna": held((0, 30, "rest")),
        "ben": held((0, 20, "rest"), (20, 40, "walk")),
        "carl": held((0, 10, "walk"), (20, 40, "walk")),
    }
    of = consensus(rule="majority", **layers)
    assert [(one.start, one.stop, one.value, one.origin) for one in of.findings] == [
        (0, 20, "rest", "majority 2 of 3: anna, ben"),
        (20, 40, "walk", "majority 2 of 3: ben, carl"),
    ]
    half = consensus(rule="majority", anna=held((0, 9, "rest")), ben=held((0, 9, "walk")))
    assert found(half) == []
    assert disputed(half) == [(0, 9, {"anna": "rest", "ben": "walk"})]


def test_who_says_nothing_never_outvotes_who_names_an_activity() -> None:
    of = consensus(rule="majority", anna=held((0, 40, "rest")), ben=held((0, 10, "rest")), carl=held((0, 10, "rest")))
    assert found(of) == [(0, 10, "rest")]
    assert disputed(of) == [(10, 40, {"anna": "rest", "ben": "", "carl": ""})]


def test_a_majority_that_marks_nothing_finds_the_signal_usable() -> None:
    layers = {
        "anna": held((5, 9, "electrode off"), (20, 30, "noise"), kind="unusable"),
        "ben": held((20, 30, "sweat"), kind="unusable"),
        "carl": [],
    }
    of = consensus("unusable", rule="majority", **layers)
    assert [(one.start, one.stop, one.kind, one.value, one.origin) for one in of.findings] == [
        (5, 9, "absent", "unusable", "majority 2 of 3: ben, carl"),
        (20, 30, "unusable", "noise; sweat", "majority 2 of 3: anna, ben"),
    ]


def test_a_boundary_on_which_all_agree_stays_though_both_sides_have_one_value() -> None:
    twice = held((0, 10, "1"), (10, 20, "1"), (20, 30, "1"), kind="artefact")
    of = consensus("artefact", anna=twice, ben=held((0, 10, "1"), (10, 30, "1"), kind="artefact"))
    assert found(of) == [(0, 10, "1"), (10, 30, "1")]


def test_who_contradicts_themselves_is_disputed_with_both_names() -> None:
    of = consensus(anna=held((0, 10, "rest"), (5, 20, "walk")), ben=held((0, 20, "rest")))
    assert disputed(of)[0] == (5, 10, {"anna": "rest / walk", "ben": "rest"})


def test_a_thousand_labels_with_one_start_are_one_finding_each_where_all_drew_them() -> None:
    nested = [label(0, stop, "rest") for stop in range(1, 1001)]
    of = find_consensus(
        {"anna": nested, "ben": nested[::-1]}, "activity", n_samples=1000, rate_hz=250, rule="unanimous"
    )
    assert of.disputes == ()
    assert found(of) == [(place, place + 1, "rest") for place in range(1000)]


ANY_LAYER = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(1, 15), st.sampled_from(("rest", "walk"))), max_size=6
).map(lambda ranges: held(*((start, min(N, start + n), value) for start, n, value in ranges)))


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_LAYER, min_size=2, max_size=3), st.sampled_from(["unanimous", "majority"]))
def test_every_sample_is_agreed_on_disputed_or_silent_as_the_votes_on_it_say(
    layers: list[list[Label]], rule: str
) -> None:
    of = consensus(rule=rule, **{f"a{number}": one for number, one in enumerate(layers)})
    outcome: list[str] = [""] * N
    for one in of.findings:
        for sample in range(one.start, one.stop):
            assert outcome[sample] == ""
            outcome[sample] = one.value
    for dispute in of.disputes:
        for sample in range(dispute.start, dispute.stop):
            assert outcome[sample] == ""
            outcome[sample] = "?"
    for sample in range(N):
        votes = [{one.value for one in held if one.start <= sample < one.stop} for held in layers]
        winners = {
            value
            for value in ("rest", "walk")
            if sum(vote == {value} for vote in votes) >= (len(layers) if rule == "unanimous" else len(layers) // 2 + 1)
        }
        expected = "" if not any(votes) else next(iter(winners), "?")
        assert outcome[sample] == expected


def beats(*places: int, value: str = "N", by: str = "anna") -> list[Label]:
    return [label(place, place + 1, value, kind="beat", by=by) for place in places]


def beat_consensus(rule: str = "unanimous", **layers: list[Label]) -> Consensus:
    return find_consensus(layers, "beat", n_samples=10_000, rate_hz=250.0, rule=rule)


def test_beats_within_150_ms_are_one_at_the_place_of_the_middle_annotator() -> None:
    of = beat_consensus(anna=beats(100, 400, 700), ben=beats(104, 400), carl=beats(110, 399, 700))
    assert found(of) == [(104, 105, "N"), (400, 401, "N")]
    assert disputed(of) == [(700, 701, {"anna": "700 N", "ben": "", "carl": "700 N"})]
    most = beat_consensus("majority", anna=beats(100, 700, 950), ben=beats(104), carl=beats(110, 700))
    assert found(most) == [(104, 105, "N"), (700, 701, "N")]
    assert disputed(most) == []


def test_beats_of_different_types_are_disputed_and_an_untyped_one_is_not() -> None:
    of = beat_consensus(anna=beats(100, 400), ben=[*beats(100, value="V"), *beats(400, value="")])
    assert found(of) == [(400, 401, "N")]
    assert disputed(of) == [(100, 101, {"anna": "100 N", "ben": "100 V"})]


def test_a_range_without_others_is_what_lies_between_them() -> None:
    assert without(0, 10, [(2, 4), (6, 7), (9, 20)]) == [(0, 2), (4, 6), (7, 9)]
    assert without(0, 10, []) == [(0, 10)]
    assert without(0, 10, [(0, 10)]) == []
    assert without(5, 10, [(0, 5), (10, 12)]) == [(5, 10)]


def test_a_list_of_very_many_names_stays_short() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened([f"n{i}" for i in range(100)]).endswith("n11 and 88 more")


# the layer


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study", mains_hz=50)
    write_content(study, made_up_content(seconds=20, gap=(4000, 100)))
    return study


def layer(study: Study, name: str, *labels: Label) -> Layer:
    path = study.labels_dir(NAME) / f"{name}.jsonl"
    if path.exists():
        opened = Layer.open(path)
    else:
        with open_recording(study.recordings()[0]) as recording:
            opened = Layer.create(path, recording.header.recording_id, name)
    opened.edit(add=labels)
    return opened


def two_layers(study: Study) -> None:
    layer(study, "anna", *held((0, 2000, "rest"), (2000, 5000, "walk")))
    layer(study, "ben", *held((0, 2300, "rest"), (2300, 5000, "walk"), by="ben"))


def adjudicated(study: Study) -> list[tuple[int, int, str, str, str]]:
    labels = Layer.open(study.labels_dir(NAME) / "adjudicated.jsonl").labels()
    return [(one.start, one.stop, one.kind, one.value, one.origin) for one in labels]


def decide(start: int, stop: int, value: str, *, kind: str = "activity", **more: object) -> dict[str, list[Decision]]:
    return {NAME: [Decision(kind=kind, start=start, stop=stop, value=value, **more)]}


def test_adjudicating_makes_a_layer_beside_the_others_which_stay_byte_for_byte(study: Study) -> None:
    two_layers(study)
    folder = study.labels_dir(NAME)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (plan,) = adjudicate(study)
    assert [(one.start, one.stop) for one in plan.disputes] == [(2000, 2300)]
    assert adjudicated(study) == [
        (0, 2000, "activity", "rest", "unanimous: anna, ben"),
        (2300, 5000, "activity", "walk", "unanimous: anna, ben"),
    ]
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_adjudicating_again_writes_nothing_and_a_decision_is_one_further_line(study: Study) -> None:
    two_layers(study)
    adjudicate(study)
    file = study.labels_dir(NAME) / "adjudicated.jsonl"
    first = file.read_bytes()
    (again,) = adjudicate(study)
    assert not again.changes
    assert file.read_bytes() == first
    for _ in range(2):
        (plan,) = adjudicate(study, decisions=decide(2000, 2300, "walk"), by="carla")
        assert plan.disputes == ()
        second = file.read_bytes()
        assert second.startswith(first)
        assert second.count(b"\n") == first.count(b"\n") + 1
    assert (2000, 2300, "activity", "walk", "decision by carla on anna: walk; ben: rest") in adjudicated(study)
    # Without the file the decision still holds.
    (later,) = adjudicate(study)
    assert not later.changes
    assert later.disputes == ()


def test_one_undo_takes_a_whole_adjudication_back(study: Study) -> None:
    two_layers(study)
    adjudicate(study)
    before = adjudicated(study)
    adjudicate(study, decisions=decide(2000, 2300, "walk"))
    Layer.open(study.labels_dir(NAME) / "adjudicated.jsonl").undo()
    assert adjudicated(study) == before


def test_a_disputed_range_can_be_divided_decided_anew_and_reopened(study: Study) -> None:
    two_layers(study)
    parts = {
        NAME: [
            Decision(kind="activity", start=2000, stop=2100, value="rest"),
            Decision(kind="activity", start=2200, stop=2300, value="walk"),
        ]
    }
    (plan,) = adjudicate(study, decisions=parts)
    assert [(one.start, one.stop) for one in plan.disputes] == [(2100, 2200)]
    adjudicate(study, decisions=decide(2050, 2250, "nothing"))
    chosen = [one[:4] for one in adjudicated(study) if one[4].startswith("decision")]
    assert chosen == [
        (2000, 2050, "activity", "rest"),
        (2050, 2250, "absent", "activity"),
        (2250, 2300, "activity", "walk"),
    ]
    (plan,) = adjudicate(study, decisions=decide(2000, 2300, "reopen"))
    assert [(one.start, one.stop) for one in plan.disputes] == [(2000, 2300)]
    assert not any(one[4].startswith("decision") for one in adjudicated(study))


def test_what_somebody_put_there_by_hand_stays_and_counts_as_decided(study: Study) -> None:
    two_layers(study)
    adjudicate(study)
    opened = Layer.open(study.labels_dir(NAME) / "adjudicated.jsonl")
    opened.change(opened.labels()[0].uuid, stop=2100)
    opened.add(10, 11, kind="note", value="seen")
    (plan,) = adjudicate(study)
    assert [(one.start, one.stop) for one in plan.disputes] == [(2100, 2300)]
    assert adjudicated(study) == [
        (0, 2100, "activity", "rest", ""),
        (10, 11, "note", "seen", ""),
        (2300, 5000, "activity", "walk", "unanimous: anna, ben"),
    ]


def test_when_a_layer_changes_the_adjudicated_one_follows_and_a_decision_against_all_is_named(study: Study) -> None:
    two_layers(study)
    adjudicate(study, decisions=decide(2000, 2300, "nothing"))
    ben = Layer.open(study.labels_dir(NAME) / "ben.jsonl")
    ben.change(ben.labels()[0].uuid, stop=2000)
    ben.change(ben.labels()[1].uuid, start=2000)
    (plan,) = adjudicate(study)
    assert plan.overruling == 1
    assert plan.disputes == ()
    assert [one[:4] for one in adjudicated(study)] == [
        (0, 2000, "activity", "rest"),
        (2000, 2300, "absent", "activity"),
        (2300, 5000, "activity", "walk"),
    ]
    (plan,) = adjudicate(study, decisions=decide(2000, 2300, "reopen"))
    assert plan.overruling == 0
    assert [one[:2] for one in adjudicated(study)] == [(0, 2000), (2000, 5000)]


def test_what_is_decided_to_be_nothing_is_nothing_when_all_layers_are_read_together(study: Study) -> None:
    layer(study, "anna", *held((0, 5000, "rest")), label(100, 200, "noise", kind="unusable"))
    layer(study, "ben", *held((0, 4500, "rest"), by="ben"))
    decisions = {
        NAME: [
            Decision(kind="activity", start=4500, stop=5000, value="nothing"),
            Decision(kind="unusable", start=100, stop=200, value="usable"),
        ]
    }
    adjudicate(study, decisions=decisions)
    with open_recording(study.recordings()[0]) as recording:
        labels = [one for layer in open_layers(study, recording) for one in layer.labels()]
    merged = merge_labels(labels, 5000)
    assert (merged.activity[:4500] == merged.activities.index("rest")).all()
    assert (merged.activity[4500:] == MergedLabels.NONE).all()
    assert not merged.unusable.any()


def test_nobody_has_to_decide_about_missing_samples(study: Study) -> None:
    layer(study, "anna", *held((0, 4010, "rest"), (4010, 5000, "walk")))
    layer(study, "ben", *held((0, 4090, "rest"), (4090, 5000, "walk"), by="ben"))
    (plan,) = adjudicate(study)
    assert plan.disputes == ()


def test_a_kind_that_only_one_labelled_is_left_alone_and_named(study: Study) -> None:
    two_layers(study)
    layer(study, "anna", label(5, 6, "N", kind="beat"))
    (plan,) = adjudicate(study)
    assert plan.alone == {"beat": "anna"}
    assert all(one[2] == "activity" for one in adjudicated(study))


def test_beats_are_decided_on_as_they_are_and_stay_decided(study: Study) -> None:
    layer(study, "anna", *beats(100, 400, 700))
    layer(study, "ben", *beats(110, by="ben"), *beats(400, value="V", by="ben"))
    decisions = {
        NAME: [
            Decision(kind="beat", start=400, stop=401, value="400 V"),
            Decision(kind="beat", start=700, stop=701, value="nothing"),
        ]
    }
    for _ in range(2):
        (plan,) = adjudicate(study, decisions=decisions)
        assert plan.disputes == ()
    assert not plan.changes
    assert not adjudicate(study)[0].changes
    assert [one[:4] for one in adjudicated(study)] == [
        (100, 101, "beat", "N"),
        (400, 401, "beat", "V"),
        (700, 701, "absent", "beat"),
    ]
    (plan,) = adjudicate(study, decisions=decide(400, 401, "reopen", kind="beat"))
    assert [(one.start, one.kind) for one in plan.disputes] == [(400, "beat")]


def test_a_beat_that_somebody_moved_by_hand_does_not_come_back_at_its_old_place(study: Study) -> None:
    layer(study, "anna", *beats(100, 400))
    layer(study, "ben", *beats(100, 400, by="ben"))
    adjudicate(study)
    opened = Layer.open(study.labels_dir(NAME) / "adjudicated.jsonl")
    opened.change(opened.labels()[0].uuid, start=103, stop=104)
    assert not adjudicate(study)[0].changes
    assert [one[0] for one in adjudicated(study)] == [103, 400]


def nothing_written(study: Study) -> bool:
    return not (study.labels_dir(NAME) / "adjudicated.jsonl").exists()


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ({"start": 1990, "stop": 2300, "value": "rest"}, "nothing is disputed about activity at samples 1990 to 2300"),
        ({"start": 0, "stop": 100, "value": "rest"}, "nothing is disputed"),
        ({"start": 2000, "stop": 2300, "value": "wlak"}, "'wlak'; it must be one of"),
        ({"start": 2000, "stop": 2300, "value": "=rest"}, "it must be one of"),
        ({"start": 2000, "stop": 2300, "value": "2", "kind": "artefact"}, "nothing is disputed about artefact"),
        ({"start": 2000, "stop": 2300, "value": "walk", "said": {"ben": "jog"}}, "ben said 'jog' when .* 'rest' now"),
        ({"start": 2000, "stop": 2300, "value": "walk", "said": {"carl": "jog"}}, "carl said 'jog' .* 'nothing' now"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused_and_nothing_is_written(
    study: Study, decision: dict, words: str
) -> None:
    two_layers(study)
    with pytest.raises(CurateError, match=words):
        adjudicate(study, decisions={NAME: [Decision(**{"kind": "activity", **decision})]})
    assert nothing_written(study)


def test_decisions_that_contradict_each_other_are_refused(study: Study) -> None:
    two_layers(study)
    for other in (("rest", 2000, 2300), ("walk", 2100, 2200), ("rest", 2100, 2400)):
        both = [
            Decision(kind="activity", start=2000, stop=2300, value="walk", where="d.csv, line 2"),
            Decision(kind="activity", start=other[1], stop=other[2], value=other[0], where="d.csv, line 3"),
        ]
        with pytest.raises(CurateError, match=r"d.csv, line 3.*d.csv, line 2"):
            adjudicate(study, decisions={NAME: both})
    assert nothing_written(study)


def test_a_beat_is_decided_to_be_within_its_range(study: Study) -> None:
    layer(study, "anna", *beats(100))
    layer(study, "ben", *beats(110, value="V", by="ben"))
    for value in ("99", "111", "N", "105 " + "x" * 17, "1e2"):
        with pytest.raises(CurateError, match="must be a sample from 100 to 110"):
            adjudicate(study, decisions=decide(100, 111, value, kind="beat"))
    with pytest.raises(CurateError, match="nothing is disputed about beat"):
        adjudicate(study, decisions=decide(100, 110, "105 N", kind="beat"))
    adjudicate(study, decisions=decide(100, 111, "105 N", kind="beat"))
    assert adjudicated(study) == [(105, 106, "beat", "N", "decision on anna: 100 N; ben: 110 V")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": ["anna"]}, "two layers, and anna is one"),
        ({"layers": ["anna", "nobody"]}, "no recording has a layer 'nobody'; there are anna, ben, protocol"),
        ({"layers": ["anna", "adjudicated"]}, "cannot be compared"),
        ({"by": "../carla"}, "Who decides"),
        ({"decisions": {"sub-S09_ses-01_run-01": decide(0, 1, "rest")[NAME]}}, "not among the recordings"),
        ({"decisions": decide(2000, 2300, "walk"), "kinds": ["beat"]}, "only beat is adjudicated"),
    ],
)
def test_what_cannot_be_adjudicated_is_refused(study: Study, options: dict, words: str) -> None:
    two_layers(study)
    with pytest.raises(CurateError, match=words):
        adjudicate(study, **options)
    assert nothing_written(study)


def test_one_annotator_is_told_what_there_is(study: Study) -> None:
    layer(study, "anna", *held((0, 10, "rest")))
    layer(study, "imported", *held((0, 10, "rest"), by="imported"))
    with pytest.raises(CurateError, match=r"two annotators, and there are anna, imported, protocol"):
        adjudicate(study)
    (plan,) = adjudicate(study, layers=["anna", "imported"])
    assert plan.n_agreed == 1


def test_the_protocol_can_be_compared_before_anybody_wrote_its_layer(study: Study) -> None:
    layer(study, "anna", *held((0, 2400, "rest"), (2400, 5000, "walk")))
    (plan,) = adjudicate(study, layers=["anna", "protocol"])
    assert [(one.start, one.stop, one.said["protocol"]) for one in plan.disputes] == [(2400, 2500, "rest")]
    assert not (study.labels_dir(NAME) / "protocol.jsonl").exists()


def test_why_a_range_is_unusable_is_kept_when_a_person_decides_that_it_is(study: Study) -> None:
    layer(study, "anna", *held((0, 5000, "rest")), label(100, 200, "electrode off", kind="unusable"))
    layer(study, "ben", *held((0, 5000, "rest"), by="ben"))
    adjudicate(study, decisions=decide(150, 200, "unusable", kind="unusable"))
    chosen = [one for one in adjudicated(study) if one[2] == "unusable"]
    assert chosen == [(150, 200, "unusable", "electrode off", "decision on anna: unusable; ben: nothing")]


def test_a_layer_that_was_edited_meanwhile_is_not_mixed_with(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    two_layers(study)
    adjudicate(study)
    from curate.labels import adjudication

    write = adjudication.write_adjudication

    def somebody_comes_between(plan: Adjudication) -> None:
        Layer.open(plan.path).add(1, 2, kind="note", value="first")
        write(plan)

    monkeypatch.setattr(adjudication, "write_adjudication", somebody_comes_between)
    with pytest.raises(LayerError, match="changed by another program"):
        adjudicate(study, decisions=decide(2000, 2300, "walk"))
    assert [one[2] for one in adjudicated(study)] == ["activity", "note", "activity"]


def test_a_very_long_origin_is_cut_and_fits_its_label(study: Study) -> None:
    names = [f"{'annotator' * 6}{number:04d}" for number in range(18)]
    for number, name in enumerate(names):
        layer(study, name, label(0, 100, "walk" if number else "rest", by=name))
    (plan,) = adjudicate(study, decisions=decide(0, 100, "walk"))
    assert len(plan.add) == 1
    assert adjudicated(study)[0][4].endswith("…")


def test_the_order_of_layers_and_labels_makes_no_difference() -> None:
    anna, ben = held((0, 20, "rest"), (10, 30, "walk")), held((5, 25, "rest"))
    outcomes = {
        repr((found(of), disputed(of)))
        for one, other in itertools.product((anna, anna[::-1]), (ben,))
        for of in (consensus(anna=one, ben=other),)
    }
    assert len(outcomes) == 1


def test_a_layer_of_ten_thousand_labels_is_adjudicated_by_boundaries() -> None:
    n = 10_000
    anna = [label(place * 500, place * 500 + 500, str(1 + place % 4), kind="artefact") for place in range(n)]
    ben = [label(place * 500, place * 500 + 500, str(1 + place % 3), kind="artefact") for place in range(n)]
    of = find_consensus({"anna": anna, "ben": ben}, "artefact", n_samples=n * 500, rate_hz=250, rule="unanimous")
    n_alike = int(sum(place % 4 == place % 3 for place in range(n)))
    assert len(of.findings) == n_alike
    assert np.sum([one.stop - one.start for one in of.disputes]) == (n - n_alike) * 500
