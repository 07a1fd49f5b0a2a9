"""A seal at the end of a file: the SHA-256 of everything before it.

HDF5 trusts what it reads: a single flipped bit in a file's inner tables can send the library into an endless loop or
bring the process down, and no exception tells of it (seen with HDF5 2.0). So the seal is looked at before HDF5 sees the
file. HDF5 itself ignores what follows its own content, so any HDF5 tool reads a sealed file; one that writes into it
breaks the seal, as it should.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["is_sealed", "sealed"]

_MARK = b"\ntrilead-seal-1 sha256 "
_LENGTH = len(_MARK) + 64 + 1
_BLOCK = 1 << 20


def sealed(content: bytes) -> bytes:
    """Content and its seal."""
    return content + _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"


def is_sealed(path: Path) -> bool:
    """Whether a file ends in a seal that fits everything before it.

    Raises:
        OSError: it cannot be read.
    """
    left = path.stat().st_size - _LENGTH
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
        return left == 0 and file.read() == _MARK + digest.hexdigest().encode() + b"\n"
