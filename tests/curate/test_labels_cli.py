import csv
import io
import json
from pathlib import Path

import pytest
import typer
from small_study import made_up_content, made_up_study, write_content
from typer.testing import CliRunner

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.labels.layer import Layer, new_label
from curate.labels_cli import app as commands

app = typer.Typer()
app.add_typer(commands)
run = CliRunner()

FIRST, SECOND = "sub-S01_ses-01_run-01", "sub-S02_ses-01_run-01"


def write_layer(study: Study, recording: str, name: str, *labels: tuple[str, int, int, str]) -> Path:
    path = study.labels_dir(recording) / f"{name}.jsonl"
    with open_recording(study.recordings_dir / f"{recording}.h5") as opened:
        layer = Layer.create(path, opened.header.recording_id, name)
    layer.edit(
        add=[new_label(start, stop, kind=kind, value=value, annotator=name) for kind, start, stop, value in labels]
    )
    return path


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two people, two annotators: the first recording nearly alike, the second not."""
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=20)
    for recording, off in ((FIRST, 25), (SECOND, 1200)):
        write_layer(study, recording, "anna", ("activity", 0, 2500, "rest"), ("activity", 2500, 5000, "walk"))
        write_layer(
            study, recording, "ben", ("activity", 0, 2500 - off, "rest"), ("activity", 2500 - off, 5000, "walk")
        )
    return study


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def filled_in(path: Path, to: Path, *decisions: str) -> Path:
    """A copy of a table of disputes with its column decision filled in from the top."""
    rows = table(path)
    with to.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row, decision in zip(rows, decisions, strict=False):
            writer.writerow({**row, "decision": decision})
    return to


def labels_of(study: Study, recording: str) -> list[tuple[int, int, str]]:
    labels = Layer.open(study.labels_dir(recording) / "adjudicated.jsonl").labels()
    return [(one.start, one.stop, one.value) for one in labels]


def test_agree_shows_every_pair_and_the_worst_recording_first(study: Study) -> None:
    result = run.invoke(app, ["agree", str(study.path)])
    assert result.exit_code == 0, result.output
    assert "activity: alpha" in result.output
    assert "anna, ben" in result.output
    assert result.output.index(SECOND) < result.output.index(FIRST)
    assert not (study.labels_dir(FIRST) / "adjudicated.jsonl").exists()


def test_agree_gives_the_same_figures_as_json_and_csv(study: Study, tmp_path: Path) -> None:
    target = tmp_path / "agreement.csv"
    result = run.invoke(app, ["agree", str(study.path), "--json", "--csv", str(target), "--kind", "activity"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    rows = table(target)
    assert [row["recording"] for row in rows] == ["", SECOND, FIRST]
    overall = told["kinds"]["activity"]["pairs"][0]
    assert float(rows[0]["kappa"]) == overall["kappa"]
    # 1225 of 10000 samples are not alike; by chance 0.5·(0.3775 + 0.6225) would be.
    assert overall["same"] == pytest.approx(1 - 1225 / 10000)
    assert overall["kappa"] == pytest.approx(1 - (1225 / 10000) / 0.5)
    assert overall["f1_by_value"] == {"rest": 1.0, "walk": 1.0}
    assert told["recordings"][0]["recording"] == FIRST


def test_agree_says_why_a_figure_is_undefined(study: Study) -> None:
    for recording in (FIRST, SECOND):
        for name in ("anna", "ben"):
            layer = Layer.open(study.labels_dir(recording) / f"{name}.jsonl")
            layer.remove(layer.labels()[1].uuid)
    result = run.invoke(app, ["agree", str(study.path)])
    assert result.exit_code == 0, result.output
    assert "alpha of activity is undefined: all say rest throughout" in result.output
    told = json.loads(run.invoke(app, ["agree", str(study.path), "--json"]).output)
    assert told["kinds"]["activity"]["alpha"] is None
    assert told["kinds"]["activity"]["alpha_undefined"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layers", "anna"], "two layers, and anna is one"),
        (["--layers", "anna,carl"], "no recording has a layer 'carl'; there are anna, ben, protocol"),
        (["--layers", ","], "names nothing"),
        (["--recordings", "sub-S77*"], "no recording 'sub-S77*'"),
        (["--kind", "beat"], "There is nothing to compare"),
        (["--kind", "beat", "--json"], "There is nothing to compare"),
        (["--kind", "unusable"], "There is nothing to compare"),
        (["--csv", "/nowhere/at/all.csv"], "is no folder"),
    ],
)
def test_agree_answers_mistakes_with_one_sentence_and_exit_code_2(study: Study, options: list[str], words: str) -> None:
    result = run.invoke(app, ["agree", str(study.path), *options])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_agree_replaces_no_file(study: Study, tmp_path: Path) -> None:
    target = tmp_path / "mine.csv"
    target.write_text("precious")
    result = run.invoke(app, ["agree", str(study.path), "--csv", str(target)])
    assert result.exit_code == 2
    assert "nothing is replaced" in result.output
    assert target.read_text() == "precious"


def test_disputes_are_written_decided_in_a_spreadsheet_and_taken_back(study: Study, tmp_path: Path) -> None:
    disputes = tmp_path / "disputes.csv"
    result = run.invoke(app, ["adjudicate", str(study.path), "--disputes", str(disputes)])
    assert result.exit_code == 0, result.output
    assert "2 layers written, 0 as they were; 2 disputes left to decide." in result.output
    rows = table(disputes)
    assert [(row["recording"], row["start"], row["stop"], row["at"], row["seconds"]) for row in rows] == [
        (FIRST, "2475", "2500", "0:00:09.900", "0.100"),
        (SECOND, "1300", "2500", "0:00:05.200", "4.800"),
    ]
    assert [(row["anna says"], row["ben says"], row["decision"]) for row in rows] == [("rest", "walk", "")] * 2
    decided = filled_in(disputes, tmp_path / "decided.csv", "walk", "rest")
    result = run.invoke(app, ["adjudicate", str(study.path), "--decisions", str(decided), "--by", "carla"])
    assert result.exit_code == 0, result.output
    assert "nothing left to decide" in result.output
    assert labels_of(study, FIRST) == [(0, 2475, "rest"), (2475, 2500, "walk"), (2500, 5000, "walk")]
    before = (study.labels_dir(FIRST) / "adjudicated.jsonl").read_bytes()
    result = run.invoke(app, ["adjudicate", str(study.path), "--decisions", str(decided), "--by", "carla"])
    assert "0 layers written, 2 as they were" in result.output
    assert (study.labels_dir(FIRST) / "adjudicated.jsonl").read_bytes() == before


def test_only_the_named_recordings_are_adjudicated(study: Study) -> None:
    result = run.invoke(app, ["adjudicate", str(study.path), "sub-S01*"])
    assert result.exit_code == 0, result.output
    assert not (study.labels_dir(SECOND) / "adjudicated.jsonl").exists()


def test_short_disputes_can_be_kept_out_of_the_table(study: Study, tmp_path: Path) -> None:
    disputes = tmp_path / "d.csv"
    run.invoke(app, ["adjudicate", str(study.path), "--disputes", str(disputes), "--shortest-s", "1"])
    assert [row["recording"] for row in table(disputes)] == [SECOND]


def spoilt(path: Path, how: str) -> bytes:
    text = path.read_text()
    if how == "semicolons, a byte order mark and decimal commas":
        return text.replace(".", "⁂").replace(",", ";").replace("⁂", ",").encode("utf-8-sig")
    if how == "tabs":
        return text.replace(",", "\t").encode()
    if how == "quotes everywhere":
        return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()).encode()
    if how == "other columns and another order":
        rows = [line.split(",") for line in text.splitlines()]
        return "\n".join(",".join(["x" if n else "remark", *row[::-1]]) for n, row in enumerate(rows)).encode()
    if how == "empty lines and blanks":
        return (text.replace(",walk\n", ", walk \n") + ",,,,,,,,\n\n").encode()
    assert how == "no column that only shows"
    rows = [line.split(",") for line in text.splitlines()]
    return "\n".join(",".join([*row[:3], row[5], row[8]]) for row in rows).encode()


@pytest.mark.parametrize(
    "how",
    [
        "semicolons, a byte order mark and decimal commas",
        "tabs",
        "quotes everywhere",
        "other columns and another order",
        "empty lines and blanks",
        "no column that only shows",
    ],
)
def test_what_spreadsheets_make_of_the_table_is_read(study: Study, tmp_path: Path, how: str) -> None:
    disputes = tmp_path / "d.csv"
    run.invoke(app, ["adjudicate", str(study.path), "--disputes", str(disputes)])
    decided = filled_in(disputes, tmp_path / "e.csv", "walk", "rest")
    decided.write_bytes(spoilt(decided, how))
    result = run.invoke(app, ["adjudicate", str(study.path), "--decisions", str(decided)])
    assert result.exit_code == 0, result.output
    assert "nothing left to decide" in result.output


HEAD = "recording,start,stop,kind,decision\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "are empty"),
        (b"\n\n", "lack a column"),
        (b"a,b,c\n1,2,3\n", "lack a column"),
        (b"recording,start,start,stop,kind,decision\n", "column 'start' twice"),
        (b"\xff\xfer\x00e\x00", "not UTF-8"),
        (f"{HEAD}{FIRST},2475,2500,activity,w\u00e4lk".encode("latin-1"), "not UTF-8"),
        (f"{HEAD}{FIRST},1,2,activity,walk,and,more\n".encode(), "7 cells, but the first line names 5"),
        (f'{HEAD}{FIRST},"1,2,activity,walk\n'.encode(), "line 2"),
        (f"{HEAD}../../etc,1,2,activity,walk\n".encode(), "recording is '../../etc'"),
        (f"{HEAD}sub-S09_ses-01_run-01,1,2,activity,walk\n".encode(), "not among the recordings"),
        (f"{HEAD}{FIRST},1,2,sleep,walk\n".encode(), "kind is 'sleep'"),
        (f"{HEAD}{FIRST},1.5,2,activity,walk\n".encode(), "start is '1.5'"),
        (f'{HEAD}{FIRST},"2.475",2500,activity,walk\n'.encode(), "start is '2.475'"),
        (f"{HEAD}{FIRST},2475,1E+06,activity,walk\n".encode(), "stop is '1E+06'"),
        (f"{HEAD}{FIRST},-5,2,activity,walk\n".encode(), "start is '-5'"),
        (f"{HEAD}{FIRST},{'9' * 400},2,activity,walk\n".encode(), "start is '999"),
        (f"{HEAD}{FIRST},2500,2475,activity,walk\n".encode(), "at least one sample"),
        (f"{HEAD}{FIRST},2475,2501,activity,walk\n".encode(), "nothing is disputed"),
        (f"{HEAD}{FIRST},2475,2500,activity,wlak\n".encode(), "'wlak'; it must be one of"),
        (f"{HEAD}{FIRST},2475,2500,activity,=1+1\n".encode(), "it must be one of"),
        (f"{HEAD}{FIRST},2475,2500,activity,walk\n{FIRST},2480,2490,activity,rest\n".encode(), "so does"),
        (f"{HEAD}{FIRST},2475,2500,activity,{'x' * 200_000}\n".encode(), "field larger than"),
        (
            f"recording,start,stop,kind,ben says,decision\n{FIRST},2475,2500,activity,jog,walk\n".encode(),
            "ben said 'jog' when this was written and says 'walk' now",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line_and_nothing_is_written(
    study: Study, tmp_path: Path, content: bytes, words: str
) -> None:
    decided = tmp_path / "d.csv"
    decided.write_bytes(content)
    result = run.invoke(app, ["adjudicate", str(study.path), "--decisions", str(decided)])
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "Traceback" not in result.output
    assert len(result.output) < 1000
    assert not list(study.path.rglob("adjudicated.jsonl"))


def test_a_table_that_is_not_there_or_is_a_folder_is_refused(study: Study, tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path):
        result = run.invoke(app, ["adjudicate", str(study.path), "--decisions", str(path)])
        assert result.exit_code == 2
        assert "cannot be read" in result.output


def test_a_table_that_is_there_is_never_replaced_for_it_may_hold_decisions(study: Study, tmp_path: Path) -> None:
    disputes = tmp_path / "d.csv"
    disputes.write_text("precious")
    result = run.invoke(app, ["adjudicate", str(study.path), "--disputes", str(disputes)])
    assert result.exit_code == 2
    assert "exists already" in result.output
    assert disputes.read_text() == "precious"
    assert not list(study.path.rglob("adjudicated.jsonl"))


@pytest.mark.parametrize("name", ["=1+1", "+walk", "-1", "@SUM(A1)", "'quoted", 'say "hi", you', "été 心", "a;b\\c"])
def test_hostile_activities_start_no_formula_and_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    write_content(study, made_up_content(seconds=20))
    write_layer(study, FIRST, "anna", ("activity", 0, 5000, name))
    write_layer(study, FIRST, "decision", ("activity", 0, 5000, "rest"))
    disputes = tmp_path / "d.csv"
    result = run.invoke(app, ["adjudicate", str(study.path), "--disputes", str(disputes)])
    assert result.exit_code == 0, result.output
    (row,) = table(disputes)
    assert not row["anna says"].startswith(("=", "+", "-", "@"))
    decided = filled_in(disputes, tmp_path / "e.csv", row["anna says"])
    result = run.invoke(app, ["adjudicate", str(study.path), "--decisions", str(decided)])
    assert result.exit_code == 0, result.output
    assert labels_of(study, FIRST) == [(0, 5000, name)]


def test_one_annotator_alone_is_told_what_to_do(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    for command in ("agree", "adjudicate"):
        result = run.invoke(app, [command, str(study.path)])
        assert result.exit_code == 2
        assert "has no recordings" in result.output
    write_content(study, made_up_content(seconds=20))
    write_layer(study, FIRST, "anna", ("activity", 0, 5000, "rest"))
    for command in ("agree", "adjudicate"):
        result = run.invoke(app, [command, str(study.path)])
        assert result.exit_code == 2
        assert "two annotators, and there are anna, protocol" in result.output


def test_a_damaged_layer_is_named_and_nothing_is_written(study: Study) -> None:
    file = study.labels_dir(SECOND) / "ben.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"walk"', b"17"))
    for command in ("agree", "adjudicate"):
        result = run.invoke(app, [command, str(study.path)])
        assert result.exit_code == 2
        assert "ben.jsonl, line 2" in result.output
    assert not list(study.path.rglob("adjudicated.jsonl"))


def test_a_recording_with_one_layer_alone_is_passed_over_and_counted(study: Study) -> None:
    (study.labels_dir(SECOND) / "ben.jsonl").unlink()
    result = run.invoke(app, ["agree", str(study.path)])
    assert result.exit_code == 0, result.output
    assert "1 recording passed over" in result.output
    result = run.invoke(app, ["adjudicate", str(study.path)])
    assert result.exit_code == 0, result.output
    assert f"note: {SECOND}: only anna labelled activity" in result.output
