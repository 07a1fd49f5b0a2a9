"""What every board is to the rest of trilead, and how an address becomes one.

A board address is ``scheme:rest``, for example ``sim:?speed=max``. The scheme chooses the class; its module is imported
only then, so that a driver which is not installed costs nothing until somebody asks for it.
"""

from __future__ import annotations

import difflib
import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from acquire.boards.address import short
from acquire.errors import BoardError, BoardErrorReason

__all__ = [
    "BATCH_S",
    "BOARD_KINDS",
    "Board",
    "BoardInfo",
    "Channel",
    "Chunk",
    "Contact",
    "LinkCounters",
    "Samples",
    "open_board",
]

Samples = NDArray[np.int32] | NDArray[np.float32]

BATCH_S = 0.0125
"""About how long a board lets samples gather before it hands them over: an hour is then no million records, and what
arrives is in the journal long before anybody could miss it."""

BOARD_KINDS: dict[str, str] = {
    "ads1292r": "acquire.boards.protocentral:Ads1292rBoard",
    "ads1293": "acquire.boards.protocentral:Ads1293Board",
    "brainflow": "acquire.boards.brainflow_board:BrainFlowBoard",
    "cyton": "acquire.boards.cyton:CytonBoard",
    "lines": "acquire.boards.lines:LinesBoard",
    "lsl": "acquire.boards.lsl:LslBoard",
    "replay": "acquire.boards.replay:ReplayBoard",
    "sim": "acquire.boards.sim:SimBoard",
}
"""Scheme → ``module:Class``. The class is called with ``(address, subject=..., session=..., mains_hz=...)``."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One column of a board's samples: ``value = (count - offset) * gain``, in ``unit``."""

    name: str
    unit: str = "mV"
    gain: float
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BoardInfo:
    """What a board says about itself once it is open.

    Attributes:
        address: as the operator gave it.
        name: the board in words.
        firmware: the version the board reports, or "" when it reports none.
        nominal_rate_hz: the rate it was set to; the true one is fitted from the clock afterwards.
        channels: one per column of a chunk.
        montage: lead → {channel: weight}; how each measured lead is made of channels.
        dtype: what a chunk's samples are.
        loss_detection: how the loss of samples is noticed, as a short clause that is stored with the recording, for
            example "sample counter modulo 256 and board clock", or "none: the board sends no counter".
        rails: the smallest and the largest count that the converter can give, or None where they are not known.
    """

    address: str
    name: str
    firmware: str
    nominal_rate_hz: float
    channels: tuple[Channel, ...]
    montage: dict[str, dict[str, float]]
    dtype: Literal["int32", "float32"]
    loss_detection: str
    rails: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive samples as they arrived.

    Attributes:
        samples: shape (n, n_channels), exactly as the board gave them.
        index: the unwrapped sample counter of the first row. A jump against the end of the chunk before is a loss.
        host_ns: ``time.monotonic_ns()`` when the last row was received.
        board_ns: the board's own clock for the last row, or -1 where it has none.
        cause: why the samples right before this chunk are missing, as a short clause; "" where none are.
    """

    samples: Samples
    index: int
    host_ns: int
    board_ns: int = -1
    cause: str = ""


@dataclass(frozen=True, kw_only=True)
class LinkCounters:
    """What has come over the link since the board was opened.

    Attributes:
        received_bytes: all of them; 0 where the driver does not see bytes.
        bad_bytes: those that belong to no sound frame.
        resyncs: how often the beginning of a frame had to be looked for.
        reconnects: how often the board was reached again.
    """

    received_bytes: int = 0
    bad_bytes: int = 0
    resyncs: int = 0
    reconnects: int = 0


@dataclass(frozen=True, kw_only=True)
class Contact:
    """How well one electrode, or one pair of them, touches the skin.

    Attributes:
        electrode: which, in the words of the board's channels, for example "CH1 (lead I) +".
        ohms: impedance, or None where only a judgement can be had.
        good: whether a recording can be begun with it.
        words: what to do where it is not good, or a short clause.
    """

    electrode: str
    ohms: float | None
    good: bool
    words: str


class Board(ABC):
    """A source of samples.

    The order of calls is ``open``, ``start``, any number of ``read``, ``stop``, ``close``; used as a context manager a
    board is opened on entry, and stopped and closed on exit. ``stop`` and ``close`` may be called at any time, and more
    than once.

    Attributes:
        can_reconnect: whether ``reconnect`` may bring back a board that has gone or fallen silent.
    """

    can_reconnect: ClassVar[bool] = False

    @abstractmethod
    def open(self) -> BoardInfo:
        """Reach the board and learn what it is.

        Raises:
            BoardError: the board cannot be reached or is not what the address says.
        """

    @abstractmethod
    def start(self) -> None:
        """Let the samples flow; the first one has index 0."""

    @abstractmethod
    def read(self, timeout_s: float, max_samples: int | None = None) -> Chunk | None:
        """Wait for samples.

        Args:
            timeout_s: how long to wait at most.
            max_samples: how far the chunk may reach, counted from the end of the chunk before. Only where a loss
                swallows that whole range does the chunk lie past it; it then holds the one row that tells of the loss,
                as a real board cannot tell of it earlier.

        Returns:
            Consecutive samples, or None when none came in time.

        Raises:
            BoardError: the board has gone.
        """

    def reconnect(self) -> None:
        """Reach the same board again after it hung up or fell silent, and let the samples flow again.

        It tries once and returns soon; the caller tries again after a pause. What was missed shows as a jump of the
        index of the next chunk, which says the cause.

        Raises:
            BoardError: it is not there yet.
        """
        raise BoardError(
            f"The board {type(self).__name__} cannot be reached a second time; start a new recording.",
            reason=BoardErrorReason.WRONG_STATE,
            address="",
        )

    @abstractmethod
    def stop(self) -> None:
        """Stop the flow."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the board."""

    def resource(self) -> str:
        """What no two recorders may use at once, by its most lasting name; "" when the board can be shared.

        Known as soon as the board is open.
        """
        return ""

    def link(self) -> LinkCounters:
        """What has come over the link so far."""
        return LinkCounters()

    def check_contact(self) -> tuple[Contact, ...]:
        """Measure the electrodes' contact where the board can; only between ``open`` and ``start``.

        Raises:
            BoardError: the board does not do what it is told.
        """
        return ()

    def tell(self, activity: str, index: int) -> None:  # noqa: B027 - only a simulated board has a use for it
        """Say that the subject does ``activity`` from sample ``index`` on; a board on a person need not know."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.close()


def open_board(address: str, *, subject: str = "", session: str = "", mains_hz: float | None = None) -> Board:
    """Make the board that an address names; it is not opened yet.

    Args:
        address: ``scheme:rest``.
        subject: pseudonym of whom the electrodes are on; the simulated board takes it for its person.
        session: label of the session; the simulated board takes it for the electrodes' placement.
        mains_hz: the study's mains frequency; the simulated board hums with it.

    Raises:
        BoardError: no such kind of board, or the rest of the address is not one this kind understands.
    """
    scheme, colon, _ = address.partition(":")
    if scheme not in BOARD_KINDS or not colon:
        known = ", ".join(f"{kind}:" for kind in sorted(BOARD_KINDS))
        close = difflib.get_close_matches(scheme, BOARD_KINDS, n=1)
        hint = f"did you mean {close[0]}: ?" if close else f"known kinds are {known}."
        raise BoardError(
            f"The board address {short(address)} names no known kind of board; {hint}",
            reason=BoardErrorReason.UNKNOWN_KIND,
            address=address,
        )
    module, _, name = BOARD_KINDS[scheme].partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise BoardError(
            f"The board {short(address)} needs the Python package {error.name}; install it with pip.",
            reason=BoardErrorReason.MISSING_DRIVER,
            address=address,
        ) from error
    board = kind(address, subject=subject, session=session, mains_hz=mains_hz)
    assert isinstance(board, Board)
    return board
