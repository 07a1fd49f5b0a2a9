"""Augmentation of training windows, as pure functions of a batch, a generator and settings.

A person's amplitude and bandwidth carry identity across electrode sets, so careless augmentation destroys it: time
warp, spectral tilt and large gains were measured to do so. What helps is motion: a recording that was quiet with one
electrode set is drowned in motion with another, and the beat below is the same person's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SCALE_PERCENTILE = 0.98


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """How far a training window may be moved; zeros switch everything off.

    Amounts are relative to the signal as the corpus scales it, where 1 is about the height of an R wave.

    Attributes:
        gain_sigma: standard deviation of the log of one gain per window, the same for all its leads.
        motion: largest standard deviation of simulated motion; each window draws its own between 0 and this.
        motion_share: share of the windows that get motion.
        motion_band_hz: where the motion lies; its amplitude falls as 1 / frequency above 1 Hz.
    """

    gain_sigma: float = 0.0
    motion: float = 0.0
    motion_share: float = 0.5
    motion_band_hz: tuple[float, float] = (0.5, 25.0)

    def __post_init__(self) -> None:
        for name in ("gain_sigma", "motion"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise ValueError(f"augmentation: {name} is {value}; it must be finite and not negative.")
        if not 0.0 <= self.motion_share <= 1.0:
            raise ValueError(f"augmentation: motion_share is {self.motion_share}; it must lie between 0 and 1.")
        low, high = self.motion_band_hz
        if not 0.0 < low < high < math.inf:
            raise ValueError(f"augmentation: motion_band_hz is {self.motion_band_hz}; it must rise from above 0.")


def vary_gain(windows: Tensor, generator: torch.Generator, settings: AugmentSettings) -> Tensor:
    """Scale every window by a gain of its own, which changes neither label.

    Args:
        windows: (batch, leads, samples), scaled as the corpus has them; not changed.
        generator: source of all randomness, on the device of `windows`.
        settings: how far.

    Returns:
        A new tensor of the same shape.
    """
    if not settings.gain_sigma:
        return windows.clone()
    draw = torch.randn((len(windows), 1, 1), generator=generator, dtype=windows.dtype, device=windows.device)
    return windows * torch.exp(settings.gain_sigma * draw)


def add_motion(
    windows: Tensor, generator: torch.Generator, settings: AugmentSettings, *, rate_hz: float
) -> tuple[Tensor, Tensor]:
    """Drown some windows in simulated motion, and say which windows still show their activity.

    Motion is coloured noise, independent from lead to lead. A window with motion is then brought back to the scale that
    its recording would have had: a corpus scaled by the 98th percentile of each recording makes the beats of a noisy
    recording small, and the network has to know them so.

    Motion changes what the activity looks like, not who the person is. So the loss of the activity must leave out the
    windows that got motion; with them in, activity across electrode sets fell by 3 points.

    Args:
        windows: (batch, leads, samples), scaled as the corpus has them; not changed.
        generator: source of all randomness, on the device of `windows`.
        settings: how much motion, how often, in which band.
        rate_hz: sampling rate.

    Returns:
        The windows, a new tensor of the same shape, and (batch,) bool, true where the activity label still holds.
    """
    batch, leads, samples = windows.shape
    if not settings.motion or not settings.motion_share:
        return windows.clone(), torch.ones(batch, dtype=torch.bool, device=windows.device)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=windows.dtype, device=windows.device)

    moved = uniform(batch) < settings.motion_share
    level = settings.motion * uniform(batch, 1, 1) * moved[:, None, None]
    white = torch.randn((batch, leads, samples), generator=generator, dtype=windows.dtype, device=windows.device)
    noisy = windows + level * _coloured(white, settings.motion_band_hz, rate_hz=rate_hz)
    # Motion can only shrink the beats: where it lowers the percentile by chance, the scale stays.
    growth = (_height(noisy) / _height(windows).clamp_min(1e-6)).clamp_min(1.0)
    return torch.where(moved[:, None, None], noisy / growth, windows), ~moved


def _coloured(white: Tensor, band_hz: tuple[float, float], *, rate_hz: float) -> Tensor:
    """White noise shaped to 1/f inside the band, with a standard deviation of 1 in every window and lead."""
    samples = white.shape[-1]
    frequency_hz = torch.fft.rfftfreq(samples, d=1.0 / rate_hz, device=white.device)
    inside = (frequency_hz > band_hz[0]) & (frequency_hz < band_hz[1])
    shape = torch.where(inside, 1.0 / frequency_hz.clamp_min(1.0), 0.0)
    noise = torch.fft.irfft(torch.fft.rfft(white) * shape, n=samples)
    unit: Tensor = noise / noise.std(dim=-1, keepdim=True).clamp_min(1e-6)
    return unit


def _height(windows: Tensor) -> Tensor:
    """98th percentile of the magnitude of each window over all its leads, (batch, 1, 1)."""
    height: Tensor = torch.quantile(windows.abs().flatten(1), SCALE_PERCENTILE, dim=1)
    return height[:, None, None]
