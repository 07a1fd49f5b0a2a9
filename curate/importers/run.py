"""The ``import`` command's work: every file once, one bad file stopping none."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from acquire.errors import RecordingError
from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import CurateError, ImportRefused, RefusalReason
from curate.importers.lock import hold_study
from curate.importers.options import ImportOptions
from curate.importers.place import take
from curate.importers.reading import refuse_empty
from curate.importers.registry import FORMATS, Importer, find_format, load_format
from curate.importers.report import ImportReport, Note, Refusal, Skipped
from protocols.errors import TrileadError

__all__ = ["import_paths"]

Progress = Callable[[int, int, str], None]
"""Called with how many files are done, how many there are, and the one at hand."""

_SOURCE_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def import_paths(
    study: Study,
    paths: Sequence[Path | str],
    *,
    format: str | None = None,
    options: ImportOptions | None = None,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Take files, or all recordings in folders, into a study.

    Each file becomes a recording and, where labels come with it, layers of the annotator ``imported`` and, for further
    annotators of a file, ``imported-…``. What the study
    has already, by content, is skipped; nothing is ever overwritten; a file that cannot be taken in is refused with a
    sentence, and the rest goes on.

    Args:
        study: where to.
        paths: files and folders; folders are searched to any depth, without following links.
        format: the name of a format; None finds it for each file, and takes tables for ``csv`` where a layout is given.
        options: whose the files are and how to read them, where they do not say it themselves.
        on_progress: called before each file and once at the end.

    Returns:
        The report, files in the order in which they were met, folders sorted by name.

    Raises:
        FormatUnknown: there is no such format.
        CurateError: a path does not exist or cannot be looked into, an option says nothing to any of the files, or
            another import into the study is running.
    """
    options = options or ImportOptions()
    by_layout = format is None and options.layout is not None
    importer = load_format("csv") if by_layout else None if format is None else load_format(format)
    report = ImportReport()
    sources = list(_sources([Path(path) for path in paths], importer, report))
    sources = [replace(source, importer=_importer_of(source.path, importer, by_layout=by_layout)) for source in sources]
    _check_options(sources, options)
    with hold_study(study):
        _take_all(study, sources, options, report, on_progress)
    return report


def _importer_of(path: Path, named: Importer | None, *, by_layout: bool) -> Importer | None:
    """The importer for a file, None where there is none or the file cannot be looked into, which is told later."""
    if named is not None and not by_layout:
        return named
    try:
        found = find_format(path) if stat.S_ISREG(path.stat().st_mode) else None
    except OSError:
        found = None
    return found if named is None or (found is not None and found.told_by_bytes) else named


def _check_options(sources: Sequence[_Source], options: ImportOptions) -> None:
    """Refuse an option that says nothing to any of the files, before anything is done."""
    formats = {source.importer.name: source.importer for source in sources if source.importer is not None}
    if not formats:
        return
    for option in options.given():
        if not any(option in importer.takes for importer in formats.values()):
            fitting = [name for name in FORMATS if option in load_format(name).takes]
            raise CurateError(
                f"--{option} says nothing to files of the format {' or '.join(formats)}, which is all that was given; "
                f"it is for {', '.join(fitting)}; leave it out."
            )


def _take_all(
    study: Study,
    sources: Sequence[_Source],
    options: ImportOptions,
    report: ImportReport,
    on_progress: Progress | None,
) -> None:
    known = _known_sources(study)
    for done, source in enumerate(sources):
        if on_progress is not None:
            on_progress(done, len(sources), str(source.shown))
        try:
            _take(study, source, known, options, report)
        except ImportRefused as refused:
            report.refused.append(Refusal(path=source.shown, sentence=str(refused), reason=refused.reason))
        except TrileadError as error:
            sentence = f"{source.shown}: {error}"
            report.refused.append(Refusal(path=source.shown, sentence=sentence, reason=RefusalReason.STUDY))
        except OSError as error:
            report.refused.append(_unreadable_or_unwritable(study, source, error))
    if on_progress is not None:
        on_progress(len(sources), len(sources), "")


@dataclass(frozen=True, kw_only=True)
class _Source:
    path: Path
    shown: Path
    importer: Importer | None = None


def _take(
    study: Study,
    source: _Source,
    known: dict[str, Path],
    options: ImportOptions,
    report: ImportReport,
) -> None:
    if not stat.S_ISREG(source.path.stat().st_mode):
        # A pipe or a device would make the import wait for ever.
        raise ImportRefused(
            "it is not a plain file; give the file itself.", path=source.shown, reason=RefusalReason.UNREADABLE
        )
    chosen = source.importer or find_format(source.path)
    if chosen is None:
        refuse_empty(source.path, source.shown)
        raise ImportRefused(
            f"no importer knows this file; formats are {', '.join(FORMATS)}, name one with --format.",
            path=source.shown,
            reason=RefusalReason.NOT_TEXT,
        )
    # What was given for other files of the same import says nothing to this one.
    fitting = options.only(chosen.takes)
    outcome = take(study, chosen, source.path, shown=source.shown, known=known, options=fitting)
    known.setdefault(outcome.digest, outcome.recording)
    if outcome.known:
        report.skipped.append(
            Skipped(
                path=source.shown,
                sentence=f"{source.shown}: its content is in the study already, as {outcome.recording.name}.",
            )
        )
    else:
        report.imported.append(outcome.recording)
        report.n_without_activity += not outcome.has_activity
    report.notes.extend(Note(path=source.shown, sentence=f"{source.shown}: {note}") for note in outcome.notes)


def _unreadable_or_unwritable(study: Study, source: _Source, error: OSError) -> Refusal:
    why = error.strerror or str(error)
    if error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(study.path):
        sentence = f"{source.shown}: {os.fsdecode(error.filename)} cannot be written: {why}; look at the study folder."
        return Refusal(path=source.shown, sentence=sentence, reason=RefusalReason.STUDY)
    sentence = f"{source.shown}: it cannot be read: {why}; mend its permissions or copy it again."
    return Refusal(path=source.shown, sentence=sentence, reason=RefusalReason.UNREADABLE)


def _sources(paths: list[Path], importer: Importer | None, report: ImportReport) -> Iterator[_Source]:
    seen: set[Path] = set()
    every = [load_format(name) for name in FORMATS] if importer is None else [importer]
    searched = [one for one in every if one is importer or one.found_by_itself]
    for path in paths:
        if path.is_dir():
            found = _in_folder(path, searched, report)
        elif os.path.lexists(path):
            found = iter([_Source(path=path, shown=_printable(Path(path.name)))])
        else:
            raise CurateError(f"{_printable(path)} does not exist; give the file or folder that is to be imported.")
        for source in found:
            real = source.path.resolve()
            if real not in seen:
                seen.add(real)
                yield source


def _in_folder(folder: Path, searched: list[Importer], report: ImportReport) -> Iterator[_Source]:
    def give_up(error: OSError) -> None:
        raise CurateError(
            f"{_printable(Path(error.filename))} cannot be looked into: {error.strerror}; mend its permissions."
        ) from error

    for where, subfolders, names in os.walk(folder, onerror=give_up):
        subfolders.sort()
        for name in sorted(names):
            path = Path(where) / name
            if any(importer.companion(path) for importer in searched):
                continue
            if any(importer.candidate(path) for importer in searched):
                yield _Source(path=path, shown=_printable(path.relative_to(folder)))
            else:
                report.passed_over += 1


def _printable(path: Path) -> Path:
    """Take out of a name what would steer the terminal that it is shown on, or could not be shown at all."""
    return Path("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(path)))


def _known_sources(study: Study) -> dict[str, Path]:
    """SHA-256 of every file imported before → its recording; a damaged recording tells nothing, and keeps its name."""
    known: dict[str, Path] = {}
    for path in study.recordings():
        try:
            with open_recording(path) as recording:
                source = recording.header.source
        except RecordingError:
            continue
        if match := _SOURCE_HASH.search(source):
            known[match[1]] = path
    return known
