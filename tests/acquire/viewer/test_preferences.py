from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquire.errors import StudyError
from acquire.viewer.preferences import PREFERENCES_FILE, Preferences, load_preferences, save_preferences

OTHERS = Preferences(
    language="de",
    theme="dark",
    text_scale=1.5,
    span_s=20.0,
    gain_mm_per_mv=2.5,
    grid=False,
    filtered=False,
    cues="voice",
    marks=('with "quotes" and \\', "Müdigkeit", "#3"),
    operators=("AB", "C = D"),
    subject_screen="HDMI-1",
)


def test_a_study_without_preferences_has_the_usual_ones(tmp_path: Path) -> None:
    assert load_preferences(tmp_path) == (Preferences(), "")


@pytest.mark.parametrize("preferences", [Preferences(), OTHERS])
def test_what_is_saved_is_loaded_again_and_each_line_says_what_may_stand_there(
    tmp_path: Path, preferences: Preferences
) -> None:
    save_preferences(tmp_path, preferences)
    assert load_preferences(tmp_path) == (preferences, "")
    assert [file.name for file in tmp_path.iterdir()] == [PREFERENCES_FILE]
    lines = (tmp_path / PREFERENCES_FILE).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(fields(Preferences))
    assert all("# " in line for line in lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    marks=st.lists(st.text(min_size=1, max_size=32).filter(lambda t: t.isprintable() and t.strip()), max_size=9),
    text_scale=st.floats(0.8, 2.0),
)
def test_any_names_and_sizes_survive(tmp_path: Path, marks: list[str], text_scale: float) -> None:
    preferences = Preferences(marks=tuple(marks), text_scale=text_scale)
    save_preferences(tmp_path, preferences)
    assert load_preferences(tmp_path) == (preferences, "")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"language = ", "not TOML"),
        (b"language = 'fr'", "language"),
        (b"text_scale = nan", "text_scale"),
        (b"text_scale = 'large'", "text_scale"),
        (b"text_scale = 3", "text_scale"),
        (b"span_s = inf", "span_s"),
        (b"gain_mm_per_mv = 7", "gain_mm_per_mv is 7"),
        (b"gain_mm_per_mv = nan", "gain_mm_per_mv"),
        (b"grid = 1", "grid"),
        (b"marks = 'cough'", "marks"),
        (b"marks = ['']", "marks"),
        (b"marks = [1]", "marks"),
        (b'marks = ["a\\nb"]', "marks"),
        (b"marks = ['1','2','3','4','5','6','7','8','9','10']", "marks"),
        (b"operators = ['" + b"x" * 65 + b"']", "operators"),
        (b"volume = 3", "'volume'"),
        (b"text_scale = " + b"9" * 5000, "not TOML"),
        (b"a = " + b"[" * 20_000, "TOML"),
        (b"\xff\xfe\x00l", "not UTF-8"),
        (b"# " + b"x" * 70_000, "larger than 64 KiB"),
        (b"\x00\x01\x02", "not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_a_sentence_and_kept_when_another_is_written(
    tmp_path: Path, content: bytes, named: str
) -> None:
    file = tmp_path / PREFERENCES_FILE
    file.write_bytes(content)
    preferences, fault = load_preferences(tmp_path)
    assert preferences == Preferences()
    assert named in fault
    assert "preferences.toml" in fault
    assert "\n" not in fault
    assert len(fault) < 700
    save_preferences(tmp_path, OTHERS)
    assert load_preferences(tmp_path) == (OTHERS, "")
    assert (tmp_path / "preferences.kept-01").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf# by an editor of Windows\r\ngrid = false\r\n"])
def test_what_is_left_out_is_as_it_comes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PREFERENCES_FILE).write_bytes(content)
    assert load_preferences(tmp_path) == (Preferences(grid=b"grid" not in content), "")


@pytest.mark.parametrize(
    "preferences",
    [
        Preferences(text_scale=float("nan")),
        Preferences(span_s=31.0),
        Preferences(marks=("a\nb",)),
        Preferences(operators=("\ud800",)),
        Preferences(gain_mm_per_mv=11.0),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, preferences: Preferences) -> None:
    save_preferences(tmp_path, OTHERS)
    with pytest.raises(StudyError):
        save_preferences(tmp_path, preferences)
    assert load_preferences(tmp_path) == (OTHERS, "")
    assert [file.name for file in tmp_path.iterdir()] == [PREFERENCES_FILE]


def test_a_folder_in_the_files_place_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / PREFERENCES_FILE).mkdir()
    assert "cannot be used" in load_preferences(tmp_path)[1]
    with pytest.raises(StudyError, match="cannot be written"):
        save_preferences(tmp_path, OTHERS)
    assert (tmp_path / PREFERENCES_FILE).is_dir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions bind only others than root, on POSIX")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StudyError, match="cannot be written"):
            save_preferences(tmp_path, OTHERS)
    finally:
        tmp_path.chmod(0o700)


def test_a_study_that_has_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be written"):
        save_preferences(tmp_path / "gone", OTHERS)


def test_the_last_operator_comes_first_and_the_list_stays_short() -> None:
    preferences = Preferences()
    for name in ("A", "B", "A", ""):
        preferences = preferences.with_operator(name)
    assert preferences.operators == ("A", "B")
    for number in range(20):
        preferences = preferences.with_operator(f"op{number}")
    assert len(preferences.operators) == 8
    assert preferences.operators[0] == "op19"
    assert replace(preferences, operators=()) == Preferences()
