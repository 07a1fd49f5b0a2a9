"""The commands of the curation room: ``import``, ``corpus`` and, from its own module, ``export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate import export_cli
from protocols.console import EXIT_USER_ERROR, console, fail, user_errors

if TYPE_CHECKING:
    from rich.progress import Progress

    from curate.importers import ImportReport

__all__ = ["app"]

app = typer.Typer()
app.add_typer(export_cli.app)

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY", help="The study folder.", show_default=False)]


class Scale(StrEnum):
    """What a recording's amplitude is divided by."""

    AUTO = "auto"
    NONE = "none"
    RECORDING_P98 = "recording-p98"


class SplitKind(StrEnum):
    """How windows are divided among training, validation and test."""

    RANDOM = "random"
    TIME_BLOCK = "time-block"
    ACROSS_SESSIONS = "across-sessions"
    UNSEEN_SUBJECTS = "unseen-subjects"


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


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
    if layout is not None:
        format = format or "csv"
    with _progress() as progress:
        task = progress.add_task("importing", total=None)

        def tell(done: int, total: int, at_hand: str) -> None:
            progress.update(task, completed=done, total=total, description=f"importing {at_hand}"[:60])

        report = import_paths(opened, paths, format=format, options=options, on_progress=tell)
    _say_what_came(report, study)


def _say_what_came(report: ImportReport, study: Path) -> None:
    for note in report.notes:
        console.print(f"note: {note.sentence}", markup=False)
    for refusal in report.refused:
        console.print(f"refused: {refusal.sentence}", markup=False, style="red")
    parts = [_plural(len(report.imported), "recording") + f" imported in {_plural(report.n_sessions, 'session')}"]
    if report.skipped:
        parts.append(f"{len(report.skipped)} already there")
    if report.refused:
        parts.append(f"{_plural(len(report.refused), 'file')} refused, named above")
    if report.passed_over:
        parts.append(f"{_plural(report.passed_over, 'other file')} passed over")
    console.print("; ".join(parts) + ".", markup=False)
    if report.imported or report.skipped:
        if report.imported:
            console.print(f"Next: trilead corpus {study}", markup=False)
        return
    if report.refused:
        raise typer.Exit(EXIT_USER_ERROR)
    fail("There was nothing to import in what was given; name a recording file, or a folder that holds some.")


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


@app.command("corpus")
@user_errors
def corpus_command(
    study: StudyArgument,
    name: Annotated[str, typer.Option(help="The corpus's name.")] = "default",
    window_s: Annotated[float, typer.Option(help="Length of a window, in seconds.")] = 3.0,
    hop_s: Annotated[float, typer.Option(help="From one window's start to the next one's, in seconds.")] = 1.0,
    rate_hz: Annotated[float, typer.Option(help="Samples per second of the windows.")] = 250.0,
    leads: Annotated[
        str | None, typer.Option(metavar="I,II,…", help="Leads, by comma; those that every recording has unless named.")
    ] = None,
    band_hz: Annotated[tuple[float, float], typer.Option(help="Lower and upper corner of the cleaning, in Hz.")] = (
        0.5,
        40.0,
    ),
    scale: Annotated[
        Scale,
        typer.Option(help="Divide each recording by its 98th percentile, or keep mV; auto scales where it is not mV."),
    ] = Scale.AUTO,
    split: Annotated[
        list[SplitKind] | None,
        typer.Option(help="A split to make; give it again for more. All that can be made unless named."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as pay unless given. The corpus is the same.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a corpus of this name.")] = False,
) -> None:
    """Build a corpus from the study's recordings and labels, with a card that shows what is in it.

    Recordings are cleaned, beats are found, quality is graded, and windows are cut, each within one activity and never
    over a gap. The corpus is only kept if no raw sample stands on two sides of a split.
    """
    from acquire.study import Study
    from curate.corpus import build_corpus, card_path

    opened = Study.open(study)
    words = {"survey": "looking over", "cut": "cutting windows", "check": "checking"}
    with _progress() as progress:
        task = progress.add_task(words["survey"], total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=words[what], completed=done, total=total)

        path = build_corpus(
            opened,
            name=name,
            window_s=window_s,
            hop_s=hop_s,
            rate_hz=rate_hz,
            leads=None if leads is None else [lead.strip() for lead in leads.split(",") if lead.strip()],
            band_hz=band_hz,
            scale=scale.value,
            splits=None if not split else [kind.value for kind in split],
            seed=seed,
            overwrite=overwrite,
            workers=workers,
            on_progress=tell,
        )
    _show_corpus(path)
    console.print(f"Corpus: {path}", markup=False)
    console.print(f"Card:   {card_path(path)}", markup=False)


def _show_corpus(path: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from curate.corpus_read import open_corpus

    with open_corpus(path) as corpus:
        table = corpus.table
        n_excluded = sum(corpus.excluded.values())
        console.print(
            f"{_plural(corpus.n_windows, 'window')} of {corpus.window_s:g} s ({', '.join(corpus.leads)}) from "
            f"{_plural(table['subject'].nunique(), 'subject')}, {_plural(len(corpus.sources), 'recording')}, "
            f"{table['activity'].nunique()} activities; {n_excluded} not kept.",
            markup=False,
        )
        shown = Table("split", box=None, pad_edge=False, header_style="bold")
        for side in ("train", "validate", "test", "unused"):
            shown.add_column(side, justify="right")
        for split in corpus.split_names:
            sides = corpus.split(split)
            shown.add_row(
                Text(split), *(str(int((sides == side).sum())) for side in ("train", "validate", "test", "unused"))
            )
        console.print(shown)
        for why in corpus.splits_left_out.values():
            console.print(f"left out: {why}", markup=False)
