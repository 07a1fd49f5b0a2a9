"""Cleaning: what is not heart is filtered away, and what could not be filtered says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.signals.filters import BAND_HZ, NOTCH_Q, ORDER, check_parameters, sections
from curate.signals.signal import Signal, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BAND_HZ", "SETTLE_S", "clean"]

SETTLE_S = 2.0
"""Seconds not trusted at each end of a run. By then what a cut changes is below 5 % of the wave it cut, at the worst
phase and frequency; half of it would leave 17 %, one second more 1.5 %."""


def clean(
    signal: Signal,
    *,
    mains_hz: float,
    band_hz: tuple[float, float] = BAND_HZ,
    settle_s: float = SETTLE_S,
) -> Signal:
    """Remove baseline wander, mains hum and out-of-band noise, without moving a wave.

    Zero-phase: a Butterworth band-pass of fourth order at each corner, and one second-order notch (Q 30) at the mains
    and at each of its harmonics that the band-pass alone, run twice, would leave less than 40 dB down. All sections run
    forward and backward inside each run of samples that are there, lead by lead, so that nothing on one side of a gap
    reaches the other.

    Samples within ``settle_s`` of either end of a run are kept but not trusted. A run of no more than twice
    ``settle_s`` has nothing to trust in it: its samples become NaN, and the step counts them.

    Args:
        signal: any unit, shape (n_samples, n_leads), NaN where samples are missing.
        mains_hz: 50 or 60, from the study; there is no default.
        band_hz: lower and upper −3 dB corner of each of the two passes (−6 dB together).
        settle_s: seconds at each end of a run that are not trusted; 0 or more.

    Returns:
        A signal of the same shape and rate, with ``trusted`` set and one step ``clean`` more.

    Raises:
        RateTooLow: the upper corner is not below half the sampling rate.
        CleaningError: a parameter makes no sense.

    The band follows AHA 2007 (doi:10.1161/CIRCULATIONAHA.106.180200); order, notch width and settling time are ours.
    """
    low_hz, high_hz = band_hz
    check_parameters(signal.rate_hz, mains_hz, low_hz, high_hz, settle_s)
    sos, notches_hz = sections(signal.rate_hz, mains_hz, low_hz, high_hz)

    settle = int(np.ceil(settle_s * signal.rate_hz))
    shortest = max(2 * settle, _edge_samples(signal.rate_hz, low_hz))
    values = np.full_like(signal.values, np.nan)
    trusted = np.zeros(signal.values.shape, dtype=np.bool_)
    left_out = 0
    for columns, mask in _columns_by_presence(signal.present):
        for start, stop in runs_of(mask):
            if stop - start <= shortest:
                left_out += int(stop - start) * len(columns)
                continue
            values[start:stop, columns] = _both_ways(sos, signal.values[start:stop, columns], shortest)
            trusted[start + settle : stop - settle, columns] = signal.reliable[start + settle : stop - settle, columns]
    step = {
        "name": "clean",
        "filter": "Butterworth band-pass and notches, forward and backward",
        "band_hz": [float(low_hz), float(high_hz)],
        "order": ORDER,
        "mains_hz": float(mains_hz),
        "notches_hz": notches_hz,
        "notch_q": NOTCH_Q,
        "settle_s": float(settle_s),
        "rate_hz": float(signal.rate_hz),
        "samples_in_runs_too_short": left_out,
    }
    return signal.then(step, values=values, trusted=trusted)


def _edge_samples(rate_hz: float, low_hz: float) -> int:
    """How far each end is mirrored before filtering: one period of the lowest frequency that passes."""
    return int(np.ceil(rate_hz / low_hz))


def _both_ways(sos: NDArray[np.float64], values: NDArray[np.float64], shortest: int) -> NDArray[np.float64]:
    from scipy import signal as dsp

    # Filters run along memory: a copy with each lead in one piece is twice as fast as striding.
    by_lead = np.ascontiguousarray(values.T)
    filtered = dsp.sosfiltfilt(sos, by_lead, axis=-1, padtype="odd", padlen=min(shortest, values.shape[0] - 1))
    return np.asarray(filtered.T, dtype=np.float64)


def _columns_by_presence(present: NDArray[np.bool_]) -> list[tuple[list[int], NDArray[np.bool_]]]:
    """Group the leads that miss the same samples, so that they are filtered in one call."""
    groups: list[tuple[list[int], NDArray[np.bool_]]] = []
    for column in range(present.shape[1]):
        mask = present[:, column]
        for columns, known in groups:
            if np.array_equal(known, mask):
                columns.append(column)
                break
        else:
            groups.append(([column], mask))
    return groups
