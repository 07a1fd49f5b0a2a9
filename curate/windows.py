"""Where windows stand in a recording, and which of them can be kept.

A recording has one grid of windows: window ``j`` begins at corpus sample ``j · hop``, gaps included, so that where a
window stands does not depend on labels or splits. Its raw range holds exactly the raw samples whose instants fall into
the window's time; windows that follow one another without overlap in time therefore share no raw sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curate.errors import CorpusError
from curate.layers import MergedLabels
from curate.resample import Grid

__all__ = ["REASONS", "ActivityRange", "CutWindows", "WindowGrid", "activity_ranges", "choose_windows", "take"]

REASONS = (
    "missing samples",
    "marked unusable",
    "labels contradict one another",
    "no activity label",
    "activity changes inside",
    "filter not settled",
    "no lead with signal",
)
"""Why a window is not kept; each window that is not kept counts once, under the first that holds."""


@dataclass(frozen=True, kw_only=True)
class WindowGrid:
    """The windows of one recording before any is refused.

    Attributes:
        up: numerator of corpus rate / raw rate.
        down: denominator of the same.
        n_raw: raw samples in the recording.
        n_samples: corpus samples in a window.
        n_hop: corpus samples from one window's start to the next one's.
    """

    up: int
    down: int
    n_raw: int
    n_samples: int
    n_hop: int

    @classmethod
    def of(cls, grid: Grid, n_raw: int, *, n_samples: int, n_hop: int) -> WindowGrid:
        """Lay windows on a resampling grid."""
        return cls(up=grid.up, down=grid.down, n_raw=n_raw, n_samples=n_samples, n_hop=n_hop)

    @property
    def n_windows(self) -> int:
        """How many windows fit in."""
        n_new = 0 if self.n_raw <= 0 else (self.n_raw - 1) * self.up // self.down + 1
        return max(0, (n_new - self.n_samples) // self.n_hop + 1)

    def raw(self, corpus_sample: NDArray[np.int64]) -> NDArray[np.int64]:
        """First raw sample at or after the instant of each corpus sample, within the recording."""
        return np.minimum(-((-corpus_sample * self.down) // self.up), self.n_raw)

    def starts(self) -> NDArray[np.int64]:
        """Corpus sample at which each window starts."""
        return np.arange(self.n_windows, dtype=np.int64) * self.n_hop

    def raw_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Raw ``start`` and ``stop`` of each window."""
        starts = self.starts()
        return self.raw(starts), self.raw(starts + self.n_samples)


@dataclass(frozen=True, kw_only=True)
class ActivityRange:
    """A stretch of one recording that could give windows: one activity, no sample missing or unusable.

    Attributes:
        recording: the recording's name.
        recording_id: its id.
        subject: its subject.
        session: its session.
        activity: what is done throughout.
        start: first raw sample.
        stop: one past the last.
        rate_hz: raw samples per second.
        grid: the recording's windows, so that a range can be cut where windows meet.
    """

    recording: str
    recording_id: str
    subject: str
    session: str
    activity: str
    start: int
    stop: int
    rate_hz: float
    grid: WindowGrid


def activity_ranges(merged: MergedLabels, valid: NDArray[np.int64]) -> list[tuple[int, int, str]]:
    """List the stretches of one activity in which nothing is missing, contested or unusable.

    Args:
        merged: what the layers say.
        valid: shape (k, 2), ranges of real samples.

    Returns:
        ``(start, stop, activity)`` in order.
    """
    usable = usable_activity(merged, valid)
    if not usable.size:
        return []
    edges = np.concatenate(([0], np.flatnonzero(np.diff(usable)) + 1, [usable.size]))
    return [
        (int(start), int(stop), merged.activities[usable[start]])
        for start, stop in pairwise(edges)
        if usable[start] >= 0
    ]


def usable_activity(merged: MergedLabels, valid: NDArray[np.int64]) -> NDArray[np.int16]:
    """Per raw sample, the activity's number, or −1 where a window may not go; each run of real samples stands apart."""
    usable = np.where(merged.unusable | (merged.activity < 0), np.int16(-1), merged.activity)
    usable[~present(valid, usable.size)] = -1
    return usable


def present(valid: NDArray[np.int64], n_samples: int) -> NDArray[np.bool_]:
    """Turn the table of valid ranges into a mask over samples."""
    mask = np.zeros(n_samples, dtype=np.bool_)
    for start, stop in valid:
        mask[start:stop] = True
    return mask


@dataclass(frozen=True, kw_only=True)
class CutWindows:
    """The windows of one recording that are kept, and how many were not.

    Attributes:
        start: corpus sample at which each kept window starts, shape (n,).
        raw_start: its first raw sample.
        raw_stop: one past its last.
        activity: number of its activity in ``MergedLabels.activities``.
        artefact: worst artefact degree in it, 0 where nobody graded it.
        lead_ok: shape (n, n_leads): the lead is there, trusted and not flat throughout.
        excluded: reason → windows not kept.
    """

    start: NDArray[np.int64]
    raw_start: NDArray[np.int64]
    raw_stop: NDArray[np.int64]
    activity: NDArray[np.int16]
    artefact: NDArray[np.int8]
    lead_ok: NDArray[np.bool_]
    excluded: dict[str, int]


def choose_windows(
    grid: WindowGrid,
    merged: MergedLabels,
    valid: NDArray[np.int64],
    reliable: NDArray[np.bool_],
    values: NDArray[np.float64],
) -> CutWindows:
    """Decide for each window of the grid whether it is kept, and count why others are not.

    Args:
        grid: the recording's windows.
        merged: what its layers say, per raw sample.
        valid: shape (k, 2), ranges of real raw samples.
        reliable: shape (n_new, n_leads), corpus samples that can be trusted.
        values: shape (n_new, n_leads), the cleaned corpus samples.
    """
    starts = grid.starts()
    raw_start, raw_stop = grid.raw_ranges()
    here = present(valid, grid.n_raw)
    missing = _any(~here, raw_start, raw_stop)
    unusable = _any(merged.unusable, raw_start, raw_stop)
    contested = _any(merged.activity == MergedLabels.CONTESTED, raw_start, raw_stop)
    unnamed = _any(merged.activity == MergedLabels.NONE, raw_start, raw_stop)
    changes = np.zeros(grid.n_raw, dtype=np.bool_)
    changes[1:] = np.diff(merged.activity) != 0
    changing = _any(changes, raw_start + 1, raw_stop)
    lead_ok = np.empty((starts.size, reliable.shape[1]), dtype=np.bool_)
    trusted = np.empty_like(lead_ok)
    for lead in range(reliable.shape[1]):
        trusted[:, lead] = ~_any(~reliable[:, lead], starts, starts + grid.n_samples)
        moving = np.zeros(values.shape[0], dtype=np.bool_)
        moving[1:] = np.diff(values[:, lead]) != 0
        lead_ok[:, lead] = trusted[:, lead] & _any(moving, starts + 1, starts + grid.n_samples)
    refusals = (missing, unusable, contested, unnamed, changing, ~trusted.any(axis=1), ~lead_ok.any(axis=1))

    kept = np.ones(starts.size, dtype=np.bool_)
    excluded = {}
    for reason, refused in zip(REASONS, refusals, strict=True):
        excluded[reason] = int(np.count_nonzero(kept & refused))
        kept &= ~refused
    return CutWindows(
        start=starts[kept],
        raw_start=raw_start[kept],
        raw_stop=raw_stop[kept],
        activity=merged.activity[raw_start[kept]],
        artefact=_worst(merged.artefact, raw_start[kept], raw_stop[kept]),
        lead_ok=lead_ok[kept],
        excluded=excluded,
    )


def _any(mask: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the mask holds anywhere in each range; one pass over the recording, whatever the overlap."""
    count = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))
    return count[stops] > count[np.minimum(starts, stops)]


def _worst(degree: NDArray[np.int8], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int8]:
    worst = np.zeros(starts.size, dtype=np.int8)
    for value in range(1, 5):
        worst[_any(degree == value, starts, stops)] = value
    return worst


def take(values: NDArray[np.float64], cut: CutWindows, n_samples: int) -> NDArray[np.float32]:
    """Copy the kept windows out of a cleaned signal.

    Args:
        values: shape (n_new, n_leads).
        cut: which windows, and which of their leads hold signal.
        n_samples: samples in a window.

    Returns:
        Shape (n, n_leads, n_samples), float32; zeros where ``lead_ok`` is False.

    Raises:
        CorpusError: a value does not fit in float32.
    """
    n_leads = values.shape[1]
    if not cut.start.size:
        return np.empty((0, n_leads, n_samples), dtype=np.float32)
    with np.errstate(over="ignore"):
        by_lead = np.ascontiguousarray(values.T, dtype=np.float32)
    view = np.lib.stride_tricks.sliding_window_view(by_lead, n_samples, axis=1)
    windows = np.ascontiguousarray(view[:, cut.start].transpose(1, 0, 2))
    windows[~cut.lead_ok] = 0.0
    if not np.isfinite(windows).all():
        raise CorpusError(
            "the cleaned signal holds values beyond what float32 can hold; check gain and unit.", path="windows"
        )
    return windows
