"""What an importer makes of a file, before it has a place in a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.content import Gap, RecordedEvent
from curate.errors import ImportRefused, RefusalReason

__all__ = [
    "IMPORTED",
    "MAX_GAP_S",
    "MAX_VALUES",
    "NO_TIME",
    "Identity",
    "Mark",
    "Reading",
    "check_extent",
    "clock_rows",
    "gap_note",
    "gaps_of_missing",
    "plural",
    "spread_rows",
    "utc_text",
]

IMPORTED = "imported"
"""The annotator of what a file says of itself; further annotators of a file are called ``imported-…``."""

MAX_VALUES = 1 << 28
"""What a recording may hold, samples times channels: a day of three leads at 1000 samples per second."""

MAX_GAP_S = 3600.0

NO_TIME = "1970-01-01T00:00:00.000000Z"
"""Stands as the start of a recording whose file does not tell when it was made."""

_CLOCK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose a recording is, as far as a file, its name or a person says it; None where not said.

    Attributes:
        subject: pseudonym.
        session: label of the session.
        run: which recording of the session.
        activity: what the subject does in all of it.
        factors: factor → level.
    """

    subject: str | None = None
    session: str | None = None
    run: int | None = None
    activity: str | None = None
    factors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A label to be: samples ``[start, stop)``, a kind and a value of ``curate.labels.label``."""

    start: int
    stop: int
    kind: str
    value: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A file's content on a grid of equal sample intervals.

    Attributes:
        channels: one per column of ``counts``.
        counts: the file's own numbers, shape (n_samples, n_channels), zeros in gaps.
        montage: lead → {channel: weight}.
        nominal_rate_hz: samples per second as the file or its format says.
        fitted_rate_hz: as its timestamps say, 0 where it has none.
        board: what the recording was imported from, in words.
        started_at: UTC, ISO 8601, or ``NO_TIME``.
        gaps: ordered, touching nothing else.
        clock: shape (m, 3); see ``RecordingContent``.
        events: ordered by index.
        layers: annotator → marks; an annotator without marks makes no layer.
        identity: what the file says of whose it is.
        firmware: of the board, where the file tells it.
        loss_detection: how lost samples were noticed, as a short clause.
        detail: what ``source`` tells besides name and digest, or "".
        notes: sentences for the report.
    """

    channels: tuple[Channel, ...]
    counts: NDArray[Any]
    montage: dict[str, dict[str, float]]
    nominal_rate_hz: float
    board: str
    started_at: str = NO_TIME
    fitted_rate_hz: float = 0.0
    gaps: tuple[Gap, ...] = ()
    clock: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), dtype=np.int64))
    events: tuple[RecordedEvent, ...] = ()
    layers: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)
    identity: Identity = field(default_factory=Identity)
    firmware: str = ""
    loss_detection: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()


def check_extent(n_samples: int, n_channels: int, *, shown: Path) -> None:
    """Refuse what would not fit in memory, before room is made for it.

    Raises:
        ImportRefused: samples times channels are above ``MAX_VALUES``.
    """
    if n_samples * n_channels > MAX_VALUES:
        raise ImportRefused(
            f"it has {n_samples} samples of {n_channels} channels; at most {MAX_VALUES} values are taken in at once; "
            "split it into shorter recordings.",
            path=shown,
            reason=RefusalReason.TOO_BIG,
            value=str(n_samples),
        )


def spread_rows(
    values: NDArray[Any], index: NDArray[np.int64], *, cause: str, shown: Path, rate_hz: float
) -> tuple[NDArray[Any], tuple[Gap, ...]]:
    """Put rows where their indices say, with zeros and a gap where an index is left out.

    Args:
        values: shape (n_rows, n_channels).
        index: strictly rising from 0, shape (n_rows,).
        cause: why samples are missing.
        shown: how to call the file in sentences.
        rate_hz: samples per second.

    Returns:
        The samples, shape (n_samples, n_channels), and the gaps.

    Raises:
        ImportRefused: a gap is longer than an hour, or the samples would not fit in memory.
    """
    before = np.flatnonzero(np.diff(index) > 1)
    if before.size == 0:
        return values, ()
    gaps = tuple(
        Gap(start=int(index[row]) + 1, length=int(index[row + 1] - index[row]) - 1, cause=cause) for row in before
    )
    longest = max(range(len(gaps)), key=lambda k: gaps[k].length)
    if gaps[longest].length / rate_hz > MAX_GAP_S:
        raise ImportRefused(
            f"{gaps[longest].length / rate_hz:.0f} s are missing behind its row {before[longest] + 1}; a gap has at "
            f"most {MAX_GAP_S:.0f} s; split the file there.",
            path=shown,
            reason=RefusalReason.TIME,
        )
    n_samples = int(index[-1]) + 1
    check_extent(n_samples, values.shape[1], shown=shown)
    spread = np.zeros((n_samples, values.shape[1]), dtype=values.dtype)
    spread[index] = values
    return spread, gaps


def gaps_of_missing(missing: NDArray[np.bool_], cause: str) -> tuple[Gap, ...]:
    """The gaps that rows without values make.

    Args:
        missing: shape (n_samples,).
        cause: why they are missing.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return tuple(Gap(start=int(start), length=int(stop - start), cause=cause) for start, stop in edges.reshape(-1, 2))


def gap_note(gaps: tuple[Gap, ...], rate_hz: float, *, found_in: str) -> list[str]:
    """One sentence that tells the gaps, or none where there are none."""
    if not gaps:
        return []
    lost = sum(gap.length for gap in gaps)
    return [
        f"{plural(len(gaps), 'gap')} with {lost} missing samples ({lost / rate_hz:.3f} s) "
        f"{'was' if len(gaps) == 1 else 'were'} found in its {found_in}."
    ]


def clock_rows(times_ns: NDArray[np.int64], index: NDArray[np.int64], rate_hz: float) -> NDArray[np.int64]:
    """A table of when samples came: ten moments a second, and the rows beside every gap.

    Args:
        times_ns: of each row of the file, from any origin.
        index: sample index of each row.
        rate_hz: samples per second.

    Returns:
        Shape (m, 3): index, ns from the first row, −1 for there is no clock of a board.
    """
    every = max(1, round(_CLOCK_EVERY_S * rate_hz))
    after = np.flatnonzero(np.diff(index) > 1) + 1
    last = times_ns.size - 1
    rows = np.unique(np.concatenate([np.arange(0, last + 1, every), after - 1, after, [last]]))
    return np.stack([index[rows], times_ns[rows] - times_ns[0], np.full(rows.size, -1)], axis=1).astype(np.int64)


def utc_text(time_us: int) -> str:
    """A moment as headers write it, from microseconds since 1970."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def plural(n: int, word: str) -> str:
    """A number with its word."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
