import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import PlayerStateError
from protocols.player import EVENT_KINDS, Event, Player
from protocols.script import Script, Step
from protocols.spans import Span, activity_spans

RATE_HZ = 250.0
COMMANDS = ("pause", "resume", "skip", "repeat", "stop", "mark", "note")


def script(*durations_s: float, repeat: int = 1, rest_s: float = 0.0) -> Script:
    names = itertools.cycle(("rest", "walk", "jog"))
    steps = tuple(
        Step(activity=name, instruction=f"Do {name}.", duration_s=duration_s, repeat=repeat, rest_s=rest_s)
        for name, duration_s in zip(names, durations_s, strict=False)
    )
    return Script(title="Test", steps=steps)


def player(*durations_s: float, repeat: int = 1, rest_s: float = 0.0, rate_hz: float = RATE_HZ) -> Player:
    return Player(script(*durations_s, repeat=repeat, rest_s=rest_s), rate_hz=rate_hz)


def brief(events: list[Event]) -> list[tuple[int, str, str]]:
    return [(event.index, event.kind, event.activity) for event in events]


def test_an_undisturbed_protocol_yields_every_boundary_at_its_exact_sample() -> None:
    play = player(1, 2)
    events = play.start(100) + play.advance(10_000)
    assert brief(events) == [(100, "start", ""), (100, "step", "rest"), (350, "step", "walk"), (850, "end", "")]
    assert [event.text for event in events] == ["Test", "Do rest.", "Do walk.", ""]
    assert [event.step for event in events] == [0, 1, 2, 0]
    assert len({event.uuid for event in events}) == 4
    assert play.state.phase == "ended"
    assert play.state.elapsed == 750


def test_a_boundary_falls_due_when_the_sample_before_it_exists() -> None:
    play = player(1, 1)
    play.start(0)
    assert play.next_boundary == 250
    assert play.advance(249) == []
    assert brief(play.advance(250)) == [(250, "step", "walk")]


def test_a_pause_keeps_what_remains_of_the_step() -> None:
    play = player(1, 1)
    play.start(0)
    assert brief(play.pause(100)) == [(100, "pause", "rest")]
    assert play.next_boundary is None
    assert play.advance(5000) == []
    assert play.state.remaining_samples == 150
    assert brief(play.resume(5000)) == [(5000, "resume", "rest")]
    assert play.next_boundary == 5150


def test_repeat_restarts_the_step_and_skip_leaves_it() -> None:
    play = player(1, 1)
    play.start(0)
    assert brief(play.repeat(200)) == [(200, "repeat", "rest"), (200, "step", "rest")]
    assert play.next_boundary == 450
    assert brief(play.skip(300)) == [(300, "skip", "rest"), (300, "step", "walk")]
    assert brief(play.skip(310)) == [(310, "skip", "walk"), (310, "end", "")]


def test_repeating_during_a_rest_does_the_step_before_it_again() -> None:
    play = player(1, repeat=2, rest_s=1)
    events = play.start(0) + play.repeat(300)
    assert brief(events)[2:] == [(250, "rest", ""), (300, "repeat", ""), (300, "step", "rest")]
    assert activity_spans(events, 400) == [
        Span(start=300, stop=400, activity="rest", step=1, event_uuid=events[-1].uuid)
    ]


def test_a_command_comes_after_the_boundaries_that_were_due_before_it() -> None:
    play = player(1, 1)
    play.start(0)
    assert brief(play.mark(300, "here")) == [(250, "step", "walk"), (300, "mark", "walk")]


def test_the_state_says_what_is_and_what_comes() -> None:
    play = player(1, 2)
    assert (play.state.phase, play.state.next_instruction, play.state.n_steps) == ("ready", "Do rest.", 2)
    play.start(0)
    play.advance(50)
    state = play.state
    assert (state.position, state.step, state.activity) == (0, 1, "rest")
    assert (state.instruction, state.next_instruction) == ("Do rest.", "Do walk.")
    assert (state.remaining_samples, state.elapsed) == (200, 50)
    play.advance(260)
    assert (play.state.position, play.state.next_instruction, play.state.remaining_samples) == (1, "", 490)
    play.stop(300)
    assert (play.state.phase, play.state.activity, play.state.remaining_samples) == ("stopped", "", 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_is_obeyed_before_the_start(command: str) -> None:
    play = player(1)
    with pytest.raises(PlayerStateError, match="it is ready"):
        give(play, command, 0)
    assert play.state.phase == "ready"


@pytest.mark.parametrize("command", [*COMMANDS, "start"])
@pytest.mark.parametrize("ended_by", ["stop", "advance"])
def test_no_command_is_obeyed_after_the_end(command: str, ended_by: str) -> None:
    play = player(1)
    play.start(0)
    play.stop(10) if ended_by == "stop" else play.advance(250)
    before = play.state
    with pytest.raises(PlayerStateError, match=r"it is (ended|stopped)"):
        give(play, command, 400)
    assert play.state == before


def test_a_refused_command_leaves_even_the_due_boundaries_for_later() -> None:
    play = player(1, 1)
    play.start(0)
    with pytest.raises(
        PlayerStateError, match=r"cannot be resumed at \d:\d\d \(sample 300\): it is running, not paused"
    ):
        play.resume(300)
    assert brief(play.advance(300)) == [(250, "step", "walk")]


def test_samples_never_go_back() -> None:
    play = player(1)
    play.start(10)
    play.advance(20)
    with pytest.raises(PlayerStateError, match="Sample 19 lies before sample 20"):
        play.advance(19)
    with pytest.raises(PlayerStateError, match="Sample -1 lies before sample 0"):
        player(1).start(-1)


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate_hz: float) -> None:
    with pytest.raises(ValueError, match="rate_hz"):
        player(1, rate_hz=rate_hz)


def give(play: Player, command: str, index: int) -> list[Event]:
    if command == "mark":
        return play.mark(index, "m")
    if command == "note":
        return play.note(index, "n")
    events: list[Event] = getattr(play, command)(index)
    return events


durations = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=5)
moves = st.lists(st.tuples(st.integers(0, 700), st.sampled_from(("advance", *COMMANDS))), max_size=25)


@settings(deadline=None)
@given(durations=durations, repeat=st.integers(1, 3), rest_s=st.sampled_from([0.0, 0.5]), rate_hz=st.floats(125, 2000))
def test_step_lengths_are_what_the_script_says(
    durations: list[float], repeat: int, rest_s: float, rate_hz: float
) -> None:
    play = player(*durations, repeat=repeat, rest_s=rest_s, rate_hz=rate_hz)
    events = play.start(7) + play.advance(10**8)
    bounds = [event.index for event in events if event.kind in ("step", "rest", "end")]
    expected = [max(1, round(entry.duration_s * rate_hz)) for entry in play.plan]
    assert [b - a for a, b in itertools.pairwise(bounds)] == expected
    assert play.state.elapsed == sum(expected)


@settings(deadline=None)
@given(durations=durations, moves=moves, cuts=st.lists(st.integers(1, 90), min_size=1, max_size=10))
def test_portions_make_no_difference_and_no_order_of_commands_corrupts_the_state(
    durations: list[float], moves: list[tuple[int, str]], cuts: list[int]
) -> None:
    coarse, fine = player(*durations, repeat=2, rest_s=0.3), player(*durations, repeat=2, rest_s=0.3)
    seen: list[list[Event]] = [coarse.start(0), fine.start(0)]
    portions = itertools.cycle(cuts)
    index = told = 0
    for step, command in moves:
        index += step
        while told + (portion := next(portions)) < index and fine.state.phase in ("running", "paused"):
            told += portion
            seen[1] += fine.advance(told)
        told = index
        for number, play in enumerate((coarse, fine)):
            before, due = play.state, play.next_boundary
            try:
                seen[number] += give(play, command, index)
            except PlayerStateError:
                assert (play.state, play.next_boundary) == (before, due)
                if play.state.phase in ("running", "paused"):
                    seen[number] += play.advance(index)
    for play, events in zip((coarse, fine), seen, strict=True):
        if play.state.phase in ("running", "paused"):
            events += play.advance(index)
    assert coarse.state == fine.state
    assert coarse.next_boundary == fine.next_boundary
    events = seen[0]
    assert [(e.index, e.kind, e.step, e.activity, e.text) for e in events] == [
        (e.index, e.kind, e.step, e.activity, e.text) for e in seen[1]
    ]
    indices = [event.index for event in events]
    assert indices == sorted(indices)
    assert {event.kind for event in events} <= set(EVENT_KINDS)
    assert sum(event.kind in ("end", "stop") for event in events) == (coarse.state.phase in ("ended", "stopped"))
    if coarse.state.phase == "running":
        assert coarse.state.remaining_samples > 0

    spans = activity_spans(events, index)
    assert all(0 <= a.start < a.stop <= index for a in spans)
    assert all(a.stop <= b.start for a, b in itertools.pairwise(spans))
    longest = {entry.step: max(1, round(entry.duration_s * RATE_HZ)) for entry in coarse.plan if not entry.is_rest}
    assert all(span.stop - span.start <= longest[span.step] for span in spans)
    openers = {event.uuid: event for event in events if event.kind in ("step", "resume")}
    assert all(openers[span.event_uuid].index == span.start for span in spans)
