from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import acquire.viewer.study_view
from acquire.boards.discovery import FoundPort, Survey
from acquire.errors import RecorderError, StudyError
from acquire.files import try_hold
from acquire.recorder.launch import prepare
from acquire.recorder.process import RecorderConfig
from acquire.recordings.recording import open_recording
from acquire.study import Study
from acquire.viewer.preferences import PREFERENCES_FILE, Preferences, load_preferences
from acquire.viewer.preparing import Preparation, StudyView, begin_recording, look_at_study, problems
from acquire.viewer.repeating import script_of_steps
from protocols.errors import TrileadError
from protocols.script import load_script, shipped_scripts

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
FINE = Preparation(
    subject="S09", session="01", operator="AB", protocol="quick-check", board="sim:", factors={"electrode": "agcl"}
)
OWN = 'title = "Stairs"\n[[steps]]\nactivity = "rest"\ninstruction = "Sit."\nduration_s = 2\n'

Record = Callable[..., Path]


@pytest.fixture(autouse=True)
def nothing_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquire.viewer.study_view, "survey", lambda: Survey(ports=(), hints=()))


@pytest.fixture
def record(study: Study) -> Record:
    """Puts a file in a recording's or a journal's place, written some time ago."""

    def record(
        subject: str, session: str, run: int = 1, *, ago: timedelta = timedelta(0), journal: bool = False
    ) -> Path:
        place = study.journal_path if journal else study.recording_path
        file = place(subject, session, run)
        file.write_bytes(b"")
        os.utime(file, ((NOW - ago).timestamp(),) * 2)
        return file

    return record


def look(study: Study, preferences: Preferences | None = None) -> StudyView:
    return replace(look_at_study(study.path, preferences or Preferences()), looked_at=NOW)


def fields(view: StudyView, preparation: Preparation) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for problem in problems(view, preparation):
        assert problem.words.endswith(".")
        assert "\n" not in problem.words
        assert len(problem.words) < 400
        found.setdefault(problem.field, []).append(problem.stops)
    return found


def words(view: StudyView, preparation: Preparation, field: str) -> str:
    return " ".join(problem.words for problem in problems(view, preparation) if problem.field == field)


# What there is to choose from.


def test_an_empty_study_offers_the_shipped_protocols_and_the_simulated_heart(study: Study) -> None:
    view = look(study, Preferences(operators=("AB", "CD")))
    assert (view.subjects, view.orphans, view.under_way, view.fault) == ((), (), (), "")
    assert [choice.source for choice in view.protocols] == shipped_scripts()
    assert all(choice.plan and choice.total_s > 0 and not choice.fault for choice in view.protocols)
    assert [(choice.address, choice.simulated) for choice in view.boards] == [("sim:", True)]
    assert view.default == Preparation(operator="AB", protocol="dt4ecg", board="sim:")


def test_subjects_come_with_their_sessions_the_last_recorded_one_last(study: Study, record: Record) -> None:
    study.add_subject("S02", age_band="30-39", sex="f", note="left-handed")
    record("S02", "01", ago=timedelta(days=3))
    record("S02", "02", ago=timedelta(days=2))
    record("S02", "02", 2, ago=timedelta(days=1))
    record("S02", "pilot", ago=timedelta(days=9))
    record("S01", "10", journal=True, ago=timedelta(hours=1))
    view = look(study)
    listed, unlisted = view.subjects
    assert (listed.pseudonym, listed.age_band, listed.sex, listed.note) == ("S02", "30-39", "f", "left-handed")
    assert (listed.sessions, listed.next_session, listed.n_recordings) == (("pilot", "01", "02"), "03", 4)
    assert listed.last_recorded == NOW - timedelta(days=1)
    assert (unlisted.pseudonym, unlisted.sessions, unlisted.next_session, unlisted.n_recordings) == (
        "S01",
        ("10",),
        "11",
        0,
    )


def busy(work: Callable[[], object]) -> float:
    """Seconds of the processor that some work takes."""
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


def test_the_time_of_a_look_at_a_study_grows_with_its_recordings_and_no_faster(study: Study, record: Record) -> None:
    for number in range(1, 151):
        record(f"S{number % 30:02d}", f"{number % 50 + 1:02d}", number)
    few_s = min(busy(lambda: look_at_study(study.path, Preferences())) for _ in range(3))
    for number in range(151, 1501):
        record(f"S{number % 30:02d}", f"{number % 50 + 1:02d}", number)
    many_s = min(busy(lambda: look_at_study(study.path, Preferences())) for _ in range(3))
    assert many_s < 25 * few_s
    assert len(look_at_study(study.path, Preferences()).subjects) == 30


def test_the_studys_own_protocols_come_first_and_a_broken_one_says_why(study: Study) -> None:
    (study.path / "stairs.toml").write_text(OWN)
    (study.path / "broken.toml").write_text('title = "x"\n')
    (study.path / PREFERENCES_FILE).write_text("grid = true\n")
    view = look(study)
    broken, stairs = view.protocols[:2]
    assert (stairs.title, stairs.total_s, len(stairs.plan), stairs.fault) == ("Stairs", 2.0, 1, "")
    assert stairs.source == str(study.path / "stairs.toml")
    assert (broken.plan, "broken.toml" in broken.fault) == ((), True)
    assert [choice.name for choice in view.protocols[2:]] == shipped_scripts()
    assert fields(view, replace(FINE, protocol=broken.source)) == {"protocol": [True]}


@pytest.mark.parametrize("protocol", ["stairs.toml", "gone.toml", "no-such-protocol"])
def test_the_default_protocol_is_always_among_the_choices(tmp_path: Path, protocol: str) -> None:
    study = Study.create(tmp_path / "other", mains_hz=50, protocol=protocol)
    (study.path / "stairs.toml").write_text(OWN)
    view = look_at_study(study.path, Preferences())
    chosen = [choice for choice in view.protocols if choice.source == view.default.protocol]
    assert len(chosen) == 1
    assert bool(chosen[0].fault) == (protocol != "stairs.toml")


def test_boards_are_the_default_then_what_is_plugged_in_then_the_simulated_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.create(tmp_path / "other", mains_hz=50, board="cyton:DM00")
    port = FoundPort(
        device="/dev/ttyUSB0",
        serial_number="DM00",
        usb="0403:6015",
        guess="FTDI FT231X, as on OpenBCI's dongle",
        addresses=("cyton:DM00", "lines:DM00"),
        troubles=("It is in use by screen (process 7); close that program before you record.",),
    )
    monkeypatch.setattr(acquire.viewer.study_view, "survey", lambda: Survey(ports=(port,), hints=("Look.",)))
    view = look(study)
    assert [choice.address for choice in view.boards] == ["cyton:DM00", "lines:DM00", "sim:"]
    assert view.boards[0].title == "OpenBCI Cyton"
    assert "/dev/ttyUSB0" in view.boards[0].detail
    assert view.hints == ("Look.",)
    assert fields(view, replace(FINE, board="cyton:DM00", factors={})) == {"board": [False]}


def test_journals_are_told_apart_by_whether_somebody_writes_them(study: Study, record: Record) -> None:
    left = record("S01", "01", journal=True)
    written = record("S02", "01", journal=True)
    descriptor = os.open(written, os.O_RDWR)
    try:
        assert try_hold(descriptor)
        view = look(study)
    finally:
        os.close(descriptor)
    assert ([orphan.path for orphan in view.orphans], view.under_way) == ([left], (written,))
    assert fields(view, FINE) == {"study": [False]}


@pytest.mark.parametrize("content", [b"pseudonym\n\xff\n", b'pseudonym\n"S01\n', b"name\nAnna\n", b"pseudonym\nS 01\n"])
def test_a_broken_list_of_subjects_is_told_and_stops(study: Study, content: bytes) -> None:
    (study.path / "subjects.csv").write_bytes(content)
    view = look(study)
    assert "subjects.csv" in view.fault
    assert fields(view, FINE) == {"study": [True]}


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not a study folder"):
        look_at_study(tmp_path, Preferences())


# What speaks against a choice.


def test_nothing_speaks_against_a_whole_preparation(study: Study) -> None:
    assert problems(look(study), FINE) == ()


def test_what_is_not_chosen_is_asked_for(study: Study) -> None:
    assert fields(look(study), Preparation()) == {
        "subject": [True],
        "factors": [False],
        "protocol": [True],
        "board": [True],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "S 01"},
        {"subject": "../S01"},
        {"subject": "S" * 33},
        {"subject": "Zoë"},
        {"subject": "S01\n"},
        {"subject": "\ud800"},
        {"session": "0 1"},
        {"session": "/"},
        {"operator": "x" * 65},
        {"operator": "a\nb"},
        {"protocol": "no-such-protocol"},
        {"board": "nonsense"},
        {"board": "cyton:?gain=7"},
        {"board": "sim:?spede=1"},
        {"board": "sim:" + "x" * 5000},
        {"factors": {"electrode": "gold"}},
        {"factors": {"electrode": "agcl", "x" * 500: "1"}},
    ],
)
def test_what_cannot_be_recorded_stops(study: Study, changes: Mapping[str, object]) -> None:
    (field,) = changes
    assert fields(look(study), replace(FINE, **changes)) == {field: [True]}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "board", ["brainflow:synthetic_board", "lsl:any", "cyton:", "lines:/dev/ttyACM0?baud=9600", "sim:?speed=max"]
)
def test_an_address_that_may_be_right_is_no_problem(study: Study, board: str) -> None:
    assert problems(look(study), replace(FINE, board=board)) == ()


def test_a_new_subject_that_differs_only_in_capitals_stops_and_one_that_looks_like_a_name_warns(study: Study) -> None:
    study.add_subject("S01")
    study.add_subject("Anna")
    view = look(study)
    assert fields(view, replace(FINE, subject="s01")) == {"subject": [True]}
    assert fields(view, replace(FINE, subject="Berta")) == {"subject": [False]}
    assert fields(view, replace(FINE, subject="Anna")) == {}


def test_a_session_is_continued_only_while_the_electrodes_can_have_stayed_on(study: Study, record: Record) -> None:
    record("S09", "01", ago=timedelta(hours=2))
    assert fields(look(study), FINE) == {}
    record("S09", "01", 2, ago=timedelta(hours=1))
    os.utime(study.recording_path("S09", "01", 1), ((NOW - timedelta(hours=20)).timestamp(),) * 2)
    assert fields(look(study), FINE) == {}
    os.utime(study.recording_path("S09", "01", 2), ((NOW - timedelta(hours=13)).timestamp(),) * 2)
    assert "13 hours ago" in words(look(study), FINE, "session")
    assert fields(look(study), FINE) == {"session": [False]}


def test_a_new_session_minutes_after_the_last_recording_warns(study: Study, record: Record) -> None:
    record("S09", "01", ago=timedelta(minutes=5))
    new = replace(FINE, session="02")
    assert "5 minutes ago" in words(look(study), new, "session")
    assert fields(look(study), new) == {"session": [False]}
    record("S09", "01", ago=timedelta(hours=5))
    assert fields(look(study), new) == {}


def test_an_older_session_than_the_last_one_warns(study: Study, record: Record) -> None:
    record("S09", "01", ago=timedelta(minutes=50))
    record("S09", "02", ago=timedelta(minutes=20))
    assert "has had session 02 since" in words(look(study), FINE, "session")


def test_somebody_who_was_recorded_needs_a_session(study: Study, record: Record) -> None:
    record("S09", "01")
    assert fields(look(study), replace(FINE, session="")) == {"session": [True]}


def test_a_clock_that_was_set_back_makes_no_nonsense(study: Study, record: Record) -> None:
    record("S09", "01", ago=-timedelta(days=1))
    assert fields(look(study), FINE) == {}
    assert "less than a minute ago" in words(look(study), replace(FINE, session="02"), "session")


def test_problems_are_told_at_every_key_without_delay(study: Study, record: Record) -> None:
    for number in range(300):
        record(f"S{number:03d}", "01")
    view = look(study)
    look_s = min(busy(lambda: look(study)) for _ in range(3))
    problems_s = busy(lambda: [problems(view, FINE) for _ in range(100)]) / 100
    assert problems_s < look_s / 5


# The start.


def test_a_recording_begins_with_its_remarks_and_remembers_who_recorded(study: Study) -> None:
    (study.path / "stairs.toml").write_text(OWN)
    chosen = replace(FINE, board="sim:?speed=max", protocol=str(study.path / "stairs.toml"), factors={"electrode": ""})
    remarks = [
        "begun although lead II was bad: subject has little time",
        "lead II: flat\nhere /home/anna/x.txt",
        " \0 ",
    ]
    process, config = begin_recording(study, chosen, remarks)
    summary = process.result()
    assert (config.subject, config.session, config.run, config.factors) == ("S09", "01", 1, {})
    with open_recording(summary.path) as recording:
        told = [(event.index, event.step, event.text) for event in recording.events if event.kind == "preflight"]
        assert [event.kind for event in recording.events][:3] == ["preflight", "preflight", "start"]
    assert told == [(0, 0, remarks[0]), (0, 0, "lead II: flat here x.txt")]
    assert [somebody.pseudonym for somebody in study.subjects()] == ["S09"]
    assert load_preferences(study.path)[0].operators == ("AB",)


def test_only_the_steps_that_are_given_are_recorded(study: Study) -> None:
    script = script_of_steps(load_script("quick-check"), [1])
    process, config = begin_recording(study, replace(FINE, board="sim:?speed=max"), script=script)
    summary = process.result()
    assert summary.complete
    assert config.protocol_name == "quick-check-again"
    assert summary.n_samples == 2500
    assert summary.report is not None
    assert [step.activity for step in summary.report.steps] == ["arms"]


def test_preferences_that_cannot_be_used_are_left_alone_and_hinder_nothing(study: Study) -> None:
    (study.path / PREFERENCES_FILE).write_text("nonsense")
    (study.path / "stairs.toml").write_text(OWN)
    chosen = replace(FINE, board="sim:?speed=max", protocol=str(study.path / "stairs.toml"))
    process, _ = begin_recording(study, chosen)
    assert process.result().complete
    assert (study.path / PREFERENCES_FILE).read_text() == "nonsense"


@pytest.mark.parametrize(
    "changes",
    [{"subject": ""}, {"board": "nonsense"}, {"protocol": "nothing"}, {"operator": "x" * 65}, {"factors": {"x": "y"}}],
)
def test_what_cannot_be_recorded_is_refused_and_nobody_is_added(study: Study, changes: Mapping[str, object]) -> None:
    with pytest.raises(TrileadError):
        begin_recording(study, replace(FINE, **changes))  # type: ignore[arg-type]
    assert study.subjects() == []
    assert list(study.journals_dir.iterdir()) == []


@pytest.mark.parametrize("remarks", ["text", [1], {"a": "b"}, None, [["a"]]])
def test_a_config_with_remarks_that_are_no_texts_is_refused(study: Study, remarks: object) -> None:
    config = prepare(study, subject="S01", remarks=["because"])
    assert config.remarks == ("because",)
    whole = json.dumps(asdict(config))
    assert RecorderConfig.from_json(whole) == config
    with pytest.raises(RecorderError, match="config cannot be used"):
        RecorderConfig.from_json(json.dumps({**asdict(config), "remarks": remarks}))


def test_what_is_no_address_is_never_listed_as_a_board(study: Study) -> None:
    for typed in ("nonsense", "foo:/dev/ttyUSB0", "sim:?spede=1"):
        view = look_at_study(study.path, Preferences(), board=typed)
        assert typed not in [choice.address for choice in view.boards]
        assert fields(view, replace(FINE, board=typed))["board"] == [True]
    view = look_at_study(study.path, Preferences(), board="cyton:/dev/ttyUSB7")
    assert "cyton:/dev/ttyUSB7" in [choice.address for choice in view.boards]


def test_what_is_typed_stands_in_a_sentence_as_it_was_typed(study: Study) -> None:
    view = look(study)
    assert "'😀ü'" in words(view, replace(FINE, subject="😀ü"), "subject")
    assert "'\\x07'" in words(view, replace(FINE, subject="\x07"), "subject")


def test_who_is_recorded_at_this_moment_is_to_be_thought_about(study: Study) -> None:
    view = replace(look(study), under_way=(study.journal_path("S09", "01", 1),))
    assert fields(view, FINE)["subject"] == [False]
    assert "subject" not in fields(view, replace(FINE, subject="S10"))
