"""Any sketch that prints its measurements as decimal lines, such as the common ones for an AD8232.

``lines:PORT`` and, after a question mark, options, each at most once. PORT is a serial port, the USB serial number of
one, or nothing where only one fits:

=======  ============================================================================================  ================
option   what it does                                                                                  default
=======  ============================================================================================  ================
baud     bits per second, as in the sketch's ``Serial.begin``                                          115200
rate     samples per second where the sketch keeps to one; without it the rate is measured for 3 s     measured
leads    names of the columns, with commas; ``-`` for a column that is no lead                         ECG, or CH1,CH2…
bits     of the converter: numbers outside 0 … 2^bits − 1 are then no measurements                     not checked
gain_mv  millivolts at the electrodes per count; without it samples are in ``adu``, converter counts   unknown
offset   the count that stands for 0 mV                                                                0
=======  ============================================================================================  ================

What a line may hold is told in `acquire.boards.line_parser`. Columns and whether numbers are whole are learnt before
the recording, from the lines that come most. From then on a line that does not fit, and one that says that an electrode
is off, is one missing sample: nothing was measured, so nothing is made up, and a run of them becomes one gap with its
cause.

There is no counter, so a line that never arrived is only noticed when all of them stay away for half a second or more;
how many were missed is then judged by the computer's clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from acquire.boards.address import Address, whole
from acquire.boards.board import BoardInfo, Channel
from acquire.boards.line_parser import MAX_COLUMNS, LineParser
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

__all__ = ["LinesBoard"]

EXAMPLE = "lines:/dev/ttyACM0?baud=9600&bits=10"
OPTIONS = ("baud", "rate", "leads", "bits", "gain_mv", "offset")


class LinesBoard(StreamBoard):
    """A board that prints a line per sample.

    Args:
        address: ``lines:PORT`` and options; see `acquire.boards.lines`.
        subject: not used.
        session: not used.
        mains_hz: not used.

    Raises:
        BoardError: the address cannot be understood.
    """

    guess = "lines"

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        given = Address(address, options=OPTIONS, example=EXAMPLE)
        self._leads = given.take(
            "leads", None, read_names(MAX_COLUMNS, 1), f"1 to {MAX_COLUMNS} names with commas, no two alike"
        )
        bits = given.take("bits", None, whole(1, 31), "a whole number from 1 to 31")
        self._rails = None if bits is None else (0.0, float(2**bits - 1))
        self._gain_mv = given.take("gain_mv", None, read_gain_mv, GAIN_LIMIT)
        self._offset = given.take("offset", 0.0, read_offset, OFFSET_LIMIT)
        super().__init__(
            given,
            baud=given.take("baud", 115_200, read_baud, BAUD_LIMIT),
            rate_hz=given.take("rate", None, read_rate, RATE_LIMIT),
        )

    def make_parser(self) -> LineParser:
        """A parser that takes any number of columns until it is told better."""
        return LineParser(columns=len(self._leads) if self._leads else None, limits=self._rails)

    def learn(self, rows: Sequence[tuple[float, ...]], rate_hz: float) -> BoardInfo:
        """Settle on columns and on what numbers are, and tell the parser."""
        columns = Counter(map(len, rows)).most_common(1)[0][0]
        is_whole = all(type(number) is int for row in rows if len(row) == columns for number in row)
        parser = self._parser
        assert isinstance(parser, LineParser)
        parser.columns, parser.whole = columns, is_whole
        names = self._leads or (("ECG",) if columns == 1 else tuple(f"CH{place}" for place in range(1, columns + 1)))
        unit, gain = ("adu", 1.0) if self._gain_mv is None else ("mV", self._gain_mv)
        channels = tuple(
            Channel(name=channel_name(name, place), unit=unit, gain=gain, offset=self._offset)
            for place, name in enumerate(names, 1)
        )
        return BoardInfo(
            address=self.address,
            name=f"decimal lines of {columns} column{'s' if columns > 1 else ''}{self.how_rate_is_known()}",
            firmware="",
            nominal_rate_hz=rate_hz,
            channels=channels,
            montage={name: {name: 1.0} for name in names if name != NO_LEAD},
            dtype="int32" if is_whole else "float32",
            loss_detection="none: lines carry no counter; unreadable lines and silences from 0.5 s on are seen",
            rails=self._rails,
        )

    def unreadable(self) -> str:
        """What to try when the lines make no sense."""
        mend = "write the baud rate of its program into the address, for example baud=9600"
        return f"{mend}, and check that its lines have {len(self._leads)} columns" if self._leads else mend
