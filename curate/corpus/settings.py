"""What a corpus is built with: every setting checked, and what was left open chosen from the recordings."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Sequence
from pathlib import Path

from acquire.names import stem_parts
from acquire.study import Study
from curate.corpus.beat_windows import BEFORE_R_S
from curate.corpus.read import FIXED_COLUMNS
from curate.corpus.recording import SCALES, Survey
from curate.corpus.windows import Keep
from curate.errors import CorpusError
from curate.labels.log import layer_files
from curate.quality.assess import Grade

__all__ = [
    "check_layers",
    "check_numbers",
    "check_splits_once",
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
_LONGEST_S = 60.0
_RATES_HZ = (50.0, 2000.0)
_MOST_BEATS = 100
# A beat nearer to the one before it than a window reaches back before R cannot begin a window.
_FASTEST_BEAT_S = BEFORE_R_S
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
    hop_beats: int = 1,
) -> None:
    """Refuse numbers that no corpus can be built with, by the names that they have on the command line.

    Raises:
        CorpusError: names the setting, its value and its limits.
    """
    limits = (
        ("--rate-hz", rate_hz, *_RATES_HZ),
        ("--window-s", window_s, 0.5, _LONGEST_S),
        ("--hop-s", hop_s, 0.05, 600.0),
        ("the lower corner of --band-hz", band_hz[0], 0.01, 1000.0),
        ("the upper corner of --band-hz", band_hz[1], 0.01, 1000.0),
        ("--workers", 1 if workers is None else workers, 1, 1024),
        ("--hop-beats", hop_beats, 1, _MOST_BEATS),
    )
    for what, value, low, high in limits:
        _check_limit(path, what, value, low, high)
    if not 0 <= seed < 2**63:
        raise CorpusError(f"--seed is {seed}; it must lie from 0 to 2^63 - 1.", path=path, reason="setting")
    for what, value in (("--window-s", window_s), ("--hop-s", hop_s)):
        if abs(value * rate_hz - round(value * rate_hz)) > 1e-6:
            raise CorpusError(
                f"{what} is {value:g} s, which is {value * rate_hz:g} samples at {rate_hz:g} Hz; choose a whole "
                f"number of them.",
                path=path,
                reason="setting",
            )


def _check_limit(path: Path, what: str, value: float, low: float, high: float, mend: str = "") -> None:
    # A whole number may be too large for a float.
    if not (low <= value <= high):
        raise CorpusError(
            f"{what} is {value}; it must lie from {low:g} to {high:g}{mend}.", path=path, reason="setting"
        )


def check_splits_once(path: Path, splits: Sequence[str] | None) -> None:
    """Refuse a split that was asked for more than once.

    Raises:
        CorpusError: names it.
    """
    twice = [split for place, split in enumerate(splits or ()) if split in (splits or ())[:place]]
    if twice:
        raise CorpusError(
            f"--split {twice[0][:80]} is given more than once; give each split once.", path=path, reason="setting"
        )


def choose_room(path: Path, window_s: float | None, n_beats: int, rate_hz: float) -> float:
    """Seconds of a window, or of the room that a window of beats is put into.

    Args:
        path: of the corpus, for messages.
        window_s: what was asked for; None takes 3 s, or 1.5 s for every beat, which fits 40 beats per minute.
        n_beats: beats in a window; 0 where windows are cut by length.
        rate_hz: samples per second of the windows; a chosen room is a whole number of them.

    Raises:
        CorpusError: there are too many beats for any window, or for this one.
    """
    _check_limit(path, "--rate-hz", rate_hz, *_RATES_HZ)
    room, mend = (window_s, "") if window_s is not None else (None, f", for a window has at most {_LONGEST_S:g} s")
    most = _MOST_BEATS if room is not None else int(_LONGEST_S / _ROOM_PER_BEAT_S)
    _check_limit(path, "--beats", n_beats, 0 if not n_beats else 1, most, mend if n_beats > 0 else "")
    if room is not None:
        if n_beats and math.isfinite(room) and 0 < room <= n_beats * _FASTEST_BEAT_S:
            raise CorpusError(
                f"--window-s {room:g} has no room for {n_beats} beats; leave it out, or take "
                f"{_ROOM_PER_BEAT_S * n_beats:g}.",
                path=path,
                reason="setting",
            )
        return float(room)
    if not n_beats:
        return 3.0
    return math.ceil(_ROOM_PER_BEAT_S * n_beats * rate_hz) / rate_hz


def choose_recordings(
    study: Study,
    recordings: Sequence[Path],
    *,
    subjects: Sequence[str] | None,
    without: Sequence[str],
    only: Sequence[str] | None = None,
    without_recordings: Sequence[str] = (),
) -> list[Path]:
    """The recordings that were asked for, of the subjects that were asked for, by their file names.

    Args:
        study: the study.
        recordings: all of its recordings.
        subjects: take only these; None takes all.
        without: leave these out.
        only: take only recordings of these names or patterns; None takes all.
        without_recordings: leave recordings of these names or patterns out.

    Raises:
        CorpusError: a subject has no recording, no recording has such a name, or nothing is left.
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
    named = set(recordings) if only is None else _of_names(study, recordings, only)
    left = named - _of_names(study, recordings, without_recordings)
    chosen = [path for path in recordings if subject_of[path] in wanted and path in left]
    if not chosen:
        raise CorpusError(
            "no recording is left; ask for more, or for fewer to be left out.", path=study.path, reason="recordings"
        )
    return chosen


def _of_names(study: Study, recordings: Sequence[Path], patterns: Sequence[str]) -> set[Path]:
    chosen: set[Path] = set()
    for pattern in patterns:
        found = [path for path in recordings if fnmatch.fnmatchcase(path.stem, pattern.removesuffix(".h5"))]
        if not found:
            more = f" and {len(recordings) - 1} more" if len(recordings) > 1 else ""
            raise CorpusError(
                f"no recording is named {pattern[:80]!r}; there are {recordings[0].stem}{more}.",
                path=study.path,
                reason="recordings",
            )
        chosen.update(found)
    return chosen


def check_layers(study: Study, recordings: Sequence[Path], layers: Sequence[str] | None) -> None:
    """Refuse a layer that none of the recordings has: a mistyped name would leave all its labels out.

    Raises:
        CorpusError: names the layer, and those that there are.
    """
    if layers is None:
        return
    known = {file.stem for path in recordings for file in layer_files(study.labels_dir(path.stem))}
    for layer in layers:
        if layer not in known:
            raise CorpusError(
                f"no recording has a layer {layer[:80]!r}; there are {', '.join(sorted(known)) or 'none'}.",
                path=study.path,
                reason="layers",
            )


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
            f"--max-artefact is {max_artefact}; artefact degrees go from 1 to {_WORST_ARTEFACT}.",
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
