"""The filter through which a signal is looked at while it is recorded; what is stored is never touched by it.

It only ever looks back, so a wave appears about ten milliseconds late and its ST segment is bent a little, as on any
monitor: it is for watching, and ``curate.signals.clean`` is for measuring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal as dsp

__all__ = ["LARGEST", "MONITOR_FILTER", "CausalFilter", "DisplayFilter"]

Array = NDArray[np.float64]

_ORDER = 2
_NOTCH_Q = 30.0
_FEW = 8
_HIGHEST = 0.45
"""A corner above this share of the sampling rate has no room left to fall off in."""

LARGEST = 1e30
"""Far beyond any voltage; a larger number is no measurement, and would overflow inside a filter."""


@dataclass(frozen=True, kw_only=True)
class DisplayFilter:
    """What shall be taken out of a signal for the eye.

    The corners are those of monitoring in AHA 2007 (doi:10.1161/CIRCULATIONAHA.106.180200).

    Attributes:
        low_hz: −3 dB corner of the high-pass that takes out offset and baseline wander; None for none.
        high_hz: −3 dB corner of the low-pass; None for none. Where the rate is too low for it, it is left out.
        notch: whether to take out the mains and its first harmonic, where the rate has room for them.

    Raises:
        ValueError: a corner is not a finite number above 0, or the lower is not below the upper.
    """

    low_hz: float | None = 0.5
    high_hz: float | None = 40.0
    notch: bool = True

    def __post_init__(self) -> None:
        for name, corner_hz in (("low_hz", self.low_hz), ("high_hz", self.high_hz)):
            if corner_hz is not None and not 0 < corner_hz < math.inf:
                raise ValueError(f"{name} is {corner_hz}; it must be a finite number above 0, or None")
        if self.low_hz is not None and self.high_hz is not None and self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz is {self.low_hz} and high_hz {self.high_hz}; the first must be the lower one")

    def sections(self, rate_hz: float, mains_hz: float) -> Array:
        """The second-order sections for a rate, shape (n_sections, 6); no section where nothing is to be filtered."""
        highest_hz = _HIGHEST * rate_hz
        sections: list[Array] = [np.empty((0, 6))]
        if self.notch and mains_hz > 0:
            tones_hz = (hz for hz in (mains_hz, 2 * mains_hz) if hz < highest_hz)
            sections += [dsp.tf2sos(*dsp.iirnotch(hz, _NOTCH_Q, fs=rate_hz)) for hz in tones_hz]
        if self.low_hz is not None and self.low_hz < highest_hz:
            sections.append(dsp.butter(_ORDER, self.low_hz, btype="highpass", fs=rate_hz, output="sos"))
        if self.high_hz is not None and self.high_hz < highest_hz:
            sections.append(dsp.butter(_ORDER, self.high_hz, btype="lowpass", fs=rate_hz, output="sos"))
        return np.concatenate(sections)


MONITOR_FILTER = DisplayFilter()
"""The usual one; the overview of a recording is always seen through it, whatever the traces are filtered with."""


class CausalFilter:
    """Filters the leads of one recording as their samples come.

    Each lead begins, at the start and behind whatever is missing, as if it had always stood at its first value: an
    offset of hundreds of millivolts makes no step that would have to die away.

    Args:
        wanted: what to take out.
        rate_hz: samples per second.
        mains_hz: 50 or 60; 0 where it is not known.
        n_leads: how many columns there are.
    """

    def __init__(self, wanted: DisplayFilter, *, rate_hz: float, mains_hz: float, n_leads: int) -> None:

        self._sosfilt = dsp.sosfilt
        self._sections = wanted.sections(rate_hz, mains_hz)
        settled = dsp.sosfilt_zi(self._sections) if len(self._sections) else np.empty((0, 2))
        self._settled: Array = settled[:, :, None]
        self._state: Array = np.zeros((len(self._sections), 2, n_leads))
        self._step = self._one_step()
        self._fresh: NDArray[np.bool_] = np.ones(n_leads, dtype=np.bool_)

    def restart(self) -> None:
        """Forget what came: the next samples stand behind a gap."""
        self._fresh[:] = True

    def push(self, values: Array) -> NDArray[np.float32]:
        """Filter the samples that follow.

        Args:
            values: shape (n, n_leads); what is not finite is missing.

        Returns:
            The same shape; NaN where a value is missing.
        """
        if len(values) == 0:
            return values.astype(np.float32)
        usable = np.abs(values) < LARGEST  # NaN is not smaller than anything
        if usable.all():
            if not len(self._sections):
                return values.astype(np.float32)
            if self._fresh.any():
                self._settle(self._fresh, values[0])
            if len(values) <= _FEW:
                return self._step_through(values).astype(np.float32)
            filtered, self._state = self._sosfilt(self._sections, values, axis=0, zi=self._state)
            return filtered.astype(np.float32)
        filtered = np.full(values.shape, np.nan)
        for lead in range(values.shape[1]):
            self._push_lead(lead, values[:, lead], usable[:, lead], filtered[:, lead])
        return filtered.astype(np.float32)

    def _one_step(self) -> Array:
        """The matrix that makes of all states and a value the states after it and what comes out."""
        n_states = 2 * len(self._sections)
        step = np.empty((n_states + 1, n_states + 1))
        for column, given in enumerate(np.eye(n_states + 1)):
            if n_states:
                out, state = self._sosfilt(self._sections, given[-1:], zi=given[:-1].reshape(-1, 2))
                step[:, column] = [*state.ravel(), out[0]]
        return step

    def _step_through(self, values: Array) -> Array:
        """Filter a few samples one by one: the general way takes several times as long for three of them."""
        joint = np.concatenate([self._state.reshape(-1, values.shape[1]), values[:1]])
        filtered = np.empty_like(values)
        for row, value in enumerate(values):
            joint[-1] = value
            joint = self._step @ joint
            filtered[row] = joint[-1]
        self._state = joint[:-1].reshape(self._state.shape)
        return filtered

    def _push_lead(self, lead: int, values: Array, usable: NDArray[np.bool_], filtered: Array) -> None:
        """Filter the runs of one lead that has values missing among these."""
        edges = np.flatnonzero(np.diff(usable, prepend=False, append=False))
        only = np.arange(len(self._fresh)) == lead
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if start > 0:
                self._fresh[lead] = True
            run = values[start:stop]
            if len(self._sections):
                if self._fresh[lead]:
                    self._settle(only, run[:1])
                run, self._state[:, :, lead] = self._sosfilt(self._sections, run, zi=self._state[:, :, lead])
            filtered[start:stop] = run
        if not usable[-1]:
            self._fresh[lead] = True

    def _settle(self, leads: NDArray[np.bool_], first: Array) -> None:
        """Set the state of some leads to what endless standing at a value leads to."""
        self._state[:, :, leads] = self._settled * (first[leads] if len(first) > 1 else first)
        self._fresh[leads] = False
