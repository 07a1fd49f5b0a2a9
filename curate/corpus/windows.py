"""Where windows stand in a recording, and which of them can be kept.

Cut by length, a recording has one grid of windows: window ``j`` begins at corpus sample ``j · hop``, gaps included, so
that where a window stands does not depend on labels or splits. Cut by beats, a window begins a fixed time before an R
peak and ends as long before the R peak some beats later. Either way its raw range holds exactly the raw samples whose
instants fall into the window's time; windows that follow one another without overlap in time therefore share no raw
sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curate.errors import CorpusError
from curate.labels.layers import MergedLabels
from curate.quality.assess import Grade
from curate.signals.resample import Grid

__all__ = [
    "REASONS",
    "ActivityRange",
    "CutWindows",
    "Keep",
    "Spans",
    "WindowGrid",
    "activity_ranges",
    "choose_windows",
    "take",
]

REASONS = (
    "missing samples",
    "marked unusable",
    "labels contradict one another",
    "no activity label",
    "activity changes inside",
    "activity not wanted",
    "artefact too strong",
    "filter not settled",
    "no lead with signal",
    "quality too low",
)
"""Why a window is not kept; each window that is not kept counts once, under the first that holds."""


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Which windows are wanted, of those that could be kept.

    Attributes:
        activities: windows of these activities; None takes all.
        max_artefact: windows whose worst artefact degree, as people graded it, is at most this; one that nobody graded
            is kept.
        min_quality: leads of at least this grade; a lead below it is masked, and a window without a lead left goes.
    """

    activities: tuple[str, ...] | None = None
    max_artefact: int = 4
    min_quality: Grade = Grade.UNUSABLE


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Where windows of one recording would stand, each array of shape (n,).

    Attributes:
        start: first corpus sample.
        stop: one past the last.
        raw_start: first raw sample.
        raw_stop: one past the last.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    raw_start: NDArray[np.int64]
    raw_stop: NDArray[np.int64]


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
        spans = self.spans()
        return spans.raw_start, spans.raw_stop

    def spans(self) -> Spans:
        """All windows of the grid."""
        starts = self.starts()
        return self.spans_of(starts, starts + self.n_samples)

    def spans_of(self, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Spans:
        """Windows at other places of the same recording, given by their corpus samples."""
        return Spans(start=start, stop=stop, raw_start=self.raw(start), raw_stop=self.raw(stop))


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
        factors: factor → level of the recording.
        started_at: when the recording was begun, ISO 8601; "" where nobody knows.
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
    factors: dict[str, str] = field(default_factory=dict)
    started_at: str = ""


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
        spans: where each kept window stands, n of them.
        activity: number of its activity in ``MergedLabels.activities``.
        artefact: worst artefact degree in it, 0 where nobody graded it.
        lead_ok: shape (n, n_leads): the lead is there, trusted, of the quality wanted, and not flat throughout.
        lead_quality: shape (n, n_leads): the lead's grade.
        excluded: reason → windows not kept.
    """

    spans: Spans
    activity: NDArray[np.int16]
    artefact: NDArray[np.int8]
    lead_ok: NDArray[np.bool_]
    lead_quality: NDArray[np.int8]
    excluded: dict[str, int]


def choose_windows(
    spans: Spans,
    merged: MergedLabels,
    valid: NDArray[np.int64],
    reliable: NDArray[np.bool_],
    values: NDArray[np.float64],
    grades: NDArray[np.int8],
    *,
    keep: Keep | None = None,
) -> CutWindows:
    """Decide for each window whether it is kept, and count why others are not.

    Args:
        spans: where windows would stand, n of them.
        merged: what the recording's layers say, per raw sample.
        valid: shape (k, 2), ranges of real raw samples.
        reliable: shape (n_new, n_leads), corpus samples that can be trusted.
        values: shape (n_new, n_leads), the cleaned corpus samples.
        grades: shape (n, n_leads), each window's ``Grade`` in each lead.
        keep: which are wanted; None takes all that can be.
    """
    keep = keep or Keep()
    start, stop, raw_start, raw_stop = spans.start, spans.stop, spans.raw_start, spans.raw_stop
    here = present(valid, merged.activity.size)
    changes = np.zeros(merged.activity.size, dtype=np.bool_)
    changes[1:] = np.diff(merged.activity) != 0
    lead_ok = np.empty((start.size, reliable.shape[1]), dtype=np.bool_)
    trusted = np.empty_like(lead_ok)
    for lead in range(reliable.shape[1]):
        trusted[:, lead] = ~_any(~reliable[:, lead], start, stop)
        moving = np.zeros(values.shape[0], dtype=np.bool_)
        moving[1:] = np.diff(values[:, lead]) != 0
        lead_ok[:, lead] = trusted[:, lead] & _any(moving, start + 1, stop)
    good_enough = lead_ok & (grades >= keep.min_quality)
    unwanted = [
        code
        for code, name in enumerate(merged.activities)
        if keep.activities is not None and name not in keep.activities
    ]
    refusals = (
        _any(~here, raw_start, raw_stop),
        _any(merged.unusable, raw_start, raw_stop),
        _any(merged.activity == MergedLabels.CONTESTED, raw_start, raw_stop),
        _any(merged.activity == MergedLabels.NONE, raw_start, raw_stop),
        _any(changes, raw_start + 1, raw_stop),
        np.isin(merged.activity[np.minimum(raw_start, merged.activity.size - 1)], unwanted),
        _any(merged.artefact > keep.max_artefact, raw_start, raw_stop),
        ~trusted.any(axis=1),
        ~lead_ok.any(axis=1),
        ~good_enough.any(axis=1),
    )
    kept = np.ones(start.size, dtype=np.bool_)
    excluded = {}
    for reason, refused in zip(REASONS, refusals, strict=True):
        excluded[reason] = int(np.count_nonzero(kept & refused))
        kept &= ~refused
    return CutWindows(
        spans=Spans(start=start[kept], stop=stop[kept], raw_start=raw_start[kept], raw_stop=raw_stop[kept]),
        activity=merged.activity[raw_start[kept]],
        artefact=_worst(merged.artefact, raw_start[kept], raw_stop[kept]),
        lead_ok=good_enough[kept],
        lead_quality=grades[kept],
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
        Shape (n, n_leads, n_samples), float32; zeros where ``lead_ok`` is False, and behind the end of a window that
        does not fill its room.

    Raises:
        CorpusError: a value does not fit in float32.
    """
    n_leads = values.shape[1]
    start, stop = cut.spans.start, cut.spans.stop
    if not start.size:
        return np.empty((0, n_leads, n_samples), dtype=np.float32)
    with np.errstate(over="ignore"):
        by_lead = np.ascontiguousarray(values.T, dtype=np.float32)
    short = int(max(0, start.max() + n_samples - by_lead.shape[1]))
    if short:
        # A window that is not filled may begin closer to the end than its room is long.
        by_lead = np.pad(by_lead, ((0, 0), (0, short)))
    view = np.lib.stride_tricks.sliding_window_view(by_lead, n_samples, axis=1)
    windows = np.ascontiguousarray(view[:, start].transpose(1, 0, 2))
    windows[~cut.lead_ok] = 0.0
    filled = stop - start
    if np.any(filled < n_samples):
        rows, places = np.nonzero(np.arange(n_samples) >= filled[:, None])
        windows[rows, :, places] = 0.0
    if not np.isfinite(windows).all():
        raise CorpusError(
            "the cleaned signal holds values beyond what float32 can hold; check gain and unit.", path="windows"
        )
    return windows
