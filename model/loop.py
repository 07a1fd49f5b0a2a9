"""One network on one fold, epoch by epoch; all that the next epoch depends on can be saved and restored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.augment import add_motion, vary_gain
from model.config import TrainConfig
from model.data import UNKNOWN, Fold, Side, batches_per_epoch, shuffled_batches
from model.errors import CheckpointError, CheckpointReason, TrainingDiverged
from model.gradnorm import GradNorm, GradNormSettings
from model.networks import TASKS, TwoHeadNetwork, build_network
from model.randomness import ambient_states, deterministic, set_ambient_states
from model.schedule import pace_at
from model.state import read_state, write_state

__all__ = ["EpochRecord", "Training", "predict"]

PREDICT_BATCH: Final = 256


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What one epoch came to. Losses are cross-entropies; accuracies are shares of windows.

    Attributes:
        epoch: counted from 1.
        learning_rate: at the epoch's last step.
        train_identity_loss: mean over the epoch's batches, as augmented, smoothed and mixed.
        train_activity_loss: likewise.
        validate_identity_loss: plain, over the validation windows.
        validate_activity_loss: likewise.
        validate_identity_accuracy: share of validation windows whose subject was named, of those whose was trained on.
        validate_activity_accuracy: share of validation windows whose activity was named.
        identity_weight: of the identity loss, after the epoch.
        activity_weight: of the activity loss, after the epoch.
    """

    epoch: int
    learning_rate: float
    train_identity_loss: float
    train_activity_loss: float
    validate_identity_loss: float
    validate_activity_loss: float
    validate_identity_accuracy: float
    validate_activity_accuracy: float
    identity_weight: float
    activity_weight: float

    @property
    def score(self) -> tuple[float, float]:
        """What makes one epoch better than another: mean accuracy, then the smaller loss.

        Not the loss first: it grows again as the network gets surer, long before it gets worse at its task.
        """
        return (
            (self.validate_identity_accuracy + self.validate_activity_accuracy) / 2,
            -(self.validate_identity_loss + self.validate_activity_loss),
        )


class Training:
    """A training under way.

    Attributes:
        history: one record per epoch so far.
        best_epoch: the epoch whose weights are kept, 0 before the first.
        seconds: wall time so far, over all interruptions; told to it, and kept with the state.
    """

    def __init__(
        self, fold: Fold, config: TrainConfig, *, n_leads: int, n_samples: int, rate_hz: float, device: str
    ) -> None:
        self.config = config
        self.history: list[EpochRecord] = []
        self.best_epoch = 0
        self.seconds = 0.0
        self._fold = fold
        self._rate_hz = rate_hz
        self._device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self._network = build_network(
                config.network,
                n_leads=n_leads,
                n_samples=n_samples,
                n_subjects=len(fold.classes.subjects),
                n_activities=len(fold.classes.activities),
                settings=config.network_settings,
            ).to(self._device)
            self._ambient = ambient_states(self._device, seed=config.seed)
        self._average = _copied(self._network.state_dict()) if config.ema_decay else None
        self._best: dict[str, Tensor] = {}
        self._optimizer = _optimizer(self._network, config)
        settings = GradNormSettings(alpha=config.gradnorm_alpha, learning_rate=config.gradnorm_learning_rate)
        self._gradnorm = GradNorm(TASKS, settings)
        self._generator = torch.Generator().manual_seed(config.seed)
        self._step = 0

    @property
    def split(self) -> str:
        """The fold."""
        return self._fold.split

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def stopped_early(self) -> bool:
        """Whether the validation did not get better for `patience_epochs`."""
        patience = self.config.patience_epochs
        return 0 < patience <= self.epoch - self.best_epoch

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.epoch >= self.config.epochs or self.stopped_early

    @property
    def best_weights(self) -> Mapping[str, Tensor]:
        """The weights of `best_epoch`: a copy that later steps do not touch."""
        return self._best

    def best_network(self) -> TwoHeadNetwork:
        """The network with its best weights, in evaluation mode. The training itself cannot go on after this."""
        self._network.load_state_dict(self._best)
        return self._network.eval()

    def run_epoch(self) -> EpochRecord:
        """Train on each window about once, validate, and keep the weights if they are the best so far.

        Raises:
            TrainingDiverged: a loss became NaN or infinite.
        """
        with deterministic(self._device), self._own_randomness():
            losses = self._train()
        record = self._validate(losses)
        if not self.history or record.score > self.history[self.best_epoch - 1].score:
            self.best_epoch = record.epoch
            self._best = _copied(self._weights())
        self.history.append(record)
        return record

    def save(self, path: Path, *, belongs_to: Mapping[str, str]) -> None:
        """Write all that the next epoch depends on.

        Args:
            path: the file.
            belongs_to: hashes of what is being trained on; `restore` wants the same.
        """
        tensors = {f"network/{name}": tensor for name, tensor in self._network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self._best.items()}
        tensors |= {f"average/{name}": tensor for name, tensor in (self._average or {}).items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{key}": tensor for key, tensor in state.items()}
        tensors |= {f"random/{name}": state for name, state in self._ambient.items()}
        tensors["random/generator"] = self._generator.get_state()
        values = {
            "belongs_to": {**belongs_to, "device": self._device.type},
            "config": self.config.to_json(),
            "step": self._step,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "gradnorm": self._gradnorm.state_dict(),
            "history": [asdict(record) for record in self.history],
        }
        write_state(path, tensors, values)

    def restore(self, path: Path, *, belongs_to: Mapping[str, str]) -> None:
        """Go on where `save` was called.

        Raises:
            CheckpointError: the file is damaged, or belongs to another corpus, split, device or other settings.
        """
        tensors, values = read_state(path)
        for key, wanted in {**belongs_to, "device": self._device.type}.items():
            found = values.get("belongs_to", {}).get(key)
            if found != wanted:
                raise CheckpointError(
                    f"this training was begun with another {key} ({found}, now {wanted}); go on with the same, or give "
                    "the model another name.",
                    path=path,
                    reason=CheckpointReason.FOREIGN,
                )
        if values.get("config") != self.config.to_json():
            raise CheckpointError(
                "this training was begun with other settings; go on with the same, or give the model another name.",
                path=path,
                reason=CheckpointReason.FOREIGN,
            )
        try:
            self._restore(tensors, values)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"the state in it does not fit the network ({error}); delete it to train this fold from its start.",
                path=path,
                reason=CheckpointReason.SHAPE,
            ) from error

    def _restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        self._network.load_state_dict(_under("network", tensors))
        self._best = _on(self._device, _under("best", tensors))
        if self._average is not None:
            self._average = _on(self._device, _under("average", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer", tensors).items():
            number, key = name.split("/", 1)
            moments.setdefault(int(number), {})[key] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._gradnorm.load_state_dict(values["gradnorm"])
        random = _under("random", tensors)
        self._generator.set_state(random.pop("generator"))
        self._ambient = random
        names = {spec.name for spec in fields(EpochRecord)}
        self.history = [EpochRecord(**{name: record[name] for name in names}) for record in values["history"]]
        self.best_epoch = values["best_epoch"]
        self.seconds = values["seconds"]
        self._step = values["step"]

    def _train(self) -> dict[str, float]:
        config, side = self.config, self._fold.train
        n_batches = batches_per_epoch(len(side), config.batch_size)
        total_steps = n_batches * config.epochs
        self._network.train()
        sums = torch.zeros(len(TASKS), dtype=torch.float64)
        for positions in shuffled_batches(len(side), config.batch_size, self._generator):
            self._set_pace(total_steps)
            losses = self._losses(positions)
            self._optimizer.zero_grad(set_to_none=True)
            self._combine(losses).backward()  # type: ignore[no-untyped-call]
            if config.clip_norm:
                torch.nn.utils.clip_grad_norm_(self._network.parameters(), config.clip_norm)
            self._optimizer.step()
            self._step += 1
            self._move_average()
            sums += torch.stack([losses[task].detach() for task in TASKS]).double().cpu()
        means = (sums / n_batches).tolist()
        if not all(math.isfinite(mean) for mean in means):
            raise self._diverged()
        return dict(zip(TASKS, means, strict=True))

    def _losses(self, positions: Tensor) -> dict[str, Tensor]:
        side, config = self._fold.train, self.config
        signal = vary_gain(side.signal(positions), self._generator, config.augment)
        signal, activity_holds = add_motion(signal, self._generator, config.augment, rate_hz=self._rate_hz)
        holds = {"identity": torch.ones_like(activity_holds), "activity": activity_holds}
        targets = {"identity": side.identity[positions], "activity": side.activity[positions]}
        share, partner = 1.0, torch.arange(len(positions))
        if config.mixup_alpha:
            share, partner = self._draw_mix(len(positions))
            signal = share * signal + (1 - share) * signal[partner]
        answers = self._network.answers(signal.to(self._device))
        losses = {}
        for task in TASKS:
            loss = share * self._each_loss(answers[task], targets[task])
            if config.mixup_alpha:
                loss = loss + (1 - share) * self._each_loss(answers[task], targets[task][partner])
            counted = (holds[task] & holds[task][partner]).to(self._device)
            losses[task] = (loss * counted).sum() / counted.sum().clamp_min(1)
        return losses

    def _each_loss(self, heads: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Loss of each window, (batch,), the mean over the heads of a task."""
        smoothing = self.config.label_smoothing
        targets = targets.to(self._device)
        losses = [
            functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none") for logits in heads
        ]
        return torch.stack(losses).mean(dim=0)

    def _draw_mix(self, n: int) -> tuple[float, Tensor]:
        seed = int(torch.randint(2**62, (1,), generator=self._generator))
        share = float(np.random.default_rng(seed).beta(self.config.mixup_alpha, self.config.mixup_alpha))
        return max(share, 1 - share), torch.randperm(n, generator=self._generator)

    def _combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        total = self._gradnorm.combine(losses)
        # A small batch can be all motion and have no activity loss: there is no pace to be told from it.
        if self.config.balance == "gradnorm" and all(float(loss.detach()) != 0.0 for loss in losses.values()):
            try:
                self._gradnorm.update(losses, self._network.shared_parameters())
            except ValueError as error:  # The first losses are not numbers above 0.
                raise self._diverged() from error
        return total

    def _set_pace(self, total_steps: int) -> None:
        pace = pace_at(self._step, total_steps, self.config)
        for group in self._optimizer.param_groups:
            group["lr"] = pace.learning_rate
            group["betas"] = (pace.momentum, group["betas"][1])

    def _move_average(self) -> None:
        if self._average is None:
            return
        # A young average follows the weights closely, or it would long remember where they began.
        decay = min(self.config.ema_decay, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            for name, tensor in self._network.state_dict().items():
                if tensor.is_floating_point():
                    self._average[name].lerp_(tensor, 1 - decay)
                else:
                    self._average[name].copy_(tensor)

    def _weights(self) -> dict[str, Tensor]:
        return self._network.state_dict() if self._average is None else self._average

    def _validate(self, train_losses: Mapping[str, float]) -> EpochRecord:
        own = _copied(self._network.state_dict()) if self._average is not None else None
        if self._average is not None:
            self._network.load_state_dict(self._average)
        logits = predict(self._network, self._fold.validate, self._device)
        if own is not None:
            self._network.load_state_dict(own)
        side = self._fold.validate
        targets = {"identity": side.identity, "activity": side.activity}
        loss, hit = dict.fromkeys(TASKS, 0.0), dict.fromkeys(TASKS, 0.0)
        for task in TASKS:
            # Where a split does not ask for identity, people who were never trained on may validate.
            known = targets[task] != UNKNOWN
            if bool(known.any()):
                loss[task] = functional.cross_entropy(logits[task][known], targets[task][known]).item()
                hit[task] = (logits[task][known].argmax(1) == targets[task][known]).double().mean().item()
        if not all(math.isfinite(value) for value in loss.values()):
            raise self._diverged()
        return EpochRecord(
            epoch=self.epoch + 1,
            learning_rate=float(self._optimizer.param_groups[0]["lr"]),
            train_identity_loss=train_losses["identity"],
            train_activity_loss=train_losses["activity"],
            validate_identity_loss=loss["identity"],
            validate_activity_loss=loss["activity"],
            validate_identity_accuracy=hit["identity"],
            validate_activity_accuracy=hit["activity"],
            identity_weight=self._gradnorm.weights["identity"],
            activity_weight=self._gradnorm.weights["activity"],
        )

    def _diverged(self) -> TrainingDiverged:
        epoch = self.epoch + 1
        return TrainingDiverged(
            f"Training of {self.config.network} on {self._fold.split}: a loss was no longer a number in epoch {epoch}; "
            f"use a lower learning rate than {self.config.learning_rate:g}.",
            epoch=epoch,
        )

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Dropout draws from torch's global generators: lend them this training's states, and give them back."""
        before = ambient_states(self._device)
        set_ambient_states(self._device, self._ambient)
        try:
            yield
        finally:
            self._ambient = ambient_states(self._device)
            set_ambient_states(self._device, before)


def predict(network: TwoHeadNetwork, side: Side, device: torch.device) -> dict[str, Tensor]:
    """Logits of every window of a side, each once and in order, on the CPU.

    Args:
        network: is put into evaluation mode.
        side: n windows.
        device: where the network is.

    Returns:
        Per task (n, classes) float32.
    """
    network.eval()
    parts: dict[str, list[Tensor]] = {task: [] for task in TASKS}
    with torch.inference_mode(), deterministic(device):
        for positions in torch.split(torch.arange(len(side)), PREDICT_BATCH):
            logits = network(side.signal(positions).to(device))
            for task in TASKS:
                parts[task].append(logits[task].float().cpu())
    return {task: torch.cat(part) for task, part in parts.items()}


def _optimizer(network: TwoHeadNetwork, config: TrainConfig) -> torch.optim.AdamW:
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=config.learning_rate,
    )


def _copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy: `state_dict()` is a live view, and what was best would silently become what was last."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def _on(device: torch.device, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")}
