"""What a split is: sides given to stretches of raw samples, and how windows get theirs from that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SIDES",
    "TASKS",
    "TEST",
    "TRAIN",
    "VALIDATE",
    "Part",
    "SplitPlan",
    "SplitSettings",
    "apart_columns",
    "assign_sides",
    "family_of",
    "natural",
    "scored_tasks",
    "split_hash",
]

SIDES = ("unused", "train", "validate", "test")
"""The sides of a split; in a file a window's side is its index here."""
TRAIN: Final = 1
VALIDATE: Final = 2
TEST: Final = 3

TASKS: Final = ("identity", "activity")
"""What a network is asked of a window: who it is, and what they are doing."""

_APART: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "across-sessions": (("subject", "session"), ("recording",)),
    "unseen-subjects": (("subject",), ("recording",)),
}
_HASHED_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """What all splitters share.

    Attributes:
        window_s: length of a window.
        hop_s: distance between windows' starts.
        guard_s: least time between two sides that meet in one recording, where sides are blocks of time.
        seed: of every random choice.
        test_fraction: share of each activity that is tested, in ``random`` and ``time-block``.
        validate_fraction: share of each activity that validates, in ``random`` and ``time-block``.
        end_fraction: share of each activity of a training recording that validates in the other kinds, which have no
            test block to spare samples for.
        max_folds: most folds of ``unseen-subjects``, unless a number is asked for.
        block_windows: how many windows long a block of ``random`` is. One is enough for windows that begin where blocks
            do; of windows that follow the beats, more must fit in whole.
    """

    window_s: float
    hop_s: float
    guard_s: float
    seed: int = 0
    test_fraction: float = 0.2
    validate_fraction: float = 0.1
    end_fraction: float = 0.15
    max_folds: int = 5
    block_windows: int = 1


@dataclass(frozen=True, kw_only=True)
class Part:
    """Raw samples ``[start, stop)`` of one recording, and the side they were given."""

    recording: str
    start: int
    stop: int
    side: int


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """One fold of a split: stretches of raw samples with their sides, and how they came about.

    Attributes:
        name: its name in the corpus.
        kind: one of ``SPLIT_KINDS``.
        family: what its folds have in common; the name itself where there is one fold.
        fold: number of the fold, from 1.
        n_folds: how many folds the family has.
        words: what was done, for a reader.
        parameters: every number that had a say.
        tasks: which of ``TASKS`` the test side can be asked.
        apart: groups of columns of the corpus's table of which no value, or combination of values, may be both learned
            from and tested.
        parts: the stretches; samples in none of them are unused.
    """

    name: str
    kind: str
    family: str
    fold: int
    n_folds: int
    words: str
    parameters: dict[str, Any]
    tasks: tuple[str, ...]
    apart: tuple[tuple[str, ...], ...]
    parts: tuple[Part, ...] = field(repr=False)

    def describe(self) -> dict[str, Any]:
        """Everything but the name and the stretches, as it is stored beside the sides in a corpus."""
        return {
            "kind": self.kind,
            "family": self.family,
            "fold": self.fold,
            "n_folds": self.n_folds,
            "words": self.words,
            "seed": self.parameters["seed"],
            "parameters": self.parameters,
            "tasks": list(self.tasks),
            "apart": [list(group) for group in self.apart],
        }


def family_of(kind: str) -> str:
    """Name the family of a kind as it is asked for: ``across-factor:electrode`` becomes ``across-factor.electrode``.

    What stands behind the colon becomes letters, digits, ``-`` and ``_``; of a file, its name without folders and
    ending. The number of folds of ``unseen-subjects`` is no part of its name.
    """
    base, colon, argument = kind.partition(":")
    if not colon or base == "unseen-subjects":
        return base
    if base == "fixed":
        argument = re.split(r"[/\\]", argument)[-1].rpartition(".")[0] or argument
    safe = re.sub(r"[^A-Za-z0-9_]+", "-", argument).strip("-")
    return f"{base}.{safe or 'unnamed'}"[:48]


def scored_tasks(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell which of ``TASKS`` the test side of a split can be asked, from how the split was made.

    People who were never trained on cannot be named, and activities that were never trained on cannot be told.

    Args:
        info: as ``Corpus.split_info`` gives it; where it names no tasks, its kind decides.
    """
    tasks = info.get("tasks")
    if isinstance(tasks, list) and tasks:
        return tuple(task for task in TASKS if task in tasks)
    return ("activity",) if info.get("kind") == "unseen-subjects" else TASKS


def apart_columns(info: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Tell which columns of a corpus's table the learned and the tested side of a split must not share values of.

    Args:
        info: as ``Corpus.split_info`` gives it; where it says nothing of it, its kind decides.
    """
    groups = info.get("apart")
    if isinstance(groups, list):
        return [tuple(str(column) for column in group) for group in groups]
    return list(_APART.get(str(info.get("kind")), ()))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which "2" comes before "10"."""
    return [(0, int(text), "") if text.isdigit() else (1, 0, text) for text in re.split(r"([0-9]+)", name) if text]


def assign_sides(
    plan: SplitPlan, recording: NDArray[np.str_], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Give each window its side: that of the stretch its raw range lies in; 0 (unused) where it lies in none.

    Args:
        plan: the split.
        recording: each window's recording, shape (n,).
        start: each window's first raw sample.
        stop: one past its last.
    """
    sides = np.zeros(start.size, dtype=np.uint8)
    by_recording: dict[str, list[Part]] = {}
    for part in plan.parts:
        known = by_recording.setdefault(part.recording, [])
        if known and known[-1].side == part.side and known[-1].stop == part.start:
            known[-1] = Part(recording=part.recording, start=known[-1].start, stop=part.stop, side=part.side)
        else:
            known.append(part)
    for name, rows in _rows_of(recording):
        parts = by_recording.get(name, [])
        if not parts:
            continue
        begins = np.array([part.start for part in parts])
        ends = np.array([part.stop for part in parts])
        place = np.searchsorted(begins, start[rows], side="right") - 1
        inside = (place >= 0) & (stop[rows] <= ends[place])
        sides[rows] = np.where(inside, np.array([part.side for part in parts], dtype=np.uint8)[place], 0)
    return sides


def _rows_of(recording: NDArray[np.str_]) -> Iterable[tuple[str, NDArray[np.int64]]]:
    names, place = np.unique(recording, return_inverse=True)
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(names) + 1))
    for number, name in enumerate(names):
        yield str(name), order[bounds[number] : bounds[number + 1]]


def split_hash(
    recording_id: Sequence[str] | NDArray[Any],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    sides: NDArray[np.uint8],
) -> str:
    """SHA-256 over which raw samples of which recording stand on which side; equal splits have equal hashes."""
    import pandas as pd

    # Texts as numbers and some rows at a time: a corpus has millions of windows.
    place, names = pd.factorize(np.asarray(recording_id, dtype=object), sort=True)
    order = np.lexsort((stop, start, place))
    digest = hashlib.sha256()
    for first in range(0, order.size, _HASHED_ROWS):
        rows = order[first : first + _HASHED_ROWS]
        columns = (column.tolist() for column in (names[place[rows]], start[rows], stop[rows], sides[rows]))
        lines = (f"{name} {low} {high} {SIDES[side]}\n" for name, low, high, side in zip(*columns, strict=True))
        digest.update("".join(lines).encode())
    return digest.hexdigest()
