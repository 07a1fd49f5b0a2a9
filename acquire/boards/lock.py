"""Keeping two programs of one user off a board that only one of them can use."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from acquire.errors import RecorderError, RecorderErrorReason
from acquire.files import hold_name

__all__ = ["SHARED_KINDS", "hold_address", "hold_board"]

SHARED_KINDS = ("sim:", "replay:", "lsl:")
"""Boards that any number of programs can use at once."""


def hold_address(stack: ExitStack, address: str) -> None:
    """Hold a board by its address, until the stack unwinds.

    Before it is opened, because merely opening some boards disturbs whoever records from them.

    Raises:
        RecorderError: somebody else holds it.
    """
    if not address.startswith(SHARED_KINDS):
        hold_board(stack, address, address)


def hold_board(stack: ExitStack, name: str, address: str) -> None:
    """Hold a board by its most lasting name, as `Board.resource` gives it, until the stack unwinds; "" holds nothing.

    Raises:
        RecorderError: somebody else holds it.
    """
    if name and not stack.enter_context(hold_name(_locks_folder(), name)):
        raise RecorderError(
            f"Another recording or check is using the board {address}; wait until it has finished, or stop it.",
            reason=RecorderErrorReason.REFUSED,
        )


def _locks_folder() -> Path:
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    folder = Path(tempfile.gettempdir()) / f"trilead-boards{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise RecorderError(
            f"{folder} cannot be made: {error.strerror or error}; mend the permissions of the folder for temporary"
            " files.",
            reason=RecorderErrorReason.NOT_STARTED,
        ) from error
    return folder
