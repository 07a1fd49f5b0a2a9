import numpy as np
import pytest
from numpy.typing import NDArray

from acquire.boards.lsl_stamps import CLOCK_SET, FOUND_AGAIN, JUMPED, StampUnwrapper


def unwrapped(
    stamps: NDArray[np.float64], *, rate_hz: float, at_once: int = 3, arrivals: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], list[tuple[int, str]]]:
    """The index of each sample, and where something is missing and why."""
    unwrapper = StampUnwrapper(rate_hz)
    arrivals = stamps if arrivals is None else arrivals
    indices: list[int] = []
    causes = []
    for start in range(0, len(stamps), at_once):
        piece = slice(start, start + at_once)
        for run in unwrapper.feed(stamps[piece], float(arrivals[piece][-1])):
            indices.extend(range(run.index, run.index + run.count))
            if run.cause:
                causes.append((run.index, run.cause))
    return np.array(indices, dtype=np.int64), causes


def kept(n_samples: int, losses: list[tuple[int, int]]) -> NDArray[np.int64]:
    keep = np.ones(n_samples, dtype=bool)
    for start, length in losses:
        keep[start : start + length] = False
    return np.flatnonzero(keep)


@pytest.mark.parametrize(("rate_hz", "ppm"), [(130.0, 900.0), (250.0, 0.0), (500.0, -6000.0), (2000.0, 50.0)])
def test_losses_of_one_sample_up_to_seconds_are_seen_exactly_in_regular_stamps(rate_hz: float, ppm: float) -> None:
    second = round(rate_hz)
    losses = [(second // 10, 2), (5 * second, 1), (5 * second + 20, 3), (8 * second, second // 2), (12 * second, 1)]
    losses += [(14 * second, 6 * second)]
    true = kept(30 * second, losses)
    indices, causes = unwrapped(1000 + true / rate_hz * (1 + ppm * 1e-6), rate_hz=rate_hz)
    assert np.array_equal(indices, true[: len(indices)])
    assert len(indices) == len(true)
    assert causes == [(start + length, JUMPED) for start, length in losses]


@pytest.mark.parametrize("rate_hz", [130.0, 250.0, 500.0])
def test_a_sender_that_stamps_in_bursts_or_stumbles_loses_nothing(rate_hz: float) -> None:
    true = np.arange(round(30 * rate_hz))
    regular = 1000 + true / rate_hz
    burst = np.ceil(regular / 0.016) * 0.016
    stumbling = regular.copy()
    for start in np.array([3.0, 11.0, 18.0]) * rate_hz:
        piece = slice(int(start), int(start + 0.15 * rate_hz))
        stumbling[piece] = stumbling[piece.stop]
    for stamps in (burst, stumbling):
        indices, causes = unwrapped(stamps, rate_hz=rate_hz)
        assert causes == []
        assert np.array_equal(indices, true[: len(indices)])
        assert len(true) - len(indices) <= 0.2 * rate_hz


def test_a_second_that_is_lost_shows_among_stamps_in_bursts_to_within_a_burst() -> None:
    true = kept(10_000, [(5000, 250)])
    indices, causes = unwrapped(np.ceil((1000 + true / 250) / 0.016) * 0.016, rate_hz=250)
    assert {cause for _, cause in causes} == {JUMPED}
    assert abs(int(indices[-1]) - int(true[len(indices) - 1])) <= 4


def test_stamps_that_are_no_numbers_do_not_move_the_others() -> None:
    stamps = 1000 + np.arange(2500) / 250
    stamps[[700, 701, 1900]] = [np.nan, np.inf, -np.inf]
    indices, causes = unwrapped(stamps, rate_hz=250)
    assert causes == []
    assert np.array_equal(indices, np.arange(2500))


@pytest.mark.parametrize("jump_s", [-50.0, 3600.0])
def test_a_clock_that_is_set_is_no_loss_of_an_hour(jump_s: float) -> None:
    arrivals = 1000 + np.arange(5000) / 250
    stamps = arrivals + np.where(np.arange(5000) >= 2500, jump_s, 0.0)
    indices, causes = unwrapped(stamps, rate_hz=250, arrivals=arrivals)
    assert np.all(np.diff(indices) >= 1)
    assert int(indices[-1]) - (len(indices) - 1) <= 1
    assert all(cause == CLOCK_SET for _, cause in causes)


def test_after_a_break_the_gap_is_as_long_as_the_corrected_stamps_say() -> None:
    unwrapper = StampUnwrapper(250)
    before, after = 1000 + np.arange(1000) / 250, 5000 + np.arange(500) / 250
    assert sum(run.count for run in unwrapper.feed(before, 1004.0, correction_s=0.0)) == 1000
    unwrapper.restart(FOUND_AGAIN)
    # The sender came back with another clock. By this computer's the first sample is due at 1010 s, 6 s late.
    (run,) = unwrapper.feed(after, 1012.3, correction_s=-5000 + 1004.0 + 6.0)
    assert (run.index, run.count, run.cause) == (1000 + 1500, 500, FOUND_AGAIN)


def test_without_corrected_stamps_the_arrival_tells_how_long_a_break_was() -> None:
    unwrapper = StampUnwrapper(250)
    unwrapper.feed(1000 + np.arange(1000) / 250, 1004.0)
    unwrapper.restart(FOUND_AGAIN)
    runs = unwrapper.feed(np.arange(3) / 250, 1010.0)
    runs += unwrapper.feed(3 / 250 + np.arange(400) / 250, 1011.6)
    assert runs[0].cause == FOUND_AGAIN
    assert abs(runs[0].index - 1000 - 1500) <= 3


def test_held_samples_are_let_go_when_nothing_more_comes() -> None:
    unwrapper = StampUnwrapper(250)
    unwrapper.feed(1000 + np.arange(1000) / 250, 1004.0)
    assert unwrapper.feed(1005 + np.arange(3) / 250, 1005.0) == []
    (run,) = unwrapper.feed(np.empty(0), 1005.3)
    assert (run.index, run.count) == (1250, 3)
