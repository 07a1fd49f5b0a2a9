from __future__ import annotations

import json
import math

import pytest

from model.augment import AugmentSettings
from model.config import TrainConfig
from model.errors import ConfigInvalid


def test_json_round_trip_keeps_every_setting() -> None:
    config = TrainConfig(epochs=3, augment=AugmentSettings(gain_sigma=0.1), network_settings={"widths": [8, 16]})
    again = TrainConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again.to_json() == config.to_json()
    assert again.augment == config.augment


def test_json_names_the_defaults_of_the_network_too() -> None:
    assert TrainConfig(network="resnet").to_json()["network_settings"]["kernel_size"] == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("epochs", "ten"),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", "0.1"),
        ("schedule", "steps"),
        ("warmup_share", 1.0),
        ("weight_decay", -0.1),
        ("label_smoothing", 0.9),
        ("ema_decay", 1.0),
        ("balance", "by hand"),
        ("gradnorm_alpha", -1.0),
        ("patience_epochs", -1),
        ("seed", -1),
        ("seed", 2**64),
        ("threads", -2),
        ("network", "transformer"),
        ("network", 3),
        ("network_settings", {"width": 8}),
        ("network_settings", [8]),
        ("augment", {"motion": 0.5}),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_value(name: str, value: object) -> None:
    with pytest.raises(ConfigInvalid, match=name.split("_")[0]) as caught:
        TrainConfig(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")


def test_unknown_and_missing_settings_are_named() -> None:
    settings = TrainConfig().to_json()
    with pytest.raises(ConfigInvalid, match="momentum"):
        TrainConfig.from_json({**settings, "momentum": 0.9})
    settings.pop("seed")
    with pytest.raises(ConfigInvalid, match="seed"):
        TrainConfig.from_json(settings)


@pytest.mark.parametrize("augment", [None, {"motion": 1}, {"noise": 1.0}, [], "none"])
def test_a_broken_augmentation_is_one_sentence(augment: object) -> None:
    with pytest.raises(ConfigInvalid, match="augment"):
        TrainConfig.from_json({**TrainConfig().to_json(), "augment": augment})


def test_changes_leave_what_is_none() -> None:
    assert TrainConfig(epochs=7).with_changes(epochs=None, seed=3) == TrainConfig(epochs=7, seed=3)


@pytest.mark.parametrize(("family", "motion"), [("random", 0.0), ("time-block", 0.0), ("across-sessions.2", 0.5)])
def test_simulated_motion_is_for_other_sessions_only_unless_somebody_asks_for_it(family: str, motion: float) -> None:
    assert TrainConfig.usual(family).augment.motion == motion
    assert TrainConfig.usual(family, motion=0.25, epochs=3).augment.motion == 0.25


@pytest.mark.parametrize("motion", [-1.0, float("nan"), float("inf")])
def test_an_impossible_motion_is_refused(motion: float) -> None:
    with pytest.raises(ConfigInvalid, match="motion is"):
        TrainConfig.usual("random", motion=motion)
