"""Another rate, on one grid: which raw sample every new one stands for is never in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from curate.errors import CleaningError
from curate.signals.clean import BAND_HZ, SETTLE_S, clean
from curate.signals.signal import Signal, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acquire.recordings.recording import Recording

__all__ = ["Grid", "Prepared", "grid_for", "prepare", "resample"]

_RATE_TOLERANCE = 1e-4
_MAX_RATE_HZ = 20_000.0
_HALF_WIDTH = 10
_KAISER_BETA = 5.0


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a resampled signal lies on its raw samples: new sample ``k`` stands at raw ``k * down / up``, exactly.

    There is one grid for a whole recording, starting at raw sample 0 and running on through gaps.

    Attributes:
        up: numerator of new rate / raw rate, in lowest terms.
        down: denominator of the same.
    """

    up: int
    down: int

    def n_new(self, n_raw: int) -> int:
        """How many new samples lie on ``n_raw`` raw ones: all with a position of at most the last raw sample's."""
        return 0 if n_raw <= 0 else (n_raw - 1) * self.up // self.down + 1

    def raw_range(self, start: int, stop: int) -> tuple[int, int]:
        """Raw ``[start, stop)`` that the new samples ``[start, stop)`` lie in.

        From the raw sample at or before the first to the one at or after the last. A filter looks further than that,
        by ``Prepared.reach`` raw samples on either side.
        """
        last = -((-(stop - 1) * self.down) // self.up)
        return start * self.down // self.up, last + 1

    def new_range(self, start: int, stop: int) -> tuple[int, int]:
        """New ``[start, stop)`` that stand inside the raw range ``[start, stop)``; start = stop where none does."""
        first = -(-start * self.up // self.down)
        past = (stop - 1) * self.up // self.down + 1
        return first, max(first, past)


def grid_for(rate_hz: float, new_rate_hz: float) -> Grid:
    """Find the simplest ratio that brings a true rate to within 0.01 % of the rate wanted.

    The ratio is then exact for everything that follows: a resampled signal carries the rate that the ratio gives (say
    250.004 Hz), so the tolerance is one of the nominal rate and never makes positions drift.

    Raises:
        CleaningError: a rate is not a number above 0 and at most 20 000 Hz.
    """
    for name, value in (("rate", rate_hz), ("new rate", new_rate_hz)):
        if not (np.isfinite(value) and 0 < value <= _MAX_RATE_HZ):
            raise CleaningError(f"The {name} is {value} Hz; it must lie above 0 and at most at {_MAX_RATE_HZ:g} Hz.")
    wanted = Fraction(new_rate_hz) / Fraction(rate_hz)
    limit = 1
    while True:
        ratio = wanted.limit_denominator(limit)
        if ratio > 0 and abs(ratio / wanted - 1) <= _RATE_TOLERANCE:
            return Grid(up=ratio.numerator, down=ratio.denominator)
        limit = limit + 1 if limit < 64 else limit * 2


def resample(signal: Signal, new_rate_hz: float) -> tuple[Signal, Grid]:
    """Bring a signal to another rate, run by run.

    Polyphase: each run of samples that are there is interpolated by a Kaiser-windowed low-pass (β 5, ten samples of the
    slower rate to each side, −6 dB at half the slower rate) straight at the positions of the grid. Nothing crosses a
    gap: beyond its ends a run is continued by point reflection. A new sample is trusted where both raw neighbours are.

    Args:
        signal: shape (n_samples, n_leads), NaN where samples are missing; already band-limited if ST or small waves
            matter near the new band edge.
        new_rate_hz: wanted samples per second; reached to within 0.01 %, see ``grid_for``.

    Returns:
        The resampled signal with its exact rate and one step ``resample`` more, and the grid. Where the rate is right
        already, the signal itself with a step that says so.

    Raises:
        CleaningError: a rate makes no sense.
    """
    grid = grid_for(signal.rate_hz, new_rate_hz)
    rate_hz = signal.rate_hz * grid.up / grid.down
    step = {
        "name": "resample",
        "from_hz": float(signal.rate_hz),
        "wanted_hz": float(new_rate_hz),
        "to_hz": float(rate_hz),
        "up": grid.up,
        "down": grid.down,
        "kaiser_beta": _KAISER_BETA,
        "half_width_slow_samples": _HALF_WIDTH,
    }
    if grid.up == grid.down:
        step = {**step, "unchanged": True}
        return signal.then(step, values=signal.values, trusted=signal.reliable), grid

    n_new = grid.n_new(signal.n_samples)
    values = np.full((n_new, signal.n_leads), np.nan)
    taps = _low_pass(grid)
    for column in range(signal.n_leads):
        for start, stop in runs_of(signal.present[:, column]):
            first, past = grid.new_range(int(start), int(stop))
            if past > first:
                run = signal.values[start:stop, column]
                values[first:past, column] = _on_grid(run, int(start), first, past, grid, taps)
    left = np.arange(n_new, dtype=np.int64) * grid.down // grid.up
    right = np.minimum(-(-np.arange(n_new, dtype=np.int64) * grid.down // grid.up), signal.n_samples - 1)
    trusted = signal.reliable[left] & signal.reliable[right] & np.isfinite(values)
    return signal.then(step, values=values, trusted=trusted, rate_hz=rate_hz), grid


def _low_pass(grid: Grid) -> NDArray[np.float64]:
    from scipy import signal as dsp

    slower = max(grid.up, grid.down)
    taps = dsp.firwin(2 * _HALF_WIDTH * slower + 1, 1.0 / slower, window=("kaiser", _KAISER_BETA))
    return np.asarray(taps * grid.up, dtype=np.float64)


def _on_grid(
    run: NDArray[np.float64], start: int, first: int, past: int, grid: Grid, taps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate one run, whose first sample is raw ``start``, at the new samples ``[first, past)``."""
    from scipy import signal as dsp

    if run.size == 1:
        return np.repeat(run, past - first)
    half = (taps.size - 1) // 2
    margin = half // grid.up + 1
    padded = _reflected(run, margin)
    # On the up-sampled axis, where raw sample j of ``padded`` stands at j * up, the first new sample stands here; the
    # filter's centre has to be over it. Zeros before the taps shift the filter's output onto the grid.
    centre = first * grid.down - (start - margin) * grid.up + half
    shift = -centre % grid.down
    skipped = (centre + shift) // grid.down
    shifted = np.concatenate([np.zeros(shift), taps])
    out = dsp.upfirdn(shifted, padded, up=grid.up, down=grid.down)
    return np.asarray(out[skipped : skipped + past - first], dtype=np.float64)


def _reflected(run: NDArray[np.float64], margin: int) -> NDArray[np.float64]:
    """Continue a run beyond both ends by point reflection; a run shorter than the margin goes on at its end values."""
    reach = min(margin, run.size - 1)
    before = 2 * run[0] - run[reach:0:-1]
    after = 2 * run[-1] - run[-2 : -2 - reach : -1]
    rest = margin - reach
    return np.concatenate([np.full(rest, before[0]), before, run, after, np.full(rest, after[-1])])


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recording made ready for windows.

    Attributes:
        raw: the leads as recorded, at the recording's own rate; quality indices need it.
        cleaned: the same, cleaned, at the recording's own rate; beats are found here, so that their indices are raw
            ones.
        signal: cleaned and resampled; windows are cut here.
        grid: how ``signal`` lies on the recording's sample indices.
        reach: raw samples to either side that the steps let a sample depend on noticeably (a few per cent of a wave
            there).
    """

    raw: Signal
    cleaned: Signal
    signal: Signal
    grid: Grid
    reach: int


def prepare(
    recording: Recording,
    *,
    rate_hz: float,
    leads: tuple[str, ...] | None = None,
    band_hz: tuple[float, float] = BAND_HZ,
    settle_s: float = SETTLE_S,
    mains_hz: float | None = None,
) -> Prepared:
    """Read a recording's leads, clean them at their own rate, and bring them to the corpus's rate.

    Args:
        recording: an open recording.
        rate_hz: samples per second of the corpus.
        leads: which leads, in which order; None takes the recording's measured ones.
        band_hz: see ``curate.signals.clean.clean``.
        settle_s: see ``curate.signals.clean.clean``.
        mains_hz: None takes the recording's own.

    Raises:
        RecordingError: the recording has not got such a lead.
        CleaningError: the filters cannot do what was asked.
        RateTooLow: half of either rate is not above the band.
    """
    names = recording.measured_leads if leads is None else leads
    raw = Signal(
        values=recording.signal(names),
        leads=tuple(names),
        rate_hz=recording.rate_hz,
        unit=recording.unit,
    )
    mains = recording.header.mains_hz if mains_hz is None else mains_hz
    cleaned = clean(raw, mains_hz=mains, band_hz=band_hz, settle_s=settle_s)
    if band_hz[1] >= rate_hz / 2:
        raise CleaningError(
            f"The corpus's rate is {rate_hz:g} Hz, so that its band must end below {rate_hz / 2:g} Hz, not at "
            f"{band_hz[1]:g} Hz; choose a higher rate or a lower corner."
        )
    signal, grid = resample(cleaned, rate_hz)
    slower_hz = min(raw.rate_hz, signal.rate_hz)
    reach = int(np.ceil((settle_s + _HALF_WIDTH / slower_hz) * raw.rate_hz))
    return Prepared(raw=raw, cleaned=cleaned, signal=signal, grid=grid, reach=reach)
