"""How often swapped limb electrodes are suspected: simulated people as they are, and with two electrodes swapped.

Every person is one recording at rest, in the first session. The axes of their P waves are the simulator's, which were
not fitted to any population: the shares tell that the rule does what it says, not how it would fare in a hospital.

Run it as ``python -m benchmarks.lead_swaps``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

from rich.table import Table

from benchmarks.simulated import simulate
from curate.beats.peaks import find_r_peaks
from curate.quality.lead_swap import Swap, suspect_lead_swap
from curate.signals.clean import clean
from curate.signals.signal import Signal
from protocols.console import console

SWAPS = ("none", "RA/LA", "LA/LL")


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="simulated people")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each recording")
    arguments = parser.parse_args()
    counts = {swap: Counter[str]() for swap in SWAPS}
    for number in range(1, arguments.people + 1):
        raw, _ = simulate(f"P{number:03d}", ["rest"], seconds_each=arguments.seconds)
        for swap in SWAPS:
            swapped = swap_electrodes(raw, swap)
            cleaned = clean(swapped, mains_hz=50)
            counts[swap][suspect_lead_swap(cleaned, find_r_peaks(cleaned, raw=swapped)).suspected.value] += 1
    table = Table(title=f"{arguments.people} simulated people at rest", title_justify="left")
    table.add_column("swapped")
    for suspected in Swap:
        table.add_column(f"suspected {suspected.value}", justify="right")
    for swap in SWAPS:
        table.add_row(swap, *(f"{counts[swap][suspected.value] / arguments.people:.1%}" for suspected in Swap))
    console.print(table)


def swap_electrodes(raw: Signal, swap: str) -> Signal:
    """What I, II and III would have been with two electrodes in each other's place: ``none``, ``RA/LA``, ``LA/LL``."""
    one, two, three = raw.values.T
    columns = {"none": (one, two, three), "RA/LA": (-one, three, two), "LA/LL": (two, one, -three)}[swap]
    values = raw.values.copy()
    for place, column in enumerate(columns):
        values[:, place] = column
    return replace(raw, values=values)


if __name__ == "__main__":
    main()
