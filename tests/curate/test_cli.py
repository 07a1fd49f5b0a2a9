from pathlib import Path

import pytest
import typer
from small_study import made_up_study
from typer.testing import CliRunner

from acquire.study import Study
from curate.cli import app as room
from curate.importers import FORMATS

app = typer.Typer()
app.add_typer(room)
run = CliRunner()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=80)


def test_corpus_says_where_corpus_and_card_are_and_how_it_is_split(study: Study) -> None:
    result = run.invoke(app, ["corpus", str(study.path), "--hop-s", "2", "--split", "time-block", "--split", "random"])
    assert result.exit_code == 0, result.output
    for words in ("windows of 3 s (I, II, III) from 2 subjects", "time-block", "random", "default.h5", "default.html"):
        assert words in result.output
    assert "across-sessions" not in result.output
    assert (study.corpora_dir / "default.html").is_file()


def test_corpus_says_which_splits_it_left_out(study: Study) -> None:
    result = run.invoke(app, ["corpus", str(study.path), "--leads", "II, I", "--name", "two"])
    assert result.exit_code == 0, result.output
    assert "left out: unseen-subjects needs at least three subjects" in result.output
    assert "(II, I)" in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--leads", "V9"], "no recording has lead V9"),
        (["--window-s", "-3"], "window_s is -3"),
        (["--seed", "99999999999999999999999"], "seed is 99999999999999999999999"),
        (["--split", "across-sessions"], "two sessions"),
        (["--name", "../up"], "corpus name"),
    ],
)
def test_corpus_answers_mistakes_with_one_sentence_and_exit_code_2(
    study: Study, options: list[str], words: str
) -> None:
    result = run.invoke(app, ["corpus", str(study.path), *options])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert list(study.corpora_dir.iterdir()) == []


def test_corpus_of_something_that_is_no_study_is_refused(tmp_path: Path) -> None:
    result = run.invoke(app, ["corpus", str(tmp_path)])
    assert result.exit_code == 2
    assert "is not a study folder" in result.output


def write_wearable(path: Path, seconds: int = 5) -> None:
    lines = [
        f"2020-01-01 10:00:{place // 500:02d}.{place % 500 * 2000:06d} ; {2048 + (place % 400) * (place % 5)}\n"
        for place in range(seconds * 500)
    ]
    path.write_text("".join(lines))


def test_import_names_what_it_refused_and_goes_on(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    folder = tmp_path / "files"
    folder.mkdir()
    write_wearable(folder / "01_01_klud.csv")
    (folder / "01_01_beh.csv").write_text("")
    result = run.invoke(app, ["import", str(study.path), str(folder), "--format", next(iter(FORMATS))])
    assert result.exit_code == 0, result.output
    assert "refused: 01_01_beh.csv" in result.output
    assert "1 recording imported in 1 session" in result.output
    assert "1 file refused" in result.output
    again = run.invoke(app, ["import", str(study.path), str(folder)])
    assert again.exit_code == 0
    assert "1 already there" in again.output


def test_import_that_takes_nothing_in_exits_with_2(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    (tmp_path / "01_01_klud.csv").write_text("")
    for path in (tmp_path / "01_01_klud.csv", tmp_path / "none", study.corpora_dir):
        result = run.invoke(app, ["import", str(study.path), str(path)])
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output
    assert study.recordings() == []


def test_import_in_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    result = run.invoke(app, ["import", str(study.path), str(tmp_path), "--format", "fax"])
    assert result.exit_code == 2
    assert "wearable" in result.output
