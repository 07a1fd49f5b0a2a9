"""The whole way once, with simulated people: record, build a corpus, train DT4ECG, and say what it reached."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from acquire.recorder.launch import record_headless
from acquire.study import Study
from curate.corpus.build import build_corpus, card_path
from curate.corpus.read import open_corpus
from model.config import TrainConfig
from model.errors import ModelFolderError
from model.train import EpochDone, RunResult, train_run
from protocols.console import console

__all__ = ["DemoResult", "run_demo", "show_demo"]

DEFAULT_FOLDER: Final = "trilead-demo"
FAMILY: Final = "across-sessions"
RECORDERS_AT_ONCE: Final = 4
EPOCHS: Final = 8
"""Enough for simulated people, and few enough for somebody who only wants to see."""
SIMULATED: Final = (
    "These people are simulated: the figures say that the whole way works, not how it fares on real people."
)


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Attributes:
        study: the study.
        corpus: the corpus file.
        card: its page.
        run: the trained model.
        seconds: stage → wall time.
    """

    study: Study
    corpus: Path
    card: Path
    run: RunResult
    seconds: dict[str, float]


def run_demo(
    out: Path,
    *,
    n_subjects: int = 6,
    n_sessions: int = 2,
    protocol: str = "wearable-five",
    config: TrainConfig | None = None,
    device: str = "auto",
    on_recorded: Callable[[int, int], None] = lambda done, of: None,
    on_corpus: Callable[[str, int, int], None] = lambda what, done, of: None,
    on_epoch: Callable[[EpochDone], None] = lambda done: None,
) -> DemoResult:
    """Make a study of simulated people and take it all the way.

    Args:
        out: folder of the study; new or empty.
        n_subjects: simulated people, S01 and on.
        n_sessions: of each; between them the electrodes move.
        protocol: that each recording follows.
        config: of the training; by default the usual one with fewer epochs.
        device: to train on.
        on_recorded: told how many recordings are done, of how many.
        on_corpus: told how far the corpus is.
        on_epoch: told after each epoch.

    Raises:
        TrileadError: the folder is taken or cannot be written, or a stage fails; what was made so far stays.
    """
    seconds: dict[str, float] = {}
    with _timed("record", seconds):
        study = Study.create(out, mains_hz=50, board="sim:?speed=max", protocol=protocol)
        _record(study, n_subjects=n_subjects, n_sessions=n_sessions, on_recorded=on_recorded)
    with _timed("corpus", seconds):
        corpus = build_corpus(study, name="default", window_s=3.0, hop_s=1.0, splits=[FAMILY], on_progress=on_corpus)
    with _timed("train", seconds), open_corpus(corpus) as opened:
        run = train_run(
            opened,
            folder=study.models_dir / "dt4ecg",
            family=FAMILY,
            configs=[config or TrainConfig(epochs=EPOCHS)],
            device=device,
            notes=[SIMULATED],
            on_epoch=on_epoch,
        )
    return DemoResult(study=study, corpus=corpus, card=card_path(corpus), run=run, seconds=seconds)


def show_demo(out: Path | None) -> None:
    """Run the demo on a terminal.

    Args:
        out: folder of the study, or None for `trilead-demo` or the next free name beside it.

    Raises:
        TrileadError: see `run_demo`.
    """
    from model.show import TrainingBars, progress_bars

    folder = _folder(out)
    console.print(
        Text.assemble(
            "Simulated people are recorded, their recordings become a corpus, and DT4ECG learns from one session what "
            "it is asked about in the other. Everything goes to ",
            (str(folder), "bold"),
            ".",
        )
    )
    with progress_bars(console) as progress:
        recording = progress.add_task("Recording", total=None, told="each by a recorder process of its own")
        building = progress.add_task("Building the corpus", total=None, visible=False, told="")
        result = run_demo(
            folder,
            on_recorded=lambda done, of: progress.update(recording, completed=done, total=of),
            on_corpus=lambda what, done, of: progress.update(
                building, completed=done, total=of, visible=True, told=what
            ),
            on_epoch=TrainingBars(progress),
        )
    _tell(result)


def _record(study: Study, *, n_subjects: int, n_sessions: int, on_recorded: Callable[[int, int], None]) -> None:
    """Record everybody, a few recorder processes at a time; Ctrl-C stops all of them cleanly."""
    plan = [
        (f"S{number:02d}", f"{session:02d}")
        for number in range(1, n_subjects + 1)
        for session in range(1, n_sessions + 1)
    ]
    for subject in dict.fromkeys(subject for subject, _ in plan):
        study.add_subject(subject, note="simulated")
    stop = threading.Event()
    on_recorded(0, len(plan))
    with ThreadPoolExecutor(min(RECORDERS_AT_ONCE, os.cpu_count() or 1)) as pool:
        waiting = [
            pool.submit(record_headless, study, subject=subject, session=session, operator="demo", stop=stop)
            for subject, session in plan
        ]
        try:
            for done, recorded in enumerate(as_completed(waiting), start=1):
                recorded.result()
                on_recorded(done, len(plan))
        except BaseException:
            stop.set()
            for recorded in waiting:
                recorded.cancel()
            raise


def _folder(out: Path | None) -> Path:
    if out is None:
        number, folder = 1, Path(DEFAULT_FOLDER)
        while folder.exists():
            number += 1
            folder = Path(f"{DEFAULT_FOLDER}-{number}")
        return folder
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelFolderError("it exists and is not an empty folder; name another with --out.", path=out)
    return out


def _tell(result: DemoResult) -> None:
    summary = result.run.summary
    figures: dict[str, Any] = summary["networks"]["dt4ecg"]
    told = result.run.results
    n_people = len(told[0].config.subjects)
    table = Table(box=None, pad_edge=False)
    for column in ("Across sessions", "Fold 1", "Fold 2", "Mean", "95 % interval", "Chance"):
        table.add_column(column, justify="left" if column == "Across sessions" else "right")
    for task, title in (("identity", f"who of {n_people}"), ("activity", f"what of {len(told[0].config.activities)}")):
        figure = figures[task]
        chances = [fold.figures.tasks[task] for fold in told]
        chance = sum(one.chance for one in chances if one is not None) / len(chances)
        interval = figure["interval"]
        table.add_row(
            title,
            *(_percent(share) for share in figure["folds"].values()),
            Text(_percent(figure["accuracy"]), style="bold"),
            "–" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}",
            _percent(chance),
        )
    console.print()
    console.print(table)
    console.print(f"Trained on one session, tested on the other, single 3-s windows. {SIMULATED}")
    console.print()
    console.print(Text.assemble("Report ", (str(result.run.report), "bold")))
    console.print(Text.assemble("Card   ", (str(result.card), "bold")))
    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in result.seconds.items())
    console.print(f"Time   {stages}; {sum(result.seconds.values()):.0f} s in all")


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - began


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
