from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np
import pytest
import torch

import model.data
from curate.corpus.read import Corpus, open_corpus
from curate.errors import CorpusError
from model.data import batches_per_epoch, load_fold, shuffled_batches
from model.errors import Refusal, TrainingRefused

MakeCorpus = Callable[..., Corpus]


def test_sides_hold_the_windows_of_the_split_under_class_numbers(corpus: Corpus) -> None:
    fold = load_fold(corpus, "across-sessions.1")
    assert fold.classes.subjects == ("S01", "S02", "S03")
    assert fold.classes.activities == ("rest", "walk")
    row = corpus.table.iloc[fold.test.indices[5]]
    assert row["session"] == "02"
    assert fold.classes.subjects[int(fold.test.identity[5])] == row["subject"]
    np.testing.assert_array_equal(fold.test.signal(torch.tensor([5]))[0], corpus.read(fold.test.indices[5:6])[0])


def test_unseen_subjects_have_no_class_and_identity_does_not_apply(corpus: Corpus) -> None:
    fold = load_fold(corpus, "unseen-subjects.1")
    assert fold.classes.subjects == ("S01", "S02")
    assert fold.tasks == ("activity",)
    assert set(fold.test.identity.tolist()) == {-1}


def test_a_side_read_from_the_file_equals_one_in_memory(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = torch.tensor([7, 3, 3, 20])
    held = load_fold(corpus, "time-block").train
    monkeypatch.setattr(model.data, "MEMORY_LIMIT_BYTES", 100)
    read = load_fold(corpus, "time-block").train
    assert held.in_memory
    assert not read.in_memory
    assert torch.equal(held.signal(positions), read.signal(positions))


def test_a_lead_that_cannot_be_used_is_zero(corpus: Corpus) -> None:
    with h5py.File(corpus.path, "r+") as file:
        file["windows/lead_ok"][:, 1] = False
    with open_corpus(corpus.path) as masked:
        signal = load_fold(masked, "time-block").train.signal(torch.arange(4))
    assert float(signal[:, 1].abs().max()) == 0.0
    assert float(signal[:, 0].abs().max()) > 0.0


def test_nan_in_a_window_is_refused(corpus: Corpus) -> None:
    with h5py.File(corpus.path, "r+") as file:
        file["windows/signal"][0, 0, 3] = np.nan
    with open_corpus(corpus.path) as broken, pytest.raises(CorpusError, match="not a number"):
        load_fold(broken, "time-block")


def test_an_unknown_split_lists_those_there_are(corpus: Corpus) -> None:
    with pytest.raises(TrainingRefused, match=r"across-sessions\.1") as caught:
        load_fold(corpus, "leave-one-out")
    assert caught.value.reason is Refusal.UNKNOWN_SPLIT


def test_one_subject_or_one_activity_cannot_be_told_apart(make_corpus: MakeCorpus) -> None:
    with pytest.raises(TrainingRefused, match="one subject") as caught:
        load_fold(make_corpus("alone", n_subjects=1), "time-block")
    assert caught.value.reason is Refusal.ONE_SUBJECT
    with pytest.raises(TrainingRefused, match="one activity") as caught:
        load_fold(make_corpus("still", one_activity=True), "time-block")
    assert caught.value.reason is Refusal.ONE_ACTIVITY


@pytest.mark.parametrize("side", ["train", "validate", "test"])
def test_an_empty_side_is_refused_by_name(corpus: Corpus, side: str) -> None:
    code = ("unused", "train", "validate", "test").index(side)
    with h5py.File(corpus.path, "r+") as file:
        sides = file["splits/time-block"][()]
        sides[sides == code] = 0
        file["splits/time-block"][...] = sides
    with open_corpus(corpus.path) as emptied, pytest.raises(TrainingRefused, match=f"the {side} side") as caught:
        load_fold(emptied, "time-block")
    assert caught.value.reason is Refusal.EMPTY_SIDE


@pytest.mark.parametrize(("column", "value"), [("activity", b"climb"), ("subject", b"S99")])
def test_a_class_that_is_tested_but_never_trained_is_refused(corpus: Corpus, column: str, value: bytes) -> None:
    with h5py.File(corpus.path, "r+") as file:
        tested = np.flatnonzero(file["splits/time-block"][()] == 3)
        file[f"windows/table/{column}"][tested[0]] = value
    with open_corpus(corpus.path) as odd, pytest.raises(TrainingRefused, match=value.decode()) as caught:
        load_fold(odd, "time-block")
    assert caught.value.reason is Refusal.UNKNOWN_CLASS


def test_an_epoch_shows_no_window_twice_and_all_batches_are_full() -> None:
    batches = list(shuffled_batches(50, 16, torch.Generator().manual_seed(1)))
    assert [len(batch) for batch in batches] == [16, 16, 16]
    assert len(set(torch.cat(batches).tolist())) == 48
    assert batches_per_epoch(50, 16) == 3


def test_fewer_windows_than_a_batch_are_one_batch() -> None:
    (batch,) = shuffled_batches(5, 64, torch.Generator().manual_seed(1))
    assert sorted(batch.tolist()) == [0, 1, 2, 3, 4]
    assert batches_per_epoch(5, 64) == 1
