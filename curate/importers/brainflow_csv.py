"""Import of files that BrainFlow wrote: no header, tab-separated, a row per sample, a column per row of the board.

What the columns are depends on the board, which the file does not name; a person says it, and BrainFlow describes it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acquire.boards.brainflow_library import board_id, board_names, close_names, describe, library
from acquire.errors import BoardError
from acquire.recordings.rate import fit_rate_hz
from curate.errors import ImportRefused, RefusalReason
from curate.importers.counters import nanoseconds, place_rows
from curate.importers.events import marker_events
from curate.importers.leads import channel_in_mv, choose_leads
from curate.importers.options import ImportOptions
from curate.importers.reading import read_head, refuse_empty
from curate.importers.recorded import Reading, clock_rows, gap_note, plural, spread_rows, utc_text
from curate.importers.registry import Importer
from curate.importers.table_text import TextLines, read_numbers

__all__ = ["BrainFlowImporter"]

_HEAD_BYTES = 4096
_RATE_TOLERANCE = 0.2
_SIGNALS = ("ecg_channels", "exg_channels", "emg_channels", "eeg_channels")


@dataclass(frozen=True, kw_only=True)
class _Board:
    name: str
    n_rows: int
    rate_hz: float
    counter: int
    timestamp: int
    marker: int
    signals: tuple[int, ...]
    accel: tuple[int, ...]


class BrainFlowImporter(Importer):
    """The format ``brainflow``."""

    name = "brainflow"
    takes = frozenset({"lead", "board"})

    def candidate(self, path: Path) -> bool:
        """Files that are named like the OpenBCI GUI names those of BrainFlow."""
        return path.name.startswith(("BrainFlow-RAW", "brainflow")) and path.name.endswith((".csv", ".csv.gz", ".tsv"))

    def companion(self, path: Path) -> bool:
        """There are none."""
        return False

    def recognises(self, path: Path) -> bool:
        """By its name, and by numbers between tabs."""
        first = read_head(path, _HEAD_BYTES).split(b"\n", 1)[0]
        return self.candidate(path) and first.count(b"\t") > 1

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        refuse_empty(path, shown)
        board = _board(options.board, shown)
        text = TextLines(path, shown=shown)
        lines = iter(text)
        first = next(lines, None)
        n_cells = len(first.split("\t")) if first is not None else 0
        if first is not None and n_cells != board.n_rows:
            raise ImportRefused(
                f"its rows have {n_cells} cells, those of {board.name} have {board.n_rows}; name the board with "
                "--board.",
                path=shown,
                line=1,
                reason=RefusalReason.SEPARATOR,
                value=str(n_cells),
            )
        text.number = 0
        kept = (*board.signals, *board.accel)
        table = read_numbers(
            itertools.chain([first] if first is not None else [], lines),
            text,
            shown=shown,
            delimiter="\t",
            n_columns=board.n_rows,
            columns=[board.counter, board.timestamp, board.marker, *kept],
        )
        counter, times_s, markers = table.values[:, 0], table.values[:, 1], table.values[:, 2]
        index, found_in, notes = place_rows(counter, times_s, board.rate_hz, shown=shown, first_line=table.first_line)
        counts, gaps = spread_rows(
            table.values[:, 3:], index, cause="the package number jumped", shown=shown, rate_hz=board.rate_hz
        )
        clock = clock_rows(nanoseconds(times_s), index, board.rate_hz)
        fitted_hz = fit_rate_hz(clock, board.rate_hz)
        if fitted_hz and abs(fitted_hz / board.rate_hz - 1) > _RATE_TOLERANCE:
            raise ImportRefused(
                f"{board.name} gives {board.rate_hz:g} samples per second, its times say {fitted_hz:.1f}; name the "
                "board with --board.",
                path=shown,
                reason=RefusalReason.RATE,
                value=f"{fitted_hz:.1f}",
            )
        names = [f"CH{k}" for k in range(1, len(board.signals) + 1)]
        channels = (
            *(channel_in_mv(name, "uV", gain=1.0, offset=0.0) for name in names),
            *(channel_in_mv(f"ACCEL{k + 1}", "g", gain=1.0, offset=0.0) for k in range(len(board.accel))),
        )
        montage, lead_notes = choose_leads(channels, options.leads, shown=shown, usual={name: name for name in names})
        marked = np.flatnonzero(markers)
        left = board.n_rows - len(kept) - 3
        if left > 0:
            notes.append(f"{plural(left, 'further column')} of {board.name} could not be kept.")
        if table.cut_line:
            notes.append(f"the last line, {table.cut_line!r}, has no line end, so it was cut; it was left out.")
        return Reading(
            channels=channels,
            counts=counts,
            montage=montage,
            nominal_rate_hz=board.rate_hz,
            fitted_rate_hz=fitted_hz,
            board=f"imported: brainflow ({board.name})",
            started_at=utc_text(int(times_s[0] * 1e6)),
            gaps=gaps,
            clock=clock,
            events=marker_events(index[marked], nanoseconds(times_s)[marked], [f"{markers[row]:g}" for row in marked]),
            loss_detection=found_in,
            detail="digest of the unpacked text; values in uV",
            notes=(*notes, *lead_notes, *gap_note(gaps, fitted_hz or board.rate_hz, found_in=found_in)),
        )


def _board(name: str | None, shown: Path) -> _Board:
    if name is None:
        raise ImportRefused(
            "a BrainFlow file does not say which board it is of; give --board NAME, like cyton.",
            path=shown,
            reason=RefusalReason.OPTION,
        )
    try:
        shim = library(f"brainflow:{name}")
        names = board_names(shim)
        number = board_id(name, names)
        if number is None:
            raise ImportRefused(
                f"BrainFlow knows no board {name[:40]!r}; {close_names(name, names)[:300]}",
                path=shown,
                reason=RefusalReason.OPTION,
            )
        told = describe(shim, number, 0, f"brainflow:{name}")
    except BoardError as error:
        raise ImportRefused(str(error), path=shown, reason=RefusalReason.OPTION) from error
    signals = next((tuple(told[key]) for key in _SIGNALS if told.get(key)), ())
    needed = ("package_num_channel", "timestamp_channel", "marker_channel", "num_rows", "sampling_rate")
    if not signals or any(key not in told for key in needed):
        raise ImportRefused(
            f"the board {name[:40]} gives no ECG, or no numbers and times, in its default preset; its files cannot be "
            "taken in.",
            path=shown,
            reason=RefusalReason.UNSUPPORTED,
        )
    return _Board(
        name=str(told.get("name", name)),
        n_rows=int(told["num_rows"]),
        rate_hz=float(told["sampling_rate"]),
        counter=int(told["package_num_channel"]),
        timestamp=int(told["timestamp_channel"]),
        marker=int(told["marker_channel"]),
        signals=signals,
        accel=tuple(told.get("accel_channels", ())),
    )
