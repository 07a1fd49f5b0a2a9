"""How training looks on a terminal: a bar while it runs, a table when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from model.report import NETWORK_TITLES
from model.train import EpochDone

__all__ = ["TrainingBars", "figures_table", "progress_bars"]


class TrainingBars:
    """One bar per training; call it after each epoch."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[int, TaskID] = {}

    def __call__(self, done: EpochDone) -> None:
        """Move the bar of the training that did an epoch, opening it at its first."""
        if done.position not in self._bars:
            title = f"{NETWORK_TITLES.get(done.network, done.network)} · {done.split} ({done.position} of {done.of})"
            self._bars[done.position] = self._progress.add_task(title, total=done.epochs, told="")
        record = done.record
        told = (
            f"loss {record.train_identity_loss:.2f} + {record.train_activity_loss:.2f}, validation: who "
            f"{100 * record.validate_identity_accuracy:.1f} %, what {100 * record.validate_activity_accuracy:.1f} %"
        )
        bar = self._bars[done.position]
        total = record.epoch if done.finished else done.epochs
        self._progress.update(bar, completed=record.epoch, total=total, told=told)


def progress_bars(console: Console) -> Progress:
    """Bars with room for a few words beside each (the field `told`)."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
    )


def figures_table(summary: Mapping[str, Any]) -> Table:
    """Accuracies of each network on each fold and their mean; a task that does not apply says so."""
    table = Table(box=None, pad_edge=False)
    for column in ("Network", "Fold", "Identity", "Activity"):
        table.add_column(column, justify="right" if column in ("Identity", "Activity") else "left")
    for network, tasks in summary["networks"].items():
        title = NETWORK_TITLES.get(network, network)
        folds = list(next(figure for figure in tasks.values() if figure is not None)["folds"])
        for fold in folds:
            cells = ["n/a" if tasks[task] is None else _percent(tasks[task]["folds"][fold]) for task in tasks]
            table.add_row(title, Text(fold), *cells)
        means = [
            "n/a" if tasks[task] is None else f"{_percent(tasks[task]['accuracy'])}{_range(tasks[task])}"
            for task in tasks
        ]
        table.add_row(title, "mean" if len(folds) > 1 else "95 % interval", *means, style="bold")
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _range(figure: Mapping[str, Any]) -> str:
    interval = figure["interval"]
    return "" if interval is None else f" ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})"
