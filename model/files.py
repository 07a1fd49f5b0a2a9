"""Files that are whole or not there, and reading back what somebody may have edited."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from model.errors import CheckpointError, CheckpointReason

__all__ = ["read_json", "write_bytes", "write_json", "write_text"]

MOST_JSON_BYTES: Final = 64_000_000


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, sync it, and rename it over whatever was there.

    Raises:
        OSError: the folder cannot be written or is full; the old file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Like `write_bytes`, for UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Like `write_bytes`, for JSON that a person may read. NaN and infinities are refused as a bug."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse a JSON file that may have been cut, edited or swapped.

    Raises:
        CheckpointError: it is missing, too large, or not JSON.
    """
    try:
        size = path.stat().st_size
        if size > MOST_JSON_BYTES:
            raise CheckpointError(
                f"it has {size} bytes, more than the {MOST_JSON_BYTES} that are read; this is not a file of trilead.",
                path=path,
                reason=CheckpointReason.FOREIGN,
            )
        return json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise CheckpointError(
            f"it cannot be read ({error.strerror}); name a folder that training has finished.",
            path=path,
            reason=CheckpointReason.MISSING,
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            "it is not JSON, cut or edited perhaps; restore it or train again.",
            path=path,
            reason=CheckpointReason.DAMAGED,
        ) from error


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
