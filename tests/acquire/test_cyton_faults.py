"""Each fault of the double through our Cyton driver, and the judge of the fault table itself."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from acquire.emulators import (
    PATTERNS,
    Burst,
    CorruptByte,
    DuplicateFrame,
    Garbage,
    HangUp,
    LostByte,
    LostFrames,
    Pattern,
    PowerCycle,
    known_counts,
)
from acquire.errors import BoardErrorReason
from benchmarks.fault_cases import Case, each_offset
from benchmarks.faults import broken_bars, judge, run_ours

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@needs_pty
class TestThroughOurDriver:
    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_a_lost_or_corrupt_framing_byte_costs_one_sample(self, pattern: Pattern, tmp_path: Path) -> None:
        corrupt = tuple(replace(fault, at=fault.at + 10) for fault in each_offset(lost=False))
        case = Case(name="", faults=each_offset(lost=True) + corrupt, until=1000, may_lose=36, pattern=pattern)
        outcome = run_ours(case, tmp_path, speed=4)
        assert broken_bars(case, outcome) == []
        assert outcome.named == 36

    def test_copies_and_garbage_cost_nothing_and_a_corrupt_payload_passes_as_it_came(self, tmp_path: Path) -> None:
        case = Case(
            name="",
            faults=(
                DuplicateFrame(at=100),
                Garbage(at=200, data=b"\xa0\xc0\xa0"),
                Garbage(at=300, data=bytes(range(0xA0, 0xC1))),
                CorruptByte(at=400, offset=9),
            ),
            until=500,
        )
        outcome = run_ours(case, tmp_path, speed=4)
        assert broken_bars(case, outcome) == []
        assert (outcome.right, outcome.altered, outcome.named) == (499, 1, 0)

    @pytest.mark.parametrize(("lost", "clock_ppm"), [(256, 0), (1024, -5000)])
    def test_lost_frames_are_seen_exactly(self, lost: int, clock_ppm: float, tmp_path: Path) -> None:
        case = Case(name="", faults=(LostFrames(at=50, samples=lost),), until=100 + lost, clock_ppm=clock_ppm)
        outcome = run_ours(case, tmp_path)
        assert broken_bars(case, outcome) == []
        assert outcome.named == lost

    def test_a_burst_of_a_second_loses_nothing(self, tmp_path: Path) -> None:
        case = Case(name="", faults=(Burst(at=50, samples=260),), until=350)
        outcome = run_ours(case, tmp_path)
        assert broken_bars(case, outcome) == []
        assert (outcome.right, outcome.named) == (350, 0)

    def test_on_another_port_the_hole_is_exact(self, tmp_path: Path) -> None:
        case = Case(name="", faults=(HangUp(at=50, samples=100),), until=750, may_lose=700)
        outcome = run_ours(case, tmp_path)
        assert broken_bars(case, outcome) == []
        assert outcome.named >= 100
        assert outcome.right + outcome.named == 750

    def test_after_a_power_cycle_the_hole_is_judged_by_the_clock(self, tmp_path: Path) -> None:
        gone = (HangUp(at=50, samples=60), PowerCycle(at=50, samples=50))
        # What the system still holds when a port goes is lost with it.
        case = Case(name="", faults=gone, until=1000, may_lose=50, tolerance=10)
        outcome = run_ours(case, tmp_path)
        assert broken_bars(case, outcome) == []
        assert outcome.right > 100

    def test_a_dongle_without_a_board_is_refused_as_such(self, tmp_path: Path) -> None:
        case = Case(name="", refused=BoardErrorReason.NO_BOARD)
        assert broken_bars(case, run_ours(case, tmp_path)) == []


class TestJudge:
    case = Case(name="", until=100)
    carried: ClassVar[set[int]] = set(range(100))

    def rows(self, *, until: int = 110) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        index = np.arange(until)
        return known_counts(index), index

    def test_what_is_whole_is_right(self) -> None:
        outcome = judge(*self.rows(), self.case, self.carried)
        assert (outcome.sent, outcome.right, outcome.wrong, outcome.named, outcome.unexplained) == (100, 100, 0, 0, 0)

    def test_a_hole_that_is_told_is_named(self) -> None:
        rows, index = self.rows()
        outcome = judge(np.delete(rows, [5, 6], 0), np.delete(index, [5, 6]), self.case, self.carried)
        assert (outcome.right, outcome.named, outcome.unexplained) == (98, 2, 0)

    def test_a_hole_that_is_not_told_is_unexplained(self) -> None:
        rows, index = self.rows()
        outcome = judge(np.delete(rows, [5, 6], 0), index[:-2], self.case, self.carried)
        assert (outcome.right, outcome.named, outcome.unexplained) == (98, 0, 2)

    def test_a_hole_that_is_told_and_is_none_is_unexplained(self) -> None:
        rows, index = self.rows()
        outcome = judge(rows, index + 256 * (index >= 50), self.case, self.carried)
        assert outcome.unexplained == 256

    def test_a_hole_at_the_end_is_unexplained(self) -> None:
        outcome = judge(*self.rows(until=90), self.case, self.carried)
        assert (outcome.right, outcome.unexplained) == (90, 10)

    def test_a_hole_over_the_end_counts_as_far_as_is_looked_at(self) -> None:
        rows, index = self.rows(until=300)
        holed = np.delete(np.arange(300), np.arange(90, 250))
        outcome = judge(rows[holed], index[holed], self.case, set(range(90)))
        assert (outcome.right, outcome.named, outcome.unexplained) == (90, 10, 0)

    def test_a_made_up_row_and_a_copy_are_wrong(self) -> None:
        rows, index = self.rows()
        rows[7, 2] += 1
        outcome = judge(np.repeat(rows, 2, 0)[:-1], np.repeat(index, 2)[:-1], self.case, self.carried)
        assert outcome.wrong >= 100

    def test_what_the_wire_altered_is_told_from_what_is_wrong(self) -> None:
        case = replace(self.case, faults=(CorruptByte(at=3, offset=2, flip=0x80), LostByte(at=9, offset=0)))
        rows, index = self.rows()
        # The first byte of the first count: its sign turns over.
        rows[3, 0] = (int(rows[3, 0]) ^ 0x800000) - 0x1000000
        outcome = judge(rows, index, case, self.carried)
        assert (outcome.right, outcome.altered, outcome.wrong) == (99, 1, 0)
