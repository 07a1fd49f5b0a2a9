"""Torch's global random state and determinism, lent to a training and given back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["ambient_states", "deterministic", "set_ambient_states"]


def ambient_states(device: torch.device, *, seed: int | None = None) -> dict[str, Tensor]:
    """States of the global generators that dropout uses on a device, freshly seeded if asked for."""
    if seed is not None:
        torch.manual_seed(seed)
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_ambient_states(device: torch.device, states: Mapping[str, Tensor]) -> None:
    """Set the global generators back to such states."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms where they cost nothing, which is on the CPU."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or device.type == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
