"""The first page: choosing everything with as few keys as can be, and never going on with what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QTableWidget,
)
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.board_list import BoardList
from acquire.app.fields import FieldNotes, OneColumn
from acquire.app.prepare_page import PreparePage
from acquire.app.protocol_box import ProtocolBox
from acquire.app.subject_box import likely_session, since_words
from acquire.app.widgets import Banner, KeyButton
from acquire.recordings.recovery import OrphanedJournal
from acquire.study import Study
from acquire.viewer.preparing import BoardChoice, Preparation, ProtocolChoice, StudyView, SubjectChoice
from protocols.script import PlannedStep, load_script

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def somebody(pseudonym: str, *, recorded: timedelta | None = None) -> SubjectChoice:
    sessions = () if recorded is None else ("01", "02")
    at = {} if recorded is None else {"01": NOW - timedelta(days=9), "02": NOW - recorded}
    return SubjectChoice(
        pseudonym=pseudonym,
        sessions=sessions,
        next_session="03" if sessions else "01",
        n_recordings=3,
        last_recorded=None if recorded is None else NOW - recorded,
        note="left-handed",
        age_band="30-39",
        sex="f",
        recorded_at=at,
    )


def a_protocol(source: str = "dt4ecg", *, n_steps: int = 0) -> ProtocolChoice:
    script = load_script("dt4ecg").script
    plan = script.plan()
    if n_steps:
        plan = tuple(
            PlannedStep(
                position=place,
                step=place + 1,
                activity="walk",
                instruction="w" * 500,
                duration_s=9.0,
                is_rest=False,
                repetition=1,
                of=1,
            )
            for place in range(n_steps)
        )
    total_s = sum(step.duration_s for step in plan)
    return ProtocolChoice(
        source=source, name=source, title=script.title, purpose="p " * 400, total_s=total_s, plan=plan, fault=""
    )


SIM = BoardChoice(address="sim:", title="Simulated heart", detail="needs no board", troubles=(), simulated=True)


def a_view(
    folder: Path, subjects: Sequence[SubjectChoice] = (), *, factors: dict[str, list[str]] | None = None
) -> StudyView:
    study = Study.create(folder / "study", mains_hz=50, factors=factors)
    broken = ProtocolChoice(
        source="mine.toml", name="mine", title="mine", purpose="", total_s=0.0, plan=(), fault="mine.toml is not TOML."
    )
    return StudyView(
        study=study,
        subjects=tuple(subjects),
        protocols=(a_protocol(), broken),
        boards=(SIM,),
        orphans=(),
        under_way=(),
        fault="",
        default=Preparation(operator="KL", protocol="dt4ecg", board="sim:"),
        looked_at=NOW,
    )


@pytest.fixture
def page(qtbot: QtBot) -> PreparePage:
    made = PreparePage()
    qtbot.addWidget(made)
    made.resize(1366, 700)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.setFocus()
    return made


def subject_field(page: PreparePage) -> QLineEdit:
    return page.findChildren(QComboBox)[0].lineEdit()  # type: ignore[return-value]


def type_in(qtbot: QtBot, page: PreparePage, text: str) -> None:
    field = subject_field(page)
    qtbot.keyClicks(field, text)
    page.findChildren(QComboBox)[0].completer().popup().hide()


def primary(page: PreparePage) -> KeyButton:
    return next(button for button in page.findChildren(KeyButton) if button.property("kind") == "primary")


def visible_radios(page: PreparePage) -> list[QRadioButton]:
    return [radio for radio in page.findChildren(QRadioButton) if radio.isVisible()]


def test_before_a_study_is_seen_nothing_can_go_on(page: PreparePage) -> None:
    assert not primary(page).isEnabled()


def test_a_new_subject_takes_a_pseudonym_and_enter(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    page.show_view(a_view(tmp_path))
    assert subject_field(page).hasFocus()
    type_in(qtbot, page, "S01")
    with qtbot.waitSignal(page.prepared, timeout=2000) as told:
        qtbot.keyClick(subject_field(page), Qt.Key.Key_Return)
    assert told.args == [
        Preparation(subject="S01", session="01", operator="KL", protocol="dt4ecg", board="sim:", factors={})
    ]


def test_enter_without_a_subject_says_why_not_and_leads_to_the_field(
    qtbot: QtBot, page: PreparePage, tmp_path: Path
) -> None:
    page.show_view(a_view(tmp_path))
    assert "No subject yet" in words_of(page)
    primary(page).setFocus()
    with qtbot.assertNotEmitted(page.prepared):
        qtbot.keyClick(page, Qt.Key.Key_Return)
    assert subject_field(page).hasFocus()
    assert primary(page).toolTip() == "Choose who is recorded, or type a new pseudonym."


def words_of(page: PreparePage) -> str:
    return "\n".join(found.text() for found in page.findChildren(QLabel) if found.isVisible())


@pytest.mark.parametrize(
    ("recorded", "session"),
    [(timedelta(minutes=5), "02"), (timedelta(hours=3), ""), (timedelta(days=2), "03"), (None, "01")],
)
def test_the_session_is_chosen_where_time_leaves_little_doubt(recorded: timedelta | None, session: str) -> None:
    assert likely_session(somebody("S01", recorded=recorded), NOW) == session


def test_a_doubtful_session_has_to_be_chosen(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    page.show_view(a_view(tmp_path, [somebody("S01", recorded=timedelta(hours=3))]))
    type_in(qtbot, page, "S01")
    assert not primary(page).isEnabled()
    stay, new = visible_radios(page)
    assert "02" in stay.text()
    new.click()
    assert primary(page).isEnabled()
    assert page.preparation().session == "03"


def test_what_was_chosen_stays_when_the_study_is_looked_at_anew(
    qtbot: QtBot, page: PreparePage, tmp_path: Path
) -> None:
    view = a_view(tmp_path, [somebody("S01", recorded=timedelta(hours=3))], factors={"electrode": ["gel", "dry"]})
    page.show_view(view)
    type_in(qtbot, page, "S01")
    visible_radios(page)[1].click()
    combos = page.findChildren(QComboBox)
    next(combo for combo in combos if combo.findText("gel") >= 0).setCurrentText("dry")
    before = page.preparation()
    assert before.factors == {"electrode": "dry"}
    later = replace(view, looked_at=NOW + timedelta(minutes=2), boards=(replace(SIM, address="sim:x"), SIM))
    page.show_view(later)
    assert page.preparation() == before


def test_another_default_begins_anew(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    view = a_view(tmp_path, [somebody("S01", recorded=timedelta(minutes=1))])
    page.show_view(replace(view, default=replace(view.default, subject="S01", operator="MB")))
    assert (page.preparation().subject, page.preparation().session) == ("S01", "02")
    page.show_view(view, anew=True)
    assert (page.preparation().subject, page.preparation().operator) == ("", "KL")


def test_a_protocol_that_cannot_be_used_says_why(page: PreparePage, tmp_path: Path) -> None:
    view = a_view(tmp_path)
    page.show_view(replace(view, default=replace(view.default, subject="S01", protocol="mine.toml")))
    assert not primary(page).isEnabled()
    assert words_of(page).count("mine.toml is not TOML.") >= 1


def test_another_address_can_be_typed(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    view = a_view(tmp_path)
    page.show_view(replace(view, default=replace(view.default, subject="S01", board="cyton:nowhere")))
    assert page.preparation().board == "cyton:nowhere"
    boards = next(found for found in page.findChildren(QAbstractItemView) if found.accessibleName() == "Board")
    boards.setFocus()
    qtbot.keyClick(boards, Qt.Key.Key_Up)
    assert page.preparation().board == "sim:"


def test_a_boards_trouble_stands_beside_it(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    view = a_view(tmp_path)
    cyton = BoardChoice(
        address="cyton:/dev/ttyUSB7", title="OpenBCI Cyton", detail="", troubles=("No permission.",), simulated=False
    )
    page.show_view(replace(view, boards=(cyton, SIM), default=replace(view.default, board=cyton.address)))
    qtbot.waitUntil(lambda: "No permission." in words_of(page), timeout=2000)


def test_an_orphan_is_recovered_and_a_recording_under_way_is_shown_with_one_click(
    qtbot: QtBot, page: PreparePage, tmp_path: Path
) -> None:
    orphan, under_way = tmp_path / "sub-S04_ses-01_run-01.journal", tmp_path / "sub-S05_ses-01_run-01.journal"
    page.show_view(
        replace(a_view(tmp_path), orphans=(OrphanedJournal(path=orphan, n_bytes=9),), under_way=(under_way,))
    )
    show_it, recover = page.findChildren(Banner)
    with qtbot.waitSignal(page.recover_wanted, timeout=1000) as told:
        recover.button.click()
    assert told.args == [orphan]
    show_it.button.setFocus()
    with qtbot.waitSignal(page.resume_wanted, timeout=1000) as told:
        qtbot.keyClick(show_it.button, Qt.Key.Key_Return)
    assert told.args == [under_way]


def test_f5_looks_again(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    page.show_view(a_view(tmp_path))
    with qtbot.waitSignal(page.refresh_wanted, timeout=1000):
        qtbot.keyClick(subject_field(page), Qt.Key.Key_F5)


def test_every_control_can_be_reached_by_tab_and_has_a_name(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    page.show_view(a_view(tmp_path, [somebody("S01", recorded=timedelta(hours=3))], factors={"electrode": ["gel"]}))
    type_in(qtbot, page, "S01")
    visible_radios(page)[1].click()
    kinds = (QPushButton, QComboBox, QRadioButton, QAbstractItemView, QAbstractSpinBox)
    wanted = {found for kind in kinds for found in page.findChildren(kind) if found.isVisible() and found.isEnabled()}
    wanted = {found for found in wanted if found.window() is page}
    reached, widget = set(), page.focusWidget()
    for _step in range(60):
        reached.add(widget)
        widget = widget.nextInFocusChain()
    tabbed = {found for found in reached if found.focusPolicy() & Qt.FocusPolicy.TabFocus}
    for found in wanted:
        assert found in tabbed, found
        assert found.accessibleName() or getattr(found, "text", str)(), found


@pytest.mark.parametrize("size", [(1366, 668), (1920, 1000)])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.5, 2.0])
def test_nothing_is_ever_wider_than_the_window(
    qtbot: QtBot, tmp_path: Path, scale: float, size: tuple[int, int]
) -> None:
    theme.apply("dark", scale)
    page = PreparePage()
    qtbot.addWidget(page)
    longest = "Abcdefghijklmnopqrstuvwxyz012345"
    view = a_view(tmp_path, [somebody(longest, recorded=timedelta(hours=3))], factors={"f" * 32: ["l" * 32]})
    long = replace(a_protocol(n_steps=40), title="t" * 120)
    troubled = replace(SIM, detail="d" * 200, troubles=("Long trouble. " * 30,))
    page.show_view(replace(view, protocols=(long,), boards=(troubled,), default=replace(view.default, subject=longest)))
    page.resize(*size)
    with qtbot.waitExposed(page):
        page.show()
    assert page.width() == size[0]
    scroll = page.findChildren(OneColumn)[0]
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width(), timeout=2000)


def test_times_past_read_as_people_say_them() -> None:
    spans = (timedelta(0), timedelta(minutes=1), timedelta(hours=5), timedelta(days=1))
    assert [since_words(NOW - span, NOW) for span in spans] == ["just now", "1 minute ago", "5 hours ago", "1 day ago"]


def test_what_is_no_pseudonym_is_not_foretold_to_be_added(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    page.show_view(a_view(tmp_path))
    type_in(qtbot, page, "../../x")
    shown = [label.text() for label in page.findChildren(QLabel) if label.isVisible()]
    assert any("is no pseudonym" in words for words in shown)
    assert not any("is added to the study" in words or "the first" in words for words in shown)
    subject_field(page).clear()
    type_in(qtbot, page, "S07")
    shown = [label.text() for label in page.findChildren(QLabel) if label.isVisible()]
    assert any("S07 is added to the study" in words for words in shown)
    assert "01, the first" in shown


def test_suggestions_do_not_stay_over_what_is_said_of_a_subject_typed_whole(
    qtbot: QtBot, page: PreparePage, tmp_path: Path
) -> None:
    page.show_view(a_view(tmp_path, [somebody("S01"), somebody("S011")]))
    popup = page.findChildren(QComboBox)[0].completer().popup()
    qtbot.keyClicks(subject_field(page), "S0")
    assert popup.isVisible()
    qtbot.keyClicks(popup, "1")
    assert subject_field(page).text() == "S01"
    qtbot.waitUntil(lambda: not popup.isVisible(), timeout=1000)


def test_another_address_is_typed_at_once_and_is_no_mistake_before(
    qtbot: QtBot, page: PreparePage, tmp_path: Path
) -> None:
    page.show_view(a_view(tmp_path, [somebody("S01")]))
    boards = page.findChildren(BoardList)[0]
    last = boards.field.item(boards.field.count() - 1)
    qtbot.mouseClick(boards.field.viewport(), Qt.MouseButton.LeftButton, pos=boards.field.visualItemRect(last).center())
    assert boards.other.hasFocus()
    assert not boards.findChildren(FieldNotes)[0].isVisible()
    qtbot.keyClicks(boards.other, "nonsense:x")
    assert "names no known kind" in boards.findChildren(FieldNotes)[0].words
    boards.other.clear()
    boards.field.setFocus()
    qtbot.keyClicks(boards.field, "sim:")
    assert boards.address == "sim:"


def test_a_protocol_that_cannot_be_used_stays_at_the_top_of_its_card(
    qtbot: QtBot, page: PreparePage, tmp_path: Path
) -> None:
    page.show_view(a_view(tmp_path))
    box = page.findChildren(ProtocolBox)[0]
    before = box.field.geometry().top()
    box.field.setCurrentIndex(1)
    qtbot.waitUntil(lambda: not box.findChildren(QTableWidget)[0].isVisible())
    qtbot.wait(1)
    assert box.field.geometry().top() == before


def test_banners_have_keys(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    orphan = OrphanedJournal(path=tmp_path / "sub-S01_ses-01_run-01.journal", n_bytes=9)
    under_way = tmp_path / "sub-S02_ses-01_run-01.journal"
    page.show_view(replace(a_view(tmp_path), orphans=(orphan,), under_way=(under_way,)))
    qtbot.waitUntil(lambda: all(banner.isVisible() for banner in page.findChildren(Banner)))
    with qtbot.waitSignal(page.recover_wanted, timeout=1000) as told:
        qtbot.keyClick(page, Qt.Key.Key_F7)
    assert told.args == [orphan.path]
    with qtbot.waitSignal(page.resume_wanted, timeout=1000) as told:
        qtbot.keyClick(page, Qt.Key.Key_F8)
    assert told.args == [under_way]


def test_who_is_being_recorded_elsewhere_is_not_simply_ready(qtbot: QtBot, page: PreparePage, tmp_path: Path) -> None:
    page.show_view(replace(a_view(tmp_path), under_way=(tmp_path / "sub-S02_ses-01_run-01.journal",)))
    type_in(qtbot, page, "S02")
    shown = [label.text() for label in page.findChildren(QLabel) if label.isVisible()]
    assert any("is being recorded at this moment" in words for words in shown)
    assert "Ready to look at the signal." not in shown
