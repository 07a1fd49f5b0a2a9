"""The signals of an export, as numbers in their unit and as whole numbers with a step.

A recording's samples are whole numbers with a gain. Where a lead is made of channels whose gains fit together, which is
the rule, the lead has whole numbers of its own too: ``value = (number − baseline) · step``, with nothing lost.
Otherwise (samples that are floats, gains that do not fit) a format that stores whole numbers has to round, and says its
step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acquire.montage import lead_weights
from curate.errors import ExportError

if TYPE_CHECKING:
    from acquire.recordings.recording import Recording

__all__ = ["ExportSignal", "Scale", "blocks", "choose_signals", "exact_scale", "in_gaps", "values_of"]

BLOCK_ROWS = 1 << 16
# A ratio of two gains that is a whole number but for the last digits of a float.
_TOLERANCE = 1e-12
_LARGEST_FACTOR = 1 << 20
# One by a step far below this would be beyond a float.
_SMALLEST_STEP = 1e-290
_LARGEST_BASELINE = 2**31 - 1
_DIVISORS = range(1, 17)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A signal as whole numbers: ``number = samples @ factors``, and ``value = (number − baseline) · step``.

    Attributes:
        step: what one is worth, in the signal's unit; above 0.
        baseline: the number that is 0 in the signal's unit.
        factors: shape (n_channels,) int64.
    """

    step: float
    baseline: int
    factors: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ExportSignal:
    """One signal of an export: a lead, or a channel of the board.

    Attributes:
        name: the lead's or the channel's.
        unit: of its values; may be empty.
        weights: shape (n_channels,): what each channel's value counts.
        is_lead: whether it is a lead.
    """

    name: str
    unit: str
    weights: NDArray[np.float64]
    is_lead: bool


def choose_signals(
    recording: Recording, *, leads: Sequence[str] | None = None, channels: bool = False
) -> tuple[ExportSignal, ...]:
    """Choose what to export.

    Args:
        recording: the open recording.
        leads: which leads, in which order; the measured ones unless named.
        channels: the board's channels instead of leads.

    Raises:
        ExportError: the recording has no such lead.
    """
    names = [channel.name for channel in recording.channels]
    if channels:
        return tuple(
            ExportSignal(name=channel.name, unit=channel.unit, weights=np.eye(len(names))[place], is_lead=False)
            for place, channel in enumerate(recording.channels)
        )
    weights = lead_weights(recording.header.montage, names)
    chosen = tuple(leads) if leads is not None else recording.measured_leads
    for lead in chosen:
        if lead not in weights:
            raise ExportError(
                f"{recording.path.stem} has no lead {lead!r}; it has {', '.join(weights)}.", path=recording.path
            )
    return tuple(
        ExportSignal(name=lead, unit=recording.unit, weights=weights[lead], is_lead=True)
        for lead in dict.fromkeys(chosen)
    )


def blocks(recording: Recording) -> Iterator[tuple[int, NDArray[Any], NDArray[np.bool_]]]:
    """Read a recording a stretch at a time.

    Yields:
        The first row of the stretch, its samples of shape (n, n_channels), and which rows lie in a gap, shape (n,).
    """
    for start in range(0, recording.n_samples, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, recording.n_samples)
        yield start, recording.counts(start, stop), in_gaps(recording, start, stop)


def in_gaps(recording: Recording, start: int, stop: int) -> NDArray[np.bool_]:
    """Tell which of the rows ``[start, stop)`` hold nothing that was measured."""
    lost = np.ones(stop - start, dtype=np.bool_)
    valid = recording.valid
    first = int(np.searchsorted(valid[:, 1], start, side="right"))
    last = int(np.searchsorted(valid[:, 0], stop, side="left"))
    for begin, end in valid[first:last]:
        lost[max(int(begin) - start, 0) : int(end) - start] = False
    return lost


def values_of(
    recording: Recording, signals: Sequence[ExportSignal], counts: NDArray[Any], lost: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Turn samples into values, NaN where there are none; shape (n, n_signals).

    The arithmetic is that of ``Recording.signal``, so that the values are the same to the last bit.

    Raises:
        ExportError: a gain is so large that a value is beyond a float.
    """
    gain = np.array([channel.gain for channel in recording.channels])
    offset = np.array([channel.offset for channel in recording.channels])
    values = np.zeros((len(counts), len(signals)))
    with np.errstate(over="ignore", invalid="ignore"):
        physical = (counts.astype(np.float64) - offset) * gain
        for place, signal in enumerate(signals):
            for column in np.flatnonzero(signal.weights):
                values[:, place] += physical[:, column] * signal.weights[column]
    if not np.isfinite(values).all():
        raise ExportError(
            f"{recording.path.stem} has values beyond what a number can hold; look at the gains of its channels, or"
            " leave it out with --recordings.",
            path=recording.path,
        )
    values[lost] = np.nan
    return values


def exact_scale(recording: Recording, signal: ExportSignal, dtype: np.dtype[Any]) -> Scale | None:
    """Find whole numbers that hold a signal without loss, or None where there are none.

    Args:
        recording: the open recording.
        signal: one that was chosen from it.
        dtype: of its samples.
    """
    if dtype.kind != "i":
        return None
    used = np.flatnonzero(signal.weights)
    shares = np.array([recording.channels[column].gain * signal.weights[column] for column in used])
    offsets = np.array([recording.channels[column].offset for column in used])
    smallest = float(np.min(np.abs(shares)))
    if smallest < _SMALLEST_STEP:
        return None
    for divisor in _DIVISORS:
        ratios = shares / smallest * divisor
        factors = np.rint(ratios)
        baseline = float(factors @ offsets)
        if (
            np.all(np.abs(ratios - factors) <= _TOLERANCE * np.abs(factors))
            and np.all(np.abs(factors) <= _LARGEST_FACTOR)
            and baseline.is_integer()
            and abs(baseline) <= _LARGEST_BASELINE
        ):
            all_factors = np.zeros(signal.weights.size, dtype=np.int64)
            all_factors[used] = factors.astype(np.int64)
            return Scale(step=smallest / divisor, baseline=int(baseline), factors=all_factors)
    return None
