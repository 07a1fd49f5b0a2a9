"""How good each lead is right now: electrodes, rails, flatline, mains, offset and heart rate, while samples come.

What is looked at, over the last second unless it says otherwise, always back and never across a gap:

==================  ===================================================================================================
rail fraction       share of samples within 0.5 % of the converter's range from one of its rails, on the channel of the
                    lead where there are most of them
flat                no channel of the lead moves by more than a count, or the lead by no more than 5 µV
mains               amplitude (half of peak to peak) of the hum at the study's mains frequency and its first harmonic,
                    added as powers: a Hann-weighted least-squares fit together with a straight line
DC offset           mean of the lead in mV: half-cell potentials, which an electrode that dries or comes off raises
heart rate          see `acquire.checks.live_heart`, over ten seconds
electrode off       a rule, since boards such as the Cyton cannot tell while they record: more than half of the samples
                    on a rail, or none at all; flat; an offset beyond 80 % of what the converter can show (300 mV of
                    the Cyton's 375 mV at gain 12, the electrode offset that IEC 60601-2-25 asks a recorder to bear);
                    or hum of 2 mV and more, which an open input picks up and skin does not
==================  ===================================================================================================

The limits are ours where no source stands. Figures in mV are None where a board's gain is not known. This runs inside
the recorder, so it needs NumPy only and works at most twice a second.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import BoardInfo, Samples
from acquire.checks.live_heart import WINDOW_S, HeartMeter
from acquire.checks.tones import HIGHEST_TONE, ToneMeter
from acquire.montage import Montage, lead_weights, measured_leads, montage_fault

__all__ = ["MV_PER", "Judgement", "LeadState", "LiveChecks", "electrode_words"]

Array = NDArray[np.float64]
Judgement = Literal["good", "doubtful", "bad"]

EVALUATE_EVERY_S = 0.5
SPAN_S = 1.0
NEAR_RAIL = 0.005
RAIL_OFF, RAIL_BAD, RAIL_DOUBTFUL = 0.5, 0.05, 0.005
FLAT_MV = 0.005
OFFSET_OFF, OFFSET_DOUBTFUL = 0.8, 0.5
MAINS_OFF_MV, MAINS_BAD_MV, MAINS_DOUBTFUL_MV = 2.0, 0.5, 0.1
HUM_SHARE_DOUBTFUL = 0.5
HEART_DUE_S = 5.0
"""A heart that is there shows within so many seconds of signal: three beats at 40 /min, and the filters."""
HEART_MISSED_S = 3.0
"""One that was seen is not missed before so many seconds without it: a stumble of the rate is no loose electrode."""

MV_PER = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}
"""Millivolts in one of a channel's unit, where that is known."""

_ELECTRODES = {"I": ("LA", "RA"), "II": ("LL", "RA"), "III": ("LL", "LA")}


@dataclass(frozen=True, kw_only=True)
class LeadState:
    """How good one lead is now; its fields are plain JSON values.

    Attributes:
        lead: which.
        derived: whether it is computed of two measured leads and so has no electrodes of its own.
        electrode_off: whether an electrode seems to be off; see the module for the rule.
        rail_fraction: share of the last second on a converter's rail; None where the rails are not known.
        flat: whether it does not move.
        mains_mv: amplitude of the hum; None where the gain is not known or the rate too low to see it.
        dc_offset_mv: mean; None where the gain is not known or nothing came.
        heart_rate_bpm: beats per minute; None where it is not to be trusted.
        settled: whether there was signal enough for a heart to show; before, a good judgement says little.
        judgement: good, doubtful or bad.
        words: what is wrong and the mend, or what is right, as a clause.
    """

    lead: str
    derived: bool = False
    electrode_off: bool = False
    rail_fraction: float | None = None
    flat: bool = False
    mains_mv: float | None = None
    dc_offset_mv: float | None = None
    heart_rate_bpm: float | None = None
    settled: bool = True
    judgement: Judgement = "doubtful"
    words: str = "not a second of signal yet"


class LiveChecks:
    """Keeps the last seconds of a board's samples and judges its leads by them; for one thread.

    Args:
        info: the board, as it said of itself when it was opened.
        montage: lead → {channel: weight}; the board's own where it is empty.
        mains_hz: of the study.
        clock: seconds, for looking no more often than is useful.

    Raises:
        ValueError: the rate is not above 0, or the montage does not fit the channels.
    """

    def __init__(
        self, info: BoardInfo, montage: Montage, mains_hz: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        montage = montage or info.montage
        names = [channel.name for channel in info.channels]
        rate_hz = float(info.nominal_rate_hz)
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise ValueError(f"the rate is {rate_hz} Hz; it must be finite and above 0")
        fault = montage_fault(montage, names) if montage else "the montage names no lead"
        if fault:
            raise ValueError(fault)
        weights = lead_weights(montage, names)
        self._leads = measured_leads(montage, names)
        self._derived = [lead not in montage for lead in self._leads]
        self._weights = np.stack([weights[lead] for lead in self._leads], axis=1)
        self._gain = np.array([channel.gain for channel in info.channels])
        self._offset = np.array([channel.offset for channel in info.channels])
        self._of_lead = self._weights.T != 0
        units = {channel.unit for channel, used in zip(info.channels, self._of_lead.any(axis=0), strict=True) if used}
        self._mv = MV_PER.get(units.pop()) if len(units) == 1 else None
        self._rails = info.rails
        self._rate_hz = rate_hz
        seen_hz = [hz for hz in (float(mains_hz), 2 * float(mains_hz)) if hz < HIGHEST_TONE * rate_hz]
        self._span = max(2, round(SPAN_S * rate_hz))
        self._tones = ToneMeter(self._span, rate_hz, seen_hz) if seen_hz else None
        self._clock = clock
        # A float's last digit moves by itself; a converter's last count does too.
        self._still = 1.0 if info.dtype == "int32" else 0.0
        self._capacity = max(2, math.ceil(WINDOW_S * rate_hz))
        self._ring = np.zeros((self._capacity, len(names)), dtype=info.dtype)
        self._runs: deque[list[int]] = deque()  # [start, stop) of what came without a gap, ascending
        self._heart = HeartMeter(rate_hz, len(self._leads))
        self._heart_at = 0  # up to which index the heart meter was told
        self._beat_seen_at: list[float] = [-math.inf] * len(self._leads)  # index of the last look with a heart rate
        self._fresh = True  # nothing came since the last look
        self._due_s = -math.inf
        self._states = tuple(
            LeadState(lead=lead, derived=derived) for lead, derived in zip(self._leads, self._derived, strict=True)
        )

    def feed(self, index: int, samples: Samples) -> None:
        """Take samples as they came; this only stores them.

        Args:
            index: of the first row; a jump ahead is a gap, one back begins anew.
            samples: shape (n, n_channels).
        """
        n_rows = len(samples)
        if n_rows == 0:
            return
        stop = index + n_rows
        runs = self._runs
        if runs and index == runs[-1][1]:
            runs[-1][1] = stop
        else:
            if not runs or index < runs[-1][1]:
                runs.clear()
                self._heart.restart()
                self._heart_at = index
                self._beat_seen_at = [-math.inf] * len(self._leads)
            runs.append([index, stop])
        while runs[0][1] <= stop - self._capacity:
            runs.popleft()
        kept = samples[-self._capacity :]
        at = (stop - len(kept)) % self._capacity
        head = min(len(kept), self._capacity - at)
        self._ring[at : at + head] = kept[:head]
        self._ring[: len(kept) - head] = kept[head:]
        self._fresh = False

    def leads(self) -> tuple[LeadState, ...]:
        """How good each measured lead is, looked at anew at most twice a second."""
        if self._fresh or (now_s := self._clock()) < self._due_s:
            return self._states
        self._due_s = now_s + EVALUATE_EVERY_S
        return self.evaluate()

    def evaluate(self) -> tuple[LeadState, ...]:
        """Look at the leads now, however short ago that was done."""
        if not self._runs:
            return self._states
        # A float may be anything, up to what overflows; that is no number, and so a missing sample.
        with np.errstate(all="ignore"):
            stop = self._runs[-1][1]
            self._tell_heart(stop)
            rates = self._heart.rates_bpm()
            counts = self._window(stop - self._span, stop)
            values = self._values(counts)
            self._states = tuple(
                self._state(place, counts, values[:, place], rates[place]) for place in range(len(self._leads))
            )
        self._fresh = True
        return self._states

    @property
    def names(self) -> tuple[str, ...]:
        """The leads, in the order of everything here."""
        return self._leads

    @property
    def mv_per_unit(self) -> float | None:
        """Millivolts per unit of the leads' values; None where the gain is not known."""
        return self._mv

    def recent(self, span_s: float) -> Array:
        """The leads' last values, up to ten seconds of them.

        Returns:
            Shape (n, n_leads), in the channels' unit, NaN where samples are missing.
        """
        n_rows = min(round(span_s * self._rate_hz), self._capacity)
        if not self._runs:
            return np.full((n_rows, len(self._leads)), np.nan)
        stop = self._runs[-1][1]
        with np.errstate(all="ignore"):
            return self._values(self._window(stop - n_rows, stop))

    def _tell_heart(self, stop: int) -> None:
        if stop - self._heart_at > self._capacity:
            self._heart.restart()
            self._heart_at = stop - self._capacity
        self._heart.push(self._values(self._window(self._heart_at, stop)))
        self._heart_at = stop

    def _window(self, start: int, stop: int) -> Array:
        """Counts of [start, stop), shape (stop - start, n_channels), NaN where none are."""
        window = np.full((stop - start, self._ring.shape[1]), np.nan)
        oldest = self._runs[-1][1] - self._capacity
        for run_start, run_stop in self._runs:
            first, last = max(run_start, start, oldest), min(run_stop, stop)
            if first < last:
                at = first % self._capacity
                head = min(last - first, self._capacity - at)
                window[first - start : first - start + head] = self._ring[at : at + head]
                window[first - start + head : last - start] = self._ring[: last - first - head]
        window[~np.isfinite(window)] = np.nan
        return window

    def _values(self, counts: Array) -> Array:
        """Leads, shape (n, n_leads), in the channels' unit."""
        # A channel that no lead uses may send what it likes.
        physical = (counts - self._offset) * self._gain
        values = np.stack([physical[:, used] @ self._weights[used, k] for k, used in enumerate(self._of_lead)], axis=1)
        values[~np.isfinite(values)] = np.nan
        return np.asarray(values)

    def _state(self, place: int, counts: Array, values: Array, rate_bpm: float | None) -> LeadState:
        lead, derived, used = self._leads[place], self._derived[place], self._of_lead[place]
        valid = np.isfinite(values)
        stop = self._runs[-1][1]
        came = sum(last - max(first, stop - len(values)) for first, last in self._runs if last > stop - len(values))
        if came < max(2, len(values) // 2):
            return LeadState(lead=lead, derived=derived)
        if 2 * np.count_nonzero(valid) < came:
            figures = LeadState(lead=lead, derived=derived, electrode_off=True)
            return _judged(figures, [("bad", f"the board sends no numbers for it: {_press(lead)}")])
        held, own = values[valid], counts[np.ix_(valid, used)]
        rail_fraction, offset_share = self._against_rails(own)
        flat = bool(np.ptp(own, axis=0).max() <= self._still)
        mains_mv = dc_offset_mv = None
        hum = None if self._tones is None else float(np.linalg.norm(self._tones.amplitudes(values)))
        if self._mv is not None:
            dc_offset_mv = _number(float(held.mean()) * self._mv)
            flat = flat or float(np.ptp(held)) * self._mv <= FLAT_MV
            mains_mv = None if hum is None else _number(hum * self._mv)
        hum_share = 0.0 if hum is None or flat else hum**2 / 2 / float(held.var())
        off = (
            flat
            or (rail_fraction or 0.0) >= RAIL_OFF
            or offset_share >= OFFSET_OFF
            or (mains_mv or 0.0) >= MAINS_OFF_MV
        )
        if rate_bpm is not None:
            self._beat_seen_at[place] = stop
        long_enough = stop - self._runs[-1][0] >= HEART_DUE_S * self._rate_hz
        figures = LeadState(
            lead=lead,
            derived=derived,
            electrode_off=off,
            rail_fraction=rail_fraction,
            flat=flat,
            mains_mv=mains_mv,
            dc_offset_mv=dc_offset_mv,
            heart_rate_bpm=None if off else rate_bpm,
            settled=off or rate_bpm is not None or long_enough,
        )
        beats_due = (
            self._heart.can_tell and long_enough and stop - self._beat_seen_at[place] >= HEART_MISSED_S * self._rate_hz
        )
        return _judged(figures, _troubles(figures, offset_share, hum_share, beats_due=beats_due))

    def _against_rails(self, own: Array) -> tuple[float | None, float]:
        """Share of samples on a rail, and how far the offset is from the middle to a rail; of the worst channel."""
        if self._rails is None:
            return None, 0.0
        low, high = self._rails
        near = NEAR_RAIL * (high - low)
        railed = (own <= low + near) | (own >= high - near)
        half = (high - low) / 2
        offset = np.abs(own.mean(axis=0) - (low + high) / 2) / half if half > 0 else np.zeros(1)
        return float(railed.mean(axis=0).max()), float(offset.max())


def _number(value: float) -> float | None:
    """A figure that JSON can carry; the square of what a broken board sends may be too large."""
    return value if math.isfinite(value) else None


def electrode_words(states: Sequence[LeadState]) -> str:
    """Which electrode to mend, from the leads it is part of: I = LA − RA, II = LL − RA, III = LL − LA.

    An electrode of a good measured lead is on. One that all the bad leads share is the likely culprit. A derived lead
    says nothing new.

    Returns:
        A clause such as "press on or replace electrode RA", or "" where no electrode is off.
    """
    measured = [state for state in states if not state.derived]
    limb = [state for state in measured if state.lead in _ELECTRODES]
    off = [_ELECTRODES[state.lead] for state in limb if state.electrode_off]
    on = {name for state in limb if not state.electrode_off for name in _ELECTRODES[state.lead]}
    words = []
    if off:
        suspects = [name for name in ("RA", "LA", "LL") if any(name in pair for pair in off) and name not in on]
        shared = [name for name in suspects if all(name in pair for pair in off)]
        if not suspects:
            names = " and ".join(state.lead for state in limb if state.electrode_off)
            words.append(f"check the cable of lead {names}, whose electrodes serve other leads well")
        elif len(off) > 1 and shared:
            words.append(f"press on or replace electrode {shared[0]}")
        else:
            joined = " and ".join([", ".join(suspects[:-1]), suspects[-1]] if len(suspects) > 1 else suspects)
            words.append(f"press on or replace electrode{'s' if len(suspects) > 1 else ''} {joined}")
    words += [_press(state.lead) for state in measured if state.electrode_off and state.lead not in _ELECTRODES]
    return "; ".join(words)


def _press(lead: str) -> str:
    if lead in _ELECTRODES:
        return f"press on or replace electrode {' or '.join(sorted(_ELECTRODES[lead], reverse=True))}"
    if lead.startswith("V"):
        return f"press on or replace electrode {lead}"
    return f"press on or replace the electrodes of lead {lead}"


def _troubles(
    state: LeadState, offset_share: float, hum_share: float, *, beats_due: bool
) -> list[tuple[Judgement, str]]:
    """What is wrong with a lead, the worst first."""
    press = _press(state.lead)
    rail, mains_mv = state.rail_fraction or 0.0, state.mains_mv or 0.0
    found: list[tuple[Judgement, str]] = []
    if rail >= RAIL_BAD:
        found.append(("bad", f"{rail:.0%} of it is on the converter's rail: {press}"))
    if state.flat:
        found.append(("bad", f"it is flat: look whether its cable is plugged in, then {press}"))
    if offset_share >= OFFSET_OFF:
        found.append(("bad", f"its offset is {offset_share:.0%} of what the converter can show: {press}"))
    if mains_mv >= MAINS_BAD_MV:
        found.append(("bad", f"mains hum of {mains_mv:.2f} mV: {press}, and keep mains cables away"))
    if rail >= RAIL_DOUBTFUL and not found:
        found.append(("doubtful", f"{rail:.1%} of it is on the converter's rail: {press}"))
    if offset_share >= OFFSET_DOUBTFUL and not found:
        found.append(("doubtful", f"its offset is {offset_share:.0%} of what the converter can show: {press}"))
    if not found and (mains_mv >= MAINS_DOUBTFUL_MV or (state.mains_mv is None and hum_share >= HUM_SHARE_DOUBTFUL)):
        size = f"of {mains_mv:.2f} mV" if state.mains_mv is not None else "stronger than the heart"
        found.append(("doubtful", f"mains hum {size}: {press}, and keep mains cables away"))
    if state.heart_rate_bpm is None and beats_due and not found:
        found.append(("doubtful", f"no steady heartbeat is seen: let the subject keep still, or {press}"))
    return found


def _judged(state: LeadState, troubles: Sequence[tuple[Judgement, str]]) -> LeadState:
    if troubles:
        return replace(state, judgement=troubles[0][0], words=troubles[0][1])
    words = "the signal is clean"
    if state.heart_rate_bpm is not None:
        words = f"heart rate {state.heart_rate_bpm:.0f} /min"
    return replace(state, judgement="good", words=words)
