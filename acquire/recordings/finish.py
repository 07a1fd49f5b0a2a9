"""From a journal to a recording file: the same content whoever does it, the recorder itself or a recovery later."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel, LinkCounters
from acquire.errors import JournalError, JournalErrorReason
from acquire.files import fsync_folder, publish
from acquire.recordings.chunk_index import ChunkIndex
from acquire.recordings.content import Gap, Header, RecordedEvent, RecordingContent
from acquire.recordings.content_rules import MAX_TEXT
from acquire.recordings.journal import JournalContent
from acquire.recordings.journal_samples import JournalSamples
from acquire.recordings.report import RecordingReport, make_report
from acquire.recordings.samples import Samples, rows_of

__all__ = [
    "LOST_SAMPLES",
    "MAX_GAP_S",
    "RecordingSummary",
    "build_content",
    "discard",
    "journal_header",
    "keep_evidence",
    "summary_of",
]

LOST_SAMPLES = "the board's sample counter jumped: samples were lost on the way"
MAX_GAP_S = 24 * 3600.0

_Fields = TypeVar("_Fields", Header, Channel)


@dataclass(frozen=True, kw_only=True)
class RecordingSummary:
    """What came of a recording.

    Attributes:
        path: the recording file.
        n_samples: rows, gaps included.
        rate_hz: the rate that was fitted, or the nominal one.
        n_events: events in the file.
        gaps: lost samples.
        complete: whether the protocol ran to its end.
        reason: why the recording ended, in words.
        report: expected and received samples, each step's coverage and more; None where nobody has worked it out.
        doubts: what is wrong with the journal it was made from, a sentence's middle each; it was kept if there are any.
    """

    path: Path
    n_samples: int
    rate_hz: float
    n_events: int
    gaps: tuple[Gap, ...]
    complete: bool
    reason: str
    report: RecordingReport | None = None
    doubts: tuple[str, ...] = ()

    def to_values(self) -> dict[str, Any]:
        """All of it as JSON can carry it."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> RecordingSummary:
        """The summary that ``to_values`` was called on.

        Raises:
            ValueError: the report is not one.
            TypeError: a field is missing or unknown.
            KeyError: a field is missing.
        """
        report = values["report"]
        return cls(
            **{
                **values,
                "path": Path(values["path"]),
                "gaps": tuple(Gap(**gap) for gap in values["gaps"]),
                "report": None if report is None else RecordingReport.from_values(report),
                "doubts": tuple(map(str, values["doubts"])),
            }
        )

    @property
    def duration_s(self) -> float:
        """How long the recording is, gaps included."""
        return self.n_samples / self.rate_hz

    @property
    def lost_samples(self) -> int:
        """Samples that stand in gaps."""
        return sum(gap.length for gap in self.gaps)


def journal_header(header: Header, *, channels: Sequence[Channel], dtype: str, protocol_text: str) -> dict[str, Any]:
    """What the HEADER of a journal says, so that ``build_content`` needs nothing else."""
    return {
        "header": asdict(header),
        "channels": [asdict(channel) for channel in channels],
        "dtype": dtype,
        "protocol_text": protocol_text,
    }


def build_content(journal: JournalContent, *, ending: str) -> tuple[RecordingContent, tuple[str, ...]]:
    """Everything a journal holds, as a recording.

    Args:
        journal: what was read of it.
        ending: why the recording ended, where the journal has no CLOSE that tells it. It is also the text of the stop
            event that is added where the journal has neither a stop nor an end.

    Returns:
        The content, and what is doubtful about it, a sentence's middle each.

    Raises:
        JournalError: the HEADER lacks something.
    """
    header, channels, protocol_text = _parse_header(journal)
    ending = _storable(journal.close_reason or ending)
    doubts = [f"{journal.fault}, so what stands behind it was left out"] if journal.damaged else []
    chunks, fault = _consecutive(journal.chunks, header.nominal_rate_hz)
    doubts += [fault] if fault else []
    samples = JournalSamples(chunks)
    n_samples = samples.shape[0]
    events, faults = _events(journal, n_samples)
    doubts += faults
    gaps = _gaps(chunks, {event.index: event.text for event in reversed(events) if event.kind == "gap"})
    if not any(event.kind in ("stop", "end") for event in events):
        events = (*events, _stop_event(header, events, chunks.clock, n_samples, ending))
    valid = _between(gaps, n_samples)
    report = make_report(
        events=events,
        valid=valid,
        clock=chunks.clock,
        n_samples=n_samples,
        nominal_rate_hz=header.nominal_rate_hz,
        protocol_text=protocol_text,
        link=_link(journal.close),
        ending=ending,
    )
    content = RecordingContent(
        header=replace(header, fitted_rate_hz=report.fitted_rate_hz),
        channels=channels,
        counts=samples,
        valid=valid,
        clock=chunks.clock,
        events=events,
        gaps=gaps,
        protocol_text=protocol_text,
        report=report,
    )
    return content, tuple(doubts)


def discard(journal: Path) -> str:
    """Remove a journal; only ever after its recording file stands, or before anything was recorded.

    Returns:
        What hindered it, as the middle of a sentence, or ""; a recording is none the worse for a journal that stays.
    """
    try:
        journal.unlink()
        fsync_folder(journal.parent)
    except OSError as error:
        return f"its journal {journal.name} could not be removed ({error.strerror or error}); run trilead recover"
    return ""


def keep_evidence(journal: Path) -> Path:
    """Take a doubtful journal out of the list of orphans, without losing it; gives the name that it has then.

    That is the old one where the disk refuses another: a recording is none the worse for it.
    """
    number = 1
    while True:
        kept = journal.with_suffix(f".kept-{number:02d}")
        try:
            publish(journal, kept)
        except FileExistsError:
            number += 1
        except OSError:
            return journal if journal.exists() else kept
        else:
            return kept


def summary_of(path: Path, content: RecordingContent, *, reason: str, doubts: tuple[str, ...] = ()) -> RecordingSummary:
    """What came of a recording, in short."""
    header = content.header
    return RecordingSummary(
        path=path,
        n_samples=content.counts.shape[0],
        rate_hz=header.fitted_rate_hz or header.nominal_rate_hz,
        n_events=len(content.events),
        gaps=content.gaps,
        complete=any(event.kind == "end" for event in content.events),
        reason=reason,
        report=content.report,
        doubts=doubts,
    )


def _consecutive(chunks: ChunkIndex, rate_hz: float) -> tuple[ChunkIndex, str]:
    """The chunks up to the first whose place cannot be right."""
    place, reached = 0, 0
    for starts, stops in chunks.ranges():
        before = np.concatenate([[reached], stops[:-1]])
        wrong = np.flatnonzero((starts < before) | (starts - before > MAX_GAP_S * rate_hz))
        if wrong.size:
            at = int(wrong[0])
            fault = f"a chunk at sample {starts[at]} follows sample {before[at]}, so it and all behind it were left out"
            return chunks.first(place + at), fault
        place, reached = place + len(stops), int(stops[-1])
    return chunks, ""


def _gaps(chunks: ChunkIndex, causes: Mapping[int, str]) -> tuple[Gap, ...]:
    """Where chunks do not follow one another; the recorder writes an event with the cause where a gap begins."""
    gaps: list[Gap] = []
    reached = 0
    for starts, stops in chunks.ranges():
        before = np.concatenate([[reached], stops[:-1]])
        for at in np.flatnonzero(starts > before).tolist():
            start = int(before[at])
            gaps.append(Gap(start=start, length=int(starts[at]) - start, cause=causes.get(start) or LOST_SAMPLES))
        reached = int(stops[-1])
    return tuple(gaps)


def _between(gaps: Sequence[Gap], n_samples: int) -> NDArray[np.int64]:
    """The ranges that gaps leave, shape (k, 2)."""
    edges = [0, *(edge for gap in gaps for edge in (gap.start, gap.start + gap.length)), n_samples]
    ranges = np.array(edges, dtype=np.int64).reshape(-1, 2)
    real: NDArray[np.bool_] = ranges[:, 1] > ranges[:, 0]
    return ranges[real]


def _link(close: Mapping[str, Any] | None) -> LinkCounters | None:
    """What came over the board's link, where the recorder said so and lived to the end."""
    raw = close.get("link") if close else None
    return LinkCounters(**raw) if isinstance(raw, dict) and _has_types(raw, LinkCounters) else None


def _events(journal: JournalContent, n_samples: int) -> tuple[tuple[RecordedEvent, ...], list[str]]:
    events: dict[str, RecordedEvent] = {}
    faults = set()
    for raw in journal.events:
        if not _is_event(raw, n_samples):
            faults.add("an event that is not whole or stands outside the samples was left out")
            continue
        event = RecordedEvent(**{name: _storable(value) for name, value in raw.items()})
        if events.setdefault(event.uuid, event) is not event:
            faults.add(f"two events have the uuid {event.uuid[:40]!r}, and the second was left out")
    return tuple(sorted(events.values(), key=lambda event: event.index)), sorted(faults)


def _is_event(raw: Mapping[str, Any], n_samples: int) -> bool:
    return (
        _has_types(raw, RecordedEvent)
        and 0 <= raw["index"] <= n_samples
        and raw["uuid"] != ""
        and all(-(2**63) <= raw[name] < 2**63 for name in ("host_ns", "step"))
    )


def _storable(value: Any) -> Any:
    """A text as a recording can keep it: what an operator pasted may not be what stands between samples and a file."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "?")[:MAX_TEXT]


def _stop_event(
    header: Header, events: Sequence[RecordedEvent], clock: Samples, n_samples: int, text: str
) -> RecordedEvent:
    last = events[-1] if events else None
    n_chunks = clock.shape[0]
    host_ns = max(int(rows_of(clock, n_chunks - 1, n_chunks)[0, 1]) if n_chunks else 0, last.host_ns if last else 0)
    return RecordedEvent(
        # Derived, so that recovering twice makes the same event twice.
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{header.recording_id} stop")),
        index=n_samples,
        host_ns=host_ns,
        kind="stop",
        step=last.step if last else 0,
        activity=last.activity if last else "",
        text=text,
    )


def _parse_header(journal: JournalContent) -> tuple[Header, tuple[Channel, ...], str]:
    raw, channels = journal.header.get("header"), journal.header.get("channels")
    text = journal.header.get("protocol_text")
    if (
        isinstance(raw, dict)
        and _has_types(described := {"loss_detection": "", **raw}, Header)
        and all(isinstance(level, str) for level in described["factors"].values())
        and all(
            isinstance(weights, dict) and _are_numbers(weights.values()) for weights in described["montage"].values()
        )
        and isinstance(channels, list)
        and all(isinstance(channel, dict) and _has_types(channel, Channel) for channel in channels)
        and isinstance(text, str)
    ):
        # An integer of 400 digits is a number in JSON, but none that a recording could hold.
        with contextlib.suppress(OverflowError):
            return _made(Header, described), tuple(_made(Channel, channel) for channel in channels), text
    raise JournalError(
        f"{journal.path}: the HEADER lacks what a recording needs; keep the file and ask for help.",
        path=journal.path,
        reason=JournalErrorReason.DAMAGED,
    )


def _has_types(raw: Mapping[str, Any], kind: type[Any]) -> bool:
    """Whether JSON holds exactly the fields of a dataclass, each of the right type."""
    types: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int)}
    declared = {field.name: types.get(str(field.type), (dict,)) for field in fields(kind)}
    return raw.keys() == declared.keys() and all(
        isinstance(raw[name], allowed) and not isinstance(raw[name], bool) for name, allowed in declared.items()
    )


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(type(value) in (int, float) for value in values)


def _made(kind: type[_Fields], raw: Mapping[str, Any]) -> _Fields:
    """A dataclass of JSON of the right types; JSON does not tell 250 from 250.0, and a recording does."""
    floats: dict[str, Any] = {field.name: float(raw[field.name]) for field in fields(kind) if field.type == "float"}
    return kind(**{**raw, **floats})
