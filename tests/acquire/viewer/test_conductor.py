"""The way from stage to stage without any window, over real listeners and recorders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from waiting import wait_until

from acquire.recordings.recording import open_recording
from acquire.recordings.recovery import Recovery
from acquire.study import Study
from acquire.viewer import board_return
from acquire.viewer.conductor import Conductor
from acquire.viewer.feed import JournalFeed
from acquire.viewer.finishing import Review
from acquire.viewer.link import Ended, RecorderLink
from acquire.viewer.listening import Listening
from acquire.viewer.preferences import Preferences, load_preferences
from acquire.viewer.preparing import Preparation, StudyView
from acquire.viewer.stages import Busy, Stage
from acquire.viewer.texts import choose_language
from protocols.script import PlannedStep

SCRIPT = """
title = "Two"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 20
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 20
"""


class Told:
    """Remembers what it was asked to show."""

    def __init__(self) -> None:
        self.views: list[tuple[StudyView, bool]] = []
        self.listening: Listening | None = None
        self.plan: Sequence[PlannedStep] = ()
        self.facts: Mapping[str, str] = {}
        self.reviews: list[Review | None] = []
        self.troubles: list[str] = []
        self.trouble = ""
        self.recovered: list[Recovery] = []
        self.busy: list[Busy] = []

    def show_study(self, view: StudyView, *, anew: bool) -> None:
        self.views.append((view, anew))

    def show_check(self, listening: Listening, feed: JournalFeed, preparation: Preparation) -> None:
        self.listening = listening

    def show_recording(
        self, feed: JournalFeed, link: RecorderLink, plan: Sequence[PlannedStep], facts: Mapping[str, str]
    ) -> None:
        self.plan, self.facts = plan, facts

    def show_review(self, reviewed: Review | None, ended: Ended, plan: Sequence[PlannedStep]) -> None:
        self.reviews.append(reviewed)

    def show_busy(self, busy: Busy, share: float | None) -> None:
        self.busy.append(busy)

    def show_trouble(self, sentence: str) -> None:
        self.trouble = sentence
        if sentence:
            self.troubles.append(sentence)

    def show_recovered(self, recovery: Recovery) -> None:
        self.recovered.append(recovery)


@pytest.fixture
def script(study: Study) -> str:
    path = study.path / "two.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def conductor(study: Study, script: str, told: Told) -> Iterator[Conductor]:
    first = Preparation(subject="S01", board="sim:?speed=20", protocol=script, factors={"electrode": "agcl"})
    made = Conductor(study.path, Preferences(), told, first=first)
    made.refresh()
    yield made
    made.close()


def until(conductor: Conductor, condition: Callable[[], object]) -> None:
    def polled() -> bool:
        conductor.poll()
        return bool(condition())

    wait_until(polled, limit_s=60)


def at(conductor: Conductor, stage: Stage) -> Callable[[], bool]:
    return lambda: conductor.stage is stage and not conductor.busy


def record_one(conductor: Conductor, told: Told) -> None:
    until(conductor, lambda: told.views)
    conductor.prepared(conductor.preparation)
    until(conductor, at(conductor, Stage.CHECK))
    conductor.record(("recorded although something was bad: a trial",))
    until(conductor, at(conductor, Stage.RECORD))
    until(conductor, at(conductor, Stage.FINISH))


def test_the_whole_way_and_on_to_the_next_subject(conductor: Conductor, told: Told, study: Study) -> None:
    record_one(conductor, told)
    (path,) = study.recordings()
    (reviewed,) = told.reviews
    assert reviewed is not None
    assert reviewed.verdict == "doubtful"
    assert "because: a trial." in reviewed.words[0]
    assert [step.activity for step in told.plan] == ["rest", "walk"]
    assert (told.facts["subject"], told.facts["session"], told.facts["run"]) == ("S01", "01", "1")
    with open_recording(path) as recording:
        assert recording.n_samples == 10_000
        assert [event.text for event in recording.events if event.kind == "preflight"] == [
            "recorded although something was bad: a trial"
        ]
    conductor.next_subject()
    until(conductor, at(conductor, Stage.PREPARE))
    view, anew = told.views[-1]
    assert view.default.subject == ""
    assert view.default.protocol == conductor.preparation.protocol
    assert anew or told.views[-2][1]
    assert told.troubles == []


def test_some_steps_again_are_the_next_run_of_the_same_session(conductor: Conductor, told: Told, study: Study) -> None:
    record_one(conductor, told)
    conductor.repeat([1])
    until(conductor, lambda: conductor.stage is Stage.RECORD)
    until(conductor, at(conductor, Stage.FINISH))
    _first, second = study.recordings()
    assert second.stem == "sub-S01_ses-01_run-02"
    with open_recording(second) as recording:
        assert recording.n_samples == 5000
        assert {event.activity for event in recording.events if event.kind == "step"} == {"walk"}


def test_one_can_go_back_from_the_check_and_check_again(conductor: Conductor, told: Told) -> None:
    until(conductor, lambda: told.views)
    conductor.prepared(conductor.preparation)
    until(conductor, at(conductor, Stage.CHECK))
    before = told.listening
    conductor.again()
    until(conductor, lambda: told.listening is not before)
    until(conductor, at(conductor, Stage.CHECK))
    conductor.back()
    until(conductor, at(conductor, Stage.PREPARE))
    assert conductor.preparation.subject == "S01"


def test_a_folder_that_is_no_study_is_one_sentence(tmp_path: Path, told: Told) -> None:
    conductor = Conductor(tmp_path / "nothing", Preferences(), told)
    try:
        conductor.refresh()
        until(conductor, lambda: told.troubles)
        assert "is not a study folder" in told.troubles[0]
        assert conductor.stage is Stage.PREPARE
        assert not conductor.busy
    finally:
        conductor.close()


def test_preferences_are_kept_in_the_study(conductor: Conductor, told: Told, study: Study) -> None:
    until(conductor, lambda: told.views)
    conductor.keep_preferences(Preferences(language="de", text_scale=1.3))
    until(conductor, lambda: load_preferences(study.path)[0].language == "de")
    assert load_preferences(study.path) == (Preferences(language="de", text_scale=1.3), "")


def test_what_nobody_foresaw_is_a_sentence_and_no_crash(
    conductor: Conductor, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(conductor, lambda: told.views)

    def fail(*arguments: object, **named: object) -> None:
        raise ValueError("of its own")

    monkeypatch.setattr("acquire.viewer.conductor.Listening.start", fail)
    conductor.prepared(conductor.preparation)
    until(conductor, lambda: told.troubles)
    assert "ValueError: of its own" in told.troubles[0]
    assert conductor.stage is Stage.PREPARE


def test_a_board_that_comes_back_is_shown_again_by_itself(
    conductor: Conductor, told: Told, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_return, "FIRST_S", 0.1)
    until(conductor, lambda: told.views)
    conductor.prepared(Preparation(subject="S03", session="01", board="sim:", protocol=script))
    until(conductor, at(conductor, Stage.CHECK))
    first = told.listening
    assert first is not None
    until(conductor, lambda: first.state().phase == "signal")
    # The simulated board is whose heart is going to be recorded.
    assert "person S03" in first.state().findings[0].words
    first._process.kill()
    until(conductor, lambda: told.listening is not first)
    again = told.listening
    assert again is not None
    until(conductor, lambda: again.state().phase == "listening")
    conductor.back()
    until(conductor, at(conductor, Stage.PREPARE))


def test_what_was_said_of_a_missing_folder_goes_when_it_is_back(conductor: Conductor, told: Told, study: Study) -> None:
    until(conductor, lambda: told.views)
    away = study.path.rename(study.path.with_name("away"))
    conductor.refresh()
    until(conductor, lambda: "is gone; put it back" in told.trouble)
    away.rename(study.path)
    conductor.refresh()
    until(conductor, lambda: not told.trouble)


def test_a_review_speaks_the_language_that_was_chosen_behind_it(conductor: Conductor, told: Told) -> None:
    record_one(conductor, told)
    try:
        choose_language("de")
        conductor.show_again()
        until(conductor, lambda: not conductor.busy)
        last = told.reviews[-1]
        assert last is not None
        assert "Das Protokoll wurde bis zum Ende aufgenommen." in last.words
    finally:
        choose_language("en")
