"""What trilead needs of the BrainFlow library: its boards by name, and its exit codes in sentences with a mend."""

from __future__ import annotations

import difflib
import os
import warnings
from pathlib import Path
from typing import Any

from acquire.errors import BoardError, BoardErrorReason

__all__ = ["board_id", "board_names", "close_names", "describe", "library", "make_shim", "translate"]

_SUFFIX = "_board"


def library(address: str) -> Any:
    """The module ``brainflow.board_shim``, its logger silenced.

    Raises:
        BoardError: it is not installed, or cannot work as it is installed.
    """
    try:
        with warnings.catch_warnings():
            # BrainFlow finds its own library by a package that newer versions of setuptools warn of.
            warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
            warnings.filterwarnings("ignore", message="Deprecated call to `pkg_resources", category=DeprecationWarning)
            from brainflow import board_shim

            board_shim.BoardShim.disable_board_logger()
    except ImportError as error:
        mend = (
            "pip install 'setuptools<81'" if "pkg_resources" in str(error) else "pip install brainflow 'setuptools<81'"
        )
        raise BoardError(
            f"The board {address!r} needs BrainFlow, which cannot be loaded ({error}); {mend}.",
            reason=BoardErrorReason.MISSING_DRIVER,
            address=address,
        ) from error
    return board_shim


def make_shim(shim: Any, number: int, params: Any) -> Any:
    """BrainFlow's handle of a board, which is let go of by ``release_session`` and by nothing else.

    BrainFlow's own releases, when it is collected, whatever session has the same settings: also one that is not its.
    """
    kind = type("OwnedBoardShim", (shim.BoardShim,), {"__del__": lambda self: None})
    return kind(number, params)


def board_names(shim: Any) -> dict[str, int]:
    """Name in lower case without ``_board`` → BrainFlow's number of each board."""
    boards = [board for board in shim.BoardIds if board is not shim.BoardIds.NO_BOARD]
    return {board.name.lower().removesuffix(_SUFFIX): int(board.value) for board in boards}


def board_id(name: str, names: dict[str, int]) -> int | None:
    """BrainFlow's number of a board, from its name with or without ``_board``, in upper or lower case."""
    return names.get(name.lower().removesuffix(_SUFFIX))


def close_names(name: str, names: dict[str, int]) -> str:
    """A hint for a name that is none, as a clause."""
    close = difflib.get_close_matches(name.lower().removesuffix(_SUFFIX), names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"BrainFlow's boards are {', '.join(sorted(names))}."


def describe(shim: Any, number: int, preset: int, address: str) -> dict[str, Any]:
    """The rows and the rate of a board.

    Raises:
        BoardError: the board has no such preset.
    """
    # To ask for the description of a preset that is not there breaks the board for the whole process: BrainFlow 5.23
    # then believes that it is there, without rows, and starts no stream.
    if preset not in shim.BoardShim.get_board_presets(number):
        raise BoardError(
            f"The board {address!r} sends nothing of this preset; leave preset out of the address.",
            reason=BoardErrorReason.BAD_OPTION,
            address=address,
            option="preset",
        )
    description = shim.BoardShim.get_board_descr(number, preset)
    assert isinstance(description, dict)
    return description


def translate(error: Exception, address: str, serial_port: str) -> BoardError:
    """BrainFlow's error in our words.

    Args:
        error: a BrainFlowError.
        address: as the operator gave it.
        serial_port: what the board is plugged into, or "".
    """
    code = getattr(error, "exit_code", -1)
    reason, clause = _serial_fault(serial_port) if code == 2 and serial_port else _CLAUSES.get(code, (None, ""))
    if reason is None:
        reason = BoardErrorReason.NO_ANSWER
        clause = f"failed in BrainFlow ({error}); switch it off and on, and try again"
    return BoardError(f"The board {address!r} {clause}.", reason=reason, address=address)


def _serial_fault(port: str) -> tuple[BoardErrorReason, str]:
    if not Path(port).exists():
        return BoardErrorReason.NOT_FOUND, f"was not found: {port} does not exist; plug it in or name another port"
    if not os.access(port, os.R_OK | os.W_OK):
        return BoardErrorReason.NOT_PERMITTED, (
            f"may not be opened: {port} is not yours to use; add yourself to the group dialout with"
            " sudo usermod -aG dialout $USER, then log in again"
        )
    return BoardErrorReason.BUSY, f"cannot be opened: {port} is in use or is no serial port; close the other program"


_IN_USE = (BoardErrorReason.BUSY, "is in use already; end the other program or recording that uses it")
_SILENT = (BoardErrorReason.NO_ANSWER, "does not answer; switch it on, bring it near, and check its dongle")

_CLAUSES: dict[int, tuple[BoardErrorReason, str]] = {
    1: _IN_USE,
    2: (BoardErrorReason.NOT_FOUND, "cannot be reached; switch it on, and the computer's Bluetooth or network too"),
    3: (BoardErrorReason.HUNG_UP, "has a port that cannot be set up; plug it in again"),
    4: (BoardErrorReason.HUNG_UP, "takes no commands; plug it in again"),
    5: (
        BoardErrorReason.NO_ANSWER,
        "answers what BrainFlow does not understand; check the board's name in the address",
    ),
    6: (BoardErrorReason.NO_ANSWER, "does not begin as BrainFlow expects; check the board's name in the address"),
    7: _SILENT,
    13: (
        BoardErrorReason.BAD_OPTION,
        "lacks something that this board needs; add serial_port, mac_address, ip_address or file to the address",
    ),
    14: (BoardErrorReason.UNSUPPORTED, "is not supported by BrainFlow on this system"),
    16: _IN_USE,
    18: _SILENT,
}
