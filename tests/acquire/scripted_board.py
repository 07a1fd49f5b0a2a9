"""A board that hands out what a test has written down."""

from __future__ import annotations

import numpy as np

from acquire.boards.board import Board, BoardInfo, Channel, Chunk
from acquire.errors import BoardError

__all__ = ["ScriptedBoard", "rows"]


class ScriptedBoard(Board):
    """Hands out chunks that a test has written down, then raises or falls silent."""

    def __init__(self, chunks: list[Chunk], last: BoardError | None = None, resource: str = "") -> None:
        self.chunks = chunks
        self.last = last
        self.name = resource
        self.told: list[tuple[str, int]] = []
        self.limits: list[int | None] = []
        self.closed = False

    def open(self) -> BoardInfo:
        return BoardInfo(
            address="bench:",
            name="bench",
            firmware="1",
            nominal_rate_hz=250.0,
            channels=(Channel(name="a", gain=1.0),),
            montage={"ECG": {"a": 1.0}},
            dtype="int32",
            loss_detection="counter",
        )

    def start(self) -> None:
        pass

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        self.limits.append(max_samples)
        if self.chunks:
            return self.chunks.pop(0)
        if self.last is not None:
            raise self.last
        return None

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def resource(self) -> str:
        return self.name

    def tell(self, activity: str, index: int) -> None:
        self.told.append((activity, index))


def rows(index: int, n: int = 10, fill: int = 1, cause: str = "") -> Chunk:
    """Samples that are all alike."""
    return Chunk(samples=np.full((n, 1), fill, dtype=np.int32), index=index, host_ns=index, cause=cause)
