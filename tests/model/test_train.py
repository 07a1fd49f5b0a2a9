from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from curate.corpus.read import Corpus, open_corpus
from curate.errors import CorpusError, LeakError
from model.checkpoint import load_checkpoint
from model.config import TrainConfig
from model.data import load_fold
from model.errors import CheckpointError, ConfigInvalid, EvaluationRefused, ModelFolderError, TrainingDiverged
from model.evaluate_run import evaluate_run
from model.loop import EpochRecord, Training
from model.run import load_fold_result
from model.train import EpochDone, choose_device, train_run

MakeCorpus = Callable[..., Corpus]


class Interrupted(Exception):
    pass


def train(corpus: Corpus, folder: Path, *configs: TrainConfig, **kwargs: object) -> object:
    kwargs = {"family": "time-block", "device": "cpu", **kwargs}
    return train_run(corpus, folder=folder, configs=configs, **kwargs)  # type: ignore[arg-type]


def training_of(corpus: Corpus, config: TrainConfig, split: str = "time-block") -> Training:
    return Training(
        load_fold(corpus, split),
        config,
        n_leads=len(corpus.leads),
        n_samples=corpus.n_samples,
        rate_hz=corpus.rate_hz,
        device="cpu",
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All that training leaves and that does not hold a wall time."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "report.html" and not (file.name == "metrics.json" and file.parent != folder)
    }


@pytest.mark.parametrize("network", ["resnet", "dt4ecg"])
def test_resumed_after_any_epoch_ends_bit_equal_to_unbroken(
    corpus: Corpus, quick: TrainConfig, tmp_path: Path, network: str
) -> None:
    config = quick if network == "resnet" else replace(quick, network=network, network_settings={"widths": [8, 8, 8]})
    train(corpus, tmp_path / "unbroken" / "m", config)
    for last in range(1, config.epochs + 1):
        folder = tmp_path / f"broken-{last}" / "m"

        def stop(done: EpochDone, last: int = last) -> None:
            if done.record.epoch == last:
                raise Interrupted

        with pytest.raises(Interrupted):
            train(corpus, folder, config, on_epoch=stop)
        assert (folder / config.network / "time-block" / "last.safetensors").exists()
        torch.manual_seed(last)  # What else draws from torch's generator must not matter.
        train(corpus, folder, config, resume=True)
        assert bytes_of(folder) == bytes_of(tmp_path / "unbroken" / "m")


def test_interrupted_in_every_epoch_still_ends_bit_equal(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> None:
    train(corpus, tmp_path / "unbroken" / "m", quick, family="across-sessions")
    folder = tmp_path / "broken" / "m"

    def stop(done: EpochDone) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train(corpus, folder, quick, family="across-sessions", on_epoch=stop)
    for _ in range(2 * quick.epochs):
        try:
            train(corpus, folder, quick, family="across-sessions", resume=True, on_epoch=stop)
        except Interrupted:
            continue
        break
    assert bytes_of(folder) == bytes_of(tmp_path / "unbroken" / "m")


def test_same_seed_same_weights_and_another_seed_others(corpus: Corpus, quick: TrainConfig) -> None:
    def weights(config: TrainConfig) -> torch.Tensor:
        training = training_of(corpus, config)
        training.run_epoch()
        return torch.cat([tensor.flatten().float() for tensor in training.best_weights.values()])

    torch.manual_seed(5)
    first = weights(quick)
    torch.manual_seed(6)
    assert torch.equal(first, weights(quick))
    assert not torch.equal(first, weights(replace(quick, seed=1)))


def test_training_leaves_torchs_own_generator_alone(corpus: Corpus, quick: TrainConfig) -> None:
    before = torch.get_rng_state()
    training_of(corpus, quick).run_epoch()
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


def test_best_weights_are_those_of_the_best_epoch_and_not_of_the_last(corpus: Corpus, quick: TrainConfig) -> None:
    # A learning rate that ruins the network again and again makes the best epoch an early one.
    config = replace(quick, epochs=12, learning_rate=1.0, schedule="constant", ema_decay=0.0)
    training = training_of(corpus, config)
    kept: dict[int, dict[str, torch.Tensor]] = {}
    while not training.finished:
        record = training.run_epoch()
        kept[record.epoch] = {name: tensor.clone() for name, tensor in training._network.state_dict().items()}
    best = max(training.history, key=lambda record: record.score).epoch
    assert training.best_epoch == best
    assert best < config.epochs
    assert all(torch.equal(tensor, kept[best][name]) for name, tensor in training.best_weights.items())
    assert any(not torch.equal(tensor, kept[config.epochs][name]) for name, tensor in training.best_weights.items())


def test_early_stopping_waits_its_epochs_and_no_longer(
    corpus: Corpus, quick: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_of(corpus, replace(quick, epochs=30, patience_epochs=3))
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.1])

    def validate(self: Training, losses: dict[str, float]) -> EpochRecord:
        score = next(scores)
        return EpochRecord(
            epoch=self.epoch + 1,
            learning_rate=0.1,
            train_identity_loss=losses["identity"],
            train_activity_loss=losses["activity"],
            validate_identity_loss=1.0,
            validate_activity_loss=1.0,
            validate_identity_accuracy=score,
            validate_activity_accuracy=score,
            identity_weight=1.0,
            activity_weight=1.0,
        )

    monkeypatch.setattr(Training, "_validate", validate)
    while not training.finished:
        training.run_epoch()
    assert training.stopped_early
    assert (training.epoch, training.best_epoch) == (5, 2)


def test_gradnorm_moves_the_weights_and_equal_does_not(corpus: Corpus, quick: TrainConfig) -> None:
    record = training_of(corpus, quick).run_epoch()
    assert record.identity_weight != 1.0
    assert record.identity_weight + record.activity_weight == pytest.approx(2.0, abs=1e-5)
    record = training_of(corpus, replace(quick, balance="equal")).run_epoch()
    assert (record.identity_weight, record.activity_weight) == (1.0, 1.0)


def test_it_learns_what_is_there_to_learn(corpus: Corpus, quick: TrainConfig) -> None:
    config = replace(quick, epochs=15, mixup_alpha=0.0, ema_decay=0.0)
    training = training_of(corpus, config)
    while not training.finished:
        training.run_epoch()
    best = training.history[training.best_epoch - 1]
    assert best.validate_identity_accuracy > 0.8
    assert best.validate_activity_accuracy > 0.8


def test_a_loss_that_is_no_number_is_one_sentence(corpus: Corpus, quick: TrainConfig) -> None:
    training = training_of(corpus, replace(quick, learning_rate=10.0, clip_norm=0.0, schedule="constant"))
    with torch.no_grad():
        next(training._network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="lower learning rate") as caught:
        training.run_epoch()
    assert caught.value.epoch == 1


def test_both_networks_see_every_fold_and_the_folder_is_complete(
    corpus: Corpus, quick: TrainConfig, tmp_path: Path
) -> None:
    config = replace(quick, epochs=1)
    model = replace(config, network="dt4ecg", network_settings={"widths": [8, 8, 8]})
    seen: list[tuple[str, str, int]] = []
    train(
        corpus,
        tmp_path / "m",
        model,
        replace(config, balance="equal"),
        family="across-sessions",
        on_epoch=lambda done: seen.append((done.network, done.split, done.position)),
    )
    assert seen == [
        ("dt4ecg", "across-sessions.1", 1),
        ("resnet", "across-sessions.1", 2),
        ("dt4ecg", "across-sessions.2", 3),
        ("resnet", "across-sessions.2", 4),
    ]
    files = {str(file.relative_to(tmp_path / "m")) for file in (tmp_path / "m").rglob("*") if file.is_file()}
    folds = [f"{network}/across-sessions.{fold}" for network in ("dt4ecg", "resnet") for fold in (1, 2)]
    names = ("weights.safetensors", "config.json", "history.json", "predictions.csv", "metrics.json")
    assert files == {"config.json", "metrics.json", "report.html"} | {
        f"{fold}/{name}" for fold in folds for name in names
    }
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert set(metrics["comparison"]["resnet"]) == {"identity", "activity"}
    kept = load_file(tmp_path / "m" / folds[0] / "weights.safetensors")
    network = load_checkpoint(tmp_path / "m" / folds[0]).network
    assert all(torch.equal(tensor, kept[name]) for name, tensor in network.state_dict().items())


def test_unseen_subjects_are_not_given_an_identity(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> None:
    train(corpus, tmp_path / "m", replace(quick, epochs=1), family="unseen-subjects")
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["networks"]["resnet"]["identity"] is None
    assert 0 <= metrics["networks"]["resnet"]["activity"]["accuracy"] <= 1
    page = (tmp_path / "m" / "report.html").read_text()
    assert "Identity does not apply" in page
    assert "On people it had never seen" in page


def test_unseen_activities_are_not_asked_for_though_one_alone_was_enrolled(
    corpus: Corpus, make_corpus: MakeCorpus, quick: TrainConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    train(corpus, folder, replace(quick, balance="gradnorm"), family="across-activities")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["networks"]["resnet"]["activity"] is None
    assert metrics["networks"]["resnet"]["identity"]["accuracy"] > 1 / 3
    page = (folder / "report.html").read_text()
    assert "At activities it had never seen" in page
    assert "Activity does not apply" in page
    fold = folder / "resnet" / "across-activities"
    assert load_checkpoint(fold).config.activities == ["rest"]
    assert load_fold_result(fold).figures.tasks["activity"] is None
    predicted = pd.read_csv(fold / "predictions.csv")
    assert predicted["activity_predicted"].isna().all()
    assert (predicted["activity"] == "walk").all()
    evaluated = evaluate_run(folder, corpus, device="cpu")
    assert evaluated.summary["networks"]["resnet"]["activity"] is None
    with pytest.raises(EvaluationRefused, match="nothing to ask"):
        evaluate_run(folder, make_corpus("other", seed=5), split="unseen-subjects", device="cpu")


def test_people_who_were_never_trained_on_may_validate_where_identity_is_not_asked(
    corpus: Corpus, quick: TrainConfig, tmp_path: Path
) -> None:
    train(corpus, tmp_path / "m", quick, family="fixed.people")
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["networks"]["resnet"]["identity"] is None
    assert 0 <= metrics["networks"]["resnet"]["activity"]["accuracy"] <= 1
    history = json.loads((tmp_path / "m" / "resnet" / "fixed.people" / "history.json").read_text())
    assert {record["validate_identity_loss"] for record in history} == {0.0}


def test_resume_refuses_other_settings_another_corpus_and_a_cut_state(
    corpus: Corpus, make_corpus: MakeCorpus, quick: TrainConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "m"

    def stop(done: EpochDone) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train(corpus, folder, quick, on_epoch=stop)
    with pytest.raises(CheckpointError, match="networks"):
        train(corpus, folder, replace(quick, epochs=9), resume=True)
    with pytest.raises(CheckpointError, match="corpus"):
        train(make_corpus("other", seed=3), folder, quick, resume=True)
    state = folder / "resnet" / "time-block" / "last.safetensors"
    whole = state.read_bytes()
    for cut in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        state.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match="delete it"):
            train(corpus, folder, quick, resume=True)
    state.write_bytes(whole)
    train(corpus, folder, quick, resume=True)


def test_an_existing_model_is_kept_unless_it_is_to_be_overwritten(
    corpus: Corpus, quick: TrainConfig, tmp_path: Path
) -> None:
    config = replace(quick, epochs=1)
    train(corpus, tmp_path / "m", config)
    with pytest.raises(ModelFolderError, match="already"):
        train(corpus, tmp_path / "m", config)
    (tmp_path / "m" / "extra.txt").write_text("old")
    train(corpus, tmp_path / "m", config, overwrite=True)
    assert not (tmp_path / "m" / "extra.txt").exists()


def test_overwrite_never_deletes_what_is_no_model(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(ModelFolderError, match="no such model"):
        train(corpus, tmp_path / "thesis", quick, overwrite=True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"


def test_a_refused_training_leaves_no_folder(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no split"):
        train(corpus, tmp_path / "m", quick, family="leave-one-out")
    with pytest.raises(ConfigInvalid, match="its own baseline"):
        train(corpus, tmp_path / "m", quick, quick)
    with pytest.raises(ConfigInvalid, match="tpu"):
        train(corpus, tmp_path / "m", quick, device="tpu")
    assert not (tmp_path / "m").exists()


def test_a_corpus_whose_sides_share_a_sample_is_not_trained_on(
    corpus: Corpus, quick: TrainConfig, tmp_path: Path
) -> None:
    with h5py.File(corpus.path, "r+") as file:
        row = int((file["splits/time-block"][()] == 3).nonzero()[0][0])
        file["windows/table/start"][row] -= 10
    with open_corpus(corpus.path) as leaking, pytest.raises(LeakError, match="share raw samples"):
        train(leaking, tmp_path / "m", quick)
    assert not (tmp_path / "m").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFolderError, match="cannot be written"):
        train(corpus, tmp_path / "file" / "m", quick)


def test_threads_are_given_back_and_recorded(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    train(corpus, tmp_path / "m", replace(quick, epochs=1, threads=1))
    assert torch.get_num_threads() == before
    assert json.loads((tmp_path / "m" / "config.json").read_text())["environment"]["threads"] == 1


def test_auto_chooses_a_device_that_is_here() -> None:
    assert choose_device("auto") in {"cpu", "cuda", "mps"}


def test_the_unit_of_a_scaled_corpus_fits_into_a_checkpoint(
    make_corpus: MakeCorpus, quick: TrainConfig, tmp_path: Path
) -> None:
    scaled = make_corpus("scaled", unit="98th percentile of the recording", scale="recording-p98")
    train(scaled, tmp_path / "m", replace(quick, epochs=1))
    assert load_checkpoint(tmp_path / "m" / "resnet" / "time-block").config.unit == scaled.unit
