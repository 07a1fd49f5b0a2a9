"""LSL streams: which are on the network, and what their descriptions say of channels, units and leads.

What a stream says of itself comes from outside and is believed only as far as it can stand in a recording.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acquire.boards.address import short
from acquire.boards.board import Channel
from acquire.montage import STANDARD_ORDER, montage_fault

if TYPE_CHECKING:
    import pylsl

__all__ = ["Wanted", "channels_of", "find_streams", "montage_of", "quieten", "refusal", "stream_words"]

MAX_CHANNELS = 256
MAX_RATE_HZ = 100_000.0

_POLL_S = 0.02
_SETTLE_S = 1.2
"""How long to look on for a second stream that fits: liblsl asks around twice a second."""

_MV_PER_UNIT = {
    "volts": 1e3, "volt": 1e3, "v": 1e3,
    "millivolts": 1.0, "millivolt": 1.0, "mv": 1.0, "-3": 1.0,
    "microvolts": 1e-3, "microvolt": 1e-3, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "-6": 1e-3,
    "nanovolts": 1e-6, "nanovolt": 1e-6, "nv": 1e-6, "-9": 1e-6,
}  # fmt: skip
"""Unit in lower case → millivolts; a bare number is a power of ten of volts, as MNE's LSL tools write it."""

_CARDIAC = ("ecg", "ekg")

_CONFIGS = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
"""Where liblsl looks for its settings, besides the file that the environment variable LSLAPICFG names."""
_WARNINGS_ONLY = "[log]\nlevel = -1\n"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a stream must say of itself; "" is anything.

    Attributes:
        name: exactly.
        type: content type, in any case.
        source_id: exactly.
    """

    name: str = ""
    type: str = ""
    source_id: str = ""

    def fits(self, stream: pylsl.StreamInfo) -> bool:
        """Whether a stream is one that is wanted."""
        return (
            self.name in ("", stream.name())
            and self.type.lower() in ("", stream.type().lower())
            and self.source_id in ("", stream.source_id())
        )


def quieten(lsl: Any) -> None:
    """Keep liblsl from greeting on the terminal, where nobody has given it settings, which this would put aside.

    Args:
        lsl: the module pylsl; it obeys only before its first use.
    """
    if "LSLAPICFG" in os.environ or any(Path(config).expanduser().exists() for config in _CONFIGS):
        return
    # A liblsl before 1.17.7 cannot be told, and greets.
    with contextlib.suppress(AttributeError, NotImplementedError):
        lsl.set_config_content(_WARNINGS_ONLY)


def find_streams(
    lsl: Any, wanted: Wanted, timeout_s: float, *, settle: bool = True
) -> tuple[list[pylsl.StreamInfo], list[pylsl.StreamInfo]]:
    """Look for streams on the network.

    Args:
        lsl: the module pylsl.
        wanted: which.
        timeout_s: when to give up.
        settle: whether to look on for a while when one was found, lest another fits too.

    Returns:
        Those that fit, and all that were seen.
    """
    resolver = lsl.ContinuousResolver()
    deadline_s = time.monotonic() + timeout_s
    found_s = math.inf
    while True:
        # A stream that is heard on two network interfaces is one stream.
        seen = {stream.uid(): stream for stream in resolver.results()}
        fitting = [stream for stream in seen.values() if wanted.fits(stream)]
        now_s = time.monotonic()
        if fitting:
            found_s = min(found_s, now_s)
        if now_s >= deadline_s or now_s - found_s >= (_SETTLE_S if settle else 0.0):
            return fitting, list(seen.values())
        time.sleep(_POLL_S)


def refusal(lsl: Any, stream: pylsl.StreamInfo) -> str:
    """Why a stream cannot be recorded, as a clause with its mend; "" when it can."""
    rate_hz, n_channels = stream.nominal_srate(), stream.channel_count()
    if stream.channel_format() == lsl.cf_string:
        return "it carries texts, not samples; name the stream of the signal"
    if stream.channel_format() in (lsl.cf_int64, lsl.cf_undefined):
        return "its samples are 64-bit integers, which a recording cannot hold; let the sender use int32 or float32"
    if not rate_hz > 0:
        return "it has no regular rate, so its samples have no place in time; let the sender state its rate"
    if not rate_hz <= MAX_RATE_HZ:
        return f"its rate is {rate_hz:g} Hz, and the limit is {MAX_RATE_HZ:g} Hz; let the sender state its true rate"
    if not 1 <= n_channels <= MAX_CHANNELS:
        return f"it has {n_channels} channels, and the limit is {MAX_CHANNELS}; let the sender pick fewer"
    return ""


def stream_words(streams: Sequence[pylsl.StreamInfo]) -> str:
    """Streams for a message: name, type, size, and how to tell them apart."""
    words = []
    for stream in sorted(streams, key=lambda stream: (stream.name(), stream.source_id()))[:10]:
        rate_hz = stream.nominal_srate()
        rate = f"{rate_hz:g} Hz" if rate_hz > 0 else "irregular"
        words.append(
            f"{short(stream.name())} (type {short(stream.type())}, {stream.channel_count()} channels, {rate},"
            f" source_id {short(stream.source_id())}, on {short(stream.hostname())})"
        )
    more = f", and {len(streams) - 10} more" if len(streams) > 10 else ""
    return ", ".join(words) + more if words else "none"


def channels_of(stream: pylsl.StreamInfo) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """The channels of a stream with its full description, and the type that it gives each of them, in lower case.

    A label that is missing, doubled or no name gives way to ``ch`` and the column's number. Voltages become millivolts
    by their gain; a unit that is missing or no voltage becomes "adu", so that nobody takes such numbers for millivolts.
    """
    n_channels = stream.channel_count()
    described: list[tuple[str, str, str]] = []
    element = stream.desc().child("channels").child("channel")
    while not element.empty() and len(described) <= n_channels:
        label, unit, kind = (element.child_value(name).strip() for name in ("label", "unit", "type"))
        described.append((label, unit, kind))
        element = element.next_sibling("channel")
    if len(described) != n_channels:
        described = [("", "", "")] * n_channels
    uses = Counter(label for label, _, _ in described)
    channels = []
    for column, (label, unit, _) in enumerate(described, start=1):
        mv_per_unit = _MV_PER_UNIT.get(unit.lower())
        channels.append(
            Channel(
                name=label if uses[label] == 1 and _is_name(label) else _free_name(column, uses),
                unit="adu" if mv_per_unit is None else "mV",
                gain=1.0 if mv_per_unit is None else mv_per_unit,
            )
        )
    return tuple(channels), tuple(kind.lower() for _, _, kind in described)


def montage_of(
    stream: pylsl.StreamInfo, channels: Sequence[Channel], kinds: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Which leads a stream gives.

    The montage that a stream of trilead's own carries; else the channels that are named like leads; else those of type
    ECG, or all of them. Only channels of one unit make leads: millivolts where there are any.
    """
    own = _own_montage(stream)
    if own and not montage_fault(own, [channel.name for channel in channels]):
        return own
    unit = "mV" if any(channel.unit == "mV" for channel in channels) else "adu"
    usable = [(channel.name, kind) for channel, kind in zip(channels, kinds, strict=True) if channel.unit == unit]
    named = {lead: name for name, _ in usable if (lead := _lead_in(name))}
    if named:
        return {lead: {name: 1.0} for lead, name in named.items()}
    cardiac = [name for name, kind in usable if kind in _CARDIAC]
    return {name[:32]: {name: 1.0} for name in cardiac or [name for name, _ in usable]}


def _own_montage(stream: pylsl.StreamInfo) -> dict[str, dict[str, float]]:
    montage: dict[str, dict[str, float]] = {}
    lead = stream.desc().child("montage").child("lead")
    while not lead.empty() and len(montage) < MAX_CHANNELS:
        weights = montage.setdefault(lead.child_value("label"), {})
        part = lead.child("channel")
        while not part.empty() and len(weights) < MAX_CHANNELS:
            weights[part.child_value("label")] = _number(part.child_value("weight"))
            part = part.next_sibling("channel")
        lead = lead.next_sibling("lead")
    return montage


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _lead_in(label: str) -> str:
    """The standard lead that a label names, as in "II", "ecg_ii" or "Lead II"; "" where it names none."""
    words = label.lower().replace("_", " ").replace("-", " ").split()
    words = [word for word in words if word not in ("lead", *_CARDIAC)]
    leads = {lead.lower(): lead for lead in STANDARD_ORDER}
    return leads.get(words[0], "") if len(words) == 1 else ""


def _is_name(label: str) -> bool:
    return 1 <= len(label) <= 64 and label.isprintable()


def _free_name(column: int, taken: Counter[str]) -> str:
    name = f"ch{column}"
    while name in taken:
        name += "'"
    return name
