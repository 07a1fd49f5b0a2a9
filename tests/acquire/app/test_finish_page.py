"""The last page: what came of a recording, and what is done next."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.finish_page import FinishPage
from acquire.app.fitting_scroll import FittingScroll
from acquire.app.quality_bars import QualityBars
from acquire.app.recording_picture import RecordingPicture
from acquire.app.steps_table import StepsTable
from acquire.app.widgets import Banner, KeyButton
from acquire.recordings.content import Header
from acquire.recordings.report import RecordingReport, StepCoverage
from acquire.viewer.finishing import LeadQuality, Review
from acquire.viewer.link import Ended
from acquire.viewer.pyramid import Overview
from acquire.viewer.timeline import FeedEvent, FeedGap, StepBand
from acquire.viewer.verdict import coverage_level
from protocols.script import PlannedStep

RATE_HZ = 250.0
STEP_S = 10.0


def a_plan(n_steps: int) -> tuple[PlannedStep, ...]:
    return tuple(
        PlannedStep(
            position=place,
            step=place + 1,
            activity="walk",
            instruction="Walk. " * 80,
            duration_s=STEP_S,
            is_rest=False,
            repetition=1,
            of=1,
        )
        for place in range(n_steps)
    )


def a_review(header: Header, *, n_steps: int = 4, n_bins: int = 4096, n_gaps: int = 1) -> Review:
    plan, per_step = a_plan(n_steps), round(STEP_S * RATE_HZ)
    n = n_steps * per_step
    rng = np.random.default_rng(0)
    high = rng.random((n_bins, 3), dtype=np.float32)
    high[: n_bins // 10] = np.nan
    overview = Overview(
        edges=np.linspace(0, n, n_bins + 1).astype(np.int64),
        low=-high,
        high=high,
        valid=np.ones(n_bins, np.float32),
    )
    steps = tuple(
        StepCoverage(
            position=step.position,
            step=step.step,
            repetition=1,
            activity=step.activity,
            instruction=step.instruction,
            expected_samples=per_step,
            received_samples=per_step // 2 if step.position == 1 else per_step,
        )
        for step in plan
    )
    report = RecordingReport(
        expected_samples=n,
        received_samples=n,
        lost_samples=0,
        n_gaps=n_gaps,
        longest_gap=0,
        steps=steps,
        nominal_rate_hz=RATE_HZ,
        fitted_rate_hz=RATE_HZ,
        drift_ppm=0.0,
        first_third_rate_hz=RATE_HZ,
        last_third_rate_hz=RATE_HZ,
        lateness=None,
        link=None,
        ending="the protocol has ended",
    )
    bands = tuple(
        StepBand(
            start=step.position * per_step,
            stop=(step.position + 1) * per_step,
            step=step.step,
            activity=step.activity,
            text=step.instruction,
            kind="step" if step.position else "pause",
        )
        for step in plan
    )
    return Review(
        path=Path("sub-S01_ses-01_run-01.h5"),
        header=header,
        leads=("I", "II", "III"),
        unit="mV",
        rate_hz=RATE_HZ,
        n_samples=n,
        plan=plan,
        report=report,
        overview=overview,
        bands=bands,
        gaps=tuple(FeedGap(start=900 + 600 * k, length=300, cause="unplugged") for k in range(n_gaps)),
        events=(FeedEvent(uuid="1", index=2000, kind="mark", step=1, activity="walk", text="cough"),),
        lead_quality=(
            LeadQuality(lead="I", good=0.9, doubtful=0.06, bad=0.04, heart_rate_bpm=71.0),
            LeadQuality(lead="II", good=0.0, doubtful=0.0, bad=0.0, heart_rate_bpm=None),
        ),
        verdict="doubtful",
        words=("Step 2 has half of its samples; repeat it.",),
        steps_to_repeat=(1,),
        steps_skipped=(),
    )


@pytest.fixture
def header() -> Header:
    return Header(
        recording_id="6f1c1f0e-0000-4000-8000-000000000000",
        subject="Abcdefghijklmnopqrstuvwxyz012345",
        session="01",
        run=1,
        started_at="2026-03-02T12:00:00+00:00",
        board="sim:",
        nominal_rate_hz=RATE_HZ,
        mains_hz=50,
        factors={},
        protocol_name="dt4ecg",
        protocol_sha256="",
        montage={},
        software_version="0",
    )


def ended(recording: str | None = "sub-S01_ses-01_run-01.h5", *, error: str = "", orphan: str | None = None) -> Ended:
    return Ended(
        summary=None,
        recording=Path(recording) if recording else None,
        error=error,
        orphan=Path(orphan) if orphan else None,
    )


@pytest.fixture
def page(qtbot: QtBot, header: Header) -> FinishPage:
    made = FinishPage()
    qtbot.addWidget(made)
    made.resize(1366, 668)
    reviewed = a_review(header)
    made.begin(reviewed, ended(), reviewed.plan)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.setFocus()
    return made


def button(page: FinishPage, key: str) -> KeyButton:
    return next(found for found in page.findChildren(KeyButton) if found.key == key)


def test_the_verdict_says_what_to_look_at(page: FinishPage) -> None:
    (verdict,) = page.findChildren(Banner)
    assert verdict.level == "doubtful"
    assert "Step 2 has half of its samples" in verdict.text


def test_enter_accepts_and_goes_on_to_the_next_subject(qtbot: QtBot, page: FinishPage) -> None:
    with qtbot.waitSignals([page.accepted, page.next_subject], timeout=1000, order="strict"):
        qtbot.keyClick(page, Qt.Key.Key_Return)


def test_s_accepts_and_stays_with_the_subject(qtbot: QtBot, page: FinishPage) -> None:
    with qtbot.waitSignals([page.accepted, page.same_subject], timeout=1000, order="strict"):
        qtbot.keyClick(page, Qt.Key.Key_S)


def test_suggested_steps_are_ticked_and_repeated(qtbot: QtBot, page: FinishPage) -> None:
    assert button(page, "R").text() == "Repeat 1 ticked step"
    with qtbot.waitSignal(page.repeat_wanted, timeout=1000) as told:
        qtbot.keyClick(page, Qt.Key.Key_R)
    assert told.args == [(1,)]


def test_space_ticks_the_step_that_has_the_keyboard(qtbot: QtBot, page: FinishPage) -> None:
    table = page.findChildren(StepsTable)[0]
    table.setFocus()
    table.setCurrentCell(3, 0)
    qtbot.keyClick(table, Qt.Key.Key_Space)
    assert table.ticked() == (1, 3)
    table.setCurrentCell(1, 0)
    qtbot.keyClick(table, Qt.Key.Key_Space)
    table.setCurrentCell(3, 0)
    qtbot.keyClick(table, Qt.Key.Key_Space)
    assert table.ticked() == ()
    assert not button(page, "R").isEnabled()


@pytest.mark.parametrize(
    ("coverage", "level"), [(1.0, "good"), (0.95, "good"), (0.94, "doubtful"), (0.8, "doubtful"), (0.5, "bad")]
)
def test_coverage_has_three_levels(coverage: float, level: str) -> None:
    assert coverage_level(coverage) == level


def test_what_is_not_quite_all_never_reads_as_all(qtbot: QtBot, header: Header) -> None:
    step = a_review(header).report.steps[0]
    table = StepsTable()
    qtbot.addWidget(table)
    table.show_steps([replace(step, expected_samples=10_000, received_samples=9_999)], ())
    item = table.item(0, 2)
    assert item is not None
    assert item.data(Qt.ItemDataRole.AccessibleTextRole) == "99 %, good"


def test_a_step_that_was_left_out_on_purpose_is_neither_good_nor_bad(qtbot: QtBot, header: Header) -> None:
    step = a_review(header).report.steps[0]
    table = StepsTable()
    qtbot.addWidget(table)
    table.show_steps([replace(step, received_samples=0)], (), skipped=(step.position,))
    item = table.item(0, 2)
    assert item is not None
    assert item.data(Qt.ItemDataRole.AccessibleTextRole) == "0 %, skipped"
    table.grab()


def test_the_picture_tells_what_is_under_the_mouse(page: FinishPage) -> None:
    picture = page.findChildren(RecordingPicture)[0]
    told = {picture.words_at(x) for x in range(picture.width())}
    assert "" in told
    assert any("Walk" in words for words in told)
    assert any("Paused" in words for words in told)
    assert any("lost, unplugged" in words for words in told)
    assert "1 gaps" not in picture.accessibleName()


def test_the_picture_of_a_long_recording_is_drawn_within_a_frame(qtbot: QtBot, header: Header) -> None:
    picture = RecordingPicture()
    qtbot.addWidget(picture)
    picture.resize(1280, 260)
    reviewed = a_review(header, n_steps=40, n_gaps=8)
    picture.show_review(reviewed)
    picture.grab()
    took_s = []
    for _attempt in range(5):
        picture.show_review(replace(reviewed))
        began_s = time.perf_counter()
        picture.grab()
        took_s.append(time.perf_counter() - began_s)
    assert min(took_s) < 0.03


@pytest.mark.parametrize("n_bins", [0, 1, 2, 4096])
def test_the_picture_draws_any_overview(qtbot: QtBot, header: Header, n_bins: int) -> None:
    picture = RecordingPicture()
    qtbot.addWidget(picture)
    picture.show_review(a_review(header, n_bins=n_bins))
    for size in ((1, 1), (700, 230)):
        picture.resize(*size)
        assert not picture.grab().isNull()


def test_a_recording_without_samples_is_drawn_empty(qtbot: QtBot, header: Header) -> None:
    picture = RecordingPicture()
    qtbot.addWidget(picture)
    picture.show_review(replace(a_review(header, n_bins=0), n_samples=0, bands=(), gaps=(), events=()))
    assert not picture.grab().isNull()
    assert picture.words_at(300) == ""


def test_leads_are_told_in_words_too(page: FinishPage) -> None:
    told = page.findChildren(QualityBars)[0].accessibleName()
    assert told == "I: 90% good, 6% doubtful, 4% bad, 71/min\nII: could not be judged"


def test_a_recorder_that_died_leads_to_recovery(qtbot: QtBot) -> None:
    page = FinishPage()
    qtbot.addWidget(page)
    page.begin(None, ended(None, error="The recorder was killed.", orphan="x.journal"), ())
    (verdict,) = page.findChildren(Banner)
    assert verdict.level == "bad"
    with qtbot.waitSignal(page.recover_wanted) as wanted:
        verdict.button.click()
    assert wanted.args == [Path("x.journal")]
    assert "The recorder was killed." in verdict.text
    assert button(page, "Return").text() == "Next subject"
    assert not button(page, "R").isVisibleTo(page)


def test_a_recording_that_cannot_be_looked_through_is_named(qtbot: QtBot) -> None:
    page = FinishPage()
    qtbot.addWidget(page)
    page.begin(None, ended(), a_plan(2))
    assert "sub-S01_ses-01_run-01.h5" in page.findChildren(Banner)[0].text


@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0])
def test_forty_steps_fit_at_every_text_scale(qtbot: QtBot, header: Header, scale: float) -> None:
    theme.apply("dark", scale)
    page = FinishPage()
    qtbot.addWidget(page)
    reviewed = replace(a_review(header, n_steps=40, n_gaps=30), words=("A long sentence of trouble. " * 20,))
    page.begin(reviewed, ended(), reviewed.plan)
    page.resize(1366, 668)
    with qtbot.waitExposed(page):
        page.show()
    scroll = page.findChildren(FittingScroll)[0]
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width(), timeout=2000)
    assert page.width() == 1366


def test_the_row_that_is_read_shows_all_of_its_instruction(qtbot: QtBot, page: FinishPage) -> None:
    table = page.findChildren(StepsTable)[0]
    one_line = table.rowHeight(2)
    table.setFocus()
    table.setCurrentCell(2, 0)
    assert table.rowHeight(2) > 2 * one_line
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert table.rowHeight(2) == one_line


def test_a_mark_has_its_name(page: FinishPage) -> None:
    picture = page.findChildren(RecordingPicture)[0]
    assert any("cough" in picture.words_at(x) for x in range(picture.width()))


def test_long_words_and_many_losses_do_not_make_it_scroll_on_a_small_screen(qtbot: QtBot, header: Header) -> None:
    page = FinishPage()
    qtbot.addWidget(page)
    reviewed = replace(a_review(header, n_steps=8, n_gaps=9), words=("A sentence of trouble, and more. " * 8,))
    page.begin(reviewed, ended(), reviewed.plan)
    page.resize(1366, 668)
    with qtbot.waitExposed(page):
        page.show()
    (scroll,) = page.findChildren(FittingScroll)
    qtbot.waitUntil(lambda: scroll.widget().height() <= scroll.viewport().height(), timeout=2000)


def test_beside_a_button_nobody_is_told_to_type_a_command(qtbot: QtBot) -> None:
    page = FinishPage()
    qtbot.addWidget(page)
    error = (
        "The recorder was ended by signal 9; what it recorded is in its journal: run trilead recover /tmp/a.b/study."
    )
    page.begin(None, ended(None, error=error, orphan="x.journal"), ())
    (verdict,) = page.findChildren(Banner)
    assert "trilead recover" not in verdict.text
    assert verdict.button.key == "F7"


def test_silence_at_the_end_is_no_recording_without_loss(qtbot: QtBot, header: Header) -> None:
    page = FinishPage()
    qtbot.addWidget(page)
    for n_gaps in (0, 2):
        review = replace(a_review(header, n_gaps=n_gaps), silent_s=12.4)
        page.begin(review, Ended(summary=None, recording=review.path, error="", orphan=None), review.plan)
        words = page._losses.text()
        assert "No samples came for the last" in words
        assert "No sample was lost" not in words


def test_a_mark_at_the_last_sample_has_its_flag_and_name_in_the_picture(qtbot: QtBot, header: Header) -> None:
    review = a_review(header)
    last = FeedEvent(uuid="1" * 32, kind="note", index=review.n_samples, step=4, activity="walk", text="she coughed")
    picture = RecordingPicture()
    qtbot.addWidget(picture)
    picture.resize(900, 230)

    def drawn(with_note: bool) -> np.ndarray:
        picture.show_review(replace(review, events=(last,) if with_note else ()))
        image = picture.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
        return flat[:, : image.width()].copy()

    changed = (drawn(True) != drawn(False)).any(axis=2).any(axis=0)
    columns = np.flatnonzero(changed)
    assert columns.max() < 900
    assert len(columns) > 30
