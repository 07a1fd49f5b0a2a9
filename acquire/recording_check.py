"""Reading everything in a recording file but its samples, with each type and shape checked on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.board import Channel
from acquire.content import FORMAT, FORMAT_VERSION, Gap, Header, RecordedEvent, RecordingContent
from acquire.content_rules import SAMPLE_TYPES, content_fault
from acquire.errors import RecordingError, RecordingErrorReason

__all__ = ["read_checked"]

_JSON_FIELDS = ("factors", "montage")


def read_checked(path: Path, file: h5py.File) -> RecordingContent:
    """Everything in a recording file but its samples (``counts`` is empty), checked.

    Raises:
        RecordingError: something is missing, of the wrong type, inconsistent or newer.
    """
    _check_format(path, file)
    try:
        content = RecordingContent(
            header=_read_header(file),
            channels=_read_channels(file),
            counts=np.empty(0, dtype=file["signal"].dtype),
            valid=_integers(file, "valid", 2),
            clock=_integers(file, "clock", 3),
            events=tuple(RecordedEvent(**row) for row in _rows(file, "events", RecordedEvent)),
            gaps=tuple(Gap(**row) for row in _rows(file, "gaps", Gap)),
            protocol_text=_protocol(file),
        )
    except _Fault as fault:
        raise _damaged(path, str(fault)) from fault
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        # h5py reports damage inside a file in all of these ways.
        raise _damaged(path, "its structure cannot be read") from error
    fault_found = content_fault(content, shape=file["signal"].shape)
    if fault_found:
        raise _damaged(path, fault_found)
    return content


class _Fault(Exception):
    """What is wrong, as the middle of a sentence."""


def _damaged(path: Path, fault: str) -> RecordingError:
    return RecordingError(
        f"{path} cannot be trusted: {fault}; take an undamaged copy, or record it again.",
        path=path,
        reason=RecordingErrorReason.DAMAGED,
    )


def _check_format(path: Path, file: h5py.File) -> None:
    try:
        kind, version = file.attrs.get("format"), file.attrs.get("version")
    except (OSError, RuntimeError) as error:
        raise _damaged(path, "its attributes cannot be read") from error
    if not isinstance(kind, str) or kind != FORMAT:
        raise RecordingError(
            f"{path} is an HDF5 file, but not a recording of trilead; import it with trilead import.",
            path=path,
            reason=RecordingErrorReason.NOT_A_RECORDING,
        )
    if not isinstance(version, np.integer) or version < 1:
        raise _damaged(path, f"its format version is {str(version)[:40]!r}, which is no version")
    if version > FORMAT_VERSION:
        raise RecordingError(
            f"{path} has format version {version}, and this trilead reads up to {FORMAT_VERSION}; update trilead.",
            path=path,
            reason=RecordingErrorReason.NEWER_VERSION,
        )


def _read_header(file: h5py.File) -> Header:
    values: dict[str, Any] = {}
    for field in fields(Header):
        if field.name not in file.attrs:
            raise _Fault(f"the attribute {field.name} is missing")
        value = file.attrs[field.name]
        if field.name in _JSON_FIELDS:
            values[field.name] = _read_json(field.name, value)
        elif field.name in ("run", "mains_hz"):
            values[field.name] = int(_scalar(field.name, value, np.integer))
        elif field.name.endswith("_hz"):
            values[field.name] = float(_scalar(field.name, value, np.floating))
        else:
            values[field.name] = str(_scalar(field.name, value, str))
    return Header(**values)


def _scalar(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _Fault(f"the attribute {name} is of the wrong type ({type(value).__name__})")
    return value


def _read_json(name: str, text: Any) -> Any:
    try:
        value = json.loads(_scalar(name, text, str))
    except (ValueError, RecursionError) as error:
        raise _Fault(f"the attribute {name} is not JSON") from error
    if not isinstance(value, dict):
        raise _Fault(f"the attribute {name} is not a JSON object")
    inner: Callable[[Any], bool]
    if name == "factors":
        inner = lambda level: isinstance(level, str)  # noqa: E731 - two one-line rules side by side
    else:
        inner = lambda weights: isinstance(weights, dict) and all(type(w) in (int, float) for w in weights.values())  # noqa: E731
    if not all(map(inner, value.values())):
        raise _Fault(f"the attribute {name} has values of the wrong type")
    return value


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    # A link to another file could make a recording show samples that are not its own.
    if name not in file or not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise _Fault(f"/{name} is missing")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise _Fault(f"/{name} is not a data set")
    if dataset.external or dataset.is_virtual:
        raise _Fault(f"/{name} keeps its data in another file")
    return dataset


def _read_channels(file: h5py.File) -> tuple[Channel, ...]:
    signal = _dataset(file, "signal")
    if signal.ndim != 2 or str(signal.dtype) not in SAMPLE_TYPES:
        raise _Fault(f"/signal has {signal.ndim} dimensions of {signal.dtype}, not 2 of {', '.join(SAMPLE_TYPES)}")
    columns = []
    for name in ("names", "units", "gain", "offset"):
        if name not in signal.attrs:
            raise _Fault(f"/signal has no attribute {name}")
        column = signal.attrs[name]
        if np.shape(column) != (signal.shape[1],):
            raise _Fault(
                f"/signal has {signal.shape[1]} columns, but its attribute {name} has shape {np.shape(column)}"
            )
        wanted = str if name in ("names", "units") else np.floating
        if not all(isinstance(entry, wanted) for entry in column):
            raise _Fault(f"the attribute {name} of /signal is of the wrong type")
        columns.append(column)
    return tuple(
        Channel(name=str(name), unit=str(unit), gain=float(gain), offset=float(offset))
        for name, unit, gain, offset in zip(*columns, strict=True)
    )


def _integers(file: h5py.File, name: str, width: int) -> NDArray[np.int64]:
    dataset = _dataset(file, name)
    if dataset.ndim != 2 or dataset.shape[1] != width or dataset.dtype != np.int64:
        raise _Fault(f"/{name} has shape {dataset.shape} of {dataset.dtype}, not (n, {width}) of int64")
    return np.asarray(dataset[:], dtype=np.int64)


def _rows(file: h5py.File, name: str, kind: type[RecordedEvent] | type[Gap]) -> list[dict[str, Any]]:
    dataset = _dataset(file, name)
    wanted = [field.name for field in fields(kind)]
    if dataset.ndim != 1 or dataset.dtype.names is None or list(dataset.dtype.names) != wanted:
        raise _Fault(f"/{name} does not have the columns {', '.join(wanted)}")
    rows = []
    for record in dataset[:]:
        row: dict[str, Any] = {}
        for field in fields(kind):
            value = record[field.name]
            if field.type == "int" and isinstance(value, np.integer):
                row[field.name] = int(value)
            elif field.type == "str" and isinstance(value, bytes):
                row[field.name] = value.decode("utf-8")
            else:
                raise _Fault(f"the column {field.name} of /{name} is of the wrong type")
        rows.append(row)
    return rows


def _protocol(file: h5py.File) -> str:
    value = _dataset(file, "protocol")[()]
    if not isinstance(value, bytes):
        raise _Fault("/protocol is not text")
    return value.decode("utf-8")
