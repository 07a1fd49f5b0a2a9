"""ProtoCentral's boards for the ADS1293 and the ADS1292R, with the sketches that the maker ships for OpenView.

``ads1293:PORT`` and ``ads1292r:PORT``, and, after a question mark, options, each at most once. PORT is a serial port,
the USB serial number of one, or nothing where only one fits:

=======  ============================================  ==================  ==================
option   what it does                                  ads1293             ads1292r
=======  ============================================  ==================  ==================
baud     bits per second, as in the sketch             57600               57600
rate     samples per second, as the sketch sets them   measured for 3 s    125
leads    what the ECG channels are, with commas        I,II,V1             I
gain_mv  millivolts per count of the ECG channels      unknown             unknown
offset   the count that stands for 0 mV                0                   0
=======  ============================================  ==================  ==================

What the sketches do (protocentral-ads1293-arduino and protocentral-ads1292r-arduino, up to their versions of 2026):

- ADS1293: three int32, channel 1 = IN2 − IN1 (lead I), channel 2 = IN3 − IN1 (lead II), channel 3 = IN5 − IN6 (a chest
  lead against Wilson's terminal in the five-electrode sketch, which is the one that sends frames). Written ``-``, a
  channel is recorded without being a lead. The sampling rate has differed from sketch to sketch (853 and 100 a second
  by the chip's registers, fewer where the sketch waits in its loop, 128 assumed by the viewer), so it is measured. The
  baud rate has been 9600, 57600 and 115200.
- ADS1292R: int16 ECG, int16 respiration, then heart and respiration rate, which are not recorded. The maker's figure is
  125 samples a second. The ECG comes filtered and scaled by the sketch, differently in each version, and is 0 while an
  electrode is off.

How many microvolts a count is depends on the sketch's version and, for the ADS1293, on the decimation it sets, and no
frame tells. So samples are in ``adu``, the converter's counts, unless the address knows better. For an ADS1293, a count
is 2 · 2400 mV / 3.5 / ADCmax and 0 mV is at ADCmax / 2, with ADCmax from the tables of its data sheet (SNAS602, section
"Output Code").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from acquire.boards.address import Address
from acquire.boards.board import BoardInfo, Channel
from acquire.boards.protocentral_frames import FrameParser
from acquire.boards.stream import StreamBoard
from acquire.boards.stream_options import (
    BAUD_LIMIT,
    GAIN_LIMIT,
    NO_LEAD,
    OFFSET_LIMIT,
    RATE_LIMIT,
    channel_name,
    read_baud,
    read_gain_mv,
    read_names,
    read_offset,
    read_rate,
)

__all__ = ["Ads1292rBoard", "Ads1293Board"]

OPTIONS = ("baud", "rate", "leads", "gain_mv", "offset")


class _ProtocentralBoard(StreamBoard):
    """What the two boards share.

    Args:
        address: scheme, port and options; see `acquire.boards.protocentral`.
        subject: not used.
        session: not used.
        mains_hz: not used.

    Raises:
        BoardError: the address cannot be understood.
    """

    guess = "lines"
    example: ClassVar[str]
    chip: ClassVar[str]
    usual_rate_hz: ClassVar[float | None]
    usual_leads: ClassVar[tuple[str, ...]]
    beside: ClassVar[tuple[str, ...]]
    """Channels behind those of the ECG."""
    payloads: ClassVar[tuple[int, ...]]
    layout: ClassVar[str]
    limits: ClassVar[tuple[float, float]]

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        given = Address(address, options=OPTIONS, example=self.example)
        n_leads = len(self.usual_leads)
        self._leads = given.take(
            "leads", self.usual_leads, read_names(n_leads), f"{n_leads} names with commas between them, no two alike"
        )
        self._gain_mv = given.take("gain_mv", None, read_gain_mv, GAIN_LIMIT)
        self._offset = given.take("offset", 0.0, read_offset, OFFSET_LIMIT)
        super().__init__(
            given,
            baud=given.take("baud", 57_600, read_baud, BAUD_LIMIT),
            rate_hz=given.take("rate", self.usual_rate_hz, read_rate, RATE_LIMIT),
        )

    def make_parser(self) -> FrameParser:
        """A parser that does not know the payload's length yet."""
        return FrameParser(self.payloads, self.layout)

    def learn(self, rows: Sequence[tuple[float, ...]], rate_hz: float) -> BoardInfo:
        """All is known beforehand but the rate."""
        unit, gain = ("adu", 1.0) if self._gain_mv is None else ("mV", self._gain_mv)
        ecg = tuple(
            Channel(name=channel_name(name, place), unit=unit, gain=gain, offset=self._offset)
            for place, name in enumerate(self._leads, 1)
        )
        return BoardInfo(
            address=self.address,
            name=f"ProtoCentral {self.chip}{self.how_rate_is_known()}",
            firmware="",
            nominal_rate_hz=rate_hz,
            channels=(*ecg, *(Channel(name=name, unit="adu", gain=1.0) for name in self.beside)),
            montage={name: {name: 1.0} for name in self._leads if name != NO_LEAD},
            dtype="int32",
            loss_detection="none: frames carry no counter; unreadable frames and silences from 0.5 s on are seen",
            rails=self.limits,
        )

    def unreadable(self) -> str:
        """What to try when the frames make no sense."""
        return "load the sketch for OpenView into it, or write its baud rate into the address, for example baud=115200"


class Ads1293Board(_ProtocentralBoard):
    """ProtoCentral's ADS1293 board: three channels, leads I and II and a chest lead as it is usually wired."""

    example = "ads1293:/dev/ttyUSB0?baud=115200"
    chip = "ADS1293"
    usual_rate_hz = None
    usual_leads = ("I", "II", "V1")
    beside = ()
    payloads = (12, 16)
    layout = "3i"
    limits = (-(2.0**23), 2.0**23 - 1)


class Ads1292rBoard(_ProtocentralBoard):
    """ProtoCentral's ADS1292R board: one lead, and respiration beside it."""

    example = "ads1292r:/dev/ttyUSB0"
    chip = "ADS1292R"
    usual_rate_hz = 125.0
    usual_leads = ("I",)
    beside = ("respiration",)
    payloads = (8, 9, 20)
    layout = "2h"
    limits = (-(2.0**15), 2.0**15 - 1)
