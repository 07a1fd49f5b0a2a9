"""GradNorm against the definition in Chen 2018, computed the long way."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from model.gradnorm import GradNorm, GradNormSettings, weight_gradients

TASKS = ("identity", "activity")


class Toy(nn.Module):
    """One shared layer and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 8)
        self.heads = nn.ModuleList([nn.Linear(8, 4), nn.Linear(8, 3)])

    def losses(self, x: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        hidden = torch.tanh(self.shared(x))
        return {
            task: nn.functional.cross_entropy(head(hidden), target)
            for task, head, target in zip(TASKS, self.heads, targets, strict=True)
        }


def _toy(seed: int = 0) -> tuple[Toy, Tensor, tuple[Tensor, Tensor]]:
    torch.manual_seed(seed)
    toy = Toy()
    return toy, torch.randn(16, 6), (torch.randint(0, 4, (16,)), torch.randint(0, 3, (16,)))


def _norms(losses: dict[str, Tensor], toy: Toy) -> Tensor:
    return torch.stack(
        [torch.autograd.grad(losses[task], toy.shared.weight, retain_graph=True)[0].norm() for task in TASKS]
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.5])
def test_closed_form_equals_the_gradient_through_a_double_backward(alpha: float) -> None:
    toy, x, targets = _toy()
    losses = toy.losses(x, targets)
    initial = torch.tensor([1.7, 0.9])
    weights = torch.tensor([0.6, 1.4], requires_grad=True)
    weighted = torch.stack(
        [
            torch.autograd.grad(weights[i] * losses[task], toy.shared.weight, create_graph=True)[0].norm()
            for i, task in enumerate(TASKS)
        ]
    )
    now = torch.stack([losses[task] for task in TASKS]).detach()
    ratios = now / initial
    target = (weighted.mean() * (ratios / ratios.mean()) ** alpha).detach()
    (reference,) = torch.autograd.grad((weighted - target).abs().sum(), weights)
    ours = weight_gradients(weights.detach(), _norms(losses, toy), now, initial, alpha=alpha)
    torch.testing.assert_close(ours, reference)


def test_the_slow_task_gains_weight() -> None:
    gradient = weight_gradients(
        torch.ones(2), torch.ones(2), losses=torch.tensor([0.9, 0.1]), initial_losses=torch.ones(2), alpha=1.0
    )
    assert gradient[0] < 0 < gradient[1]


def test_weights_sum_to_the_number_of_tasks_and_stay_positive() -> None:
    toy, x, targets = _toy()
    gradnorm = GradNorm(TASKS, GradNormSettings(alpha=1.5, learning_rate=50.0))
    for _ in range(5):
        gradnorm.update(toy.losses(x, targets), [toy.shared.weight])
        assert sum(gradnorm.weights.values()) == pytest.approx(2.0)
        assert min(gradnorm.weights.values()) > 0


def test_update_leaves_the_network_gradients_alone_and_combine_uses_the_weights_as_constants() -> None:
    toy, x, targets = _toy()
    gradnorm = GradNorm(TASKS, GradNormSettings())
    gradnorm.load_state_dict({"tasks": list(TASKS), "weights": [0.5, 1.5], "initial_losses": [1.0, 1.0]})
    losses = toy.losses(x, targets)
    total = gradnorm.combine(losses)
    gradnorm.update(losses, [toy.shared.weight])
    assert toy.shared.weight.grad is None
    torch.testing.assert_close(total, 0.5 * losses["identity"] + 1.5 * losses["activity"])
    total.backward()  # type: ignore[no-untyped-call]
    assert toy.shared.weight.grad is not None


def test_resume_through_json_is_bit_exact() -> None:
    def train(gradnorm: GradNorm, toy: Toy, steps: range) -> None:
        optimiser = torch.optim.SGD(toy.parameters(), lr=0.1)
        for step in steps:
            generator = torch.Generator().manual_seed(step)
            x = torch.randn(16, 6, generator=generator)
            losses = toy.losses(x, targets)
            total = gradnorm.combine(losses)
            gradnorm.update(losses, [toy.shared.weight])
            optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    toy, _, targets = _toy()
    whole = GradNorm(TASKS, GradNormSettings())
    train(whole, toy, range(12))

    again, _, targets = _toy()
    first = GradNorm(TASKS, GradNormSettings())
    train(first, again, range(5))
    second = GradNorm(TASKS, GradNormSettings())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    train(second, again, range(5, 12))
    assert second.state_dict() == whole.state_dict()
    assert torch.equal(again.shared.weight, toy.shared.weight)


def test_gradients_are_averaged_over_workers_before_the_norm_is_taken() -> None:
    toy, x, targets = _toy()
    seen: list[torch.Size] = []

    def halve(tensor: Tensor) -> Tensor:
        seen.append(tensor.shape)
        return tensor / 2

    gradnorm = GradNorm(TASKS, GradNormSettings())
    gradnorm.update(toy.losses(x, targets), [toy.shared.weight], reduce=halve)
    assert seen == [(48,), (48,), (2,)]


def test_norms_are_float32_when_the_losses_are_half_precision() -> None:
    toy, x, targets = _toy()
    toy = toy.to(torch.bfloat16)
    gradnorm = GradNorm(TASKS, GradNormSettings())
    gradnorm.update(toy.losses(x.to(torch.bfloat16), targets), [toy.shared.weight])
    assert sum(gradnorm.weights.values()) == pytest.approx(2.0)


def test_a_batch_that_overflows_leaves_the_weights_as_they_were() -> None:
    toy, x, targets = _toy()
    gradnorm = GradNorm(TASKS, GradNormSettings())
    gradnorm.update(toy.losses(x, targets), [toy.shared.weight])
    before = gradnorm.weights
    gradnorm.update(toy.losses(x * float("inf"), targets), [toy.shared.weight])
    assert gradnorm.weights == before


def test_a_first_loss_of_zero_is_refused() -> None:
    shared = nn.Parameter(torch.ones(2))
    losses = {"identity": (shared * 0).sum(), "activity": shared.sum()}
    with pytest.raises(ValueError, match="first losses"):
        GradNorm(TASKS, GradNormSettings()).update(losses, [shared])


def test_state_of_other_tasks_or_with_bad_numbers_is_refused() -> None:
    gradnorm = GradNorm(TASKS, GradNormSettings())
    with pytest.raises(ValueError, match="tasks"):
        gradnorm.load_state_dict({"tasks": ["age", "sex"], "weights": [1.0, 1.0], "initial_losses": None})
    for weights in ([1.0], [1.0, -1.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="positive number per task"):
            gradnorm.load_state_dict({"tasks": list(TASKS), "weights": weights, "initial_losses": None})
    assert gradnorm.weights == {"identity": 1.0, "activity": 1.0}


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", -0.1), ("learning_rate", 0.0), ("least_weight", 0.0), ("least_weight", 1.0)]
)
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        GradNormSettings(**{name: value})


def test_one_task_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        GradNorm(["identity"], GradNormSettings())
