"""The grade of signal quality against what annotators saw: every two seconds of ten people with a wearable sensor.

The recordings (see ``../shared/data/README.md``) carry an artefact degree from 1 (little or none) to 4 per two seconds.
Degree 1 is taken for *good*, 2 and 3 for *doubtful*, 4 for *unusable*. Subjects 01, 03, 05, 07 and 09 are for
calibration: the limits that quality is graded by and those of every single index below were found on them. Subjects
02, 04, 06, 08 and 10 are for testing, and nothing was chosen by looking at them.

A row of labels is compared with the window in which its middle lies. Agreement is Cohen's kappa with linear weights,
and with quadratic ones. NeuroKit's ``zhao2018`` is run on the signal as NeuroKit cleans it, on the two seconds of the
row and on ten seconds around it; its *Excellent*, *Barely acceptable* and *Unacceptable* are the three grades.
Where it ends with an error, the grade is *Unacceptable*; how often that is stands below the table.

The intervals are 95 % ones by the bootstrap over whole recordings, 2000 times: rows of one recording are no independent
ones.

Run it as ``python -m benchmarks.quality``.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from curate.beats.peaks import find_r_peaks
from curate.errors import ImportRefused
from curate.importers.options import ImportOptions
from curate.importers.wearable import WearableImporter
from curate.quality.assess import Grade, assess
from curate.quality.calibration import CALIBRATED
from curate.signals.clean import clean
from curate.signals.signal import Signal
from protocols.console import console

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "wearable-ecg"
CALIBRATION = ("01", "03", "05", "07", "09")
TEST = ("02", "04", "06", "08", "10")
GRADE_OF_DEGREE = {1: Grade.GOOD, 2: Grade.DOUBTFUL, 3: Grade.DOUBTFUL, 4: Grade.UNUSABLE}
RISING = {
    "shape residual": False,
    "template correlation": True,
    "kSQI": True,
    "rail": False,
    "rhythm": True,
    "bSQI": True,
    "pSQI": False,
    "basSQI": True,
    "missing": False,
    "flat": False,
}
"""Each index, and whether more of it is better."""
ZHAO = {"Excellent": Grade.GOOD, "Barely acceptable": Grade.DOUBTFUL, "Unacceptable": Grade.UNUSABLE}
N_STEPS = 41
N_RESAMPLES = 2000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Label rows of some subjects.

    Attributes:
        subject: of each row.
        recording: of each row.
        degree: what the annotators gave.
        ours: grade by the rule.
        theirs: grades by NeuroKit, by the name of the way it was run; −1 where it ended with an error.
        indices: by name.
    """

    subject: NDArray[np.str_]
    recording: NDArray[np.str_]
    degree: Ints
    ours: Ints
    theirs: dict[str, Ints]
    indices: dict[str, Floats]

    @property
    def truth(self) -> Ints:
        """The grade that the annotators' degree stands for."""
        return np.array([GRADE_OF_DEGREE[int(degree)] for degree in self.degree], dtype=np.int64)

    @property
    def errors(self) -> dict[str, float]:
        """On which share of the rows NeuroKit ended with an error."""
        return {name: float(np.mean(grades < 0)) for name, grades in self.theirs.items()}


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the wearable recordings")
    parser.add_argument("--without-neurokit", action="store_true", help="leave out NeuroKit, which takes a minute")
    parser.add_argument("--without-test", action="store_true", help="look at the calibration half alone")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder.name} is not there; give the folder of the wearable recordings.")
    calibration = _read(arguments.folder, CALIBRATION, with_neurokit=not arguments.without_neurokit)
    test = None
    if not arguments.without_test:
        test = _read(arguments.folder, TEST, with_neurokit=not arguments.without_neurokit)
    _show_agreement(calibration, test)
    _show_confusion("calibration", calibration)
    if test is not None:
        _show_confusion("test", test)


def kappa(truth: Ints, given: Ints, *, power: int = 1) -> float:
    """Cohen's kappa of three grades, weighted by their distance (1) or its square (2); 0 where all are one grade."""
    return float(_kappas(_table(truth, given, len(Grade), len(Grade))[None].astype(np.float64), power=power)[0])


def _kappas(tables: Floats, *, power: int = 1) -> Floats:
    """Weighted kappa of many tables at once, shape (n, grades, grades) with the truth in rows."""
    weight = np.abs(np.subtract.outer(np.arange(len(Grade)), np.arange(len(Grade)))) ** power
    total = np.maximum(tables.sum(axis=(1, 2)), 1.0)
    by_chance = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :] / total[:, None, None]
    expected = (weight * by_chance).sum(axis=(1, 2))
    off = (weight * tables).sum(axis=(1, 2))
    return np.asarray(1.0 - np.divide(off, expected, out=np.ones_like(off), where=expected > 0))


def _resampled(rows: Rows, *givens: Ints) -> list[Floats]:
    """Kappa of each list of grades, with recordings drawn anew; the same draw for all lists."""
    names = np.unique(rows.recording)
    drawn = np.random.default_rng(0).integers(0, names.size, (N_RESAMPLES, names.size))
    result = []
    for given in givens:
        tables = np.stack(
            [
                _table(rows.truth[rows.recording == name], given[rows.recording == name], len(Grade), len(Grade))
                for name in names
            ]
        ).astype(np.float64)
        result.append(_kappas(tables[drawn].sum(axis=1)))
    return result


def _table(rows: Ints, columns: Ints, n_rows: int, n_columns: int) -> Ints:
    return np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns).reshape(n_rows, n_columns)


def _grade(values: Floats, low: float, high: float, *, rising: bool) -> Ints:
    """Grade by one index: good from ``high`` on, unusable beyond ``low``."""
    sign = 1.0 if rising else -1.0
    return (sign * values >= sign * high).astype(np.int64) + (sign * values >= sign * low)


def _fit(values: Floats, truth: Ints, *, rising: bool) -> tuple[float, float]:
    """Find the two limits of an index that agree best with the annotators, among its own quantiles."""
    steps = np.unique(np.quantile(values, np.linspace(0.0, 1.0, N_STEPS)))
    sign = 1.0 if rising else -1.0
    pairs = [(low, high) for low, high in itertools.product(steps, steps) if sign * (high - low) >= 0]
    return max(pairs, key=lambda pair: kappa(truth, _grade(values, *pair, rising=rising)))


def _read(folder: Path, subjects: tuple[str, ...], *, with_neurokit: bool) -> Rows:
    parts = []
    for subject in subjects:
        for path in sorted((folder / subject).glob("*.csv.gz")):
            try:
                parts.append(_read_one(path, subject, with_neurokit=with_neurokit))
            except ImportRefused as error:
                console.print(f"Left out: {error}")
    return Rows(
        subject=np.concatenate([part.subject for part in parts]),
        recording=np.concatenate([part.recording for part in parts]),
        degree=np.concatenate([part.degree for part in parts]),
        ours=np.concatenate([part.ours for part in parts]),
        theirs={name: np.concatenate([part.theirs[name] for part in parts]) for name in parts[0].theirs},
        indices={name: np.concatenate([part.indices[name] for part in parts]) for name in RISING},
    )


def _read_one(path: Path, subject: str, *, with_neurokit: bool) -> Rows:
    reading = WearableImporter().read(path, shown=Path(path.parent.name) / path.name, options=ImportOptions())
    values = reading.counts.astype(np.float64)
    for gap in reading.gaps:
        values[gap.start : gap.start + gap.length] = np.nan
    raw = Signal(values=values, leads=("ECG",), rate_hz=reading.fitted_rate_hz, unit="adu")
    cleaned = clean(raw, mains_hz=50)
    quality = assess(cleaned, raw=raw, beats=find_r_peaks(cleaned, raw=raw))
    marks = [mark for layer in reading.layers.values() for mark in layer if mark.kind == "artefact"]
    middles = np.array([(mark.start + mark.stop) // 2 for mark in marks], dtype=np.int64)
    at = np.searchsorted(quality.stops, middles, side="right").clip(0, quality.n_windows - 1)
    theirs: dict[str, Ints] = {}
    if with_neurokit:
        theirs = {
            f"NeuroKit zhao2018 {mode}, {seconds} s": _zhao(raw, middles, seconds, mode)
            for mode in ("simple", "fuzzy")
            for seconds in (2, 10)
        }
    columns: dict[str, Floats] = {
        # A window without a beat is further off than any with one.
        "shape residual": np.minimum(quality.shape_residual[at, 0], 99.0),
        "template correlation": quality.template_correlation[at, 0],
        "kSQI": quality.ksqi[at, 0],
        "rail": quality.rail[at, 0],
        "rhythm": quality.rhythm_ok[at].astype(np.float64),
        "bSQI": quality.bsqi[at, 0],
        "pSQI": quality.psqi[at, 0],
        "basSQI": quality.bassqi[at, 0],
        "missing": quality.missing[at, 0],
        "flat": quality.flat[at, 0],
    }
    return Rows(
        subject=np.full(len(marks), subject),
        recording=np.full(len(marks), path.name),
        degree=np.array([int(mark.value) for mark in marks], dtype=np.int64),
        ours=quality.grades[at, 0].astype(np.int64),
        theirs=theirs,
        indices=columns,
    )


def _zhao(raw: Signal, middles: Ints, seconds: int, mode: str) -> Ints:
    """Grades by NeuroKit; −1 where it ends with an error."""
    import neurokit2

    rate_hz = round(raw.rate_hz)
    half = round(seconds * raw.rate_hz / 2)
    grades = np.full(middles.size, Grade.UNUSABLE, dtype=np.int64)
    with warnings.catch_warnings():
        # It warns about missing samples, about stretches without beats and about its own dependencies.
        warnings.simplefilter("ignore")
        cleaned = neurokit2.ecg_clean(raw.values[:, 0], sampling_rate=rate_hz)
        for row, middle in enumerate(middles):
            start = int(np.clip(middle - half, 0, max(0, cleaned.size - 2 * half)))
            part = cleaned[start : start + 2 * half]
            # It fails in many ways where it finds no beat.
            grades[row] = _or_failed(
                lambda part=part: neurokit2.ecg_quality(  # type: ignore[misc]
                    part, sampling_rate=rate_hz, method="zhao2018", approach=mode
                )
            )
    return grades


def _or_failed(grade: Callable[[], str]) -> int:
    try:
        return int(ZHAO[grade()])
    except (ValueError, IndexError, ZeroDivisionError, TypeError):
        return -1


def _show_agreement(calibration: Rows, test: Rows | None) -> None:
    table = Table(title="Agreement with the annotators: weighted kappa", title_justify="left")
    table.add_column("graded by", no_wrap=True)
    for name in ("lost beyond", "good from", "fitted half", "test half", "quadratic"):
        table.add_column(name, justify="right")

    def row(name: str, given: Callable[[Rows], Ints], limits: tuple[str, str] = ("", "")) -> tuple[float, list[str]]:
        shares = [kappa(calibration.truth, given(calibration))]
        if test is not None:
            shares += [kappa(test.truth, given(test), power=power) for power in (1, 2)]
        return shares[min(1, len(shares) - 1)], [name, *limits, *(f"{share:.3f}" for share in shares)]

    table.add_row(*row("the rule, all indices", lambda rows: rows.ours)[1])
    table.add_section()
    singles = []
    graded: dict[str, Ints] = {}
    for name, rising in RISING.items():
        low, high = _fit(calibration.indices[name], calibration.truth, rising=rising)
        if test is not None:
            graded[name] = _grade(test.indices[name], low, high, rising=rising)
        singles.append(
            row(
                name,
                lambda rows, name=name, low=low, high=high, rising=rising: _grade(  # type: ignore[misc]
                    rows.indices[name], low, high, rising=rising
                ),
                (f"{low:.3g}", f"{high:.3g}"),
            )
        )
    for _, cells in sorted(singles, key=lambda single: -single[0]):
        table.add_row(*cells)
    table.add_section()
    for name in calibration.theirs:
        table.add_row(*row(name, lambda rows, name=name: np.maximum(rows.theirs[name], Grade.UNUSABLE))[1])  # type: ignore[misc]
    console.print(table)
    if test is not None:
        best = max(graded, key=lambda name: kappa(test.truth, graded[name]))
        ours, alone = _resampled(test, test.ours, graded[best])
        low, high = np.percentile(ours, [2.5, 97.5])
        less, more = np.percentile(ours - alone, [2.5, 97.5])
        console.print(
            f"Test half: the rule {low:.2f} to {high:.2f}; more than {best} alone by {less:+.3f} to {more:+.3f}."
        )
        console.print(
            "NeuroKit ended with an error on "
            + ", ".join(f"{share:.1%} ({name})" for name, share in test.errors.items())
            + " of the rows.",
            highlight=False,
        )
    console.print(
        f"The rule's own limits: residual {CALIBRATED.residual_unusable:g} and {CALIBRATED.residual_good:g}, "
        f"bSQI {CALIBRATED.bsqi_unusable:g} and {CALIBRATED.bsqi_good:g}, "
        f"rail {CALIBRATED.rail_unusable:g} and {CALIBRATED.rail_good:g}."
    )


def _show_confusion(half: str, rows: Rows) -> None:
    table = Table(title=f"Degrees against grades by the rule, {half} half", title_justify="left")
    table.add_column("annotators")
    for grade in reversed(Grade):
        table.add_column(grade.name.lower(), justify="right")
    counts = _table(rows.degree - 1, rows.ours, len(GRADE_OF_DEGREE), len(Grade))
    for degree, grade in GRADE_OF_DEGREE.items():
        table.add_row(f"{degree} ({grade.name.lower()})", *(str(n) for n in counts[degree - 1, ::-1]))
    console.print(table)
    by_person = {
        subject: kappa(rows.truth[rows.subject == subject], rows.ours[rows.subject == subject])
        for subject in np.unique(rows.subject)
    }
    alike = float(np.mean(rows.truth == rows.ours))
    console.print(
        f"{rows.degree.size} rows, {alike:.1%} graded alike; kappa person by person: "
        + ", ".join(f"{subject} {value:.2f}" for subject, value in by_person.items())
        + "."
    )


if __name__ == "__main__":
    main()
