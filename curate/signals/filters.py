"""The filters of cleaning as second-order sections, the same for the corpus and for live use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.errors import CleaningError, RateTooLow

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BAND_HZ", "NOTCH_Q", "ORDER", "check_parameters", "sections"]

BAND_HZ = (0.5, 40.0)
"""Monitoring band; AHA 2007 (doi:10.1161/CIRCULATIONAHA.106.180200) accepts 0.5 Hz where ST levels are not measured."""

ORDER = 4
"""Of the Butterworth filter at each corner."""

NOTCH_Q = 30.0

_ENOUGH_DB = 40.0
_MAINS_HZ = (50.0, 60.0)


def check_parameters(rate_hz: float, mains_hz: float, low_hz: float, high_hz: float, settle_s: float) -> None:
    """Refuse what no filter can be made of.

    Raises:
        RateTooLow: the upper corner is not below half the sampling rate.
        CleaningError: another parameter makes no sense.
    """
    if mains_hz not in _MAINS_HZ:
        raise CleaningError(
            f"mains_hz is {mains_hz!r}; it must be 50 or 60, as study.toml says for where it was recorded."
        )
    if not 0 < low_hz < high_hz < np.inf:
        raise CleaningError(f"band_hz is ({low_hz:g}, {high_hz:g}); it must be two rising frequencies above 0.")
    if high_hz >= rate_hz / 2:
        raise RateTooLow(rate_hz=rate_hz, corner_hz=high_hz)
    if not 0 <= settle_s < np.inf:
        raise CleaningError(f"settle_s is {settle_s:g}; it must be 0 s or more.")


def sections(rate_hz: float, mains_hz: float, low_hz: float, high_hz: float) -> tuple[NDArray[np.float64], list[float]]:
    """Make the filters: notches at the mains and its harmonics, then the band-pass.

    A harmonic is notched where the band-pass alone, run twice, would leave it less than 40 dB down.

    Args:
        rate_hz: samples per second.
        mains_hz: 50 or 60.
        low_hz: lower −3 dB corner.
        high_hz: upper one.

    Returns:
        Second-order sections, shape (n_sections, 6), and the frequencies that are notched.
    """
    from scipy import signal as dsp

    band = dsp.butter(ORDER, (low_hz, high_hz), btype="bandpass", fs=rate_hz, output="sos")
    # A notch needs room for its skirt below half the rate.
    harmonics_hz = np.arange(mains_hz, rate_hz / 2 * 0.98, mains_hz)
    if harmonics_hz.size == 0:
        return band, []
    _, response = dsp.freqz_sos(band, worN=harmonics_hz, fs=rate_hz)
    # Twice through: the attenuation in dB doubles.
    too_loud = -40.0 * np.log10(np.maximum(np.abs(response), 1e-12)) < _ENOUGH_DB
    notches_hz = [float(hz) for hz in harmonics_hz[too_loud]]
    notches = [dsp.tf2sos(*dsp.iirnotch(hz, NOTCH_Q, fs=rate_hz)) for hz in notches_hz]
    return np.concatenate([*notches, band]), notches_hz
