"""What a recording of a protocol on the simulated board holds, without a recorder, a journal or a clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import open_board
from acquire.boards.sim import SimBoard
from protocols.player import Player
from protocols.script import Script

__all__ = ["simulate"]


def simulate(
    script: Script, address: str = "sim:?speed=max", *, subject: str, session: str, mains_hz: int, n_samples: int
) -> NDArray[np.int32]:
    """Play a protocol on the simulated board as fast as it goes.

    Args:
        script: the protocol; nobody pauses, skips or repeats it.
        address: of the simulated board; its ``speed`` has no effect on what comes out.
        subject: the person unless the address names one.
        session: the session unless the address names one.
        mains_hz: 50 or 60.
        n_samples: where to stop; the person goes on with the last activity when the protocol is over.

    Returns:
        Shape (n_samples, 3): I, II and III in counts, zeros where the address has samples dropped.
    """
    board = open_board(address, subject=subject, session=session, mains_hz=mains_hz)
    assert isinstance(board, SimBoard)
    counts = np.zeros((n_samples, 3), dtype=np.int32)
    with board:
        board.start()
        player = Player(script, rate_hz=board.options.rate_hz)
        events = player.start(0)
        index = 0
        while index < n_samples:
            for event in events:
                if event.kind in ("step", "rest"):
                    board.tell(event.activity, event.index)
            boundary = player.next_boundary
            limit = n_samples - index if boundary is None else min(boundary - index, n_samples - index)
            chunk = board.read(1.0, limit)
            if chunk is None:
                raise ValueError(f"{address} fell silent at sample {index} of {n_samples}")
            stop = chunk.index + len(chunk.samples)
            counts[chunk.index : stop] = chunk.samples[: max(0, n_samples - chunk.index)]
            index = stop
            events = player.advance(index)
    return counts
