"""The commands ``agree`` and ``adjudicate``: layers of labels beside each other, and what comes of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.console import StudyArgument, listed, patient_progress
from protocols.console import console, counted, fail, user_errors

if TYPE_CHECKING:
    from curate.labels.adjudication import Adjudication

__all__ = ["app"]

app = typer.Typer()


LayersOption = Annotated[
    str | None,
    typer.Option("--layers", metavar="NAME,…", help="Whose labels, by comma; the annotators' own unless named."),
]


class Kind(StrEnum):
    """What can be compared."""

    ACTIVITY = "activity"
    ARTEFACT = "artefact"
    UNUSABLE = "unusable"
    BEAT = "beat"


class Rule(StrEnum):
    """What is taken over without a person."""

    UNANIMOUS = "unanimous"
    MAJORITY = "majority"


KindOption = Annotated[
    list[Kind] | None, typer.Option("--kind", help="Only this kind; give it again for more. All unless given.")
]


@app.command("agree")
@user_errors
def agree_command(
    study: StudyArgument,
    kind: KindOption = None,
    layers: LayersOption = None,
    recordings: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Which recordings, by comma; patterns like 'sub-S01*' too. Else all."),
    ] = None,
    worst: Annotated[int, typer.Option(min=1, help="How many recordings to show, the worst first.")] = 10,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write every figure into a new CSV file too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Measure how far annotators agree, per kind, for every two of them and for all, over the study and by recording.

    Kappa and alpha count samples, F1 and offsets count segments and their boundaries. Nothing in the study is changed.
    docs/labels.md tells what each figure means.
    """
    from acquire.study import Study
    from curate.labels.study_agreement import choose_recordings, study_agreement
    from curate.labels.tables import as_json as to_json
    from curate.labels.tables import kind_tables, undefined_notes, write_csv

    opened = Study.open(study)
    _refuse_taken(csv)
    paths = choose_recordings(opened, listed(recordings))
    with patient_progress("comparing") as tell:
        found = study_agreement(opened, recordings=paths, layers=listed(layers), kinds=_kinds(kind), on_progress=tell)
    if not found.kinds:
        fail(
            f"There is nothing to compare: no two of the layers {', '.join(found.layers)} say anything of one kind "
            "about one recording; name other layers or kinds."
        )
    if csv is not None:
        write_csv(csv, found)
    if as_json:
        typer.echo(to_json(found))
        return
    for name, total in found.kinds.items():
        for shown in kind_tables(found, name, n_worst=worst):
            console.print(shown)
        for note in undefined_notes(total):
            console.print(f"note: {note}", markup=False)
        console.print()
    if found.passed_over:
        console.print(
            f"{counted(len(found.passed_over), 'recording')} passed over, in which fewer than two of the layers "
            f"{', '.join(found.layers)} say anything.",
            markup=False,
        )
    if csv is not None:
        console.print(f"Table: {csv}", markup=False)


@app.command("adjudicate")
@user_errors
def adjudicate_command(
    study: StudyArgument,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDING]...",
            help="Which recordings; patterns like 'sub-S01*' too. Else all.",
            show_default=False,
        ),
    ] = None,
    rule: Annotated[
        Rule, typer.Option(help="What is taken over: what all layers say, or what more than half of them say.")
    ] = Rule.UNANIMOUS,
    kind: KindOption = None,
    layers: LayersOption = None,
    disputes: Annotated[
        Path | None,
        typer.Option("--disputes", metavar="FILE.csv", help="Write what is left to decide into a new CSV file."),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", metavar="FILE.csv", help="Such a file with its column decision filled in."),
    ] = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decided, for the record.")] = "",
    shortest_s: Annotated[
        float, typer.Option("--shortest-s", min=0.0, help="List only disputed ranges of at least so many seconds.")
    ] = 0.0,
) -> None:
    """Make the layer 'adjudicated' of what all layers agree on and of a person's decisions about the rest.

    The other layers stay as they are, and nothing is replaced: what changes is a further line of the adjudicated layer.
    Everything is checked before anything is written; run it again at any time.
    """
    from acquire.study import Study
    from curate.labels.adjudication import plan_study, write_adjudication
    from curate.labels.disputes import read_decisions, write_disputes
    from curate.labels.study_agreement import choose_recordings

    opened = Study.open(study)
    _refuse_taken(disputes)
    paths = choose_recordings(opened, recordings or None)
    decided = {} if decisions is None else read_decisions(decisions)
    with patient_progress("adjudicating") as tell:
        plans = plan_study(
            opened,
            paths,
            layers=listed(layers),
            rule="majority" if rule is Rule.MAJORITY else "unanimous",
            kinds=_kinds(kind),
            decisions=decided,
            by=by,
            on_progress=tell,
        )
    n_rows = None if disputes is None else write_disputes(disputes, plans, shortest_s=shortest_s)
    for plan in plans:
        write_adjudication(plan)
    _show(plans)
    if n_rows is not None:
        console.print(f"Disputes: {disputes} ({counted(n_rows, 'row')})", markup=False)
        if n_rows:
            console.print(
                "Fill in the column decision, and hand the file back with --decisions.",
                markup=False,
            )


def _show(plans: list[Adjudication]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording")
    for head in ("agreed", "decided", "open", "open s", "added", "removed"):
        table.add_column(head, justify="right")
    for plan in plans:
        seconds = sum(one.stop - one.start for one in plan.disputes if one.kind != "beat") / plan.rate_hz
        counts = (plan.n_agreed, plan.n_decided, len(plan.disputes), f"{seconds:.1f}", len(plan.add), len(plan.remove))
        table.add_row(Text(plan.recording), *map(str, counts))
    console.print(table)
    for plan in plans:
        for kind, name in plan.alone.items():
            console.print(f"note: {plan.recording}: only {name} labelled {kind}; nothing to compare.", markup=False)
        if plan.overruling:
            console.print(
                f"note: {plan.recording}: {counted(plan.overruling, 'decision')} about what all layers by now agree on "
                "otherwise; it holds until its range is decided to be 'reopen'.",
                markup=False,
            )
    changed = sum(plan.changes for plan in plans)
    n_open = sum(len(plan.disputes) for plan in plans)
    console.print(
        f"{counted(changed, 'layer')} written, {len(plans) - changed} as they were; "
        + (f"{counted(n_open, 'dispute')} left to decide." if n_open else "nothing left to decide."),
        markup=False,
    )


def _kinds(chosen: list[Kind] | None) -> tuple[str, ...]:
    return tuple(kind.value for kind in Kind if not chosen or kind in chosen)


def _refuse_taken(path: Path | None) -> None:
    """Say at once, and not after minutes of work, that a file cannot be written."""
    if path is None:
        return
    if path.exists():
        fail(f"{path} exists already, and nothing is replaced; give another name, or move it away.")
    if not path.parent.is_dir():
        fail(f"{path.parent} is no folder; make it, or name another place.")
