"""A feed that shows what a test wants, with no journal, thread or clock behind it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acquire.viewer.display_filter import DisplayFilter
from acquire.viewer.feed import FeedState, Overview, TraceWindow
from acquire.viewer.timeline import FeedEvent, FeedGap, Timeline

LEADS = ("I", "II", "III")
_BINS = 512


def ecg(n_samples: int, *, rate_hz: float = 250.0, rate_bpm: float = 68.0) -> NDArray[np.float32]:
    """Leads I, II and III in mV of an even heart: sums of Gaussians, shape (n_samples, 3)."""
    beat_s = 60.0 / rate_bpm
    t = np.arange(n_samples) / rate_hz % beat_s
    # (height in I, height in II, centre in s, width in s): P, Q, R, S, T
    waves = ((0.07, 0.13, 0.16, 0.024), (-0.06, -0.09, 0.27, 0.009), (0.72, 1.15, 0.30, 0.010))
    waves += ((-0.14, -0.22, 0.33, 0.010), (0.17, 0.30, 0.55, 0.042))
    one = sum(high * np.exp(-(((t - at) / wide) ** 2) / 2) for high, _, at, wide in waves)
    two = sum(high * np.exp(-(((t - at) / wide) ** 2) / 2) for _, high, at, wide in waves)
    noise = np.random.default_rng(7).normal(0.0, 0.008, (n_samples, 2))
    one, two = one + noise[:, 0], two + noise[:, 1]
    return np.stack([one, two, two - one], axis=1).astype(np.float32)


class ScriptedFeed:
    """Has the public face of `acquire.viewer.feed.JournalFeed`.

    Args:
        values: all samples that will ever come, shape (n, n_leads), NaN where they are lost.
        leads: their names.
        rate_hz: samples per second.
        unit: of the values.
        stop: how many of them have come.
        beats: indices of R peaks.
    """

    def __init__(
        self,
        values: NDArray[np.float32] | None = None,
        *,
        leads: Sequence[str] = LEADS,
        rate_hz: float = 250.0,
        unit: str = "mV",
        stop: int | None = None,
        beats: Sequence[int] = (),
        keep_s: float = 35.0,
    ) -> None:
        self.values = np.zeros((0, len(leads)), np.float32) if values is None else values
        self.leads, self.rate_hz, self.unit, self.keep_s = tuple(leads), rate_hz, unit, keep_s
        self.stop = len(self.values) if stop is None else stop
        self.beats = np.asarray(beats, dtype=np.int64)
        self.opened, self.fault, self.ended, self.filter = values is not None, "", False, DisplayFilter()
        self.started = self.was_closed = False
        self.newest_ns = time.monotonic_ns()
        self._timeline = Timeline()

    # What a test does with it.

    def advance(self, n_samples: int) -> None:
        """Let more samples come."""
        self.stop = min(len(self.values), self.stop + n_samples)
        self.newest_ns = time.monotonic_ns()

    def event(self, kind: str, index: int, *, step: int = 1, activity: str = "", text: str = "") -> None:
        """Let something happen."""
        number = len(self._timeline.events)
        raw = {"uuid": f"event-{number}", "index": index, "kind": kind, "step": step, "activity": activity}
        self._timeline.take_event({**raw, "text": text})

    def lose(self, start: int, length: int) -> None:
        """Let samples be lost."""
        self.values[start : start + length] = np.nan
        self._timeline.take_gap(start, length)

    # What a JournalFeed does.

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.was_closed = True

    @property
    def state(self) -> FeedState:
        return FeedState(
            opened=self.opened,
            fault=self.fault,
            header={},
            leads=self.leads if self.opened else (),
            unit=self.unit,
            rate_hz=self.rate_hz if self.opened else 0.0,
            stop=self.stop,
            newest_ns=self.newest_ns,
            caught_up=True,
            closed=self.ended,
        )

    def window(self, span_s: float) -> TraceWindow:
        start = max(0, self.stop - round(min(span_s, self.keep_s) * self.rate_hz))
        beats = self.beats[(self.beats >= start) & (self.beats < self.stop)]
        return TraceWindow(start=start, values=self.values[start : self.stop], beats=beats)

    def overview(self) -> Overview:
        edges = np.unique(np.linspace(0, self.stop, _BINS + 1).astype(np.int64))
        n = len(edges) - 1
        if not n:
            none = np.zeros((0, len(self.leads)), np.float32)
            return Overview(edges=np.zeros(1, np.int64), low=none, high=none, valid=np.zeros(0, np.float32))
        shown, firsts = self.values[: self.stop], edges[:-1]
        low, high = np.fmin.reduceat(shown, firsts, axis=0), np.fmax.reduceat(shown, firsts, axis=0)
        real = np.add.reduceat(np.isfinite(shown).all(axis=1).astype(np.float32), firsts)
        return Overview(edges=edges, low=low, high=high, valid=(real / np.diff(edges)).astype(np.float32))

    def bands(self) -> tuple[object, ...]:
        return self._timeline.bands

    def gaps(self) -> tuple[FeedGap, ...]:
        return self._timeline.gaps

    def events(self) -> tuple[FeedEvent, ...]:
        return self._timeline.events

    def set_filter(self, filter: DisplayFilter) -> None:
        self.filter = filter
