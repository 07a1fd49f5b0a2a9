"""What is being recorded, on the lab network: an LSL stream of the samples and one of the events.

LabRecorder and other programs of the Lab Streaming Layer (Kothe et al. 2025, doi:10.1162/IMAG.a.136) can so join in
while trilead records. The recording does not depend on it: a consumer that is slow, stuck or absent costs nothing, and
an outlet that breaks says so in ``fault`` and is silent from then on.

Samples go out as float32, voltages in microvolts (the unit that the XDF meta-data rules ask for) and anything else in
its own unit. A gap is a hole in the time stamps; nothing is sent for it. An event goes out as ``kind``,
``kind:activity`` or ``kind:activity:text``, stamped with the time of its sample.

Arrival at the computer is jittery, the board's counter is not. So the stamps follow the counter, and their offset
follows the earliest arrivals of the last seconds: a sample can come late, but never before it was measured.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import BoardInfo, Chunk
from acquire.errors import RecorderError, RecorderErrorReason
from acquire.recordings.content import Header, RecordedEvent

if TYPE_CHECKING:
    import pylsl

__all__ = ["EVENT_STREAM", "SIGNAL_STREAM", "LslOutlet", "StampLine"]

SIGNAL_STREAM = "trilead"
EVENT_STREAM = "trilead events"

BUFFER_S = 60
"""What liblsl keeps for a consumer that does not read; the oldest samples go first."""

CLOSE_LIMIT_S = 2.0
LAST_WORDS_S = 0.25
"""How long the last samples and events are given to leave: liblsl drops what it has not sent when an outlet goes."""
CLOCK_CHECK_S = 1.0
CLOCK_NOISE_S = 0.001

_TO_MICROVOLTS = {"V": 1e6, "mV": 1e3, "uV": 1.0, "µV": 1.0}


class LslOutlet:
    """The two LSL streams of one recording; used as a context manager they are closed at the end.

    Made and used by one thread.

    Attributes:
        fault: why nothing is sent any more, as a sentence; "" while all is well.

    Args:
        info: of the board that is open.
        header: of the recording; the stream is described by it, and its ``recording_id`` is the stream's source id.

    Raises:
        RecorderError: pylsl is not installed, or liblsl cannot open a stream on this computer.
    """

    def __init__(self, info: BoardInfo, header: Header) -> None:
        lsl = _pylsl()
        self.fault = ""
        self._lsl = lsl
        self._scale = np.array([channel.gain * _sent_unit(channel.unit)[1] for channel in info.channels])
        self._offset = np.array([channel.offset for channel in info.channels])
        self._line = StampLine(info.nominal_rate_hz)
        self._clock = _LocalClock(lsl)
        self._early: list[RecordedEvent] = []
        self._signal: pylsl.StreamOutlet | None = None
        self._events: pylsl.StreamOutlet | None = None
        try:
            self._signal = lsl.StreamOutlet(_signal_description(lsl, info, header), 0, BUFFER_S)
            self._events = lsl.StreamOutlet(_event_description(lsl, header), 0, BUFFER_S)
        except (RuntimeError, OSError) as error:
            raise RecorderError(
                f"The LSL streams cannot be opened on this computer ({error}); record without --lsl, or look whether"
                " a firewall forbids listening.",
                reason=RecorderErrorReason.NOT_STARTED,
            ) from error

    def push(self, chunk: Chunk) -> None:
        """Send samples that were recorded; it neither waits nor raises."""
        if self.fault or self._signal is None or len(chunk.samples) == 0:
            return
        stamps = self._line.stamps(chunk.index, len(chunk.samples), chunk.host_ns * 1e-9)
        values = ((chunk.samples - self._offset) * self._scale).astype(np.float32)
        with self._given_up_on_failure():
            self._signal.push_chunk(values, (stamps + self._clock.offset_s()).tolist())
        early, self._early = self._early, []
        for event in early:
            self.event(event)

    def event(self, event: RecordedEvent) -> None:
        """Send an event; before the first samples it waits for them, as only they tell its time."""
        if self.fault:
            return
        stamp = self._line.stamp(event.index)
        if stamp is None:
            self._early.append(event)
        else:
            self._send(event, stamp)

    def have_consumers(self) -> bool:
        """Whether somebody listens to the samples."""
        return self._signal is not None and self._signal.have_consumers()

    def close(self) -> None:
        """Take the streams off the network; a consumer that hangs is waited for a moment only."""
        if self._signal is None or self._events is None:
            return
        for event in self._early:
            self._send(event, event.host_ns * 1e-9)
        self._early = []
        self.fault = self.fault or "The LSL streams are closed."
        outlets = [self._signal, self._events]
        self._signal = self._events = None

        def let_go() -> None:
            if any(outlet.have_consumers() for outlet in outlets):
                time.sleep(LAST_WORDS_S)
            # liblsl takes an outlet down when its last reference goes, and waits for consumers as it does so.
            outlets.clear()

        closing = threading.Thread(target=let_go, name="lsl-close", daemon=True)
        closing.start()
        closing.join(CLOSE_LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, event: RecordedEvent, stamp_s: float) -> None:
        if self._events is None or self.fault:
            return
        with self._given_up_on_failure():
            self._events.push_sample([marker(event)], stamp_s + self._clock.offset_s())

    @contextlib.contextmanager
    def _given_up_on_failure(self) -> Any:
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            self.fault = f"The LSL streams have ended ({error}); the recording goes on without them."


def marker(event: RecordedEvent) -> str:
    """An event as it stands in the marker stream: ``kind[:activity[:text]]``."""
    fields = [event.kind, event.activity, event.text]
    while fields[-1] == "" and len(fields) > 1:
        fields.pop()
    return ":".join(fields)


class StampLine:
    """Sample index → time of the sample on this computer's monotonic clock, free of the jitter of arrival.

    The stamps lie on a line whose slope is the nominal period and whose offset is slewed (by at most `SLEW` of the
    time that passes) towards the earliest arrival, relative to the counter, among the samples of the last `WINDOW_S`.
    Where the offset is wrong by more than `JUMP_S`, as after a suspend or with a simulated board at speed, it jumps;
    the stamps ascend all the same.

    Args:
        rate_hz: nominal.
    """

    WINDOW_S = 2.0
    SLEW = 0.01
    JUMP_S = 0.25

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._window = max(1, round(self.WINDOW_S * rate_hz))
        self._arrivals: deque[tuple[int, float]] = deque()  # last index of a chunk, arrival − index · period; ascending
        self._offset_s = math.nan
        self._last: tuple[int, float, float] | None = None  # index and stamp of the last sample, distance of stamps

    def stamps(self, index: int, count: int, arrival_s: float) -> NDArray[np.float64]:
        """The stamps of a chunk, ascending, all above those of the chunk before.

        Args:
            index: of its first sample.
            count: its samples.
            arrival_s: when the last of them came.
        """
        period, last = self._period_s, index + count - 1
        target = self._earliest(last, arrival_s - last * period)
        before = self._offset_s
        if self._last is None or abs(target - before) > self.JUMP_S:
            before = self._offset_s = target
        else:
            slew = self.SLEW * period * count
            self._offset_s += min(max(target - before, -slew), slew)
        stamps = period * np.arange(index, last + 1) + np.linspace(before, self._offset_s, count + 1)[1:]
        if self._last is not None and stamps[0] <= self._last[1]:
            floor = self._last[1]
            stamps = np.linspace(floor, max(stamps[-1], floor + count * 1e-6), count + 1)[1:]
        step = float(stamps[-1] - stamps[0]) / (count - 1) if count > 1 else period
        self._last = (last, float(stamps[-1]), step)
        return stamps

    def stamp(self, index: int) -> float | None:
        """The time of one sample near the last chunk, or None before the first chunk."""
        if self._last is None:
            return None
        last, stamp_s, step_s = self._last
        return stamp_s + (index - last) * step_s

    def _earliest(self, index: int, offset_s: float) -> float:
        """The least offset among the last samples, this one included."""
        while self._arrivals and self._arrivals[-1][1] >= offset_s:
            self._arrivals.pop()
        self._arrivals.append((index, offset_s))
        while self._arrivals[0][0] <= index - self._window:
            self._arrivals.popleft()
        return self._arrivals[0][1]


class _LocalClock:
    """What must be added to ``time.monotonic()`` to have liblsl's clock; they need not be the same on every system."""

    def __init__(self, lsl: Any) -> None:
        self._lsl = lsl
        self._offset_s = self._measured_s()
        self._measured_at_s = time.monotonic()

    def offset_s(self) -> float:
        """The offset, looked at again about once a second; what the looking itself costs is no change."""
        if time.monotonic() - self._measured_at_s >= CLOCK_CHECK_S:
            measured_s = self._measured_s()
            if abs(measured_s - self._offset_s) > CLOCK_NOISE_S:
                self._offset_s = measured_s
            self._measured_at_s = time.monotonic()
        return self._offset_s

    def _measured_s(self) -> float:
        """From the narrowest of a few brackets."""
        brackets = [(time.monotonic(), self._lsl.local_clock(), time.monotonic()) for _ in range(5)]
        before_s, local_s, after_s = min(brackets, key=lambda bracket: bracket[2] - bracket[0])
        return float(local_s - (before_s + after_s) / 2)


def _pylsl() -> Any:
    try:
        import pylsl
    except ModuleNotFoundError as error:
        raise RecorderError(
            "Sending the recording over LSL needs the Python package pylsl; install it with pip install trilead[lsl].",
            reason=RecorderErrorReason.NOT_STARTED,
        ) from error
    except (RuntimeError, OSError) as error:
        raise RecorderError(
            f"pylsl is installed, but its library liblsl cannot be loaded ({str(error).splitlines()[0]}); reinstall"
            " pylsl, or record without --lsl.",
            reason=RecorderErrorReason.NOT_STARTED,
        ) from error
    return pylsl


def _sent_unit(unit: str) -> tuple[str, float]:
    """The unit on the network, and the factor from the channel's own."""
    return ("microvolts", _TO_MICROVOLTS[unit]) if unit in _TO_MICROVOLTS else (unit, 1.0)


def _signal_description(lsl: Any, info: BoardInfo, header: Header) -> pylsl.StreamInfo:
    stream = lsl.StreamInfo(
        SIGNAL_STREAM, "ECG", len(info.channels), info.nominal_rate_hz, lsl.cf_float32, header.recording_id
    )
    channels = stream.desc().append_child("channels")
    for channel in info.channels:
        one = channels.append_child("channel")
        one.append_child_value("label", channel.name)
        one.append_child_value("unit", _sent_unit(channel.unit)[0])
        one.append_child_value("type", "ECG")
    montage = stream.desc().append_child("montage")
    for lead, weights in header.montage.items():
        made_of = montage.append_child("lead")
        made_of.append_child_value("label", lead)
        for name, weight in weights.items():
            part = made_of.append_child("channel")
            part.append_child_value("label", name)
            part.append_child_value("weight", repr(float(weight)))
    acquisition = stream.desc().append_child("acquisition")
    acquisition.append_child_value("model", info.name)
    acquisition.append_child_value("powerline", str(header.mains_hz))
    acquisition.append_child_value("software", f"trilead {header.software_version}")
    stream.desc().append_child("synchronization").append_child_value("can_drop_samples", "true")
    _describe_recording(stream, header)
    return stream


def _event_description(lsl: Any, header: Header) -> pylsl.StreamInfo:
    stream = lsl.StreamInfo(
        EVENT_STREAM, "Markers", 1, lsl.IRREGULAR_RATE, lsl.cf_string, f"{header.recording_id}-events"
    )
    channel = stream.desc().append_child("channels").append_child("channel")
    channel.append_child_value("label", "kind:activity:text")
    channel.append_child_value("type", "Marker")
    _describe_recording(stream, header)
    return stream


def _describe_recording(stream: pylsl.StreamInfo, header: Header) -> None:
    recording = stream.desc().append_child("recording")
    for name in ("recording_id", "subject", "session", "run", "protocol_name"):
        recording.append_child_value(name, str(getattr(header, name)))
