"""The simulated board: a heart behind an amplifier with the Cyton's scale.

It is a board like any other to the recorder, except that it listens to ``tell``: an activity changes the heart at the
exact sample. What it delivers depends on its options and on what it was told, not on how fast it runs or how it is
read, provided that reads stop at each boundary of the protocol until it was told of it (``max_samples`` is for that).
"""

from __future__ import annotations

import math
import sys
import threading
import time

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import BATCH_S, Board, BoardInfo, Channel, Chunk
from acquire.boards.heart import Heart
from acquire.boards.sim_options import parse_address
from acquire.errors import BoardError, BoardErrorReason

__all__ = ["COUNT_LIMIT", "GAIN_MV", "SimBoard"]

COUNT_LIMIT = 2**23 - 1
GAIN_MV = 4500.0 / 12 / COUNT_LIMIT
"""Millivolts per count of a Cyton at gain 12."""

_MOST_PER_READ_S = 1.0
_MOST_PER_READ_UNPACED_S = 10.0


class SimBoard(Board):
    """A board whose electrodes are on nobody.

    Its three channels are the leads I, II and III. I and II saturate as a 24-bit converter does; III is their
    difference in counts, always, so that III = II - I holds exactly.

    Args:
        address: ``sim:`` and options; see `acquire.boards.sim_options`.
        subject: the person unless the address names one.
        session: the session unless the address names one.
        mains_hz: the study's mains frequency, for the hum, unless the address names one.

    Raises:
        BoardError: the address cannot be understood.
    """

    def __init__(self, address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> None:
        self.address = address
        self.options = parse_address(address, subject=subject, session=session, mains_hz=mains_hz)
        rate_hz, speed = self.options.rate_hz, self.options.speed
        paced = math.isfinite(speed)
        # A real driver hands over what has gathered; single samples would cost more than they carry.
        self._batch = max(1, round(BATCH_S * speed * rate_hz)) if paced else 1
        most_s = max(_MOST_PER_READ_S, 2 * BATCH_S * speed) if paced else _MOST_PER_READ_UNPACED_S
        self._most_per_read = round(most_s * rate_hz)
        self._silent_from = self.options.stop_after_s * rate_hz
        self._heart: Heart | None = None
        self._stopped = threading.Event()
        self._stopped.set()
        self._began_s = 0.0
        self._generated = 0
        self._delivered = 0  # end of the last chunk

    def open(self) -> BoardInfo:
        """Make the heart; nothing is reached for, so nothing can fail."""
        options = self.options
        self._heart = Heart(
            person=options.person,
            session=options.session,
            seed=options.seed,
            rate_hz=options.rate_hz,
            mains_hz=options.mains_hz,
            noise=options.noise,
        )
        self._generated = self._delivered = 0
        leads = ("I", "II", "III")
        return BoardInfo(
            address=self.address,
            name=f"simulated board (person {options.person}, session {options.session}, seed {options.seed})",
            firmware="",
            nominal_rate_hz=float(options.rate_hz),
            channels=tuple(Channel(name=lead, gain=GAIN_MV) for lead in leads),
            montage={lead: {lead: 1.0} for lead in leads},
            dtype="int32",
            loss_detection="exact: the simulated counter never wraps",
            rails=(-COUNT_LIMIT, COUNT_LIMIT),
        )

    def start(self) -> None:
        """Let the heart beat; after a stop it goes on where it was."""
        if self._heart is None:
            raise BoardError(
                f"The board {self.address!r} cannot be started: it is not open; call open first.",
                reason=BoardErrorReason.WRONG_STATE,
                address=self.address,
            )
        self._began_s = time.monotonic() - self._generated / (self.options.rate_hz * self.options.speed)
        self._stopped.clear()

    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait until about 20 ms of samples are due, or fewer if ``max_samples`` says so; see `Board.read`."""
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is {max_samples}; it must be at least 1")
        heart = self._running("read")
        first = self._surviving(self._delivered)
        stop = self._delivered + min(max_samples or self._most_per_read, self._most_per_read)
        if first >= stop:
            # The loss reaches past the limit. As on a real board it shows with the first sample after it.
            stop = first + 1
        stop = min(stop, self._next_loss(first))
        enough = min(stop, max(first + 1, self._delivered + self._batch))
        stop = int(min(stop, self._wait_for(enough, timeout_s)))
        if stop <= first:
            return None
        while self._generated < first:  # lost, but lived through
            portion = min(first - self._generated, self._most_per_read)
            heart.generate(portion)
            self._generated += portion
        one, two = (_counts(lead_mv) for lead_mv in heart.generate(stop - first))
        self._generated = self._delivered = stop
        return Chunk(
            samples=np.stack([one, two, two - one], axis=1),
            index=first,
            host_ns=time.monotonic_ns(),
            board_ns=(stop - 1) * 1_000_000_000 // self.options.rate_hz,
        )

    def tell(self, activity: str, index: int) -> None:
        """Let the person do ``activity`` from sample ``index`` on; "" is the rest between two steps.

        An index that was generated already (a loss hid the boundary) changes only what is generated from now on.
        """
        self._running("told").tell(activity, index)

    def stop(self) -> None:
        """Stop the flow; a read that waits in another thread returns."""
        self._stopped.set()

    def close(self) -> None:
        """Forget the heart."""
        self.stop()
        self._heart = None

    def beat_indices(self) -> NDArray[np.int64]:
        """Say where the R peaks are: sample indices, ascending; a beat is known about 50 ms after its peak."""
        return self._running("asked for beats").beats

    def _running(self, deed: str) -> Heart:
        if self._heart is None:
            raise BoardError(
                f"The board {self.address!r} cannot be {deed}: it is not open; call open first.",
                reason=BoardErrorReason.WRONG_STATE,
                address=self.address,
            )
        return self._heart

    def _surviving(self, index: int) -> int:
        """First index from ``index`` on that is not lost."""
        for start, stop in self.options.drop:
            if start <= index < stop:
                return stop
        return index

    def _next_loss(self, index: int) -> int:
        return min((start for start, _ in self.options.drop if start > index), default=sys.maxsize)

    def _wait_for(self, count: int, timeout_s: float) -> float:
        """Wait until ``count`` samples are due or the time is up; say how many are due."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            now_s = time.monotonic()
            due = min(self._due(now_s), self._silent_from)
            if due >= count or now_s >= deadline_s or self._stopped.is_set():
                break
            wait_s = deadline_s - now_s
            if math.isfinite(self.options.speed) and count <= self._silent_from:
                due_s = self._began_s + count / (self.options.rate_hz * self.options.speed)
                wait_s = min(wait_s, due_s - now_s)
            self._stopped.wait(max(wait_s, 0.0005))
        return due

    def _due(self, now_s: float) -> float:
        if self._stopped.is_set():
            return self._delivered
        if math.isinf(self.options.speed):
            return math.inf
        return (now_s - self._began_s) * self.options.rate_hz * self.options.speed


def _counts(lead_mv: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.rint(lead_mv / GAIN_MV), -COUNT_LIMIT, COUNT_LIMIT).astype(np.int32)
