"""What is done to one recording by itself, in whichever process or on whichever computer.

What is wrong with a recording comes back as a value, so that every problem is found before any is told.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from acquire.study import Study
from curate.corpus.parts import Surveyed, is_whole, part_path, processing_digest, write_part
from curate.corpus.recording import CutSettings, cut_recording, survey_recording
from curate.errors import CorpusError
from protocols.errors import TrileadError

__all__ = ["CutTask", "SurveyTask", "cut", "refuse_problems", "survey", "told_without_place"]


@dataclass(frozen=True, kw_only=True)
class SurveyTask:
    """A recording to be looked over.

    Attributes:
        study: the study.
        path: the recording.
        layers: take only these annotators' layers; None takes all.
        settle_s: see ``curate.signals.clean.clean``.
    """

    study: Study
    path: Path
    layers: tuple[str, ...] | None
    settle_s: float


@dataclass(frozen=True, kw_only=True)
class CutTask:
    """A recording to be cut.

    Attributes:
        study: the study.
        surveyed: the recording.
        settings: how it is cut.
        folder: where its part goes.
        key: of the part.
        processing: digest of the program that made the key.
    """

    study: Study
    surveyed: Surveyed
    settings: CutSettings
    folder: Path
    key: str
    processing: str

    @property
    def part(self) -> Path:
        """Where its part lies."""
        return part_path(self.folder, self.surveyed.survey.recording, self.key)


def survey(task: SurveyTask) -> Surveyed | TrileadError:
    """Look a recording over."""
    if task.path.exists() and not task.path.is_file():
        return CorpusError("the recording is not a plain file; move it away.", path=task.path)
    try:
        found = survey_recording(task.study, task.path, task.layers, settle_s=task.settle_s)
    except TrileadError as error:
        return error
    with task.path.open("rb") as file:
        return Surveyed(survey=found, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def cut(task: CutTask) -> bool | TrileadError:
    """Cut a recording into its part, unless that is there and whole.

    Returns:
        Whether the part was there.

    Raises:
        OSError: the part cannot be written.
    """
    if task.processing != processing_digest():
        return CorpusError(
            "a worker runs another trilead than the one that builds; install the same everywhere.",
            path=task.study.path,
            reason="version",
        )
    if is_whole(task.part):
        return True
    try:
        # One thread a recording: more would compete with the other workers, and the number of threads among which a
        # matrix product is divided may show in its last bit.
        with threadpool_limits(1):
            made = cut_recording(task.study, task.surveyed.survey, task.settings)
    except TrileadError as error:
        return error
    if made.source["sha256"] != task.surveyed.sha256:
        return CorpusError(
            "the recording was changed while the corpus was built; build again.", path=task.surveyed.survey.path
        )
    write_part(task.part, made, task.key)
    return False


# problems


def refuse_problems(study: Study, problems: Mapping[str, TrileadError], n_recordings: int) -> None:
    """Refuse recordings that cannot be used, all in one message; nothing happens when there are none.

    Args:
        study: the study.
        problems: recording → what is wrong with it.
        n_recordings: how many there are.

    Raises:
        TrileadError: the problem itself, if there is but one.
        CorpusError: names all recordings and what is wrong with each.
    """
    if not problems:
        return
    # A setting that suits no recording would else be told once for each.
    groups: dict[str, list[str]] = {}
    for recording, error in problems.items():
        groups.setdefault(str(error), []).append(recording)
    if len(groups) == 1:
        raise next(iter(problems.values()))
    raise CorpusError(
        f"{len(problems)} of {n_recordings} recordings cannot be used; mend them, or leave them out with "
        "--skip-damaged:" + "".join(f"\n  {_named(names)}: {sentence}" for sentence, names in groups.items()),
        path=study.path,
        reason="recordings",
    )


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def told_without_place(error: TrileadError, study: Study) -> str:
    """The sentence of a problem, without where on this computer the study lies: that belongs in no corpus."""
    sentence = str(error)
    for folder in {study.path.resolve(), study.path.absolute(), study.path}:
        if folder != Path():
            sentence = sentence.replace(f"{folder}{os.sep}", "")
    return sentence
