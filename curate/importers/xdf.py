"""Import of XDF files, as LabRecorder writes them: one stream is the ECG, streams of texts become events.

Times are those that the senders wrote, brought to the recording computer's clock by the comparisons that the file
holds; the true rate and gaps are fitted to them. Samples keep their type.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.content import Gap, RecordedEvent
from curate.errors import ImportRefused, RefusalReason
from curate.importers.events import marker_events
from curate.importers.leads import channel_in_mv, check_channel_names, choose_leads
from curate.importers.options import ImportOptions
from curate.importers.reading import MAX_FILE_BYTES, read_head, refuse_empty
from curate.importers.recorded import (
    NO_TIME,
    Reading,
    clock_rows,
    gap_note,
    gaps_of_missing,
    plural,
    spread_rows,
    utc_text,
)
from curate.importers.registry import Importer
from curate.importers.time_axis import TimeAxis, fit_time_axis
from curate.importers.xdf_chunks import MAGIC, StreamInfo, XdfFile, walk

__all__ = ["XdfImporter"]

_KINDS = (("ecg", "ekg"), ("exg", "eeg", "emg", "biosignals", "biosignal"))
_MIN_SAMPLES = 100
_RATE_TOLERANCE = 0.2
_MOST_BACK_S = 1.0
_MOST_S = 1e7
_EXACT = 2**53


class XdfImporter(Importer):
    """The format ``xdf``."""

    name = "xdf"
    takes = frozenset({"lead", "stream"})
    told_by_bytes = True

    def candidate(self, path: Path) -> bool:
        """By the ending."""
        return path.name.lower().endswith(".xdf")

    def companion(self, path: Path) -> bool:
        """There are none."""
        return False

    def recognises(self, path: Path) -> bool:
        """By the first bytes."""
        return read_head(path, 4) == MAGIC

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        refuse_empty(path, shown)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImportRefused(
                f"it has {path.stat().st_size} bytes; at most {MAX_FILE_BYTES >> 20} MiB are taken in.",
                path=shown,
                reason=RefusalReason.TOO_BIG,
            )
        file = walk(path, shown=shown)
        chosen = _choose(file, options.stream)
        info = file.streams[chosen]
        channels = _channels(info, shown)
        times_s, samples = file.numbers(chosen)
        times_s = _times(times_s, info, shown) + _behind(file.offsets.get(chosen, []), times_s)
        axis, times_s = _axis(times_s, info, shown)
        values, missing = _counts(samples, shown)
        values, gaps = spread_rows(
            values, axis.index, cause="times in the file jump", shown=shown, rate_hz=axis.rate_hz
        )
        rows = np.zeros(len(values), dtype=np.bool_)
        rows[axis.index[missing]] = True
        gaps = tuple(sorted((*gaps, *gaps_of_missing(rows, "the stream gave no number")), key=lambda gap: gap.start))
        montage, notes = choose_leads(channels, options.leads, shown=shown)
        events, told = _events(file, times_s, axis)
        notes += told + _stream_notes(file, chosen, gaps)
        if file.cut:
            notes.append("its last chunk is not whole, so the file was cut; what lies before it was kept.")
        clock_ns = np.rint((times_s - times_s[0]) * 1e9).astype(np.int64)
        started_at = _started(file.moment)
        units = ", ".join(dict.fromkeys(unit or "no unit" for unit in info.units)) or "no unit"
        return Reading(
            channels=channels,
            counts=values,
            montage=montage,
            nominal_rate_hz=info.rate_hz or axis.rate_hz,
            fitted_rate_hz=axis.rate_hz,
            board=f"imported: xdf ({info.name or 'unnamed stream'})",
            started_at=started_at,
            gaps=gaps,
            clock=clock_rows(clock_ns, axis.index, axis.rate_hz),
            events=events,
            loss_detection="times of the samples",
            detail=f"values in {units}" + ("; started when its file was begun" if started_at != NO_TIME else ""),
            notes=(*notes, *gap_note(gaps, axis.rate_hz, found_in="times")),
        )


def _choose(file: XdfFile, wanted: str | None) -> int:
    numeric = {number: info for number, info in file.streams.items() if info.format != "string"}
    if wanted is not None:
        fitting = [number for number, info in numeric.items() if info.name == wanted]
    else:
        groups = [[n for n, info in numeric.items() if info.kind.lower() in kinds] for kinds in _KINDS]
        fitting = next((group for group in (*groups, list(numeric)) if group), [])
    fitting = [number for number in fitting if file.chunks.get(number)] or fitting
    if len(fitting) != 1:
        names = ", ".join(f"{info.name!r} ({info.kind})" for info in numeric.values())[:300] or "none"
        what = "no stream" if not fitting else f"{len(fitting)} streams"
        raise ImportRefused(
            f"{what} may be the ECG; its streams of numbers are {names}; name one with --stream.",
            path=file.shown,
            reason=RefusalReason.CHANNELS,
        )
    return fitting[0]


def _channels(info: StreamInfo, shown: Path) -> tuple[Channel, ...]:
    labels = info.labels or tuple(f"CH{k}" for k in range(1, info.n_channels + 1))
    check_channel_names(labels, shown=shown)
    units = info.units or ("",) * info.n_channels
    units = tuple("".join(letter for letter in unit if letter.isprintable())[:64] for unit in units)
    return tuple(channel_in_mv(name, unit, gain=1.0, offset=0.0) for name, unit in zip(labels, units, strict=True))


def _times(times_s: NDArray[np.float64], info: StreamInfo, shown: Path) -> NDArray[np.float64]:
    """Times of all samples: one that was not written follows the one before it by the nominal period."""
    if times_s.size < _MIN_SAMPLES:
        raise ImportRefused(
            f"stream {info.name!r} has {plural(times_s.size, 'sample')}; at least {_MIN_SAMPLES} are needed to fit a "
            "rate; leave it out.",
            path=shown,
            reason=RefusalReason.TOO_SHORT if times_s.size else RefusalReason.EMPTY,
        )
    written = np.isfinite(times_s)
    if not written[0] or np.isinf(times_s).any() or (not written.all() and info.rate_hz == 0):
        raise ImportRefused(
            f"stream {info.name!r} has samples of which nothing tells the time; leave it out.",
            path=shown,
            reason=RefusalReason.TIME,
        )
    rows = np.arange(times_s.size)
    last = np.maximum.accumulate(np.where(written, rows, 0))
    return np.asarray(times_s[last] + (rows - last) / (info.rate_hz or 1.0))


def _behind(offsets: list[tuple[float, float]], times_s: NDArray[np.float64]) -> NDArray[np.float64] | float:
    """What has to be added to a sender's times: a straight line through the comparisons, by medians."""
    if not offsets:
        return 0.0
    table = np.array(offsets)
    middle_s = float(np.median(table[:, 0]))
    pick = table[np.linspace(0, len(table) - 1, min(len(table), 200)).astype(int)]
    first, second = np.triu_indices(len(pick), k=1)
    span = pick[second, 0] - pick[first, 0]
    far = span > 0
    slope = float(np.median((pick[second, 1] - pick[first, 1])[far] / span[far])) if far.any() else 0.0
    level = float(np.median(table[:, 1] - slope * (table[:, 0] - middle_s)))
    return np.asarray(level + slope * (np.nan_to_num(times_s, nan=middle_s) - middle_s))


def _axis(times_s: NDArray[np.float64], info: StreamInfo, shown: Path) -> tuple[TimeAxis, NDArray[np.float64]]:
    back = float(np.diff(times_s).min())
    span_s = float(times_s.max() - times_s[0])
    if back < -_MOST_BACK_S or not 0 < span_s < _MOST_S:
        raise ImportRefused(
            f"the times of stream {info.name!r} go back by {max(0.0, -back):.3f} s and span {span_s:.3g} s; leave it "
            "out.",
            path=shown,
            reason=RefusalReason.TIME,
        )
    times_s = np.maximum.accumulate(times_s)
    times_us = np.rint((times_s - times_s[0]) * 1e6).astype(np.int64)
    axis = fit_time_axis(times_us)
    if not axis.is_even(times_us):
        raise ImportRefused(
            f"the times of stream {info.name!r} fit no even rate; leave it out.", path=shown, reason=RefusalReason.TIME
        )
    if not 0 < axis.rate_hz <= 1e6 or (info.rate_hz and abs(axis.rate_hz / info.rate_hz - 1) > _RATE_TOLERANCE):
        raise ImportRefused(
            f"stream {info.name!r} is said to have {info.rate_hz:g} samples per second, its times give "
            f"{axis.rate_hz:.2f}; leave it out.",
            path=shown,
            reason=RefusalReason.RATE,
            value=f"{axis.rate_hz:.2f}",
        )
    return axis, times_s


def _counts(samples: NDArray[Any], shown: Path) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The samples in a type that a recording has, exactly, and which rows hold NaN."""
    missing = np.zeros(len(samples), dtype=np.bool_)
    if samples.dtype.kind == "f":
        if np.isinf(samples).any():
            raise ImportRefused(
                "it holds infinite samples; leave it out.", path=shown, reason=RefusalReason.COUNT, value="inf"
            )
        missing = np.asarray(np.isnan(samples).any(axis=1))
        return np.where(missing[:, None], samples.dtype.type(0), samples), missing
    if samples.dtype.itemsize <= 2:
        return samples.astype(np.int16), missing
    if np.abs(samples.astype(np.float64)).max(initial=0.0) < 2**31:
        return samples.astype(np.int32), missing
    if np.abs(samples.astype(np.float64)).max() >= _EXACT:
        raise ImportRefused(
            "it holds whole numbers of more than 53 bits, which no recording can; leave it out.",
            path=shown,
            reason=RefusalReason.COUNT,
        )
    return samples.astype(np.float64), missing


def _events(file: XdfFile, times_s: NDArray[np.float64], axis: TimeAxis) -> tuple[tuple[RecordedEvent, ...], list[str]]:
    """Texts of all streams as events at the samples that were taken then."""
    moments: list[float] = []
    texts: list[str] = []
    for number, info in file.streams.items():
        if info.format == "string":
            found = file.texts(number)
            stamps = np.array([stamp for stamp, _ in found])
            moments += list(stamps + _behind(file.offsets.get(number, []), stamps)) if found else []
            texts += [text for _, text in found]
    if not texts:
        return (), []
    when = np.array(moments)
    # Between two samples, and over a gap, time runs evenly.
    index = np.interp(when, times_s, axis.index.astype(np.float64))
    inside = (when >= times_s[0] - 1 / axis.rate_hz) & (when <= times_s[-1] + 1 / axis.rate_hz)
    chosen = np.flatnonzero(inside)
    events = marker_events(
        np.rint(index[chosen]).astype(np.int64),
        np.rint((when[chosen] - times_s[0]) * 1e9).astype(np.int64),
        [texts[k] for k in chosen],
    )
    outside = len(texts) - chosen.size
    return events, [f"{plural(outside, 'marker')} outside the samples could not be kept."] if outside else []


def _stream_notes(file: XdfFile, chosen: int, gaps: tuple[Gap, ...]) -> list[str]:
    others = [i.name or "unnamed" for n, i in file.streams.items() if n != chosen and i.format != "string"]
    notes = []
    if others:
        notes.append(f"{plural(len(others), 'further stream')} ({', '.join(others)[:200]}) could not be kept.")
    if any("no number" in gap.cause for gap in gaps):
        notes.append("samples that are no numbers became gaps, for all channels.")
    return notes


def _started(moment: str) -> str:
    """When the file was begun; LabRecorder writes it with its offset to UTC, without a colon."""
    try:
        told = datetime.fromisoformat(moment)
    except ValueError:
        return NO_TIME
    if told.tzinfo is None:
        return NO_TIME
    since = told.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return utc_text(since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds)
