"""The Cyton's bytes, taken apart: 33 of them are a sample.

::

    A0 | counter | 8 counts, int24 big-endian | 2 auxiliary bytes | clock in ms, uint32 big-endian | C3 … C6

So it is with the board's clock on. Frames without it (stop bytes C0 … C2) are none of a recording and are passed over:
with a counter alone, a loss of exactly 33 bytes joins the head of one frame to the tail of the next unseen.

There is no checksum, so a frame is believed for how it fits: its start byte, its stop byte, where it stands in the
stream, its counter and its clock. A frame right behind a good one whose counter and clock go on is taken at once, so
nothing waits for a next header that has not come yet; anything less fitting waits for a witness, a later frame whose
counter and clock go on from its own. After bytes were lost the next frame is looked for among the bytes at hand, so a
lost or corrupt byte costs its own sample and no other. What no reader of this stream can see is a corrupt byte within
a count, a loss from within one frame to the same place in the 256th after it, and a clock that comes corrupt in the
same way twice within a few frames: each is a sample like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_BYTES", "N_CHANNELS", "CytonParser", "Frame", "channel_counts"]

FRAME_BYTES = 33
N_CHANNELS = 8
_START = 0xA0
_STOPS = range(0xC3, 0xC7)  # clock just set or running, with acceleration or with raw auxiliary bytes
_PERIOD_MS = 4
_WRAP_MS = 1 << 32

_JITTER_MS = 2.5
"""How far a frame's clock may be off its place: whole milliseconds, and the firmware's loop."""
_CLOCK_ERROR = 0.005
_TRUSTED_GAP_MS = 200
"""After a longer loss the clock's own error hides whether head and tail are of one frame; a witness must tell."""
_WORST_CLOCK_ERROR = 0.03
"""No board's clock runs further off its samples than this."""
_WITNESSES = 3
"""Within so many frames a witness is looked for: any fault of the next one leaves one."""
_FAR_MS = 10_000
"""A frame further on than that, or back, is more likely one with a corrupt clock, and needs more than one witness."""
_FAR_WITNESSES = 3
_WITNESS_STEPS = 8
_TORN_STEPS = 50
_REMEMBERED = 8


class Frame(NamedTuple):
    """One sample as it came.

    Attributes:
        raw: its 33 bytes.
        counter: 0 to 255.
        clock_ms: the board's clock modulo 2^32; where that came corrupt, one period before the next frame's.
        host_ns: when its last byte came.
        after_noise: whether bytes that belong to no frame came right before it.
    """

    raw: bytes
    counter: int
    clock_ms: int
    host_ns: int
    after_noise: bool


class _Verdict(Enum):
    GOOD = "good"
    GOOD_BUT_CLOCK = "good, but its clock is corrupt"
    REPEATED = "repeated"
    BAD = "bad"
    UNKNOWN = "the bytes that would tell have not come"


class CytonParser:
    """Bytes in, frames out; whole frames, in order, each once.

    Attributes:
        bad_bytes: those that belong to no sound frame.
        resyncs: how often the beginning of a frame had to be looked for.
        duplicates: frames that came again and were left out.
    """

    def __init__(self) -> None:
        self.bad_bytes = 0
        self.resyncs = 0
        self.duplicates = 0
        self._buffer = bytearray()
        self._stamps: deque[tuple[int, int]] = deque()  # the byte a piece ends before, when it came
        self._gone = 0  # bytes taken out of the buffer so far
        self._forget()

    def feed(self, data: bytes, host_ns: int) -> list[Frame]:
        """Take the next bytes.

        Args:
            data: any number of bytes.
            host_ns: when they came.

        Returns:
            The frames that can be told from all bytes so far.
        """
        if data:
            self._buffer += data
            self._stamps.append((self._gone + len(self._buffer), host_ns))
        return self._take(last=False)

    def flush(self) -> list[Frame]:
        """Decide on what is left without waiting for more, as at the end of a stream; forgets the rest."""
        frames = self._take(last=True)
        self.bad_bytes += len(self._buffer)
        self._drop(len(self._buffer))
        return frames

    def interrupted(self) -> None:
        """Forget the bytes at hand and expect the middle of a frame, as after a port went and came back."""
        self.bad_bytes += len(self._buffer)
        self._drop(len(self._buffer))
        self._in_step = False

    def restart(self) -> None:
        """Expect counter and clock to begin anew as well."""
        self.interrupted()
        self._forget()

    def _forget(self) -> None:
        self._counter = self._clock_ms = -1  # of the last good frame
        self._torn = 0  # how far on the frame is whose head came in its place, and whose tail did not; 0 for none
        self._torn_end = 0  # the byte that it would end before, had it lost a single one
        self._in_step = False  # whether the buffer begins right behind a good frame
        self._noise = False
        self._recent: deque[bytes] = deque(maxlen=_REMEMBERED)

    def _take(self, *, last: bool) -> list[Frame]:
        frames: list[Frame] = []
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= FRAME_BYTES or self._in_step:
            if self._in_step:
                if len(buffer) == at:
                    break
                verdict = self._judge(at, last) if len(buffer) - at >= FRAME_BYTES else _Verdict.UNKNOWN
                if len(buffer) - at < FRAME_BYTES and buffer[at] != _START:
                    verdict = _Verdict.BAD
                if verdict is _Verdict.UNKNOWN:
                    break
                if verdict is _Verdict.BAD:
                    self._in_step = False
                    self._tear(at)
                    self._noise = True
                    self.resyncs += 1
                    self.bad_bytes += 1
                    at += 1
                    continue
            else:
                found, verdict = self._find(at, last)
                if found > at:
                    self._noise = True
                    self.bad_bytes += found - at
                    at = found
                if verdict is _Verdict.UNKNOWN:
                    break
            if verdict is _Verdict.REPEATED:
                self.duplicates += 1
            else:
                frames.append(self._accept(at, verdict))
            at += FRAME_BYTES
            self._in_step = True
        self._drop(at)
        return frames

    def _accept(self, at: int, verdict: _Verdict) -> Frame:
        raw = bytes(self._buffer[at : at + FRAME_BYTES])
        end = self._gone + at + FRAME_BYTES
        while self._stamps[0][0] < end:
            self._stamps.popleft()
        self._torn = 0
        self._counter = raw[1]
        self._clock_ms = self._clock_at(at)
        if verdict is _Verdict.GOOD_BUT_CLOCK:
            self._clock_ms = (self._clock_at(at + FRAME_BYTES) - _PERIOD_MS) % _WRAP_MS
        self._recent.append(raw)
        frame = Frame(raw, self._counter, self._clock_ms, self._stamps[0][1], self._noise)
        self._noise = False
        return frame

    def _judge(self, at: int, last: bool) -> _Verdict:
        """Judge the frame that stands right behind a good one."""
        if not self._framed(at):
            return _Verdict.BAD
        if _apart(self._clock_ms, self._clock_at(at), 1):
            # A counter that does not go on where the clock does is corrupt.
            return _Verdict.GOOD if self._step(at) == 1 else _Verdict.BAD
        if self._fits(at):
            return _Verdict.GOOD
        return self._judge_by_witness(at, last)

    def _judge_by_witness(self, at: int, last: bool) -> _Verdict:
        """Judge what looks like a frame but does not fit the last good one, by the frames after it.

        Many samples were lost; or its clock is corrupt; or it is put together from the beginning of one frame and the
        end of another, all between them being lost: then its counter is too early for its clock, and no later frame
        goes on from both, but one that such a loss has struck as well.
        """
        buffer = self._buffer
        needed = _FAR_WITNESSES if self._far(at) else 1
        next_at, end = at + FRAME_BYTES, at + (needed + _WITNESSES) * FRAME_BYTES
        if bytes(buffer[at:next_at]) in self._recent:
            return _Verdict.REPEATED
        if self._in_step and not last and len(buffer) < next_at + FRAME_BYTES:
            return _Verdict.UNKNOWN
        if self._in_step and self._framed(next_at):
            follows = (buffer[next_at + 1] - buffer[at + 1]) % 256 == 1
            if follows and self._step(at) > 0 and self._fits(next_at):
                return _Verdict.GOOD_BUT_CLOCK
        if not self._possible(at):
            return _Verdict.BAD
        place = next_at
        while (place := buffer.find(_START, place, end - FRAME_BYTES + 1)) >= 0:
            ahead = (buffer[place + 1] - buffer[at + 1]) % 256 if self._framed(place) else 0
            if 0 < ahead <= _WITNESS_STEPS and _apart(self._clock_at(at), self._clock_at(place), ahead):
                needed -= 1
                if needed == 0:
                    return _Verdict.GOOD
            place += 1
        return _Verdict.BAD if last or len(buffer) >= end else _Verdict.UNKNOWN

    def _find(self, start: int, last: bool) -> tuple[int, _Verdict]:
        """Look for a frame from ``start`` on.

        Returns:
            Where it is, and what is to be thought of it; UNKNOWN where more bytes must come, from there on.
        """
        buffer = self._buffer
        held, held_verdict = -1, _Verdict.UNKNOWN  # the first that may be one, for want of a better
        at = start
        while (at := buffer.find(_START, at)) >= 0 and not 0 <= held <= at - FRAME_BYTES:
            if at + FRAME_BYTES > len(buffer):
                return (held, held_verdict) if held >= 0 else (at, _Verdict.UNKNOWN)
            if self._framed(at) and not self._spliced(at):
                if self._fits(at):
                    return at, _Verdict.GOOD
                if held < 0 and (verdict := self._judge_by_witness(at, last)) is not _Verdict.BAD:
                    held, held_verdict = at, verdict
            at += 1
        return (held, held_verdict) if held >= 0 else (len(buffer), _Verdict.UNKNOWN)

    def _tear(self, at: int) -> None:
        """Remember the head of a frame that is none."""
        self._torn = 0
        if self._buffer[at] == _START and len(self._buffer) > at + 1 and self._step(at) <= _TORN_STEPS:
            whole = self._framed(at) and _apart(self._clock_ms, self._clock_at(at), 1)  # but for its counter
            self._torn = 0 if whole else self._step(at)
        self._torn_end = self._gone + at + FRAME_BYTES - 1

    def _spliced(self, at: int) -> bool:
        """Whether a frame after a torn one may be made of bytes from before and behind the place of the fault.

        Before that place is all that begins before the torn frame should end; where more than a single byte is gone,
        a sound frame may begin there as well, and is given up. Behind it, the bytes put in may have ended in a head.
        """
        if not self._torn:
            return False
        return self._gone + at < self._torn_end or self._torn == self._step(at) == 1

    def _framed(self, at: int) -> bool:
        buffer = self._buffer
        if len(buffer) < at + FRAME_BYTES or buffer[at] != _START:
            return False
        return buffer[at + FRAME_BYTES - 1] in _STOPS

    def _fits(self, at: int) -> bool:
        """Whether a frame's counter and clock tell of the same short loss since the last good frame, or of none."""
        return self._counter >= 0 and self._step(at) > 0 and _apart(self._clock_ms, self._clock_at(at), self._step(at))

    def _possible(self, at: int) -> bool:
        """Whether a frame's counter and clock may tell of the same loss, be it 256 samples and more, of a bad clock."""
        if self._counter < 0:
            return True
        passed_ms = (self._clock_at(at) - self._clock_ms) % _WRAP_MS
        step = self._step(at)
        step += 256 * max(0, round((passed_ms / _PERIOD_MS - step) / 256))
        return step > 0 and abs(passed_ms - step * _PERIOD_MS) <= _JITTER_MS + _WORST_CLOCK_ERROR * passed_ms

    def _far(self, at: int) -> bool:
        return self._counter >= 0 and (self._clock_at(at) - self._clock_ms) % _WRAP_MS > _FAR_MS

    def _step(self, at: int) -> int:
        """How far a frame's counter is from the last good one's."""
        return (self._buffer[at + 1] - self._counter) % 256

    def _clock_at(self, at: int) -> int:
        return int.from_bytes(self._buffer[at + 28 : at + 32], "big")

    def _drop(self, count: int) -> None:
        if count:
            del self._buffer[:count]
            self._gone += count
            while self._stamps and self._stamps[0][0] <= self._gone:
                self._stamps.popleft()


def _apart(clock_ms: int, later_ms: int, samples: int) -> bool:
    """Whether one clock is so many samples after another."""
    passed_ms = (later_ms - clock_ms) % _WRAP_MS
    if passed_ms > _TRUSTED_GAP_MS:
        return False
    return abs(passed_ms - samples * _PERIOD_MS) <= _JITTER_MS + _CLOCK_ERROR * passed_ms


def channel_counts(frames: Sequence[Frame], n_channels: int = N_CHANNELS) -> NDArray[np.int32]:
    """The 24-bit counts of the first channels of frames, shape (n, n_channels)."""
    raw = b"".join([frame.raw for frame in frames])
    shape, strides = (len(frames), n_channels), (FRAME_BYTES, 3)
    # Four bytes from each count on, big-endian; shifting the stranger out on the right brings the sign along.
    counts: NDArray[np.int32] = np.ndarray(shape, ">i4", raw, offset=2, strides=strides) >> 8
    return counts.astype(np.int32, copy=False)
