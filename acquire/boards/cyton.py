"""The OpenBCI Cyton over its USB dongle, by our own driver.

``cyton:PORT`` and, after a question mark, options, each at most once. PORT is the dongle's USB serial number
(``cyton:DM00ABCD``), a serial port (``cyton:/dev/ttyUSB0``, ``cyton:COM3``), or nothing where only one dongle is in:

======  ================================================================================================  =========
option  what it does                                                                                      default
======  ================================================================================================  =========
gain    1, 2, 4, 6, 8, 12 or 24; above 12 an electrode's offset of ±300 mV no longer fits                 12
leads   names of the leads on channel 1, 2, … with commas, one to eight; each between its P and N input   I,II,III
======  ================================================================================================  =========

The other channels are off. Three channels are recorded though two would give the third lead: where they disagree, an
electrode is not where it should be. For research, 0 to 65 Hz: the converter is 3 dB down there at 250 samples a second.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import ClassVar, NamedTuple

from acquire.boards import cyton_commands as says
from acquire.boards.address import Address
from acquire.boards.board import BATCH_S, Board, BoardInfo, Channel, Chunk, Contact, LinkCounters
from acquire.boards.cyton_frames import N_CHANNELS, CytonParser, Frame, channel_counts
from acquire.boards.cyton_talk import CytonTalk
from acquire.boards.ports import SerialPort, find_again, find_port
from acquire.boards.serial_link import SerialLink
from acquire.boards.unwrap import CounterUnwrapper
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["CytonBoard"]

BAUD = 115200
EXAMPLE = "cyton:/dev/ttyUSB0?gain=12&leads=I,II,III"

_DEFAULT_LEADS: tuple[str, ...] = ("I", "II", "III")
_LISTEN_S = 0.4
_SETTLE_S = 0.1
"""After a board began anew, so that the computer's clock judges the gap: what was held back comes within so much."""

RADIO = "lost between board and dongle: the counter jumped"
WIRE = "bytes were lost or corrupt between board and computer"
HUNG_UP = "the port was gone and came back"
SILENT = "the board was out of reach and came back"
RESTARTED = "the board had stopped and was set up anew"


class _Sample(NamedTuple):
    position: int
    frame: Frame
    clock_ns: int
    cause: str


class CytonBoard(Board):
    """A Cyton without a Daisy, at 250 samples a second.

    Args:
        address: ``cyton:``, port and options.
        subject: not needed.
        session: not needed.
        mains_hz: not needed.

    Raises:
        BoardError: the address cannot be understood.
    """

    can_reconnect: ClassVar[bool] = True

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        self.address = address
        given = Address(address, options=("gain", "leads"), example=EXAMPLE)
        self._target = given.target
        self._gain = given.take("gain", 12, _read_gain, "one of 1, 2, 4, 6, 8, 12 and 24")
        self._leads = given.take(
            "leads", _DEFAULT_LEADS, _read_leads, "1 to 8 different names with commas, such as I,II,III"
        )
        self._port: SerialPort | None = None
        self._link: SerialLink | None = None
        self._streaming = False
        self._fault: BoardError | None = None  # what the link said last, told when all before it was handed over
        self._received_before = 0  # over links that are closed
        self._reconnects = 0
        self._begin()

    def open(self) -> BoardInfo:
        """Reset the board and set its channels; takes one to three seconds."""
        self.close()
        self._received_before = self._reconnects = 0
        self._begin()
        self._port = find_port(self._target, guess="cyton", address=self.address)
        self._link = SerialLink(self._port.device, baud=BAUD, address=self.address)
        try:
            firmware = self._talk(self._link).configure()
        except BaseException:
            self.close()
            raise
        names = [f"CH{place}" for place in range(1, len(self._leads) + 1)]
        return BoardInfo(
            address=self.address,
            name=f"OpenBCI Cyton, gain {self._gain}, 0–65 Hz",
            firmware=firmware,
            nominal_rate_hz=says.RATE_HZ,
            channels=tuple(Channel(name=name, gain=says.gain_mv(self._gain)) for name in names),
            montage={lead: {name: 1.0} for lead, name in zip(self._leads, names, strict=True)},
            dtype="int32",
            loss_detection="sample counter modulo 256 and board clock",
            rails=(-says.LARGEST_COUNT - 1, says.LARGEST_COUNT),
        )

    def start(self) -> None:
        """Let the samples flow."""
        link = self._opened("started")
        link.read(0.0)
        self._begin()
        link.write(says.START)
        self._streaming = True

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait for samples; see `Board.read`."""
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is {max_samples}; it must be at least 1")
        self._opened("read")
        deadline_s = time.monotonic() + timeout_s
        while not self._ripe(max_samples) and self._fault is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            self._listen(left_s)
        chunk = self._cut(max_samples)
        if chunk is None and self._fault is not None:
            raise self._fault
        return chunk

    def reconnect(self) -> None:
        """Find the dongle again where it hung up; set up the board anew only when it says that it does not stream.

        A board that was merely out of reach still streams, and its counter and clock tell what was missed.
        """
        link = self._opened("reached again")
        self._why_missing = SILENT if link.alive and self._fault is None else HUNG_UP
        if self._why_missing == HUNG_UP:
            try:
                link = self._open_again(link)
            except BoardError as error:
                self._fault = error
                raise
        if not self._flows(_LISTEN_S) and self._has_stopped(link):
            self._parser.interrupted()
            self._talk(link).configure()
            self._parser.restart()
            self._unwrapper.restart()
            self._why_missing = RESTARTED
            link.write(says.START)
        self._reconnects += 1

    def stop(self) -> None:
        """Stop the flow and take what still comes out of the way."""
        if not self._streaming or self._link is None:
            return
        self._streaming = False
        try:
            self._link.write(says.STOP)
            self._talk(self._link).drain()
        except BoardError as error:
            self._fault = error  # there is nothing left to be stopped

    def close(self) -> None:
        """Stop, and let go of the port."""
        self.stop()
        if self._link is not None:
            self._link.close()
            self._link = None

    def resource(self) -> str:
        """The dongle, by its USB serial number where it has one."""
        if self._port is None:
            return ""
        return f"serial port {self._port.serial_number or os.path.realpath(self._port.device)}"

    def link(self) -> LinkCounters:
        """What has come over the port so far."""
        received = self._received_before + (self._link.received_bytes if self._link is not None else 0)
        return LinkCounters(
            received_bytes=received,
            bad_bytes=self._parser.bad_bytes,
            resyncs=self._parser.resyncs,
            reconnects=self._reconnects,
        )

    def check_contact(self) -> tuple[Contact, ...]:
        """Measure each electrode's impedance with the board's own current, one after the other; 1.5 s each."""
        link = self._opened("asked for its electrodes' contact")
        if self._streaming:
            raise self._error(
                BoardErrorReason.WRONG_STATE,
                "cannot measure its electrodes while it streams; do so before the recording",
            )
        return self._talk(link).check_contact()

    def _begin(self) -> None:
        self._parser = CytonParser()
        self._unwrapper = CounterUnwrapper(says.RATE_HZ)
        self._pending: deque[_Sample] = deque()
        self._held: list[Frame] = []  # what came first from a board that began anew
        self._held_until_ns = 0
        self._reached = 0  # end of the last chunk
        self._handed_s = 0.0  # when that was handed over
        self._why_missing = ""
        self._fault = None

    def _ripe(self, max_samples: int | None) -> bool:
        pending = self._pending
        if not pending:
            return False
        if max_samples is not None and pending[-1].position >= self._reached + max_samples - 1:
            return True
        return time.monotonic() - self._handed_s >= BATCH_S

    def _listen(self, left_s: float) -> None:
        """Take in what comes, until it may be time to hand something over."""
        assert self._link is not None
        now_s = time.monotonic()
        if self._held:
            left_s = min(left_s, max(0.0, self._held_until_ns / 1e9 - now_s))
        if 0 < (gather_s := BATCH_S - (now_s - self._handed_s)):
            # To be woken by every sample would cost more than the samples do.
            time.sleep(min(left_s, gather_s))
            left_s = 0.0
        try:
            for data, host_ns in self._link.read(left_s):
                for frame in self._parser.feed(data, host_ns):
                    self._take(frame)
        except BoardError as error:
            self._fault = error
            for frame in self._parser.flush():
                self._take(frame)
        if self._held and (self._fault is not None or time.monotonic_ns() >= self._held_until_ns):
            self._release()

    def _take(self, frame: Frame) -> None:
        if self._held:
            self._held.append(frame)
        elif self._unwrapper.in_doubt:
            self._held.append(frame)
            self._held_until_ns = frame.host_ns + round(_SETTLE_S * 1e9)
        else:
            self._number(frame)

    def _release(self) -> None:
        frames, self._held = self._held, []
        first, last = frames[0], frames[-1]
        # All of them were on their way by now; the last one's arrival is the least delayed.
        self._number(first._replace(host_ns=last.host_ns), backlog=len(frames) - 1)
        for frame in frames[1:]:
            self._number(frame)

    def _number(self, frame: Frame, *, backlog: int = 0) -> None:
        before = self._unwrapper.index
        index = self._unwrapper.unwrap(frame.counter, host_ns=frame.host_ns, clock_ms=frame.clock_ms, backlog=backlog)
        cause = ""
        if index > before + 1:
            cause = self._why_missing or (WIRE if frame.after_noise else RADIO)
        self._why_missing = ""
        self._pending.append(_Sample(index, frame, self._unwrapper.clock_ns(), cause))

    def _cut(self, max_samples: int | None) -> Chunk | None:
        """Take the next run of consecutive samples out of what has gathered."""
        pending = self._pending
        if not pending:
            return None
        first = pending[0]
        # Where a loss swallows all that may be handed over, it shows with the first sample after it.
        room = len(pending) if max_samples is None else max(1, self._reached + max_samples - first.position)
        run = [pending.popleft()]
        while pending and len(run) < room and pending[0].position == run[-1].position + 1:
            run.append(pending.popleft())
        self._reached = run[-1].position + 1
        self._handed_s = time.monotonic()
        return Chunk(
            samples=channel_counts([sample.frame for sample in run], len(self._leads)),
            index=first.position,
            host_ns=run[-1].frame.host_ns,
            board_ns=run[-1].clock_ns,
            cause=first.cause,
        )

    def _flows(self, limit_s: float) -> bool:
        """Whether samples come within a time."""
        deadline_s = time.monotonic() + limit_s
        while not (self._pending or self._held):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or self._fault is not None:
                return False
            self._listen(left_s)
        return True

    def _has_stopped(self, link: SerialLink) -> bool:
        """Ask a silent board whether it streams; False when samples come meanwhile."""
        for pieces in self._talk(link).probe():
            for data, host_ns in pieces:
                for frame in self._parser.feed(data, host_ns):
                    self._take(frame)
            if self._pending or self._held:
                return False
        return True

    def _open_again(self, link: SerialLink) -> SerialLink:
        assert self._port is not None
        self._received_before += link.received_bytes
        link.received_bytes = 0
        link.close()
        self._parser.interrupted()
        self._port = find_again(self._port, address=self.address)
        self._link = SerialLink(self._port.device, baud=BAUD, address=self.address)
        self._fault = None
        return self._link

    def _opened(self, deed: str) -> SerialLink:
        if self._link is None:
            raise self._error(BoardErrorReason.WRONG_STATE, f"cannot be {deed}: it is not open; call open first")
        return self._link

    def _talk(self, link: SerialLink) -> CytonTalk:
        return CytonTalk(link, address=self.address, gain=self._gain, leads=self._leads)

    def _error(self, reason: BoardErrorReason, clause: str) -> BoardError:
        return BoardError(f"The board {self.address!r} {clause}.", reason=reason, address=self.address)


def _read_gain(text: str) -> int | None:
    return next((gain for gain in says.GAINS if text == str(gain)), None)


def _read_leads(text: str) -> tuple[str, ...] | None:
    names = tuple(text.split(","))
    fine = all(0 < len(name) <= 32 and name.isprintable() and name == name.strip() for name in names)
    return names if fine and 1 <= len(names) <= N_CHANNELS and len(set(names)) == len(names) else None
