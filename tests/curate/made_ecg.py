"""An ECG made of Gaussians, cheap and exactly known, for tests of curation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WAVES = ((-0.18, 0.12, 0.025), (-0.03, -0.12, 0.010), (0.0, 1.0, 0.011), (0.03, -0.25, 0.011), (0.28, 0.25, 0.045))
"""Time from R (s), height (mV) and width (s) of P, Q, R, S and T."""


def made_ecg(
    *, seconds: float, rate_hz: float = 250.0, rate_bpm: float = 70.0, noise_mv: float = 0.01, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """One lead in mV, and its R peaks."""
    random = np.random.default_rng(seed)
    n_samples = round(seconds * rate_hz)
    intervals = 60.0 / rate_bpm * (1.0 + 0.03 * random.standard_normal(int(seconds * rate_bpm / 60) + 10))
    peaks = np.round((0.5 + np.cumsum(intervals) - intervals[0]) * rate_hz).astype(np.int64)
    peaks = peaks[peaks < n_samples - round(0.5 * rate_hz)]
    at_s = np.arange(-0.4, 0.5, 1 / rate_hz)
    shift = round(0.4 * rate_hz)
    beat = sum(height * np.exp(-0.5 * ((at_s - centre) / width) ** 2) for centre, height, width in WAVES)
    lead = np.zeros(n_samples + at_s.size)
    for peak in peaks:
        lead[peak - shift + shift : peak - shift + shift + at_s.size] += beat
    lead = lead[shift : shift + n_samples]
    return lead + noise_mv * random.standard_normal(n_samples), peaks
