"""A device double: bytes in, bytes out, one step a sample period. It knows neither ports nor time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from acquire.emulators.faults import (
    Burst,
    CorruptByte,
    DuplicateFrame,
    ElectrodeOff,
    Fault,
    Garbage,
    HangUp,
    LostByte,
    LostFrames,
    PowerCycle,
    Silence,
)

__all__ = ["Device", "Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What leaves a device in one go.

    Attributes:
        data: the bytes.
        index: the sample they bring, or -1 where they bring none.
        port: what becomes of the port before the bytes leave.
    """

    data: bytes = b""
    index: int = -1
    port: Literal["stays", "goes", "returns"] = "stays"


class Device(ABC):
    """A board's half of the line, with its faults.

    ``index`` counts sample periods since the device first streamed. It runs on while the board is silent, gone, off or
    stopped, so what a recording misses has a length that is known to the sample.

    Attributes:
        nominal_rate_hz: samples a second, as the board says.
        rate_hz: samples a second in truth.
        index: the sample that comes next.
        streaming: whether samples leave the board.
    """

    tells_electrodes: ClassVar[bool] = False
    """Whether the board can say that an electrode is off."""

    def __init__(
        self, nominal_rate_hz: float, *, frame_bytes: int, rate_ppm: float = 0.0, faults: Iterable[Fault] = ()
    ) -> None:
        """Make a device that is on and, unless it says otherwise, does not stream.

        Args:
            nominal_rate_hz: samples a second, as the board says; above 0.
            frame_bytes: how long its longest frame is.
            rate_ppm: how much faster its samples come than it says, in parts per million.
            faults: what goes wrong and when.

        Raises:
            ValueError: a rate cannot be, or a fault would do nothing to this board.
        """
        if not (math.isfinite(nominal_rate_hz) and nominal_rate_hz > 0):
            raise ValueError(f"the rate is {nominal_rate_hz} Hz; it must be above 0")
        if not -1e6 < rate_ppm < 1e6:
            raise ValueError(f"the rate is off by {rate_ppm} ppm; it must be between -1000000 and 1000000")
        self._frame_bytes = frame_bytes
        self.nominal_rate_hz = nominal_rate_hz
        self.rate_hz = nominal_rate_hz * (1.0 + rate_ppm * 1e-6)
        self.index = 0
        self.streaming = False
        self._begun = False
        self._faults: dict[int, list[Fault]] = {}
        self._held: list[Piece] = []
        self._burst_end = -1
        self._lost_end = -1
        self._electrode_end = -1
        self._silent_end: float = -1
        self._away_end: float = -1
        self._off_end: float = -1
        for fault in faults:
            self.schedule(fault)

    @property
    def silent(self) -> bool:
        """Whether it answers nothing now."""
        return self.index < self._silent_end

    @property
    def electrode_off(self) -> bool:
        """Whether an electrode is off now."""
        return self.index < self._electrode_end

    @property
    def powered(self) -> bool:
        """Whether the board is on."""
        return self.index >= self._off_end

    def schedule(self, fault: Fault) -> None:
        """Let something go wrong; what should have happened before now happens with the next sample.

        Raises:
            ValueError: it would do nothing to this board.
        """
        if isinstance(fault, ElectrodeOff) and not self.tells_electrodes:
            raise ValueError(
                f"an electrode is to be off at sample {fault.at}, but this board cannot tell of electrodes"
            )
        if isinstance(fault, LostByte | CorruptByte) and fault.offset >= self._frame_bytes:
            raise ValueError(
                f"a fault at sample {fault.at} is at byte {fault.offset} of a frame, but the bytes of this board's"
                f" frames are 0 to {self._frame_bytes - 1}"
            )
        self._faults.setdefault(max(fault.at, self.index), []).append(fault)

    def receive(self, data: bytes) -> bytes:
        """Take what the computer wrote.

        Returns:
            What the device answers at once; in a burst its answer waits behind the samples that are held back.
        """
        answer = self._answer(data)
        if self.silent:
            return b""
        if self._held and answer:
            self._held.append(Piece(answer))
            return b""
        return answer

    def advance(self, samples: int) -> list[Piece]:
        """Let sample periods pass.

        Args:
            samples: how many.

        Returns:
            What leaves the device in them, in order.
        """
        if not self._begun:
            return []
        pieces: list[Piece] = []
        for _ in range(samples):
            self._step(pieces)
        return pieces

    def opened(self) -> None:  # noqa: B027 - a board that waits for a command does not see the port
        """Somebody opened the port."""

    @abstractmethod
    def _answer(self, data: bytes) -> bytes:
        """What the board does and says when bytes come."""

    @abstractmethod
    def _frame(self, index: int) -> bytes:
        """The bytes that bring one sample."""

    def _pass_time(self) -> None:  # noqa: B027 - a board without a counter or clock has nothing to move
        """One sample period of the board's own counter and clock."""

    def _restart(self) -> None:  # noqa: B027 - a board without settings has none to forget
        """Come back from being off."""

    def _begin(self) -> None:
        self.streaming = True
        self._begun = True

    def _step(self, pieces: list[Piece]) -> None:
        index = self.index
        if index == self._away_end:
            pieces.append(Piece(port="returns"))
        if index == self._off_end:
            self._restart()
        repeats, garbage = 1, b""
        strikes: list[LostByte | CorruptByte] = []
        for fault in self._faults.pop(index, ()):
            match fault:
                case LostByte() | CorruptByte():
                    strikes.append(fault)
                case DuplicateFrame():
                    repeats += 1
                case Garbage(data=data):
                    garbage += data
                case ElectrodeOff(samples=samples):
                    self._electrode_end = max(self._electrode_end, index + samples)
                case Burst(samples=samples):
                    self._burst_end = max(self._burst_end, index + samples)
                case LostFrames(samples=samples):
                    self._lost_end = max(self._lost_end, index + samples)
                case Silence(samples=length):
                    self._silent_end = _end(index, length)
                case HangUp(samples=length):
                    self._away_end = _end(index, length)
                    pieces.append(Piece(port="goes"))
                case PowerCycle(samples=length):
                    self._off_end = _end(index, length)
                    self.streaming = False
        if self.powered:
            if self.streaming and not self.silent and index >= self._lost_end:
                if garbage:
                    self._held.append(Piece(garbage))
                frame = _struck(self._frame(index), strikes)
                self._held.append(Piece(frame, index))
                self._held.extend([Piece(frame)] * (repeats - 1))
            self._pass_time()
        self.index = index + 1
        if self.index >= self._burst_end and self._held:
            pieces.extend(self._held)
            self._held.clear()


def _end(index: int, length: int | None) -> float:
    return math.inf if length is None else index + length


def _struck(frame: bytes, strikes: list[LostByte | CorruptByte]) -> bytes:
    """A frame after its lost and corrupt bytes; all offsets are those in the whole frame."""
    if not strikes:
        return frame
    left: list[int | None] = list(frame)
    for strike in strikes:
        byte = left[strike.offset] if strike.offset < len(left) else None
        if byte is not None:
            left[strike.offset] = None if isinstance(strike, LostByte) else byte ^ strike.flip
    return bytes(byte for byte in left if byte is not None)
