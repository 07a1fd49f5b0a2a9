from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from scripted_board import ScriptedBoard, rows
from waiting import wait_until

from acquire.errors import BoardError, BoardErrorReason
from acquire.recorder.link_watch import RECONNECT_PAUSES_S, LinkWatch

GONE = BoardError("The dongle was pulled; plug it in.", reason=BoardErrorReason.HUNG_UP, address="bench:")
AWAY = BoardError("There is no such port; plug the dongle in.", reason=BoardErrorReason.NOT_FOUND, address="bench:")


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


class ReturningBoard(ScriptedBoard):
    """Comes back at the given attempt; ``tries`` holds when each attempt was made."""

    can_reconnect = True

    def __init__(self, clock: Clock, *, back_at: int = 10**6, last: BoardError | None = GONE) -> None:
        super().__init__([], last)
        self.clock = clock
        self.back_at = back_at
        self.tries: list[float] = []
        self.hold = threading.Event()
        self.hold.set()

    def reconnect(self) -> None:
        self.tries.append(self.clock.s)
        self.hold.wait(30)
        if len(self.tries) < self.back_at:
            raise AWAY
        self.last = None
        self.chunks = [rows(50)]


def settle(link: LinkWatch, condition: Callable[[], object]) -> None:
    """Read on, at the same moment of the clock, until the thread of an attempt has had its effect."""

    def met() -> object:
        assert link.read(0.0, 10) is None
        return condition()

    wait_until(met)


def watch(board: ScriptedBoard, clock: Clock, stall_limit_s: float = 0.0) -> LinkWatch:
    return LinkWatch(board, address="bench:", stall_limit_s=stall_limit_s, now_s=clock)


def test_a_second_of_silence_is_a_stall_and_the_next_samples_end_it() -> None:
    clock = Clock()
    board = ScriptedBoard([rows(0)])
    link = watch(board, clock)
    assert link.read(0.0, 10) is not None
    link.heard()
    clock.s += 0.99
    assert link.read(0.0, 10) is None
    assert link.trouble == ""
    clock.s += 0.01
    assert link.read(0.0, 10) is None
    assert link.trouble == "stalled"
    assert "check its power and cable" in link.message
    board.chunks = [rows(10)]
    assert link.read(0.0, 10) is not None
    assert link.silent_s == pytest.approx(1.0)
    link.heard()
    assert (link.trouble, link.message, link.silent_s) == ("", "", 0.0)


def test_a_recorder_that_was_blocked_for_long_sees_no_stall_where_samples_wait() -> None:
    clock = Clock()
    board = ScriptedBoard([rows(0), rows(10)])
    link = watch(board, clock)
    assert link.read(0.0, 10) is not None
    clock.s += 60.0
    assert link.read(0.0, 10) is not None
    assert link.trouble == ""


def test_the_limit_ends_it_and_zero_waits_for_ever() -> None:
    for stall_limit_s, ends in ((30.0, True), (0.0, False)):
        clock = Clock()
        link = watch(ScriptedBoard([]), clock, stall_limit_s)
        clock.s += 29.9
        assert link.read(0.0, 10) is None
        clock.s += 1e6
        if ends:
            with pytest.raises(BoardError, match=r"the limit is 30 s"):
                link.read(0.0, 10)
        else:
            assert link.read(0.0, 10) is None


def test_a_board_that_cannot_be_reached_again_ends_it_with_its_own_words() -> None:
    with pytest.raises(BoardError, match="The dongle was pulled; plug it in"):
        watch(ScriptedBoard([], GONE), Clock()).read(0.0, 10)


def test_a_board_that_hung_up_is_reached_for_at_once_and_then_with_growing_pauses() -> None:
    clock = Clock()
    board = ReturningBoard(clock)
    link = watch(board, clock)
    settle(link, lambda: "There is no such port" in link.message)
    assert link.trouble == "reconnecting"
    assert link.message.endswith("recording then goes on by itself.")
    for number, pause_s in enumerate((*RECONNECT_PAUSES_S, RECONNECT_PAUSES_S[-1]), start=1):
        clock.s += pause_s - 0.01
        assert link.read(0.0, 10) is None
        assert len(board.tries) == number
        clock.s += 0.01
        settle(link, lambda number=number: len(board.tries) == number + 1)
        settle(link, lambda: link._attempt is None)
    assert board.tries[0] == 100.0


def test_it_goes_on_by_itself_when_the_board_is_back() -> None:
    clock = Clock()
    board = ReturningBoard(clock, back_at=2)
    link = watch(board, clock)
    settle(link, lambda: "There is no such port" in link.message)
    clock.s += RECONNECT_PAUSES_S[0]
    chunks = []

    def came() -> bool:
        if (chunk := link.read(0.0, 10)) is not None:
            chunks.append(chunk)
        return bool(chunks)

    wait_until(came)
    assert chunks[0].index == 50
    assert link.trouble == "reconnecting"
    link.heard()
    assert link.trouble == ""
    board.last = GONE
    settle(link, lambda: len(board.tries) == 3)
    assert board.tries[2] == clock.s, "after samples came, the first attempt is made at once again"
    board.hold.set()
    link.close()


def test_a_board_that_only_fell_silent_is_given_some_seconds_before_it_is_reached_for() -> None:
    clock = Clock()
    board = ReturningBoard(clock, last=None)
    link = watch(board, clock)
    clock.s += 4.9
    assert link.read(0.0, 10) is None
    assert link.trouble == "stalled"
    assert board.tries == []
    clock.s += 0.1
    settle(link, lambda: board.tries)
    assert link.trouble == "reconnecting"
    link.close()


def test_commands_can_be_obeyed_while_an_attempt_takes_long() -> None:
    clock = Clock()
    board = ReturningBoard(clock)
    board.hold.clear()
    link = watch(board, clock)
    settle(link, lambda: board.tries)
    for _ in range(3):
        assert link.read(0.001, 10) is None
    assert link.trouble == "reconnecting"
    board.hold.set()
    link.close()


def test_a_bug_in_a_driver_shows_itself_instead_of_being_tried_again() -> None:
    clock = Clock()
    board = ReturningBoard(clock)
    board.reconnect = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    link = watch(board, clock)
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: link.read(0.0, 10) is not None)
