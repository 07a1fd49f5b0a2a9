"""Boards that send samples unasked over a serial port, with neither a counter nor a time of their own.

What is the same for all of them: a rate that is measured where nobody knows it, samples that are missing and say so,
long silences that are judged by the computer's clock, and coming back after the cable was out.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from acquire.boards.address import Address, short
from acquire.boards.arrival import SILENCE_S, ArrivalClock, estimate_rate_hz
from acquire.boards.board import BATCH_S, Board, BoardInfo, Chunk, LinkCounters
from acquire.boards.ports import SerialPort, find_again, find_port
from acquire.boards.serial_link import SerialLink
from acquire.boards.stream_options import FASTEST_HZ, SLOWEST_HZ
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["Item", "Row", "StreamBoard", "StreamParser"]

Row = tuple[int, ...] | tuple[float, ...]
Item = Row | str
"""One sample of all channels, or why it is missing."""

FIRST_SAMPLE_S = 6.0
"""How long the first sample may take: opening its port resets an Arduino, which then waits for a new program first."""
MEASURE_S = 3.0
LISTEN_S = 1.0
SETTLE_S = 0.05
"""After a silence: what was held back on the way comes within so much."""
_FEWEST_TO_MEASURE = 10
_RATE_TOLERANCE = 0.15
SILENCE = "no samples came for a while; how many were missed is judged by the computer's clock"
AWAY = "the board was away; how many samples were missed is judged by the computer's clock"


class _Sample(NamedTuple):
    row: Row
    host_ns: int


class _Missing(NamedTuple):
    samples: int
    cause: str


class StreamParser(Protocol):
    """What takes the bytes of such a board apart."""

    bad_bytes: int
    resyncs: int

    def feed(self, data: bytes) -> Sequence[Item]:
        """Take the next bytes and give the samples that they complete, in order."""

    def restart(self) -> None:
        """Expect the middle of something."""


class StreamBoard(Board):
    """A board that only talks.

    Args:
        given: the address; its target is a port, a USB serial number, or nothing where one board is plugged in.
        baud: bits per second on the serial port.
        rate_hz: samples per second where that is known, or None to measure it before the recording.
    """

    can_reconnect: ClassVar[bool] = True
    guess: ClassVar[str]
    """What `find_port` is to look for where the address names no port."""

    def __init__(self, given: Address, *, baud: int, rate_hz: float | None) -> None:
        self.address = given.text
        self._target = given.target
        self._baud = baud
        self._rate_hz = rate_hz
        self._parser: StreamParser = self.make_parser()
        self._port: SerialPort | None = None
        self._link: SerialLink | None = None
        self._fault: BoardError | None = None  # what the link said last, told when all before it was handed over
        self._dtype: Literal["int32", "float32"] = "int32"
        self._nominal_hz = rate_hz or 1.0
        self._received = 0
        self._reconnects = 0
        self._heard_ns = 0
        self._said = ""
        self._silence_s = SILENCE_S
        self._begin()

    @abstractmethod
    def make_parser(self) -> StreamParser:
        """A parser that knows nothing yet."""

    @abstractmethod
    def learn(self, rows: Sequence[tuple[float, ...]], rate_hz: float) -> BoardInfo:
        """Say what the board is, after its first samples.

        Args:
            rows: the samples themselves, at least one.
            rate_hz: samples per second, as the address says or as they came.
        """

    @abstractmethod
    def unreadable(self) -> str:
        """What to try when bytes come and none of them make sense, as a clause."""

    def open(self) -> BoardInfo:
        """Open the port, wait for samples and see how many of them come; takes some seconds."""
        self.close()
        self._parser = self.make_parser()
        self._received = self._reconnects = 0
        self._port = find_port(self._target, guess=self.guess, address=self.address)
        self._link = SerialLink(self._port.device, baud=self._baud, address=self.address)
        try:
            rows, found_hz = self._listen(self._link)
            info = self.learn(rows, self._settle_rate(found_hz))
        except BaseException:
            self.close()
            raise
        self._dtype = info.dtype
        self._nominal_hz = info.nominal_rate_hz
        self._begin()
        return info

    def start(self) -> None:
        """Begin to count: the first sample that comes whole from now on has index 0."""
        link = self._opened("started")
        self._hear(link, 0.0)
        self._parser.restart()
        self._begin()

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait for samples; see `Board.read`."""
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is {max_samples}; it must be at least 1")
        link = self._opened("read")
        deadline_s = time.monotonic() + timeout_s
        while not self._ripe(max_samples):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or self._fault:
                break
            self._listen_for(link, left_s)
        chunk = self._cut(max_samples)
        if chunk is None and self._fault:
            raise self._fault
        return chunk

    def reconnect(self) -> None:
        """Open the port again, wherever the board is now.

        Raises:
            BoardError: it is not there yet; or it is there and talks, but not of samples.
        """
        link = self._opened("reached again")
        if self._fault is None and time.monotonic_ns() - self._heard_ns < self._silence_s * 1e9:
            # To open the port once more would reset the board, and mend nothing.
            raise self.error(f"talks, but without samples: {self._said}; mend that.", BoardErrorReason.REFUSED)
        assert self._port is not None
        link.close()
        try:
            self._port = find_again(self._port, address=self.address)
            self._link = SerialLink(self._port.device, baud=self._baud, address=self.address)
        except BoardError as error:
            self._fault = error
            raise
        self._parser.restart()
        self._fault = None
        self._away = True
        self._reconnects += 1

    def stop(self) -> None:
        """Nothing is sent to the board; it goes on talking, and nobody listens."""

    def close(self) -> None:
        """Let go of the port."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def resource(self) -> str:
        """The port, by its USB serial number where it has one."""
        if self._port is None:
            return ""
        return f"serial port {self._port.serial_number or os.path.realpath(self._port.device)}"

    def link(self) -> LinkCounters:
        """What has come over the port so far."""
        return LinkCounters(
            received_bytes=self._received,
            bad_bytes=self._parser.bad_bytes,
            resyncs=self._parser.resyncs,
            reconnects=self._reconnects,
        )

    def how_rate_is_known(self) -> str:
        """What to add to the board's name where its rate was measured."""
        return "" if self._rate_hz else f"; the rate is an estimate from {MEASURE_S:g} s"

    def error(self, wrong: str, reason: BoardErrorReason) -> BoardError:
        """An error about this board; ``wrong`` is a clause with its mend."""
        return BoardError(f"The board {short(self.address)} {wrong}", reason=reason, address=self.address)

    def _opened(self, deed: str) -> SerialLink:
        if self._link is None:
            raise self.error(f"cannot be {deed}: it is not open; call open first.", BoardErrorReason.WRONG_STATE)
        return self._link

    def _begin(self) -> None:
        self._pending: deque[_Sample | _Missing] = deque()
        self._waiting = 0  # samples among them
        self._handed_s = 0.0  # when the last chunk was taken out of them
        self._held: list[_Sample | _Missing] = []  # what came right after a silence
        self._held_until_ns = 0
        self._seen = 0  # samples that came or are known to be missing
        self._index = 0  # of the first of the pending ones
        self._reached = 0  # end of the last chunk
        self._causes: dict[str, None] = {}  # of what is missing right before the pending ones
        self._away = False
        self._heard_ns = time.monotonic_ns()
        self._said = "nothing that can be read"  # why the last sample that is missing is
        self._fault = None
        self._clock = ArrivalClock(self._nominal_hz)
        self._silence_s = max(SILENCE_S, 3 / self._nominal_hz)

    def _hear(self, link: SerialLink, timeout_s: float) -> list[tuple[bytes, int]]:
        pieces = link.read(timeout_s)
        self._received += sum(len(data) for data, _ in pieces)
        return pieces

    def _listen(self, link: SerialLink) -> tuple[list[tuple[float, ...]], float]:
        """Take in samples for a while, for what they tell of the board."""
        rows: list[tuple[float, ...]] = []
        arrivals: list[tuple[int, int]] = []
        count = 0
        until_s = time.monotonic() + FIRST_SAMPLE_S
        while (left_s := until_s - time.monotonic()) > 0:
            for data, host_ns in self._hear(link, left_s):
                items = self._parser.feed(data)
                if not rows and any(not isinstance(item, str) for item in items):
                    until_s = time.monotonic() + (LISTEN_S if self._rate_hz else MEASURE_S)
                rows += [item for item in items if not isinstance(item, str)]
                count += len(items)
                if items:
                    arrivals.append((count, host_ns))
        if rows and 2 * self._parser.bad_bytes < self._received:
            return rows, estimate_rate_hz(arrivals) if count >= _FEWEST_TO_MEASURE else 0.0
        if not self._received:
            raise self.error(
                f"sent nothing for {FIRST_SAMPLE_S:g} s; check its power, its cable and its program.",
                BoardErrorReason.SILENT,
            )
        if 2 * self._parser.bad_bytes < self._received and count:
            raise self.error("says that an electrode is off; put it on first.", BoardErrorReason.REFUSED)
        raise self.error(
            f"sent {self._received} bytes at {self._baud} baud, and most of them could not be read;"
            f" {self.unreadable()}.",
            BoardErrorReason.UNSUPPORTED,
        )

    def _settle_rate(self, found_hz: float) -> float:
        """The rate that the address says, unless the samples contradict it; else the one that was found."""
        if self._rate_hz:
            if found_hz and abs(found_hz / self._rate_hz - 1) > _RATE_TOLERANCE:
                raise self.error(
                    f"sends about {found_hz:.4g} samples a second, not {self._rate_hz:g}; write"
                    f" rate={found_hz:.3g} into the address, or the rate that its program sets.",
                    BoardErrorReason.BAD_OPTION,
                )
            return self._rate_hz
        if not SLOWEST_HZ <= found_hz <= FASTEST_HZ:
            raise self.error(
                f"sent too few samples in {MEASURE_S:g} s to tell its rate; write it into the address, for example"
                " rate=10.",
                BoardErrorReason.UNSUPPORTED,
            )
        # More digits than the measurement gives would look like knowledge.
        return float(f"{found_hz:.4g}")

    def _ripe(self, max_samples: int | None) -> bool:
        """Whether enough samples have gathered to be handed over."""
        if not self._waiting:
            return False
        full = max_samples is not None and self._waiting >= max_samples
        return full or time.monotonic() - self._handed_s >= BATCH_S

    def _listen_for(self, link: SerialLink, left_s: float) -> None:
        """Take in what comes, until it may be time to hand something over."""
        now_s = time.monotonic()
        if self._held:
            left_s = min(left_s, max(0.0, self._held_until_ns / 1e9 - now_s))
        if 0 < (gather_s := self._handed_s + BATCH_S - now_s):
            # To be woken by every sample would cost more than the samples do.
            time.sleep(min(left_s, gather_s))
            left_s = 0.0
        try:
            for data, host_ns in self._hear(link, left_s):
                self._take(data, host_ns)
        except BoardError as error:
            self._fault = error
        if self._held and (self._fault or time.monotonic_ns() >= self._held_until_ns):
            self._release()

    def _take(self, data: bytes, host_ns: int) -> None:
        came: list[_Sample | _Missing] = [
            _Missing(1, item) if isinstance(item, str) else _Sample(item, host_ns) for item in self._parser.feed(data)
        ]
        if not came:
            return
        if self._held and host_ns >= self._held_until_ns:
            self._release()
        elif not self._held and (self._away or self._clock.silent_s(host_ns) >= self._silence_s):
            self._held_until_ns = host_ns + round(SETTLE_S * 1e9)
        self._heard_ns = host_ns
        if isinstance(last := came[-1], _Missing):
            self._said = last.cause
        if host_ns < self._held_until_ns:
            self._held += came
        else:
            self._accept(came, host_ns)

    def _release(self) -> None:
        """Judge by the clock how many samples a silence has swallowed, now that all that was held back has come."""
        came, self._held = self._held, []
        lost = self._clock.missing(self._seen + len(came), self._heard_ns, certain=self._away)
        if lost:
            self._pending.append(_Missing(lost, AWAY if self._away else SILENCE))
            self._seen += lost
        self._away = False
        self._accept(came, self._heard_ns)

    def _accept(self, came: list[_Sample | _Missing], host_ns: int) -> None:
        self._pending += came
        self._seen += len(came)
        self._clock.arrived(self._seen, host_ns)
        self._waiting += sum(isinstance(entry, _Sample) for entry in came)

    def _cut(self, max_samples: int | None) -> Chunk | None:
        """Take the next run of consecutive samples out of what has gathered."""
        pending = self._pending
        while pending and isinstance(missing := pending[0], _Missing):
            pending.popleft()
            self._index += missing.samples
            self._causes[missing.cause] = None
        if not pending:
            return None
        # Where a loss swallows all that may be handed over, it shows with the first sample after it.
        room = len(pending) if max_samples is None else max(1, self._reached + max_samples - self._index)
        rows: list[Row] = []
        host_ns = 0
        while pending and len(rows) < room and isinstance(sample := pending[0], _Sample):
            pending.popleft()
            rows.append(sample.row)
            host_ns = sample.host_ns
        self._waiting -= len(rows)
        self._handed_s = time.monotonic()
        chunk = Chunk(
            samples=np.array(rows, dtype=self._dtype),
            index=self._index,
            host_ns=host_ns,
            cause="; ".join(self._causes),
        )
        self._index += len(rows)
        self._reached = self._index
        self._causes = {}
        return chunk
