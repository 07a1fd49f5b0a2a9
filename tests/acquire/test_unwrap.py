import pytest

from acquire.boards.unwrap import CLOCK_WRAP_MS, CounterUnwrapper

RATE_HZ = 250.0
NS = 4_000_000


def feed(unwrapper: CounterUnwrapper, sent: list[int], *, late_ns: int = 0, clock_ms: int = 0) -> list[int]:
    """Samples of these true indices, as they come without delay."""
    return [
        unwrapper.unwrap(index % 256, host_ns=index * NS + late_ns, clock_ms=(clock_ms + 4 * index) % CLOCK_WRAP_MS)
        for index in sent
    ]


@pytest.mark.parametrize("lost", [0, 1, 2, 100, 255, 256, 257, 512, 768, 1024, 100_000])
def test_a_loss_of_any_length_is_counted_exactly(lost: int) -> None:
    sent = [*range(300), *range(300 + lost, 700 + lost)]
    assert feed(CounterUnwrapper(RATE_HZ), sent) == sent


def test_the_boards_clock_may_wrap() -> None:
    sent = [*range(300), *range(812, 2000)]
    assert feed(CounterUnwrapper(RATE_HZ), sent, clock_ms=CLOCK_WRAP_MS - 400) == sent


def test_the_boards_clock_is_believed_when_the_computer_was_late() -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    assert feed(unwrapper, list(range(300))) == list(range(300))
    late = feed(unwrapper, list(range(300, 400)), late_ns=20_000_000_000)
    assert late == list(range(300, 400))


@pytest.mark.parametrize("ppm", [-10_000, 10_000])
def test_a_slow_or_fast_board_clock_is_learnt_so_that_a_loss_of_minutes_is_exact(ppm: int) -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    sent = [*range(20_000), *range(20_000 + 256 * 200, 20_000 + 256 * 200 + 300)]
    got = [
        unwrapper.unwrap(
            i % 256, host_ns=i * NS, clock_ms=int(4 * i * (1 + ppm * 1e-6))
        )  # truncated as the firmware does
        for i in sent
    ]
    assert got == sent


def test_only_a_board_that_began_anew_leaves_a_doubt() -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    unwrapper.restart()
    doubts = [unwrapper.in_doubt]
    feed(unwrapper, list(range(300)))
    doubts.append(unwrapper.in_doubt)
    unwrapper.restart()
    doubts.append(unwrapper.in_doubt)
    feed(unwrapper, [300])
    doubts.append(unwrapper.in_doubt)
    assert doubts == [False, False, True, False]


def test_samples_that_were_held_back_behind_the_first_after_a_restart_make_the_gap_no_longer() -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    feed(unwrapper, list(range(1000)), clock_ms=500_000)
    unwrapper.restart()
    assert unwrapper.unwrap(0, host_ns=2020 * NS, clock_ms=12, backlog=20) == 2000


def test_after_a_power_cycle_the_computers_clock_tells_the_gap() -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    feed(unwrapper, list(range(1000)), clock_ms=500_000)
    unwrapper.restart()
    assert unwrapper.in_doubt
    assert unwrapper.unwrap(0, host_ns=2000 * NS, clock_ms=12) == 2000
    assert unwrapper.unwrap(1, host_ns=2001 * NS, clock_ms=16) == 2001
    assert unwrapper.unwrap(2, host_ns=2258 * NS, clock_ms=20 + 4 * 256) == 2258


def test_after_a_reset_that_left_the_clock_running_the_clock_tells_the_gap() -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    feed(unwrapper, list(range(1000)))
    unwrapper.restart()
    assert unwrapper.unwrap(0, host_ns=2040 * NS, clock_ms=8000) == 2000


def test_the_boards_clock_is_told_unwrapped_and_never_runs_back() -> None:
    unwrapper = CounterUnwrapper(RATE_HZ)
    assert unwrapper.clock_ns() == -1
    times = []
    for index, clock_ms in enumerate([CLOCK_WRAP_MS - 4, 0, 4]):
        unwrapper.unwrap(index, host_ns=index * NS, clock_ms=clock_ms)
        times.append(unwrapper.clock_ns())
    assert times == [(CLOCK_WRAP_MS + ms) * 1_000_000 for ms in (-4, 0, 4)]
