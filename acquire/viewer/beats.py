"""Beats as they come, for ticks above a running trace.

The detector is that of ``acquire.checks.live_heart``, asked several times a second for the last seconds of one lead.
Three things are added for the eye: a beat once shown stays where it is, no beat is shown while what was found does not
look alike from beat to beat or does not stand out, and of all leads the one is followed whose beats look most alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from acquire.checks.live_heart import beat_positions, likeness_of

__all__ = ["BeatFinder"]

Array = NDArray[np.float64]

LOOK_EVERY_S = 0.1
_WORKING_RATE_HZ = 200.0
_LOWEST_RATE_HZ = 40.0
_BACK_S = 6.0
"""How far before what is new the detector gets to see: its thresholds follow the last beats."""

_LATE_S = 2.0
"""A beat that was passed over at first is taken in for so long; later it would seem to come from nowhere."""

_APART_S = 0.25
_SNIPPET_S = 0.10
_FEWEST = 3
_MOST_SNIPPETS = 9
_ALIKE = 0.7
_STAND_OUT = 4.5
"""So many times its usual size the band-passed wave must reach at a beat. Over six seconds noise stayed below 4.1 and
hum below 1.6; MIT-BIH 100 lay above 32, and simulated hearts up to 220 /min above 7 on their best lead."""

_COMPARE_EVERY_S = 1.0
_REACH_S = 0.06


class BeatFinder:
    """Finds the beats of a recording while it is made; for one thread.

    A beat is found a third of a second after it: the detector's filters reach so far.

    Args:
        rate_hz: samples per second; below 40 Hz no beat can be told.

    Attributes:
        beats: samples of the R peaks that are known, ascending, int64; replaced as a whole.
    """

    def __init__(self, rate_hz: float) -> None:
        self.beats: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._rate_hz = rate_hz
        self._step = max(1, math.floor(rate_hz / _WORKING_RATE_HZ))
        self._looked = 0  # up to which sample
        self._compared = 0
        self._lead = 0
        self._trusted = False

    def is_due(self, stop: int) -> bool:
        """Whether there is enough new up to sample ``stop`` to look at."""
        return self._rate_hz >= _LOWEST_RATE_HZ and stop - self._looked >= LOOK_EVERY_S * self._rate_hz

    def back_to(self) -> int:
        """The first sample that the next look needs."""
        return max(0, self._looked - math.ceil(_BACK_S * self._rate_hz))

    def look(self, start: int, values: Array) -> None:
        """Find the beats up to the end of ``values``.

        Args:
            start: sample of the first row.
            values: unfiltered leads in any unit, shape (n, n_leads); not finite where samples are missing.
        """
        stop = start + len(values)
        shift = -start % self._step
        n_rows = max(0, (len(values) - shift) // self._step)
        thinned = values[shift : shift + n_rows * self._step]
        if self._step > 1:
            # Always the same samples make one row, wherever a look begins.
            thinned = thinned.reshape(n_rows, self._step, -1).mean(axis=1)
        found = self._choose_lead(thinned, stop)
        trusted_before, self._trusted = self._trusted, found is not None
        looked, self._looked = self._looked, stop
        if found is None:
            return
        oldest = looked - _LATE_S * self._rate_hz if trusted_before else start
        crests = start + shift + found * self._step + self._step // 2
        peaks = [self._peak(int(crest), start, values[:, self._lead]) for crest in crests if crest >= oldest]
        self._add(peaks)

    def forget(self, before: int) -> None:
        """Let go of the beats before a sample."""
        if len(self.beats) and self.beats[0] < before:
            self.beats = self.beats[np.searchsorted(self.beats, before) :]

    def _choose_lead(self, thinned: Array, stop: int) -> NDArray[np.int64] | None:
        """The beats of the lead to be followed, as rows of ``thinned``; None where no lead's are to be trusted."""
        rate_hz = self._rate_hz / self._step
        if self._trusted and stop - self._compared < _COMPARE_EVERY_S * self._rate_hz:
            beats, likeness = _beats_of(thinned[:, self._lead], rate_hz)
            if likeness >= _ALIKE:
                return beats
        found = [_beats_of(thinned[:, lead], rate_hz) for lead in range(thinned.shape[1])]
        self._compared = stop
        best = max(range(len(found)), key=lambda lead: found[lead][1])
        # Two leads alike are no reason to jump to and fro between their R peaks.
        if found[self._lead][1] < max(_ALIKE, found[best][1] - 0.05):
            self._lead = best
        beats, likeness = found[self._lead]
        return beats if likeness >= _ALIKE else None

    def _peak(self, crest: int, start: int, lead: Array) -> int:
        """Where the lead itself is farthest from its surroundings, close to a crest of the band-passed wave."""
        reach = max(1, round(_REACH_S * self._rate_hz))
        first = max(0, crest - reach - start)
        around = lead[first : crest + reach + 1 - start]
        if not np.isfinite(around).all():
            return crest
        return start + first + int(np.abs(around - np.median(around)).argmax())

    def _add(self, peaks: list[int]) -> None:
        apart = _APART_S * self._rate_hz
        known = self.beats.tolist()
        fresh: list[int] = []
        for peak in peaks:
            if all(abs(peak - other) >= apart for other in (*known[-64:], *fresh[-1:])):
                fresh.append(peak)
        if fresh:
            self.beats = np.sort(np.array(known + fresh, dtype=np.int64))


def _beats_of(lead: Array, rate_hz: float) -> tuple[NDArray[np.int64], float]:
    """The beats of each run of one lead, and how much the newest of them look alike; 0 where they do not stand out."""
    reach = round(_SNIPPET_S * rate_hz)
    edges = np.flatnonzero(np.diff(np.isfinite(lead), prepend=False, append=False))
    beats: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    crests: list[Array] = [np.empty(0)]
    waves: list[Array] = [np.empty(0)]
    snippets: list[Array] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        found, wave = beat_positions(lead[start:stop], rate_hz)
        beats.append(found + start)
        crests.append(np.abs(wave[found]))
        waves.append(np.abs(wave))
        snippets += [wave[beat - reach : beat + reach + 1] for beat in found if reach <= beat < len(wave) - reach]
    heights = np.concatenate(crests)
    if len(snippets) < _FEWEST or np.median(heights) < _STAND_OUT * np.median(np.concatenate(waves)):
        return np.empty(0, dtype=np.int64), 0.0
    return np.concatenate(beats), likeness_of(snippets[-_MOST_SNIPPETS:])
