"""From a journal to a recording file: the same content whoever does it, the recorder itself or a recovery later."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.board import Channel
from acquire.content import Gap, Header, RecordedEvent, RecordingContent
from acquire.errors import JournalError, JournalErrorReason
from acquire.files import fsync_folder
from acquire.journal import JournalContent, StoredChunk

__all__ = ["MAX_GAP_S", "RecordingSummary", "build_content", "discard", "fit_rate_hz", "journal_header", "summary_of"]

LOST_SAMPLES = "the board's sample counter jumped: samples were lost on the way"
MAX_GAP_S = 24 * 3600.0
_MIN_FIT_S = 10.0
_FIT_BLOCKS = 200


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
    """

    path: Path
    n_samples: int
    rate_hz: float
    n_events: int
    gaps: tuple[Gap, ...]
    complete: bool
    reason: str

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
        ending: text of the stop event that is added where the journal has neither a stop nor an end.

    Returns:
        The content, and what is doubtful about it, a sentence's middle each.

    Raises:
        JournalError: the HEADER lacks something.
    """
    header, channels, protocol_text = _parse_header(journal)
    doubts = [journal.fault] if journal.damaged else []
    chunks, fault = _consecutive(journal.chunks, header.nominal_rate_hz)
    doubts += [fault] if fault else []
    n_samples = chunks[-1].index + len(chunks[-1].samples) if chunks else 0
    dtype = np.dtype(str(journal.header["dtype"]))
    counts = np.zeros((n_samples, len(channels)), dtype=dtype)
    gaps: list[Gap] = []
    valid: list[tuple[int, int]] = []
    reached = 0
    for chunk in chunks:
        stop = chunk.index + len(chunk.samples)
        counts[chunk.index : stop] = chunk.samples
        if chunk.index > reached:
            gaps.append(Gap(start=reached, length=chunk.index - reached, cause=LOST_SAMPLES))
        if valid and chunk.index == reached:
            valid[-1] = (valid[-1][0], stop)
        else:
            valid.append((chunk.index, stop))
        reached = stop
    clock = np.array(
        [(chunk.index + len(chunk.samples) - 1, chunk.host_ns, chunk.board_ns) for chunk in chunks], dtype=np.int64
    ).reshape(-1, 3)
    events, fault = _events(journal, n_samples)
    doubts += [fault] if fault else []
    if not any(event.kind in ("stop", "end") for event in events):
        events = (*events, _stop_event(header, events, clock, n_samples, ending))
    content = RecordingContent(
        header=replace(header, fitted_rate_hz=fit_rate_hz(clock, header.nominal_rate_hz)),
        channels=channels,
        counts=counts,
        valid=np.array(valid, dtype=np.int64).reshape(-1, 2),
        clock=clock,
        events=events,
        gaps=tuple(gaps),
        protocol_text=protocol_text,
    )
    return content, tuple(doubts)


def discard(journal: Path) -> None:
    """Remove a journal; only ever after its recording file stands."""
    journal.unlink()
    fsync_folder(journal.parent)


def summary_of(path: Path, content: RecordingContent, *, reason: str) -> RecordingSummary:
    """What came of a recording, in short."""
    header = content.header
    return RecordingSummary(
        path=path,
        n_samples=len(content.counts),
        rate_hz=header.fitted_rate_hz or header.nominal_rate_hz,
        n_events=len(content.events),
        gaps=content.gaps,
        complete=any(event.kind == "end" for event in content.events),
        reason=reason,
    )


def fit_rate_hz(clock: NDArray[np.int64], nominal_rate_hz: float) -> float:
    """The true sampling rate, from the clock.

    The board's own clock is taken where every row has it: it knows no delays, and it is the only right one for a
    simulated board that runs faster than real time. Else the host's arrival times are: these are only ever late, in
    bursts, so from each of up to 200 stretches the least delayed row is taken, and the rate is the median of all
    pairwise slopes (Theil 1950; Sen 1968, doi:10.1080/01621459.1968.10480934), which a few late stretches cannot turn.

    Args:
        clock: shape (m, 3): row, host ns, board ns or −1.
        nominal_rate_hz: what the board was set to.

    Returns:
        Samples per second, or 0 where the clock spans less than 10 s or does not advance.
    """
    rows = clock[:, 0]
    if len(rows) < 3 or rows[-1] - rows[0] < _MIN_FIT_S * nominal_rate_hz:
        return 0.0
    times_ns = clock[:, 2] if np.all(clock[:, 2] >= 0) else clock[:, 1]
    elapsed_s = (times_ns - times_ns[0]) / 1e9
    lateness_s = elapsed_s - (rows - rows[0]) / nominal_rate_hz
    block = np.minimum((rows - rows[0]) * _FIT_BLOCKS // (rows[-1] - rows[0] + 1), _FIT_BLOCKS - 1)
    order = np.lexsort((lateness_s, block))
    picked = order[np.unique(block[order], return_index=True)[1]]
    first, second = np.triu_indices(len(picked), k=1)
    d_rows = (rows[picked][second] - rows[picked][first]).astype(np.float64)
    d_s = elapsed_s[picked][second] - elapsed_s[picked][first]
    period_s = float(np.median(d_s / d_rows)) if len(d_rows) else 0.0
    return 1.0 / period_s if period_s > 1e-6 else 0.0


def _consecutive(chunks: Sequence[StoredChunk], rate_hz: float) -> tuple[Sequence[StoredChunk], str]:
    """The chunks up to the first whose place cannot be right."""
    reached = 0
    for place, chunk in enumerate(chunks):
        if not 0 <= chunk.index - reached <= MAX_GAP_S * rate_hz:
            return chunks[:place], f"a chunk at sample {chunk.index} follows sample {reached}"
        reached = chunk.index + len(chunk.samples)
    return chunks, ""


def _events(journal: JournalContent, n_samples: int) -> tuple[tuple[RecordedEvent, ...], str]:
    events: list[RecordedEvent] = []
    fault = ""
    for raw in journal.events:
        if _has_types(raw, RecordedEvent) and 0 <= raw["index"] <= n_samples:
            events.append(RecordedEvent(**raw))
        else:
            fault = "an event is not whole or stands outside the samples"
    return tuple(sorted(events, key=lambda event: event.index)), fault


def _stop_event(
    header: Header, events: Sequence[RecordedEvent], clock: NDArray[np.int64], n_samples: int, text: str
) -> RecordedEvent:
    last = events[-1] if events else None
    host_ns = max(int(clock[-1, 1]) if len(clock) else 0, last.host_ns if last else 0)
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
    if not (
        isinstance(raw, dict)
        and _has_types(raw, Header)
        and isinstance(channels, list)
        and all(isinstance(channel, dict) and _has_types(channel, Channel) for channel in channels)
        and isinstance(text, str)
    ):
        raise JournalError(
            f"{journal.path}: the HEADER lacks what a recording needs; keep the file and ask for help.",
            path=journal.path,
            reason=JournalErrorReason.DAMAGED,
        )
    return Header(**raw), tuple(Channel(**channel) for channel in channels), text


def _has_types(raw: Mapping[str, Any], kind: type[Header] | type[Channel] | type[RecordedEvent]) -> bool:
    """Whether JSON holds exactly the fields of a dataclass, each of the right type."""
    types: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int)}
    declared = {field.name: types.get(str(field.type), (dict,)) for field in fields(kind)}
    return raw.keys() == declared.keys() and all(
        isinstance(raw[name], allowed) and not isinstance(raw[name], bool) for name, allowed in declared.items()
    )
