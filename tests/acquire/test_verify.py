from __future__ import annotations

import hashlib
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from acquire.recordings.content import RecordingContent
from acquire.recordings.examine import examine
from acquire.recordings.recording_write import write_recording
from acquire.recordings.seal import sealed
from acquire.recordings.verify import Verdict, verify
from acquire.recordings.verify_cli import app
from acquire.study import Study

MakeContent = Callable[..., RecordingContent]
Change = Callable[[h5py.File], None]
DATA = Path(__file__).parent / "data"


@pytest.fixture
def recording(tmp_path: Path, make_content: MakeContent) -> Path:
    path = tmp_path / "r.h5"
    write_recording(path, make_content(n_samples=5000))
    return path


def _change(path: Path, change: Change, *, seal: bool = True) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    if seal:
        path.write_bytes(sealed(path.read_bytes()))


def _sample(row: int) -> Change:
    def change(file: h5py.File) -> None:
        file["signal"][row, 1] += 1

    return change


def _samples(start: int, stop: int) -> Change:
    def change(file: h5py.File) -> None:
        file["signal"][start:stop] = 77

    return change


def _event(number: int, column: str, value: object) -> Change:
    def change(file: h5py.File) -> None:
        row = file["events"][number - 1]
        row[column] = value
        file["events"][number - 1] = row

    return change


def _instead(name: str, data: Callable[[Any], Any]) -> Change:
    def change(file: h5py.File) -> None:
        now = data(file[name][()])
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = now
        file[name].attrs.update(attributes)

    return change


def _attribute(name: str, value: object) -> Change:
    return lambda file: file.attrs.__setitem__(name, value)


def _both_changed(file: h5py.File) -> None:
    """A sample and its digest alike: somebody knows the format, and forgot the root."""
    _sample(10)(file)
    file["digests/signal"][0] = np.frombuffer(hashlib.sha256(file["signal"][:250].tobytes()).digest(), dtype=np.uint8)


CHANGES: list[tuple[Change, list[str]]] = [
    (_sample(2600), ["samples 2500 to 2750 (10.0 to 11.0 s) were changed"]),
    (_sample(4999), ["samples 4750 to 5000 (19.0 to 20.0 s) were changed"]),
    (_samples(700, 1100), ["samples 500 to 1250 (2.0 to 5.0 s) were changed"]),
    (_instead("signal", lambda now: now[:4900]), ["samples 4750 to 4900 (19.0 to 19.6 s) were changed"]),
    (_instead("signal", lambda now: now[:4000]), ["the samples from 4000 on are missing"]),
    (_instead("signal", lambda now: np.r_[now, now[:250]]), ["samples 5000 to 5250 (20.0 to 21.0 s) were added"]),
    (_event(2, "activity", "walk"), ["event 2 (step, walk) at 0 was changed"]),
    (_event(3, "index", 4999), ["event 3 (end) at 4999 was changed"]),
    (
        _instead("events", lambda now: now[1:]),
        ["there are 2 events, but 3 were written", "what was written as event 1 is missing or was changed"],
    ),
    (_attribute("subject", "S02"), ["header field subject was changed"]),
    (
        lambda file: file["digests/signal"].attrs.__setitem__("block_rows", np.int64(5000)),
        [
            "the digests of the samples are of 5000 rows each, which does not fit the nominal rate",
            "samples 0 to 5000 (0.0 to 20.0 s) were changed",
            "the samples from 5000 on are missing",
        ],
    ),
    (
        lambda file: file["digests/signal"].attrs.__setitem__("block_rows", np.int64(2**40)),
        ["the samples cannot be read (/digests/signal does not say how many rows a block has)"],
    ),
    (_attribute("report", "{}"), ["header field report was changed"]),
    (_attribute("run", "1"), ["header field run was changed"]),
    (_attribute("extra", 7), ["header field extra was added"]),
    (_attribute("\x1b[31mred\n", "x"), ["header field '\\x1b[31mred\\n' was added"]),
    (lambda file: file.attrs.__delitem__("operator"), ["header field operator is missing"]),
    (
        lambda file: file["signal"].attrs.__setitem__("gain", np.array([0.5, 0.25], dtype=np.float32)),
        ["what is said of the channels cannot be read (the attribute gain of /signal is of the wrong type)"],
    ),
    (
        lambda file: file["signal"].attrs.__setitem__("gain", np.array([0.5, 0.3])),
        ["name, unit, gain or offset of channel 2 (two) was changed"],
    ),
    (_instead("valid", lambda now: now[:1]), ["/valid was changed"]),
    (_instead("clock", lambda now: now + 1), ["/clock was changed"]),
    (_instead("protocol", lambda now: "title = 'Other'"), ["/protocol was changed"]),
    (lambda file: file.__delitem__("gaps"), ["/gaps cannot be read (/gaps is missing)"]),
    (lambda file: file.__setitem__("other", 7), ["/other was added"]),
    (_both_changed, ["the root digest is not that of the other digests, so one of them was changed"]),
    (
        _attribute("content_sha256", "0" * 64),
        ["the root digest is not that of the other digests, so one of them was changed"],
    ),
]


@pytest.mark.parametrize(("change", "findings"), CHANGES)
def test_every_change_is_named(recording: Path, change: Change, findings: list[str]) -> None:
    said: list[str] = []
    with h5py.File(recording, "r+") as file:
        change(file)
        examine(file, say=said.append)
    assert said == findings


@pytest.mark.parametrize("seal", [False, True], ids=["the seal is broken", "it was sealed again"])
@pytest.mark.parametrize(("change", "findings"), [CHANGES[0], CHANGES[6], CHANGES[9]])
def test_a_change_is_named_whatever_became_of_the_seal(
    recording: Path, change: Change, findings: list[str], seal: bool
) -> None:
    _change(recording, change, seal=seal)
    verification = verify(recording)
    assert verification.verdict is Verdict.CHANGED
    assert list(verification.findings) == findings


def test_a_file_without_digests_cannot_name_anything(recording: Path) -> None:
    _change(recording, lambda file: file.__delitem__("digests"))
    findings = verify(recording).findings
    assert "the header cannot be read (/digests/header is missing or has another shape or type)" in findings


def test_a_sound_recording_gives_its_root_digest_and_tells_its_progress(recording: Path) -> None:
    told: list[tuple[int, int]] = []
    verification = verify(recording, progress=lambda done, total: told.append((done, total)))
    with h5py.File(recording, "r") as file:
        assert verification.root == file.attrs["content_sha256"]
    assert (verification.verdict, verification.findings) == (Verdict.SOUND, ())
    assert told[-1] == (5000, 5000)


def test_a_recording_of_version_1_has_only_its_seal(tmp_path: Path) -> None:
    old = DATA / "version-1.h5"
    assert (verify(old).verdict, verify(old).is_sound) == (Verdict.SEALED, True)
    broken = tmp_path / "r.h5"
    broken.write_bytes(old.read_bytes() + b"x")
    verification = verify(broken)
    assert verification.verdict is Verdict.CHANGED
    assert "of format version 1 it has no digests" in verification.findings[0]


def test_bytes_that_no_digest_covers_are_told_by_the_seal(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes() + b"x")
    verification = verify(recording)
    assert verification.verdict is Verdict.CHANGED
    assert "its seal is missing or broken, though samples, events and header" in verification.findings[0]


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\0" * 5000])
def test_what_is_no_recording_is_one_finding(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.h5").write_bytes(data)
    verification = verify(tmp_path / "r.h5")
    assert verification.verdict is Verdict.UNREADABLE
    assert len(verification.findings) == 1


def test_a_foreign_hdf5_file_is_no_recording_even_when_it_is_sealed(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["signal"] = np.zeros((3, 2))
    path.write_bytes(sealed(path.read_bytes()))
    assert verify(path).findings == ("it is an HDF5 file, but not a recording of trilead",)
    assert verify(path).verdict is Verdict.NOT_A_RECORDING
    path.write_bytes(sealed(b"not HDF5 at all"))
    assert verify(path).verdict is Verdict.UNREADABLE


def test_a_recording_of_a_newer_trilead_is_not_called_spoilt(recording: Path) -> None:
    _change(recording, _attribute("version", 99))
    verification = verify(recording)
    assert (verification.verdict, verification.is_spoilt, verification.is_sound) == (Verdict.NEWER, False, False)


def test_a_recording_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert verify(tmp_path / "nowhere.h5").findings == ("there is no such file",)


def test_a_cut_or_flipped_file_is_never_sound_and_never_an_error(recording: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    whole = recording.read_bytes()
    for number in range(6):
        data = bytearray(whole)
        if number == 0:
            data = data[: rng.randrange(len(whole))]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        recording.write_bytes(data)
        verification = verify(recording)
        assert not verification.is_sound, f"seed {seed}"
        assert verification.findings, f"seed {seed}"


def _child(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr("acquire.recordings.verify.module_command", lambda *arguments: [sys.executable, "-c", program])


def test_a_crash_of_hdf5_is_one_finding_beside_what_was_found_before(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.write_bytes(recording.read_bytes() + b"x")
    _child(
        monkeypatch,
        "import os, sys; print('{\"found\": \"header field run was changed\"}'); print('{\"fou', end='');"
        " sys.stdout.flush(); os._exit(7)",
    )
    assert verify(recording).findings == (
        "header field run was changed",
        "HDF5 broke down over the rest of it (exit code 7), so its inner tables are damaged",
    )


def test_a_hang_of_hdf5_is_one_finding(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.write_bytes(recording.read_bytes() + b"x")
    monkeypatch.setattr("acquire.recordings.verify.PATIENCE_S", 0.2)
    _child(monkeypatch, "import time; time.sleep(600)")
    findings = verify(recording).findings
    assert len(findings) == 1
    assert "gave no answer about the rest of it for 0.2 s" in findings[0]


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def test_the_command_takes_files_and_studies_and_ends_well_only_when_all_are_sound(
    study: Study, recording: Path, tmp_path: Path
) -> None:
    assert _run(study.path)[0] == 2
    assert "has no recordings" in _run(study.path)[2]
    shutil.copy(recording, study.recording_path("S01", "01", 1))
    shutil.copy(DATA / "version-1.h5", study.recording_path("S01", "01", 2))
    code, said, _ = _run(study.path, recording)
    assert code == 0
    assert said.count(": sound, ") == 2
    assert "sound by its seal; it has no digests" in said
    _change(recording, _sample(2600))
    code, said, complaint = _run(study.path, recording)
    assert code == 2
    assert "r.h5: CHANGED\n  samples 2500 to 2750" in said
    assert complaint.startswith(
        "1 of 3 recordings is not sound; look for an undamaged copy, and keep this one as it is."
    )
    code, said, complaint = _run(study.path, recording, recording)
    assert complaint.startswith(
        "2 of 4 recordings are not sound; look for undamaged copies, and keep these as they are."
    )
    assert _run(recording)[2].startswith("The recording is not sound; ")


def test_the_command_verifies_the_recordings_of_any_folder(study: Study, recording: Path) -> None:
    assert "has no recordings" in _run(study.recordings_dir)[2]
    shutil.copy(recording, study.recording_path("S01", "01", 1))
    assert _run(study.recordings_dir)[:2] == (0, _run(study.path)[1])
    assert _run(recording.parent)[0] == 0


def test_what_is_no_recording_is_told_as_that_and_the_others_are_verified(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "s.csv").write_text("pseudonym\n")
    (tmp_path / "empty").mkdir()
    code, said, complaint = _run(tmp_path / "nowhere.h5", tmp_path / "s.csv", os.devnull, tmp_path / "empty", recording)
    assert code == 2
    assert "nowhere.h5: there is no such file\n" in said
    assert "s.csv: it is not a recording of trilead, but some other file\n" in said
    assert f"{os.devnull}: it is no file, but a folder, a device or a pipe\n" in said
    assert "r.h5: sound, " in said
    assert complaint == "4 arguments name nothing that can be verified; the reasons stand above.\n"
    assert _run(tmp_path / "s.csv")[2] == "1 argument names nothing that can be verified; the reason stands above.\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    assert verify(tmp_path / "pipe.h5").verdict is Verdict.NOT_A_RECORDING
