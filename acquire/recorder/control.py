"""Talking to a recorder: one JSON object a line, over a loopback socket, with a token that only this recording knows.

A request is ``{"token": …, "command": …, "text": …}``; ``text`` goes with ``mark``, ``note`` and ``draft``. The answer
is ``{"ok": true, "status": {…}}`` with the status after the command, or ``{"ok": false, "error": "a sentence"}``.
A draft ends with the connection that told it.
Whoever sends a wrong token, a line that is no request or a line of more than 64 KiB is answered once and cut off.
Whoever has not shown the token is given little time and no place among those that have: a port on loopback is open to
every program of the computer, and none of them may keep the operator out.
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import json
import os
import queue
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from acquire.errors import RecorderError, RecorderErrorReason
from acquire.files import write_new
from acquire.recorder.commands import COMMANDS, DRAFTS, GONE, MAX_TEXT, Command, checked_text, one_line

__all__ = [
    "COMMANDS",
    "DRAFTS",
    "GONE",
    "MAX_TEXT",
    "Command",
    "ControlClient",
    "ControlServer",
    "RecorderStatus",
    "checked_text",
    "connect",
    "one_line",
    "state_path",
]

MAX_LINE_BYTES = 64 * 1024
MAX_CONNECTIONS = 16
"""Connections that have shown the token."""
MAX_STRANGERS = 32
"""Connections that have not yet; one more, and the oldest of them is cut off."""
STRANGER_S = 1.5
_ANSWER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class RecorderStatus:
    """What a recorder is doing, for showing.

    Attributes:
        state: starting, recording, paused, stalled (no samples arrive, so the protocol stands still), reconnecting
            (they do not, and the board is reached for anew) or finishing.
        n_samples: samples in the journal, gaps included.
        rate_hz: nominal sampling rate.
        position: 0-based place in the plan.
        n_steps: entries of the plan, repeats and rests included.
        step: 1-based number of the script's step; 0 before the start and after the end.
        activity: what the subject does; "" in a rest.
        instruction: what the subject is told.
        next_instruction: what comes then, or "".
        remaining_s: what is left of this entry, by the sample clock.
        elapsed_s: since the start, by the sample clock.
        gaps: how many times samples were lost.
        lost_samples: how many samples that were.
        stalled_s: for how long no samples have arrived, by the host's clock; 0 while they do.
        message: while something is wrong, what it is and how to mend it; else "".
        bad_bytes: of what came over the link, those that belong to no sound frame.
        reconnects: how often the board was reached again.
        disk_left_s: how long the recording can go on before the disk's reserve is touched, by the sample clock.
        fitted_rate_hz: the true sampling rate as far as it is known; 0 before.
        drift_ppm: how much faster than its nominal rate the board samples, in millionths; 0 before that is known.
        awake: whether the system has agreed not to sleep meanwhile.
        paused: whether the operator has paused it, whatever else goes on.
        leads: how good each lead's signal is, as ``dataclasses.asdict`` of ``acquire.checks.live.LeadState``.
    """

    state: str
    n_samples: int = 0
    rate_hz: float = 0.0
    position: int = 0
    n_steps: int = 0
    step: int = 0
    activity: str = ""
    instruction: str = ""
    next_instruction: str = ""
    remaining_s: float = 0.0
    elapsed_s: float = 0.0
    gaps: int = 0
    lost_samples: int = 0
    stalled_s: float = 0.0
    message: str = ""
    bad_bytes: int = 0
    reconnects: int = 0
    disk_left_s: float = 0.0
    fitted_rate_hz: float = 0.0
    drift_ppm: float = 0.0
    awake: bool = False
    paused: bool = False
    leads: tuple[dict[str, Any], ...] = ()


class ControlServer:
    """Answers status and takes commands, on threads of its own, until it is closed.

    Args:
        state_file: gets the port and the token, readable by its owner only; it goes when the server is closed.
        status: gives the present status; called from other threads.
    """

    def __init__(self, state_file: Path, status: Callable[[], RecorderStatus]) -> None:
        self._token = secrets.token_hex(32)
        self._status = status
        self._state_file = state_file
        self._commands: queue.Queue[Command] = queue.Queue(maxsize=64)
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._strangers = _Strangers()
        self._sources = itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), self._converse)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="control", daemon=True
        )

    def __enter__(self) -> Self:
        """Listen, and say where.

        Raises:
            RecorderError: the state file cannot be written.
        """
        state = {"port": self._server.server_address[1], "token": self._token, "pid": os.getpid()}
        try:
            # One may be left of a recorder that was killed; whoever holds the journal's lock owns this name.
            self._state_file.unlink(missing_ok=True)
            write_new(self._state_file, json.dumps(state).encode(), mode=0o600)
        except OSError as error:
            self._server.server_close()
            raise RecorderError(
                f"{self._state_file} cannot be written: {error.strerror or error}; mend the folder's permissions.",
                reason=RecorderErrorReason.NOT_STARTED,
            ) from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._state_file.unlink(missing_ok=True)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.refuse_waiting("the recording has ended")

    def next_command(self) -> Command | None:
        """The oldest command not yet obeyed, or None; whoever takes it must answer it."""
        try:
            return self._commands.get_nowait()
        except queue.Empty:
            return None

    def refuse_waiting(self, reason: str) -> None:
        """Answer every waiting command with a refusal."""
        while (command := self.next_command()) is not None:
            command.answer(f"The command {command.name} came too late: {reason}.")

    def _converse(self, stream: socketserver.StreamRequestHandler) -> None:
        with self._strangers.admitted(stream.connection):
            request = self._understood(stream.rfile.readline(MAX_LINE_BYTES + 1))
        if isinstance(request, str):
            _send(stream, {"ok": False, "error": request})
            return
        if not self._places.acquire(blocking=False):
            words = (
                f"{MAX_CONNECTIONS} programs are connected to this recorder, which is the most; end a trilead watch."
            )
            _send(stream, {"ok": False, "error": words})
            return
        source, drafted = next(self._sources), False
        try:
            # A window may be told nothing for an hour; whoever is gone has hung up, as this is no network.
            stream.connection.settimeout(None)
            while True:
                if isinstance(request, str):
                    _send(stream, {"ok": False, "error": request})
                    return
                drafted = drafted or request[0] == "draft"
                _send(stream, self._answer(*request, source))
                if not (line := stream.rfile.readline(MAX_LINE_BYTES + 1)):
                    return
                request = self._understood(line)
        finally:
            self._places.release()
            if drafted:
                with contextlib.suppress(queue.Full):
                    self._commands.put(Command(name=GONE, text="", source=source), timeout=_ANSWER_S)

    def _understood(self, line: bytes) -> tuple[str, str] | str:
        """The command and text of a line, or why whoever sent it is cut off."""
        if len(line) > MAX_LINE_BYTES:
            return f"A request is longer than {MAX_LINE_BYTES} bytes."
        try:
            request = json.loads(line)
            token, name, text = request["token"], request["command"], request.get("text", "")
            if not all(isinstance(value, str) for value in (token, name, text)):
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return "A request is a JSON object with a token, a command and perhaps a text."
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return "The token is not the one of this recording."
        return name, text

    def _answer(self, name: str, text: str, source: int) -> dict[str, Any]:
        if name == "status":
            return {"ok": True, "status": asdict(self._status())}
        if name not in (*COMMANDS, *DRAFTS):
            return {"ok": False, "error": f"There is no command {name[:40]!r}; there are {', '.join(COMMANDS)}."}
        try:
            return self._obey(Command(name=name, text=checked_text(name, text), source=source))
        except RecorderError as error:
            return {"ok": False, "error": str(error)}

    def _obey(self, command: Command) -> dict[str, Any]:
        try:
            self._commands.put_nowait(command)
            error = command.wait(_ANSWER_S)
        except (queue.Full, queue.Empty):
            error = f"The recorder is too busy for the command {command.name}; try again."
        if error:
            return {"ok": False, "error": error}
        return {"ok": True, "status": asdict(self._status())}


class ControlClient:
    """One connection to a recorder; used as a context manager it is closed at the end.

    Args:
        port: on the loopback interface.
        token: of this recording.
        timeout_s: how long an answer may take.

    Raises:
        RecorderError: nobody listens there.
    """

    def __init__(self, port: int, token: str, *, timeout_s: float = 2 * _ANSWER_S) -> None:
        self._token = token
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        except (OSError, OverflowError) as error:
            raise _no_answer() from error
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; a second time does nothing."""
        self._stream.close()
        self._socket.close()

    def interrupt(self) -> None:
        """End the waiting of another thread that asked for something; nothing can be asked any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def request(self, command: str, text: str = "") -> RecorderStatus:
        """Send ``status`` or one of ``COMMANDS`` or ``DRAFTS``; the status after it comes back.

        Raises:
            RecorderError: the recorder refuses, or does not answer.
        """
        if command in (*COMMANDS, *DRAFTS):
            text = checked_text(command, text)
        # As it is, and not in escapes, the longest text fits into a line.
        line = json.dumps({"token": self._token, "command": command, "text": text}, ensure_ascii=False) + "\n"
        try:
            self._socket.sendall(line.encode())
            answer = json.loads(self._stream.readline(MAX_LINE_BYTES + 1))
            if answer["ok"]:
                known = {item.name for item in fields(RecorderStatus)}
                return RecorderStatus(**{name: value for name, value in answer["status"].items() if name in known})
            refusal = str(answer["error"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _no_answer() from error
        raise RecorderError(refusal, reason=RecorderErrorReason.REFUSED)


def state_path(journal: Path) -> Path:
    """Where the recorder of a journal says how to reach it."""
    return journal.with_suffix(".state")


def connect(journal: Path, *, timeout_s: float = 2 * _ANSWER_S) -> ControlClient:
    """Reach the recorder that writes a journal.

    Args:
        journal: which it writes.
        timeout_s: how long an answer may take.

    Raises:
        RecorderError: there is none, or it does not answer.
    """
    try:
        state = json.loads(state_path(journal).read_bytes())
        port, token = int(state["port"]), str(state["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_answer() from error
    return ControlClient(port, token, timeout_s=timeout_s)


def _no_answer() -> RecorderError:
    return RecorderError(
        "The recorder does not answer; look whether the recording has finished, or run trilead recover.",
        reason=RecorderErrorReason.NO_ANSWER,
    )


def _send(stream: socketserver.StreamRequestHandler, answer: dict[str, Any]) -> None:
    stream.wfile.write(json.dumps(answer).encode() + b"\n")


class _Strangers:
    """The connections that have not shown the token; there are never more than ``MAX_STRANGERS``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[socket.socket, float] = {}

    @contextlib.contextmanager
    def admitted(self, stranger: socket.socket) -> Iterator[None]:
        """Count one more, and cut off those that take too long, or the oldest where there are too many."""
        now_s = time.monotonic()
        with self._lock:
            self._since[stranger] = now_s
            surplus = len(self._since) - MAX_STRANGERS
            for place, (other, since_s) in enumerate(self._since.items()):
                if place < surplus or now_s - since_s > STRANGER_S:
                    with contextlib.suppress(OSError):
                        other.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            with self._lock:
                del self._since[stranger]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = MAX_STRANGERS
    block_on_close = False

    def __init__(self, address: tuple[str, int], converse: Callable[[socketserver.StreamRequestHandler], None]) -> None:
        self.converse = converse
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let somebody hang up or go silent in the middle of a sentence: their loss, not the recording's."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(socketserver.StreamRequestHandler):
    timeout = STRANGER_S

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.converse(self)
