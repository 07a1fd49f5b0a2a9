from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from small_corpus import write_small_corpus
from typer.testing import CliRunner

import model.train
from acquire.study import Study
from model.cli import app

Run = Callable[..., Result]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study", mains_hz=50)
    write_small_corpus(study.corpora_dir / "default.h5")
    return study


@pytest.fixture
def run(study: Study) -> Run:
    def run(command: str, *args: str) -> Result:
        return CliRunner().invoke(app, [command, str(study.path), *args], catch_exceptions=False)

    return run


QUICK = ("--network", "resnet", "--epochs", "1", "--batch-size", "16", "--device", "cpu")


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_train_then_evaluate_print_figures_and_where_the_report_is(run: Run, study: Study) -> None:
    result = run("train", *QUICK)
    assert result.exit_code == 0, result.output
    folder = study.models_dir / "resnet-across-sessions"
    assert str(folder / "report.html") in result.stdout
    assert "mean" in result.stdout
    result = run("evaluate", "--model", "resnet-across-sessions")
    assert result.exit_code == 0, result.output
    assert str(folder / "evaluations" / "default-across-sessions" / "report.html") in result.stdout


def test_a_name_that_is_taken_gets_a_number_and_overwrite_takes_it(run: Run, study: Study) -> None:
    for _ in range(2):
        assert run("train", *QUICK, "--name", "m").exit_code == 0
    assert run("train", *QUICK, "--name", "m", "--overwrite", "--seed", "5").exit_code == 0
    assert sorted(path.name for path in study.models_dir.iterdir()) == ["m", "m-2"]
    assert json.loads((study.models_dir / "m" / "config.json").read_text())["networks"][0]["seed"] == 5


def test_a_plain_baseline_gets_no_motion_while_the_network_keeps_its_own(run: Run, study: Study) -> None:
    plain = ("--baseline", "resnet", "--baseline-motion", "0")
    options = ("--network", "dt4ecg", "--epochs", "1", "--batch-size", "16", "--device", "cpu", "--name", "m")
    assert run("train", *options, *plain).exit_code == 0
    first, second = json.loads((study.models_dir / "m" / "config.json").read_text())["networks"]
    assert (first["augment"]["motion"], first["balance"]) == (0.5, "gradnorm")
    assert (second["network"], second["augment"]["motion"], second["balance"]) == ("resnet", 0.0, "equal")


@pytest.mark.parametrize("split", ["unseen-subjects", "across-activities", "fixed:people"])
def test_a_task_that_a_split_cannot_ask_shows_as_not_applicable(run: Run, study: Study, split: str) -> None:
    result = run("train", *QUICK, "--split", split)
    assert result.exit_code == 0, result.output
    assert "n/a" in result.stdout
    assert (study.models_dir / f"resnet-{split.replace(':', '.')}" / "report.html").exists()


def test_resume_goes_on_and_needs_only_the_name(run: Run, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int]] = []
    whole = model.train._train_fold

    class Interrupted(Exception):
        pass

    def interrupted(*args: object) -> object:
        raise Interrupted

    monkeypatch.setattr(model.train, "_train_fold", interrupted)
    with pytest.raises(Interrupted):
        run("train", *QUICK, "--name", "m", "--seed", "3")
    monkeypatch.setattr(model.train, "_train_fold", whole)
    monkeypatch.setattr(
        "model.show.TrainingBars.__call__", lambda self, done: told.append((done.split, done.record.epoch))
    )
    refused(run("train", "--name", "m", "--resume", "--seed", "4"), "--seed is 4", "begun with 3")
    refused(run("train", "--name", "m", "--resume", "--corpus", "other"), "--corpus is other", "default")
    assert run("train", "--name", "m", "--resume", "--device", "cpu").exit_code == 0
    assert told == [("across-sessions.1", 1), ("across-sessions.2", 1)]


def test_ctrl_c_says_how_to_go_on(run: Run, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(model.train, "_train_fold", interrupted)
    result = run("train", *QUICK, "--name", "m")
    assert result.exit_code == 130
    assert "--name m --resume" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--corpus", "nothing"], ["nothing.h5", "trilead corpus"]),
        (["--corpus", "../../etc"], ["corpus name"]),
        (["--split", "by-weekday"], ["by-weekday", "across-sessions"]),
        (["--network", "transformer"], ["transformer", "dt4ecg"]),
        (["--baseline", "dt4ecg"], ["its own baseline"]),
        (["--epochs", "0"], ["epochs", "0"]),
        (["--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["--balance", "by-hand"], ["balance", "gradnorm"]),
        (["--motion", "-1"], ["motion", "-1"]),
        (["--device", "abacus"], ["abacus", "cpu"]),
        (["--name", "../m"], ["no name for a model"]),
        (["--resume"], ["no such model"]),
        (["--resume", "--overwrite"], ["--resume", "--overwrite"]),
    ],
)
def test_wrong_options_are_one_sentence_and_make_nothing(
    run: Run, study: Study, args: list[str], words: list[str]
) -> None:
    refused(run("train", *args), *words)
    assert list(study.models_dir.iterdir()) == []


def test_a_folder_that_is_no_study_is_one_sentence(tmp_path: Path) -> None:
    refused(CliRunner().invoke(app, ["train", str(tmp_path)]), "not a study folder")


def test_a_corpus_with_one_subject_is_one_sentence(run: Run, study: Study) -> None:
    (study.corpora_dir / "default.h5").unlink()
    write_small_corpus(study.corpora_dir / "default.h5", n_subjects=1)
    refused(run("train", "--split", "time-block"), "one subject")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--model", "nothing"], ["no such model"]),
        (["--model", "../m"], ["no name for a model"]),
    ],
)
def test_wrong_evaluations_are_one_sentence(run: Run, args: list[str], words: list[str]) -> None:
    refused(run("evaluate", *args), *words)


def test_a_checkpoint_from_another_set_of_leads_is_one_sentence(run: Run, study: Study) -> None:
    assert run("train", *QUICK, "--name", "m").exit_code == 0
    write_small_corpus(study.corpora_dir / "one.h5", leads=("ECG",), seed=2)
    refused(run("evaluate", "--model", "m", "--corpus", "one"), "from another set of leads", "I, II", "ECG")
