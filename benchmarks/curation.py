"""Curation against NeuroKit: an hour of three leads to a corpus, and one of them through ``ecg_process``.

Two simulated people of half an hour each go through ``build_corpus`` in one process: reading, cleaning, R peaks,
quality per two seconds, labels, windows, splits, the check for leaks, the file and its card. NeuroKit is
given lead II of the same hour, already in memory, and writes nothing. Both run in this process, one after the other.
The line *bare filters* is what SciPy needs to run the cleaning filters over the three leads in memory, and nothing
else: no curation of zero-phase filtered leads can be faster.

Both are held to one core where the system knows how. Seconds are those of the processor, its own and the system's, so
that whoever else is on the machine counts little. What is repeated is the median of ``--repeats`` runs; the corpus is
built once, and NeuroKit runs half as often as the rest.

Run it as ``python -m benchmarks.curation``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.table import Table
from scipy import signal as dsp

from acquire.recordings.recording import open_recording
from acquire.study import Study
from benchmarks.simulated_study import ACTIVITIES, RATE_HZ, record_person
from curate.beats.peaks import find_r_peaks
from curate.corpus.build import build_corpus
from curate.corpus.recording import CutSettings, cut_recording, survey_recording
from curate.labels.layers import merge_labels, protocol_labels
from curate.quality.assess import assess
from curate.signals.clean import SETTLE_S
from curate.signals.filters import BAND_HZ, sections
from curate.signals.resample import prepare
from curate.signals.signal import Signal
from curate.splits.content_prints import content_prints
from protocols.console import console

PEOPLE = (1, 2)
TARGET_RATIO = 30.0

T = TypeVar("T")


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the signal, both people together")
    parser.add_argument("--repeats", type=int, default=5, help="how often what is short is timed")
    arguments = parser.parse_args()
    minutes, repeats = arguments.minutes, arguments.repeats
    each_s = minutes * 60 / len(PEOPLE) / len(ACTIVITIES)
    if each_s < 60:
        parser.error(f"--minutes is {minutes:g}; at least {len(PEOPLE) * len(ACTIVITIES)} are needed.")
    if repeats < 1:
        parser.error(f"--repeats is {repeats}; it must be 1 or more.")
    if sys.platform == "linux":
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    with tempfile.TemporaryDirectory() as folder:
        # What is loaded once per program is not curation: a small study, and NeuroKit's minute below, go first.
        small, _ = _make_study(Path(folder) / "small", 30.0)
        build_corpus(small, name="small", workers=1)
        study, signals = _make_study(Path(folder) / "study", each_s)
        total_s, corpus = _timed(lambda: build_corpus(study, name="hour", workers=1))
        every = [_stages(study) for _ in range(repeats)]
        stages = {name: float(np.median([stages[name] for stages in every])) for name in every[0]}
        cut_s = _median(lambda: _cut(study), repeats)
        prints_s = _median(lambda: _prints(study), repeats)
        size_mib = corpus.stat().st_size / 2**20
    lead = np.concatenate([signal.values[:, signal.leads.index("II")] for signal in signals])
    neurokit_s = _median(lambda: _neurokit(lead), -(-repeats // 2))
    stages["bare filters"] = _median(lambda: _bare_filters(signals), repeats)
    _show(minutes, total_s, cut_s, prints_s, size_mib, stages, neurokit_s)


def _make_study(path: Path, each_s: float) -> tuple[Study, list[Signal]]:
    study = Study.create(path, mains_hz=50)
    return study, [record_person(study, person, session=1, seconds=len(ACTIVITIES) * each_s) for person in PEOPLE]


def _stages(study: Study) -> dict[str, float]:
    """Time the steps of curation one by one."""
    spent = {"read and clean": 0.0, "R peaks": 0.0, "quality": 0.0, "labels": 0.0}
    for path in study.recordings():
        with open_recording(path) as recording:
            began = _processor_s()
            prepared = prepare(recording, rate_hz=float(RATE_HZ))
            cleaned = _processor_s()
            beats = find_r_peaks(prepared.cleaned, raw=prepared.raw)
            found = _processor_s()
            assess(prepared.cleaned, raw=prepared.raw, beats=beats)
            graded = _processor_s()
            merge_labels(protocol_labels(recording), recording.n_samples)
            labelled = _processor_s()
        for name, seconds in zip(spent, np.diff([began, cleaned, found, graded, labelled]), strict=True):
            spent[name] += float(seconds)
    return spent


def _cut(study: Study) -> float:
    """Time all that is done to one recording after the other, from the file to windows in memory."""
    settings = CutSettings(
        leads=("I", "II", "III"),
        rate_hz=float(RATE_HZ),
        n_samples=3 * RATE_HZ,
        n_hop=3 * RATE_HZ,
        band_hz=BAND_HZ,
        settle_s=SETTLE_S,
        scale="none",
        layers=None,
    )
    surveys = [survey_recording(study, path, None, settle_s=SETTLE_S) for path in study.recordings()]
    return _timed(lambda: [cut_recording(study, survey, settings) for survey in surveys])[0]


def _prints(study: Study) -> float:
    """Time the digests and prints by which leaks are found and provenance is kept."""
    spent = 0.0
    for path in study.recordings():
        with open_recording(path) as recording:
            prepared = prepare(recording, rate_hz=float(RATE_HZ))
            beats = find_r_peaks(prepared.cleaned, raw=prepared.raw)
            counts = recording.counts()
            spent += _timed(
                lambda counts=counts, beats=beats, recording=recording: (  # type: ignore[misc]
                    content_prints(counts, beats, recording.rate_hz),
                    hashlib.sha256(np.ascontiguousarray(counts).data).hexdigest(),
                    recording.sha256(),
                )
            )[0]
    return spent


def _bare_filters(signals: list[Signal]) -> float:
    sos, _ = sections(float(RATE_HZ), 50.0, *BAND_HZ)
    by_lead = [np.ascontiguousarray(signal.values.T) for signal in signals]
    return _timed(lambda: [dsp.sosfiltfilt(sos, leads, axis=-1) for leads in by_lead])[0]


def _neurokit(lead: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    import neurokit2

    with warnings.catch_warnings():
        # It warns about its own dependencies and about stretches without beats.
        warnings.simplefilter("ignore")
        neurokit2.ecg_process(lead[: 60 * RATE_HZ], sampling_rate=RATE_HZ)
        return _timed(lambda: neurokit2.ecg_process(lead, sampling_rate=RATE_HZ))[0]


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = _processor_s()
    result = work()
    return _processor_s() - began, result


def _processor_s() -> float:
    """Seconds that this process and those that it started and waited for have had of a processor."""
    return sum(os.times()[:4])


def _median(timing: Callable[[], float], repeats: int) -> float:
    return float(np.median([timing() for _ in range(repeats)]))


def _show(
    minutes: float,
    total_s: float,
    cut_s: float,
    prints_s: float,
    size_mib: float,
    stages: dict[str, float],
    neurokit_s: float,
) -> None:
    table = Table(title=f"{minutes:g} min, 3 leads, {RATE_HZ} Hz", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("share", justify="right")
    table.add_column("times as fast as NeuroKit", justify="right")
    bare_s = stages.pop("bare filters")
    windows_s = max(0.0, cut_s - sum(stages.values()) - prints_s)
    rest_s = max(0.0, total_s - cut_s)
    steps = {
        **stages,
        "windows": windows_s,
        "digests, prints against leaks": prints_s,
        "splits, checks, file, card": rest_s,
    }
    for name, seconds in steps.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / total_s:.0%}")
    table.add_section()
    for name, seconds in {
        "bare filters, three leads": bare_s,
        "trilead, three leads to windows in memory": cut_s - prints_s,
        "the same, with digests and prints": cut_s,
        "trilead, three leads to a corpus": total_s,
    }.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / total_s:.0%}", f"{neurokit_s / seconds:.1f}")
    table.add_row("neurokit2.ecg_process, one lead", f"{neurokit_s:.2f}", "", "1")
    console.print(table)
    ratio = neurokit_s / (cut_s - prints_s)
    verdict = "at or above" if ratio >= TARGET_RATIO else "BELOW"
    console.print(
        f"To windows {ratio:.1f} times as fast ({verdict} the target of {TARGET_RATIO:g}); the corpus has "
        f"{size_mib:.0f} MiB."
    )


if __name__ == "__main__":
    main()
