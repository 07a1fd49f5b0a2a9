"""Kill ``trilead corpus`` at random moments, look at what is there, and let the next build finish.

``python -m benchmarks.build_kills --kills 50`` leaves with 1 if any of these fails: under the corpus's name stands the
old corpus or the new one, byte for byte, with its own card or none; every worker process ends by itself; the next build
succeeds, gives the same bytes as one that nobody disturbed, and leaves nothing else in the folder.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.simulated_study import make_study

__all__ = ["Kill", "Target"]

LIMIT_S = 120.0
ORPHAN_LIMIT_S = 15.0
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill and what came of it.

    Attributes:
        signal: what was sent.
        moment_s: after the process was started.
        left: what stood under the corpus's name: the ``old`` or the ``new`` one.
        parts: how many recordings had been cut into parts.
        reused: how many recordings the next build did not cut again.
        faults: what was wrong.
    """

    signal: str
    moment_s: float
    left: str
    parts: int
    reused: int
    faults: tuple[str, ...] = ()


@dataclass
class Target:
    """A study with a corpus that is rebuilt and killed again and again, each time with the other of two hops.

    Attributes:
        study: the folder.
        workers: processes of a build.
        hops_s: of the two corpora.
        seconds: how long a build takes that nobody disturbs.
    """

    study: Path
    workers: int = 2
    hops_s: tuple[float, float] = (1.0, 0.5)
    seconds: float = 0.0
    _known: dict[float, tuple[str, str]] = field(default_factory=dict)
    _now: int = 0

    def prepare(self) -> None:
        """Build both corpora undisturbed, to know their bytes; the first is left to stand."""
        for hop_s in reversed(self.hops_s):
            began_s = time.monotonic()
            self._finish(hop_s)
            self.seconds = time.monotonic() - began_s
            self._known[hop_s] = self._digests()

    def kill(self, name: str, moment_s: float) -> Kill:
        """Begin to replace the corpus, kill the build, and have it built."""
        old, new = self.hops_s[self._now], self.hops_s[1 - self._now]
        process = self._start(new)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment_s)
        family = _family(process)
        if name == "SIGINT":
            # A terminal sends Ctrl-C to a command and all that it started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(getattr(signal, name))
        process.wait(LIMIT_S)
        faults = []
        _, orphans = psutil.wait_procs(family, timeout=ORPHAN_LIMIT_S)
        if orphans:
            faults.append(f"{len(orphans)} processes went on")
            for orphan in orphans:
                orphan.kill()
        if "Traceback" in (said := process.communicate(timeout=LIMIT_S)[0]):
            faults.append(f"it complained: {said[-300:]}")
        corpus, card = self._digests()
        left = {self._known[old][0]: "old", self._known[new][0]: "new"}.get(corpus, "neither")
        whose = new if left == "new" else old
        if left == "neither" or card not in ("", self._known[whose][1]):
            faults.append("half a corpus" if left == "neither" else "a card that is another's")
        parts = len(list((self._folder / ".default.parts").glob("[!.]*.part")))
        told = self._finish(new)
        if self._digests() != self._known[new]:
            faults.append("the next build gave something else")
        if leftovers := {file.name for file in self._folder.iterdir()} - {"default.h5", "default.html"}:
            faults.append(f"left behind: {', '.join(sorted(leftovers))}")
        self._now = 1 - self._now
        reused = re.search(r"(\d+) recordings? did not change", told)
        return Kill(
            signal=name,
            moment_s=moment_s,
            left=left,
            parts=parts,
            reused=int(reused[1]) if reused else 0,
            faults=tuple(faults),
        )

    @property
    def _folder(self) -> Path:
        return self.study / "corpora"

    def _start(self, hop_s: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "trilead", "corpus", str(self.study), "--overwrite"]
        command += ["--hop-s", f"{hop_s:g}", "--workers", str(self.workers), "--split", "random"]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=_ROOT,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,
        )

    def _finish(self, hop_s: float) -> str:
        process = self._start(hop_s)
        told = process.communicate(timeout=LIMIT_S)[0]
        if process.returncode:
            raise RuntimeError(f"the build failed: {told[-400:]}")
        return told

    def _digests(self) -> tuple[str, str]:
        """SHA-256 of the corpus and of its card; "" for one that is not there."""
        corpus, card = (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
            for path in (self._folder / "default.h5", self._folder / "default.html")
        )
        return corpus, card


def _hear_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that is started from there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def main() -> int:
    """Kill as often as asked, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="how many builds to kill")
    parser.add_argument("--recordings", type=int, default=8, help="in the study that is built")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of each recording")
    parser.add_argument("--workers", type=int, default=2, help="processes of a build")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of another run")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    moments = random.Random(seed)
    console = Console()
    kills: list[Kill] = []
    with tempfile.TemporaryDirectory() as folder, console.status("building undisturbed") as status:
        study = make_study(Path(folder) / "study", arguments.recordings, minutes=arguments.minutes)
        target = Target(study=study.path, workers=arguments.workers)
        target.prepare()
        table = Table(title=f"trilead corpus killed, {target.seconds:.1f} s undisturbed, seed {seed}")
        for column in ("#", "signal", "moment s", "left", "parts", "not cut again", "faults"):
            table.add_column(column, justify="right")
        for number in range(1, arguments.kills + 1):
            kill = target.kill(SIGNALS[number % len(SIGNALS)], moments.uniform(0.0, 1.05 * target.seconds))
            kills.append(kill)
            status.update(f"{number} of {arguments.kills} killed")
            row = (str(number), kill.signal, f"{kill.moment_s:.2f}", kill.left, str(kill.parts), str(kill.reused))
            table.add_row(*row, "; ".join(kill.faults))
    console.print(table)
    console.print(dict(collections.Counter(kill.left for kill in kills)))
    good = not any(kill.faults for kill in kills)
    console.print("Always the old corpus or the new one." if good else "Not every kill left what it should.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
