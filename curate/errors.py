"""What can go wrong between a recording and a corpus, and what a person can do about it.

TrileadError
└── CurateError
    ├── ImportRefused       a file from outside was not taken in
    ├── ExportError         a recording or corpus cannot be written in another format
    ├── FormatUnknown       no importer knows the file, or the named format does not exist
    ├── CleaningError       a filter cannot do what it was asked
    │   └── RateTooLow      the band does not fit under half the sampling rate
    ├── SignalError         an array has the wrong shape, range or unit for what is to be done with it
    ├── LayerError          a layer of labels is damaged, foreign, or was edited in a way that cannot be
    ├── CorpusError         a corpus file, or the recordings for one, cannot be used
    ├── SplitError          a split cannot be made from what is there
    └── LeakError           two sides of a split share raw samples, or the split cannot be honest
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from protocols.errors import TrileadError

__all__ = [
    "CleaningError",
    "CorpusError",
    "CurateError",
    "ExportError",
    "FormatUnknown",
    "ImportRefused",
    "LayerError",
    "LeakError",
    "RateTooLow",
    "RefusalReason",
    "SignalError",
    "SplitError",
]


class CurateError(TrileadError):
    """Something in import, cleaning, labels or the corpus that the person at the keyboard can mend."""


class RefusalReason(Enum):
    """Why an importer refused a file."""

    EMPTY = "empty"
    NAME = "name"
    SEPARATOR = "separator"
    TIME = "time"
    COUNT = "count"
    TOO_BIG = "too big"
    TOO_SHORT = "too short"
    NOT_TEXT = "not text"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    LABELS = "labels"
    STUDY = "study"
    HEADER = "header"
    RATE = "rate"
    CHANNELS = "channels"
    UNSUPPORTED = "unsupported"
    IDENTITY = "identity"
    OPTION = "option"
    MISSING_LIBRARY = "missing library"


class ImportRefused(CurateError):
    """A file from outside was not taken in; nothing was written for it.

    Attributes:
        path: the file, relative to what was asked to be imported.
        line: 1-based line number of the first offence, or None.
        reason: why, as an enum.
        value: what stood there, shortened, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path,
        reason: RefusalReason,
        line: int | None = None,
        value: str | None = None,
    ) -> None:
        self.path = path
        self.reason = reason
        self.line = line
        self.value = value
        place = str(path) if line is None else f"{path}, line {line}"
        # What a file holds may steer the terminal that the sentence is shown on.
        sentence = f"{place}: {message}"
        super().__init__("".join(letter if letter.isprintable() else "\ufffd" for letter in sentence))


class FormatUnknown(CurateError):
    """No importer knows a file, or the format that was named does not exist.

    Attributes:
        known: the names of the formats there are.
    """

    def __init__(self, message: str, *, known: tuple[str, ...]) -> None:
        self.known = known
        super().__init__(f"{message} Formats are: {', '.join(known)}.")


class ExportError(CurateError):
    """A recording or corpus cannot be written in another format, or not where it should go.

    Attributes:
        path: the recording, corpus or folder that it is about.
    """

    def __init__(self, message: str, *, path: str | Path) -> None:
        self.path = path
        super().__init__(message)


class CleaningError(CurateError):
    """A filter or resampler was asked for something that it cannot do."""


class RateTooLow(CleaningError):
    """A corner of the band is not below half the sampling rate.

    Attributes:
        rate_hz: the sampling rate.
        limit_hz: half of it.
        corner_hz: what was asked for.
    """

    def __init__(self, *, rate_hz: float, corner_hz: float) -> None:
        self.rate_hz = rate_hz
        self.limit_hz = rate_hz / 2
        self.corner_hz = corner_hz
        super().__init__(
            f"A corner of {corner_hz:g} Hz does not fit a signal of {rate_hz:g} samples per second: "
            f"it must lie below {self.limit_hz:g} Hz; choose a lower upper corner."
        )


class SignalError(CurateError):
    """An array has the wrong shape, range or unit for what is to be done with it."""


class LayerError(CurateError):
    """A layer of labels is damaged, foreign, or was edited in a way that cannot be.

    Attributes:
        path: the layer's file.
        line: 1-based line number, or None.
    """

    def __init__(self, message: str, *, path: str | Path, line: int | None = None) -> None:
        self.path = path
        self.line = line
        place = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {message}")


class CorpusError(CurateError):
    """A corpus file, or the recordings for one, cannot be used.

    Attributes:
        path: the file.
        reason: a few words, for programs.
    """

    def __init__(self, message: str, *, path: str | Path, reason: str = "") -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {message}")


class SplitError(CurateError):
    """A split cannot be made from what is there."""


class LeakError(CurateError):
    """Two sides of a split share raw samples, or the split could not be an honest test."""
