from __future__ import annotations

import csv

import pytest

from acquire.errors import StudyError
from acquire.study import Study


def test_subjects_are_added_once_and_read_back(study: Study) -> None:
    study.add_subject("S01", age_band="20-29", note='likes "commas", and\nlines')
    study.add_subject("S02")
    assert study.add_subject("S01").age_band == "20-29"
    assert [somebody.pseudonym for somebody in study.subjects()] == ["S01", "S02"]
    with pytest.raises(StudyError, match="capitals"):
        study.add_subject("s01")


def test_subjects_written_by_a_spreadsheet_are_read(study: Study) -> None:
    (study.path / "subjects.csv").write_bytes("\ufeffpseudonym,note\r\nS01,Käse".encode())
    study.add_subject("S02")
    assert [(somebody.pseudonym, somebody.note) for somebody in study.subjects()] == [("S01", "Käse"), ("S02", "")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name\nAnna\n", "no column pseudonym"),
        (b"pseudonym\n../x\n", "line 2"),
        (b"\xff\xfe\0", "UTF-8"),
        (b"", "column"),
        (b'pseudonym,age_band,sex,note\nS01,,,"unclosed\nS02,,,\n', "mend the line"),
    ],
)
def test_a_broken_list_of_subjects_is_named(study: Study, content: bytes, sentence: str) -> None:
    (study.path / "subjects.csv").write_bytes(content)
    with pytest.raises(StudyError, match=sentence):
        study.subjects()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ended", [True, False])
def test_a_subject_is_added_by_the_headers_own_columns_delimiter_and_line_end(
    study: Study, line_end: str, delimiter: str, ended: bool
) -> None:
    file = study.path / "subjects.csv"
    lines = [["note", "height_cm", "pseudonym", "sex"], ["tall", "190", "S01", "f"]]
    text = line_end.join(delimiter.join(line) for line in lines)
    file.write_bytes((text + line_end * ended).encode())
    added = study.add_subject("S02", sex="m", note=f"wants{delimiter}quotes")
    assert study.subjects()[1] == added
    assert file.read_bytes().count(b"\r\n") == (3 if line_end == "\r\n" else 0)
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    assert rows[0] == {"note": "tall", "height_cm": "190", "pseudonym": "S01", "sex": "f"}
    assert rows[1] == {"note": f"wants{delimiter}quotes", "height_cm": "", "pseudonym": "S02", "sex": "m"}


def test_what_has_no_column_is_refused_and_not_lost(study: Study) -> None:
    file = study.path / "subjects.csv"
    file.write_text("pseudonym\nS01\n", encoding="utf-8")
    with pytest.raises(StudyError, match="no column note for what is known of S02; add it to the first line"):
        study.add_subject("S02", note="left-handed")
    study.add_subject("S02")
    assert file.read_text(encoding="utf-8") == "pseudonym\nS01\nS02\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pseudonym,sex\nS01,f\nS02,m\nS01,f\n", "line 4: S01 stands in line 2 already"),
        ("pseudonym,sex\nS01,f\ns01,m\n", "line 3: s01 stands in line 2 already, and capitals do not tell"),
        ("pseudonym,sex,sex\nS01,f,m\n", "has the column sex twice"),
        ("pseudonym,note\nS01,sat, then stood\n", "line 2: it has 3 columns, but the first line names 2; put quotes"),
    ],
)
def test_a_list_that_says_two_things_is_refused_with_the_line(study: Study, text: str, sentence: str) -> None:
    (study.path / "subjects.csv").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        study.subjects()
    assert sentence in str(caught.value)
    with pytest.raises(StudyError):
        study.add_subject("S05")
    assert (study.path / "subjects.csv").read_text(encoding="utf-8") == text


def test_empty_lines_of_a_spreadsheet_are_nobody(study: Study) -> None:
    (study.path / "subjects.csv").write_text("pseudonym,age_band,sex,note\nS01,,,\n,,,\n\n", encoding="utf-8")
    assert [somebody.pseudonym for somebody in study.subjects()] == ["S01"]


def test_a_list_that_is_gone_is_made_anew(study: Study) -> None:
    (study.path / "subjects.csv").unlink()
    study.add_subject("S01", sex="f")
    assert (study.path / "subjects.csv").read_bytes() == b"pseudonym,age_band,sex,note\nS01,,f,\n"


def test_a_list_that_is_a_folder_is_named(study: Study) -> None:
    (study.path / "subjects.csv").unlink()
    (study.path / "subjects.csv").mkdir()
    with pytest.raises(StudyError, match=r"subjects\.csv cannot be read"):
        study.subjects()
