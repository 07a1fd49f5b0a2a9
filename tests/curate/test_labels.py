import hashlib
import json
import multiprocessing
import os
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquire.files import try_hold
from curate.errors import LayerError
from curate.labels.layer import Layer, new_label

RECORDING = str(uuid.UUID(int=1))


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    return Layer.create(tmp_path / "labels" / "anna.jsonl", RECORDING, "anna")


def test_labels_survive_reopening_with_sample_exact_ranges(layer: Layer) -> None:
    layer.add(17, 4018, kind="activity", value="walk")
    layer.add(3, 4, kind="beat", value="N")
    again = Layer.open(layer.path, recording_id=RECORDING)
    assert [(label.start, label.stop, label.value) for label in again.labels()] == [(3, 4, "N"), (17, 4018, "walk")]
    assert again.labels() == layer.labels()


def test_two_labels_with_the_same_range_stay_two(layer: Layer) -> None:
    layer.add(0, 10, kind="artefact", value="2")
    layer.add(0, 10, kind="artefact", value="2")
    assert len(Layer.open(layer.path).labels("artefact")) == 2


def test_every_edit_only_adds_to_the_file(layer: Layer) -> None:
    before = layer.path.read_bytes()
    label = layer.add(0, 10, kind="activity", value="rest")
    for edit in (lambda: layer.change(label.uuid, stop=12), lambda: layer.remove(label.uuid), layer.undo, layer.redo):
        edit()
        after = layer.path.read_bytes()
        assert after.startswith(before)
        assert len(after) > len(before)
        before = after


def test_undo_and_redo_are_replayed_from_disk(layer: Layer) -> None:
    label = layer.add(0, 10, kind="activity", value="rest")
    changed = layer.change(label.uuid, value="walk")
    assert changed.uuid == label.uuid
    assert layer.undo()
    again = Layer.open(layer.path)
    assert [one.value for one in again.labels()] == ["rest"]
    assert again.redo()
    assert not again.redo()
    assert [one.value for one in Layer.open(layer.path).labels()] == ["walk"]


def test_an_edit_after_an_undo_ends_the_redo(layer: Layer) -> None:
    layer.add(0, 10, kind="note", value="first")
    layer.undo()
    layer.add(0, 10, kind="note", value="second")
    assert not layer.redo()
    assert not Layer.open(layer.path).can_redo


def test_many_labels_are_one_undo(layer: Layer) -> None:
    layer.add_many(new_label(at, at + 1, kind="beat", annotator="anna") for at in range(50))
    assert len(layer.labels("beat")) == 50
    assert layer.undo()
    assert layer.labels() == []
    assert not layer.undo()


def test_equal_starts_and_equal_ranges_never_confuse(layer: Layer) -> None:
    stops = [1 + (7 * place) % 100 for place in range(1000)]
    layer.add_many(new_label(0, stop, kind="artefact", value="2", annotator="anna") for stop in stops)
    chosen = layer.labels()[500]
    layer.change(chosen.uuid, value="3")
    layer.remove(layer.labels()[10].uuid)
    again = Layer.open(layer.path)
    assert again.labels() == layer.labels()
    assert len(again.labels()) == 999
    assert [label.stop for label in again.labels()] == sorted(label.stop for label in again.labels())
    assert [label.uuid for label in again.labels() if label.value == "3"] == [chosen.uuid]
    again.undo()
    again.undo()
    assert sorted(label.stop for label in again.labels()) == sorted(stops)


def test_an_origin_is_kept_and_goes_when_somebody_changes_the_label(layer: Layer) -> None:
    derived = new_label(0, 9, kind="activity", value="rest", annotator="anna", origin="unanimous: ben, carl")
    layer.edit(add=[derived])
    assert Layer.open(layer.path).labels() == [derived]
    layer.change(derived.uuid, stop=8)
    assert Layer.open(layer.path).labels()[0].origin == ""
    plain = layer.add(0, 9, kind="activity", value="walk")
    assert b"origin" not in layer.path.read_bytes().splitlines()[-1]
    assert plain.origin == ""


def test_the_digest_is_of_the_bytes_that_were_read_and_no_others(layer: Layer) -> None:
    layer.add(0, 10, kind="activity", value="rest")
    layer.add(0, 10, kind="activity", value="walk")
    layer.undo()
    assert layer.sha256() == hashlib.sha256(layer.path.read_bytes()).hexdigest() == Layer.open(layer.path).sha256()
    torn = layer.path.read_bytes() + b'{"edit'
    layer.path.write_bytes(torn)
    again = Layer.open(layer.path)
    assert again.sha256() == hashlib.sha256(torn).hexdigest()
    again.redo()
    assert again.sha256() == hashlib.sha256(again.path.read_bytes()).hexdigest()
    # As long as before, but somebody changed a letter.
    again.path.write_bytes(again.path.read_bytes().replace(b"rest", b"rust"))
    with pytest.raises(LayerError, match="changed by another program"):
        again.sha256()


def test_names_that_differ_in_capitals_alone_are_refused_for_some_disks_take_them_for_one(layer: Layer) -> None:
    with pytest.raises(LayerError, match="differs only in its capitals"):
        Layer.create(layer.path.with_name("Anna.jsonl"), RECORDING, "Anna")
    assert [file.name for file in layer.path.parent.iterdir()] == ["anna.jsonl"]


def add_in_turn(path: Path, writer: int) -> None:
    """Add twenty labels, opening the layer anew whenever another writer came first."""
    for place in range(20):
        while not added(path, writer, writer + place + 1):
            pass


def added(path: Path, start: int, stop: int) -> bool:
    try:
        Layer.open(path).add(start, stop, kind="beat")
    except LayerError as error:
        if "another program" not in str(error):
            raise
        return False
    return True


def test_writers_at_the_same_time_lose_and_mix_nothing(layer: Layer) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(add_in_turn, [layer.path] * 3, range(3)))
    labels = Layer.open(layer.path).labels()
    assert [(label.start, label.stop) for label in labels] == [
        (writer, writer + place + 1) for writer in range(3) for place in range(20)
    ]
    assert layer.path.read_bytes().count(b"\n") == 61


def test_a_layer_that_another_program_is_writing_to_is_left_alone(layer: Layer) -> None:
    handle = os.open(layer.path, os.O_RDWR)
    try:
        assert try_hold(handle)
        with pytest.raises(LayerError, match="is writing to the layer at this moment"):
            layer.add(0, 1, kind="beat")
    finally:
        os.close(handle)
    layer.add(0, 1, kind="beat")
    assert len(Layer.open(layer.path).labels()) == 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cut_anywhere_a_layer_is_what_its_whole_lines_say(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    layer = Layer.create(tmp_path_factory.mktemp("layer") / "anna.jsonl", RECORDING, "anna")
    states = [layer.labels()]
    for place in range(3):
        layer.add(place, place + 1, kind="note", value="ä — 心")
        states.append(layer.labels())
    layer.undo()
    states.append(layer.labels())
    raw = layer.path.read_bytes()
    first = raw.index(b"\n") + 1
    cut = data.draw(st.integers(first, len(raw)))
    layer.path.write_bytes(raw[:cut])
    again = Layer.open(layer.path)
    whole = raw[:cut].count(b"\n") - 1
    # A line that lacks nothing but its end counts too.
    assert again.labels() == states[whole if again.torn_bytes or raw[:cut].endswith(b"\n") else whole + 1]
    again.add(50, 51, kind="beat")
    assert Layer.open(layer.path).labels() == again.labels()


@pytest.mark.parametrize("cut", [1, 20, 90])
def test_a_torn_last_line_costs_only_itself(layer: Layer, cut: int) -> None:
    layer.add(0, 10, kind="activity", value="rest")
    whole = layer.path.read_bytes()
    layer.add(10, 20, kind="activity", value="walk")
    layer.path.write_bytes(layer.path.read_bytes()[: len(whole) + cut])
    torn = Layer.open(layer.path)
    assert [label.value for label in torn.labels()] == ["rest"]
    assert torn.torn_bytes == cut
    torn.add(20, 30, kind="activity", value="jog")
    mended = Layer.open(layer.path)
    assert [label.value for label in mended.labels()] == ["rest", "jog"]
    assert mended.torn_bytes == 0


def test_a_last_line_without_its_newline_still_counts(layer: Layer) -> None:
    layer.add(0, 10, kind="activity", value="rest")
    layer.path.write_bytes(layer.path.read_bytes().rstrip(b"\n"))
    again = Layer.open(layer.path)
    again.add(10, 20, kind="activity", value="walk")
    assert [label.value for label in Layer.open(layer.path).labels()] == ["rest", "walk"]


def test_a_file_changed_by_another_program_is_not_mixed_with(layer: Layer) -> None:
    other = Layer.open(layer.path)
    other.add(0, 10, kind="note", value="other")
    with pytest.raises(LayerError, match="changed by another program"):
        layer.add(0, 10, kind="note", value="mine")
    assert layer.labels() == []


def test_create_never_replaces_a_layer(layer: Layer) -> None:
    layer.add(0, 10, kind="note", value="kept")
    with pytest.raises(LayerError, match="exists already"):
        Layer.create(layer.path, RECORDING, "anna")
    assert len(Layer.open(layer.path).labels()) == 1


def test_a_layer_of_another_recording_is_refused(layer: Layer) -> None:
    with pytest.raises(LayerError, match="labels recording"):
        Layer.open(layer.path, recording_id=str(uuid.UUID(int=2)))


@pytest.mark.parametrize(
    "annotator",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "C:x",
        "a b",
        "é",
        "x" * 65,
        "-x",
        "x\n",
        "x\0",
        "x.jsonl",
        "NUL",
        "com1",
        "=x",
    ],
)
def test_an_annotator_that_cannot_name_a_file_is_refused(tmp_path: Path, annotator: str) -> None:
    with pytest.raises(LayerError, match="annotator"):
        Layer.create(tmp_path / "x.jsonl", RECORDING, annotator)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ({"start": -1, "stop": 2, "kind": "note"}, "range"),
        ({"start": 5, "stop": 5, "kind": "note"}, "range"),
        ({"start": 0, "stop": 2**63, "kind": "note"}, "range"),
        ({"start": 0, "stop": 1, "kind": "sleep"}, "kind"),
        ({"start": 0, "stop": 1, "kind": "artefact", "value": "5"}, "artefact degree"),
        ({"start": 0, "stop": 1, "kind": "activity", "value": ""}, "activity"),
        ({"start": 0, "stop": 1, "kind": "activity", "value": "a\nb"}, "activity"),
        ({"start": 0, "stop": 1, "kind": "note", "value": "x" * 5000}, "characters"),
        ({"start": 0, "stop": 1, "kind": "note", "value": "\ud800"}, "surrogate"),
        ({"start": 0, "stop": 1, "kind": "note", "time": "2024-01-01T00:00:00+02:00"}, "UTC"),
        ({"start": 0, "stop": 1, "kind": "note", "uuid": "no"}, "UUID"),
        ({"start": 0, "stop": 1, "kind": "absent", "value": "note"}, "what is absent"),
        ({"start": 0, "stop": 1, "kind": "absent"}, "what is absent"),
    ],
)
def test_a_label_that_breaks_a_rule_leaves_the_layer_as_it_was(layer: Layer, label: dict, words: str) -> None:
    before = layer.path.read_bytes()
    with pytest.raises(LayerError, match=words):
        layer.add(**label)
    assert layer.path.read_bytes() == before
    assert layer.labels() == []


def edited(layer: Layer, **changes: object) -> bytes:
    layer.add(0, 10, kind="activity", value="rest")
    lines = layer.path.read_text().splitlines()
    line = json.loads(lines[1])
    line["add"][0].update(changes)
    return (lines[0] + "\n" + json.dumps(line) + "\n").encode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": 1.5}, "whole number"),
        ({"start": True}, "whole number"),
        ({"stop": "9"}, "whole number"),
        ({"kind": ["note"]}, "text"),
        ({"value": None}, "text"),
        ({"extra": 1}, "exactly"),
        ({"origin": 5}, "text"),
        ({"origin": "x" * 1001}, "characters"),
        ({"origin": "\ud800"}, "surrogate"),
        ({"start": float("nan")}, "whole number"),
    ],
)
def test_a_damaged_line_is_named_by_file_and_line(layer: Layer, changes: dict, words: str) -> None:
    layer.path.write_bytes(edited(layer, **changes))
    with pytest.raises(LayerError, match=words) as caught:
        Layer.open(layer.path)
    assert caught.value.line == 2
    assert f"{layer.path}, line 2" in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b'{"format": "trilead-la', "cut within"),
        (b"hello\n", "JSON"),
        (b"[1]\n", "object"),
        (b"\xff\xfe\n", "JSON"),
        (b'{"format": "else"}\n', "does not say"),
        (b'{"format": "trilead-layer", "version": 99}\n', "version"),
        (b"[" * 100_000 + b"\n", "JSON"),
    ],
)
def test_a_foreign_file_is_refused_in_one_sentence(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(raw)
    with pytest.raises(LayerError, match=words):
        Layer.open(path)


def test_a_line_that_removes_what_is_not_there_is_refused(layer: Layer) -> None:
    label = layer.add(0, 10, kind="note", value="x")
    layer.remove(label.uuid)
    lines = layer.path.read_text().splitlines()
    layer.path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(LayerError, match=r"line 4.*does not stand"):
        Layer.open(layer.path)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["add", "change", "remove", "undo", "redo"]), max_size=25))
def test_replaying_the_file_always_gives_the_state_in_memory(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    layer = Layer.create(tmp_path_factory.mktemp("layer") / "anna.jsonl", RECORDING, "anna")
    for number, word in enumerate(words):
        held = layer.labels()
        if word == "add":
            layer.add(number, number + 5, kind="note", value=str(number))
        elif word in ("undo", "redo"):
            getattr(layer, word)()
        elif held and word == "change":
            layer.change(held[0].uuid, value=f"changed {number}")
        elif held:
            layer.remove(held[-1].uuid)
    again = Layer.open(layer.path)
    assert again.labels() == layer.labels()
    assert (again.can_undo, again.can_redo) == (layer.can_undo, layer.can_redo)
