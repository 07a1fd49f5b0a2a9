"""The networks by name, and the one way to build them.

Every network takes (batch, leads, samples) float32 and returns {"identity": (batch, n_subjects),
"activity": (batch, n_activities)} logits; see `model.resnet.TwoHeadNetwork`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from model.dt4ecg import DT4ECG, DT4ECGSettings
from model.resnet import TASKS, NetworkShape, ResNet1d, ResNetSettings, TwoHeadNetwork

__all__ = ["NETWORKS", "TASKS", "NetworkKind", "TwoHeadNetwork", "build_network", "resolve_settings"]


@dataclass(frozen=True, kw_only=True)
class NetworkKind:
    """One entry of the registry.

    Attributes:
        settings: the frozen dataclass of its layer sizes.
        build: makes the network from a shape and such settings.
        summary: one line for listings.
    """

    settings: type[ResNetSettings]
    build: Callable[[NetworkShape, Any], TwoHeadNetwork]
    summary: str


NETWORKS: Final[Mapping[str, NetworkKind]] = {
    "dt4ecg": NetworkKind(
        settings=DT4ECGSettings, build=DT4ECG, summary="residual network with sequence-channel attention"
    ),
    "resnet": NetworkKind(settings=ResNetSettings, build=ResNet1d, summary="plain residual network, the baseline"),
}


def resolve_settings(name: str, settings: Mapping[str, object] | None = None) -> dict[str, object]:
    """Every layer size of a network, defaults filled in, as a checkpoint writes it down.

    Args:
        name: a key of `NETWORKS`.
        settings: those that differ from the defaults; JSON lists are taken for tuples.

    Returns:
        All settings by name.

    Raises:
        ValueError: the network or a setting is unknown, or a value is out of range.
    """
    return asdict(_settings_of(name, settings))


def build_network(
    name: str,
    *,
    n_leads: int,
    n_samples: int,
    n_subjects: int,
    n_activities: int,
    settings: Mapping[str, object] | None = None,
) -> TwoHeadNetwork:
    """Build a network with fresh weights, drawn from torch's global generator.

    Args:
        name: a key of `NETWORKS`.
        n_leads: leads of a window.
        n_samples: samples of a window, per lead.
        n_subjects: classes of the identity head.
        n_activities: classes of the activity head.
        settings: layer sizes that differ from the defaults; JSON lists are taken for tuples.

    Returns:
        The network, in training mode, on the CPU.

    Raises:
        ValueError: the network or a setting is unknown, or a value is out of range.
    """
    resolved = _settings_of(name, settings)
    shape = NetworkShape(n_leads=n_leads, n_samples=n_samples, n_subjects=n_subjects, n_activities=n_activities)
    return NETWORKS[name].build(shape, resolved)


def _settings_of(name: str, settings: Mapping[str, object] | None) -> ResNetSettings:
    if name not in NETWORKS:
        raise ValueError(f"network {name!r} is unknown; choose one of {', '.join(sorted(NETWORKS))}.")
    kind = NETWORKS[name].settings
    defaults = asdict(kind())
    given: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key not in defaults:
            known = ", ".join(field.name for field in fields(kind))
            raise ValueError(f"network {name!r} has no setting {key!r}; it has {known}.")
        given[key] = _like(key, value, defaults[key])
    return kind(**given)


def _like(key: str, value: object, default: object) -> object:
    """The value in the type of its default; outside text (JSON, TOML) knows no tuples and drops `.0`."""
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        if all(_is_int(item) for item in value):
            return tuple(value)
    elif isinstance(default, float) and (_is_int(value) or isinstance(value, float)):
        return float(value)  # type: ignore[arg-type]
    elif _is_int(default) and _is_int(value):
        return value
    raise ValueError(f"network settings: {key} is {value!r}; it must be like {default!r}.")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
