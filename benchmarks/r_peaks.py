"""R peaks against known beats: MIT-BIH record 100, and simulated people in every activity that a simulator knows well.

Beats are compared one to one within 150 ms, inclusive, as in EC57. A second at either end of a simulated record is
left out of both lists: a beat that the end cuts is nobody's mistake.

Run it as ``python -m benchmarks.r_peaks``. The MIT-BIH record is looked for in ``../shared/data/wfdb``, or where
``--wfdb`` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.simulated import simulate
from curate.beats_score import BeatScore, compare_beats
from curate.clean import clean
from curate.peaks import find_r_peaks
from curate.signal import Signal
from protocols.console import console

ACTIVITIES = ("rest", "sit", "stand", "walk", "climb", "arms", "squats", "jog", "run")
BEAT_SYMBOLS = tuple("NLRBAaJSVrFejnE/fQ?")
WFDB_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "wfdb"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wfdb", type=Path, default=WFDB_FOLDER, help="folder of MIT-BIH record 100")
    parser.add_argument("--people", type=int, default=6, help="simulated people per activity")
    parser.add_argument("--minutes", type=float, default=4.0, help="simulated minutes per person and activity")
    arguments = parser.parse_args()
    table = Table(
        title="R peaks within 150 ms: shares in %, median jitter; below the line simulated people", title_justify="left"
    )
    for name in ("record", "beats", "missed", "false", "Se", "PPV", "F1", "jitter"):
        table.add_column(name, justify="left" if name == "record" else "right", no_wrap=True)
    if not _mit_bih(arguments.wfdb, table):
        console.print(f"MIT-BIH 100 is left out: {arguments.wfdb.name}/100.dat or the package wfdb is not there.")
    table.add_section()
    people = [f"S{number:02d}" for number in range(1, arguments.people + 1)]
    for activity in ACTIVITIES:
        scores = [_simulated(person, activity, arguments.minutes * 60) for person in people]
        _row(table, f"{activity} × {len(people)}", scores)
    console.print(table)


def _mit_bih(folder: Path, table: Table) -> bool:
    try:
        import wfdb
    except ModuleNotFoundError:
        return False
    if not (folder / "100.dat").is_file():
        return False
    record = wfdb.rdrecord(str(folder / "100"))
    notes = wfdb.rdann(str(folder / "100"), "atr")
    reference = np.asarray(notes.sample[np.isin(notes.symbol, BEAT_SYMBOLS)], dtype=np.int64)
    for columns in ([0], [1], [0, 1]):
        names = tuple(record.sig_name[column] for column in columns)
        values = np.asarray(record.p_signal[:, columns], dtype=np.float64)
        raw = Signal(values=values, leads=names, rate_hz=float(record.fs), unit="mV")
        # Recorded in the United States.
        found = find_r_peaks(clean(raw, mains_hz=60), raw=raw).samples
        _row(table, f"MIT-BIH 100, {' '.join(names)}", [compare_beats(reference, found, rate_hz=raw.rate_hz)])
    return True


def _simulated(person: str, activity: str, seconds: float) -> BeatScore:
    raw, truth = simulate(person, [activity], seconds_each=seconds)
    found = find_r_peaks(clean(raw, mains_hz=50), raw=raw).samples
    return compare_beats(_inside(truth, raw), _inside(found, raw), rate_hz=raw.rate_hz)


def _inside(beats: NDArray[np.int64], signal: Signal) -> NDArray[np.int64]:
    return beats[(beats >= signal.rate_hz) & (beats < signal.n_samples - signal.rate_hz)]


def _row(table: Table, name: str, scores: list[BeatScore]) -> None:
    """One line for several records: beats are summed, the jitter is the median of medians."""
    total = BeatScore(
        true_positives=sum(score.true_positives for score in scores),
        false_negatives=sum(score.false_negatives for score in scores),
        false_positives=sum(score.false_positives for score in scores),
        median_jitter_s=float(np.median([score.median_jitter_s for score in scores])),
    )
    shares = (f"{100 * share:.2f}" for share in (total.sensitivity, total.precision, total.f1))
    beats = total.true_positives + total.false_negatives
    table.add_row(
        name,
        str(beats),
        str(total.false_negatives),
        str(total.false_positives),
        *shares,
        f"{1000 * total.median_jitter_s:.0f} ms",
    )


if __name__ == "__main__":
    main()
