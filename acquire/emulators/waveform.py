"""A waveform whose every sample can be told right or wrong.

Each count is an ECG-like amplitude in steps of 1024 with up to ten more bits below it. Those bits are slices of the
sample's index after a one-to-one scrambling, so three neighbouring channels together say which sample they belong to: a
sample that was moved, doubled or put together from two frames is always seen, and the index of a true one can be read
back. Boards with fewer bits a sample send a shorter slice, which tells a sample from its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_INDEX", "PATTERNS", "Pattern", "known_counts", "known_index", "known_levels", "known_words"]

Pattern = Literal["ecg", "false-header", "false-frame"]
"""``ecg``: looks like one. ``false-header``: as it, on an electrode offset that makes A0 the first byte of every count.
``false-frame``: moreover the first count ends in C0, so that a reader five bytes off finds a start byte, a stop byte
and a next header wherever it looks for them."""

PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

_STEP_BITS = 10
_SLICE_BITS = (8, 10, 10)
_SLICE_SHIFTS = (0, 8, 18)
_SLICES = len(_SLICE_BITS)
_MASK = (1 << sum(_SLICE_BITS)) - 1

MAX_INDEX = _MASK
"""The largest index that can be told: 12 days at 250 Hz."""

_MULTIPLIER = 0x2545F491
_INVERSE = pow(_MULTIPLIER, -1, _MASK + 1)
_GROUP_SALT = 0x1B56C4E9

_BEAT_SAMPLES = 211
_BREATH_SAMPLES = 509
_R_WAVE_STEPS = (22, 33, 11, 18, 27, 15, 24, 30)
_WAVES = ((0.18, 0.025, 0.12), (0.38, 0.009, -0.12), (0.41, 0.010, 1.0), (0.44, 0.010, -0.2), (0.68, 0.045, 0.28))
_BASE_STEPS = 8
_A0_OFFSET = (0xA0 - 0x100) << 16
_FALSE_STOP = 0xC0


def _beat() -> NDArray[np.float64]:
    phase = np.arange(_BEAT_SAMPLES) / _BEAT_SAMPLES
    beat = np.zeros(_BEAT_SAMPLES)
    for centre, width, height in _WAVES:
        beat += height * np.exp(-0.5 * ((phase - centre) / width) ** 2)
    return beat


_BEAT = _beat()


def _scrambled(index: NDArray[np.int64], group: int) -> NDArray[np.int64]:
    mixed = (index * _MULTIPLIER + _GROUP_SALT * group) & _MASK
    return mixed ^ (mixed >> 15)


def _unscrambled(mixed: NDArray[np.int64], group: int) -> NDArray[np.int64]:
    mixed = mixed ^ (mixed >> 15)  # undoes itself: a second shift by 15 leaves nothing of 28 bits
    return ((mixed - _GROUP_SALT * group) * _INVERSE) & _MASK


def known_counts(index: int | NDArray[np.int64], n_channels: int = 8, *, pattern: Pattern = "ecg") -> NDArray[np.int32]:
    """The counts that a double sends as sample ``index``.

    Args:
        index: sample indices since the double first streamed, 0 to ``MAX_INDEX``, shape (n,) or a single one.
        n_channels: how many channels, 1 to 8.
        pattern: what the amplitude is.

    Returns:
        24-bit signed counts, shape (n, n_channels). At gain 12 an R wave is 0.5 to 1.5 mV high.
    """
    indices = np.atleast_1d(np.asarray(index, dtype=np.int64))
    beat = _BEAT[indices % _BEAT_SAMPLES]
    counts = np.empty((indices.size, n_channels), dtype=np.int64)
    for channel in range(n_channels):
        group, place = divmod(channel, _SLICES)
        code = (_scrambled(indices, group) >> _SLICE_SHIFTS[place]) & ((1 << _SLICE_BITS[place]) - 1)
        if pattern == "false-frame" and channel == 0:
            counts[:, channel] = _A0_OFFSET + (code << 8) + _FALSE_STOP
            continue
        steps = np.rint(beat * _R_WAVE_STEPS[channel]).astype(np.int64)
        counts[:, channel] = (steps << _STEP_BITS) + code
        if pattern != "ecg":
            # No wave goes further down than this base, so the first byte is A0 all along.
            counts[:, channel] += _A0_OFFSET + (_BASE_STEPS << _STEP_BITS)
    return counts.astype(np.int32)


def known_index(
    counts: NDArray[np.int32], channels: Sequence[int] = (0, 1, 2), *, pattern: Pattern = "ecg"
) -> NDArray[np.int64]:
    """Which sample each row is: the way back from ``known_counts``.

    Args:
        counts: rows as a driver gave them, shape (n, len(channels)).
        channels: which channel of the double, from 0, each column is; 0 to 2 or 3 to 5 must be among them.
        pattern: what the double was set to.

    Returns:
        The index of each row, shape (n,), or -1 where a row is not exactly what the double sends as any sample.
    """
    places = {channel: column for column, channel in enumerate(channels)}
    group = next((g for g in range(2) if all(g * _SLICES + s in places for s in range(_SLICES))), None)
    if group is None:
        raise ValueError(f"channels are {tuple(channels)}; 0 to 2 or 3 to 5 must be among them, to tell the index")
    rows = np.asarray(counts, dtype=np.int64)
    mixed = np.zeros(len(rows), dtype=np.int64)
    for place in range(_SLICES):
        column = rows[:, places[group * _SLICES + place]]
        if pattern == "false-frame" and group == 0 and place == 0:
            column = column >> 8
        mixed |= (column & ((1 << _SLICE_BITS[place]) - 1)) << _SLICE_SHIFTS[place]
    index = _unscrambled(mixed, group)
    right = (known_counts(index, max(places) + 1, pattern=pattern)[:, list(channels)] == rows).all(axis=1)
    return np.where(right, index, -1)


def known_levels(index: int | NDArray[np.int64], n_columns: int = 1) -> NDArray[np.int32]:
    """What a 10-bit converter behind an AD8232 gives as sample ``index``.

    Returns:
        Levels from 0 to 1023, shape (n, n_columns); a few neighbouring rows together tell where they belong.
    """
    counts = known_counts(index, n_columns)
    steps = counts >> _STEP_BITS
    return (300 + 16 * steps + (counts & 0x1F)).astype(np.int32)


def known_words(index: int | NDArray[np.int64]) -> NDArray[np.int32]:
    """What an ADS1292R gives as sample ``index``.

    Returns:
        16-bit counts of the lead and of breathing, shape (n, 2); their low bytes together tell 65536 samples apart.
    """
    indices = np.atleast_1d(np.asarray(index, dtype=np.int64))
    mixed = (indices * (_MULTIPLIER & 0xFFFF)) & 0xFFFF
    lead = (known_counts(indices, 1)[:, 0] >> _STEP_BITS << 8) + (mixed & 0xFF)
    breathing = (np.rint(40.0 * np.sin(2.0 * np.pi * indices / _BREATH_SAMPLES)).astype(np.int64) << 8) + (mixed >> 8)
    return np.stack([lead, breathing], axis=1).astype(np.int32)
