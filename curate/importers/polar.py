"""Import of sensor logs of a Polar H10: a line per packet, its bytes in hexadecimal in one of tab-separated columns.

A packet of the chest strap's measurement service is read as

======  =====================================================================================
bytes   meaning
======  =====================================================================================
0       type of measurement; 0 is ECG, other packets are passed over
1–8     nanoseconds since 2000-01-01 of the packet's *last* sample, little-endian, unsigned
9       type of frame; 0 is plain ECG
10–     samples, 3 bytes each, little-endian, signed, microvolts; 73 as a rule
======  =====================================================================================

The strap gives 130 samples per second. Lost packets are told by the times, which are the strap's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Channel
from acquire.recordings.rate import fit_rate_hz
from curate.errors import ImportRefused, RefusalReason
from curate.importers.leads import choose_leads
from curate.importers.options import ImportOptions
from curate.importers.reading import read_head, refuse_empty
from curate.importers.recorded import NO_TIME, Reading, check_extent, gap_note, plural, spread_rows, utc_text
from curate.importers.registry import Importer
from curate.importers.table_text import TextLines, show

__all__ = ["RATE_HZ", "Packet", "PolarImporter", "parse_packet"]

RATE_HZ = 130.0

_HEAD_BYTES = 8192
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :-]?){13,}")
_PREFIX = 10
_ECG, _PLAIN_FRAME = 0, 0
_EPOCH_2000_US = 946_684_800_000_000
_MAX_SAMPLES = 200
_LATEST_NS = 1 << 62
_SLACK = 0.25
_SHORT_STEPS = 25


@dataclass(frozen=True, kw_only=True, eq=False)
class Packet:
    """One packet: when its last sample was taken, in ns since 2000, and its samples in microvolts."""

    last_ns: int
    samples: NDArray[np.int32]


class PolarImporter(Importer):
    """The format ``polar``."""

    name = "polar"

    def candidate(self, path: Path) -> bool:
        """Text files that have the sensor in their name."""
        lower = path.name.lower()
        return ("polar" in lower or "h10" in lower) and lower.removesuffix(".gz").endswith((".txt", ".tsv", ".log"))

    def companion(self, path: Path) -> bool:
        """There are none."""
        return False

    def recognises(self, path: Path) -> bool:
        """By a packet of ECG within the first lines."""
        lines = read_head(path, _HEAD_BYTES).decode("ascii", "replace").splitlines()
        return any(
            (data := bytes.fromhex(re.sub("[ :-]", "", cell)))[0] == _ECG and (len(data) - _PREFIX) % 3 == 0
            for line in lines[:5]
            if "\t" in line and (cell := _hex_cell(line)) is not None
        )

    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file; see ``Importer.read``."""
        refuse_empty(path, shown)
        text = TextLines(path, shown=shown)
        packets: list[Packet] = []
        others: dict[str, int] = {}
        n_samples = 0
        for packet, what in _packets(text, shown):
            if packet is None:
                others[what] = others.get(what, 0) + 1
                continue
            packets.append(packet)
            n_samples += packet.samples.size
            check_extent(n_samples, 1, shown=shown)
        if not packets:
            raise ImportRefused("it holds no packet of ECG; leave it out.", path=shown, reason=RefusalReason.EMPTY)
        last_ns = np.array([packet.last_ns for packet in packets], dtype=np.int64)
        sizes = np.array([packet.samples.size for packet in packets])
        values = np.concatenate([packet.samples for packet in packets])[:, None]
        index, last_index, notes = _index(last_ns, sizes, shown)
        counts, gaps = spread_rows(values, index, cause="packets are missing", shown=shown, rate_hz=RATE_HZ)
        clock = np.stack([last_index, last_ns - last_ns[0], last_ns], axis=1).astype(np.int64)
        fitted_hz = fit_rate_hz(clock, RATE_HZ)
        channels = (Channel(name="ECG", unit="mV", gain=0.001, offset=0.0),)
        montage, lead_notes = choose_leads(channels, options.leads, shown=shown)
        for what, count in others.items():
            notes.append(f"{plural(count, 'line')} could not be kept: {what}.")
        if text.cut_line:
            notes.append(f"the last line, {text.cut_line!r}, has no line end, so it was cut; it was left out.")
        begin_us = last_ns[0] // 1000 - round((sizes[0] - 1) * 1e6 / RATE_HZ) + _EPOCH_2000_US
        # A strap that was never set begins to count when it is switched on.
        is_set = last_ns[0] > 15 * 365 * 86_400 * 10**9
        return Reading(
            channels=channels,
            counts=counts,
            montage=montage,
            nominal_rate_hz=RATE_HZ,
            fitted_rate_hz=fitted_hz,
            board="imported: polar (H10)",
            started_at=utc_text(int(begin_us)) if is_set else NO_TIME,
            gaps=gaps,
            clock=clock,
            loss_detection="times of the packets",
            detail="digest of the unpacked text; values in uV; its clock names no time zone and is taken for UTC",
            notes=(*notes, *lead_notes, *gap_note(gaps, fitted_hz or RATE_HZ, found_in="packets")),
        )


def _hex_cell(line: str) -> str | None:
    """The column that holds a packet."""
    return next((cell.strip() for cell in line.split("\t") if _HEX.fullmatch(cell.strip())), None)


def _packets(text: TextLines, shown: Path) -> Iterator[tuple[Packet | None, str]]:
    """The packets of ECG, or for each other line why it is none."""
    for line in text:
        cell = _hex_cell(line)
        if cell is None:
            if text.number == 1 or not line.strip():
                continue
            raise ImportRefused(
                f"{show(line)!r} has no column with a packet in hexadecimal; mend the line, or leave the file out.",
                path=shown,
                line=text.number,
                reason=RefusalReason.SEPARATOR,
                value=show(line),
            )
        try:
            yield parse_packet(bytes.fromhex(re.sub("[ :-]", "", cell))), "packets of another measurement than ECG"
        except ValueError as error:
            raise ImportRefused(
                f"the packet {error}; mend the line, or leave the file out.",
                path=shown,
                line=text.number,
                reason=RefusalReason.COUNT,
                value=show(cell),
            ) from error


def parse_packet(data: bytes) -> Packet | None:
    """Read one packet; None where it is of another measurement.

    Args:
        data: at least 13 bytes.

    Raises:
        ValueError: it is not as it has to be; the message is the middle of a sentence.
    """
    if data[0] != _ECG:
        return None
    if data[9] != _PLAIN_FRAME:
        raise ValueError(f"has frame type {data[9]}, of which only {_PLAIN_FRAME} is read")
    n_samples, rest = divmod(len(data) - _PREFIX, 3)
    if rest or not 1 <= n_samples <= _MAX_SAMPLES:
        raise ValueError(f"has {len(data) - _PREFIX} bytes of samples, which are not 1 to {_MAX_SAMPLES} times 3")
    last_ns = int.from_bytes(data[1:9], "little")
    if last_ns >= _LATEST_NS:
        raise ValueError(f"has the time {last_ns} ns, which is no time of our days")
    wide = np.zeros((n_samples, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, dtype=np.uint8, offset=_PREFIX).reshape(-1, 3)
    return Packet(last_ns=last_ns, samples=(wide.view("<i4")[:, 0] >> 8).astype(np.int32))


def _index(
    last_ns: NDArray[np.int64], sizes: NDArray[np.int64], shown: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Index of each sample and of each packet's last one, from the times of the packets.

    What a packet comes later than its own length is a loss if it is a quarter of the packet or more; the strap's rate
    is first taken for what the promptest packets show.
    """
    step_ns = np.diff(last_ns)
    early = np.flatnonzero(step_ns <= 0)
    if early.size:
        raise ImportRefused(
            f"packet {early[0] + 2} is not later than the one before it; mend the file there.",
            path=shown,
            reason=RefusalReason.TIME,
        )
    # Losses make steps longer, never shorter, so the shorter ones tell the rate.
    steps = step_ns / sizes[1:]
    period_ns = float(np.percentile(steps, _SHORT_STEPS, method="lower")) if steps.size else 1e9 / RATE_HZ
    notes = []
    if abs(period_ns * RATE_HZ / 1e9 - 1) > 0.2:
        raise ImportRefused(
            f"its packets come at {1e9 / period_ns:.1f} samples per second, not at about {RATE_HZ:g}; look what wrote "
            "the file.",
            path=shown,
            reason=RefusalReason.RATE,
            value=f"{1e9 / period_ns:.1f}",
        )
    extra = step_ns / period_ns - sizes[1:]
    lost = np.where(extra >= _SLACK * sizes[1:], np.rint(extra), 0).astype(np.int64)
    overlaps = int((extra <= -_SLACK * sizes[1:]).sum())
    if overlaps:
        notes.append(f"{plural(overlaps, 'packet')} came sooner than its samples take; its time was not followed.")
    last_index = np.cumsum(np.concatenate([[sizes[0]], sizes[1:] + lost])) - 1
    index = np.concatenate([np.arange(stop - size + 1, stop + 1) for stop, size in zip(last_index, sizes, strict=True)])
    return index.astype(np.int64), last_index.astype(np.int64), notes
