"""What the recording page says about what was pressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from acquire.app.step_card import countdown_words
from acquire.viewer.mark_names import mark_title
from acquire.viewer.preferences import Preferences
from acquire.viewer.step_clock import StepEvent, StepNow
from acquire.viewer.texts import _

if TYPE_CHECKING:
    from acquire.recorder.control import RecorderStatus
    from acquire.viewer.link import Outcome

__all__ = ["end_hint", "outcome_words", "view_words"]


def end_hint(now: StepNow, status: RecorderStatus | None, *, noting: bool) -> str:
    """What is waited for when the protocol is over; "" where nothing is.

    Args:
        now: where the protocol stands.
        status: of the recorder.
        noting: whether a note is being written here.
    """
    if now.phase != "finishing":
        return ""
    if noting:
        return _("Enter stores your note at the last sample.")
    if status is not None and status.message:
        return _("Waiting up to a minute for a note that was being typed elsewhere.")
    return ""


def outcome_words(
    outcome: Outcome, marks: Sequence[str], events: Sequence[StepEvent], rate_hz: float, now: StepNow
) -> str:
    """What became of a command that was obeyed.

    Args:
        outcome: without an error.
        marks: names of the marks, on the keys from 1.
        events: of the journal, which says at which sample it took effect.
        rate_hz: of the samples.
        now: where the protocol stands, for a journal that has not been read so far.
    """
    at = _time_of(outcome, events, rate_hz) or countdown_words(now.elapsed_s)
    if outcome.command == "mark" and outcome.text in marks:
        number = marks.index(outcome.text) + 1
        return _("Mark {n} {name} at {time}").format(n=number, name=mark_title(outcome.text), time=at)
    if outcome.command == "pause" and now.phase == "silent":
        return _("Paused at {time}; no samples come").format(time=at)
    return {
        "mark": _("Mark {name} at {time}").format(name=mark_title(outcome.text), time=at),
        "note": _("Note stored at {time}: {text}").format(time=at, text=outcome.text),
        "pause": _("Paused at {time}; samples are still recorded").format(time=at),
        "resume": _("Goes on at {time}").format(time=at),
        "skip": _("Step skipped at {time}").format(time=at),
        "repeat": _("Step begun again at {time}; the attempt before does not count").format(time=at),
        "stop": _("Stopped at {time}; the recording file is being made").format(time=at),
    }[outcome.command]


def _time_of(outcome: Outcome, events: Sequence[StepEvent], rate_hz: float) -> str:
    """When a command took effect, as the journal says; "" where that has not been read yet."""
    for event in reversed(events):
        if event.kind == outcome.command and event.text == outcome.text:
            return countdown_words(event.index // rate_hz) if rate_hz > 0 else ""
        if event.kind in ("step", "rest"):
            break
    return ""


def view_words(deed: str, preferences: Preferences) -> str:
    """What a change of the view, or of the cues, has come to."""
    if deed in ("gain_up", "gain_down"):
        return _("{gain:g} mm/mV").format(gain=preferences.gain_mm_per_mv)
    if deed in ("span_longer", "span_shorter"):
        return _("{span:g} seconds").format(span=preferences.span_s)
    if deed == "grid":
        return _("Grid on") if preferences.grid else _("Grid off")
    if deed == "filter":
        if preferences.filtered:
            return _("Filter on: 0.5 to 40 Hz, for the eye only")
        return _("Filter off: the signal as it comes, each lead about its own middle")
    return _("Cues off; the alarm stays on") if preferences.cues == "off" else _("Cues on")
