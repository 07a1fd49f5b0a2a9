"""R peaks against known beats: ours beside sleepecg, NeuroKit and wfdb's XQRS on the same signals.

Beats are compared one to one within 150 ms, inclusive, as in EC57; JF (Porr and Macfarlane 2024) counts the scatter of
their places too. The others are given one lead (II, or MLII of MIT-BIH), and clean it in their own way; ours is given
that lead alone, and once more all leads. ``benchmarks.beat_cases`` tells what the records are.

Where ours finds nothing but noise it reports a stretch instead of guessing beats, and those beats count as missed in
the columns Se and F1; *reported* is the share of the record, and *F1 searched* leaves those stretches out of both
lists. *p95 ms* is the distance from the truth that 95 % of the beats keep to, in the middle one of the records. The
last table counts beats in records that hold none.

Ours was made by looking at the first sixteen people: ``--first 17`` judges by others.

Run it as ``python -m benchmarks.r_peaks``. The MIT-BIH record is looked for in ``../shared/data/wfdb``, or where
``--wfdb`` says.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.beat_cases import BeatCase, empty_cases, mit_bih, simulated_cases
from curate.beats.peaks import find_r_peaks
from curate.beats.score import BeatScore, compare_beats
from curate.signals.clean import clean
from protocols.console import console

WFDB_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "wfdb"
ALLOWED_POINTS = 0.2
OURS = ("ours, one lead", "ours, all leads")

Beats = NDArray[np.int64]
Ranges = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a detector made of a record: its beats, and the ranges it gave up."""

    beats: Beats
    reported: Ranges


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wfdb", type=Path, default=WFDB_FOLDER, help="folder of MIT-BIH record 100")
    parser.add_argument("--people", type=int, default=6, help="simulated people")
    parser.add_argument("--first", type=int, default=1, help="number of the first of them")
    parser.add_argument("--minutes", type=float, default=2.0, help="simulated minutes per person and case")
    parser.add_argument("--ours-only", action="store_true", help="leave out the detectors of others")
    arguments = parser.parse_args()
    detectors = _detectors(ours_only=arguments.ours_only)
    simulated = simulated_cases(arguments.people, arguments.minutes * 60, first=arguments.first)
    cases = [*mit_bih(arguments.wfdb), *simulated]
    if cases[0].name != "MIT-BIH 100":
        console.print(f"MIT-BIH 100 is left out: {arguments.wfdb.name}/100.dat or the package wfdb is not there.")
    table = Table(title="R peaks within 150 ms: shares in %", title_justify="left")
    for name in ("record", "beats", "detector", "Se", "PPV", "F1", "JF", "p95 ms", "reported", "F1 searched"):
        table.add_column(name, justify="left" if name in ("record", "detector") else "right", no_wrap=True)
    below: list[str] = []
    # The order of the cases is that of the first person.
    order = {name: place for place, name in enumerate(dict.fromkeys(case.name for case in cases))}
    cases.sort(key=lambda case: order[case.name])
    for name, group in groupby(cases, key=attrgetter("name")):
        below += _compare(name, list(group), detectors, table)
    console.print(table)
    if not arguments.ours_only:
        console.print(f"Below the best single detector by more than {ALLOWED_POINTS:g} points of F1:")
        console.print("\n".join(below) or "nowhere", highlight=False)
    _empty(arguments.people, arguments.minutes * 60, detectors)


def _compare(
    name: str, cases: list[BeatCase], detectors: dict[str, Callable[[BeatCase], Found]], table: Table
) -> list[str]:
    """Print the lines of one case, and tell where ours lags behind."""
    f1: dict[str, float] = {}
    for detector, find in detectors.items():
        pairs = [(case, find(case)) for case in cases]
        total = _total(_score(case, found.beats) for case, found in pairs)
        f1[detector] = 100 * total.f1
        shares = [f"{100 * share:.2f}" for share in (total.sensitivity, total.precision, total.f1, total.jf)]
        shares.append(f"{1000 * total.p95_jitter_s:.1f}")
        if detector in OURS:
            n_samples = sum(case.raw.n_samples for case in cases)
            reported = sum(int(np.diff(found.reported, axis=1).sum()) for _, found in pairs)
            searched = _total(_score(case, found.beats, without=found.reported) for case, found in pairs)
            shares += [f"{reported / n_samples:.1%}", f"{100 * searched.f1:.2f}"]
        first = len(f1) == 1
        beats = total.true_positives + total.false_negatives
        table.add_row(name if first else "", str(beats) if first else "", detector, *shares)
    table.add_section()
    others = {detector: share for detector, share in f1.items() if detector not in OURS}
    if not others:
        return []
    best = max(others, key=lambda detector: np.nan_to_num(others[detector]))
    return [
        f"{name}: {detector} {f1[detector]:.2f}, {best} {f1[best]:.2f}"
        for detector in OURS
        if f1[detector] < f1[best] - ALLOWED_POINTS
    ]


def _empty(people: int, seconds: float, detectors: dict[str, Callable[[BeatCase], Found]]) -> None:
    table = Table(title="Beats per minute in records that hold no heart", title_justify="left")
    table.add_column("record", no_wrap=True)
    for detector in detectors:
        table.add_column(detector, justify="right")
    for name, group in groupby(empty_cases(people, seconds), key=attrgetter("name")):
        cases = list(group)
        minutes = sum(case.raw.n_samples / case.raw.rate_hz for case in cases) / 60
        per_minute = (sum(find(case).beats.size for case in cases) / minutes for find in detectors.values())
        table.add_row(name, *(f"{rate:.1f}" for rate in per_minute))
    console.print(table)


def _detectors(*, ours_only: bool) -> dict[str, Callable[[BeatCase], Found]]:
    ours: dict[str, Callable[[BeatCase], Found]] = {
        "ours, one lead": lambda case: _ours(_one_lead(case)),
        "ours, all leads": _ours,
    }
    if ours_only:
        return ours
    return {**ours, "sleepecg": _alone(_sleepecg), "neurokit": _alone(_neurokit), "wfdb xqrs": _alone(_xqrs)}


def _one_lead(case: BeatCase) -> BeatCase:
    raw = replace(case.raw, values=case.raw.values[:, [case.lead]], leads=(case.raw.leads[case.lead],))
    return replace(case, raw=raw, lead=0)


def _ours(case: BeatCase) -> Found:
    found = find_r_peaks(clean(case.raw, mains_hz=case.mains_hz), raw=case.raw)
    return Found(beats=found.samples, reported=found.rejected)


def _alone(find: Callable[[NDArray[np.float64], BeatCase], object]) -> Callable[[BeatCase], Found]:
    """Run a detector on one lead; what it cannot take, NaN or a flat line, is a record without beats to it."""

    def run(case: BeatCase) -> Found:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                beats = np.asarray(find(case.raw.values[:, case.lead].copy(), case), dtype=np.int64)
            except (ValueError, IndexError, ZeroDivisionError, TypeError):
                beats = np.zeros(0, dtype=np.int64)
        return Found(beats=np.unique(beats), reported=np.zeros((0, 2), dtype=np.int64))

    return run


def _sleepecg(values: NDArray[np.float64], case: BeatCase) -> object:
    from sleepecg.heartbeats import detect_heartbeats

    return detect_heartbeats(values, case.raw.rate_hz)


def _neurokit(values: NDArray[np.float64], case: BeatCase) -> object:
    import neurokit2

    rate_hz = round(case.raw.rate_hz)
    cleaned = neurokit2.ecg_clean(values, sampling_rate=rate_hz, powerline=case.mains_hz)
    return neurokit2.ecg_peaks(cleaned, sampling_rate=rate_hz)[1]["ECG_R_Peaks"]


def _xqrs(values: NDArray[np.float64], case: BeatCase) -> object:
    from wfdb import processing

    finder = processing.XQRS(sig=values, fs=case.raw.rate_hz)
    finder.detect(verbose=False)
    return finder.qrs_inds


def _inside(beats: Beats, case: BeatCase) -> Beats:
    """Leave out what lies where the case has no truth by design: a second at either end of a simulated record."""
    if case.name.startswith("MIT-BIH"):
        return beats
    rate_hz = case.raw.rate_hz
    last = case.raw.n_samples - rate_hz
    beats = beats[(beats >= rate_hz) & (beats < last)]
    if case.name.endswith("half flat"):
        half = case.raw.n_samples // 2
        return beats[(beats < half - rate_hz) | (beats >= half + rate_hz)]
    if case.name.endswith("gaps"):
        missing = ~np.isfinite(case.raw.values[:, case.lead])
        near = np.convolve(missing, np.ones(2 * round(0.2 * rate_hz) + 1), mode="same") > 0
        inside = missing[beats]
        return beats[~near[beats] | inside]
    return beats


def _score(case: BeatCase, found: Beats, *, without: Ranges | None = None) -> BeatScore:
    """Compare with the truth, in all of the record or outside of some ranges."""
    ranges = np.zeros((0, 2), dtype=np.int64) if without is None else without
    return compare_beats(_outside(case.truth, ranges), _outside(_inside(found, case), ranges), rate_hz=case.raw.rate_hz)


def _outside(beats: Beats, ranges: Ranges) -> Beats:
    if not len(ranges):
        return beats
    place = np.searchsorted(ranges[:, 0], beats, side="right") - 1
    kept: NDArray[np.bool_] = (place < 0) | (beats >= ranges[place, 1])
    return beats[kept]


def _total(scores: Iterator[BeatScore]) -> BeatScore:
    """Sum the beats of several records; jitters and scatter are the median of theirs."""
    every = list(scores)
    with warnings.catch_warnings():
        # Records without a pair have no jitter.
        warnings.simplefilter("ignore", RuntimeWarning)
        jitter_s = float(np.nanmedian([score.median_jitter_s for score in every]))
        p95_jitter_s = float(np.nanmedian([score.p95_jitter_s for score in every]))
        scatter_s = float(np.nanmedian([score.scatter_s for score in every]))
    return BeatScore(
        true_positives=sum(score.true_positives for score in every),
        false_negatives=sum(score.false_negatives for score in every),
        false_positives=sum(score.false_positives for score in every),
        median_jitter_s=jitter_s,
        p95_jitter_s=p95_jitter_s,
        scatter_s=scatter_s,
    )


if __name__ == "__main__":
    main()
