"""Import of the text files of the OpenBCI GUI, versions 5 and 6: ``OpenBCI-RAW-….txt``.

Four lines that begin with ``%``, a line of column names, a line per sample. EXG columns are microvolts, which are kept
as they stand; what the converter counted is not in the file. Losses are told by the sample index, a counter that
wraps, and by the times where the counter went all the way round.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.content import RecordedEvent
from acquire.recordings.rate import fit_rate_hz
from curate.errors import ImportRefused, RefusalReason
from curate.importers.counters import nanoseconds, place_rows
from curate.importers.events import marker_events
from curate.importers.leads import channel_in_mv, check_channel_names, choose_leads
from curate.importers.options import ImportOptions
from curate.importers.reading import read_head, refuse_empty
from curate.importers.recorded import Reading, clock_rows, gap_note, plural, spread_rows, utc_text
from curate.importers.registry import Importer
from curate.importers.table_text import TextLines, read_numbers, show

__all__ = ["OpenBciImporter"]

_HEAD = re.compile(rb"(\xef\xbb\xbf)?%OpenBCI Raw EXG Data\r?\n")
_HEAD_BYTES = 64
_MAX_HEADER_LINES = 12
_MAX_COLUMNS = 256
_RATE = re.compile(r"%Sample Rate = ([0-9]{1,6}(?:\.[0-9]{1,6})?) ?Hz")
_COUNT = re.compile(r"%Number of channels = ([0-9]{1,3})")
_BOARD = re.compile(r"%Board = (?:OpenBCI_GUI\$)?([A-Za-z0-9_]{1,60})")
_SAMPLE, _TIME = "Sample Index", "Timestamp"
_KEPT = ("EXG Channel", "Accel Channel", "Analog Channel")
_RATE_TOLERANCE = 0.2


@dataclass(frozen=True, kw_only=True)
class _Header:
    n_channels: int
    rate_hz: float
    board: str
    columns: tuple[str, ...]

    @property
    def marker(self) -> int | None:
        """Where the markers stand; older versions call them Other, behind the time."""
        behind = self.columns.index(_TIME) + 1
        if "Marker Channel" in self.columns:
            return self.columns.index("Marker Channel")
        return behind if self.columns[behind : behind + 1] == ("Other",) else None


class OpenBciImporter(Importer):
    """The format ``openbci``."""

    name = "openbci"

    def candidate(self, path: Path) -> bool:
        """Text files that are named like the GUI names them."""
        return path.name.startswith("OpenBCI") and path.name.endswith((".txt", ".txt.gz"))

    def companion(self, path: Path) -> bool:
        """The GUI puts a BrainFlow file beside each of its own, with the same samples."""
        return path.name.startswith("BrainFlow-RAW") and any(path.parent.glob("OpenBCI-RAW*.txt"))

    def recognises(self, path: Path) -> bool:
        """By the first line."""
        return _HEAD.match(read_head(path, _HEAD_BYTES)) is not None

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        refuse_empty(path, shown)
        text = TextLines(path, shown=shown)
        lines = iter(text)
        header = _read_header(lines, shown)
        exg = [name for name in header.columns if name.startswith("EXG Channel")]
        if len(exg) != header.n_channels:
            raise _bad(f"its header says {header.n_channels} channels, its columns are {len(exg)}", shown)
        kept = [name for name in header.columns if name.startswith(_KEPT)]
        chosen = [header.columns.index(name) for name in (_SAMPLE, _TIME, *kept)]
        if header.marker is not None:
            chosen.append(header.marker)
        table = read_numbers(
            lines,
            text,
            shown=shown,
            delimiter=",",
            n_columns=len(header.columns),
            columns=chosen,
        )
        counter, times_s = table.values[:, 0], table.values[:, 1]
        index, found_in, notes = place_rows(counter, times_s, header.rate_hz, shown=shown, first_line=table.first_line)
        counts, gaps = spread_rows(
            table.values[:, 2 : 2 + len(kept)],
            index,
            cause="the sample index jumped",
            shown=shown,
            rate_hz=header.rate_hz,
        )
        clock = clock_rows(nanoseconds(times_s), index, header.rate_hz)
        fitted_hz = fit_rate_hz(clock, header.rate_hz)
        if fitted_hz and abs(fitted_hz / header.rate_hz - 1) > _RATE_TOLERANCE:
            raise ImportRefused(
                f"its header says {header.rate_hz:g} samples per second, its times {fitted_hz:.1f}; look what wrote "
                "it.",
                path=shown,
                reason=RefusalReason.RATE,
                value=f"{fitted_hz:.1f}",
            )
        channels = tuple(
            channel_in_mv(name, "uV" if name in exg else _unit(name), gain=1.0, offset=0.0) for name in kept
        )
        check_channel_names(kept, shown=shown)
        montage, lead_notes = choose_leads(
            channels, options.leads, shown=shown, usual={f"CH{k}": name for k, name in enumerate(exg, start=1)}
        )
        events = _events(table.values[:, -1], index, times_s) if header.marker is not None else ()
        left = [
            name
            for place, name in enumerate(header.columns)
            if place not in chosen and not name.startswith(("Timestamp", "Not Used"))
        ]
        if left:
            notes.append(f"{plural(len(left), 'column')} beside the signals ({', '.join(left)[:150]}) were not kept.")
        if table.cut_line:
            notes.append(f"the last line, {table.cut_line!r}, has no line end, so it was cut; it was left out.")
        return Reading(
            channels=channels,
            counts=counts,
            montage=montage,
            nominal_rate_hz=header.rate_hz,
            fitted_rate_hz=fitted_hz,
            board=f"imported: openbci ({header.board})",
            started_at=utc_text(int(times_s[0] * 1e6)),
            gaps=gaps,
            clock=clock,
            events=events,
            loss_detection=found_in,
            detail="digest of the unpacked text; values in uV, without the converter's counts and gains",
            notes=(*notes, *lead_notes, *gap_note(gaps, fitted_hz or header.rate_hz, found_in=found_in)),
        )


def _read_header(lines: Iterator[str], shown: Path) -> _Header:
    head: list[str] = []
    columns: tuple[str, ...] = ()
    for line in itertools.islice(lines, _MAX_HEADER_LINES):
        if not line.startswith("%"):
            columns = tuple(cell.strip() for cell in line.split(","))
            break
        head.append(line.strip())
    if not head or head[0] != "%OpenBCI Raw EXG Data":
        raise _bad("its first line is not %OpenBCI Raw EXG Data", shown)
    found = {key: _first(pattern, head) for key, pattern in (("n", _COUNT), ("rate", _RATE), ("board", _BOARD))}
    if found["n"] is None or found["rate"] is None:
        raise _bad("it lacks a line like %Number of channels = 8 or %Sample Rate = 250 Hz", shown)
    rate_hz = float(found["rate"])
    if not 1 <= int(found["n"]) <= _MAX_COLUMNS or not 0 < rate_hz <= 100_000:
        raise _bad(f"it says {int(found['n'])} channels and {rate_hz:g} Hz, one of which is out of bounds", shown)
    if not columns or len(columns) > _MAX_COLUMNS:
        raise _bad("there is no line of column names behind the lines with %", shown)
    double = next(
        (name for place, name in enumerate(columns) if name.startswith("EXG") and name in columns[:place]), ""
    )
    if double:
        raise _bad(f"two of its columns are named {show(double)!r}", shown)
    for name in (_SAMPLE, _TIME):
        if columns.count(name) != 1:
            raise _bad(f"it has {columns.count(name)} columns named {name}; one is needed", shown)
    return _Header(n_channels=int(found["n"]), rate_hz=rate_hz, board=found["board"] or "unknown", columns=columns)


def _first(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    return next((match[1] for line in lines if (match := pattern.fullmatch(line))), None)


def _unit(name: str) -> str:
    return "g" if name.startswith("Accel") else ""


def _events(
    markers: NDArray[np.float64], index: NDArray[np.int64], times_s: NDArray[np.float64]
) -> tuple[RecordedEvent, ...]:
    rows = np.flatnonzero(markers)
    texts = [f"{markers[row]:g}" for row in rows]
    return marker_events(index[rows], nanoseconds(times_s)[rows], texts)


def _bad(fault: str, shown: Path) -> ImportRefused:
    return ImportRefused(
        f"{fault}; export it again from the GUI, or leave it out.", path=shown, reason=RefusalReason.HEADER
    )
