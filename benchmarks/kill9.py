"""Kill recorders with ``kill -9`` at random moments, recover, and compare with what the simulator sent.

``python -m benchmarks.kill9 --what both --times 300 --workers 2`` kills 300 recorders while they record and another 300
while they make the recording file of their journal. It leaves with 1 if any of these fails: every recording can be
read, at most the last second is lost, every recovered sample equals the simulator's, no half-written recording is ever
seen, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from acquire.boards.simulate import simulate
from acquire.errors import RecorderError
from acquire.recorder.control import state_path
from acquire.recorder.launch import prepare, start_recorder
from acquire.recordings.recording import open_recording
from acquire.recordings.recovery import orphaned_journals, recover
from acquire.study import Study
from benchmarks.recorders import ended, long_protocol
from protocols.errors import TrileadError
from protocols.script import load_script

__all__ = ["Kill", "kill_once"]

RATE_HZ = 250
PROTOCOL_S = 4.0
FINISHING_PROTOCOL_S = 200.0
"""Of signal, recorded within a second; its file takes long enough to make to be hit in every part of its making."""
FINISHING_SPEED = 200.0
LOST_LIMIT_MS = 1000.0
LIMIT_S = 60.0


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
        fault: what went wrong beyond that, or "".
    """

    moment_s: float
    outcome: str
    sent: int
    recovered: int
    lost_ms: float
    equal: bool
    fault: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with what came of it."""
        return self.equal and self.lost_ms <= LOST_LIMIT_MS and not self.fault


def kill_once(
    folder: Path,
    *,
    moment_s: float,
    while_finishing: bool = False,
    speed: float = 1.0,
    seed: int = 0,
    protocol_s: float = PROTOCOL_S,
) -> Kill:
    """Record in ``folder`` (new), kill the recorder, recover, and compare.

    Args:
        folder: an empty one.
        moment_s: when to kill, after the recorder is ready; or, ``while_finishing``, after it began to finish.
        while_finishing: aim at the making of the recording file.
        speed: of the simulator, times real time.
        seed: of the simulator.
        protocol_s: how long the recording would become.

    Raises:
        AssertionError: a half-written recording stands under its final name, or something was left behind.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "kill.toml"
    script.write_text(long_protocol(protocol_s), encoding="utf-8")
    address = f"sim:?rate={RATE_HZ}&speed={speed}&seed={seed}"
    config = prepare(study, subject="S01", board=address, protocol=str(script))
    recorder = start_recorder(config)
    with ended(recorder):
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
    sent = max(len(counts), min(due, round(protocol_s * RATE_HZ)))
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


def _finishing_s() -> float:
    """How long this computer takes from the end of the protocol to the end of the recorder."""
    with tempfile.TemporaryDirectory() as folder:
        study = Study.create(Path(folder) / "study", mains_hz=50)
        script = Path(folder) / "whole.toml"
        script.write_text(long_protocol(FINISHING_PROTOCOL_S), encoding="utf-8")
        board = f"sim:?rate={RATE_HZ}&speed={FINISHING_SPEED:g}"
        recorder = start_recorder(prepare(study, subject="S01", board=board, protocol=str(script)))
        with ended(recorder):
            while (status := recorder.status()) is None or status.state != "finishing":
                if recorder.wait(0.001):
                    break
            began_s = time.monotonic()
            recorder.result()
            return time.monotonic() - began_s


def _kills(what: str, times: int, workers: int, seed: int) -> Iterator[Kill]:
    """Kill again and again, a few recorders at a time; each has a study of its own."""
    moments = random.Random(f"{what} {seed}")
    finishing = what == "finishing"
    latest_s = 1.4 * _finishing_s() if finishing else PROTOCOL_S
    tasks = [(number, moments.uniform(0, latest_s)) for number in range(times)]

    def kill(task: tuple[int, float]) -> Kill:
        number, moment_s = task
        with tempfile.TemporaryDirectory() as folder:
            try:
                return kill_once(
                    Path(folder),
                    moment_s=moment_s,
                    while_finishing=finishing,
                    speed=FINISHING_SPEED if finishing else 1.0,
                    seed=number,
                    protocol_s=FINISHING_PROTOCOL_S if finishing else PROTOCOL_S,
                )
            except (AssertionError, OSError, TrileadError) as error:
                fault = " ".join(str(error).split())[:200] or type(error).__name__
                return Kill(
                    moment_s=moment_s, outcome="failed", sent=0, recovered=0, lost_ms=0.0, equal=False, fault=fault
                )

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        yield from pool.map(kill, tasks)


def _summary(what: str, kills: list[Kill]) -> dict[str, Any]:
    """The figures of many kills."""
    return {
        "what": what,
        "times": len(kills),
        "outcomes": dict(collections.Counter(kill.outcome for kill in kills)),
        "unreadable": sum(kill.outcome == "failed" for kill in kills),
        "changed": sum(not kill.equal and kill.outcome != "failed" for kill in kills),
        "most_lost_ms": max(kill.lost_ms for kill in kills),
        "faults": [kill.fault for kill in kills if kill.fault],
        "good": sum(kill.good for kill in kills),
    }


def main() -> int:
    """Kill as often as asked, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--what", choices=("recording", "finishing", "both"), default="both", help="when to kill")
    parser.add_argument("--times", type=int, default=20, help="how many recorders to kill, of each kind")
    parser.add_argument("--workers", type=int, default=1, help="how many recorders at a time")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of another run")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures and every kill here")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    console = Console()
    told: list[dict[str, Any]] = []
    for what in ("recording", "finishing") if arguments.what == "both" else (arguments.what,):
        table = Table(title=f"kill -9 while {what}, seed {seed}")
        for column in ("#", "moment s", "outcome", "sent", "recovered", "lost ms", "samples equal"):
            table.add_column(column, justify="right")
        kills: list[Kill] = []
        with console.status(f"killing {arguments.times} recorders while {what}") as status:
            for number, kill in enumerate(_kills(what, arguments.times, arguments.workers, seed), start=1):
                kills.append(kill)
                status.update(f"{number} of {arguments.times} killed while {what}")
                row = (str(number), f"{kill.moment_s:.3f}", kill.outcome, str(kill.sent), str(kill.recovered))
                table.add_row(*row, f"{kill.lost_ms:.0f}", "yes" if kill.equal else f"NO {kill.fault}")
        console.print(table)
        told.append({**_summary(what, kills), "seed": seed, "kills": [asdict(kill) for kill in kills]})
        console.print({name: value for name, value in told[-1].items() if name != "kills"})
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    good = all(figures["good"] == figures["times"] for figures in told)
    console.print("All kept all but the last second." if good else "Not every recording was kept.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
