"""What an exporter is given: a recording with what is said about it, and the facts that go into every header."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curate.exporters.signals import ExportSignal
from curate.exporters.statements import Statement
from protocols.version import VERSION

if TYPE_CHECKING:
    from acquire.recordings.recording import Recording
    from acquire.study import Study, Subject

__all__ = ["RecordingExporter", "Source", "Tick", "facts", "summary"]

Tick = Callable[[int], None]
"""Told how many further samples have been dealt with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One recording, ready to be written in another format.

    Attributes:
        name: ``sub-S01_ses-01_run-01``.
        recording: open.
        subject: its line of subjects.csv, or one with the pseudonym alone.
        signals: what to write, in order.
        rate_hz: what goes into the format's own field for the rate.
        fitted: whether that is the fitted rate and not the nominal one.
        layers: whose labels are among the statements.
        statements: labels, gaps and events, in order of their samples.
    """

    name: str
    recording: Recording
    subject: Subject
    signals: tuple[ExportSignal, ...]
    rate_hz: float
    fitted: bool
    layers: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the recording's samples."""
        return self.recording.counts(0, 0).dtype


class RecordingExporter(ABC):
    """A format for recordings; made anew for each export."""

    passes: ClassVar[int] = 1
    """How often the samples are gone through."""

    @abstractmethod
    def write(self, folder: Path, source: Source, tick: Tick) -> None:
        """Write one recording.

        Args:
            folder: an empty one; what is in it afterwards goes into the export under the same names.
            source: the recording.
            tick: told of samples.

        Raises:
            ExportError: the format cannot hold the recording.
            OSError: the disk refuses something.
        """

    def finish(self, folder: Path, study: Study, sources: Sequence[Source]) -> None:  # noqa: B027 (most have nothing)
        """Write what an export has once; the recordings are closed by now.

        Args:
            folder: the export.
            study: the study.
            sources: what was written.
        """


def facts(source: Source) -> dict[str, Any]:
    """Everything that is true of a recording as a whole, ready for JSON."""
    recording = source.recording
    header = recording.header
    lost = sum(gap.length for gap in recording.gaps)
    return {
        "recording_id": header.recording_id,
        "subject": header.subject,
        "session": header.session,
        "run": header.run,
        "operator": header.operator,
        "started_at": header.started_at,
        "board": header.board,
        "firmware": header.firmware,
        "nominal_rate_hz": header.nominal_rate_hz,
        "fitted_rate_hz": header.fitted_rate_hz or None,
        "rate_used": "fitted" if source.fitted else "nominal",
        "mains_hz": header.mains_hz,
        "factors": header.factors,
        "protocol_name": header.protocol_name,
        "protocol_sha256": header.protocol_sha256,
        "montage": header.montage,
        "n_samples": recording.n_samples,
        "n_lost_samples": lost,
        "n_gaps": len(recording.gaps),
        "loss_detection": header.loss_detection,
        "source": header.source,
        "software_version": header.software_version,
        "content_sha256": recording.content_sha256,
        "layers": list(source.layers),
        "exported_by": f"trilead {VERSION}",
    }


def summary(source: Source) -> list[str]:
    """The facts as short lines of ASCII, ``name: value`` with the value as JSON, for formats that have comments."""
    return [f"{name}: {json.dumps(value, sort_keys=True)}" for name, value in facts(source).items()]
