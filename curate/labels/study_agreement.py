"""Agreement between layers over a whole study, and recording by recording.

Where recordings have different rates, their samples are weighted so that equal times count alike.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acquire.recordings.recording import open_recording
from curate.errors import CurateError
from curate.labels.label import Label
from curate.labels.layer_agreement import RecordingAgreement, compare_layers
from curate.labels.layers import PROTOCOL, is_annotator, open_layers, protocol_labels
from curate.labels.log import layer_files
from curate.labels.pair_agreement import KINDS, KindAgreement

if TYPE_CHECKING:
    from acquire.recordings.recording import Recording
    from acquire.study import Study

__all__ = ["StudyAgreement", "choose_layers", "choose_recordings", "layer_names", "read_layers", "study_agreement"]


@dataclass(frozen=True, kw_only=True)
class StudyAgreement:
    """A whole study.

    Attributes:
        layers: the layers that were compared.
        kinds: kind → agreement over all recordings.
        recordings: those in which there was something to compare, by name.
        passed_over: names of recordings in which fewer than two of the layers say anything of one kind.
    """

    layers: tuple[str, ...]
    kinds: Mapping[str, KindAgreement]
    recordings: tuple[RecordingAgreement, ...]
    passed_over: tuple[str, ...]

    def worst_first(self, kind: str) -> list[RecordingAgreement]:
        """The recordings in which the kind was compared, least agreement first, the undefined ones last."""
        there = [one for one in self.recordings if kind in one.kinds]

        def rank(one: RecordingAgreement) -> tuple[float, str]:
            figure = one.kinds[kind].rank
            return (math.inf if math.isnan(figure) else figure, one.recording)

        return sorted(there, key=rank)


def choose_recordings(study: Study, patterns: Sequence[str] | None) -> list[Path]:
    """The study's recordings of these names, or of patterns such as ``sub-S01*``; all when None.

    Raises:
        CurateError: there are none, or a name or pattern fits none.
    """
    paths = study.recordings()
    if not paths:
        raise CurateError(f"{study.path} has no recordings; record or import some.")
    if patterns is None:
        return paths
    chosen = set()
    for pattern in patterns:
        found = [path for path in paths if fnmatch.fnmatchcase(path.stem, pattern.removesuffix(".h5"))]
        if not found:
            raise CurateError(f"{study.path} has no recording {pattern[:80]!r}; one is called {paths[0].stem}.")
        chosen.update(found)
    return sorted(chosen)


def layer_names(study: Study, recordings: Iterable[Path]) -> tuple[str, ...]:
    """The names of all layers that there are of these recordings, the protocol's among them."""
    files = (file for path in recordings for file in layer_files(study.labels_dir(path.stem)))
    return tuple(sorted({PROTOCOL, *(file.stem for file in files)}))


def read_layers(study: Study, recording: Recording, *, only: Sequence[str] | None = None) -> dict[str, list[Label]]:
    """The labels of a recording's layers by name; the protocol's come from its events where nobody wrote them yet.

    Raises:
        LayerError: see ``curate.labels.layers.open_layers``.
    """
    labels = {layer.annotator: layer.labels() for layer in open_layers(study, recording, only=only)}
    if PROTOCOL not in labels and (only is None or PROTOCOL in only):
        labels[PROTOCOL] = protocol_labels(recording)
    return labels


def choose_layers(study: Study, recordings: Sequence[Path], layers: Sequence[str] | None) -> tuple[str, ...]:
    """The layers to compare: those that are named, or the annotators' own.

    Raises:
        CurateError: a named layer is nowhere, or there are fewer than two.
    """
    there = layer_names(study, recordings)
    listed = f"there are {', '.join(there)}"
    if layers is None:
        chosen = tuple(name for name in there if is_annotator(name))
        if len(chosen) < 2:
            raise CurateError(
                f"{study.path}: comparing takes the layers of two annotators, and {listed}; let another annotator "
                "label, or name two layers with --layers."
            )
        return chosen
    absent = [name for name in layers if name not in there]
    if absent:
        raise CurateError(f"{study.path}: no recording has a layer {absent[0][:80]!r}; {listed}.")
    if len(set(layers)) < 2:
        raise CurateError(f"{study.path}: comparing takes two layers, and {', '.join(layers)} is one; name another.")
    return tuple(sorted(set(layers)))


def study_agreement(
    study: Study,
    *,
    recordings: Sequence[Path] | None = None,
    layers: Sequence[str] | None = None,
    kinds: Sequence[str] = KINDS,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> StudyAgreement:
    """Compare the layers of a study's recordings.

    Args:
        study: the study; it is only read.
        recordings: which; all when None.
        layers: which; the annotators' own when None, which leaves out the protocol's, imported and adjudicated ones.
        kinds: which kinds.
        on_progress: told each recording's name, how many are done, and how many there are.

    Raises:
        CurateError: there are not two layers to compare.
        LayerError: a layer is damaged or belongs elsewhere.
        RecordingError: a recording is damaged.
    """
    paths = study.recordings() if recordings is None else list(recordings)
    names = choose_layers(study, paths, layers)
    found, passed_over = [], []
    for done, path in enumerate(paths):
        if on_progress is not None:
            on_progress(path.stem, done, len(paths))
        with open_recording(path) as recording:
            one = compare_layers(
                read_layers(study, recording, only=names),
                recording=path.stem,
                valid=recording.valid,
                rate_hz=recording.rate_hz,
                kinds=kinds,
            )
        if one.kinds:
            found.append(one)
        else:
            passed_over.append(path.stem)
    return StudyAgreement(
        layers=names, kinds=_pool(found, kinds), recordings=tuple(found), passed_over=tuple(passed_over)
    )


def _pool(recordings: Sequence[RecordingAgreement], kinds: Sequence[str]) -> dict[str, KindAgreement]:
    """Add up what the recordings gave; those of a higher rate than the slowest count less for each sample."""
    slowest = min((one.rate_hz for one in recordings), default=1.0)
    pooled = {}
    for kind in kinds:
        parts = [(one.kinds[kind], slowest / one.rate_hz) for one in recordings if kind in one.kinds]
        # Where nobody ever marked anything unusable, nobody was asked to.
        if kind == "unusable" and not any(pair.segments for part, _ in parts for pair in part.pairs):
            continue
        if parts:
            pooled[kind] = KindAgreement.pooled(parts)
    return pooled
