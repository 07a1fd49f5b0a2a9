"""``trilead protocols``: see which protocols there are, what one does, and whether a script of one's own is sound."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from protocols.console import console, user_errors
from protocols.script import LoadedScript, Script, load_script, shipped_scripts

__all__ = ["app"]

app = typer.Typer()
_protocols = typer.Typer(
    name="protocols",
    help="Protocol scripts: what a subject does, step by step.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(_protocols)

_NAME_HELP = "Name of a shipped protocol, or path of a .toml file."


@_protocols.command("list")
@user_errors
def list_scripts() -> None:
    """List the protocols that come with trilead."""
    table = Table(box=None, pad_edge=False)
    for column in ("Name", "Time", "Steps", "Title"):
        table.add_column(column, justify="right" if column in ("Time", "Steps") else "left", no_wrap=column == "Name")
    for name in shipped_scripts():
        script = load_script(name).script
        table.add_row(name, _clock(script.total_s), str(len(script.steps)), Text(script.title))
    console.print(table)


@_protocols.command("show")
@user_errors
def show(name: Annotated[str, typer.Argument(help=_NAME_HELP)]) -> None:
    """Show a protocol's steps, rests and total time."""
    loaded = load_script(name)
    script = loaded.script
    console.print(Text(script.title, style="bold"))
    if script.purpose:
        console.print(Text(script.purpose.strip()))
    console.print(_steps(script))
    console.print(Text(f"Total {_clock(script.total_s)}, {_entries(loaded)}."))
    if script.notes:
        console.print(Text(script.notes.strip(), style="dim"))


@_protocols.command("check")
@user_errors
def check(file: Annotated[str, typer.Argument(help=_NAME_HELP)]) -> None:
    """Check a script of your own; exit code 2 and one sentence if it cannot be used."""
    loaded = load_script(file)
    console.print(Text(f"{file} is sound: {_entries(loaded)}, {_clock(loaded.script.total_s)}."))


def _steps(script: Script) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("From", justify="right")
    table.add_column("Step", justify="right")
    table.add_column("Activity", no_wrap=True)
    table.add_column("Lasts", justify="right")
    table.add_column("Instruction")
    start_s = 0.0
    for planned in script.plan():
        which = f"{planned.step}" if planned.of == 1 else f"{planned.step} ({planned.repetition}/{planned.of})"
        table.add_row(
            _clock(start_s),
            which,
            Text("(rest)" if planned.is_rest else planned.activity, style="dim" if planned.is_rest else ""),
            _clock(planned.duration_s),
            Text(planned.instruction, style="dim" if planned.is_rest else ""),
        )
        start_s += planned.duration_s
    return table


def _entries(loaded: LoadedScript) -> str:
    plan = loaded.script.plan()
    steps, rests = sum(not p.is_rest for p in plan), sum(p.is_rest for p in plan)
    words = f"{steps} step{'' if steps == 1 else 's'}"
    return words if not rests else f"{words} and {rests} rest{'' if rests == 1 else 's'}"


def _clock(seconds: float) -> str:
    """Write a time as m:ss or h:mm:ss, with tenths only where they matter."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}" if rest % 10 == 0 else f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
