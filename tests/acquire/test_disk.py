from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scripted_board import ScriptedBoard, rows
from waiting import wait_until

import acquire.recorder.disk
import acquire.recorder.process
from acquire.boards.simulate import simulate
from acquire.errors import JournalError, RecorderError, RecorderErrorReason
from acquire.files import TEMPORARY_PREFIX
from acquire.recorder.disk import RESERVE_BYTES, DiskNeed, DiskWatch, check_room, estimate_need, free_bytes
from acquire.recorder.launch import prepare, start_recorder
from acquire.recorder.process import RecorderConfig, record
from acquire.recordings.recording import open_recording
from acquire.recordings.recovery import orphaned_journals, recover
from acquire.study import Study
from protocols.script import load_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="tells of blocks and mounts, as POSIX has them")

MB = 1_000_000
NEED = DiskNeed(duration_s=3600, journal_bytes=30 * MB, recording_bytes=30 * MB, bytes_per_s=16_000)
SCRIPT = """
title = "Short"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 20
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 20
"""


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much the disk claims to have free."""
    value = [10**12]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 0, value[0]))
    return value


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB of its own."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("this system has no mount command")
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "short.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


def watch(folder: Path, **more: Any) -> DiskWatch:
    journal = folder / "sub-S01_ses-01_run-01.journal"
    journal.touch()
    return DiskWatch(journal, folder / "sub-S01_ses-01_run-01.h5", NEED, **more)


def ballast(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{TEMPORARY_PREFIX}*.ballast"))


def test_the_need_is_that_of_the_journal_twice(script: str) -> None:
    need = estimate_need(load_script(script).script, rate_hz=250.0, n_channels=3)
    assert need.duration_s == 40
    # 3 counts of 4 bytes a sample, and 80 chunk records of 52 bytes a second.
    assert need.journal_bytes == need.recording_bytes == 40 * (250 * 12 + 80 * 52)
    assert need.bytes_per_s == 2 * (250 * 12 + 80 * 52)


def test_the_need_is_above_what_a_recording_really_takes(study: Study, script: str) -> None:
    summary = record(prepare(study, subject="S01", board="sim:?speed=10", protocol=script))
    need = estimate_need(load_script(script).script, rate_hz=250.0, n_channels=3)
    assert summary.path.stat().st_size < need.recording_bytes


def test_what_cannot_fit_is_refused_with_the_figures(tmp_path: Path, free: list[int]) -> None:
    taken = 60 * MB + acquire.recorder.disk._BALLAST_MARGIN + RESERVE_BYTES
    free[0] = taken
    check_room(NEED, journals=tmp_path, recordings=tmp_path)
    free[0] = taken - 25 * MB
    with pytest.raises(
        RecorderError, match=r"has 73 MB free, and recording 60 min needs 64 MB.*free 25 MB or"
    ) as caught:
        check_room(NEED, journals=tmp_path, recordings=tmp_path)
    assert caught.value.reason is RecorderErrorReason.DISK


def test_a_study_without_room_is_refused_before_anything_is_written(study: Study, script: str, free: list[int]) -> None:
    free[0] = 1000
    with pytest.raises(RecorderError, match="or take a shorter protocol"):
        record(prepare(study, subject="S01", board="sim:?speed=max", protocol=script))
    assert list(study.journals_dir.iterdir()) == []
    assert list(study.recordings_dir.iterdir()) == []


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="cannot be looked at: No such file"):
        free_bytes(tmp_path / "gone")


def test_the_ballast_grows_with_the_journal_and_goes(tmp_path: Path) -> None:
    now_s = [0.0]
    with watch(tmp_path, now_s=lambda: now_s[0]) as disk:
        (held,) = ballast(tmp_path)
        first = held.stat().st_size
        assert first >= acquire.recorder.disk._BALLAST_MARGIN
        assert held.stat().st_blocks * 512 >= first
        (tmp_path / "sub-S01_ses-01_run-01.journal").write_bytes(bytes(3 * MB))
        assert disk.shortage() == ""
        assert held.stat().st_size == first, "it is not looked at again so soon"
        now_s[0] += 2.0
        assert disk.shortage() == ""
        assert held.stat().st_size >= first + 3 * MB
        disk.make_room()
        assert ballast(tmp_path) == []
        disk.make_room()


def test_the_time_left_is_what_is_above_the_reserve(tmp_path: Path, free: list[int]) -> None:
    now_s = [0.0]
    free[0] = RESERVE_BYTES + 16_000 * 100
    with watch(tmp_path, now_s=lambda: now_s[0]) as disk:
        assert disk.left_s == pytest.approx(100.0)
        free[0] = RESERVE_BYTES - 1
        now_s[0] += 2.0
        assert "less than the reserve of 34 MB, so the recording was ended" in disk.shortage()
        assert disk.left_s == 0.0


def test_a_disk_that_holds_back_no_space_is_watched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: list[int]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(acquire.recorder.disk, "_take_up", refuse)
    now_s = [0.0]
    with watch(tmp_path, now_s=lambda: now_s[0]) as disk:
        now_s[0] += 2.0
        assert disk.shortage() == ""
        free[0] = 0
        now_s[0] += 2.0
        assert "so the recording was ended" in disk.shortage()


def test_at_the_reserve_the_recording_ends_as_a_complete_file(
    study: Study, script: str, free: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquire.recorder.disk, "LOOK_INTERVAL_S", 0.0)

    class Filling(ScriptedBoard):
        def read(self, timeout_s: float, max_samples: int | None = None) -> Any:
            chunk = super().read(timeout_s, max_samples)
            if len(self.chunks) == 5:
                free[0] = 1000
                monkeypatch.setattr("acquire.recorder.loop.SHOW_INTERVAL_S", 0.0)
            return chunk

    board = Filling([rows(index) for index in range(0, 1000, 10)])
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    summary = record(prepare(study, subject="S01", board="sim:", protocol=script))
    assert "less than the reserve" in summary.reason
    assert summary.n_samples == 950
    assert not summary.complete
    assert list(study.journals_dir.iterdir()) == []
    assert ballast(study.path) == []


def config_of(study: Study, script: str, monkeypatch: pytest.MonkeyPatch, n_samples: int = 100) -> RecorderConfig:
    board = ScriptedBoard([rows(index, fill=index + 1) for index in range(0, n_samples, 10)])
    monkeypatch.setattr(acquire.recorder.process, "open_board", lambda *_, **__: board)
    return replace(prepare(study, subject="S01", board="sim:", protocol=script), stall_limit_s=0.05)


@pytest.mark.parametrize("short", [False, True], ids=["refused", "short count"])
@pytest.mark.parametrize("failing", range(2, 16))
def test_whichever_write_finds_the_disk_full_there_is_a_complete_recording_up_to_there(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch, failing: int, short: bool
) -> None:
    """Header, start, step, ten chunks, stop, close are written; the disk stays full until the ballast goes."""
    config = config_of(study, script, monkeypatch)
    really, written = os.write, [0]
    full = [False]

    def write(descriptor: int, data: bytes) -> int:
        if not bytes(data[:4]) == b"tlJ1":
            return really(descriptor, data)
        written[0] += 1
        full[0] = full[0] or written[0] == failing
        if full[0] and ballast(study.path):
            if short and len(data) > 30:
                return really(descriptor, data[:30])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    summary = record(config)
    expected = min(100, max(0, (failing - 4) * 10))
    assert summary.n_samples == expected
    assert failing > 13 or "free some space" in summary.reason
    with open_recording(summary.path) as recording:
        np.testing.assert_array_equal(recording.counts()[:, 0], np.arange(expected) // 10 * 10 + 1)
        assert recording.events[-1].kind == "stop"
    assert list(study.journals_dir.iterdir()) == []


def test_a_disk_that_is_full_for_the_first_write_is_one_sentence_and_leaves_nothing(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(study, script, monkeypatch)

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        with pytest.raises(JournalError, match="No space left on device; free some"):
            record(config)
    assert list(study.journals_dir.iterdir()) == []
    assert list(study.recordings_dir.iterdir()) == []


def test_an_fsync_that_fails_while_recording_ends_in_a_complete_recording(
    study: Study, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acquire.recordings.journal_write.SYNC_INTERVAL_S", 0.05)
    config = replace(prepare(study, subject="S01", board="sim:?speed=10", protocol=script), stall_limit_s=5.0)
    really, calls = os.fsync, [0]
    journal = Path(config.journal)

    def fsync(descriptor: int) -> None:
        if journal.exists() and os.path.samestat(os.fstat(descriptor), journal.stat()):
            calls[0] += 1
            if calls[0] == 10:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    summary = record(config)
    assert "Input/output error" in summary.reason
    assert 0 < summary.n_samples < 10_000
    truth = simulate(load_script(script).script, subject="S01", session="01", mains_hz=50, n_samples=summary.n_samples)
    with open_recording(summary.path) as recording:
        np.testing.assert_array_equal(recording.counts(), truth)


def test_a_disk_that_somebody_else_fills_leaves_room_for_a_complete_recording(tiny_disk: Path, script: str) -> None:
    study = Study.create(tiny_disk / "study", mains_hz=50)
    config = prepare(study, subject="S01", board="sim:?speed=10", protocol=script)
    process = start_recorder(config)
    try:
        wait_until(lambda: (status := process.status()) is not None and status.n_samples > 500)
        fill(tiny_disk / "somebody-elses")
        summary = process.result()
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.wait(30)
    assert "so the recording was ended" in summary.reason or "free some space" in summary.reason
    assert 500 < summary.n_samples < 10_000
    truth = simulate(load_script(script).script, subject="S01", session="01", mains_hz=50, n_samples=summary.n_samples)
    with open_recording(summary.path) as recording:
        np.testing.assert_array_equal(recording.counts(), truth)
        assert recording.events[-1].kind == "stop"
    assert list(study.journals_dir.iterdir()) == []


def test_what_even_the_ballast_cannot_save_waits_in_its_journal(tiny_disk: Path, script: str) -> None:
    study = Study.create(tiny_disk / "study", mains_hz=50)
    process = start_recorder(prepare(study, subject="S01", board="sim:?speed=5", protocol=script))
    wait_until(lambda: (status := process.status()) is not None and status.n_samples > 500)
    process.process.kill()
    process.wait(30)
    with pytest.raises(RecorderError, match="run trilead recover"):
        process.result()
    assert ballast(study.path)
    filler = tiny_disk / "somebody-elses"
    fill(filler)
    (orphan,) = orphaned_journals(study)
    filler.unlink()
    recovery = recover(study, orphan.path)
    assert recovery.summary.n_samples > 500
    assert ballast(study.path) == []


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
