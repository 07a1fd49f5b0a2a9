"""The commands of the acquire room: `new`, `record`, `recover`, `doctor`, and those of the modules beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
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
from protocols.console import (
    EXIT_ENDED_EARLY,
    EXIT_USER_ERROR,
    console,
    counted,
    fail,
    output_lost,
    say_interrupted,
    user_errors,
)

if TYPE_CHECKING:
    from acquire.recorder.control import RecorderStatus
    from acquire.recordings.recovery import Recovery
    from acquire.study import Study
    from acquire.viewer.study_view import Preparation

__all__ = ["app"]

app = typer.Typer()
for part in (boards_cli, check_cli, watch_cli, verify_cli):
    app.add_typer(part.app)

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.", show_default=False)]
_LONGEST_STALL_S = 86400.0
_ASKED = "stopped by "
"""So begins why a recording ended that somebody, or a signal, stopped."""
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
        str | None,
        typer.Option(
            help="Session label, or new for the next number; that of the subject's last recording if left out."
        ),
    ] = None,
    operator: Annotated[str, typer.Option(help="Who records: initials or a code.")] = "",
    factor: Annotated[
        list[str] | None, typer.Option(metavar="FACTOR=LEVEL", help="Level of a factor of the study; may be repeated.")
    ] = None,
    stall_limit: Annotated[
        float,
        typer.Option(help="End when no samples come for so many seconds, at most a day; 0 to wait for ever."),
    ] = 120.0,
    lsl: Annotated[bool, typer.Option("--lsl", help="Send what is recorded over LSL as well.")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="Record without a window.")] = False,
) -> None:
    """Record a subject who follows a protocol, in a window or, with --headless, from this terminal.

    The window begins with what is given here; all of it can still be chosen there.

    The exit code is 0 when the protocol ran to its end or somebody stopped it; 3 when the recording is whole, but ended
    early by itself (no samples, disk full, board gone); 2 when nothing was recorded; 130 when Ctrl-C was pressed twice.
    """
    from acquire.names import check_pseudonym, real_name_warning
    from acquire.recorder.launch import record_headless
    from acquire.recordings.recovery import orphaned_journals
    from acquire.study import Study
    from acquire.viewer.study_view import Preparation

    if not 0 <= stall_limit <= _LONGEST_STALL_S:
        fail(f"--stall-limit is {stall_limit:g}; it must be 0 to {_LONGEST_STALL_S:g} seconds.")
    opened = Study.open(study)
    factors = _pairs("--factor", factor)
    if not headless:
        first = Preparation(
            subject=subject or "",
            session=session or "",
            operator=operator,
            protocol=str(Path(protocol).resolve()) if protocol and protocol.endswith(".toml") else protocol or "",
            board=board or "",
            factors=factors,
        )
        raise typer.Exit(_open_window(opened, first, stall_limit_s=stall_limit, lsl_outlet=lsl))
    if subject is None:
        fail("--subject is missing: give the subject's pseudonym, such as S01.")
    check_pseudonym(subject, opened.path / "subjects.csv")
    if orphans := len(orphaned_journals(opened)):
        wait = "waits" if orphans == 1 else "wait"
        words = f"{counted(orphans, 'unfinished recording')} {wait} in this study"
        _warn(f"{words}; make {'it' if orphans == 1 else 'them'} whole with: trilead recover {study}")
    known = {somebody.pseudonym for somebody in opened.subjects()}
    if subject not in known:
        _warn(real_name_warning(subject))
    choice = opened.choose_session(subject, session)
    _mention(choice.words)
    _warn_of_factors(opened, factors)
    run = opened.next_run(subject, choice.label)
    journal = opened.journal_path(subject, choice.label, run)
    try:
        with _live() as show:
            summary = record_headless(
                opened,
                subject=subject,
                board=board,
                session=choice.label,
                protocol=protocol,
                operator=operator,
                factors=factors,
                stall_limit_s=stall_limit,
                lsl_outlet=lsl,
                on_status=show,
            )
    except KeyboardInterrupt:
        # Whoever presses it again and again shall read this too.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say_interrupted(_left_behind(journal, opened.recording_path(subject, choice.label, run)))
    try:
        if subject not in known:
            console.print(Text(f"{subject} is new in this study and was added to subjects.csv."))
        print_summary(console, summary)
    except OSError as error:
        output_lost(error, done=f"The recording is whole all the same: {summary.path}")
    if not summary.complete and not summary.reason.startswith(_ASKED):
        raise typer.Exit(EXIT_ENDED_EARLY)


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
        verb, whose = ("is", "its recorder") if under_way == 1 else ("are", "their recorders")
        words = f"; {counted(under_way, 'recording')} under way {verb} left to {whose}" if under_way else ""
        console.print(f"There is nothing to recover: no journal was left behind{words}.")
        return
    failed = 0
    for orphan in orphans:
        console.print(Text(f"{orphan.path.name}: {counted(orphan.n_bytes, 'byte')}, and no recorder that lives"))
        try:
            _print_recovery(recover_journal(opened, orphan.path))
        except TrileadError as error:
            # The others may still be whole.
            _warn(str(error))
            failed += 1
    if failed:
        reasons = "the reason stands" if failed == 1 else "the reasons stand"
        fail(f"{failed} of {counted(len(orphans), 'journal')} could not be recovered; {reasons} above.")


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
        console.print(f"{wanting} of {len(checks)} things {'needs' if wanting == 1 else 'need'} mending.")
        raise typer.Exit(EXIT_USER_ERROR)
    console.print("Everything that is needed is here.")


@contextlib.contextmanager
def _live() -> Iterator[Callable[[RecorderStatus], None]]:
    """Shows what a recorder is doing; whether anybody can see it is nothing to the recording."""
    alarm = Alarm(console)
    live = Live(console=console, transient=True, refresh_per_second=8)

    def show(status: RecorderStatus) -> None:
        with contextlib.suppress(OSError):
            alarm(status)
            live.update(status_table(status))

    with contextlib.suppress(OSError):
        live.start()
    try:
        yield show
    finally:
        with contextlib.suppress(OSError):
            live.stop()


def _open_window(study: Study, first: Preparation, *, stall_limit_s: float, lsl_outlet: bool) -> int:
    """Open the recording window, and stay until it is closed."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in screens):
        # Qt would end the process without a word that helps.
        fail("There is no screen to open a window on; add --headless to record from this terminal.")
    try:
        from acquire.app.main import run_app
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("PySide6", "pyqtgraph", "shiboken6"):
            fail('The window needs PySide6 and pyqtgraph: run pip install "trilead[app]", or add --headless.')
        fail(f"The window cannot be opened ({error}); run trilead doctor, or add --headless.")
    return run_app(study.path, first, stall_limit_s=stall_limit_s, lsl_outlet=lsl_outlet)


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
        _mention(f"Note: {sentence}", style="yellow")


def _mention(sentence: str, *, style: str = "") -> None:
    # A recording does not wait for somebody to read this, nor does a recovery.
    with contextlib.suppress(OSError):
        console.print(Text(sentence, style=style))


def _warn_of_factors(study: Study, given: dict[str, str]) -> None:
    missing = study.missing_factors(given)
    if missing:
        levels = "; ".join(f"{factor} ({' or '.join(study.factors[factor])})" for factor in missing)
        example = f"--factor {missing[0]}={study.factors[missing[0]][0]}"
        _warn(f"this recording will not say its {levels}; say it with {example} or so.")


def _left_behind(journal: Path, recording: Path) -> str:
    """What became of a recording that is no longer followed, after the second Ctrl-C."""
    from acquire.files import is_held

    try:
        under_way = is_held(journal)
    except OSError:
        under_way = False
    if under_way:
        return (
            f"Still finishing {journal.stem}: that goes on in the background, and its file will be {recording}; if it"
            f" is not there in a minute, run trilead recover {journal.parent.parent}"
        )
    if journal.exists():
        return (
            f"Stopped by Ctrl-C; {journal.stem} is not finished: make it whole with trilead recover"
            f" {journal.parent.parent}"
        )
    if recording.exists():
        return f"Stopped by Ctrl-C; the recording is whole: {recording}"
    return "Stopped by Ctrl-C before anything was recorded."


def _print_recovery(recovery: Recovery) -> None:
    summary = recovery.summary
    if recovery.was_finished:
        console.print(Text(f"  its recording stood already: {recovery.path}"))
    else:
        console.print(
            Text(f"  recovered {recovery.path}: {counted(summary.n_samples, 'sample')}, {clock(summary.duration_s)}")
        )
    if recovery.dropped_bytes and not recovery.was_finished:
        console.print(
            Text(
                f"  {counted(recovery.dropped_bytes, 'byte')} at the end were torn and could not be used"
                f" (at most {recovery.dropped_ms:.0f} ms of signal); everything before them is whole"
            )
        )
    for doubt in recovery.doubts:
        _warn(f"{doubt}.")
    if recovery.evidence is not None:
        console.print(Text(f"  the journal was kept: {recovery.evidence}"))
