"""From what an importer read to a recording and its layers in a study."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acquire.names import stem_parts
from acquire.recordings.content import Gap, Header, RecordingContent
from acquire.recordings.content_rules import content_fault
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.study import Study
from curate.errors import ImportRefused, RefusalReason
from curate.importers.layout import read_layout
from curate.importers.leads import channel_in_mv
from curate.importers.options import ImportOptions
from curate.importers.recorded import IMPORTED, NO_TIME, Identity, Mark, Reading, check_extent
from curate.importers.registry import Importer
from curate.importers.report import Imported
from curate.labels.label import check_label, new_label
from curate.labels.layer import Layer
from protocols.version import VERSION

__all__ = ["take"]


def take(
    study: Study, importer: Importer, path: Path, *, shown: Path, known: Mapping[str, Path], options: ImportOptions
) -> Imported:
    """Write one file into a study: a recording, and a layer for each annotator of the file.

    What was imported before, by content, is left as it is; only layers that are missing beside it are added, for an
    import may have been cut short between the recording and its labels.

    Args:
        study: where to.
        importer: of the file's format.
        path: the file.
        shown: how to call it in sentences.
        known: SHA-256 of what was imported before → its recording file.
        options: what a person said about the files, in what fits the format.

    Raises:
        ImportRefused: the file cannot be taken in; nothing was written.
        TrileadError: the study cannot take it.
        OSError: a file cannot be read or written.
    """
    digest = importer.fingerprint(path, shown=shown)
    before = known.get(digest)
    if before is not None:
        asked = options.identity_of(shown, importer.identity(path, shown=shown))
        complete = _has_layers(study, before, importer.annotators(path)) and (
            asked.activity is None or _has_activity(study, before)
        )
        read_so = _read_so(before, options)
        if complete and read_so:
            return Imported(recording=before, digest=digest, notes=_elsewhere(before, asked), known=True)
    reading = importer.read(path, shown=shown, options=options)
    identity = options.identity_of(shown, reading.identity)
    layers, notes = _layers(reading, identity)
    if before is not None:
        return _complete(study, before, identity, layers, None if read_so else reading, digest=digest)

    subject, session = _whose(identity, shown)
    run = identity.run if identity.run is not None else study.next_run(subject, session)
    target = study.recording_path(subject, session, run)
    labels_dir = study.labels_dir(target.stem)
    taken = [there.name for there in (target, *(labels_dir / f"{name}.jsonl" for name in layers)) if there.exists()]
    if taken:
        raise ImportRefused(
            f"the study has {taken[0]} for {target.stem} already, from something else; nothing is overwritten, "
            "so import into another study, or move that file away.",
            path=shown,
            reason=RefusalReason.STUDY,
        )
    content = _content(study, reading, identity, subject, session, run, path=path, digest=digest)
    _check(content, layers, shown)
    target.parent.mkdir(exist_ok=True)
    study.add_subject(subject)
    write_recording(target, content)
    _write_layers(study, target, content.header.recording_id, layers)
    has_activity = any(mark.kind == "activity" for marks in layers.values() for mark in marks)
    return Imported(recording=target, digest=digest, notes=(*reading.notes, *notes), has_activity=has_activity)


def _has_layers(study: Study, recording: Path, annotators: tuple[str, ...]) -> bool:
    folder = study.labels_dir(recording.stem)
    return all((folder / f"{annotator}.jsonl").exists() for annotator in annotators)


def _has_activity(study: Study, recording: Path) -> bool:
    """Whether any layer of a recording, of whomever, says what the subject does."""
    layers = sorted(study.labels_dir(recording.stem).glob("*.jsonl"))
    return any(Layer.open(layer).labels("activity") for layer in layers)


def _read_so(before: Path, options: ImportOptions) -> bool:
    """Whether a recording is as the options would have it read, as far as the file need not be asked."""
    if not options.given():
        return True
    with open_recording(before) as recording:
        header, channels = recording.header, recording.channels
    told = header.board.partition("(")[2].removesuffix(")")
    if any(name is not None and name.lower() != told.lower() for name in (options.stream, options.board)):
        return False
    leads = dict(options.leads)
    if options.layout is not None:
        described = read_layout(options.layout).channel
        scales = [channel_in_mv("", one.unit, gain=one.gain, offset=one.offset) for one in described]
        if scales != [replace(channel, name="") for channel in channels]:
            return False
        told_leads = {one.lead: channel.name for one, channel in zip(described, channels, strict=True) if one.lead}
        leads = leads or told_leads
    return not leads or dict(header.montage) == {lead: {channel: 1.0} for lead, channel in leads.items()}


def _elsewhere(before: Path, asked: Identity) -> tuple[str, ...]:
    """A note where what the study has already is of somebody else, or another session or run, than was asked for."""
    there = stem_parts(before.stem)
    wanted = (asked.subject, asked.session, asked.run)
    if there is None or all(want in (None, have) for want, have in zip(wanted, there, strict=True)):
        return ()
    words = [
        f"{name} {want}" for name, want in zip(("subject", "session", "run"), wanted, strict=True) if want is not None
    ]
    return (
        f"its content is in the study already, as {before.stem}, and not as {', '.join(words)}; nothing was done, for "
        "the study holds a content once: leave the file out, or import it into another study.",
    )


def _complete(
    study: Study,
    before: Path,
    identity: Identity,
    layers: Mapping[str, tuple[Mark, ...]],
    reading: Reading | None,
    *,
    digest: str,
) -> Imported:
    """Add to a recording what labels it lacks, unless the file is of another recording by what is said of it.

    Where there is a reading and it is not what the recording holds, a note says that the recording stays as it is.
    """
    notes = _elsewhere(before, identity)
    if notes:
        return Imported(recording=before, digest=digest, notes=notes, known=True)
    with open_recording(before) as recording:
        header, channels = recording.header, recording.channels
    held = (channels, dict(header.montage), header.board)
    if reading is not None and held != (reading.channels, dict(reading.montage), reading.board):
        leads = ", ".join(f"{lead}={'+'.join(parts)}" for lead, parts in header.montage.items())[:200]
        notes = (
            f"its content is in the study already, as {before.stem}, read with other options ({header.board}, leads "
            f"{leads}); that was not changed: import the file with these options into another study.",
        )
    folder = study.labels_dir(before.stem)
    missing = {name: marks for name, marks in layers.items() if not (folder / f"{name}.jsonl").exists()}
    if missing:
        _write_layers(study, before, header.recording_id, missing)
        notes = (*notes, "its labels were missing beside the recording and were added.")
    activities = [mark for mark in layers.get(IMPORTED, ()) if mark.kind == "activity"]
    if identity.activity is not None and activities and not _has_activity(study, before):
        _add_marks(Layer.open(folder / f"{IMPORTED}.jsonl", recording_id=header.recording_id), activities)
        notes = (*notes, f"the activity {identity.activity} was missing beside the recording and was added.")
    return Imported(recording=before, digest=digest, notes=notes, known=True)


def _whose(identity: Identity, shown: Path) -> tuple[str, str]:
    if identity.subject is None or identity.session is None:
        lacking = [name for name in ("subject", "session") if getattr(identity, name) is None]
        options = " and ".join(f"--{name}" for name in lacking)
        raise ImportRefused(
            f"nothing says which {' and '.join(lacking)} it is of; give {options}, --names or --map.",
            path=shown,
            reason=RefusalReason.IDENTITY,
        )
    return identity.subject, identity.session


def _layers(reading: Reading, identity: Identity) -> tuple[dict[str, tuple[Mark, ...]], list[str]]:
    """The file's layers with the activity of the whole file, where it has no activities of its own."""
    layers = {name: marks for name, marks in reading.layers.items() if marks}
    activities = {mark.value for marks in layers.values() for mark in marks if mark.kind == "activity"}
    if identity.activity is None:
        return layers, []
    if not activities:
        whole = Mark(start=0, stop=reading.counts.shape[0], kind="activity", value=identity.activity)
        layers[IMPORTED] = (whole, *layers.get(IMPORTED, ()))
        return layers, []
    if activities == {identity.activity}:
        return layers, []
    return layers, [
        f"it is said to be {identity.activity}, its labels say {', '.join(sorted(activities))}; "
        "the labels were followed."
    ]


def _content(
    study: Study,
    reading: Reading,
    identity: Identity,
    subject: str,
    session: str,
    run: int,
    *,
    path: Path,
    digest: str,
) -> RecordingContent:
    # What in a name a recording could not hold is left out of it; the digest tells the file beyond doubt.
    name = path.name.encode("utf-8", "replace").decode().replace("\\", "?")
    detail = "; ".join(
        filter(None, [reading.detail, "it does not tell when it was recorded" * (reading.started_at == NO_TIME)])
    )
    header = Header(
        recording_id=str(uuid.uuid4()),
        subject=subject,
        session=session,
        run=run,
        started_at=reading.started_at,
        board=reading.board,
        firmware=reading.firmware,
        nominal_rate_hz=reading.nominal_rate_hz,
        fitted_rate_hz=reading.fitted_rate_hz,
        mains_hz=study.mains_hz,
        factors=dict(identity.factors),
        protocol_name="",
        protocol_sha256="",
        montage=reading.montage,
        software_version=VERSION,
        source=f"{name} sha256:{digest}" + (f" ({detail})" if detail else ""),
        loss_detection=reading.loss_detection,
    )
    return RecordingContent(
        header=header,
        channels=reading.channels,
        counts=reading.counts,
        valid=_between(reading.gaps, reading.counts.shape[0]),
        clock=reading.clock,
        events=reading.events,
        gaps=reading.gaps,
        protocol_text="",
    )


def _between(gaps: tuple[Gap, ...], n_samples: int) -> NDArray[np.int64]:
    starts = [0, *(gap.start + gap.length for gap in gaps)]
    stops = [*(gap.start for gap in gaps), n_samples]
    ranges = [(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]
    return np.array(ranges, dtype=np.int64).reshape(-1, 2)


def _check(content: RecordingContent, layers: Mapping[str, tuple[Mark, ...]], shown: Path) -> None:
    """Ask all rules of the format before the first byte is written."""
    n_samples, n_channels = content.counts.shape
    check_extent(n_samples, n_channels, shown=shown)
    fault = content_fault(content, shape=(n_samples, n_channels))
    if fault:
        raise ImportRefused(
            f"it cannot become a recording, for {fault}; mend the file.", path=shown, reason=RefusalReason.HEADER
        )
    if not len(content.valid):
        raise ImportRefused(
            "it holds no sample that was measured; leave it out.", path=shown, reason=RefusalReason.EMPTY
        )
    for annotator, marks in layers.items():
        for mark in marks:
            label = new_label(mark.start, mark.stop, kind=mark.kind, value=mark.value, annotator=annotator)
            fault = check_label(label) or ""
            if fault or mark.stop > n_samples:
                raise ImportRefused(
                    f"a label of it cannot be used: {fault or f'it ends at {mark.stop} of {n_samples} samples'}; mend "
                    "its annotations.",
                    path=shown,
                    reason=RefusalReason.LABELS,
                )


def _write_layers(study: Study, recording: Path, recording_id: str, layers: Mapping[str, tuple[Mark, ...]]) -> None:
    for annotator, marks in layers.items():
        layer = Layer.create(study.labels_dir(recording.stem) / f"{annotator}.jsonl", recording_id, annotator)
        _add_marks(layer, marks)


def _add_marks(layer: Layer, marks: Sequence[Mark]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    layer.add_many(
        new_label(mark.start, mark.stop, kind=mark.kind, value=mark.value, annotator=layer.annotator, time=now)
        for mark in marks
    )
