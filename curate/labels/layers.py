"""Which label holds where: the protocol's own layer, a recording's other layers, and one reading of them all.

Layers never overwrite one another. Reading them together is a rule, applied anew each time: for the activity, the
adjudicated layer speaks before the annotators, those before an imported layer, that before the protocol. Two layers of
the same rank that say different things about a sample leave it contested, and a contested sample has no activity.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curate.errors import LayerError
from curate.labels.layer import ABSENT, Label, Layer, new_label
from curate.labels.log import layer_files
from protocols.spans import activity_spans

if TYPE_CHECKING:
    from acquire.recordings.recording import Recording
    from acquire.study import Study

__all__ = [
    "ADJUDICATED",
    "IMPORTED",
    "PROTOCOL",
    "MergedLabels",
    "check_within",
    "is_annotator",
    "merge_labels",
    "open_layers",
    "protocol_labels",
    "write_protocol_layer",
]

ADJUDICATED = "adjudicated"
IMPORTED = "imported"
PROTOCOL = "protocol"

_DENIED = -3
_ANNOTATOR_RANK = 1
_RANKS = {ADJUDICATED: 0, IMPORTED: 2, PROTOCOL: 3}
# Names for what trilead derives: the same recording gives the same labels, hence the same layer file, byte for byte.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "trilead:protocol-layer")


def protocol_labels(recording: Recording) -> list[Label]:
    """Turn a recording's protocol events into activity labels; the same events always give the same labels."""
    time = _utc(recording.header.started_at)
    return [
        new_label(
            span.start,
            span.stop,
            kind="activity",
            value=span.activity,
            annotator=PROTOCOL,
            time=time,
            uuid=str(uuid.uuid5(_NAMESPACE, f"{recording.header.recording_id} {span.event_uuid} {span.start}")),
        )
        for span in activity_spans(recording.events, recording.n_samples)
        if span.activity and span.stop > span.start
    ]


def write_protocol_layer(study: Study, recording: Recording) -> Layer | None:
    """Write the protocol's layer beside the others, unless it is there; None when the protocol says nothing.

    Raises:
        LayerError: the folder cannot be written, or what is there is damaged or another recording's.
    """
    path = study.labels_dir(recording.path.stem) / f"{PROTOCOL}.jsonl"
    recording_id = recording.header.recording_id
    layer = Layer.open(path, recording_id=recording_id) if path.exists() else None
    # A layer without a single edit is one whose writer was ended between its first line and its second.
    if layer is not None and (layer.can_undo or layer.can_redo):
        return layer
    labels = protocol_labels(recording)
    if not labels:
        return layer
    if layer is None:
        layer = Layer.create(path, recording_id, PROTOCOL)
    layer.edit(add=labels, uuid=str(uuid.uuid5(_NAMESPACE, recording_id)), time=_utc(recording.header.started_at))
    return layer


def open_layers(study: Study, recording: Recording, *, only: Sequence[str] | None = None) -> list[Layer]:
    """Open all layers of a recording, in order of their annotators' names, checking each against it.

    Args:
        study: the study.
        recording: the open recording.
        only: take only these annotators' layers.

    Raises:
        LayerError: a layer is damaged, another recording's, under another annotator's name, or reaches past the end.
    """
    folder = study.labels_dir(recording.path.stem)
    layers = []
    for path in layer_files(folder):
        if only is not None and path.stem not in only:
            continue
        layer = Layer.open(path, recording_id=recording.header.recording_id)
        if layer.annotator != path.stem:
            raise LayerError(
                f"the file says that it is the layer of {layer.annotator!r}; name it {layer.annotator}.jsonl.",
                path=path,
            )
        check_within(layer.labels(), recording.n_samples, path)
        layers.append(layer)
    return layers


def check_within(labels: Sequence[Label], n_samples: int, path: Path) -> None:
    """Refuse labels that reach past the end of the recording.

    Raises:
        LayerError: names the first such label.
    """
    for label in labels:
        if label.stop > n_samples:
            raise LayerError(
                f"label {label.uuid} ends at sample {label.stop}; the recording has {n_samples}; move the label.",
                path=path,
            )


@dataclass(frozen=True, kw_only=True)
class MergedLabels:
    """What all layers of a recording say, sample by sample.

    Attributes:
        activities: the activities there are, sorted; ``activity`` counts into it.
        activity: shape (n_samples,) int16: index of the activity that holds, −1 where none is named, −2 where layers of
            the same rank disagree.
        artefact: shape (n_samples,) int8: degree 1 to 4, 0 where nobody graded it.
        unusable: shape (n_samples,) bool: somebody marked it unusable.
    """

    activities: tuple[str, ...]
    activity: NDArray[np.int16]
    artefact: NDArray[np.int8]
    unusable: NDArray[np.bool_]

    NONE = -1
    CONTESTED = -2


def merge_labels(labels: Sequence[Label], n_samples: int) -> MergedLabels:
    """Read several layers together.

    Activity: per sample, the highest rank that names one (adjudicated, annotators, imported, protocol); different names
    within that rank leave the sample contested. Artefact: per sample, the highest rank that graded it, and there the
    worst degree. Unusable: marked by anyone, of any rank. A label ``absent`` takes away what lower ranks say of its
    kind; against a name of its own rank it leaves the sample contested, against a degree or a mark of its own rank it
    does nothing.

    Args:
        labels: from all layers, in any order; none may reach past ``n_samples``.
        n_samples: length of the recording.
    """
    names = tuple(sorted({label.value for label in labels if label.kind == "activity"}))
    code = {name: number for number, name in enumerate(names)}
    activity = np.full(n_samples, MergedLabels.NONE, dtype=np.int16)
    artefact = np.zeros(n_samples, dtype=np.int8)
    unusable = np.zeros(n_samples, dtype=np.bool_)
    # From the lowest rank to the highest, so that what speaks last is what holds.
    for rank in sorted({_rank(label.annotator) for label in labels}, reverse=True):
        ranked = [label for label in labels if _rank(label.annotator) == rank]
        denied = {
            kind: [label for label in ranked if label.kind == ABSENT and label.value == kind]
            for kind in ("activity", "artefact", "unusable")
        }
        named = [(label, code[label.value]) for label in ranked if label.kind == "activity"]
        _overlay(activity, named + [(label, _DENIED) for label in denied["activity"]])
        for label in denied["artefact"]:
            artefact[label.start : label.stop] = 0
        for label in denied["unusable"]:
            unusable[label.start : label.stop] = False
        degree = np.zeros(n_samples, dtype=np.int8)
        for label in ranked:
            if label.kind == "artefact":
                part = degree[label.start : label.stop]
                np.maximum(part, np.int8(int(label.value)), out=part)
            elif label.kind == "unusable":
                unusable[label.start : label.stop] = True
        np.copyto(artefact, degree, where=degree > 0)
    return MergedLabels(activities=names, activity=activity, artefact=artefact, unusable=unusable)


def _overlay(activity: NDArray[np.int16], labels: Sequence[tuple[Label, int]]) -> None:
    """Lay one rank's activities over the lower ranks'; where this rank contradicts itself, the sample is contested."""
    if not labels:
        return
    own = np.full(activity.size, MergedLabels.NONE, dtype=np.int16)
    for label, code in labels:
        part = own[label.start : label.stop]
        part[...] = np.where(
            (part == MergedLabels.NONE) | (part == code), np.int16(code), np.int16(MergedLabels.CONTESTED)
        )
    np.copyto(activity, own, where=own != MergedLabels.NONE)
    activity[activity == _DENIED] = MergedLabels.NONE


def is_annotator(layer: str) -> bool:
    """Whether a layer is an annotator's own: neither the protocol's, nor imported, nor adjudicated."""
    return _rank(layer) == _ANNOTATOR_RANK


def _rank(layer: str) -> int:
    return _RANKS[IMPORTED] if layer.startswith(f"{IMPORTED}-") else _RANKS.get(layer, _ANNOTATOR_RANK)


def _utc(started_at: str) -> str:
    """The header's moment as a layer's: UTC with its offset written out."""
    moment = datetime.fromisoformat(started_at)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()
