"""What an import says of what the study has already, of options that do not fit, and of another import beside it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from foreign_files import ecg_uv, layer, said, take_one, tree
from typer.testing import CliRunner, Result
from wearable_files import make_recording

from acquire.files import try_hold
from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.cli import app
from curate.errors import CurateError
from curate.importers import import_paths

LAYOUT = 'delimiter = ","\nrate_hz = 250\n[[channel]]\ncolumn = 1\nlead = "II"\nunit = "uV"\n'
edfio = pytest.importorskip("edfio")


def write_edf(path: Path, *, annotated: bool = False) -> Path:
    ecg = ecg_uv(5000) / 2
    signals = [
        edfio.EdfSignal(ecg[:, k], 250, label=name, physical_dimension="uV") for k, name in enumerate(("I", "II"))
    ]
    notes = [edfio.EdfAnnotation(1.0, None, "cough")] if annotated else []
    edfio.Edf(signals, annotations=notes).write(path)
    return path


def write_csv(path: Path, seed: int = 0) -> Path:
    np.savetxt(path, ecg_uv(300, 1, seed=seed), fmt="%.6f")
    return path


def run(study: Study, *words: str | Path) -> Result:
    result = CliRunner().invoke(app, ["import", str(study.path), *map(str, words)])
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def edf(tmp_path: Path) -> Path:
    return write_edf(tmp_path / "a.edf")


@pytest.fixture
def holding(study: Study, edf: Path) -> Study:
    """A study that holds the EDF file as S01, session 01, at rest."""
    take_one(study, edf)
    return study


WHOSE = ("--subject", "S01", "--session", "01")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("--subject", "G3", "--session", "01"), "and not as subject G3, session 01;"),
        (("--subject", "S01", "--session", "02"), "and not as subject S01, session 02;"),
        (("--session", "02"), "and not as session 02;"),
    ],
)
def test_content_that_is_there_under_another_name_is_told_with_that_name(
    holding: Study, edf: Path, words: tuple[str, ...], asked: str
) -> None:
    before = tree(holding)
    result = run(holding, edf, *words)
    assert (result.exit_code, tree(holding)) == (0, before)
    assert f"note: a.edf: its content is in the study already, as sub-S01_ses-01_run-01, {asked}" in result.stdout
    assert "\n1 already there.\n" in result.stdout


def test_a_known_file_whose_own_name_says_another_subject_is_told(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path / "in")
    import_paths(study, [source])
    renamed = source.with_name("05_01_klud.csv")
    source.rename(renamed)
    assert "as sub-S01_ses-01_run-01, and not as subject S05" in run(study, renamed).stdout


def test_the_same_import_again_says_no_more_than_how_much_is_there(holding: Study, edf: Path) -> None:
    result = run(holding, edf, *WHOSE, "--activity", "rest", "--lead", "I=I", "--lead", "II=II")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 already there.\n", "")


def test_a_lead_that_a_known_file_cannot_have_is_refused(holding: Study, edf: Path) -> None:
    result = run(holding, edf, *WHOSE, "--lead", "II=nochan")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "refused: a.edf: it has no channel 'nochan' for lead 'II'; its channels are I, II." in result.stderr
    assert result.stderr.endswith("\n1 file refused, named above.\n")


def test_leads_other_than_those_a_recording_has_are_told_to_change_nothing(holding: Study, edf: Path) -> None:
    before = tree(holding)
    result = run(holding, edf, *WHOSE, "--lead", "X=I")
    assert (
        "as sub-S01_ses-01_run-01, read with other options (imported: edf (EDF+C), leads I=I, II=II)" in result.stdout
    )
    assert tree(holding) == before


def test_another_layout_for_known_content_is_told_and_the_same_is_not(study: Study, tmp_path: Path) -> None:
    path, table = write_csv(tmp_path / "a.csv"), tmp_path / "layout.toml"
    table.write_text(LAYOUT)
    words = (path, *WHOSE, "--activity", "rest", "--layout", table)
    assert run(study, *words).exit_code == 0
    assert run(study, *words).stdout == "1 already there.\n"
    table.write_text(LAYOUT.replace('"uV"', '"mV"'))
    assert "read with other options" in run(study, *words).stdout


@pytest.mark.parametrize(
    ("option", "value", "fitting"),
    [("--board", "cyton", "brainflow"), ("--stream", "x", "xdf"), ("--layout", "layout.toml", "csv")],
)
def test_an_option_of_another_format_is_refused_for_new_and_for_known_content(
    study: Study, edf: Path, option: str, value: str, fitting: str
) -> None:
    (edf.parent / "layout.toml").write_text(LAYOUT)
    given = str(edf.parent / value) if option == "--layout" else value
    before = tree(study)
    for _ in range(2):
        result = run(study, edf, *WHOSE, option, given)
        assert (result.exit_code, result.stdout, tree(study)) == (2, "", before)
        assert f"{option} says nothing to files of the format edf" in result.stderr
        assert f"it is for {fitting}; leave it out." in result.stderr
        if not study.recordings():
            take_one(study, edf)
        before = tree(study)


def test_an_option_that_fits_one_of_several_formats_is_taken_for_that_one(study: Study, tmp_path: Path) -> None:
    table = tmp_path / "layout.toml"
    table.write_text(LAYOUT)
    paths = [write_edf(tmp_path / "a.edf"), write_csv(tmp_path / "b.csv")]
    report = import_paths(study, paths, options=said(layout=table))
    assert (len(report.imported), report.refused) == (2, [])


def test_a_second_import_into_a_study_is_refused_while_the_first_runs(study: Study, edf: Path) -> None:
    before = tree(study)
    descriptor = os.open(study.path / "study.toml", os.O_RDWR)
    try:
        assert try_hold(descriptor)
        result = run(study, edf, *WHOSE)
        assert (result.exit_code, result.stdout, tree(study)) == (2, "", before)
        assert "another import into this study is running" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    finally:
        os.close(descriptor)
    assert run(study, edf, *WHOSE).exit_code == 0


def test_an_import_that_fails_lets_go_of_the_study(study: Study, edf: Path) -> None:
    with pytest.raises(CurateError, match="is for brainflow"):
        import_paths(study, [edf], options=said(board="cyton"))
    with pytest.raises(KeyboardInterrupt):
        import_paths(study, [edf], options=said(), on_progress=_interrupt)
    assert len(import_paths(study, [edf], options=said()).imported) == 1


def _interrupt(done: int, total: int, at_hand: str) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("annotated", [False, True])
def test_recordings_without_an_activity_are_counted_and_the_named_mend_works(
    study: Study, tmp_path: Path, annotated: bool
) -> None:
    path = write_edf(tmp_path / "a.edf", annotated=annotated)
    result = run(study, path, *WHOSE)
    assert (
        "1 recording has no activity label; import it again with --activity, or label it, before a corpus is built."
        in result.stdout
    )
    again = run(study, path, "--activity", "walk")
    assert "1 already there" in again.stdout
    (recording,) = study.recordings()
    with open_recording(recording) as opened:
        n_samples = opened.n_samples
    found = [(label.start, label.stop, label.value) for label in layer(study, recording, kind="activity")]
    assert found == [(0, n_samples, "walk")]
    assert len(layer(study, recording)) == 1 + annotated
    before = tree(study)
    assert run(study, path, "--activity", "walk").stdout == "1 already there.\n"
    assert tree(study) == before


def test_recordings_with_an_activity_are_not_counted(study: Study, tmp_path: Path, edf: Path) -> None:
    make_recording(tmp_path / "in", "01_01_chodza.csv")
    result = run(study, edf, tmp_path / "in", *WHOSE, "--activity", "rest")
    assert "2 recordings imported" in result.stdout
    assert "activity label" not in result.stdout


def test_refusals_are_on_standard_error_and_nothing_taken_in_is_not_counted(study: Study, tmp_path: Path) -> None:
    (tmp_path / "bad.edf").write_bytes(b"")
    result = run(study, tmp_path / "bad.edf", *WHOSE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("refused: bad.edf: ")
    assert result.stderr.endswith("\n1 file refused, named above.\n")
    mixed = run(study, tmp_path / "bad.edf", write_edf(tmp_path / "a.edf"), *WHOSE, "--activity", "rest")
    assert (mixed.exit_code, mixed.stderr.count("\n")) == (0, 1)
    assert mixed.stdout.startswith("note: ")
    assert "1 recording imported in 1 session; 1 file refused, named above.\n" in mixed.stdout


def test_a_map_that_is_not_there_is_told_so(study: Study, edf: Path) -> None:
    result = run(study, edf, "--map", "nofile")
    assert result.exit_code == 2
    assert "The map nofile: there is no such file" in result.stderr
