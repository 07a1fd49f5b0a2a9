"""All recordings of a corpus: looked over, then cut where neither a part nor the old corpus has their windows yet."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acquire.study import Study
from curate.corpus.lock import parts_folder, sweep
from curate.corpus.parts import Surveyed, part_key, part_path, processing_digest, read_part
from curate.corpus.piece import Piece
from curate.corpus.recording import CutSettings, Survey
from curate.corpus.reuse import OldCorpus
from curate.corpus.run import Runner
from curate.corpus.tasks import CutTask, SurveyTask, cut, survey
from curate.errors import CorpusError
from protocols.errors import TrileadError

__all__ = ["Gathered", "Progress", "cut_all", "most_bytes", "survey_all"]

Progress = Callable[[str, int, int], None]
"""Told what is being done (``survey``, ``cut``, ``write``, ``check``), how far it is, and of how many; and once,
``reuse``, how many recordings of how many need not be cut."""

# Starting a process costs as long as curating about this many lead samples, or looking over so many recordings.
_SAMPLES_WORTH_A_PROCESS = 11_000_000
_SURVEYS_WORTH_A_PROCESS = 100
_FASTEST_BEAT_S = 0.25
_TABLE_BYTES = 100


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What became of the recordings.

    Attributes:
        pieces: recording → its windows, in the order of the recordings.
        problems: recording → why it cannot be used.
    """

    pieces: dict[str, Piece]
    problems: dict[str, TrileadError]


def survey_all(
    runner: Runner,
    study: Study,
    recordings: Sequence[Path],
    layers: Sequence[str] | None,
    *,
    settle_s: float,
    tell: Progress,
) -> tuple[dict[str, Surveyed], dict[str, TrileadError]]:
    """Look over all recordings, whatever is wrong with some of them.

    Returns:
        Recording → what is known of it, and recording → what is wrong with it; both in the order of the recordings.
    """
    only = None if layers is None else tuple(layers)
    tasks = [SurveyTask(study=study, path=path, layers=only, settle_s=settle_s) for path in recordings]
    tell("survey", 0, len(tasks))
    found: dict[str, Surveyed | TrileadError] = {}
    worth = len(tasks) // _SURVEYS_WORTH_A_PROCESS
    for done, (place, result) in enumerate(runner.run(survey, tasks, worth=worth, light=True), start=1):
        found[recordings[place].stem] = result
        tell("survey", done, len(tasks))
    ordered = [(path.stem, found[path.stem]) for path in recordings]
    return (
        {name: result for name, result in ordered if isinstance(result, Surveyed)},
        {name: result for name, result in ordered if isinstance(result, TrileadError)},
    )


def cut_all(
    runner: Runner,
    study: Study,
    surveyed: Mapping[str, Surveyed],
    settings: CutSettings,
    corpus: Path,
    old: OldCorpus,
    *,
    tell: Progress,
) -> Gathered:
    """Have all recordings cut that need it, whatever is wrong with some of them.

    Args:
        runner: who works on them.
        study: the study.
        surveyed: the recordings.
        settings: how they are cut.
        corpus: what is being built; it is held.
        old: the corpus that is to be replaced.
        tell: told how far it is.

    Raises:
        CorpusError: the disk has not room enough.
        OSError: a part cannot be written.
    """
    folder = parts_folder(corpus)
    keys = {name: part_key(one, settings) for name, one in surveyed.items()}
    paths = {name: part_path(folder, name, key) for name, key in keys.items()}
    kept = {name for name, key in keys.items() if key in old.keys}
    sweep(corpus, {path.name for name, path in paths.items() if name not in kept})
    # Asking for one name after the other would make network file systems remember for a while which are missing.
    there = {file.name for file in folder.iterdir()}
    absent = [name for name in surveyed if name not in kept and paths[name].name not in there]
    _check_space(corpus, [one.survey for one in surveyed.values()], {*absent}, settings)

    tasks = [
        CutTask(
            study=study,
            surveyed=one,
            settings=settings,
            folder=folder,
            key=keys[name],
            processing=processing_digest(),
        )
        for name, one in surveyed.items()
        if name not in kept
    ]
    tell("reuse", len(surveyed) - len(absent), len(surveyed))
    tell("cut", 0, len(tasks))
    n_samples = sum(surveyed[name].survey.n_samples for name in absent)
    worth = n_samples * len(settings.leads) // _SAMPLES_WORTH_A_PROCESS
    problems: dict[str, TrileadError] = {}
    for done, (place, result) in enumerate(runner.run(cut, tasks, worth=worth), start=1):
        if isinstance(result, TrileadError):
            problems[tasks[place].surveyed.survey.recording] = result
        tell("cut", done, len(tasks))
    return Gathered(
        pieces={
            name: old.piece(key) if name in kept else read_part(paths[name], key)
            for name, key in keys.items()
            if name not in problems
        },
        problems={name: problems[name] for name in surveyed if name in problems},
    )


def _check_space(corpus: Path, surveys: Sequence[Survey], absent: set[str], settings: CutSettings) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        CorpusError: too little is free for all windows that could be cut, in parts and in the corpus.
    """
    needed = most_bytes(surveys, absent, settings)
    free = shutil.disk_usage(corpus.parent).free
    if needed > free:
        raise CorpusError(
            f"the corpus and what it is made of need up to {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free; "
            "make room, or take a longer hop.",
            path=corpus,
            reason="disk",
        )


def most_bytes(surveys: Sequence[Survey], absent: set[str], settings: CutSettings) -> int:
    """The most that all windows that could be cut take, in the corpus and in the parts of recordings without one."""
    window_bytes = 4 * len(settings.leads) * settings.n_samples + _TABLE_BYTES
    most = {survey.recording: _most_windows(survey, settings) for survey in surveys}
    return window_bytes * (sum(most.values()) + sum(most[name] for name in absent))


def _most_windows(survey: Survey, settings: CutSettings) -> int:
    if settings.n_beats:
        return int(survey.n_samples / survey.rate_hz / _FASTEST_BEAT_S / settings.hop_beats) + 1
    return survey.window_grid(settings).n_windows
