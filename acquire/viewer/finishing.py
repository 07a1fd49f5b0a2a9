"""What came of a recording: how much of each step is there, how good each lead is, and what should be done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from acquire.recordings.content import Header
from acquire.recordings.recording import Recording, open_recording
from acquire.recordings.report import RecordingReport, make_report, plan_of
from acquire.viewer.pyramid import Overview
from acquire.viewer.quality import LeadQuality, look_through
from acquire.viewer.repeating import script_of_steps
from acquire.viewer.timeline import FeedEvent, FeedGap, StepBand, Timeline
from acquire.viewer.verdict import Verdict, judge
from protocols.script import PlannedStep

__all__ = ["LeadQuality", "Review", "Verdict", "review", "script_of_steps"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Review:
    """A finished recording, looked at once.

    Attributes:
        path: the recording file.
        header: what is true of the whole.
        leads: names, in the order of the overview's columns.
        unit: of the overview: "mV" where the gain is known.
        rate_hz: nominal; what the bands and the plan are drawn by.
        n_samples: rows, gaps included.
        plan: of the script that was played; empty where there was none.
        report: expected and received samples, each step's coverage and more.
        overview: extremes of the whole recording.
        bands: steps, rests and pauses as they were.
        gaps: lost samples.
        events: all others.
        lead_quality: of each lead.
        verdict: good, doubtful or bad.
        words: why, a sentence each.
        steps_to_repeat: positions in the plan of the steps that should be done again.
        steps_skipped: positions in the plan of the steps that the operator left out, wholly or in part.
        silent_s: for how long before the end no samples came.
    """

    path: Path
    header: Header
    leads: tuple[str, ...]
    unit: str
    rate_hz: float
    n_samples: int
    plan: tuple[PlannedStep, ...]
    report: RecordingReport
    overview: Overview
    bands: tuple[StepBand, ...]
    gaps: tuple[FeedGap, ...]
    events: tuple[FeedEvent, ...]
    lead_quality: tuple[LeadQuality, ...]
    verdict: Verdict
    words: tuple[str, ...]
    steps_to_repeat: tuple[int, ...]
    steps_skipped: tuple[int, ...]
    silent_s: float = 0.0


def review(recording: Path, on_share: Callable[[float], None] = lambda share: None) -> Review:
    """Look through a finished recording; an hour of it takes a second or two.

    Args:
        recording: the file.
        on_share: told how much of it is done, 0 to 1.

    Raises:
        RecordingError: the file cannot be trusted.
    """
    on_share(0.0)
    with open_recording(recording) as opened:
        report = opened.report or _report(opened)
        plan = plan_of(opened.protocol_text)
        looks = look_through(opened, on_share)
        quality = looks.quality()
        judged = judge(report, quality, looks, events=opened.events, plan=plan)
        on_share(1.0)
        timeline = Timeline()
        for event in opened.events:
            timeline.take_event(asdict(event))
        return Review(
            path=opened.path,
            header=opened.header,
            leads=looks.leads,
            unit=looks.unit,
            rate_hz=opened.header.nominal_rate_hz,
            n_samples=opened.n_samples,
            plan=plan,
            report=report,
            overview=looks.overview,
            bands=timeline.bands,
            gaps=tuple(FeedGap(start=gap.start, length=gap.length, cause=gap.cause) for gap in opened.gaps),
            events=timeline.events,
            lead_quality=quality,
            verdict=judged.verdict,
            words=judged.words,
            steps_to_repeat=judged.steps_to_repeat,
            steps_skipped=judged.steps_skipped,
            silent_s=_silent_s(opened),
        )


def _silent_s(recording: Recording) -> float:
    """For how long the recorder heard nothing before it was stopped, by its own clock."""
    ended = next((event for event in reversed(recording.events) if event.kind in ("stop", "end")), None)
    n_chunks = recording.clock.shape[0]
    if ended is None or not n_chunks or ended.index < recording.n_samples:
        return 0.0
    return max(0.0, (ended.host_ns - int(recording.clock[n_chunks - 1, 1])) / 1e9)


def _report(recording: Recording) -> RecordingReport:
    """The report of a file that is older than reports are."""
    return make_report(
        events=recording.events,
        valid=recording.valid,
        clock=recording.clock,
        n_samples=recording.n_samples,
        nominal_rate_hz=recording.header.nominal_rate_hz,
        protocol_text=recording.protocol_text,
        link=None,
        ending=next((event.text for event in reversed(recording.events) if event.kind == "stop"), ""),
    )
