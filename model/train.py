"""Train one or more networks on every fold of a split family, and write a model's folder."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from curate.corpus.read import Corpus, family_folds
from curate.splits.leakage import check_splits
from model.checkpoint import CheckpointConfig, save_checkpoint
from model.config import TrainConfig
from model.data import Fold, load_fold
from model.errors import CheckpointError, CheckpointReason, ConfigInvalid, ModelFolderError
from model.evaluate import predictions_of, raw_ranges
from model.files import write_json, write_text
from model.loop import EpochRecord, Training
from model.metrics import fold_figures
from model.report import render_report
from model.run import (
    STATE,
    FoldResult,
    RunConfig,
    is_finished,
    load_fold_result,
    open_run,
    prepare_folder,
    save_fold_result,
    summary_of,
)
from protocols.version import VERSION

__all__ = ["DEVICES", "EpochDone", "RunResult", "choose_device", "file_sha256", "train_run"]

DEVICES: Final = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """Told after each epoch, when its state is already on disk.

    Attributes:
        network: name of the network.
        split: the fold.
        position: of this training among all of the run, from 1.
        of: trainings in the run.
        epochs: of this training at most.
        record: what the epoch came to.
        best_epoch: the best so far.
        finished: whether this was the training's last epoch.
    """

    network: str
    split: str
    position: int
    of: int
    epochs: int
    record: EpochRecord
    best_epoch: int
    finished: bool


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to.

    Attributes:
        folder: of the model.
        report: its page.
        run: as in the folder's `config.json`.
        results: of every network on every fold.
        summary: see `model.run.summary_of`.
    """

    folder: Path
    report: Path
    run: RunConfig
    results: tuple[FoldResult, ...]
    summary: dict[str, Any]


def train_run(
    corpus: Corpus,
    *,
    folder: Path,
    family: str,
    configs: Sequence[TrainConfig],
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    notes: Sequence[str] = (),
    on_epoch: Callable[[EpochDone], None] = lambda _: None,
) -> RunResult:
    """Train each network on each fold, evaluate it on the fold's test side, and write the report.

    Args:
        corpus: an open corpus; its splits are checked for leaks before anything else.
        folder: of the model; must not exist unless resuming or overwriting.
        family: a split family, all of whose folds are trained, or one split.
        configs: one per network; the first is the model, further ones are baselines.
        device: one of `DEVICES`.
        resume: go on in the folder with what is not finished; everything must be as it was begun with.
        overwrite: delete a model that stands in the folder.
        notes: sentences to stand at the top of the report.
        on_epoch: told after each epoch.

    Raises:
        CurateError: the corpus is damaged, has no such split, or leaks.
        ModelError: a setting, a side, the folder or a state in it cannot be used.
    """
    if len({config.network for config in configs}) != len(configs):
        raise ConfigInvalid(f"Training settings: {configs[0].network} is its own baseline; choose another baseline.")
    chosen = choose_device(device)
    check_splits(corpus)
    folds = [family] if family in corpus.split_names else family_folds(corpus, family)
    with _threads(configs[0].threads) as n_threads:
        run = RunConfig(
            software_version=VERSION,
            corpus={"name": corpus.name, "sha256": file_sha256(corpus.path)},
            family=family,
            folds=folds,
            networks=[config.to_json() for config in configs],
            environment=_environment(chosen, n_threads),
        )
        if not resume:
            load_fold(corpus, folds[0])  # What cannot be trained on is refused before a folder is made or deleted.
            prepare_folder(folder, overwrite=overwrite)
            _written(folder / "config.json", run)
        else:
            _refuse_other_run(folder, run)
        try:
            results = _train_folds(corpus, folder, run, configs, chosen, on_epoch)
            summary = summary_of(results)
            write_json(folder / "metrics.json", {"family": family, **summary})
            report = folder / "report.html"
            page = render_report(
                name=folder.name, run=run, results=results, summary=summary, corpus=corpus, notes=notes
            )
            write_text(report, page)
        except OSError as error:
            raise ModelFolderError(
                f"it can no longer be written ({error.strerror}); make room or mend its permissions, then go on with "
                "--resume.",
                path=folder,
            ) from error
    return RunResult(folder=folder, report=report, run=run, results=tuple(results), summary=summary)


def choose_device(name: str) -> str:
    """Turn `auto` into the best device of this machine.

    Raises:
        ConfigInvalid: there is no such device, or not here.
    """
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if here[device])
    if name not in here:
        raise ConfigInvalid(f"device is {name!r}; choose one of {', '.join(DEVICES)}.")
    if not here[name]:
        raise ConfigInvalid(f"device is {name!r}, and torch finds none on this machine; use --device cpu.")
    return name


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _train_folds(
    corpus: Corpus,
    folder: Path,
    run: RunConfig,
    configs: Sequence[TrainConfig],
    device: str,
    on_epoch: Callable[[EpochDone], None],
) -> list[FoldResult]:
    results = {}
    position = 0
    for split in run.folds:
        waiting = [config for config in configs if not is_finished(folder / config.network / split)]
        fold = load_fold(corpus, split) if waiting else None
        for config in configs:
            position += 1
            fold_folder = folder / config.network / split
            if fold is None or config not in waiting:
                results[config.network, split] = load_fold_result(fold_folder)
                continue

            def tell(training: Training, record: EpochRecord, config: TrainConfig = config, at: int = position) -> None:
                on_epoch(
                    EpochDone(
                        network=config.network,
                        split=training.split,
                        position=at,
                        of=len(run.folds) * len(configs),
                        epochs=config.epochs,
                        record=record,
                        best_epoch=training.best_epoch,
                        finished=training.finished,
                    )
                )

            results[config.network, split] = _train_fold(corpus, fold, fold_folder, run, config, device, tell)
    return [results[config.network, split] for config in configs for split in run.folds]


def _train_fold(
    corpus: Corpus,
    fold: Fold,
    folder: Path,
    run: RunConfig,
    config: TrainConfig,
    device: str,
    tell: Callable[[Training, EpochRecord], None],
) -> FoldResult:
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(
        fold, config, n_leads=len(corpus.leads), n_samples=corpus.n_samples, rate_hz=corpus.rate_hz, device=device
    )
    info = corpus.split_info(fold.split)
    belongs_to = {"corpus": run.corpus["sha256"], "split": str(info["hash"])}
    state = folder / STATE
    if state.exists():
        training.restore(state, belongs_to=belongs_to)
    before = training.seconds
    while not training.finished:
        record = training.run_epoch()
        training.seconds = before + time.monotonic() - began
        training.save(state, belongs_to=belongs_to)
        tell(training, record)
    network = training.best_network()
    checkpoint = CheckpointConfig(
        software_version=VERSION,
        leads=list(corpus.leads),
        rate_hz=corpus.rate_hz,
        window_s=corpus.window_s,
        n_samples=corpus.n_samples,
        unit=corpus.unit,
        scale=corpus.scale,
        cleaning=corpus.cleaning,
        subjects=list(fold.classes.subjects),
        activities=list(fold.classes.activities),
        split=fold.split,
        split_info=info,
        corpus=run.corpus,
        trained_on=raw_ranges(corpus, np.concatenate([fold.train.indices, fold.validate.indices])),
        training=config.to_json(),
        epoch=training.best_epoch,
    )
    save_checkpoint(folder, weights=training.best_weights, config=checkpoint)
    predictions = predictions_of(network, fold.test, corpus, classes=fold.classes, device=device, tasks=fold.tasks)
    result = FoldResult(
        network=config.network,
        split=fold.split,
        config=checkpoint,
        history=tuple(training.history),
        predictions=predictions,
        figures=fold_figures(
            predictions,
            subjects=fold.classes.subjects,
            activities=fold.classes.activities,
            applying=fold.tasks,
        ),
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        side_sizes={"train": len(fold.train), "validate": len(fold.validate), "test": len(fold.test)},
        seconds=training.seconds,
    )
    save_fold_result(folder, result)
    return result


def _written(path: Path, run: RunConfig) -> None:
    try:
        write_json(path, run.model_dump())
    except OSError as error:
        raise ModelFolderError(
            f"the folder cannot be written ({error.strerror}); mend its permissions or the disk.", path=path.parent
        ) from error


def _refuse_other_run(folder: Path, run: RunConfig) -> None:
    begun = open_run(folder).model_dump()
    for key, now in run.model_dump().items():
        if begun[key] != now:
            raise CheckpointError(
                f"this model was begun with other settings ({_difference(key, begun[key], now)}); go on with the same, "
                "or give the model another name.",
                path=folder / "config.json",
                reason=CheckpointReason.FOREIGN,
            )


def _difference(name: str, begun: Any, now: Any) -> str:
    """The first place in which two values differ, with both."""
    if isinstance(begun, dict) and isinstance(now, dict):
        key = next(key for key in [*begun, *now] if begun.get(key) != now.get(key))
        return _difference(f"{name}.{key}", begun.get(key), now.get(key))
    if isinstance(begun, list) and isinstance(now, list) and len(begun) == len(now):
        place = next(place for place, pair in enumerate(zip(begun, now, strict=True)) if pair[0] != pair[1])
        return _difference(f"{name}.{place + 1}", begun[place], now[place])
    return f"{name} was {begun}, now {now}"


def _environment(device: str, n_threads: int) -> dict[str, str | int]:
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    return {
        "device": device,
        "device_name": name,
        "threads": n_threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
    }


@contextmanager
def _threads(n: int) -> Iterator[int]:
    """Set torch's threads, if asked to, and give back what was there."""
    before = torch.get_num_threads()
    if n:
        torch.set_num_threads(n)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
