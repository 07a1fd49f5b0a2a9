"""From preparing to the finished recording and on to the next: which stage it is, and what goes on behind it.

The conductor has no window. It starts and ends what a stage needs, on background threads, and tells whoever shows it
through `Shown`. All of its methods are called on one thread, the one that calls `Conductor.poll`, and none of them
waits.

::

    prepare ──► check ──► record ──► finish ──► prepare …
       ▲          │                    │
       └──────────┘         record ◄───┘ (these steps again)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Protocol, TypeVar

from acquire.recorder.launch import STALL_LIMIT_S, RecorderProcess
from acquire.recorder.process import RecorderConfig
from acquire.recordings.recovery import Recovery, recover
from acquire.study import Study
from acquire.viewer.board_return import BoardReturn
from acquire.viewer.feed import JournalFeed
from acquire.viewer.finishing import Review, review, script_of_steps
from acquire.viewer.link import Ended, RecorderLink
from acquire.viewer.listening import Listening
from acquire.viewer.preferences import Preferences, save_preferences
from acquire.viewer.preparing import Preparation, StudyView, begin_recording, look_at_study
from acquire.viewer.stages import Busy, Shown, Stage, facts_of, sentence_of
from acquire.viewer.texts import _
from acquire.viewer.work import Work
from protocols.errors import TrileadError
from protocols.script import LoadedScript, PlannedStep, load_script, parse_script

__all__ = ["Busy", "Conductor", "Shown", "Stage"]

T = TypeVar("T")


class _Closes(Protocol):
    def close(self) -> None: ...


class Conductor:
    """Leads from stage to stage.

    Args:
        study_path: the study's folder.
        preferences: of the study.
        shown: who shows it.
        first: what the choices of the first recording begin with, where it is not what was used last.
        stall_limit_s: end a recording cleanly when no samples come for so long; 0 to wait for ever.
        lsl_outlet: send what is recorded over LSL as well.

    Attributes:
        stage: where it is.
        preparation: what was chosen last.
        feed: of what is listened to or recorded, or was last; None where nothing is shown.
    """

    def __init__(
        self,
        study_path: Path,
        preferences: Preferences,
        shown: Shown,
        *,
        first: Preparation | None = None,
        stall_limit_s: float = STALL_LIMIT_S,
        lsl_outlet: bool = False,
    ) -> None:
        self.stage = Stage.PREPARE
        self.preparation = first if first is not None else Preparation()
        self.preferences = preferences
        self._study_path = study_path
        self._shown = shown
        self._stall_limit_s = stall_limit_s
        self._lsl_outlet = lsl_outlet
        self._work = Work()
        self._view: StudyView | None = None
        self._listening: Listening | None = None
        self._returning: BoardReturn | None = None
        self.feed: JournalFeed | None = None
        self._link: RecorderLink | None = None
        self._process: RecorderProcess | None = None
        self._plan: tuple[PlannedStep, ...] = ()
        self._script: LoadedScript | None = None
        self._ended: Ended | None = None
        self._reviewed: Review | None = None
        self._refreshing = self._unseen = False
        self._busy = Busy.NOTHING
        self._share: float | None = None
        self._resumed = False

    # What the window's timers call.

    def poll(self) -> None:
        """Deliver what was finished in the background; called about ten times a second."""
        self._work.poll()
        if self._busy is Busy.REVIEWING:
            self._shown.show_busy(self._busy, self._share)
        if self.stage is Stage.CHECK and not self.busy:
            self._await_board()
        if self.stage is Stage.RECORD and self._link is not None:
            if not self._plan and self.feed is not None and self.feed.state.opened:
                self._learn_plan(self.feed)
            if self._ended is None and (ended := self._link.ended) is not None:
                self._ended = ended
                self._finish(ended)

    @property
    def busy(self) -> bool:
        """Whether something is being waited for."""
        return self._busy is not Busy.NOTHING

    @property
    def recording(self) -> bool:
        """Whether a recording that is shown is still under way."""
        return self.stage is Stage.RECORD and self._link is not None and self._ended is None

    def refresh(self) -> None:
        """Look again at the study, the boards and the journals; what is shown changes only where they did."""
        if self.stage is not Stage.PREPARE or self._refreshing:
            return
        self._refreshing = True
        if self._view is None:
            self._wait_for(Busy.READING)
        self._work.submit(self._look, done=self._seen, failed=self._not_seen)

    # Prepare.

    def prepared(self, preparation: Preparation) -> None:
        """Go on to the check with what was chosen."""
        if self.stage is Stage.PREPARE and self._view is not None and not self.busy:
            self.preparation = preparation
            self._script = None
            self._listen()

    def recover(self, journal: Path) -> None:
        """Make a recording of a journal that was left behind."""
        view = self._view
        if view is None or self.busy:
            return
        self._wait_for(Busy.RECOVERING)

        def done(recovery: Recovery) -> None:
            self._wait_for(Busy.NOTHING)
            self._shown.show_recovered(recovery)
            if self.stage is Stage.FINISH:
                self._ended = Ended(summary=recovery.summary, recording=recovery.path, error="", orphan=None)
                self._finish(self._ended)
            self.refresh()

        self._work.submit(lambda: recover(view.study, journal), done=done, failed=self._trouble)

    def resume(self, journal: Path) -> None:
        """Show a recording under way that another window, or none, has started."""
        if self.stage is Stage.PREPARE and not self.busy:
            self._follow(journal, None, (), {})

    # Check.

    def again(self) -> None:
        """Let go of the board, and check anew."""
        if self.stage is Stage.CHECK and not self.busy:
            self._let_go(self._listen)

    def back(self) -> None:
        """Return to the choices."""
        if self.stage is Stage.CHECK and not self.busy:
            self._let_go(self._prepare)

    def record(self, remarks: Sequence[str] = ()) -> None:
        """Start the recorder.

        Args:
            remarks: why it is begun though something was bad, and what; stored in the recording.
        """
        if self.stage is Stage.CHECK and not self.busy:
            self._let_go(lambda: self._begin(tuple(remarks)))

    # Finish.

    def repeat(self, positions: Sequence[int]) -> None:
        """Record some steps once more, as the session's next recording, while the electrodes stay on.

        Args:
            positions: 0-based places in the plan of the recording that has just ended.
        """
        script = self._script
        if self.stage is not Stage.FINISH or self.busy or script is None:
            return
        try:
            self._script = script_of_steps(script, positions)
        except TrileadError as error:
            self._shown.show_trouble(str(error))
            return
        self._let_go(lambda: self._begin(()))

    def next_subject(self) -> None:
        """Begin anew, with somebody else."""
        if self.stage is Stage.FINISH and not self.busy:
            self.preparation = replace(self.preparation, subject="", session="", factors={})
            self._let_go(self._prepare)

    def same_subject(self) -> None:
        """Begin anew, with the same person."""
        if self.stage is Stage.FINISH and not self.busy:
            self._let_go(self._prepare)

    # Any time.

    def keep_preferences(self, preferences: Preferences) -> None:
        """Let other preferences hold, and write them into the study."""
        self.preferences = preferences
        self._work.submit(lambda: save_preferences(self._study_path, preferences), failed=self._trouble)

    def keep_choices(self, preparation: Preparation) -> None:
        """Remember what was typed and chosen so far, as what the choices begin with when they are shown anew."""
        self.preparation = preparation
        if self._view is not None:
            self._view = replace(self._view, default=preparation)

    def show_again(self) -> None:
        """Tell everything of the present stage once more, as to a window that was made anew."""
        if self.stage is Stage.PREPARE and self._view is not None:
            self._shown.show_study(self._view, anew=True)
            self.refresh()
        elif self.stage is Stage.CHECK and self._listening is not None and self.feed is not None:
            self._shown.show_check(self._listening, self.feed, self.preparation)
        elif self.stage is Stage.FINISH and self._ended is not None:
            # What is said of it was said in the language that was spoken then.
            self._shown.show_review(self._reviewed, self._ended, self._plan)
            self._finish(self._ended)

    def close(self) -> None:
        """Let go of everything; a recording under way goes on."""
        for held in self._take_held():
            held.close()
        self._work.close()

    # What happens in between.

    def _look(self) -> StudyView:
        asked = self.preparation
        return look_at_study(self._study_path, self.preferences, protocol=asked.protocol, board=asked.board)

    def _seen(self, view: StudyView) -> None:
        self._refreshing = False
        if self._unseen:
            # The study's folder is back.
            self._unseen = False
            self._shown.show_trouble("")
        if self._busy is Busy.READING:
            self._wait_for(Busy.NOTHING)
        if self.stage is not Stage.PREPARE:
            return
        first = self._view is None
        if first:
            # What was asked for on the command line goes before what was used last.
            asked = {field.name: getattr(self.preparation, field.name) for field in fields(Preparation)}
            self.preparation = replace(view.default, **{name: value for name, value in asked.items() if value})
        view = replace(view, default=self.preparation)
        changed = view != self._view
        self._view = view
        if changed:
            self._shown.show_study(view, anew=first)
        if not self._resumed and len(view.under_way) == 1 and not self.busy:
            # A window that died left it; whoever opens this one wants to see it.
            self._resumed = True
            self.resume(view.under_way[0])
        self._resumed = True

    def _not_seen(self, error: Exception) -> None:
        self._refreshing = False
        self._unseen = True
        self._trouble(error)
        if self._view is not None and not self._study_path.exists():
            # It was a study a moment ago; nobody wants to make another one there.
            words = _("The study's folder {folder} is gone; put it back, and this goes on by itself.")
            self._shown.show_trouble(words.format(folder=self._study_path))

    def _prepare(self) -> None:
        self.stage = Stage.PREPARE
        if self._view is not None:
            self.keep_choices(self.preparation)
            self._shown.show_study(self._view, anew=True)
        self.refresh()

    def _listen(self) -> None:
        view, chosen = self._view, self.preparation
        assert view is not None
        self._wait_for(Busy.REACHING)

        def done(listening: Listening) -> None:
            self._wait_for(Busy.NOTHING)
            self.stage = Stage.CHECK
            self._listening = listening
            self.feed = JournalFeed(listening.journal)
            self.feed.start()
            self._shown.show_check(listening, self.feed, chosen)

        def failed(error: Exception) -> None:
            self._trouble(error)
            self._prepare()

        self._work.submit(lambda: _listening_to(view.study, chosen), done=done, failed=failed)

    def _await_board(self) -> None:
        """Where the board has gone, show it as soon as it is there again."""
        view, chosen = self._view, self.preparation
        assert view is not None
        if self._returning is not None:
            self._returning.poll()
        elif self._listening is not None and self._listening.state().phase == "failed":

            def back(listening: Listening) -> None:
                for held in self._take_held():
                    self._work.submit(held.close, failed=self._trouble)
                self._listening = listening
                self.feed = JournalFeed(listening.journal)
                self.feed.start()
                self._shown.show_check(listening, self.feed, chosen)

            self._returning = BoardReturn(self._work, lambda: _listening_to(view.study, chosen), back)

    def _begin(self, remarks: tuple[str, ...]) -> None:
        view, chosen, script = self._view, self.preparation, self._script
        assert view is not None
        self._wait_for(Busy.STARTING)

        def begin() -> tuple[RecorderProcess, RecorderConfig, LoadedScript]:
            played = script if script is not None else load_script(chosen.protocol)
            begun = begin_recording(
                view.study,
                chosen,
                remarks,
                played,
                stall_limit_s=self._stall_limit_s,
                lsl_outlet=self._lsl_outlet,
            )
            return *begun, played

        def done(begun: tuple[RecorderProcess, RecorderConfig, LoadedScript]) -> None:
            process, config, played = begun
            self._script = played
            # The session that was settled is the one that repeated steps belong to.
            self.preparation = replace(chosen, session=config.session)
            self._follow(Path(config.journal), process, played.script.plan(), facts_of(asdict(config)))

        def failed(error: Exception) -> None:
            self._trouble(error)
            self._prepare()

        self._work.submit(begin, done=done, failed=failed)

    def _follow(
        self, journal: Path, process: RecorderProcess | None, plan: tuple[PlannedStep, ...], facts: Mapping[str, str]
    ) -> None:
        self._wait_for(Busy.NOTHING)
        self.stage = Stage.RECORD
        self._ended = None
        self._plan = plan
        self.feed = JournalFeed(journal)
        self.feed.start()
        self._process = process
        self._link = RecorderLink(journal, process)
        self._shown.show_recording(self.feed, self._link, plan, facts)

    def _learn_plan(self, feed: JournalFeed) -> None:
        """Read from the journal what somebody else's recorder plays."""
        header = feed.state.header
        text, facts = str(header.get("protocol_text", "")), facts_of(header.get("header", {}))
        try:
            self._script = parse_script(text, name=facts["protocol"] or "protocol")
        except TrileadError:
            return
        self._plan = self._script.script.plan()
        self.preparation = replace(
            self.preparation,
            subject=facts["subject"],
            session=facts["session"],
            operator=facts["operator"],
            board=facts["board"],
        )
        assert self._link is not None
        self._shown.show_recording(feed, self._link, self._plan, facts)

    def _finish(self, ended: Ended) -> None:
        self.stage = Stage.FINISH
        self._reviewed = None
        recording = ended.recording
        if recording is None:
            self._shown.show_review(None, ended, self._plan)
            return
        self._share = None
        self._wait_for(Busy.REVIEWING)

        def done(reviewed: Review) -> None:
            self._reviewed = reviewed
            self._wait_for(Busy.NOTHING)
            self._shown.show_review(reviewed, ended, self._plan)

        def failed(error: Exception) -> None:
            self._trouble(error)
            self._shown.show_review(None, ended, self._plan)

        self._work.submit(lambda: review(recording, on_share=self._shared), done=done, failed=failed)

    def _shared(self, share: float) -> None:
        # Called on a background thread: only a number changes, and `poll` shows it.
        self._share = share

    def _let_go(self, then: Callable[[], None]) -> None:
        """End what the stage has held, and go on."""
        held = self._take_held()
        self._wait_for(Busy.RELEASING)

        def close() -> None:
            for one in held:
                one.close()

        def done(nothing: None) -> None:
            self._wait_for(Busy.NOTHING)
            then()

        def failed(error: Exception) -> None:
            # What could not be closed is no reason to stay.
            self._trouble(error)
            then()

        self._work.submit(close, done=done, failed=failed)

    def _take_held(self) -> list[_Closes]:
        held = (self._link, self._process, self.feed, self._listening, self._returning)
        self._link = self._process = self.feed = self._listening = self._returning = None
        return [one for one in held if one is not None]

    def _wait_for(self, busy: Busy) -> None:
        self._busy = busy
        if busy is not Busy.NOTHING:
            self._shown.show_trouble("")
        self._shown.show_busy(busy, None)

    def _trouble(self, error: Exception) -> None:
        self._wait_for(Busy.NOTHING)
        self._shown.show_trouble(sentence_of(error))


def _listening_to(study: Study, chosen: Preparation) -> Listening:
    return Listening.start(
        study, board=chosen.board, protocol=chosen.protocol, subject=chosen.subject, session=chosen.session
    )
