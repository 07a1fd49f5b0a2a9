"""The command ``export``: recordings, or a corpus, in the formats of other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.console import listed, out_folder, patient_progress
from protocols.console import console, fail, user_errors

if TYPE_CHECKING:
    from acquire.study import Study

__all__ = ["app"]

app = typer.Typer()


class ExportFormat(StrEnum):
    """What an export can be written as; the last three are for a corpus."""

    WFDB = "wfdb"
    EDF = "edf"
    BIDS = "bids"
    CSV = "csv"
    NPZ = "npz"
    PARQUET = "parquet"
    CROISSANT = "croissant"


class Rate(StrEnum):
    """Which rate stands where a format has one."""

    NOMINAL = "nominal"
    FITTED = "fitted"


@app.command("export")
@user_errors
def export_command(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study folder.", show_default=False)],
    to: Annotated[
        ExportFormat,
        typer.Option("--to", help="wfdb, edf, bids or csv for recordings; npz, parquet or croissant for a corpus."),
    ],
    corpus: Annotated[
        str | None, typer.Option("--corpus", metavar="NAME", help="Export this corpus instead of recordings.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", parser=out_folder, help="A new folder; STUDY/exports/FORMAT unless given."
        ),
    ] = None,
    recordings: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Which recordings, by comma; patterns like 'sub-S01*' too. Else all."),
    ] = None,
    layers: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Which layers of labels, by comma; all unless named.")
    ] = None,
    leads: Annotated[
        str | None, typer.Option(metavar="I,II,…", help="Which leads, by comma; the measured ones unless named.")
    ] = None,
    channels: Annotated[
        bool, typer.Option("--channels", help="The board's channels instead of leads: the very numbers it gave.")
    ] = False,
    rate: Annotated[
        Rate, typer.Option(help="Which rate goes into the format's own field; the other stands beside it.")
    ] = Rate.NOMINAL,
) -> None:
    """Write recordings with their labels, or a corpus, in the format of another program.

    The study is only read. The folder appears when everything is in it, and nothing is ever replaced.
    """
    from acquire.study import Study

    opened = Study.open(study)
    if corpus is not None:
        given = {"--recordings": recordings, "--layers": layers, "--leads": leads, "--channels": channels or None}
        wrong = next((name for name, value in given.items() if value is not None), None)
        if wrong is not None:
            fail(f"{wrong} goes with recordings, and --corpus exports a corpus; leave one of them out.")
        _export_corpus(opened, out, corpus, to)
        return
    _export_recordings(
        opened,
        out or study / "exports" / to.value,
        to,
        recordings=listed(recordings),
        layers=listed(layers),
        leads=listed(leads),
        channels=channels,
        fitted_rate=rate is Rate.FITTED,
    )


def _export_corpus(study: Study, out: Path | None, name: str, to: ExportFormat) -> None:
    from curate.exporters import CORPUS_FORMATS, export_corpus

    if to.value not in CORPUS_FORMATS:
        fail(f"A corpus cannot be exported as {to.value}; choose {', '.join(CORPUS_FORMATS)}, or leave --corpus out.")
    with patient_progress("exporting") as tell:
        files = export_corpus(
            study, out or study.path / "exports" / f"{name}-{to.value}", name=name, format=to.value, on_progress=tell
        )
    for file in files:
        console.print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)", markup=False)


def _export_recordings(
    study: Study,
    out: Path,
    to: ExportFormat,
    *,
    recordings: list[str] | None,
    layers: list[str] | None,
    leads: list[str] | None,
    channels: bool,
    fitted_rate: bool,
) -> None:
    from curate.exporters import FORMATS, export_recordings

    if to.value not in FORMATS:
        fail(f"Recordings cannot be exported as {to.value}, only a corpus can; name one with --corpus.")
    if leads is not None and channels:
        fail("--leads and --channels exclude each other; leave one of them out.")
    with patient_progress("exporting") as tell:
        report = export_recordings(
            study,
            out,
            format=to.value,
            recordings=recordings,
            layers=layers,
            leads=leads,
            channels=channels,
            fitted_rate=fitted_rate,
            on_progress=tell,
        )
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    for entry in report.left_out:
        console.print(f"left out: {entry.name}: {entry.sentence}", markup=False, style="red")
    n_exported = len(report.exported)
    console.print(
        f"{n_exported} {'recording' if n_exported == 1 else 'recordings'} exported as {to.value} to {report.folder}"
        + (f"; {len(report.left_out)} left out, named above." if report.left_out else "."),
        markup=False,
    )
