"""``trilead verify``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from protocols.console import console, counted, fail, user_errors
from protocols.errors import TrileadError

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
        typer.Argument(
            metavar="FILE...",
            help="Recording files; or studies or folders, for all recordings in them.",
            show_default=False,
        ),
    ],
) -> None:
    """Check that recordings are what was recorded; name what was changed."""
    from acquire.recordings.verify import verify as verify_file

    verifications: list[Verification] = []
    n_other = 0
    for argument in files:
        try:
            paths = _recordings(argument)
        except TrileadError as error:
            if len(files) == 1:
                raise
            # The other arguments may be sound all the same.
            console.print(Text(str(error), style="bold red"))
            n_other += 1
            continue
        for path in paths:
            with _progress(path.name) as progress:
                verification = verify_file(path, progress=progress)
            _print(verification)
            verifications.append(verification)
    if faults := _faults(verifications, n_other):
        fail(faults)


def _faults(verifications: Sequence[Verification], n_other: int) -> str:
    """What is wrong with them all, in a sentence or two; "" where nothing is.

    Args:
        verifications: of each file.
        n_other: arguments that lead to no file.
    """
    n_spoilt = sum(verification.is_spoilt for verification in verifications)
    n_other += sum(not verification.is_sound and not verification.is_spoilt for verification in verifications)
    n_recordings = sum(verification.is_sound or verification.is_spoilt for verification in verifications)
    sentences = []
    if n_spoilt == 1:
        which = "The recording" if n_recordings == 1 else f"1 of {n_recordings} recordings"
        sentences.append(f"{which} is not sound; look for an undamaged copy, and keep this one as it is.")
    elif n_spoilt:
        sentences.append(
            f"{n_spoilt} of {n_recordings} recordings are not sound; look for undamaged copies, and keep these as they"
            " are."
        )
    if n_other:
        verb, reasons = ("names", "the reason stands") if n_other == 1 else ("name", "the reasons stand")
        sentences.append(f"{counted(n_other, 'argument')} {verb} nothing that can be verified; {reasons} above.")
    return " ".join(sentences)


def _recordings(argument: Path) -> list[Path]:
    """The files that an argument means: itself, or all recordings of a study or a folder.

    Raises:
        StudyError: it is a folder without recordings.
    """
    from acquire.errors import StudyError
    from acquire.study import STUDY_FILE, Study

    try:
        if not argument.is_dir():
            return [argument]
    except OSError:
        # Why it cannot be looked at is said where it is opened.
        return [argument]
    is_study = (argument / STUDY_FILE).exists()
    recordings = Study.open(argument).recordings() if is_study else sorted(argument.glob("*.h5"))
    if not recordings:
        raise StudyError(
            f"{argument} has no recordings to verify; name a study, a folder of recordings, or recordings.",
            path=argument,
        )
    return recordings


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
    if verdict not in (Verdict.CHANGED, Verdict.UNREADABLE):
        console.print(Text(f"{path}: {'; '.join(verification.findings)}", style="bold red"))
        return
    console.print(Text(f"{path}: {verdict.name}", style="bold red"))
    for finding in verification.findings[:_MOST_FINDINGS]:
        console.print(Text(f"  {finding}"))
    if (more := len(verification.findings) - _MOST_FINDINGS) > 0:
        console.print(Text(f"  and {more} more"))
