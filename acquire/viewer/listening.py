"""Listening to a board before a recording, through a process of its own: see ``acquire.checks.listener``.

The board, which may block or bring its driver down, never touches this process. Here a plain thread reads what the
listener says, and whoever shows it asks for the newest state.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, Self, get_args

from acquire.checks.findings import Finding, when_gone
from acquire.checks.listener import JOURNAL_NAME, SCRATCH_PREFIX, ListenerConfig
from acquire.checks.live import LeadState
from acquire.errors import RecorderError, RecorderErrorReason
from acquire.files import is_held
from acquire.recorder.child import child_environment, module_command
from acquire.study import Study

__all__ = ["Listening", "ListeningPhase", "ListeningState"]

ListeningPhase = Literal["reaching", "contact", "signal", "listening", "silent", "failed"]

PATIENCE_S = 2.0
"""How long a listener that was told to stop may take; it ends itself a little before that."""
_FORGOTTEN_S = 2 * 3600.0
_MAX_LINE = 1 << 20
_UNKNOWN_LEAD = {**asdict(LeadState(lead="", settled=False, words="")), "judgement": "skipped"}


@dataclass(frozen=True, kw_only=True)
class ListeningState:
    """How the listening goes.

    Attributes:
        phase: reaching the board, measuring its contact, judging five seconds of its signal, listening on, waiting for
            one that has fallen silent; or failed.
        words: what is being done, as a clause; where it failed, why, as a sentence.
        share: how much of the phase is done, 0 to 1.
        findings: what was found so far, in the order in which an operator goes about things; judged anew while it
            listens on.
        leads: each lead's state as ``acquire.checks.live.LeadState`` in JSON values, fresh about twice a second; their
            judgement is "skipped" once nothing comes any more.
        reached: whether the board was there.
        stood_at: when its signal stopped, UTC; None while it comes, or never came.
    """

    phase: ListeningPhase = "reaching"
    words: str = "reaching the board"
    share: float = 0.0
    findings: tuple[Finding, ...] = ()
    leads: tuple[Mapping[str, Any], ...] = ()
    reached: bool = False
    stood_at: datetime | None = None


class Listening:
    """A board that is listened to; make one with ``start``.

    Attributes:
        journal: what is heard, for a ``JournalFeed``; it appears when the board is reached and goes at ``close``.
    """

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes], journal: Path) -> None:
        self.journal = journal
        self._process = process
        self._complaints = complaints
        self._state = ListeningState()
        self._closing = False
        self._closed = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="listening", daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, study: Study, board: str, protocol: str, *, subject: str = "", session: str = "") -> Self:
        """Start a listener process; it takes as long as starting a process does.

        Args:
            study: whose mains frequency, montage, disk and journals are looked at.
            board: address.
            protocol: shipped name or a path ending in .toml.
            subject: whose heart a simulated board shows.
            session: where it has its electrodes.

        Raises:
            RecorderError: there is no room for the scratch journal, or no process can be started.
        """
        _sweep()
        try:
            folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX))
        except OSError as error:
            raise RecorderError(
                f"No folder for temporary files can be made: {error.strerror or error}; free some space.",
                reason=RecorderErrorReason.NOT_STARTED,
            ) from error
        journal = folder / JOURNAL_NAME
        config = ListenerConfig(
            study=str(study.path.resolve()),
            board=board,
            protocol=protocol,
            journal=str(journal),
            subject=subject,
            session=session,
        )
        try:
            complaints = tempfile.TemporaryFile()
            process = subprocess.Popen(
                module_command("acquire.checks.listener"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=child_environment(),
                # Ctrl-C in the terminal is for the window, which then ends the listening properly.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RecorderError(
                f"The listener process cannot be started: {error.strerror or error}; run trilead doctor.",
                reason=RecorderErrorReason.NOT_STARTED,
            ) from error
        listening = cls(process, complaints, journal)
        listening._tell(json.dumps(asdict(config)))
        return listening

    def state(self) -> ListeningState:
        """How it goes; never waits. What was said of a board that sends nothing any more is not said any longer."""
        state = self._state
        if state.phase in ("silent", "failed"):
            return _without_live(state)
        return state

    def close(self) -> None:
        """End it; the board is free when this returns, after at most two and a half seconds. Twice does nothing."""
        with self._closed:
            if self._closing:
                return
            self._closing = True
            self._tell("stop")
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                # The operating system lets go of the board for it.
                self._process.kill()
                self._process.wait()
            self._reader.join()
            self._complaints.close()
            shutil.rmtree(self.journal.parent, ignore_errors=True)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        # One that has ended says why on its way out.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line.encode("utf-8", "replace") + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            while line := stdout.readline(_MAX_LINE):
                self._take(line)
        code = self._process.wait()
        if self._state.phase != "failed" and not self._closing:
            self._complaints.seek(0)
            said = self._complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            words = f"The listener {how}{f' ({said})' if said else ''}; check again."
            self._fail(words, culprit="listener")

    def _fail(self, words: str, *, culprit: str) -> None:
        state = self._state
        # Where the board was never reached, or was lost before, the listener's own findings say so already.
        is_told = any(finding.state == "bad" and finding.words == words for finding in state.findings)
        findings = state.findings if is_told or not state.reached else when_gone(state.findings, words, culprit=culprit)
        self._state = replace(
            state, phase="failed", words=words, findings=findings, stood_at=self._stood_at(state.reached)
        )

    def _stood_at(self, stands: bool) -> datetime | None:
        """When the signal stopped, where it stands."""
        if not stands:
            return None
        return self._state.stood_at or datetime.now(UTC)

    def _take(self, line: bytes) -> None:
        """Take over what the listener says; what a driver prints in between is no concern of anybody."""
        try:
            said = json.loads(line)
            if "phase" in said and said["phase"] in get_args(ListeningPhase):
                self._state = replace(
                    self._state,
                    phase=said["phase"],
                    words=str(said["words"]),
                    share=float(said["share"]),
                    reached=self._state.reached or said["phase"] != "reaching",
                    stood_at=self._stood_at(said["phase"] == "silent"),
                )
            elif "findings" in said:
                findings = tuple(Finding(**finding) for finding in said["findings"])
                self._state = replace(self._state, findings=findings)
            elif "leads" in said:
                self._state = replace(self._state, leads=tuple(map(dict, said["leads"])))
            elif "error" in said:
                self._fail(str(said["error"]), culprit="board")
        except (ValueError, TypeError, KeyError, RecursionError):
            return


def _without_live(state: ListeningState) -> ListeningState:
    """The same without what was true of a signal that comes no more."""
    if not state.reached:
        return state
    leads = tuple(
        {**_UNKNOWN_LEAD, "lead": lead.get("lead", ""), "derived": lead.get("derived", False)} for lead in state.leads
    )
    findings = state.findings
    if state.phase == "silent":
        words = f"{state.words[:1].upper()}{state.words[1:]}."
        findings = when_gone(findings, words)
    return replace(state, leads=leads, findings=findings)


def _sweep() -> None:
    """Remove what a computer that lost its power left of an earlier listening."""
    with contextlib.suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*"):
            with contextlib.suppress(OSError):
                journal = folder / JOURNAL_NAME
                if time.time() - folder.stat().st_mtime > _FORGOTTEN_S and not (journal.exists() and is_held(journal)):
                    shutil.rmtree(folder, ignore_errors=True)
