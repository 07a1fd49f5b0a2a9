"""What was changed in a recording file, told by comparing each part with the digest that was stored with it.

It works on an open file whose seal nobody vouches for: each part is read by itself, and one that cannot be read does
not keep the others from being examined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import h5py
import numpy as np

from acquire.recordings.content import RecordedEvent
from acquire.recordings.content_rules import MAX_RATE_HZ
from acquire.recordings.digests import (
    DATASETS,
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
from acquire.recordings.recording_parts import (
    HDF5_ERRORS,
    RecordingFault,
    hard_dataset,
    read_channels,
    read_events,
    read_gaps,
    read_protocol,
    stored_integers,
)
from acquire.recordings.samples import stretches

__all__ = ["FIRST_WITH_DIGESTS", "examine"]

FIRST_WITH_DIGESTS = 2
"""The first version of the format that has digests."""

_ROOT = "content_sha256"
_MEMBERS = {"signal", "events", "digests", *DATASETS}
_READ_ROWS = 1 << 16

Say = Callable[[str], None]


def examine(
    file: h5py.File,
    *,
    say: Callable[[str], None],
    with_samples: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Compare everything in a recording file with its digests.

    Args:
        file: an open recording file of a version that has digests.
        say: is told each change, as a clause such as "header field subject was changed".
        with_samples: whether the samples are read; else the digests stored of them are believed.
        progress: is told now and then how many rows of how many were read.

    Returns:
        The root digest of what is in the file, in hexadecimal; "" when some part cannot be read.
    """
    found: dict[str, Any] = {}
    changes = 0

    def count(clause: str) -> None:
        nonlocal changes
        changes += 1
        say(clause)

    with _attempt("the file's list of contents", count):
        for name in sorted(set(file) - _MEMBERS):
            count(f"/{_shown(name)} was added")
    with _attempt("the header", count):
        found["header"] = _examine_header(file, count)
    with _attempt("what is said of the channels", count):
        found["channels"] = _examine_channels(file, count)
    with _attempt("the events", count):
        found["events"] = _examine_events(file, count)
    found["datasets"] = _examine_datasets(file, count)
    with _attempt("the samples", count):
        found.update(_examine_samples(file, count, progress) if with_samples else _believed_samples(file, count))
    if not {"header", "channels", "events", "signal"} <= found.keys() or len(found["datasets"]) < len(DATASETS):
        return ""
    root = Digests(**found).root()
    with _attempt("the root digest", count):
        # With everything else as it should be: somebody changed a part and its digest alike, or the root itself.
        if not changes and file.attrs.get(_ROOT) != root:
            count("the root digest is not that of the other digests, so one of them was changed")
    return root


@contextmanager
def _attempt(what: str, say: Say) -> Iterator[None]:
    """Say so when a part cannot be read, and go on."""
    try:
        yield
    except RecordingFault as fault:
        say(f"{what} cannot be read ({fault})")
    except HDF5_ERRORS:
        say(f"{what} cannot be read")


def _examine_header(file: h5py.File, say: Say) -> dict[str, bytes]:
    stored = _stored_named(file, "header")
    found: dict[str, bytes] = {}
    for name in sorted((set(file.attrs) | set(stored)) - {_ROOT}):
        if name not in file.attrs:
            say(f"header field {_shown(name)} is missing")
            continue
        digest = None
        with _attempt(f"header field {_shown(name)}", say):
            digest = field_digest(file.attrs[name])
        if name not in stored:
            say(f"header field {_shown(name)} was added")
        elif digest != stored[name]:
            say(f"header field {_shown(name)} was changed")
        found[name] = digest or b""
    return found


def _examine_channels(file: h5py.File, say: Say) -> tuple[bytes, ...]:
    stored = _stored(file, "channels")
    channels = read_channels(file)
    found = tuple(map(channel_digest, channels))
    if len(stored) != len(found):
        say(f"there are {len(found)} channels, but {len(stored)} were written")
    for number, (channel, now, then) in enumerate(zip(channels, found, stored, strict=False), start=1):
        if now != then:
            say(f"name, unit, gain or offset of channel {number} ({_shown(channel.name)}) was changed")
    return found


def _examine_events(file: h5py.File, say: Say) -> tuple[bytes, ...]:
    stored = _stored(file, "events")
    events = read_events(file)
    found = tuple(map(event_digest, events))
    if len(found) == len(stored):
        for number, (event, now, then) in enumerate(zip(events, found, stored, strict=True), start=1):
            if now != then:
                say(f"{_event_words(number, event)} was changed")
        return found
    say(f"there are {len(found)} events, but {len(stored)} were written")
    known = set(stored)
    for number, (event, now) in enumerate(zip(events, found, strict=True), start=1):
        if now not in known:
            say(f"{_event_words(number, event)} was added or changed")
    left = set(found)
    for number, then in enumerate(stored, start=1):
        if then not in left:
            say(f"what was written as event {number} is missing or was changed")
    return found


def _event_words(number: int, event: RecordedEvent) -> str:
    what = ", ".join(_shown(text) for text in (event.kind, event.activity) if text)
    return f"event {number} ({what}) at {event.index}"


def _shown(text: str) -> str:
    """A text of the file as any terminal may show it, whoever wrote it."""
    return text[:40] if text.isprintable() else ascii(text[:40])


def _examine_datasets(file: h5py.File, say: Say) -> dict[str, bytes]:
    read: Mapping[str, Callable[[], bytes]] = {
        "clock": lambda: _integers_digest(file, "clock", 3),
        "gaps": lambda: gaps_digest(read_gaps(file)),
        "protocol": lambda: text_digest(read_protocol(file)),
        "valid": lambda: _integers_digest(file, "valid", 2),
    }
    stored: Mapping[str, bytes] | None = None
    with _attempt("the digests of the data sets", say):
        stored = _stored_named(file, "datasets")
    found: dict[str, bytes] = {}
    for name in DATASETS:
        with _attempt(f"/{name}", say):
            found[name] = read[name]()
            if stored is not None and found[name] != stored.get(name):
                say(f"/{name} was changed")
    return found


def _integers_digest(file: h5py.File, name: str, width: int) -> bytes:
    return integers_digest(part for _, part in stretches(stored_integers(file, name, width), _READ_ROWS))


def _examine_samples(file: h5py.File, say: Say, progress: Callable[[int, int], None]) -> dict[str, Any]:
    stored = _stored(file, "signal")
    layout = _layout(file, say)
    n_rows, n_block = layout["n_samples"], layout["block_rows"]
    signal = hard_dataset(file, "signal")
    found: list[bytes] = []
    wrong: list[tuple[int, str]] = []
    # Whole blocks, and about as many as HDF5 unpacks at once.
    step = n_block * max(1, (signal.chunks or (_READ_ROWS,))[0] // n_block)
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        for place, digest in enumerate(_block_digests(signal, start, stop, n_block), start=start // n_block):
            if digest is None:
                wrong.append((place, "cannot be read"))
            elif place >= len(stored):
                wrong.append((place, "were added"))
            elif digest != stored[place]:
                wrong.append((place, "were changed"))
            found.append(digest or b"")
        progress(stop, n_rows)
    rate_hz = _rate_hz(file)
    for words, first, last in _runs(wrong):
        begin, end = first * n_block, min((last + 1) * n_block, n_rows)
        seconds = f" ({begin / rate_hz:.1f} to {end / rate_hz:.1f} s)" if rate_hz else ""
        say(f"samples {begin} to {end}{seconds} {words}")
    if len(found) < len(stored):
        say(f"the samples from {n_rows} on are missing")
    return {**layout, "signal": tuple(found)}


def _block_digests(signal: h5py.Dataset, start: int, stop: int, n_block: int) -> list[bytes | None]:
    """The digest of each block of rows ``[start, stop)``; None for a block that cannot be read."""
    try:
        blocks = BlockDigests(n_block)
        blocks.feed(np.asarray(signal[start:stop]))
        return list(blocks.finish())
    except HDF5_ERRORS:
        if stop - start <= n_block:
            return [None]
    return [
        digest
        for begin in range(start, stop, n_block)
        for digest in _block_digests(signal, begin, min(begin + n_block, stop), n_block)
    ]


def _runs(wrong: Sequence[tuple[int, str]]) -> Iterator[tuple[str, int, int]]:
    """Neighbouring blocks of which the same can be said, as words, first and last block."""
    for (words, _), run in groupby(enumerate(wrong), key=lambda entry: (entry[1][1], entry[1][0] - entry[0])):
        places = [place for _, (place, _) in run]
        yield words, places[0], places[-1]


def _believed_samples(file: h5py.File, say: Say) -> dict[str, Any]:
    return {**_layout(file, say), "signal": _stored(file, "signal")}


def _layout(file: h5py.File, say: Say) -> dict[str, Any]:
    signal = hard_dataset(file, "signal")
    n_block = hard_dataset(file["digests"], "signal").attrs.get("block_rows")
    if signal.ndim != 2:
        raise RecordingFault("/signal has not 2 dimensions")
    if not isinstance(n_block, np.int64) or not 1 <= n_block <= block_rows(MAX_RATE_HZ):
        raise RecordingFault("/digests/signal does not say how many rows a block has")
    rate_hz = file.attrs.get("nominal_rate_hz")
    if isinstance(rate_hz, float) and 0 < rate_hz < np.inf and n_block != block_rows(rate_hz):
        say(f"the digests of the samples are of {n_block} rows each, which does not fit the nominal rate")
    return {
        "dtype": str(signal.dtype),
        "n_samples": int(signal.shape[0]),
        "n_channels": int(signal.shape[1]),
        "block_rows": int(n_block),
    }


def _rate_hz(file: h5py.File) -> float:
    """The rate for showing seconds, or 0 where the header has none."""
    rates = [file.attrs.get(name) for name in ("fitted_rate_hz", "nominal_rate_hz")]
    return next((float(rate) for rate in rates if isinstance(rate, float) and 0 < rate < np.inf), 0.0)


def _stored(file: h5py.File, name: str) -> tuple[bytes, ...]:
    dataset = hard_dataset(file["digests"], name) if "digests" in file else None
    if dataset is None or dataset.ndim != 2 or dataset.shape[1] != 32 or dataset.dtype != np.uint8:
        raise RecordingFault(f"/digests/{name} is missing or has another shape or type")
    return tuple(map(bytes, dataset[:]))


def _stored_named(file: h5py.File, name: str) -> dict[str, bytes]:
    digests = _stored(file, name)
    names = hard_dataset(file["digests"], name).attrs.get("names")
    if np.shape(names) != (len(digests),) or not all(isinstance(entry, str) for entry in names):
        raise RecordingFault(f"/digests/{name} does not name its rows")
    return dict(zip(map(str, names), digests, strict=True))
