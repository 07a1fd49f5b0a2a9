"""What can go wrong between the electrode and the recording file.

TrileadError
└── AcquireError
    ├── BoardError        a board cannot be found, opened, started or read, or went silent
    ├── StudyError        a study folder, or a value in its study.toml, cannot be used
    ├── JournalError      a journal cannot be written, or is not one
    ├── RecordingError    a recording file cannot be written, or cannot be trusted
    └── RecorderError     the recorder process did not start, answer or finish
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from protocols.errors import TrileadError

__all__ = [
    "AcquireError",
    "BoardError",
    "BoardErrorReason",
    "JournalError",
    "JournalErrorReason",
    "RecorderError",
    "RecorderErrorReason",
    "RecordingError",
    "RecordingErrorReason",
    "StudyError",
]


class AcquireError(TrileadError):
    """Something in the acquire room that the operator can mend."""


class BoardErrorReason(Enum):
    """Why a board cannot be used."""

    UNKNOWN_KIND = "unknown kind"
    BAD_ADDRESS = "bad address"
    BAD_OPTION = "bad option"
    MISSING_DRIVER = "missing driver"
    NOT_FOUND = "not found"
    AMBIGUOUS = "ambiguous"
    NOT_PERMITTED = "not permitted"
    BUSY = "busy"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    NO_BOARD = "dongle without a board"
    RADIO = "radio failure"
    NO_ANSWER = "no answer"
    SILENT = "silent"
    HUNG_UP = "hung up"
    WRONG_STATE = "wrong state"


class BoardError(AcquireError):
    """A board cannot be found, opened, started or read.

    Attributes:
        reason: what kind of failure it is.
        address: the address as the operator gave it.
        option: the offending option of the address, or None.
        value: what stood there, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: BoardErrorReason,
        address: str,
        option: str | None = None,
        value: object = None,
    ) -> None:
        self.reason = reason
        self.address = address
        self.option = option
        self.value = value
        super().__init__(message)


class StudyError(AcquireError):
    """A study folder cannot be used as it stands.

    Attributes:
        path: the file or folder at fault.
        field: the field of study.toml or the column of subjects.csv at fault, or None.
        value: what stood there, or None.
    """

    def __init__(self, message: str, *, path: Path, field: str | None = None, value: object = None) -> None:
        self.path = path
        self.field = field
        self.value = value
        super().__init__(message)


class JournalErrorReason(Enum):
    """Why a journal cannot be written or read."""

    NOT_A_JOURNAL = "not a journal"
    NEWER_VERSION = "newer version"
    DAMAGED = "damaged"
    DISK_FULL = "disk full"
    NOT_WRITABLE = "not writable"
    IN_USE = "in use"
    TOO_LARGE = "too large"
    BAD_VALUE = "bad value"


class JournalError(AcquireError):
    """A journal cannot be written, or is not one.

    Attributes:
        path: the journal.
        reason: what kind of failure it is.
    """

    def __init__(self, message: str, *, path: Path, reason: JournalErrorReason) -> None:
        self.path = path
        self.reason = reason
        super().__init__(message)


class RecordingErrorReason(Enum):
    """Why a recording file cannot be written or trusted."""

    MISSING = "missing"
    NOT_A_RECORDING = "not a recording"
    NEWER_VERSION = "newer version"
    CUT = "cut"
    DAMAGED = "damaged"
    EXISTS = "exists"
    NOT_WRITABLE = "not writable"
    DISK_FULL = "disk full"
    BAD_VALUE = "bad value"
    READ_BACK = "read back differs"


class RecordingError(AcquireError):
    """A recording file cannot be written, or cannot be trusted.

    Attributes:
        path: the recording file.
        reason: what kind of failure it is.
    """

    def __init__(self, message: str, *, path: Path, reason: RecordingErrorReason) -> None:
        self.path = path
        self.reason = reason
        super().__init__(message)


class RecorderErrorReason(Enum):
    """Why a recording under way could not go on or finish."""

    NOT_STARTED = "not started"
    NO_ANSWER = "no answer"
    REFUSED = "refused"
    BAD_CONFIG = "bad config"
    DIED = "died"
    BOARD = "board"
    DISK = "disk"


class RecorderError(AcquireError):
    """The recorder process did not start, answer or finish.

    Attributes:
        reason: what kind of failure it is.
        journal: the journal left behind for ``trilead recover``, or None.
    """

    def __init__(self, message: str, *, reason: RecorderErrorReason, journal: Path | None = None) -> None:
        self.reason = reason
        self.journal = journal
        super().__init__(message)
