"""The benchmark of the frames runs; how fast things are is for the benchmark to say, on a quiet computer."""

from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QApplication

from benchmarks.frames import RATE_HZ, Film, frame_cost, memory, screen_latency


def test_a_film_loses_marks_and_pauses_as_it_goes_on() -> None:
    values = np.ones((1000, 3), np.float32)
    film = Film(values, np.array([100, 300]), behind_s=600.0)
    window = film.window(10.0)
    assert window.start + len(window.values) == 600 * RATE_HZ
    assert len(film.gaps()) == 30
    film.advance(10 * RATE_HZ)
    window = film.window(10.0)
    assert np.isnan(window.values[7 * RATE_HZ : 7 * RATE_HZ + RATE_HZ // 2]).all() == (len(film.gaps()) > 30)
    assert {band.kind for band in film.bands()} == {"step", "pause"}
    assert set((window.beats % 1000).tolist()) == {100, 300}


def test_both_programs_are_timed_frame_by_frame(qapp: QApplication) -> None:
    cost = frame_cost(qapp, behind_s=60.0, frames=5)
    assert cost.frames == 5
    assert 0 < cost.ours_ms <= cost.ours_p95_ms
    assert 0 < cost.plain_ms <= cost.plain_p95_ms


def test_samples_are_followed_from_the_board_to_the_screen(qapp: QApplication, tmp_path: Path) -> None:
    found = screen_latency(qapp, tmp_path, duration_s=1.0)
    assert found.n_samples > RATE_HZ // 2
    assert 0 < found.p50_ms <= found.p95_ms <= found.max_ms


def test_memory_is_looked_at_over_the_hours_that_were_shown(qapp: QApplication, tmp_path: Path) -> None:
    kept = memory(qapp, tmp_path, hours=0.02, speed=60.0)
    assert kept.hours >= 0.02
    assert kept.rss_end_mb > 0
