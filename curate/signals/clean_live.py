"""Cleaning while samples come: the filters of the corpus, run forward alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.errors import SignalError
from curate.signals.filters import BAND_HZ, NOTCH_Q, ORDER, check_parameters, sections
from curate.signals.signal import Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.signals.signal import Step

__all__ = ["LIVE_SETTLE_S", "LiveCleaner", "clean_causal"]

LIVE_SETTLE_S = 3.0
"""Seconds not trusted behind the start of a run: by then a step as high as a wave has fallen below 2 % of it; half a
second less would leave 5 %."""

_DELAY_AT_HZ = 10.0


class LiveCleaner:
    """Cleans the leads of one signal chunk by chunk; what comes out does not depend on where the chunks end.

    The twin of ``clean``: the same sections, corners and notches, run once and forward, because what comes later is not
    known yet. Hence a corner is −3 dB where the corpus has −6 dB, waves come late by about ``delay_s``,
    and the phase of slow waves is bent: for watching and for decisions that cannot wait, not for a corpus.

    Each lead starts anew at its first sample and behind every missing one, as if it had always stood at the value it
    starts with; nothing reaches across a gap. Samples within ``settle_s`` of a start are not trusted.

    Args:
        rate_hz: samples per second.
        mains_hz: 50 or 60; there is no default.
        n_leads: how many columns the chunks have.
        band_hz: lower and upper −3 dB corner.
        settle_s: seconds behind each start that are not trusted; 0 or more.

    Raises:
        RateTooLow: the upper corner is not below half the sampling rate.
        CleaningError: a parameter makes no sense.
    """

    def __init__(
        self,
        *,
        rate_hz: float,
        mains_hz: float,
        n_leads: int,
        band_hz: tuple[float, float] = BAND_HZ,
        settle_s: float = LIVE_SETTLE_S,
    ) -> None:
        from scipy import signal as dsp

        low_hz, high_hz = band_hz
        check_parameters(rate_hz, mains_hz, low_hz, high_hz, settle_s)
        self._filter = dsp.sosfilt
        self._sections, notches_hz = sections(rate_hz, mains_hz, low_hz, high_hz)
        self._settled = dsp.sosfilt_zi(self._sections)
        self._state = np.zeros((n_leads, *self._settled.shape))
        self._settle = int(np.ceil(settle_s * rate_hz))
        # Samples since the start of the run that a lead is in; −1 where it has to start anew.
        self._age = np.full(n_leads, -1, dtype=np.int64)
        self.delay_s = _group_delay_s(self._sections, rate_hz)
        self._step: Step = {
            "name": "clean_causal",
            "filter": "Butterworth band-pass and notches, forward alone",
            "band_hz": [float(low_hz), float(high_hz)],
            "order": ORDER,
            "mains_hz": float(mains_hz),
            "notches_hz": notches_hz,
            "notch_q": NOTCH_Q,
            "settle_s": float(settle_s),
            "rate_hz": float(rate_hz),
            "delay_s_at_10_hz": self.delay_s,
        }

    @property
    def step(self) -> Step:
        """Every parameter, for the history of a signal that was cleaned with it."""
        return dict(self._step)

    def push(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Clean the samples that follow.

        Args:
            values: shape (n, n_leads); NaN or infinite where missing.

        Returns:
            The same shape, NaN where missing; and which samples are trusted.

        Raises:
            SignalError: there are more or fewer columns than leads.
        """
        if values.ndim != 2 or values.shape[1] != self._age.size:
            raise SignalError(f"The chunk has shape {values.shape}, not (samples, {self._age.size}); give every lead.")
        cleaned = np.full(values.shape, np.nan)
        trusted = np.zeros(values.shape, dtype=np.bool_)
        present = np.isfinite(values)
        for lead in range(values.shape[1]):
            edges = np.flatnonzero(np.diff(present[:, lead], prepend=False, append=False))
            for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                if start > 0 or self._age[lead] < 0:
                    self._state[lead] = self._settled * values[start, lead]
                    self._age[lead] = 0
                cleaned[start:stop, lead], self._state[lead] = self._filter(
                    self._sections, values[start:stop, lead], zi=self._state[lead]
                )
                first = start + max(0, self._settle - int(self._age[lead]))
                trusted[first:stop, lead] = True
                self._age[lead] += stop - start
            if len(values) and not present[-1, lead]:
                self._age[lead] = -1
        return cleaned, trusted

    def restart(self) -> None:
        """Start every lead anew: the next chunk does not follow on the last one."""
        self._age[:] = -1


def clean_causal(
    signal: Signal, *, mains_hz: float, band_hz: tuple[float, float] = BAND_HZ, settle_s: float = LIVE_SETTLE_S
) -> Signal:
    """Clean a whole signal as ``LiveCleaner`` would have done while it came.

    Args:
        signal: any unit, shape (n_samples, n_leads), NaN where samples are missing.
        mains_hz: 50 or 60, from the study; there is no default.
        band_hz: lower and upper −3 dB corner.
        settle_s: seconds behind each start that are not trusted; 0 or more.

    Returns:
        A signal of the same shape and rate, with ``trusted`` set and one step ``clean_causal`` more.

    Raises:
        RateTooLow: the upper corner is not below half the sampling rate.
        CleaningError: a parameter makes no sense.
    """
    cleaner = LiveCleaner(
        rate_hz=signal.rate_hz, mains_hz=mains_hz, n_leads=signal.n_leads, band_hz=band_hz, settle_s=settle_s
    )
    values, trusted = cleaner.push(signal.values)
    return signal.then(cleaner.step, values=values, trusted=trusted & signal.reliable)


def _group_delay_s(sos: NDArray[np.float64], rate_hz: float) -> float:
    """How late a wave of 10 Hz, the middle of a QRS, comes out."""
    from scipy import signal as dsp

    near_hz = _DELAY_AT_HZ + np.array([-0.01, 0.01])
    _, response = dsp.freqz_sos(sos, worN=near_hz, fs=rate_hz)
    turn = float(np.angle(response[1] / response[0]))
    return -turn / (2 * np.pi * float(np.diff(near_hz)[0]))
