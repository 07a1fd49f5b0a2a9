"""Journals under the fuzzer: `acquire.recordings.journal`, both readers of it, and what a recovery makes of one.

What is promised: a journal that was damaged gives the samples before the damage, unchanged, or one sentence; who
follows a journal as it grows sees the same records as who reads it at the end; and no journal, however it is made,
gives anything but a recording's content or a sentence.
"""

from __future__ import annotations

import json
import struct
import tempfile
import zlib
from pathlib import Path

from acquire.errors import JournalError
from benchmarks.fuzz_choices import Choices, Finding
from protocols.errors import TrileadError

__all__ = ["journal"]

_HEAD = struct.Struct("<4sIIII")
_CHUNK = struct.Struct("<qqqII")
_MAGIC = b"tlJ1"
_CHANNELS = 2
_OF_RECORDING = {
    "recording_id": "8a2f0a52-5e5e-4c0f-9d44-0d3f4e1f6a01",
    "subject": "S01",
    "session": "01",
    "run": 1,
    "started_at": "2026-01-01T00:00:00+00:00",
    "board": "sim:",
    "nominal_rate_hz": 250.0,
    "mains_hz": 50,
    "factors": {},
    "protocol_name": "",
    "protocol_sha256": "",
    "montage": {"I": {"I": 1.0}},
    "software_version": "0",
}
_HEADER = {
    "journal_version": 1,
    "header": _OF_RECORDING,
    "channels": [{"name": name, "unit": "mV", "gain": 0.001, "offset": 0.0} for name in ("I", "II")],
    "dtype": "int32",
    "protocol_text": "",
}
_EVENT = {"uuid": "1", "index": 0, "host_ns": 0, "kind": "mark", "step": 0, "activity": "", "text": ""}
_NAMES = (*_EVENT, "name", "unit", "gain", "offset", "reason", "link")
_folder = tempfile.TemporaryDirectory(prefix="trilead-fuzz-journal-")
_PATH = Path(_folder.name) / "fuzzed.journal"


def journal(data: bytes) -> None:
    """Journals of any bytes, damaged ones, and hostile ones whose checksums are right."""
    choices = Choices(data)
    kind = choices.below(3)
    if kind == 0:
        _damaged(choices)
    elif kind == 1:
        _hostile(choices)
    else:
        stream = choices.rest()
        _read(stream if choices.flag() else _MAGIC + stream, [len(stream)])


def _record(kind: int, payload: bytes, sequence: int) -> bytes:
    checked = struct.pack("<III", kind, len(payload), sequence)
    return _MAGIC + checked + struct.pack("<I", zlib.crc32(payload, zlib.crc32(checked))) + payload


def _chunk(index: int, rows: bytes, host_ns: int = 0) -> bytes:
    n_rows = len(rows) // (4 * _CHANNELS)
    return _CHUNK.pack(index, host_ns, -1, n_rows, 0) + rows[: n_rows * 4 * _CHANNELS]


def _damaged(choices: Choices) -> None:
    """A sound journal with one stretch of up to four bytes changed, lost or put in, or cut off anywhere.

    CRC32 shows every change within 32 bits; what is further apart it shows only as good as always.
    """
    records = [_record(1, json.dumps(_HEADER).encode(), 0)]
    chunks = []
    index = 0
    for sequence in range(1, choices.between(2, 12)):
        if choices.below(4) == 0:
            records.append(_record(3, json.dumps({**_EVENT, "uuid": str(sequence), "index": index}).encode(), sequence))
            continue
        index += choices.one_of((0, 0, 0, 5))
        payload = _chunk(index, choices.take(8 * choices.between(1, 4)).ljust(8, b"\x01"))
        records.append(_record(2, payload, sequence))
        chunks.append((index, payload[_CHUNK.size :]))
        index += len(chunks[-1][1]) // 8
    sound = b"".join(records)
    at, n_bytes = choices.below(len(sound)), choices.between(1, 4)
    kind = choices.below(4)
    if kind == 0:
        stream = sound[:at] + (choices.take(n_bytes) or b"\0") + sound[at:]
    elif kind == 1:
        stream = sound[:at] + sound[at + n_bytes :]
    elif kind == 2:
        end = min(len(sound), at + n_bytes)
        stream = sound[:at] + (choices.take(end - at)).ljust(end - at, b"\0") + sound[end:]
    else:
        stream = sound[:at]
    got = _read(stream, [choices.below(len(stream) + 1) for _ in range(3)] if stream else [])
    if got is not None and got != chunks[: len(got)]:
        raise Finding(f"{got} was read and {chunks} written; damage of kind {kind} at {at}: {stream.hex()}")


def _hostile(choices: Choices) -> None:
    """A journal whose checksums are right and whose content need not be."""
    of_recording: dict[str, object] = dict(_OF_RECORDING)
    header: dict[str, object] = {**_HEADER, "header": of_recording}
    if choices.flag():
        where = choices.one_of((header, of_recording))
        where[choices.one_of((*where, "x"))] = _any_value(choices, 0)
    records = [_record(1, _json(choices, header), 0)]
    for sequence in range(1, choices.between(2, 8)):
        kind = choices.one_of((2, 2, 2, 3, 3, 4, 1, 9))
        if kind == 2:
            payload = _chunk(_any_whole(choices), choices.take(8 * choices.between(0, 3)), _any_whole(choices))
            payload = payload[: len(payload) - (choices.below(8) == 1)]
        else:
            event = {**_EVENT, "uuid": str(sequence), choices.one_of(_NAMES): _any_value(choices, 0)}
            payload = _json(choices, choices.one_of((event, {"reason": "stop", "link": event}, event["index"])))
        records.append(_record(kind, payload, sequence + (choices.below(40) == 1)))
    _read(b"".join(records), [])


def _json(choices: Choices, value: object) -> bytes:
    kind = choices.below(40)
    if kind == 1:
        return choices.take(choices.below(30))
    if kind == 2:
        return b"[" * 100_000
    if kind == 3:
        return b"9" * 5000
    return json.dumps(value).encode()


def _any_whole(choices: Choices) -> int:
    usual = choices.below(6)
    return usual if usual < 4 else int.from_bytes(choices.take(8).ljust(8, b"\xff"), "little", signed=True)


def _any_value(choices: Choices, depth: int) -> object:
    kind = choices.below(10 if depth < 3 else 7)
    if kind < 7:
        return (None, True, -1, 1e308, _any_whole(choices), float("nan"), choices.take(6).decode("latin-1"))[kind]
    if kind == 7:
        return [_any_value(choices, depth + 1) for _ in range(choices.below(3))]
    return {choices.one_of(_NAMES): _any_value(choices, depth + 1) for _ in range(choices.below(8))}


def _read(stream: bytes, cuts: list[int]) -> list[tuple[int, bytes]] | None:
    """Read a journal in every way; the chunks, or None where it was refused."""
    from acquire.recordings.content_rules import content_fault
    from acquire.recordings.finish import build_content
    from acquire.recordings.journal import RecordKind, read_journal

    _PATH.write_bytes(stream)
    try:
        content = read_journal(_PATH)
    except JournalError:
        return None
    if content.whole_bytes + content.dropped_bytes != len(stream):
        raise Finding(f"{content.whole_bytes} + {content.dropped_bytes} bytes are told of {len(stream)}")
    chunks = _chunks(stream, content.whole_bytes)
    if len(chunks) != len(content.chunks):
        raise Finding(f"{len(content.chunks)} chunks were read of {len(chunks)}: {stream.hex()}")
    firsts = [first for starts, _ in content.chunks.ranges() for first in starts.tolist()]
    for (start, _), first in zip(chunks, firsts, strict=True):
        if start != first:
            raise Finding(f"the chunk at sample {start} was read as at {first}: {stream.hex()}")
    followed = _follow(stream, cuts)
    if followed is not None:
        told = [payload for kind, payload in followed if kind is RecordKind.CHUNK]
        if content.fault == "" and len(told) != len(chunks):
            raise Finding(f"who follows it sees {len(told)} chunks of {len(chunks)}: {stream.hex()}")
    try:
        made, _ = build_content(content, ending="the recorder died")
        content_fault(made, shape=made.counts.shape)
    except TrileadError as error:
        if not str(error).isprintable():
            raise Finding(f"the message {str(error)[:200]!r} cannot be shown") from error
    return chunks


def _chunks(stream: bytes, whole: int) -> list[tuple[int, bytes]]:
    """The chunks of the part that was found whole, by a reader that looks at nothing but lengths."""
    chunks, at = [], 0
    while at < whole:
        _, kind, length, _, _ = _HEAD.unpack_from(stream, at)
        payload = stream[at + _HEAD.size : at + _HEAD.size + length]
        if kind == 2:
            chunks.append((_CHUNK.unpack_from(payload)[0], payload[_CHUNK.size :]))
        at += _HEAD.size + length
    return chunks


def _follow(stream: bytes, cuts: list[int]) -> list[tuple[object, bytes]] | None:
    """The records that somebody sees who follows the journal as it grows; None before its header is whole."""
    from acquire.recordings.journal import JournalTail

    ends = [*sorted(cuts), len(stream)]
    with _PATH.open("r+b") as file:
        file.truncate(ends[0])
    tail = None
    records: list[tuple[object, bytes]] = []
    try:
        for end in ends:
            with _PATH.open("r+b") as file:
                file.seek(0, 2)
                file.write(stream[file.tell() : end])
            if tail is None:
                try:
                    tail = JournalTail(_PATH)
                except JournalError:
                    continue
            records.extend((record.kind, record.payload) for record in tail.poll())
    finally:
        if tail is not None:
            tail.__exit__(None, None, None)
    return records if tail is not None else None
