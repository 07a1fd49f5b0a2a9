"""How good each lead of a finished recording is, and its extremes for a picture, in one pass over the file.

The leads are judged as they are while they are recorded (``acquire.checks.live``), so that nothing is called good
afterwards that was called bad before; only the converter's rails are not known any more. Up to a thousand seconds are
looked at, spread evenly: of a quarter of an hour all, of an hour more than each fourth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import BoardInfo
from acquire.checks.live import SPAN_S, LeadState, LiveChecks
from acquire.recordings.finish import journal_header
from acquire.recordings.recording import Recording
from acquire.viewer.leads import LeadMaker
from acquire.viewer.pyramid import Overview, Pyramid

__all__ = ["LeadQuality", "Look", "Looks", "look_through"]

MOST_LOOKS = 1000
_BLOCK_S = 60.0
_LEAST_SEEN = 0.5


@dataclass(frozen=True, kw_only=True)
class LeadQuality:
    """How good one lead was.

    Attributes:
        lead: which.
        good: share of the time that was looked at, 0 to 1; all three are 0 where nothing could be judged.
        doubtful: likewise.
        bad: likewise.
        heart_rate_bpm: median; None where it was never to be trusted.
    """

    lead: str
    good: float
    doubtful: float
    bad: float
    heart_rate_bpm: float | None


@dataclass(frozen=True, kw_only=True)
class Look:
    """How good the leads were in the second before a sample.

    Attributes:
        stop: the sample behind that second.
        leads: their states.
    """

    stop: int
    leads: tuple[LeadState, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """What one pass over a recording gives.

    Attributes:
        leads: names.
        unit: of the overview: "mV" where the gain is known.
        overview: of all samples.
        looks: in the order of the samples; none where too few samples were there.
    """

    leads: tuple[str, ...]
    unit: str
    overview: Overview
    looks: tuple[Look, ...]

    def quality(self) -> tuple[LeadQuality, ...]:
        """How good each lead was over all."""
        return tuple(self._quality(place) for place in range(len(self.leads)))

    def _quality(self, place: int) -> LeadQuality:
        states = [look.leads[place] for look in self.looks]
        n_looks = max(1, len(states))
        rates = [state.heart_rate_bpm for state in states if state.heart_rate_bpm is not None]
        good, doubtful, bad = (
            sum(state.judgement == judgement for state in states) / n_looks for judgement in ("good", "doubtful", "bad")
        )
        return LeadQuality(
            lead=self.leads[place],
            good=good,
            doubtful=doubtful,
            bad=bad,
            heart_rate_bpm=float(np.median(rates)) if rates else None,
        )


def look_through(recording: Recording, on_share: Callable[[float], None] = lambda share: None) -> Looks:
    """Read a recording once from its first sample to its last.

    Args:
        recording: open.
        on_share: told how much of it is done, 0 to 1.

    Raises:
        RecordingError: the samples are damaged on disk.
    """
    header = recording.header
    rate_hz = header.nominal_rate_hz
    info = _board_of(recording)
    maker = LeadMaker.from_header(
        recording.path,
        journal_header(header, channels=recording.channels, dtype=info.dtype, protocol_text=""),
    )
    checks = LiveChecks(info, header.montage, header.mains_hz)
    pyramid = Pyramid(len(maker.leads))
    span = max(2, round(SPAN_S * rate_hz))
    step = max(span, -(-recording.n_samples // MOST_LOOKS))
    block = step * max(1, round(_BLOCK_S * rate_hz / step))
    looks = []
    for start in range(0, recording.n_samples, block):
        stop = min(start + block, recording.n_samples)
        with np.errstate(all="ignore"):  # what a converter gives may be more than the type that is judged can hold
            counts = recording.counts(start, stop).astype(info.dtype)
        runs = _runs(recording.valid, start, stop)
        values = maker.make(counts).astype(np.float32)
        pyramid.push(_without_gaps(values, runs, start))
        for begin in range(start, stop, step):
            end = min(begin + step, stop)
            inside = _clipped(runs, begin, end)
            for first, last in inside:
                checks.feed(first, counts[first - start : last - start])
            seen = sum(max(0, last - max(first, end - span)) for first, last in inside)
            # The last piece may be shorter than a second and needs no look of its own.
            if end - begin >= span and seen >= _LEAST_SEEN * span:
                looks.append(Look(stop=end, leads=checks.evaluate()))
        on_share(stop / recording.n_samples)
    return Looks(leads=maker.leads, unit=maker.unit, overview=pyramid.overview(), looks=tuple(looks))


def _board_of(recording: Recording) -> BoardInfo:
    """The board as far as a recording knows it; not the rails of its converter."""
    header = recording.header
    return BoardInfo(
        address=header.board,
        name=header.board,
        firmware=header.firmware,
        nominal_rate_hz=header.nominal_rate_hz,
        channels=recording.channels,
        montage=header.montage,
        dtype="int32" if recording.counts(0, 0).dtype.kind == "i" else "float32",
        loss_detection=header.loss_detection,
    )


def _runs(valid: NDArray[np.int64], start: int, stop: int) -> list[tuple[int, int]]:
    """The ranges of real samples within ``[start, stop)``."""
    first = int(np.searchsorted(valid[:, 1], start, side="right"))
    behind = int(np.searchsorted(valid[:, 0], stop))
    return _clipped([(int(low), int(high)) for low, high in valid[first:behind]], start, stop)


def _clipped(runs: list[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    clipped = ((max(low, start), min(high, stop)) for low, high in runs)
    return [(low, high) for low, high in clipped if low < high]


def _without_gaps(values: NDArray[np.float32], runs: list[tuple[int, int]], start: int) -> NDArray[np.float32]:
    """The same with NaN outside the ranges of real samples."""
    missing = np.ones(len(values), dtype=bool)
    for low, high in runs:
        missing[low - start : high - start] = False
    values[missing] = np.nan
    return values
