"""Which of a file's channels are ECG leads, what they are called, and what their units are in millivolts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from acquire.boards.board import Channel
from acquire.montage import STANDARD_ORDER
from curate.errors import ImportRefused, RefusalReason

__all__ = ["MV_PER", "channel_in_mv", "check_channel_names", "choose_leads", "lead_name"]

MV_PER = {
    "v": 1e3,
    "volt": 1e3,
    "volts": 1e3,
    "mv": 1.0,
    "millivolt": 1.0,
    "millivolts": 1.0,
    "uv": 1e-3,
    "µv": 1e-3,
    "μv": 1e-3,
    "microvolt": 1e-3,
    "microvolts": 1e-3,
    "nv": 1e-6,
}
"""Millivolts in one of a unit, by its name in small letters."""

_MAX_NAME = 64
_STANDARD = {lead.lower(): lead for lead in STANDARD_ORDER}
_OTHERS = re.compile(r"(ml(i|ii|iii|v[1-6r]?)|v[1-9]r?|[vx]?[xyz]|d[1-3]|mcl[16]|es|as|ai|cm[2-5]|cc5)", re.IGNORECASE)
_PREFIX = re.compile(r"^(ecg|ekg)[\s:_-]*(lead[\s:_-]*)?|^lead[\s:_-]*", re.IGNORECASE)


def channel_in_mv(name: str, unit: str, *, gain: float, offset: float) -> Channel:
    """A channel in millivolts where its unit is one of voltage, and else as it is; counts stay what they are.

    Args:
        name: of the channel.
        unit: as the file spells it.
        gain: units per count.
        offset: count at zero.
    """
    factor = MV_PER.get(unit.strip().lower())
    if factor is None:
        return Channel(name=name, unit=unit.strip(), gain=gain, offset=offset)
    return Channel(name=name, unit="mV", gain=gain * factor, offset=offset)


def check_channel_names(names: Sequence[str], *, shown: Path) -> None:
    """Refuse names that a recording cannot hold or tell apart.

    Raises:
        ImportRefused: a name is empty, too long or unprintable, or stands twice.
    """
    for place, name in enumerate(names, start=1):
        if not name or len(name) > _MAX_NAME or not name.isprintable():
            raise ImportRefused(
                f"its channel {place} is named {name[:40]!r}; a name has 1 to {_MAX_NAME} printable characters; rename "
                "the channel.",
                path=shown,
                reason=RefusalReason.CHANNELS,
                value=name[:40],
            )
        if name in names[: place - 1]:
            raise ImportRefused(
                f"two of its channels are named {name[:40]!r}; give each channel a name of its own.",
                path=shown,
                reason=RefusalReason.CHANNELS,
                value=name[:40],
            )


def lead_name(channel: str) -> str | None:
    """The lead that a channel's name tells: ``ECG II`` and ``lead ii`` are II; None where it tells none."""
    bare = _PREFIX.sub("", channel.strip())
    if bare.lower() in _STANDARD:
        return _STANDARD[bare.lower()]
    if _OTHERS.fullmatch(bare):
        return bare
    return "ECG" if channel.strip().lower() in ("ecg", "ekg") else None


def choose_leads(
    channels: Sequence[Channel], wanted: Mapping[str, str], *, shown: Path, usual: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Make the montage of an imported recording.

    Args:
        channels: of the file, free of name faults.
        wanted: lead → channel, as a person said it; empty lets the names speak.
        shown: how to call the file in sentences.
        usual: lead → channel where the format itself knows; taken where nobody said anything.

    Returns:
        The montage, and sentences on what was chosen or left out.

    Raises:
        ImportRefused: a wanted channel is not there, no channel can be a lead, or the leads have different units.
    """
    names = {channel.name: channel for channel in channels}
    notes: list[str] = []
    if wanted:
        for lead, name in wanted.items():
            if name not in names:
                raise ImportRefused(
                    f"it has no channel {name[:40]!r} for lead {lead[:40]!r}; its channels are "
                    f"{', '.join(names)[:200]}.",
                    path=shown,
                    reason=RefusalReason.CHANNELS,
                    value=name[:40],
                )
        chosen = dict(wanted)
    elif usual:
        chosen = dict(usual)
    else:
        chosen = {}
        for name in names:
            told = lead_name(name)
            if told is not None:
                chosen.setdefault(told, name)
        if not chosen:
            # Nothing is told by name, so whatever is a voltage may be a lead.
            chosen = {name[:32]: name for name, channel in names.items() if channel.unit == "mV"}
            if chosen:
                notes.append(
                    f"no channel's name tells a lead, so {', '.join(chosen)[:200]} "
                    f"{'was' if len(chosen) == 1 else 'were'} taken for leads; say it with --lead LEAD=CHANNEL."
                )
        in_mv = {lead: name for lead, name in chosen.items() if names[name].unit == "mV"}
        if in_mv and len(in_mv) < len(chosen):
            others = [lead for lead in chosen if lead not in in_mv]
            notes.append(f"{', '.join(others)[:200]} is in another unit than mV, so it is kept but is no lead.")
            chosen = in_mv
    if not chosen:
        raise ImportRefused(
            f"none of its channels ({', '.join(names)[:200]}) is an ECG lead by name or a voltage by unit; say which "
            "is with --lead LEAD=CHANNEL.",
            path=shown,
            reason=RefusalReason.CHANNELS,
        )
    units = {names[name].unit for name in chosen.values()}
    if len(units) > 1:
        raise ImportRefused(
            f"its leads are in different units ({', '.join(sorted(units))[:100]}); say with --lead which to take.",
            path=shown,
            reason=RefusalReason.CHANNELS,
        )
    if units != {"mV"}:
        notes.append(
            f"its leads are in {units.pop() or 'no unit'!r}, which is not a voltage, so their size in mV is unknown."
        )
    return {lead: {name: 1.0} for lead, name in chosen.items()}, notes
