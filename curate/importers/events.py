"""Marks of other programs as events of a recording."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from acquire.recordings.content import RecordedEvent

__all__ = ["marker_events"]

_MAX_TEXT = 1000


def marker_events(indices: Iterable[int], host_ns: Iterable[int], texts: Iterable[str]) -> tuple[RecordedEvent, ...]:
    """Events of kind ``mark``, ordered by index.

    Args:
        indices: the sample that each stands at.
        host_ns: when it came, from the first sample.
        texts: what it says; what cannot be printed is left out, and so is what is beyond 1000 characters.
    """
    events = [
        RecordedEvent(
            uuid=str(uuid.uuid4()),
            index=int(index),
            host_ns=int(moment),
            kind="mark",
            step=0,
            activity="",
            text="".join(letter for letter in text if letter.isprintable())[:_MAX_TEXT],
        )
        for index, moment, text in zip(indices, host_ns, texts, strict=True)
    ]
    return tuple(sorted(events, key=lambda event: event.index))
