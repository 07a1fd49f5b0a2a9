from dataclasses import replace

from protocols.player import Event
from protocols.spans import activity_spans


def events(*rows: tuple[int, str, str]) -> list[Event]:
    return [
        Event(uuid=f"e{number}", index=index, kind=kind, step=1, activity=activity, text="")
        for number, (index, kind, activity) in enumerate(rows)
    ]


def spans(rows: list[Event], n_samples: int = 1000) -> list[tuple[int, int, str]]:
    return [(span.start, span.stop, span.activity) for span in activity_spans(rows, n_samples)]


def test_steps_follow_one_another_without_a_hole() -> None:
    rows = events((0, "start", ""), (0, "step", "rest"), (100, "step", "walk"), (300, "end", ""))
    assert spans(rows) == [(0, 100, "rest"), (100, 300, "walk")]


def test_a_rest_between_repetitions_has_no_label() -> None:
    rows = events((0, "step", "walk"), (100, "rest", ""), (150, "step", "walk"), (250, "end", ""))
    assert spans(rows) == [(0, 100, "walk"), (150, 250, "walk")]


def test_a_pause_splits_a_step_in_two_spans() -> None:
    rows = events((0, "step", "walk"), (50, "pause", "walk"), (80, "resume", "walk"), (130, "end", ""))
    assert spans(rows) == [(0, 50, "walk"), (80, 130, "walk")]
    assert [span.event_uuid for span in activity_spans(rows, 1000)] == ["e0", "e2"]


def test_a_repeat_drops_the_whole_attempt_with_its_pauses_and_nothing_before_it() -> None:
    rows = events(
        (0, "step", "rest"),
        (100, "step", "walk"),
        (120, "pause", "walk"),
        (140, "resume", "walk"),
        (160, "repeat", "walk"),
        (160, "step", "walk"),
        (260, "end", ""),
    )
    assert spans(rows) == [(0, 100, "rest"), (160, 260, "walk")]


def test_a_repeat_while_paused_drops_the_attempt_too() -> None:
    rows = events((0, "step", "walk"), (50, "pause", "walk"), (90, "repeat", "walk"), (90, "step", "walk"))
    assert spans(rows, 200) == [(90, 200, "walk")]


def test_marks_notes_and_the_recorders_own_events_change_nothing() -> None:
    rows = events(
        (0, "step", "walk"), (10, "mark", "walk"), (20, "note", "walk"), (30, "gap", ""), (90, "stop", "walk")
    )
    assert spans(rows) == [(0, 90, "walk")]


def test_a_recording_that_was_cut_off_labels_what_it_has() -> None:
    assert spans(events((0, "step", "rest"), (100, "step", "walk")), 150) == [(0, 100, "rest"), (100, 150, "walk")]
    assert spans(events((0, "step", "rest"), (100, "step", "walk")), 100) == [(0, 100, "rest")]


def test_an_empty_span_is_left_out() -> None:
    rows = events((0, "step", "rest"), (0, "skip", "rest"), (0, "step", "walk"), (10, "stop", "walk"))
    assert spans(rows) == [(0, 10, "walk")]
    assert spans([], 10) == []


def test_nothing_lies_outside_the_samples() -> None:
    row = replace(events((5, "step", "walk"))[0], index=5000)
    assert spans([row], 1000) == []
