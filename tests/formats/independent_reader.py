"""A second reader of journals and recordings, written from docs/formats.md alone; it takes nothing from trilead."""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

HEADER, CHUNK, EVENT, CLOSE = 1, 2, 3, 4
LOST = "the board's sample counter jumped: samples were lost on the way"
RECOVERED = "recovered: the recorder died before it could finish"
EVENT_COLUMNS = ("uuid", "index", "host_ns", "kind", "step", "activity", "text")
EVENT_TYPES = {name: int if name in ("index", "host_ns", "step") else str for name in EVENT_COLUMNS}
STRINGS = (
    "format recording_id subject session operator started_at board firmware factors protocol_name protocol_sha256 "
    "montage software_version source"
).split()
INTEGERS, NUMBERS = ("version", "run", "mains_hz"), ("nominal_rate_hz", "fitted_rate_hz")
KINDS_1 = dict.fromkeys(STRINGS, str) | dict.fromkeys(INTEGERS, int) | dict.fromkeys(NUMBERS, float)
KINDS_2 = KINDS_1 | dict.fromkeys(("loss_detection", "report", "content_sha256"), str)

Event = dict[str, Any]
Range = tuple[int, int]


class FormatError(Exception):
    """The file is not what docs/formats.md tells."""


class Channel(NamedTuple):
    name: str
    unit: str
    gain: float
    offset: float


class Gap(NamedTuple):
    start: int
    length: int
    cause: str


class Chunk(NamedTuple):
    start: int
    host_ns: int
    board_ns: int
    rows: NDArray[Any]


class Journal(NamedTuple):
    header: dict[str, Any]
    channels: list[Channel]
    protocol_text: str
    samples: NDArray[Any]
    valid: list[Range]
    gaps: list[Gap]
    clock: NDArray[np.int64]
    events: list[Event]
    ending: str
    close: dict[str, Any] | None
    whole_bytes: int
    fault: str  # empty where the file was read to its last byte


class Recording(NamedTuple):
    attributes: dict[str, Any]
    channels: list[Channel]
    samples: NDArray[Any]
    values: NDArray[np.float64]  # in the channels' units, NaN where samples are missing
    valid: list[Range]
    gaps: list[Gap]
    clock: NDArray[np.int64]
    events: list[Event]
    protocol_text: str
    report: dict[str, Any] | None
    root: str  # recomputed; empty in version 1
    changed: list[str]  # the parts whose digests do not fit, as signal/500:750


def read_journal(path: Path) -> Journal:
    data = path.read_bytes()
    first, fault = _record(data, 0, number=0)
    head = _object(first[1]) if first and first[0] == HEADER else None
    if head is None or head["journal_version"] != 1:
        raise FormatError(f"no HEADER of version 1 at the start: {fault}")
    channels = [Channel(**channel) for channel in head["channels"]]
    dtype = {"int32": "<i4", "float32": "<f4"}[head["dtype"]]
    chunks: list[Chunk] = []
    objects: list[Event] = []
    close: dict[str, Any] | None = None
    number, at = 1, 20 + len(first[1]) if first else 0
    while at < len(data):
        record, fault = _record(data, at, number=number)
        if record is None:
            break
        kind, payload = record
        if kind == HEADER or close is not None:
            fault = "a second HEADER, or something behind a CLOSE"
        elif kind == CHUNK:
            chunk = _chunk(payload, dtype, len(channels))
            chunks += [chunk] if chunk else []
            fault = "" if chunk else "a chunk that is not laid out as told"
        else:
            found = _object(payload)
            fault = "no JSON object" if found is None else ""
            if found is not None and kind == EVENT:
                objects.append(found)
            elif found is not None:
                close = found
        if fault:
            break
        number, at = number + 1, at + 20 + len(payload)
    chunks = _placed(chunks, 86_400 * head["header"]["nominal_rate_hz"])
    n = chunks[-1].start + len(chunks[-1].rows) if chunks else 0
    ending = _mended((close or {}).get("reason") or RECOVERED)
    events = _events(objects, n)
    causes = {event["index"]: event["text"] for event in reversed(events) if event["kind"] == "gap"}
    if not any(event["kind"] in ("stop", "end") for event in events):
        events.append(_stop(head["header"]["recording_id"], chunks, events, n, ending))
    end, valid, gaps = 0, list[Range](), list[Gap]()
    samples = np.zeros((n, len(channels)), dtype)
    for chunk in chunks:
        if chunk.start > end:
            gaps.append(Gap(end, chunk.start - end, causes.get(end) or LOST))
        joined = valid.pop()[0] if valid and chunk.start == end else chunk.start
        end = chunk.start + len(chunk.rows)
        valid.append((joined, end))
        samples[chunk.start : end] = chunk.rows
    clock = np.array([(c.start + len(c.rows) - 1, c.host_ns, c.board_ns) for c in chunks], np.int64).reshape(-1, 3)
    text = head["protocol_text"]
    return Journal(head["header"], channels, text, samples, valid, gaps, clock, events, ending, close, at, fault)


def _record(data: bytes, at: int, *, number: int) -> tuple[tuple[int, bytes] | None, str]:
    if len(data) < at + 20:
        return None, "not whole"
    magic, kind, length, sequence, crc = struct.unpack_from("<4s4I", data, at)
    payload = data[at + 20 : at + 20 + length]
    faults = {
        "does not begin with tlJ1": magic != b"tlJ1",
        "too long": length > 67_108_864,
        "not whole": len(payload) < length,
        "wrong CRC": crc != zlib.crc32(data[at + 4 : at + 16] + payload),
        "wrong sequence number": sequence != number,
        "unknown kind": kind not in (HEADER, CHUNK, EVENT, CLOSE),
    }
    fault = next((fault for fault, found in faults.items() if found), "")
    return (None if fault else (kind, payload)), fault


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _chunk(payload: bytes, dtype: str, columns: int) -> Chunk | None:
    if len(payload) < 32:
        return None
    index, host_ns, board_ns, n, _ = struct.unpack_from("<qqqII", payload)
    if n < 1 or len(payload) != 32 + n * columns * 4 or not 0 <= index < 2**62:
        return None
    return Chunk(index, host_ns, board_ns, np.frombuffer(payload, dtype, offset=32).reshape(n, columns))


def _placed(chunks: list[Chunk], longest_gap: float) -> list[Chunk]:
    end = 0
    for number, chunk in enumerate(chunks):
        if not 0 <= chunk.start - end <= longest_gap:
            return chunks[:number]
        end = chunk.start + len(chunk.rows)
    return chunks


def _events(objects: list[Event], n: int) -> list[Event]:
    kept: dict[str, Event] = {}
    for event in objects:
        types = {name: type(value) for name, value in event.items()}
        if types == EVENT_TYPES and 0 <= event["index"] <= n and event["uuid"]:
            if all(-(2**63) <= event[name] < 2**63 for name in ("host_ns", "step")):
                mended = {name: _mended(value) if isinstance(value, str) else value for name, value in event.items()}
                kept.setdefault(mended["uuid"], mended)
    return sorted(kept.values(), key=lambda event: event["index"])  # a stable sort


def _mended(text: str) -> str:
    return "".join("?" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)[:10_000]


def _stop(recording_id: str, chunks: list[Chunk], events: list[Event], n: int, ending: str) -> Event:
    last = events[-1] if events else {"host_ns": 0, "step": 0, "activity": ""}
    return {
        "uuid": str(uuid.uuid5(uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8"), f"{recording_id} stop")),
        "index": n,
        "host_ns": max(chunks[-1].host_ns if chunks else 0, last["host_ns"]),
        "kind": "stop",
        "step": last["step"],
        "activity": last["activity"],
        "text": ending,
    }


def seal(body: bytes) -> bytes:
    return b"\ntrilead-seal-1 sha256 " + hashlib.sha256(body).hexdigest().encode() + b"\n"


def read_recording(path: Path) -> Recording:
    data = path.read_bytes()
    if data[-88:] != seal(data[:-88]):
        raise FormatError("the seal is absent or broken")
    with h5py.File(path, "r") as file:
        attributes = _attributes(file)
        signal = file["signal"]
        columns = (signal.attrs[name].tolist() for name in ("names", "units", "gain", "offset"))
        channels = [Channel(*row) for row in zip(*columns, strict=True)]
        samples = signal[()]
        values = (samples - signal.attrs["offset"]) * signal.attrs["gain"]
        gaps = [Gap(*(_plain(row[name]) for name in Gap._fields)) for row in file["gaps"][()]]
        valid: list[Range] = [(start, stop) for start, stop in file["valid"][()].tolist()]
        ranges = sorted([*valid, *((gap.start, gap.start + gap.length) for gap in gaps)])
        if [*(start for start, _ in ranges), len(samples)] != [0, *(stop for _, stop in ranges)]:
            raise FormatError("/valid and /gaps do not cover each row exactly once")
        for gap in gaps:
            values[gap.start : gap.start + gap.length] = np.nan
        events = [{name: _plain(row[name]) for name in EVENT_COLUMNS} for row in file["events"][()]]
        clock, protocol_text = file["clock"][()], _plain(file["protocol"][()])
        report = json.loads(attributes["report"]) if attributes.get("report") else None
        found = Recording(
            attributes, channels, samples, values, valid, gaps, clock, events, protocol_text, report, "", []
        )
        return _compared(found, file["digests"]) if attributes["version"] == 2 else found


def _attributes(file: h5py.File) -> dict[str, Any]:
    attributes = {name: _plain(value) for name, value in file.attrs.items()}
    if attributes.get("format") != "trilead-recording" or attributes.get("version") not in (1, 2):
        raise FormatError("no recording of version 1 or 2")
    expected = KINDS_1 if attributes["version"] == 1 else KINDS_2
    if {name: type(value) for name, value in attributes.items()} != expected:
        raise FormatError("the attributes are not the ones told")
    return attributes


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value.item() if isinstance(value, np.generic) else value


def _compared(found: Recording, stored: h5py.Group) -> Recording:
    rows = max(1, round(found.attributes["nominal_rate_hz"]))
    n, fields, samples = len(found.samples), sorted(found.attributes.keys() - {"content_sha256"}), found.samples
    hashed = {
        "header": {name: _field(found.attributes[name]) for name in fields},  # all are ASCII: sorted as their bytes are
        "channels": {str(i): _packed(*channel) for i, channel in enumerate(found.channels)},
        "signal": {f"{i}:{min(i + rows, n)}": _little(samples[i : i + rows]) for i in range(0, n, rows)},
        "events": {str(i): _packed(*(event[c] for c in EVENT_COLUMNS)) for i, event in enumerate(found.events)},
        "datasets": {
            "clock": _little(found.clock),
            "gaps": b"".join(_packed(*gap) for gap in found.gaps),
            "protocol": found.protocol_text.encode(),
            "valid": _packed(*(edge for pair in found.valid for edge in pair)),
        },
    }
    changed = []
    root = hashlib.sha256(_packed("trilead-digests-1"))
    for part, entries in hashed.items():
        digests = {name: hashlib.sha256(data).digest() for name, data in entries.items()}
        shape = (samples.dtype.name, *samples.shape, rows) if part == "signal" else ()
        root.update(_packed(part, *shape, len(digests)))
        named = part in ("header", "datasets")
        for name, digest in digests.items():
            root.update((_packed(name) if named else b"") + digest)
        there = [row.tobytes() for row in stored[part][()]]
        if len(there) != len(digests) or (named and list(stored[part].attrs["names"]) != list(digests)):
            changed.append(part)
        else:
            changed += [f"{part}/{name}" for name, old in zip(digests, there, strict=True) if digests[name] != old]
    if stored["signal"].attrs["block_rows"] != rows:
        changed.append("signal")
    if root.hexdigest() != found.attributes["content_sha256"]:
        changed.append("content_sha256")
    return found._replace(root=root.hexdigest(), changed=changed)


def _packed(*items: str | int | float) -> bytes:
    return b"".join(_block(item) for item in items)


def _block(item: str | int | float) -> bytes:
    if isinstance(item, int):
        return struct.pack("<q", item)
    if isinstance(item, float):
        return struct.pack("<d", item)
    data = item.encode()
    return struct.pack("<I", len(data)) + data


def _field(value: str | int | float) -> bytes:
    if isinstance(value, str):
        return b"s" + value.encode()
    return (b"i" if isinstance(value, int) else b"f") + _block(value)


def _little(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
