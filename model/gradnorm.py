"""GradNorm: weigh the tasks so that each trains at about the same pace.

Chen et al. 2018 (arXiv:1711.02257, ICML): a task whose gradient at the shared weights is too small for its pace gets
more weight. Only the weights receive the gradient of GradNorm's own loss, and the gradient norm is linear in the
weight, so that gradient has a closed form and no second backward pass is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Reduce = Callable[[Tensor], Tensor]
"""Mean over all workers of a tensor; the identity where there is one worker."""


@dataclass(frozen=True, kw_only=True)
class GradNormSettings:
    """How hard GradNorm pulls.

    Attributes:
        alpha: strength of the pull towards equal pace; 0 only evens the gradient norms out.
        learning_rate: step of the weights, plain gradient descent.
        least_weight: no weight falls below it, before they are renormalised.
    """

    alpha: float = 0.25
    learning_rate: float = 0.005
    least_weight: float = 0.01

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"GradNorm: alpha is {self.alpha}; it must not be negative.")
        if self.learning_rate <= 0:
            raise ValueError(f"GradNorm: learning_rate is {self.learning_rate}; it must be above 0.")
        if not 0 < self.least_weight < 1:
            raise ValueError(f"GradNorm: least_weight is {self.least_weight}; it must lie between 0 and 1.")


def weight_gradients(weights: Tensor, norms: Tensor, losses: Tensor, initial_losses: Tensor, *, alpha: float) -> Tensor:
    """Gradient of GradNorm's loss with respect to the task weights, in closed form.

    With G_i = w_i * norm_i and target_i = mean(G) * r_i ** alpha held constant, the loss sum |G_i - target_i| has
    the gradient sign(G_i - target_i) * norm_i. r_i is the loss ratio of task i over the mean ratio: a slow task has
    r_i > 1, a target above the mean, and so gains weight.

    Args:
        weights: (n_tasks,) current weights.
        norms: (n_tasks,) L2 norms of each unweighted loss's gradient at the shared parameters.
        losses: (n_tasks,) unweighted losses now.
        initial_losses: (n_tasks,) unweighted losses of the first step.
        alpha: strength of the pull towards equal pace.

    Returns:
        (n_tasks,) gradient, to be descended.
    """
    ratios = losses / initial_losses
    pace = ratios / ratios.mean()
    weighted = weights * norms
    target = weighted.mean() * pace**alpha
    return torch.sign(weighted - target) * norms


class GradNorm:
    """Task weights that follow the training.

    One step of training reads: `total = gradnorm.combine(losses)`,
    `gradnorm.update(losses, network.shared_parameters())`,
    `total.backward()`. The update must come before the backward pass, which frees the graph.

    Under data-parallel training pass `reduce`: gradients and losses are averaged over the workers *before* a norm is
    taken, because the mean of local norms is biased.
    """

    def __init__(self, tasks: Sequence[str], settings: GradNormSettings) -> None:
        if len(tasks) < 2 or len(set(tasks)) != len(tasks):
            raise ValueError(f"GradNorm: tasks are {list(tasks)}; it needs at least two different ones.")
        self.tasks = tuple(tasks)
        self.settings = settings
        self._weights = torch.ones(len(tasks), dtype=torch.float32)
        self._initial_losses: Tensor | None = None

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each task; they sum to the number of tasks."""
        return dict(zip(self.tasks, self._weights.tolist(), strict=True))

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the losses, the weights taken as constants.

        Args:
            losses: one scalar per task.

        Returns:
            Scalar to call `backward` on.
        """
        weights = self._weights.to(self._stack(losses).device)
        return (weights * self._stack(losses)).sum()

    def update(self, losses: Mapping[str, Tensor], shared: Sequence[Tensor], *, reduce: Reduce | None = None) -> None:
        """Move the weights one step, from the gradients of the same losses that are being trained on.

        Args:
            losses: one unweighted scalar per task, its graph still alive.
            shared: parameters that every task depends on, the last shared layer.
            reduce: mean over the workers, where there are several.

        Raises:
            ValueError: a first loss is zero, negative or not finite, so that no pace can be measured against it.
        """
        norms = torch.stack([_gradient_norm(losses[task], shared, reduce) for task in self.tasks])
        now = self._stack(losses).detach().float()
        now = (now if reduce is None else reduce(now)).cpu()
        if self._initial_losses is None:
            if not bool(torch.all(torch.isfinite(now) & (now > 0))):
                raise ValueError(f"GradNorm: the first losses are {now.tolist()}; each must be finite and above 0.")
            self._initial_losses = now.clone()
        gradient = weight_gradients(self._weights, norms.cpu(), now, self._initial_losses, alpha=self.settings.alpha)
        if not bool(torch.isfinite(gradient).all()):
            return  # An overflow of one batch must not poison the weights for good.
        moved = (self._weights - self.settings.learning_rate * gradient).clamp_min(self.settings.least_weight)
        self._weights = moved * (len(self.tasks) / moved.sum())

    def state_dict(self) -> dict[str, object]:
        """All that the next update depends on, as plain lists; float32 survives JSON exactly."""
        initial = self._initial_losses
        return {
            "tasks": list(self.tasks),
            "weights": self._weights.tolist(),
            "initial_losses": None if initial is None else initial.tolist(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ValueError: the state belongs to other tasks, or does not hold one number per task.
        """
        if state["tasks"] != list(self.tasks):
            raise ValueError(f"GradNorm: the state is for tasks {state['tasks']}; these are {list(self.tasks)}.")
        weights = self._vector(state["weights"])
        initial = state["initial_losses"]
        self._initial_losses = None if initial is None else self._vector(initial)
        self._weights = weights

    def _vector(self, values: object) -> Tensor:
        vector = torch.as_tensor(values, dtype=torch.float32).clone()
        if vector.shape != (len(self.tasks),) or not bool(torch.all(torch.isfinite(vector) & (vector > 0))):
            raise ValueError(f"GradNorm: the state holds {values}; it must hold a positive number per task.")
        return vector

    def _stack(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([losses[task] for task in self.tasks])


def _gradient_norm(loss: Tensor, shared: Sequence[Tensor], reduce: Reduce | None) -> Tensor:
    gradients = torch.autograd.grad(loss, list(shared), retain_graph=True)
    flat = torch.cat([gradient.detach().float().flatten() for gradient in gradients])
    norm: Tensor = torch.linalg.vector_norm(flat if reduce is None else reduce(flat))
    return norm
