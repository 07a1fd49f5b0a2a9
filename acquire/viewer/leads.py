"""From the counts of a journal to leads in millivolts, as its HEADER says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.checks.live import MV_PER
from acquire.errors import JournalError, JournalErrorReason
from acquire.montage import lead_weights, measured_leads, montage_fault
from acquire.recordings.content_rules import MAX_RATE_HZ
from acquire.viewer.display_filter import LARGEST

__all__ = ["LeadMaker"]

_LARGEST_GAIN = 1e12
"""Far beyond any board's gain or offset, and far from where sums of counts overflow."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LeadMaker:
    """How the leads of one journal are made of its channels.

    Attributes:
        leads: names, in the order a cardiologist reads them: the montage's own and the limb lead that two give.
        unit: "mV" where the channels' unit can be turned into it, else the channels' own.
        rate_hz: nominal sampling rate.
        mains_hz: of the study; 0 where the HEADER does not say 50 or 60.
        dtype: of the stored samples.
        n_channels: of the stored samples.
    """

    leads: tuple[str, ...]
    unit: str
    rate_hz: float
    mains_hz: float
    dtype: np.dtype[Any]
    n_channels: int
    _weights: NDArray[np.float64]
    _bias: NDArray[np.float64]

    @classmethod
    def from_header(cls, path: Path, header: Mapping[str, Any]) -> LeadMaker:
        """Read the HEADER of a journal.

        Raises:
            JournalError: it lacks what is needed to show the samples.
        """
        try:
            return cls._from_header(header)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise JournalError(
                f"{path}: the HEADER lacks what is needed to show the samples"
                f" ({type(error).__name__}: {str(error)[:100]}); the recorder that writes it is no sound one.",
                path=path,
                reason=JournalErrorReason.BAD_VALUE,
            ) from error

    @classmethod
    def _from_header(cls, header: Mapping[str, Any]) -> LeadMaker:
        about, channels = header["header"], header["channels"]
        names = [str(channel["name"]) for channel in channels]
        gains = np.array([float(channel["gain"]) for channel in channels])
        offsets = np.array([float(channel["offset"]) for channel in channels])
        rate_hz = float(about["nominal_rate_hz"])
        montage = {str(lead): {str(name): float(w) for name, w in of.items()} for lead, of in about["montage"].items()}
        if not 0 < rate_hz <= MAX_RATE_HZ:
            raise ValueError(f"the rate is {rate_hz} Hz")
        if not (np.abs([*gains, *offsets]) < _LARGEST_GAIN).all():
            raise ValueError("a gain or an offset is not finite or beyond any board's")
        if fault := montage_fault(montage, names) if montage else "the montage names no lead":
            raise ValueError(fault)
        known = lead_weights(montage, names)
        leads = measured_leads(montage, names)
        weights = np.stack([known[lead] for lead in leads], axis=1)
        used = np.flatnonzero(weights.any(axis=1))
        units = {str(channels[place]["unit"]) for place in used}
        unit = units.pop() if len(units) == 1 else ""
        scaled = gains[:, None] * weights * MV_PER.get(unit, 1.0)
        mains_hz = about.get("mains_hz")
        return cls(
            leads=leads,
            unit="mV" if unit in MV_PER else unit,
            rate_hz=rate_hz,
            mains_hz=float(mains_hz) if mains_hz in (50, 60) else 0.0,
            dtype=np.dtype(header["dtype"]).newbyteorder("<"),
            n_channels=len(names),
            _weights=scaled,
            _bias=-offsets @ scaled,
        )

    def make(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        """The leads of samples.

        Args:
            samples: as stored, shape (n, n_channels).

        Returns:
            Values in ``unit``, shape (n, n_leads); NaN where a channel of the lead holds no number that is one.
        """
        counts = samples.astype(np.float64)
        if samples.dtype.kind == "i":
            return counts @ self._weights + self._bias
        with np.errstate(all="ignore"):  # a float may be anything, up to what overflows
            if math.isfinite(float(counts.sum())):
                values = counts @ self._weights + self._bias
            else:
                values = self._lead_by_lead(counts)
            return np.where(np.abs(values) < LARGEST, values, np.nan)

    def _lead_by_lead(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each lead made of its own channels only: nothing times NaN is NaN."""
        values = np.empty((len(counts), len(self.leads)))
        for place, weights in enumerate(self._weights.T):
            used = np.flatnonzero(weights)
            values[:, place] = counts[:, used] @ weights[used] + self._bias[place]
        return values
