"""A seal at the end of a file: the SHA-256 of everything before it.

HDF5 trusts what it reads: a single flipped bit in a file's inner tables can send the library into an endless loop or
bring the process down, and no exception tells of it (seen with HDF5 2.0). So the seal is looked at before HDF5 sees the
file. HDF5 itself ignores what follows its own content, so any HDF5 tool reads a sealed file; one that writes into it
breaks the seal, as it should.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

__all__ = ["is_sealed", "seal_of", "sealed"]

_MARK = b"\ntrilead-seal-1 sha256 "
_LENGTH = len(_MARK) + 64 + 1
_BLOCK = 1 << 20


def sealed(content: bytes) -> bytes:
    """Content and its seal."""
    return content + _seal(hashlib.sha256(content).hexdigest())


def seal_of(path: Path) -> bytes:
    """The seal that fits the whole of a file which has none yet.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _seal(hashlib.file_digest(file, "sha256").hexdigest())


def is_sealed(path: Path, *, progress: Callable[[int, int], None] | None = None) -> bool:
    """Whether a file ends in a seal that fits everything before it.

    Args:
        path: the file.
        progress: is told now and then how many bytes of how many were read.

    Raises:
        OSError: it cannot be read.
    """
    total = left = path.stat().st_size - _LENGTH
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
            if progress is not None:
                progress(total - left, total)
        return left == 0 and file.read() == _seal(digest.hexdigest())


def _seal(digest: str) -> bytes:
    return _MARK + digest.encode() + b"\n"
