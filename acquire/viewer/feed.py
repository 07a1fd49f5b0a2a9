"""What a window shows of a recording that is being made: its journal, followed on a thread that knows no window.

The thread reads; the window asks. Whoever asks gets a copy at once and never waits for a file. Nothing but the journal
is needed, so a window that was opened late, or a second time, shows the same as one that was there from the start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from acquire.errors import JournalError, JournalErrorReason
from acquire.files import is_held
from acquire.recordings.finish import MAX_GAP_S
from acquire.recordings.journal import CHUNK_HEAD, JournalTail, Record, RecordKind
from acquire.viewer.display_filter import MONITOR_FILTER, DisplayFilter
from acquire.viewer.leads import LeadMaker
from acquire.viewer.pyramid import Overview
from acquire.viewer.timeline import FeedEvent, FeedGap, StepBand, Timeline
from acquire.viewer.traces import Traces, TraceWindow

__all__ = ["FeedEvent", "FeedGap", "FeedState", "JournalFeed", "Overview", "StepBand", "TraceWindow"]

POLL_S = 0.008
"""Less than boards let samples gather for, so looking adds four milliseconds on average to what anybody waits for."""

SILENT_S = 0.2
CALM_POLL_S = 0.05
CALM_AFTER_S = 5.0
AWAIT_S = 0.02
FAULT_AFTER_S = 1.0
"""A journal that is just being made may look broken for a moment."""

WRITER_CHECK_S = 1.0
DAMAGE_POLL_S = 0.5
_PORTION_BYTES = 1 << 18
"""Of a backlog, so much is taken at once: then what is shown moves, and little of it is in memory."""

_MANY = 32
"""So many records at once are a backlog, behind which there may be more."""


@dataclass(frozen=True, kw_only=True)
class FeedState:
    """Where a feed stands.

    Attributes:
        opened: whether a journal is or was followed.
        fault: why it cannot be, or cannot be any further, as a sentence; "" where all is well.
        header: the HEADER's JSON; empty before.
        leads: names of the columns of what is shown.
        unit: of the values: "mV", or the channels' own where their gain is not known.
        rate_hz: nominal sampling rate; 0 before.
        stop: sample behind the newest one, gaps included.
        newest_ns: host's monotonic clock when the newest samples were received; 0 before.
        caught_up: whether the end of the journal was reached at least once.
        closed: whether a CLOSE was read.
        over: whether nothing more will come: a CLOSE, a writer that lives no more, or damage that stopped the feed.
    """

    opened: bool = False
    fault: str = ""
    header: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    leads: tuple[str, ...] = ()
    unit: str = ""
    rate_hz: float = 0.0
    stop: int = 0
    newest_ns: int = 0
    caught_up: bool = False
    closed: bool = False
    over: bool = False


class JournalFeed:
    """Follows a journal from its beginning to its end, and keeps what a window shows of it.

    Memory does not grow with the recording: the last ``keep_s`` seconds, an overview of fixed size, and events.
    A journal that is not there yet is waited for. One that has ended, whose recorder has died, or that is taken away
    leaves everything as it was shown last.

    Args:
        journal: what to follow; nothing is opened before ``start``.
        keep_s: seconds of which every sample is kept, up to ``acquire.viewer.traces.MOST_KEPT`` values.
        filter: what the traces are looked through.
    """

    def __init__(self, journal: Path, *, keep_s: float = 35.0, filter: DisplayFilter = MONITOR_FILTER) -> None:
        self._journal = journal
        self._keep_s = keep_s
        self._wanted = self._applied = filter
        self._lock = threading.Lock()
        self._state = FeedState()
        self._timeline = Timeline()
        self._traces: Traces | None = None
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-feed", daemon=True)

    # For the window; none of these waits.

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Let go of the journal and end the thread; what was read can still be asked for."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def state(self) -> FeedState:
        """Where the feed stands."""
        return self._state

    def window(self, span_s: float) -> TraceWindow:
        """The last ``span_s`` seconds, or what of them is kept."""
        with self._lock:
            if self._traces is not None:
                return self._traces.window(span_s)
        return TraceWindow(start=0, values=np.empty((0, 0), dtype=np.float32), beats=np.empty(0, dtype=np.int64))

    def overview(self) -> Overview:
        """The whole recording so far, always through ``MONITOR_FILTER``."""
        with self._lock:
            if self._traces is not None:
                return self._traces.overview()
        nothing = np.empty((0, 0), dtype=np.float32)
        return Overview(edges=np.zeros(1, dtype=np.int64), low=nothing, high=nothing, valid=np.empty(0, np.float32))

    def bands(self) -> tuple[StepBand, ...]:
        """Steps, rests and pauses in order; the same object until one is new."""
        with self._lock:
            return self._timeline.bands

    def gaps(self) -> tuple[FeedGap, ...]:
        """Lost samples in order; the same object until one is new."""
        with self._lock:
            return self._timeline.gaps

    def events(self) -> tuple[FeedEvent, ...]:
        """Events but those of gaps, in order; the same object until one is new."""
        with self._lock:
            return self._timeline.events

    def set_filter(self, filter: DisplayFilter) -> None:
        """Look through another filter; all that is kept is soon shown through it."""
        self._wanted = filter
        self._wake.set()

    # On the feed's own thread.

    def _run(self) -> None:
        try:
            tail = self._await_journal()
            if tail is not None:
                with tail:
                    self._follow(tail)
        except JournalError as error:
            self._tell(fault=str(error))
        except OSError as error:
            self._tell(fault=f"{self._journal} cannot be read any more: {error.strerror or error}; check the disk.")
        if self._traces is not None:
            self._traces.complete_overview()
        self._tell(over=not self._closing)
        while not self._closing:
            self._sleep(None)

    def _await_journal(self) -> JournalTail | None:
        """Wait until there is a journal that can be followed; None when the feed was closed before."""
        since_s: float | None = None
        while not self._closing:
            try:
                return self._open()
            except FileNotFoundError:
                since_s = None
                self._tell(fault="")
            except JournalError as error:
                since_s = since_s or time.monotonic()
                if time.monotonic() - since_s >= FAULT_AFTER_S:
                    self._tell(fault=str(error))
            self._sleep(DAMAGE_POLL_S if self._state.fault else AWAIT_S)
        return None

    def _open(self) -> JournalTail:
        """Open the journal.

        Raises:
            FileNotFoundError: there is none yet.
            JournalError: it is none, or cannot be shown.
        """
        if not self._journal.is_file():
            # A pipe of that name must not be opened: that would wait for ever.
            if not self._journal.exists():
                raise FileNotFoundError(self._journal)
            raise JournalError(
                f"{self._journal} is not a file; take it out of the journals folder.",
                path=self._journal,
                reason=JournalErrorReason.NOT_A_JOURNAL,
            )
        tail = JournalTail(self._journal)
        try:
            maker = LeadMaker.from_header(self._journal, tail.header)
        except JournalError:
            tail.__exit__(None, None, None)
            raise
        self._maker = maker
        traces = Traces(maker, keep_s=self._keep_s, shown=self._applied, lock=self._lock)
        with self._lock:
            self._traces = traces
        self._tell(
            opened=True,
            fault="",
            header=MappingProxyType(tail.header),
            leads=maker.leads,
            unit=maker.unit,
            rate_hz=maker.rate_hz,
        )
        return tail

    def _follow(self, tail: JournalTail) -> None:
        assert self._traces is not None
        heard_s = checked_s = time.monotonic()
        while not (self._closing or self._state.closed):
            records = tail.poll(_PORTION_BYTES)
            if records:
                self._take(records, self._traces)
                heard_s = checked_s = time.monotonic()
                if len(records) < _MANY:
                    self._sleep(POLL_S)
                continue
            if not self._state.caught_up:
                self._tell(caught_up=True)
            self._note_damage(tail.damage)
            now_s = time.monotonic()
            if now_s - heard_s >= SILENT_S:
                self._traces.complete_overview()
            if now_s - checked_s >= WRITER_CHECK_S:
                checked_s = now_s
                if not self._is_written():
                    # It may have written its last between the look into the journal and the look at the lock.
                    while records := tail.poll(_PORTION_BYTES):
                        self._take(records, self._traces)
                    return
            if self._state.fault:
                self._sleep(DAMAGE_POLL_S)
            else:
                self._sleep(POLL_S if now_s - heard_s < CALM_AFTER_S else CALM_POLL_S)

    def _is_written(self) -> bool:
        """Whether somebody lives who may still write the journal."""
        try:
            return is_held(self._journal)
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def _note_damage(self, damage: str) -> None:
        fault = f"{self._journal} cannot be shown any further: {damage}; see trilead recover." if damage else ""
        if fault != self._state.fault:
            self._tell(fault=fault)

    def _take(self, records: Sequence[Record], traces: Traces) -> None:
        """Take records; samples that follow one another go together, which is far cheaper than one by one.

        Raises:
            JournalError: what they hold cannot be.
        """
        maker = self._maker
        row_bytes = maker.n_channels * maker.dtype.itemsize
        newest_ns, closed = self._state.newest_ns, False
        parts: list[bytes] = []
        said: list[dict[str, Any]] = []
        stop = traces.stop

        def flush() -> None:
            if parts:
                joined = np.frombuffer(b"".join(parts), dtype=maker.dtype)
                traces.take(joined.reshape(-1, maker.n_channels))
                parts.clear()

        try:
            for record in records:
                if record.kind is RecordKind.CHUNK:
                    index, newest_ns, _, rows = record.chunk_head(row_bytes)
                    if index != stop:
                        flush()
                        self._lose(traces, stop, index)
                    parts.append(record.payload[CHUNK_HEAD.size :])
                    stop = index + rows
                elif record.kind is RecordKind.EVENT:
                    said.append(record.json())
                elif record.kind is RecordKind.CLOSE:
                    closed = True
                    break
        except ValueError as error:
            raise JournalError(
                f"{self._journal} cannot be shown any further: {error}; see trilead recover.",
                path=self._journal,
                reason=JournalErrorReason.DAMAGED,
            ) from error
        finally:
            flush()
            with self._lock:
                for event in said:
                    self._timeline.take_event(event)
            self._tell(stop=traces.stop, newest_ns=newest_ns, fault="", closed=closed)
        traces.look_for_beats()
        self._refilter_if_wanted()

    def _lose(self, traces: Traces, stop: int, index: int) -> None:
        """Take note of the samples that are missing between two chunks.

        Raises:
            ValueError: they cannot be.
        """
        if not 0 < index - stop <= MAX_GAP_S * self._maker.rate_hz:
            raise ValueError(f"a chunk at sample {index} follows sample {stop}")
        traces.skip(index - stop)
        with self._lock:
            self._timeline.take_gap(stop, index - stop)

    def _refilter_if_wanted(self) -> None:
        wanted = self._wanted
        if wanted != self._applied:
            self._applied = wanted
            if self._traces is not None:
                self._traces.refilter(wanted)

    def _sleep(self, limit_s: float | None) -> None:
        """Wait until it is time, or somebody wants something."""
        if self._wake.wait(limit_s):
            self._wake.clear()
            self._refilter_if_wanted()

    def _tell(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
