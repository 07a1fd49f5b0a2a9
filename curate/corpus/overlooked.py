"""What of a study a corpus passes over without a fault: said in a note, for it may be a slip."""

from __future__ import annotations

from acquire.files import TEMPORARY_PREFIX
from acquire.names import stem_parts
from acquire.study import Study
from curate.errors import LayerError
from curate.labels.layer import Layer
from curate.labels.log import layer_files
from curate.splits.cut import listed

__all__ = ["overlooked"]

_NAMED = 5


def overlooked(study: Study) -> list[str]:
    """Sentences on files and labels that no corpus takes in.

    Args:
        study: the study.

    Raises:
        OSError: a folder of the study cannot be read.
    """
    recordings = {path.stem for path in study.recordings()}
    sentences = []
    foreign = _foreign_files(study)
    if foreign:
        sentences.append(
            f"passed over in {study.recordings_dir}: {listed(foreign, _NAMED)}; a recording is named like "
            "sub-S01_ses-01_run-01.h5."
        )
    folders = _label_folders(study)
    orphans = [name for name in folders if name not in recordings]
    if orphans:
        sentences.append(f"labels without a recording in {study.path / 'labels'}: {listed(orphans, _NAMED)}.")
    for name in folders:
        if name in recordings:
            sentences += _torn(study, name)
    return sentences


def _foreign_files(study: Study) -> list[str]:
    if not study.recordings_dir.is_dir():
        return []
    return sorted(
        entry.name
        for entry in study.recordings_dir.iterdir()
        if not entry.name.startswith((".", TEMPORARY_PREFIX))
        and (entry.suffix != ".h5" or stem_parts(entry.stem) is None)
    )


def _label_folders(study: Study) -> list[str]:
    folder = study.path / "labels"
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _torn(study: Study, name: str) -> list[str]:
    sentences = []
    for path in layer_files(study.labels_dir(name)):
        try:
            # Nearly every layer ends in a line end, and need not be read for this.
            with path.open("rb") as file:
                if file.seek(0, 2) == 0 or (file.seek(-1, 2) >= 0 and file.read(1) == b"\n"):
                    continue
            n_torn = Layer.open(path).torn_bytes
        except LayerError:
            continue
        if n_torn:
            sentences.append(
                f"the last line of {path} is torn, as a crash leaves it, and was passed over; look whether its last "
                "label is missing."
            )
    return sentences
