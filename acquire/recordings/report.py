"""What a recording amounts to: expected and received samples, gaps, each step's coverage, the board's true rate.

The report is made once, when a recording is finished, stored in its header, and shown at the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import LinkCounters
from acquire.recordings.rate import Lateness, drift_ppm, fit_rate_hz, fit_thirds_hz, lateness
from acquire.recordings.samples import Samples
from protocols.errors import ScriptInvalid
from protocols.script import PlannedStep, parse_script
from protocols.spans import EventLike, activity_spans

__all__ = ["RecordingReport", "StepCoverage", "make_report", "plan_of", "plan_places"]


@dataclass(frozen=True, kw_only=True)
class StepCoverage:
    """How much of one entry of the protocol was recorded.

    Attributes:
        position: 0-based place in the plan, repetitions and rests unrolled; rests are not listed.
        step: 1-based number of the script's step.
        repetition: 1-based number of the repetition.
        activity: what the subject was to do.
        instruction: what the subject was told.
        expected_samples: what the script asks for at the nominal rate.
        received_samples: real samples while the subject did it; only the last attempt of a repeated step counts.
    """

    position: int
    step: int
    repetition: int
    activity: str
    instruction: str
    expected_samples: int
    received_samples: int

    @property
    def coverage(self) -> float:
        """Received by expected samples."""
        return self.received_samples / self.expected_samples


@dataclass(frozen=True, kw_only=True)
class RecordingReport:
    """What a recording amounts to.

    Attributes:
        expected_samples: what the board counted from the first sample to the last.
        received_samples: those that are in the recording.
        lost_samples: those that are not, and stand in gaps.
        n_gaps: how many gaps there are.
        longest_gap: samples of the longest gap, or 0.
        steps: each step of the protocol in the order of its plan; empty where no protocol was recorded.
        nominal_rate_hz: what the board was set to.
        fitted_rate_hz: what its clock showed; 0 when there was too little to fit.
        drift_ppm: the fitted rate against the nominal one; None when there was too little to fit.
        first_third_rate_hz: the rate in the first third of the recording, or 0.
        last_third_rate_hz: the rate in its last third, or 0.
        lateness: how unevenly the chunks arrived; None where there were too few.
        link: what came over the board's link; None where that is not known.
        ending: why the recording ended, in words.
    """

    expected_samples: int
    received_samples: int
    lost_samples: int
    n_gaps: int
    longest_gap: int
    steps: tuple[StepCoverage, ...]
    nominal_rate_hz: float
    fitted_rate_hz: float
    drift_ppm: float | None
    first_third_rate_hz: float
    last_third_rate_hz: float
    lateness: Lateness | None
    link: LinkCounters | None
    ending: str

    def to_json(self) -> str:
        """The report as it stands in a recording's header."""
        steps = [{**asdict(step), "coverage": step.coverage} for step in self.steps]
        return json.dumps({**asdict(self), "steps": steps}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> RecordingReport:
        """Read a report.

        Raises:
            ValueError: it is not JSON, or a field is missing, unknown or of the wrong type.
        """
        try:
            raw = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        return cls.from_values(raw)

    @classmethod
    def from_values(cls, raw: Any) -> RecordingReport:
        """Make a report of what ``dataclasses.asdict`` or JSON made of one.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type.
        """
        values = _checked(cls, raw)
        if not isinstance(values["steps"], list | tuple):
            raise ValueError("steps is no list")
        steps = []
        for step in values["steps"]:
            if isinstance(step, Mapping):
                step = {name: value for name, value in step.items() if name != "coverage"}
            covered = StepCoverage(**_checked(StepCoverage, step))
            if covered.expected_samples < 1:
                raise ValueError("a step expects no samples")
            steps.append(covered)
        late, link = values["lateness"], values["link"]
        return cls(
            **{
                **values,
                "steps": tuple(steps),
                "lateness": None if late is None else Lateness(**_checked(Lateness, late)),
                "link": None if link is None else LinkCounters(**_checked(LinkCounters, link)),
            }
        )


def make_report(
    *,
    events: Sequence[EventLike],
    valid: NDArray[np.int64],
    clock: Samples,
    n_samples: int,
    nominal_rate_hz: float,
    protocol_text: str,
    link: LinkCounters | None,
    ending: str,
) -> RecordingReport:
    """Work out what a recording amounts to.

    Args:
        events: ordered by index.
        valid: shape (k, 2), the ranges of real samples.
        clock: shape (m, 3): row, host ns, board ns or −1; an array or a source.
        n_samples: rows, gaps included.
        nominal_rate_hz: what the board was set to.
        protocol_text: the script's TOML, or "".
        link: what came over the board's link, where that is known.
        ending: why the recording ended, in words.
    """
    received = int((valid[:, 1] - valid[:, 0]).sum())
    edges = np.concatenate([[0], valid.ravel(), [n_samples]]).reshape(-1, 2)
    gaps = np.diff(edges, axis=1).ravel()
    fitted = fit_rate_hz(clock, nominal_rate_hz)
    early, late = fit_thirds_hz(clock, nominal_rate_hz)
    return RecordingReport(
        expected_samples=n_samples,
        received_samples=received,
        lost_samples=n_samples - received,
        n_gaps=int(np.count_nonzero(gaps)),
        longest_gap=int(gaps.max(initial=0)),
        steps=_coverage(events, valid, n_samples, nominal_rate_hz, plan_of(protocol_text)),
        nominal_rate_hz=nominal_rate_hz,
        fitted_rate_hz=fitted,
        drift_ppm=drift_ppm(fitted, nominal_rate_hz),
        first_third_rate_hz=early,
        last_third_rate_hz=late,
        lateness=lateness(clock, nominal_rate_hz),
        link=link,
        ending=ending,
    )


def plan_of(protocol_text: str) -> tuple[PlannedStep, ...]:
    """The plan of a recorded script; empty where there is none or it cannot be read."""
    if not protocol_text:
        return ()
    try:
        return parse_script(protocol_text, name="the recorded protocol").script.plan()
    except ScriptInvalid:
        # A script that another version of trilead understood is no reason to lose the recording.
        return ()


def _coverage(
    events: Sequence[EventLike],
    valid: NDArray[np.int64],
    n_samples: int,
    nominal_rate_hz: float,
    plan: Sequence[PlannedStep],
) -> tuple[StepCoverage, ...]:
    places = plan_places(events, plan)
    received = dict.fromkeys((entry.position for entry in plan), 0)
    for span in activity_spans(events, n_samples):
        if (position := places.get(span.event_uuid)) is not None:
            inside = np.minimum(valid[:, 1], span.stop) - np.maximum(valid[:, 0], span.start)
            received[position] += int(np.maximum(inside, 0).sum())
    return tuple(
        StepCoverage(
            position=entry.position,
            step=entry.step,
            repetition=entry.repetition,
            activity=entry.activity,
            instruction=entry.instruction,
            expected_samples=max(1, round(entry.duration_s * nominal_rate_hz)),
            received_samples=received[entry.position],
        )
        for entry in plan
        if not entry.is_rest
    )


def plan_places(events: Sequence[EventLike], plan: Sequence[PlannedStep]) -> dict[str, int]:
    """Which entry of the plan each step or resume event belongs to; the player does them in order or once more.

    Args:
        events: ordered by index.
        plan: of the script that was played.

    Returns:
        The event's uuid → the entry's position.
    """
    steps = [entry for entry in plan if not entry.is_rest]
    places: dict[str, int] = {}
    at, again = -1, False
    for event in events:
        if event.kind == "repeat":
            again = True
        elif event.kind == "step":
            at += 0 if again else 1
            again = False
        if event.kind in ("step", "resume") and 0 <= at < len(steps) and steps[at].step == event.step:
            places[event.uuid] = steps[at].position
    return places


def _checked(kind: type[Any], raw: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON or ``asdict`` gave them, their names and simple types found right."""
    declared = {field.name: str(field.type) for field in fields(kind)}
    if not isinstance(raw, Mapping) or raw.keys() != declared.keys():
        raise ValueError(f"the fields of {kind.__name__} must be {', '.join(declared)}")
    simple: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (float, int),
        "float | None": (float, int, type(None)),
    }
    for name, type_name in declared.items():
        if type_name in simple and (not isinstance(raw[name], simple[type_name]) or isinstance(raw[name], bool)):
            raise ValueError(f"{name} of {kind.__name__} is of the wrong type")
    return dict(raw)
