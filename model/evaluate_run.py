"""All checkpoints of a model on the test side of a corpus, with figures, predictions and a report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.corpus.read import Corpus, family_folds
from curate.splits.leakage import check_splits
from curate.splits.make import family_of
from model.checkpoint import Checkpoint, load_checkpoint
from model.errors import ModelFolderError
from model.evaluate import evaluate_checkpoint
from model.files import write_json, write_text
from model.report import render_report
from model.run import FoldResult, open_run, summary_of
from model.train import choose_device, file_sha256

__all__ = ["EvaluationRun", "evaluate_run"]


@dataclass(frozen=True, kw_only=True)
class EvaluationRun:
    """What an evaluation came to.

    Attributes:
        folder: that it was written to.
        report: its page.
        results: of every checkpoint.
        summary: see `model.run.summary_of`.
        notes: sentences on what differs from the training, each once.
    """

    folder: Path
    report: Path
    results: tuple[FoldResult, ...]
    summary: dict[str, Any]
    notes: tuple[str, ...]


def evaluate_run(model: Path, corpus: Corpus, *, split: str | None = None, device: str = "auto") -> EvaluationRun:
    """Evaluate a model's checkpoints and write `evaluations/CORPUS-SPLIT` in its folder.

    Args:
        model: the model's folder.
        corpus: an open corpus; its splits are checked for leaks first.
        split: a split or family of it; None takes the one that the model was trained with. A checkpoint is tested on
            the fold it was trained with where that is among them, and on every fold where none was trained with any.
        device: where to compute.

    Raises:
        CurateError: the corpus has no such split, or leaks.
        ModelError: there is no such model, a checkpoint is damaged, does not fit, or has seen the test samples.
    """
    run = open_run(model)
    chosen = choose_device(device)
    check_splits(corpus)
    family = run.family if split is None else family_of(split)
    folds = [family] if family in corpus.split_names else family_folds(corpus, family)
    sha256 = file_sha256(corpus.path)
    names = [str(network["network"]) for network in run.networks]
    pairs = _pairs(run.folds, folds)
    results: list[FoldResult] = []
    notes: list[str] = []
    for network in names:
        for trained_on, tested_on in pairs:
            checkpoint = load_checkpoint(model / network / trained_on)
            evaluation = evaluate_checkpoint(checkpoint, corpus, tested_on, sha256=sha256, device=chosen)
            notes += [note for note in evaluation.notes if note not in notes]
            results.append(
                FoldResult(
                    network=network,
                    split=tested_on,
                    config=checkpoint.config,
                    history=(),
                    predictions=evaluation.predictions,
                    figures=evaluation.figures,
                    n_parameters=_n_parameters(checkpoint),
                    side_sizes={"train": 0, "validate": 0, "test": evaluation.figures.n_windows},
                    seconds=0.0,
                )
            )
    summary = summary_of(results)
    folder = model / "evaluations" / f"{corpus.name}-{family}"
    try:
        if folder.exists():
            shutil.rmtree(folder)  # The same question asked again; an old answer must not mix with the new.
        folder.mkdir(parents=True)
        for position, result in enumerate(results):
            trained_on = pairs[position % len(pairs)][0]
            stem = f"{result.network}-{trained_on}" + (f"-on-{result.split}" if trained_on != result.split else "")
            write_text(folder / f"{stem}.csv", result.predictions.to_csv(index=False, lineterminator="\n"))
            write_json(
                folder / f"{stem}.json",
                {"trained_on": trained_on, "tested_on": result.split, **result.figures.to_json()},
            )
        tested = {"corpus": {"name": corpus.name, "sha256": sha256}, "split": family, "notes": notes}
        write_json(folder / "metrics.json", {**tested, **summary})
        report = folder / "report.html"
        page = render_report(name=model.name, run=run, results=results, summary=summary, corpus=corpus, notes=notes)
        write_text(report, page)
    except OSError as error:
        raise ModelFolderError(
            f"the evaluation cannot be written ({error.strerror}); mend its permissions or the disk.", path=folder
        ) from error
    return EvaluationRun(folder=folder, report=report, results=tuple(results), summary=summary, notes=tuple(notes))


def _pairs(trained: list[str], tested: list[str]) -> list[tuple[str, str]]:
    """Which checkpoint is tested on which fold."""
    own = [(split, split) for split in trained if split in tested]
    return own or [(before, now) for before in trained for now in tested]


def _n_parameters(checkpoint: Checkpoint) -> int:
    return int(np.sum([parameter.numel() for parameter in checkpoint.network.parameters()]))
