from __future__ import annotations

import numpy as np
import pytest
from journals import GAIN_MV, ecg_counts

from acquire.viewer.beats import BeatFinder


def told(values: np.ndarray, rate_hz: float, size: int) -> tuple[BeatFinder, dict[int, int]]:
    """A finder that got the values piece by piece, and up to which sample each beat needed."""
    finder = BeatFinder(rate_hz)
    known_at: dict[int, int] = {}
    for stop in range(size, len(values) + 1, size):
        if finder.is_due(stop):
            start = finder.back_to()
            finder.look(start, values[start:stop])
            for beat in finder.beats.tolist():
                known_at.setdefault(beat, stop)
    return finder, known_at


def ecg(n_seconds: float, rate_hz: float, bpm: float = 70.0, n_leads: int = 2) -> tuple[np.ndarray, np.ndarray]:
    counts, crests = ecg_counts(round(n_seconds * rate_hz), rate_hz=rate_hz, bpm=bpm, n_channels=n_leads)
    noise = np.random.default_rng(3).normal(0.0, 0.01, size=counts.shape)
    return counts * GAIN_MV + noise, crests


@pytest.mark.parametrize("rate_hz", [80.0, 125.0, 250.0, 500.0, 1000.0, 16000.0])
@pytest.mark.parametrize("bpm", [45.0, 70.0, 180.0])
def test_each_beat_is_found_once_at_its_crest_and_within_half_a_second(rate_hz: float, bpm: float) -> None:
    values, crests = ecg(15, rate_hz, bpm)
    finder, known_at = told(values, rate_hz, max(1, round(0.0125 * rate_hz)))
    # The first ones wait until there are enough to look alike, the last one until the filters have seen it.
    expected = crests[crests < len(values) - 0.5 * rate_hz]
    found = finder.beats[: len(expected)]
    assert len(finder.beats) - len(expected) <= np.count_nonzero(crests >= len(values) - 0.5 * rate_hz)
    assert np.abs(found - expected).max() <= max(2, 0.008 * rate_hz)
    late = [known_at[int(beat)] - beat for beat in found if beat > 6 * rate_hz]
    assert max(late) <= 0.5 * rate_hz


def test_a_beat_once_shown_stays() -> None:
    values, _ = ecg(30, 250.0)
    values += np.random.default_rng(0).normal(0, 0.08, size=values.shape)
    finder = BeatFinder(250.0)
    shown: set[int] = set()
    for stop in range(25, len(values), 25):
        finder.look(finder.back_to(), values[finder.back_to() : stop])
        assert shown <= set(finder.beats.tolist())
        shown = set(finder.beats.tolist())
    assert (np.diff(finder.beats) >= 0.25 * 250).all()


@pytest.mark.parametrize("kind", ["flat", "missing", "noise", "mains"])
def test_no_beat_is_given_where_there_is_no_heart(kind: str) -> None:
    rows = np.arange(5000)
    values = {
        "flat": np.full((5000, 2), 300.0),
        "missing": np.full((5000, 2), np.nan),
        "noise": np.random.default_rng(2).normal(0, 1, size=(5000, 2)),
        "mains": np.sin(2 * np.pi * 50 / 250 * rows)[:, None] * [1.0, 0.5],
    }[kind]
    finder, _ = told(values, 250.0, 25)
    assert len(finder.beats) == 0


def test_no_beat_stands_in_a_gap_and_they_go_on_behind_it() -> None:
    values, crests = ecg(30, 250.0)
    values[3000:4000] = np.nan
    finder, _ = told(values, 250.0, 3)
    assert not ((finder.beats >= 3000) & (finder.beats < 4000)).any()
    behind = crests[(crests > 4050) & (crests < 7300)]
    assert set(behind.tolist()) <= {int(beat) + off for beat in finder.beats for off in (-2, -1, 0, 1, 2)}


def test_the_lead_that_shows_the_heart_is_followed() -> None:
    values, crests = ecg(20, 250.0)
    values[:, 0] = 375.0
    values[2500:, 1], values[2500:, 0] = 375.0, values[2500:, 1].copy()
    finder, _ = told(values, 250.0, 3)
    late = crests[(crests > 3500) & (crests < 4800)]
    assert set(late.tolist()) <= {int(beat) + off for beat in finder.beats for off in (-2, -1, 0, 1, 2)}


def test_a_rate_too_low_to_see_beats_gives_none() -> None:
    assert not BeatFinder(30.0).is_due(10_000)


def test_old_beats_are_forgotten() -> None:
    values, _ = ecg(20, 250.0)
    finder, _ = told(values, 250.0, 25)
    finder.forget(2500)
    assert finder.beats[0] >= 2500
