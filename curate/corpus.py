"""Build a corpus: from a study's recordings and labels to one file that training reads.

Recordings are looked over first (who, which activity where), sides of the splits are given to stretches of raw samples,
and only then are windows cut. The file is written under a temporary name, read back and checked, and takes its own name
only if no two sides of any split share a sample.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.files import fsync_folder, publish, remove_leftover, temporary_beside
from acquire.study import Study
from curate.clean import SETTLE_S
from curate.corpus_read import open_corpus
from curate.corpus_recording import CutRecording, CutSettings, Survey, cut_recording, survey_recording
from curate.corpus_settings import check_numbers, choose_factors, choose_leads, choose_scale, corpus_path
from curate.corpus_write import CorpusWriter
from curate.errors import CorpusError, SplitError
from curate.leakage import check_shared_contents, check_split, check_splits, check_subjects
from curate.splits import SIDES, SPLIT_KINDS, SplitPlan, SplitSettings, assign_sides, make_split, split_hash

__all__ = ["build_corpus", "card_path", "corpus_path"]

Progress = Callable[[str, int, int], None]
"""Told what is being done (``survey``, ``cut``, ``check``), how far it is, and of how many."""

# Starting a process costs as long as curating about this many lead samples.
_SAMPLES_WORTH_A_PROCESS = 11_000_000
_SCALED_UNIT = "98th percentile of the recording"


def card_path(corpus: Path) -> Path:
    """Where a corpus's card lies."""
    return corpus.with_suffix(".html")


def build_corpus(
    study: Study,
    *,
    name: str = "default",
    window_s: float = 3.0,
    hop_s: float = 1.0,
    rate_hz: float = 250.0,
    leads: Sequence[str] | None = None,
    band_hz: tuple[float, float] = (0.5, 40.0),
    scale: str = "auto",
    splits: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    overwrite: bool = False,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> Path:
    """Build a corpus of all recordings of a study, and its card beside it.

    Args:
        study: the study.
        name: the corpus's name.
        window_s: length of a window.
        hop_s: distance between the starts of neighbouring windows.
        rate_hz: samples per second of the windows.
        leads: which leads, in which order; None takes those that every recording measured.
        band_hz: corners of the cleaning.
        scale: ``none`` keeps mV; ``recording-p98`` divides a recording's values by the 98th percentile of their
            distance from the median, over the whole recording; ``auto`` takes the latter where a recording is not in
            mV.
        splits: which kinds of split; None makes all that the data allow.
        layers: take only these annotators' layers; None takes all.
        seed: of every random choice.
        overwrite: replace a corpus of this name, at once and only when the new one is whole.
        workers: processes; None decides by the amount of work. The file is the same whatever the number.
        on_progress: told how far it is.

    Returns:
        The corpus file.

    Raises:
        CorpusError: the settings contradict one another or the recordings, or the corpus exists already.
        SplitError: a split that was asked for cannot be made.
        LeakError: one subject only, one recording under two names, or two sides of a split share a sample.
    """
    path = corpus_path(study, name)
    if path.exists() and not overwrite:
        raise CorpusError(
            "the corpus exists already; give another name, or --overwrite to replace it.", path=path, reason="exists"
        )
    check_numbers(path, window_s=window_s, hop_s=hop_s, rate_hz=rate_hz, band_hz=band_hz, workers=workers, seed=seed)
    tell = on_progress or (lambda what, done, total: None)
    recordings = study.recordings()
    if not recordings:
        raise CorpusError("there are no recordings; record or import some first.", path=study.path, reason="empty")
    surveys = []
    for done, recording in enumerate(recordings):
        tell("survey", done, len(recordings))
        surveys.append(survey_recording(study, recording, layers, settle_s=SETTLE_S))
    check_subjects([survey.subject for survey in surveys if survey.ranges] or [survey.subject for survey in surveys])
    settings = CutSettings(
        leads=choose_leads(study, surveys, leads),
        rate_hz=float(rate_hz),
        n_samples=round(window_s * rate_hz),
        n_hop=round(hop_s * rate_hz),
        band_hz=(float(band_hz[0]), float(band_hz[1])),
        settle_s=SETTLE_S,
        scale=choose_scale(study, surveys, scale),
        layers=None if layers is None else tuple(layers),
    )
    split_settings = SplitSettings(
        window_s=float(window_s),
        hop_s=float(hop_s),
        guard_s=max(float(window_s), settings.settle_s),
        seed=seed,
    )
    plans, left_out = _plan_splits(surveys, settings, split_settings, splits)
    attributes = {
        "name": name,
        "rate_hz": settings.rate_hz,
        "window_s": float(window_s),
        "hop_s": float(hop_s),
        "unit": "mV" if settings.scale == "none" else _SCALED_UNIT,
        "scale": settings.scale,
        "factors": choose_factors(study, surveys),
        "seed": seed,
    }
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_space(path, surveys, settings)
        writer = CorpusWriter(temporary, leads=settings.leads, n_samples=settings.n_samples, attributes=attributes)
        with writer:
            parts = _cut_all(study, surveys, settings, workers)
            _fill(writer, study, surveys, settings, parts, plans, left_out, explicit=splits is not None, tell=tell)
        tell("check", 0, 1)
        _read_back(temporary, writer.crc32)
        _publish(temporary, path, overwrite=overwrite)
    except OSError as error:
        # HDF5 puts a page of its own state behind the first bracket.
        reason = (error.strerror or str(error)).partition(" (")[0].splitlines()[0][:160]
        raise CorpusError(
            f"the corpus cannot be written: {reason}; look at the disk and its permissions.", path=path, reason="disk"
        ) from error
    finally:
        remove_leftover(temporary)
    tell("check", 1, 1)
    return path


def _check_space(path: Path, surveys: Sequence[Survey], settings: CutSettings) -> None:
    """Refuse to begin what the disk cannot hold: HDF5 may take the whole process down when a disk fills up under it.

    Raises:
        CorpusError: too little is free for all windows that could be cut.
    """
    window_bytes = 4 * len(settings.leads) * settings.n_samples
    n_windows = sum(survey.window_grid(settings).n_windows for survey in surveys)
    needed, free = n_windows * (window_bytes + 100), shutil.disk_usage(path.parent).free
    if needed > free:
        raise CorpusError(
            f"the corpus needs up to {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free; make room, or take "
            "a longer hop.",
            path=path,
            reason="disk",
        )


def _plan_splits(
    surveys: Sequence[Survey], settings: CutSettings, split_settings: SplitSettings, kinds: Sequence[str] | None
) -> tuple[list[SplitPlan], dict[str, str]]:
    """Make the splits that were asked for, or all that can be made, and say why others cannot."""
    ranges = [part for survey in surveys for part in survey.activity_ranges(settings)]
    plans: list[SplitPlan] = []
    left_out: dict[str, str] = {}
    for kind in SPLIT_KINDS if kinds is None else dict.fromkeys(kinds):
        try:
            plans += make_split(kind, ranges, split_settings)
        except SplitError as error:
            if kinds is not None:
                raise
            left_out[kind] = str(error)
    return plans, left_out


def _cut_all(
    study: Study, surveys: Sequence[Survey], settings: CutSettings, workers: int | None
) -> Iterator[CutRecording]:
    """Cut recordings in their order, in this process or in several, with at most two waiting for each process."""
    n_leads = len(settings.leads)
    if workers is None:
        worth = sum(survey.n_samples for survey in surveys) * n_leads // _SAMPLES_WORTH_A_PROCESS
        workers = min(os.cpu_count() or 1, worth)
    workers = min(workers, len(surveys))
    if workers < 2:
        yield from (cut_recording(study, survey, settings) for survey in surveys)
        return
    # Not forked: the caller may hold threads and open files.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[CutRecording]] = deque()
        try:
            for survey in surveys:
                waiting.append(pool.submit(cut_recording, study, survey, settings))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise CorpusError(
                "a worker process was ended from outside, probably for want of memory; build again with --workers 1.",
                path=study.path,
                reason="worker",
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _fill(
    writer: CorpusWriter,
    study: Study,
    surveys: Sequence[Survey],
    settings: CutSettings,
    parts: Iterator[CutRecording],
    plans: Sequence[SplitPlan],
    left_out: dict[str, str],
    *,
    explicit: bool,
    tell: Progress,
) -> None:
    """Write all recordings' windows, then what could only be known at the end."""
    factors = choose_factors(study, surveys)
    sources: list[dict[str, Any]] = []
    excluded: dict[str, int] = {}
    prints: dict[str, NDArray[np.uint64]] = {}
    for done, (survey, part) in enumerate(zip(surveys, parts, strict=True)):
        tell("cut", done, len(surveys))
        constant = {"subject": survey.subject, "session": survey.session, "recording": survey.recording}
        writer.append(part, constant | {factor: survey.factors.get(factor, "") for factor in factors})
        for reason, n in part.excluded.items():
            excluded[reason] = excluded.get(reason, 0) + n
        sources.append(part.source)
        prints[survey.recording] = part.prints
    check_shared_contents({source["recording"]: source["signal_sha256"] for source in sources}, prints)
    table = writer.table()
    if not table:
        most = max(excluded, key=lambda reason: excluded[reason])
        raise CorpusError(
            f"no window could be kept; {excluded[most]} were refused because of: {most}; look at the labels and "
            f"recordings.",
            path=study.path,
            reason="empty",
        )
    check_subjects(list(np.unique(table["subject"].astype(str))))
    splits = _make_sides(table, sources, plans, left_out, explicit=explicit)
    writer.finish(
        table,
        splits,
        {
            "cleaning": _cleaning(sources, settings),
            "excluded": excluded,
            "sources": {"recordings": sources},
            "splits_left_out": left_out,
        },
    )


def _make_sides(
    table: Mapping[str, NDArray[Any]],
    sources: Sequence[dict[str, Any]],
    plans: Sequence[SplitPlan],
    left_out: dict[str, str],
    *,
    explicit: bool,
) -> dict[str, tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Give every window its side in every split, and check each split before it is believed."""
    import pandas as pd

    recording = table["recording"].astype(str)
    ids = {source["recording"]: source["recording_id"] for source in sources}
    recording_ids = [ids[name] for name in recording]
    frame = pd.DataFrame(
        {name: table[name] for name in ("subject", "session", "recording", "activity", "start", "stop")}
    )
    splits: dict[str, tuple[NDArray[np.uint8], dict[str, Any]]] = {}
    for plan in plans:
        sides = assign_sides(plan, recording, table["start"], table["stop"])
        info: dict[str, Any] = {
            "kind": plan.kind,
            "fold": plan.fold,
            "n_folds": plan.n_folds,
            "words": plan.words,
            "seed": plan.parameters["seed"],
            "parameters": plan.parameters,
            "counts": {side: int(np.count_nonzero(sides == code)) for code, side in enumerate(SIDES)},
            "hash": split_hash(recording_ids, table["start"], table["stop"], sides),
        }
        try:
            check_split(plan.name, frame, sides, info)
        except SplitError as error:
            if explicit:
                raise
            left_out.setdefault(plan.kind, str(error))
            continue
        splits[plan.name] = (sides, info)
    # A family with a fold missing would report the mean of something else.
    splits = {name: split for name, split in splits.items() if split[1]["kind"] not in left_out}
    if not splits:
        raise SplitError("No split can be made of these recordings. " + " ".join(left_out.values()))
    return splits


def _cleaning(sources: Sequence[dict[str, Any]], settings: CutSettings) -> dict[str, Any]:
    """Every parameter of the processing; one that differs by recording stands as its range, and in each source."""
    steps: dict[str, dict[str, list[Any]]] = {}
    for source in sources:
        for step in source["steps"]:
            known = steps.setdefault(str(step["name"]), {})
            for key, value in step.items():
                values = known.setdefault(key, [])
                if value not in values:
                    values.append(value)
    flat = {
        name: {key: values[0] if len(values) == 1 else _range(values) for key, values in step.items() if key != "name"}
        for name, step in steps.items()
    }
    return {"scale": settings.scale, **flat}


def _range(values: Sequence[Any]) -> Any:
    if all(isinstance(value, int | float) for value in values):
        return {"from": min(values), "to": max(values)}
    return {"one of": list(values)}


def _read_back(path: Path, crc32: int) -> None:
    """Read what stands on disk, check every split from it, and compare every window with what was meant.

    Raises:
        CorpusError: the disk gave back something else.
    """
    crc = 0
    with open_corpus(path) as corpus:
        check_splits(corpus)
        step = max(1, 32 * 1024 * 1024 // (4 * len(corpus.leads) * corpus.n_samples))
        for first in range(0, corpus.n_windows, step):
            crc = zlib.crc32(corpus.read(slice(first, first + step)).data, crc)
    if crc != crc32:
        raise CorpusError("what was read back is not what was written; look at the disk.", path=path, reason="damaged")


def _publish(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Write the card, then give both files their names."""
    from curate.card import write_card

    card = temporary_beside(card_path(path))
    try:
        write_card(temporary, card)
        if overwrite:
            temporary.replace(path)
        else:
            try:
                publish(temporary, path)
            except FileExistsError:
                raise CorpusError(
                    "another build made this corpus meanwhile; give another name, or --overwrite to replace it.",
                    path=path,
                    reason="exists",
                ) from None
        # The card belongs to the corpus that now has the name, so it replaces any that lies there.
        card.replace(card_path(path))
        fsync_folder(path.parent)
    finally:
        remove_leftover(card)
