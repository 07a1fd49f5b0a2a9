"""What a split is: sides given to stretches of raw samples, and how windows get theirs from that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDES", "Part", "SplitPlan", "assign_sides", "split_hash"]

SIDES = ("unused", "train", "validate", "test")
"""The sides of a split; in a file a window's side is its index here."""


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
        fold: number of the fold, from 1.
        n_folds: how many folds the family has.
        words: what was done, for a reader.
        parameters: every number that had a say.
        parts: the stretches; samples in none of them are unused.
    """

    name: str
    kind: str
    fold: int
    n_folds: int
    words: str
    parameters: dict[str, Any]
    parts: tuple[Part, ...] = field(repr=False)


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
    recording_id: Sequence[str], start: NDArray[np.int64], stop: NDArray[np.int64], sides: NDArray[np.uint8]
) -> str:
    """SHA-256 over which raw samples of which recording stand on which side; equal splits have equal hashes."""
    names = np.asarray(recording_id)
    order = np.lexsort((stop, start, names))
    columns = (column[order].tolist() for column in (names, start, stop, sides))
    rows = (f"{name} {low} {high} {SIDES[side]}\n" for name, low, high, side in zip(*columns, strict=True))
    return hashlib.sha256("".join(rows).encode()).hexdigest()
