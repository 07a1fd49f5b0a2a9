"""How surely copies of recordings are found by the rhythm of their beats, and whether anybody is accused wrongly.

1. The wearable recordings (where their folder is) and simulated people who rest, walk, jog and rest: every recording is
   copied, resampled and changed in some other way, and the copy is put among all recordings.
2. The recordings without copies: how many pairs are accused.
3. Time of the check, over made-up rhythms: 1000 recordings of 5 minutes and 100 of an hour.

Run it as ``python -m benchmarks.leaks``; some minutes on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy import signal as dsp

from acquire.boards.heart import Heart
from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.beats.peaks import find_r_peaks
from curate.importers import import_paths
from curate.signals.clean import clean
from curate.signals.signal import Signal
from curate.splits.beat_matches import shared_beats
from curate.splits.content_prints import content_prints
from curate.splits.shared_contents import check_shared_contents
from protocols.console import console

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "wearable-ecg"
MAINS_HZ = 50

Prints = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Take:
    """Raw values, shape (n, channels), and their rate."""

    values: NDArray[np.float64]
    rate_hz: float


def _resampled(take: Take, rate_hz: float) -> Take:
    ratio = Fraction(rate_hz / take.rate_hz).limit_denominator(1_000)
    values = dsp.resample_poly(take.values, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    return Take(values, take.rate_hz * ratio.numerator / ratio.denominator)


def _filtered(take: Take, low_hz: float, high_hz: float) -> Take:
    """Causally, as a board or an app would."""
    sos = dsp.butter(2, (low_hz, high_hz), btype="bandpass", fs=take.rate_hz, output="sos")
    return replace(take, values=dsp.sosfilt(sos, take.values, axis=0))


def _notched(take: Take) -> Take:
    b, a = dsp.iirnotch(MAINS_HZ, 30, fs=take.rate_hz)
    return replace(take, values=dsp.filtfilt(b, a, take.values, axis=0))


def _noisy(take: Take, db: float) -> Take:
    """White noise so far below what lies between 1 and 40 Hz."""
    heard = dsp.sosfiltfilt(
        dsp.butter(2, (1, 40), btype="bandpass", fs=take.rate_hz, output="sos"), take.values, axis=0
    )
    noise = np.random.default_rng(0).standard_normal(take.values.shape)
    return replace(take, values=take.values + noise * heard.std(axis=0) * 10 ** (-db / 20))


def _middle(take: Take, seconds: float) -> Take:
    begin = max(0, int((len(take.values) / take.rate_hz - seconds) / 2 * take.rate_hz))
    return replace(take, values=take.values[begin : begin + int(seconds * take.rate_hz)])


COPIES: Mapping[str, Callable[[Take], Take]] = {
    "half the gain": lambda take: replace(take, values=take.values / 2),
    "at 500 Hz": lambda take: _resampled(take, 500),
    "at 250 Hz": lambda take: _resampled(take, 250),
    "at 256 Hz, three times the gain": lambda take: replace(one := _resampled(take, 256), values=one.values * 3),
    "at 360 Hz, upside down": lambda take: replace(one := _resampled(take, 360), values=-one.values),
    "at 128 Hz, 40 s of it": lambda take: _middle(_resampled(take, 128), 40),
    "at 300 Hz, 30 s of it": lambda take: _middle(_resampled(take, 300), 30),
    "at 300 Hz, 20 s of it": lambda take: _middle(_resampled(take, 300), 20),
    "at 200 Hz, leads in reverse": lambda take: replace(one := _resampled(take, 200), values=one.values[:, ::-1]),
    "at 300 Hz, the last lead alone": lambda take: replace(one := _resampled(take, 300), values=one.values[:, -1:]),
    "its rate told 1 % wrong": lambda take: replace(take, rate_hz=take.rate_hz * 1.01),
    "at 500 Hz, mains notched out": lambda take: _resampled(_notched(take), 500),
    "causal filter 0.5-40 Hz": lambda take: _filtered(take, 0.5, 40),
    "causal filter 5-30 Hz": lambda take: _filtered(take, 5, 30),
    "noise 20 dB below": lambda take: _noisy(take, 20),
    "noise 10 dB below": lambda take: _noisy(take, 10),
}


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the wearable recordings")
    parser.add_argument("--people", type=int, default=40, help="simulated people whose recordings are copied")
    parser.add_argument("--crowd", type=int, default=200, help="simulated people among whom nobody may be accused")
    arguments = parser.parse_args()
    table = Table(title="copies that are found among all recordings", title_justify="left")
    table.add_column("copy", no_wrap=True)
    columns: list[list[str]] = []
    with ProcessPoolExecutor() as pool:
        if arguments.folder.is_dir():
            takes = dict(_wearable(arguments.folder))
            columns.append(_found("wearable recordings", takes, pool))
            table.add_column(f"{len(takes)} wearable recordings", justify="right")
        people = dict(zip(_names(arguments.crowd), pool.map(_person, _names(arguments.crowd)), strict=True))
        copied = dict(list(people.items())[: arguments.people])
        columns.append(_found("simulated people", copied, pool))
        table.add_column(f"{len(copied)} simulated people, 5 min", justify="right")
        prints = dict(zip(people, pool.map(_prints, people.values()), strict=True))
    console.print(f"accused of {len(prints)} simulated people: {len(list(shared_beats(prints)))} pairs")
    for name, cells in zip(COPIES, zip(*columns, strict=True), strict=True):
        table.add_row(name, *cells)
    console.print(table)
    for n, seconds in ((1000, 300), (100, 3600)):
        rhythms = {f"r{number:04d}": _rhythm(number, seconds) for number in range(n)}
        began = time.perf_counter()
        check_shared_contents({}, rhythms)
        console.print(f"{n} recordings of {seconds / 60:.0f} min: {time.perf_counter() - began:.1f} s")


def _names(n: int) -> list[str]:
    return [f"P{number:03d}" for number in range(1, n + 1)]


def _wearable(folder: Path) -> Iterator[tuple[str, Take]]:
    with tempfile.TemporaryDirectory() as place:
        study = Study.create(Path(place) / "study", mains_hz=MAINS_HZ)
        import_paths(study, [folder])
        for path in study.recordings():
            with open_recording(path) as recording:
                yield path.stem, Take(recording.counts().astype(np.float64), recording.rate_hz)


def _person(name: str) -> Take:
    heart = Heart(person=name, session="01", seed=0, rate_hz=250)
    parts = []
    for number, activity in enumerate(("rest", "walk", "jog", "rest")):
        heart.tell(activity, number * 75 * 250)
        parts.append(np.stack(heart.generate(75 * 250), axis=1))
    return Take(np.round(np.concatenate(parts) / 0.0005), 250.0)


def _prints(take: Take) -> Prints:
    raw = Signal(
        values=take.values,
        leads=tuple(f"CH{number}" for number in range(take.values.shape[1])),
        rate_hz=take.rate_hz,
        unit="adu",
    )
    return content_prints(take.values, find_r_peaks(clean(raw, mains_hz=MAINS_HZ), raw=raw), take.rate_hz)


def _copied(name: str, take: Take) -> Prints:
    return _prints(COPIES[name](take))


def _found(what: str, takes: Mapping[str, Take], pool: ProcessPoolExecutor) -> list[str]:
    """For each kind of copy, how many are found when each is put among all recordings."""
    prints = dict(zip(takes, pool.map(_prints, takes.values()), strict=True))
    n_with_beats = sum(len(one) > 1 for one in prints.values())
    accused = list(shared_beats(prints))
    console.print(f"accused of {len(prints)} {what} ({n_with_beats} with beats): {len(accused)} pairs")
    cells = []
    for name in COPIES:
        copies = dict(zip(takes, pool.map(partial(_copied, name), takes.values()), strict=True))
        found = {
            (match.one, match.other)
            for match in shared_beats(prints | {f"{owner} copied": one for owner, one in copies.items()})
        }
        cells.append(f"{sum((owner, f'{owner} copied') in found for owner in takes)}")
    return cells


def _rhythm(number: int, seconds: float) -> Prints:
    """A made-up rhythm and as many prints of samples as a recording would have, with nothing behind them."""
    rng = np.random.default_rng(number)
    rate = rng.normal(70, 8)
    beat = np.arange(int(seconds * rate / 60))
    breath = 0.04 * np.sin(2 * np.pi * rng.uniform(0.2, 0.3) * 60 / rate * beat)
    intervals = (
        60 / rate * (1 + breath + np.cumsum(rng.normal(0, 0.004, beat.size)) * 0.1 + rng.normal(0, 0.01, beat.size))
    )
    return {
        "samples": np.unique(rng.integers(0, 2**63, int(seconds), dtype=np.uint64)),
        "beats_us": np.round(np.cumsum(intervals) * 1e6).astype(np.int64),
    }


if __name__ == "__main__":
    main()
