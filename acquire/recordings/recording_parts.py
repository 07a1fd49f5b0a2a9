"""The parts of a recording file, each read by itself with its type and shape checked on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.content import Gap, Header, RecordedEvent
from acquire.recordings.content_rules import SAMPLE_TYPES
from acquire.recordings.report import RecordingReport

__all__ = [
    "HDF5_ERRORS",
    "RecordingFault",
    "StoredIntegers",
    "hard_dataset",
    "read_channels",
    "read_events",
    "read_gaps",
    "read_header",
    "read_protocol",
    "read_ranges",
    "read_report",
    "stored_integers",
]

HDF5_ERRORS = (OSError, RuntimeError, KeyError, TypeError, ValueError, UnicodeError, MemoryError)
"""What h5py raises when it meets damage inside a file."""

_JSON_FIELDS = ("factors", "montage")


class RecordingFault(Exception):
    """What is wrong with a recording file, as the middle of a sentence."""


def read_header(file: h5py.File) -> Header:
    """The header.

    Raises:
        RecordingFault: a field is missing or of the wrong type.
    """
    values: dict[str, Any] = {}
    for field in fields(Header):
        if field.name not in file.attrs:
            # Older files lack what was added later, and say no less without it.
            if field.name == "loss_detection":
                continue
            raise RecordingFault(f"the attribute {field.name} is missing")
        value = file.attrs[field.name]
        if field.name in _JSON_FIELDS:
            values[field.name] = _read_json(field.name, value)
        elif field.name in ("run", "mains_hz"):
            values[field.name] = int(_scalar(field.name, value, np.int64))
        elif field.name.endswith("_hz"):
            values[field.name] = float(_scalar(field.name, value, np.float64))
        else:
            values[field.name] = str(_scalar(field.name, value, str))
    return Header(**values)


def read_report(file: h5py.File) -> RecordingReport | None:
    """What the recording amounts to; None where that was not worked out.

    Raises:
        RecordingFault: it is no report.
    """
    text = _scalar("report", file.attrs.get("report", ""), str)
    if not text:
        return None
    try:
        return RecordingReport.from_json(text)
    except ValueError as error:
        raise RecordingFault(f"the attribute report is no report ({str(error)[:200]})") from error


def _scalar(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise RecordingFault(f"the attribute {name} is of the wrong type ({type(value).__name__})")
    return value


def _read_json(name: str, text: Any) -> Any:
    try:
        value = json.loads(_scalar(name, text, str))
    except (ValueError, RecursionError) as error:
        raise RecordingFault(f"the attribute {name} is not JSON") from error
    if not isinstance(value, dict):
        raise RecordingFault(f"the attribute {name} is not a JSON object")
    inner: Callable[[Any], bool]
    if name == "factors":
        inner = lambda level: isinstance(level, str)  # noqa: E731 - two one-line rules side by side
    else:
        inner = lambda weights: isinstance(weights, dict) and all(type(w) in (int, float) for w in weights.values())  # noqa: E731
    if not all(map(inner, value.values())):
        raise RecordingFault(f"the attribute {name} has values of the wrong type")
    return value


def hard_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """A data set that keeps its data in this very file.

    Raises:
        RecordingFault: there is none.
    """
    # A link to another file could make a recording show samples that are not its own.
    if name not in file or not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise RecordingFault(f"/{name} is missing")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise RecordingFault(f"/{name} is not a data set")
    if dataset.external or dataset.is_virtual:
        raise RecordingFault(f"/{name} keeps its data in another file")
    return dataset


def read_channels(file: h5py.File) -> tuple[Channel, ...]:
    """The columns of ``/signal``.

    Raises:
        RecordingFault: it has another shape or type, or says something else of its columns.
    """
    signal = hard_dataset(file, "signal")
    if signal.ndim != 2 or str(signal.dtype) not in SAMPLE_TYPES:
        raise RecordingFault(
            f"/signal has {signal.ndim} dimensions of {signal.dtype}, not 2 of {', '.join(SAMPLE_TYPES)}"
        )
    columns = []
    for name in ("names", "units", "gain", "offset"):
        if name not in signal.attrs:
            raise RecordingFault(f"/signal has no attribute {name}")
        column = signal.attrs[name]
        if np.shape(column) != (signal.shape[1],):
            raise RecordingFault(
                f"/signal has {signal.shape[1]} columns, but its attribute {name} has shape {np.shape(column)}"
            )
        wanted = str if name in ("names", "units") else np.float64
        if not all(isinstance(entry, wanted) for entry in column):
            raise RecordingFault(f"the attribute {name} of /signal is of the wrong type")
        columns.append(column)
    return tuple(
        Channel(name=str(name), unit=str(unit), gain=float(gain), offset=float(offset))
        for name, unit, gain, offset in zip(*columns, strict=True)
    )


class StoredIntegers:
    """A table of 64-bit integers in an open file, read when it is asked for."""

    dtype = np.dtype(np.int64)

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return tuple(map(int, self._dataset.shape))

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """The rows ``[start, stop)``, shape (stop - start, n_columns)."""
        return np.asarray(self._dataset[start:stop], dtype=np.int64)


def stored_integers(file: h5py.File, name: str, width: int) -> StoredIntegers:
    """A table of 64-bit integers, shape (n, width).

    Raises:
        RecordingFault: it has another shape or type.
    """
    dataset = hard_dataset(file, name)
    if dataset.ndim != 2 or dataset.shape[1] != width or dataset.dtype != np.int64:
        raise RecordingFault(f"/{name} has shape {dataset.shape} of {dataset.dtype}, not (n, {width}) of int64")
    return StoredIntegers(dataset)


def read_ranges(file: h5py.File) -> NDArray[np.int64]:
    """The valid ranges, shape (k, 2).

    Raises:
        RecordingFault: the table has another shape or type.
    """
    table = stored_integers(file, "valid", 2)
    return table.rows(0, table.shape[0])


def read_events(file: h5py.File) -> tuple[RecordedEvent, ...]:
    """The events.

    Raises:
        RecordingFault: the table has other columns.
    """
    return tuple(RecordedEvent(**row) for row in _rows(file, "events", RecordedEvent))


def read_gaps(file: h5py.File) -> tuple[Gap, ...]:
    """The gaps.

    Raises:
        RecordingFault: the table has other columns.
    """
    return tuple(Gap(**row) for row in _rows(file, "gaps", Gap))


def _rows(file: h5py.File, name: str, kind: type[RecordedEvent] | type[Gap]) -> list[dict[str, Any]]:
    dataset = hard_dataset(file, name)
    wanted = [field.name for field in fields(kind)]
    if dataset.ndim != 1 or dataset.dtype.names is None or list(dataset.dtype.names) != wanted:
        raise RecordingFault(f"/{name} does not have the columns {', '.join(wanted)}")
    rows = []
    for record in dataset[:]:
        row: dict[str, Any] = {}
        for field in fields(kind):
            value = record[field.name]
            if field.type == "int" and isinstance(value, np.int64):
                row[field.name] = int(value)
            elif field.type == "str" and isinstance(value, bytes):
                row[field.name] = value.decode("utf-8")
            else:
                raise RecordingFault(f"the column {field.name} of /{name} is of the wrong type")
        rows.append(row)
    return rows


def read_protocol(file: h5py.File) -> str:
    """The protocol script's text.

    Raises:
        RecordingFault: it is no text.
    """
    value = hard_dataset(file, "protocol")[()]
    if not isinstance(value, bytes):
        raise RecordingFault("/protocol is not text")
    return value.decode("utf-8")
