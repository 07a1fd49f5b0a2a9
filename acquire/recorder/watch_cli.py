"""``trilead watch`` and ``tell``: look at a recording that is under way, and command it, from any terminal.

A recorder needs no terminal: one whose own was closed goes on, and these commands reach it.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from acquire.recorder.status_view import Alarm, clock, status_line, status_table
from protocols.console import console, fail, user_errors

if TYPE_CHECKING:
    from acquire.recorder.control import ControlClient, RecorderStatus
    from acquire.study import Study

__all__ = ["app"]

LOOK_INTERVAL_S = 0.1
_BUSY_LIMIT_S = 5.0
_SHOWN_TEXT = 60

app = typer.Typer()

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.", show_default=False)]
WhichRecording = Annotated[
    str | None,
    typer.Option("--recording", metavar="NAME", help="Which, where several are under way: sub-S01_ses-01_run-01."),
]


@app.command()
@user_errors
def watch(study: StudyFolder, recording: WhichRecording = None) -> None:
    """Follow a recording that is under way; Ctrl-C ends only the watching."""
    from acquire.study import Study

    opened = Study.open(study)
    journal = _under_way(opened, recording)
    alarm = Alarm(console)
    last: RecorderStatus | None = None
    follower = _Follower(journal)
    with contextlib.closing(follower), Live(console=console, transient=True, refresh_per_second=8) as live:
        try:
            while (status := follower.status()) is not None:
                last = status
                alarm(status)
                live.update(status_table(status))
                time.sleep(LOOK_INTERVAL_S)
        except KeyboardInterrupt:
            words = status_line(last) if last is not None else "it goes on"
            console.print(Text(f"You no longer watch {journal.stem}: {words}. It records on; stop it with tell."))
            return
    _tell_end(opened, journal)


@app.command()
@user_errors
def tell(
    study: StudyFolder,
    command: Annotated[str, typer.Argument(metavar="pause|resume|skip|repeat|mark|note|stop", show_default=False)],
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Of a mark, which needs none, or of a note.", show_default=False)
    ] = "",
    recording: WhichRecording = None,
) -> None:
    """Command a recording that is under way."""
    from acquire.recorder.commands import COMMANDS, checked_text
    from acquire.recorder.control import connect
    from acquire.study import Study

    if command not in COMMANDS:
        fail(f"There is no command {command[:40]!r}; there are {', '.join(COMMANDS)}.")
    if text and command not in ("mark", "note"):
        fail(f"A text goes with mark and note only; leave {text[:40]!r} out.")
    text = checked_text(command, text)
    journal = _under_way(Study.open(study), recording)
    with connect(journal) as client:
        status = client.request(command, text)
    done = ""
    if command in ("mark", "note"):
        quoted = f" “{_beginning(text)}”" if text else ""
        done = f"{command}{quoted} at {clock(status.elapsed_s)}; "
    console.print(Text(f"{journal.stem}: {done}{status_line(status)}"))


def _beginning(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else f"{text[: _SHOWN_TEXT - 1]}…"


def _under_way(study: Study, wanted: str | None) -> Path:
    """The journal of the recording that is meant."""
    from acquire.recorder.control import state_path

    found = sorted(study.journals_dir.glob("*.journal"))
    journals = [journal for journal in found if state_path(journal).exists() and _is_held(journal)]
    names = ", ".join(journal.stem for journal in journals)
    if not journals:
        fail(f"No recording is under way in {study.path}; begin one with trilead record, or see trilead recover.")
    if wanted is None and len(journals) > 1:
        fail(f"Several recordings are under way ({names}); say which with --recording.")
    chosen = [journal for journal in journals if wanted in (None, journal.stem)]
    if not chosen:
        fail(f"No recording {str(wanted)[:60]!r} is under way; there is {names}.")
    return chosen[0]


class _Follower:
    """Asks one recorder again and again; a busy one is given some seconds, and a lost connection is made anew."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._client: ControlClient | None = None

    def status(self) -> RecorderStatus | None:
        """What it does; None when there is no recorder any more."""
        from acquire.errors import RecorderError
        from acquire.recorder.control import connect

        limit_s = time.monotonic() + _BUSY_LIMIT_S
        while True:
            try:
                self._client = self._client or connect(self._journal)
                return self._client.request("status")
            except RecorderError:
                self.close()
                if not _is_held(self._journal) or time.monotonic() > limit_s:
                    return None
                time.sleep(LOOK_INTERVAL_S)

    def close(self) -> None:
        """Hang up; a second time does nothing."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _is_held(journal: Path) -> bool:
    """Whether a living recorder has a journal."""
    from acquire.files import is_held

    try:
        return is_held(journal)
    except OSError:
        # It was finished meanwhile.
        return False


def _tell_end(study: Study, journal: Path) -> None:
    """What became of a recording that was watched to its end."""
    file = study.recordings_dir / f"{journal.stem}.h5"
    limit_s = time.monotonic() + _BUSY_LIMIT_S
    while _is_held(journal) and time.monotonic() < limit_s:
        # Between the recorder's last word and its last deed.
        time.sleep(LOOK_INTERVAL_S)
    if file.exists() and not journal.exists():
        console.print(Text(f"The recording {journal.stem} has ended; its file is {file}."))
    else:
        fail(
            f"The recorder of {journal.stem} has gone without finishing; what it recorded is in its journal: run"
            f" trilead recover {study.path}"
        )
