"""Building corpora: how many recordings a minute, and how much memory against how large a corpus.

``python -m benchmarks.corpus_builds`` makes 1000 simulated recordings of five minutes and builds their corpus with one
worker, with two, and on a dask cluster on this computer; the corpora must be the same, byte for byte. Then it builds
corpora of growing size in processes of their own and tells their peak memory, and one that is ten times as large as
the memory its process may take. ``--recordings 100`` is enough to see how things are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from acquire.study import Study
from benchmarks.simulated_study import make_study
from curate.corpus.build import build_corpus

__all__ = ["Build", "build_apart"]

DENSE_HOP_S = 0.1
"""Between windows where memory is looked at: ten times the usual number of windows, hence of bytes."""
TIMES_MEMORY = 10
_MB = 1_000_000
_FEWEST = 4
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build, in a process of its own.

    Attributes:
        seconds: from the call to the corpus; neither starting Python nor a cluster counts.
        corpus_mb: size of the corpus.
        n_windows: windows in it.
        started_mb: memory of the process before the build.
        peak_mb: most memory of the process that leads the build.
        worker_mb: most memory of one of its workers; 0 where it did the work itself.
        sha256: of the corpus.
    """

    seconds: float
    corpus_mb: float
    n_windows: int
    started_mb: float
    peak_mb: float
    worker_mb: float
    sha256: str


def build_apart(study: Path, *, limit_mb: float = 0.0, clusters: int = 0, **options: Any) -> Build:
    """Build a corpus in a process of its own, and remove it again.

    Args:
        study: the folder.
        limit_mb: data that the process may hold (RLIMIT_DATA: everything but files and programs); 0 sets no limit.
        clusters: workers of a dask cluster that is started for it; 0 uses none.
        options: of ``build_corpus``.

    Raises:
        RuntimeError: the build failed, and how.
    """
    asked = json.dumps({"study": str(study), "limit_mb": limit_mb, "clusters": clusters, "options": options})
    # Each thread of OpenBLAS sets memory aside that it never touches, and the limit counts that too.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"} if limit_mb else None
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.corpus_builds", "--child", asked],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    return Build(**json.loads(done.stdout.splitlines()[-1]))


def _child(asked: str) -> None:
    told = json.loads(asked)
    study, options = Study.open(told["study"]), dict(told["options"])
    if told["clusters"]:
        from distributed import LocalCluster

        cluster = LocalCluster(n_workers=told["clusters"], threads_per_worker=1, dashboard_address="127.0.0.1:0")
        options["scheduler"] = cluster.scheduler_address
    if told["limit_mb"]:
        limit = round(told["limit_mb"] * _MB)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    started_mb = _peak_mb(resource.RUSAGE_SELF)
    began_s = time.perf_counter()
    path = build_corpus(study, name="measured", **options)
    seconds = time.perf_counter() - began_s
    peak_mb = _peak_mb(resource.RUSAGE_SELF)
    if told["clusters"]:
        cluster.close()
    size_mb = path.stat().st_size / _MB
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    from curate.corpus.read import open_corpus

    with open_corpus(path) as corpus:
        n_windows = corpus.n_windows
    path.unlink()
    figures = {
        "seconds": seconds,
        "corpus_mb": size_mb,
        "n_windows": n_windows,
        "started_mb": started_mb,
        "peak_mb": peak_mb,
        "worker_mb": 0.0 if options.get("workers") == 1 else _peak_mb(resource.RUSAGE_CHILDREN),
        "sha256": sha256,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def _peak_mb(who: int) -> float:
    peak = resource.getrusage(who).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak * 1024 / _MB


def _speed(console: Console, study: Path, n_recordings: int, minutes: float) -> bool:
    """Build with one worker, two, and a cluster; returns whether all corpora are the same."""
    table = Table(title=f"{n_recordings} recordings of {minutes:g} min", title_justify="left")
    for column in ("by", "seconds", "recordings a minute", "times one worker", "leader MB", "worker MB"):
        table.add_column(column, justify="right")
    builds: dict[str, Build] = {}
    for name, asked in {
        "1 worker": {"workers": 1},
        "2 workers": {"workers": 2},
        "dask, 2 workers": {"clusters": 2},
    }.items():
        with console.status(f"building with {name}"):
            build = builds[name] = build_apart(study, **asked)
        table.add_row(
            name,
            f"{build.seconds:.1f}",
            f"{60 * n_recordings / build.seconds:.0f}",
            f"{builds['1 worker'].seconds / build.seconds:.2f}",
            f"{build.peak_mb:.0f}",
            f"{build.worker_mb:.0f}" if build.worker_mb else "",
        )
    console.print(table)
    same = len({build.sha256 for build in builds.values()}) == 1
    console.print("All three are the same, byte for byte." if same else "The corpora DIFFER.")
    return same


def _memory(console: Console, folder: Path, most_recordings: int, minutes: float, limit_mb: float) -> bool:
    """Build corpora of growing size; returns whether one ten times the memory it was allowed could be built."""
    table = Table(title=f"Memory, a window every {DENSE_HOP_S:g} s, one worker", title_justify="left")
    columns = ("recordings", "windows", "corpus MB", "peak MB", "above start MB", "bytes a window")
    for column in columns:
        table.add_column(column, justify="right")
    sizes = sorted({max(_FEWEST, most_recordings // part) for part in (8, 4, 2, 1)})
    first: Build | None = None
    for n_recordings in sizes:
        with console.status(f"building {n_recordings} recordings"):
            study = make_study(folder / f"grown-{n_recordings}", n_recordings, minutes=minutes)
            build = build_apart(study.path, hop_s=DENSE_HOP_S, workers=1)
        first = first or build
        growth = _MB * (build.peak_mb - first.peak_mb) / max(build.n_windows - first.n_windows, 1)
        table.add_row(
            str(n_recordings),
            f"{build.n_windows:,}".replace(",", " "),
            f"{build.corpus_mb:.0f}",
            f"{build.peak_mb:.0f}",
            f"{build.peak_mb - build.started_mb:.0f}",
            f"{growth:.0f}" if build is not first else "",
        )
    console.print(table)
    with console.status(f"building with {limit_mb:g} MB of memory"):
        try:
            build = build_apart(study.path, hop_s=DENSE_HOP_S, workers=1, limit_mb=limit_mb)
        except RuntimeError as error:
            console.print(f"With {limit_mb:g} MB of memory no corpus could be built: {error}", markup=False)
            return False
    times = build.corpus_mb / limit_mb
    console.print(
        f"With {limit_mb:g} MB of memory a corpus of {build.corpus_mb:.0f} MB was built, {times:.1f} times it."
    )
    return times >= TIMES_MEMORY


def main() -> int:
    """Run what was asked for, and print its tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recordings", type=int, default=1000, help="whose corpus is timed; 0 leaves that out")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of each recording")
    parser.add_argument("--grown", type=int, default=200, help="most recordings where memory is looked at; 0: not")
    parser.add_argument("--limit-mb", type=float, default=500.0, help="memory that the largest of them must do with")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder unless given")
    parser.add_argument("--child", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        _child(arguments.child)
        return 0
    console = Console()
    good = True
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.recordings:
            with console.status(f"making {arguments.recordings} recordings"):
                study = make_study(folder / "study", arguments.recordings, minutes=arguments.minutes, workers=2)
            good &= _speed(console, study.path, arguments.recordings, arguments.minutes)
        if arguments.grown:
            good &= _memory(console, folder, arguments.grown, arguments.minutes, arguments.limit_mb)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
