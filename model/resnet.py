"""Plain 1-D residual network with two heads: the baseline that DT4ECG has to beat.

Also holds what both networks are made of: the contract `TwoHeadNetwork`, the stem and the residual block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

TASKS: Final = ("identity", "activity")
"""The two questions, in the order in which losses and weights are listed everywhere."""

STEM_STRIDE: Final = 4


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """What a network is built for; it comes from the corpus, not from taste.

    Attributes:
        n_leads: leads of a window.
        n_samples: samples of a window, per lead.
        n_subjects: classes of the identity head.
        n_activities: classes of the activity head.
    """

    n_leads: int
    n_samples: int
    n_subjects: int
    n_activities: int

    def __post_init__(self) -> None:
        for name, least in (("n_leads", 1), ("n_samples", 1), ("n_subjects", 2), ("n_activities", 1)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"network shape: {name} is {value}; it must be at least {least}.")


@dataclass(frozen=True, kw_only=True)
class ResNetSettings:
    """Layer sizes of the backbone, shared by both networks.

    Attributes:
        widths: channels of each stage; every stage but the first halves the time axis.
        kernel_size: samples of each convolution inside a block, odd.
        stem_kernel_size: samples of the first convolution, odd.
        dropout: share of features dropped before each head.
    """

    widths: tuple[int, ...] = (32, 48, 64, 96)
    kernel_size: int = 7
    stem_kernel_size: int = 15
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"network settings: widths is {self.widths}; it needs one positive width per stage.")
        for name in ("kernel_size", "stem_kernel_size"):
            value = getattr(self, name)
            if value < 1 or value % 2 == 0:
                raise ValueError(f"network settings: {name} is {value}; it must be odd and positive.")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"network settings: dropout is {self.dropout}; it must be at least 0 and below 1.")

    @property
    def least_samples(self) -> int:
        """Shortest window that leaves two steps of time after the last stage."""
        return int(2 * STEM_STRIDE * 2 ** (len(self.widths) - 1))


class TwoHeadNetwork(nn.Module, ABC):
    """The contract of every network here.

    Shapes:
        input: (batch, leads, samples), float32.
        output: {"identity": (batch, n_subjects), "activity": (batch, n_activities)}, logits.
    """

    @abstractmethod
    def answers(self, signal: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """Logits of every head: one or more per task, each to be trained with a loss of its own."""

    @abstractmethod
    def shared_parameters(self) -> list[nn.Parameter]:
        """Weights of the last layer that every head depends on, where GradNorm takes its gradients."""

    def forward(self, signal: Tensor) -> dict[str, Tensor]:
        """Logits of both tasks for a batch of windows; of several heads, the mean of their log-probabilities."""
        return {task: _averaged(heads) for task, heads in self.answers(signal).items()}

    def __call__(self, signal: Tensor) -> dict[str, Tensor]:
        """Run the network; typed, because `nn.Module.__call__` is not."""
        return cast(dict[str, Tensor], super().__call__(signal))


def _averaged(heads: tuple[Tensor, ...]) -> Tensor:
    if len(heads) == 1:
        return heads[0]
    return torch.stack([functional.log_softmax(logits, dim=-1) for logits in heads]).mean(dim=0)


class Stem(nn.Module):
    """First convolution and pooling: (batch, leads, samples) to (batch, width, samples / 4)."""

    def __init__(self, n_leads: int, width: int, *, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_leads, width, kernel_size, stride=2, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.pool = nn.MaxPool1d(3, stride=2, padding=1)

    def forward(self, signal: Tensor) -> Tensor:
        """Turn leads into feature maps."""
        return cast(Tensor, self.pool(functional.relu(self.norm(self.conv(signal)))))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut (He 2016, doi:10.1109/CVPR.2016.90), in one dimension.

    The shortcut of a strided block averages before its 1x1 convolution (ResNet-D, doi:10.1109/CVPR.2019.00065),
    so that no sample is skipped.

    Shapes:
        input: (batch, in_width, steps); output: (batch, width, ceil(steps / stride)).
    """

    def __init__(self, in_width: int, width: int, *, kernel_size: int, stride: int) -> None:
        super().__init__()
        pad = kernel_size // 2
        self.conv1 = nn.Conv1d(in_width, width, kernel_size, stride=stride, padding=pad, bias=False)
        self.norm1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, kernel_size, padding=pad, bias=False)
        self.norm2 = nn.BatchNorm1d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_width != width:
            self.shortcut = nn.Sequential(
                nn.AvgPool1d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv1d(in_width, width, 1, bias=False),
                nn.BatchNorm1d(width),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Add what the block learnt to what it was given."""
        residual = functional.relu(self.norm1(self.conv1(features)))
        residual = self.norm2(self.conv2(residual))
        return functional.relu(residual + self.shortcut(features))


def stem_steps(n_samples: int) -> int:
    """Steps of time that `Stem` leaves of a window, each about four samples."""
    return ((n_samples - 1) // 2) // 2 + 1


def last_convolution(stages: Sequence[nn.Module]) -> list[nn.Parameter]:
    """Weights of the last convolution of the last residual block of `stages`."""
    block = stages[-1]
    assert isinstance(block, ResidualBlock)
    return list(block.conv2.parameters())


def check_window(shape: NetworkShape, settings: ResNetSettings) -> None:
    """Refuse a window that the strides would shrink to nothing.

    Raises:
        ValueError: the window is shorter than `settings.least_samples`.
    """
    if shape.n_samples < settings.least_samples:
        raise ValueError(
            f"network shape: n_samples is {shape.n_samples}; {len(settings.widths)} stages need at least "
            f"{settings.least_samples}; use longer windows or fewer widths."
        )


class ResNet1d(TwoHeadNetwork):
    """Residual backbone, average over time, one linear head per task.

    The plain time-series ResNet of Wang 2017 (doi:10.1109/IJCNN.2017.7966039) with a strided stem; sizes are ours.

    Shapes:
        input: (batch, leads, samples); output: see `TwoHeadNetwork`.
    """

    def __init__(self, shape: NetworkShape, settings: ResNetSettings) -> None:
        super().__init__()
        check_window(shape, settings)
        widths = settings.widths
        self.stem = Stem(shape.n_leads, widths[0], kernel_size=settings.stem_kernel_size)
        blocks = [
            ResidualBlock(
                widths[max(stage - 1, 0)], width, kernel_size=settings.kernel_size, stride=1 if stage == 0 else 2
            )
            for stage, width in enumerate(widths)
        ]
        self.stages = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(settings.dropout)
        self.identity_head = nn.Linear(widths[-1], shape.n_subjects)
        self.activity_head = nn.Linear(widths[-1], shape.n_activities)

    def answers(self, signal: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """One set of logits per task."""
        pooled = torch.mean(self.stages(self.stem(signal)), dim=-1)
        return {
            "identity": (self.identity_head(self.dropout(pooled)),),
            "activity": (self.activity_head(self.dropout(pooled)),),
        }

    def shared_parameters(self) -> list[nn.Parameter]:
        """Weights of the last convolution of the backbone."""
        return last_convolution(list(self.stages))
