"""The recorder process: board → protocol player → journal, and at the end the recording file.

Started as ``python -m acquire.recorder CONFIG``, where CONFIG is a JSON file or ``-`` for standard input, it has no
window and no settings of its own. It is asked and commanded over ``acquire.control``. Its last act is one line of
JSON on standard output: ``{"summary": …}``, or ``{"error": a sentence, "reason": …}``.

Only what recording needs is imported at the start; HDF5 comes in when the journal is finished.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from acquire.board import Board, BoardInfo, Chunk, open_board
from acquire.content import Header, RecordedEvent
from acquire.content_rules import header_fault
from acquire.control import Command, ControlServer, RecorderStatus, state_path
from acquire.errors import BoardError, JournalError, RecorderError, RecorderErrorReason
from acquire.files import hold_name
from acquire.finish import MAX_GAP_S, RecordingSummary, build_content, discard, journal_header, summary_of
from acquire.journal import read_journal
from acquire.journal_write import JournalWriter
from protocols.errors import PlayerStateError, TrileadError
from protocols.player import Event, Player
from protocols.script import LoadedScript, parse_script
from protocols.version import VERSION

__all__ = ["Recorder", "RecorderConfig", "main", "record"]

READ_TIMEOUT_S = 0.1
BATCH_S = 0.02
LONGEST_READ_S = 1.0
STALL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class RecorderConfig:
    """What a recorder must know; it travels as JSON.

    Attributes:
        recording_id: a new UUID.
        subject: pseudonym.
        session: label.
        run: from 1.
        operator: initials or a code, or "".
        started_at: UTC, ISO 8601.
        mains_hz: 50 or 60.
        factors: factor → level.
        board: address.
        montage: the study's own; empty for the board's.
        protocol_name: name of the script.
        protocol_text: its TOML.
        journal: file to write while recording.
        recording: file to make of it.
        stall_limit_s: end cleanly when no samples arrive for this long; 0 to wait for ever.
    """

    recording_id: str
    subject: str
    session: str
    run: int
    operator: str
    started_at: str
    mains_hz: int
    factors: dict[str, str]
    board: str
    montage: dict[str, dict[str, float]]
    protocol_name: str
    protocol_text: str
    journal: str
    recording: str
    stall_limit_s: float

    @classmethod
    def from_json(cls, text: str) -> RecorderConfig:
        """Read a config.

        Raises:
            RecorderError: it is not JSON, or a field is missing, unknown or of the wrong type.
        """
        types = {"str": str, "int": int, "float": (int, float)}
        try:
            raw = json.loads(text)
            declared = {field.name: types.get(str(field.type), dict) for field in fields(cls)}
            if raw.keys() != declared.keys():
                raise ValueError(f"its fields must be {', '.join(declared)}")
            for name, allowed in declared.items():
                if not isinstance(raw[name], allowed):  # type: ignore[arg-type]
                    raise ValueError(f"{name} is of the wrong type")
            return cls(**raw)
        except (ValueError, AttributeError, RecursionError) as error:
            raise RecorderError(
                f"The recorder's config cannot be used ({error}); start recordings with trilead record.",
                reason=RecorderErrorReason.BAD_CONFIG,
            ) from error


def record(config: RecorderConfig) -> RecordingSummary:
    """Record until the protocol ends, somebody stops it or the board goes, and finish the recording file.

    Raises:
        TrileadError: nothing could be recorded, or the recording file could not be made; then the journal stays.
    """
    script = parse_script(config.protocol_text, name=config.protocol_name)
    journal, recording = Path(config.journal), Path(config.recording)
    if recording.exists():
        raise RecorderError(
            f"{recording} exists and is not overwritten; take another run number.", reason=RecorderErrorReason.REFUSED
        )
    with contextlib.ExitStack() as stack:
        _hold_board(stack, config.board, journal.parent)
        board = open_board(config.board, subject=config.subject, session=config.session, mains_hz=config.mains_hz)
        stack.callback(board.close)
        info = board.open()
        header = _header(config, info, script)
        if fault := header_fault(header, info.channels):
            raise RecorderError(
                f"Nothing was recorded, because {fault}; mend study.toml or choose another board.",
                reason=RecorderErrorReason.REFUSED,
            )
        with JournalWriter.create(
            journal,
            journal_header(header, channels=info.channels, dtype=info.dtype, protocol_text=script.text),
        ) as writer:
            recorder = Recorder(config, script, board, info, writer)
            with ControlServer(state_path(journal), lambda: recorder.status) as control, _stopped_by_signals(recorder):
                reason = recorder.run(control)
                board.close()
                return _finish(writer, recording, reason)


def _hold_board(stack: contextlib.ExitStack, address: str, folder: Path) -> None:
    # Any number of simulated people can be recorded at once; a real board has one.
    if address.partition(":")[0] == "sim":
        return
    if not stack.enter_context(hold_name(folder, address)):
        raise RecorderError(
            f"Another recording in this study is using the board {address}; wait until it has finished, or stop it.",
            reason=RecorderErrorReason.REFUSED,
        )


def _header(config: RecorderConfig, info: BoardInfo, script: LoadedScript) -> Header:
    return Header(
        recording_id=config.recording_id,
        subject=config.subject,
        session=config.session,
        run=config.run,
        operator=config.operator,
        started_at=config.started_at,
        board=info.address,
        firmware=info.firmware,
        nominal_rate_hz=float(info.nominal_rate_hz),
        mains_hz=config.mains_hz,
        factors=config.factors,
        protocol_name=script.name,
        protocol_sha256=script.sha256,
        montage=config.montage or info.montage,
        software_version=VERSION,
        loss_detection=info.loss_detection,
    )


def _finish(writer: JournalWriter, recording: Path, reason: str) -> RecordingSummary:
    from acquire.recording_write import write_recording

    journal = writer.path
    try:
        content, _ = build_content(read_journal(journal), ending=reason)
        write_recording(recording, content)
        # The lock is held up to here, so that nobody takes the journal for an orphan and recovers it a second time.
        writer.release()
        discard(journal)
        return summary_of(recording, content, reason=reason)
    except TrileadError as error:
        raise RecorderError(
            f"{str(error).rstrip('.')}; the recording is safe in {journal.name}: mend that and run trilead recover.",
            reason=RecorderErrorReason.DISK,
            journal=journal,
        ) from error


@contextlib.contextmanager
def _stopped_by_signals(recorder: Recorder) -> Any:
    def stop(number: int, frame: object) -> None:
        recorder.stop(f"stopped by {signal.Signals(number).name}")

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class Recorder:
    """One recording under way.

    Attributes:
        status: what it is doing; replaced as a whole, so other threads may read it at any time.
    """

    def __init__(
        self, config: RecorderConfig, script: LoadedScript, board: Board, info: BoardInfo, writer: JournalWriter
    ) -> None:
        self._config = config
        self._board = board
        self._info = info
        self._writer = writer
        self._player = Player(script.script, rate_hz=info.nominal_rate_hz)
        self._index = 0
        self._gaps = 0
        self._lost = 0
        self._stop_reason = ""
        self._last_samples = time.monotonic()
        self.status = RecorderStatus(state="starting", rate_hz=info.nominal_rate_hz)

    def stop(self, reason: str) -> None:
        """End the recording cleanly at the next sample; may be called from a signal handler."""
        self._stop_reason = self._stop_reason or reason

    def run(self, control: ControlServer) -> str:
        """Record until there is a reason to end, and say which."""
        try:
            try:
                self._board.start()
                self._last_samples = time.monotonic()
                self._happen(self._player.start(0))
                while not self._stop_reason:
                    self._obey(control)
                    if self._player.state.phase in ("ended", "stopped"):
                        break
                    self._read()
                    self._show()
            except BoardError as error:
                self.stop(str(error))
            reason = self._close()
        except JournalError as error:
            # What is whole in the journal still becomes a recording.
            reason = str(error)
        self.status = replace(self.status, state="finishing", stalled_s=0.0)
        control.refuse_waiting("the recording is being finished")
        return reason

    def _close(self) -> str:
        if self._player.state.phase in ("running", "paused"):
            reason = self._stop_reason
            self._happen([replace(event, text=reason) for event in self._player.stop(self._index)])
        else:
            reason = "the protocol ended" if self._player.state.phase == "ended" else "stopped by the operator"
        self._writer.append_close(reason)
        return reason

    def _read(self) -> None:
        """Take what the board has, but never past the next boundary before the board was told what comes there."""
        boundary = self._player.next_boundary
        rate = self._info.nominal_rate_hz
        limit = max(1, round(rate * LONGEST_READ_S))
        if boundary is not None:
            limit = min(limit, boundary - self._index)
        chunk = self._board.read(READ_TIMEOUT_S, limit)
        if chunk is None or len(chunk.samples) == 0:
            self._wait_for_samples()
            return
        self._take(chunk)
        if len(chunk.samples) < min(limit, rate * BATCH_S):
            # A board in real time trickles: let a few samples gather, so that an hour is not a million records.
            time.sleep(BATCH_S)

    def _take(self, chunk: Chunk) -> None:
        silent_s = time.monotonic() - self._last_samples
        self._last_samples = time.monotonic()
        lost = chunk.index - self._index
        if not 0 <= lost <= MAX_GAP_S * self._info.nominal_rate_hz:
            self.stop(
                f"The board {self._info.address} counted sample {chunk.index} after sample {self._index};"
                " its counter cannot be trusted, so check the board."
            )
            return
        self._writer.append_chunk(
            index=chunk.index, host_ns=chunk.host_ns, board_ns=chunk.board_ns, samples=chunk.samples
        )
        if lost:
            self._gaps += 1
            self._lost += lost
            self._note(self._index, "gap", f"{lost} samples lost")
        if silent_s >= STALL_S:
            self._note(chunk.index, "board", f"no samples came for {silent_s:.1f} s")
        self._index = chunk.index + len(chunk.samples)
        self._happen(self._player.advance(self._index))

    def _wait_for_samples(self) -> None:
        silent_s = time.monotonic() - self._last_samples
        if 0 < self._config.stall_limit_s <= silent_s:
            self.stop(
                f"The board {self._info.address} sent no samples for {silent_s:.0f} s (the limit is"
                f" {self._config.stall_limit_s:g} s), so the recording was ended; check its power and cable."
            )

    def _obey(self, control: ControlServer) -> None:
        while (command := control.next_command()) is not None:
            try:
                self._happen(self._deed(command))
            except PlayerStateError as error:
                command.answer(str(error))
            except JournalError as error:
                command.answer(str(error))
                raise
            else:
                self._show()
                command.answer()

    def _deed(self, command: Command) -> list[Event]:
        player, index = self._player, self._index
        if command.name in ("mark", "note"):
            write = player.mark if command.name == "mark" else player.note
            return write(index, command.text)
        if command.name == "stop":
            return [replace(event, text="stopped by the operator") for event in player.stop(index)]
        deeds = {"pause": player.pause, "resume": player.resume, "skip": player.skip, "repeat": player.repeat}
        return deeds[command.name](index)

    def _happen(self, events: Sequence[Event]) -> None:
        for event in events:
            recorded = RecordedEvent(**asdict(event), host_ns=time.monotonic_ns())
            self._writer.append_event(asdict(recorded))
            if event.kind in ("step", "rest", "resume"):
                self._board.tell(event.activity, event.index)

    def _note(self, index: int, kind: str, text: str) -> None:
        """Write an event that is the recorder's own and not the player's."""
        state = self._player.state
        event = RecordedEvent(
            uuid=os.urandom(16).hex(),
            index=index,
            host_ns=time.monotonic_ns(),
            kind=kind,
            step=state.step,
            activity=state.activity,
            text=text,
        )
        self._writer.append_event(asdict(event))

    def _show(self) -> None:
        state = self._player.state
        rate = self._info.nominal_rate_hz
        silent_s = time.monotonic() - self._last_samples
        stalled = silent_s >= STALL_S
        phase = "paused" if state.phase == "paused" else "recording"
        self.status = RecorderStatus(
            state="stalled" if stalled else phase,
            n_samples=self._index,
            rate_hz=rate,
            position=state.position,
            n_steps=state.n_steps,
            step=state.step,
            activity=state.activity,
            instruction=state.instruction,
            next_instruction=state.next_instruction,
            remaining_s=state.remaining_samples / rate,
            elapsed_s=state.elapsed / rate,
            gaps=self._gaps,
            lost_samples=self._lost,
            stalled_s=silent_s if stalled else 0.0,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a recorder; the exit code is 0, or 2 when there is no recording file to show for it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if len(arguments) != 1:
            raise RecorderError(
                "The recorder takes one argument, its config file or - for standard input.",
                reason=RecorderErrorReason.BAD_CONFIG,
            )
        summary = record(RecorderConfig.from_json(_config_text(arguments[0])))
        line: dict[str, Any] = {"summary": {**asdict(summary), "path": str(summary.path)}}
    except TrileadError as error:
        board = RecorderErrorReason.BOARD if isinstance(error, BoardError) else RecorderErrorReason.NOT_STARTED
        reason = error.reason if isinstance(error, RecorderError) else board
        journal = error.journal if isinstance(error, RecorderError) else None
        line = {"error": str(error), "reason": reason.value, "journal": str(journal) if journal else None}
    # Whoever started this may be gone; the recording stands all the same.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    return 0 if "summary" in line else 2


def _config_text(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecorderError(
            f"The recorder's config {source} cannot be read; start recordings with trilead record.",
            reason=RecorderErrorReason.BAD_CONFIG,
        ) from error


if __name__ == "__main__":
    sys.exit(main())
