"""Write a corpus file, recording by recording: memory does not grow with it, and equal inputs give equal bytes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.recordings.seal import seal_of
from acquire.recordings.sink import Sink
from curate.corpus.piece import BY_LEAD, Column, Piece, Texts, code_type
from curate.corpus.read import CORPUS_FORMAT, CORPUS_VERSION, SIDES
from curate.errors import CorpusError
from protocols.version import VERSION

__all__ = ["BLOCK_BYTES", "WINDOWS_PER_CHUNK", "CorpusWriter"]

WINDOWS_PER_CHUNK = 4
"""Measured with 3-s windows of three leads, warm: 1 per chunk gives 70 000 random reads/s and 55 000/s in a row, 4 give
50 000 and 170 000, 64 give 15 000 and 300 000."""
BLOCK_BYTES = 8 * 1024 * 1024
"""About how much of the windows is in memory at a time."""
_COLUMN_ROWS = 65_536
_PRINT_VALUES = 8_192


class CorpusWriter:
    """A corpus file in the making; use it as a context manager.

    Windows are stored uncompressed, a few of them to a chunk with all their leads, for compression slows random reads
    about fourfold. The file has no times in it, so that equal inputs give equal bytes. In memory stay the table, about
    30 bytes a window, and no windows.

    Args:
        path: the file to make.
        leads: names of the leads.
        n_samples: samples in a window.
        attributes: what is true of the whole.
    """

    def __init__(self, path: Path, *, leads: Sequence[str], n_samples: int, attributes: Mapping[str, Any]) -> None:
        self._path = path
        self._leads = tuple(leads)
        self._crc = 0
        self._sources: list[dict[str, Any]] = []
        self._columns: dict[str, _Growing] = {}
        self._by_lead: dict[str, list[NDArray[Any]]] = {name: [] for name in BY_LEAD}
        self._print_counts: dict[str, list[int]] = {}
        window_bytes = 4 * len(self._leads) * n_samples
        self._block = max(1, BLOCK_BYTES // window_bytes // WINDOWS_PER_CHUNK) * WINDOWS_PER_CHUNK
        self._sink = Sink(path)
        self._file = h5py.File(self._sink, "w")
        attrs = self._file.attrs
        attrs["format"] = CORPUS_FORMAT
        attrs["version"] = CORPUS_VERSION
        attrs["software_version"] = VERSION
        attrs["leads"] = json.dumps(list(leads))
        for name, value in attributes.items():
            attrs[name] = json.dumps(value) if isinstance(value, list | tuple | dict) else value
        self._signal = self._file.create_dataset(
            "windows/signal",
            shape=(0, len(self._leads), n_samples),
            maxshape=(None, len(self._leads), n_samples),
            chunks=(WINDOWS_PER_CHUNK, len(self._leads), n_samples),
            dtype=np.float32,
            fillvalue=0.0,
            track_times=False,
        )

    @property
    def crc32(self) -> int:
        """Checksum of all windows appended so far, in order."""
        return self._crc

    @property
    def sources(self) -> list[dict[str, Any]]:
        """Provenance of every recording appended so far."""
        return self._sources

    def append(self, piece: Piece, constant: Mapping[str, str]) -> None:
        """Add one recording's windows.

        Args:
            piece: its windows.
            constant: columns that have one value for the whole recording.

        Raises:
            CorpusError: its windows are not those that were cut.
            OSError: the disk refuses something.
        """
        n_before, n_new = self._signal.shape[0], piece.n_windows
        self._sources.append(piece.source)
        self._append_prints(piece)
        if not n_new:
            return
        self._signal.resize(n_before + n_new, axis=0)
        crc = 0
        for start in range(0, n_new, self._block):
            stop = min(start + self._block, n_new)
            windows = piece.windows(start, stop)
            self._signal[n_before + start : n_before + stop] = windows
            crc = zlib.crc32(windows.data, crc)
            self._crc = zlib.crc32(windows.data, self._crc)
            self._sink.raise_error()
        if crc != piece.source["windows_crc32"]:
            raise CorpusError(
                f"the windows of {piece.source['recording']} are not those that were cut; look at the disk, and build "
                "again.",
                path=self._path.parent,
                reason="damaged",
            )
        for name in BY_LEAD:
            self._by_lead[name].append(piece.by_lead[name])
        for name, value in constant.items():
            codes = np.zeros(n_new, dtype=np.uint8)
            self._columns.setdefault(name, _Growing()).append(Texts(names=(value,), codes=codes))
        for name in piece.columns:
            self._columns.setdefault(name, _Growing()).append(piece.columns[name])

    def _append_prints(self, piece: Piece) -> None:
        # In an order of its own, for what is written first stands first in the file.
        for name in sorted(piece.prints):
            values = piece.prints[name]
            group = self._file.require_group(f"prints/{name}")
            if "values" not in group:
                group.create_dataset(
                    "values",
                    shape=(0,),
                    maxshape=(None,),
                    chunks=(_PRINT_VALUES,),
                    dtype=values.dtype,
                    track_times=False,
                    compression="gzip",
                    shuffle=True,
                )
            dataset = group["values"]
            n_before = dataset.shape[0]
            dataset.resize(n_before + values.size, axis=0)
            dataset[n_before:] = values
            counts = self._print_counts.setdefault(name, [])
            # −1 says that a recording has none of this name, which is not the same as an empty one.
            counts += [-1] * (len(self._sources) - 1 - len(counts)) + [values.size]

    def table(self) -> dict[str, Column]:
        """All columns of the windows appended so far, by name."""
        return {name: self._columns[name].column() for name in sorted(self._columns)}

    def finish(
        self,
        table: Mapping[str, Column],
        splits: Mapping[str, tuple[NDArray[np.uint8], Mapping[str, Any]]],
        documents: Mapping[str, Any],
    ) -> None:
        """Write the table, the splits and the JSON documents, close the file, seal it, and wait for the disk.

        Args:
            table: column → values.
            splits: name → each window's side, and how the split was made.
            documents: name → what is stored as JSON text under it.

        Raises:
            CorpusError: a text cannot be stored.
            OSError: the disk refuses something.
        """
        for name, parts in self._by_lead.items():
            self._file.create_dataset(f"windows/{name}", data=np.concatenate(parts), track_times=False)
        group = self._file.create_group("windows/table")
        for name, values in table.items():
            if isinstance(values, Texts):
                _write_texts(group, name, values)
            else:
                group.create_dataset(name, data=values, track_times=False, **_packed(values))
            self._sink.raise_error()
        sides = h5py.enum_dtype({side: code for code, side in enumerate(SIDES)}, basetype=np.uint8)
        group = self._file.create_group("splits")
        for name, (codes, info) in splits.items():
            dataset = group.create_dataset(name, data=codes, dtype=sides, track_times=False, **_packed(codes))
            dataset.attrs["info"] = json.dumps(info, sort_keys=True)
        group = self._file.require_group("prints")
        for name, counts in self._print_counts.items():
            counts += [-1] * (len(self._sources) - len(counts))
            group[name].create_dataset("counts", data=np.array(counts, dtype=np.int64), track_times=False)
        for name, value in documents.items():
            text = json.dumps(value, ensure_ascii=False, indent=1)
            self._file.create_dataset(name, data=text, dtype=h5py.string_dtype(), track_times=False)
        self._file.close()
        self._sink.raise_error()
        self._sink.append_durably(seal_of(self._path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._sink.close()


class _Growing:
    """A column in the making."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = []
        self._names: dict[str, int] | None = None

    def append(self, column: Column) -> None:
        """Add one recording's rows; of text only the codes are kept."""
        if not isinstance(column, Texts):
            self._parts.append(column)
            return
        names = self._names = {} if self._names is None else self._names
        codes = np.array([names.setdefault(name, len(names)) for name in column.names], dtype=np.int64)
        self._parts.append(codes.astype(code_type(len(names)))[column.codes])

    def column(self) -> Column:
        """All rows."""
        values = np.concatenate(self._parts)
        return values if self._names is None else Texts(names=tuple(self._names), codes=values)


def _write_texts(group: h5py.Group, name: str, column: Texts) -> None:
    """Text as UTF-8 of fixed width, which every HDF5 reader knows, some rows at a time."""
    encoded = [text.encode() for text in column.names]
    if any(b"\0" in text for text in encoded):
        raise CorpusError("a text column holds a NUL character; mend the label it comes from.", path="table")
    width = max((len(text) for text in encoded), default=1) or 1
    dtype = h5py.string_dtype("utf-8", width)
    words = np.array(encoded, dtype=dtype)
    n_rows = column.codes.size
    dataset = group.create_dataset(
        name,
        shape=(n_rows,),
        dtype=dtype,
        chunks=(min(n_rows, _COLUMN_ROWS),),
        track_times=False,
        **_packed(column.codes),
    )
    for start in range(0, n_rows, _COLUMN_ROWS):
        dataset[start : start + _COLUMN_ROWS] = words[column.codes[start : start + _COLUMN_ROWS]]


def _packed(values: NDArray[Any]) -> dict[str, Any]:
    """Columns repeat themselves and are read whole: they compress well."""
    return {"compression": "gzip", "shuffle": True} if values.size else {}
