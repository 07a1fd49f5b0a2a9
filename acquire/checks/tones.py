"""How strong a hum of known frequency is in a stretch of signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGHEST_TONE", "ToneMeter"]

Array = NDArray[np.float64]

HIGHEST_TONE = 0.49
"""Of the rate; a tone nearer to half the rate cannot be told in a second."""


class ToneMeter:
    """Measures a few tones in windows of one length.

    A least-squares fit of all tones and a straight line, with Hann's weights, so that neither an offset nor a drift
    looks like hum, and missing samples are left out instead of bridged. Over one second it tells tones apart that lie
    2 Hz from each other, and a board whose true rate is 1 % off loses at most a sixth of a 50 Hz tone.

    Args:
        n_samples: length of the windows.
        rate_hz: samples per second.
        tones_hz: frequencies, each below ``HIGHEST_TONE`` of the rate.
    """

    def __init__(self, n_samples: int, rate_hz: float, tones_hz: Sequence[float]) -> None:
        place = np.arange(n_samples)
        angles = 2 * np.pi * np.outer(place / rate_hz, np.asarray(tones_hz, dtype=np.float64))
        line = np.stack([np.ones(n_samples), place / n_samples - 0.5], axis=1)
        self._weight = np.sqrt(np.hanning(n_samples + 2)[1:-1])
        self._basis = np.hstack([line, np.cos(angles), np.sin(angles)]) * self._weight[:, None]
        self._whole = _solver(self._basis) * self._weight

    def amplitudes(self, values: Array) -> Array:
        """Half of each tone's peak to peak, in the unit of the values.

        Args:
            values: shape (n_samples,), NaN where samples are missing.

        Returns:
            Shape (n_tones,); zeros where there are not samples enough.
        """
        valid = np.isfinite(values)
        n_valid, n_unknown = int(np.count_nonzero(valid)), self._basis.shape[1]
        if n_valid == len(values) and n_valid > n_unknown:
            solution = self._whole @ values
        elif n_valid > n_unknown:
            solution = _solver(self._basis[valid]) @ (self._weight[valid] * values[valid])
        else:
            solution = np.zeros(n_unknown)
        return np.asarray(np.hypot(*solution[2:].reshape(2, -1)))


def _solver(basis: Array) -> Array:
    """Turn weighted samples into amplitudes; one that the missing samples hide becomes small, not huge."""
    normal = basis.T @ basis
    ridge = 1e-9 * (np.trace(normal) + np.finfo(np.float64).tiny) * np.eye(len(normal))
    return np.asarray(np.linalg.solve(normal + ridge, basis.T))
