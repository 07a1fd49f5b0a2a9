"""Beats, waves and quality of a study's recordings as tables that any program reads."""

from __future__ import annotations

import csv
import fnmatch
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acquire.files import remove_leftover, temporary_beside, write_new, write_temporary
from acquire.recordings.recording import open_recording
from curate.beats.peaks import Beats, find_r_peaks
from curate.beats.rhythm import broken_intervals
from curate.errors import CleaningError, ExportError, SignalError
from curate.quality.assess import Grade, Quality, assess
from curate.quality.lead_swap import suspect_swaps
from curate.signals.clean import BAND_HZ, clean
from curate.signals.signal import Signal
from protocols.errors import TrileadError
from protocols.version import VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acquire.recordings.recording import Recording
    from acquire.study import Study
    from curate.beats.waves import Waves

__all__ = ["ENDINGS", "BeatsReport", "Left", "Measured", "choose_recordings", "write_beats"]

ENDINGS = ("_beats.csv", "_quality.csv", "_beats.json")
"""What stands behind a recording's name in the names of its files; the last one is written last."""

Progress = Callable[[str, int, int], None]
"""Told which recording is at hand, how many are done, and of how many."""

_INDICES = (
    "missing",
    "flat",
    "rail",
    "shape_residual",
    "bsqi",
    "ksqi",
    "psqi",
    "bassqi",
    "template_correlation",
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found in one recording.

    Attributes:
        name: of the recording.
        seconds: its length, gaps included.
        n_beats: how many beats.
        rate_bpm: from the median interval; NaN without one.
        unsearched: share of the record that no lead could be searched in.
        grades: share of all windows and leads by grade, in the order of ``Grade``.
        swap: what ``curate.quality.lead_swap`` suspects: ``none``, ``RA/LA``, ``LA/LL`` or ``unknown``.
    """

    name: str
    seconds: float
    n_beats: int
    rate_bpm: float
    unsearched: float
    grades: tuple[float, ...]
    swap: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """A recording that has no tables, and why."""

    name: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class BeatsReport:
    """What was written where, and what was not."""

    folder: Path
    measured: tuple[Measured, ...]
    left_out: tuple[Left, ...]


def choose_recordings(study: Study, wanted: Sequence[str]) -> list[Path]:
    """Find recordings by name or pattern, such as ``sub-S01*``; all where nothing is wanted.

    Raises:
        ExportError: the study has no recordings, or none of that name.
    """
    paths = study.recordings()
    if not paths:
        raise ExportError(f"{study.path} has no recordings; record or import some.", path=study.path)
    if not wanted:
        return paths
    chosen: dict[Path, None] = {}
    for pattern in wanted:
        found = [path for path in paths if fnmatch.fnmatchcase(path.stem, pattern.removesuffix(".h5"))]
        if not found:
            raise ExportError(
                f"No recording is named {pattern[:80]!r}; there are {paths[0].stem}"
                f"{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}.",
                path=study.path,
            )
        chosen.update(dict.fromkeys(found))
    return sorted(chosen)


def write_beats(
    study: Study,
    out: Path,
    *,
    recordings: Sequence[str] = (),
    waves: bool = False,
    lead: str | None = None,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> BeatsReport:
    """Find beats and quality of recordings and write them as tables, three files a recording.

    ``NAME_beats.csv`` has a row a beat, ``NAME_quality.csv`` a row per window and lead, and ``NAME_beats.json`` says
    where nothing could be searched, whether electrodes may be swapped, and every parameter. Each file appears whole;
    the JSON file comes last, so that where it is, the other two are. A recording that cannot be used is left out and
    named.

    Args:
        study: the study; its recordings are only read.
        out: the folder, made where it is not there.
        recordings: names or patterns; all unless given.
        waves: look for the bounds of P, QRS and T too.
        lead: in which lead; the one that most beats were set on unless given.
        overwrite: replace files of these names.
        on_progress: told how far it is.

    Raises:
        ExportError: there is no such recording, files are there already, none could be used, or the disk refuses
            something.
    """
    chosen = choose_recordings(study, recordings)
    _check_free(out, chosen, overwrite=overwrite)
    measured: list[Measured] = []
    left: list[Left] = []
    for number, path in enumerate(chosen):
        if on_progress is not None:
            on_progress(path.stem, number, len(chosen))
        try:
            with open_recording(path) as recording:
                found, files = _measure(path.stem, recording, waves=waves, lead=lead)
        except (CleaningError, SignalError) as error:
            left.append(Left(name=path.stem, sentence=str(error)))
            continue
        except TrileadError as error:
            # What is wrong with a file names it by its whole path.
            left.append(Left(name=path.stem, sentence=str(error).replace(str(path), path.name)))
            continue
        _write(out, path.stem, files, overwrite=overwrite)
        measured.append(found)
    if on_progress is not None:
        on_progress("", len(chosen), len(chosen))
    if not measured:
        raise ExportError(f"No beats could be looked for. {left[0].name}: {left[0].sentence}", path=study.path)
    return BeatsReport(folder=out, measured=tuple(measured), left_out=tuple(left))


def _check_free(out: Path, chosen: Sequence[Path], *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ExportError(f"{out} is a file; name a folder with --out.", path=out)
    taken = [out / f"{path.stem}{ending}" for path in chosen for ending in ENDINGS]
    taken = [path for path in taken if path.exists()]
    if taken and not overwrite:
        more = f" and {len(taken) - 1} more files are" if len(taken) > 1 else " is"
        raise ExportError(
            f"{taken[0]}{more} there already; replace with --overwrite, or name another folder with --out.", path=out
        )


def _measure(name: str, recording: Recording, *, waves: bool, lead: str | None) -> tuple[Measured, dict[str, str]]:
    leads = recording.measured_leads
    if waves and lead is not None and lead not in leads:
        raise SignalError(f"There is no lead {lead[:40]!r}; there are {', '.join(leads)}.")
    raw = Signal(values=recording.signal(leads), leads=tuple(leads), rate_hz=recording.rate_hz, unit=recording.unit)
    cleaned = clean(raw, mains_hz=recording.header.mains_hz, band_hz=BAND_HZ)
    beats = find_r_peaks(cleaned, raw=raw)
    quality = assess(cleaned, raw=raw, beats=beats)
    swap = suspect_swaps(cleaned, beats)
    bounds = None
    if waves and beats.samples.size:
        # It imports NeuroKit, which takes seconds.
        from curate.beats.waves import delineate

        bounds = delineate(cleaned, beats, quality, lead=lead or beats.lead)
    intervals_s = _intervals(beats, raw.rate_hz)
    n_unsearched = int(np.diff(beats.rejected, axis=1).sum())
    about = {
        "recording": name,
        "recording_id": recording.header.recording_id,
        "recording_sha256": recording.sha256(),
        "rate_hz": raw.rate_hz,
        "n_samples": raw.n_samples,
        "n_beats": int(beats.samples.size),
        "lead": beats.lead,
        "polarity": beats.polarity,
        "not_searched": beats.rejected.tolist(),
        "lead_swap": swap,
        "steps": [*cleaned.steps, beats.step, quality.step, *([] if bounds is None else [bounds.step])],
        "software": f"trilead {VERSION}",
    }
    known = intervals_s[np.isfinite(intervals_s)]
    return (
        Measured(
            name=name,
            seconds=raw.n_samples / raw.rate_hz,
            n_beats=int(beats.samples.size),
            rate_bpm=60.0 / float(np.median(known)) if known.size else float("nan"),
            unsearched=n_unsearched / max(1, raw.n_samples),
            grades=tuple(float(np.mean(quality.grades == grade)) if quality.grades.size else 0.0 for grade in Grade),
            swap=str(swap["suspected"]),
        ),
        {
            "_beats.csv": _beats_text(beats, intervals_s, bounds, raw.rate_hz, with_bounds=waves),
            "_quality.csv": _quality_text(quality, raw.rate_hz),
            "_beats.json": json.dumps(about, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        },
    )


def _intervals(beats: Beats, rate_hz: float) -> NDArray[np.float64]:
    """Seconds since the beat before; NaN at the first beat and where a beat may have been missed between."""
    intervals = np.full(beats.samples.size, np.nan)
    if beats.samples.size > 1:
        broken = broken_intervals(beats.samples, beats.rejected, rate_hz)
        intervals[1:] = np.where(broken, np.nan, np.diff(beats.samples) / rate_hz)
    return intervals


def _beats_text(
    beats: Beats, intervals_s: NDArray[np.float64], waves: Waves | None, rate_hz: float, *, with_bounds: bool
) -> str:
    header = ["sample", "seconds", "rr_s"]
    rows = [
        [str(sample), f"{sample / rate_hz:.6f}", f"{interval:.6f}" if np.isfinite(interval) else ""]
        for sample, interval in zip(beats.samples.tolist(), intervals_s.tolist(), strict=True)
    ]
    if with_bounds:
        from curate.beats.waves import WAVE_BOUNDS

        header += WAVE_BOUNDS
        bounds = {} if waves is None else dict(zip(waves.beats.tolist(), waves.bounds.tolist(), strict=True))
        none = [-1] * len(WAVE_BOUNDS)
        for row, sample in zip(rows, beats.samples.tolist(), strict=True):
            row += ["" if bound < 0 else str(bound) for bound in bounds.get(sample, none)]
    return _table([header, *rows])


def _quality_text(quality: Quality, rate_hz: float) -> str:
    header = ["start", "stop", "start_s", "lead", "grade", *_INDICES, "heart_rate_bpm", "rhythm_ok"]
    rows: list[list[str]] = []
    for window in range(quality.n_windows):
        start = int(quality.starts[window])
        for column, lead in enumerate(quality.leads):
            rows.append(
                [
                    str(start),
                    str(int(quality.stops[window])),
                    f"{start / rate_hz:.6f}",
                    lead,
                    Grade(int(quality.grades[window, column])).name.lower(),
                    *(_number(getattr(quality, name)[window, column]) for name in _INDICES),
                    _number(quality.heart_rate_bpm[window]),
                    str(int(quality.rhythm_ok[window])),
                ]
            )
    return _table([header, *rows])


def _number(value: float) -> str:
    """Six digits; nothing where there is no number, and ``inf`` where a window has no beat to measure."""
    return "" if np.isnan(value) else f"{value:.6g}"


def _table(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(out: Path, name: str, files: dict[str, str], *, overwrite: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if overwrite:
            # Old tables beside new ones must not look whole.
            (out / f"{name}{ENDINGS[-1]}").unlink(missing_ok=True)
        for ending in ENDINGS:
            _write_one(out / f"{name}{ending}", files[ending].encode("utf-8"), overwrite=overwrite)
    except FileExistsError as error:
        raise ExportError(
            f"{error.filename or out} came to be while beats were looked for; look who writes there.", path=out
        ) from error
    except OSError as error:
        raise ExportError(
            f"The tables of {name} cannot be written to {out}: {error.strerror or error}; make room, or name another"
            " folder with --out.",
            path=out,
        ) from error


def _write_one(path: Path, content: bytes, *, overwrite: bool) -> None:
    if not overwrite:
        write_new(path, content)
        return
    temporary = temporary_beside(path)
    try:
        write_temporary(temporary, content)
        temporary.replace(path)
    finally:
        remove_leftover(temporary)
