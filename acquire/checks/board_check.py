"""A look at a study's board, step by step: `trilead check` takes each step once, the listener then stays with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from acquire.boards.board import Board, BoardInfo, Chunk, open_board
from acquire.boards.lock import hold_address, hold_board
from acquire.checks.findings import (
    LISTEN_S,
    Finding,
    board_finding,
    contact_findings,
    signal_findings,
    skipped,
    when_gone,
)
from acquire.checks.listen import READ_S, Listened, Tally, listen, pace_of
from acquire.checks.live import LeadState, LiveChecks
from acquire.errors import BoardError, BoardErrorReason
from acquire.montage import montage_fault
from acquire.study import STUDY_FILE, Study
from protocols.errors import TrileadError

__all__ = ["BoardCheck", "Stage"]

_GONE = (BoardErrorReason.HUNG_UP, BoardErrorReason.NOT_FOUND)

Stage = Literal["reaching", "contact", "signal"]


class BoardCheck:
    """Holds and opens a board, measures its electrodes and listens; as a context manager it lets go of it at the end.

    Args:
        study: whose mains frequency and montage are taken.
        address: of the board.
        subject: whose heart a simulated board shows.
        session: where it has its electrodes.
        on_progress: told the stage, what is being done in words, and how much of it is done, 0 to 1.
        feed: gets each chunk.
        keep_on: asked some ten times a second whether to go on listening.

    Attributes:
        findings: what was found so far, in the order of the steps.
        info: what the board said of itself; None before it is reached.
        fault: why the board cannot be listened to any further, as a sentence; "" while it can.
        pace: how many times faster than real time it sends.
    """

    def __init__(
        self,
        study: Study,
        address: str,
        *,
        subject: str = "",
        session: str = "",
        on_progress: Callable[[Stage, str, float], None] = lambda stage, words, share: None,
        feed: Callable[[Chunk], None] = lambda chunk: None,
        keep_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self.findings: tuple[Finding, ...] = ()
        self.info: BoardInfo | None = None
        self.fault = ""
        self.pace = 1.0
        self._study = study
        self._address = address
        self._who = (subject, session)
        self._on_progress = on_progress
        self._feed = feed
        self._keep_on = keep_on
        self._stack = contextlib.ExitStack()
        self._board: Board | None = None
        self._checks: LiveChecks | None = None
        self._tally = Tally()
        self._before_signal: tuple[Finding, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def reach(self) -> BoardInfo | None:
        """Open the board, unless somebody else uses it; None where it cannot be reached or does not fit the study."""
        study, address = self._study, self._address
        self._on_progress("reaching", "reaching the board", 0.0)
        try:
            hold_address(self._stack, address)
            subject, session = self._who
            board = open_board(address, subject=subject, session=session, mains_hz=study.mains_hz)
            self._stack.callback(_let_go, board)
            info = board.open()
            hold_board(self._stack, board.resource(), address)
        except TrileadError as error:
            self._give_up("board", str(error), because="the board is not reached")
            return None
        self.info = info
        self.findings = (board_finding(info),)
        fault = montage_fault(study.montage or info.montage, [channel.name for channel in info.channels])
        if fault:
            words = f"{fault}; mend the montage in {study.path / STUDY_FILE} or choose another board."
            self._give_up("montage", words, because="the montage does not fit the board")
            return None
        self._board, self.pace = board, pace_of(address)
        self._checks = LiveChecks(info, study.montage, study.mains_hz)
        return info

    def measure_contact(self) -> None:
        """Measure each electrode's contact, where the board can; before ``hear``."""
        board, _, _ = self._reached()
        self._on_progress("contact", "measuring the electrodes' contact", 0.0)
        try:
            self.findings += tuple(contact_findings(board.check_contact()))
        except BoardError as error:
            if error.reason in _GONE:
                self._lose(str(error))
            else:
                self.findings += (Finding(name="contact", state="bad", words=str(error)),)

    def hear(self) -> None:
        """Start the board and judge five seconds of its signal; it goes on sending. Nothing where it has gone."""
        if self.fault:
            return
        board, info, _ = self._reached()
        doing = f"listening to the board for {LISTEN_S:g} s"
        self._on_progress("signal", doing, 0.0)
        self._before_signal = self.findings
        try:
            heard = listen(
                board,
                info.nominal_rate_hz,
                self._take,
                span_s=LISTEN_S,
                pace=self.pace,
                on_share=lambda share: self._on_progress("signal", doing, share),
                keep_on=self._keep_on,
                tally=self._tally,
            )
        except BoardError as error:
            self._lose(str(error))
            return
        self.fault = heard.fault
        self._judge(heard)

    def go_on(self, max_samples: int) -> bool:
        """Take the next samples behind ``hear``, waiting a moment for them; whether any came.

        Raises:
            BoardError: the board has gone.
        """
        board, _, _ = self._reached()
        chunk = board.read(READ_S, max_samples)
        if chunk is None or len(chunk.samples) == 0:
            return False
        self._tally.take(chunk)
        self._take(chunk)
        return True

    def judge_again(self) -> None:
        """Judge the signal anew by what came of late; the findings on it are replaced."""
        self._judge(self._tally.listened())

    def leads(self) -> tuple[LeadState, ...]:
        """How good each lead is, looked at anew at most twice a second; none before the board is reached."""
        return self._checks.leads() if self._checks is not None else ()

    def _reached(self) -> tuple[Board, BoardInfo, LiveChecks]:
        assert self._board is not None
        assert self.info is not None
        assert self._checks is not None
        return self._board, self.info, self._checks

    def _take(self, chunk: Chunk) -> None:
        _, _, checks = self._reached()
        checks.feed(chunk.index, chunk.samples)
        self._feed(chunk)

    def _judge(self, heard: Listened) -> None:
        board, info, checks = self._reached()
        found = signal_findings(
            checks,
            heard,
            info,
            mains_hz=self._study.mains_hz,
            bad_bytes=board.link().bad_bytes,
            pace=self.pace,
        )
        self.findings = (*self._before_signal, *found)

    def _lose(self, words: str) -> None:
        """The board has gone: one finding says so, and what was measured on it holds no longer."""
        self.fault = words
        self.findings = (*when_gone(self.findings, words), skipped("signal", "the board is gone"))

    def _give_up(self, name: str, words: str, *, because: str) -> None:
        self.fault = words
        self.findings += (
            Finding(name=name, state="bad", words=words),
            skipped("contact", because),
            skipped("signal", because),
        )


def _let_go(board: Board) -> None:
    # One that has gone cannot be stopped any more, and that was told when it went.
    with contextlib.suppress(TrileadError):
        board.stop()
    board.close()
