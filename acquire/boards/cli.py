"""``trilead boards``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from protocols.console import console, fail, user_errors

if TYPE_CHECKING:
    from acquire.boards.discovery import Survey

__all__ = ["app"]

app = typer.Typer()


@app.command()
@user_errors
def boards(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="Tell all about one kind of address, such as cyton.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
) -> None:
    """List the boards that are plugged in, what hinders them, and how to address every kind of board."""
    from acquire.boards.discovery import survey
    from acquire.boards.kinds import KINDS, explain

    if kind is not None:
        known = [each.scheme for each in KINDS]
        scheme = kind.removesuffix(":")
        if scheme not in known:
            fail(f"{kind[:40]!r} is no kind of board address; known kinds are {', '.join(known)}.")
        console.print(Text(explain(scheme)))
        return
    found = survey()
    if as_json:
        _print_json(found)
        return
    _show_ports(found)
    _show_kinds()


def _print_json(found: Survey) -> None:
    import json
    from dataclasses import asdict

    from acquire.boards.kinds import KINDS

    typer.echo(json.dumps({**asdict(found), "kinds": [asdict(kind) for kind in KINDS]}, indent=2))


def _show_ports(found: Survey) -> None:
    if found.ports:
        table = _table("port", "serial number", "USB", "looks like", "address")
        for port in found.ports:
            looks = port.guess or "unknown"
            told = (port.device, port.serial_number or "–", port.usb or "–", looks, "\n".join(port.addresses))
            table.add_row(*map(Text, told))
        console.print(table)
    else:
        console.print(
            Text(
                "No serial port is plugged in. Plug a board in and look again, or try it without one: record from sim:,"
                " or let python -m acquire.emulators cyton play a Cyton and record from the address that it prints."
            )
        )
    for trouble in (*(trouble for port in found.ports for trouble in port.troubles), *found.hints):
        console.print(Text.assemble(("! ", "bold red"), trouble))


def _table(*titles: str) -> Table:
    """A table whose last column, an address to be typed, is never cut."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=title == titles[-1], overflow="fold")
    return table


def _show_kinds() -> None:
    from acquire.boards.kinds import KINDS

    console.print()
    table = _table("kind", "what is recorded from", "for example")
    for kind in KINDS:
        table.add_row(Text(f"{kind.scheme}:"), Text(kind.meaning), Text(kind.example))
    console.print(table)
    console.print(Text("trilead boards KIND tells what can be asked of a kind and what it cannot know."))
