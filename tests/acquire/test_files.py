from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from acquire.errors import TrileadError
from acquire.files import fsync_folder, hold_name, is_held, publish, try_hold, write_new
from acquire.recordings.content import RecordingContent
from acquire.recordings.journal_write import JournalWriter
from acquire.recordings.recording_write import write_recording
from acquire.study import Study

MakeContent = Callable[..., RecordingContent]


def test_a_new_file_is_there_whole_and_nothing_else(tmp_path: Path) -> None:
    write_new(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows publishes by renaming")
@pytest.mark.parametrize("links", [True, False])
def test_publishing_never_replaces_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "temporary").write_text("new")
    (tmp_path / "taken").write_text("old")
    with pytest.raises(FileExistsError):
        publish(tmp_path / "temporary", tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "old"
    assert (tmp_path / "temporary").read_text() == "new"
    publish(tmp_path / "temporary", tmp_path / "free")
    assert (tmp_path / "free").read_text() == "new"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["free", "taken"]


def test_a_lock_is_held_once_and_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    descriptor = os.open(path, os.O_RDWR)
    assert try_hold(descriptor)
    assert is_held(path)
    os.close(descriptor)
    assert not is_held(path)


def test_a_name_is_held_once(tmp_path: Path) -> None:
    with hold_name(tmp_path, "cyton:/dev/ttyUSB0") as first, hold_name(tmp_path, "cyton:/dev/ttyUSB0") as second:
        assert first
        assert not second
        with hold_name(tmp_path, "cyton:/dev/ttyUSB1") as other:
            assert other
    with hold_name(tmp_path, "cyton:/dev/ttyUSB0") as again:
        assert again


def _folder_sync_fails(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sync of folders")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM])
def test_a_share_that_cannot_sync_a_folder_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _folder_sync_fails(monkeypatch, number)
    write_new(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sync of folders")
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failing_disk_is_told_when_a_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_content: MakeContent, number: int
) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    journal, recording = study.journal_path("S01", "01", 1), study.recording_path("S01", "01", 1)
    _folder_sync_fails(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        fsync_folder(tmp_path)
    attempts: list[tuple[Callable[[], object], str]] = [
        (lambda: write_recording(recording, make_content()), "check the disk" if number == errno.EIO else "free some"),
        (lambda: JournalWriter.create(journal, {}), "check the disk"),
        (lambda: study.add_subject("S01"), "cannot be written"),
        (lambda: Study.create(tmp_path / "another", mains_hz=50), "cannot be made"),
    ]
    for attempt, mend in attempts:
        with pytest.raises(TrileadError, match=rf"{os.strerror(number)}; .*\.$") as raised:
            attempt()
        assert mend in str(raised.value)
        assert "\n" not in str(raised.value)
    assert not journal.exists()
