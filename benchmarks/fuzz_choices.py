"""What a fuzzer's bytes decide: numbers, cuts and damage, so that an input is a story and not only noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Choices", "Damage", "Finding", "held_bytes", "is_subsequence"]

T = TypeVar("T")


class Finding(AssertionError):
    """A parser did what it must not."""


class Choices:
    """Bytes taken apart into decisions; when they are used up, every decision is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are not used yet."""
        return len(self._data) - self._at

    def below(self, limit: int) -> int:
        """A whole number from 0 up to but without ``limit``."""
        n_bytes = max(1, ((limit - 1).bit_length() + 7) // 8)
        return int.from_bytes(self.take(n_bytes), "little") % limit

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        return low + self.below(high - low + 1)

    def flag(self) -> bool:
        """Yes or no."""
        return self.below(2) == 1

    def one_of(self, options: Sequence[T]) -> T:
        """One of a few."""
        return options[self.below(len(options))]

    def take(self, n_bytes: int) -> bytes:
        """The next bytes, fewer where there are no more."""
        taken = self._data[self._at : self._at + n_bytes]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def cut(self, data: bytes) -> list[bytes]:
        """Cut data as a link might deliver it: all at once, byte by byte, or in pieces of any size."""
        style = self.below(4)
        if style == 0:
            return [data]
        sizes = [1] if style == 1 else [self.between(1, 70) for _ in range(self.between(1, 8))]
        pieces = []
        at = turn = 0
        while at < len(data):
            size = sizes[turn % len(sizes)]
            pieces.append(data[at : at + size])
            at, turn = at + size, turn + 1
        return pieces


@dataclass(frozen=True)
class Damage:
    """One thing that happens to a stream on its way.

    Attributes:
        at: the byte of the sound stream where it happens.
        lost: how many bytes vanish there.
        put: what stands there instead; as long as ``lost`` is a change, longer an insertion.
    """

    at: int
    lost: int
    put: bytes

    @staticmethod
    def all_done(stream: bytes, damages: Sequence[Damage]) -> bytes:
        """The stream as it arrives."""
        for damage in sorted(damages, key=lambda damage: damage.at, reverse=True):
            stream = stream[: damage.at] + damage.put + stream[damage.at + damage.lost :]
        return stream


def is_subsequence(part: Sequence[object], whole: Sequence[object]) -> bool:
    """Whether all of ``part`` stands in ``whole`` in the same order, with anything between."""
    going = iter(whole)
    return all(any(one == other for other in going) for one in part)


def held_bytes(parser: object) -> int:
    """How many bytes or entries a parser keeps in its buffers."""
    held = 0
    for name in vars(parser):
        value = getattr(parser, name)
        if isinstance(value, (bytes, bytearray, list, memoryview)) or hasattr(value, "popleft"):
            held += len(value)
    return held
