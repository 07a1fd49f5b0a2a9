"""Learning rate and momentum as pure functions of the step: a resumed training needs no scheduler state."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from model.config import TrainConfig

__all__ = ["Pace", "pace_at"]

START_DIVISOR: Final = 25.0
END_DIVISOR: Final = 1e4
MOMENTUM: Final = (0.85, 0.95)
CONSTANT_MOMENTUM: Final = 0.9


class Pace(NamedTuple):
    """How far a step goes.

    Attributes:
        learning_rate: of AdamW.
        momentum: its first beta.
    """

    learning_rate: float
    momentum: float


def pace_at(step: int, total_steps: int, config: TrainConfig) -> Pace:
    """The pace of one step.

    One-cycle (Smith & Topin 2019, arXiv:1708.07120) with cosine flanks: the learning rate climbs from 1/25 of its peak
    and ends at 1/10000 of where it began, while the momentum goes from 0.95 to 0.85 and back. These are the constants
    of torch's `OneCycleLR`, which this equals step for step.

    Args:
        step: counted from 0 over the whole training.
        total_steps: of a training that is not stopped early.
        config: peak, schedule and length of the climb.
    """
    if config.schedule == "constant":
        return Pace(config.learning_rate, CONSTANT_MOMENTUM)
    low, high = MOMENTUM
    first = config.learning_rate / START_DIVISOR
    top = config.warmup_share * total_steps - 1.0
    if step <= top:
        share = step / top if top > 0 else 1.0
        return Pace(_cosine(first, config.learning_rate, share), _cosine(high, low, share))
    share = (step - top) / max(total_steps - 1.0 - top, 1.0)
    return Pace(_cosine(config.learning_rate, first / END_DIVISOR, share), _cosine(low, high, share))


def _cosine(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
