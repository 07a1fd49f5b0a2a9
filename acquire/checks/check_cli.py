"""``trilead check``: a look at everything before the subject gets up from the chair."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from protocols.console import EXIT_USER_ERROR, console, user_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acquire.checks.preflight import Finding

__all__ = ["app"]

app = typer.Typer()

_WORDS = {
    "good": ("good", "green"),
    "doubtful": ("LOOK", "bold yellow"),
    "bad": ("BAD", "bold red"),
    "skipped": ("-", "dim"),
}


@app.command()
@user_errors
def check(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.", show_default=False)],
    board: Annotated[str | None, typer.Option(help="Board address; the study's default if left out.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Shipped protocol, or a path ending in .toml; the study's default if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check board, electrodes, signal, clock and disk before a recording.

    It listens to the board for five seconds and writes nothing into the study. The exit code is 0, or 2 when something
    is bad.
    """
    from acquire.checks.preflight import examine_study
    from acquire.study import Study

    opened = Study.open(study)
    with _progress(hidden=as_json) as tell:
        findings = examine_study(opened, board=board, protocol=protocol, on_progress=tell)
    n_bad = sum(finding.state == "bad" for finding in findings)
    if as_json:
        shown = {"ready": n_bad == 0, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _print(findings)
    if n_bad:
        raise typer.Exit(EXIT_USER_ERROR)


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[str, float], None]]:
    """A line that says what is being done, where somebody looks at a terminal; it goes when that is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)

        def tell(words: str, share: float) -> None:
            # How long a board takes to answer is not known, so until then the bar only shows that something is done.
            progress.update(task, description=words, completed=share, total=1.0 if share > 0 else None)

        yield tell


def _print(findings: Sequence[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        word, style = _WORDS[finding.state]
        told = "" if finding.state == "good" else style
        row = (Text(word, style=style), Text(finding.name, style=told), Text(finding.words, style=told))
        if console.is_terminal:
            table.add_row(*row)
        else:
            # Whoever reads this next wants one line per finding.
            console.print(Text("  ").join(row))
    if console.is_terminal:
        console.print(table, "", soft_wrap=False)
    console.print(_verdict(findings))


def _verdict(findings: Sequence[Finding]) -> Text:
    bad, doubtful = ([finding.name for finding in findings if finding.state == state] for state in ("bad", "doubtful"))
    if bad:
        return Text(f"NOT READY: first mend {', '.join(bad)}.", style="bold red")
    if doubtful:
        return Text(f"Ready, but first look at {', '.join(doubtful)}.", style="bold yellow")
    return Text("READY to record.", style="bold green")
