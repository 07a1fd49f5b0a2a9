"""From the times at which lines were written to a true rate, and to the samples that are missing between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TimeAxis", "fit_time_axis"]

_LAG_SAMPLES = 500
_CANDIDATE_PERIODS = 1.5
_CANDIDATE_USUAL = 1.25
_ENVELOPE_S = 0.5
_OUTLIER_PERIODS = 2.0
_REFITS = 4
_MOST_OFF_US = 1e6
_MOST_OFF = 0.02


@dataclass(frozen=True, kw_only=True)
class TimeAxis:
    """Where every line of a file stands on a grid of equal sample intervals.

    Attributes:
        rate_hz: true samples per second; infinite where most lines have one moment.
        index: sample index of each line, strictly rising, shape (n_lines,).
        gaps: start and length of each gap in samples, shape (k, 2).
    """

    rate_hz: float
    index: NDArray[np.int64]
    gaps: NDArray[np.int64]

    @property
    def n_samples(self) -> int:
        """How many samples the grid holds, missing ones included."""
        return int(self.index[-1]) + 1

    def sample_range(self, start: int, stop: int) -> tuple[int, int]:
        """Turn the lines ``[start, stop)`` into samples: from the first line's to one past the last line's."""
        return int(self.index[start]), int(self.index[stop - 1]) + 1

    def is_even(self, times_us: NDArray[np.int64]) -> bool:
        """Whether the last line stands where the rate puts it, within a second or 2 %.

        Where not, the times are not those of samples taken evenly, and the grid means nothing.
        """
        span_us = float(times_us[-1] - times_us[0])
        off_us = abs(span_us - float(self.index[-1]) * 1e6 / self.rate_hz)
        return off_us <= max(_MOST_OFF_US, _MOST_OFF * span_us)


def fit_time_axis(times_us: NDArray[np.int64]) -> TimeAxis:
    """Fit the sampling rate and find lost samples from the moments at which a computer wrote the lines.

    A line is written when its sample arrives, so its moment is the sample's true time plus a delay that is never
    negative: mostly some tenths of a millisecond, now and then a stall of many samples that then come in a burst. So:

    1. The period is first the median, over the file, of how long many lines take: gaps, bursts and the skewed jitter of
       single intervals (whose median is up to 0.4 % off) do not move it. Many is 500 or a quarter of the file,
       whichever agrees better with itself: the long one is the finer ruler, the short one is seldom spoilt by a gap.
    2. An interval *may* be a loss if it is longer than 1.5 sample periods and than 1.25 times what 99 of 100 intervals
       stay below (which is the period of the bursts, where lines always come in bursts). It is one if the delay stays
       up afterwards: the smallest delay in the half second after it is compared with the smallest in the half second
       before it. A stall is made up for by its burst, and leaves no difference; lost samples shift everything after
       them for good. The difference, rounded to whole periods, is how many are missing; for a plain hole of ``dt``
       that is ``round(dt · rate) − 1``. Single intervals of these boards jitter by up to 0.6 of a period, smallest
       delays by less than 0.1; the half period at which the rounding turns therefore tells a single lost sample from
       jitter.
    3. The rate is fitted again by least squares over all stretches between gaps together, each with a delay of its own,
       leaving out lines that came more than two periods, or one burst, later or sooner than is usual.

    Args:
        times_us: microseconds, not falling, at least 2 lines over more than no time.

    Returns:
        The grid; its first line has index 0.
    """
    n_lines = times_us.size
    times = (times_us - times_us[0]).astype(np.float64)
    period = _first_period(times)
    usual = float(np.percentile(np.diff(times), 99))
    delay = times - np.arange(n_lines) * period
    window = max(8, round(_ENVELOPE_S * 1e6 / period))

    missing = np.zeros(n_lines, dtype=np.int64)
    run_start = 0
    for before in np.flatnonzero(np.diff(times) > max(_CANDIDATE_PERIODS * period, _CANDIDATE_USUAL * usual)).tolist():
        level_before = delay[max(run_start, before + 1 - window) : before + 1].min()
        level_after = delay[before + 1 : before + 1 + window].min()
        lost = round((level_after - level_before) / period)
        if lost >= 1:
            missing[before + 1] = lost
            run_start = before + 1
    index = np.arange(n_lines, dtype=np.int64) + np.cumsum(missing)
    first_lines = np.flatnonzero(missing)
    gaps = np.stack([index[first_lines] - missing[first_lines], missing[first_lines]], axis=1)
    late = max(_OUTLIER_PERIODS * period, usual)
    fitted = _refit(times, index, np.cumsum(missing > 0), period=period, late=late)
    return TimeAxis(rate_hz=1e6 / fitted if fitted > 0 else math.inf, index=index, gaps=gaps)


def _first_period(times: NDArray[np.float64]) -> float:
    """Step 1 of ``fit_time_axis``."""
    best = (np.inf, 0.0)
    for lag in {min(_LAG_SAMPLES, times.size - 1), max(1, times.size // 4)}:
        low, middle, high = np.percentile(times[lag:] - times[:-lag], (25, 50, 75)) / lag
        best = min(best, (float(high - low), float(middle)))
    return best[1] if best[1] > 0 else float(times[-1]) / (times.size - 1)


def _refit(
    times: NDArray[np.float64], index: NDArray[np.int64], run: NDArray[np.int64], *, period: float, late: float
) -> float:
    """Fit one period to all runs at once, each with its own offset; a better period then tells better who was late."""
    borders = np.flatnonzero(np.diff(run)) + 1
    for _ in range(_REFITS):
        delay = times - index * period
        typical = np.array([np.median(part) for part in np.split(delay, borders)])
        kept = np.abs(delay - typical[run]) <= late
        of, x, y = run[kept], index[kept].astype(np.float64), times[kept]
        size = np.maximum(np.bincount(of), 1)
        x = x - (np.bincount(of, weights=x) / size)[of]
        y = y - (np.bincount(of, weights=y) / size)[of]
        spread = float(x @ x)
        period = float(x @ y) / spread if spread > 0 else period
    return period
