"""Files that appear whole or not at all, that never replace another, and that only one process holds.

Everything trilead keeps is first written under a temporary name in the same folder, made durable, and then given its
name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = [
    "TEMPORARY_PREFIX",
    "fsync_folder",
    "hold_name",
    "is_held",
    "publish",
    "remove_leftover",
    "temporary_beside",
    "try_hold",
    "write_new",
    "write_temporary",
]

TEMPORARY_PREFIX = ".unfinished-"
# A lock on Windows forbids others to read the locked bytes, so the one byte locked lies far behind any journal's end.
_LOCK_BYTE = 1 << 62
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}


def temporary_beside(path: Path) -> Path:
    """A name in the folder of ``path`` that nobody uses and that no listing of finished files takes for one."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{path.name}")


def fsync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows has no such call and needs none.

    Raises:
        OSError: the disk is failing or full, so the names may be lost.
    """
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder, or let nobody read it; the files themselves are synced.
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def publish(temporary: Path, final: Path) -> None:
    """Give a finished temporary file its name, unless that name is taken.

    A hard link is made and the temporary name removed, because a plain rename replaces what is there. Windows refuses
    such a rename by itself. Where a file system knows no hard links (FAT, some network shares) a reservation file keeps
    other trilead processes off the name for the moment between looking and renaming.

    Raises:
        FileExistsError: ``final`` exists; it and the temporary file are as they were.
        OSError: the name cannot be given, or, while the file has it already, may not outlive a power failure.
    """
    if sys.platform == "win32":
        temporary.rename(final)
        return
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise
    except OSError:
        reservation = final.with_name(f"{TEMPORARY_PREFIX}reserved-{final.name}")
        os.close(os.open(reservation, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            if final.exists():
                raise FileExistsError(f"{final} exists") from None
            temporary.rename(final)
        finally:
            reservation.unlink()
    else:
        temporary.unlink()
    fsync_folder(final.parent)


def write_temporary(temporary: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a temporary file durably.

    Raises:
        OSError: it could not be written whole.
    """
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_new(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a whole new file durably.

    Raises:
        FileExistsError: the name is taken.
        OSError: it could not be written; nothing is left behind.
    """
    temporary = temporary_beside(path)
    try:
        write_temporary(temporary, content, mode=mode)
        publish(temporary, path)
    finally:
        remove_leftover(temporary)


def remove_leftover(temporary: Path) -> None:
    """Remove a temporary file if it is there; what hindered its making may hinder this too, and is told already."""
    with contextlib.suppress(OSError):
        temporary.unlink()


def try_hold(descriptor: int) -> bool:
    """Take the lock on an open file, if nobody has it.

    The operating system lets go of it when the process ends, however it ends, so a lock can never be stale.
    """
    try:
        if sys.platform == "win32":
            position = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, _LOCK_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, position, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def hold_name(folder: Path, name: str) -> Iterator[bool]:
    """Hold a lock that stands for ``name`` among the processes that use ``folder``; yields whether it was free.

    The lock file stays, for removing it would let two processes hold two files of one name.
    """
    # A name from a command line may hold bytes that are no text.
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    lock = folder / f".lock-{digest[:16]}"
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        yield try_hold(descriptor)
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on a file.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not try_hold(descriptor)
    finally:
        os.close(descriptor)
