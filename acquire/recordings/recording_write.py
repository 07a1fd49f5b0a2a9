"""Writing a recording file: whole, compared with what was meant, and never over another.

The samples pass through memory a stretch at a time, so that a recording may be longer than the memory is large.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.errors import RecordingError, RecordingErrorReason
from acquire.files import publish, remove_leftover, temporary_beside
from acquire.recordings.content import FORMAT, FORMAT_VERSION, Gap, Header, RecordedEvent, RecordingContent
from acquire.recordings.content_rules import SAMPLE_TYPES, content_fault
from acquire.recordings.digests import (
    BlockDigests,
    Digests,
    block_rows,
    channel_digest,
    event_digest,
    field_digest,
    gaps_digest,
    integers_digest,
    text_digest,
)
from acquire.recordings.recording import open_recording
from acquire.recordings.samples import Samples, stretches
from acquire.recordings.seal import seal_of
from acquire.recordings.sink import Sink, interrupts_deferred

__all__ = ["write_recording"]

CHUNK_BLOCKS = 10
_MAX_CHUNK_ROWS = 65_536
_CLOCK_ROWS = 1 << 16


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
        with Sink(temporary) as sink:
            _write(sink, path, content)
            sink.append_durably(seal_of(temporary))
        _compare(temporary, path, content)
        publish(temporary, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        failing = error.errno == errno.EIO
        mend = "free some space" if full else "check the disk" if failing else "choose a place where you may write"
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
    """Refuse what breaks a rule, as far as that can be said without the samples."""
    counts = content.counts
    if str(counts.dtype) not in SAMPLE_TYPES:
        fault = f"the samples are {counts.dtype}, not {', '.join(SAMPLE_TYPES)}"
    elif content.valid.dtype != np.int64 or content.valid.ndim != 2 or content.valid.shape[1] != 2:
        fault = f"valid has shape {content.valid.shape} of {content.valid.dtype}, not (k, 2) of int64"
    elif content.clock.dtype != np.int64 or len(content.clock.shape) != 2 or content.clock.shape[1] != 3:
        fault = f"clock has shape {content.clock.shape} of {content.clock.dtype}, not (m, 3) of int64"
    else:
        fault = content_fault(content, shape=counts.shape)
    if fault:
        raise _broken_rule(path, fault)


def _broken_rule(path: Path, fault: str) -> RecordingError:
    return RecordingError(
        f"{path} was not written: {fault}; mend what it is made from.",
        path=path,
        reason=RecordingErrorReason.BAD_VALUE,
    )


def _write(sink: Sink, path: Path, content: RecordingContent) -> None:
    """Everything but the seal.

    Raises:
        OSError: the disk refused something.
        RecordingError: the samples break a rule of the format.
    """
    with interrupts_deferred() as interrupted, h5py.File(sink, "w") as file:

        def futile() -> bool:
            # Once the disk has refused, the rest would only fill the memory.
            return sink.error is not None or interrupted()

        signal = _write_signal(file, path, content, futile)
        if not futile():
            _write_rest(file, content, signal)
    sink.raise_error()


def _write_signal(
    file: h5py.File, path: Path, content: RecordingContent, futile: Callable[[], bool]
) -> tuple[bytes, ...]:
    """The samples and what is said of their columns; gives the digests of their blocks."""
    n_rows, n_channels = content.counts.shape
    rows = _chunk_rows(content)
    dataset = file.create_dataset(
        "signal",
        shape=(n_rows, n_channels),
        dtype=content.counts.dtype,
        **({"chunks": (rows, n_channels), **_PACKED} if n_rows else {}),
    )
    digests = BlockDigests(block_rows(content.header.nominal_rate_hz))
    gaps = _Gaps(content.gaps)
    for start, part in stretches(content.counts, rows):
        if fault := _samples_fault(start, part, gaps):
            raise _broken_rule(path, fault)
        digests.feed(part)
        dataset[start : start + len(part)] = part
        if futile():
            return ()
    dataset.attrs["names"] = [channel.name for channel in content.channels]
    dataset.attrs["units"] = [channel.unit for channel in content.channels]
    dataset.attrs["gain"] = np.array([channel.gain for channel in content.channels], dtype=np.float64)
    dataset.attrs["offset"] = np.array([channel.offset for channel in content.channels], dtype=np.float64)
    return digests.finish()


# gzip and not lzf, which only h5py reads; the checksum finds a flipped bit when the samples are read.
_PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}


def _chunk_rows(content: RecordingContent) -> int:
    """Rows that HDF5 packs at once: about 10 s, in whole blocks of the digests, but not too many."""
    block = block_rows(content.header.nominal_rate_hz)
    whole = block * max(1, min(CHUNK_BLOCKS, _MAX_CHUNK_ROWS // block))
    return max(1, min(content.counts.shape[0], _MAX_CHUNK_ROWS, whole))


class _Gaps:
    """The gaps, asked for in the order of the samples."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        self._left = list(reversed(gaps))

    def within(self, start: int, stop: int) -> Iterable[slice]:
        """The parts of gaps in rows ``[start, stop)``, counted from ``start``."""
        while self._left and (gap := self._left[-1]).start < stop:
            end = gap.start + gap.length
            yield slice(max(gap.start - start, 0), min(end, stop) - start)
            if end > stop:
                return
            self._left.pop()


def _samples_fault(start: int, part: NDArray[Any], gaps: _Gaps) -> str:
    if part.dtype.kind == "f" and not np.isfinite(part).all():
        row = start + int(np.argwhere(~np.isfinite(part))[0][0])
        return f"sample {row} is NaN or infinite (a missing sample is a zero inside a gap)"
    if any(part[rows].any() for rows in gaps.within(start, start + len(part))):
        return "a gap holds something else than zeros"
    return ""


def _write_rest(file: h5py.File, content: RecordingContent, signal: tuple[bytes, ...]) -> None:
    attributes = {
        "format": FORMAT,
        "version": np.int64(FORMAT_VERSION),
        **{field.name: _attribute(field.type, getattr(content.header, field.name)) for field in fields(Header)},
        "report": content.report.to_json() if content.report is not None else "",
    }
    n_samples, n_channels = content.counts.shape
    digests = Digests(
        header={name: _known(field_digest(value)) for name, value in attributes.items()},
        channels=tuple(map(channel_digest, content.channels)),
        signal=signal,
        events=tuple(map(event_digest, content.events)),
        datasets={
            "clock": integers_digest(part for _, part in stretches(content.clock, _CLOCK_ROWS)),
            "gaps": gaps_digest(content.gaps),
            "protocol": text_digest(content.protocol_text),
            "valid": integers_digest([content.valid]),
        },
        dtype=str(content.counts.dtype),
        n_samples=n_samples,
        n_channels=n_channels,
        block_rows=block_rows(content.header.nominal_rate_hz),
    )
    for name, value in {**attributes, "content_sha256": digests.root()}.items():
        file.attrs[name] = value
    file.create_dataset("valid", data=content.valid)
    _write_clock(file, content.clock)
    _write_rows(file, "events", RecordedEvent, content.events)
    _write_rows(file, "gaps", Gap, content.gaps)
    file.create_dataset("protocol", data=content.protocol_text, dtype=h5py.string_dtype())
    _write_digests(file.create_group("digests"), digests)


def _write_clock(file: h5py.File, clock: Samples) -> None:
    n_rows = clock.shape[0]
    # Each column by itself, for side by side they pack half as well.
    packed = {"chunks": (min(n_rows, _CLOCK_ROWS), 1), **_PACKED} if n_rows else {}
    dataset = file.create_dataset("clock", shape=clock.shape, dtype=np.int64, **packed)
    for start, part in stretches(clock, _CLOCK_ROWS):
        dataset[start : start + len(part)] = part


def _known(digest: bytes | None) -> bytes:
    assert digest is not None, "an attribute is of a type that the format does not know"
    return digest


def _write_digests(group: h5py.Group, digests: Digests) -> None:
    for name, named in (("header", digests.header), ("datasets", digests.datasets)):
        names = sorted(named, key=str.encode)
        _write_digest_rows(group, name, [named[key] for key in names]).attrs["names"] = names
    _write_digest_rows(group, "channels", digests.channels)
    _write_digest_rows(group, "events", digests.events)
    _write_digest_rows(group, "signal", digests.signal).attrs["block_rows"] = np.int64(digests.block_rows)


def _write_digest_rows(group: h5py.Group, name: str, digests: Sequence[bytes]) -> h5py.Dataset:
    return group.create_dataset(name, data=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32))


def _attribute(kind: object, value: Any) -> object:
    """A header field as HDF5 keeps it; its declared type counts, for 250 samples a second are a float too."""
    match kind:
        case "str":
            return value
        case "int":
            return np.int64(value)
        case "float":
            return np.float64(value)
    return json.dumps(value, sort_keys=True)


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
            and back.report == content.report
            and np.array_equal(back.valid, content.valid)
            and back.holds_clock(content.clock)
            and back.holds(content.counts)
        )
    if not same:
        raise RecordingError(
            f"{path} was not written, for what was read back differed from what was meant; check the disk.",
            path=path,
            reason=RecordingErrorReason.READ_BACK,
        )
