"""What a network sees: the sides of a split as tensors, with class names from the training side only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curate.corpus.read import Corpus
from curate.splits.make import TASKS, scored_tasks
from model.errors import Refusal, TrainingRefused

__all__ = ["Classes", "Fold", "Side", "batches_per_epoch", "load_fold", "load_side", "shuffled_batches"]

MEMORY_LIMIT_BYTES: Final = 2_000_000_000
"""Larger sides are read from the corpus batch by batch."""

UNKNOWN: Final = -1
"""The class of a subject or an activity that the network was never shown."""


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The names behind the two heads, in the order of their logits."""

    subjects: tuple[str, ...]
    activities: tuple[str, ...]


class Side:
    """The windows of one side of a split, in the order of the corpus.

    Attributes:
        indices: (n,) rows of the corpus.
        identity: (n,) class numbers, -1 for a subject that training never saw.
        activity: (n,) class numbers, -1 likewise for an activity.
        in_memory: whether the signal is held as one tensor.
    """

    def __init__(self, corpus: Corpus, indices: NDArray[np.int64], identity: Tensor, activity: Tensor) -> None:
        self.indices = indices
        self.identity = identity
        self.activity = activity
        self._corpus = corpus
        n_bytes = 4 * len(indices) * len(corpus.leads) * corpus.n_samples
        self.in_memory = n_bytes <= MEMORY_LIMIT_BYTES
        self._signal = self._read(np.arange(len(indices))) if self.in_memory else None

    def __len__(self) -> int:
        return len(self.indices)

    def signal(self, positions: Tensor) -> Tensor:
        """Windows (n, leads, samples), float32, at positions within this side; leads that cannot be used are zero."""
        if self._signal is not None:
            return self._signal[positions]
        return self._read(positions.numpy())

    def _read(self, positions: NDArray[np.int64]) -> Tensor:
        rows = self.indices[positions]
        windows = self._corpus.read(rows)
        windows[~self._corpus.lead_ok(rows)] = 0.0
        return torch.from_numpy(windows)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One split, ready to train on.

    Attributes:
        split: its name in the corpus.
        classes: from the training side.
        train: windows that weights are fitted to.
        validate: windows that decide when to stop and what to keep.
        test: windows that nothing was decided on.
        tasks: what the test side can be asked; identity is not among them where its subjects were never trained on,
            nor activity where its activities were not.
    """

    split: str
    classes: Classes
    train: Side
    validate: Side
    test: Side
    tasks: tuple[str, ...]


def load_fold(corpus: Corpus, split: str) -> Fold:
    """Read the three sides of a split.

    Args:
        corpus: an open corpus.
        split: the name of one of its splits.

    Raises:
        CorpusError: a window holds NaN or an infinity, or the file went away.
        TrainingRefused: the split is unknown, a side is empty, there is only one subject or activity to tell apart, or
            a side holds a class that training never sees.
    """
    if split not in corpus.split_names:
        raise TrainingRefused(
            f"{corpus.path.name}: there is no split named {split!r}; it holds {', '.join(corpus.split_names)}.",
            reason=Refusal.UNKNOWN_SPLIT,
        )
    sides = np.asarray(corpus.split(split)).astype(str)
    rows = {side: np.flatnonzero(sides == side) for side in ("train", "validate", "test")}
    for side, indices in rows.items():
        if not len(indices):
            raise TrainingRefused(
                f"{corpus.path.name}, split {split}: the {side} side holds no windows; record more, or choose "
                "another split.",
                reason=Refusal.EMPTY_SIDE,
            )
    subjects, activities = _column(corpus, "subject"), _column(corpus, "activity")
    classes = Classes(
        subjects=tuple(sorted(set(subjects[rows["train"]]))), activities=tuple(sorted(set(activities[rows["train"]])))
    )
    tasks = scored_tasks(corpus.split_info(split))
    _check_classes(corpus, split, classes, tasks)
    unseen = set(subjects[rows["test"]]) - set(classes.subjects)
    if "identity" in tasks and unseen and set(subjects[rows["test"]]) & set(classes.subjects):
        raise TrainingRefused(
            f"{corpus.path.name}, split {split}: {_listed(unseen)} is tested but never trained on, while others are; "
            "leave such subjects out of the corpus or use the split unseen-subjects.",
            reason=Refusal.UNKNOWN_CLASS,
        )
    unlearned = set(subjects[rows["validate"]]) - set(classes.subjects)
    if "identity" in tasks and unlearned:
        raise TrainingRefused(
            f"{corpus.path.name}, split {split}: {_listed(unlearned)} is validated on but never trained on; "
            "build the split again.",
            reason=Refusal.UNKNOWN_CLASS,
        )
    loaded = {side: load_side(corpus, indices, classes, tasks=tasks) for side, indices in rows.items()}
    asked = tuple(task for task in tasks if task != "identity" or not unseen)
    return Fold(split=split, classes=classes, tasks=asked, **loaded)


def load_side(corpus: Corpus, indices: NDArray[np.int64], classes: Classes, *, tasks: Sequence[str] = TASKS) -> Side:
    """Windows of a corpus under the class numbers of a training.

    Args:
        corpus: an open corpus.
        indices: its rows.
        classes: of the training.
        tasks: what the windows will be asked.

    Raises:
        TrainingRefused: a window will be asked for its activity, and that is not among the classes.
    """
    subjects, activities = _column(corpus, "subject")[indices], _column(corpus, "activity")[indices]
    unknown = set(activities) - set(classes.activities)
    if "activity" in tasks and unknown:
        raise TrainingRefused(
            f"{corpus.path.name}: the activity {_listed(unknown)} was never trained on (trained: "
            f"{', '.join(classes.activities)}); leave it out of the corpus or train on it.",
            reason=Refusal.UNKNOWN_CLASS,
        )
    subject_number = {name: number for number, name in enumerate(classes.subjects)}
    activity_number = {name: number for number, name in enumerate(classes.activities)}
    identity = torch.tensor([subject_number.get(name, UNKNOWN) for name in subjects], dtype=torch.int64)
    activity = torch.tensor([activity_number.get(name, UNKNOWN) for name in activities], dtype=torch.int64)
    return Side(corpus, indices, identity, activity)


def shuffled_batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Positions of each batch of one epoch, in an order drawn from the generator.

    An incomplete last batch is left out, so that batch statistics rest on equal numbers; which windows miss out changes
    with each epoch. A side smaller than one batch is one batch.
    """
    order = torch.randperm(n, generator=generator)
    size = min(batch_size, n)
    for start in range(0, n - size + 1, size):
        yield order[start : start + size]


def batches_per_epoch(n: int, batch_size: int) -> int:
    """How many batches `shuffled_batches` yields."""
    return n // min(batch_size, n)


def _check_classes(corpus: Corpus, split: str, classes: Classes, tasks: Sequence[str]) -> None:
    if len(classes.subjects) < 2:
        raise TrainingRefused(
            f"{corpus.path.name}, split {split}: it trains on one subject ({classes.subjects[0]}); telling people "
            "apart needs at least two, record or import another.",
            reason=Refusal.ONE_SUBJECT,
        )
    if "activity" in tasks and len(classes.activities) < 2:
        raise TrainingRefused(
            f"{corpus.path.name}, split {split}: it trains on one activity ({classes.activities[0]}); telling "
            "activities apart needs at least two, record or import another.",
            reason=Refusal.ONE_ACTIVITY,
        )


def _column(corpus: Corpus, name: str) -> NDArray[Any]:
    return corpus.table[name].to_numpy(dtype=str)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
