"""``trilead verify``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from protocols.console import console, fail, user_errors

if TYPE_CHECKING:
    from acquire.recordings.verify import Verification

__all__ = ["app"]

app = typer.Typer()

_SHOW_PROGRESS_AFTER_S = 2.0
_MOST_FINDINGS = 50


@app.command()
@user_errors
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Recording files, or studies for all of theirs.", show_default=False),
    ],
) -> None:
    """Check that recordings are what was recorded; name what was changed."""
    from acquire.recordings.verify import verify as verify_file

    n_wrong = 0
    paths = _recordings(files)
    for path in paths:
        with _progress(path.name) as progress:
            verification = verify_file(path, progress=progress)
        _print(verification)
        n_wrong += not verification.is_sound
    if n_wrong:
        what = "The recording is" if len(paths) == 1 else f"Of {len(paths)} recordings, {n_wrong} are"
        fail(f"{what} not sound; look for an undamaged copy, and keep this one as it is.")


def _recordings(files: list[Path]) -> list[Path]:
    from acquire.study import Study

    found: list[Path] = []
    for file in files:
        if not file.is_dir():
            found.append(file)
            continue
        recordings = Study.open(file).recordings()
        if not recordings:
            fail(f"{file} has no recordings to verify; record or import some first.")
        found += recordings
    return found


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that comes up only when the work takes long, and leaves nothing behind."""
    begun = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    )
    task = bar.add_task(name)
    shown = False

    def tell(done: int, total: int) -> None:
        nonlocal shown
        if not shown and console.is_terminal and time.monotonic() - begun > _SHOW_PROGRESS_AFTER_S:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total)

    try:
        yield tell
    finally:
        if shown:
            bar.stop()


def _print(verification: Verification) -> None:
    from acquire.recordings.verify import Verdict

    verdict, path = verification.verdict, verification.path
    if verdict is Verdict.SOUND:
        console.print(Text(f"{path}: sound, {verification.root}"))
        return
    if verdict is Verdict.SEALED:
        console.print(Text(f"{path}: sound by its seal; it has no digests, for its format version is 1"))
        return
    console.print(Text(f"{path}: {'CHANGED' if verdict is Verdict.CHANGED else 'UNREADABLE'}", style="bold red"))
    for finding in verification.findings[:_MOST_FINDINGS]:
        console.print(Text(f"  {finding}"))
    if (more := len(verification.findings) - _MOST_FINDINGS) > 0:
        console.print(Text(f"  and {more} more"))
