"""From events to labels: which samples the protocol says belong to which activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["EventLike", "Span", "activity_spans"]


class EventLike(Protocol):
    """What is needed of an event; the player's events and those read back from a recording both have it."""

    @property
    def uuid(self) -> str: ...  # noqa: D102
    @property
    def index(self) -> int: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def activity(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Span:
    """Samples ``[start, stop)`` during which the subject was told to do ``activity``.

    Attributes:
        start: first sample.
        stop: one past the last sample.
        activity: name of the vocabulary.
        step: 1-based number of the script's step.
        event_uuid: the event that opened the span.
    """

    start: int
    stop: int
    activity: str
    step: int
    event_uuid: str


_CLOSING = frozenset({"step", "rest", "pause", "skip", "repeat", "stop", "end"})


def activity_spans(events: Sequence[EventLike], n_samples: int) -> list[Span]:
    """Derive the activity labels of a recording from its events.

    A ``step`` opens a span and ``resume`` reopens the activity; any of step, rest, pause, skip, repeat, stop and end
    closes it. A ``repeat`` drops every span since the last ``step``: the attempt did not count. Events of other kinds
    are passed over. A span that nothing closed (a recording that was cut off) ends with the samples.

    Args:
        events: in the order in which they were recorded; indices never fall.
        n_samples: how many samples the recording has.

    Returns:
        Spans in ascending order, none empty, none overlapping, all inside ``[0, n_samples)``.
    """
    kept: list[Span] = []
    attempt: list[Span] = []
    opened: EventLike | None = None
    for event in events:
        if opened is not None and event.kind in _CLOSING:
            attempt += _span(opened, event.index, n_samples)
            opened = None
        if event.kind == "repeat":
            attempt = []
        elif event.kind == "step":
            kept += attempt
            attempt = []
            opened = event
        elif event.kind == "resume" and event.activity:
            opened = event
    if opened is not None:
        attempt += _span(opened, n_samples, n_samples)
    return kept + attempt


def _span(opened: EventLike, stop: int, n_samples: int) -> list[Span]:
    start, stop = max(opened.index, 0), min(stop, n_samples)
    if start >= stop:
        return []
    return [Span(start=start, stop=stop, activity=opened.activity, step=opened.step, event_uuid=opened.uuid)]
