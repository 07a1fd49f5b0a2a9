"""What the tests of training share: a small corpus, and settings that train on it in about a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from small_corpus import write_small_corpus

from curate.corpus.read import Corpus, open_corpus
from model.augment import AugmentSettings
from model.config import TrainConfig


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads on cores that other tests use as well spend their time waiting for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_corpus(tmp_path: Path) -> Iterator[Callable[..., Corpus]]:
    opened = []

    def make(name: str = "default", **kwargs: object) -> Corpus:
        corpus = open_corpus(write_small_corpus(tmp_path / f"{name}.h5", **kwargs))
        opened.append(corpus)
        return corpus

    yield make
    for corpus in opened:
        corpus.close()


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus()


@pytest.fixture
def quick() -> TrainConfig:
    return TrainConfig(
        network="resnet",
        network_settings={"widths": [8, 8], "kernel_size": 3, "stem_kernel_size": 5},
        epochs=4,
        batch_size=16,
        learning_rate=0.02,
        augment=AugmentSettings(gain_sigma=0.1, motion=0.2),
        mixup_alpha=0.2,
        ema_decay=0.5,
        threads=1,
    )
