"""The recorder's loop: board → journal, with the protocol player and the commands in between.

While it records nothing here sleeps: a board lets samples gather by itself and hands them over about eighty times a
second.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from acquire.boards.board import Board, BoardInfo, Chunk
from acquire.errors import BoardError, JournalError
from acquire.names import without_folders
from acquire.recorder.awake import Awake
from acquire.recorder.bystanders import Bystanders
from acquire.recorder.control import DRAFTS, GONE, MAX_TEXT, Command, ControlServer, RecorderStatus
from acquire.recorder.disk import DiskWatch
from acquire.recorder.link_watch import LinkWatch
from acquire.recordings.content import RecordedEvent
from acquire.recordings.finish import LOST_SAMPLES, MAX_GAP_S
from acquire.recordings.journal_write import JournalWriter
from protocols.errors import PlayerStateError
from protocols.player import Event, Player
from protocols.script import LoadedScript

__all__ = ["Recorder"]

READ_TIMEOUT_S = 0.1
LONGEST_READ_S = 1.0
SHOW_INTERVAL_S = 0.2
WAITED = "no samples: the protocol waited"
_LATE_NOTE_POLL_S = 0.02
NOTE_AWAITED = "waiting up to a minute for a note that is being written"
NOTE_PATIENCE_S = 60.0
"""For so long after its last letter a note that is being written keeps the recording from being finished."""


class Recorder:
    """One recording under way.

    Args:
        script: what is played.
        board: open.
        info: what it said when it was opened.
        writer: of the journal.
        disk: watches the space that is left.
        bystanders: see what is recorded.
        awake: keeps the computer from sleeping.
        stall_limit_s: end cleanly when no samples arrive for this long; 0 to wait for ever.
        remarks: what the recording shall say of its beginning, before anything else.

    Attributes:
        status: what it is doing; replaced as a whole, so other threads may read it at any time.
    """

    def __init__(
        self,
        script: LoadedScript,
        board: Board,
        info: BoardInfo,
        writer: JournalWriter,
        *,
        disk: DiskWatch,
        bystanders: Bystanders,
        awake: Awake,
        stall_limit_s: float,
        remarks: Sequence[str] = (),
    ) -> None:
        self._board = board
        self._info = info
        self._writer = writer
        self._disk = disk
        self._bystanders = bystanders
        self._awake = awake
        self._remarks = remarks
        self._player = Player(script.script, rate_hz=info.nominal_rate_hz)
        self._link = LinkWatch(board, address=info.address, stall_limit_s=stall_limit_s)
        self._longest = max(1, round(info.nominal_rate_hz * LONGEST_READ_S))
        self._index = 0
        self._gaps = 0
        self._lost = 0
        self._stop_reason = ""
        self._noticed = False
        self._shown_s = 0.0
        self._drafts: dict[int, str] = {}
        self.status = RecorderStatus(state="starting", rate_hz=info.nominal_rate_hz)

    def stop(self, reason: str) -> None:
        """End the recording cleanly at the next sample; may be called from a signal handler."""
        self._stop_reason = self._stop_reason or reason

    def run(self, control: ControlServer) -> str:
        """Record until there is a reason to end, and say which."""
        try:
            self._record(control)
            self._await_note(control)
            self._close()
        except JournalError as error:
            # What is whole in the journal still becomes a recording, and it shall say by itself why it ends.
            self.stop(str(error))
            self._disk.make_room()
            with contextlib.suppress(JournalError):
                self._close()
        finally:
            self._link.close()
        self.status = replace(self.status, state="finishing", stalled_s=0.0, message="")
        control.refuse_waiting("the recording is being finished")
        return self._reason()

    def _record(self, control: ControlServer) -> None:
        try:
            self._board.start()
            self._link.heard()
            for remark in self._remarks:
                self._note(0, "preflight", remark)
            self._happen(self._player.start(0))
            while not self._stop_reason:
                self._obey(control)
                if self._player.state.phase in ("ended", "stopped"):
                    break
                self._read()
                self._look_after()
        except BoardError as error:
            self.stop(str(error))

    def _await_note(self, control: ControlServer) -> None:
        """The protocol is over: a note that is being written may still be ended; it belongs to the last sample."""
        message = NOTE_AWAITED if self._drafts else ""
        self.status = replace(self.status, state="finishing", stalled_s=0.0, message=message)
        limit_s = time.monotonic() + NOTE_PATIENCE_S
        while self._drafts and not self._stop_reason and time.monotonic() < limit_s:
            command = control.next_command()
            if command is None:
                time.sleep(_LATE_NOTE_POLL_S)
            elif command.name in ("note", GONE, *DRAFTS):
                if command.name != GONE:
                    limit_s = time.monotonic() + NOTE_PATIENCE_S
                if command.name == "note":
                    self._note(self._index, "note", command.text)
                self._take_draft(command)
                command.answer()
            elif command.name == "stop":
                command.answer()
                break
            else:
                command.answer(f"The command {command.name} came too late: the recording is being finished.")

    def _take_draft(self, command: Command) -> None:
        """Learn how far the note of a connection is, or that it is written, given up or left behind."""
        if command.name == "draft":
            self._drafts[command.source] = command.text
            return
        left = self._drafts.pop(command.source, "")
        if command.name == GONE and left:
            # Whoever was writing it is gone: what there is of it is kept.
            self._note(self._index, "note", left)

    def _close(self) -> None:
        if self._player.state.phase in ("running", "paused"):
            reason = without_folders(self._stop_reason)
            self._happen([replace(event, text=reason) for event in self._player.stop(self._index)])
        # There was no time left: what there is of them is kept.
        drafts, self._drafts = self._drafts, {}
        for draft in filter(None, drafts.values()):
            self._note(self._index, "note", draft)
        self._writer.append_close(without_folders(self._reason()), link=asdict(self._board.link()))

    def _reason(self) -> str:
        if self._stop_reason:
            return self._stop_reason
        return "the protocol ended" if self._player.state.phase == "ended" else "stopped by the operator"

    def _read(self) -> None:
        """Take what the board has, but never past the next boundary before the board was told what comes there."""
        boundary = self._player.next_boundary
        limit = self._longest if boundary is None else min(self._longest, boundary - self._index)
        chunk = self._link.read(READ_TIMEOUT_S, limit)
        if chunk is not None:
            self._take(chunk)
        elif self._link.trouble and not self._noticed:
            self._noticed = True
            self._note(self._index, "board", self._link.message)
            self._show()

    def _take(self, chunk: Chunk) -> None:
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
        before, self._index = self._index, chunk.index + len(chunk.samples)
        if lost:
            self._gaps += 1
            self._lost += lost
            self._note(before, "gap", chunk.cause or LOST_SAMPLES)
        if self._noticed:
            self._noticed = False
            self._note(chunk.index, "board", f"samples come again after {self._link.silent_s:.1f} s")
            if lost and self._player.state.phase == "running":
                # The subject waited with the protocol: the step keeps its length, and no label covers the gap.
                stood = [*self._player.pause(before), *self._player.resume(chunk.index)]
                self._happen([replace(event, text=WAITED) for event in stood])
        self._link.heard()
        self._bystanders.chunk(chunk)
        boundary = self._player.next_boundary
        if boundary is not None and self._index >= boundary:
            self._happen(self._player.advance(self._index))

    def _look_after(self) -> None:
        """Do what need not be done with every chunk."""
        if time.monotonic() - self._shown_s < SHOW_INTERVAL_S:
            return
        if shortage := self._disk.shortage():
            self.stop(shortage)
        for news in self._bystanders.look():
            self._note(self._index, "signal", news)
        self._show()

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
        if command.name in (GONE, *DRAFTS):
            self._take_draft(command)
            return []
        if command.name == "mark":
            return player.mark(index, command.text)
        if command.name == "note":
            written = player.note(index, command.text)
            self._take_draft(command)
            return written
        if command.name == "stop":
            return [replace(event, text="stopped by the operator") for event in player.stop(index)]
        deeds = {"pause": player.pause, "resume": player.resume, "skip": player.skip, "repeat": player.repeat}
        return deeds[command.name](index)

    def _happen(self, events: Sequence[Event]) -> None:
        for event in events:
            self._write(RecordedEvent(**asdict(event), host_ns=time.monotonic_ns()))
            if event.kind in ("step", "rest", "resume"):
                self._board.tell(event.activity, event.index)

    def _note(self, index: int, kind: str, text: str) -> None:
        """Write an event that is the recorder's own and not the player's."""
        state = self._player.state
        self._write(
            RecordedEvent(
                uuid=os.urandom(16).hex(),
                index=index,
                host_ns=time.monotonic_ns(),
                kind=kind,
                step=state.step,
                activity=state.activity,
                text=without_folders(text)[:MAX_TEXT],
            )
        )

    def _write(self, event: RecordedEvent) -> None:
        self._writer.append_event(asdict(event))
        self._bystanders.event(event)

    def _show(self) -> None:
        self._shown_s = time.monotonic()
        # Between two boundaries the player need not hear of every chunk, only before it is asked.
        self._happen(self._player.advance(self._index))
        state = self._player.state
        rate = self._info.nominal_rate_hz
        trouble = self._link.trouble
        link = self._board.link()
        self.status = RecorderStatus(
            state=trouble or ("paused" if state.phase == "paused" else "recording"),
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
            stalled_s=self._link.silent_s if trouble else 0.0,
            message=self._link.message,
            bad_bytes=link.bad_bytes,
            reconnects=link.reconnects,
            disk_left_s=self._disk.left_s,
            fitted_rate_hz=self._bystanders.fitted_rate_hz,
            drift_ppm=self._bystanders.drift_ppm,
            leads=self._bystanders.leads,
            awake=self._awake.held,
            paused=state.phase == "paused",
        )
