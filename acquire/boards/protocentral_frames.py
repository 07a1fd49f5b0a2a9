"""The frames that ProtoCentral's sketches send, taken apart: bytes in, samples out, nothing else.

A frame is ``0A FA | length, 2 bytes | 02 | payload | 00 0B``, everything little-endian. The same chip's sketches have
sent payloads of several lengths over the years, with the samples always first; which length a board uses is learnt from
its first two frames, and from then on no other is taken.

A frame is good when its start, length, type and end are right, and when it begins where a good one ended or the next
one's start, length and type follow it. So nothing is lost but the frame that was hit, and a payload that happens to
look like the beginning of a frame is not taken for one. There is no checksum and no counter: a byte that changes inside
a payload changes the sample, and a frame that is lost as a whole leaves no trace.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["UNREADABLE", "FrameParser", "Row", "build_frame"]

Row = tuple[int, ...]

UNREADABLE = "a frame could not be read"

_START = b"\x0a\xfa"
_TYPE = b"\x02"
_END = b"\x00\x0b"
_HEADER = 5
_AROUND = _HEADER + len(_END)


def build_frame(payload: bytes) -> bytes:
    """Put a payload into a frame."""
    return _START + struct.pack("<H", len(payload)) + _TYPE + payload + _END


class FrameParser:
    """Takes bytes as they come and gives the samples of the frames in them.

    Args:
        lengths: of payloads that a board of this kind may send.
        layout: of the samples at the beginning of a payload, for ``struct``.

    Attributes:
        length: of the payloads of this board, or 0 until it is learnt.
        good_frames: how many there were.
        bad_bytes: bytes between good frames, and before the first one.
        resyncs: how often the beginning of a frame had to be looked for after the first good one.
    """

    def __init__(self, lengths: Sequence[int], layout: str) -> None:
        self._layout = struct.Struct("<" + layout)
        if not lengths or min(lengths) < self._layout.size or max(lengths) > 0xFFFF:
            raise ValueError(f"the payload lengths {lengths} do not hold the samples {layout!r}")
        self._lengths = frozenset(lengths)
        self.length = 0
        self.good_frames = 0
        self.bad_bytes = 0
        self.resyncs = 0
        self._buffer = b""
        self._locked = False
        self._begun = False  # whether a frame was good since the stream began
        self._skipped = 0

    def restart(self) -> None:
        """Forget what is half read: the next bytes come from somewhere in the middle of a frame."""
        self._buffer = b""
        self._locked = self._begun = False
        self._skipped = 0

    def feed(self, data: bytes) -> list[Row | str]:
        """Take the next bytes.

        Returns:
            The samples of each frame, in order, and for as many frames as the bad bytes between two good ones would
            have filled, why they are missing.
        """
        buffer = self._buffer + data
        items: list[Row | str] = []
        place = 0
        while True:
            start = buffer.find(_START, place)
            if start < 0:
                # The last byte may be the first of a start.
                start = max(place, len(buffer) - (1 if buffer.endswith(_START[:1]) else 0))
            if start > place:
                self._skip(start - place)
                place = start
            size = self._frame_at(buffer, place)
            if size is None:
                break
            if size == 0:
                self._skip(1)
                place += 1
                continue
            self._end_of_skipped(items, size)
            items.append(self._layout.unpack_from(buffer, place + _HEADER))
            self.good_frames += 1
            self._locked = self._begun = True
            place += size
        self._buffer = buffer[place:]
        return items

    def _frame_at(self, buffer: bytes, place: int) -> int | None:
        """How long the good frame at a place is; 0 when there is none, None when more bytes must come first."""
        length = self._length_at(buffer, place)
        if length is None or length == 0:
            return length
        size = length + _AROUND
        end = buffer[place + size - len(_END) : place + size]
        if not _END.startswith(end):
            return 0
        if len(end) < len(_END):
            return None
        if self._locked:
            return size
        following = self._length_at(buffer, place + size)
        if following is None:
            return None
        if following != length:
            return 0
        self.length = length
        return size

    def _length_at(self, buffer: bytes, place: int) -> int | None:
        """The payload's length that a header at a place tells; 0 when none is there, None when it is not whole yet."""
        header = buffer[place : place + _HEADER]
        if not _START.startswith(header[:2]):
            return 0
        if len(header) < _HEADER:
            return None
        length = int.from_bytes(header[2:4], "little")
        fits = length == self.length if self.length else length in self._lengths
        return length if fits and header[4:] == _TYPE else 0

    def _skip(self, n_bytes: int) -> None:
        self.resyncs += self._locked
        self._locked = False
        self._skipped += n_bytes
        self.bad_bytes += n_bytes

    def _end_of_skipped(self, items: list[Row | str], size: int) -> None:
        # Before the first good frame stands the end of one whose beginning nobody saw.
        if self._begun:
            items.extend([UNREADABLE] * round(self._skipped / size))
        self._skipped = 0
