import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.paper import Grounds, Sheet
from acquire.app.trace_lines import excursions, trace_points
from acquire.app.trace_view import TraceView, band_colour, lost_words
from acquire.viewer.texts import choose_language
from tests.acquire.app.scripted_feed import ScriptedFeed, ecg

RATE_HZ = 250


def _view(qtbot: QtBot, feed: ScriptedFeed | None, width: int = 1000, height: int = 500) -> TraceView:
    view = TraceView()
    qtbot.addWidget(view)
    view.resize(width, height)
    view.show_feed(feed)
    view.show()
    return view


def _pixels(view: TraceView) -> np.ndarray:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return rows[:, : image.width(), 2::-1].astype(int)


def _is(pixels: np.ndarray, colour: str, within: int = 40) -> np.ndarray:
    wanted = QColor(colour)
    return np.abs(pixels - [wanted.red(), wanted.green(), wanted.blue()]).max(axis=2) <= within


def _sheet(**changes: object) -> Sheet:
    facts = {
        "width": 1000, "height": 500, "ratio": 1.0, "span_s": 10.0, "leads": ("I", "II", "III"), "mm_per_unit": 10.0,
        "scale_words": (), "calibration": 1.0, "grid": True, "label_height": 18.0, "gutter": 76.0,
    }  # fmt: skip
    return Sheet(**{**facts, **changes})


def test_one_millivolt_is_as_high_as_ten_millimetres_are_wide() -> None:
    for width, span_s in ((1366, 5.0), (1000, 10.0), (3840, 30.0)):
        sheet = _sheet(width=width, span_s=span_s)
        assert sheet.px_per_unit == pytest.approx(10 * sheet.px_per_mm)
        assert sheet.px_per_s == pytest.approx(25 * sheet.px_per_mm)


@pytest.mark.parametrize("n_leads", [1, 3, 8])
def test_rows_fill_the_sheet_and_hold_their_zero(n_leads: int) -> None:
    sheet = _sheet(leads=tuple("ABCDEFGH"[:n_leads]))
    assert len(sheet.rows) == n_leads
    for upper, lower in zip(sheet.rows, sheet.rows[1:], strict=False):
        assert upper.bottom == lower.top
    assert all(row.top < row.base < row.bottom for row in sheet.rows)
    assert sheet.rows[-1].bottom <= sheet.bottom


def test_points_keep_their_place_on_the_pixels_while_the_trace_moves() -> None:
    values = ecg(20_000)
    x, points = trace_points(0, values, px_per_sample=0.1, shift=0.0, ratio=1.0)
    later_x, later = trace_points(1000, values[1000:], px_per_sample=0.1, shift=37.0, ratio=1.0)
    assert np.array_equal(later_x + 37.0, x[-len(later_x) :])
    assert np.array_equal(later, points[:, -later.shape[1] :])


def test_thinned_points_keep_every_peak_and_stay_few() -> None:
    values = np.zeros((100_000, 2), np.float32)
    values[41_111, 0], values[77_777, 1] = 3.0, -2.0
    x, points = trace_points(0, values, px_per_sample=0.01, shift=0.0, ratio=1.0)
    assert points.shape == (2, len(x)) == (2, 2000)
    assert points[0].max() == 3.0
    assert points[1].min() == -2.0


def test_a_column_of_lost_samples_is_lost_when_thinned() -> None:
    values = np.ones((1000, 1), np.float32)
    values[500:520] = np.nan
    x, points = trace_points(0, values, px_per_sample=0.1, shift=0.0, ratio=1.0)
    assert np.unique(np.floor(x[np.isnan(points[0])])).tolist() == [50.0, 51.0]


def test_excursions_that_are_close_are_told_once() -> None:
    x = np.arange(100.0)
    outside = np.zeros(100, bool)
    outside[[10, 11, 12, 60, 75]] = True
    assert excursions(x, outside, apart=20.0) == [11.0, 60.0]


def test_the_r_wave_is_as_high_on_the_screen_as_the_gain_says(qtbot: QtBot) -> None:
    values = np.zeros((3000, 1), np.float32)
    values[2000:2005] = 1.0
    view = _view(qtbot, ScriptedFeed(values, leads=("II",)), height=600)
    view.set_grid(False)
    heights = []
    for gain in (5.0, 10.0):
        view.set_gain(gain)
        ink = _is(_pixels(view), theme.current().trace, 90)[:, 200:]
        rows = np.flatnonzero(ink[20:580].any(axis=1))
        heights.append(rows.max() - rows.min())
    px_per_mm = (1000 - theme.px(76)) / 250
    assert heights == pytest.approx([5 * px_per_mm, 10 * px_per_mm], abs=2)


def test_nothing_is_drawn_where_samples_were_lost(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(5000))
    feed.lose(3750, 500)
    pixels = _pixels(_view(qtbot, feed))
    left, right = 76 + 924 * 0.5, 76 + 924 * 0.7
    hole = pixels[40:450, round(left) + 4 : round(right) - 4]
    assert not _is(hole, theme.current().trace).any()
    assert _is(hole, theme.current().bad_ground, 2).mean() > 0.95
    assert _is(pixels, theme.current().trace).any()


def test_a_lead_that_leaves_its_row_is_cut_off_before_it_reaches_its_neighbours_zero_line(qtbot: QtBot) -> None:
    values = np.zeros((3000, 3), np.float32)
    values[:, 1] = 200.0 * np.sign(np.sin(np.arange(3000) / 40.0))
    view = _view(qtbot, ScriptedFeed(values))
    view.set_grid(False)
    pixels = _pixels(view)
    ink = _is(pixels, theme.current().trace, 140)[:, 100:990]
    middle = {row for row in np.flatnonzero(ink.any(axis=1)) if 0.36 * 500 < row < 0.62 * 500}
    assert middle
    # The neighbours are straight lines: ink in a row of pixels there means their own zero line, all across.
    others = [row for row in np.flatnonzero(ink.any(axis=1)) if 40 < row < 137 or 356 < row < 470]
    assert others
    assert all(ink[row].mean() > 0.9 for row in others)
    assert _is(pixels, theme.current().doubtful, 10).any()


@pytest.mark.parametrize(
    "values",
    [
        np.full((3000, 3), np.nan, np.float32),
        np.full((3000, 3), np.inf, np.float32),
        np.full((3000, 3), 1e30, np.float32),
        np.where(np.arange(9000).reshape(3000, 3) % 2, np.nan, 1.0).astype(np.float32),
        np.zeros((0, 3), np.float32),
        np.zeros((1, 3), np.float32),
    ],
    ids=["nan", "inf", "huge", "every other", "none", "one"],
)
def test_any_values_can_be_shown(qtbot: QtBot, values: np.ndarray) -> None:
    view = _view(qtbot, ScriptedFeed(values))
    view.refresh()
    assert _pixels(view).shape == (500, 1000, 3)


@pytest.mark.parametrize("size", [(1, 1), (30, 20), (320, 160), (2600, 90)])
def test_any_size_can_be_shown(qtbot: QtBot, size: tuple[int, int]) -> None:
    view = _view(qtbot, ScriptedFeed(ecg(5000)), *size)
    view.setMinimumSize(1, 1)
    view.resize(*size)
    for span_s in (5.0, 30.0):
        view.set_span(span_s)
        view.grab()


def test_what_has_not_changed_is_not_laid_out_again(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(5000), stop=4000)
    view = _view(qtbot, feed)
    view.refresh()
    frame = view._frame
    view.refresh()
    assert view._frame is frame
    feed.advance(6)
    view.refresh()
    assert view._frame is not frame


def test_painting_tells_up_to_which_sample_it_went(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(5000), stop=4000)
    view = _view(qtbot, feed)
    view.refresh()
    view.grab()
    assert view.shown_stop == 4000
    feed.advance(6)
    view.refresh()
    assert view.shown_stop == 4000
    view.grab()
    assert view.shown_stop == 4006


def test_only_what_can_be_seen_is_laid_out(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(200_000))
    for index in range(0, 200_000, 1000):
        feed.event("step", index, step=index // 1000 + 1, activity="sitting")
        feed.event("mark", index + 300, text="cough")
        feed.lose(index + 500, 10)
    view = _view(qtbot, feed)
    view.refresh()
    frame = view._frame
    assert frame is not None
    assert len(frame.bands) <= 4
    assert len(frame.marks) <= 3
    assert len(frame.losses) <= 3
    assert frame.bands[-1].right == frame.sheet.right


def test_a_pause_is_hatched_and_named(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(5000))
    feed.event("step", 0, activity="sitting")
    feed.event("pause", 4000)
    view = _view(qtbot, feed)
    view.refresh()
    assert view._frame is not None
    assert [band.words for band in view._frame.bands] == ["Sitting", "Paused"]
    assert view._frame.bands[0].colour == band_colour(1)
    assert view._frame.bands[1].hatch == theme.current().pause


def test_a_unit_that_is_not_millivolt_gets_a_round_scale_that_fits(qtbot: QtBot) -> None:
    view = _view(qtbot, ScriptedFeed(ecg(5000) * 400, unit="counts"))
    view.refresh()
    assert view._frame is not None
    words = view._frame.sheet.scale_words
    assert words == ("25 mm/s", "500 counts/cm")
    assert not any(line.above or line.below for line in view._frame.lines)


def test_the_scale_is_written_on_the_paper_as_it_is_drawn(qtbot: QtBot) -> None:
    view = _view(qtbot, ScriptedFeed(ecg(5000)))
    view.set_gain(20.0)
    assert view._frame is not None
    assert view._frame.sheet.scale_words == ("25 mm/s", "20 mm/mV")
    assert view._frame.sheet.mm_per_unit == 20.0


def test_a_feed_that_cannot_be_followed_says_why(qtbot: QtBot) -> None:
    feed = ScriptedFeed()
    view = _view(qtbot, feed)
    view.set_message("Waiting for the board.")
    before = _pixels(view)
    feed.fault = "The journal is damaged."
    view.refresh()
    assert not np.array_equal(_pixels(view), before)


def test_a_change_of_theme_repaints_paper_and_trace(qtbot: QtBot) -> None:
    view = _view(qtbot, ScriptedFeed(ecg(5000)))
    light = _pixels(view).mean()
    theme.apply("dark")
    view.refresh()
    assert _pixels(view).mean() < light - 100


def test_paper_is_drawn_once_for_each_look_and_let_go_when_unused(qtbot: QtBot) -> None:
    grounds, sheet = Grounds(), _sheet()
    plain = grounds.on(sheet)
    tinted = grounds.on(sheet, theme.current().bands[0])
    assert grounds.on(sheet) is plain
    grounds.let_go()
    assert grounds.on(sheet) is plain
    grounds.let_go()
    assert grounds.on(sheet, theme.current().bands[0]) is not tinted
    assert grounds.on(_sheet(width=900)) is not plain


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_span_or_gain_that_cannot_be_is_refused(qtbot: QtBot, bad: float) -> None:
    view = _view(qtbot, None)
    with pytest.raises(ValueError, match="span_s"):
        view.set_span(bad)
    with pytest.raises(ValueError, match="mm_per_mv"):
        view.set_gain(bad)
    assert (view.span_s, view.gain_mm_per_mv) == (10.0, 10.0)


def test_losses_are_told_in_samples_or_seconds() -> None:
    choose_language("en")
    assert lost_words(1, 250.0) == "lost 1 sample"
    assert lost_words(24, 250.0) == "lost 24 samples"
    assert lost_words(300, 250.0) == "lost 1.2 s"


def test_closing_lets_go_of_the_feed(qtbot: QtBot) -> None:
    view = _view(qtbot, ScriptedFeed(ecg(5000)))
    view.close()
    view.refresh()
    assert view._feed is None


def _offset_ecg(n_samples: int) -> np.ndarray:
    """Leads as they come: each tens of millivolts beside zero."""
    return (ecg(n_samples) + np.array([19.0, -22.0, -41.0])).astype(np.float32)


def test_an_unfiltered_lead_is_drawn_about_its_own_middle_and_says_so(qtbot: QtBot) -> None:
    view = _view(qtbot, ScriptedFeed(_offset_ecg(5000)))
    view.refresh()
    assert view._frame is not None
    assert any(line.above or line.below for line in view._frame.lines)
    view.set_centred(True)
    assert not any(line.above or line.below for line in view._frame.lines)
    assert view._frame.sheet.unfiltered


def test_a_centred_lead_stays_where_it_is_until_it_has_crept_far(qtbot: QtBot) -> None:
    values = _offset_ecg(5000)
    values[:, 0] += np.linspace(0, 0.2, 5000, dtype=np.float32)
    feed = ScriptedFeed(values, stop=2500)
    view = _view(qtbot, feed)
    view.set_centred(True)
    settled = view._centres.copy()
    feed.advance(250)
    view.refresh()
    assert view._centres.tolist() == settled.tolist()
    feed.values[:, 0] += 30.0
    feed.advance(250)
    view.refresh()
    assert view._centres[0] == pytest.approx(settled[0] + 30.0, abs=0.3)


def test_a_lead_of_which_nothing_is_there_is_centred_without_a_word(qtbot: QtBot) -> None:
    values = _offset_ecg(5000)
    values[:, 1] = np.nan
    view = _view(qtbot, ScriptedFeed(values))
    view.set_centred(True)
    assert view._centres[1] == 0.0


@pytest.mark.parametrize("dark", [False, True])
def test_squares_stay_clear_on_every_steps_colour(qtbot: QtBot, dark: bool) -> None:
    tokens = theme.apply("dark" if dark else "light")
    sheet, grounds = _sheet(), Grounds()

    def contrast(colour: str) -> float:
        image = grounds.on(sheet, colour).toImage()
        line = [image.pixelColor(x, int(sheet.bottom) - 3).lightness() for x in range(int(sheet.left) + 2, 400)]
        return float(max(line) - min(line))

    plain = contrast("")
    assert plain > 10
    assert all(contrast(colour) > 0.8 * plain for colour in tokens.bands)


def test_a_silence_is_no_pause(qtbot: QtBot) -> None:
    feed = ScriptedFeed(ecg(2500))
    feed.event("step", 0, activity="rest", text="Sit.")
    feed.event("pause", 1000, activity="rest", text="no samples: the protocol waited")
    feed.event("resume", 1500, activity="rest", text="no samples: the protocol waited")
    feed.lose(1000, 500)
    view = _view(qtbot, feed)
    view.refresh()
    assert view._frame is not None
    assert [band.words for band in view._frame.bands] == ["Rest", "No samples", "Rest"]
    (loss,) = view._frame.losses
    assert (loss.words, loss.more) == ("lost 2.0 s", feed.gaps()[0].cause)
