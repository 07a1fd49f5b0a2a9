"""What stands beside the samples of a recording: steps, rests and pauses as bands, events, and gaps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from acquire.recorder.loop import WAITED
from acquire.recordings.content_rules import MAX_TEXT
from acquire.recordings.finish import LOST_SAMPLES

__all__ = ["FeedEvent", "FeedGap", "StepBand", "Timeline"]

MOST_EVENTS = 10_000
MOST_GAPS = 4096
_LARGEST = 1 << 62
_CLOSING = frozenset({"step", "rest", "pause", "resume", "skip", "repeat", "stop", "end"})


@dataclass(frozen=True, kw_only=True)
class StepBand:
    """Samples ``[start, stop)`` in which one thing was going on.

    Attributes:
        start: first sample.
        stop: one past the last sample; None while it is still going on.
        step: 1-based number of the script's step.
        activity: what the subject was told to do; "" in a rest.
        text: the instruction; in a pause or silence, why, where that is known.
        kind: "step", "rest", "pause", or "silence" where the protocol waited because no samples came.
    """

    start: int
    stop: int | None
    step: int
    activity: str
    text: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class FeedGap:
    """Lost samples: nothing was measured in ``[start, start + length)``."""

    start: int
    length: int
    cause: str


@dataclass(frozen=True, kw_only=True)
class FeedEvent:
    """An event of the recording, as it was written; see ``protocols.player.Event``."""

    uuid: str
    index: int
    kind: str
    step: int
    activity: str
    text: str


class Timeline:
    """Takes events and gaps as they come; for one thread at a time.

    An attempt that was repeated keeps its band: it is what happened, though ``protocols.spans`` gives it no label.

    Of a recording with more than ten thousand events the oldest marks and remarks are let go. Of more than four
    thousand gaps the newest thousand and the longest of the rest are kept; all of them count in ``Overview.valid``.
    The tuples stay the same objects until something is new in them, so whoever draws can tell by identity.
    """

    def __init__(self) -> None:
        self._events: list[FeedEvent] = []
        self._gaps: list[FeedGap] = []
        self._bands: list[StepBand] = []
        self._entry: FeedEvent | None = None  # the step or rest that a resume goes on with
        self._shown_events: tuple[FeedEvent, ...] | None = ()
        self._shown_gaps: tuple[FeedGap, ...] | None = ()
        self._shown_bands: tuple[StepBand, ...] | None = ()

    def take_event(self, raw: Mapping[str, Any]) -> None:
        """Take the JSON of an EVENT; one that is none is passed over. A gap's event gives the gap its cause."""
        event = _event(raw)
        if event is None:
            return
        if event.kind == "gap":
            self._explain(event)
            return
        self._events.append(event)
        if len(self._events) > MOST_EVENTS:
            self._events = _without_oldest(self._events)
        self._shown_events = None
        self._step(event)

    def take_gap(self, start: int, length: int) -> None:
        """Take lost samples; why they were lost is told by an event that comes later."""
        self._gaps.append(FeedGap(start=start, length=length, cause=LOST_SAMPLES))
        if len(self._gaps) > MOST_GAPS:
            newest = self._gaps[-MOST_GAPS // 4 :]
            older = sorted(self._gaps[: -MOST_GAPS // 4], key=lambda gap: gap.length)[-MOST_GAPS // 4 :]
            self._gaps = sorted(older, key=lambda gap: gap.start) + newest
        self._shown_gaps = None

    @property
    def events(self) -> tuple[FeedEvent, ...]:
        """In the order they were written; those of gaps are not among them."""
        if self._shown_events is None:
            self._shown_events = tuple(self._events)
        return self._shown_events

    @property
    def gaps(self) -> tuple[FeedGap, ...]:
        """In the order of the samples."""
        if self._shown_gaps is None:
            self._shown_gaps = tuple(self._gaps)
        return self._shown_gaps

    @property
    def bands(self) -> tuple[StepBand, ...]:
        """In the order of the samples; none empty, none overlapping."""
        if self._shown_bands is None:
            self._shown_bands = tuple(self._bands)
        return self._shown_bands

    def _explain(self, event: FeedEvent) -> None:
        place = bisect_left(self._gaps, event.index, key=lambda gap: gap.start)
        if place < len(self._gaps) and self._gaps[place].start == event.index and event.text:
            self._gaps[place] = replace(self._gaps[place], cause=event.text)
            self._shown_gaps = None

    def _step(self, event: FeedEvent) -> None:
        if event.kind not in _CLOSING:
            return
        if self._bands and self._bands[-1].stop is None:
            band = self._bands.pop()
            if event.index > band.start:
                self._bands.append(replace(band, stop=event.index))
        if event.kind in ("step", "rest"):
            self._entry = event
            self._open(event, event.kind, event.text)
        elif event.kind == "pause":
            self._open(event, "silence" if event.text == WAITED else "pause", event.text)
        elif event.kind == "resume" and self._entry is not None:
            self._open(replace(self._entry, index=event.index), self._entry.kind, self._entry.text)
        self._bands = self._bands[-MOST_EVENTS:]
        self._shown_bands = None

    def _open(self, event: FeedEvent, kind: str, text: str) -> None:
        self._bands.append(
            StepBand(start=event.index, stop=None, step=event.step, activity=event.activity, text=text, kind=kind)
        )


def _event(raw: Mapping[str, Any]) -> FeedEvent | None:
    texts = [raw.get(name) for name in ("uuid", "kind", "activity", "text")]
    index, step = raw.get("index"), raw.get("step")
    if type(index) is not int or type(step) is not int or not 0 <= index < _LARGEST or abs(step) >= _LARGEST:
        return None
    if not all(isinstance(text, str) for text in texts):
        return None
    uuid, kind, activity, text = (str(text)[:MAX_TEXT] for text in texts)
    return FeedEvent(uuid=uuid, index=index, kind=kind, step=step, activity=activity, text=text)


def _without_oldest(events: list[FeedEvent]) -> list[FeedEvent]:
    """Let a tenth go, of what is no part of the protocol's course where there is enough of that."""
    to_go = max(1, len(events) // 10)
    spare = [place for place, event in enumerate(events) if event.kind not in _CLOSING][:to_go]
    gone = set(spare) if len(spare) == to_go else set(range(to_go))
    return [event for place, event in enumerate(events) if place not in gone]
