"""How right the predictions are, and how sure one may be of it.

Predictions are a table with one row per window: `recording`, `subject`, `activity`, and, where a task applies,
`subject_predicted` and `activity_predicted`. Windows of one recording are alike, so the intervals come from drawing
whole recordings anew (cluster bootstrap; Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x), not windows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "ClassFigures",
    "FoldFigures",
    "Interval",
    "TaskFigures",
    "compare",
    "fold_figures",
    "mean_over_folds",
]

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval."""

COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "identity": ("subject", "subject_predicted"),
    "activity": ("activity", "activity_predicted"),
}
"""Task → the columns of the truth and of the prediction."""

DRAWS: Final = 2000
BOOTSTRAP_SEED: Final = 0
LEAST_RECORDINGS: Final = 5
"""With fewer recordings their spread says nothing, and no interval is given."""


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class of one task.

    Attributes:
        n: windows that truly show it.
        recall: share of them that were named right; None where there are none.
        precision: share of the windows named so that truly are; None where none was named so.
        f1: harmonic mean of both, 0 where the class was never named right; None where there are no windows.
    """

    n: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class TaskFigures:
    """One task on one test side.

    Attributes:
        n: windows.
        accuracy: share of windows named right.
        interval: 95 %, over recordings; None with too few of them.
        balanced_accuracy: mean recall of the classes that are there.
        macro_f1: mean F1 of the classes that are there.
        chance: accuracy of always naming the class that is most frequent here.
        classes: names, in the order of the confusion matrix.
        confusion: windows of each true class (row) named as each class (column).
        by_class: the figures of each class.
    """

    n: int
    accuracy: float
    interval: Interval | None
    balanced_accuracy: float
    macro_f1: float
    chance: float
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    by_class: dict[str, ClassFigures]


@dataclass(frozen=True, kw_only=True)
class FoldFigures:
    """Both tasks on one test side.

    Attributes:
        n_windows: windows in it.
        n_recordings: recordings they come from.
        tasks: task → figures; None for identity where the test side's subjects were never trained on, and for activity
            where its activities were not.
        by_activity: activity → {"n", "identity", "activity"}: windows and the accuracy of each task among them.
        by_subject: likewise for each subject.
    """

    n_windows: int
    n_recordings: int
    tasks: dict[str, TaskFigures | None]
    by_activity: dict[str, dict[str, float | None]]
    by_subject: dict[str, dict[str, float | None]]

    def to_json(self) -> dict[str, Any]:
        """All figures for `json.dumps`."""
        return asdict(self)


def fold_figures(
    predictions: pd.DataFrame, *, subjects: Sequence[str], activities: Sequence[str], applying: Collection[str]
) -> FoldFigures:
    """Figures of one test side.

    Args:
        predictions: one row per window.
        subjects: classes of the identity head.
        activities: classes of the activity head.
        applying: tasks that were asked; one that was not is then None, not 0.
    """
    recordings = predictions["recording"].to_numpy(dtype=str)
    classes = {"identity": subjects, "activity": activities}
    tasks = {
        task: _task_figures(predictions, task, classes[task], recordings) if task in applying else None
        for task in COLUMNS
    }
    return FoldFigures(
        n_windows=len(predictions),
        n_recordings=len(np.unique(recordings)),
        tasks=tasks,
        by_activity=_grouped(predictions, "activity", applying),
        by_subject=_grouped(predictions, "subject", applying),
    )


def mean_over_folds(folds: Sequence[pd.DataFrame], task: str) -> tuple[float, Interval | None]:
    """Mean of the folds' accuracies, each fold counting the same, with its interval.

    Args:
        folds: the predictions of each fold.
        task: `identity` or `activity`.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    means, draws = [], []
    for fold in folds:
        mean, drawn = _accuracy_draws(_recordings(fold), [_hits(fold, task)], rng)
        means.append(mean[0])
        if drawn is not None:
            draws.append(drawn[0])
    return float(np.mean(means)), _interval(draws, len(folds))


def compare(
    folds: Sequence[pd.DataFrame], baseline_folds: Sequence[pd.DataFrame], task: str
) -> tuple[float, Interval | None]:
    """How much more accurate one network is than another on the same windows, with the interval of the difference.

    Both see the same recordings in every draw, so that what is hard for both cancels out.

    Args:
        folds: predictions of the network, fold by fold.
        baseline_folds: predictions of the other, window for window the same.
        task: `identity` or `activity`.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    means, draws = [], []
    for fold, baseline in zip(folds, baseline_folds, strict=True):
        mean, drawn = _accuracy_draws(_recordings(fold), [_hits(fold, task), _hits(baseline, task)], rng)
        means.append(mean[0] - mean[1])
        if drawn is not None:
            draws.append(drawn[0] - drawn[1])
    return float(np.mean(means)), _interval(draws, len(folds))


def _task_figures(
    predictions: pd.DataFrame, task: str, classes: Sequence[str], recordings: NDArray[np.str_]
) -> TaskFigures:
    truth_column, guess_column = COLUMNS[task]
    number = {name: position for position, name in enumerate(classes)}
    truth = predictions[truth_column].map(number).to_numpy(dtype=np.int64)
    guess = predictions[guess_column].map(number).to_numpy(dtype=np.int64)
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (truth, guess), 1)
    by_class = {name: _class_figures(confusion, position) for name, position in number.items()}
    there = [figures for figures in by_class.values() if figures.n]
    mean, draws = _accuracy_draws(recordings, [truth == guess], np.random.default_rng(BOOTSTRAP_SEED))
    return TaskFigures(
        n=len(predictions),
        accuracy=mean[0],
        interval=_interval([] if draws is None else [draws[0]], 1),
        balanced_accuracy=float(np.mean([figures.recall for figures in there if figures.recall is not None])),
        macro_f1=float(np.mean([figures.f1 for figures in there if figures.f1 is not None])),
        chance=float(confusion.sum(axis=1).max() / len(predictions)),
        classes=tuple(classes),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        by_class=by_class,
    )


def _class_figures(confusion: NDArray[np.int64], position: int) -> ClassFigures:
    right, n, named = (
        int(confusion[position, position]),
        int(confusion[position].sum()),
        int(confusion[:, position].sum()),
    )
    return ClassFigures(
        n=n,
        recall=right / n if n else None,
        precision=right / named if named else None,
        f1=2 * right / (n + named) if n else None,
    )


def _grouped(predictions: pd.DataFrame, column: str, tasks: Collection[str]) -> dict[str, dict[str, float | None]]:
    names = predictions[column].to_numpy(dtype=str)
    hits = {task: _hits(predictions, task) if task in tasks else None for task in COLUMNS}
    figures: dict[str, dict[str, float | None]] = {}
    for name in np.unique(names):
        chosen = names == name
        figures[str(name)] = {"n": int(chosen.sum())} | {
            task: None if hit is None else float(hit[chosen].mean()) for task, hit in hits.items()
        }
    return figures


def _hits(predictions: pd.DataFrame, task: str) -> NDArray[np.bool_]:
    truth, guess = COLUMNS[task]
    hits: NDArray[np.bool_] = predictions[truth].to_numpy(dtype=str) == predictions[guess].to_numpy(dtype=str)
    return hits


def _recordings(predictions: pd.DataFrame) -> NDArray[np.str_]:
    return predictions["recording"].to_numpy(dtype=str)


def _accuracy_draws(
    recordings: NDArray[np.str_], hits: Sequence[NDArray[np.bool_]], rng: np.random.Generator
) -> tuple[list[float], NDArray[np.float64] | None]:
    """Accuracies of k predictions of the same windows, and (k, DRAWS) of them on recordings drawn with replacement."""
    names, cluster = np.unique(recordings, return_inverse=True)
    n = np.bincount(cluster, minlength=len(names)).astype(np.float64)
    right = np.stack([np.bincount(cluster, weights=hit, minlength=len(names)) for hit in hits])
    means = [float(total / n.sum()) for total in right.sum(axis=1)]
    if len(names) < LEAST_RECORDINGS:
        return means, None
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS).astype(np.float64)
    return means, (right @ times.T) / (times @ n)


def _interval(draws: Sequence[NDArray[np.float64]], n_folds: int) -> Interval | None:
    if len(draws) < n_folds:
        return None
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return float(low), float(high)
