"""A checkpoint on windows it has never seen: every window once, and only if the test is an honest one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from curate.corpus.read import Corpus
from curate.splits.make import scored_tasks
from model.checkpoint import Checkpoint, CheckpointConfig
from model.data import Classes, Side, load_side
from model.errors import EvaluationRefused, Mismatch, Refusal, TrainingRefused
from model.loop import predict
from model.metrics import FoldFigures, fold_figures
from model.networks import TwoHeadNetwork

__all__ = ["Evaluation", "evaluate_checkpoint", "predictions_of", "raw_ranges", "refuse_misfit"]

FILTER_KEYS: Final = ("filter", "band_hz", "order")
"""What of the cleaning must agree. Mains frequency and raw rate may differ: cleaning and resampling even them out."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a checkpoint made of the test side of a split.

    Attributes:
        split: the split whose test side it is.
        predictions: one row per window, see `predictions_of`.
        figures: computed from them.
        notes: sentences on what differs from the training.
    """

    split: str
    predictions: pd.DataFrame
    figures: FoldFigures
    notes: tuple[str, ...]


def evaluate_checkpoint(checkpoint: Checkpoint, corpus: Corpus, split: str, *, sha256: str, device: str) -> Evaluation:
    """Evaluate on the test side of a split.

    Args:
        checkpoint: as loaded.
        corpus: an open corpus.
        split: one of its splits.
        sha256: of the corpus file.
        device: where to compute.

    Raises:
        EvaluationRefused: leads, rate, window, unit or cleaning differ, or test samples were used in the training.
        TrainingRefused: there is no such split, its test side is empty, or holds an activity that was never trained on.
    """
    config = checkpoint.config
    refuse_misfit(config, corpus)
    if split not in corpus.split_names:
        raise TrainingRefused(
            f"{corpus.path.name}: there is no split named {split!r}; it holds {', '.join(corpus.split_names)}.",
            reason=Refusal.UNKNOWN_SPLIT,
        )
    rows = np.flatnonzero(corpus.split(split) == "test")
    if not len(rows):
        raise TrainingRefused(
            f"{corpus.path.name}, split {split}: the test side holds no windows; choose another split.",
            reason=Refusal.EMPTY_SIDE,
        )
    _refuse_overlap(config, corpus, rows)
    tasks = _tasks(corpus, split, rows, config)
    side = load_side(corpus, rows, config.classes, tasks=tasks)
    network = checkpoint.network.to(device)
    predictions = predictions_of(network, side, corpus, classes=config.classes, device=device, tasks=tasks)
    figures = fold_figures(predictions, subjects=config.subjects, activities=config.activities, applying=tasks)
    return Evaluation(
        split=split, predictions=predictions, figures=figures, notes=_notes(config, corpus, split, sha256)
    )


def predictions_of(
    network: TwoHeadNetwork, side: Side, corpus: Corpus, *, classes: Classes, device: str, tasks: Collection[str]
) -> pd.DataFrame:
    """Name every window of a side.

    Returns:
        One row per window: `window` (row of the corpus), `recording`, `session`, `start`, `stop` (raw samples),
        `subject`, `subject_predicted`, `subject_confidence`, `activity`, `activity_predicted`, `activity_confidence`.
        A confidence is the softmax of the class that was named. For a task that is not among those that are asked, what
        was predicted is empty and the confidence 0.
    """
    logits = predict(network, side, torch.device(device))
    table = corpus.table.iloc[side.indices][["recording", "session", "start", "stop", "subject", "activity"]]
    table = table.reset_index(drop=True)
    table.insert(0, "window", side.indices)
    for column, task, names in (
        ("subject", "identity", classes.subjects),
        ("activity", "activity", classes.activities),
    ):
        confidence, number = torch.softmax(logits[task], dim=1).max(dim=1)
        applies = task in tasks
        table[f"{column}_predicted"] = np.asarray(names, dtype=object)[number.numpy()] if applies else ""
        table[f"{column}_confidence"] = confidence.double().numpy().round(6) if applies else 0.0
    return table


def raw_ranges(corpus: Corpus, rows: NDArray[np.int64]) -> dict[str, list[list[int]]]:
    """The raw samples that windows cover: signal hash → merged half-open ranges, in order."""
    hashes = _signal_hashes(corpus)
    table = corpus.table.iloc[rows][["recording", "start", "stop"]].sort_values(["recording", "start"])
    ranges: dict[str, list[list[int]]] = {}
    for name, start, stop in table.itertuples(index=False):
        merged = ranges.setdefault(hashes[str(name)], [])
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], int(stop))
        else:
            merged.append([int(start), int(stop)])
    return ranges


def refuse_misfit(config: CheckpointConfig, corpus: Corpus) -> None:
    """Refuse windows that are not like those the checkpoint was trained on.

    Raises:
        EvaluationRefused: naming both sides of the first difference.
    """
    name = corpus.path.name
    pairs: tuple[tuple[Mismatch, str, Any, Any], ...] = (
        (Mismatch.LEADS, "leads", ", ".join(config.leads), ", ".join(corpus.leads)),
        (Mismatch.RATE, "samples per second", config.rate_hz, corpus.rate_hz),
        (Mismatch.WINDOW, "samples in a window", config.n_samples, corpus.n_samples),
        (Mismatch.UNIT, "unit", config.unit, corpus.unit),
        (Mismatch.CLEANING, "amplitude scale", config.scale, corpus.scale),
    )
    for mismatch, what, trained, found in pairs:
        if trained != found:
            raise EvaluationRefused(
                f"The checkpoint was trained with another {what} ({trained}) than {name} has ({found}); "
                "build a corpus like the one it was trained on, or train anew."
                if mismatch is not Mismatch.LEADS
                else f"The checkpoint is from another set of leads ({trained}) than {name} holds ({found}); "
                "build a corpus with its leads, or train anew.",
                mismatch=mismatch,
            )
    for key in FILTER_KEYS:
        trained, found = (_filter(cleaning).get(key) for cleaning in (config.cleaning, corpus.cleaning))
        if trained != found:
            raise EvaluationRefused(
                f"The checkpoint was trained on signals cleaned with {key} {trained}, and {name} was cleaned with "
                f"{found}; build a corpus like the one it was trained on, or train anew.",
                mismatch=Mismatch.CLEANING,
            )


def _filter(cleaning: Mapping[str, Any]) -> Mapping[str, Any]:
    step = cleaning.get("clean")
    return step if isinstance(step, Mapping) else {}


def _refuse_overlap(config: CheckpointConfig, corpus: Corpus, rows: NDArray[np.int64]) -> None:
    names = {identifier: name for name, identifier in _signal_hashes(corpus).items()}
    for recording, tested in raw_ranges(corpus, rows).items():
        trained = np.asarray(config.trained_on.get(recording, []), dtype=np.int64).reshape(-1, 2)
        for start, stop in tested:
            if bool(np.any((trained[:, 0] < stop) & (start < trained[:, 1]))):
                raise EvaluationRefused(
                    f"{corpus.path.name}: test windows of {names[recording]}, samples {start} to {stop}, were used in "
                    "the training of this checkpoint; choose the split it was trained with, or recordings it "
                    "never saw.",
                    mismatch=Mismatch.OVERLAP,
                )


def _tasks(corpus: Corpus, split: str, rows: NDArray[np.int64], config: CheckpointConfig) -> tuple[str, ...]:
    """What the test side can be asked by this checkpoint."""
    tasks = [
        task for task in scored_tasks(corpus.split_info(split)) if task != "activity" or len(config.activities) > 1
    ]
    tested = set(corpus.table["subject"].to_numpy(dtype=str)[rows])
    unseen = tested - set(config.subjects)
    if "identity" in tasks and unseen:
        if unseen != tested:
            raise EvaluationRefused(
                f"{corpus.path.name}: the test side holds subjects that were trained on and others that were not "
                f"({', '.join(sorted(unseen))}); leave one kind out of the corpus.",
                mismatch=Mismatch.CLASSES,
            )
        tasks.remove("identity")
    if not tasks:
        raise EvaluationRefused(
            f"{corpus.path.name}, split {split}: there is nothing to ask, for the checkpoint knows none of the people "
            f"and only the activity {config.activities[0]}; choose another split or another model.",
            mismatch=Mismatch.CLASSES,
        )
    return tuple(tasks)


def _notes(config: CheckpointConfig, corpus: Corpus, split: str, sha256: str) -> tuple[str, ...]:
    notes = []
    if sha256 != config.corpus.get("sha256"):
        notes.append(f"The corpus {corpus.path.name} is not the one that this network was trained on; none of its test "
                     "samples was in the training.")  # fmt: skip
    if split != config.split or corpus.split_info(split).get("hash") != config.split_info.get("hash"):
        notes.append(f"The split {split} is not the one that this network was trained with ({config.split}).")
    return tuple(notes)


def _signal_hashes(corpus: Corpus) -> dict[str, str]:
    return {str(source["recording"]): str(source["signal_sha256"]) for source in corpus.sources}
