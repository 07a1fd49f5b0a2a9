"""The command ``corpus``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.console import StudyArgument, curation_progress, listed, show_table
from protocols.console import console, counted, fail, say_interrupted, user_errors

if TYPE_CHECKING:
    from curate.corpus.read import Corpus

__all__ = ["app"]

app = typer.Typer()

_SIDES = ("train", "validate", "test", "unused")
_WORDS = {
    "survey": "looking over",
    "cut": "cutting windows",
    "write": "writing",
    "check": "checking",
}


class Scale(StrEnum):
    """What a recording's amplitude is divided by."""

    AUTO = "auto"
    NONE = "none"
    RECORDING_P98 = "recording-p98"


class Quality(StrEnum):
    """The grade that a lead needs."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    UNUSABLE = "unusable"


@app.command("corpus")
@user_errors
def corpus_command(
    study: StudyArgument,
    name: Annotated[str, typer.Option(help="The corpus's name.")] = "default",
    window_s: Annotated[
        float | None,
        typer.Option(
            help="Length of a window, in seconds; of its room, with --beats. 3, or 1.5 for every beat.",
            show_default=False,
        ),
    ] = None,
    hop_s: Annotated[
        float | None,
        typer.Option(
            help="From one window's start to the next one's, in seconds; not with --beats.  [default: 1]",
            show_default=False,
        ),
    ] = None,
    beats: Annotated[
        int, typer.Option(metavar="N", help="Cut windows of N heart beats, aligned on R; 0 cuts by length.")
    ] = 0,
    hop_beats: Annotated[
        int | None, typer.Option(metavar="N", help="With --beats, from one window to the next; as many unless given.")
    ] = None,
    rate_hz: Annotated[float, typer.Option(help="Samples per second of the windows.")] = 250.0,
    leads: Annotated[
        str | None, typer.Option(metavar="I,II,…", help="Leads, by comma; those that every recording has unless named.")
    ] = None,
    band_hz: Annotated[
        str, typer.Option(metavar="LOW,HIGH", help="Lower and upper corner of the cleaning, in Hz, by comma.")
    ] = "0.5,40",
    scale: Annotated[
        Scale,
        typer.Option(help="Divide each recording by its 98th percentile, or keep mV; auto scales where it is not mV."),
    ] = Scale.AUTO,
    subjects: Annotated[
        str | None, typer.Option(metavar="S01,S02,…", help="Take only these subjects, by comma.")
    ] = None,
    without: Annotated[str | None, typer.Option(metavar="S03,…", help="Leave these subjects out, by comma.")] = None,
    recordings: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Take only these recordings, by comma; patterns like 'sub-S01*' too."),
    ] = None,
    without_recordings: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Leave these recordings out, by comma; patterns too.")
    ] = None,
    activities: Annotated[
        str | None, typer.Option(metavar="rest,walk,…", help="Keep only windows of these activities, by comma.")
    ] = None,
    min_quality: Annotated[
        Quality, typer.Option(help="Mask leads below this grade; a window without a lead left is not kept.")
    ] = Quality.UNUSABLE,
    max_artefact: Annotated[
        int, typer.Option(metavar="1…4", help="Keep windows up to this artefact degree, as people graded it.")
    ] = 4,
    layers: Annotated[
        str | None, typer.Option(metavar="anna,…", help="Take labels from these layers alone, by comma.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="A split to make; give it again for more: random, time-block, across-sessions[:forward], "
            "across-activities[:rest,sit], across-factor:NAME, unseen-subjects[:FOLDS], fixed:FILE.csv. All that can "
            "be made unless named.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as pay unless given. The corpus is the same.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT",
            help="A dask.distributed cluster that works on recordings; it must see the study folder.",
        ),
    ] = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave recordings that cannot be used out, and name them.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a corpus of this name; what did not change is taken over.")
    ] = False,
) -> None:
    """Build a corpus from the study's recordings and labels, with a card that shows what is in it.

    Recordings are cleaned, beats are found, quality is graded, and windows are cut, each within one activity and never
    over a gap. The corpus is only kept if no raw sample stands on two sides of a split. A build that was interrupted
    goes on where it was.
    """
    from acquire.study import Study
    from curate.corpus.build import build_corpus, card_path
    from curate.corpus.overlooked import overlooked

    if beats and hop_s is not None:
        fail("--hop-s goes with windows cut by length and --beats cuts by beats; take --hop-beats, or leave one out.")
    band = _band(band_hz)
    opened = Study.open(study)
    n_reused = 0
    try:
        with curation_progress() as progress:
            task = progress.add_task(_WORDS["survey"], total=None)

            def tell(what: str, done: int, total: int) -> None:
                nonlocal n_reused
                if what == "reuse":
                    n_reused = done
                else:
                    progress.update(task, description=_WORDS[what], completed=done, total=total)

            path = build_corpus(
                opened,
                name=name,
                window_s=window_s,
                hop_s=1.0 if hop_s is None else hop_s,
                n_beats=beats,
                hop_beats=hop_beats,
                rate_hz=rate_hz,
                leads=listed(leads),
                band_hz=band,
                scale=scale.value,
                subjects=listed(subjects),
                without=listed(without) or (),
                recordings=listed(recordings),
                without_recordings=listed(without_recordings) or (),
                activities=listed(activities),
                min_quality=min_quality.value,
                max_artefact=max_artefact,
                layers=listed(layers),
                splits=split or None,
                seed=seed,
                overwrite=overwrite,
                workers=workers,
                scheduler=scheduler,
                skip_damaged=skip_damaged,
                on_progress=tell,
            )
    except KeyboardInterrupt:
        say_interrupted("Stopped by Ctrl-C; run it again to go on.")
    if n_reused:
        console.print(f"{counted(n_reused, 'recording')} did not change and were not cut again.", markup=False)
    _show_corpus(path)
    for sentence in overlooked(opened):
        console.print(f"note: {sentence}", markup=False)
    console.print(f"Corpus: {path}", markup=False)
    console.print(f"Card:   {card_path(path)}", markup=False)


def _band(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        fail(
            f"--band-hz is {text[:80]!r}; give the lower and the upper corner in Hz with a comma between, like 0.5,40."
        )
    return low, high


def _show_corpus(path: Path) -> None:
    from curate.corpus.read import open_corpus

    with open_corpus(path) as corpus:
        _show_counts(corpus)
        _show_classes(corpus)
        _show_splits(corpus)


def _show_counts(corpus: Corpus) -> None:
    table = corpus.table
    size = counted(corpus.n_beats, "beat") if corpus.n_beats else f"{corpus.window_s:g} s"
    console.print(
        f"{counted(corpus.n_windows, 'window')} of {size} ({', '.join(corpus.leads)}) from "
        f"{counted(table['subject'].nunique(), 'subject')}, {counted(len(corpus.sources), 'recording')}, "
        f"{table['activity'].nunique()} activities; {sum(corpus.excluded.values())} not kept.",
        markup=False,
    )
    for reason, n in sorted(corpus.excluded.items(), key=lambda item: -item[1]):
        if n:
            console.print(f"  not kept: {n}, {reason}", markup=False, style="dim")
    for recording, why in sorted(corpus.excluded_recordings.items()):
        console.print(f"left out: {recording}: {why}", markup=False, style="red")


def _show_classes(corpus: Corpus) -> None:
    from rich.table import Table
    from rich.text import Text

    table = corpus.table
    shown = Table("activity", box=None, pad_edge=False, header_style="bold")
    for head in ("windows", "share", "subjects", "good", "doubtful", "unusable"):
        shown.add_column(head, justify="right")
    for activity, rows in table.groupby("activity", observed=True):
        grades = rows["quality"].astype(str)
        shown.add_row(
            Text(str(activity)),
            str(len(rows)),
            f"{len(rows) / corpus.n_windows:.1%}",
            str(rows["subject"].nunique()),
            *(f"{(grades == grade.value).mean():.0%}" for grade in Quality),
        )
    show_table(shown)


def _show_splits(corpus: Corpus) -> None:
    from rich.table import Table
    from rich.text import Text

    shown = Table("split", box=None, pad_edge=False, header_style="bold")
    for side in _SIDES:
        shown.add_column(side, justify="right")
    for split in corpus.split_names:
        sides = corpus.split(split)
        shown.add_row(Text(split), *(str(int((sides == side).sum())) for side in _SIDES))
    show_table(shown)
    for why in corpus.splits_left_out.values():
        console.print(f"left out: {why}", markup=False)
