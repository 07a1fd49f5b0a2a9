"""What every export keeps to: all or nothing, nothing replaced, one sentence for what cannot be."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_study import NAME, Make, label, labelled_study, with_header, with_samples, write_into
from typer.testing import CliRunner

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import ExportError
from curate.export_cli import app
from curate.exporters import FORMATS, export_recordings
from curate.exporters.folder import new_folder
from curate.exporters.statements import MAX_TEXT_BYTES, Statement, statement_texts

ALL = sorted(FORMATS)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize("format", ALL)
def test_the_command_writes_into_the_studys_exports_and_never_twice(
    format: str, study: Study, make_content: Make
) -> None:
    labelled_study(study, make_content)
    code, said = run(study.path, "--to", format)
    assert (code, "1 recording exported" in said) == (0, True)
    assert f"the clock showed another ({NAME}: -0.20%)" in said
    before = {file: file.read_bytes() for file in (study.path / "exports").rglob("*") if file.is_file()}
    assert len(before) >= 2
    code, said = run(study.path, "--to", format)
    assert code == 2
    assert "is there already and is not replaced" in said
    assert before == {file: file.read_bytes() for file in (study.path / "exports").rglob("*") if file.is_file()}


@pytest.mark.parametrize("format", ALL)
def test_a_full_disk_leaves_nothing_and_says_one_sentence(
    format: str, study: Study, make_content: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled_study(study, make_content)
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "deep" / "er" / "out"
    with pytest.raises(ExportError, match=r"^The export to .* nothing of it is kept: No space left on device; .*\.$"):
        export_recordings(study, out, format=format)
    assert not (tmp_path / "deep").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
def test_what_a_kill_leaves_never_has_the_name_and_goes_with_the_next_export(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    write_into(study, make_content())
    out = tmp_path / "out"
    program = (
        "import sys, time; from pathlib import Path; from curate.exporters.folder import new_folder\n"
        f"with new_folder(Path({str(out)!r})) as folder:\n"
        "    (folder / 'half').write_bytes(b'x'); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        # While it lives, what it makes is left alone.
        with new_folder(tmp_path / "other"), new_folder(out) as mine:
            assert len(list(tmp_path.glob(".unfinished-*-out"))) == 2
            (mine / "whole").touch()
        assert [file.name for file in out.iterdir()] == ["whole"]
        (out / "whole").unlink()
        assert len(list(tmp_path.glob(".unfinished-*-out"))) == 1
        process.send_signal(signal.SIGKILL)
    assert not list(out.iterdir())
    export_recordings(study, out, format="wfdb")
    assert not list(tmp_path.glob(".unfinished-*"))
    assert sorted(file.name for file in out.iterdir()) == [f"{NAME}.atr", f"{NAME}.dat", f"{NAME}.hea"]


@pytest.mark.parametrize("format", ALL)
def test_ctrl_c_leaves_nothing(format: str, study: Study, make_content: Make, tmp_path: Path) -> None:
    write_into(study, make_content())

    def interrupt(name: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_recordings(study, tmp_path / "made" / "out", format=format, on_progress=interrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["study"]


def test_an_empty_folder_is_taken_and_a_full_one_or_a_file_refused(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    write_into(study, make_content())
    (tmp_path / "empty").mkdir()
    export_recordings(study, tmp_path / "empty", format="csv")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="not replaced"):
        export_recordings(study, tmp_path / "file", format="csv")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_damaged_recording_is_left_out_and_named_and_the_others_go_on(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    labelled_study(study, make_content)
    cut = write_into(study, make_content(run=2, seed=2))
    cut.write_bytes(cut.read_bytes()[:-500])
    broken = write_into(study, make_content(run=3, seed=3))
    with open_recording(broken) as recording:
        label(study, recording)
    layer = study.labels_dir(broken.stem) / "anna.jsonl"
    layer.write_text(layer.read_text("utf-8") + "nonsense\n", "utf-8")
    report = export_recordings(study, tmp_path / "out", format="bids")
    assert report.exported == (NAME,)
    assert [entry.name for entry in report.left_out] == [cut.stem, broken.stem]
    assert "is cut, damaged" in report.left_out[0].sentence
    assert "not valid JSON" in report.left_out[1].sentence
    assert not list((tmp_path / "out").rglob("*run-02*"))
    with pytest.raises(ExportError, match="Nothing could be exported"):
        export_recordings(study, tmp_path / "none", format="bids", recordings=["*run-02"])
    assert not (tmp_path / "none").exists()


def test_recordings_and_layers_are_chosen_by_name(study: Study, make_content: Make, tmp_path: Path) -> None:
    labelled_study(study, make_content)
    write_into(study, make_content(subject="S02", seed=4))
    report = export_recordings(study, tmp_path / "out", format="csv", recordings=["sub-S01*"], layers=["anna"])
    assert report.exported == (NAME,)
    text = (tmp_path / "out" / f"{NAME}_labels.csv").read_text("utf-8")
    assert '"anna"' in text
    assert '"protocol"' not in text
    assert '"beat-finder_2"' not in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--to", "wfdb", "--recordings", "sub-S09*"], "has no recording 'sub-S09*'; it has sub-S01_ses-01_run-01."),
        (
            ["--to", "wfdb", "--layers", "ana"],
            "None of the recordings has a layer 'ana'; there are anna, beat-finder_2",
        ),
        (["--to", "wfdb", "--leads", "V9"], "has no lead 'V9'; it has I, II, III, aVR, aVL, aVF."),
        (["--to", "wfdb", "--leads", "I", "--channels"], "exclude each other"),
        (["--to", "wfdb", "--leads", " , "], "names nothing"),
        (["--to", "npz"], "only a corpus can; name one with --corpus."),
        (["--to", "edf", "--corpus", "default"], "A corpus cannot be exported as edf"),
        (["--to", "npz", "--corpus", "default", "--layers", "anna"], "--layers goes with recordings"),
        (["--to", "npz", "--corpus", "default"], "there is no such corpus"),
        (["--to", "npz", "--corpus", "../x"], "the corpus name is"),
    ],
)
def test_what_cannot_be_exported_gets_one_sentence(
    arguments: list[str], sentence: str, study: Study, make_content: Make
) -> None:
    labelled_study(study, make_content)
    code, said = run(study.path, *arguments)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said
    assert not (study.path / "exports").exists()


def test_an_empty_study_and_a_folder_that_is_none_get_one_sentence(study: Study, tmp_path: Path) -> None:
    assert "has no recordings to export" in run(study.path, "--to", "csv")[1]
    assert "is not a study folder" in run(tmp_path, "--to", "csv")[1]


def test_a_file_under_another_recordings_name_is_left_out(study: Study, make_content: Make, tmp_path: Path) -> None:
    path = write_into(study, make_content())
    path.rename(path.with_name("sub-S07_ses-01_run-01.h5"))
    with pytest.raises(ExportError, match="is the recording of subject S01, session 01, run 1"):
        export_recordings(study, tmp_path / "out", format="csv")


def test_progress_goes_from_nothing_to_everything(study: Study, make_content: Make, tmp_path: Path) -> None:
    write_into(study, with_header(make_content(n_samples=2000)))
    for format in ALL:
        told: list[tuple[str, int, int]] = []
        export_recordings(
            study, tmp_path / format, format=format, on_progress=lambda *seen, told=told: told.append(seen)
        )
        assert told[0][:2] == (NAME, 0)
        assert told[-1][1] == told[-1][2] > 0
        assert [seen[1] for seen in told] == sorted(seen[1] for seen in told)


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("value", ["x" * 10_000, "\U0001f600" * 5000, '"\\' * 5000, "\x00\n\t\x7f" * 2500])
def test_a_text_of_any_length_is_cut_into_pieces_that_fit(value: str, ascii_only: bool) -> None:
    import json
    import re

    said = Statement(start=0, stop=1, kind="note", value=value, layer="a" * 64)
    texts = statement_texts(said, ascii_only=ascii_only, extra=", 12345678901 samples")
    assert max(len(text.encode()) for text in texts) <= MAX_TEXT_BYTES
    whole = ""
    for place, text in enumerate(texts, start=1):
        found = re.fullmatch(r'note (".*") by a{64}, 12345678901 samples \((\d+)/(\d+)\)', text, re.DOTALL)
        assert found
        assert (int(found[2]), int(found[3])) == (place, len(texts))
        whole += json.loads(found[1])
    assert whole == value


@pytest.mark.parametrize("format", ALL)
@pytest.mark.parametrize("dtype", [np.int32, np.float64])
@pytest.mark.parametrize("gain", [1e305, -1e290, 1e-290, 5e-324, -1e-3])
def test_absurd_gains_are_exported_or_refused_with_a_sentence(
    gain: float, dtype: type, format: str, study: Study, make_content: Make, tmp_path: Path
) -> None:
    content = make_content()
    write_into(study, with_samples(content, content.counts.astype(dtype), gains=(gain, gain)))
    refusal = ""
    try:
        export_recordings(study, tmp_path / "out", format=format)
    except ExportError as error:
        refusal = str(error)
    assert (NAME in refusal) != (tmp_path / "out").exists()
