"""Looks into a recording in a process of its own: HDF5 may hang on a damaged file, or crash.

Started as ``python -m acquire.recordings.verify_child FILE``, it writes one JSON object a line, at once:
``{"version": …}``, ``{"found": a clause}``, ``{"refused": a clause, "reason": …}`` for what is no recording,
``{"progress": [done, total]}``, and at the end ``{"root": …}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py

from acquire.errors import RecordingError, RecordingErrorReason
from acquire.recordings.examine import FIRST_WITH_DIGESTS, examine
from acquire.recordings.recording_check import checked_version, read_checked
from acquire.recordings.recording_parts import HDF5_ERRORS

__all__ = ["main"]

_READ_ROWS = 1 << 16


def main() -> int:
    """Examine the file named on the command line."""
    _say(root=_look_into(Path(sys.argv[1])))
    return 0


def _look_into(path: Path) -> str:
    """Say what is wrong with a file; gives its root digest, or "" where it has none or cannot be read whole."""
    try:
        file = h5py.File(path, "r")
    except HDF5_ERRORS:
        _say(refused="it cannot be opened as an HDF5 file, so it is cut or its inner tables are damaged")
        return ""
    try:
        return _examine(path, file)
    except RecordingError as error:
        clause = str(error).removeprefix(f"{path} ").partition(";")[0]
        if error.reason is RecordingErrorReason.DAMAGED:
            _say(found=f"it {clause}")
        else:
            _say(refused=f"it {clause}", reason=error.reason.value)
    except HDF5_ERRORS:
        _say(found="its samples cannot be read, for they do not match their checksums")
    return ""


def _examine(path: Path, file: h5py.File) -> str:
    version = checked_version(path, file)
    _say(version=version)
    changes: list[str] = []

    def found(clause: str) -> None:
        changes.append(clause)
        _say(found=clause)

    root = ""
    if version >= FIRST_WITH_DIGESTS:
        root = examine(file, say=found, progress=_progress)
    if not changes:
        # What is as it was written may still break a rule, if somebody wrote it so, digests and all.
        read_checked(path, file)
        if version < FIRST_WITH_DIGESTS:
            _read_all(file["signal"])
    return root


def _read_all(signal: h5py.Dataset) -> None:
    """Read every sample once, for HDF5 to compare the checksums that it keeps of them."""
    n_samples = int(signal.shape[0])
    for start in range(0, n_samples, _READ_ROWS):
        signal[start : start + _READ_ROWS]
        _progress(min(start + _READ_ROWS, n_samples), n_samples)


def _progress(done: int, total: int) -> None:
    _say(progress=[done, total])


def _say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
