"""Running a board that only talks against its double, and telling where in the double's waveform its samples belong."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import acquire.boards.stream
from acquire.boards.board import Chunk, open_board
from acquire.boards.stream import StreamBoard
from acquire.emulators import Device, PseudoTerminal
from acquire.errors import BoardError

__all__ = ["hurry", "needs_pty", "offset_of", "opened", "read_samples"]

LIMIT_S = 30.0

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boards be known sooner than in earnest."""
    for name, seconds in (("LISTEN_S", 0.1), ("MEASURE_S", 0.5), ("FIRST_SAMPLE_S", 1.0)):
        monkeypatch.setattr(acquire.boards.stream, name, seconds)


@contextlib.contextmanager
def opened(address: str, device: Device, folder: Path) -> Iterator[tuple[StreamBoard, PseudoTerminal]]:
    """A board, open and started, and the terminal its double is on; PORT in the address is replaced."""
    with PseudoTerminal(device, link=folder / "port") as terminal:
        board = open_board(address.replace("PORT", str(terminal.link)))
        assert isinstance(board, StreamBoard)
        try:
            board.open()
            board.start()
            yield board, terminal
        finally:
            board.stop()
            board.close()


def read_samples(board: StreamBoard, n_samples: int, max_samples: int | None = None) -> list[Chunk]:
    """Read until so many samples came, reaching for the board again whenever it has gone."""
    chunks: list[Chunk] = []
    came = 0
    limit_s = time.monotonic() + LIMIT_S
    while came < n_samples:
        assert time.monotonic() < limit_s, f"{came} of {n_samples} samples came in time"
        try:
            chunk = board.read(0.1, max_samples)
        except BoardError:
            with contextlib.suppress(BoardError):
                board.reconnect()
            continue
        if chunk is not None:
            chunks.append(chunk)
            came += len(chunk.samples)
    return chunks


def offset_of(chunks: list[Chunk], waveform: Callable[[NDArray[np.int64]], NDArray[Any]], until: int) -> int:
    """What to add to an index of these consecutive chunks to get the double's, which was below ``until``."""
    samples = np.concatenate([chunk.samples for chunk in chunks])
    true = waveform(np.arange(until))
    fits = np.ones(until - len(samples) + 1, dtype=bool)
    for place in range(min(len(samples), 200)):
        fits &= (true[place : place + len(fits)] == samples[place]).all(axis=1)
    (found,) = np.flatnonzero(fits)
    assert (true[found : found + len(samples)] == samples).all()
    return int(found) - chunks[0].index
