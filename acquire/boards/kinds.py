"""What each kind of board address means, for whoever has to type one."""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from acquire.boards.board import BOARD_KINDS

__all__ = ["KINDS", "BoardKind", "explain"]

_TOLD_IN = {"sim": "acquire.boards.sim_options"}
"""Kinds whose options are told in another module than the one that drives them."""

_MARKED = re.compile(r"``([^`]*)``(.*?)(  |$)")


@dataclass(frozen=True, kw_only=True)
class BoardKind:
    """A kind of board address.

    Attributes:
        scheme: what stands before the colon.
        meaning: what is recorded from.
        example: an address of this kind.
    """

    scheme: str
    meaning: str
    example: str


KINDS: tuple[BoardKind, ...] = (
    BoardKind(
        scheme="sim",
        meaning="a simulated heart, which needs no board",
        example="sim:",
    ),
    BoardKind(
        scheme="cyton",
        meaning="an OpenBCI Cyton: 24 bits, 250 samples a second, losses known exactly",
        example="cyton:DM00Q0QN?gain=12",
    ),
    BoardKind(
        scheme="lines",
        meaning="any sketch that prints numbers, such as those for an AD8232",
        example="lines:/dev/ttyACM0?baud=9600&bits=10",
    ),
    BoardKind(
        scheme="ads1293",
        meaning="ProtoCentral's ADS1293 board: three leads",
        example="ads1293:/dev/ttyUSB0",
    ),
    BoardKind(
        scheme="ads1292r",
        meaning="ProtoCentral's ADS1292R board: one lead and respiration",
        example="ads1292r:/dev/ttyUSB0",
    ),
    BoardKind(
        scheme="brainflow",
        meaning="any board that BrainFlow drives, by its name there",
        example="brainflow:ganglion_native",
    ),
    BoardKind(
        scheme="lsl",
        meaning="a stream of the Lab Streaming Layer, by its name",
        example="lsl:MyECG",
    ),
    BoardKind(
        scheme="replay",
        meaning="a recording, played back as if its board were there",
        example="replay:sub-S01_ses-01_run-01.h5?speed=max",
    ),
)


def explain(scheme: str) -> str:
    """All that is to be known of a kind of address and its options, as the module that reads it tells.

    The module is not imported, so a driver that is not installed can be read about too.

    Args:
        scheme: one of ``BOARD_KINDS``.

    Returns:
        Text of several paragraphs.
    """
    name = _TOLD_IN.get(scheme) or BOARD_KINDS[scheme].partition(":")[0]
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    lines, rules = [], 0
    for line in text.splitlines():
        rules += line.startswith("===")
        # A table has three rules. In one, what the marks took up is given back as space, for the columns' sake.
        while rules % 3 and _MARKED.search(line):
            line = _MARKED.sub(r"\1\2    \3", line, count=1)
        lines.append(line.replace("``", "").rstrip())
    return "\n".join(lines)
