"""What a Cyton is told and what it answers, as text; nothing here touches a port.

The command `~` (sampling rate) is never sent: the radio carries 250 samples a second and no more, and the command
breaks the lead-off measurement in the firmware of today.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from acquire.errors import BoardErrorReason

__all__ = [
    "ANSWER_END",
    "CLOCK_IS_ON",
    "CLOCK_ON",
    "GAINS",
    "GOOD_OHMS",
    "LARGEST_COUNT",
    "RATE_HZ",
    "RESET",
    "START",
    "STOP",
    "channel_command",
    "contact_ohms",
    "failure",
    "firmware_of",
    "gain_mv",
    "greeting_fault",
    "lead_off_command",
]

RATE_HZ = 250.0
GAINS = (1, 2, 4, 6, 8, 12, 24)
LARGEST_COUNT = 2**23 - 1
GOOD_OHMS = 200_000.0
"""Above this hum and movement show: the amplifier takes it, but the skin should be cleaned and the gel looked after."""

START, STOP, RESET, CLOCK_ON = b"b", b"s", b"v", b"<"
ANSWER_END = b"$$$"
CLOCK_IS_ON = "Time stamp ON"

_REFERENCE_MV = 4500.0
_LEAD_OFF_A = 6e-9
_LEAD_OFF_HZ = 31.25  # 2.048 MHz / 2^16; the data sheet rounds it to 31.2 Hz
_SERIES_OHM = 2200.0
_OLDEST_FIRMWARE = 2

_RADIO_WORDS = ("System is Down", "radio", "Radio", "channel number", "reach")

Clause = tuple[BoardErrorReason, str]
"""What is wrong, and the same in words with the mend."""


def gain_mv(gain: int) -> float:
    """Millivolts per count."""
    return _REFERENCE_MV / gain / LARGEST_COUNT


def channel_command(channel: int, *, gain: int, on: bool) -> bytes:
    """Set a channel, counted from 1: measured between its two electrodes and driving the bias, or off."""
    power, bias = ("0", "1") if on else ("1", "0")
    return f"x{channel}{power}{GAINS.index(gain)}0{bias}00X".encode()


def lead_off_command(channel: int, *, positive: bool = False, negative: bool = False) -> bytes:
    """Let the measuring current flow through the electrodes of a channel, counted from 1, or stop it."""
    return f"z{channel}{int(positive)}{int(negative)}Z".encode()


def failure(text: str) -> Clause | None:
    """What an answer says has failed between dongle and board, or None when it says no such thing."""
    if "failed to poll" in text or "Communications timeout" in text:
        return BoardErrorReason.NO_BOARD, (
            "the dongle is there but the board does not answer it; switch the board on (to PC), charge its battery,"
            " bring it nearer, and check that both are on the same radio channel"
        )
    if "Failure" in text and any(word in text for word in _RADIO_WORDS):
        return BoardErrorReason.RADIO, (
            f"its radio says {_quoted(text)}; bring board and dongle together, switch both off and on, and see that no"
            " other 2.4 GHz device is in the way"
        )
    return None


def greeting_fault(text: str) -> Clause | None:
    """Why what answered the reset cannot be used, or None when it can."""
    if clause := failure(text):
        return clause
    if "OpenBCI V3" not in text or "ADS1299" not in text:
        return BoardErrorReason.UNSUPPORTED, (
            f"what answers is no Cyton ({_quoted(text)}); choose the port of the OpenBCI dongle"
        )
    if "Daisy" in text:
        return BoardErrorReason.UNSUPPORTED, (
            "a Daisy module sits on the board, which halves the rate over the radio; take it off and switch the board"
            " off and on"
        )
    major = re.match(r"v(\d{1,4})", firmware_of(text))
    if major is None or int(major[1]) < _OLDEST_FIRMWARE:
        return BoardErrorReason.UNSUPPORTED, (
            f"its firmware {firmware_of(text) or 'gives no version'} does not confirm its settings; update it to v3"
        )
    return None


def firmware_of(text: str) -> str:
    """The version in a greeting, or ""."""
    found = re.search(r"Firmware:\s*(v[0-9A-Za-z.\-]{1,32})", text)
    return found[1] if found else ""


def contact_ohms(counts: NDArray[np.int32], *, gain: int) -> float | None:
    """The impedance of the electrode that the measuring current of 6 nA at 31.25 Hz flows through.

    Z = √2 · Vrms / 6 nA − 2.2 kΩ, the last being the board's own resistor. The amplitude comes from a projection on
    the current's frequency under a Hann window; what the heart has there adds an error of some 10 kΩ.

    Args:
        counts: of the electrode's channel, shape (n,), about a second of them.
        gain: of the channel.

    Returns:
        Ohms, not below 0, or None where the input is at its rail and tells nothing.
    """
    if len(counts) == 0 or np.mean(np.abs(counts.astype(np.int64)) >= LARGEST_COUNT) > 0.1:
        return None
    volts = (counts - np.mean(counts)) * (gain_mv(gain) / 1000.0)
    window = np.hanning(len(counts) + 2)[1:-1]
    turns = np.exp(-2j * math.pi * _LEAD_OFF_HZ / RATE_HZ * np.arange(len(counts)))
    peak_v = 2.0 * abs(np.sum(window * volts * turns)) / np.sum(window)
    return max(0.0, float(peak_v) / _LEAD_OFF_A - _SERIES_OHM)


def _quoted(text: str) -> str:
    shown = ascii(" ".join(text.split()))
    return shown if len(shown) <= 100 else f"{shown[:97]}...'"
