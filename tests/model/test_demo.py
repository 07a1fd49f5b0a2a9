from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acquire.errors import StudyError
from acquire.recordings.recording import open_recording
from model.cli import app
from model.config import TrainConfig
from model.demo import run_demo

SCRIPT = """
title = "Rest and walk"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 30
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 30
"""


def test_the_whole_way_from_recorder_process_to_report(tmp_path: Path, quick: TrainConfig) -> None:
    (tmp_path / "short.toml").write_text(SCRIPT)
    recorded: list[tuple[int, int]] = []
    config = replace(quick, epochs=2, network="dt4ecg", network_settings={"widths": [8, 8, 8]})
    result = run_demo(
        tmp_path / "study",
        n_subjects=2,
        n_sessions=2,
        protocol=str(tmp_path / "short.toml"),
        config=config,
        device="cpu",
        on_recorded=lambda done, of: recorded.append((done, of)),
    )
    assert recorded == [(done, 4) for done in range(5)]
    paths = result.study.recordings()
    assert [path.stem for path in paths] == [f"sub-S0{s}_ses-0{e}_run-01" for s in (1, 2) for e in (1, 2)]
    assert list(result.study.journals_dir.iterdir()) == []
    with open_recording(paths[0]) as recording:
        assert recording.n_samples == 60 * 250
        assert recording.protocol_text == SCRIPT
        assert {"I", "II", "III"} <= set(recording.leads)
    assert result.card.is_file()
    assert result.corpus.is_file()
    page = result.run.report.read_text()
    assert "On sessions it had never seen, DT4ECG named the right one of 2 people" in page
    assert "simulated" in page
    assert set(result.seconds) == {"record", "corpus", "train"}
    assert set(result.run.summary["networks"]["dt4ecg"]["identity"]["folds"]) == {
        "across-sessions.1",
        "across-sessions.2",
    }


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, quick: TrainConfig) -> None:
    (tmp_path / "photo.jpg").write_text("mine")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "not an empty folder" in result.stderr
    with pytest.raises(StudyError, match="not empty"):
        run_demo(tmp_path, config=quick)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_without_a_folder_the_next_free_name_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trilead-demo").mkdir()
    (tmp_path / "trilead-demo-2").mkdir()
    taken: list[Path] = []

    class Stop(Exception):
        pass

    def no_demo(out: Path, **_: object) -> None:
        taken.append(out)
        raise Stop

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("model.demo.run_demo", no_demo)
    with pytest.raises(Stop):
        CliRunner().invoke(app, ["demo"], catch_exceptions=False)
    assert taken == [Path("trilead-demo-3")]
