"""When to raise the alarm: samples that stop reaching the journal, and a recorder that no longer answers.

Two witnesses are heard, what the recorder says and what arrives in the journal, so that neither a recorder that hangs
nor a reader that fails can hide a loss. An alarm comes within a second and a half of the last sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from acquire.recorder.control import RecorderStatus

__all__ = ["OVER_S", "AlarmPhase", "AlarmState", "AlarmWatch", "LossLike"]

AlarmPhase = Literal["quiet", "silent", "unanswered", "over"]

_SILENT_S = 1.2
"""No new sample for this long is a stop; boards send eighty times a second, the slowest networks a few times."""
_MOVING_S = 0.5
"""A status of no samples that is older than samples which came this short ago no longer holds."""
_UNANSWERED_S = 3.0
OVER_S = 10.0
"""How long the end of an alarm is told of."""
_UNDER_WAY = frozenset({"recording", "paused", "stalled", "reconnecting"})


class LossLike(Protocol):
    """A gap of the journal."""

    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def length(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class AlarmState:
    """What there is to be alarmed about.

    Attributes:
        phase: quiet; silent: no samples arrive; unanswered: they do, but the recorder does not answer; over: they
            arrive again.
        lasted_s: since the last sample, or, when over, how long none came.
        message: what is wrong and what is being done, as the recorder says it; may be empty.
        answering: whether the recorder answers.
        audible: whether the alarm is to be heard.
        lost_s: when over, how much signal was lost.
    """

    phase: AlarmPhase = "quiet"
    lasted_s: float = 0.0
    message: str = ""
    answering: bool = True
    audible: bool = False
    lost_s: float = 0.0


class AlarmWatch:
    """Watches one recording; asked some ten times a second."""

    def __init__(self) -> None:
        self._newest = -1
        self._moved_s = 0.0
        self._phase: AlarmPhase = "quiet"
        self._heard_out = False
        self._stood_at = 0
        self._lost_before = 0
        self._lasted_s = 0.0
        self._over_s = 0.0

    def acknowledge(self) -> None:
        """Somebody has seen it: no more sound, and no more word of one that is over."""
        self._heard_out = True

    def look(
        self,
        now_s: float,
        status: RecorderStatus | None,
        answered_s_ago: float,
        stop: int,
        gaps: Sequence[LossLike],
    ) -> AlarmState:
        """What there is to be alarmed about now.

        Args:
            now_s: of a clock that never goes back.
            status: the recorder's last word; None before it spoke.
            answered_s_ago: how old that word is.
            stop: index behind the newest sample in the journal.
            gaps: of the journal.
        """
        if status is None or status.state not in _UNDER_WAY:
            self._phase = "quiet"
            self._moved_s = now_s
            return AlarmState()
        before = self._newest
        newest = max(stop, status.n_samples)
        if newest > before:
            self._newest, self._moved_s = newest, now_s
        silent_s = now_s - self._moved_s
        told = status.state in ("stalled", "reconnecting") and (silent_s > _MOVING_S or before < 0)
        if told or silent_s > _SILENT_S:
            self._raise(status)
            self._lasted_s = max(silent_s, status.stalled_s if told else 0.0)
        elif self._phase == "silent":
            self._phase, self._heard_out, self._over_s = "over", False, now_s
        elif self._phase == "over":
            if self._heard_out or now_s - self._over_s > OVER_S:
                self._phase = "quiet"
        else:
            self._answer(answered_s_ago)
        return self._state(status, answered_s_ago, gaps)

    def _raise(self, status: RecorderStatus) -> None:
        if self._phase == "silent":
            return
        if self._phase != "over":
            # One that returns at once goes on: what was lost is counted from the first silence.
            self._stood_at, self._lost_before = self._newest, status.lost_samples
        self._phase, self._heard_out = "silent", False

    def _answer(self, answered_s_ago: float) -> None:
        if answered_s_ago <= _UNANSWERED_S:
            self._phase = "quiet"
        elif self._phase == "quiet":
            self._phase, self._heard_out = "unanswered", False
        self._lasted_s = answered_s_ago

    def _state(self, status: RecorderStatus, answered_s_ago: float, gaps: Sequence[LossLike]) -> AlarmState:
        if self._phase == "quiet":
            return AlarmState()
        lost = 0
        if self._phase == "over":
            read = sum(gap.length for gap in gaps if gap.start >= self._stood_at)
            lost = max(read, status.lost_samples - self._lost_before)
        return AlarmState(
            phase=self._phase,
            lasted_s=self._lasted_s,
            message=status.message if self._phase == "silent" else "",
            answering=answered_s_ago <= _UNANSWERED_S,
            audible=self._phase == "silent" and not self._heard_out,
            lost_s=lost / status.rate_hz if status.rate_hz > 0 else 0.0,
        )
