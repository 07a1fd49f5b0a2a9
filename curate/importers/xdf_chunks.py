"""The chunks of an XDF file, read with nothing taken on trust.

XDF (https://github.com/sccn/xdf, specification 1.0) is a row of chunks, each with its length, a tag and content. The
file is first walked from length to length; of samples, only those of the streams that are wanted are read. No length is
believed further than the file reaches. The reader of the format's own makers is not used here, for it makes room for
what a chunk claims, and turns the samples' own numbers into others while it smooths their times.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from curate.errors import ImportRefused, RefusalReason
from curate.importers.recorded import check_extent

__all__ = ["MAGIC", "StreamInfo", "XdfFile", "walk"]

MAGIC = b"XDF:"
FORMATS = {
    "int8": "<i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "float32": "<f4",
    "double64": "<f8",
}
"""Types of numbers; a stream of ``string`` holds texts."""

_HEADER, _STREAM, _SAMPLES, _CLOCK = 1, 2, 3, 4
_MAX_CHUNKS = 4_000_000
_MAX_CHUNK_BYTES = 256 * 1024 * 1024
_MAX_XML_BYTES = 4 * 1024 * 1024
_MAX_CHANNELS = 1024
_MAX_STREAMS = 256
_MAX_TEXTS = 1_000_000
_NAME_CHARS = 60


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """What the header of a stream says.

    Attributes:
        name: of the stream.
        kind: like ECG, EEG or Markers.
        n_channels: numbers or texts in a sample.
        rate_hz: nominal; 0 where samples come when they come.
        format: one of ``FORMATS`` or ``string``.
        labels: of the channels; empty where they are not told.
        units: of the channels; empty where they are not told.
    """

    name: str
    kind: str
    n_channels: int
    rate_hz: float
    format: str
    labels: tuple[str, ...]
    units: tuple[str, ...]


@dataclass(kw_only=True)
class XdfFile:
    """Where everything lies in a file.

    Attributes:
        path: the file.
        shown: how to call it in sentences.
        streams: number of the stream → its header.
        chunks: number of the stream → start and length of the content of its chunks of samples.
        offsets: number of the stream → seconds at which a clock was compared, and what it was behind.
        moment: when the file was begun, in the writer's words, or "".
        cut: whether the last chunk is not whole.
    """

    path: Path
    shown: Path
    streams: dict[int, StreamInfo] = field(default_factory=dict)
    chunks: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    offsets: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    moment: str = ""
    cut: bool = False

    def numbers(self, stream: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Times and samples of a stream of numbers; shapes (n,) and (n, n_channels), NaN where no time was written.

        Raises:
            ImportRefused: a chunk is not as it has to be, or there are too many samples.
        """
        info = self.streams[stream]
        dtype = np.dtype(FORMATS[info.format])
        times: list[NDArray[np.float64]] = []
        samples: list[NDArray[Any]] = []
        total = 0
        for content in self._contents(stream):
            n_samples, at = self._count(content)
            if n_samples > (len(content) - at) // (1 + info.n_channels * dtype.itemsize):
                raise self._bad(f"a chunk of stream {stream} claims {n_samples} samples and does not hold them")
            total += n_samples
            check_extent(total, info.n_channels, shown=self.shown)
            stamps, values = self._decode(content, at, n_samples, info.n_channels, dtype)
            times.append(stamps)
            samples.append(values)
        if not times:
            return np.empty(0), np.empty((0, info.n_channels), dtype=dtype)
        return np.concatenate(times), np.concatenate(samples)

    def texts(self, stream: int) -> list[tuple[float, str]]:
        """Times and texts of a stream of strings; those of several channels are joined.

        Raises:
            ImportRefused: a chunk is not as it has to be, or there are too many texts.
        """
        info = self.streams[stream]
        found: list[tuple[float, str]] = []
        for content in self._contents(stream):
            n_samples, at = self._count(content)
            for _ in range(min(n_samples, len(content))):
                stamp, at = self._stamp(content, at)
                words = []
                for _ in range(info.n_channels):
                    length, at = self._length(content, at)
                    if length > len(content) - at:
                        raise self._bad(f"a text of stream {stream} claims {length} bytes and does not hold them")
                    words.append(content[at : at + length].decode("utf-8", "replace"))
                    at += length
                found.append((stamp, " ".join(words)))
                if len(found) > _MAX_TEXTS:
                    raise self._bad(f"stream {stream} has more than {_MAX_TEXTS} markers")
        return found

    def _contents(self, stream: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            for start, length in self.chunks.get(stream, ()):
                file.seek(start)
                yield file.read(length)

    def _count(self, content: bytes) -> tuple[int, int]:
        return self._length(content, 0)

    def _length(self, content: bytes, at: int) -> tuple[int, int]:
        """A number of 1, 4 or 8 bytes behind a byte that says which, and where it ends."""
        width = content[at] if at < len(content) else 0
        if width not in (1, 4, 8) or at + 1 + width > len(content):
            raise self._bad("a chunk of samples is damaged")
        return int.from_bytes(content[at + 1 : at + 1 + width], "little"), at + 1 + width

    def _stamp(self, content: bytes, at: int) -> tuple[float, int]:
        width = content[at] if at < len(content) else 1
        if width == 0:
            return float("nan"), at + 1
        if width != 8 or at + 9 > len(content):
            raise self._bad("a chunk of samples is damaged")
        return struct.unpack_from("<d", content, at + 1)[0], at + 9

    def _decode(
        self, content: bytes, at: int, n_samples: int, n_channels: int, dtype: np.dtype[Any]
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        row_bytes = n_channels * dtype.itemsize
        for stamped in (True, False):
            # As a rule either each sample of a chunk has a time or none has.
            fields = [("width", "u1"), *([("time", "<f8")] if stamped else []), ("values", dtype, (n_channels,))]
            row = np.dtype(fields)
            if len(content) - at == n_samples * row.itemsize:
                table = np.frombuffer(content, dtype=row, offset=at)
                if (table["width"] == (8 if stamped else 0)).all():
                    times = table["time"].astype(np.float64) if stamped else np.full(n_samples, np.nan)
                    return times, table["values"].copy()
        times = np.empty(n_samples)
        values = np.empty((n_samples, n_channels), dtype=dtype)
        for k in range(n_samples):
            times[k], at = self._stamp(content, at)
            if at + row_bytes > len(content):
                raise self._bad("a chunk of samples ends within a sample")
            values[k] = np.frombuffer(content, dtype=dtype, count=n_channels, offset=at)
            at += row_bytes
        return times, values

    def _bad(self, fault: str) -> ImportRefused:
        return _bad(fault, self.shown)


def walk(path: Path, *, shown: Path) -> XdfFile:
    """Go through a file's chunks, and read all but the samples.

    Raises:
        ImportRefused: it is no XDF file, or a header in it breaks a rule.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    found = XdfFile(path=path, shown=shown)
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise _bad("it does not begin with XDF:", shown)
        for _ in range(_MAX_CHUNKS):
            at = file.tell()
            if at == size:
                return found
            length = _chunk_length(file)
            if length is None or length > size - file.tell():
                found.cut = True
                return found
            if not 2 <= length <= _MAX_CHUNK_BYTES:
                raise _bad(f"its chunk at byte {at} is said to have {length} bytes", shown)
            tag = int.from_bytes(file.read(2), "little")
            start = file.tell()
            _read_chunk(file, tag, length - 2, found)
            file.seek(start + length - 2)
    raise _bad(f"it has more than {_MAX_CHUNKS} chunks", shown)


def _chunk_length(file: BinaryIO) -> int | None:
    """The length of the next chunk, or None where the file ends within it or it is none."""
    width = file.read(1)
    if width not in (b"\x01", b"\x04", b"\x08"):
        return None
    raw = file.read(width[0])
    return int.from_bytes(raw, "little") if len(raw) == width[0] else None


def _read_chunk(file: BinaryIO, tag: int, length: int, found: XdfFile) -> None:
    if tag == _HEADER:
        info = _xml(file.read(min(length, _MAX_XML_BYTES + 1)), found.shown)
        found.moment = (info.findtext("datetime") or "").strip()
        return
    if tag not in (_STREAM, _SAMPLES, _CLOCK):
        return
    if length < 4:
        raise _bad(f"a chunk of {length} bytes names no stream", found.shown)
    stream = int.from_bytes(file.read(4), "little")
    if tag == _STREAM:
        if len(found.streams) >= _MAX_STREAMS or stream in found.streams:
            raise _bad(f"it has stream {stream} twice, or more than {_MAX_STREAMS} streams", found.shown)
        found.streams[stream] = _stream(_xml(file.read(min(length - 4, _MAX_XML_BYTES + 1)), found.shown), found.shown)
    elif stream not in found.streams:
        raise _bad(f"samples of stream {stream} come before its header", found.shown)
    elif tag == _SAMPLES:
        found.chunks.setdefault(stream, []).append((file.tell(), length - 4))
    elif length == 20:
        when, behind = struct.unpack("<dd", file.read(16))
        if np.isfinite([when, behind]).all():
            found.offsets.setdefault(stream, []).append((when, behind))


def _xml(data: bytes, shown: Path) -> ElementTree.Element:
    # A document type may define entities that unfold without end.
    if len(data) > _MAX_XML_BYTES or b"<!" in data.replace(b"<!--", b""):
        raise _bad(f"a header in it is larger than {_MAX_XML_BYTES >> 20} MiB or defines a document type", shown)
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _bad("a header in it is no XML", shown) from error


def _stream(info: ElementTree.Element, shown: Path) -> StreamInfo:
    def said(name: str) -> str:
        text = (info.findtext(name) or "").strip()
        return "".join(letter for letter in text if letter.isprintable())[:_NAME_CHARS]

    def number(name: str, of: Callable[[str], float]) -> float:
        try:
            return of(said(name))
        except ValueError:
            return float("nan")

    name = said("name")
    n_channels, rate_hz = number("channel_count", int), number("nominal_srate", float)
    if not 1 <= n_channels <= _MAX_CHANNELS:
        raise _bad(f"stream {name!r} has {said('channel_count')!r} channels; 1 to {_MAX_CHANNELS} must be", shown)
    if not 0 <= rate_hz <= 1e6:
        raise ImportRefused(
            f"stream {name!r} is said to have {said('nominal_srate')!r} samples per second; 0 to 1000000 must be.",
            path=shown,
            reason=RefusalReason.RATE,
            value=said("nominal_srate"),
        )
    form = said("channel_format")
    if form != "string" and form not in FORMATS:
        raise _bad(f"stream {name!r} has the format {form!r}; {', '.join(FORMATS)} and string are known", shown)
    told = info.findall("desc/channels/channel")
    whole = len(told) == n_channels
    return StreamInfo(
        name=name,
        kind=said("type"),
        n_channels=int(n_channels),
        rate_hz=rate_hz,
        format=form,
        labels=tuple((one.findtext("label") or "").strip() for one in told) if whole else (),
        units=tuple((one.findtext("unit") or "").strip() for one in told) if whole else (),
    )


def _bad(fault: str, shown: Path) -> ImportRefused:
    return ImportRefused(f"{fault}; take an undamaged copy, or leave it out.", path=shown, reason=RefusalReason.DAMAGED)
