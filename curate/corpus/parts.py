"""Parts: what each recording gives to a corpus, kept on the disk until the corpus is whole.

A part is one file beside the corpus, named after a key: the digest of everything that has a say in what is in it. An
interrupted build finds its parts again by their keys; one of other settings, of changed labels or of another trilead
has another key. A part ends in a seal (``acquire.recordings.seal``), and one whose seal does not fit is cut anew.

A part file is a line that says what it is, eight bytes that give the length of the header, the header as JSON, the
arrays it lists one behind the other, and the seal.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.resources
import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.files import remove_leftover, temporary_beside
from acquire.recordings.seal import is_sealed, seal_of
from curate.corpus.piece import BY_LEAD, Column, LazyArrays, Piece, Texts, as_column
from curate.corpus.recording import CutRecording, CutSettings, Survey
from curate.errors import CorpusError

__all__ = ["Surveyed", "is_whole", "part_key", "part_path", "processing_digest", "read_part", "write_part"]

_MARK = b"trilead-part-1\n"
_LENGTH_BYTES = 8
_ROOMS = (
    "acquire",
    "acquire.recordings",
    "curate.beats",
    "curate.corpus",
    "curate.labels",
    "curate.quality",
    "curate.signals",
    "curate.splits",
    "protocols",
)
_LIBRARIES = ("neurokit2", "numpy", "scipy", "sleepecg")
_KEY_LETTERS = 32


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """A recording that was looked over.

    Attributes:
        survey: what is known of it.
        sha256: of its file.
    """

    survey: Survey
    sha256: str


# keys


@functools.cache
def processing_digest() -> str:
    """SHA-256 over the program that cuts recordings: trilead's own code, and the versions of what computes for it.

    A version number alone would let windows of yesterday's filters stand beside today's while somebody works on them.
    """
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library} {importlib.metadata.version(library)}\n".encode())
    for room in _ROOMS:
        for file in sorted(importlib.resources.files(room).iterdir(), key=lambda one: one.name):
            if file.name.endswith(".py"):
                # Read as text, for line ends differ from system to system.
                digest.update(f"{room} {file.name}\n{file.read_text(encoding='utf-8')}".encode())
    return digest.hexdigest()


def part_key(surveyed: Surveyed, settings: CutSettings) -> str:
    """The digest of everything that has a say in what a recording gives to a corpus."""
    survey = surveyed.survey
    told = {
        "processing": processing_digest(),
        "recording": survey.recording,
        "sha256": surveyed.sha256,
        "layers": survey.layers,
        "settings": asdict(settings),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def part_path(folder: Path, recording: str, key: str) -> Path:
    """Where the part of this key lies, or would lie."""
    return folder / f"{recording}_{key[:_KEY_LETTERS]}.part"


# the file


def write_part(path: Path, cut: CutRecording, key: str) -> None:
    """Write a part under a temporary name, then give it its own.

    Nothing waits for the disk: what a power cut leaves has no seal.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    arrays: dict[str, NDArray[Any]] = {"windows": cut.windows}
    texts: dict[str, list[str]] = {}
    for name, values in cut.columns.items():
        column = as_column(values)
        if isinstance(column, Texts):
            texts[name] = list(column.names)
        arrays[f"columns/{name}"] = column.codes if isinstance(column, Texts) else column
    arrays |= {f"by_lead/{name}": getattr(cut, name) for name in BY_LEAD}
    arrays |= {f"prints/{name}": values for name, values in cut.prints.items()}
    arrays = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    header = {
        "key": key,
        "source": cut.source
        | {"excluded": cut.excluded, "key": key, "windows_crc32": zlib.crc32(arrays["windows"].data)},
        "texts": texts,
        "arrays": [[name, values.dtype.str, list(values.shape)] for name, values in arrays.items()],
    }
    head = json.dumps(header, ensure_ascii=False).encode()
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(_MARK + len(head).to_bytes(_LENGTH_BYTES, "little") + head)
            for values in arrays.values():
                file.write(values.reshape(-1).view(np.uint8).data)
        seal = seal_of(temporary)
        with temporary.open("ab") as file:
            file.write(seal)
        temporary.replace(path)
    finally:
        remove_leftover(temporary)


def is_whole(path: Path) -> bool:
    """Whether there is a part of this name that is as it was written; one that is not is removed."""
    if not path.exists():
        return False
    if is_sealed(path):
        return True
    path.unlink()
    return False


def read_part(path: Path, key: str) -> Piece:
    """Open a part that is known to be whole.

    Raises:
        CorpusError: it is not the part that it should be.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        mark = file.read(len(_MARK))
        head = file.read(int.from_bytes(file.read(_LENGTH_BYTES), "little"))
        begin = file.tell()
    header = json.loads(head) if mark == _MARK else {}
    if header.get("key") != key:
        raise CorpusError("it is not what was written there; build again.", path=path, reason="damaged")
    places: dict[str, tuple[int, np.dtype[Any], tuple[int, ...]]] = {}
    for name, kind, shape in header["arrays"]:
        dtype = np.dtype(kind)
        places[name] = (begin, dtype, tuple(shape))
        begin += dtype.itemsize * math.prod(shape)

    def array(name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        offset, dtype, shape = places[name]
        stop = shape[0] if stop is None else stop
        row = math.prod(shape[1:])
        values = np.fromfile(
            path, dtype=dtype, count=(stop - start) * row, offset=offset + start * row * dtype.itemsize
        )
        return values.reshape(stop - start, *shape[1:])

    def column(name: str) -> Column:
        values = array(f"columns/{name}")
        names = header["texts"].get(name)
        return values if names is None else Texts(names=tuple(names), codes=values)

    return Piece(
        source=header["source"],
        n_windows=places["windows"][2][0],
        columns=LazyArrays(_under("columns", places), column),
        by_lead=LazyArrays(BY_LEAD, lambda name: array(f"by_lead/{name}")),
        prints=LazyArrays(_under("prints", places), lambda name: array(f"prints/{name}")),
        windows=lambda start, stop: array("windows", start, stop),
    )


def _under(group: str, names: Iterable[str]) -> list[str]:
    return [name.removeprefix(f"{group}/") for name in names if name.startswith(f"{group}/")]
