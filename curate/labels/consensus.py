"""What layers agree on, and what is left for a person to decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curate.labels.beat_alignment import align_beats
from curate.labels.label import ABSENT, MAX_VALUE_CHARS, Label
from curate.labels.runs import CONTRADICTION, SILENT, Axis, Runs, read_runs

__all__ = ["BY_RULE", "Consensus", "Dispute", "Finding", "Rule", "find_consensus", "shortened"]

Rule = Literal["unanimous", "majority"]

BY_RULE = ("unanimous: ", "majority ")
"""How the origin of a label begins that a rule took over."""

_NAMED = 12


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that the rule takes over.

    Attributes:
        start: first sample.
        stop: one past the last.
        kind: a label's kind; ``absent`` where the layers agree that there is nothing, though one says something.
        value: the label's value.
        origin: the rule, and whose labels these are.
    """

    start: int
    stop: int
    kind: str
    value: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A range about which the layers do not agree.

    Attributes:
        start: first sample.
        stop: one past the last.
        kind: what it is about.
        said: layer → what it says there, "" for nothing; of a beat, its sample and its type.
        reasons: why those who marked it find it unusable; "" for other kinds.
    """

    start: int
    stop: int
    kind: str
    said: Mapping[str, str]
    reasons: str = ""


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """One kind, in one recording.

    Attributes:
        findings: what is taken over, by start.
        disputes: what is not agreed on, by start.
    """

    findings: tuple[Finding, ...]
    disputes: tuple[Dispute, ...]


def find_consensus(
    layers: Mapping[str, Sequence[Label]], kind: str, *, n_samples: int, rate_hz: float, rule: Rule
) -> Consensus:
    """Find what layers agree on in one kind, sample by sample.

    ``unanimous`` takes over what every layer says; ``majority`` what more than half of them say. To mark nothing
    unusable is to say that it is usable, and to mark no beat is to say that there is none; but where a layer names no
    activity or no degree it says nothing, and never outvotes one that does. A boundary on which all agree who say what
    is taken over stays one, even between two labels of one value.

    Beats no more than 150 ms apart are one beat; what is taken over is the place that the middle one of the annotators
    gave it (of an even number, the earlier of the two in the middle), and the type on which those agree who gave one.

    Args:
        layers: name → labels of those who have a say.
        kind: the kind.
        n_samples: length of the recording.
        rate_hz: its samples per second.
        rule: see above.
    """
    if kind == "beat":
        return _beat_consensus(layers, rate_hz, rule)
    runs = read_runs(layers, kind, Axis.whole(n_samples))
    patterns, which = np.unique(runs.codes, axis=1, return_inverse=True)
    verdicts = [_judge(runs, pattern, kind, rule) for pattern in patterns.T]
    # What comes to the same is one finding, whatever those say who are outvoted; each dispute is one of its own.
    alike = np.array([place if one.is_disputed else verdicts.index(one) for place, one in enumerate(verdicts)])
    which = alike[which.reshape(-1)]
    findings, disputes = [], []
    for first, last in _stretches(runs, layers, kind, which, verdicts):
        start, stop = int(runs.edges[first]), int(runs.edges[last])
        verdict = verdicts[which[first]]
        if verdict.is_disputed:
            said = {
                name: _said(runs, int(code), layers[name], kind, start, stop)
                for name, code in zip(runs.layers, patterns[:, which[first]], strict=True)
            }
            reasons = _reasons(list(layers.values()), start, stop) if kind == "unusable" else ""
            disputes.append(Dispute(start=start, stop=stop, kind=kind, said=said, reasons=reasons))
        elif verdict.origin:
            found_kind, value = (ABSENT, kind) if verdict.value == "" else (kind, verdict.value)
            if found_kind == "unusable":
                value = _reasons([layers[name] for name in verdict.supporters], start, stop)
            findings.append(Finding(start=start, stop=stop, kind=found_kind, value=value, origin=verdict.origin))
    return Consensus(findings=tuple(findings), disputes=tuple(disputes))


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """What the rule makes of one pattern of what the layers say; nothing at all unless a field says so."""

    is_disputed: bool = False
    value: str = ""
    origin: str = ""
    supporters: tuple[str, ...] = ()


def _judge(runs: Runs, pattern: NDArray[np.int32], kind: str, rule: Rule) -> _Verdict:
    if (pattern == SILENT).all():
        return _Verdict()
    code, n = Counter(pattern.tolist()).most_common(1)[0]
    is_vote = code >= 0 or (code == SILENT and kind == "unusable")
    needed = pattern.size if rule == "unanimous" else pattern.size // 2 + 1
    if not is_vote or n < needed:
        return _Verdict(is_disputed=True)
    supporters = tuple(name for name, said in zip(runs.layers, pattern.tolist(), strict=True) if said == code)
    return _Verdict(
        value=runs.values[code] if code >= 0 else "",
        origin=_origin(supporters, pattern.size),
        supporters=supporters,
    )


def _origin(supporters: Sequence[str], n_layers: int) -> str:
    if len(supporters) == n_layers:
        return f"unanimous: {shortened(supporters)}"
    return f"majority {len(supporters)} of {n_layers}: {shortened(supporters)}"


def shortened(names: Sequence[str]) -> str:
    """A list of names by comma, of which a very long one names only the first."""
    rest = len(names) - _NAMED
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:_NAMED])} and {rest} more"


def _stretches(
    runs: Runs,
    layers: Mapping[str, Sequence[Label]],
    kind: str,
    which: NDArray[np.intp],
    verdicts: Sequence[_Verdict],
) -> Iterable[tuple[int, int]]:
    """Join neighbouring runs of one pattern, but for boundaries that all have who say what is taken over."""
    bounds = {
        name: np.isin(
            runs.edges,
            [place for label in labels if label.kind == kind for place in (label.start, label.stop)],
        )
        for name, labels in layers.items()
    }
    cut = np.ones(which.size + 1, dtype=np.bool_)
    cut[1:-1] = which[1:] != which[:-1]
    for number, verdict in enumerate(verdicts):
        if verdict.supporters and verdict.value:
            shared = np.all([bounds[name] for name in verdict.supporters], axis=0)
            cut[:-1] |= shared[:-1] & (which == number)
    places = np.flatnonzero(cut).tolist()
    return pairwise(places)


def _said(runs: Runs, code: int, labels: Sequence[Label], kind: str, start: int, stop: int) -> str:
    if code == CONTRADICTION:
        here = {label.value for label in labels if label.kind == kind and label.start < stop and label.stop > start}
        return " / ".join(sorted(here))
    return "" if code == SILENT else runs.values[code]


def _reasons(layers: Sequence[Sequence[Label]], start: int, stop: int) -> str:
    """Why those who marked a range find it unusable, each reason once."""
    reasons = dict.fromkeys(
        label.value
        for labels in layers
        for label in labels
        if label.kind == "unusable" and label.start < stop and label.stop > start and label.value
    )
    text, limit = "; ".join(reasons), MAX_VALUE_CHARS["unusable"]
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _beat_consensus(layers: Mapping[str, Sequence[Label]], rate_hz: float, rule: Rule) -> Consensus:
    names = tuple(layers)
    beats = [
        sorted((label.start, label.value) for label in labels if label.kind == "beat") for labels in layers.values()
    ]
    units = align_beats([np.array([start for start, _ in held], dtype=np.int64) for held in beats], rate_hz=rate_hz)
    findings, disputes = [], []
    for unit in units.tolist():
        there = {name: held[place] for name, held, place in zip(names, beats, unit, strict=True) if place >= 0}
        places = sorted(start for start, _ in there.values())
        types = Counter(value for _, value in there.values() if value)
        value, n_typed = types.most_common(1)[0] if types else ("", 0)
        needed = len(names) if rule == "unanimous" else len(names) // 2 + 1
        typed_alike = len(types) <= 1 or (rule == "majority" and 2 * n_typed > types.total())
        if len(there) >= needed and typed_alike:
            middle = places[(len(places) - 1) // 2]
            findings.append(
                Finding(
                    start=middle,
                    stop=middle + 1,
                    kind="beat",
                    value=value,
                    origin=_origin(tuple(there), len(names)),
                )
            )
        elif rule == "unanimous" or 2 * len(there) >= len(names):
            said = {name: " ".join(map(str, there[name])).strip() if name in there else "" for name in names}
            disputes.append(Dispute(start=places[0], stop=places[-1] + 1, kind="beat", said=said))
    return Consensus(findings=tuple(findings), disputes=tuple(disputes))
