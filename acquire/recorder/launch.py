"""Starting a recorder process, and following it to its end."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from acquire.boards.board import open_board
from acquire.errors import RecorderError, RecorderErrorReason, StudyError
from acquire.recorder.child import child_environment, module_command
from acquire.recorder.control import ControlClient, RecorderStatus, connect, one_line, state_path
from acquire.recorder.process import RecorderConfig
from acquire.recordings.finish import RecordingSummary
from acquire.study import Study
from protocols.script import LoadedScript, load_script

__all__ = [
    "MAX_OPERATOR",
    "STALL_LIMIT_S",
    "RecorderProcess",
    "RecordingSummary",
    "prepare",
    "record_headless",
    "start_recorder",
]

STALL_LIMIT_S = 120.0
MAX_OPERATOR = 64
"""Characters that an operator's initials or code may have."""
MAX_REMARKS = 100
FOLLOW_INTERVAL_S = 0.1
_LISTEN_S = 0.2
_left_running: list[subprocess.Popen[bytes]] = []
"""Recorders that record on though nobody follows them; kept so that they are not left as zombies."""


def record_headless(
    study: Study,
    *,
    subject: str,
    board: str | None = None,
    session: str | None = None,
    protocol: str | None = None,
    operator: str = "",
    factors: Mapping[str, str] | None = None,
    stall_limit_s: float = STALL_LIMIT_S,
    lsl_outlet: bool = False,
    on_status: Callable[[RecorderStatus], None] | None = None,
    stop: threading.Event | None = None,
) -> RecordingSummary:
    """Record one protocol without a window, in a recorder process of its own.

    Ctrl-C stops the recording cleanly; its file is complete up to there.

    Args:
        study: where the recording goes.
        subject: pseudonym; added to subjects.csv if it is not there yet.
        board: address; the study's default when None.
        session: label, or "new" for the next number; the subject's latest (or 01) when None.
        protocol: shipped name or a path ending in .toml; the study's default when None.
        operator: initials or a code.
        factors: factor → level, of those that study.toml names.
        stall_limit_s: end cleanly when no samples arrive for this long; 0 to wait for ever.
        lsl_outlet: send what is recorded over LSL as well.
        on_status: called about ten times a second with what the recorder is doing.
        stop: set it to stop the recording cleanly.

    Raises:
        TrileadError: nothing was recorded, or the recording file could not be made.
    """
    config = prepare(
        study,
        subject=subject,
        board=board,
        session=session,
        protocol=protocol,
        operator=operator,
        factors=factors,
        stall_limit_s=stall_limit_s,
        lsl_outlet=lsl_outlet,
    )
    study.add_subject(subject)
    recorder = start_recorder(config)
    interrupted = asked = False
    try:
        while True:
            try:
                status = recorder.status()
                if status is not None and on_status is not None:
                    on_status(status)
                if not asked and (interrupted or (stop is not None and stop.is_set())):
                    asked = recorder.stop()
                if recorder.wait(FOLLOW_INTERVAL_S):
                    return recorder.result()
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
    except BaseException:
        # Nobody follows it any more; it may not go on unseen.
        recorder.process.terminate()
        raise


def prepare(
    study: Study,
    *,
    subject: str,
    board: str | None = None,
    session: str | None = None,
    protocol: str | None = None,
    operator: str = "",
    factors: Mapping[str, str] | None = None,
    stall_limit_s: float = STALL_LIMIT_S,
    lsl_outlet: bool = False,
    remarks: Sequence[str] = (),
    script: LoadedScript | None = None,
) -> RecorderConfig:
    """Check what a recording shall be, and settle what was left open.

    Args:
        study: as all that is not told here, see ``record_headless``.
        subject: likewise.
        board: likewise.
        session: likewise.
        protocol: likewise.
        operator: likewise.
        factors: likewise.
        stall_limit_s: likewise.
        lsl_outlet: likewise.
        remarks: what the recording shall say of its beginning, such as why it was begun though something was bad; each
            becomes an event of kind ``preflight``, on one line and of bounded length.
        script: what is played, where it was loaded already; ``protocol`` is not looked at then.

    Raises:
        TrileadError: something of it cannot be.
    """
    script = script or load_script(protocol if protocol is not None else study.protocol_source)
    session = study.choose_session(subject, session).label
    run = study.next_run(subject, session)
    recording = study.recording_path(subject, session, run)
    address = board if board is not None else study.board
    # Only made, not opened: an address with a mistake in it is found before anything is written.
    open_board(address, subject=subject, session=session, mains_hz=study.mains_hz)
    _check_factors(study, factors or {})
    if len(operator) > MAX_OPERATOR or not operator.isprintable():
        raise StudyError(
            f"The operator is {operator[:70]!r}; use initials or a code of at most {MAX_OPERATOR} characters on one"
            " line.",
            path=study.path,
            field="operator",
            value=operator,
        )
    try:
        study.journals_dir.mkdir(exist_ok=True)
        study.recordings_dir.mkdir(exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"{study.path} cannot be written: {error.strerror or error}; look at its permissions and its disk.",
            path=study.path,
        ) from error
    return RecorderConfig(
        recording_id=str(uuid.uuid4()),
        subject=subject,
        session=session,
        run=run,
        operator=operator,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        mains_hz=study.mains_hz,
        factors=dict(factors or {}),
        board=address,
        montage={lead: dict(weights) for lead, weights in study.montage.items()},
        protocol_name=script.name,
        protocol_text=script.text,
        journal=str(study.journal_path(subject, session, run).resolve()),
        recording=str(recording.resolve()),
        stall_limit_s=stall_limit_s,
        lsl_outlet=lsl_outlet,
        remarks=tuple(line for line in map(one_line, remarks[:MAX_REMARKS]) if line),
    )


def _check_factors(study: Study, factors: Mapping[str, str]) -> None:
    file = study.path / "study.toml"
    for factor, level in factors.items():
        if factor not in study.factors:
            known = ", ".join(study.factors) or "none yet"
            raise StudyError(
                f"{file} names no factor {factor[:40]!r} (known: {known}); add it under [factors].",
                path=file,
                field=factor,
                value=level,
            )
        if level not in study.factors[factor]:
            raise StudyError(
                f"{file}: the factor {factor} has no level {level[:40]!r}; its levels are"
                f" {', '.join(study.factors[factor])}.",
                path=file,
                field=factor,
                value=level,
            )


def start_recorder(config: RecorderConfig) -> RecorderProcess:
    """Start a recorder process; it goes on when this process ends.

    Raises:
        RecorderError: the operating system cannot start it.
    """
    _left_running[:] = [left for left in _left_running if left.poll() is None]
    # A file without a name, and not a pipe, so that the recorder can complain even when nobody listens any more.
    complaints = tempfile.TemporaryFile()
    try:
        process = subprocess.Popen(
            module_command("acquire.recorder.process", "-"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=child_environment(),
            # Ctrl-C in the terminal must reach this process only, which then stops the recorder cleanly.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except OSError as error:
        complaints.close()
        raise RecorderError(
            f"The recorder process cannot be started: {error.strerror or error}; run trilead doctor.",
            reason=RecorderErrorReason.NOT_STARTED,
        ) from error
    assert process.stdin is not None
    # One that died at once says why on its way out.
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(json.dumps(asdict(config)).encode())
    return RecorderProcess(process, complaints, Path(config.journal))


class RecorderProcess:
    """A recorder that this process has started.

    Attributes:
        process: the process itself.
        journal: what it writes while it records.
    """

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes], journal: Path) -> None:
        self.process = process
        self.journal = journal
        self._complaints = complaints
        self._client: ControlClient | None = None
        self._said = b""
        self._gone = threading.Event()
        # What it says at its end may be more than a pipe holds, and it may not be kept waiting there.
        self._listener = threading.Thread(target=self._listen, name="outcome", daemon=True)
        self._listener.start()

    def status(self) -> RecorderStatus | None:
        """What the recorder is doing; None before it listens and after it has ended."""
        try:
            return self._reach("status")
        except RecorderError:
            return None

    def command(self, name: str, text: str = "") -> RecorderStatus | None:
        """Send one of ``acquire.recorder.control.COMMANDS``.

        Returns:
            The status after it, or None when the recorder does not listen yet or any more.

        Raises:
            RecorderError: the recorder refuses.
        """
        return self._reach(name, text)

    def stop(self) -> bool:
        """Ask for a clean end; False when the recorder does not listen yet, so that it must be asked again."""
        if self.process.poll() is not None:
            return True
        try:
            return self._reach("stop") is not None
        except RecorderError:
            # It refuses only when there is nothing left to stop.
            return True

    def wait(self, timeout_s: float) -> bool:
        """Wait for the process to end; whether it has."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def result(self) -> RecordingSummary:
        """Wait for the end, and say what came of it.

        Raises:
            RecorderError: there is no recording file, and why.
        """
        self._listener.join()
        last_line = self._said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        with self._complaints as complaints:
            code = self.process.wait()
            complaints.seek(0)
            complaint = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        self._hang_up()
        try:
            outcome = json.loads(last_line)
            if "summary" in outcome:
                return RecordingSummary.from_values(outcome["summary"])
            sentence, reason = str(outcome["error"]), RecorderErrorReason(outcome["reason"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._died(code, complaint) from error
        raise RecorderError(sentence, reason=reason, journal=self.journal if self.journal.exists() else None)

    def close(self) -> None:
        """Follow it no longer: it records on, and its result cannot be asked for any more."""
        self._gone.set()
        if sys.platform != "win32":
            self._listener.join()
        self._complaints.close()
        self._hang_up()
        if self.process.poll() is None:
            _left_running.append(self.process)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            if sys.platform == "win32":  # which cannot wait for a pipe and a time at once
                self._said = stdout.read()
                return
            with selectors.DefaultSelector() as waiting:
                waiting.register(stdout, selectors.EVENT_READ)
                while not self._gone.is_set():
                    if waiting.select(_LISTEN_S):
                        if not (piece := os.read(stdout.fileno(), 1 << 16)):
                            break
                        self._said += piece

    def _died(self, code: int, complaint: str) -> RecorderError:
        kept = self.journal.exists()
        why = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        said = f" ({complaint[:300]})" if complaint else ""
        study = self.journal.parent.parent
        if kept:
            mend = f"what it recorded is in its journal: run trilead recover {study}"
        elif study.exists():
            mend = "nothing was recorded: try again"
        else:
            mend = f"the folder {study} is gone: if it was moved, put it back and recover the recording there"
        return RecorderError(
            f"The recorder {why}{said}; {mend}.",
            reason=RecorderErrorReason.DIED,
            journal=self.journal if kept else None,
        )

    def _reach(self, command: str, text: str = "") -> RecorderStatus | None:
        if self.process.poll() is not None:
            return None
        try:
            if self._client is None:
                if not state_path(self.journal).exists():
                    return None
                self._client = connect(self.journal)
            return self._client.request(command, text)
        except RecorderError as error:
            if error.reason is RecorderErrorReason.REFUSED:
                raise
            self._hang_up()
            return None

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
