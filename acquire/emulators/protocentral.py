"""ProtoCentral's ADS1293 and ADS1292R boards, which send frames from the moment they are on.

A frame is ``0A FA | length, 2 bytes | 02 | payload | 00 0B``, little-endian.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Iterable

from acquire.emulators.device import Device
from acquire.emulators.faults import Fault
from acquire.emulators.waveform import Pattern, known_counts, known_words

__all__ = ["Ads1292rDouble", "Ads1293Double"]

_START = b"\x0a\xfa"
_TYPE = b"\x02"
_END = b"\x00\x0b"
_FRAMING_BYTES = len(_START) + 2 + len(_TYPE) + len(_END)


class _ProtoCentralDouble(Device):
    def opened(self) -> None:
        """The sketch begins when its port is first opened."""
        self._begin()

    def _answer(self, data: bytes) -> bytes:
        return b""

    def _restart(self) -> None:
        self._begin()

    @abstractmethod
    def _payload(self, index: int) -> bytes:
        """What stands in the frame of one sample."""

    def _frame(self, index: int) -> bytes:
        payload = self._payload(index)
        return _START + struct.pack("<H", len(payload)) + _TYPE + payload + _END


class Ads1293Double(_ProtoCentralDouble):
    """Three leads of ``known_counts``, 32 bits each."""

    def __init__(
        self,
        *,
        rate_hz: float = 200.0,
        pattern: Pattern = "ecg",
        rate_ppm: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Make a board.

        Args:
            rate_hz: samples a second.
            pattern: what the waveform is.
            rate_ppm: how much faster than that it samples, in parts per million.
            faults: what goes wrong and when.
        """
        super().__init__(rate_hz, frame_bytes=_FRAMING_BYTES + 12, rate_ppm=rate_ppm, faults=faults)
        self._pattern = pattern

    def _payload(self, index: int) -> bytes:
        return known_counts(index, 3, pattern=self._pattern).astype("<i4").tobytes()


class Ads1292rDouble(_ProtoCentralDouble):
    """``known_words`` of one lead and of breathing, 16 bits each, and then the rates that the sketch works out."""

    def __init__(
        self,
        *,
        rate_hz: float = 125.0,
        payload_bytes: int = 9,
        rate_ppm: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Make a board.

        Args:
            rate_hz: samples a second.
            payload_bytes: how long the payload is; sketches differ, the samples always come first.
            rate_ppm: how much faster than that it samples, in parts per million.
            faults: what goes wrong and when.
        """
        super().__init__(rate_hz, frame_bytes=_FRAMING_BYTES + payload_bytes, rate_ppm=rate_ppm, faults=faults)
        if not 4 <= payload_bytes <= 64:
            raise ValueError(f"the payload is {payload_bytes} bytes; it must be 4 to 64")
        self._rates = bytes((16, 72)).ljust(payload_bytes - 4, b"\0")[: payload_bytes - 4]

    def _payload(self, index: int) -> bytes:
        return known_words(index).astype("<i2").tobytes() + self._rates
