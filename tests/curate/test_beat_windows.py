import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.beat_windows import BEAT_REASONS, beat_spans
from curate.corpus.windows import WindowGrid, choose_windows, take
from curate.labels.layer import new_label
from curate.labels.layers import merge_labels
from curate.quality.assess import Grade
from curate.signals.resample import grid_for

NOTHING = np.zeros((0, 2), dtype=np.int64)


def grid_of(n_raw: int, *, room: int, up: int = 1, down: int = 1) -> WindowGrid:
    return WindowGrid(up=up, down=down, n_raw=n_raw, n_samples=room, n_hop=room)


def test_a_window_holds_its_beats_and_begins_as_long_before_each_first_one() -> None:
    peaks = np.array([100, 200, 310, 400, 520])
    spans, refused = beat_spans(
        grid_of(600, room=300), peaks, NOTHING, rate_hz=100.0, n_beats=2, hop_beats=1, n_before=25
    )
    assert spans.start.tolist() == [75, 175, 285]
    assert spans.stop.tolist() == [285, 375, 495]
    assert refused == dict.fromkeys(BEAT_REASONS, 0)
    for start, stop in zip(spans.raw_start, spans.raw_stop, strict=True):
        assert np.count_nonzero((peaks >= start) & (peaks < stop)) == 2


def test_a_pause_a_stretch_not_searched_and_a_slow_heart_are_refused_by_name() -> None:
    peaks = np.array([100, 200, 300, 700, 800, 900, 1000, 1240])
    rejected = np.array([[820, 880]])
    spans, refused = beat_spans(
        grid_of(1500, room=150), peaks, rejected, rate_hz=100.0, n_beats=1, hop_beats=1, n_before=25
    )
    assert spans.start.tolist() == [75, 175, 675, 875]
    assert refused == {"beats missing inside": 2, "longer than the window": 1}


def test_a_beat_too_close_to_the_beginning_gives_no_window() -> None:
    spans, refused = beat_spans(
        grid_of(600, room=300), np.array([10, 110, 210]), NOTHING, rate_hz=100.0, n_beats=1, hop_beats=1, n_before=25
    )
    assert spans.start.tolist() == [85]
    assert sum(refused.values()) == 1


def test_the_room_behind_the_last_beat_is_zero_and_nothing_of_the_next_one_is_in_it() -> None:
    merged = merge_labels([new_label(0, 600, kind="activity", value="rest", annotator="anna")], 600)
    grid = grid_of(600, room=300)
    values = (1.0 + np.arange(600.0))[:, None]
    spans, _ = beat_spans(
        grid, np.array([100, 200, 310, 400, 590]), NOTHING, rate_hz=100.0, n_beats=2, hop_beats=2, n_before=25
    )
    grades = np.full((spans.start.size, 1), Grade.GOOD, dtype=np.int8)
    cut = choose_windows(spans, merged, np.array([[0, 600]]), np.ones((600, 1), dtype=bool), values, grades)
    windows = take(values, cut, grid.n_samples)
    assert windows.shape == (2, 1, 300)
    np.testing.assert_array_equal(windows[0, 0, :210], np.arange(76, 286))
    assert not windows[0, 0, 210:].any()
    np.testing.assert_array_equal(windows[1, 0, :280], np.arange(286, 566))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(60, 900), min_size=0, max_size=60),
    st.integers(1, 5),
    st.sampled_from([(497.003, 250.0), (250.0, 250.0), (130.0, 250.0), (1000.0, 125.0)]),
)
def test_windows_that_share_no_beat_share_no_raw_sample(
    intervals: list[int], n_beats: int, rates: tuple[float, float]
) -> None:
    peaks = np.cumsum(np.array([200, *intervals], dtype=np.int64))
    grid = WindowGrid.of(grid_for(*rates), int(peaks[-1]) + 500, n_samples=10_000, n_hop=1)
    spans, _ = beat_spans(grid, peaks, NOTHING, rate_hz=rates[0], n_beats=n_beats, hop_beats=n_beats, n_before=20)
    assert (spans.raw_start[1:] >= spans.raw_stop[:-1]).all()
    assert (spans.raw_stop <= grid.n_raw).all()
    for start, stop in zip(spans.raw_start, spans.raw_stop, strict=True):
        assert np.count_nonzero((peaks >= start) & (peaks < stop)) == n_beats
