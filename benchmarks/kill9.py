"""Kill recorders with ``kill -9`` at random moments, recover, and compare with what the simulator sent.

``python -m benchmarks.kill9 --times 20 --seed 1`` prints one line per kill and leaves with 1 if any of these fails:
nothing but the last second is lost, every recovered sample equals the simulator's, and no half-written recording is
ever seen. Every fourth kill is aimed at the time when the journal is being made into a recording file.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from acquire.boards.simulate import simulate
from acquire.control import state_path
from acquire.errors import RecorderError
from acquire.launch import prepare, start_recorder
from acquire.recording import open_recording
from acquire.recovery import orphaned_journals, recover
from acquire.study import Study
from protocols.script import load_script

__all__ = ["Kill", "kill_once"]

RATE_HZ = 250
PROTOCOL_S = 4.0
PROTOCOL = """
title = "Kill"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 2
[[steps]]
activity = "walk"
instruction = "Walk."
duration_s = 2
"""
FINISHING_S = 0.15
LIMIT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill and what came of it.

    Attributes:
        moment_s: after the recorder was ready, by the wall clock.
        outcome: how the recording came to be: recovered, finished, or finished with the journal left over.
        sent: samples that the simulator had due when the signal was sent.
        recovered: samples in the recording.
        lost_ms: signal that was due and is not in the recording.
        equal: whether every recovered sample is the simulator's.
    """

    moment_s: float
    outcome: str
    sent: int
    recovered: int
    lost_ms: float
    equal: bool


def kill_once(
    folder: Path, *, moment_s: float, while_finishing: bool = False, speed: float = 1.0, seed: int = 0
) -> Kill:
    """Record in ``folder`` (new), kill the recorder, recover, and compare.

    Args:
        folder: an empty one.
        moment_s: when to kill, after the recorder is ready; or, ``while_finishing``, after it began to finish.
        while_finishing: aim at the making of the recording file.
        speed: of the simulator, times real time.
        seed: of the simulator.

    Raises:
        AssertionError: a half-written recording stands under its final name, or something was left behind.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "kill.toml"
    script.write_text(PROTOCOL, encoding="utf-8")
    address = f"sim:?rate={RATE_HZ}&speed={speed}&seed={seed}"
    config = prepare(study, subject="S01", board=address, protocol=str(script))
    recorder = start_recorder(config)
    ready_s = time.monotonic()
    while not state_path(recorder.journal).exists() and time.monotonic() - ready_s < LIMIT_S:
        if recorder.wait(0.002):
            break
    ready_s = time.monotonic()
    while while_finishing and (status := recorder.status()) is not None and status.state != "finishing":
        time.sleep(0.001)
    recorder.wait(moment_s)
    recorder.process.send_signal(signal.SIGKILL)
    killed_ns = time.monotonic_ns()
    recorder.process.wait(LIMIT_S)
    try:
        recorder.result()
        outcome = "finished"
    except RecorderError:
        outcome = "recovered"
    path = Path(config.recording)
    stood = path.exists()
    for orphan in orphaned_journals(study):
        recovery = recover(study, orphan.path)
        assert recovery.path == path, f"recovered into {recovery.path.name} instead of {path.name}"
        assert recovery.was_finished == stood, "a recording stood under its final name that is not the journal's"
        outcome = "journal left over" if stood else "recovered"
    leftovers = [file.name for file in study.path.rglob(".unfinished-*")]
    assert not leftovers, f"left behind: {leftovers}"
    with open_recording(path) as recording:
        counts = recording.counts()
        first_index, first_ns, _ = recording.clock[0] if len(recording.clock) else (0, killed_ns, 0)
    began_ns = first_ns - (first_index + 1) * 1e9 / (RATE_HZ * speed)
    due = int((killed_ns - began_ns) / 1e9 * RATE_HZ * speed)
    sent = max(len(counts), min(due, round(PROTOCOL_S * RATE_HZ)))
    truth = simulate(
        load_script(script).script, address, subject="S01", session="01", mains_hz=50, n_samples=len(counts)
    )
    return Kill(
        moment_s=(killed_ns / 1e9) - ready_s,
        outcome=outcome,
        sent=sent,
        recovered=len(counts),
        lost_ms=1000.0 * (sent - len(counts)) / RATE_HZ,
        equal=np.array_equal(truth, counts),
    )


def main() -> int:
    """Kill as often as asked, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="how many recorders to kill")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of another run")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    moments = random.Random(seed)
    table = Table(title=f"kill -9, seed {seed}")
    for column in ("#", "moment s", "outcome", "sent", "recovered", "lost ms", "samples equal"):
        table.add_column(column, justify="right")
    failed = 0
    console = Console()
    for number in range(arguments.times):
        finishing = number % 4 == 3
        moment_s = moments.uniform(0, FINISHING_S if finishing else PROTOCOL_S)
        with tempfile.TemporaryDirectory() as folder, console.status(f"kill {number + 1} of {arguments.times}"):
            kill = kill_once(Path(folder), moment_s=moment_s, while_finishing=finishing, seed=number)
        failed += not (kill.equal and kill.lost_ms <= 1000)
        table.add_row(
            str(number + 1),
            f"{kill.moment_s:.3f}",
            kill.outcome,
            str(kill.sent),
            str(kill.recovered),
            f"{kill.lost_ms:.0f}",
            "yes" if kill.equal else "NO",
        )
    console.print(table)
    console.print(f"{arguments.times - failed} of {arguments.times} kept all but the last second.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
