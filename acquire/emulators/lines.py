"""A small sketch that prints a converter's levels as decimal lines, such as everybody uses with an AD8232."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from acquire.emulators.device import Device
from acquire.emulators.faults import Fault
from acquire.emulators.waveform import known_levels

__all__ = ["LinesDouble"]

_LEVEL_DIGITS = 4


class LinesDouble(Device):
    """Prints ``known_levels`` from the moment its port is first opened; it listens to nothing."""

    tells_electrodes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        rate_hz: float = 200.0,
        n_columns: int = 1,
        separator: str = ",",
        line_end: str = "\r\n",
        rate_ppm: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Make a sketch.

        Args:
            rate_hz: how many lines a second it should print.
            n_columns: numbers a line, 1 to 8.
            separator: what stands between them.
            line_end: what ends a line.
            rate_ppm: how much faster than that its lines come, in parts per million.
            faults: what goes wrong and when; an electrode that is off shows as ``!``.
        """
        longest = n_columns * _LEVEL_DIGITS + (n_columns - 1) * len(separator) + len(line_end)
        super().__init__(rate_hz, frame_bytes=longest, rate_ppm=rate_ppm, faults=faults)
        self._n_columns = n_columns
        self._separator = separator
        self._line_end = line_end

    def opened(self) -> None:
        """The sketch begins when its port is first opened."""
        self._begin()

    def _answer(self, data: bytes) -> bytes:
        return b""

    def _restart(self) -> None:
        self._begin()

    def _frame(self, index: int) -> bytes:
        if self.electrode_off:
            return f"!{self._line_end}".encode()
        levels = known_levels(index, self._n_columns)[0]
        return (self._separator.join(map(str, levels)) + self._line_end).encode()
