"""How a recording under way, and what came of it, look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from protocols.console import counted

if TYPE_CHECKING:
    from acquire.recorder.control import RecorderStatus
    from acquire.recordings.finish import RecordingSummary
    from acquire.recordings.report import RecordingReport

__all__ = ["Alarm", "clock", "print_summary", "signed", "status_line", "status_table"]

_STATE_STYLES = {"recording": "green", "stalled": "bold red", "reconnecting": "bold red", "paused": "yellow"}
_LEAD_STYLES = {"good": "green", "doubtful": "yellow", "bad": "bold red"}
_DISK_TOLD_S = 6 * 3600.0
_FULL_COVERAGE = 0.999
_DRIFT_TOLD_S = 60.0
"""A shorter recording does not show by how much a board's rate is off."""


class Alarm:
    """Rings the terminal's bell once whenever samples stop coming.

    Args:
        console: whose bell it is.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wrong = False

    def __call__(self, status: RecorderStatus) -> None:
        """Look at a status."""
        wrong = status.state in ("stalled", "reconnecting")
        if wrong and not self._wrong:
            self._console.bell()
        self._wrong = wrong


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, with hours where there are any."""
    whole = max(0, round(seconds))
    minutes = f"{whole // 60 % 60:02d}" if whole >= 3600 else str(whole // 60)
    return f"{f'{whole // 3600}:' if whole >= 3600 else ''}{minutes}:{whole % 60:02d}"


def signed(number: float) -> str:
    """A whole number with its sign, as it is written for people."""
    return f"{round(number):+d}".replace("-", "−")


def status_table(status: RecorderStatus) -> Table:
    """All that an operator wants to see while it records."""
    table = Table(box=None, pad_edge=False, show_header=False)
    state = status.state
    if status.stalled_s:
        state = f"{state.upper()}: no samples for {status.stalled_s:.0f} s, the protocol stands still"
    table.add_row("state", Text(state, style=_STATE_STYLES.get(status.state, "")))
    if status.message:
        table.add_row("", Text(status.message, style="bold red"))
    if status.step:
        place = f"{status.position + 1} of {status.n_steps}"
        table.add_row("now", Text(f"{status.activity or 'rest between'} ({place}): {status.instruction}"))
        table.add_row("left", Text(f"{clock(status.remaining_s)}", style="bold"))
        table.add_row("then", Text(status.next_instruction or "the end"))
    rate = f", {status.fitted_rate_hz:.2f} Hz" if status.fitted_rate_hz else ""
    table.add_row("recorded", Text(f"{clock(status.elapsed_s)} ({counted(status.n_samples, 'sample')}{rate})"))
    lost = _lost(status.lost_samples, status.gaps) if status.gaps else "none"
    table.add_row("gaps", Text(lost, style="red" if status.gaps else ""))
    if status.bad_bytes or status.reconnects:
        table.add_row(
            "link", Text(f"{counted(status.bad_bytes, 'bad byte')}, reached again {counted(status.reconnects, 'time')}")
        )
    if 0 < status.disk_left_s < _DISK_TOLD_S:
        table.add_row("disk", Text(f"room for {clock(status.disk_left_s)}", style="yellow"))
    for lead in status.leads:
        table.add_row(f"lead {lead.get('lead', '')}", _lead(lead))
    return table


def status_line(status: RecorderStatus) -> str:
    """The same on one line, for logs and for the answer to a command."""
    step = f", {status.activity or 'rest between'} for another {clock(status.remaining_s)}" if status.step else ""
    gaps = f", {counted(status.lost_samples, 'sample')} lost" if status.gaps else ""
    wrong = f": {status.message}" if status.message else ""
    return f"{status.state} at {clock(status.elapsed_s)}{step}{gaps}{wrong}"


def print_summary(console: Console, summary: RecordingSummary) -> None:
    """What came of a recording: samples, gaps and each step's coverage."""
    lost = _lost(summary.lost_samples, len(summary.gaps)) if summary.gaps else "no gaps"
    whole = "the whole protocol" if summary.complete else f"ended early: {summary.reason.rstrip('.')}"
    length = f"{counted(summary.n_samples, 'sample')}, {clock(summary.duration_s)} at {summary.rate_hz:.2f} Hz"
    console.print(Text(f"Recorded {summary.path}\n{length}, {lost}; {whole}."))
    if summary.report is not None:
        _print_report(console, summary.report)


def _print_report(console: Console, report: RecordingReport) -> None:
    share = report.received_samples / report.expected_samples if report.expected_samples else 1.0
    longest = f", the longest gap {report.longest_gap / report.nominal_rate_hz:.3g} s" if report.n_gaps else ""
    long_enough = report.expected_samples >= _DRIFT_TOLD_S * report.nominal_rate_hz
    drift = ""
    if report.drift_ppm is not None and long_enough:
        drift = f"; the board runs {signed(report.drift_ppm)} ppm off its rate"
    console.print(
        Text(
            f"Expected {counted(report.expected_samples, 'sample')} and received {report.received_samples}"
            f" ({_percent(share)}{longest}){drift}."
        )
    )
    if not report.steps:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("step", "activity", "expected", "recorded", "coverage"):
        table.add_column(column, justify="left" if column == "activity" else "right")
    for step in report.steps:
        table.add_row(
            f"{step.step}.{step.repetition}",
            Text(step.activity),
            clock(step.expected_samples / report.nominal_rate_hz),
            clock(step.received_samples / report.nominal_rate_hz),
            Text(_percent(step.coverage), style="" if step.coverage >= _FULL_COVERAGE else "yellow"),
        )
    console.print(table)


def _lost(samples: int, gaps: int) -> str:
    return f"{counted(samples, 'sample')} lost in {counted(gaps, 'gap')}"


def _percent(share: float) -> str:
    # Rounded down, so that 100 % means all of it.
    return f"{int(share * 1e4) / 1e2:.4g} %"


def _lead(lead: dict[str, object]) -> Text:
    judgement = str(lead.get("judgement", ""))
    rate = lead.get("heart_rate_bpm")
    beats = f"{rate:.0f} /min, " if isinstance(rate, int | float) else ""
    return Text(f"{judgement}: {beats}{lead.get('words', '')}", style=_LEAD_STYLES.get(judgement, ""))
