"""Agreement between the layers of one recording: per kind, of all layers and of every two.

Samples that are missing from the recording count for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from curate.beats.score import pair_beats
from curate.labels.agreement import count_pairs
from curate.labels.beat_alignment import align_beats
from curate.labels.boundaries import boundary_offsets, match_segments, segments_of
from curate.labels.label import Label
from curate.labels.layers import ADJUDICATED, is_annotator
from curate.labels.pair_agreement import KINDS, USABLE, KindAgreement, PairAgreement
from curate.labels.runs import MARKED, SILENT, Axis, Runs, read_runs, taking_part

__all__ = ["RecordingAgreement", "compare_layers"]


@dataclass(frozen=True, kw_only=True)
class RecordingAgreement:
    """One recording.

    Attributes:
        recording: its name.
        rate_hz: samples per second.
        valid_s: seconds of real samples.
        kinds: kind → agreement, of the kinds about which at least two layers have a say.
    """

    recording: str
    rate_hz: float
    valid_s: float
    kinds: Mapping[str, KindAgreement]


def compare_layers(
    layers: Mapping[str, Sequence[Label]],
    *,
    recording: str,
    valid: NDArray[np.int64],
    rate_hz: float,
    kinds: Sequence[str] = KINDS,
) -> RecordingAgreement:
    """Compare the layers of one recording.

    Args:
        layers: name → labels.
        recording: its name.
        valid: shape (k, 2): its ranges of real samples.
        rate_hz: samples per second.
        kinds: which kinds to compare.
    """
    axis = Axis.of(valid)
    looked = frozenset(name for name in layers if is_annotator(name) or name == ADJUDICATED)
    found = {}
    for kind in kinds:
        names = taking_part(layers, kind, looked=looked)
        if len(names) < 2:
            continue
        chosen = {name: layers[name] for name in sorted(names)}
        if kind == "beat":
            found[kind] = _compare_beats(chosen, axis, rate_hz)
        else:
            found[kind] = _compare_ranges(chosen, kind, axis, rate_hz)
    return RecordingAgreement(recording=recording, rate_hz=rate_hz, valid_s=axis.n / rate_hz, kinds=found)


def _compare_ranges(layers: Mapping[str, Sequence[Label]], kind: str, axis: Axis, rate_hz: float) -> KindAgreement:
    runs = read_runs(layers, kind, axis)
    values, codes = runs.values, runs.codes
    if kind == "unusable":
        # Who marked nothing said that it is usable.
        values, codes = (USABLE, MARKED), codes - SILENT
    contradictions = {
        name: float(runs.lengths[row < SILENT].sum()) / rate_hz
        for name, row in zip(runs.layers, runs.codes, strict=True)
        if (row < SILENT).any()
    }
    return KindAgreement(
        kind=kind,
        layers=runs.layers,
        coincidences=count_pairs(codes, runs.lengths, values),
        pairs=tuple(
            _compare_two(runs, kind, codes, values, one, other, rate_hz)
            for one, other in combinations(range(len(runs.layers)), 2)
        ),
        contradictions_s=contradictions,
    )


def _compare_two(
    runs: Runs, kind: str, codes: NDArray[np.int32], values: Sequence[str], one: int, other: int, rate_hz: float
) -> PairAgreement:
    said = codes[[one, other]] >= 0
    both = said.all(axis=0)
    cells = np.bincount(
        codes[one, both] * len(values) + codes[other, both],
        weights=runs.lengths[both],
        minlength=len(values) ** 2,
    )
    first, second = segments_of(runs, one), segments_of(runs, other)
    pairs = match_segments(first, second)
    matched = Counter(first.code[pairs[:, 0]].tolist())
    mine, others = Counter(first.code.tolist()), Counter(second.code.tolist())
    return PairAgreement(
        kind=kind,
        first=runs.layers[one],
        second=runs.layers[other],
        table=Counter(
            {
                (values[cell // len(values)], values[cell % len(values)]): float(cells[cell])
                for cell in np.flatnonzero(cells).tolist()
            }
        ),
        both_s=float(runs.lengths[both].sum()) / rate_hz,
        first_only_s=float(runs.lengths[said[0] & ~said[1]].sum()) / rate_hz,
        second_only_s=float(runs.lengths[said[1] & ~said[0]].sum()) / rate_hz,
        segments={runs.values[code]: (mine[code], others[code], matched[code]) for code in sorted({*mine, *others})},
        offsets_ms=boundary_offsets(first, second, pairs, runs.axis).astype(np.float64) * (1000.0 / rate_hz),
    )


def _compare_beats(layers: Mapping[str, Sequence[Label]], axis: Axis, rate_hz: float) -> KindAgreement:
    places, types = {}, {}
    for name, labels in layers.items():
        beats = sorted((label.start, label.value) for label in labels if label.kind == "beat")
        index = np.array([start for start, _ in beats], dtype=np.int64)
        # A beat in a gap is about no sample.
        real = axis.count(index + 1) > axis.count(index)
        places[name] = index[real]
        types[name] = [value for (_, value), there in zip(beats, real.tolist(), strict=True) if there]
    names = tuple(layers)
    values = tuple(sorted({value for held in types.values() for value in held if value}))
    number = {value: code for code, value in enumerate(values)}
    units = align_beats([places[name] for name in names], rate_hz=rate_hz)
    codes = np.full((len(names), len(units)), SILENT, dtype=np.int32)
    for row, name in enumerate(names):
        for unit in np.flatnonzero(units[:, row] >= 0).tolist():
            codes[row, unit] = number.get(types[name][units[unit, row]], SILENT)
    return KindAgreement(
        kind="beat",
        layers=names,
        coincidences=count_pairs(codes, np.ones(len(units), dtype=np.int64), values),
        pairs=tuple(_compare_two_beats(one, other, places, types, rate_hz) for one, other in combinations(names, 2)),
    )


def _compare_two_beats(
    one: str, other: str, places: Mapping[str, NDArray[np.int64]], types: Mapping[str, list[str]], rate_hz: float
) -> PairAgreement:
    pairs = pair_beats(places[one], places[other], rate_hz=rate_hz)
    typed = Counter((types[one][mine], types[other][their]) for mine, their in pairs.tolist())
    return PairAgreement(
        kind="beat",
        first=one,
        second=other,
        table=Counter({both: number for both, number in typed.items() if all(both)}),
        offsets_ms=(places[other][pairs[:, 1]] - places[one][pairs[:, 0]]).astype(np.float64) * (1000.0 / rate_hz),
        beats=(places[one].size, places[other].size, len(pairs)),
    )
