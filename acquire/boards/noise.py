"""The restless part of a simulated recording: random processes that can be computed for any second on its own.

Time is cut into blocks of one second. Block b's random numbers come from a generator keyed by b, and every process
looks back at most a few blocks, so a block's noise is the same whoever asks for it, when, and after what.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acquire.boards.person import generator

__all__ = ["Noise", "NoiseBlock"]

Array = NDArray[np.float64]

_SLOW_PER_S, _SLOW_HISTORY = 1, 3
_MID_PER_S = 6
_MUSCLE_LOW_HZ, _MUSCLE_HIGH_HZ = 20.0, 120.0


class NoiseBlock(NamedTuple):
    """One second of noise, every process of about unit root mean square; n samples.

    Attributes:
        muscle: band-limited to 20–120 Hz (or 0.4 of the rate), one row an electrode, shape (3, n).
        amplifier: white, one row a channel, shape (2, n).
        wander: below about 0.5 Hz, one row an electrode, shape (3, n).
        stride: slow change of the movement's strength at each electrode, shape (3, n).
        beat_of_steps: slow change of the movement's timing, shape (n,).
        gate: slow process that opens and closes the bursts, shape (n,).
        burst: below about 3 Hz, one row an electrode, shape (3, n).
    """

    muscle: Array
    amplifier: Array
    wander: Array
    stride: Array
    beat_of_steps: Array
    gate: Array
    burst: Array


class Noise:
    """Noise by the second.

    Args:
        keys: what the noise depends on.
        rate_hz: samples per second, a whole number: the length of a block.
    """

    def __init__(self, keys: tuple[object, ...], rate_hz: int) -> None:
        self._keys = keys
        self._rate_hz = rate_hz
        self._taps = _muscle_taps(rate_hz)
        # Muscle noise that a low sampling rate cuts off is not folded into what is left: its power is lost.
        band_hz = min(_MUSCLE_HIGH_HZ, 0.4 * rate_hz) - _MUSCLE_LOW_HZ
        self._muscle_scale = np.sqrt(band_hz / (_MUSCLE_HIGH_HZ - _MUSCLE_LOW_HZ))
        self._slow = _spline(rate_hz, _SLOW_PER_S)
        self._mid = _spline(rate_hz, _MID_PER_S)
        self._drawn: dict[int, tuple[Array, Array, Array]] = {}

    def block(self, number: int) -> NoiseBlock:
        """Compute second ``number``, 0 or later."""
        past = {b: self._draw(b) for b in range(number - _SLOW_HISTORY, number + 1)}
        self._drawn = past  # what the next second looks back at; anything older is forgotten
        white = np.hstack([past[number - 1][0][:3, -(len(self._taps) - 1) :], past[number][0][:3]])
        muscle = np.array([np.convolve(row, self._taps, mode="valid") for row in white]) * self._muscle_scale
        slow = np.hstack([past[b][1] for b in range(number - _SLOW_HISTORY, number + 1)]) @ self._slow
        mid = np.hstack([past[number - 1][2][:, -3:], past[number][2]]) @ self._mid
        return NoiseBlock(
            muscle=muscle,
            amplifier=past[number][0][3:],
            wander=slow[:3],
            stride=slow[3:6],
            beat_of_steps=slow[6],
            gate=slow[7],
            burst=mid,
        )

    def _draw(self, number: int) -> tuple[Array, Array, Array]:
        if number not in self._drawn:
            rng = generator(*self._keys, "noise", number)
            self._drawn[number] = (
                rng.standard_normal((5, self._rate_hz)),
                rng.standard_normal((8, _SLOW_PER_S)),
                rng.standard_normal((3, _MID_PER_S)),
            )
        return self._drawn[number]


def _muscle_taps(rate_hz: int) -> Array:
    """Make a windowed-sinc band-pass that gives unit root mean square for white noise of unit root mean square."""
    half = rate_hz // 20
    lag = np.arange(-half, half + 1)

    def lowpass(corner_hz: float) -> Array:
        corner = corner_hz / rate_hz
        return np.asarray(2 * corner * np.sinc(2 * corner * lag))

    taps = (lowpass(min(_MUSCLE_HIGH_HZ, 0.4 * rate_hz)) - lowpass(_MUSCLE_LOW_HZ)) * np.hamming(len(lag))
    return np.asarray(taps / np.sqrt(np.sum(taps**2)))


def _spline(rate_hz: int, per_s: int) -> Array:
    """Make the cubic B-spline that turns three past knots and those of a second into its samples.

    Returns:
        Shape (3 + per_s, rate_hz), scaled so that white knots give unit root mean square.
    """
    place = np.arange(rate_hz) * per_s / rate_hz
    knot = place.astype(np.int64)
    u = place - knot
    weights = np.array([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]) / 6.0
    basis = np.zeros((3 + per_s, rate_hz))
    for lag in range(4):
        basis[knot + lag, np.arange(rate_hz)] = weights[lag]
    return np.asarray(basis / np.sqrt(np.mean(np.sum(weights**2, axis=0))))
