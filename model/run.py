"""A model's folder: the run that made it, and what came of each network on each fold.

models/NAME/
  config.json                       the run: corpus, split, networks and every setting
  metrics.json, report.html         what came of it
  NETWORK/FOLD/weights.safetensors  with config.json, the checkpoint
               history.json         one record per epoch
               predictions.csv      one line per test window
               metrics.json         the figures; written last, so that a fold with one is finished
               last.safetensors     only while training is under way
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.checkpoint import CheckpointConfig, read_config
from model.errors import CheckpointError, CheckpointReason, ModelFolderError
from model.files import read_json, write_json, write_text
from model.loop import EpochRecord
from model.metrics import COLUMNS, FoldFigures, compare, fold_figures, mean_over_folds

__all__ = [
    "FoldResult",
    "RunConfig",
    "free_name",
    "is_finished",
    "load_fold_result",
    "open_run",
    "prepare_folder",
    "save_fold_result",
    "summary_of",
]

FORMAT: Final = "trilead-model"
VERSION: Final = 1
STATE: Final = "last.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RunConfig(BaseModel):
    """What `config.json` of a model holds.

    Attributes:
        corpus: name and sha256 of the corpus.
        family: the split family, or the single split, that was asked for.
        folds: its splits, in order.
        networks: every setting of each network's training; the first is the model, a second the baseline.
        environment: device, threads and versions that it was trained with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["trilead-model"] = FORMAT
    version: Literal[1] = VERSION
    software_version: str = Field(max_length=100)
    corpus: dict[str, str]
    family: str = Field(max_length=200)
    folds: list[str] = Field(min_length=1, max_length=1000)
    networks: list[dict[str, Any]] = Field(min_length=1, max_length=10)
    environment: dict[str, str | int]


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """What came of one network on one fold.

    Attributes:
        network: its name.
        split: the fold.
        config: of the checkpoint.
        history: one record per epoch; empty where an old checkpoint is only evaluated.
        predictions: see `model.evaluate.predictions_of`.
        figures: of the test side.
        n_parameters: weights of the network.
        side_sizes: windows of each side.
        seconds: wall time of the training.
    """

    network: str
    split: str
    config: CheckpointConfig
    history: tuple[EpochRecord, ...]
    predictions: pd.DataFrame
    figures: FoldFigures
    n_parameters: int
    side_sizes: Mapping[str, int]
    seconds: float


def free_name(models: Path, name: str) -> str:
    """The name, or the next free one of name-2, name-3 and so on.

    Raises:
        ModelFolderError: the name could not be a folder's everywhere.
    """
    check_name(models, name)
    if not (models / name).exists():
        return name
    number = 2
    while (models / f"{name}-{number}").exists():
        number += 1
    return f"{name}-{number}"


def check_name(models: Path, name: str) -> None:
    """Refuse a name that could lead out of the models folder.

    Raises:
        ModelFolderError: with the rule.
    """
    if not _NAME.fullmatch(name):
        raise ModelFolderError(
            f"{name[:80]!r} is no name for a model; use 1 to 64 letters, digits, '.', '_' and '-', a letter or digit "
            "first.",
            path=models.name,
        )


def prepare_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the folder of a new model.

    Raises:
        ModelFolderError: it exists and is not to be overwritten or no model, or cannot be made.
    """
    try:
        if folder.exists():
            if not overwrite:
                raise ModelFolderError("there is a model of this name already; choose another.", path=folder)
            open_run(folder)  # Nothing but a model is ever deleted.
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise ModelFolderError(
            f"the folder cannot be written ({error.strerror}); mend its permissions or the disk.", path=folder
        ) from error


def open_run(folder: Path) -> RunConfig:
    """Read `config.json` of a model.

    Raises:
        ModelFolderError: there is no such model.
        CheckpointError: its config is damaged or from a later version.
    """
    path = folder / "config.json"
    if not path.is_file():
        others = sorted(other.parent.name for other in folder.parent.glob("*/config.json"))
        raise ModelFolderError(
            f"there is no such model; this study has {', '.join(others) or 'none, train one first'}.", path=folder
        )
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise CheckpointError(
            f"it is not the config of a model (format must be {FORMAT!r}).", path=path, reason=CheckpointReason.FOREIGN
        )
    if isinstance(value.get("version"), int) and value["version"] > VERSION:
        raise CheckpointError(
            f"it has version {value['version']}, and this trilead reads up to {VERSION}; update trilead.",
            path=path,
            reason=CheckpointReason.NEWER,
        )
    try:
        return RunConfig.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise CheckpointError(
            f"{'.'.join(str(part) for part in first['loc'][:3])}: {first['msg']}; restore the file or train again.",
            path=path,
            reason=CheckpointReason.DAMAGED,
        ) from error


def is_finished(fold_folder: Path) -> bool:
    """Whether a network's training on a fold came to its end."""
    return (fold_folder / "metrics.json").is_file()


def save_fold_result(fold_folder: Path, result: FoldResult) -> None:
    """Write all but the checkpoint itself, the metrics last, and drop the state that is no longer needed."""
    write_json(fold_folder / "history.json", [asdict(record) for record in result.history])
    write_text(fold_folder / "predictions.csv", result.predictions.to_csv(index=False, lineterminator="\n"))
    metrics = {
        "network": result.network,
        "split": result.split,
        "n_parameters": result.n_parameters,
        "side_sizes": dict(result.side_sizes),
        "seconds": round(result.seconds, 3),
        **result.figures.to_json(),
    }
    write_json(fold_folder / "metrics.json", metrics)
    (fold_folder / STATE).unlink(missing_ok=True)


def load_fold_result(fold_folder: Path) -> FoldResult:
    """Read back what `save_fold_result` wrote.

    Raises:
        CheckpointError: a file is missing, cut or edited.
    """
    config = read_config(fold_folder / "config.json")
    metrics = read_json(fold_folder / "metrics.json")
    records = read_json(fold_folder / "history.json")
    try:
        names = [spec.name for spec in fields(EpochRecord)]
        history = tuple(EpochRecord(**{name: record[name] for name in names}) for record in records)
        applying = [task for task in COLUMNS if metrics["tasks"][task] is not None]
        predictions = _read_predictions(fold_folder / "predictions.csv")
        figures = fold_figures(predictions, subjects=config.subjects, activities=config.activities, applying=applying)
        return FoldResult(
            network=str(metrics["network"]),
            split=str(metrics["split"]),
            config=config,
            history=history,
            predictions=predictions,
            figures=figures,
            n_parameters=int(metrics["n_parameters"]),
            side_sizes={side: int(n) for side, n in metrics["side_sizes"].items()},
            seconds=float(metrics["seconds"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise CheckpointError(
            f"a file in it is cut or was edited ({error}); delete the folder to train this fold again.",
            path=fold_folder,
            reason=CheckpointReason.DAMAGED,
        ) from error


def _read_predictions(path: Path) -> pd.DataFrame:
    whole = {"window": "int64", "start": "int64", "stop": "int64"}
    shares = {"subject_confidence": "float64", "activity_confidence": "float64"}
    # A subject may be called 01 or NA.
    table = pd.read_csv(io.StringIO(path.read_text(encoding="utf-8")), dtype=str, keep_default_na=False)
    return table.astype({**whole, **shares})


def summary_of(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Mean over folds of each network, and how the first compares with the others.

    Returns:
        For `metrics.json`: {"networks": {name: {task: {"accuracy", "interval", "folds"} or None}},
        "comparison": {baseline: {task: {"difference", "interval"} or None}}}.
    """
    by_network: dict[str, list[FoldResult]] = {}
    for result in results:
        by_network.setdefault(result.network, []).append(result)
    networks: dict[str, Any] = {}
    for name, folds in by_network.items():
        networks[name] = {}
        for task in COLUMNS:
            figures = [fold.figures.tasks[task] for fold in folds]
            if any(figure is None for figure in figures):
                networks[name][task] = None
                continue
            accuracy, interval = mean_over_folds([fold.predictions for fold in folds], task)
            networks[name][task] = {
                "accuracy": accuracy,
                "interval": interval,
                "folds": {fold.split: figure.accuracy for fold, figure in zip(folds, figures, strict=True) if figure},
            }
    first, *others = by_network
    comparison: dict[str, Any] = {}
    for other in others:
        comparison[other] = {}
        for task in COLUMNS:
            if networks[first][task] is None:
                comparison[other][task] = None
                continue
            own, theirs = ([fold.predictions for fold in by_network[name]] for name in (first, other))
            difference, interval = compare(own, theirs, task)
            comparison[other][task] = {"difference": difference, "interval": interval}
    return {"networks": networks, "comparison": comparison}
