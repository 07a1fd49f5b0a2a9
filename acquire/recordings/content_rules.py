"""The rules that a recording's content obeys.

They are asked before anything is recorded, before a file is written and after one was read, so nothing can be recorded
that could not be written, and nothing written that could not be read.
"""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import MISSING, fields

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.montage import montage_fault
from acquire.recordings.content import Gap, Header, RecordedEvent, RecordingContent
from acquire.recordings.samples import Samples, stretches

__all__ = ["MAX_RATE_HZ", "MAX_TEXT", "SAMPLE_TYPES", "content_fault", "header_fault"]

SAMPLE_TYPES = ("int16", "int32", "float32", "float64")
MAX_TEXT = 10_000
MAX_RATE_HZ = 1e6
_CLOCK_ROWS = 1 << 16
_LABEL = re.compile(r"[A-Za-z0-9]{1,32}")
_HALF_PAIR = re.compile(r"[\ud800-\udfff]")
_FACTOR = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


def content_fault(content: RecordingContent, *, shape: tuple[int, ...]) -> str:
    """The first rule that a recording's content breaks, as the middle of a sentence, or "".

    Args:
        content: what is to be checked; ``counts`` is not looked at.
        shape: of the samples, (n_samples, n_channels).
    """
    if len(shape) != 2 or shape[1] != len(content.channels) or not content.channels:
        return f"the samples have shape {shape}, but there are {len(content.channels)} channels"
    return (
        header_fault(content.header, content.channels)
        or _ranges_fault(content.valid, content.gaps, shape[0])
        or _clock_fault(content.clock, shape[0])
        or _events_fault(content.events, shape[0])
        or _texts_fault(content)
    )


def header_fault(header: Header, channels: tuple[Channel, ...]) -> str:
    """The first rule that a header or its channels break, as the middle of a sentence, or ""."""
    return _values_fault(header) or _channels_fault(channels, header)


def _values_fault(header: Header) -> str:
    for field in fields(Header):
        value = getattr(header, field.name)
        if isinstance(value, str) and not _is_storable(value):
            return f"{field.name} is longer than {MAX_TEXT} characters or holds a null or broken character"
        if value == "" and field.default is MISSING and field.name not in ("protocol_name", "protocol_sha256"):
            return f"{field.name} is empty"
    for name, label in (("subject", header.subject), ("session", header.session)):
        if not _LABEL.fullmatch(label):
            return f"{name} is {label[:40]!r}, which is not 1 to 32 letters and digits"
    if not 1 <= header.run < 2**63:
        return f"run is {header.run}, which is not 1 to 63 bits"
    if not 0 < header.nominal_rate_hz <= MAX_RATE_HZ:
        return f"nominal_rate_hz is {header.nominal_rate_hz}, which is not above 0 and at most {MAX_RATE_HZ:.0f}"
    if not 0 <= header.fitted_rate_hz <= MAX_RATE_HZ:
        return f"fitted_rate_hz is {header.fitted_rate_hz}, which is not 0 (not fitted) to {MAX_RATE_HZ:.0f}"
    if header.mains_hz not in (50, 60):
        return f"mains_hz is {header.mains_hz}, which is neither 50 nor 60"
    for factor, level in header.factors.items():
        if not _FACTOR.fullmatch(factor) or not level or len(level) > 64 or not level.isprintable():
            return f"the factor {factor[:40]!r} has the level {level[:40]!r}, which are not both short names"
    if "/" in header.source or "\\" in header.source:
        return "source names a folder, and only a file's own name may stand there"
    try:
        uuid.UUID(header.recording_id)
    except ValueError:
        return f"recording_id is {header.recording_id[:40]!r}, which is no UUID"
    return ""


def _channels_fault(channels: tuple[Channel, ...], header: Header) -> str:
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names):
        return "two channels have the same name"
    for channel in channels:
        if not channel.name or len(channel.name) > 64 or not channel.name.isprintable():
            return f"a channel is named {channel.name[:40]!r}"
        if len(channel.unit) > 64 or not channel.unit.isprintable():
            return f"the unit of channel {channel.name} is {channel.unit[:40]!r}, which is no short text"
        if not math.isfinite(channel.gain) or channel.gain == 0:
            return f"the gain of channel {channel.name} is {channel.gain}, which must be finite and not 0"
        if not math.isfinite(channel.offset):
            return f"the offset of channel {channel.name} is {channel.offset}, which must be finite"
    fault = montage_fault(header.montage, names)
    if fault:
        return fault
    if not header.montage:
        return "the montage names no lead"
    in_leads = {name for weights in header.montage.values() for name in weights}
    units = {channel.unit for channel in channels if channel.name in in_leads}
    if len(units) > 1:
        return f"the leads are made of channels in different units ({', '.join(sorted(units))})"
    return ""


def _ranges_fault(valid: NDArray[np.int64], gaps: tuple[Gap, ...], n_samples: int) -> str:
    """Valid ranges and gaps together must cover every row exactly once, or samples were lost without a record."""
    pieces = [(int(start), int(stop), "a valid range") for start, stop in valid]
    pieces += [(gap.start, gap.start + gap.length, "a gap") for gap in gaps]
    reached = 0
    for start, stop, what in sorted(pieces):
        if stop <= start:
            return f"{what} [{start}, {stop}) is empty"
        if start < reached:
            return f"{what} [{start}, {stop}) overlaps what lies before {reached}"
        if start > reached:
            return f"the samples [{reached}, {start}) are neither valid nor in a gap"
        reached = stop
    if reached != n_samples:
        return f"valid ranges and gaps reach to {reached}, but there are {n_samples} samples"
    if list(map(tuple, valid)) != sorted(map(tuple, valid)) or list(gaps) != sorted(gaps, key=lambda gap: gap.start):
        return "the valid ranges or the gaps are out of order"
    return ""


def _clock_fault(clock: Samples, n_samples: int) -> str:
    reached = -1
    for _, part in stretches(clock, _CLOCK_ROWS):
        rows = part[:, 0]
        if rows.min() < 0 or rows.max() >= n_samples:
            return f"/clock speaks of rows {rows.min()} to {rows.max()}, but there are {n_samples} samples"
        if rows[0] <= reached or np.any(np.diff(rows) <= 0):
            return "/clock is out of order"
        reached = rows[-1]
    return ""


def _events_fault(events: tuple[RecordedEvent, ...], n_samples: int) -> str:
    reached = 0
    seen: set[str] = set()
    for event in events:
        if not 0 <= event.index <= n_samples:
            return f"the event {event.kind[:40]!r} stands at {event.index}, outside the {n_samples} samples"
        if event.index < reached:
            return f"the event {event.kind[:40]!r} at {event.index} is out of order"
        if not all(-(2**63) <= number < 2**63 for number in (event.host_ns, event.step)):
            return f"the event {event.kind[:40]!r} at {event.index} has a number of more than 64 bits"
        if event.uuid in seen or not event.uuid:
            return f"the event {event.kind[:40]!r} at {event.index} has no uuid of its own"
        if not all(map(_is_storable, (event.uuid, event.kind, event.activity, event.text))):
            return (
                f"the event {event.kind[:40]!r} at {event.index} has a text that is too long"
                " or holds a null or broken character"
            )
        reached = event.index
        seen.add(event.uuid)
    return ""


def _texts_fault(content: RecordingContent) -> str:
    for gap in content.gaps:
        if not _is_storable(gap.cause):
            return f"the cause of the gap at {gap.start} is too long or holds a null or broken character"
    if "\0" in content.protocol_text or _HALF_PAIR.search(content.protocol_text):
        return "the protocol's text holds a null or broken character"
    return ""


def _is_storable(text: str) -> bool:
    """Whether a file can hold a text: HDF5 ends texts at a null, and UTF-8 has no room for half a surrogate pair."""
    return len(text) <= MAX_TEXT and "\0" not in text and not _HALF_PAIR.search(text)
