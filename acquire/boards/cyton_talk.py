"""Conversations with a Cyton that does not stream: setting it up, measuring its electrodes, asking how it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from acquire.boards import cyton_commands as says
from acquire.boards.board import Contact
from acquire.boards.cyton_frames import N_CHANNELS, CytonParser, Frame, channel_counts
from acquire.boards.serial_link import SerialLink
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["CytonTalk"]

_GREETING_S = 6.0
_ANSWER_S = 1.5
_TRIES = 3
_QUIET_S = 0.15
_DRAIN_S = 3.0
_CONTACT_SETTLE = 75
_CONTACT_SAMPLES = 256
_CONTACT_LIMIT_S = 4.0
_VERBS = ("cannot", "did not", "does not", "refused", "sent")


class CytonTalk:
    """Questions to a board, and its answers.

    Args:
        link: to the dongle.
        address: of the board, for messages.
        gain: of each channel that is on.
        leads: what is measured on channel 1, 2, …; the channels behind them are off.
    """

    def __init__(self, link: SerialLink, *, address: str, gain: int, leads: Sequence[str]) -> None:
        self._link = link
        self._address = address
        self._gain = gain
        self._leads = leads

    def configure(self) -> str:
        """Reset the board, check what it is, set its channels and switch its clock on.

        Returns:
            The firmware's version.

        Raises:
            BoardError: it does not answer, is no Cyton or not one that can be used, or refuses a setting.
        """
        self._link.write(says.STOP)
        self.drain()
        text = self._ask(says.RESET, _GREETING_S)
        if text is None:
            raise self._error(
                BoardErrorReason.NO_ANSWER,
                f"did not answer on {self._link.device} within {_GREETING_S:g} s; set the dongle's switch to GPIO"
                " 6, and choose its port",
            )
        if clause := says.greeting_fault(text):
            raise self._error(*clause)
        for channel in range(1, N_CHANNELS + 1):
            command = says.channel_command(channel, gain=self._gain, on=channel <= len(self._leads))
            self._tell(command, f"the settings of channel {channel}")
        self._switch_clock_on()
        return says.firmware_of(text)

    def check_contact(self) -> tuple[Contact, ...]:
        """Measure each electrode's impedance with the board's own current, one after the other; 1.5 s each.

        Raises:
            BoardError: the board refuses the current, or its samples do not come.
        """
        contacts = []
        for channel, lead in enumerate(self._leads, 1):
            for sign in "+-":
                current_on = says.lead_off_command(channel, positive=sign == "+", negative=sign == "-")
                self._tell(current_on, "the lead-off test")
                try:
                    frames = self._sample()
                finally:
                    self._tell(says.lead_off_command(channel), "the end of the lead-off test")
                ohms = says.contact_ohms(channel_counts(frames)[:, channel - 1], gain=self._gain)
                contacts.append(_contact(f"CH{channel} (lead {lead}) {sign}", ohms))
        return tuple(contacts)

    def probe(self) -> Iterator[list[tuple[bytes, int]]]:
        """Ask a silent board how it is, handing on what comes meanwhile; ends when it says that it does not stream.

        The question changes nothing on a board that streams, which carries it out without a word. The caller breaks
        off when samples come.

        Raises:
            BoardError: there is no board, or no answer.
        """
        self._link.write(says.CLOCK_ON)
        said = bytearray()
        deadline_s = time.monotonic() + _ANSWER_S
        while says.ANSWER_END not in said:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise self._error(
                    BoardErrorReason.SILENT,
                    "sent nothing and did not answer; bring board and dongle nearer to each other, and charge its"
                    " battery",
                )
            pieces = self._link.read(left_s)
            said += b"".join(data for data, _ in pieces)
            yield pieces
        if clause := says.failure(said.decode("ascii", errors="replace")):
            raise self._error(*clause)

    def _tell(self, command: bytes, what: str) -> None:
        """Send a command until the board confirms it."""
        text: str | None = None
        for _ in range(_TRIES):
            text = self._ask(command, _ANSWER_S)
            if text is not None and "Success" in text:
                return
            if text is not None and (clause := says.failure(text)):
                raise self._error(*clause)
            self.drain()
        if text is None:
            raise self._error(
                BoardErrorReason.NO_ANSWER,
                f"did not confirm {what} ({command.decode()}) within {_ANSWER_S:g} s, {_TRIES} times; bring board and"
                " dongle nearer to each other",
            )
        raise self._error(
            BoardErrorReason.REFUSED,
            f"refused {what} ({command.decode()}: {ascii(' '.join(text.split()))[:100]}); update its firmware",
        )

    def _switch_clock_on(self) -> None:
        """Have each frame carry the board's clock; silence is an answer too, of firmware that knows no clock."""
        for _ in range(_TRIES):
            text = self._ask(says.CLOCK_ON, _ANSWER_S) or ""
            if says.CLOCK_IS_ON in text:
                return
            if clause := says.failure(text):
                raise self._error(*clause)
            self.drain()
        raise self._error(
            BoardErrorReason.UNSUPPORTED,
            "does not send its clock, without which lost samples cannot all be told; update its firmware to v3, or"
            f" record through brainflow:cyton?serial_port={self._link.device}, which cannot tell a loss of 256 samples",
        )

    def _ask(self, command: bytes, limit_s: float) -> str | None:
        """Send a command and read its answer; None where no whole one came in time."""
        self._link.read(0.0)
        self._link.write(command)
        came = bytearray()
        deadline_s = time.monotonic() + limit_s
        while says.ANSWER_END not in came:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            for data, _ in self._link.read(left_s):
                came += data
        return came[: came.index(says.ANSWER_END)].decode("ascii", errors="replace")

    def drain(self) -> None:
        """Take what still comes until it is quiet: late frames, junk, half an answer.

        Raises:
            BoardError: it does not become quiet, or the port has gone.
        """
        deadline_s = time.monotonic() + _DRAIN_S
        while self._link.read(_QUIET_S):
            if time.monotonic() > deadline_s:
                raise self._error(
                    BoardErrorReason.UNSUPPORTED,
                    f"does not stop sending on {self._link.device}; choose the port of the OpenBCI dongle",
                )

    def _sample(self) -> list[Frame]:
        """About a second of samples, the settling of the inputs left out."""
        parser = CytonParser()
        frames: list[Frame] = []
        wanted = _CONTACT_SETTLE + _CONTACT_SAMPLES
        self._link.write(says.START)
        try:
            deadline_s = time.monotonic() + _CONTACT_LIMIT_S
            while len(frames) < wanted and (left_s := deadline_s - time.monotonic()) > 0:
                for data, host_ns in self._link.read(left_s):
                    frames += parser.feed(data, host_ns)
        finally:
            self._link.write(says.STOP)
            self.drain()
        if len(frames) < wanted:
            raise self._error(
                BoardErrorReason.SILENT,
                f"sent {len(frames)} of {wanted} samples while its electrodes were measured; bring board and dongle"
                " nearer to each other",
            )
        return frames[_CONTACT_SETTLE:wanted]

    def _error(self, reason: BoardErrorReason, clause: str) -> BoardError:
        verb = clause if clause.startswith(_VERBS) else f"cannot be used: {clause}"
        return BoardError(f"The board {self._address!r} {verb}.", reason=reason, address=self._address)


def _contact(electrode: str, ohms: float | None) -> Contact:
    if ohms is None:
        return Contact(electrode=electrode, ohms=None, good=False, words="at its rail: put the electrode on")
    good = ohms <= says.GOOD_OHMS
    words = "good" if good else f"above {says.GOOD_OHMS / 1000:g} kΩ: press it on, or clean the skin and add gel"
    return Contact(electrode=electrode, ohms=ohms, good=good, words=words)
