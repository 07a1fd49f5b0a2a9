"""The command ``beats``: where hearts beat in a study's recordings, and how good the leads are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.console import out_folder, patient_progress, show_table
from protocols.console import console, counted, fail, user_errors

if TYPE_CHECKING:
    from curate.beats.files import BeatsReport

__all__ = ["app"]

app = typer.Typer()


@app.command("beats")
@user_errors
def beats_command(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study folder.", show_default=False)],
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDING...]",
            help="Which recordings, by name; patterns like 'sub-S01*' too. Else all.",
            show_default=False,
        ),
    ] = None,
    waves: Annotated[
        bool, typer.Option("--waves", help="Look for the bounds of P, QRS and T where a lead is clean; slow.")
    ] = False,
    lead: Annotated[
        str | None,
        typer.Option(metavar="II", help="The lead for --waves; the one that beats stand out in unless given."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", parser=out_folder, help="Where to write; STUDY/beats unless given."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace tables that are there already.")] = False,
) -> None:
    """Find the beats of recordings and grade each lead every two seconds, into tables.

    Per recording there are NAME_beats.csv, NAME_quality.csv, and NAME_beats.json with every parameter. The recordings
    are only read. Where noise hides the heart, that is said and no beats are made up.
    """
    from acquire.study import Study
    from curate.beats.files import write_beats

    if lead is not None and not waves:
        fail("--lead chooses the lead for --waves; give both, or leave it out.")
    opened = Study.open(study)
    with patient_progress("looking for beats") as tell:
        report = write_beats(
            opened,
            out or study / "beats",
            recordings=recordings or (),
            waves=waves,
            lead=lead,
            overwrite=overwrite,
            on_progress=tell,
        )
    _show(report)


def _name_width(report: BeatsReport) -> int:
    longest = max((len(found.name) for found in report.measured), default=0)
    return min(longest, console.width // 2) if console.is_terminal else longest


def _show(report: BeatsReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from curate.quality.assess import Grade

    table = Table(box=None, pad_edge=False, header_style="bold")
    # A name is what all else goes by: it is never cut, and folded only where a terminal is narrower than it.
    table.add_column("recording", no_wrap=False, overflow="fold", min_width=_name_width(report))
    for name in ("min", "beats", "bpm", "unsearched", "good", "doubtful", "unusable"):
        table.add_column(name, justify="right")
    table.add_column("swapped?")
    for found in report.measured:
        table.add_row(
            Text(found.name),
            f"{found.seconds / 60:.1f}",
            str(found.n_beats),
            f"{found.rate_bpm:.0f}" if found.rate_bpm > 0 else "–",
            f"{found.unsearched:.1%}",
            *(f"{found.grades[grade]:.0%}" for grade in (Grade.GOOD, Grade.DOUBTFUL, Grade.UNUSABLE)),
            {"none": "no", "unknown": "–"}.get(found.swap, found.swap),
        )
    show_table(table)
    for swapped in (found for found in report.measured if found.swap not in ("none", "unknown")):
        console.print(
            f"note: in {swapped.name} the electrodes {swapped.swap.replace('/', ' and ')} may be swapped; "
            f"{swapped.name}_beats.json says why. Ask who placed them.",
            markup=False,
        )
    for left in report.left_out:
        console.print(f"left out: {left.name}: {left.sentence}", markup=False, style="red")
    console.print(
        f"Beats and quality of {counted(len(report.measured), 'recording')} written to {report.folder}"
        + (f"; {len(report.left_out)} left out, named above." if report.left_out else "."),
        markup=False,
    )
