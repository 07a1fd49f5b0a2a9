"""One build of a corpus at a time, and what builds that were ended from outside left lying about.

The lock is the operating system's, on a hidden file beside the corpus, and goes with the process that holds it. On a
network file system it keeps other computers off where the server passes locks on: NFS from version 4 on (version 3 with
its lock service) and SMB do; a mount with ``nolock`` or ``local_lock`` does not. Two builds that a server lets through
together still cannot mix: parts are named after what is in them, and a corpus appears under its name whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from acquire.files import TEMPORARY_PREFIX, try_hold
from curate.errors import CorpusError

__all__ = ["hold_corpus", "parts_folder", "sweep"]


def parts_folder(corpus: Path) -> Path:
    """Where the parts of a corpus lie while it is built."""
    return corpus.with_name(f".{corpus.stem}.parts")


@contextlib.contextmanager
def hold_corpus(corpus: Path) -> Iterator[Path]:
    """Hold a corpus's name against every other build; yields the folder for its parts.

    Raises:
        CorpusError: another build holds it.
        OSError: the folder cannot be written.
    """
    corpus.parent.mkdir(parents=True, exist_ok=True)
    lock = corpus.with_name(f".{corpus.stem}.lock")
    descriptor = _open_held(lock)
    if descriptor is None:
        raise CorpusError(
            "another build of this corpus is running, here or on another computer; wait for it, or give another name.",
            path=corpus,
            reason="running",
        )
    folder = parts_folder(corpus)
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
        # Windows removes no open file; there it stays, which hurts nobody.
        with contextlib.suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _open_held(lock: Path) -> int | None:
    """Open a lock file and take its lock; None when somebody else has it."""
    while True:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
        if not try_hold(descriptor):
            os.close(descriptor)
            return None
        # Who held it before may have removed it meanwhile, and the next one would make and hold another.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        os.close(descriptor)


def sweep(corpus: Path, keep: Collection[str]) -> None:
    """Remove what earlier builds of a held corpus left: unfinished files, and parts that are no use any more.

    Args:
        corpus: the corpus.
        keep: names of the parts that stay.
    """
    unfinished = re.compile(
        rf"{re.escape(TEMPORARY_PREFIX)}(?:[0-9a-f]+|reserved)-{re.escape(corpus.stem)}\.(?:h5|html)"
    )
    left = [file for file in corpus.parent.iterdir() if unfinished.fullmatch(file.name)]
    left += [file for file in parts_folder(corpus).iterdir() if file.name not in keep]
    for file in left:
        # A worker on another computer may still hold one open; the next build will find it.
        with contextlib.suppress(OSError):
            file.unlink()


def remove_parts(corpus: Path) -> None:
    """Remove all parts of a corpus that is whole now."""
    shutil.rmtree(parts_folder(corpus), ignore_errors=True)
