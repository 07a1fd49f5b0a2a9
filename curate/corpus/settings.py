"""What a corpus is built with: every setting checked, and what was left open chosen from the recordings."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from acquire.names import stem_parts
from acquire.study import Study
from curate.corpus.read import FIXED_COLUMNS
from curate.corpus.recording import SCALES, Survey
from curate.corpus.windows import Keep
from curate.errors import CorpusError
from curate.quality.assess import Grade

__all__ = [
    "check_numbers",
    "choose_factors",
    "choose_keep",
    "choose_leads",
    "choose_recordings",
    "choose_room",
    "choose_scale",
    "corpus_path",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAMED_SUBJECTS = 12
_WORST_ARTEFACT = 4
_ROOM_PER_BEAT_S = 1.5
_STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")


def corpus_path(study: Study, name: str) -> Path:
    """Where a corpus of this name lies.

    Raises:
        CorpusError: the name cannot be a file's.
    """
    if not _NAME.fullmatch(name):
        raise CorpusError(
            f"the corpus name is {name[:80]!r}; use 1 to 64 letters, digits, - or _, beginning with a letter or digit.",
            path=study.corpora_dir,
            reason="name",
        )
    return study.corpora_dir / f"{name}.h5"


def check_numbers(
    path: Path,
    *,
    window_s: float,
    hop_s: float,
    rate_hz: float,
    band_hz: tuple[float, float],
    workers: int | None,
    seed: int = 0,
    n_beats: int = 0,
    hop_beats: int = 1,
) -> None:
    """Refuse numbers that no corpus can be built with.

    Raises:
        CorpusError: names the setting, its value and its limits.
    """
    limits = (
        ("rate_hz", rate_hz, 50.0, 2000.0),
        ("window_s", window_s, 0.5, 60.0),
        ("hop_s", hop_s, 0.05, 600.0),
        ("the lower corner of the band in Hz", band_hz[0], 0.01, 1000.0),
        ("the upper corner of the band in Hz", band_hz[1], 0.01, 1000.0),
        ("workers", 1 if workers is None else workers, 1, 1024),
        ("beats in a window", n_beats, 0, 100),
        ("beats from window to window", hop_beats, 1, 100),
    )
    for what, value, low, high in limits:
        if not (math.isfinite(value) and low <= value <= high):
            raise CorpusError(f"{what} is {value}; it must lie from {low:g} to {high:g}.", path=path, reason="setting")
    if not 0 <= seed < 2**63:
        raise CorpusError(f"seed is {seed}; it must lie from 0 to 2^63 - 1.", path=path, reason="setting")
    for what, value in (("window_s", window_s), ("hop_s", hop_s)):
        if abs(value * rate_hz - round(value * rate_hz)) > 1e-6:
            raise CorpusError(
                f"{what} is {value:g} s, which is {value * rate_hz:g} samples at {rate_hz:g} Hz; choose a whole "
                f"number of them.",
                path=path,
                reason="setting",
            )


def choose_room(window_s: float | None, n_beats: int, rate_hz: float) -> float:
    """Seconds of a window, or of the room that a window of beats is put into.

    Args:
        window_s: what was asked for; None takes 3 s, or 1.5 s for every beat, which fits 40 beats per minute.
        n_beats: beats in a window; 0 where windows are cut by length.
        rate_hz: samples per second of the windows; a chosen room is a whole number of them.
    """
    if window_s is not None:
        return float(window_s)
    if not n_beats:
        return 3.0
    return math.ceil(_ROOM_PER_BEAT_S * n_beats * rate_hz) / rate_hz


def choose_recordings(
    study: Study, recordings: Sequence[Path], *, subjects: Sequence[str] | None, without: Sequence[str]
) -> list[Path]:
    """The recordings of the subjects that were asked for, by their file names.

    Args:
        study: the study.
        recordings: all of its recordings.
        subjects: take only these; None takes all.
        without: leave these out.

    Raises:
        CorpusError: a subject has no recording, or nothing is left.
    """
    subject_of = {path: (stem_parts(path.stem) or ("",))[0] for path in recordings}
    known = sorted(set(subject_of.values()))
    for name in (*(subjects or ()), *without):
        if name not in known:
            listed = ", ".join(known[:_NAMED_SUBJECTS]) + (", …" if len(known) > _NAMED_SUBJECTS else "")
            raise CorpusError(
                f"there is no recording of subject {name[:80]!r}; there are those of {listed}.",
                path=study.path,
                reason="subjects",
            )
    wanted = set(known if subjects is None else subjects) - set(without)
    if not wanted:
        raise CorpusError("no subject is left; ask for fewer to be left out.", path=study.path, reason="subjects")
    return [path for path in recordings if subject_of[path] in wanted]


def choose_keep(
    study: Study,
    surveys: Sequence[Survey],
    *,
    activities: Sequence[str] | None,
    max_artefact: int,
    min_quality: str,
) -> Keep:
    """Which windows are wanted.

    Raises:
        CorpusError: an activity is in no layer, or a limit is none.
    """
    known = sorted({activity for survey in surveys for activity in survey.activities})
    for name in activities or ():
        if name not in known:
            raise CorpusError(
                f"no layer names the activity {name[:80]!r}; they name {', '.join(known) or 'none'}.",
                path=study.path,
                reason="activities",
            )
    if not 1 <= max_artefact <= _WORST_ARTEFACT:
        raise CorpusError(
            f"max_artefact is {max_artefact}; artefact degrees go from 1 to {_WORST_ARTEFACT}.",
            path=study.path,
            reason="setting",
        )
    grades = {grade.name.lower(): grade for grade in Grade}
    if min_quality not in grades:
        raise CorpusError(
            f"min_quality is {min_quality[:80]!r}; it is one of {', '.join(reversed(grades))}.",
            path=study.path,
            reason="setting",
        )
    return Keep(
        activities=None if activities is None else tuple(activities),
        max_artefact=max_artefact,
        min_quality=grades[min_quality],
    )


def choose_leads(study: Study, surveys: Sequence[Survey], leads: Sequence[str] | None) -> tuple[str, ...]:
    """The leads that were asked for, or those that every recording has; in the order of the corpus.

    Raises:
        CorpusError: a lead is in no recording, or there is none that all have.
    """
    available = {lead for survey in surveys for lead in survey.leads}
    ordered = [lead for lead in _STANDARD_LEADS if lead in available]
    known = ", ".join([*ordered, *sorted(available - set(ordered))])
    if leads is not None:
        if not leads or len(set(leads)) != len(leads):
            raise CorpusError(
                f"leads are {', '.join(leads) or 'none'}; name at least one, and each once.",
                path=study.path,
                reason="leads",
            )
        absent = [lead for lead in leads if lead not in available]
        if absent:
            raise CorpusError(
                f"no recording has lead {absent[0]}; the recordings have {known}.", path=study.path, reason="leads"
            )
        return tuple(leads)
    common = [lead for lead in surveys[0].measured_leads if all(lead in survey.leads for survey in surveys)]
    if not common:
        raise CorpusError(
            f"there is no lead that every recording has; name those you want with --leads, of {known}.",
            path=study.path,
            reason="leads",
        )
    return tuple(common)


def choose_scale(study: Study, surveys: Sequence[Survey], scale: str) -> str:
    """The scale to use.

    Raises:
        CorpusError: it is not one, or amplitudes that cannot be compared would stand side by side.
    """
    if scale not in ("auto", *SCALES):
        raise CorpusError(
            f"scale is {scale!r}; it is one of auto, {', '.join(SCALES)}.", path=study.path, reason="setting"
        )
    foreign = [survey for survey in surveys if survey.unit != "mV"]
    if scale == "auto":
        return "recording-p98" if foreign else "none"
    if scale == "none" and foreign:
        raise CorpusError(
            f"{foreign[0].recording} is in {foreign[0].unit or 'no unit'}, not mV, so that its amplitude says "
            f"nothing beside "
            "another's; use --scale recording-p98.",
            path=study.path,
            reason="units",
        )
    return scale


def choose_factors(study: Study, surveys: Sequence[Survey]) -> list[str]:
    """The factors of which any recording has a level, in the study's order.

    Raises:
        CorpusError: a factor is named like one of the table's own columns.
    """
    names = list(dict.fromkeys([*study.factors, *(factor for survey in surveys for factor in survey.factors)]))
    names = [name for name in names if any(name in survey.factors for survey in surveys)]
    taken = [name for name in names if name in FIXED_COLUMNS]
    if taken:
        raise CorpusError(
            f"the factor {taken[0]!r} has the name of one of the table's own columns; rename it in study.toml.",
            path=study.path,
            reason="factors",
        )
    return names
