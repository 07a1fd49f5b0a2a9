"""An export is a folder that appears whole or not at all, and never in the place of another.

It is made under a temporary name beside its own. A lock inside tells a folder that is being made from one that a crash
left, which the next export to the same name removes.
"""

from __future__ import annotations

import contextlib
import glob
import gzip
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from acquire.files import TEMPORARY_PREFIX, fsync_folder, temporary_beside, try_hold
from curate.errors import ExportError

__all__ = ["move_into", "new_file", "new_folder", "new_gzip", "write_json", "write_text"]

_LOCK = ".lock"


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Make a folder that gets its name when the block has ended well.

    Args:
        out: the folder; one that is there must be empty.

    Yields:
        The folder under its temporary name.

    Raises:
        ExportError: the folder has no name of its own or is not empty, or the disk refuses something; nothing is left
            behind.
    """
    if out.name in ("", ".."):
        # The folder that a shell stands in cannot be replaced under its feet.
        raise ExportError(f"{out} is no name for a new folder; name one with --out.", path=out)
    made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]
    temporary = temporary_beside(out)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ExportError(f"{out} is there already and is not replaced; name another folder with --out.", path=out)
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(out)
        temporary.mkdir()
        with _held(temporary / _LOCK):
            yield temporary
        (temporary / _LOCK).unlink()
        _rename(temporary, out)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            raise ExportError(
                f"The export to {out} stopped, and nothing of it is kept: {error.strerror or error}; make room, or"
                " choose another folder with --out.",
                path=out,
            ) from error
        raise


def _rename(temporary: Path, out: Path) -> None:
    # The files are on the disk by now, but their names may not be.
    for folder in (temporary, *(entry for entry in temporary.rglob("*") if entry.is_dir())):
        fsync_folder(folder)
    with contextlib.suppress(FileNotFoundError):
        out.rmdir()
    temporary.rename(out)
    fsync_folder(out.parent)


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        try_hold(descriptor)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(out: Path) -> None:
    """Remove what exports to this name left behind when they were killed."""
    for folder in out.parent.glob(f"{TEMPORARY_PREFIX}*-{glob.escape(out.name)}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder / _LOCK, os.O_RDWR)
            try:
                dead = try_hold(descriptor)
            finally:
                os.close(descriptor)
            if dead:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for writing, and wait at the end until it is on the disk."""
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def new_gzip(path: Path) -> Iterator[IO[bytes]]:
    """Open a new gzip file for writing; it holds neither a name nor a time, so equal contents give equal bytes."""
    with (
        new_file(path) as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
    ):
        yield cast("IO[bytes]", packed)


def write_text(path: Path, text: str) -> None:
    """Write a new file of text, in UTF-8."""
    with new_file(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a new JSON file, indented, without NaN."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def move_into(part: Path, whole: Path) -> None:
    """Move all files of one folder into another, folder by folder, and remove the first; no file may be there already.

    Raises:
        FileExistsError: a file is.
    """
    for entry in sorted(part.iterdir()):
        target = whole / entry.name
        if entry.is_dir() and target.is_dir():
            move_into(entry, target)
        elif target.exists():
            raise FileExistsError(f"{target} exists")
        else:
            entry.rename(target)
    part.rmdir()
