"""The faults of the fault table, each with what it may cost."""

from __future__ import annotations

from dataclasses import dataclass

from acquire.emulators import (
    FRAME_BYTES,
    Burst,
    CorruptByte,
    DuplicateFrame,
    Fault,
    Garbage,
    HangUp,
    LostByte,
    LostFrames,
    Pattern,
    PowerCycle,
    Silence,
)
from acquire.errors import BoardErrorReason

__all__ = ["Case", "each_offset", "fault_cases"]

AT = 300
AFTER = 300
RESET_TOLERANCE = 10


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault and what it may cost.

    Attributes:
        name: as in the table.
        faults: what goes wrong.
        until: how many sample periods are looked at.
        may_lose: how many of the sent samples ours may lose.
        tolerance: how many samples of a hole ours may misjudge.
        again: whether the port or the board goes and comes back, so that ours reconnects and the bytes then differ.
        refused: the reason for which the board must not open, or None.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    until: int = AT + AFTER
    may_lose: int = 0
    tolerance: int = 0
    again: bool = False
    refused: BoardErrorReason | None = None
    pattern: Pattern = "ecg"
    rate_ppm: float = 0.0
    clock_ppm: float = 0.0


def each_offset(*, lost: bool) -> tuple[Fault, ...]:
    """A lost byte at each place of a frame, or a corrupt one at each place that a parser can see, 20 samples apart."""
    kind = LostByte if lost else CorruptByte
    framing = [0, 1, FRAME_BYTES - 1]
    offsets = range(FRAME_BYTES) if lost else framing
    return tuple(kind(at=100 + 20 * place, offset=offset) for place, offset in enumerate(offsets))


def fault_cases() -> list[Case]:
    """All of them, in the order of the table."""
    cases = [
        Case(name="none"),
        Case(name="burst of 0.2 s", faults=(Burst(at=AT, samples=50),)),
        Case(name="burst of 2 s", faults=(Burst(at=AT, samples=500),), until=AT + 500 + AFTER),
        Case(name="lost byte, header", faults=(LostByte(at=AT, offset=0),), may_lose=1),
        Case(name="lost byte, counter", faults=(LostByte(at=AT, offset=1),), may_lose=1),
        Case(name="lost byte, payload", faults=(LostByte(at=AT, offset=9),), may_lose=1),
        Case(name="lost byte, stop", faults=(LostByte(at=AT, offset=32),), may_lose=1),
        Case(name="lost byte at each place", faults=each_offset(lost=True), until=1000, may_lose=33),
        Case(name="corrupt byte, header", faults=(CorruptByte(at=AT, offset=0),), may_lose=1),
        Case(name="corrupt byte, counter", faults=(CorruptByte(at=AT, offset=1),), may_lose=1),
        Case(name="corrupt byte, stop", faults=(CorruptByte(at=AT, offset=32),), may_lose=1),
        Case(name="corrupt byte, payload", faults=(CorruptByte(at=AT, offset=9),)),
        Case(name="garbage of 3 bytes", faults=(Garbage(at=AT, data=b"\xa0\xc0\xa0"),), may_lose=1),
        Case(name="garbage of a frame", faults=(Garbage(at=AT, data=bytes(range(0xA0, 0xC1))),), may_lose=1),
        Case(name="duplicate frame", faults=(DuplicateFrame(at=AT),)),
    ]
    for pattern in ("false-header", "false-frame"):
        words = "A0 in payload" if pattern == "false-header" else "whole false frames"
        cases += [
            Case(name=f"{words}", pattern=pattern),
            Case(name=f"{words}, lost byte", faults=(LostByte(at=AT, offset=9),), may_lose=1, pattern=pattern),
            Case(
                name=f"{words}, at each place",
                faults=each_offset(lost=True),
                until=1000,
                may_lose=33,
                pattern=pattern,
            ),
            Case(
                name=f"{words}, corrupt frame",
                faults=each_offset(lost=False),
                until=AT + AFTER,
                may_lose=3,
                pattern=pattern,
            ),
        ]
    cases += [
        Case(name=f"{lost} lost frames", faults=(LostFrames(at=AT, samples=lost),), until=AT + lost + AFTER)
        for lost in (1, 2, 255, 256, 257, 512, 1024)
    ]
    cases += [
        Case(
            name="256 lost, then a byte",
            faults=(LostFrames(at=AT, samples=256), LostByte(at=AT + 256, offset=5)),
            until=AT + 256 + AFTER,
            may_lose=1,
        ),
        Case(name="silence of 3 s", faults=(Silence(at=AT, samples=750),), until=AT + 750 + AFTER),
        Case(
            name="silence of 8 s",
            faults=(Silence(at=AT, samples=2000),),
            until=AT + 2000 + 2500,
            again=True,
            tolerance=RESET_TOLERANCE,
        ),
        Case(name="silence for ever", faults=(Silence(at=AT),), until=AT + 500),
        Case(
            name="other port after 2 s",
            faults=(HangUp(at=AT, samples=500),),
            until=AT + 1500,
            again=True,
            may_lose=1500,
        ),
        Case(
            name="power off for 2 s",
            faults=(PowerCycle(at=AT, samples=500),),
            until=AT + 2250,
            again=True,
            may_lose=1,
            tolerance=RESET_TOLERANCE,
        ),
        Case(name="board 1 % slow", rate_ppm=-10_000, until=1000),
        Case(name="board 1 % fast", rate_ppm=10_000, until=1000),
        Case(
            name="clock 0.5 % slow, 1024 lost",
            clock_ppm=-5000,
            faults=(LostFrames(at=AT, samples=1024),),
            until=AT + 1024 + AFTER,
        ),
        Case(name="dongle without board", refused=BoardErrorReason.NO_BOARD),
    ]
    return cases
