"""Those who look on while a recording is made: signal checks, the rate, an LSL outlet. None of them may harm it.

Whatever goes wrong with one of them, it is let go, that is told, and the recording goes on without it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from acquire.boards.board import BoardInfo, Chunk
from acquire.checks.live import LeadState, LiveChecks
from acquire.recorder.outlet import LslOutlet
from acquire.recordings.content import Header, RecordedEvent
from acquire.recordings.rate import RateEstimator

__all__ = ["Bystanders"]

LOOK_INTERVAL_S = 1.0
RATE, SIGNAL, OUTLET = "rate estimate", "signal checks", "LSL outlet"
DEBOUNCE_S = 1.0
"""An electrode must be off, or on again, for so long before it is told."""


class Bystanders:
    """Signal checks, rate estimate and, where it is wished for, an LSL outlet.

    Args:
        info: the board that is open.
        header: of the recording.
        outlet: where to send what is recorded, or None.
        now_s: a clock that never goes back.

    Attributes:
        leads: how good each lead is, as JSON values; empty before that is known.
        fitted_rate_hz: 0 before it is known.
        drift_ppm: 0 before it is known.
    """

    def __init__(
        self,
        info: BoardInfo,
        header: Header,
        outlet: LslOutlet | None = None,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.leads: tuple[dict[str, Any], ...] = ()
        self.fitted_rate_hz = 0.0
        self.drift_ppm = 0.0
        self._now_s = now_s
        self._news: list[str] = []
        self._looked_s = now_s()
        self._off: dict[str, bool] = {}
        self._changed_s: dict[str, float] = {}
        self._rate: RateEstimator | None = None
        self._live: LiveChecks | None = None
        self._outlet = outlet
        self._unseen: list[Chunk] = []
        with self._unharmed(RATE):
            self._rate = RateEstimator(info.nominal_rate_hz)
        with self._unharmed(SIGNAL):
            self._live = LiveChecks(info, header.montage, header.mains_hz)

    def chunk(self, chunk: Chunk) -> None:
        """See samples that are in the journal; only the outlet needs them before the next look."""
        self._unseen.append(chunk)
        if self._outlet is not None:
            with self._unharmed(OUTLET):
                self._outlet.push(chunk)

    def event(self, event: RecordedEvent) -> None:
        """See an event that is in the journal."""
        if self._outlet is not None:
            with self._unharmed(OUTLET):
                self._outlet.event(event)

    def look(self) -> list[str]:
        """Judge, at most once a second, and say what is new: electrodes off or on again, bystanders that failed."""
        self._see()
        if self._now_s() - self._looked_s >= LOOK_INTERVAL_S:
            self._looked_s = self._now_s()
            if self._rate is not None:
                with self._unharmed(RATE):
                    self.fitted_rate_hz = self._rate.rate_hz()
                    self.drift_ppm = self._rate.drift_ppm() or 0.0
            if self._live is not None:
                with self._unharmed(SIGNAL):
                    states = self._live.leads()
                    self.leads = tuple(asdict(state) for state in states)
                    self._compare(states)
            if self._outlet is not None and self._outlet.fault:
                self._news.append(self._outlet.fault)
                self._outlet = None
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Let go of the outlet."""
        if self._outlet is not None:
            with self._unharmed(OUTLET):
                self._outlet.close()
            self._outlet = None

    def _compare(self, states: tuple[LeadState, ...]) -> None:
        """Tell of a lead whose electrodes have been off, or on again, for long enough."""
        for state in states:
            if state.derived or state.electrode_off == self._off.get(state.lead, False):
                self._changed_s.pop(state.lead, None)
            elif self._looked_s - self._changed_s.setdefault(state.lead, self._looked_s) >= DEBOUNCE_S:
                del self._changed_s[state.lead]
                self._off[state.lead] = state.electrode_off
                words = f"electrode off ({state.words})" if state.electrode_off else "electrodes on again"
                self._news.append(f"{state.lead}: {words}")

    def _see(self) -> None:
        """Hand on what has come since the last look: together that costs far less than piece by piece."""
        unseen, self._unseen = self._unseen, []
        if self._rate is not None:
            with self._unharmed(RATE):
                for chunk in unseen:
                    self._rate.feed(chunk.index + len(chunk.samples) - 1, chunk.host_ns, chunk.board_ns)
        if self._live is not None:
            with self._unharmed(SIGNAL):
                for chunk in unseen:
                    self._live.feed(chunk.index, chunk.samples)

    @contextlib.contextmanager
    def _unharmed(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is, the recording is worth more than who looks on
            self._let_go(name, error)

    def _let_go(self, name: str, error: Exception) -> None:
        self._news.append(f"the {name} failed ({type(error).__name__}: {str(error)[:200]}) and ended")
        if name == RATE:
            self._rate = None
        elif name == SIGNAL:
            self._live, self.leads = None, ()
        else:
            self._outlet = None
