"""What can go wrong between a corpus and a trained network, and what a person can do about it.

TrileadError
└── ModelError
    ├── ConfigInvalid        a setting of the training is out of range or unknown
    ├── TrainingRefused      the corpus or the split cannot be trained on
    ├── TrainingDiverged     a loss was no longer a number
    ├── ModelFolderError     a model's folder is missing, taken, or not what was asked for
    ├── CheckpointError      a checkpoint is damaged, foreign, or from a later version
    └── EvaluationRefused    a checkpoint and a corpus do not fit, or the test would not be honest
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from protocols.errors import TrileadError

__all__ = [
    "CheckpointError",
    "CheckpointReason",
    "ConfigInvalid",
    "EvaluationRefused",
    "Mismatch",
    "ModelError",
    "ModelFolderError",
    "Refusal",
    "TrainingDiverged",
    "TrainingRefused",
]


class ModelError(TrileadError):
    """Something in training or evaluation that the person at the keyboard can mend."""


class ConfigInvalid(ModelError):
    """A setting of the training is out of range or unknown."""


class Refusal(Enum):
    """Why a corpus or a split cannot be trained on."""

    ONE_SUBJECT = "one subject"
    ONE_ACTIVITY = "one activity"
    EMPTY_SIDE = "empty side"
    UNKNOWN_SPLIT = "unknown split"
    UNKNOWN_CLASS = "unknown class"


class TrainingRefused(ModelError):
    """The corpus or the split cannot be trained on.

    Attributes:
        reason: why, as an enum.
    """

    def __init__(self, message: str, *, reason: Refusal) -> None:
        self.reason = reason
        super().__init__(message)


class TrainingDiverged(ModelError):
    """A loss was no longer a number.

    Attributes:
        epoch: 1-based epoch in which it happened.
    """

    def __init__(self, message: str, *, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(message)


class ModelFolderError(ModelError):
    """A model's folder is missing, taken, or not what was asked for.

    Attributes:
        path: the folder or file.
    """

    def __init__(self, message: str, *, path: str | Path) -> None:
        self.path = path
        super().__init__(f"{path}: {message}")


class CheckpointReason(Enum):
    """What is wrong with a checkpoint."""

    MISSING = "missing"
    DAMAGED = "damaged"
    FOREIGN = "foreign"
    NEWER = "newer"
    SHAPE = "shape"


class CheckpointError(ModelError):
    """A checkpoint is damaged, foreign, or from a later version.

    Attributes:
        path: the file that was being read.
        reason: why, as an enum.
    """

    def __init__(self, message: str, *, path: str | Path, reason: CheckpointReason) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {message}")


class Mismatch(Enum):
    """In what a checkpoint and a corpus differ, or why a test would not be honest."""

    LEADS = "leads"
    RATE = "rate"
    WINDOW = "window"
    UNIT = "unit"
    CLEANING = "cleaning"
    CLASSES = "classes"
    OVERLAP = "overlap"


class EvaluationRefused(ModelError):
    """A checkpoint and a corpus do not fit, or the test would not be honest.

    Attributes:
        mismatch: in what, as an enum.
    """

    def __init__(self, message: str, *, mismatch: Mismatch) -> None:
        self.mismatch = mismatch
        super().__init__(message)
