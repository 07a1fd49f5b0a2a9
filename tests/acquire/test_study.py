from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from acquire.errors import StudyError
from acquire.names import real_name_warning
from acquire.study import Study


def test_a_new_study_opens_with_what_it_was_made_with(tmp_path: Path) -> None:
    made = Study.create(
        tmp_path / "a" / "study", mains_hz=60, name='Stairs "and"\\ lifts', factors={"electrode": ["agcl", "crni"]}
    )
    assert Study.open(made.path) == made
    assert made.mains_hz == 60
    assert made.name == 'Stairs "and"\\ lifts'
    assert made.factors == {"electrode": ["agcl", "crni"]}
    assert made.recordings() == []
    assert made.subjects() == []
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_new_study_takes_an_empty_folder_but_no_other(tmp_path: Path) -> None:
    Study.create(tmp_path / "empty", mains_hz=50)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(StudyError, match="not empty"):
        Study.create(tmp_path / "full", mains_hz=50)
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("place", ["file", "file/study"])
def test_a_study_cannot_be_made_where_nothing_can_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudyError, match="cannot be made"):
        Study.create(tmp_path / place, mains_hz=50)


@pytest.mark.parametrize("mains_hz", [55, 0, -50, 500])
def test_a_study_is_not_made_with_another_mains_frequency(tmp_path: Path, mains_hz: int) -> None:
    with pytest.raises(StudyError, match="50 or 60"):
        Study.create(tmp_path / "study", mains_hz=mains_hz)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("text", "field", "sentence"),
    [
        ('name = "x"\n', "mains_hz", "mains_hz is missing; add the line"),
        ('name = "x"\nmains_hz = 55\n', "mains_hz", "mains_hz is 55; it must be 50 or 60"),
        ('name = "x"\nmains_hz = "fifty"\n', "mains_hz", "mains_hz is 'fifty'; it must be 50 or 60"),
        ('name = "x"\nmains_hz = 50.0\n', "mains_hz", "it must be 50 or 60"),
        ('name = "x"\nmains_hz = true\n', "mains_hz", "it must be 50 or 60"),
        ('name = "x"\nmains_hz = "50"\n', "mains_hz", "mains_hz is '50', which is text; write 50 without quotes"),
        ("mains_hz = 50\n", "name", "name is missing; add it"),
        ('name = ""\nmains_hz = 50\n', "name", "name is ''; it must not be empty"),
        ("name = 7\nmains_hz = 50\n", "name", "name is 7; it must be text in quotes"),
        ('name = "red\\u001b[31m"\nmains_hz = 50\n', "name", "without control characters"),
        ('name = "x"\nmains_hz = 50\nboard = ["sim:"]\n', "board", "board is a list of 1; it must be text in quotes"),
        ('name = "x"\nmains_hz = 50\nfactors = {x = ["a", "a"]}\n', "factors", "the factor x has the level a twice"),
        (
            'name = "x"\nmains_hz = 50\nmain_hz = 50\n',
            "main_hz",
            "no setting 'main_hz'; the settings are name, mains_hz",
        ),
        ('name = "x"\nmains_hz = 50\nfactors = {"a b" = ["c"]}\n', "factors", "names no factor or level"),
        ('name = "x"\nmains_hz = 50\nfactors = {electrode = "agcl"}\n', "factors.electrode", "list"),
        ('name = "x"\nmains_hz = 50\nmontage = {II = {two = "one"}}\n', "montage.II.two", "number"),
        ("name = \n", None, "is not TOML"),
        ("a = " + "[" * 100_000, None, "is not TOML"),
        ("x" * 1_000_001, None, "larger than 1 MB"),
    ],
)
def test_a_mistake_in_study_toml_is_named(study: Study, text: str, field: str | None, sentence: str) -> None:
    (study.path / "study.toml").write_text(text)
    with pytest.raises(StudyError) as caught:
        Study.open(study.path)
    assert sentence in str(caught.value)
    assert "study.toml" in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert caught.value.field == field


def test_study_toml_with_a_byte_order_mark_is_read(study: Study) -> None:
    file = study.path / "study.toml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert Study.open(study.path) == study


@pytest.mark.parametrize("name", ["journals", "recordings"])
def test_a_file_in_the_place_of_a_folder_is_named_with_its_mend(study: Study, name: str) -> None:
    (study.path / name).rmdir()
    (study.path / name).write_text("in the way")
    with pytest.raises(StudyError, match=rf"{name} is a file, where the study needs a folder; move it away\."):
        Study.open(study.path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets not everybody make links")
def test_a_folder_that_is_linked_to_a_disk_that_is_away_is_named(study: Study) -> None:
    study.recordings_dir.rmdir()
    study.recordings_dir.symlink_to(study.path / "unplugged")
    with pytest.raises(StudyError, match="recordings is a link that leads to no folder"):
        Study.open(study.path)
    (study.path / "unplugged").mkdir()
    assert Study.open(study.path).recordings() == []


def test_factors_without_a_level_given_are_told(tmp_path: Path) -> None:
    factors: dict[str, list[str]] = {"electrode": ["agcl", "crni"], "place": ["arm"], "unused": []}
    study = Study.create(tmp_path / "s", mains_hz=50, factors=factors)
    assert study.missing_factors({}) == ("electrode", "place")
    assert study.missing_factors({"electrode": "agcl"}) == ("place",)


def test_study_toml_in_another_encoding_is_named(study: Study) -> None:
    (study.path / "study.toml").write_bytes("name = 'Grün'".encode("utf-16"))
    with pytest.raises(StudyError, match="UTF-8"):
        Study.open(study.path)


@pytest.mark.parametrize("place", ["nowhere", "file"])
def test_what_is_no_study_says_how_to_make_one(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="trilead new"):
        Study.open(tmp_path / place)


@pytest.mark.parametrize(
    "pseudonym", ["", "../S01", "S 01", "S01/..", "S_01", "S-01", "A" * 33, "Ä1", "S01\n", "\0", ".", "C:", "١٢"]
)
def test_a_name_that_could_leave_its_folder_is_no_pseudonym(study: Study, pseudonym: str) -> None:
    with pytest.raises(StudyError, match="a pseudonym is 1 to 32 letters"):
        study.add_subject(pseudonym)
    with pytest.raises(StudyError, match="a pseudonym is"):
        study.recording_path(pseudonym, "01", 1)
    with pytest.raises(StudyError, match="a session label is"):
        study.recording_path("S01", pseudonym, 1)


def test_a_label_folder_cannot_lie_outside_the_study(study: Study) -> None:
    assert study.labels_dir("sub-S01_ses-01_run-01") == study.path / "labels" / "sub-S01_ses-01_run-01"
    with pytest.raises(StudyError, match="stem"):
        study.labels_dir("../../elsewhere")


@pytest.mark.parametrize(("pseudonym", "warns"), [("Anna", True), ("mueller", True), ("S01", False), ("AB", False)])
def test_a_pseudonym_that_looks_like_a_name_is_warned_about(pseudonym: str, warns: bool) -> None:
    assert bool(real_name_warning(pseudonym)) == warns


def test_runs_and_sessions_count_on_behind_recordings_and_journals(study: Study) -> None:
    assert study.next_run("S01", "01") == 1
    assert study.latest_session("S01") is None
    assert study.new_session("S01") == "01"
    study.recording_path("S01", "02", 1).touch()
    study.recording_path("S01", "10", 3).touch()
    study.journal_path("S01", "10", 4).touch()
    study.recording_path("S011", "11", 9).touch()
    (study.recordings_dir / "notes.h5").touch()
    assert study.latest_session("S01") == "10"
    assert study.next_run("S01", "10") == 5
    assert study.next_run("S01", "02") == 2
    assert study.new_session("S01") == "11"
    assert len(study.recordings()) == 3
