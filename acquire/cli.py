"""The commands of the acquire room: `new`, `record`, `recover`, `doctor`, and those of the modules beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from acquire.boards import cli as boards_cli
from acquire.checks import check_cli
from acquire.recorder import watch_cli
from acquire.recorder.status_view import Alarm, clock, print_summary, status_table
from acquire.recordings import verify_cli
from protocols.console import EXIT_USER_ERROR, console, fail, user_errors

if TYPE_CHECKING:
    from acquire.recorder.control import RecorderStatus
    from acquire.recordings.recovery import Recovery

__all__ = ["app"]

app = typer.Typer()
for part in (boards_cli, check_cli, watch_cli, verify_cli):
    app.add_typer(part.app)

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.", show_default=False)]
_WORDS = {"fine": ("fine", "green"), "optional": ("absent", "yellow"), "mend": ("MEND", "bold red")}


@app.command()
@user_errors
def new(
    study: StudyFolder,
    mains_hz: Annotated[
        str | None, typer.Option(metavar="50|60", help="Mains frequency where the study is recorded.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study; its folder's name if left out.")] = None,
    board: Annotated[str, typer.Option(help="Default board address.")] = "sim:",
    protocol: Annotated[
        str,
        typer.Option(
            help="Default protocol: a shipped one, or a path ending in .toml, which is copied into the study."
        ),
    ] = "dt4ecg",
    factor: Annotated[
        list[str] | None,
        typer.Option(metavar="FACTOR=LEVEL,LEVEL…", help="Something the study varies on purpose; may be repeated."),
    ] = None,
) -> None:
    """Make a new study folder."""
    from acquire.boards.board import open_board
    from acquire.files import write_new
    from acquire.study import MAINS_HZ, STUDY_FILE, Study
    from protocols.script import load_script

    if mains_hz is None:
        fail("--mains-hz is missing: give 50 or 60, the mains frequency where the study is recorded.")
    if mains_hz not in map(str, MAINS_HZ):
        fail(f"--mains-hz is {mains_hz[:20]!r}; it must be 50 or 60, the mains frequency where the study is recorded.")
    pairs = _pairs("--factor", factor).items()
    factors = {factor: [level.strip() for level in levels.split(",")] for factor, levels in pairs}
    # Only made, not opened: a mistake is better found now than with a subject in front of the board.
    open_board(board, mains_hz=int(mains_hz))
    script = load_script(protocol)
    own = Path(protocol).name if protocol.endswith(".toml") else None
    if own == STUDY_FILE:
        fail(f"--protocol is {protocol!r}, but that name is taken by the study's settings; rename the script.")
    made = Study.create(
        study, mains_hz=int(mains_hz), name=name, board=board, protocol=own or protocol, factors=factors
    )
    console.print(Text(f"Made the study {made.name} in {made.path}; its settings are in study.toml."))
    if own is not None:
        try:
            write_new(made.path / own, script.text.encode())
        except OSError as error:
            fail(
                f"{protocol} cannot be copied to {made.path / own}: {error.strerror or error}; copy it there yourself."
            )
        console.print(Text(f"Copied {protocol} into it; the study records by this copy."))


@app.command()
@user_errors
def record(
    study: StudyFolder,
    subject: Annotated[str | None, typer.Option(help="Pseudonym of the subject, such as S01.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Shipped protocol, or a path ending in .toml; the study's default if left out.")
    ] = None,
    board: Annotated[
        str | None, typer.Option(help="Board address, such as sim: ; the study's default if left out.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="Session label, or new for the next number; the subject's latest if left out.")
    ] = None,
    operator: Annotated[str, typer.Option(help="Who records: initials or a code.")] = "",
    factor: Annotated[
        list[str] | None, typer.Option(metavar="FACTOR=LEVEL", help="Level of a factor of the study; may be repeated.")
    ] = None,
    stall_limit: Annotated[
        float,
        typer.Option(min=0.0, max=86400.0, help="End when no samples come for so many seconds; 0 to wait for ever."),
    ] = 120.0,
    lsl: Annotated[bool, typer.Option("--lsl", help="Send what is recorded over LSL as well.")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="Record without a window.")] = False,
) -> None:
    """Record a subject who follows a protocol."""
    from acquire.names import check_pseudonym, real_name_warning
    from acquire.recorder.launch import record_headless
    from acquire.recordings.recovery import orphaned_journals
    from acquire.study import Study

    opened = Study.open(study)
    if not headless:
        fail("There is no recording window yet; add --headless to record from this terminal.")
    if subject is None:
        fail("--subject is missing: give the subject's pseudonym, such as S01.")
    check_pseudonym(subject, opened.path / "subjects.csv")
    factors = _pairs("--factor", factor)
    if orphans := len(orphaned_journals(opened)):
        _warn(f"{orphans} unfinished recording(s) wait in this study; make them whole with: trilead recover {study}")
    known = {somebody.pseudonym for somebody in opened.subjects()}
    if subject not in known:
        _warn(real_name_warning(subject))
    alarm = Alarm(console)
    with Live(console=console, transient=True, refresh_per_second=8) as live:

        def show(status: RecorderStatus) -> None:
            alarm(status)
            live.update(status_table(status))

        summary = record_headless(
            opened,
            subject=subject,
            board=board,
            session=session,
            protocol=protocol,
            operator=operator,
            factors=factors,
            stall_limit_s=stall_limit,
            lsl_outlet=lsl,
            on_status=show,
        )
    if subject not in known:
        console.print(Text(f"{subject} is new in this study and was added to subjects.csv."))
    print_summary(console, summary)


@app.command()
@user_errors
def recover(study: StudyFolder) -> None:
    """Make recordings of journals whose recorder died."""
    from acquire.recordings.recovery import orphaned_journals
    from acquire.recordings.recovery import recover as recover_journal
    from acquire.study import Study
    from protocols.errors import TrileadError

    opened = Study.open(study)
    orphans = orphaned_journals(opened)
    if not orphans:
        under_way = sum(path.is_file() for path in opened.journals_dir.glob("*.journal"))
        words = f"; {under_way} recording(s) under way are left to their recorders" if under_way else ""
        console.print(f"There is nothing to recover: no journal was left behind{words}.")
        return
    failed = 0
    for orphan in orphans:
        console.print(Text(f"{orphan.path.name}: {orphan.n_bytes} bytes, and no recorder that lives"))
        try:
            _print_recovery(recover_journal(opened, orphan.path))
        except TrileadError as error:
            # The others may still be whole.
            _warn(str(error))
            failed += 1
    if failed:
        fail(f"{failed} of {len(orphans)} journals could not be recovered; the reasons stand above.")


@app.command()
@user_errors
def doctor() -> None:
    """Check that this computer has what trilead needs."""
    from acquire.checks.doctor import examine

    checks = examine(Path.cwd())
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        word, style = _WORDS[check.state]
        table.add_row(Text(word, style=style), Text(check.name), Text(check.words))
    console.print(table)
    wanting = sum(check.state == "mend" for check in checks)
    if wanting:
        console.print(f"{wanting} of {len(checks)} things need mending.")
        raise typer.Exit(EXIT_USER_ERROR)
    console.print("Everything that is needed is here.")


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not (equals and name and value):
            fail(f"{option} is {text[:60]!r}; write a name, = and a value, such as electrode=agcl.")
        if name in pairs:
            fail(f"{option} names {name[:40]} twice; give it once.")
        pairs[name] = value
    return pairs


def _warn(sentence: str) -> None:
    if sentence:
        console.print(Text(f"Note: {sentence}", style="yellow"))


def _print_recovery(recovery: Recovery) -> None:
    summary = recovery.summary
    if recovery.was_finished:
        console.print(Text(f"  its recording stood already: {recovery.path}"))
    else:
        console.print(Text(f"  recovered {recovery.path}: {summary.n_samples} samples, {clock(summary.duration_s)}"))
    if recovery.dropped_bytes and not recovery.was_finished:
        console.print(
            Text(
                f"  the last {recovery.dropped_bytes} bytes were torn and could not be used"
                f" (at most {recovery.dropped_ms:.0f} ms of signal); everything before them is whole"
            )
        )
    for doubt in recovery.doubts:
        _warn(f"{doubt}.")
    if recovery.evidence is not None:
        console.print(Text(f"  the journal was kept: {recovery.evidence}"))
