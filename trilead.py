"""The command ``trilead``: one sub-app per room, and nothing else."""

from __future__ import annotations

import typer

import acquire.cli
import curate.cli
import model.cli
import protocols.cli

app = typer.Typer(
    name="trilead",
    help="Record three-lead ECG along a scripted protocol, curate it into a corpus, and train DT4ECG on it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (acquire.cli.app, curate.cli.app, model.cli.app, protocols.cli.app):
    app.add_typer(room)

if __name__ == "__main__":
    app()
