from __future__ import annotations

import pytest
import torch

from model.config import TrainConfig
from model.schedule import pace_at


@pytest.mark.parametrize(("total", "share"), [(40, 0.15), (100, 0.3), (7, 0.5)])
def test_one_cycle_equals_torchs_own_step_for_step(total: int, share: float) -> None:
    config = TrainConfig(learning_rate=0.01, warmup_share=share)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=total, pct_start=share)
    for step in range(total):
        group = optimizer.param_groups[0]
        pace = pace_at(step, total, config)
        assert pace.learning_rate == pytest.approx(group["lr"], rel=1e-9)
        assert pace.momentum == pytest.approx(group["betas"][0], rel=1e-9)
        optimizer.step()
        if step < total - 1:
            scheduler.step()


def test_constant_stays() -> None:
    config = TrainConfig(schedule="constant", learning_rate=0.02)
    assert {pace_at(step, 10, config) for step in range(10)} == {(0.02, 0.9)}


@pytest.mark.parametrize("total", [1, 2, 3])
def test_very_short_trainings_have_a_pace(total: int) -> None:
    paces = [pace_at(step, total, TrainConfig()) for step in range(total)]
    assert all(0 < pace.learning_rate <= 3e-3 for pace in paces)
