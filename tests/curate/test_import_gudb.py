from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_files import layer, physical, refused
from numpy.typing import NDArray

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.importers import ImportOptions, import_paths

TASKS = ("sitting", "maths", "walking", "hand_bike", "jogging")


def write_task(
    root: Path, subject: int = 3, task: str = "sitting", *, n_samples: int = 2000, peaks: bool = True
) -> tuple[Path, NDArray[np.float64]]:
    """One recording as the data set has it, written by numpy."""
    folder = root / "experiment_data" / f"subject_{subject:02d}" / task
    folder.mkdir(parents=True)
    values = np.random.default_rng([subject, TASKS.index(task) if task in TASKS else 9]).normal(0, 1e-3, (n_samples, 6))
    np.savetxt(folder / "ECG.tsv", values, fmt="%.10e", delimiter=" ")
    if peaks:
        np.savetxt(folder / "annotation_cs.tsv", [100, 300, 500], fmt="%d")
        np.savetxt(folder / "annotation_cables.tsv", [101, 301], fmt="%d")
    return folder / "ECG.tsv", np.loadtxt(folder / "ECG.tsv")


def test_a_folder_of_the_data_set_becomes_subjects_and_runs(study: Study, tmp_path: Path) -> None:
    for subject in (0, 24):
        for task in TASKS:
            write_task(tmp_path / "in", subject, task)
    report = import_paths(study, [tmp_path / "in"])
    assert (report.refused, report.passed_over, report.n_sessions) == ([], 0, 2)
    assert sorted(path.stem for path in report.imported) == sorted(
        f"sub-S{subject}_ses-01_run-{run:02d}" for subject in ("00", "24") for run in range(1, 6)
    )
    said = {path.stem[-2:]: layer(study, path)[0].value for path in report.imported}
    assert said == {"01": "sit", "02": "maths", "03": "walk", "04": "hand_bike", "05": "jog"}


def test_volts_become_millivolts_and_the_leads_are_the_cables_and_the_strap(study: Study, tmp_path: Path) -> None:
    path, values = write_task(tmp_path / "in")
    (recording,) = import_paths(study, [path]).imported
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts(), values)
        assert (opened.rate_hz, opened.unit) == (250.0, "mV")
        assert opened.measured_leads == ("I", "II", "III", "CS")
        one, two, three = opened.signal(["I", "II", "III"]).T
        np.testing.assert_allclose(one, two - three, atol=1e-12)
    np.testing.assert_allclose(physical(recording)[:, :3], values[:, :3] * 1000)


def test_each_file_of_peaks_becomes_a_layer_of_beats(study: Study, tmp_path: Path) -> None:
    path, _ = write_task(tmp_path / "in")
    (recording,) = import_paths(study, [path]).imported
    strap = layer(study, recording, "imported-cs")
    assert [(beat.start, beat.stop, beat.kind, beat.value) for beat in strap] == [
        (100, 101, "beat", "R"),
        (300, 301, "beat", "R"),
        (500, 501, "beat", "R"),
    ]
    assert [beat.start for beat in layer(study, recording, "imported-cables")] == [101, 301]


def test_missing_peaks_are_told_and_added_when_they_come(study: Study, tmp_path: Path) -> None:
    path, _ = write_task(tmp_path / "in", peaks=False)
    report = import_paths(study, [path])
    assert "annotation_cs.tsv is not beside it" in report.notes[0].sentence
    (path.parent / "annotation_cs.tsv").write_text("7\n")
    again = import_paths(study, [path])
    assert (again.imported, len(again.skipped)) == ([], 1)
    assert [beat.start for beat in layer(study, report.imported[0], "imported-cs")] == [7]


@pytest.mark.parametrize(
    ("peaks", "words"),
    [
        ("100\n2000\n", "line 2: '2000' is no sample index from 0 to 1999"),
        ("-1\n", "line 1: '-1' is no sample index"),
        ("nan\n", "'nan' is no sample index"),
        ("5\n5\n", "above the one before it"),
        ("1.5\n", "'1.5' is no sample index"),
        ("1e300\n", "is no sample index"),
        ("\x00\x01", "null bytes"),
        ("9" * 5000, "is no sample index"),
    ],
)
def test_peaks_that_cannot_be_used_refuse_the_recording(study: Study, tmp_path: Path, peaks: str, words: str) -> None:
    path, _ = write_task(tmp_path / "in")
    (path.parent / "annotation_cs.tsv").write_text(peaks)
    assert words in refused(study, path, ImportOptions())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("1 2 3 4 5 6", "no whole row"),
        ("1 2 3 4 5\n", "has 5 cells; 6 are needed"),
        ("1 2 3 4 5 nan\n", "'nan' in column 6"),
        ("1 2 3 4 5 6\n" * 3 + "1 2 x 4 5 6\n", "line 4: 'x' in column 3"),
    ],
)
def test_samples_that_cannot_be_used_are_refused(study: Study, tmp_path: Path, text: str, words: str) -> None:
    path, _ = write_task(tmp_path / "in")
    path.write_text(text)
    assert words in refused(study, path, ImportOptions())


def test_a_task_that_is_none_is_refused(study: Study, tmp_path: Path) -> None:
    path, _ = write_task(tmp_path / "in", task="sleeping")
    assert "sleeping, which is not subject_NN/TASK" in refused(study, path, ImportOptions())
