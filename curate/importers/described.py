"""Import of CSV and TSV files that a person has described in a layout file; see `curate.importers.layout`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.content import Gap
from curate.errors import ImportRefused, RefusalReason
from curate.importers.layout import ChannelLayout, Column, Layout, read_layout
from curate.importers.leads import channel_in_mv, check_channel_names, choose_leads
from curate.importers.options import ImportOptions
from curate.importers.reading import refuse_empty
from curate.importers.recorded import (
    NO_TIME,
    Reading,
    clock_rows,
    gap_note,
    gaps_of_missing,
    plural,
    spread_rows,
    utc_text,
)
from curate.importers.registry import Importer
from curate.importers.table_text import NumberTable, TextLines, read_numbers, show
from curate.importers.time_axis import fit_time_axis

__all__ = ["DescribedImporter", "as_counts"]

_PER_S = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "iso": 1.0}
_RATE_TOLERANCE = 0.2
_LATEST_S = 1e11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_COUNT = 2**31


class DescribedImporter(Importer):
    """The format ``csv``, which needs a layout."""

    name = "csv"
    found_by_itself = False
    takes = frozenset({"lead", "layout"})

    def candidate(self, path: Path) -> bool:
        """By the ending."""
        return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt"))

    def companion(self, path: Path) -> bool:
        """There are none."""
        return False

    def recognises(self, path: Path) -> bool:
        """Never: what the columns are, only a person can say."""
        return False

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        if options.layout is None:
            raise ImportRefused(
                "a CSV or TSV file needs a layout that tells its columns; give --layout FILE.toml.",
                path=shown,
                reason=RefusalReason.OPTION,
            )
        refuse_empty(path, shown)
        layout = read_layout(options.layout)
        table, names = _table(path, layout, shown)
        check_channel_names(names, shown=shown)
        has_time = layout.time is not None
        samples = table.values[:, 1:] if has_time else table.values
        missing: NDArray[np.bool_] = np.asarray(np.isnan(samples).any(axis=1))
        values = as_counts(np.where(missing[:, None], 0.0, samples))
        index, fitted_hz, clock, started_at = _times(table, layout, shown)
        rate_hz = fitted_hz or layout.rate_hz or 0.0
        values, gaps = spread_rows(values, index, cause="times in the file jump", shown=shown, rate_hz=rate_hz)
        gaps = _with_missing(gaps, index[missing], len(values))
        channels = tuple(
            channel_in_mv(name, one.unit, gain=one.gain, offset=one.offset)
            for name, one in zip(names, layout.channel, strict=True)
        )
        told = {one.lead: name for name, one in zip(names, layout.channel, strict=True) if one.lead is not None}
        montage, notes = choose_leads(channels, options.leads or told, shown=shown)
        if table.cut_line:
            notes.append(f"the last line, {table.cut_line!r}, has no line end, so it was cut; it was left out.")
        lost = int((~np.isnan(samples[missing])).sum())
        if lost:
            notes.append(f"{plural(lost, 'sample')} could not be kept, for others of the same moment are missing.")
        units = ", ".join(dict.fromkeys(one.unit for one in layout.channel))
        return Reading(
            channels=channels,
            counts=values,
            montage=montage,
            nominal_rate_hz=layout.rate_hz or fitted_hz,
            fitted_rate_hz=fitted_hz,
            board="imported: csv",
            started_at=started_at,
            gaps=gaps,
            clock=clock,
            loss_detection="times of the rows" if has_time else "none: the file has no times",
            detail=f"digest of the unpacked text; values in {units}",
            notes=(*notes, *gap_note(gaps, rate_hz, found_in="rows")),
        )


def as_counts(values: NDArray[np.float64]) -> NDArray[Any]:
    """Whole numbers as int32, which they were; anything else as it is."""
    if (np.abs(values) < _MAX_COUNT).all() and (values == np.rint(values)).all():
        return values.astype(np.int32)
    return values


def _table(path: Path, layout: Layout, shown: Path) -> tuple[NumberTable, list[str]]:
    text = TextLines(path, shown=shown, encoding=layout.encoding)
    lines = iter(text)
    head = list(itertools.islice(lines, layout.header_lines))
    first = next(lines, None)
    if first is None or len(head) < layout.header_lines:
        raise ImportRefused(
            f"it has no row behind its {plural(layout.header_lines, 'header line')}; leave it out.",
            path=shown,
            reason=RefusalReason.EMPTY,
        )
    delimiter = None if layout.delimiter == " " else layout.delimiter
    n_columns = len(first.split(delimiter))
    named = [cell.strip().strip('"') for cell in head[-1].split(delimiter)] if head else []

    def place(column: Column) -> int:
        if isinstance(column, int) and column <= n_columns:
            return column - 1
        if isinstance(column, str) and named.count(column) == 1 and named.index(column) < n_columns:
            return named.index(column)
        many = "more than one column" if isinstance(column, str) and named.count(column) > 1 else "no column"
        raise ImportRefused(
            f"it has {many} {column!r}; its first row has {n_columns} cells"
            + (f", and its columns are {show(', '.join(named))}" if named else "")
            + "; mend the layout.",
            path=shown,
            reason=RefusalReason.CHANNELS,
            value=str(column),
        )

    def name(one: ChannelLayout) -> str:
        if one.name is not None:
            return one.name
        at = place(one.column)
        return named[at] if at < len(named) else f"column {at + 1}"

    columns = [place(one.column) for one in layout.channel]
    is_iso = layout.time is not None and layout.time.unit == "iso"
    if layout.time is not None:
        columns.insert(0, place(layout.time.column))
    text.number -= 1
    table = read_numbers(
        itertools.chain([first], lines),
        text,
        shown=shown,
        delimiter=delimiter,
        n_columns=n_columns,
        columns=columns,
        decimal_comma=layout.decimal_comma,
        missing=frozenset(layout.missing),
        times=_iso_s if is_iso else _time_reader(layout),
    )
    return table, [name(one) for one in layout.channel]


def _time_reader(layout: Layout) -> Callable[[str], float] | None:
    """How a time is read where a cell may also say that a sample is missing: a row always has a time."""
    if layout.time is None or not layout.missing:
        return None
    comma = layout.decimal_comma

    def read(cell: str) -> float:
        try:
            return float(cell.replace(",", ".") if comma else cell)
        except ValueError:
            return math.nan

    return read


@lru_cache(maxsize=1024)
def _iso_s(cell: str) -> float:
    """Seconds since 1970 of a moment; a double holds microseconds of our days."""
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return math.nan
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - _EPOCH) / timedelta(seconds=1)


def _times(table: NumberTable, layout: Layout, shown: Path) -> tuple[NDArray[np.int64], float, NDArray[np.int64], str]:
    """Sample indices, the fitted rate or 0, the clock, and when it began."""
    n_rows = len(table.values)
    none = np.empty((0, 3), dtype=np.int64)
    if layout.time is None:
        return np.arange(n_rows, dtype=np.int64), 0.0, none, NO_TIME
    times = table.values[:, 0]
    back = np.flatnonzero(np.diff(times) <= 0 if layout.time.unit == "samples" else np.diff(times) < 0)
    if back.size:
        line = table.first_line + int(back[0]) + 1
        raise ImportRefused(
            f"its time goes from {times[back[0]]:.12g} to {times[back[0] + 1]:.12g}; it must rise; mend the line, or "
            "split the file there.",
            path=shown,
            line=line,
            reason=RefusalReason.TIME,
        )
    if layout.time.unit == "samples":
        steps = times - times[0]
        if (steps != np.rint(steps)).any() or steps[-1] > 2**40:
            raise _bad_times("its sample numbers are no whole numbers", shown)
        return steps.astype(np.int64), 0.0, none, NO_TIME
    since_s = (times - times[0]) / _PER_S[layout.time.unit]
    if n_rows < 2 or since_s[-1] <= 0:
        raise _bad_times("its times do not advance", shown)
    if since_s[-1] > _LATEST_S:
        raise _bad_times(f"its times span {since_s[-1]:.3g} s", shown)
    times_us = np.rint(since_s * 1e6).astype(np.int64)
    axis = fit_time_axis(times_us)
    if not 0 < axis.rate_hz <= 1e6:
        raise _bad_times(f"its times give {axis.rate_hz:.3g} samples per second", shown)
    if not axis.is_even(times_us):
        raise _bad_times(f"its times fit no even rate, {axis.rate_hz:.4g} samples per second least badly", shown)
    if layout.rate_hz and abs(axis.rate_hz / layout.rate_hz - 1) > _RATE_TOLERANCE:
        raise ImportRefused(
            f"the layout says {layout.rate_hz:g} samples per second, its times give {axis.rate_hz:.2f}; mend the "
            "layout, or the unit of its time column.",
            path=shown,
            reason=RefusalReason.RATE,
            value=f"{axis.rate_hz:.2f}",
        )
    is_told = layout.time.unit == "iso" or layout.time.origin == "unix"
    begin_s = float(times[0]) / _PER_S[layout.time.unit]
    if is_told and not 0 < begin_s < _LATEST_S:
        raise _bad_times(f"its first time, {begin_s:.6g} s since 1970, is no moment of our days", shown)
    clock = clock_rows(np.rint(since_s * 1e9).astype(np.int64), axis.index, axis.rate_hz)
    return axis.index, axis.rate_hz, clock, utc_text(round(begin_s * 1e6)) if is_told else NO_TIME


def _with_missing(gaps: tuple[Gap, ...], rows: NDArray[np.int64], n_samples: int) -> tuple[Gap, ...]:
    """Gaps between rows, and those of rows whose samples are missing."""
    if rows.size == 0:
        return gaps
    missing = np.zeros(n_samples, dtype=np.bool_)
    missing[rows] = True
    return tuple(
        sorted((*gaps, *gaps_of_missing(missing, "the file marks samples as missing")), key=lambda gap: gap.start)
    )


def _bad_times(fault: str, shown: Path) -> ImportRefused:
    return ImportRefused(f"{fault}; mend the file, or the layout's [time].", path=shown, reason=RefusalReason.TIME)
