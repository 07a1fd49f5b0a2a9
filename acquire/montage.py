"""Which leads a set of channels gives, and how each is made of them.

A montage says how the measured leads are weighted sums of channels. Einthoven's law (II = I + III) gives the third limb
lead from any two, and Goldberger's augmented leads follow: aVR = −(I + II)/2, aVL = I − II/2, aVF = II − I/2
(Kligfield 2007, doi:10.1161/CIRCULATIONAHA.106.180200).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["STANDARD_ORDER", "Montage", "lead_weights", "measured_leads", "montage_fault", "order_leads"]

Montage = Mapping[str, Mapping[str, float]]
"""Lead → {channel: weight}."""

LARGEST_WEIGHT = 1000.0
"""Far beyond any real montage, and far from where sums of counts overflow."""

STANDARD_ORDER = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_AUGMENTED = {"aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


def order_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """Leads in the order a cardiologist reads them; leads of other names follow by name, CH2 before CH10."""
    rank = {lead: place for place, lead in enumerate(STANDARD_ORDER)}
    return tuple(sorted(leads, key=lambda lead: (rank.get(lead, len(rank)), *_by_number(lead))))


def _by_number(name: str) -> tuple[list[tuple[str, int]], str]:
    """A key that puts the numbers within names in the order of their values."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    return [(words, int(digits or -1)) for words, digits in parts], name


def montage_fault(montage: Montage, channels: Sequence[str]) -> str:
    """What is wrong with a montage for these channels, as the middle of a sentence, or "" when nothing is."""
    for lead, weights in montage.items():
        if not lead or len(lead) > 32 or not lead.isprintable():
            return f"the montage has a lead named {lead[:32]!r}, which is not a name of 1 to 32 printable characters"
        if not weights:
            return f"the montage makes lead {lead} of no channel"
        for channel, weight in weights.items():
            if channel not in channels:
                return (
                    f"the montage makes lead {lead} of channel {channel!r}, but the channels are {', '.join(channels)}"
                )
            if not 0 < abs(weight) <= LARGEST_WEIGHT:
                return (
                    f"the montage weighs channel {channel} of lead {lead} with {weight}, which must be finite, not 0,"
                    f" and lie from −{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}"
                )
    return ""


def lead_weights(montage: Montage, channels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Every lead that can be had, as weights on the channels.

    Args:
        montage: lead → {channel: weight}, free of faults for these channels.
        channels: names, in the order of the samples' columns.

    Returns:
        Lead → weights of shape (n_channels,), in standard order; values of a lead are ``channel_values @ weights``.
    """
    column = {name: place for place, name in enumerate(channels)}
    known: dict[str, NDArray[np.float64]] = {}
    for lead, weights in montage.items():
        known[lead] = np.zeros(len(channels))
        for channel, weight in weights.items():
            known[lead][column[channel]] += weight
    if "III" not in known and {"I", "II"} <= known.keys():
        known["III"] = known["II"] - known["I"]
    if "II" not in known and {"I", "III"} <= known.keys():
        known["II"] = known["I"] + known["III"]
    if "I" not in known and {"II", "III"} <= known.keys():
        known["I"] = known["II"] - known["III"]
    if {"I", "II"} <= known.keys():
        for lead, (of_i, of_ii) in _AUGMENTED.items():
            known.setdefault(lead, of_i * known["I"] + of_ii * known["II"])
    return {lead: known[lead] for lead in order_leads(list(known))}


def measured_leads(montage: Montage, channels: Sequence[str]) -> tuple[str, ...]:
    """The montage's own leads, and the limb lead that two others give without adding anything new."""
    return tuple(lead for lead in lead_weights(montage, channels) if lead in montage or lead not in _AUGMENTED)
