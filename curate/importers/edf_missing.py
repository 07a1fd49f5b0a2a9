"""Samples of a continuous EDF+ file that annotations say are missing, as trilead's own export says it.

EDF+C has no word for a gap. An annotation ``gap "cause", digital -32768`` or ``padding, digital -32768`` covers rows
that hold that number in every signal; only where they do is it believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.content import Gap

if TYPE_CHECKING:
    from curate.importers.edf import Annotation

__all__ = ["take_out_missing"]

_MISSING = re.compile(r'(?:gap (?P<cause>".*")|padding), digital (?P<number>-?[0-9]{1,10})')
_UNNAMED_CAUSE = "missing in the file"


def take_out_missing(
    values: NDArray[Any], annotations: Sequence[Annotation], *, start_s: float, rate_hz: float
) -> tuple[NDArray[Any], tuple[Gap, ...], list[Annotation]]:
    """Turn rows that are said to be missing into gaps.

    Args:
        values: counts, shape (n_samples, n_signals).
        annotations: all of the file's.
        start_s: when the first row was, in the annotations' seconds.
        rate_hz: rows per second.

    Returns:
        The counts, zero in gaps and without what is missing at their end; the gaps in order; and the annotations that
        said something else.
    """
    missing: list[tuple[int, int, str]] = []
    others: list[Annotation] = []
    for one in annotations:
        match = _MISSING.fullmatch(one.text)
        start = round((one.onset_s - start_s) * rate_hz)
        stop = min(len(values), round((one.onset_s + one.duration_s - start_s) * rate_hz))
        if match and 0 <= start < stop and np.all(values[start:stop] == int(match["number"])):
            missing.append((start, stop, _cause(match["cause"])))
        else:
            others.append(one)
    if not missing:
        return values, (), others
    kept = values.copy()
    gaps: list[Gap] = []
    for start, stop, cause in sorted(missing):
        begin = max(start, gaps[-1].start + gaps[-1].length) if gaps else start
        if begin < stop:
            gaps.append(Gap(start=begin, length=stop - begin, cause=cause))
            kept[begin:stop] = 0
    while gaps and gaps[-1].start + gaps[-1].length == len(kept):
        kept = kept[: gaps.pop().start]
    return kept, tuple(gaps), others


def _cause(quoted: str | None) -> str:
    """What the annotation names, which is escaped as in JSON."""
    try:
        return str(json.loads(quoted)) if quoted else _UNNAMED_CAUSE
    except ValueError:
        return _UNNAMED_CAUSE
