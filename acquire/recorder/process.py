"""The recorder process: board → protocol player → journal, and at the end the recording file.

Started as ``python -m acquire.recorder.process CONFIG``, where CONFIG is a JSON file or ``-`` for standard input, it
has no window and no settings of its own. It is asked and commanded over ``acquire.recorder.control``. Its last act is
one line of JSON on standard output: ``{"summary": …}``, or ``{"error": a sentence, "reason": …}``.

Only what recording needs is imported at the start; HDF5 comes in when the journal is finished.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acquire.boards.board import BoardInfo, open_board
from acquire.boards.lock import hold_address, hold_board
from acquire.errors import BoardError, RecorderError, RecorderErrorReason
from acquire.names import without_folders
from acquire.recorder.awake import Awake
from acquire.recorder.bystanders import Bystanders
from acquire.recorder.control import ControlServer, state_path
from acquire.recorder.disk import DiskWatch, check_room, estimate_need
from acquire.recorder.loop import Recorder
from acquire.recordings.content import Header
from acquire.recordings.content_rules import header_fault
from acquire.recordings.finish import (
    RecordingSummary,
    build_content,
    discard,
    journal_header,
    keep_evidence,
    summary_of,
)
from acquire.recordings.journal import read_journal
from acquire.recordings.journal_write import JournalWriter
from protocols.errors import TrileadError
from protocols.script import LoadedScript, parse_script
from protocols.version import VERSION

if TYPE_CHECKING:
    from acquire.recorder.outlet import LslOutlet

__all__ = ["Recorder", "RecorderConfig", "main", "record"]


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
        lsl_outlet: whether to send what is recorded over LSL as well.
        remarks: what the recording shall say of its beginning.
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
    lsl_outlet: bool = False
    remarks: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> RecorderConfig:
        """Read a config.

        Raises:
            RecorderError: it is not JSON, or a field is missing, unknown or of the wrong type.
        """
        types = {"str": str, "int": int, "float": (int, float), "bool": bool, "tuple[str, ...]": list}
        try:
            raw = json.loads(text)
            declared = {field.name: types.get(str(field.type), dict) for field in fields(cls)}
            if raw.keys() != declared.keys():
                raise ValueError(f"its fields must be {', '.join(declared)}")
            for name, allowed in declared.items():
                if not isinstance(raw[name], allowed):  # type: ignore[arg-type]
                    raise ValueError(f"{name} is of the wrong type")
            if not all(isinstance(remark, str) for remark in raw["remarks"]):
                raise ValueError("a remark is no text")
            return cls(**{**raw, "remarks": tuple(raw["remarks"])})
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
        hold_address(stack, config.board)
        board = open_board(config.board, subject=config.subject, session=config.session, mains_hz=config.mains_hz)
        stack.callback(board.close)
        info = board.open()
        hold_board(stack, board.resource(), config.board)
        header = _header(config, info, script)
        if fault := header_fault(header, info.channels):
            raise RecorderError(
                f"Nothing was recorded, because {fault}; mend study.toml or choose another board.",
                reason=RecorderErrorReason.REFUSED,
            )
        need = estimate_need(script.script, rate_hz=info.nominal_rate_hz, n_channels=len(info.channels))
        check_room(need, journals=journal.parent, recordings=recording.parent)
        bystanders = Bystanders(info, header, _outlet(info, header) if config.lsl_outlet else None)
        stack.callback(bystanders.close)
        first = journal_header(header, channels=info.channels, dtype=info.dtype, protocol_text=script.text)
        writer = stack.enter_context(JournalWriter.create(journal, first))
        disk = _watched(stack, DiskWatch(journal, recording, need), writer)
        recorder = Recorder(
            script,
            board,
            info,
            writer,
            disk=disk,
            bystanders=bystanders,
            awake=stack.enter_context(Awake()),
            stall_limit_s=config.stall_limit_s,
            remarks=config.remarks,
        )
        with ControlServer(state_path(journal), lambda: recorder.status) as control, _stopped_by_signals(recorder):
            reason = recorder.run(control)
            board.close()
            bystanders.close()
            disk.make_room()
            return _finish(writer, recording, reason)


def _outlet(info: BoardInfo, header: Header) -> LslOutlet:
    from acquire.recorder.outlet import LslOutlet

    return LslOutlet(info, header)


def _watched(stack: contextlib.ExitStack, disk: DiskWatch, writer: JournalWriter) -> DiskWatch:
    try:
        return stack.enter_context(disk)
    except RecorderError:
        # Nothing was recorded, so nobody shall find a journal to recover.
        writer.release()
        discard(writer.path)
        raise


def _header(config: RecorderConfig, info: BoardInfo, script: LoadedScript) -> Header:
    return Header(
        recording_id=config.recording_id,
        subject=config.subject,
        session=config.session,
        run=config.run,
        operator=config.operator,
        started_at=config.started_at,
        board=without_folders(info.address),
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
    from acquire.recordings.recording_write import write_recording

    journal = writer.path
    try:
        content, doubts = build_content(read_journal(journal), ending=reason)
        write_recording(recording, content)
        # The lock is held up to here, so that nobody takes the journal for an orphan and recovers it a second time.
        writer.release()
        if doubts:
            # The disk gave back something else than was written: what it still has may be wanted.
            keep_evidence(journal)
        else:
            doubts = tuple(filter(None, [discard(journal)]))
        return summary_of(recording, content, reason=reason, doubts=doubts)
    except TrileadError as error:
        if not journal.exists():
            raise RecorderError(
                f"The folder {journal.parent} is gone, and the recording's journal with it; if it was moved, put it"
                " back and recover the recording there.",
                reason=RecorderErrorReason.DISK,
            ) from error
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
        line: dict[str, Any] = {"summary": summary.to_values()}
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
