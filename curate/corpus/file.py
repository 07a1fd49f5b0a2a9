"""A corpus file from its pieces: written, read back, and given its name."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acquire.files import fsync_folder, publish, remove_leftover, temporary_beside
from acquire.recordings.sink import interrupts_deferred
from curate.corpus.gather import Progress
from curate.corpus.piece import Piece, Texts
from curate.corpus.read import open_corpus
from curate.corpus.recording import CutSettings, Survey
from curate.corpus.sides import SplitPlans, make_sides
from curate.corpus.write import BLOCK_BYTES, CorpusWriter
from curate.errors import CorpusError
from curate.splits.cut import listed
from curate.splits.leakage import check_shared_contents, check_splits, check_subjects

__all__ = ["card_path", "publish_corpus", "read_back", "write_corpus"]


_CHOSEN = "activity not wanted"
_TOLD_REASONS = 3
_LOOK = "look at the labels and recordings"
_MENDS = {
    "missing samples": "take a shorter --window-s, or record again",
    "marked unusable": "look at the labels that say so, or choose others with --layers",
    "labels contradict one another": "adjudicate them, or choose one with --layers",
    "no activity label": "label the recordings, import with --activity, or take more --layers",
    "activity changes inside": "take a shorter --window-s, or fewer --beats",
    _CHOSEN: "name other --activities",
    "artefact too strong": "take a higher --max-artefact",
    "filter not settled": "record longer without a gap",
    "no lead with signal": "look at the electrodes, or name other --leads",
    "quality too low": "take a lower --min-quality",
    "beats missing inside": "take fewer --beats",
    "longer than the window": "take a longer --window-s, or leave it out",
}
"""Reason → what mends it; see ``REASONS`` and ``BEAT_REASONS``."""


def card_path(corpus: Path) -> Path:
    """Where a corpus's card lies."""
    return corpus.with_suffix(".html")


def write_corpus(
    path: Path,
    pieces: Mapping[str, Piece],
    surveys: Mapping[str, Survey],
    settings: CutSettings,
    planned: SplitPlans,
    *,
    attributes: Mapping[str, Any],
    excluded_recordings: Mapping[str, str],
    explicit: bool,
    tell: Progress,
) -> int:
    """Write all recordings' windows, then what can only be known at the end.

    Args:
        path: the file to make.
        pieces: recording → its windows.
        surveys: recording → what is known of it.
        settings: how they were cut.
        planned: the splits.
        attributes: what is true of the whole.
        excluded_recordings: recording → why it was left out.
        explicit: whether the splits were asked for by name.
        tell: told how far it is.

    Returns:
        Checksum of all windows.

    Raises:
        CorpusError: there is no window, or what was cut is damaged.
        LeakError: a leak was found.
        SplitError: a split cannot be made.
        OSError: the disk refuses something.
    """
    check_shared_contents(
        {name: piece.source["signal_sha256"] for name, piece in pieces.items()},
        {name: piece.prints for name, piece in pieces.items()},
    )
    # An interrupt in the middle of a write would leave HDF5 with a file that it cannot close.
    with (
        interrupts_deferred() as interrupted,
        CorpusWriter(path, leads=settings.leads, n_samples=settings.n_samples, attributes=attributes) as writer,
    ):
        for done, (name, piece) in enumerate(pieces.items()):
            if interrupted():
                return 0
            tell("write", done, len(pieces))
            survey = surveys[name]
            constant = {"subject": survey.subject, "session": survey.session, "recording": survey.recording}
            writer.append(piece, constant | {one: survey.factors.get(one, "") for one in attributes["factors"]})
        excluded = _excluded(writer.sources)
        table = writer.table()
        if not table:
            raise CorpusError(_why_empty(excluded), path=path.parent, reason="empty")
        subjects = table["subject"]
        assert isinstance(subjects, Texts)
        _check_everybody(subjects.names, writer.sources, path.parent)
        check_subjects(subjects.names)
        splits = make_sides(table, writer.sources, planned, explicit=explicit)
        writer.finish(
            table,
            splits,
            {
                "cleaning": _cleaning(writer.sources, settings),
                "excluded": excluded,
                "excluded_recordings": excluded_recordings,
                "sources": {"recordings": writer.sources},
                "splits_left_out": planned[1],
            },
        )
    tell("write", len(pieces), len(pieces))
    return writer.crc32


def _why_empty(excluded: Mapping[str, int]) -> str:
    """Which reasons left no window, the largest first, and what mends that; the user's own choice comes last."""
    reasons = sorted((reason for reason in excluded if excluded[reason]), key=lambda reason: -excluded[reason])
    told = [reason for reason in reasons if reason != _CHOSEN] or reasons
    if not told:
        return "no window could be kept, for the recordings are shorter than a window; take a shorter --window-s."
    counts = ", ".join(f"{reason} ({excluded[reason]})" for reason in told[:_TOLD_REASONS])
    others = excluded.get(_CHOSEN, 0) if _CHOSEN not in told else 0
    beside = f"; {others} more are of activities that --activities does not name" if others else ""
    return f"no window could be kept; refused because of: {counts}{beside}; {_MENDS.get(told[0], _LOOK)}."


def _check_everybody(kept: Sequence[str], sources: Sequence[Mapping[str, Any]], place: Path) -> None:
    """Where windows of one subject alone are left, say what became of the others'."""
    lacking = sorted({str(source["subject"]) for source in sources} - set(kept))
    if len(set(kept)) == 1 and lacking:
        why = _why_empty(_excluded([source for source in sources if source["subject"] in lacking]))
        raise CorpusError(
            f"only {kept[0]} has windows, and identity needs at least two subjects; of {listed(lacking)} {why}",
            path=place,
            reason="empty",
        )


def _excluded(sources: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    excluded: dict[str, int] = {}
    for source in sources:
        for reason, n in source["excluded"].items():
            excluded[reason] = excluded.get(reason, 0) + n
    return excluded


def _cleaning(sources: Sequence[Mapping[str, Any]], settings: CutSettings) -> dict[str, Any]:
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


def read_back(path: Path, crc32: int) -> None:
    """Read what stands on disk, check every split from it, and compare every window with what was meant.

    Raises:
        CorpusError: the disk gave back something else.
    """
    crc = 0
    with open_corpus(path) as corpus:
        check_splits(corpus)
        step = max(1, BLOCK_BYTES // (4 * len(corpus.leads) * corpus.n_samples))
        for first in range(0, corpus.n_windows, step):
            crc = zlib.crc32(corpus.read(slice(first, first + step)).data, crc)
    if crc != crc32:
        raise CorpusError("what was read back is not what was written; look at the disk.", path=path, reason="damaged")


def publish_corpus(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Write the card, then give both files their names.

    Raises:
        CorpusError: another build made this corpus meanwhile.
        OSError: the disk refuses something.
    """
    from curate.corpus.card import write_card

    card = temporary_beside(card_path(path))
    try:
        write_card(temporary, card)
        if overwrite:
            # Two files cannot change at once. For a moment there is no card, so that there never is a wrong one.
            card_path(path).unlink(missing_ok=True)
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
