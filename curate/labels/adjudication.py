"""The adjudicated layer: what all layers agree on, and what a person decided about the rest.

The layers that it is made from stay as they are. The adjudicated layer is a layer like any other, an append-only log: a
second adjudication is one further edit, and none where nothing changed. Each of its labels says in ``origin`` what it
comes from: the rule and the layers, or the decision, who made it, and what the layers had said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.recording import open_recording
from curate.errors import CurateError
from curate.labels.consensus import Consensus, Dispute, Finding, Rule, find_consensus
from curate.labels.decisions import Decision, Held, decided_ranges, held_decisions, settle, without
from curate.labels.label import ABSENT, ANNOTATOR_NAME, Label, new_label
from curate.labels.layer import Layer
from curate.labels.layers import ADJUDICATED, is_annotator, open_layers
from curate.labels.pair_agreement import KINDS
from curate.labels.runs import Axis, taking_part
from curate.labels.study_agreement import choose_layers, read_layers
from protocols.activities import ACTIVITIES

if TYPE_CHECKING:
    from acquire.study import Study

__all__ = ["Adjudication", "adjudicate", "plan_adjudication", "plan_study", "write_adjudication"]


@dataclass(frozen=True, kw_only=True)
class Adjudication:
    """What adjudicating one recording comes to.

    Attributes:
        recording: its name.
        recording_id: its id.
        rate_hz: its samples per second.
        path: the file of the adjudicated layer.
        n_agreed: labels that the rule takes over.
        n_decided: labels that a person decided on.
        disputes: what nobody has decided yet, by start.
        add: labels that have to come into the layer.
        remove: labels that have to go.
        alone: kind → the only layer that has a say about it, so that there is nothing to compare.
        overruling: decisions that stand where the layers all agree on something else by now.
        layer: the layer as it was read; None where there is none yet.
    """

    recording: str
    recording_id: str
    rate_hz: float
    path: Path
    n_agreed: int
    n_decided: int
    disputes: tuple[Dispute, ...]
    add: tuple[Label, ...]
    remove: tuple[Label, ...]
    alone: Mapping[str, str]
    overruling: int
    layer: Layer | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.add or self.remove)


def adjudicate(
    study: Study,
    recordings: Sequence[Path] | None = None,
    *,
    layers: Sequence[str] | None = None,
    rule: Rule = "unanimous",
    kinds: Sequence[str] = KINDS,
    decisions: Mapping[str, Sequence[Decision]] | None = None,
    by: str = "",
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Adjudication]:
    """Bring the adjudicated layers of recordings up to date.

    Everything is worked out and checked for all recordings before anything is written; see ``plan_study``.

    Raises:
        CurateError: there are not two layers, or a decision does not fit; nothing was written.
        LayerError: a layer is damaged or cannot be written; what was written before it is whole, and the next call goes
            on from there.
        RecordingError: a recording is damaged; nothing was written.
    """
    plans = plan_study(
        study, recordings, layers=layers, rule=rule, kinds=kinds, decisions=decisions, by=by, on_progress=on_progress
    )
    for plan in plans:
        write_adjudication(plan)
    return plans


def plan_study(
    study: Study,
    recordings: Sequence[Path] | None = None,
    *,
    layers: Sequence[str] | None = None,
    rule: Rule = "unanimous",
    kinds: Sequence[str] = KINDS,
    decisions: Mapping[str, Sequence[Decision]] | None = None,
    by: str = "",
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Adjudication]:
    """Work out what the adjudicated layers of recordings have to be; nothing is written.

    Args:
        study: the study.
        recordings: which; all when None.
        layers: whose labels are compared; the annotators' own when None.
        rule: ``unanimous`` takes over what all layers say, ``majority`` what more than half of them say.
        kinds: which kinds; the others stay as they are in the layer.
        decisions: recording's name → what a person decided.
        by: who decided, as an annotator's name; "" leaves it open.
        on_progress: told each recording's name, how many are done, and how many there are.

    Raises:
        CurateError: there are not two layers, or a decision does not fit.
        LayerError: a layer is damaged.
        RecordingError: a recording is damaged.
    """
    paths = study.recordings() if recordings is None else list(recordings)
    if by and not ANNOTATOR_NAME.fullmatch(by):
        raise CurateError(f"Who decides is {by[:80]!r}; use 1 to 64 letters, digits, - or _.")
    if layers is not None and ADJUDICATED in layers:
        raise CurateError(f"The layer {ADJUDICATED} is what comes of it, and cannot be compared; leave it out.")
    decisions = decisions or {}
    stray = next((name for name, some in decisions.items() if some and name not in {path.stem for path in paths}), None)
    if stray is not None:
        raise CurateError(
            f"{decisions[stray][0].where}: it is about {stray[:80]!r}, which is not among the recordings to "
            "adjudicate; name that one too, or take the row out."
        )
    unasked = next((one for some in decisions.values() for one in some if one.kind not in kinds), None)
    if unasked is not None:
        raise CurateError(
            f"{unasked.where}: it is about {unasked.kind}, and only {', '.join(kinds)} is adjudicated; name that kind "
            "too, or take the row out."
        )
    names = choose_layers(study, paths, layers)
    plans = []
    for done, path in enumerate(paths):
        if on_progress is not None:
            on_progress(path.stem, done, len(paths))
        plans.append(
            plan_adjudication(
                study, path, layers=names, rule=rule, kinds=kinds, decisions=decisions.get(path.stem, ()), by=by
            )
        )
    return plans


def plan_adjudication(
    study: Study,
    path: Path,
    *,
    layers: Sequence[str],
    rule: Rule = "unanimous",
    kinds: Sequence[str] = KINDS,
    decisions: Sequence[Decision] = (),
    by: str = "",
) -> Adjudication:
    """Work out what the adjudicated layer of one recording has to be; nothing is written. See ``adjudicate``."""
    with open_recording(path) as recording:
        labels = read_layers(study, recording)
        layer = next(iter(open_layers(study, recording, only=[ADJUDICATED])), None)
        n_samples, rate_hz, valid = recording.n_samples, recording.rate_hz, recording.valid
        recording_id = recording.header.recording_id
    standing = [] if layer is None else layer.labels()
    activities = {*ACTIVITIES, *(one.value for held in labels.values() for one in held if one.kind == "activity")}
    axis = Axis.of(valid)
    wanted: list[Held | Finding] = []
    disputes: list[Dispute] = []
    alone: dict[str, str] = {}
    n_decided = overruling = 0
    for kind in kinds:
        compared = {name: labels[name] for name in sorted(layers) if name in labels}
        names = taking_part(compared, kind, looked=frozenset(filter(is_annotator, compared)))
        consensus = Consensus(findings=(), disputes=())
        if len(names) > 1:
            consensus = find_consensus(
                {name: compared[name] for name in names}, kind, n_samples=n_samples, rate_hz=rate_hz, rule=rule
            )
        elif names and any(label.kind == kind for label in compared[names[0]]):
            alone[kind] = names[0]
        chosen = [decision for decision in decisions if decision.kind == kind]
        held = settle(held_decisions(standing, kind), chosen, consensus.disputes, activities=activities, by=by)
        taken = decided_ranges(held, rate_hz)
        wanted += held
        wanted += _undecided(consensus.findings, taken)
        disputes += _open(consensus.disputes, taken, axis)
        n_decided += len(held)
        overruling += _overruling(held, consensus.findings)
    add, remove = _difference(standing, wanted, kinds)
    return Adjudication(
        recording=path.stem,
        recording_id=recording_id,
        rate_hz=rate_hz,
        path=study.labels_dir(path.stem) / f"{ADJUDICATED}.jsonl",
        n_agreed=len(wanted) - n_decided,
        n_decided=n_decided,
        disputes=tuple(sorted(disputes, key=lambda one: (one.start, one.stop, one.kind))),
        add=add,
        remove=remove,
        alone=alone,
        overruling=overruling,
        layer=layer,
    )


def write_adjudication(plan: Adjudication) -> None:
    """Bring the adjudicated layer up to date by one edit, or by none where it is.

    Raises:
        LayerError: the layer was changed meanwhile or cannot be written; it is as it was.
    """
    if not plan.changes:
        return
    layer = plan.layer
    if layer is None:
        layer = Layer.create(plan.path, plan.recording_id, ADJUDICATED)
    layer.edit(remove=plan.remove, add=plan.add)


def _undecided(findings: Sequence[Finding], taken: Sequence[tuple[int, int]]) -> list[Finding]:
    return [
        replace(one, start=start, stop=stop) for one in findings for start, stop in without(one.start, one.stop, taken)
    ]


def _open(disputes: Sequence[Dispute], taken: Sequence[tuple[int, int]], axis: Axis) -> list[Dispute]:
    """What is left to decide; nobody has to decide about samples that are missing."""
    left = []
    for one in disputes:
        pieces = without(one.start, one.stop, taken)
        if one.kind == "beat" and pieces != [(one.start, one.stop)]:
            # A beat that was decided on settles the whole of it.
            continue
        real = axis.count(np.array(pieces, dtype=np.int64).reshape(-1, 2))
        left += [
            replace(one, start=start, stop=stop)
            for (start, stop), (before, after) in zip(pieces, real.tolist(), strict=True)
            if after > before
        ]
    return left


def _overruling(held: Sequence[Held], findings: Sequence[Finding]) -> int:
    """How many decisions stand where the layers agree on something else."""
    spans: NDArray[np.int64] = np.array([(one.start, one.stop) for one in findings], dtype=np.int64).reshape(-1, 2)
    n = 0
    for one in held:
        # Findings are in order and disjoint.
        first = int(np.searchsorted(spans[:, 1], one.start, side="right"))
        last = int(np.searchsorted(spans[:, 0], one.stop, side="left"))
        n += any((one.kind, one.value) != (other.kind, other.value) for other in findings[first:last])
    return n


def _difference(
    standing: Sequence[Label], wanted: Sequence[Held | Finding], kinds: Sequence[str]
) -> tuple[tuple[Label, ...], tuple[Label, ...]]:
    """What has to come and what has to go so that just what is wanted stands there."""
    there: dict[tuple[int, int, str, str, str], list[Label]] = {}
    for label in standing:
        if label.kind in kinds or (label.kind == ABSENT and label.value in kinds):
            there.setdefault(_key(label), []).append(label)
    missing: Counter[tuple[int, int, str, str, str]] = Counter()
    for one in wanted:
        same = there.get(_key(one))
        if same:
            same.pop()
        else:
            missing[_key(one)] += 1
    add = tuple(
        new_label(start, stop, kind=kind, value=value, annotator=ADJUDICATED, origin=origin)
        for start, stop, kind, value, origin in missing.elements()
    )
    return add, tuple(label for left in there.values() for label in left)


def _key(one: Label | Held | Finding) -> tuple[int, int, str, str, str]:
    return (one.start, one.stop, one.kind, one.value, one.origin)
