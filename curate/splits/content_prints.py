"""Prints of a recording's contents: small arrays by which the same stretch is found again under another name.

Two kinds. ``samples`` are hashes of raw counts and find a stretch whose counts are equal. The other arrays do not
depend on counts, rate, gain, polarity or the order of channels, and find a stretch that was resampled or rescaled: the
instants of its beats, to a fraction of a millisecond, and a coarse picture of the two channels that show them best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.signal import butter, firwin, sosfiltfilt, upfirdn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.beats.peaks import Beats

__all__ = ["BEATS", "PICTURE", "PICTURE_HZ", "SAMPLES", "content_prints", "fingerprints"]

SAMPLES: Final = "samples"
BEATS: Final = "beats_us"
PICTURE: Final = "picture"
"""Begin of the name of each channel's picture: ``picture1``, ``picture2``."""
PICTURE_HZ: Final = 25.0

_FINGERPRINT_SAMPLES = 64
_FINGERPRINT_CHANGES = 16
_FINGERPRINT_ONE_IN = 256
_MULTIPLIER = 0x9E3779B97F4A7C15
_WRAP = 1 << 64

_WORK_HZ = 125.0
_DECIMATE = 5
_QRS_BAND_HZ = (5.0, 25.0)
_QRS_TAPS = 51
_PICTURE_TAPS = 41
_PICTURE_LOW_HZ, _PICTURE_HIGH_HZ = 1.0, 10.0
_PICTURE_CHANNELS = 2
_FULL_SCALE = 64.0
_CENTRE_REACH_S = 0.1
_CENTRE_SIGMA_S = 0.03
_CENTRE_ROUNDS = 4
_LEAST_SECONDS = 5.0


def content_prints(counts: NDArray[Any], beats: Beats, rate_hz: float) -> dict[str, NDArray[Any]]:
    """Make all prints of a recording.

    Args:
        counts: shape (n_samples, n_channels), as recorded.
        beats: its R peaks, at the raw rate.
        rate_hz: raw samples per second, the true rate.

    Returns:
        Name → one-dimensional array. ``samples`` (uint64) are ``fingerprints``. ``beats_us`` (int64) are instants of
        beats in microseconds from the first sample: the centre of the QRS complex's energy over all channels, which
        neither a change of rate nor of gain or polarity moves. ``picture1`` and ``picture2`` (int8) are the channels
        that show the beats best, 1–10 Hz at 25 Hz. Without beats the last three are left out. An hour of two channels
        at 250 Hz comes to about 220 kB.
    """
    prints: dict[str, NDArray[Any]] = {SAMPLES: fingerprints(counts)}
    seconds = counts.shape[0] / rate_hz
    if beats.samples.size < 2 or seconds < _LEAST_SECONDS:
        return prints
    work = [_at_work_rate(counts[:, channel], rate_hz) for channel in range(counts.shape[1])]
    taps = firwin(_QRS_TAPS, _QRS_BAND_HZ, pass_zero=False, fs=_WORK_HZ)
    places = np.clip(beats.samples / rate_hz * _WORK_HZ - 0.5, 0, work[0].size - 1)
    energy = np.zeros(work[0].size)
    shown: list[tuple[float, int]] = []
    for channel, signal in enumerate(work):
        power = np.square(np.convolve(signal, taps, mode="same"))
        at_beats = _highest(power, places)
        usual = float(np.median(at_beats))
        if not usual > 0:
            continue
        shown.append((usual / max(float(power.mean()), 1e-30), channel))
        # One channel off its electrode for a while must not drown the others.
        energy += np.minimum(power / usual, 4.0)
    if not shown:
        return prints
    prints[BEATS] = np.round((_centres(energy, places) + 0.5) / _WORK_HZ * 1e6).astype(np.int64)
    best = sorted(channel for _, channel in sorted(shown, reverse=True)[:_PICTURE_CHANNELS])
    return prints | {
        f"{PICTURE}{number}": _picture(work[channel], places) for number, channel in enumerate(best, start=1)
    }


def _at_work_rate(values: NDArray[Any], rate_hz: float) -> NDArray[np.float64]:
    """Bring a channel to 125 Hz: each new sample is the mean over its 8 ms, so that nothing depends on the old grid."""
    clean = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    clean -= np.median(clean)
    area = np.concatenate(([0.0], np.cumsum(clean)))
    n_new = int(clean.size / rate_hz * _WORK_HZ)
    edges = np.arange(n_new + 1) * (rate_hz / _WORK_HZ)
    left = np.minimum(edges.astype(np.int64), clean.size - 1)
    at_edges = area[left] + (edges - left) * clean[left]
    means: NDArray[np.float64] = np.diff(at_edges) * (_WORK_HZ / rate_hz)
    return means


def _near(places: NDArray[np.float64], n_samples: int) -> NDArray[np.int64]:
    """Sample indices within reach of each place, shape (n_places, k)."""
    reach = round(_CENTRE_REACH_S * _WORK_HZ)
    near = np.round(places).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    clipped: NDArray[np.int64] = np.clip(near, 0, n_samples - 1)
    return clipped


def _highest(power: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    highest: NDArray[np.float64] = power[_near(places, power.size)].max(axis=1)
    return highest


def _centres(energy: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move each place to the centre of the energy around it, weighted by a Gaussian around the place itself."""
    for _ in range(_CENTRE_ROUNDS):
        near = _near(places, energy.size)
        offset = near - places[:, None]
        weight = energy[near] * np.exp(-0.5 * np.square(offset / (_CENTRE_SIGMA_S * _WORK_HZ)))
        places = places + (weight * offset).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12)
    return places


def _picture(signal: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.int8]:
    taps = firwin(_PICTURE_TAPS, _PICTURE_HIGH_HZ, fs=_WORK_HZ)
    # From the third of every five, so that a sample of the picture stands in the middle of its 40 ms.
    begin = (_PICTURE_TAPS - 1) // 2 + _DECIMATE // 2
    low = upfirdn(taps, np.concatenate((signal, np.zeros(begin))))[begin : begin + signal.size : _DECIMATE]
    sos = butter(2, _PICTURE_LOW_HZ, btype="highpass", fs=PICTURE_HZ, output="sos")
    flat = sosfiltfilt(sos, low)
    at_beats = np.abs(flat)[np.clip(np.round(places / _DECIMATE).astype(np.int64), 0, flat.size - 1)]
    usual = float(np.median(at_beats)) or 1.0
    # A usual beat fills half the range; what towers above it (motion, the edge of a gap) is cut off.
    return np.clip(np.round(flat * (_FULL_SCALE / usual)), -127, 127).astype(np.int8)


def fingerprints(counts: NDArray[Any]) -> NDArray[np.uint64]:
    """Pick out of a recording's raw counts what finds the same stretch again, wherever it begins.

    A polynomial hash runs over every 64 rows in a row; those whose hash falls into a fixed one in 256 are kept. Which
    rows these are depends on their contents alone, so that a copy that was cropped or shifted still shares them
    (content-defined sampling, as in Schleimer, Wilkerson & Aiken 2003, doi:10.1145/872757.872770). Stretches that
    hardly change (gaps, a rail) are left out.

    Args:
        counts: shape (n_samples, n_channels), as recorded.

    Returns:
        Sorted, each once.
    """
    width = _FINGERPRINT_SAMPLES
    if counts.shape[0] < width:
        return np.zeros(0, dtype=np.uint64)
    row = np.zeros(counts.shape[0], dtype=np.uint64)
    for channel in range(counts.shape[1]):
        row = row * np.uint64(_MULTIPLIER) + _as_words(counts[:, channel])
    # Prefix sums with weights m^-i give every window's hash in one pass; all arithmetic is modulo 2^64.
    n = row.size
    weights = np.ones(n + 1, dtype=np.uint64)
    weights[1:] = np.uint64(_MULTIPLIER)
    weights = np.cumprod(weights, dtype=np.uint64)
    inverse = np.ones(n, dtype=np.uint64)
    inverse[1:] = np.uint64(pow(_MULTIPLIER, -1, _WRAP))
    inverse = np.cumprod(inverse, dtype=np.uint64)
    prefix = np.concatenate(([np.uint64(0)], np.cumsum(row * inverse, dtype=np.uint64)))
    hashes = (prefix[width:] - prefix[:-width]) * weights[: n - width + 1]
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    changes = np.concatenate(([0, 0], np.cumsum(row[1:] != row[:-1])))
    lively = changes[width:] - changes[1 : n - width + 2] >= _FINGERPRINT_CHANGES
    return np.unique(hashes[lively & (hashes % np.uint64(_FINGERPRINT_ONE_IN) == 0)])


def _as_words(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Spread each value's bits over 64, so that small counts do not make small hashes."""
    if values.dtype.kind == "f":
        words = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    else:
        words = values.astype(np.int64).view(np.uint64)
    words = words * np.uint64(0xD6E8FEB86659FD93)
    return words ^ (words >> np.uint64(32))
