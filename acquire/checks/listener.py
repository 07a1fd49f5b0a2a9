"""The listener process: it holds a board, checks it, and goes on listening until whoever started it has seen enough.

Started as ``python -m acquire.checks.listener``. The first line on standard input is its configuration in JSON
(``ListenerConfig``); the line ``stop``, or the end of standard input, ends it, so it cannot outlive who started it.
What it hears goes into a scratch journal that others may follow (``acquire.recordings.journal.JournalTail``); it never
becomes a recording. It says what it does in lines of JSON on standard output, each an object with one of these:

=============================  ========================================================================================
``phase``, ``words``, ``share``  reaching, contact, signal, listening or silent; what is done; how much of it is done
``findings``                   all that was found so far, each as ``acquire.checks.findings.Finding``
``leads``                      each lead's state as ``acquire.checks.live.LeadState``, about twice a second
``error``                      why it ends by itself, as a sentence
=============================  ========================================================================================
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acquire.boards.board import BATCH_S, BoardInfo, Chunk
from acquire.checks.board_check import BoardCheck
from acquire.checks.findings import Finding
from acquire.checks.listen import SILENT_S
from acquire.checks.preflight import ComputerCheck
from acquire.errors import RecorderError, RecorderErrorReason
from acquire.names import without_folders
from acquire.recorder.disk import span_in_words
from acquire.recordings.content import Header, RecordedEvent
from acquire.recordings.finish import LOST_SAMPLES, journal_header
from acquire.recordings.journal_write import JournalWriter
from acquire.study import Study
from protocols.errors import TrileadError
from protocols.version import VERSION

__all__ = ["JOURNAL_NAME", "SCRATCH_PREFIX", "ListenerConfig", "main"]

SCRATCH_PREFIX = "trilead-listening-"
"""What the temporary folder of a scratch journal begins with."""
JOURNAL_NAME = "listening.journal"

LONGEST_S = 3600.0
"""Nobody looks at electrodes for longer; what is forgotten overnight may not fill a disk or empty a battery."""
MOST_BYTES = 512 * 1024 * 1024
GIVEN_UP_S = 15.0
"""A board that has been silent for so long is let go; a radio that fails for a moment comes back before."""
GRACE_S = 1.5
"""How long the board may take to be let go when the end is asked for, before the process simply ends."""
_JUDGE_EVERY_S = 1.0
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ListenerConfig:
    """What a listener must know; it travels as JSON.

    Attributes:
        study: the study's folder.
        board: address.
        protocol: shipped name or a path ending in .toml.
        journal: the scratch journal, in a folder that holds nothing else.
        subject: whose heart a simulated board shows.
        session: where it has its electrodes.
    """

    study: str
    board: str
    protocol: str
    journal: str
    subject: str = ""
    session: str = ""

    @classmethod
    def from_json(cls, text: str) -> ListenerConfig:
        """Read a config.

        Raises:
            RecorderError: it is not JSON, or a field is missing, unknown or no text.
        """
        try:
            raw = json.loads(text)
            if not all(isinstance(value, str) for value in raw.values()):
                raise ValueError("a value is no text")
            return cls(**raw)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise RecorderError(
                f"The listener's config cannot be used ({error}); check a board with trilead check.",
                reason=RecorderErrorReason.BAD_CONFIG,
            ) from error


class _Speech:
    """What is said on standard output; who does not listen any more cannot disturb the listening."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}

    def say(self, **line: Any) -> None:
        """Say something, unless it was the last that was said of its kind."""
        kind = next(iter(line))
        if self._said.get(kind) == line:
            return
        self._said[kind] = line
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(line).encode() + b"\n")


class _Scratch:
    """The scratch journal: what is heard, so that others can show it."""

    def __init__(self, path: Path, study: Study, info: BoardInfo) -> None:
        header = Header(
            recording_id=str(uuid.uuid4()),
            subject="nobody",
            session="check",
            run=1,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            board=without_folders(info.address),
            firmware=info.firmware,
            nominal_rate_hz=float(info.nominal_rate_hz),
            mains_hz=study.mains_hz,
            factors={},
            protocol_name="",
            protocol_sha256="",
            montage={lead: dict(made_of) for lead, made_of in (study.montage or info.montage).items()},
            software_version=VERSION,
            loss_detection=info.loss_detection,
        )
        content = journal_header(header, channels=info.channels, dtype=info.dtype, protocol_text="")
        self.n_bytes = 0
        self._writer = JournalWriter.create(path, content)
        self.reached = 0

    def take(self, chunk: Chunk) -> None:
        if chunk.index > self.reached:
            event = RecordedEvent(
                uuid=os.urandom(16).hex(),
                index=self.reached,
                host_ns=chunk.host_ns,
                kind="gap",
                step=0,
                activity="",
                text=chunk.cause or LOST_SAMPLES,
            )
            self._writer.append_event(asdict(event))
        self.reached = chunk.index + len(chunk.samples)
        self._writer.append_chunk(
            index=chunk.index, host_ns=chunk.host_ns, board_ns=chunk.board_ns, samples=chunk.samples
        )
        self.n_bytes += chunk.samples.nbytes

    def close(self) -> None:
        self._writer.release()


class _Listener:
    """One board, listened to until the end is asked for.

    Args:
        config: what to listen to.
        speech: where to say what is heard.
        asked_to_end: set when nobody wants to hear any more.
    """

    def __init__(self, config: ListenerConfig, speech: _Speech, asked_to_end: threading.Event) -> None:
        self._config = config
        self._speech = speech
        self._asked_to_end = asked_to_end
        self._study = Study.open(config.study)
        self._scratch: _Scratch | None = None
        self._check = BoardCheck(
            self._study,
            config.board,
            subject=config.subject,
            session=config.session,
            on_progress=lambda stage, words, share: speech.say(phase=stage, words=words, share=round(share, 2)),
            feed=self._hear,
            keep_on=self._wanted,
        )

    def run(self) -> None:
        """Listen.

        Raises:
            TrileadError: the board goes, the scratch journal cannot be written, or it is listened to for too long.
        """
        computer = ComputerCheck(self._study, self._config.protocol)
        with contextlib.ExitStack() as stack:
            check = stack.enter_context(self._check)
            info = check.reach()
            self._say_findings()
            if info is not None and self._wanted():
                self._scratch = _Scratch(Path(self._config.journal), self._study, info)
                stack.callback(self._scratch.close)
                check.measure_contact()
                self._say_findings()
                if self._wanted():
                    check.hear()
            if not self._wanted():
                return
            beside = computer.findings(info)
            self._say_findings(beside)
            if check.fault:
                raise RecorderError(check.fault, reason=RecorderErrorReason.BOARD)
            self._stay(beside)

    def _wanted(self) -> bool:
        return not self._asked_to_end.is_set()

    def _hear(self, chunk: Chunk) -> None:
        assert self._scratch is not None
        self._scratch.take(chunk)
        if leads := self._check.leads():
            self._speech.say(leads=[asdict(lead) for lead in leads])

    def _say_findings(self, beside: list[Finding] | None = None) -> None:
        self._speech.say(findings=[asdict(finding) for finding in (*self._check.findings, *(beside or []))])

    def _stay(self, beside: list[Finding]) -> None:
        """Go on listening, in real time even where the board could be faster, and judge what comes anew."""
        check, scratch = self._check, self._scratch
        assert check.info is not None
        assert scratch is not None
        rate_hz = check.info.nominal_rate_hz
        paced = check.pace > 1.0
        begin, began_s = scratch.reached, time.monotonic()
        heard_s = judged_s = began_s
        while self._wanted():
            now_s = time.monotonic()
            due = int(rate_hz * (now_s - began_s)) - (scratch.reached - begin)
            if paced and due < max(1, rate_hz * BATCH_S):
                self._asked_to_end.wait(BATCH_S)
                continue
            if check.go_on(due if paced else max(1, round(rate_hz))):
                heard_s = now_s
            self._look(now_s - began_s, now_s - heard_s, scratch.n_bytes)
            if now_s - judged_s >= _JUDGE_EVERY_S:
                judged_s = now_s
                check.judge_again()
                self._say_findings(beside)

    def _look(self, listened_s: float, silent_s: float, n_bytes: int) -> None:
        """Say how it goes, and end what has gone on for too long."""
        if silent_s >= GIVEN_UP_S:
            raise RecorderError(
                f"No samples came for {silent_s:.0f} s; check that the board is switched on and its link is up.",
                reason=RecorderErrorReason.BOARD,
            )
        if listened_s >= LONGEST_S or n_bytes >= MOST_BYTES:
            raise RecorderError(
                f"The board was listened to for {span_in_words(listened_s)}, which is the longest; check it again.",
                reason=RecorderErrorReason.REFUSED,
            )
        if silent_s >= SILENT_S:
            words = f"no samples for {silent_s:.0f} s: check that the board is switched on and its link is up"
            self._speech.say(phase="silent", words=words, share=1.0)
        else:
            self._speech.say(phase="listening", words="listening to the board", share=1.0)


def main() -> int:
    """Listen; the exit code is 0 where the end was asked for, and 2 where it came by itself."""
    lines = _lines()
    speech = _Speech()
    asked_to_end, ended = threading.Event(), threading.Event()
    watcher: threading.Thread | None = None
    try:
        config = ListenerConfig.from_json(next(lines, ""))
        watcher = threading.Thread(target=_watch, args=(lines, config, asked_to_end, ended), daemon=True)
        watcher.start()
        _Listener(config, speech, asked_to_end).run()
    except TrileadError as error:
        speech.say(error=str(error))
        return 2
    finally:
        ended.set()
        if watcher is not None and asked_to_end.is_set():
            watcher.join()
    return 0


def _lines() -> Iterator[str]:
    """What comes on standard input, unbuffered, for a thread that waits in a buffer keeps a process from ending."""
    rest = b""
    while data := _read_some():
        *whole, rest = (rest + data)[:_LONGEST_LINE].split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").strip()


def _read_some() -> bytes:
    try:
        return os.read(0, _LONGEST_LINE)
    except OSError:
        return b""


def _watch(lines: Iterator[str], config: ListenerConfig, asked_to_end: threading.Event, ended: threading.Event) -> None:
    """Wait for the end to be asked for, and see to it that it comes."""
    is_alone = all(line != "stop" for line in lines)
    asked_to_end.set()
    is_over = ended.wait(GRACE_S)
    folder = Path(config.journal).parent
    if is_alone and folder.name.startswith(SCRATCH_PREFIX):
        # Who started this is gone and removes nothing any more, and what a heart does is nobody else's business.
        shutil.rmtree(folder, ignore_errors=True)
    if not is_over:
        # The operating system lets go of the board; whoever opens it next sets it up anew.
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
