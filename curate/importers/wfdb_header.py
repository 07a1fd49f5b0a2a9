"""The header of a WFDB record, held against its rules and against the signal files before any of these is read.

The wfdb library believes a header: it would make room for what one claims, and follow the names in it to other folders.
So everything that it will act on is checked here. Source: header(5) of the WFDB Applications Guide (Moody).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import ImportRefused, RefusalReason
from curate.importers.reading import refuse_empty, refuse_nulls

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["READING_FAULTS", "WfdbHeader", "WfdbSignal", "read_header", "wfdb_library"]

READING_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the library raises for content that it did not expect."""

BITS = {"16": 16, "24": 24, "32": 32, "80": 8, "160": 16, "212": 12, "310": 32 / 3, "311": 32 / 3}
"""Bits that a sample takes up in a signal file, by format."""

MISSING = {
    "16": -(2**15),
    "24": -(2**23),
    "32": -(2**31),
    "80": -(2**7),
    "160": -(2**15),
    "212": -(2**11),
    "310": -(2**9),
    "311": -(2**9),
}
"""The count that stands for a sample that was not measured, by format: the lowest that fits."""

_MAX_HEADER_BYTES = 1024 * 1024
_MAX_LINE = 4096
_MAX_SIGNALS = 256
_MAX_SAMPLES_PER_FRAME = 10_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RATE = re.compile(r"[0-9]{1,7}(?:\.[0-9]{0,12})?(?:/[0-9.]{1,20}(?:\([0-9.+-]{1,20}\))?)?")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class WfdbSignal:
    """One signal as the header describes it.

    Attributes:
        name: its description, which is the lead's name as a rule; ``SIGNAL3`` where it has none.
        file: the signal file's own name.
        fmt: storage format.
        per_frame: samples in a frame.
        unit: as written.
        gain: counts per unit; 0 where the signal is not calibrated.
        baseline: count at zero.
        checksum: 16-bit sum of the samples, or None.
        skewed: whether it is shifted against the others.
    """

    name: str
    file: str
    fmt: str
    per_frame: int
    unit: str
    gain: float
    baseline: int
    checksum: int | None
    skewed: bool


@dataclass(frozen=True, kw_only=True)
class WfdbHeader:
    """A record as its header describes it.

    Attributes:
        frame_rate_hz: frames per second.
        n_frames: how many.
        started_at: as written, without a time zone; None where date or time is missing.
        signals: in the order of the header.
        n_comments: lines of comment.
        rate_told: whether the header gives the rate, or leaves it to the format's default of 250.
    """

    frame_rate_hz: float
    n_frames: int
    started_at: datetime | None
    signals: tuple[WfdbSignal, ...]
    n_comments: int
    rate_told: bool

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the signal files, each once."""
        return tuple(dict.fromkeys(signal.file for signal in self.signals))


def wfdb_library(shown: Path) -> ModuleType:
    """The wfdb library.

    Raises:
        ImportRefused: it is not installed.
    """
    try:
        import wfdb
    except ImportError as error:
        raise ImportRefused(
            "reading WFDB needs the library wfdb; install it with pip install 'trilead[formats]'.",
            path=shown,
            reason=RefusalReason.MISSING_LIBRARY,
        ) from error
    module: ModuleType = wfdb
    return module


def read_header(path: Path, *, shown: Path) -> WfdbHeader:
    """Read ``RECORD.hea`` and hold it against the signal files beside it.

    Raises:
        ImportRefused: it breaks a rule, is of a kind that is not taken in, or claims more than its files hold.
        OSError: a file cannot be read.
    """
    wfdb = wfdb_library(shown)
    text = _text(path, shown)
    lines = [line.strip() for line in text.splitlines()]
    content = [line for line in lines if line and not line.startswith("#")]
    if not content:
        raise _bad("it has no record line", shown)
    fields = content[0].split()
    if "/" in fields[0]:
        raise ImportRefused(
            "it is a record of several segments, and a recording is one; import the segments' own headers instead.",
            path=shown,
            reason=RefusalReason.UNSUPPORTED,
        )
    if not _NAME.fullmatch(path.stem) or fields[0] != path.stem:
        raise _bad(f"it is the header of record {fields[0][:40]!r}, but its file is named {path.stem[:40]!r}", shown)
    if len(fields) < 2 or not fields[1].isascii() or not fields[1].isdigit() or len(fields[1]) > 6:
        raise _bad("its record line does not say how many signals there are", shown)
    if not 1 <= int(fields[1]) <= _MAX_SIGNALS or len(content) - 1 != int(fields[1]):
        raise _bad(
            f"its record line says {int(fields[1])} signals and {len(content) - 1} are described; 1 to {_MAX_SIGNALS} "
            "must be",
            shown,
        )
    if len(fields) > 2 and not _RATE.fullmatch(fields[2]):
        # The library would pass over it and take its default.
        raise _no_rate(fields[2], shown)
    if len(fields) > 3 and not (fields[3].isascii() and fields[3].isdigit() and len(fields[3]) <= 15):
        raise _bad(f"it says {fields[3][:20]!r} samples, which is no whole number", shown)
    try:
        record = wfdb.rdheader(str(path.with_suffix("")))
    except (*READING_FAULTS, OSError) as error:
        raise _bad(f"wfdb cannot read it ({_short(error)})", shown) from error
    return _checked(path, record, rate_told=len(fields) > 2, n_comments=len(lines) - len(content), shown=shown)


def _text(path: Path, shown: Path) -> str:
    refuse_empty(path, shown)
    with path.open("rb") as file:
        data = file.read(_MAX_HEADER_BYTES + 1)
    refuse_nulls(data, shown)
    if len(data) > _MAX_HEADER_BYTES or max(map(len, data.splitlines()), default=0) > _MAX_LINE:
        raise _bad(f"it is larger than {_MAX_HEADER_BYTES >> 10} KiB, or a line of it than {_MAX_LINE} bytes", shown)
    # Some headers hold units in an older encoding; wfdb passes over what is not ASCII.
    return data.decode("ascii", "ignore")


def _checked(path: Path, record: Any, *, rate_told: bool, n_comments: int, shown: Path) -> WfdbHeader:
    rate = float(record.fs or 0)
    if not (math.isfinite(rate) and 0 < rate <= 1e6):
        raise _no_rate(f"{rate:g}", shown)
    signals = tuple(_signal(record, place, shown) for place in range(int(record.n_sig)))
    claimed = int(record.sig_len) if record.sig_len else None
    if claimed is not None and claimed < 0:
        raise _bad(f"it says {claimed} samples", shown)
    held = _frames_held(path, record, signals, shown)
    if claimed is not None and claimed > held:
        raise ImportRefused(
            f"its header says {claimed} samples of each signal, its signal files hold {held}; copy them again from "
            "where they came from.",
            path=shown,
            reason=RefusalReason.DAMAGED,
            value=str(claimed),
        )
    n_frames = held if claimed is None else claimed
    if n_frames == 0:
        raise ImportRefused("it holds no samples; leave it out.", path=shown, reason=RefusalReason.EMPTY)
    day, moment = record.base_date, record.base_time
    started = datetime.combine(day, moment) if isinstance(day, date) and isinstance(moment, time) else None
    return WfdbHeader(
        frame_rate_hz=rate,
        n_frames=n_frames,
        started_at=started,
        signals=signals,
        n_comments=n_comments,
        rate_told=rate_told,
    )


def _signal(record: Any, place: int, shown: Path) -> WfdbSignal:
    file, fmt = str(record.file_name[place]), str(record.fmt[place])
    if not _FILE_NAME.fullmatch(file):
        raise _bad(f"its signal file is named {file[:60]!r}, which is not the plain name of a file beside it", shown)
    if fmt not in BITS:
        raise ImportRefused(
            f"its signals are stored in format {fmt[:10]}; formats {', '.join(BITS)} are read; convert it with xform.",
            path=shown,
            reason=RefusalReason.UNSUPPORTED,
            value=fmt[:10],
        )
    per_frame = int(record.samps_per_frame[place] or 1)
    gain, baseline = float(record.adc_gain[place] or 0.0), int(record.baseline[place] or 0)
    if not 1 <= per_frame <= _MAX_SAMPLES_PER_FRAME or not math.isfinite(gain) or abs(baseline) > 2**31:
        raise _bad(
            f"its signal {place + 1} has {per_frame} samples per frame, gain {gain:g} and baseline {baseline}, one of "
            "which is out of bounds",
            shown,
        )
    checksum = record.checksum[place]
    return WfdbSignal(
        name=str(record.sig_name[place] or f"SIGNAL{place + 1}").strip(),
        file=file,
        fmt=fmt,
        per_frame=per_frame,
        unit=str(record.units[place] or "mV"),
        gain=gain,
        baseline=baseline,
        checksum=None if checksum is None else int(checksum),
        skewed=bool(record.skew[place]),
    )


def _frames_held(path: Path, record: Any, signals: tuple[WfdbSignal, ...], shown: Path) -> int:
    """How many frames all signal files hold."""
    held = []
    for file in dict.fromkeys(signal.file for signal in signals):
        beside = path.with_name(file)
        if not beside.is_file():
            raise ImportRefused(
                f"its signal file {file} is not beside it; put it there.", path=shown, reason=RefusalReason.DAMAGED
            )
        places = [place for place, signal in enumerate(signals) if signal.file == file]
        if len({signals[place].fmt for place in places}) > 1:
            raise _bad(f"the signals of {file} are said to be stored in different formats", shown)
        offset = int(record.byte_offset[places[0]] or 0)
        size = beside.stat().st_size - offset
        if offset < 0 or size < 0:
            raise _bad(f"its signals begin at byte {offset} of {file}, which is not within it", shown)
        in_frame = sum(signals[place].per_frame for place in places)
        held.append(math.floor(size * 8 / BITS[signals[places[0]].fmt]) // in_frame)
    return min(held)


def _no_rate(value: str, shown: Path) -> ImportRefused:
    return ImportRefused(
        f"its sampling rate is {value[:20]}; it must be above 0 and at most 1000000 Hz; mend the header.",
        path=shown,
        reason=RefusalReason.RATE,
        value=value[:20],
    )


def _bad(fault: str, shown: Path) -> ImportRefused:
    return ImportRefused(f"{fault}; mend the header, or leave the record out.", path=shown, reason=RefusalReason.HEADER)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())[:80]
    return "".join(letter for letter in text if letter.isprintable()).replace("/", " ") or type(error).__name__
