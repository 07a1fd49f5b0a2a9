from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from small_study import RATE_HZ, made_up_content, made_up_study, write_content
from typer.testing import CliRunner

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.beats import files as beats_files
from curate.beats.files import ENDINGS
from curate.beats.peaks import find_r_peaks
from curate.beats.waves import WAVE_BOUNDS
from curate.beats_cli import app as room
from curate.quality.assess import Grade, assess
from curate.signals.clean import clean
from curate.signals.signal import Signal
from protocols.console import console

app = typer.Typer()
app.add_typer(room)
run = CliRunner()
# With one command alone typer would take its name for an argument.
app.command("nothing")(lambda: None)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=40)


def names(study: Study) -> list[str]:
    return [path.stem for path in study.recordings()]


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_tables_hold_what_the_functions_find(study: Study) -> None:
    result = run.invoke(app, ["beats", str(study.path)])
    assert result.exit_code == 0, result.output
    assert "Beats and quality of 2 recordings written to" in result.output
    folder = study.path / "beats"
    assert written(folder) == sorted(f"{name}{ending}" for name in names(study) for ending in ENDINGS)
    for path in study.recordings():
        with open_recording(path) as recording:
            leads = recording.measured_leads
            raw = Signal(values=recording.signal(leads), leads=leads, rate_hz=recording.rate_hz, unit=recording.unit)
        cleaned = clean(raw, mains_hz=50)
        found = find_r_peaks(cleaned, raw=raw)
        quality = assess(cleaned, raw=raw, beats=found)
        beats = pd.read_csv(folder / f"{path.stem}_beats.csv")
        np.testing.assert_array_equal(beats["sample"], found.samples)
        np.testing.assert_allclose(beats["seconds"], found.samples / RATE_HZ, atol=1e-6)
        np.testing.assert_allclose(beats["rr_s"][1:], np.diff(found.samples) / RATE_HZ, atol=1e-6)
        table = pd.read_csv(folder / f"{path.stem}_quality.csv")
        assert len(table) == quality.grades.size
        np.testing.assert_array_equal(table["lead"], np.tile(quality.leads, quality.n_windows))
        words = [Grade(int(grade)).name.lower() for grade in quality.grades.ravel()]
        assert table["grade"].tolist() == words
        np.testing.assert_allclose(table["ksqi"], quality.ksqi.ravel(), rtol=1e-5)
        np.testing.assert_allclose(table["shape_residual"], quality.shape_residual.ravel(), rtol=1e-5)
        about = json.loads((folder / f"{path.stem}_beats.json").read_text())
        assert [step["name"] for step in about["steps"]] == ["clean", "find_r_peaks", "assess"]
        assert about["n_beats"] == found.samples.size
        assert about["lead_swap"]["suspected"] in ("none", "unknown")


def test_an_interval_over_a_gap_is_left_empty(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    write_content(study, made_up_content(seconds=60, gap=(7000, 500)))
    assert run.invoke(app, ["beats", str(study.path)]).exit_code == 0
    (name,) = names(study)
    beats = pd.read_csv(study.path / "beats" / f"{name}_beats.csv")
    behind = int(np.searchsorted(beats["sample"], 7250))
    assert np.flatnonzero(beats["rr_s"].isna()).tolist() == [0, behind]
    assert [7000, 7500] in json.loads((study.path / "beats" / f"{name}_beats.json").read_text())["not_searched"]


def test_recordings_are_chosen_by_name_or_pattern_and_go_where_they_are_told(study: Study, tmp_path: Path) -> None:
    first, second = names(study)
    out = tmp_path / "elsewhere" / "tables"
    result = run.invoke(app, ["beats", str(study.path), f"{second}.h5", "*S02*", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert written(out) == sorted(f"{second}{ending}" for ending in ENDINGS)
    assert first not in result.output
    assert not (study.path / "beats").exists()


def test_names_are_whole_where_no_terminal_limits_the_table(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_width", 40)
    result = run.invoke(app, ["beats", str(study.path)])
    assert result.exit_code == 0, result.output
    table = result.output.splitlines()[:3]
    assert table[0].split() == [
        "recording", "min", "beats", "bpm", "unsearched", "good", "doubtful", "unusable", "swapped?"
    ]  # fmt: skip
    assert [line.split()[0] for line in table[1:]] == names(study)


def test_waves_stand_beside_their_beats(study: Study) -> None:
    name = names(study)[0]
    result = run.invoke(app, ["beats", str(study.path), name, "--waves", "--lead", "II"])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(study.path / "beats" / f"{name}_beats.csv")
    assert list(table.columns) == ["sample", "seconds", "rr_s", *WAVE_BOUNDS]
    bounded = table.dropna(subset=["qrs_start", "qrs_stop"])
    assert len(bounded) > 10
    assert ((bounded["qrs_start"] <= bounded["sample"]) & (bounded["sample"] <= bounded["qrs_stop"])).all()
    about = json.loads((study.path / "beats" / f"{name}_beats.json").read_text())
    assert (about["steps"][-1]["name"], about["steps"][-1]["lead"]) == ("delineate", "II")


def test_tables_that_are_there_are_kept_unless_told_otherwise(study: Study) -> None:
    first, second = names(study)
    assert run.invoke(app, ["beats", str(study.path), first]).exit_code == 0
    mine = study.path / "beats" / f"{first}_quality.csv"
    mine.write_text("mine")
    result = run.invoke(app, ["beats", str(study.path)])
    assert result.exit_code == 2
    assert "there already; replace with --overwrite" in result.output
    assert mine.read_text() == "mine"
    assert not any(name.startswith(second) for name in written(study.path / "beats"))
    assert run.invoke(app, ["beats", str(study.path), "--overwrite"]).exit_code == 0
    assert mine.read_text().startswith("start,stop,")
    assert len(written(study.path / "beats")) == 2 * len(ENDINGS)


def test_equal_recordings_give_equal_bytes(study: Study, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        assert run.invoke(app, ["beats", str(study.path), "--out", str(tmp_path / folder)]).exit_code == 0
    for name in written(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_damaged_recording_is_left_out_and_named(study: Study) -> None:
    first, second = study.recordings()
    first.write_bytes(first.read_bytes()[:2000])
    result = run.invoke(app, ["beats", str(study.path)])
    assert result.exit_code == 0, result.output
    assert f"left out: {first.stem}:" in result.output
    assert written(study.path / "beats") == sorted(f"{second.stem}{ending}" for ending in ENDINGS)
    second.write_bytes(b"")
    result = run.invoke(app, ["beats", str(study.path), "--overwrite"])
    assert result.exit_code == 2
    assert "No beats could be looked for." in result.output


def test_a_recording_of_hardly_anything_has_tables_without_beats(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    write_content(study, made_up_content(seconds=1.5, events=False))
    result = run.invoke(app, ["beats", str(study.path), "--waves"])
    assert result.exit_code == 0, result.output
    (name,) = names(study)
    assert (study.path / "beats" / f"{name}_beats.csv").read_text().count("\n") == 1


def test_a_rate_too_low_is_left_out_and_named(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    write_content(study, made_up_content(seconds=40, rate_hz=90.0))
    result = run.invoke(app, ["beats", str(study.path)])
    assert result.exit_code == 2
    assert "at least 100 samples per second; the signal has 90" in result.output
    assert not (study.path / "beats").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["sub-S09*"], "No recording is named 'sub-S09*'"),
        (["../*"], "No recording is named"),
        (["--out", ""], "--out is empty"),
        (["--lead", "II"], "--lead chooses the lead for --waves"),
        (["--waves", "--lead", "V9"], "There is no lead 'V9'"),
    ],
)
def test_mistakes_are_answered_with_one_sentence_and_exit_code_2(study: Study, options: list[str], words: str) -> None:
    result = run.invoke(app, ["beats", str(study.path), *options])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert not (study.path / "beats").exists()


def test_what_is_no_study_or_has_no_recordings_is_refused(tmp_path: Path) -> None:
    result = run.invoke(app, ["beats", str(tmp_path)])
    assert (result.exit_code, "is not a study folder" in result.output) == (2, True)
    empty = Study.create(tmp_path / "empty", mains_hz=50)
    result = run.invoke(app, ["beats", str(empty.path)])
    assert (result.exit_code, "has no recordings" in result.output) == (2, True)


def test_a_folder_that_is_a_file_is_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run.invoke(app, ["beats", str(study.path), "--out", str(out)])
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_a_full_disk_leaves_no_table_that_looks_whole(
    study: Study, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    name = names(study)[0]
    if options:
        assert run.invoke(app, ["beats", str(study.path), name]).exit_code == 0
    write = beats_files.write_temporary if options else beats_files.write_new

    def full(path: Path, content: bytes) -> None:
        if "quality" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(beats_files, write.__name__, full)
    result = run.invoke(app, ["beats", str(study.path), name, *options])
    assert result.exit_code == 2
    assert "cannot be written" in result.output
    assert "No space left" in result.output
    assert not (study.path / "beats" / f"{name}_beats.json").exists()
    assert not [left for left in written(study.path / "beats") if left.startswith(".")]
