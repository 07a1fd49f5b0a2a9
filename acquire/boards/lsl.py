"""A stream of the Lab Streaming Layer as a board: ``lsl:NAME``, or ``lsl:?name=…&type=…&source_id=…``.

Samples are found in time by their stamps (`acquire.boards.lsl_stamps`), as LSL has no sample counter. liblsl's
processing of stamps is off (``proc_none``): its smoothing would hide losses, and its clock correction, which moves a
little every few seconds, would look like jitter. Losses are told from the sender's own stamps, and ``board_ns`` is the
stamp with liblsl's ``time_correction`` added: nanoseconds of this computer's LSL clock.

float32 and integers to 32 bits are recorded as they come. float64 is rounded to float32, about seven digits. A row
with a number that is none (NaN, infinite) is missing: it becomes a gap.

liblsl keeps samples for minutes when nobody fetches them, and goes on by itself when a stream that has a ``source_id``
comes back, so a short break shows as a gap only. A stream that is silent and no longer on the network has hung up.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acquire.boards.address import Address, number, short
from acquire.boards.board import BATCH_S, Board, BoardInfo, Chunk, LinkCounters, Samples
from acquire.boards.lsl_stamps import FOUND_AGAIN, StampUnwrapper
from acquire.boards.lsl_streams import Wanted, channels_of, find_streams, montage_of, quieten, refusal, stream_words
from acquire.errors import BoardError, BoardErrorReason

if TYPE_CHECKING:
    import pylsl

__all__ = ["NOT_A_NUMBER", "LslBoard"]

NOT_A_NUMBER = "the LSL stream sent values that are no numbers"

_OPTIONS = ("name", "type", "source_id", "timeout")
_EXAMPLE = "lsl:NAME or lsl:?type=ECG&source_id=…&timeout=5"

_ANSWER_LIMIT_S = 3.0
_FIND_AGAIN_S = 1.5
_KEPT_S = 360
"""What liblsl keeps while nobody fetches."""
_SILENT_S = 1.0
_GONE_S = 2.0
"""How long a silent stream is looked for before it counts as gone."""
_LEAST_ROWS = 1024
_LEAVE_LIMIT_S = 1.0


@dataclass(frozen=True, eq=False)
class _Rows:
    """Samples with what is known of each: stamps and arrival in seconds and ns."""

    samples: NDArray[Any]
    stamps: NDArray[np.float64]
    host_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stamps)

    def part(self, start: int, stop: int | None = None) -> _Rows:
        return _Rows(self.samples[start:stop], self.stamps[start:stop], self.host_ns[start:stop])

    def and_then(self, later: _Rows) -> _Rows:
        if not len(self):
            return later
        return _Rows(
            np.concatenate([self.samples, later.samples]),
            np.concatenate([self.stamps, later.stamps]),
            np.concatenate([self.host_ns, later.host_ns]),
        )


@dataclass(frozen=True, eq=False)
class _Ready:
    """Rows whose place is known."""

    rows: _Rows
    index: int
    cause: str


class LslBoard(Board):
    """An LSL inlet.

    Args:
        address: ``lsl:`` and which stream.
        subject: not used; a stream knows its own.
        session: not used.
        mains_hz: not used.

    Raises:
        BoardError: the address cannot be understood, or pylsl is not installed.
    """

    can_reconnect = True

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        options = Address(address, options=_OPTIONS, example=_EXAMPLE)
        name = options.take("name", "", str, "a name")
        if name and options.target:
            raise options.fault("the stream's name stands twice; give it once.", "name", name)
        self.address = address
        self._wanted = Wanted(
            name=name or options.target,
            type=options.take("type", "", str, "a content type"),
            source_id=options.take("source_id", "", str, "a source id"),
        )
        self._timeout_s = options.take("timeout", 5.0, number(0.1, 60), "0.1 to 60 seconds")
        self._lsl = self._load()
        self._inlet: pylsl.StreamInlet | None = None
        self._stream: pylsl.StreamInfo | None = None
        self._rate_hz = 0.0
        self._dtype: type[np.int32 | np.float32] = np.float32
        self._running = False
        self._correction_s: float | None = None
        self._unwrapper = StampUnwrapper(1.0)
        self._held: _Rows | None = None
        self._ready: deque[_Ready] = deque()
        self._missing_why = ""
        self._delivered = 0
        self._quiet_since_s = 0.0
        self._search: tuple[float, pylsl.ContinuousResolver] | None = None
        self._counters = LinkCounters()

    def open(self) -> BoardInfo:
        """Find the stream, read its description, and compare its clock with this computer's."""
        self.close()
        self._stream = self._find()
        self._connect(self._stream)
        described = self._asked(lambda inlet: inlet.info(_ANSWER_LIMIT_S), "does not tell its description")
        channels, kinds = channels_of(described)
        lsl = self._lsl
        self._rate_hz = float(described.nominal_srate())
        self._dtype = np.float32 if described.channel_format() in (lsl.cf_float32, lsl.cf_double64) else np.int32
        self._unwrapper = StampUnwrapper(self._rate_hz)
        self._delivered = 0
        clock = "by liblsl's clock correction" if self._correction_s is not None else "unknown, as it does not answer"
        return BoardInfo(
            address=self.address,
            name=f"LSL stream {short(described.name())} on {short(described.hostname())}",
            firmware="",
            nominal_rate_hz=self._rate_hz,
            channels=channels,
            montage=montage_of(described, channels, kinds),
            dtype="float32" if self._dtype is np.float32 else "int32",
            loss_detection=f"time stamps of the LSL stream; the sender's clock {clock}",
        )

    def start(self) -> None:
        """Subscribe to the samples."""
        self._asked(lambda inlet: inlet.open_stream(_ANSWER_LIMIT_S), "does not send")
        self._running = True
        self._quiet_since_s = time.monotonic()

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait for samples whose place in time is known; see `Board.read`.

        The first ones come after the `LEARN_S` that it takes to know the stream's stamps.
        """
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is {max_samples}; it must be at least 1")
        if self._inlet is None or not self._running:
            raise self._error("cannot be read: it is not started; call open and start first.", "WRONG_STATE")
        deadline_s = time.monotonic() + timeout_s
        while not self._ready:
            left_s = deadline_s - time.monotonic()
            self._fetch(max(0.0, min(left_s, 2 * BATCH_S)))
            if left_s <= 0:
                break
        return self._next_chunk(max_samples) if self._ready else None

    def reconnect(self) -> None:
        """Look for the same stream again: by its source id, or by all else that it was found by."""
        before = self._stream
        if before is None:
            raise self._error("cannot be reached again: it was never open.", "WRONG_STATE")
        self._let_go()
        same = Wanted(name=before.name(), type=before.type(), source_id=before.source_id())
        fitting, _ = find_streams(self._lsl, same, _FIND_AGAIN_S, settle=False)
        shape = (before.channel_count(), before.channel_format(), before.nominal_srate())
        alike = [one for one in fitting if (one.channel_count(), one.channel_format(), one.nominal_srate()) == shape]
        if len(alike) != 1:
            why = f"there are {len(alike)} of it" if alike else "it is not on the network"
            raise self._error(f"cannot be reached again: {why}; start its sender.", "NOT_FOUND")
        self._connect(alike[0])
        self._stream = alike[0]
        # What was held had no certain place, and its stamps cannot be told from those that come now.
        self._held = None
        self._unwrapper.restart(FOUND_AGAIN)
        self._counters = replace(self._counters, reconnects=self._counters.reconnects + 1)
        if self._running:
            self.start()

    def stop(self) -> None:
        """Let no more samples come."""
        self._running = False
        if self._inlet is not None:
            self._inlet.close_stream()

    def close(self) -> None:
        """Leave the stream."""
        self._running = False
        self._let_go()
        self._stream = None
        self._held = None
        self._ready.clear()
        self._missing_why = ""

    def link(self) -> LinkCounters:
        """What has come so far; liblsl does not show bytes, so these are those of the samples."""
        return self._counters

    def _load(self) -> Any:
        try:
            import pylsl
        except ModuleNotFoundError as error:
            raise self._error("needs the Python package pylsl; pip install trilead[lsl].", "MISSING_DRIVER") from error
        except (RuntimeError, OSError) as error:
            why = (str(error).splitlines() or ["it does not load"])[0]
            raise self._error(f"needs the library liblsl ({why}); reinstall pylsl.", "MISSING_DRIVER") from error
        quieten(pylsl)
        return pylsl

    def _find(self) -> pylsl.StreamInfo:
        # Only a source id is meant to be unique: with less, another stream may turn up that fits as well.
        fitting, seen = find_streams(self._lsl, self._wanted, self._timeout_s, settle=not self._wanted.source_id)
        good = [stream for stream in fitting if not refusal(self._lsl, stream)]
        if len(good) == 1:
            return good[0]
        if good:
            raise self._error(f"fits several streams: {stream_words(good)}; name one by its source_id.", "AMBIGUOUS")
        if fitting:
            why = refusal(self._lsl, fitting[0])
            raise self._error(f"is {stream_words(fitting[:1])}, and cannot be recorded: {why}.", "UNSUPPORTED")
        raise self._error(
            f"was not found within {self._timeout_s:g} s; start its sender, and see that both computers are on one"
            f" network without a firewall between them. Streams in sight: {stream_words(seen)}.",
            "NOT_FOUND",
        )

    def _connect(self, stream: pylsl.StreamInfo) -> None:
        try:
            self._inlet = self._lsl.StreamInlet(
                stream, max_buflen=_KEPT_S, recover=True, processing_flags=self._lsl.proc_none, as_numpy=True
            )
        except RuntimeError as error:
            raise self._error(f"cannot be connected to ({error}); start its sender anew.", "NO_ANSWER") from error
        self._search = None
        self._correction_s = None
        # Without an answer the recording is as good, only that its samples have no time of the sender's.
        with contextlib.suppress(self._lsl.util.TimeoutError):
            self._correction_s = self._asked(
                lambda inlet: inlet.time_correction(_ANSWER_LIMIT_S), "does not compare clocks", passed=True
            )

    def _asked(self, question: Any, failing: str, *, passed: bool = False) -> Any:
        """An answer of the inlet, liblsl's errors turned into sentences; a timeout is ``passed`` on where asked."""
        if self._inlet is None:
            raise self._error("is not open; call open first.", "WRONG_STATE")
        try:
            return question(self._inlet)
        except self._lsl.util.TimeoutError as error:
            if passed:
                raise
            raise self._error(
                f"{failing} within {_ANSWER_LIMIT_S:g} s; let a firewall pass ports 16572 to 16604, UDP and TCP.",
                "NO_ANSWER",
            ) from error
        except RuntimeError as error:
            raise self._gone() from error

    def _fetch(self, timeout_s: float) -> None:
        """Take what has come, and find its place."""
        inlet = self._inlet
        assert inlet is not None
        batch = max(1, round(self._rate_hz * BATCH_S))
        most = max(_LEAST_ROWS, 2 * batch)
        try:
            samples, stamps = inlet.pull_chunk(timeout_s, most, min_samples=batch)
            if len(stamps) and self._correction_s is not None:
                # Instantaneous: liblsl renews it in the background.
                self._correction_s = inlet.time_correction(0.0)
        except self._lsl.util.TimeoutError:
            pass
        except RuntimeError as error:
            raise self._gone() from error
        now_ns = time.monotonic_ns()
        if len(stamps):
            self._quiet_since_s, self._search = now_ns * 1e-9, None
            came = _Rows(samples, stamps, np.full(len(stamps), now_ns))
            self._held = came if self._held is None else self._held.and_then(came)
            self._counters = replace(
                self._counters, received_bytes=self._counters.received_bytes + samples.nbytes + stamps.nbytes
            )
        else:
            self._look_whether_gone(now_ns * 1e-9)
        for run in self._unwrapper.feed(stamps, now_ns * 1e-9, self._correction_s):
            assert self._held is not None
            self._sort_out(self._held.part(0, run.count), run.index, run.cause)
            self._held = self._held.part(run.count)

    def _sort_out(self, rows: _Rows, index: int, cause: str) -> None:
        """Make rows ready, those left out that hold anything but numbers."""
        with np.errstate(over="ignore"):
            samples = rows.samples.astype(self._dtype, copy=False)
        rows = replace(rows, samples=samples)
        self._missing_why = self._missing_why or cause
        sound: NDArray[np.bool_] = np.all(np.isfinite(samples), axis=1)
        bounds = [0, *(np.flatnonzero(np.diff(sound)) + 1).tolist(), len(rows)]
        for start, stop in pairwise(bounds):
            if sound[start]:
                self._ready.append(_Ready(rows.part(start, stop), index + start, self._missing_why))
                self._missing_why = ""
            else:
                self._missing_why = self._missing_why or NOT_A_NUMBER

    def _next_chunk(self, max_samples: int | None) -> Chunk:
        piece = self._ready.popleft()
        count = len(piece.rows)
        if max_samples is not None:
            count = max(1, min(count, self._delivered + max_samples - piece.index))
        if count < len(piece.rows):
            self._ready.appendleft(_Ready(piece.rows.part(count), piece.index + count, ""))
        rows = piece.rows.part(0, count)
        self._delivered = piece.index + count
        board_ns = -1
        if self._correction_s is not None and np.isfinite(rows.stamps[-1]):
            board_ns = max(-1, round((float(rows.stamps[-1]) + self._correction_s) * 1e9))
        samples: Samples = rows.samples
        return Chunk(
            samples=samples, index=piece.index, host_ns=int(rows.host_ns[-1]), board_ns=board_ns, cause=piece.cause
        )

    def _look_whether_gone(self, now_s: float) -> None:
        """Tell a stream that is silent from one that is no longer on the network."""
        if now_s - self._quiet_since_s < _SILENT_S:
            return
        if self._search is None:
            self._search = (now_s, self._lsl.ContinuousResolver(forget_after=_GONE_S))
        since_s, resolver = self._search
        assert self._stream is not None
        if now_s - since_s < _GONE_S:
            return
        if not any(stream.uid() == self._stream.uid() for stream in resolver.results()):
            self._search = None
            raise self._gone()

    def _let_go(self) -> None:
        inlet, self._inlet = self._inlet, None
        self._search = None
        if inlet is None:
            return

        def destroy() -> None:
            inlet.__del__()
            inlet.obj = None  # which liblsl destroys without effect when the last reference goes

        # liblsl may wait long, and has been seen to wait for ever, to leave a stream that has gone.
        leaving = threading.Thread(target=destroy, name="lsl-leave", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_LIMIT_S)

    def _gone(self) -> BoardError:
        return self._error("has left the network; start its sender again.", "HUNG_UP")

    def _error(self, clause: str, reason: str) -> BoardError:
        return BoardError(
            f"The LSL stream {short(self.address)} {clause}", reason=BoardErrorReason[reason], address=self.address
        )
