"""The options that boards which only talk have in common, and what each may be."""

from __future__ import annotations

from collections.abc import Callable

from acquire.boards.address import number, whole

__all__ = [
    "BAUD_LIMIT",
    "FASTEST_HZ",
    "GAIN_LIMIT",
    "NO_LEAD",
    "OFFSET_LIMIT",
    "RATE_LIMIT",
    "SLOWEST_HZ",
    "channel_name",
    "read_baud",
    "read_gain_mv",
    "read_names",
    "read_offset",
    "read_rate",
]

read_baud = whole(300, 4_000_000)
BAUD_LIMIT = "a whole number from 300 to 4000000"
SLOWEST_HZ, FASTEST_HZ = 1.0, 20_000.0
read_rate = number(SLOWEST_HZ, FASTEST_HZ)
RATE_LIMIT = f"from {SLOWEST_HZ:g} to {FASTEST_HZ:g}"

NO_LEAD = "-"
"""In the place of a lead's name: a channel that is recorded without being a lead."""

read_offset = number(0.0, 2.0**31)
OFFSET_LIMIT = "a number from 0 to 2147483648"
GAIN_LIMIT = "above 0 and at most 1000"


def read_gain_mv(text: str) -> float | None:
    """Millivolts per count."""
    return number(0.0, 1000.0)(text) or None


def read_names(most: int, fewest: int | None = None) -> Callable[[str], tuple[str, ...] | None]:
    """A reader of the channels' names, no two alike, at least one of them a lead's.

    Args:
        most: how many there may be.
        fewest: how many there must be; as many as there may be, if left out.
    """

    def read(text: str) -> tuple[str, ...] | None:
        names = tuple(text.split(","))
        shown = {channel_name(name, place) for place, name in enumerate(names, 1)}
        fine = all(0 < len(name) <= 32 and name.isprintable() and name == name.strip() for name in names)
        enough = (most if fewest is None else fewest) <= len(names) <= most
        return names if fine and enough and len(shown) == len(names) and set(names) != {NO_LEAD} else None

    return read


def channel_name(name: str, place: int) -> str:
    """The name of a channel: its lead's, or by its place from 1 on where it is none."""
    return f"CH{place}" if name == NO_LEAD else name
