"""Agreement between layers as rows for programs (CSV, JSON) and as tables for people."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acquire.files import write_new
from curate.errors import CurateError
from curate.labels.pair_agreement import KindAgreement, PairAgreement
from curate.labels.study_agreement import StudyAgreement

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["as_json", "kind_tables", "undefined_notes", "write_csv"]

_COLUMNS = (
    "recording",
    "kind",
    "first",
    "second",
    "alpha",
    "alpha_undefined",
    "kappa",
    "kappa_undefined",
    "same",
    "both_s",
    "first_only_s",
    "second_only_s",
    "n_first",
    "n_second",
    "n_matched",
    "f1",
    "sensitivity",
    "precision",
    "offset_median_ms",
    "offset_p95_ms",
    "n_offsets",
)


def write_csv(path: Path, found: StudyAgreement) -> None:
    """Write a row for each two layers, kind and recording, and for all recordings, whose ``recording`` is empty.

    Raises:
        CurateError: there is such a file already, or it cannot be written.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for kind, total in found.kinds.items():
        writer.writerows(_rows("", total))
        for one in found.worst_first(kind):
            writer.writerows(_rows(one.recording, one.kinds[kind]))
    text = buffer.getvalue()
    try:
        write_new(path, text.encode("utf-8" if text.isascii() else "utf-8-sig"))
    except FileExistsError:
        raise CurateError(f"{path} exists already; give the table another name, or move it away.") from None
    except OSError as error:
        raise CurateError(f"{path} cannot be written: {error.strerror or error}; choose another place.") from error


def as_json(found: StudyAgreement) -> str:
    """Everything as one JSON object; what is undefined is null and has its reason beside it."""
    return json.dumps(
        {
            "layers": list(found.layers),
            "kinds": {kind: _kind_object(total) for kind, total in found.kinds.items()},
            "recordings": [
                {
                    "recording": one.recording,
                    "rate_hz": one.rate_hz,
                    "valid_s": one.valid_s,
                    "kinds": {kind: _kind_object(one.kinds[kind]) for kind in found.kinds if kind in one.kinds},
                }
                for one in found.recordings
            ],
            "passed_over": list(found.passed_over),
        },
        indent=2,
        ensure_ascii=False,
        allow_nan=False,
    )


def _rows(recording: str, total: KindAgreement) -> Iterator[dict[str, Any]]:
    alpha = total.alpha
    for pair in total.pairs:
        figures = _figures(pair)
        row = {
            "recording": recording,
            "kind": total.kind,
            "alpha": _or_none(alpha.value),
            "alpha_undefined": alpha.reason,
            **figures,
        }
        yield {column: "" if row.get(column) is None else row[column] for column in _COLUMNS}


def _kind_object(total: KindAgreement) -> dict[str, Any]:
    alpha = total.alpha
    return {
        "layers": list(total.layers),
        "alpha": _or_none(alpha.value),
        "alpha_undefined": alpha.reason,
        "contradictions_s": dict(total.contradictions_s),
        "pairs": [
            {
                **_figures(pair),
                "f1_by_value": {value: _or_none(figure) for value, figure in pair.f1_by_value.items()},
            }
            for pair in total.pairs
        ],
    }


def _figures(pair: PairAgreement) -> dict[str, Any]:
    kappa = pair.kappa
    n_first, n_second, n_matched = pair.events
    shared: dict[str, Any] = {
        "first": pair.first,
        "second": pair.second,
        "kappa": _or_none(kappa.value),
        "kappa_undefined": kappa.reason,
        "same": _or_none(pair.same),
        "n_first": n_first,
        "n_second": n_second,
        "n_matched": n_matched,
        "f1": _or_none(pair.f1),
        "offset_median_ms": _or_none(pair.offset_median_ms),
        "offset_p95_ms": _or_none(pair.offset_p95_ms),
        "n_offsets": int(pair.offsets_ms.size),
    }
    if pair.kind == "beat":
        return {**shared, "sensitivity": _or_none(pair.sensitivity), "precision": _or_none(pair.precision)}
    return {
        **shared,
        "both_s": pair.both_s,
        "first_only_s": pair.first_only_s,
        "second_only_s": pair.second_only_s,
    }


def kind_tables(found: StudyAgreement, kind: str, *, n_worst: int) -> list[RenderableType]:
    """What a person sees of one kind: all layers together, every two of them, and the recordings, the worst first."""
    from rich.table import Table
    from rich.text import Text

    total = found.kinds[kind]
    recordings = found.worst_first(kind)
    n = len(recordings)
    of = f"{len(total.layers)} layers, {n} {'recording' if n == 1 else 'recordings'}"
    what = "alpha of the types" if kind == "beat" else "alpha"
    shown: list[RenderableType] = [Text(f"{kind}: {what} {_short(total.alpha.value)} ({of})", style="bold")]
    table = _table("layers", *(_BEAT_HEADS if kind == "beat" else _RANGE_HEADS))
    for pair in total.pairs:
        table.add_row(Text(f"{pair.first}, {pair.second}"), *_cells(pair))
    shown.append(table)
    if n > 1:
        measure = "lowest F1" if kind == "beat" else "alpha"
        worst = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("recording, worst first", measure, "lowest of two layers"):
            worst.add_column(head, justify="right" if head == measure else "left")
        for one in recordings[:n_worst]:
            there = one.kinds[kind]
            figure = _short(there.rank if kind == "beat" else there.alpha.value)
            worst.add_row(Text(one.recording), figure, Text(_lowest(there)))
        shown.append(worst)
        if n > n_worst:
            shown.append(Text(f"and {n - n_worst} recordings more; --csv writes all of them."))
    return shown


def undefined_notes(total: KindAgreement) -> list[str]:
    """Why figures of one kind have no value, and who contradicts themselves."""
    notes = [] if total.alpha.is_defined else [f"alpha of {total.kind} is undefined: {total.alpha.reason}."]
    notes += [
        f"kappa of {pair.first} and {pair.second} for {total.kind} is undefined: {pair.kappa.reason}."
        for pair in total.pairs
        if not pair.kappa.is_defined
    ]
    notes += [
        f"{name} names two activities at once in {seconds:.1f} s, which count as not labelled."
        for name, seconds in total.contradictions_s.items()
    ]
    return notes


_RANGE_HEADS = ("kappa", "same", "both s", "one only s", "segments", "F1", "offset ms", "p95")
_BEAT_HEADS = ("Se", "PPV", "F1", "beats", "offset ms", "p95", "kappa of types")


def _cells(pair: PairAgreement) -> tuple[str, ...]:
    n_first, n_second, _ = pair.events
    offsets = (_short(pair.offset_median_ms, 0), _short(pair.offset_p95_ms, 0))
    counts = f"{n_first}, {n_second}"
    if pair.kind == "beat":
        shares = (_percent(pair.sensitivity), _percent(pair.precision), _percent(pair.f1))
        return (*shares, counts, *offsets, _short(pair.kappa.value))
    return (
        _short(pair.kappa.value),
        _percent(pair.same),
        f"{pair.both_s:.1f}",
        f"{pair.first_only_s:.1f}, {pair.second_only_s:.1f}",
        counts,
        _short(pair.f1),
        *offsets,
    )


def _lowest(total: KindAgreement) -> str:
    """The two layers that differ most, and by what."""
    if total.kind == "beat":
        scored = [(pair.f1, "F1", pair) for pair in total.pairs]
    else:
        scored = [(pair.kappa.value, "kappa", pair) for pair in total.pairs]
    known = [one for one in scored if not math.isnan(one[0])]
    if not known:
        return "–"
    figure, name, pair = min(known, key=lambda one: one[0])
    return f"{pair.first}, {pair.second}: {name} {_short(figure)}"


def _table(first: str, *rest: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for head in rest:
        table.add_column(head, justify="right")
    return table


def _short(value: float, digits: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
