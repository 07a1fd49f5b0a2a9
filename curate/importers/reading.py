"""Bytes from outside, never more of them than agreed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from curate.errors import ImportRefused, RefusalReason

__all__ = ["MAX_TEXT_BYTES", "read_text_bytes"]

MAX_TEXT_BYTES = 128 * 1024 * 1024
"""What one text recording may hold unpacked; two hours at 500 lines a second."""

_PIECE_BYTES = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def read_text_bytes(path: Path, *, shown: Path, limit_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Read a whole file, unpacking it where it is gzip (by content, whatever its name).

    What a packed file claims to hold is not believed: reading stops at the limit.

    Args:
        path: the file.
        shown: how to call it in sentences.
        limit_bytes: the most to return, and for a packed file to unpack.

    Raises:
        ImportRefused: the file is larger than the limit, or its packing is damaged or cut.
        OSError: the file cannot be read.
    """
    pieces: list[bytes] = []
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
                        f"it holds more than {limit_bytes / 2**20:.0f} MiB of text{' unpacked' if packed else ''}; "
                        "split it into shorter recordings.",
                        path=shown,
                        reason=RefusalReason.TOO_BIG,
                    )
                if b"\0" in piece:
                    raise ImportRefused(
                        "it holds null bytes, so it is not text; look what kind of file it is.",
                        path=shown,
                        reason=RefusalReason.NOT_TEXT,
                    )
                pieces.append(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fault = "ends before its packed content does" if isinstance(error, EOFError) else "does not unpack"
            raise ImportRefused(
                f"the gzip file {fault}; copy it again from where it came from.",
                path=shown,
                reason=RefusalReason.DAMAGED,
            ) from error
    return b"".join(pieces)
