from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from acquire.files import hold_name, is_held, publish, try_hold, write_new


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
