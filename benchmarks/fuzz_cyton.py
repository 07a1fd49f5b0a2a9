"""The Cyton's bytes under the fuzzer: `acquire.boards.cyton_frames` and `acquire.boards.unwrap` together.

What is promised: no sample that differs from the one sent at its index is accepted, whatever bytes are lost, put in
between or changed, as long as they are none of a count's own, four sound frames stand between one fault and the next,
and no two clocks near each other are changed alike; at most one sample is lost for each of them, and of bytes lost in a
row no more than the samples that they touch and the one behind; lost frames show with their exact number.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from benchmarks.fuzz_choices import Choices, Damage, Finding, held_bytes

__all__ = ["cyton"]

FRAME = 33
_SOUND_END = _SOUND_BETWEEN = 4
_PERIOD_MS = 4


def cyton(data: bytes) -> None:
    """Cyton frames and the index of each."""
    choices = Choices(data)
    if choices.flag():
        _any_bytes(choices)
    else:
        _damaged(choices)


def _any_bytes(choices: Choices) -> None:
    from acquire.boards.cyton_frames import CytonParser

    plan = choices.take(12)
    data = b""
    while choices.left:
        kind = choices.below(4)
        if kind < 3:
            stop = 0xC0 + choices.below(8)
            aux = choices.take(6) if kind else b"\0\0" + (choices.below(1 << 16)).to_bytes(4, "big")
            data += _frame(choices.below(256), choices.take(3) * 8, aux, stop)
        else:
            data += choices.take(choices.between(1, 40))
    parser = CytonParser()
    frames = []
    for piece in Choices(plan).cut(data):
        frames.extend(parser.feed(piece, 0))
        if held_bytes(parser) > 16 * FRAME + len(data[:70]) + 16:  # a byte, and when it came
            raise Finding("bytes are held that tell nothing more")
    whole = CytonParser()
    at_once = whole.feed(data, 0)
    if frames != at_once:
        raise Finding(f"cut, {data.hex()} gives {frames}, and at once {at_once}")
    frames += parser.flush()
    accounted = FRAME * (len(frames) + parser.duplicates) + parser.bad_bytes
    if accounted != len(data):
        raise Finding(f"{accounted} of {len(data)} bytes are accounted for: {data.hex()}")
    at = 0
    for frame in frames:
        at = data.find(frame.raw, at)
        if at < 0:
            raise Finding(f"the frame {frame.raw.hex()} does not stand in {data.hex()}")
        at += FRAME


@dataclass
class _Sent:
    """What a board sends, and what happens to it.

    Attributes:
        index: of each frame that is sent at all.
        frames: their bytes.
        damages: what happens on the way.
        allowed: how many of the frames may be missing.
        changes: the bits that were flipped so far.
    """

    index: list[int]
    frames: list[bytes]
    damages: list[Damage]
    allowed: int
    changes: set[int]


def _damaged(choices: Choices) -> None:
    from acquire.boards.cyton_frames import CytonParser
    from acquire.boards.unwrap import CounterUnwrapper

    plan = choices.take(8)
    sent = _send(choices)
    stream = Damage.all_done(b"".join(sent.frames), sent.damages)

    def told() -> str:
        return f"{sent.damages} in {sent.index}: {stream.hex()}"

    parser = CytonParser()
    unwrapper = CounterUnwrapper(250.0)
    truth = {index: (frame[1], frame[2:26]) for index, frame in zip(sent.index, sent.frames, strict=True)}
    received = [frame for piece in Choices(plan).cut(stream) for frame in parser.feed(piece, 0)]
    received.extend(parser.flush())
    right = 0
    for frame in received:
        index = unwrapper.unwrap(frame.counter, host_ns=frame.host_ns, clock_ms=frame.clock_ms)
        if truth.get(index) != (frame.raw[1], frame.raw[2:26]):
            raise Finding(f"sample {index} is wrong: {frame.raw.hex()} was accepted with {told()}")
        right += 1
    lost = len(sent.frames) - right
    if lost > sent.allowed:
        raise Finding(f"{lost} samples were lost, and {sent.allowed} explained, with {told()}")


def _send(choices: Choices) -> _Sent:
    counter, clock_ms = choices.below(256), choices.one_of((0, 0xB0, 0xFFFFFFF0, 0x00C4C0A0, 0xA0A0C4C0))
    index = 0
    sent = _Sent([], [], [], 0, set())
    n_frames = choices.between(8, 60)
    sound = 2
    for place in range(n_frames):
        aux = choices.take(2).ljust(2, b"\0") + struct.pack(">I", (clock_ms + index * _PERIOD_MS) % (1 << 32))
        stop = choices.between(0xC3, 0xC6)
        counts = choices.one_of((b"\xa0", b"\xc4", b"", b"")) * 24 or choices.take(24).ljust(24, b"\0")
        sent.frames.append(_frame((counter + index) % 256, counts, aux, stop))
        sent.index.append(index)
        index += 1
        if sound > 0 or place >= n_frames - _SOUND_END:
            sound -= 1
        elif choices.below(3) == 1:
            touched = 0
            if choices.flag():
                index += choices.one_of((1, 2, 255, 256, 257, 512, 1024))
            else:
                touched = _hit(choices, sent, place)
            # What a jump of the counter means is told by the frames after it; and where two faults all but touch, what
            # is left of the frames between can, with counts like headers, be put together to a sound one.
            sound = choices.between(_SOUND_BETWEEN, 2 * _SOUND_BETWEEN) + touched
    return sent


def _hit(choices: Choices, sent: _Sent, place: int) -> int:
    """Let something happen to the last frame that was sent, or right behind it.

    Returns:
        How many frames behind it that touches as well.
    """
    start, kind = place * FRAME, choices.below(6)
    if kind == 0:  # bytes vanish
        at = choices.below(FRAME)
        n_bytes = choices.between(1, 100)
        sent.damages.append(Damage(start + at, n_bytes, b""))
        touched = (at + n_bytes - 1) // FRAME
        # Of more bytes than one, the frame behind them may be given up: it may be put together of two.
        sent.allowed += touched + (2 if n_bytes > 1 else 1)
        return touched
    if kind == 1:  # a byte more
        sent.damages.append(Damage(start + choices.below(FRAME), 0, choices.take(1) or b"\0"))
        sent.allowed += 1
    elif kind == 2:  # noise between two frames
        noise = choices.take(choices.between(1, 8)) or b"\0"
        sent.damages.append(Damage(start + FRAME, 0, noise))
        sent.allowed += len(noise)
    elif kind == 3:  # the frame comes again
        sent.damages.append(Damage(start + FRAME, 0, sent.frames[-1]))
    else:  # a byte is changed that is no count's own
        at = choices.one_of((0, FRAME - 1, 1, *range(26, 32)))
        # Two clocks changed alike are each other's witness.
        change = choices.one_of([change for change in range(1, 256) if change not in sent.changes])
        sent.changes.add(change)
        sent.damages.append(Damage(start + at, 1, bytes([sent.frames[-1][at] ^ change])))
        sent.allowed += 1
    return 0


def _frame(counter: int, counts: bytes, aux: bytes, stop: int) -> bytes:
    return b"\xa0" + bytes([counter]) + counts[:24].ljust(24, b"\0") + aux.ljust(6, b"\0") + bytes([stop])
