"""What a recording consists of; the recorder needs these types long before it needs HDF5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.report import RecordingReport
from acquire.recordings.samples import Samples

__all__ = ["FORMAT", "FORMAT_VERSION", "Gap", "Header", "RecordedEvent", "RecordingContent"]

FORMAT = "trilead-recording"
FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Lost samples: rows ``[start, start + length)`` hold nothing that was measured."""

    start: int
    length: int
    cause: str


@dataclass(frozen=True, kw_only=True)
class RecordedEvent:
    """Something that happened at a sample; ``index == n_samples`` means just behind the last one."""

    uuid: str
    index: int
    host_ns: int
    kind: str
    step: int
    activity: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is true of a whole recording.

    Attributes:
        recording_id: a UUID that no other recording has.
        subject: pseudonym.
        session: label of the session, electrodes on to electrodes off.
        run: which recording of the session, from 1.
        operator: who recorded, as initials or a code; may be empty.
        started_at: UTC, ISO 8601.
        board: the board's address, or what the recording was imported from in words.
        firmware: as the board reported it; may be empty.
        nominal_rate_hz: what the board was set to.
        fitted_rate_hz: what its clock showed; 0 when there was too little to fit.
        mains_hz: 50 or 60.
        factors: factor → level.
        protocol_name: name of the script.
        protocol_sha256: of the script's text, or "" when there was none.
        montage: lead → {channel: weight}.
        software_version: of the trilead that recorded or imported it.
        source: "" or the name and SHA-256 of the file it was imported from; never a folder.
        loss_detection: how the board's loss of samples was noticed; "" where nothing is known of it.
    """

    recording_id: str
    subject: str
    session: str
    run: int
    operator: str = ""
    started_at: str
    board: str
    firmware: str = ""
    nominal_rate_hz: float
    fitted_rate_hz: float = 0.0
    mains_hz: int
    factors: dict[str, str]
    protocol_name: str
    protocol_sha256: str
    montage: dict[str, dict[str, float]]
    software_version: str
    source: str = ""
    loss_detection: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordingContent:
    """Everything a recording file holds.

    Attributes:
        header: what is true of the whole.
        channels: one per column of ``counts``.
        counts: shape (n_samples, n_channels); int16, int32, float32 or float64; zeros in gaps. An array, or a source
            that reads them when they are asked for.
        valid: shape (k, 2) int64, half-open ranges, sorted and disjoint; with the gaps they cover every row once.
        clock: shape (m, 3) int64, ordered by row: index of a chunk's last row, host ns, board ns or −1. An array or a
            source.
        events: ordered by index.
        gaps: ordered by start.
        protocol_text: the script's TOML, or "".
        report: what the recording amounts to; None where nobody has worked it out.
    """

    header: Header
    channels: tuple[Channel, ...]
    counts: Samples
    valid: NDArray[np.int64]
    clock: Samples
    events: tuple[RecordedEvent, ...]
    gaps: tuple[Gap, ...]
    protocol_text: str
    report: RecordingReport | None = None
