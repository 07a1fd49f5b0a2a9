"""DT4ECG: one network that says who a person is and what they are doing.

You et al. 2025 (arXiv:2502.11023) fix the plan: a 1-D residual backbone, Sequence-Channel Attention, an identity
head and an activity head, losses weighted by GradNorm. Their headline, on their own data, is 99.12 % identity and
90.11 % activity. Ours are all layer sizes and hyper-parameters, and two decisions tried across electrode sets: identity
is read from an early stage, whose receptive field is about one beat (as good as the last stage within the spread of
seeds, and the late stages are left to the activity); activity is read from the last stage and from the rhythm of the
window (`model.attention.LagAttention`), which gained 2 to 3 points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
        beat_stage: stage from which identity is read, counted from 0; the last that both tasks share.
        beat_width: channels of the identity branch.
        reduction: channels per hidden unit of the channel attention.
        attention_groups: groups of channels with their own weighting of time; divides the widths it pools.
        rhythm_mixtures: mixtures of channels whose rhythm is looked at.
        rhythm_lag_share: longest lag, as a share of the window.
        rhythm_width: features of rhythm that the activity head gets.
        shape_dropout: share of training windows whose activity must be told from the rhythm alone.
    """

    beat_stage: int = 1
    beat_width: int = 96
    reduction: int = 6
    attention_groups: int = 4
    rhythm_mixtures: int = 8
    rhythm_lag_share: float = 0.66
    rhythm_width: int = 32
    shape_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("beat_width", "reduction", "attention_groups", "rhythm_mixtures", "rhythm_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"network settings: {name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 <= self.beat_stage < len(self.widths):
            raise ValueError(
                f"network settings: beat_stage is {self.beat_stage}; there are {len(self.widths)} stages, "
                "counted from 0."
            )
        if not 0.0 <= self.shape_dropout < 1.0:
            raise ValueError(
                f"network settings: shape_dropout is {self.shape_dropout}; it must be at least 0 and below 1."
            )
        for name, width in (("beat_width", self.beat_width), ("the last of widths", self.widths[-1])):
            if width % self.attention_groups:
                raise ValueError(
                    f"network settings: attention_groups is {self.attention_groups}; it must divide {name}, {width}."
                )
        if not 0.0 < self.rhythm_lag_share < 1.0:
            raise ValueError(
                f"network settings: rhythm_lag_share is {self.rhythm_lag_share}; it must lie between 0 and 1."
            )


class DT4ECG(TwoHeadNetwork):
    """Residual backbone, Sequence-Channel Attention per task, rhythm for the activity.

    Shapes:
        input: (batch, leads, samples); output: see `TwoHeadNetwork`.
    """

    def __init__(self, shape: NetworkShape, settings: DT4ECGSettings) -> None:
        super().__init__()
        check_window(shape, settings)
        widths, groups, reduction = settings.widths, settings.attention_groups, settings.reduction
        self.stem = Stem(shape.n_leads, widths[0], kernel_size=settings.stem_kernel_size)
        blocks = [
            ResidualBlock(
                widths[max(stage - 1, 0)], width, kernel_size=settings.kernel_size, stride=1 if stage == 0 else 2
            )
            for stage, width in enumerate(widths)
        ]
        self.shared_stages = nn.Sequential(*blocks[: settings.beat_stage + 1])
        self.activity_stages = nn.Sequential(*blocks[settings.beat_stage + 1 :])
        self.identity_block = ResidualBlock(widths[settings.beat_stage], settings.beat_width, kernel_size=1, stride=1)
        self.identity_attention = SequenceChannelAttention(settings.beat_width, reduction=reduction, n_groups=groups)
        self.activity_attention = SequenceChannelAttention(widths[-1], reduction=reduction, n_groups=groups)
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
        self.identity_head = nn.Linear(settings.beat_width, shape.n_subjects)
        self.activity_head = nn.Linear(widths[-1] + settings.rhythm_width, shape.n_activities)

    def forward(self, signal: Tensor) -> dict[str, Tensor]:
        """Logits of both tasks for a batch of windows."""
        first = self.shared_stages[0](self.stem(signal))
        beat = self.shared_stages[1:](first)
        who = self.identity_attention(self.identity_block(beat))
        shapes = self.activity_attention(self.activity_stages(beat))
        if self.training:
            kept = torch.rand(len(shapes), 1, device=shapes.device) >= self.shape_dropout
            shapes = shapes * kept
        what = torch.cat([shapes, self.rhythm(first)], dim=1)
        return {"identity": self.identity_head(self.dropout(who)), "activity": self.activity_head(self.dropout(what))}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Weights of the last convolution before the tasks part."""
        return last_convolution(self.shared_stages)
