"""Build a corpus: from a study's recordings and labels to one file that training reads.

Recordings are looked over first (who, which activity where), sides of the splits are given to stretches of raw samples,
and only then is each recording cut into a part of its own, by whoever has a hand free. When all parts are there the
file is written under a temporary name, read back and checked, and takes its own name only if no two sides of any split
share a sample. A build that was interrupted finds its parts again, and one that replaces a corpus takes over the
windows of recordings that did not change; the file is the same as if all had been cut anew.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acquire.files import remove_leftover, temporary_beside
from acquire.study import Study
from curate.corpus.file import card_path, publish_corpus, read_back, write_corpus
from curate.corpus.gather import Progress, cut_all, most_bytes, survey_all
from curate.corpus.lock import hold_corpus, remove_parts
from curate.corpus.recording import CutSettings, Survey
from curate.corpus.reuse import open_old
from curate.corpus.run import ClusterRunner, LocalRunner
from curate.corpus.settings import (
    check_layers,
    check_numbers,
    check_splits_once,
    choose_factors,
    choose_keep,
    choose_leads,
    choose_recordings,
    choose_room,
    choose_scale,
    corpus_path,
)
from curate.corpus.sides import plan_splits
from curate.corpus.tasks import refuse_problems, told_without_place
from curate.errors import CorpusError
from curate.signals.clean import SETTLE_S
from curate.splits.cut import listed
from curate.splits.leakage import check_subjects
from curate.splits.make import SplitSettings
from curate.splits.plan import natural
from protocols.errors import TrileadError

__all__ = ["build_corpus", "card_path", "corpus_path"]

_SCALED_UNIT = "98th percentile of the recording"
_BLOCK_WINDOWS_OF_BEATS = 4
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What ``build_corpus`` was asked for, its numbers checked."""

    name: str
    window_s: float
    hop_s: float
    n_beats: int
    hop_beats: int
    rate_hz: float
    leads: Sequence[str] | None
    band_hz: tuple[float, float]
    scale: str
    splits: Sequence[str] | None
    layers: Sequence[str] | None
    activities: Sequence[str] | None
    max_artefact: int
    min_quality: str
    seed: int
    overwrite: bool
    skip_damaged: bool


def build_corpus(
    study: Study,
    *,
    name: str = "default",
    window_s: float | None = None,
    hop_s: float = 1.0,
    n_beats: int = 0,
    hop_beats: int | None = None,
    rate_hz: float = 250.0,
    leads: Sequence[str] | None = None,
    band_hz: tuple[float, float] = (0.5, 40.0),
    scale: str = "auto",
    splits: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    without: Sequence[str] = (),
    recordings: Sequence[str] | None = None,
    without_recordings: Sequence[str] = (),
    activities: Sequence[str] | None = None,
    max_artefact: int = 4,
    min_quality: str = "unusable",
    seed: int = 0,
    overwrite: bool = False,
    skip_damaged: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> Path:
    """Build a corpus of a study's recordings, and its card beside it.

    Args:
        study: the study.
        name: the corpus's name.
        window_s: length of a window; None takes 3 s, or what ``n_beats`` beats need.
        hop_s: distance between the starts of neighbouring windows that are cut by length.
        n_beats: beats in a window; 0 cuts by length.
        hop_beats: from one window's first beat to the next one's; None takes ``n_beats``.
        rate_hz: samples per second of the windows.
        leads: which leads, in which order; None takes those that every recording measured.
        band_hz: corners of the cleaning.
        scale: ``none`` keeps mV; ``recording-p98`` divides a recording's values by the 98th percentile of their
            distance from the median, over the whole recording; ``auto`` takes the latter where a recording is not in
            mV.
        splits: which kinds of split; None makes all that the data allow.
        layers: take only these annotators' layers; None takes all.
        subjects: take only these subjects' recordings; None takes all.
        without: leave these subjects' recordings out.
        recordings: take only recordings of these names, or patterns like ``sub-S01*``; None takes all.
        without_recordings: leave recordings of these names or patterns out.
        activities: take only windows of these activities; None takes all.
        max_artefact: take only windows whose artefact degree, as people graded it, is at most this.
        min_quality: mask leads of a lower grade than this; see ``curate.corpus.windows.Keep``.
        seed: of every random choice.
        overwrite: replace a corpus of this name, at once and only when the new one is whole.
        skip_damaged: leave recordings out that cannot be used, and say in the corpus why, rather than refuse.
        workers: processes; None decides by the amount of work. The file is the same whatever the number.
        scheduler: address of a dask.distributed cluster that works on recordings instead.
        on_progress: told how far it is.

    Returns:
        The corpus file.

    Raises:
        CorpusError: the settings contradict one another or the recordings, the corpus exists already or is being
            built, several recordings cannot be used, or the cluster cannot be.
        TrileadError: one recording cannot be used; see ``skip_damaged``.
        SplitError: a split that was asked for cannot be made.
        LeakError: one subject only, one recording under two names, or two sides of a split share a sample.
    """
    path = corpus_path(study, name)
    if path.exists() and not overwrite:
        raise CorpusError(
            "the corpus exists already; give another name, or --overwrite to replace it.", path=path, reason="exists"
        )
    if hop_beats is not None and not n_beats:
        raise CorpusError("--hop-beats goes with --beats; give both, or leave it out.", path=path, reason="setting")
    check_splits_once(path, splits)
    hop_beats = max(n_beats, 1) if hop_beats is None else hop_beats
    wanted = _Wanted(
        name=name,
        window_s=choose_room(path, window_s, n_beats, rate_hz),
        hop_s=float(hop_s),
        n_beats=n_beats,
        hop_beats=hop_beats,
        rate_hz=float(rate_hz),
        leads=leads,
        band_hz=(float(band_hz[0]), float(band_hz[1])),
        scale=scale,
        splits=splits,
        layers=layers,
        activities=activities,
        max_artefact=max_artefact,
        min_quality=min_quality,
        seed=seed,
        overwrite=overwrite,
        skip_damaged=skip_damaged,
    )
    check_numbers(
        path,
        window_s=wanted.window_s,
        hop_s=hop_s,
        rate_hz=rate_hz,
        band_hz=band_hz,
        workers=workers,
        seed=seed,
        hop_beats=hop_beats,
    )
    if scheduler is not None and workers is not None:
        raise CorpusError("give --workers or --scheduler, not both.", path=path, reason="setting")
    paths = study.recordings()
    if not paths:
        raise CorpusError("there are no recordings; record or import some first.", path=study.path, reason="empty")
    paths = choose_recordings(
        study, paths, subjects=subjects, without=without, only=recordings, without_recordings=without_recordings
    )
    tell = on_progress or (lambda what, done, total: None)
    try:
        if scheduler is None:
            with hold_corpus(path), LocalRunner(workers, study.path) as runner:
                _build(runner, study, paths, path, wanted, tell)
        else:
            # Workers know nothing of the folder that this process stands in.
            study, path = replace(study, path=study.path.resolve()), path.resolve()
            paths = [recording.resolve() for recording in paths]
            with hold_corpus(path) as folder, ClusterRunner(scheduler, folder) as cluster:
                _build(cluster, study, paths, path, wanted, tell)
    except OSError as error:
        raise CorpusError(
            f"the corpus cannot be written: {(error.strerror or str(error))[:160]}; look at the disk and its "
            "permissions.",
            path=path,
            reason="disk",
        ) from error
    return path


def _build(
    runner: LocalRunner | ClusterRunner,
    study: Study,
    recordings: Sequence[Path],
    path: Path,
    wanted: _Wanted,
    tell: Progress,
) -> None:
    """Build a corpus whose name is held."""
    surveyed, left_out = survey_all(runner, study, recordings, wanted.layers, settle_s=SETTLE_S, tell=tell)
    _refuse(study, left_out, len(recordings), wanted)
    check_layers(study, recordings, wanted.layers)
    surveys = {name: one.survey for name, one in surveyed.items()}
    _check_subjects(study, surveys)
    settings = _settings(study, list(surveys.values()), wanted)
    split_settings = SplitSettings(
        window_s=wanted.window_s,
        hop_s=wanted.hop_s,
        guard_s=max(wanted.window_s, settings.settle_s),
        seed=wanted.seed,
        block_windows=_BLOCK_WINDOWS_OF_BEATS if wanted.n_beats else 1,
    )
    # A split that was asked for in vain is told before hours of cutting.
    plan_splits(list(surveys.values()), settings, split_settings, wanted.splits)
    temporary = temporary_beside(path)
    try:
        with open_old(path) as old:
            gathered = cut_all(runner, study, surveyed, settings, path, old, tell=tell)
            _refuse(study, gathered.problems, len(recordings), wanted)
            left_out |= gathered.problems
            surveys = {name: surveys[name] for name in gathered.pieces}
            _check_subjects(study, surveys)
            crc32 = write_corpus(
                temporary,
                gathered.pieces,
                surveys,
                settings,
                plan_splits(list(surveys.values()), settings, split_settings, wanted.splits),
                attributes=_attributes(study, list(surveys.values()), settings, wanted),
                excluded_recordings={
                    name: told_without_place(error, study) for name, error in sorted(left_out.items())
                },
                explicit=wanted.splits is not None,
                tell=tell,
            )
        tell("check", 0, 1)
        read_back(temporary, crc32)
        publish_corpus(temporary, path, overwrite=wanted.overwrite)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        needed = most_bytes([one.survey for one in surveyed.values()], set(surveyed), settings)
        raise CorpusError(
            f"the disk is full: the corpus and what it is made of take up to {needed / 1e6:.0f} MB; make room and "
            "build again, which goes on from what is there.",
            path=path,
            reason="disk",
        ) from error
    finally:
        remove_leftover(temporary)
    remove_parts(path)
    tell("check", 1, 1)


def _refuse(study: Study, problems: Mapping[str, TrileadError], n_recordings: int, wanted: _Wanted) -> None:
    """Refuse what cannot be used, unless it is to be left out and something remains."""
    if not wanted.skip_damaged or len(problems) == n_recordings:
        refuse_problems(study, problems, n_recordings)


def _check_subjects(study: Study, surveys: Mapping[str, Survey]) -> None:
    everybody = {one.subject for one in surveys.values()}
    labelled = {one.subject for one in surveys.values() if one.ranges}
    if len(labelled) == 1 and len(everybody) > 1:
        lacking = sorted(everybody - labelled, key=natural)
        named = any(one.activities for one in surveys.values() if one.subject in lacking)
        raise CorpusError(
            f"of {len(everybody)} subjects {listed(lacking)} {'has' if len(lacking) == 1 else 'have'} no labelled "
            f"stretch ({'none is long enough and usable' if named else 'no activity label'}), and identity needs at "
            "least two with one; import with --activity, or label it.",
            path=study.path,
            reason="labels",
        )
    check_subjects(sorted(labelled or everybody))


def _settings(study: Study, surveys: Sequence[Survey], wanted: _Wanted) -> CutSettings:
    return CutSettings(
        leads=choose_leads(study, surveys, wanted.leads),
        rate_hz=wanted.rate_hz,
        n_samples=round(wanted.window_s * wanted.rate_hz),
        n_hop=round(wanted.hop_s * wanted.rate_hz),
        band_hz=wanted.band_hz,
        settle_s=SETTLE_S,
        scale=choose_scale(study, surveys, wanted.scale),
        layers=None if wanted.layers is None else tuple(wanted.layers),
        keep=choose_keep(
            study,
            surveys,
            activities=wanted.activities,
            max_artefact=wanted.max_artefact,
            min_quality=wanted.min_quality,
        ),
        n_beats=wanted.n_beats,
        hop_beats=wanted.hop_beats,
    )


def _attributes(study: Study, surveys: Sequence[Survey], settings: CutSettings, wanted: _Wanted) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "rate_hz": settings.rate_hz,
        "window_s": wanted.window_s,
        "hop_s": wanted.hop_s,
        "n_beats": settings.n_beats,
        "hop_beats": settings.hop_beats,
        "min_quality": wanted.min_quality,
        "max_artefact": settings.keep.max_artefact,
        "activities": "" if settings.keep.activities is None else list(settings.keep.activities),
        "unit": "mV" if settings.scale == "none" else _SCALED_UNIT,
        "scale": settings.scale,
        "factors": choose_factors(study, surveys),
        "seed": wanted.seed,
    }
