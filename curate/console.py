"""What the commands of the curation room share on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocols.console import console, fail

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

__all__ = ["StudyArgument", "curation_progress", "listed", "out_folder", "patient_progress", "show_table"]

_PATIENCE_S = 2.0
_ANY_WIDTH = 10_000

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY", help="The study folder.", show_default=False)]


def curation_progress() -> Progress:
    """One line that says what is being done, how far it is and how long it may still take."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def listed(text: str | None) -> list[str] | None:
    """The parts of a list by comma; None where none was given.

    Raises:
        typer.Exit: there is nothing in it.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return parts or fail(f"{text!r} names nothing; give names with commas between them.")


def out_folder(text: str) -> Path:
    """The folder that ``--out`` names.

    Raises:
        SystemExit: it names nothing.
    """
    return Path(text) if text.strip() else fail("--out is empty; name a folder, or leave it out.")


def show_table(table: Table) -> None:
    """Print a table, as wide as it is where no terminal limits it."""
    if not console.is_terminal:
        table.width = table.__rich_measure__(console, console.options.update(width=_ANY_WIDTH)).maximum
    console.print(table)


@contextmanager
def patient_progress(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far it is once it has taken two seconds, on a terminal alone.

    Args:
        what: what is being done.

    Yields:
        What is to be told the name of the thing at hand, how many are done, and of how many.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    shown = Progress(
        TextColumn(f"{what} {{task.description}}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = shown.add_task("", total=None)
    begun = time.monotonic()

    def tell(name: str, done: int, total: int) -> None:
        if not shown.live.is_started and time.monotonic() - begun > _PATIENCE_S:
            shown.start()
        shown.update(task, description=name[:40], completed=done, total=total)

    try:
        yield tell
    finally:
        shown.stop()
