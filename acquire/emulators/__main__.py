"""``python -m acquire.emulators KIND``: a board that is none, to record from until Ctrl-C is pressed."""

from __future__ import annotations

import signal
import sys
import threading
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.text import Text

from acquire.emulators import (
    PATTERNS,
    Ads1292rDouble,
    Ads1293Double,
    CytonDouble,
    Device,
    Fault,
    LinesDouble,
    PseudoTerminal,
    read_fault,
)
from acquire.emulators.faults import FORMS
from acquire.emulators.waveform import Pattern
from protocols.console import console, fail

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


class Kind(Enum):
    """Which board."""

    CYTON = "cyton"
    LINES = "lines"
    ADS1293 = "ads1293"
    ADS1292R = "ads1292r"


def _pattern(text: str) -> Pattern:
    for pattern in PATTERNS:
        if pattern == text:
            return pattern
    raise typer.BadParameter(f"it is {text[:40]!r}; it must be one of {', '.join(PATTERNS)}")


def _device(
    kind: Kind,
    faults: list[Fault],
    *,
    pattern: Pattern,
    rate_ppm: float,
    clock_ppm: float,
    daisy: bool,
    no_board: bool,
    columns: int,
) -> Device:
    match kind:
        case Kind.CYTON:
            return CytonDouble(
                pattern=pattern,
                rate_ppm=rate_ppm,
                clock_ppm=clock_ppm,
                daisy=daisy,
                no_board=no_board,
                faults=faults,
            )
        case Kind.LINES:
            return LinesDouble(n_columns=columns, rate_ppm=rate_ppm, faults=faults)
        case Kind.ADS1293:
            return Ads1293Double(pattern=pattern, rate_ppm=rate_ppm, faults=faults)
        case Kind.ADS1292R:
            return Ads1292rDouble(rate_ppm=rate_ppm, faults=faults)


@app.command(epilog=f"Faults, each at a sample index: {', '.join(FORMS)}. Samples may be left out for: for ever.")
def main(
    kind: Annotated[Kind, typer.Argument(help="Which board.", show_default=False)],
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME:AT…", help="Something that goes wrong; may be repeated.")
    ] = None,
    link: Annotated[Path | None, typer.Option(help="A symbolic link to make, which follows the port.")] = None,
    pattern: Annotated[str, typer.Option(help=f"The waveform: {', '.join(PATTERNS)}.")] = "ecg",
    rate_ppm: Annotated[float, typer.Option(help="How much faster than it says it samples.")] = 0.0,
    clock_ppm: Annotated[float, typer.Option(help="How much faster than true a Cyton's clock runs.")] = 0.0,
    speed: Annotated[float, typer.Option(help="How many times faster time passes; 0 is as fast as it can.")] = 1.0,
    jitter_ms: Annotated[float, typer.Option(help="How late a sample may come.")] = 0.0,
    columns: Annotated[int, typer.Option(min=1, max=8, help="Numbers a line, for lines.")] = 1,
    daisy: Annotated[bool, typer.Option("--daisy", help="A Cyton with a second board on it.")] = False,
    no_board: Annotated[bool, typer.Option("--no-board", help="A Cyton's dongle whose board is off.")] = False,
) -> None:
    """Run a board that sends a known waveform, on a pseudo-terminal, until Ctrl-C is pressed."""
    if sys.platform == "win32":
        fail("Windows has no pseudo-terminals, so no board can be put on one; use sim: or replay: there.")
    try:
        device = _device(
            kind,
            [read_fault(text) for text in fault or ()],
            pattern=_pattern(pattern),
            rate_ppm=rate_ppm,
            clock_ppm=clock_ppm,
            daisy=daisy,
            no_board=no_board,
            columns=columns,
        )
        terminal = PseudoTerminal(device, link=link, speed=speed, jitter_s=jitter_ms / 1000.0)
    except ValueError as error:
        fail(f"This board cannot be made: {error}.")
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        with terminal:
            where = terminal.port if link is None else link.absolute()
            console.print(Text(f"The board is {kind.value}:{where}"))
            console.print(Text(f"Record from it with: trilead record STUDY --board {kind.value}:{where}"))
            console.print(Text("Press Ctrl-C to end it."))
            stopped.wait()
    except OSError as error:
        fail(f"The port or its link {link or ''} cannot be made: {error.strerror or error}; give another --link.")
    console.print(
        Text(
            f"Sent {terminal.sent} samples; {terminal.unheard} more while nobody listened,"
            f" and {terminal.dropped} were dropped because nobody read them."
        )
    )


if __name__ == "__main__":
    app()
