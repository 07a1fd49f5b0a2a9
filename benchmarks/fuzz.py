"""Fuzz everything that reads bytes from outside, guided by coverage.

``python -m benchmarks.fuzz --minutes 60`` shares the time among all targets, each in a process of its own, and prints
for each how often it was run, how much code that reached, and what it found. A finding is an exception that is no
sentence, a promise broken (a wrong sample accepted, see ``benchmarks.fuzz_targets``), an input that takes longer than
`INPUT_LIMIT_S`, or memory beyond `MEMORY_LIMIT_MB`; the input is saved, shown, and the exit code is 1.
``python -m benchmarks.fuzz --again FILE --target NAME`` runs a saved input once more.

The fuzzer is atheris (extra ``fuzz``), which is libFuzzer with Python's bytecode instrumented. It starts from nothing:
no corpus is kept.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.fuzz_targets import TARGETS, WATCHED

__all__ = ["Outcome", "fuzz"]

INPUT_LIMIT_S = 5
MEMORY_LIMIT_MB = 1024
LONGEST_INPUT = 2048
_START_LIMIT_S = 120
_SHOWN = 800


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What fuzzing one target came to.

    Attributes:
        target: its name.
        seconds: how long it ran.
        executions: inputs that were run.
        edges: of code, that were reached.
        finding: what went wrong, with the end of the traceback; "" when nothing did.
        input: the file with the failing input, or None.
    """

    target: str
    seconds: float
    executions: int
    edges: int
    finding: str
    input: Path | None


def fuzz(target: str, *, seconds: float, folder: Path, seed: int = 0) -> Outcome:
    """Fuzz one target in a process of its own.

    Args:
        target: its name.
        seconds: how long.
        folder: where a failing input is put.
        seed: of the fuzzer; 0 for one by the clock.
    """
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trilead-fuzz-") as corpus:
        command = [sys.executable, "-m", "benchmarks.fuzz", "--worker", target, "--", corpus]
        command += [
            f"-max_total_time={max(1, round(seconds))}",
            f"-artifact_prefix={folder / target}-",
            f"-timeout={INPUT_LIMIT_S}",
            f"-rss_limit_mb={MEMORY_LIMIT_MB}",
            f"-max_len={LONGEST_INPUT}",
            f"-seed={seed}",
            "-len_control=20",
            "-print_final_stats=1",
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=seconds + _START_LIMIT_S, check=False
            )
            spoken, logged, failed = done.stdout, done.stderr, done.returncode != 0
        except subprocess.TimeoutExpired:
            spoken, logged, failed = "", "ERROR: libFuzzer did not end by itself", True
    saved = re.search(r"Test unit written to (\S+)", logged)
    return Outcome(
        target=target,
        seconds=time.monotonic() - began_s,
        executions=_last(r"stat::number_of_executed_units:\s+(\d+)", logged) or _last(r"^#(\d+)\s", logged),
        edges=_last(r"\bcov: (\d+)", logged),
        finding=_what_went_wrong(spoken, logged) if failed else "",
        input=Path(saved[1]) if saved else None,
    )


def _last(pattern: str, output: str) -> int:
    found = re.findall(pattern, output, re.MULTILINE)
    return int(found[-1]) if found else 0


def _what_went_wrong(spoken: str, logged: str) -> str:
    """Python's traceback, or where there is none libFuzzer's own words, each line of bounded length."""
    verdict = spoken if "Uncaught Python exception" in spoken else logged[max(0, logged.find("ERROR: libFuzzer")) :]
    lines = [line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…" for line in verdict.strip().splitlines()]
    return "\n".join(lines[:40]) or "the process died without a word"


def _work(target: str, arguments: list[str]) -> None:
    """Be the fuzzer's process; libFuzzer ends it itself."""
    import atheris

    with atheris.instrument_imports(include=["acquire"]):
        for module in WATCHED:
            importlib.import_module(module)
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


def _show(console: Console, outcomes: list[Outcome]) -> None:
    table = Table("target", "minutes", "executions", "per second", "edges", "finding")
    for outcome in outcomes:
        table.add_row(
            outcome.target,
            f"{outcome.seconds / 60:.1f}",
            f"{outcome.executions:,}",
            f"{outcome.executions / outcome.seconds:,.0f}",
            f"{outcome.edges:,}",
            "none" if not outcome.finding else "YES",
        )
    console.print(table)
    for outcome in outcomes:
        if outcome.finding:
            console.print(f"\n[bold]{outcome.target}[/bold]: {escape(outcome.finding)}")
        if outcome.finding and outcome.input is not None:
            data = outcome.input.read_bytes()
            console.print(f"input {outcome.input} ({len(data)} bytes): {data[:_SHOWN].hex()}", soft_wrap=True)


def main() -> int:
    """Fuzz, print, and return 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="of wall time, shared by all targets")
    parser.add_argument("--target", choices=["all", *sorted(TARGETS)], default="all")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer; 0 for one by the clock")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for failing inputs")
    parser.add_argument("--again", type=Path, help="run one saved input of --target")
    parser.add_argument("--worker", choices=sorted(TARGETS), help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _work(options.worker, options.arguments)
        return 0
    if options.again is not None:
        if options.target == "all":
            parser.error("--again needs --target")
        TARGETS[options.target](options.again.read_bytes())
        return 0
    targets = sorted(TARGETS) if options.target == "all" else [options.target]
    jobs = max(1, min(options.jobs, len(targets)))
    seconds = options.minutes * 60 * jobs / len(targets)
    options.findings.mkdir(parents=True, exist_ok=True)
    folder = options.findings.resolve()
    with ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(fuzz, target, seconds=seconds, folder=folder, seed=options.seed) for target in targets]
        outcomes = [run.result() for run in runs]
    _show(Console(), outcomes)
    if not any(folder.iterdir()):
        folder.rmdir()
    return 1 if any(outcome.finding for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
