from pathlib import Path

import pytest
import typer
from small_study import made_up_study
from typer.testing import CliRunner

from acquire.study import Study
from curate.cli import app as room
from curate.corpus import build
from curate.corpus.read import open_corpus
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
        (["--window-s", "-3"], "--window-s is -3"),
        (["--beats", "-1"], "--beats is -1; it must lie from 1 to 40"),
        (["--beats", "100"], "--beats is 100; it must lie from 1 to 40"),
        (["--beats", "4", "--rate-hz", "nan"], "--rate-hz is nan"),
        (["--beats", "4", "--window-s", "0.5"], "no room for 4 beats; leave it out, or take 6."),
        (["--hop-beats", "2"], "--hop-beats goes with --beats"),
        (["--beats", "4", "--hop-s", "2"], "take --hop-beats"),
        (["--split", "random", "--split", "random"], "--split random is given more than once"),
        (["--band-hz", "0.5"], "--band-hz is '0.5'; give the lower and the upper corner"),
        (["--band-hz", "a,b"], "--band-hz is 'a,b'"),
        (["--band-hz", "nan,40"], "the lower corner of --band-hz is nan"),
        (["--recordings", "nope"], "no recording is named 'nope'"),
        (["--without-recordings", "*"], "no recording is left"),
        (["--layers", "protocol,nobody"], "no recording has a layer 'nobody'; there are protocol."),
        (["--split", "fixed:/dev/null"], "/dev/null is not a plain file"),
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


def test_a_recording_is_left_out_without_its_subject(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=2, seconds=60)
    options = ["--split", "random", "--without-recordings", "sub-S02_ses-02*", "--band-hz", "0.7, 35"]
    result = run.invoke(app, ["corpus", str(study.path), *options])
    assert result.exit_code == 0, result.output
    assert "from 2 subjects, 3 recordings" in result.output
    with open_corpus(study.corpora_dir / "default.h5") as corpus:
        assert corpus.cleaning["clean"]["band_hz"] == [0.7, 35.0]
    options = ["--name", "b", "--split", "random", "--recordings", "*ses-01_run-01.h5"]
    result = run.invoke(app, ["corpus", str(study.path), *options])
    assert "from 2 subjects, 2 recordings" in result.output


def test_what_was_passed_over_is_noted(study: Study) -> None:
    assert run.invoke(app, ["corpus", str(study.path), "--split", "random"]).exit_code == 0
    (study.recordings_dir / "copy of sub-S01.h5").touch()
    (study.path / "labels" / "sub-S09_ses-01_run-01").mkdir()
    with (study.path / "labels" / "sub-S01_ses-01_run-01" / "protocol.jsonl").open("a") as file:
        file.write('{"torn')
    result = run.invoke(app, ["corpus", str(study.path), "--split", "random", "--overwrite"])
    assert result.exit_code == 0, result.output
    for words in (
        "copy of sub-S01.h5",
        "labels without a recording",
        "sub-S09_ses-01_run-01",
        "protocol.jsonl is torn",
    ):
        assert words in result.output


def test_ctrl_c_says_that_the_build_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "survey_all", interrupted)
    result = run.invoke(app, ["corpus", str(study.path)])
    assert result.exit_code == 130
    assert "Stopped by Ctrl-C; run it again to go on." in result.output


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
