from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acquire.boards.board import Channel
from acquire.errors import RecordingError
from acquire.recorder.launch import record_headless
from acquire.recordings.content import RecordedEvent, RecordingContent
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.study import Study
from acquire.viewer.endings import ending_words
from acquire.viewer.finishing import Review, review, script_of_steps
from acquire.viewer.pyramid import MOST_BINS
from acquire.viewer.texts import choose_language
from acquire.viewer.verdict import ANYWAY, coverage_level
from protocols.script import LoadedScript, load_script, parse_script

MakeContent = Callable[..., RecordingContent]

SCRIPT = """
title = "Short"
purpose = '''Two
lines "quoted" \\ here'''
[[steps]]
activity = "rest"
instruction = "Sit \\"still\\"."
duration_s = 6.5
repeat = 2
rest_s = 1
tags = ["a", "b-2"]
[[steps]]
activity = "hop"
instruction = "Hop – on one leg."
duration_s = 6
cue = "voice"
[activities]
hop = "Hopping on one leg."
"""
RATE_HZ = 250


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def recorded(study: Study, script: Path, options: str = "") -> Review:
    summary = record_headless(study, subject="S01", board=f"sim:?speed=max{options}", protocol=str(script))
    return review(summary.path)


# What came of a recording.


def test_a_clean_recording_is_good_with_nothing_to_repeat(study: Study, script: Path) -> None:
    found = recorded(study, script)
    assert (found.verdict, found.steps_to_repeat, found.gaps) == ("good", (), ())
    assert found.words == ("The protocol was recorded to its end.",)
    assert found.leads == ("I", "II", "III")
    assert found.unit == "mV"
    assert [(band.kind, band.activity) for band in found.bands] == [
        ("step", "rest"),
        ("rest", ""),
        ("step", "rest"),
        ("rest", ""),
        ("step", "hop"),
    ]
    assert found.bands[-1].stop == found.n_samples == 21 * RATE_HZ
    assert [step.coverage for step in found.report.steps] == [1.0, 1.0, 1.0]
    assert [entry.position for entry in found.plan] == [0, 1, 2, 3, 4]
    for lead in found.lead_quality:
        assert lead.good + lead.doubtful + lead.bad == pytest.approx(1.0)
        assert lead.bad == 0.0
        assert lead.heart_rate_bpm is not None
        assert 40 < lead.heart_rate_bpm < 180


def test_the_picture_holds_the_extremes_of_every_sample(study: Study, script: Path) -> None:
    found = recorded(study, script, "&drop=1000:250")
    with open_recording(found.path) as recording:
        signal = recording.signal(found.leads)
    overview = found.overview
    assert (overview.edges[0], overview.edges[-1]) == (0, found.n_samples)
    assert len(overview.low) <= MOST_BINS
    np.testing.assert_allclose(np.nanmin(overview.low, axis=0), np.nanmin(signal, axis=0), rtol=1e-5)
    np.testing.assert_allclose(np.nanmax(overview.high, axis=0), np.nanmax(signal, axis=0), rtol=1e-5)
    lengths = np.diff(overview.edges)
    assert (overview.valid * lengths).sum() == found.n_samples - 250
    assert [(gap.start, gap.length) for gap in found.gaps] == [(1000, 250)]


def test_a_step_that_lacks_samples_is_to_be_repeated(study: Study, script: Path) -> None:
    found = recorded(study, script, "&drop=4000:1000")
    assert (found.verdict, found.steps_to_repeat) == ("bad", (4,))
    assert any("4.0 s of signal" in words for words in found.words)
    assert any("step 2 (Hop)" in words for words in found.words)


def test_a_recording_that_ended_early_says_so_and_what_was_not_reached_is_to_be_done(
    study: Study, script: Path
) -> None:
    summary = record_headless(
        study, subject="S01", board="sim:?speed=max&stop_after=9", protocol=str(script), stall_limit_s=0.3
    )
    found = review(summary.path)
    assert found.verdict == "bad"
    assert found.words[0].startswith("The recording ended early:")
    assert found.steps_to_repeat == (2, 4)
    assert found.silent_s >= 0.2


def test_a_recording_that_was_heard_to_its_end_has_no_silence(study: Study, script: Path) -> None:
    assert recorded(study, script).silent_s < 0.5


def test_the_usual_endings_are_told_in_the_language_of_the_window() -> None:
    silent = (
        "The board cyton:/dev/x sent no samples for 60 s (the limit is 60 s), so the recording was ended; check its"
        " power and cable"
    )
    disk = "The disk is full."
    for ending in (silent, f"{silent}.", "stopped by the operator", "stopped by SIGTERM", disk):
        assert ending_words(ending).rstrip(".") == ending.rstrip(".")
    choose_language("de")
    try:
        assert ending_words("stopped by the operator") == "von der Versuchsleitung beendet"
        assert ending_words(f"{silent}.").startswith("Das Board cyton:/dev/x sandte 60 s lang")
        assert ending_words("stopped by SIGTERM") == "beendet durch SIGTERM"
        assert ending_words(disk) == disk
    finally:
        choose_language("en")


def event(kind: str, index: int, step: int = 0, activity: str = "") -> RecordedEvent:
    return RecordedEvent(
        uuid=f"{kind}{index}", index=index, host_ns=index, kind=kind, step=step, activity=activity, text=""
    )


def content_of(
    make_content: MakeContent, counts: np.ndarray, events: tuple[RecordedEvent, ...], text: str = SCRIPT
) -> RecordingContent:
    content = make_content(n_samples=len(counts))
    return replace(
        content,
        counts=counts,
        channels=(Channel(name="one", gain=1e-3), Channel(name="two", gain=1e-3)),
        valid=np.array([[0, len(counts)]], dtype=np.int64),
        clock=np.array([[len(counts) - 1, 4_000_000_000, -1]], dtype=np.int64),
        gaps=(),
        events=events,
        protocol_text=text,
        report=None,
    )


def hearts(n_samples: int) -> np.ndarray:
    """Two leads in µV with a beat a second."""
    phase = np.arange(n_samples) % RATE_HZ / RATE_HZ
    beat = 1000 * np.exp(-(((phase - 0.5) / 0.015) ** 2))
    noise = np.random.default_rng(1).normal(0, 5, (n_samples, 2))
    return (beat[:, None] * [0.6, 1.0] + noise).astype(np.int32)


COURSE = (
    event("start", 0),
    event("step", 0, 1, "rest"),
    event("rest", 1625, 1),
    event("step", 1875, 1, "rest"),
    event("rest", 3500, 1),
    event("step", 3750, 2, "hop"),
    event("end", 5250),
)


def test_a_step_in_which_an_electrode_was_off_is_to_be_repeated(tmp_path: Path, make_content: MakeContent) -> None:
    counts = hearts(5250)
    counts[1875:3500, 1] = 7
    write_recording(tmp_path / "r.h5", content_of(make_content, counts, COURSE))
    found = review(tmp_path / "r.h5")
    assert (found.verdict, found.steps_to_repeat) == ("doubtful", (2,))
    assert found.leads == ("I", "II", "III")
    one, two, three = found.lead_quality
    assert one.bad == 0.0
    assert two.bad == pytest.approx(6.5 / 21, abs=0.06)
    assert three.bad == 0.0
    assert two.heart_rate_bpm == pytest.approx(60.0, abs=1.0)
    assert "Lead II was bad for" in " ".join(found.words)
    assert found.report.ending == ""
    assert found.report.received_samples == 5250


def test_a_step_that_was_skipped_on_purpose_is_not_asked_for_again(tmp_path: Path, make_content: MakeContent) -> None:
    course = (*COURSE[:2], event("skip", 500, 1), event("rest", 500, 1), event("step", 750, 1, "rest"))
    course = (*course, event("rest", 2375, 1), event("step", 2625, 2, "hop"), event("end", 4125))
    write_recording(tmp_path / "r.h5", content_of(make_content, hearts(4125), course))
    found = review(tmp_path / "r.h5")
    assert (found.verdict, found.steps_to_repeat, found.steps_skipped) == ("good", (), (0,))
    assert "One step was skipped." in found.words


def test_a_recording_with_nothing_in_it_is_bad_though_it_was_skipped_on_purpose(
    tmp_path: Path, make_content: MakeContent
) -> None:
    course = (*COURSE[:2], event("skip", 30, 1), event("end", 30))
    one = SCRIPT.partition('[[steps]]\nactivity = "hop"')[0].replace("repeat = 2", "repeat = 1")
    write_recording(tmp_path / "r.h5", content_of(make_content, hearts(30), course, text=one))
    found = review(tmp_path / "r.h5")
    assert found.verdict == "bad"
    assert "hardly anything" in " ".join(found.words)


def test_losses_that_the_protocol_waited_for_are_doubtful_and_not_bad(
    tmp_path: Path, make_content: MakeContent
) -> None:
    counts = hearts(5250 + 1000)
    course = tuple(replace(one, index=one.index + 1000) if one.index > 1000 else one for one in COURSE)
    course = (*course[:2], event("pause", 800, 1), event("resume", 1800, 1, "rest"), *course[2:])
    content = content_of(make_content, counts, course)
    gap = replace(make_content().gaps[0], start=800, length=1000)
    valid = np.array([[0, 800], [1800, len(counts)]], dtype=np.int64)
    counts[800:1800] = 0
    write_recording(tmp_path / "r.h5", replace(content, valid=valid, gaps=(gap,)))
    found = review(tmp_path / "r.h5")
    assert [step.coverage for step in found.report.steps] == [1.0, 1.0, 1.0]
    assert (found.verdict, found.steps_to_repeat) == ("doubtful", ())


def test_every_step_whose_sign_is_not_green_is_ticked(tmp_path: Path, make_content: MakeContent) -> None:
    counts = hearts(5250)
    content = content_of(make_content, counts, COURSE)
    gap = replace(make_content().gaps[0], start=4000, length=120)  # 8 % of the last step
    counts[4000:4120] = 0
    valid = np.array([[0, 4000], [4120, 5250]], dtype=np.int64)
    write_recording(tmp_path / "r.h5", replace(content, valid=valid, gaps=(gap,)))
    found = review(tmp_path / "r.h5")
    assert [coverage_level(step.coverage) for step in found.report.steps] == ["good", "good", "doubtful"]
    assert found.steps_to_repeat == (4,)
    assert "step 2 (Hop)" in " ".join(found.words)


def test_what_was_recorded_although_something_was_bad_says_so_and_why(
    tmp_path: Path, make_content: MakeContent
) -> None:
    remark = replace(event("note", 0), text=f"{ANYWAY} the skin is dry")
    write_recording(tmp_path / "r.h5", content_of(make_content, hearts(5250), (COURSE[0], remark, *COURSE[1:])))
    found = review(tmp_path / "r.h5")
    assert found.verdict == "doubtful"
    assert "because: the skin is dry." in " ".join(found.words)


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_imported_types_are_judged_too(tmp_path: Path, make_content: MakeContent, dtype: str) -> None:
    write_recording(tmp_path / "r.h5", content_of(make_content, hearts(5250).astype(dtype), COURSE))
    assert review(tmp_path / "r.h5").verdict == "good"


def test_a_recording_without_protocol_or_without_samples_can_be_reviewed(
    tmp_path: Path, make_content: MakeContent
) -> None:
    whole = content_of(make_content, hearts(2500), COURSE[:2], text="")
    write_recording(tmp_path / "r.h5", whole)
    assert review(tmp_path / "r.h5").plan == ()
    empty = replace(
        whole,
        counts=whole.counts[:0],
        valid=whole.valid[:0],
        clock=whole.clock[:0],
        events=COURSE[:2],  # type: ignore[index]
    )
    write_recording(tmp_path / "e.h5", empty)
    found = review(tmp_path / "e.h5")
    assert found.verdict == "bad"
    assert "not a single sample" in " ".join(found.words)
    assert len(found.overview.low) == 0
    assert [lead.heart_rate_bpm for lead in found.lead_quality] == [None, None, None]


def test_an_hour_is_reviewed_and_the_progress_told(tmp_path: Path, make_content: MakeContent) -> None:
    n_samples = 3600 * RATE_HZ
    write_recording(tmp_path / "r.h5", content_of(make_content, hearts(n_samples), COURSE))
    shares: list[float] = []
    found = review(tmp_path / "r.h5", shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1], len(shares) > 20) == (0.0, 1.0, True)
    assert len(found.overview.low) <= MOST_BINS


def busy(work: Callable[[], Review]) -> tuple[float, Review]:
    """Seconds of the processor that some work takes, and what comes of it."""
    begun_s = time.process_time()
    found = work()
    return time.process_time() - begun_s, found


def test_many_gaps_do_not_make_it_slow(tmp_path: Path, make_content: MakeContent) -> None:
    counts = hearts(100_000)
    content = content_of(make_content, counts, COURSE[:2])
    edges = np.arange(0, 100_000, 20)
    counts.reshape(-1, 20, 2)[:, 15:] = 0
    gap = make_content().gaps[0]
    gaps = tuple(replace(gap, start=int(edge) + 15, length=5) for edge in edges)
    write_recording(tmp_path / "r.h5", replace(content, valid=np.stack([edges, edges + 15], axis=1), gaps=gaps))
    write_recording(tmp_path / "whole.h5", content)
    whole_s, _ = busy(lambda: review(tmp_path / "whole.h5"))
    gaps_s, found = busy(lambda: review(tmp_path / "r.h5"))
    # A loop over gaps for every look, or the other way round, would take hundreds of times as long.
    assert gaps_s < 20 * whole_s
    assert (found.verdict, len(found.gaps)) == ("bad", 5000)
    assert found.overview.valid.mean() == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"nonsense" * 1000])
def test_a_file_that_is_no_recording_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.h5").write_bytes(content)
    with pytest.raises(RecordingError):
        review(tmp_path / "r.h5")
    with pytest.raises(RecordingError):
        review(tmp_path / "gone.h5")


# Doing some of it again.


def loaded() -> LoadedScript:
    return parse_script(SCRIPT, name="short")


def test_a_script_of_some_steps_holds_them_as_they_were_and_says_so(tmp_path: Path) -> None:
    script = loaded()
    again = script_of_steps(script, {4, 2})
    assert again.name == "short-again"
    assert again.script.title == "Short (2 steps again)"
    assert again.script.purpose == script.script.purpose
    assert [(step.activity, step.instruction, step.duration_s, step.cue, step.tags) for step in again.script.steps] == [
        ("rest", 'Sit "still".', 6.5, "beep", ("a", "b-2")),
        ("hop", "Hop – on one leg.", 6.0, "voice", ()),
    ]
    assert again.script.activities == {"hop": "Hopping on one leg."}
    assert [(entry.activity, entry.is_rest) for entry in again.script.plan()] == [
        ("rest", False),
        ("", True),
        ("hop", False),
    ]
    tomllib.loads(again.text)
    (tmp_path / "again.toml").write_text(again.text, encoding="utf-8")
    assert load_script(tmp_path / "again.toml").script == again.script


def test_repetitions_of_one_step_stay_together_and_one_step_is_one() -> None:
    assert [step.repeat for step in script_of_steps(loaded(), [0, 2]).script.steps] == [2]
    one = script_of_steps(loaded(), [2])
    assert one.script.title == "Short (1 step again)"
    assert one.script.activities == {}
    twice = script_of_steps(one, [0])
    assert (twice.name, twice.script.title) == ("short-again", "Short (1 step again)")


def test_a_long_title_keeps_its_end() -> None:
    long = parse_script(SCRIPT.replace('"Short"', f'"{"x" * 120}"'), name="long")
    title = script_of_steps(long, [0, 4]).script.title
    assert len(title) == 120
    assert title.endswith("x (2 steps again)")


@pytest.mark.parametrize("name", ["daily-living", "dt4ecg", "quick-check", "rest-exercise", "wearable-five"])
def test_every_step_of_every_shipped_script_can_be_done_again(name: str) -> None:
    script = load_script(name)
    steps = [entry for entry in script.script.plan() if not entry.is_rest]
    again = script_of_steps(script, [entry.position for entry in steps])
    repeated = [entry for entry in again.script.plan() if not entry.is_rest]
    assert [(entry.activity, entry.instruction, entry.duration_s) for entry in repeated] == [
        (entry.activity, entry.instruction, entry.duration_s) for entry in steps
    ]


@pytest.mark.parametrize("positions", [[], [1], [0, 99], [-1]])
def test_positions_that_are_no_steps_are_refused(positions: list[int]) -> None:
    with pytest.raises(ValueError, match="positions"):
        script_of_steps(loaded(), positions)
