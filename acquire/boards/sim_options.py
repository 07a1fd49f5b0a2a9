"""What can be asked of the simulated board in its address, and how each wish is checked.

``sim:?person=S01&speed=200`` is a scheme and a query. These are the options; each may stand once:

==========  =======================================================================================  ==================
option      what it does                                                                             default
==========  =======================================================================================  ==================
person      whose heart it is: the same name is the same heart, everywhere                           the subject
session     where the electrodes sit: another name moves them a little                               the session
seed        which of many possible runs of beats and noise; a whole number from 0                    0
rate        samples per second, a whole number from 125 to 2000                                      250
speed       how many times faster than real time, above 0 and at most 10000; ``max`` for no pacing   1
mains_hz    frequency of the hum, 50 or 60                                                           the study's, or 50
noise       factor on everything that is not the heart, from 0 to 20                                 1
stop_after  fall silent after so many seconds of signal, as a board does that was unplugged          never
drop        lose samples: ``START:LENGTH``, several of them with commas; the counter goes on         none
==========  =======================================================================================  ==================
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from acquire.boards.address import Address, number, whole

__all__ = ["OPTIONS", "SimOptions", "parse_address"]

OPTIONS = ("person", "session", "seed", "rate", "speed", "mains_hz", "noise", "stop_after", "drop")

_LONGEST_LOSS = 10_000_000
_LAST_INDEX = 2**53


@dataclass(frozen=True, kw_only=True)
class SimOptions:
    """The simulated board's options, checked.

    Attributes:
        person: whose heart it is.
        session: where the electrodes sit.
        seed: which run of beats and noise.
        rate_hz: samples per second.
        speed: times real time; infinite for no pacing.
        mains_hz: frequency of the hum.
        noise: factor on everything that is not the heart.
        stop_after_s: seconds of signal until silence; infinite for never.
        drop: ranges ``(start, stop)`` of lost samples, ascending and apart.
    """

    person: str
    session: str
    seed: int = 0
    rate_hz: int = 250
    speed: float = 1.0
    mains_hz: float = 50.0
    noise: float = 1.0
    stop_after_s: float = math.inf
    drop: tuple[tuple[int, int], ...] = ()


def parse_address(address: str, *, subject: str, session: str, mains_hz: float | None) -> SimOptions:
    """Read the options out of a ``sim:`` address.

    Args:
        address: as the operator gave it.
        subject: the person unless the address names one.
        session: the session unless the address names one.
        mains_hz: the study's mains frequency, unless the address names one.

    Raises:
        BoardError: the address is not a query, or an option is unknown, doubled, or has a value it cannot have.
    """
    given = Address(address, options=OPTIONS, example="sim: or sim:?option=value&option=value")
    if given.target:
        raise given.fault("it cannot be read; write sim: or sim:?option=value&option=value.")
    name = "1 to 64 letters, digits, - and _"
    return SimOptions(
        person=given.take("person", subject or "S01", _name, name),
        session=given.take("session", session or "01", _name, name),
        seed=given.take("seed", 0, whole(0, 2**63 - 1), "a whole number from 0 to 2^63 - 1"),
        rate_hz=given.take("rate", 250, whole(125, 2000), "a whole number from 125 to 2000 (samples per second)"),
        speed=given.take("speed", 1.0, _speed, "a number above 0 and at most 10000, or max"),
        mains_hz=given.take("mains_hz", mains_hz or 50.0, _mains, "50 or 60"),
        noise=given.take("noise", 1.0, number(0.0, 20.0), "a number from 0 to 20"),
        stop_after_s=given.take("stop_after", math.inf, number(0.0, 1e7), "a number of seconds from 0 to 1e7"),
        drop=given.take(
            "drop", (), _drop, "START:LENGTH in samples, LENGTH from 1 to 1e7, several ascending and apart"
        ),
    )


def _name(text: str) -> str | None:
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) else None


def _speed(text: str) -> float | None:
    if text == "max":
        return math.inf
    return number(0.0, 10_000.0)(text) or None


def _mains(text: str) -> float | None:
    return float(text) if text in ("50", "60") else None


def _drop(text: str) -> tuple[tuple[int, int], ...] | None:
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,16}):([0-9]{1,16})", part)
        if not found:
            return None
        start, length = int(found[1]), int(found[2])
        # Touching ranges are one loss to whoever counts them, so they have to be given as one.
        if not 1 <= length <= _LONGEST_LOSS or start + length > _LAST_INDEX or (ranges and start <= ranges[-1][1]):
            return None
        ranges.append((start, start + length))
    return tuple(ranges)
