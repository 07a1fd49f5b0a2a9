"""Bytes from outside, never more of them than agreed."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from curate.errors import ImportRefused, RefusalReason

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_TEXT_BYTES",
    "content_digest",
    "pieces",
    "read_head",
    "read_text_bytes",
    "refuse_empty",
    "refuse_nulls",
]

MAX_TEXT_BYTES = 128 * 1024 * 1024
"""What one text may hold that is read whole; two hours at 500 lines a second."""

MAX_FILE_BYTES = 2 * 1024 * 1024 * 1024
"""What any file may hold unpacked."""

_PIECE_BYTES = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def pieces(path: Path, *, shown: Path, limit_bytes: int = MAX_FILE_BYTES, kind: str = "") -> Iterator[bytes]:
    """A file's content bit by bit, unpacked where it is gzip (by content, whatever its name).

    What a packed file claims to hold is not believed: reading stops at the limit.

    Args:
        path: the file.
        shown: how to call it in sentences.
        limit_bytes: the most to give, and for a packed file to unpack.
        kind: what there is too much of, like `` of text``.

    Raises:
        ImportRefused: the file is larger than the limit, or its packing is damaged or cut.
        OSError: the file cannot be read.
    """
    total = 0
    with path.open("rb") as plain:
        packed = plain.read(2) == _GZIP_MAGIC
        plain.seek(0)
        stream = gzip.GzipFile(fileobj=plain) if packed else plain
        try:
            while piece := stream.read(_PIECE_BYTES):
                total += len(piece)
                if total > limit_bytes:
                    raise ImportRefused(
                        f"it holds more than {limit_bytes / 2**20:.0f} MiB{kind}{' unpacked' if packed else ''}; "
                        "split it into shorter recordings.",
                        path=shown,
                        reason=RefusalReason.TOO_BIG,
                    )
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fault = "ends before its packed content does" if isinstance(error, EOFError) else "does not unpack"
            raise ImportRefused(
                f"the gzip file {fault}; copy it again from where it came from.",
                path=shown,
                reason=RefusalReason.DAMAGED,
            ) from error


def read_text_bytes(path: Path, *, shown: Path, limit_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Read a whole text, unpacking it where it is gzip.

    Args:
        path: the file.
        shown: how to call it in sentences.
        limit_bytes: the most to return.

    Raises:
        ImportRefused: the file is larger than the limit, holds null bytes, or its packing is damaged or cut.
        OSError: the file cannot be read.
    """
    read: list[bytes] = []
    for piece in pieces(path, shown=shown, limit_bytes=limit_bytes, kind=" of text"):
        refuse_nulls(piece, shown)
        read.append(piece)
    return b"".join(read)


def refuse_nulls(piece: bytes, shown: Path) -> None:
    """Refuse what is no text.

    Raises:
        ImportRefused: there is a null byte.
    """
    if b"\0" in piece:
        raise ImportRefused(
            "it holds null bytes, so it is not text; look what kind of file it is.",
            path=shown,
            reason=RefusalReason.NOT_TEXT,
        )


def content_digest(*paths: Path, shown: Path) -> str:
    """SHA-256 of one file's content, or of several files' behind one another; packed ones are unpacked.

    Raises:
        ImportRefused: one is too large, or its packing is damaged.
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        for piece in pieces(path, shown=shown):
            digest.update(piece)
    return digest.hexdigest()


def read_head(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a file, unpacked where it is gzip; as many as can be had of a damaged one.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as plain:
        head = plain.read(n_bytes)
        if not head.startswith(_GZIP_MAGIC):
            return head
        plain.seek(0)
        try:
            return gzip.GzipFile(fileobj=plain).read(n_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return b""


def refuse_empty(path: Path, shown: Path) -> None:
    """Refuse a file of 0 bytes.

    Raises:
        ImportRefused: it is one.
    """
    if path.stat().st_size == 0:
        raise ImportRefused(
            "the file is empty (0 bytes); record it again, or leave it out.", path=shown, reason=RefusalReason.EMPTY
        )
