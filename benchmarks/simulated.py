"""Simulated records with known beats, straight from the simulated board."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acquire.boards.sim import SimBoard
from curate.signals.signal import Signal

__all__ = ["simulate"]


def simulate(
    person: str,
    activities: Sequence[str],
    *,
    seconds_each: float,
    rate_hz: int = 250,
    seed: int = 0,
    noise: float = 1.0,
) -> tuple[Signal, NDArray[np.int64]]:
    """Record a simulated person doing one activity after the other.

    Args:
        person: name of the person.
        activities: what they do, in this order.
        seconds_each: how long each lasts.
        rate_hz: samples per second.
        seed: which run of beats and noise.
        noise: factor on everything that is not the heart.

    Returns:
        Leads I, II, III in mV as recorded, and the true R peaks as sample indices.
    """
    board = SimBoard(
        f"sim:?person={person}&session=01&rate={rate_hz}&speed=max&seed={seed}&noise={noise:g}&mains_hz=50"
    )
    each = round(seconds_each * rate_hz)
    total = each * len(activities)
    chunks = []
    done = 0
    with board:
        info = board.open()
        board.start()
        while done < total:
            if done % each == 0:
                board.tell(activities[done // each], done)
            chunk = board.read(1.0, max_samples=each - done % each)
            assert chunk is not None
            chunks.append(chunk.samples)
            done += len(chunk.samples)
        beats = np.asarray(board.beat_indices(), dtype=np.int64)
    gain = np.array([channel.gain for channel in info.channels])
    values = np.concatenate(chunks).astype(np.float64) * gain
    names = tuple(channel.name for channel in info.channels)
    return Signal(values=values, leads=names, rate_hz=float(rate_hz), unit="mV"), beats[(beats >= 0) & (beats < total)]
