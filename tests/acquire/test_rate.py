from __future__ import annotations

import numpy as np
import pytest

from acquire.recordings.rate import RateEstimator, drift_ppm, fit_rate_hz, fit_thirds_hz, lateness


def _clock(rate_hz: float, *, seconds: float, late: np.ndarray | None = None, board: bool = False) -> np.ndarray:
    rows = np.arange(24, int(seconds * rate_hz), 25)
    true_ns = rows / rate_hz * 1e9
    host_ns = true_ns + (late[: len(rows)] if late is not None else 0) + 5e12
    return np.stack([rows, host_ns, true_ns if board else np.full(len(rows), -1)], axis=1).astype(np.int64)


def test_the_rate_is_fitted_through_bursts_and_a_stall() -> None:
    random_ns = np.random.default_rng(3).exponential(20e6, size=100_000)
    random_ns[2000:2100] += 2e9
    assert fit_rate_hz(_clock(249.37, seconds=600, late=random_ns), 250.0) == pytest.approx(249.37, rel=2e-5)


def test_the_boards_own_clock_is_the_better_one() -> None:
    clock = _clock(249.37, seconds=60, board=True)
    clock[:, 1] = clock[0, 1] + (clock[:, 1] - clock[0, 1]) // 200
    assert fit_rate_hz(clock, 250.0) == pytest.approx(249.37, rel=1e-6)


@pytest.mark.parametrize(
    "clock", [np.zeros((0, 3)), _clock(250, seconds=9), np.array([[0, 7, -1], [9, 7, -1], [9999, 7, -1]])]
)
def test_too_little_clock_gives_no_rate(clock: np.ndarray) -> None:
    assert fit_rate_hz(clock.astype(np.int64), 250.0) == 0.0


def test_the_rate_is_fitted_across_gaps() -> None:
    clock = _clock(249.37, seconds=600)
    # 70 s without samples, of which the board counted every one.
    clock = clock[(clock[:, 0] < 50_000) | (clock[:, 0] > 67_500)]
    assert fit_rate_hz(clock, 250.0) == pytest.approx(249.37, rel=1e-6)


def test_a_drift_shows_in_the_thirds_and_in_ppm() -> None:
    rows = np.arange(0, 900_000, 50, dtype=np.float64)
    # The board begins 100 ppm slow and ends 100 ppm fast.
    period_s = (1 + 1e-4 * (1 - 2 * rows / rows[-1])) / 250
    host_ns = np.cumsum(np.concatenate([[0.0], period_s[1:] * 50])) * 1e9
    clock = np.stack([rows, host_ns, np.full(rows.size, -1)], axis=1).astype(np.int64)
    early, late = fit_thirds_hz(clock, 250.0)
    assert drift_ppm(early, 250.0) == pytest.approx(-66.7, abs=1)
    assert drift_ppm(late, 250.0) == pytest.approx(66.7, abs=1)
    assert drift_ppm(fit_rate_hz(clock, 250.0), 250.0) == pytest.approx(0, abs=2)
    assert drift_ppm(0.0, 250.0) is None


def test_lateness_is_told_from_drift() -> None:
    late = np.random.default_rng(5).uniform(0, 10e6, size=100_000)
    late[::100] = 80e6
    found = lateness(_clock(249.0, seconds=3600, late=late), 250.0)
    assert found is not None
    assert found.p50_ms == pytest.approx(5, abs=1)
    assert found.p95_ms == pytest.approx(9.5, abs=1)
    assert found.max_ms == pytest.approx(80, abs=2)
    assert lateness(np.zeros((2, 3), dtype=np.int64), 250.0) is None


@pytest.mark.parametrize("board", [False, True])
def test_the_live_rate_is_that_of_the_whole_and_its_memory_does_not_grow(board: bool) -> None:
    late = np.random.default_rng(3).exponential(20e6, size=1_000_000)
    clock = _clock(249.37, seconds=7200, late=late, board=board)
    estimator = RateEstimator(250.0)
    for row in clock.tolist():
        estimator.feed(*row)
    assert estimator.rate_hz() == pytest.approx(249.37, rel=5e-6)
    assert estimator.drift_ppm() == pytest.approx((249.37 / 250 - 1) * 1e6, abs=5)
    assert len(estimator._host._best) <= 128


def test_the_live_rate_says_nothing_too_early_and_passes_over_a_stall() -> None:
    estimator = RateEstimator(250.0)
    seen = []
    for row, host_ns, board_ns in _clock(249.37, seconds=60).tolist():
        estimator.feed(row, host_ns + (2_000_000_000 if 5000 < row < 5500 else 0), board_ns)
        seen.append(estimator.rate_hz())
    assert seen[90] == 0.0
    assert seen[-1] == pytest.approx(249.37, rel=1e-6)


def test_a_board_that_came_back_with_its_clock_begun_anew_has_no_absurd_rate() -> None:
    live = RateEstimator(250.0)
    seen = []
    for chunk in range(200):
        index = chunk * 50 + (2000 if chunk >= 60 else 0)
        board_ns = index * 4_000_000 + (4_294_967_296_000 if chunk >= 60 else 0)
        live.feed(index, index * 4_000_000, board_ns)
        seen.append(live.rate_hz())
    assert seen[-1] == pytest.approx(250.0, abs=0.01)
    assert all(rate == 0 or rate == pytest.approx(250.0, abs=0.01) for rate in seen)


def test_a_live_rate_that_makes_no_sense_is_not_known() -> None:
    live = RateEstimator(250.0)
    for chunk in range(200):
        live.feed(chunk * 50, chunk * 50 * 4_000, -1)
    assert live.rate_hz() == 0.0


@pytest.mark.parametrize("jump_ns", [30_000_000_000, 4_294_967_296_000_000, -90_000_000_000])
def test_a_board_clock_that_began_anew_gives_way_to_the_times_of_arrival(jump_ns: int) -> None:
    rows = np.arange(0, 50_000, 50)
    rows = rows + np.where(rows >= 25_000, 2000, 0)
    board_ns = rows * 4_000_000 + np.where(rows >= 27_000, jump_ns, 0)
    clock = np.stack([rows, rows * 4_000_400, board_ns], axis=1)
    assert fit_rate_hz(clock, 250.0) == pytest.approx(250.0 / 1.0001, abs=1e-6)
    assert all(249.9 < rate < 250.1 for rate in fit_thirds_hz(clock, 250.0))
