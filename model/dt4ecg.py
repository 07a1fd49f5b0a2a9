"""DT4ECG: one network that says who a person is and what they are doing.

You et al. 2025 (arXiv:2502.11023) fix the plan: a 1-D residual backbone, Sequence-Channel Attention, an identity
head and an activity head, losses weighted by GradNorm. Their headline, on their own data, is 99.12 % identity and
90.11 % activity. Ours are all layer sizes and hyper-parameters, and three decisions tried across electrode sets:

* Identity is asked at two depths, each with a head and a loss of its own, and the answers are averaged: an early stage,
  whose receptive field is about one beat, carries over to other electrodes; the last one is surer on known electrodes.
* The identity heads compare directions, not lengths (`CosineHead`).
* Activity is read from the last stage and from the rhythm of the window (`model.attention.LagAttention`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.attention import LagAttention, SequenceChannelAttention
from model.resnet import (
    NetworkShape,
    ResidualBlock,
    ResNetSettings,
    Stem,
    TwoHeadNetwork,
    check_window,
    last_convolution,
    stem_steps,
)


@dataclass(frozen=True, kw_only=True)
class DT4ECGSettings(ResNetSettings):
    """Layer sizes of DT4ECG: the backbone's, and those of the attention.

    Attributes:
        identity_stages: stages at which identity is asked, counted from 0, or from the end when negative; GradNorm
            looks at the first. A stage named twice is asked once.
        identity_width: channels of each identity branch.
        cosine_scale: of the identity logits, which are cosines times this.
        reduction: channels per hidden unit of the channel attention.
        attention_groups: groups of channels with their own weighting of time; divides the widths it pools.
        rhythm_mixtures: mixtures of channels whose rhythm is looked at.
        rhythm_lag_share: longest lag, as a share of the window.
        rhythm_width: features of rhythm that the activity head gets.
        shape_dropout: share of training windows whose activity must be told from the rhythm alone.
    """

    identity_stages: tuple[int, ...] = (1, -1)
    identity_width: int = 96
    cosine_scale: float = 16.0
    reduction: int = 6
    attention_groups: int = 4
    rhythm_mixtures: int = 8
    rhythm_lag_share: float = 0.66
    rhythm_width: int = 32
    shape_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("identity_width", "reduction", "attention_groups", "rhythm_mixtures", "rhythm_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"network settings: {name} is {getattr(self, name)}; it must be at least 1.")
        n_stages = len(self.widths)
        if not self.identity_stages or not all(-n_stages <= stage < n_stages for stage in self.identity_stages):
            raise ValueError(
                f"network settings: identity_stages is {self.identity_stages}; it must name some of the {n_stages} "
                "stages, counted from 0, or from the end when negative."
            )
        if not 0.0 < self.cosine_scale < 1000.0:
            raise ValueError(f"network settings: cosine_scale is {self.cosine_scale}; it must lie between 0 and 1000.")
        if not 0.0 <= self.shape_dropout < 1.0:
            raise ValueError(
                f"network settings: shape_dropout is {self.shape_dropout}; it must be at least 0 and below 1."
            )
        for name, width in (("identity_width", self.identity_width), ("the last of widths", self.widths[-1])):
            if width % self.attention_groups:
                raise ValueError(
                    f"network settings: attention_groups is {self.attention_groups}; it must divide {name}, {width}."
                )
        if not 0.0 < self.rhythm_lag_share < 1.0:
            raise ValueError(
                f"network settings: rhythm_lag_share is {self.rhythm_lag_share}; it must lie between 0 and 1."
            )

    @property
    def asked_stages(self) -> tuple[int, ...]:
        """The identity stages counted from 0, each once, rising."""
        return tuple(sorted({stage % len(self.widths) for stage in self.identity_stages}))


class CosineHead(nn.Module):
    """Logits that are cosines between the features and one direction per class, scaled.

    How long the features are, which noise and electrodes change, has no say (NormFace, doi:10.1145/3123266.3123359;
    the scale is fixed and there is no margin).

    Shapes:
        input: (batch, features); output: (batch, classes).
    """

    def __init__(self, n_features: int, n_classes: int, *, scale: float) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(n_classes, n_features) / math.sqrt(n_features))
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """Compare with every class."""
        return self.scale * functional.normalize(features, dim=-1) @ functional.normalize(self.directions, dim=-1).T


class IdentityBranch(nn.Module):
    """Who it is, by the features of one stage.

    Shapes:
        input: (batch, channels, steps); output: (batch, n_subjects).
    """

    def __init__(self, in_width: int, n_subjects: int, settings: DT4ECGSettings) -> None:
        super().__init__()
        width = settings.identity_width
        self.block = ResidualBlock(in_width, width, kernel_size=1, stride=1)
        self.attention = SequenceChannelAttention(
            width, reduction=settings.reduction, n_groups=settings.attention_groups
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.head = CosineHead(width, n_subjects, scale=settings.cosine_scale)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of the identity."""
        logits: Tensor = self.head(self.dropout(self.attention(self.block(features))))
        return logits


class DT4ECG(TwoHeadNetwork):
    """Residual backbone, Sequence-Channel Attention per task, rhythm for the activity.

    Shapes:
        input: (batch, leads, samples); output: see `TwoHeadNetwork`.
    """

    def __init__(self, shape: NetworkShape, settings: DT4ECGSettings) -> None:
        super().__init__()
        check_window(shape, settings)
        widths = settings.widths
        self.stem = Stem(shape.n_leads, widths[0], kernel_size=settings.stem_kernel_size)
        self.stages = nn.ModuleList(
            ResidualBlock(
                widths[max(stage - 1, 0)], width, kernel_size=settings.kernel_size, stride=1 if stage == 0 else 2
            )
            for stage, width in enumerate(widths)
        )
        self.identity_stages = settings.asked_stages
        self.identity_branches = nn.ModuleList(
            IdentityBranch(widths[stage], shape.n_subjects, settings) for stage in settings.asked_stages
        )
        self.activity_attention = SequenceChannelAttention(
            widths[-1], reduction=settings.reduction, n_groups=settings.attention_groups
        )
        self.rhythm = LagAttention(
            widths[0],
            stem_steps(shape.n_samples),
            n_mixtures=settings.rhythm_mixtures,
            lag_share=settings.rhythm_lag_share,
            n_features=settings.rhythm_width,
            dropout=settings.dropout,
        )
        # Shapes fit the training session so well that the rhythm would hardly be learnt beside them.
        self.shape_dropout = settings.shape_dropout
        self.dropout = nn.Dropout(settings.dropout)
        self.activity_head = nn.Linear(widths[-1] + settings.rhythm_width, shape.n_activities)

    def answers(self, signal: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """One set of identity logits per identity stage, one of the activity."""
        features = [self.stem(signal)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        of_stage = features[1:]
        branches = zip(self.identity_stages, self.identity_branches, strict=True)
        shapes = self.activity_attention(of_stage[-1])
        if self.training:
            kept = torch.rand(len(shapes), 1, device=shapes.device) >= self.shape_dropout
            shapes = shapes * kept
        activity = self.activity_head(self.dropout(torch.cat([shapes, self.rhythm(of_stage[0])], dim=1)))
        return {"identity": tuple(branch(of_stage[stage]) for stage, branch in branches), "activity": (activity,)}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Weights of the last convolution that every head depends on."""
        return last_convolution(list(self.stages)[: self.identity_stages[0] + 1])
