r"""Recordings as CSV: the samples, and beside them labels, events, gaps and a JSON file with what is true of the whole.

RFC 4180 with ``\n`` line ends, UTF-8, a point as the decimal sign. Numbers are written so that they read back the same
to the last bit.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from curate.exporters.folder import new_file, write_json, write_text
from curate.exporters.signals import blocks, values_of
from curate.exporters.source import RecordingExporter, Source, Tick, facts

__all__ = ["CsvExporter", "csv_text", "signal_column"]


class CsvExporter(RecordingExporter):
    """``NAME.csv``, ``NAME_labels.csv``, ``NAME_events.csv``, ``NAME_gaps.csv`` and ``NAME.json``."""

    def write(self, folder: Path, source: Source, tick: Tick) -> None:
        """Write one recording; see ``RecordingExporter.write``."""
        recording, rate_hz = source.recording, source.rate_hz
        columns = ["sample", "time_s", "valid", *(signal_column(s.name, s.unit) for s in source.signals)]
        with new_file(folder / f"{source.name}.csv") as file:
            file.write(csv_text([columns]).encode())
            for start, counts, lost in blocks(recording):
                values = values_of(recording, source.signals, counts, lost).tolist()
                lines = [
                    f"{sample},{sample / rate_hz:.9f},0{',' * len(source.signals)}\n"
                    if gone
                    else f"{sample},{sample / rate_hz:.9f},1,{','.join(map(repr, row))}\n"
                    for sample, (row, gone) in enumerate(zip(values, lost.tolist(), strict=True), start=start)
                ]
                file.write("".join(lines).encode())
                tick(len(counts))
        self._write_tables(folder, source)
        described = {
            **facts(source),
            "rate_hz": rate_hz,
            "columns": {
                "sample": "index of the sample, from 0; lost samples count",
                "time_s": "sample / rate_hz",
                "valid": "1 where the sample was measured, 0 in a gap, where values are empty",
                **{
                    signal_column(s.name, s.unit): {"name": s.name, "unit": s.unit, "lead": s.is_lead}
                    for s in source.signals
                },
            },
        }
        write_json(folder / f"{source.name}.json", described)

    def _write_tables(self, folder: Path, source: Source) -> None:
        rate_hz, recording = source.rate_hz, source.recording
        labels = [
            (
                said.layer, said.kind, said.value, said.start, said.stop,
                round(said.start / rate_hz, 9), round(said.stop / rate_hz, 9), said.uuid, said.time,
            )
            for said in source.statements if said.layer
        ]  # fmt: skip
        head = ("layer", "kind", "value", "start", "stop", "start_s", "stop_s", "uuid", "time")
        write_text(folder / f"{source.name}_labels.csv", csv_text([head, *labels]))
        events = [
            (
                event.index,
                round(event.index / rate_hz, 9),
                event.kind,
                event.step,
                event.activity,
                event.text,
                event.uuid,
            )
            for event in recording.events
        ]
        head_of_events = ("sample", "time_s", "kind", "step", "activity", "text", "uuid")
        write_text(folder / f"{source.name}_events.csv", csv_text([head_of_events, *events]))
        gaps = [(gap.start, gap.start + gap.length, gap.cause) for gap in recording.gaps]
        write_text(folder / f"{source.name}_gaps.csv", csv_text([("start", "stop", "cause"), *gaps]))


def signal_column(name: str, unit: str) -> str:
    """What a signal's column is called: ``II [mV]``, which no other column can be."""
    return f"{name} [{unit}]"


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV, every text in quotation marks."""
    buffer = io.StringIO(newline="")
    # Every text in quotation marks: a lone carriage return would otherwise end a line for some readers.
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return buffer.getvalue()
