"""The samples of a recording as they are shown: the last seconds filtered, all of it as an overview, and its beats."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.viewer.beats import BeatFinder
from acquire.viewer.display_filter import MONITOR_FILTER, CausalFilter, DisplayFilter
from acquire.viewer.leads import LeadMaker
from acquire.viewer.pyramid import Overview, Pyramid
from acquire.viewer.ring import SampleRing

__all__ = ["MOST_KEPT", "TraceWindow", "Traces"]

MOST_KEPT = 1 << 22
"""So many values are kept at most: 35 s of sixteen leads at 7 kHz, and less than 35 s of what comes faster."""

OVERVIEW_EVERY_S = 0.1
"""The overview is as far behind the traces at most; it costs half of the work if it follows every chunk."""

_SLICE = 1 << 15
"""So many values are taken at once, so that nobody waits for longer than a fraction of a millisecond."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceWindow:
    """The last seconds of a recording, every sample of them.

    Attributes:
        start: sample of the first row.
        values: shape (n, n_leads), float32, filtered; NaN where samples are missing.
        beats: samples of the R peaks among them, ascending, int64.
    """

    start: int
    values: NDArray[np.float32]
    beats: NDArray[np.int64]


class Traces:
    """Takes samples on one thread and shows them on another.

    Args:
        maker: how the leads are made of the samples.
        keep_s: how many of the last seconds are kept.
        shown: the filter that is looked through.
        lock: held, for a fraction of a millisecond each time, while what the other thread sees changes.
    """

    def __init__(self, maker: LeadMaker, *, keep_s: float, shown: DisplayFilter, lock: threading.Lock) -> None:
        n_leads = len(maker.leads)
        capacity = min(math.ceil(keep_s * maker.rate_hz), MOST_KEPT // n_leads)
        self._maker = maker
        self._capacity = capacity
        self._lock = lock
        self._slice = max(1, _SLICE // n_leads)
        self._filter = self._made(shown)
        self._overview_filter = self._made(MONITOR_FILTER)
        self._raw = SampleRing(capacity, n_leads, np.float64)
        self._shown = SampleRing(capacity, n_leads)
        self._pyramid = Pyramid(n_leads)
        self._not_in_overview: list[NDArray[np.float64]] = []
        self._finder = BeatFinder(maker.rate_hz)

    # For the thread that takes.

    @property
    def stop(self) -> int:
        """Sample behind the newest one."""
        return self._raw.stop

    def take(self, samples: NDArray[Any]) -> None:
        """Take the samples that follow, as stored, shape (n, n_channels)."""
        for at in range(0, len(samples), self._slice):
            raw = self._maker.make(samples[at : at + self._slice])
            shown = self._filter.push(raw)
            with self._lock:
                self._raw.append(raw)
                self._shown.append(shown)
            self._not_in_overview.append(raw)
            if self._raw.stop - self._pyramid.stop >= OVERVIEW_EVERY_S * self._maker.rate_hz:
                self.complete_overview()

    def skip(self, n_rows: int) -> None:
        """Take note of samples that were lost."""
        self.complete_overview()
        self._filter.restart()
        self._overview_filter.restart()
        with self._lock:
            self._raw.skip(n_rows)
            self._shown.skip(n_rows)
            self._pyramid.skip(n_rows)

    def complete_overview(self) -> None:
        """Bring the overview up to the newest sample."""
        if self._not_in_overview:
            seen = self._overview_filter.push(np.concatenate(self._not_in_overview))
            self._not_in_overview.clear()
            with self._lock:
                self._pyramid.push(seen)

    def look_for_beats(self) -> None:
        """Find the beats in what is new, where that is worth a look."""
        if self._finder.is_due(self._raw.stop):
            start, values = self._raw.rows(self._finder.back_to(), self._raw.stop)
            self._finder.look(start, values)
            self._finder.forget(self._raw.start)

    def refilter(self, wanted: DisplayFilter) -> None:
        """Show all that is kept through another filter, and what comes too."""
        fresh = self._made(wanted)
        start, values = self._raw.rows(self._raw.start, self._raw.stop)
        ring = SampleRing(self._capacity, len(self._maker.leads))
        ring.skip(start)
        ring.append(fresh.push(values))
        with self._lock:
            self._shown, self._filter = ring, fresh

    # For the thread that shows; it holds the lock.

    def window(self, span_s: float) -> TraceWindow:
        """The last ``span_s`` seconds."""
        n_rows = max(0, round(span_s * self._maker.rate_hz))
        start, values = self._shown.rows(self._shown.stop - n_rows, self._shown.stop)
        beats = self._finder.beats
        return TraceWindow(start=start, values=values, beats=beats[np.searchsorted(beats, start) :])

    def overview(self) -> Overview:
        """All of the recording, up to a tenth of a second ago."""
        return self._pyramid.overview()

    def _made(self, wanted: DisplayFilter) -> CausalFilter:
        maker = self._maker
        return CausalFilter(wanted, rate_hz=maker.rate_hz, mains_hz=maker.mains_hz, n_leads=len(maker.leads))
