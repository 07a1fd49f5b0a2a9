"""The sounds of the recording app, made of sines: short, soft at their edges, and apart from each other by melody."""

from __future__ import annotations

import io
import wave

import numpy as np
from numpy.typing import NDArray

__all__ = ["TONES", "tone_wav"]

_RATE_HZ = 44_100
_EDGE_S = 0.012
_LOUDNESS = 0.45

TONES: dict[str, tuple[tuple[float, float], ...]] = {
    "step": ((880.0, 0.14), (1174.7, 0.22)),
    "rest": ((659.3, 0.26),),
    "end": ((784.0, 0.14), (987.8, 0.14), (1174.7, 0.34)),
    "alarm": ((830.6, 0.17), (0.0, 0.05), (622.3, 0.17), (0.0, 0.05), (830.6, 0.17), (0.0, 0.05), (622.3, 0.3)),
}
"""Name → notes, each its frequency in Hz (0 for silence) and its length in seconds."""


def tone_wav(name: str) -> bytes:
    """One of `TONES` as a WAV file: 16 bit, one channel.

    A second and third harmonic make it carry on small loudspeakers.
    """
    sound = np.concatenate([_note(hz, length_s) for hz, length_s in TONES[name]])
    with io.BytesIO() as file:
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(_RATE_HZ)
            out.writeframes((sound * 32767).astype("<i2").tobytes())
        return file.getvalue()


def _note(hz: float, length_s: float) -> NDArray[np.float64]:
    time_s = np.arange(round(length_s * _RATE_HZ)) / _RATE_HZ
    if hz == 0:
        return np.zeros_like(time_s)
    sound = sum(share * np.sin(2 * np.pi * hz * n * time_s) for n, share in ((1, 0.7), (2, 0.2), (3, 0.1)))
    edge = np.clip(np.minimum(time_s, length_s - time_s) / _EDGE_S, 0, 1)
    return np.asarray(_LOUDNESS * sound * 0.5 * (1 - np.cos(np.pi * edge)))
