"""A Cyton with its dongle, as a state machine over bytes: it speaks the board's commands and sends its frames.

What the firmware says and sends follows the OpenBCI Cyton data format and command protocol, version 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping

import numpy as np

from acquire.emulators.device import Device
from acquire.emulators.faults import Fault
from acquire.emulators.waveform import Pattern, known_counts

__all__ = ["FRAME_BYTES", "CytonDouble"]

FRAME_BYTES = 33
"""Start byte, counter, 8 counts of 3 bytes, 6 auxiliary bytes, stop byte."""

_START = 0xA0
_STOP_PLAIN, _STOP_CLOCK_SET, _STOP_CLOCK = 0xC0, 0xC3, 0xC4
_END = b"$$$"
_NO_BOARD = b"Failure: Communications timeout - Device failed to poll Host" + _END
_RADIO_KEY = 0xF0
_RADIO_STATUS = 0x07
_OFF = b"12345678"
_ON = b"!@#$%^&*"
_DEFAULTS = {channel: "060110" for channel in range(1, 9)}
_SETTINGS = {ord("x"): (ord("X"), 7, "Channel set for"), ord("z"): (ord("Z"), 3, "Lead off set for")}
_LARGEST = {ord("x"): b"167111", ord("z"): b"11"}
_JUNK = bytes.fromhex("00c0a00000c00000")
_BLOCK = 1024
_GAINS = (1, 2, 4, 6, 8, 12, 24)
_FULL_COUNT = (1 << 23) - 1
_REFERENCE_V = 4.5
_LEAD_OFF_A = 6e-9
_LEAD_OFF_HZ = 31.2
_SERIES_OHM = 2200.0
_USUAL_OHM = 8000.0
_GRAVITY = (12, -340, 8100)


class CytonDouble(Device):
    """A Cyton that streams ``known_counts``, on command.

    Attributes:
        settings: channel from 1 → its six settings as digits, from the last accepted ``x`` command.
        lead_off: channel from 1 → (P, N) of the last accepted ``z`` command.
        on: channels from 1 that are switched on.
        with_clock: whether frames carry the board's clock (command ``<``).
        commands: all bytes that the computer wrote since the double was made, up to 64 KiB.
    """

    def __init__(
        self,
        *,
        pattern: Pattern = "ecg",
        rate_ppm: float = 0.0,
        clock_ppm: float = 0.0,
        clock_ms: float = 2317.0,
        has_clock: bool = True,
        daisy: bool = False,
        firmware: str = "v3.1.2",
        greeting: str | None = None,
        no_board: bool = False,
        stale_frames: int = 2,
        ohms: Mapping[str, float] | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Make a Cyton that is switched on and does not stream.

        Args:
            pattern: what the waveform is.
            rate_ppm: how much faster than 250 Hz it samples, in parts per million.
            clock_ppm: how much faster than true its millisecond clock runs, in parts per million.
            clock_ms: what its clock shows now, in milliseconds.
            has_clock: whether its firmware knows ``<``; older ones do not and keep silent.
            daisy: whether it says that a second board sits on it.
            firmware: the version it reports.
            greeting: the whole answer to ``v`` instead of the usual one, without the closing ``$$$``.
            no_board: whether only the dongle is there.
            stale_frames: how many frames still come after ``s``, before 8 bytes that are none.
            ohms: contact of the electrodes, "1P", "1N" to "8N" → ohms, 8000 where none is given; seen while a ``z``
                command lets its current flow.
            faults: what goes wrong and when.
        """
        super().__init__(250.0, frame_bytes=FRAME_BYTES, rate_ppm=rate_ppm, faults=faults)
        self.no_board = no_board
        self.settings = dict(_DEFAULTS)
        self.lead_off: dict[int, str] = {}
        self.on = set(range(1, 9))
        self.with_clock = False
        self.commands = bytearray()
        self._pattern = pattern
        self._has_clock = has_clock
        self._daisy = daisy
        self._firmware = firmware
        self._greeting = greeting
        self._stale_frames = stale_frames
        self._ohms = dict(ohms or {})
        self._counter = 0
        self._clock_ms = clock_ms
        self._ms_per_sample = 1000.0 / self.rate_hz * (1.0 + clock_ppm * 1e-6)
        self._clock_just_set = False
        self._pending = bytearray()
        self._block_start = -1
        self._block = b""

    def _answer(self, data: bytes) -> bytes:
        self.commands += data[: 65536 - len(self.commands)]
        self._pending += data
        said = bytearray()
        while self._pending:
            first = self._pending[0]
            if first == _RADIO_KEY:
                if len(self._pending) < 2:
                    break
                said += self._radio(self._pending[1])
                del self._pending[:2]
            elif self.no_board or not self.powered:
                said += _NO_BOARD
                self._pending.clear()
            elif first in _SETTINGS:
                last, digits, _ = _SETTINGS[first]
                if len(self._pending) < digits + 2 and last not in self._pending:
                    break
                end = self._pending.find(last) + 1 or digits + 2
                said += self._set(bytes(self._pending[:end]))
                del self._pending[:end]
            else:
                del self._pending[:1]
                said += self._command(first)
        return bytes(said)

    def _radio(self, key: int) -> bytes:
        if key != _RADIO_STATUS:
            return b""
        up = self.powered and not self.no_board
        return (b"Success: System is Up" if up else b"Failure: System is Down") + _END

    def _command(self, key: int) -> bytes:
        match chr(key):
            case "b":
                return self._start()
            case "s":
                return self._stop()
            case "v":
                self._restart(keep_clock=True)
                return self._greet()
            case "V":
                return self._spoken(self._firmware)
            case "d":
                self.settings = dict(_DEFAULTS)
                return self._spoken("updating channel settings to default")
            case "D":
                return self._spoken("060110")
            case "<" if self._has_clock:
                self.with_clock, self._clock_just_set = True, True
                return self._spoken("Time stamp ON")
            case ">":
                self.with_clock = False
                return self._spoken("Time stamp OFF")
            case "c":
                return self._spoken("daisy removed8" if self._daisy else "8")
            case "C":
                return self._spoken("16" if self._daisy else "no daisy to attach!8")
        if key in _OFF:
            self.on.discard(_OFF.index(key) + 1)
        elif key in _ON:
            self.on.add(_ON.index(key) + 1)
        return b""

    def _spoken(self, text: str) -> bytes:
        """An answer; a board that streams carries out most commands without a word."""
        return b"" if self.streaming else text.encode() + _END

    def _greet(self) -> bytes:
        if self._greeting is not None:
            return self._greeting.encode() + _END
        daisy = "On Daisy ADS1299 Device ID: 0x3E\n" if self._daisy else ""
        return (
            f"OpenBCI V3 8-16 channel\nOn Board ADS1299 Device ID: 0x3E\n{daisy}"
            f"LIS3DH Device ID: 0x33\nFirmware: {self._firmware}\n"
        ).encode() + _END

    def _set(self, command: bytes) -> bytes:
        last, digits, words = _SETTINGS[command[0]]
        body = command[1:-1] if command[-1] == last else command[1:]
        if command[-1] != last:
            return self._spoken(f"Failure: {digits + 2}th char not {chr(last)}")
        if len(body) != digits:
            return self._spoken("Failure: too few chars" if len(body) < digits else "Failure: Err: too many chars")
        channel = body[0] - ord("0")
        values = body[1:]
        largest = _LARGEST[command[0]]
        if not 1 <= channel <= 8 or any(not ord("0") <= v <= m for v, m in zip(values, largest, strict=True)):
            return self._spoken("Failure: bad value")
        kept = self.settings if command[0] == ord("x") else self.lead_off
        kept[channel] = values.decode()
        if command[0] == ord("x"):
            (self.on.discard if values[0] == ord("1") else self.on.add)(channel)
        return self._spoken(f"Success: {words} {channel}")

    def _start(self) -> bytes:
        if not self.streaming:
            self._counter = 0
            self._begin()
        return b""

    def _stop(self) -> bytes:
        if not self.streaming:
            return b""
        stale = b"".join(self._build(self.index + k, (self._counter + k) & 0xFF) for k in range(self._stale_frames))
        self.streaming = False
        return stale + _JUNK

    def _pass_time(self) -> None:
        if self.streaming:
            self._counter = (self._counter + 1) & 0xFF
        self._clock_ms += self._ms_per_sample

    def _restart(self, *, keep_clock: bool = False) -> None:
        self.streaming = False
        self.with_clock = False
        self.settings = dict(_DEFAULTS)
        self.lead_off.clear()
        self.on = set(range(1, 9))
        self._counter = 0
        if not keep_clock:
            self._pending.clear()
            self._clock_ms = 0.0

    def _frame(self, index: int) -> bytes:
        return self._build(index, self._counter)

    def _build(self, index: int, counter: int) -> bytes:
        start = index - index % _BLOCK
        if start != self._block_start:
            counts = known_counts(np.arange(start, start + _BLOCK), pattern=self._pattern)
            # The three low bytes of a big-endian 32-bit count are the 24-bit one.
            self._block = counts.astype(">i4").view(np.uint8).reshape(_BLOCK, 8, 4)[:, :, 1:].tobytes()
            self._block_start = start
        payload = self._block[(index - start) * 24 : (index - start) * 24 + 24]
        if any(sides != "00" for sides in self.lead_off.values()):
            payload = self._with_lead_off(payload, index)
        if len(self.on) < 8:
            payload = b"".join(payload[3 * c : 3 * c + 3] if c + 1 in self.on else bytes(3) for c in range(8))
        axis = counter % 10 - 7
        if not self.with_clock:
            aux, stop = struct.pack(">3h", *(_GRAVITY if axis == 0 else (0, 0, 0))), _STOP_PLAIN
        else:
            stop = _STOP_CLOCK_SET if self._clock_just_set else _STOP_CLOCK
            self._clock_just_set = False
            aux = struct.pack(">hI", _GRAVITY[axis] if axis >= 0 else 0, int(self._clock_ms) & 0xFFFFFFFF)
        return b"%c%c%b%b%c" % (_START, counter, payload, aux, stop)

    def _with_lead_off(self, payload: bytes, index: int) -> bytes:
        """The counts with the voltage that the lead-off current makes at the electrodes."""
        swing = math.sin(2.0 * math.pi * _LEAD_OFF_HZ * index / self.nominal_rate_hz)
        counts = bytearray(payload)
        for channel, sides in self.lead_off.items():
            ohms = [
                self._ohms.get(f"{channel}{side}", _USUAL_OHM)
                for side, on in zip("PN", sides, strict=True)
                if on == "1"
            ]
            if not ohms:
                continue
            peak_v = _LEAD_OFF_A * (sum(ohms) + _SERIES_OHM)
            counts_per_v = _FULL_COUNT * _GAINS[int(self.settings[channel][1])] / _REFERENCE_V
            where = slice(3 * channel - 3, 3 * channel)
            count = int.from_bytes(counts[where], "big", signed=True) + round(peak_v * counts_per_v * swing)
            counts[where] = max(-_FULL_COUNT - 1, min(_FULL_COUNT, count)).to_bytes(3, "big", signed=True)
        return bytes(counts)
