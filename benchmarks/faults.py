"""The fault table: what each fault of the Cyton double costs our driver, and BrainFlow's own on the same bytes.

``python -m benchmarks.faults`` runs every fault in real time on pseudo-terminals, in two minutes; ``--fault NAME``
runs one. Each sample that a driver gives is compared with what the wire carried:

* sent: samples whose bytes, or some of them, reached the port;
* right: given once, with the values that the board sent;
* altered: given with the values that a corrupt byte made of them on the wire, which nothing shows: the protocol has no
  checksum;
* wrong: given with values that the wire never carried, or a second time;
* named: missing samples that the driver's indices tell of (for BrainFlow the package number modulo 256, which is all
  that it gives);
* unexplained: samples by which a hole and what is told of it differ.

It leaves with 1 if ours gives a wrong sample, leaves one unexplained, loses more than one sample to a lost or corrupt
byte, or does not see a loss of 256, 512 or 1024 frames to the sample. Only where the board itself started anew is the
hole judged by the computer's clock, and may be off by 40 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from acquire.boards.board import Board, Chunk, open_board
from acquire.boards.brainflow_library import library, make_shim
from acquire.emulators import (
    CorruptByte,
    CytonDouble,
    Piece,
    PseudoTerminal,
    known_counts,
    known_index,
)
from acquire.errors import BoardError, BoardErrorReason
from acquire.recorder.link_watch import LinkWatch
from benchmarks.fault_cases import Case, fault_cases

UV_PER_COUNT = 4.5e6 / 24 / (2**23 - 1)
LEADS = "A,B,C,D,E,F,G,H"
_WHOLE = 1 << 30
_TAIL_S = 0.4
_LIMIT_S = 60.0
_PAYLOAD = slice(2, 26)

_CONSOLE = Console(width=150, highlight=False)


class TapedCyton(CytonDouble):
    """A Cyton that keeps what it put on the wire."""

    def __init__(self, case: Case) -> None:
        super().__init__(
            pattern=case.pattern,
            rate_ppm=case.rate_ppm,
            clock_ppm=case.clock_ppm,
            no_board=case.refused is not None,
            faults=case.faults,
        )
        self.tape = bytearray()
        self.carried: set[int] = set()
        self._until = case.until
        self._away = False

    def advance(self, samples: int) -> list[Piece]:
        """Let time pass, and keep what comes of it."""
        pieces = super().advance(samples)
        for piece in pieces:
            self._away = {"goes": True, "returns": False, "stays": self._away}[piece.port]
            if 0 <= piece.index < self._until and not self._away:
                self.carried.add(piece.index)
            if piece.index < self._until:
                self.tape += piece.data
        return pieces


@dataclass
class Outcome:
    """What a driver made of a case."""

    sent: int = 0
    right: int = 0
    altered: int = 0
    wrong: int = 0
    named: int = 0
    unexplained: int = 0
    words: str = ""
    refused: BoardErrorReason | None = None
    tape: bytes = b""


def judge(rows: NDArray[np.int32], index: NDArray[np.int64], case: Case, carried: set[int]) -> Outcome:
    """Compare what a driver gave with what the wire carried.

    Args:
        rows: counts of all eight channels, shape (n, 8).
        index: where the driver says that each row belongs, shape (n,).
        case: the fault.
        carried: the samples whose bytes reached the port.
    """
    truth = known_index(rows, range(8), pattern=case.pattern)
    altered = _altered(case)
    outcome = Outcome(sent=len(carried))
    end = placed_end = 0  # after the last row that was taken: by truth, and by what the driver says
    for row, true, placed in zip(rows, truth.tolist(), index.tolist(), strict=True):
        known = true >= 0
        if not known:
            true = next((at for at, counts in altered.items() if (counts == row).all()), -1)
        if true < end:
            outcome.wrong += 1
            continue
        if end >= case.until:
            break
        hole, told = true - end, placed - placed_end
        outcome.named += min(told, case.until - end)
        outcome.unexplained += abs(hole - told)
        end, placed_end = true + 1, placed + 1
        if true >= case.until:
            break
        outcome.right += known
        outcome.altered += not known
    # What the wire carried after the last row is missing without a word.
    outcome.unexplained += sum(at >= end for at in carried)
    return outcome


def _altered(case: Case) -> dict[int, NDArray[np.int32]]:
    """What corrupt payload bytes made of samples."""
    found = {}
    for fault in case.faults:
        if isinstance(fault, CorruptByte) and _PAYLOAD.start <= fault.offset < _PAYLOAD.stop:
            place = fault.offset - _PAYLOAD.start
            counts = known_counts(fault.at, pattern=case.pattern)[0]
            counts[place // 3] ^= fault.flip << (8 * (2 - place % 3))
            found[fault.at] = ((counts.astype(np.int64) << 40) >> 40).astype(np.int32)
    return found


def run_ours(case: Case, folder: Path, *, speed: float = 1.0) -> Outcome:
    """Let our driver meet the fault; where the board goes, it is reached again as the recorder does it.

    Args:
        case: the fault.
        folder: where a link to the port may be made.
        speed: how many times faster than in truth time passes; other than 1 only where nothing falls silent.
    """
    device, link = TapedCyton(case), folder / "ours"
    chunks: list[Chunk] = []
    words = ""
    with PseudoTerminal(device, link=link, speed=speed):
        board = open_board(f"cyton:{link}?leads={LEADS}&gain=24")
        try:
            with board:
                board.start()
                words = _read_ours(board, device, case, chunks)
        except BoardError as error:
            if case.refused is None:
                raise
            return Outcome(words=f"refused: {error.reason.value}", refused=error.reason)
    rows = np.concatenate([chunk.samples for chunk in chunks]).astype(np.int32)
    index = np.concatenate([chunk.index + np.arange(len(chunk.samples)) for chunk in chunks])
    outcome = judge(rows, index, case, device.carried)
    outcome.words, outcome.tape = words, bytes(device.tape)
    return outcome


def _read_ours(board: Board, device: CytonDouble, case: Case, chunks: list[Chunk]) -> str:
    """Read as the recorder does, which reaches again for a board that hung up or is silent for long."""
    watch = LinkWatch(board, address=case.name, stall_limit_s=0)
    words: list[str] = []
    end_s = 0.0
    limit_s = time.monotonic() + _LIMIT_S
    try:
        while time.monotonic() < limit_s and not 0 < end_s < time.monotonic():
            if device.index >= case.until and not end_s:
                end_s = time.monotonic() + _TAIL_S
            chunk = watch.read(0.1, _WHOLE)
            words += [watch.trouble] * bool(watch.trouble)
            if chunk is not None:
                chunks.append(chunk)
                watch.heard()
    finally:
        watch.close()
    return ", ".join(dict.fromkeys(words))


def run_brainflow(case: Case, folder: Path) -> Outcome:
    """Let BrainFlow's Cyton driver meet the same fault, through its own interface."""
    shim = library("brainflow:cyton")
    device, link = TapedCyton(case), folder / "brainflow"
    with PseudoTerminal(device, link=link):
        params = shim.BrainFlowInputParams()
        params.serial_port = str(link)
        board = make_shim(shim, shim.BoardIds.CYTON_BOARD.value, params)
        try:
            board.prepare_session()
        except shim.BrainFlowError as error:
            return Outcome(words=f"refused: {error}".partition(" unable")[0].partition(":17")[0])
        try:
            # Not its habit, but only so are the bytes the same.
            board.config_board("<")
            board.start_stream()
            limit_s = time.monotonic() + _LIMIT_S
            while device.index < case.until and time.monotonic() < limit_s:
                time.sleep(0.02)
            time.sleep(_TAIL_S)
            table = board.get_board_data()
        finally:
            board.release_session()
    rows = np.rint(table[1:9].T / UV_PER_COUNT).astype(np.int32)
    number = table[0].astype(np.int64)
    steps = np.diff(number, prepend=number[:1] - 1) % 256
    taken = steps > 0
    outcome = judge(rows[taken], np.cumsum(steps[taken]) - 1, case, device.carried)
    outcome.tape = bytes(device.tape)
    return outcome


def broken_bars(case: Case, ours: Outcome) -> list[str]:
    """What ours promised and did not keep."""
    if case.refused is not None:
        return [] if ours.refused is case.refused else [f"was not refused for {case.refused.value}"]
    lost = ours.sent - ours.right - ours.altered
    broken = [f"{ours.wrong} wrong samples"] if ours.wrong else []
    if ours.unexplained > case.tolerance:
        broken.append(f"{ours.unexplained} samples unexplained")
    if lost > case.may_lose:
        broken.append(f"{lost} of the sent samples lost, {case.may_lose} allowed")
    return broken


def run_case(case: Case) -> tuple[Case, Outcome, Outcome]:
    """Both drivers at once, each on a double of its own."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        ours = pool.submit(run_ours, case, Path(name))
        theirs = pool.submit(run_brainflow, case, Path(name))
        return case, ours.result(), theirs.result()


def show(results: Iterable[tuple[Case, Outcome, Outcome]]) -> list[str]:
    """Print the table; what broke a bar."""
    table = Table(title="Cyton double: samples by driver and fault", title_justify="left")
    table.add_column("fault", no_wrap=True)
    table.add_column("driver", no_wrap=True)
    for name in ("sent", "right", "altered", "wrong", "named", "unexplained"):
        table.add_column(name, justify="right")
    table.add_column("note")
    broken = []
    for case, ours, theirs in results:
        bars = broken_bars(case, ours)
        if not case.again and ours.tape != theirs.tape:
            bars.append("the two drivers did not get the same bytes")
        broken += [f"{case.name}: {bar}" for bar in bars]
        for driver, outcome in (("trilead", ours), ("BrainFlow", theirs)):
            numbers = (
                outcome.sent,
                outcome.right,
                outcome.altered,
                outcome.wrong,
                outcome.named,
                outcome.unexplained,
            )
            shown = ["–"] * 6 if outcome.words.startswith("refused") else [str(number) for number in numbers]
            note = "; ".join([outcome.words] * bool(outcome.words) + (bars if driver == "trilead" else []))
            table.add_row(case.name if driver == "trilead" else "", driver, *shown, note)
        table.add_section()
    _CONSOLE.print(table)
    return broken


def main() -> int:
    """Run the faults and print the table."""
    if sys.platform == "win32":
        _CONSOLE.print("Windows has no pseudo-terminals; run this on Linux or macOS.")
        return 2
    cases = fault_cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fault", metavar="NAME", choices=[case.name for case in cases], help="run only this one")
    parser.add_argument("--at-once", type=int, default=3, help="how many faults are run at the same time")
    arguments = parser.parse_args()
    wanted = [case for case in cases if arguments.fault in (None, case.name)]
    began_s = time.monotonic()
    with ThreadPoolExecutor(max(arguments.at_once, 1)) as pool:
        broken = show(list(pool.map(run_case, wanted)))
    _CONSOLE.print(f"{len(wanted)} faults in {time.monotonic() - began_s:.0f} s.")
    for bar in broken:
        _CONSOLE.print(f"[bold red]{bar}[/]")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
