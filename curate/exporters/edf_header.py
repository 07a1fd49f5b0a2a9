"""The fixed fields of an EDF+ file: texts of a given width, and numbers that have eight characters and no more.

The layout is that of Kemp 1992 (doi:10.1016/0013-4694(92)90009-7) and, for EDF+, of Kemp and Olivan 2003
(doi:10.1016/S1388-2457(03)00123-8).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction

__all__ = [
    "DIGITAL_MAX",
    "DIGITAL_MIN",
    "EdfSignal",
    "RecordLength",
    "choose_record",
    "fit8",
    "header_bytes",
    "physical_range",
    "plain",
]

DIGITAL_MIN, DIGITAL_MAX = -32768, 32767
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MAX_SIGNAL_BYTES = 30_000
"""Of a data record, whose whole should not exceed 61 440 bytes."""


@dataclass(frozen=True, kw_only=True)
class EdfSignal:
    """What the header says of one signal; texts are cut to their width."""

    label: str
    unit: str
    physical_min: str
    physical_max: str
    samples_per_record: int


@dataclass(frozen=True, kw_only=True)
class RecordLength:
    """How long a data record is.

    Attributes:
        n_samples: of each signal.
        duration: in seconds, as the header says it.
    """

    n_samples: int
    duration: Decimal

    @property
    def rate(self) -> Fraction:
        """Samples per second that a reader works out."""
        return Fraction(self.n_samples) / Fraction(self.duration)


def choose_record(rate_hz: float, n_signals: int, n_samples: int) -> RecordLength:
    """Choose a data record of half a second to two that gives the rate, exactly if eight characters can say it.

    Among equals the one that leaves the fewest samples over at the end is taken, then the one nearest to a second.

    Args:
        rate_hz: the rate.
        n_signals: how many signals there are.
        n_samples: how many samples each has.
    """
    rate = Fraction(repr(float(rate_hz)))
    longest = max(1, _MAX_SIGNAL_BYTES // (2 * n_signals))
    high = max(1, min(math.floor(2 * rate), longest))
    low = max(1, min(math.ceil(rate / 2), high // 2))
    candidates = []
    for count in range(low, high + 1):
        seconds = count / rate
        text = fit8(Decimal(seconds.numerator) / Decimal(seconds.denominator), ROUND_HALF_EVEN)
        if text is None or Decimal(text) <= 0:
            continue
        record = RecordLength(n_samples=count, duration=Decimal(text))
        candidates.append((abs(record.rate / rate - 1), -n_samples % count, abs(seconds - 1), record))
    return min(candidates, key=lambda candidate: candidate[:3])[3]


def fit8(value: Decimal, rounding: str) -> str | None:
    """Write a number with at most eight characters, rounded as told, or None where it is too large."""
    if value.adjusted() > 7:
        return None
    for decimals in range(7, -1, -1):
        rounded = value.quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
        text = f"{rounded:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        text = "0" if text in ("-0", "") else text
        if len(text) <= 8:
            return text
    return None


def physical_range(low: float, high: float) -> tuple[str, str] | None:
    """Choose the physical minimum and maximum that leave the smallest digital number to what is missing.

    Args:
        low: smallest value.
        high: largest value.

    Returns:
        Both as texts of at most eight characters, or None where the values are too large for that.
    """
    span = high - low or max(abs(high), 1.0) * 1e-3
    bottom = fit8(Decimal(low - 1.01 * span / (DIGITAL_MAX - DIGITAL_MIN - 1)), ROUND_FLOOR)
    top = fit8(Decimal(max(high, low + span)), ROUND_CEILING)
    return None if bottom is None or top is None else (bottom, top)


def plain(text: str) -> str:
    """A text as the header can hold it: printable ASCII, with a question mark for anything else."""
    text = text.replace("µ", "u").replace("μ", "u").replace("Ω", "ohm")
    return re.sub(r"[^\x20-\x7e]", "?", text)


def header_bytes(
    *,
    patient: Sequence[str],
    recording: Sequence[str],
    started_at: str,
    n_records: int,
    record: RecordLength,
    signals: Sequence[EdfSignal],
) -> bytes:
    """Encode the header of an EDF+C file.

    Args:
        patient: code, sex, birth date and name.
        recording: administration code, technician and equipment; the last is cut where there is no room for it.
        started_at: ISO 8601; a moment without a zone is taken for UTC, and all are written as UTC.
        n_records: how many data records follow.
        record: how long each is.
        signals: all of them, that of the annotations included.
    """
    moment = datetime.fromisoformat(started_at)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # A year of two digits reaches from 1985 to 2084; the full one stands in the recording's field.
    year = f"{moment.year % 100:02}" if 1985 <= moment.year <= 2084 else "yy"
    day = f"{moment.day:02}-{_MONTHS[moment.month - 1]}-{moment.year:04}"
    fields = [
        ("0", 8),
        (" ".join(_subfield(text) for text in patient), 80),
        (" ".join(["Startdate", day, *(_subfield(text) for text in recording)]), 80),
        (f"{moment.day:02}.{moment.month:02}.{year}", 8),
        (f"{moment:%H.%M.%S}", 8),
        (str(256 * (len(signals) + 1)), 8),
        ("EDF+C", 44),
        (str(n_records), 8),
        (f"{record.duration:f}", 8),
        (str(len(signals)), 4),
    ]
    columns: list[tuple[list[str], int]] = [
        ([signal.label for signal in signals], 16),
        ([""] * len(signals), 80),
        ([signal.unit for signal in signals], 8),
        ([signal.physical_min for signal in signals], 8),
        ([signal.physical_max for signal in signals], 8),
        ([str(DIGITAL_MIN)] * len(signals), 8),
        ([str(DIGITAL_MAX)] * len(signals), 8),
        ([""] * len(signals), 80),
        ([str(signal.samples_per_record) for signal in signals], 8),
        ([""] * len(signals), 32),
    ]
    fields += [(text, width) for texts, width in columns for text in texts]
    return b"".join(plain(text)[:width].ljust(width).encode("ascii") for text, width in fields)


def _subfield(text: str) -> str:
    """A part of a field whose parts blanks divide; ``X`` means that nothing is known."""
    return re.sub(r"\s+", "_", plain(text).strip()) or "X"
