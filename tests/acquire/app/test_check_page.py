"""The second page: what is bad is seen at once, and is recorded only with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.check_page import CheckPage
from acquire.app.checklist import Checklist
from acquire.app.fields import OneColumn
from acquire.app.lead_cards import LeadCards
from acquire.app.placement import PlacementPicture
from acquire.app.trace_view import TraceView
from acquire.app.veil import Veil
from acquire.app.widgets import KeyButton
from acquire.checks.findings import when_gone
from acquire.checks.live import LeadState
from acquire.checks.preflight import Finding, FindingState
from acquire.viewer.feed import JournalFeed
from acquire.viewer.listening import Listening, ListeningState, _without_live
from acquire.viewer.preparing import Preparation

FINDINGS = (
    Finding(name="board", state="good", words="OpenBCI Cyton: 3 channels at 250 Hz"),
    Finding(name="contact CH1 (lead I) +", state="good", words="8.5 kΩ"),
    Finding(name="contact CH1 (lead I) -", state="good", words="9.5 kΩ"),
    Finding(name="contact CH2 (lead II) +", state="good", words="7.5 kΩ"),
    Finding(name="lead I", state="good", words="heart rate 71 /min"),
    Finding(name="disk", state="skipped", words="not looked at"),
)
LEAD_I = asdict(
    LeadState(lead="I", judgement="good", heart_rate_bpm=71.2, dc_offset_mv=-3.0, mains_mv=0.005, words="fine")
)
READY = ListeningState(phase="listening", words="listening", share=1.0, findings=FINDINGS, leads=(LEAD_I,))


def with_finding(name: str, state: FindingState, words: str = "2.1 MΩ; press it on") -> ListeningState:
    kept = tuple(finding for finding in FINDINGS if finding.name != name)
    return replace(READY, findings=(*kept, Finding(name=name, state=state, words=words)))


BAD = with_finding("contact CH2 (lead II) +", "bad")


class Heard:
    """A listening that says what the test says."""

    def __init__(self) -> None:
        self.said = ListeningState()

    def state(self) -> ListeningState:
        return self.said


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def page(qtbot: QtBot, heard: Heard, tmp_path: Path) -> Iterator[CheckPage]:
    made = CheckPage()
    qtbot.addWidget(made)
    made.resize(1366, 668)
    # It is never started: there is no thread, and no journal to read.
    feed = JournalFeed(tmp_path / "none.journal")
    made.begin(cast(Listening, heard), feed, Preparation(subject="S01", session="02", board="sim:"))
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.setFocus()
    yield made
    made.end()
    feed.close()


def tell(page: CheckPage, heard: Heard, state: ListeningState) -> None:
    heard.said = state
    page.show_state()


def button(page: CheckPage, key: str) -> KeyButton:
    return next(found for found in page.findChildren(KeyButton) if found.key == key)


def reason(page: CheckPage) -> QLineEdit:
    return page.findChildren(QLineEdit)[0]


@pytest.mark.parametrize("phase", ["reaching", "contact", "signal"])
def test_nothing_starts_before_everything_was_checked(qtbot: QtBot, page: CheckPage, heard: Heard, phase: str) -> None:
    tell(page, heard, replace(READY, phase=phase, words="measuring"))  # type: ignore[arg-type]
    with qtbot.assertNotEmitted(page.record_wanted):
        qtbot.keyClick(page, Qt.Key.Key_Return)
    assert button(page, "Return").toolTip() == "Measuring …"


def test_enter_starts_when_all_is_good_without_remarks(qtbot: QtBot, page: CheckPage, heard: Heard) -> None:
    tell(page, heard, READY)
    assert not button(page, "Ctrl+R").isVisible()
    with qtbot.waitSignal(page.record_wanted, timeout=1000) as told:
        qtbot.keyClick(page, Qt.Key.Key_Return)
    assert told.args == [()]


def test_what_is_doubtful_does_not_stop(qtbot: QtBot, page: CheckPage, heard: Heard) -> None:
    tell(page, heard, with_finding("mains", "doubtful"))
    assert button(page, "Return").isEnabled()


def test_what_is_bad_takes_a_decision_and_a_reason_and_both_are_kept(
    qtbot: QtBot, page: CheckPage, heard: Heard
) -> None:
    tell(page, heard, BAD)
    start = button(page, "Return")
    assert not start.isEnabled()
    assert not reason(page).isVisible()
    button(page, "Ctrl+R").click()
    assert reason(page).hasFocus()
    qtbot.keyClicks(reason(page), " ab ")
    assert not start.isEnabled()
    qtbot.keyClicks(reason(page), "c skin")
    with qtbot.waitSignal(page.record_wanted, timeout=1000) as told:
        qtbot.keyClick(reason(page), Qt.Key.Key_Return)
    (remarks,) = told.args
    assert remarks == (
        "recorded although something was bad: ab c skin",
        "contact CH2 (lead II) +: 2.1 MΩ; press it on",
    )


def test_enter_asks_for_the_reason_where_something_is_bad(qtbot: QtBot, page: CheckPage, heard: Heard) -> None:
    tell(page, heard, BAD)
    qtbot.keyClick(page, Qt.Key.Key_Return)
    assert reason(page).hasFocus()


def test_once_it_is_mended_no_reason_is_wanted_or_kept(qtbot: QtBot, page: CheckPage, heard: Heard) -> None:
    tell(page, heard, BAD)
    button(page, "Ctrl+R").click()
    qtbot.keyClicks(reason(page), "because")
    tell(page, heard, READY)
    assert not reason(page).isVisible()
    assert page.remarks() == ()
    assert button(page, "Return").isEnabled()


def test_a_board_that_fails_cannot_be_recorded_anyway(page: CheckPage, heard: Heard) -> None:
    tell(page, heard, replace(BAD, phase="failed", words="There is no board; plug it in."))
    assert not button(page, "Return").isEnabled()
    assert not button(page, "Ctrl+R").isVisible()
    assert button(page, "Return").toolTip() == "There is no board; plug it in."


def test_bad_things_come_first_and_stay_in_their_order(page: CheckPage, heard: Heard) -> None:
    tell(page, heard, BAD)
    checklist = page.findChildren(Checklist)[0]
    assert [finding.state for finding in checklist.findings] == ["bad", "good", "good", "good", "good", "skipped"]
    assert checklist.findings[1].name == "board"
    tell(page, heard, replace(READY, findings=FINDINGS[:1]))
    assert checklist.findings == FINDINGS[:1]


def test_ohms_stand_at_the_electrodes(page: CheckPage, heard: Heard) -> None:
    tell(page, heard, BAD)
    picture = page.findChildren(PlacementPicture)[0]
    assert picture.contact_words("RA") == "9.5 kΩ, good"
    assert picture.contact_words("LL") == "2.1 MΩ, bad"


def test_an_electrode_that_comes_off_after_it_was_measured_is_seen(page: CheckPage, heard: Heard) -> None:
    off = {**LEAD_I, "lead": "II", "electrode_off": True, "judgement": "bad", "heart_rate_bpm": None}
    tell(page, heard, replace(READY, leads=(LEAD_I, off)))
    assert page.findChildren(PlacementPicture)[0].contact["LL"].state == "bad"


def gone(heard_last: ListeningState) -> ListeningState:
    words = "The board hung up; plug it in again."
    found = when_gone(heard_last.findings, words)
    return _without_live(
        replace(heard_last, phase="failed", words=words, findings=found, reached=True, stood_at=datetime.now(UTC))
    )


def test_once_the_board_is_gone_nothing_stays_green_and_the_trace_says_since_when(
    page: CheckPage, heard: Heard
) -> None:
    tell(page, heard, READY)
    tell(page, heard, gone(READY))
    assert page.findChildren(LeadCards)[0].words == {"I": "Lead I, not known"}
    picture = page.findChildren(PlacementPicture)[0]
    assert {picture.contact_words(name) for name in ("RA", "LA")} == {"not known"}
    states = {finding.name: finding.state for finding in page.findChildren(Checklist)[0].findings}
    assert states == {
        "board": "bad",
        "contact CH1 (lead I) +": "skipped",
        "contact CH1 (lead I) -": "skipped",
        "contact CH2 (lead II) +": "skipped",
        "lead I": "skipped",
        "disk": "skipped",
    }
    veil = page.findChildren(Veil)[0]
    assert veil.isVisible()
    assert "nothing has come since" in veil.words
    assert "press F5" in button(page, "Return").toolTip()
    tell(page, heard, READY)
    assert not veil.isVisible()


def test_a_board_that_falls_silent_is_not_ready_to_record(page: CheckPage, heard: Heard) -> None:
    tell(page, heard, READY)
    silent = replace(READY, phase="silent", words="no samples for 4 s", reached=True, stood_at=datetime.now(UTC))
    tell(page, heard, _without_live(silent))
    assert not button(page, "Return").isEnabled()
    assert page.findChildren(LeadCards)[0].words == {"I": "Lead I, not known"}


def test_half_a_second_of_signal_is_no_good_lead_yet(page: CheckPage, heard: Heard) -> None:
    young = {**LEAD_I, "settled": False, "heart_rate_bpm": None}
    unmeasured = tuple(finding for finding in FINDINGS if not finding.name.startswith("contact"))
    tell(page, heard, replace(READY, phase="signal", leads=(young,), findings=unmeasured))
    assert page.findChildren(LeadCards)[0].words["I"].startswith("Lead I, not known yet")
    assert page.findChildren(PlacementPicture)[0].contact_words("RA") == "not known"
    tell(page, heard, replace(READY, findings=unmeasured))
    assert page.findChildren(PlacementPicture)[0].contact_words("RA") == "signal looks well"


@pytest.mark.parametrize(("n_leads", "scale"), [(1, 1.0), (3, 1.0), (8, 1.0), (8, 1.5), (3, 2.0)])
def test_half_of_what_is_seen_is_paper_however_many_leads_there_are(
    qtbot: QtBot, heard: Heard, tmp_path: Path, n_leads: int, scale: float
) -> None:
    theme.apply("light", scale)
    page = CheckPage()
    qtbot.addWidget(page)
    feed = JournalFeed(tmp_path / "none.journal")
    page.begin(cast(Listening, heard), feed, Preparation(subject="S01", session="02", board="sim:"))
    names = ("I", "II", "III", "V1", "V2", "V3", "V4", "V5")[:n_leads]
    off = {"judgement": "bad", "electrode_off": True, "words": "mains hum: press on or replace an electrode, and more"}
    tell(page, heard, replace(READY, leads=tuple({**LEAD_I, "lead": name, **off} for name in names)))
    page.resize(1366, 668)
    with qtbot.waitExposed(page):
        page.show()
    scroll, paper = page.findChildren(OneColumn)[0], page.findChildren(TraceView)[0]
    qtbot.waitUntil(lambda: paper.height() >= 0.48 * scroll.height(), timeout=2000)
    top = paper.mapTo(scroll, paper.rect().topLeft()).y()
    assert top <= 0.5 * scroll.height()
    page.end()
    feed.close()


def test_too_short_a_reason_says_so(qtbot: QtBot, page: CheckPage, heard: Heard) -> None:
    tell(page, heard, BAD)
    button(page, "Ctrl+R").click()
    qtbot.keyClicks(reason(page), "ab")
    qtbot.keyClick(reason(page), Qt.Key.Key_Return)
    assert "at least 3 letters" in button(page, "Return").toolTip()


def test_each_lead_tells_its_state_heart_rate_offset_and_hum(page: CheckPage, heard: Heard) -> None:
    tell(page, heard, READY)
    cards = page.findChildren(LeadCards)[0]
    assert cards.words == {"I": "Lead I, good, 71/min, offset −3 mV, hum 5 µV"}
    tell(page, heard, replace(READY, leads=(asdict(LeadState(lead="V1")),)))
    assert cards.words == {"V1": "Lead V1, doubtful, not a second of signal yet"}


def test_esc_goes_back_and_f5_checks_again(qtbot: QtBot, page: CheckPage) -> None:
    with qtbot.waitSignal(page.back_wanted, timeout=1000):
        qtbot.keyClick(page, Qt.Key.Key_Escape)
    with qtbot.waitSignal(page.again_wanted, timeout=1000):
        qtbot.keyClick(page, Qt.Key.Key_F5)


def test_a_frame_without_a_signal_is_fine(page: CheckPage) -> None:
    page.tick()
    page.end()
    page.tick()
    page.show_state()


@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0])
def test_long_sentences_never_make_it_wider_than_the_window(
    qtbot: QtBot, heard: Heard, tmp_path: Path, scale: float
) -> None:
    theme.apply("dark", scale)
    page = CheckPage()
    qtbot.addWidget(page)
    feed = JournalFeed(tmp_path / "none.journal")
    preparation = Preparation(subject="Abcdefghijklmnopqrstuvwxyz012345", session="02", board="cyton:" + "x" * 200)
    page.begin(cast(Listening, heard), feed, preparation)
    sentence = "This is a long sentence about what is wrong and how to mend it. " * 6
    leads = tuple(
        {**LEAD_I, "lead": name, "judgement": "bad", "electrode_off": True, "words": sentence}
        for name in ("I", "II", "III")
    )
    tell(page, heard, replace(with_finding("lead I", "bad", sentence), leads=leads))
    page.resize(1366, 668)
    with qtbot.waitExposed(page):
        page.show()
    scroll = page.findChildren(OneColumn)[0]
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width(), timeout=2000)
    assert page.width() == 1366
    page.end()
    feed.close()
