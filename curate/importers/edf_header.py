"""The header of EDF, EDF+ and BDF files, held against its rules and against the size of the file.

Sources: Kemp et al. 1992 (doi:10.1016/0013-4694(92)90009-7), Kemp & Olivan 2003
(doi:10.1016/S1388-2457(03)00123-8), and BioSemi's page on BDF, which differs in its first bytes and in having 24 bits
to a sample.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from curate.errors import ImportRefused, RefusalReason

__all__ = ["MAGICS", "EdfHeader", "EdfSignal", "parse_header"]

MAGICS = {b"0       ": 2, b"\xffBIOSEMI": 3}
"""First bytes → bytes to a sample."""

_FIXED = (("version", 8), ("patient", 80), ("recording", 80), ("date", 8), ("time", 8), ("size", 8), ("kind", 44))
_FIXED_2 = (("n_records", 8), ("duration", 8), ("n_signals", 4))
_PER_SIGNAL = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical_min", 8),
    ("physical_max", 8),
    ("digital_min", 8),
    ("digital_max", 8),
    ("prefilter", 80),
    ("per_record", 8),
    ("reserved", 32),
)
_MAX_SIGNALS = 512
_MAX_PER_RECORD = 1 << 22
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,2})?|[+-]?[0-9]+\.")
_WHOLE = re.compile(r"-?[0-9]{1,8}")
_CLIPPING = 85


@dataclass(frozen=True, kw_only=True)
class EdfSignal:
    """One signal as the header describes it.

    Attributes:
        label: its name.
        unit: as written.
        gain: units per count.
        offset: count at zero.
        per_record: samples in a data record.
        start: where in a data record its samples begin, in samples of all signals.
        is_annotations: whether it holds texts instead of samples.
        prefilter: how it was filtered before it was stored, in the writer's words.
    """

    label: str
    unit: str
    gain: float
    offset: float
    per_record: int
    start: int
    is_annotations: bool
    prefilter: str


@dataclass(frozen=True, kw_only=True)
class EdfHeader:
    """A file as its header describes it; who the patient is was not taken over.

    Attributes:
        kind: ``EDF``, ``EDF+C``, ``EDF+D``, ``BDF``, ``BDF+C`` or ``BDF+D``.
        sample_bytes: 2 or 3.
        header_bytes: where the data records begin.
        n_records: data records that the file really holds.
        claimed_records: what the header says, −1 where the writer did not come to say it.
        record_s: seconds of a data record; 0 where there are annotations alone.
        started_at: as written, without a time zone; None where it is not told.
        signals: in the order of the header.
    """

    kind: str
    sample_bytes: int
    header_bytes: int
    n_records: int
    claimed_records: int
    record_s: float
    started_at: datetime | None
    signals: tuple[EdfSignal, ...]

    @property
    def per_record(self) -> int:
        """Samples of all signals in a data record."""
        return sum(signal.per_record for signal in self.signals)


def parse_header(path: Path, *, shown: Path) -> EdfHeader:
    """Read the header of a file.

    Raises:
        ImportRefused: it breaks a rule, or claims more than the file holds.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        fixed = file.read(256)
        if len(fixed) < 256 or fixed[:8] not in MAGICS:
            raise _bad(f"it does not begin as EDF or BDF do, or ends within its first 256 bytes ({len(fixed)})", shown)
        sample_bytes = MAGICS[fixed[:8]]
        fields = _split(fixed, (*_FIXED, *_FIXED_2), 1)
        n_signals = _whole(fields["n_signals"][0], "the number of signals", 1, _MAX_SIGNALS, shown)
        header_bytes = _whole(fields["size"][0], "the size of the header", 512, 256 * (_MAX_SIGNALS + 1), shown)
        if header_bytes != 256 * (n_signals + 1):
            raise _bad(f"it says {n_signals} signals and a header of {header_bytes} bytes, which do not fit", shown)
        described = file.read(256 * n_signals)
    if len(described) < 256 * n_signals:
        raise _bad(f"it ends within its header of {header_bytes} bytes", shown)
    record_s = _number(fields["duration"][0], "the duration of a data record", shown)
    claimed = _whole(fields["n_records"][0], "the number of data records", -1, 99_999_999, shown)
    signals = _signals(_split(described, _PER_SIGNAL, n_signals), n_signals, sample_bytes, shown)
    if record_s < 0 or (record_s == 0 and not all(signal.is_annotations for signal in signals)):
        raise ImportRefused(
            f"a data record is said to last {record_s:g} s; it must be above 0; mend the header.",
            path=shown,
            reason=RefusalReason.RATE,
            value=f"{record_s:g}",
        )
    in_record = sum(signal.per_record for signal in signals) * sample_bytes
    held = (path.stat().st_size - header_bytes) // in_record
    family = "EDF" if sample_bytes == 2 else "BDF"
    flavour = fields["kind"][0][:5].strip()
    return EdfHeader(
        kind=flavour if flavour in (f"{family}+C", f"{family}+D") else family,
        sample_bytes=sample_bytes,
        header_bytes=header_bytes,
        n_records=held if claimed < 0 else min(held, claimed),
        claimed_records=claimed,
        record_s=record_s,
        started_at=_started(fields["date"][0], fields["time"][0], fields["recording"][0]),
        signals=signals,
    )


def _split(data: bytes, layout: tuple[tuple[str, int], ...], n: int) -> dict[str, list[str]]:
    """Fields of fixed width; what is not ASCII is Latin-1 in practice (a µ in a unit)."""
    fields: dict[str, list[str]] = {}
    at = 0
    for name, width in layout:
        fields[name] = [data[at + k * width : at + (k + 1) * width].decode("latin-1").strip() for k in range(n)]
        at += n * width
    return fields


def _signals(fields: dict[str, list[str]], n_signals: int, sample_bytes: int, shown: Path) -> tuple[EdfSignal, ...]:
    signals: list[EdfSignal] = []
    start = 0
    limit = 1 << (8 * sample_bytes - 1)
    for k in range(n_signals):
        what = f"signal {k + 1}"
        per_record = _whole(fields["per_record"][k], f"samples per record of {what}", 1, _MAX_PER_RECORD, shown)
        is_annotations = fields["label"][k] in ("EDF Annotations", "BDF Annotations")
        gain, offset = 1.0, 0.0
        if not is_annotations:
            low = _whole(fields["digital_min"][k], f"the digital minimum of {what}", -limit, limit - 1, shown)
            high = _whole(fields["digital_max"][k], f"the digital maximum of {what}", -limit, limit - 1, shown)
            from_, to = (_number(fields[f"physical_{end}"][k], f"the range of {what}", shown) for end in ("min", "max"))
            if low >= high or from_ == to:
                raise _bad(f"{what} has a range from {from_:g} to {to:g} for counts from {low} to {high}", shown)
            gain = (to - from_) / (high - low)
            offset = low - from_ / gain
        signals.append(
            EdfSignal(
                label=fields["label"][k],
                unit=fields["unit"][k],
                gain=gain,
                offset=offset,
                per_record=per_record,
                start=start,
                is_annotations=is_annotations,
                prefilter=fields["prefilter"][k],
            )
        )
        start += per_record
    return tuple(signals)


def _started(day: str, moment: str, recording: str) -> datetime | None:
    """When it began: EDF+ writes the year in full in another field, EDF two digits of it, 85 to 99 for 1985 to 1999."""
    match = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d) (\d\d)\.(\d\d)\.(\d\d)", f"{day} {moment}")
    if match is None:
        return None
    of_day, month, year, hour, minute, second = map(int, match.groups())
    full = re.match(r"Startdate \d\d-[A-Z]{3}-(\d{4})", recording)
    if full is not None:
        year = int(full[1])
    else:
        year += 1900 if year >= _CLIPPING else 2000
    try:
        return datetime(year, month, of_day, hour, minute, second)
    except ValueError:
        return None


def _whole(text: str, what: str, low: int, high: int, shown: Path) -> int:
    if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
        raise _bad(f"{what} is {_show(text)}; it must be a whole number from {low} to {high}", shown)
    return int(text)


def _number(text: str, what: str, shown: Path) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise _bad(f"{what} is {_show(text)}, which is not a number", shown)
    return float(text)


def _show(text: str) -> str:
    return repr("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))


def _bad(fault: str, shown: Path) -> ImportRefused:
    return ImportRefused(f"{fault}; write it again, or leave it out.", path=shown, reason=RefusalReason.HEADER)
