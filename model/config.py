"""Every setting of a training, checked in one place, as JSON that a checkpoint and a report carry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from model.augment import AugmentSettings
from model.errors import ConfigInvalid
from model.networks import resolve_settings

__all__ = ["BALANCES", "SCHEDULES", "Balance", "Schedule", "TrainConfig"]

Schedule = Literal["one-cycle", "constant"]
Balance = Literal["gradnorm", "equal"]
SCHEDULES: Final[tuple[str, ...]] = get_args(Schedule)
BALANCES: Final[tuple[str, ...]] = get_args(Balance)

SAME_SESSION_FAMILIES: Final = ("random", "time-block")
"""Splits whose test windows come from the very recordings that are trained on."""

MOST_EPOCHS: Final = 100_000
MOST_SEED: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How one network is trained. The values are this project's own, found on recordings, not the paper's.

    Attributes:
        network: a key of `model.networks.NETWORKS`.
        network_settings: layer sizes that differ from the network's defaults.
        epochs: passes over the training windows at most.
        batch_size: windows per step.
        learning_rate: of AdamW; the highest one of the schedule.
        schedule: `one-cycle` (Smith & Topin 2019, arXiv:1708.07120: up, then down to nearly zero) or `constant`.
        warmup_share: share of all steps in which a one-cycle schedule climbs.
        weight_decay: of AdamW, on weight matrices and kernels only, not on biases and norms.
        clip_norm: the gradient is scaled down to this L2 norm; 0 leaves it.
        label_smoothing: probability mass spread over all classes in the training loss.
        augment: how far training windows are moved; see `model.augment.AugmentSettings`.
        mixup_alpha: of Beta(alpha, alpha), from which the share of a second window mixed into each is drawn; 0 mixes
            none (Zhang et al. 2018, arXiv:1710.09412).
        ema_decay: the weights that are validated and kept are a moving average over steps with this decay; 0 keeps the
            weights themselves.
        balance: `gradnorm` weighs the two losses by GradNorm, `equal` adds them.
        gradnorm_alpha: pull of GradNorm towards equal pace.
        gradnorm_learning_rate: step of GradNorm's weights.
        patience_epochs: training stops after so many epochs without a better validation; 0 never stops early.
        seed: of the weights, the order of the windows, dropout and augmentation.
        threads: of torch on the CPU; 0 leaves torch's own choice. One by default: results are bit-equal for equal
            threads only, and networks as small as these gain little from more, and lose much where the cores are busy.

    Raises:
        ConfigInvalid: a value is out of range; the sentence names the setting, the value and the limit.
    """

    network: str = "dt4ecg"
    network_settings: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 3e-3
    schedule: Schedule = "one-cycle"
    warmup_share: float = 0.15
    weight_decay: float = 1e-2
    clip_norm: float = 5.0
    label_smoothing: float = 0.0
    augment: AugmentSettings = field(default_factory=lambda: AugmentSettings(motion=0.5))
    mixup_alpha: float = 0.0
    ema_decay: float = 0.0
    balance: Balance = "gradnorm"
    gradnorm_alpha: float = 0.25
    gradnorm_learning_rate: float = 0.001
    patience_epochs: int = 10
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for spec in fields(self):
            _check_type(spec.name, getattr(self, spec.name))
        _within("epochs", self.epochs, 1, MOST_EPOCHS)
        _within("batch_size", self.batch_size, 2, 65_536)
        _within("learning_rate", self.learning_rate, 1e-8, 10.0)
        _one_of("schedule", self.schedule, SCHEDULES)
        _within("warmup_share", self.warmup_share, 0.0, 0.9)
        _within("weight_decay", self.weight_decay, 0.0, 10.0)
        _within("clip_norm", self.clip_norm, 0.0, 1e6)
        _within("label_smoothing", self.label_smoothing, 0.0, 0.5)
        _within("mixup_alpha", self.mixup_alpha, 0.0, 10.0)
        _within("ema_decay", self.ema_decay, 0.0, 0.99999)
        _one_of("balance", self.balance, BALANCES)
        _within("gradnorm_alpha", self.gradnorm_alpha, 0.0, 10.0)
        _within("gradnorm_learning_rate", self.gradnorm_learning_rate, 1e-8, 10.0)
        _within("patience_epochs", self.patience_epochs, 0, MOST_EPOCHS)
        _within("seed", self.seed, 0, MOST_SEED)
        _within("threads", self.threads, 0, 1024)
        self._check_network()

    def _check_network(self) -> None:
        try:
            resolve_settings(self.network, self.network_settings)
        except ValueError as error:
            raise ConfigInvalid(f"Training settings: {error}") from error

    @classmethod
    def usual(cls, family: str, *, motion: float | None = None, **changes: Any) -> TrainConfig:
        """The usual settings for a split family or one of its folds, with some changed; None leaves one as it is.

        Simulated motion helps a network to know people again in another session. Within one session there is no other
        motion to be ready for, and windows that train with it are lost to the activity, so there it is off.

        Raises:
            ConfigInvalid: a value is out of range.
        """
        if motion is None:
            motion = 0.0 if family.partition(".")[0] in SAME_SESSION_FAMILIES else 0.5
        try:
            augment = AugmentSettings(motion=motion)
        except ValueError as error:
            raise ConfigInvalid(f"Training settings: {error}") from error
        return cls(augment=augment).with_changes(**changes)

    def with_changes(self, **changes: Any) -> TrainConfig:
        """A copy with some settings changed, checked again; None leaves a setting as it is."""
        given = {name: value for name, value in changes.items() if value is not None}
        _refuse_unknown(given)
        return replace(self, **given)

    def to_json(self) -> dict[str, Any]:
        """Every setting by name, the network's defaults filled in, for `json.dumps`."""
        settings = {**asdict(self), "network_settings": resolve_settings(self.network, self.network_settings)}
        return dict(json.loads(json.dumps(settings)))  # Lists for tuples, so that what is read back compares equal.

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> TrainConfig:
        """The reverse of `to_json`.

        Raises:
            ConfigInvalid: a setting is unknown, missing, of the wrong type, or out of range.
        """
        _refuse_unknown(settings)
        missing = [spec.name for spec in fields(cls) if spec.name not in settings]
        if missing:
            raise ConfigInvalid(f"Training settings: {', '.join(missing)} is missing; add it.")
        return cls(**{**settings, "augment": _augment_from_json(settings["augment"])})


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    known = [spec.name for spec in fields(TrainConfig)]
    for name in settings:
        if name not in known:
            raise ConfigInvalid(f"Training settings: {name!r} is unknown; the settings are {', '.join(known)}.")


def _augment_from_json(settings: object) -> AugmentSettings:
    known = {spec.name: spec for spec in fields(AugmentSettings)}
    if not isinstance(settings, Mapping) or set(settings) != set(known):
        raise ConfigInvalid(f"Training settings: augment is {settings!r}; it must hold {', '.join(known)}.")
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    try:
        return AugmentSettings(**given)
    except (TypeError, ValueError) as error:
        raise ConfigInvalid(f"Training settings: {error}") from error


def _check_type(name: str, value: object) -> None:
    default = getattr(TrainConfig, name, None)
    if name == "network_settings":
        fits, wanted = isinstance(value, Mapping), "a table of names and values"
    elif name == "augment":
        fits, wanted = isinstance(value, AugmentSettings), "AugmentSettings"
    elif isinstance(default, float):
        fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    else:
        fits, wanted = isinstance(value, str), "a word"
    if not fits:
        raise ConfigInvalid(f"Training settings: {name} is {value!r}; it must be {wanted}.")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise ConfigInvalid(f"Training settings: {name} is {value:g}; it must lie between {least:g} and {most:g}.")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigInvalid(f"Training settings: {name} is {value!r}; choose one of {', '.join(known)}.")
