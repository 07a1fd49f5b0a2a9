"""Writing a recording file: whole, compared with what was meant, and never over another."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from acquire.content import FORMAT, FORMAT_VERSION, Gap, RecordedEvent, RecordingContent
from acquire.content_rules import SAMPLE_TYPES, content_fault
from acquire.errors import RecordingError, RecordingErrorReason
from acquire.files import publish, remove_leftover, temporary_beside, write_temporary
from acquire.recording import open_recording
from acquire.seal import sealed

__all__ = ["write_recording"]

CHUNK_S = 10.0
_MAX_CHUNK_ROWS = 65_536


def write_recording(path: Path | str, content: RecordingContent) -> None:
    """Write a new recording file.

    The file is written under a temporary name, made durable, read back and compared with ``content``, and only then
    given its name; a file that has this name already stays as it is.

    Raises:
        RecordingError: the content breaks a rule of the format, the name is taken, the disk is full, or what was read
            back differs.
    """
    path = Path(path)
    _check(path, content)
    if path.exists():
        raise _exists(path)
    temporary = temporary_beside(path)
    try:
        write_temporary(temporary, sealed(_image(content)))
        _compare(temporary, path, content)
        publish(temporary, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        mend = "free some space" if full else "choose a place where you may write"
        raise RecordingError(
            f"{path} cannot be written: {error.strerror or error}; {mend}.",
            path=path,
            reason=RecordingErrorReason.DISK_FULL if full else RecordingErrorReason.NOT_WRITABLE,
        ) from error
    finally:
        remove_leftover(temporary)


def _exists(path: Path) -> RecordingError:
    return RecordingError(
        f"{path} exists and is not overwritten; take another run number.", path=path, reason=RecordingErrorReason.EXISTS
    )


def _check(path: Path, content: RecordingContent) -> None:
    counts = content.counts
    fault = ""
    if str(counts.dtype) not in SAMPLE_TYPES:
        fault = f"the samples are {counts.dtype}, not {', '.join(SAMPLE_TYPES)}"
    elif content.valid.dtype != np.int64 or content.valid.ndim != 2 or content.valid.shape[1] != 2:
        fault = f"valid has shape {content.valid.shape} of {content.valid.dtype}, not (k, 2) of int64"
    elif content.clock.dtype != np.int64 or content.clock.ndim != 2 or content.clock.shape[1] != 3:
        fault = f"clock has shape {content.clock.shape} of {content.clock.dtype}, not (m, 3) of int64"
    else:
        fault = content_fault(content, shape=counts.shape)
    if not fault and counts.dtype.kind == "f" and not np.isfinite(counts).all():
        row = int(np.argwhere(~np.isfinite(counts))[0][0])
        fault = f"sample {row} is NaN or infinite (a missing sample is a zero inside a gap)"
    if not fault and any(counts[gap.start : gap.start + gap.length].any() for gap in content.gaps):
        fault = "a gap holds something else than zeros"
    if fault:
        raise RecordingError(
            f"{path} was not written: {fault}; mend what it is made from.",
            path=path,
            reason=RecordingErrorReason.BAD_VALUE,
        )


def _image(content: RecordingContent) -> bytes:
    """The file's bytes, made in memory: HDF5 on a full disk can bring the process down, a plain write cannot."""
    with h5py.File("image", "w", driver="core", backing_store=False) as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = np.int64(FORMAT_VERSION)
        for name, value in asdict(content.header).items():
            file.attrs[name] = _attribute(value)
        n_rows, n_channels = content.counts.shape
        rows = max(1, min(n_rows, _MAX_CHUNK_ROWS, round(content.header.nominal_rate_hz * CHUNK_S)))
        # gzip and not lzf, which only h5py reads; the checksum finds a flipped bit when the samples are read.
        packed: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
        signal = file.create_dataset(
            "signal", data=content.counts, **({"chunks": (rows, n_channels), **packed} if n_rows else {})
        )
        signal.attrs["names"] = [channel.name for channel in content.channels]
        signal.attrs["units"] = [channel.unit for channel in content.channels]
        signal.attrs["gain"] = np.array([channel.gain for channel in content.channels], dtype=np.float64)
        signal.attrs["offset"] = np.array([channel.offset for channel in content.channels], dtype=np.float64)
        file.create_dataset("valid", data=content.valid)
        file.create_dataset("clock", data=content.clock, **(packed if len(content.clock) else {}))
        _write_rows(file, "events", RecordedEvent, content.events)
        _write_rows(file, "gaps", Gap, content.gaps)
        file.create_dataset("protocol", data=content.protocol_text, dtype=h5py.string_dtype())
        file.flush()
        return bytes(file.id.get_file_image())


def _attribute(value: object) -> object:
    match value:
        case dict():
            return json.dumps(value, sort_keys=True)
        case int():
            return np.int64(value)
        case float():
            return np.float64(value)
    return value


def _write_rows(
    file: h5py.File, name: str, kind: type[RecordedEvent] | type[Gap], rows: tuple[RecordedEvent, ...] | tuple[Gap, ...]
) -> None:
    columns = [(field.name, np.int64 if field.type == "int" else h5py.string_dtype()) for field in fields(kind)]
    table = np.empty(len(rows), dtype=np.dtype(columns))
    for column, _ in columns:
        table[column] = [getattr(row, column) for row in rows]
    file.create_dataset(name, data=table)


def _compare(temporary: Path, path: Path, content: RecordingContent) -> None:
    with open_recording(temporary) as back:
        same = (
            back.header == content.header
            and back.channels == content.channels
            and back.events == content.events
            and back.gaps == content.gaps
            and back.protocol_text == content.protocol_text
            and np.array_equal(back.valid, content.valid)
            and np.array_equal(back.clock, content.clock)
            and back.counts().dtype == content.counts.dtype
            and back.counts().tobytes() == np.ascontiguousarray(content.counts).tobytes()
        )
    if not same:
        raise RecordingError(
            f"{path} was not written, for what was read back differed from what was meant; check the disk.",
            path=path,
            reason=RecordingErrorReason.READ_BACK,
        )
