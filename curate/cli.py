"""The commands of the curation room: ``import``, and from modules of their own all others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate import beats_cli, corpus_cli, export_cli, labels_cli
from curate.console import StudyArgument, curation_progress
from protocols.console import complain, console, counted, fail, user_errors

if TYPE_CHECKING:
    from curate.importers import ImportReport

__all__ = ["app"]

app = typer.Typer()
app.add_typer(beats_cli.app)
app.add_typer(corpus_cli.app)
app.add_typer(labels_cli.app)
app.add_typer(export_cli.app)


@app.command("import")
@user_errors
def import_command(
    study: StudyArgument,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files or folders to take in.", show_default=False)
    ],
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="The format of the files; found by itself unless named."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="S01", help="Whose the files are, where they do not say it; a pseudonym.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="01", help="The session that they belong to: electrodes on to electrodes off.")
    ] = None,
    activity: Annotated[
        str | None, typer.Option(metavar="walk", help="What the subject does in all of each file.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="How files' names tell it: '{subject}_{session}_{activity}', '{subject}/*'; without the ending.",
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE.csv", help="A table of file,subject,session,run,activity; a row a file."),
    ] = None,
    lead: Annotated[
        list[str] | None,
        typer.Option(metavar="LEAD=CHANNEL", help="Which channel is a lead; give it again for more."),
    ] = None,
    layout: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="The layout of CSV or TSV files; see docs/importing.md.")
    ] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="The board that BrainFlow files are of, as BrainFlow names it.")
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which stream of an XDF file is the ECG, if there are several."),
    ] = None,
) -> None:
    """Take recordings that another program made into the study.

    Nothing is changed in the files, and nothing in the study is overwritten: what it has already is skipped. A file
    that cannot be used is named with the reason, and the others go on.
    """
    from acquire.study import Study
    from curate.importers import import_paths
    from curate.importers.options import make_options

    opened = Study.open(study)
    options = make_options(
        subject=subject,
        session=session,
        activity=activity,
        names=names,
        map_file=map_file,
        leads=lead or (),
        board=board,
        stream=stream,
        layout=layout,
    )
    with curation_progress() as progress:
        task = progress.add_task("importing", total=None)

        def tell(done: int, total: int, at_hand: str) -> None:
            progress.update(task, completed=done, total=total, description=f"importing {at_hand}"[:60])

        report = import_paths(opened, paths, format=format, options=options, on_progress=tell)
    _say_what_came(report, study)


def _say_what_came(report: ImportReport, study: Path) -> None:
    for note in report.notes:
        console.print(f"note: {note.sentence}", markup=False)
    for refusal in report.refused:
        complain(f"refused: {refusal.sentence}", style="red")
    parts = []
    if report.imported:
        parts.append(
            f"{counted(len(report.imported), 'recording')} imported in {counted(report.n_sessions, 'session')}"
        )
    if report.skipped:
        parts.append(f"{len(report.skipped)} already there")
    if report.refused:
        parts.append(f"{counted(len(report.refused), 'file')} refused, named above")
    if report.passed_over:
        parts.append(f"{counted(report.passed_over, 'other file')} passed over")
    summary = "; ".join(parts) + "."
    if report.imported or report.skipped:
        console.print(summary, markup=False)
        if report.n_without_activity:
            them = "it" if report.n_without_activity == 1 else "them"
            console.print(
                f"{counted(report.n_without_activity, 'recording has', 'recordings have')} no activity label; import "
                f"{them} again with --activity, or label {them}, before a corpus is built.",
                markup=False,
            )
        if report.imported:
            console.print(f"Next: trilead corpus {study}", markup=False)
        return
    if report.refused:
        fail(summary)
    fail("There was nothing to import in what was given; name a recording file, or a folder that holds some.")
