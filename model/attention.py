"""Sequence-Channel Attention: which features matter, and when in the window they matter.

The DT4ECG paper (You et al. 2025, arXiv:2502.11023) fixes that there are two kinds of attention, over channels and over
the sequence, and that they act on the features of a residual network. Their form is ours:

* `ChannelAttention` is squeeze-and-excitation (doi:10.1109/CVPR.2018.00745) on the mean over time, and starts neutral.
  The maximum beside the mean, as in CBAM (doi:10.1007/978-3-030-01234-2_1), cost activity points in one trial.
* `SequenceAttention` pools time by a softmax per group of channels (doi:10.21437/Interspeech.2018-993, the mean only).
  A gate on every step inside the backbone, and the spread beside the mean, cost identity points in one trial each.
* `LagAttention` compares the sequence with itself and keeps how alike it is at each lag, whatever its amplitude. Heart
  rate and cadence stand in it as peaks, and survive a change of electrodes that changes the amplitude of everything.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelAttention(nn.Module):
    """Weigh feature maps by their mean over the window.

    Shapes:
        input and output: (batch, channels, steps).
    """

    def __init__(self, n_channels: int, *, reduction: int) -> None:
        super().__init__()
        hidden = max(8, n_channels // reduction)
        self.squeeze = nn.Linear(n_channels, hidden)
        self.excite = nn.Linear(hidden, n_channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Scale every channel by its gate in (0, 2); a fresh gate is 1."""
        gate = 2.0 * torch.sigmoid(self.excite(functional.relu(self.squeeze(features.mean(dim=-1)))))
        return features * gate.unsqueeze(-1)


class SequenceAttention(nn.Module):
    """Pool time, each group of channels looking where it wants to: at a beat rather than at a stretch of motion.

    Shapes:
        input: (batch, channels, steps); output: (batch, channels).
    """

    def __init__(self, n_channels: int, *, n_groups: int, hidden: int = 32) -> None:
        super().__init__()
        if n_channels % n_groups:
            raise ValueError(f"sequence attention: {n_channels} channels do not divide into {n_groups} groups.")
        self.n_groups = n_groups
        self.score = nn.Sequential(nn.Conv1d(n_channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, n_groups, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Average over time by learnt weights that sum to 1."""
        batch, n_channels, steps = features.shape
        weights = torch.softmax(self.score(features), dim=-1).unsqueeze(2)
        groups = features.reshape(batch, self.n_groups, n_channels // self.n_groups, steps)
        return (weights * groups).sum(dim=-1).flatten(1)


class SequenceChannelAttention(nn.Module):
    """Channel attention, then sequence attention.

    Shapes:
        input: (batch, channels, steps); output: (batch, channels).
    """

    def __init__(self, n_channels: int, *, reduction: int, n_groups: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(n_channels, reduction=reduction)
        self.sequence = SequenceAttention(n_channels, n_groups=n_groups)

    def forward(self, features: Tensor) -> Tensor:
        """Weigh the channels, then pool the steps."""
        pooled: Tensor = self.sequence(self.channel(features))
        return pooled


class LagAttention(nn.Module):
    """How alike the window is to itself, lag by lag: rhythm without amplitude.

    A few learnt mixtures of the channels are normalised over the window and autocorrelated; two convolutions over the
    lags and one linear layer read the result.

    Shapes:
        input: (batch, channels, steps); output: (batch, n_features).
    """

    def __init__(
        self, n_channels: int, n_steps: int, *, n_mixtures: int, lag_share: float, n_features: int, dropout: float
    ) -> None:
        super().__init__()
        n_lags = max(4, min(math.floor(lag_share * n_steps), n_steps - 1))
        self.mix = nn.Conv1d(n_channels, n_mixtures, 1)
        self.correlate = Autocorrelation(n_steps, n_lags=n_lags)
        self.read = nn.Sequential(
            nn.Conv1d(n_mixtures, 16, 9, stride=2, padding=4),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Conv1d(16, 16, 9, stride=2, padding=4),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(16 * math.ceil(n_lags / 4), n_features),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Turn feature maps into features of their rhythm."""
        mixtures = self.mix(features)
        centred = mixtures - mixtures.mean(dim=-1, keepdim=True)
        # The floor keeps a silent mixture silent instead of blowing up its rounding errors.
        normal = centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-3).sqrt()
        rhythm: Tensor = self.read(self.correlate(normal))
        return rhythm


class Autocorrelation(nn.Module):
    """Unbiased autocorrelation at lags 1 to n_lags, through the power spectrum (Wiener and Khinchin).

    The transform is written as two products with constant matrices: windows are short, and products, unlike an FFT,
    export everywhere and run in any precision.

    Shapes:
        input: (batch, channels, steps); output: (batch, channels, lags).
    """

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, n_steps: int, *, n_lags: int) -> None:
        super().__init__()
        # Twice the length keeps the end of the window from meeting its beginning.
        period = 2 * n_steps
        bins = torch.arange(n_steps + 1, dtype=torch.float64)
        steps = torch.arange(n_steps, dtype=torch.float64)
        lags = torch.arange(1, n_lags + 1, dtype=torch.float64)
        angle = 2 * math.pi * steps[:, None] * bins[None, :] / period
        share = torch.full_like(bins, 2.0 / period)
        share[0] = share[-1] = 1.0 / period
        synthesis = share[:, None] * torch.cos(2 * math.pi * bins[:, None] * lags[None, :] / period)
        self.register_buffer("analysis", torch.cat([angle.cos(), angle.sin()], dim=1).float(), persistent=False)
        self.register_buffer("synthesis", (synthesis / (n_steps - lags)).float(), persistent=False)

    def forward(self, signal: Tensor) -> Tensor:
        """Mean product of the signal with itself, moved by each lag."""
        real, imaginary = (signal @ self.analysis).chunk(2, dim=-1)
        correlation: Tensor = (real.square() + imaginary.square()) @ self.synthesis
        return correlation
