"""A recording played back as if its board were there once more.

``replay:FILE`` and, after a question mark, one option:

======  =================================================================================================  ============
option  what it does                                                                                       default
======  =================================================================================================  ============
speed   how many times faster than it was recorded, above 0 and at most 10000; ``max`` for no pacing       1
======  =================================================================================================  ============

Samples, channels, gains and gaps are the recording's own; a gap shows as it did when it was recorded, as samples that
do not come and a jump of the index, with its cause. Sample 0 is the recording's first row, and the board's clock is the
one that the recording holds, so that what is recorded from a replay has the same rate as its source at any speed.

After its last sample a recording has nothing more to say. A silent board would be waited for, and a recording that
began again from its start would join two ends that never met, so the board reports itself gone: the recorder then ends
the recording as complete up to there, with the reason in words.
"""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from acquire.boards.address import Address, number, short
from acquire.boards.board import BATCH_S, Board, BoardInfo, Chunk, Samples
from acquire.errors import BoardError, BoardErrorReason, RecordingError

if TYPE_CHECKING:
    from acquire.recordings.recording import Recording

__all__ = ["ReplayBoard"]

EXAMPLE = "replay:recordings/sub-S01_ses-01_run-01.h5?speed=max"
_OPTIONS = ("speed",)
_BLOCK_S = 10.0
"""About as long as the pieces that a recording file is packed in: none is unpacked twice, and memory stays flat."""
_MOST_PER_READ_S = 10.0
_ROWS_CHECKED = 1 << 16


class ReplayBoard(Board):
    """A board whose samples were measured before.

    Args:
        address: ``replay:FILE``, with a path that is absolute or starts where the command does.
        subject: not used; a replay is of whom it is.
        session: not used.
        mains_hz: not used.

    Raises:
        BoardError: the address cannot be understood.
    """

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        given = Address(address, options=_OPTIONS, example=EXAMPLE)
        if not given.target:
            raise given.fault(f"it names no recording file; write {EXAMPLE}.")
        self.address = address
        self.speed = given.take("speed", 1.0, _speed, "max, or a number above 0 and at most 10000")
        try:
            self._path = Path(given.target).expanduser()
        except RuntimeError:
            raise given.fault(f"there is no such user; write the path in full, as in {EXAMPLE}.") from None
        # What is stored with the new recording names the file but no folder of this computer.
        query = address.partition("?")[2]
        self._shown = f"replay:{self._path.name}{'?' + query if query else ''}"
        self._recording: Recording | None = None
        self._stopped = threading.Event()
        self._stopped.set()
        self._began_s = 0.0
        self._delivered = 0  # end of the last chunk
        self._run = 0  # which of the recording's valid ranges is next or under way
        self._block: tuple[int, Samples] = (0, np.empty((0, 0), dtype=np.int32))  # its first row, its rows

    def open(self) -> BoardInfo:
        """Open the recording and check all of it."""
        # HDF5 is not needed by a recorder that listens to a real board.
        from acquire.recordings.recording import open_recording

        self.close()
        try:
            recording = open_recording(self._path)
        except RecordingError as error:
            raise self._fault(str(error), BoardErrorReason.NOT_FOUND) from error
        except OSError as error:
            wrong = f"its file cannot be looked for ({error.strerror or error}); name another."
            raise self._fault(wrong, BoardErrorReason.NOT_FOUND) from error
        self._recording = recording
        self._dtype = self._sample_type(recording)
        if not len(recording.valid):
            self.close()
            raise self._fault(f"{self._path} holds no samples; choose another recording.", BoardErrorReason.UNSUPPORTED)
        self._rate_hz = recording.rate_hz
        paced = math.isfinite(self.speed)
        self._batch = max(1, round(BATCH_S * self.speed * self._rate_hz)) if paced else 1
        self._most_per_read = max(1, self._batch, round(_MOST_PER_READ_S * self._rate_hz))
        self._block_rows = max(1, round(_BLOCK_S * self._rate_hz))
        self._clock = _clock_of(recording)
        self._causes = {
            stop: "; ".join(
                dict.fromkeys(gap.cause for gap in recording.gaps if start <= gap.start < stop and gap.cause)
            )
            for start, stop in _spaces(recording.valid)
        }
        self._delivered, self._run = 0, 0
        header = recording.header
        seen = header.loss_detection or "not known how"
        return BoardInfo(
            address=self._shown,
            name=f"replay of recording {header.recording_id} ({header.board})",
            firmware=header.firmware,
            nominal_rate_hz=header.nominal_rate_hz,
            channels=recording.channels,
            montage={lead: dict(weights) for lead, weights in header.montage.items()},
            dtype=self._dtype,
            loss_detection=f"as in the recording that is replayed: {seen}",
        )

    def start(self) -> None:
        """Let the samples flow; after a stop they go on where they were."""
        self._opened("started")
        self._began_s = time.monotonic() - self._delivered / (self._rate_hz * self.speed)
        self._stopped.clear()

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait until samples are due; see `Board.read`.

        Raises:
            BoardError: the recording has ended, or its file is damaged.
        """
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is {max_samples}; it must be at least 1")
        recording = self._opened("read")
        if self._run == len(recording.valid):
            raise BoardError(
                f"The recording {self._path.name} was replayed to its end, sample {recording.n_samples}.",
                reason=BoardErrorReason.HUNG_UP,
                address=self.address,
            )
        valid_from, valid_to = map(int, recording.valid[self._run])
        first = max(self._delivered, valid_from)
        stop = self._delivered + min(max_samples or self._most_per_read, self._most_per_read)
        # Where a gap swallows all that may be handed over, it shows with the first sample after it.
        stop = min(max(stop, first + 1), valid_to, self._end_of_block(first))
        enough = min(stop, max(first + 1, self._delivered + self._batch))
        stop = int(min(stop, self._wait_for(enough, timeout_s)))
        if stop <= first:
            return None
        samples = self._rows(recording, first, stop)
        cause = self._causes.get(first, "") if first > self._delivered else ""
        self._delivered = stop
        self._run += stop == valid_to
        return Chunk(
            samples=samples,
            index=first,
            host_ns=time.monotonic_ns(),
            board_ns=self._board_ns(stop - 1),
            cause=cause,
        )

    def stop(self) -> None:
        """Stop the flow; a read that waits in another thread returns."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of the file."""
        self.stop()
        if self._recording is not None:
            self._recording.close()
            self._recording = None
        self._block = (0, np.empty((0, 0), dtype=np.int32))

    def _opened(self, deed: str) -> Recording:
        if self._recording is None:
            raise self._fault(
                f"it cannot be {deed}, because it is not open; call open first.", BoardErrorReason.WRONG_STATE
            )
        return self._recording

    def _fault(self, wrong: str, reason: BoardErrorReason) -> BoardError:
        return BoardError(f"The board {short(self._shown)}: {wrong}", reason=reason, address=self.address)

    def _sample_type(self, recording: Recording) -> Literal["int32", "float32"]:
        stored = recording.counts(0, 0).dtype
        if stored.kind == "i":
            return "int32"
        # A board hands over single precision. Not one sample may change by that.
        if stored == np.float64:
            for start in range(0, recording.n_samples, _ROWS_CHECKED):
                rows = recording.counts(start, min(start + _ROWS_CHECKED, recording.n_samples))
                if not np.array_equal(rows, rows.astype(np.float32)):
                    self.close()
                    raise self._fault(
                        f"{self._path.name} holds 64-bit numbers that 32 bits cannot hold; replay another recording.",
                        BoardErrorReason.UNSUPPORTED,
                    )
        return "float32"

    def _rows(self, recording: Recording, first: int, stop: int) -> Samples:
        """Rows of one block, from memory where it was the block that was read last."""
        start, rows = self._block
        if not start <= first < start + len(rows):
            start = first - first % self._block_rows
            rows = self._read_rows(recording, start, min(self._end_of_block(first), recording.n_samples))
            self._block = start, rows
        return rows[first - start : stop - start].copy()

    def _read_rows(self, recording: Recording, start: int, stop: int) -> Samples:
        try:
            rows = recording.counts(start, stop)
        except RecordingError as error:
            raise self._fault(str(error), BoardErrorReason.REFUSED) from error
        return rows.astype(np.int32) if self._dtype == "int32" else rows.astype(np.float32)

    def _end_of_block(self, row: int) -> int:
        return row - row % self._block_rows + self._block_rows

    def _board_ns(self, row: int) -> int:
        rows, times_ns = self._clock
        if len(rows) < 2:
            return round(row * 1e9 / self._rate_hz)
        place = min(max(int(np.searchsorted(rows, row)), 1), len(rows) - 1)
        row_0, row_1, ns_0, ns_1 = (int(x) for x in (*rows[place - 1 : place + 1], *times_ns[place - 1 : place + 1]))
        return max(ns_0 + (ns_1 - ns_0) * (row - row_0) // (row_1 - row_0), 0)

    def _wait_for(self, count: int, timeout_s: float) -> float:
        """Wait until ``count`` samples are due or the time is up; say how many are due."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            now_s = time.monotonic()
            due = self._due(now_s)
            if due >= count or now_s >= deadline_s or self._stopped.is_set():
                return due
            wait_s = self._began_s + count / (self._rate_hz * self.speed) - now_s
            self._stopped.wait(max(min(wait_s, deadline_s - now_s), 0.0005))

    def _due(self, now_s: float) -> float:
        if self._stopped.is_set():
            return self._delivered
        if math.isinf(self.speed):
            return math.inf
        return (now_s - self._began_s) * self._rate_hz * self.speed


def _speed(text: str) -> float | None:
    if text == "max":
        return math.inf
    value = number(0.0, 10_000.0)(text)
    return value if value else None


def _spaces(valid: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The ranges before and between the valid ones."""
    starts = [0, *valid[:-1, 1].tolist()]
    return [(start, stop) for start, stop in zip(starts, valid[:, 0].tolist(), strict=True) if start < stop]


def _clock_of(recording: Recording) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and when they were there, ns: by the board's own clock where every row of the table has it."""
    clock = recording.clock
    times_ns = clock[:, 2] if np.all(clock[:, 2] >= 0) else clock[:, 1] - clock[:1, 1]
    return clock[:, 0], times_ns
