from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_files import ecg_uv, layer, refused
from typer.testing import CliRunner

from acquire.study import Study
from curate.cli import app
from curate.importers import ImportOptions, NamePattern, import_paths, read_map
from curate.importers.options import make_options
from protocols.errors import TrileadError

LAYOUT = 'delimiter = ","\nrate_hz = 250\n[[channel]]\ncolumn = 1\nlead = "II"\nunit = "uV"\n'


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout.toml"
    path.write_text(LAYOUT)
    return path


def write(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, ecg_uv(300, 1, seed=seed), fmt="%.6f")
    return path


def stems(study: Study, folder: Path, options: ImportOptions) -> list[str]:
    report = import_paths(study, [folder], format="csv", options=options)
    assert [refusal.sentence for refusal in report.refused] == []
    return [path.stem for path in report.imported]


def test_names_tell_subject_session_run_and_activity(study: Study, tmp_path: Path, layout: Path) -> None:
    write(tmp_path / "in" / "P7" / "02-walk-3-x.csv")
    options = make_options(names="{subject}/{session}-{activity}-{run}-*", layout=layout)
    assert stems(study, tmp_path / "in", options) == ["sub-P7_ses-02_run-03"]
    assert layer(study, study.recordings()[0])[0].value == "walk"


def test_options_hold_for_all_files_which_become_runs_of_the_session(
    study: Study, tmp_path: Path, layout: Path
) -> None:
    for seed in (1, 2):
        write(tmp_path / "in" / f"{seed}.csv", seed)
    options = make_options(subject="S05", session="2", layout=layout)
    assert stems(study, tmp_path / "in", options) == ["sub-S05_ses-2_run-01", "sub-S05_ses-2_run-02"]
    assert not study.labels_dir("sub-S05_ses-2_run-01").exists()


def test_a_map_speaks_before_names_and_those_before_options(study: Study, tmp_path: Path, layout: Path) -> None:
    for seed, name in enumerate(("A1.csv", "B1.csv")):
        write(tmp_path / "in" / "deep" / name, seed)
    table = tmp_path / "map.csv"
    table.write_text("file,subject,activity\ndeep/A1.csv,S09,jog\n")
    options = make_options(names="{subject}", session="01", activity="rest", map_file=table, layout=layout)
    assert stems(study, tmp_path / "in", options) == ["sub-S09_ses-01_run-01", "sub-B1_ses-01_run-01"]
    said = {path.stem: layer(study, path)[0].value for path in study.recordings()}
    assert said == {"sub-S09_ses-01_run-01": "jog", "sub-B1_ses-01_run-01": "rest"}


def test_a_file_of_nobody_is_refused_with_the_options(study: Study, tmp_path: Path, layout: Path) -> None:
    path = write(tmp_path / "a.csv")
    sentence = refused(study, path, make_options(layout=layout), format="csv")
    assert "which subject and session it is of; give --subject and --session, --names or --map" in sentence
    assert "give --session" in refused(study, path, make_options(subject="S01", layout=layout), format="csv")


def test_a_name_that_does_not_fit_the_pattern_is_refused(study: Study, tmp_path: Path, layout: Path) -> None:
    path = write(tmp_path / "Jane Doe.csv")
    sentence = refused(study, path, make_options(names="{subject}", session="1", layout=layout), format="csv")
    assert "'Jane Doe' does not fit the pattern of names '{subject}'" in sentence


@pytest.mark.parametrize("pattern", ["", "x", "{name}", "{subject}{subject}", "{subject", "*", "{subject}" * 60])
def test_a_pattern_that_is_none_is_told(pattern: str) -> None:
    with pytest.raises(TrileadError, match="pattern of names"):
        NamePattern(pattern)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has the columns"),
        ("subject\nS1\n", "has the columns"),
        ("file,name\na,b\n", "has the columns"),
        ("file,subject\na.csv\n", "line 2: it has more or fewer cells"),
        ("file,subject\na.csv,S1,x\n", "line 2: it has more or fewer cells"),
        ("file,subject\na.csv,Jane Doe\n", "Jane Doe"),
        ("file,session\na.csv,../x\n", "session"),
        ("file,run\na.csv,-1\n", "run is no whole number"),
        ("file,run\n,1\n", "names no file"),
        ("file,activity\na.csv," + "x" * 99 + "\n", "activity"),
        ("file,subject\na.csv,S1\na.csv,S2\n", "stands there twice"),
        ('file,subject\n"a.csv,S1\n', "line"),
        ("file,subject\n\xff\n", None),
    ],
)
def test_a_map_that_cannot_be_used_is_told_with_its_line(tmp_path: Path, text: str, words: str | None) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TrileadError, match=words or "UTF-8"):
        read_map(path)


@pytest.mark.parametrize(
    "given",
    [
        {"subject": "Jane Doe"},
        {"subject": "../x"},
        {"session": ""},
        {"activity": " walk"},
        {"leads": ["II"]},
        {"leads": ["II=a", "II=b"]},
        {"leads": ["=a"]},
        {"layout": Path("nowhere.toml")},
        {"map_file": Path("nowhere.csv")},
    ],
)
def test_an_option_that_cannot_be_used_is_told_before_any_file(given: dict[str, object]) -> None:
    with pytest.raises(TrileadError) as caught:
        make_options(**given)  # type: ignore[arg-type]
    assert str(caught.value).isprintable()


def test_the_command_takes_them_all(study: Study, tmp_path: Path, layout: Path) -> None:
    path = write(tmp_path / "a.csv")
    words = f"--layout {layout} --subject S01 --session 01 --activity walk".split()
    shown = CliRunner().invoke(app, ["import", str(study.path), str(path), *words, "--lead", "V1=column 1"])
    assert shown.exit_code == 0, shown.output
    assert "1 recording imported in 1 session" in shown.output
    bad = CliRunner().invoke(app, ["import", str(study.path), str(path), "--names", "{who}"])
    assert bad.exit_code == 2
