import hashlib
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.activities import ACTIVITIES
from protocols.errors import ProtocolError, ScriptInvalid, ScriptNotFound, ScriptUnreadable, UnreadableReason
from protocols.script import MAX_SCRIPT_BYTES, load_script, parse_script, shipped_scripts

SOUND = """\
title = "Stairs"

[[steps]]
activity = "rest"
instruction = "Sit."
duration_s = 10

[[steps]]
activity = "climb"
instruction = "Climb."
duration_s = 20.5
repeat = 2
rest_s = 5

[[steps]]
activity = "recover"
instruction = "Breathe."
duration_s = 30
rest_s = 60
"""


def third_step(line: str) -> str:
    """The sound script with one line of its third step replaced, or added."""
    key = line.partition("=")[0].strip()
    head, steps, third = SOUND.rpartition("[[steps]]")
    kept = [old for old in third.splitlines() if old.partition("=")[0].strip() != key]
    return head + steps + "\n".join([*kept, line])


def top(line: str) -> str:
    key = line.partition("=")[0].strip()
    return line + "\n" + (SOUND.partition("\n")[2] if key == "title" else SOUND)


@pytest.mark.parametrize("name", shipped_scripts())
def test_every_shipped_script_loads_under_its_own_name(name: str) -> None:
    loaded = load_script(name)
    assert loaded.name == name
    assert loaded.script.purpose
    assert loaded.sha256 == hashlib.sha256(loaded.text.encode()).hexdigest()
    assert all(step.activity in ACTIVITIES for step in loaded.script.steps)
    assert parse_script(loaded.text, name=name) == loaded


def test_the_five_promised_protocols_are_shipped_with_the_promised_steps() -> None:
    assert shipped_scripts() == ["daily-living", "dt4ecg", "quick-check", "rest-exercise", "wearable-five"]

    def activities(name: str) -> list[str]:
        return [step.activity for step in load_script(name).script.steps]

    assert load_script("quick-check").script.total_s == 30
    assert activities("dt4ecg") == ["rest", "sit", "stand", "walk", "climb", "jog", "recover"]
    assert len(set(activities("daily-living"))) == 7
    assert activities("rest-exercise") == ["rest", "exercise", "recover"]
    assert activities("wearable-five") == ["rest", "arms", "walk", "run", "squats"]
    assert {step.duration_s for step in load_script("wearable-five").script.steps} == {60.0}
    assert "not public" in load_script("dt4ecg").script.notes


def test_every_activity_has_a_title_and_one_definition() -> None:
    for name, activity in ACTIVITIES.items():
        assert activity.name == name
        assert activity.title
        assert activity.definition.endswith(".")


def test_the_plan_unrolls_repeats_and_rests_but_ends_with_a_step() -> None:
    plan = parse_script(SOUND, name="stairs").script.plan()
    assert [(p.activity, p.duration_s, p.step, p.repetition, p.of) for p in plan] == [
        ("rest", 10, 1, 1, 1),
        ("climb", 20.5, 2, 1, 2),
        ("", 5, 2, 1, 2),
        ("climb", 20.5, 2, 2, 2),
        ("", 5, 2, 2, 2),
        ("recover", 30, 3, 1, 1),
    ]
    assert [p.position for p in plan] == list(range(6))
    assert parse_script(SOUND, name="stairs").script.total_s == 91


def test_a_script_is_frozen() -> None:
    script = parse_script(SOUND, name="stairs").script
    with pytest.raises(ValidationError):
        script.steps[0].duration_s = 1


def test_a_script_may_define_an_activity_of_its_own() -> None:
    text = third_step('activity = "handstand"') + '\n[activities]\nhandstand = "Standing on the hands."\n'
    assert parse_script(text, name="x").script.activities == {"handstand": "Standing on the hands."}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (third_step("duration_s = -5"), "step 3: duration_s is -5; it must be above 0."),
        (third_step("duration_s = 0"), "step 3: duration_s is 0; it must be above 0."),
        (third_step("duration_s = nan"), "step 3: duration_s is nan; it must be a finite number."),
        (third_step("duration_s = inf"), "step 3: duration_s is inf; it must be a finite number."),
        (third_step("duration_s = 86401"), "step 3: duration_s is 86401; it must be at most 86400."),
        (third_step('duration_s = "10"'), "step 3: duration_s is '10'; it must be a number."),
        (third_step("duration_s = true"), "step 3: duration_s is true; it must be a number."),
        (third_step("repeat = 0"), "step 3: repeat is 0; it must be at least 1."),
        (third_step("repeat = 1.5"), "step 3: repeat is 1.5; it must be a whole number."),
        (third_step("rest_s = -1"), "step 3: rest_s is -1; it must be at least 0."),
        (third_step("rest_s = nan"), "step 3: rest_s is nan; it must be a finite number."),
        (third_step('instruction = ""'), "step 3: instruction is ''; it must not be empty."),
        (
            third_step('instruction = "  "'),
            "step 3: instruction is '  '; it must have something to read in it and no control characters.",
        ),
        (
            third_step('instruction = "a\\u001b[2J"'),
            "step 3: instruction is 'a\\x1b[2J'; it must have something to read in it and no control characters.",
        ),
        (third_step("instruction = 5"), "step 3: instruction is 5; it must be text in quotes."),
        (third_step('cue = "honk"'), "step 3: cue is 'honk'; it must be 'beep', 'voice' or 'none'."),
        (third_step('tags = "a"'), "step 3: tags is 'a'; it must be a list."),
        (
            third_step('tags = ["a b"]'),
            "step 3: tags has an entry that is 'a b'; it must be a word of letters, digits, - and _, at most 32 long.",
        ),
        (third_step("durations_s = 4"), "step 3: the key 'durations_s' is unknown; did you mean duration_s?"),
        (
            third_step("colour = 4"),
            "step 3: the key 'colour' is unknown; known keys are "
                "activity, instruction, duration_s, repeat, rest_s, cue, tags.",
        ),
        (
            third_step('activity = "clim"'),
            "step 3: activity is 'clim', which nobody has defined; did you mean 'climb'? Otherwise define it in an "
                "[activities] table.",
        ),
        (
            third_step('activity = "../x"'),
            "step 3: activity is '../x'; it must be a lower-case word of letters, digits, - and _, at most 32 long.",
        ),
        (SOUND.replace("duration_s = 30\n", ""), "step 3: duration_s is missing; it must be given."),
        (top('title = ""'), "title is ''; it must not be empty."),
        (SOUND.partition("\n")[2], "title is missing; it must be given."),
        (top("author = 'x'"), "the key 'author' is unknown; known keys are title, purpose, steps, notes, activities."),
        (top("notes = 5"), "notes is 5; it must be text in quotes."),
        ('title = "x"\nsteps = []', "steps is a list of 0; it must have at least 1 entry."),
        ('title = "x"\nsteps = 5', "steps is 5; it must be a list."),
        ('title = "x"\nsteps = [5]', "step 1: a step is 5; it must be a table."),
        ("", "title is missing; it must be given."),
        (
            SOUND + '\n[activities]\nwalk = "x"',
            "[activities] defines 'walk', which the vocabulary defines already; take another name.",
        ),
        (
            third_step("repeat = 1000").replace("repeat = 2", "repeat = 1000").replace("_s = 30", "_s = 90"),
            "the whole protocol takes 175450 s; 86400 s (24 h) is the most.",
        ),
        (
            'title = "x"\n'
            + '[[steps]]\nactivity = "rest"\ninstruction = "x"\nduration_s = 0.1\nrest_s = 0.1\nrepeat = 1000\n' * 6,
            "repeats and rests unroll to 12000 entries; 10000 is the most, so lower repeat.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_value_and_limit(text: str, sentence: str) -> None:
    with pytest.raises(ScriptInvalid) as caught:
        parse_script(text, name="stairs", path=Path("protocols/stairs.toml"))
    separator = ", " if sentence.startswith("step ") else ": "
    assert str(caught.value) == f"protocols/stairs.toml{separator}{sentence}"


def test_an_error_carries_what_a_program_needs() -> None:
    with pytest.raises(ScriptInvalid) as caught:
        parse_script(third_step("duration_s = nan"), name="stairs")
    assert (caught.value.where, caught.value.step, caught.value.field) == ("stairs", 3, "duration_s")
    assert isinstance(caught.value.value, float)
    assert math.isnan(caught.value.value)


def test_a_script_cut_in_the_middle_is_refused_unless_what_is_left_is_whole() -> None:
    # Cut between two steps, or after the third step's last required line, nothing tells the rest from a whole script.
    whole = [cut for cut in range(len(SOUND)) if not _refused(SOUND[:cut])]
    first_whole = SOUND.index("duration_s = 10") + len("duration_s = 1")
    assert min(whole) == first_whole
    third = SOUND.rindex("[[steps]]") + len("[[steps]]")
    assert not set(whole) & set(range(third, SOUND.index("duration_s = 30") + len("duration_s = 3")))


def _refused(text: str, name: str = "cut") -> str:
    try:
        parse_script(text, name=name)
    except ScriptInvalid as error:
        return str(error)
    return ""


@pytest.mark.parametrize("text", ["[[[[", "title = ", "x = " + "[" * 50_000, "\x00", 'title = "a"\ntitle = "b"'])
def test_text_that_is_not_toml_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ScriptInvalid) as caught:
        parse_script(text, name="odd")
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(
    line=st.sampled_from(["duration_s", "repeat", "activity", "instruction", "tags", "cue", "colour"]),
    value=st.one_of(
        st.text(max_size=30), st.sampled_from(["0x" + "f" * 6000, "9" * 6000, "1e400", "[[[]]]", "{a=1}", "1979-05-27"])
    ),
)
def test_no_value_whatever_gets_past_or_crashes_the_check(line: str, value: str) -> None:
    try:
        script = parse_script(third_step(f"{line} = {value}"), name="odd").script
    except ScriptInvalid as error:
        refused = str(error)
        assert refused.startswith("odd")
        assert len(refused) < 400
    else:
        assert 0 < script.total_s < math.inf


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (third_step("repeat = 0x" + "f" * 6000), "odd, step 3: repeat is a number of more than 60 digits; it must be"),
        (
            third_step("duration_s = 0x" + "f" * 6000),
            "odd, step 3: duration_s is a number of more than 60 digits; it must",
        ),
        (third_step("repeat = " + "9" * 6000), "odd: this is not TOML"),
        (top("notes = '\ud800'"), "odd: this is not TOML"),
        ("#" * (MAX_SCRIPT_BYTES + 1024), "odd: its text has 257 KiB; 256 KiB is the most, so shorten it."),
        (top(f"{'k' * 5000} = 1"), "odd: the key 'kkkk"),
    ],
)
def test_monstrous_input_is_refused_in_a_short_sentence(text: str, sentence: str) -> None:
    refused = _refused(text, name="odd")
    assert refused.startswith(sentence)
    assert len(refused) < 300


def test_a_misspelt_name_gets_a_suggestion_and_an_unknown_one_the_list() -> None:
    with pytest.raises(ScriptNotFound, match=r"did you mean dt4ecg\?"):
        load_script("dt4ekg")
    with pytest.raises(ScriptNotFound, match="daily-living, dt4ecg, quick-check") as caught:
        load_script("zzz")
    assert caught.value.name == "zzz"
    assert caught.value.known == tuple(shipped_scripts())


@pytest.mark.parametrize("name", ["../scripts/dt4ecg", "", "dt4ecg/", "a\x00b"])
def test_a_name_never_becomes_a_path(name: str) -> None:
    with pytest.raises(ScriptNotFound):
        load_script(name)


def test_a_file_is_read_with_or_without_byte_order_mark_and_with_either_line_ending(tmp_path: Path) -> None:
    path = tmp_path / "stairs.toml"
    path.write_text(SOUND, encoding="utf-8")
    plain = load_script(str(path))
    assert (plain.name, plain.text) == ("stairs", SOUND)
    path.write_bytes(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode())
    assert load_script(path).script == plain.script


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, UnreadableReason.MISSING),
        (b"title = '\xff'", UnreadableReason.NOT_TEXT),
        (b"#" * (MAX_SCRIPT_BYTES + 1), UnreadableReason.TOO_LARGE),
    ],
)
def test_a_file_without_usable_text_is_refused_with_the_reason(
    tmp_path: Path, content: bytes | None, reason: UnreadableReason
) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScriptUnreadable) as caught:
        load_script(path)
    assert caught.value.reason is reason
    assert reason.value in str(caught.value)


def test_a_folder_and_an_impossible_name_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "x.toml"
    folder.mkdir()
    with pytest.raises(ScriptUnreadable, match="it is a folder"):
        load_script(folder)
    with pytest.raises(ProtocolError):
        load_script("a\x00b.toml")
