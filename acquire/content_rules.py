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

from acquire.board import Channel
from acquire.content import Gap, Header, RecordedEvent, RecordingContent
from acquire.montage import montage_fault

__all__ = ["SAMPLE_TYPES", "content_fault", "header_fault"]

SAMPLE_TYPES = ("int16", "int32", "float32", "float64")
_LABEL = re.compile(r"[A-Za-z0-9]{1,32}")
_FACTOR = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_MAX_TEXT = 10_000


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
    )


def header_fault(header: Header, channels: tuple[Channel, ...]) -> str:
    """The first rule that a header or its channels break, as the middle of a sentence, or ""."""
    return _values_fault(header) or _channels_fault(channels, header)


def _values_fault(header: Header) -> str:
    for field in fields(Header):
        value = getattr(header, field.name)
        if isinstance(value, str) and (len(value) > _MAX_TEXT or "\0" in value):
            return f"{field.name} is longer than {_MAX_TEXT} characters or holds a null character"
        if value == "" and field.default is MISSING and field.name not in ("protocol_name", "protocol_sha256"):
            return f"{field.name} is empty"
    for name, label in (("subject", header.subject), ("session", header.session)):
        if not _LABEL.fullmatch(label):
            return f"{name} is {label[:40]!r}, which is not 1 to 32 letters and digits"
    if header.run < 1:
        return f"run is {header.run}, which is below 1"
    if not (math.isfinite(header.nominal_rate_hz) and 0 < header.nominal_rate_hz <= 1e6):
        return f"nominal_rate_hz is {header.nominal_rate_hz}, which is not above 0 and at most 1000000"
    if not (math.isfinite(header.fitted_rate_hz) and 0 <= header.fitted_rate_hz <= 1e6):
        return f"fitted_rate_hz is {header.fitted_rate_hz}, which is not 0 (not fitted) to 1000000"
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


def _clock_fault(clock: NDArray[np.int64], n_samples: int) -> str:
    rows = clock[:, 0]
    if rows.size and (rows.min() < 0 or rows.max() >= n_samples):
        return f"/clock speaks of rows {rows.min()} to {rows.max()}, but there are {n_samples} samples"
    if np.any(np.diff(rows) <= 0):
        return "/clock is out of order"
    return ""


def _events_fault(events: tuple[RecordedEvent, ...], n_samples: int) -> str:
    reached = 0
    seen: set[str] = set()
    for event in events:
        if not 0 <= event.index <= n_samples:
            return f"the event {event.kind[:40]!r} stands at {event.index}, outside the {n_samples} samples"
        if event.index < reached:
            return f"the event {event.kind[:40]!r} at {event.index} is out of order"
        if event.uuid in seen or not event.uuid:
            return f"the event {event.kind[:40]!r} at {event.index} has no uuid of its own"
        if any("\0" in text or len(text) > _MAX_TEXT for text in (event.uuid, event.kind, event.activity, event.text)):
            return (
                f"the event {event.kind[:40]!r} at {event.index} has a text that is too long or holds a null character"
            )
        reached = event.index
        seen.add(event.uuid)
    return ""
