"""Any board that BrainFlow knows: Ganglion, Callibri, Shimmer, its synthetic and playback boards, and a Cyton too.

``brainflow:NAME`` and, after a question mark, options, each at most once. NAME is BrainFlow's name of the board in
upper or lower case, with or without ``_board``: ``ganglion_native``, ``callibri_ecg``, ``synthetic``.

=============  ============================================================================  ==========================
option         what it is                                                                    default
=============  ============================================================================  ==========================
serial_port    port, link to one, or USB serial number of one                                none
mac_address    of a Bluetooth board                                                          the first that is found
serial_number  of the board, where BrainFlow asks for one                                    none
ip_address     of a network board                                                            none
ip_port        of a network board, 1 to 65535                                                the board's own
file           what ``playback_file`` plays                                                  none
master_board   which board's recording that is, by name; also for ``streaming``              none
timeout        seconds to look for a board, 1 to 60                                          the board's own
other_info     whatever else the board asks for                                              none
channels       which of its ECG or other biopotential channels, from 1, with commas           all
leads          names of these channels, with commas; ``-`` for one that is no lead           CH1,CH2…
preset         ``default``, ``auxiliary`` or ``ancillary``                                   ``default``
=============  ============================================================================  ==========================

BrainFlow reports neither losses nor a cable that was pulled, so both are found here: losses from the row of package
numbers (`acquire.boards.package_numbers`), a pulled cable by its device file. Where BrainFlow drops bytes, it does so
silently; for a Cyton ``cyton:`` loses less.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from acquire.boards.address import Address, one_of, short, whole
from acquire.boards.board import BATCH_S, Board, BoardInfo, Channel, Chunk, LinkCounters
from acquire.boards.brainflow_library import (
    board_id,
    board_names,
    close_names,
    describe,
    library,
    make_shim,
    translate,
)
from acquire.boards.package_numbers import PackageNumbers
from acquire.boards.ports import SerialPort, find_again, find_port
from acquire.boards.stream_options import NO_LEAD, channel_name, read_names
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["BrainFlowBoard"]

EXAMPLE = "brainflow:ganglion_native?mac_address=aa:bb:cc:dd:ee:ff"
_TEXTS = ("mac_address", "serial_number", "ip_address", "other_info")
OPTIONS = ("serial_port", *_TEXTS, "ip_port", "file", "master_board", "timeout", "channels", "leads", "preset")
_PRESETS = ("default", "auxiliary", "ancillary")
_PLAYBACK = "playback_file"
_OF_A_FILE = (_PLAYBACK, "streaming")

MV_PER_UV = 0.001
MAX_CHANNELS = 64
RING_S = 120.0
"""What BrainFlow keeps for us; far longer than any disk stalls."""
SETTLE_S = 0.05
"""After a silence: what was held back on the way comes within so much."""
_MAX_RING_ROWS = 1 << 22

_TURNS = {"cyton": 256, "cyton_wifi": 256, "synthetic": 256}
"""Boards whose package number is known to count every sample, and where it starts over."""


class BrainFlowBoard(Board):
    """A board behind BrainFlow.

    Samples are microvolts as BrainFlow gives them, in single precision, which holds every count of a 24-bit converter.

    Args:
        address: ``brainflow:NAME`` and options; see `acquire.boards.brainflow_board`.
        subject: not used.
        session: not used.
        mains_hz: not used.

    Raises:
        BoardError: the address cannot be understood, or BrainFlow is not installed.
    """

    can_reconnect: ClassVar[bool] = True

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        given = Address(address, options=OPTIONS, example=EXAMPLE)
        self.address = address
        self._shim = library(address)
        names = board_names(self._shim)
        number = board_id(given.target, names)
        if number is None:
            raise given.fault(f"BrainFlow knows no board of this name; {close_names(given.target, names)}")
        self._number = number
        self._name = next(name for name, value in names.items() if value == number)
        self._serial_target = given.take("serial_port", "", _text, "a port")
        file = given.take("file", "", _text, "a file")
        if self._name == _PLAYBACK and (fault := _file_fault(file)):
            raise given.fault(fault, "file")
        master = given.take("master_board", None, lambda text: board_id(text, names), "the name of a BrainFlow board")
        if self._name in _OF_A_FILE and master is None:
            raise given.fault(f"{self._name} needs master_board, the board that it stands for; add master_board=cyton.")
        self._described = number if master is None else master
        self._preset = _PRESETS.index(
            given.take("preset", "default", one_of(*_PRESETS), f"one of {', '.join(_PRESETS)}")
        )
        self._wanted = given.take(
            "channels", None, _channels, f"numbers from 1 to {MAX_CHANNELS} with commas, no two alike"
        )
        self._leads = given.take(
            "leads", None, read_names(MAX_CHANNELS, 1), f"1 to {MAX_CHANNELS} names with commas, no two alike"
        )
        params = self._shim.BrainFlowInputParams()
        for option in _TEXTS:
            setattr(params, option, given.take(option, "", _text, "text"))
        params.ip_port = given.take("ip_port", 0, whole(1, 65535), "a whole number from 1 to 65535")
        params.timeout = given.take("timeout", 0, whole(1, 60), "a whole number of seconds from 1 to 60")
        params.file = file
        params.master_board = self._shim.BoardIds.NO_BOARD.value if master is None else master
        self._params = params
        self._port: SerialPort | None = None
        self._board: Any = None
        self._open = False
        self._streaming = False
        self._reconnects = 0
        self._fault: BoardError | None = None
        self._choose_rows(given)

    def _choose_rows(self, given: Address) -> None:
        """Settle which rows of BrainFlow's table are ours."""
        rows = describe(self._shim, self._described, self._preset, self.address)
        exg = [row for kind in ("ecg", "exg", "emg", "eeg") for row in rows.get(f"{kind}_channels", ())]
        all_rows = tuple(dict.fromkeys(exg))
        if not all_rows or "package_num_channel" not in rows:
            raise given.fault(f"{self._name} has no channels for an ECG here; use another board or preset.")
        wanted = self._wanted or tuple(range(1, len(all_rows) + 1))
        if max(wanted) > len(all_rows):
            raise given.fault(f"channel {max(wanted)} is asked for; the board has 1 to {len(all_rows)}.", "channels")
        if self._leads is not None and len(self._leads) != len(wanted):
            raise given.fault(
                f"there are {len(self._leads)} names for {len(wanted)} channels; make them equal.", "leads"
            )
        self._rows = [all_rows[place - 1] for place in wanted]
        names = self._leads or tuple(NO_LEAD for _ in wanted)
        self._channels = tuple(
            Channel(name=channel_name(name, place), gain=MV_PER_UV) for name, place in zip(names, wanted, strict=True)
        )
        self._montage = {
            channel.name: {channel.name: 1.0}
            for channel, name in zip(self._channels, names, strict=True)
            if self._leads is None or name != NO_LEAD
        }
        self._number_row = int(rows["package_num_channel"])
        self._rate_hz = float(rows["sampling_rate"])
        self._title = str(rows.get("name", self._name))

    def open(self) -> BoardInfo:
        """Let BrainFlow reach the board; takes seconds."""
        self.close()
        self._reconnects = 0
        if self._serial_target:
            self._port = find_port(self._serial_target, guess="", address=self.address)
        self._prepare()
        turn = _TURNS.get(self._name)
        return BoardInfo(
            address=self.address,
            name=f"{self._title}, by BrainFlow {self._shim.BoardShim.get_version()}",
            firmware="",
            nominal_rate_hz=self._rate_hz,
            channels=self._channels,
            montage=self._montage,
            dtype="float32",
            loss_detection=(
                f"package number modulo {turn}" if turn else "package number, its turn learnt while recording"
            )
            + "; silences from 0.5 s on by the computer's clock",
        )

    def start(self) -> None:
        """Let BrainFlow stream; the first row it gives has index 0."""
        self._opened("started")
        self._begin()
        self._stream()

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait for samples; see `Board.read`."""
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is {max_samples}; it must be at least 1")
        self._opened("read")
        deadline_s = time.monotonic() + timeout_s
        while not self._pending:
            left_s = deadline_s - time.monotonic()
            if not self._streaming or left_s <= 0:
                break
            # BrainFlow cannot be waited for, so it is asked once a batch.
            time.sleep(min(BATCH_S, left_s))
            self._fetch()
        if not self._pending:
            if self._fault is not None:
                raise self._fault
            return None
        return self._cut(max_samples)

    def reconnect(self) -> None:
        """Let go of the board and let BrainFlow reach it again, wherever it is plugged in now."""
        self._opened("reached again")
        self._release()
        try:
            if self._port is not None:
                self._port = find_again(self._port, address=self.address)
            self._prepare()
            self._stream()
        except BoardError as error:
            self._fault = error
            raise
        self._numbers.restart()
        self._fault = None
        self._reconnects += 1

    def stop(self) -> None:
        """Stop the stream and throw away what BrainFlow still holds."""
        if self._streaming:
            self._streaming = False
            self._quietly(self._board.stop_stream)
            self._quietly(self._board.get_board_data)

    def close(self) -> None:
        """Let go of the board."""
        self.stop()
        self._release()
        self._open = False

    def resource(self) -> str:
        """The port, or what else names the board; "" for one that is made up."""
        if self._port is not None:
            return f"serial port {self._port.serial_number or os.path.realpath(self._port.device)}"
        which = self._params.mac_address or self._params.serial_number or self._params.ip_address
        return f"brainflow {self._name} {which}" if which else ""

    def link(self) -> LinkCounters:
        """Only the reconnects: BrainFlow tells nothing of bytes."""
        return LinkCounters(reconnects=self._reconnects)

    def _opened(self, deed: str) -> None:
        if not self._open:
            raise BoardError(
                f"The board {self.address!r} cannot be {deed}: it is not open; call open first.",
                reason=BoardErrorReason.WRONG_STATE,
                address=self.address,
            )

    def _begin(self) -> None:
        self._numbers = PackageNumbers(self._rate_hz, _TURNS.get(self._name))
        self._pending: deque[Chunk] = deque()
        self._reached = 0
        self._fault = None

    def _prepare(self) -> None:
        if self._port is not None:
            self._params.serial_port = self._port.device
        try:
            board = make_shim(self._shim, self._number, self._params)
            # Where this fails, there is nothing to release: the session is another's, or BrainFlow has let go of it.
            board.prepare_session()
        except self._shim.BrainFlowError as error:
            raise translate(error, self.address, self._params.serial_port) from error
        self._board = board
        self._open = True

    def _stream(self) -> None:
        try:
            self._board.start_stream(min(round(self._rate_hz * RING_S) + 1, _MAX_RING_ROWS))
        except self._shim.BrainFlowError as error:
            raise translate(error, self.address, self._params.serial_port) from error
        self._streaming = True

    def _release(self) -> None:
        self._streaming = False
        if self._board is not None:
            self._quietly(self._board.release_session)
            self._board = None

    def _quietly(self, deed: Callable[[], object]) -> None:
        """Do something on the way out, where the board may be gone already."""
        with contextlib.suppress(self._shim.BrainFlowError):
            deed()

    def _fetch(self) -> None:
        """Take what BrainFlow has, and give each row its index."""
        table = self._rows_now()
        host_ns = time.monotonic_ns()
        if table is None:
            return
        if self._numbers.after_silence(host_ns):
            time.sleep(SETTLE_S)
            rest = self._rows_now()
            host_ns = time.monotonic_ns()
            table = table if rest is None else np.concatenate([table, rest], axis=1)
        samples = table[self._rows].T.astype(np.float32)
        good = [bool(np.isfinite(row).all()) for row in samples]
        for run in self._numbers.place(table[self._number_row].tolist(), good, host_ns):
            self._pending.append(
                Chunk(samples=samples[run.start : run.stop], index=run.index, host_ns=host_ns, cause=run.cause)
            )

    def _rows_now(self) -> NDArray[np.float64] | None:
        try:
            if self._board.get_board_data_count(self._preset) > 0:
                table: NDArray[np.float64] = self._board.get_board_data(preset=self._preset)
                return table
        except self._shim.BrainFlowError as error:
            self._fault = translate(error, self.address, self._params.serial_port)
            self._streaming = False
            return None
        port = self._params.serial_port
        if port.startswith("/") and not Path(port).exists():
            # BrainFlow does not notice: it would wait for this port for ever.
            self._fault = BoardError(
                f"The board {self.address!r} is gone: {port} does not exist any more; plug it in again.",
                reason=BoardErrorReason.HUNG_UP,
                address=self.address,
            )
            self._streaming = False
        return None

    def _cut(self, max_samples: int | None) -> Chunk:
        """The next chunk, as far as it may reach."""
        chunk = self._pending.popleft()
        # Where a loss swallows all that may be handed over, it shows with the first sample after it.
        room = len(chunk.samples) if max_samples is None else max(1, self._reached + max_samples - chunk.index)
        if room < len(chunk.samples):
            rest = replace(chunk, samples=chunk.samples[room:], index=chunk.index + room, cause="")
            self._pending.appendleft(rest)
            chunk = replace(chunk, samples=chunk.samples[:room])
        self._reached = chunk.index + len(chunk.samples)
        return chunk


def _text(text: str) -> str | None:
    return text if text and text.isprintable() else None


def _file_fault(file: str) -> str:
    """Why a file cannot be played, as a clause with its mend, or "": BrainFlow would blame something else."""
    if not file:
        return "playback_file needs file, the recording that it plays; add file=PATH."
    if not Path(file).is_file():
        what = "is no file" if Path(file).exists() else "does not exist"
        return f"the file {short(file)} {what}; name one that BrainFlow has written."
    if not os.access(file, os.R_OK):
        return f"the file {short(file)} cannot be read; mend its permissions."
    return ""


def _channels(text: str) -> tuple[int, ...] | None:
    read = whole(1, MAX_CHANNELS)
    places = tuple(read(part) for part in text.split(","))
    found = tuple(place for place in places if place is not None)
    return found if len(found) == len(places) == len(set(places)) else None
