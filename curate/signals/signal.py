"""A signal under curation: values, where they are real, and everything that was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from curate.errors import SignalError

__all__ = ["Signal", "Step", "runs_of"]

Step = Mapping[str, object]
"""One processing step: its ``name`` and every parameter that it ran with."""


def runs_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Turn a mask into the half-open ranges where it holds.

    Args:
        mask: shape (n_samples,).

    Returns:
        Shape (k, 2), ``[start, stop)`` of each run, in order.
    """
    edges = np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Samples of one or more leads, with NaN where samples are missing.

    Attributes:
        values: shape (n_samples, n_leads), float64, in ``unit``; NaN where missing.
        leads: the name of each column.
        rate_hz: true samples per second.
        unit: ``mV``, or whatever the board counts in (``adu`` where the gain is unknown).
        steps: what was done so far, oldest first; each step holds every parameter it ran with.
        trusted: shape (n_samples, n_leads); False where samples are missing, too close to an edge for a filter to have
            settled, or in a run too short to be filtered. None in a signal that nothing was done to: then every sample
            that is there is trusted.
    """

    values: NDArray[np.float64]
    leads: tuple[str, ...]
    rate_hz: float
    unit: str
    steps: tuple[Step, ...] = ()
    trusted: NDArray[np.bool_] | None = field(default=None)

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise SignalError(
                f"A signal has shape (samples, leads), this array has {self.values.ndim} axes; reshape it."
            )
        if self.values.shape[1] != len(self.leads):
            raise SignalError(
                f"The signal has {self.values.shape[1]} columns for {len(self.leads)} leads "
                f"({', '.join(self.leads)}); name each column."
            )
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise SignalError(f"The sampling rate is {self.rate_hz}; it must be a number above 0.")
        if self.trusted is not None and self.trusted.shape != self.values.shape:
            raise SignalError(
                f"The trust mask has shape {self.trusted.shape}, the values {self.values.shape}; they must be equal."
            )

    @property
    def n_samples(self) -> int:
        """How many rows there are, missing ones included."""
        return int(self.values.shape[0])

    @property
    def n_leads(self) -> int:
        """How many leads there are."""
        return int(self.values.shape[1])

    @property
    def present(self) -> NDArray[np.bool_]:
        """Shape (n_samples, n_leads): True where there is a finite number."""
        return np.isfinite(self.values)

    @property
    def reliable(self) -> NDArray[np.bool_]:
        """Shape (n_samples, n_leads): the trust mask, or ``present`` where nothing was done yet."""
        return self.present if self.trusted is None else self.trusted

    def then(
        self,
        step: Step,
        *,
        values: NDArray[np.float64],
        trusted: NDArray[np.bool_] | None = None,
        rate_hz: float | None = None,
    ) -> Signal:
        """Give the signal that a processing step made, with the step appended to its history."""
        return replace(
            self,
            values=values,
            trusted=trusted,
            rate_hz=self.rate_hz if rate_hz is None else rate_hz,
            steps=(*self.steps, dict(step)),
        )
