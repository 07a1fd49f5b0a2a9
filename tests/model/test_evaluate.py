from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from small_corpus import N_SAMPLES

from curate.corpus.read import Corpus
from model.checkpoint import load_checkpoint
from model.config import TrainConfig
from model.errors import CheckpointError, EvaluationRefused, Mismatch, ModelFolderError, TrainingRefused
from model.evaluate import evaluate_checkpoint, raw_ranges
from model.evaluate_run import evaluate_run
from model.run import free_name, load_fold_result, save_fold_result
from model.train import file_sha256, train_run

MakeCorpus = Callable[..., Corpus]


@pytest.fixture
def model(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> Path:
    config = replace(quick, epochs=2)
    train_run(corpus, folder=tmp_path / "m", family="across-sessions", configs=[config], device="cpu")
    return tmp_path / "m"


def evaluated(model: Path, corpus: Corpus, split: str = "across-sessions.1") -> object:
    checkpoint = load_checkpoint(model / "resnet" / "across-sessions.1")
    return evaluate_checkpoint(checkpoint, corpus, split, sha256=file_sha256(corpus.path), device="cpu")


def test_evaluating_again_gives_what_training_found(model: Path, corpus: Corpus) -> None:
    result = evaluate_run(model, corpus, device="cpu")
    trained = json.loads((model / "metrics.json").read_text())
    again = json.loads((result.folder / "metrics.json").read_text())
    assert again["networks"] == trained["networks"]
    assert result.notes == ()
    for fold in (1, 2):
        one = pd.read_csv(model / "resnet" / f"across-sessions.{fold}" / "predictions.csv")
        two = pd.read_csv(result.folder / f"resnet-across-sessions.{fold}.csv")
        pd.testing.assert_frame_equal(one, two)
    assert result.report.read_text().startswith("<!doctype html>")


def test_every_test_window_is_judged_once(model: Path, corpus: Corpus) -> None:
    predictions = load_fold_result(model / "resnet" / "across-sessions.1").predictions
    assert predictions["window"].tolist() == [
        row for row, side in enumerate(corpus.split("across-sessions.1")) if side == "test"
    ]


@pytest.mark.parametrize(
    ("mismatch", "kwargs", "words"),
    [
        (Mismatch.LEADS, {"leads": ("I", "III")}, "I, II.*I, III"),
        (Mismatch.RATE, {"rate_hz": 128}, "64.*128"),
        (Mismatch.WINDOW, {"n_samples": 128}, "64.*128"),
        (Mismatch.UNIT, {"unit": "adu"}, "mV.*adu"),
        (Mismatch.CLEANING, {"scale": "recording-p98"}, "none.*recording-p98"),
        (Mismatch.CLEANING, {"cleaning": {"clean": {"band_hz": [1.0, 20.0]}}}, "band_hz"),
    ],
)
def test_windows_unlike_those_of_the_training_are_refused_naming_both(
    model: Path, make_corpus: MakeCorpus, mismatch: Mismatch, kwargs: dict[str, object], words: str
) -> None:
    with pytest.raises(EvaluationRefused, match=words) as caught:
        evaluated(model, make_corpus("other", seed=9, **kwargs))
    assert caught.value.mismatch is mismatch


def test_another_set_of_leads_is_said_so(model: Path, make_corpus: MakeCorpus) -> None:
    with pytest.raises(EvaluationRefused, match="from another set of leads"):
        evaluated(model, make_corpus("other", leads=("I",)))


def test_windows_that_were_trained_on_are_refused(model: Path, corpus: Corpus) -> None:
    with pytest.raises(EvaluationRefused, match="were used in the training") as caught:
        evaluated(model, corpus, "across-sessions.2")
    assert caught.value.mismatch is Mismatch.OVERLAP


def test_the_same_samples_under_another_corpus_name_are_still_known(model: Path, make_corpus: MakeCorpus) -> None:
    with pytest.raises(EvaluationRefused, match="were used in the training"):
        evaluated(model, make_corpus("copy"), "across-sessions.2")


def test_other_recordings_of_the_same_people_can_be_asked_with_a_note(model: Path, make_corpus: MakeCorpus) -> None:
    evaluation = evaluated(model, make_corpus("later", seed=4))
    assert "not the one that this network was trained on" in evaluation.notes[0]
    assert evaluation.figures.tasks["identity"] is not None


def test_strangers_have_no_identity(model: Path, make_corpus: MakeCorpus, corpus: Corpus) -> None:
    strangers = make_corpus("strangers", seed=5)
    strangers.table["subject"] = "X" + strangers.table["subject"]
    evaluation = evaluated(model, strangers)
    assert evaluation.figures.tasks["identity"] is None
    assert set(evaluation.predictions["subject_predicted"]) == {""}


def test_known_people_and_strangers_together_are_refused(model: Path, make_corpus: MakeCorpus) -> None:
    with pytest.raises(EvaluationRefused, match="S04") as caught:
        evaluated(model, make_corpus("more", seed=6, n_subjects=4))
    assert caught.value.mismatch is Mismatch.CLASSES


def test_an_unknown_split_lists_those_there_are(model: Path, corpus: Corpus) -> None:
    with pytest.raises(TrainingRefused, match=r"time-block"):
        evaluated(model, corpus, "by-weekday")


def test_one_fold_is_tested_by_the_checkpoint_that_was_trained_with_it(model: Path, corpus: Corpus) -> None:
    result = evaluate_run(model, corpus, split="across-sessions.2", device="cpu")
    assert [(one.split, one.config.split) for one in result.results] == [("across-sessions.2",) * 2]


def test_a_missing_model_lists_those_there_are(model: Path, corpus: Corpus) -> None:
    with pytest.raises(ModelFolderError, match="this study has m"):
        evaluate_run(model.parent / "n", corpus)


def test_raw_ranges_join_windows_that_touch(corpus: Corpus) -> None:
    rows = corpus.table.index[corpus.table["recording"] == "sub-S01_ses-01_run-01"].to_numpy()
    (ranges,) = raw_ranges(corpus, rows[[0, 1, 2, 5]]).values()
    assert ranges == [[0, 3 * N_SAMPLES], [5 * N_SAMPLES, 6 * N_SAMPLES]]


def test_results_of_a_fold_survive_the_disk(model: Path, tmp_path: Path) -> None:
    folder = model / "resnet" / "across-sessions.1"
    result = load_fold_result(folder)
    before = (folder / "predictions.csv").read_bytes(), (folder / "metrics.json").read_bytes()
    save_fold_result(folder, result)
    assert before == ((folder / "predictions.csv").read_bytes(), (folder / "metrics.json").read_bytes())


@pytest.mark.parametrize("name", ["history.json", "metrics.json", "predictions.csv"])
def test_a_cut_result_is_one_sentence(model: Path, name: str) -> None:
    path = model / "resnet" / "across-sessions.1" / name
    path.write_bytes(path.read_bytes()[:37])
    with pytest.raises(CheckpointError):
        load_fold_result(path.parent)


def test_free_names_count_up_and_tricks_are_refused(model: Path) -> None:
    assert free_name(model.parent, "m") == "m-2"
    assert free_name(model.parent, "n") == "n"
    for name in ("", "..", "../m", "/m", "a b", ".m", "m\n", "é" * 3, "x" * 65):
        with pytest.raises(ModelFolderError, match="no name for a model"):
            free_name(model.parent, name)
