from pathlib import Path

import numpy as np
import pytest
from small_study import made_up_content, uuid_of, write_content

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import LayerError
from curate.labels.layer import Label, Layer, new_label
from curate.labels.layers import MergedLabels, merge_labels, open_layers, protocol_labels, write_protocol_layer


def activity(start: int, stop: int, value: str, annotator: str) -> Label:
    return new_label(start, stop, kind="activity", value=value, annotator=annotator)


def names(merged: MergedLabels) -> list[str]:
    words = {MergedLabels.NONE: "-", MergedLabels.CONTESTED: "?"}
    return [words.get(int(code), "") or merged.activities[code] for code in merged.activity]


def test_the_higher_rank_speaks_where_it_says_something() -> None:
    merged = merge_labels(
        [
            activity(0, 8, "rest", "protocol"),
            activity(1, 7, "sit", "imported"),
            activity(2, 6, "walk", "anna"),
            activity(3, 4, "jog", "adjudicated"),
        ],
        9,
    )
    assert names(merged) == ["rest", "sit", "walk", "jog", "walk", "walk", "sit", "rest", "-"]


def test_annotators_who_disagree_leave_the_sample_contested_until_adjudicated() -> None:
    labels = [activity(0, 4, "rest", "anna"), activity(2, 6, "walk", "ben"), activity(0, 6, "sit", "protocol")]
    assert names(merge_labels(labels, 6)) == ["rest", "rest", "?", "?", "walk", "walk"]
    labels.append(activity(2, 4, "walk", "adjudicated"))
    assert names(merge_labels(labels, 6)) == ["rest", "rest", "walk", "walk", "walk", "walk"]


def test_annotators_who_agree_are_not_contested() -> None:
    assert names(merge_labels([activity(0, 3, "rest", "anna"), activity(1, 4, "rest", "ben")], 4)) == ["rest"] * 4


def test_the_worst_artefact_degree_of_the_highest_rank_holds_and_anyone_can_mark_unusable() -> None:
    labels = [
        new_label(0, 4, kind="artefact", value="4", annotator="imported"),
        new_label(1, 3, kind="artefact", value="1", annotator="anna"),
        new_label(2, 3, kind="artefact", value="2", annotator="ben"),
        new_label(3, 5, kind="unusable", annotator="protocol"),
    ]
    merged = merge_labels(labels, 6)
    assert merged.artefact.tolist() == [4, 1, 2, 4, 0, 0]
    assert merged.unusable.tolist() == [False, False, False, True, True, False]


def absent(start: int, stop: int, kind: str, annotator: str) -> Label:
    return new_label(start, stop, kind="absent", value=kind, annotator=annotator)


def test_absent_silences_the_ranks_below_and_not_those_above() -> None:
    labels = [
        activity(0, 8, "rest", "protocol"),
        absent(2, 6, "activity", "anna"),
        activity(4, 5, "walk", "adjudicated"),
        absent(0, 1, "activity", "protocol"),
    ]
    assert names(merge_labels(labels, 8)) == ["?", "rest", "-", "-", "walk", "-", "rest", "rest"]


def test_absent_against_a_name_of_its_own_rank_is_contested_and_against_a_mark_does_nothing() -> None:
    labels = [
        activity(0, 2, "rest", "anna"),
        absent(1, 3, "activity", "ben"),
        new_label(0, 4, kind="unusable", value="", annotator="anna"),
        absent(1, 3, "unusable", "ben"),
        new_label(0, 4, kind="artefact", value="3", annotator="anna"),
        absent(1, 3, "artefact", "ben"),
    ]
    merged = merge_labels(labels, 4)
    assert names(merged) == ["rest", "?", "-", "-"]
    assert merged.unusable.tolist() == [True] * 4
    assert merged.artefact.tolist() == [3] * 4
    merged = merge_labels(
        [*labels, absent(2, 4, "unusable", "adjudicated"), absent(3, 4, "artefact", "adjudicated")], 4
    )
    assert merged.unusable.tolist() == [True, True, False, False]
    assert merged.artefact.tolist() == [3, 3, 3, 0]


def test_every_imported_layer_ranks_below_the_annotators() -> None:
    labels = [activity(0, 3, "rest", "anna"), activity(0, 3, "walk", "imported-atr"), activity(0, 3, "sit", "imported")]
    assert names(merge_labels(labels, 3)) == ["rest"] * 3
    assert names(merge_labels(labels[1:], 3)) == ["?"] * 3
    assert names(merge_labels([labels[1], activity(0, 3, "sit", "protocol")], 3)) == ["walk"] * 3


def test_a_label_reaches_to_the_last_sample_and_the_one_beside_it_begins_there() -> None:
    merged = merge_labels([activity(0, 4, "rest", "anna"), activity(4, 5, "walk", "anna")], 5)
    assert names(merged) == ["rest", "rest", "rest", "rest", "walk"]


def test_the_order_of_labels_does_not_matter() -> None:
    labels = [
        activity(0, 5, "rest", "anna"),
        activity(3, 8, "walk", "ben"),
        activity(2, 9, "sit", "imported"),
        activity(6, 7, "jog", "anna"),
    ]
    merged, turned = merge_labels(labels, 10), merge_labels(labels[::-1], 10)
    np.testing.assert_array_equal(merged.activity, turned.activity)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", mains_hz=50)


def test_the_protocol_layer_is_the_same_file_each_time(study: Study, tmp_path: Path) -> None:
    path = write_content(study, made_up_content(seconds=20))
    with open_recording(path) as recording:
        layer = write_protocol_layer(study, recording)
        assert layer is not None
        assert [(label.value, label.start, label.stop) for label in layer.labels()] == [
            ("rest", 0, 2500),
            ("walk", 2500, 5000),
        ]
        first = layer.path.read_bytes()
        write_protocol_layer(study, recording)
        assert layer.path.read_bytes() == first
        layer.path.unlink()
        again = write_protocol_layer(study, recording)
        assert again is not None
        assert again.path.read_bytes() == first
        assert protocol_labels(recording) == again.labels()


def test_a_recording_without_events_has_no_protocol_layer(study: Study) -> None:
    with open_recording(write_content(study, made_up_content(seconds=20, events=False))) as recording:
        assert write_protocol_layer(study, recording) is None
        assert open_layers(study, recording) == []


def test_what_a_crash_left_of_a_layer_that_was_being_created_is_no_layer(study: Study) -> None:
    with open_recording(write_content(study, made_up_content(seconds=20))) as recording:
        folder = study.labels_dir(recording.path.stem)
        Layer.create(folder / "anna.jsonl", recording.header.recording_id, "anna")
        (folder / ".unfinished-0123456789ab-ben.jsonl").write_bytes(b'{"format": "tri')
        assert [layer.annotator for layer in open_layers(study, recording)] == ["anna"]


def test_a_label_past_the_end_a_foreign_layer_and_a_misnamed_one_are_refused(study: Study) -> None:
    with open_recording(write_content(study, made_up_content(seconds=20))) as recording:
        folder = study.labels_dir(recording.path.stem)
        late = Layer.create(folder / "anna.jsonl", recording.header.recording_id, "anna")
        late.add(4000, 5001, kind="note", value="late")
        with pytest.raises(LayerError, match="ends at sample 5001"):
            open_layers(study, recording)
        late.path.unlink()
        misnamed = Layer.create(folder / "ben.jsonl", recording.header.recording_id, "carl")
        with pytest.raises(LayerError, match=r"carl\.jsonl"):
            open_layers(study, recording)
        misnamed.path.unlink()
        Layer.create(folder / "dora.jsonl", uuid_of("another"), "dora")
        with pytest.raises(LayerError, match="labels recording"):
            open_layers(study, recording)
        assert open_layers(study, recording, only=["anna"]) == []
