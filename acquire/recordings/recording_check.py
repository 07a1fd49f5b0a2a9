"""Reading everything in a recording file but its samples, and refusing what cannot be trusted."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from acquire.errors import RecordingError, RecordingErrorReason
from acquire.recordings.content import FORMAT, FORMAT_VERSION, RecordingContent
from acquire.recordings.content_rules import content_fault
from acquire.recordings.examine import FIRST_WITH_DIGESTS, examine
from acquire.recordings.recording_parts import (
    HDF5_ERRORS,
    RecordingFault,
    read_channels,
    read_events,
    read_gaps,
    read_header,
    read_protocol,
    read_ranges,
    read_report,
    stored_integers,
)

__all__ = ["checked_version", "read_checked"]


def read_checked(path: Path, file: h5py.File) -> tuple[RecordingContent, str]:
    """Everything in a recording file but its samples (``counts`` is empty), checked, and its root digest.

    The clock stays in the file, to be read while that is open.

    The digests of all but the samples are compared. Those of the samples would take as long as reading them all, and
    the file's seal has covered them; ``trilead verify`` compares them too.

    Raises:
        RecordingError: something is missing, of the wrong type, inconsistent, changed, or newer.
    """
    version = checked_version(path, file)
    root = ""
    try:
        content = RecordingContent(
            header=read_header(file),
            channels=read_channels(file),
            counts=np.empty((0, 0), dtype=file["signal"].dtype),
            valid=read_ranges(file),
            clock=stored_integers(file, "clock", 3),
            events=read_events(file),
            gaps=read_gaps(file),
            protocol_text=read_protocol(file),
            report=read_report(file),
        )
        fault = content_fault(content, shape=file["signal"].shape)
        if not fault and version >= FIRST_WITH_DIGESTS:
            changes: list[str] = []
            root = examine(file, say=changes.append, with_samples=False)
            fault = changes[0] if changes else ""
    except RecordingFault as known:
        raise _damaged(path, str(known)) from known
    except HDF5_ERRORS as error:
        raise _damaged(path, "its structure cannot be read") from error
    if fault:
        raise _damaged(path, fault)
    return content, root


def checked_version(path: Path, file: h5py.File) -> int:
    """The format version of a file that is a recording.

    Raises:
        RecordingError: it is something else, or newer than this trilead.
    """
    try:
        kind, version = file.attrs.get("format"), file.attrs.get("version")
    except HDF5_ERRORS as error:
        raise _damaged(path, "its attributes cannot be read") from error
    if not isinstance(kind, str) or kind != FORMAT:
        raise RecordingError(
            f"{path} is an HDF5 file, but not a recording of trilead; import it with trilead import.",
            path=path,
            reason=RecordingErrorReason.NOT_A_RECORDING,
        )
    if not isinstance(version, np.integer) or version < 1:
        raise _damaged(path, f"its format version is {str(version)[:40]!r}, which is no version")
    if version > FORMAT_VERSION:
        raise RecordingError(
            f"{path} has format version {version}, and this trilead reads up to {FORMAT_VERSION}; update trilead.",
            path=path,
            reason=RecordingErrorReason.NEWER_VERSION,
        )
    return int(version)


def _damaged(path: Path, fault: str) -> RecordingError:
    return RecordingError(
        f"{path} cannot be trusted: {fault}; take an undamaged copy, or record it again.",
        path=path,
        reason=RecordingErrorReason.DAMAGED,
    )
