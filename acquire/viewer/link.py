"""A window's line to the recorder: what it is doing, commands to it, and how it ended.

Two threads do the waiting, one for the status and one for commands, so that a command which the recorder takes its
time for blinds nobody. Nothing here stops a recorder but the command to stop.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from acquire.errors import RecorderError, RecorderErrorReason
from acquire.files import is_held
from acquire.recorder.control import COMMANDS, DRAFTS, ControlClient, RecorderStatus, connect
from acquire.recorder.launch import RecorderProcess
from acquire.recordings.finish import RecordingSummary

__all__ = ["Ended", "Outcome", "RecorderLink"]

ASK_EVERY_S = 0.1
STATUS_TIMEOUT_S = 1.0
COMMAND_TIMEOUT_S = 20.0
REACH_PATIENCE_S = 2.0
"""For so long a command waits for a recorder that does not listen yet, or for a moment."""

GONE_AFTER_S = 0.3
"""A recorder that has let go of its journal may take so long to remove it."""

FIRST_PATIENCE_S = 2.0
"""A recorder that somebody else starts may take so long to make its journal."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a command.

    Attributes:
        command: as it was sent.
        text: that went with it.
        error: why it was not obeyed, as a sentence; "" where it was.
    """

    command: str
    text: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a recording ended.

    Attributes:
        summary: of the recording; None where its recorder could not be asked, or there is none.
        recording: the recording file; None where there is none.
        error: what went wrong, as a sentence; "" where nothing did.
        orphan: a journal that is left behind for recovery, or None.
    """

    summary: RecordingSummary | None
    recording: Path | None
    error: str
    orphan: Path | None


class RecorderLink:
    """Follows one recorder until it has ended; nothing that is asked of it waits.

    Args:
        journal: what the recorder writes.
        process: the recorder, where this process has started it; its end is told from the process. None where somebody
            else did, as when a window is opened again: its end is told from its journal.
    """

    def __init__(self, journal: Path, process: RecorderProcess | None) -> None:
        self._journal = journal
        self._process = process
        self._begun_s = time.monotonic()
        self._answered_s = self._begun_s
        self._status: RecorderStatus | None = None
        self._ended: Ended | None = None
        self._commands: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._closing = threading.Event()
        self._ask = _Line(journal, STATUS_TIMEOUT_S)
        self._tell = _Line(journal, COMMAND_TIMEOUT_S)
        self._threads = [
            threading.Thread(target=self._follow, name="recorder-status", daemon=True),
            threading.Thread(target=self._command, name="recorder-commands", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def status(self) -> RecorderStatus | None:
        """What the recorder said last; None before it said anything."""
        return self._status

    @property
    def answered_s_ago(self) -> float:
        """How long ago it said that, or how long it has been waited for."""
        return time.monotonic() - self._answered_s

    @property
    def ended(self) -> Ended | None:
        """How the recording ended; None while it goes on."""
        return self._ended

    def send(self, command: str, text: str = "") -> None:
        """Send a command; its outcome comes later. Commands are obeyed in the order they are sent.

        Args:
            command: one of ``acquire.recorder.control.COMMANDS`` or ``DRAFTS``.
            text: of a mark, note or draft.

        Raises:
            ValueError: there is no such command.
        """
        if command not in (*COMMANDS, *DRAFTS):
            raise ValueError(f"there is no command {command[:40]!r}; there are {', '.join(COMMANDS)}")
        self._commands.put((command, text))

    def outcomes(self) -> list[Outcome]:
        """What became of commands since the last call, in order."""
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._outcomes.popleft())
        return taken

    def close(self) -> None:
        """Hang up and end the threads; the recorder goes on."""
        self._closing.set()
        self._commands.put(None)
        self._ask.cut()
        self._tell.cut()
        for thread in self._threads:
            thread.join()

    # On the status thread.

    def _follow(self) -> None:
        while not self._closing.is_set():
            if (status := self._ask.status()) is not None:
                self._status = status
                self._answered_s = time.monotonic()
            elif not self._closing.is_set() and (ended := self._look_for_end()) is not None:
                self._ended = ended
                break
            self._closing.wait(ASK_EVERY_S)
        self._ask.hang_up()

    def _look_for_end(self) -> Ended | None:
        """How it ended, if it has; asked only while it does not answer."""
        if self._process is None:
            return self._end_by_journal()
        if not self._process.wait(0):
            return None
        try:
            summary = self._process.result()
        except RecorderError as error:
            return Ended(summary=None, recording=None, error=str(error), orphan=error.journal)
        return Ended(summary=summary, recording=summary.path, error="", orphan=None)

    def _end_by_journal(self) -> Ended | None:
        if self._is_written():
            return None
        nobody_yet = self._status is None and not self._journal.exists()
        # Between the recorder's letting go of the journal and its removal; before that, until it is made at all.
        limit_s = time.monotonic() + (FIRST_PATIENCE_S if nobody_yet else GONE_AFTER_S)
        while time.monotonic() < limit_s and (nobody_yet or self._journal.exists()):
            if self._closing.wait(0.01) or self._is_written():
                return None
            if nobody_yet and self._recording().exists():
                break
        orphan = self._journal if self._journal.exists() else None
        recording = self._recording() if self._recording().exists() else None
        study = self._journal.parent.parent
        if orphan is not None and recording is None:
            error = (
                f"The recorder of {self._journal.stem} has gone without finishing; what it recorded is in its journal:"
                f" run trilead recover {study}"
            )
        elif recording is None and not self._journal.parent.exists():
            error = (
                f"The folder {self._journal.parent} is gone, and the recording's journal with it; if it was moved, put"
                " it back and recover the recording there."
            )
        elif recording is None:
            error = f"Nobody records {self._journal.stem}, and there is no recording of that name; look into {study}."
        else:
            error = ""
        return Ended(summary=None, recording=recording, error=error, orphan=orphan)

    def _is_written(self) -> bool:
        """Whether somebody lives who writes the journal, or makes a recording of it."""
        try:
            return is_held(self._journal)
        except FileNotFoundError:
            return False
        except OSError:
            # It cannot be told; a journal that is there may be written.
            return self._journal.exists()

    def _recording(self) -> Path:
        return self._journal.parent.parent / "recordings" / f"{self._journal.stem}.h5"

    # On the command thread.

    def _command(self) -> None:
        while (sent := self._commands.get()) is not None and not self._closing.is_set():
            command, text = sent
            self._outcomes.append(Outcome(command=command, text=text, error=self._carry_out(command, text)))
        self._tell.hang_up()

    def _carry_out(self, command: str, text: str) -> str:
        """Send a command; "" or why it was not obeyed."""
        limit_s = time.monotonic() + REACH_PATIENCE_S
        while True:
            if self._ended is not None:
                return f"The command {command} came too late: the recording has ended."
            try:
                client = self._tell.client()
            except RecorderError as error:
                if time.monotonic() > limit_s or self._closing.wait(0.02):
                    return str(error)
                continue
            try:
                client.request(command, text)
            except RecorderError as error:
                # Whether it was obeyed is not known where no answer came, so it is not sent a second time.
                if error.reason is not RecorderErrorReason.REFUSED:
                    self._tell.hang_up()
                return str(error)
            return ""


class _Line:
    """One connection, made when it is needed; all but ``cut`` is for one thread."""

    def __init__(self, journal: Path, timeout_s: float) -> None:
        self._journal = journal
        self._timeout_s = timeout_s
        self._client: ControlClient | None = None
        self._lock = threading.Lock()
        self._is_cut = False

    def client(self) -> ControlClient:
        """The connection.

        Raises:
            RecorderError: nobody listens.
        """
        if self._client is None:
            client = connect(self._journal, timeout_s=self._timeout_s)
            with self._lock:
                self._client = client
                if self._is_cut:
                    client.interrupt()
        return self._client

    def status(self) -> RecorderStatus | None:
        """What the recorder does; None where it does not answer."""
        try:
            return self.client().request("status")
        except RecorderError:
            self.hang_up()
            return None

    def hang_up(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def cut(self) -> None:
        """Let whoever waits for an answer wait no longer; from any thread, for good."""
        with self._lock:
            self._is_cut = True
            if self._client is not None:
                self._client.interrupt()
