"""A recording file, read with nothing taken on trust.

``docs/formats.md`` tells what is in it; ``acquire.recordings.recording_write`` writes it. A sample's index is its row
in ``/signal``. A gap occupies rows too (zeros), and stands in ``/gaps``, never in ``/valid``. Behind HDF5's own content
stands a seal, the SHA-256 of all before it (``acquire.recordings.seal``), which is checked before HDF5 sees the file.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.errors import RecordingError, RecordingErrorReason
from acquire.montage import lead_weights, measured_leads
from acquire.recordings.content import FORMAT, Gap, Header, RecordedEvent, RecordingContent
from acquire.recordings.recording_check import read_checked
from acquire.recordings.samples import Samples, rows_of, stretches
from acquire.recordings.seal import is_sealed

__all__ = [
    "Gap",
    "Header",
    "RecordedEvent",
    "Recording",
    "RecordingContent",
    "open_recording",
]

_HEAD_BYTES = 1 << 16
_CLOCK_ROWS = 1 << 16


def open_recording(path: Path | str) -> Recording:
    """Open a recording file after checking all of it.

    Use it as a context manager.

    Raises:
        RecordingError: there is no such file, it is not a recording, it is cut, damaged, or newer than this trilead.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(
            f"{path}: there is no such recording file; look at the names in the study's recordings folder.",
            path=path,
            reason=RecordingErrorReason.MISSING,
        )
    try:
        if not is_sealed(path):
            raise _unsealed(path)
        file = h5py.File(path, "r")
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read: {str(error)[:200]}; mend its permissions, or take an undamaged copy.",
            path=path,
            reason=RecordingErrorReason.NOT_A_RECORDING,
        ) from error
    try:
        return Recording(path, file, *read_checked(path, file))
    except BaseException:
        file.close()
        raise


def _unsealed(path: Path) -> RecordingError:
    """What to say of a file whose seal is missing or wrong; see ``acquire.recordings.seal``."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    if not start.startswith(b"\x89HDF\r\n\x1a\n"):
        fault, reason = "is not a recording, for it is not an HDF5 file", RecordingErrorReason.NOT_A_RECORDING
    elif FORMAT.encode() not in start:
        fault, reason = "is an HDF5 file, but not a recording of trilead", RecordingErrorReason.NOT_A_RECORDING
    else:
        fault, reason = "is cut, damaged, or was changed after it was written", RecordingErrorReason.CUT
    return RecordingError(
        f"{path} {fault}; take an undamaged copy, or recover it from its journal.", path=path, reason=reason
    )


class Recording:
    """An open recording file; everything but the samples and the clock is in memory.

    Attributes:
        path: the file.
        header: what is true of the whole.
        channels: one per column of the samples.
        events: ordered by index.
        gaps: ordered by start.
        valid: shape (k, 2) int64.
        protocol_text: the script's TOML, or "".
        report: what the recording amounts to; None where nobody has worked it out.
        content_sha256: the root digest over everything in it; "" in a file of version 1.
        n_samples: rows, gaps included.
    """

    def __init__(self, path: Path, file: h5py.File, content: RecordingContent, content_sha256: str) -> None:
        self.path = path
        self.header = content.header
        self.channels = content.channels
        self.events = content.events
        self.gaps = content.gaps
        self.valid = content.valid
        self.protocol_text = content.protocol_text
        self.report = content.report
        self.content_sha256 = content_sha256
        self.n_samples = int(file["signal"].shape[0])
        self._clock = content.clock
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        self._file.close()

    @property
    def rate_hz(self) -> float:
        """The rate that the clock showed, or the nominal one where nothing could be fitted."""
        return self.header.fitted_rate_hz if self.header.fitted_rate_hz > 0 else self.header.nominal_rate_hz

    @functools.cached_property
    def clock(self) -> NDArray[np.int64]:
        """For each chunk as it arrived: the row of its last sample, host ns, board ns or −1; shape (m, 3)."""
        return rows_of(self._clock, 0, self._clock.shape[0])

    @functools.cached_property
    def _weights(self) -> dict[str, NDArray[np.float64]]:
        return lead_weights(self.header.montage, [channel.name for channel in self.channels])

    @property
    def leads(self) -> tuple[str, ...]:
        """Every lead that can be had, measured or derived, in standard order."""
        return tuple(self._weights)

    @property
    def measured_leads(self) -> tuple[str, ...]:
        """The leads that carry what was measured: the montage's own, and the third limb lead where there are two."""
        return measured_leads(self.header.montage, [channel.name for channel in self.channels])

    @property
    def unit(self) -> str:
        """The unit that ``signal`` gives: the one of the channels the leads are made of."""
        return next(
            (c.unit for c in self.channels if any(c.name in made_of for made_of in self.header.montage.values())), ""
        )

    def counts(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples exactly as the board gave them, zeros in gaps.

        Args:
            start: first row.
            stop: one past the last row; None for the end.

        Returns:
            Shape (stop - start, n_channels), in the board's own number type.

        Raises:
            ValueError: the range does not lie in the recording.
            RecordingError: the samples are damaged on disk.
        """
        stop = self.n_samples if stop is None else stop
        if not 0 <= start <= stop <= self.n_samples:
            raise ValueError(f"{self.path}: rows [{start}, {stop}) do not lie in [0, {self.n_samples})")
        try:
            return np.asarray(self._file["signal"][start:stop])
        except OSError as error:
            raise RecordingError(
                f"{self.path}: samples {start} to {stop} do not match their checksum; take an undamaged copy.",
                path=self.path,
                reason=RecordingErrorReason.DAMAGED,
            ) from error

    def holds(self, samples: Samples) -> bool:
        """Whether the samples are these, bit for bit; neither side is read into memory as a whole.

        Raises:
            RecordingError: the samples are damaged on disk.
        """
        dataset = self._file["signal"]
        if samples.shape != dataset.shape or samples.dtype != dataset.dtype:
            return False
        rows = dataset.chunks[0] if dataset.chunks else max(1, self.n_samples)
        return all(
            self.counts(start, start + len(part)).tobytes() == part.tobytes()
            for start, part in stretches(samples, rows)
        )

    def holds_clock(self, clock: Samples) -> bool:
        """Whether the clock is this one; neither side is read into memory as a whole."""
        return clock.shape == self._clock.shape and all(
            np.array_equal(rows_of(self._clock, start, start + len(part)), part)
            for start, part in stretches(clock, _CLOCK_ROWS)
        )

    def signal(
        self, leads: tuple[str, ...] | list[str] | None = None, start: int = 0, stop: int | None = None
    ) -> NDArray[np.float64]:
        """Leads in physical units.

        Args:
            leads: which, in which order; None for all of ``self.leads``.
            start: first row.
            stop: one past the last row; None for the end.

        Returns:
            Shape (stop - start, n_leads), in ``self.unit`` (mV for every board with a known gain), NaN where samples
            are missing.

        Raises:
            ValueError: a lead cannot be had from this recording, or the range does not lie in it.
            RecordingError: the samples are damaged on disk.
        """
        chosen = self.leads if leads is None else tuple(leads)
        absent = [lead for lead in chosen if lead not in self._weights]
        if absent:
            raise ValueError(f"{self.path} has no lead {', '.join(absent)}; it has {', '.join(self.leads)}")
        counts = self.counts(start, stop)
        offset = np.array([channel.offset for channel in self.channels])
        gain = np.array([channel.gain for channel in self.channels])
        physical = (counts.astype(np.float64) - offset) * gain
        values = np.zeros((len(counts), len(chosen)))
        # Sums, not a matrix product: for a few columns, waking the threads of a BLAS costs more than the arithmetic.
        for place, lead in enumerate(chosen):
            weights = self._weights[lead]
            for column in np.flatnonzero(weights):
                values[:, place] += physical[:, column] * weights[column]
        for gap in self.gaps:
            values[max(gap.start - start, 0) : max(gap.start + gap.length - start, 0)] = np.nan
        return values

    def sha256(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
