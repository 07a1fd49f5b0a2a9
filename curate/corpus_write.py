"""Write a corpus file, recording by recording: memory does not grow with it, and equal inputs give equal bytes."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from curate.corpus_read import CORPUS_FORMAT, CORPUS_VERSION, SIDES
from curate.corpus_recording import CutRecording
from curate.errors import CorpusError
from protocols.version import VERSION

__all__ = ["WINDOWS_PER_CHUNK", "CorpusWriter"]

WINDOWS_PER_CHUNK = 4
"""Measured with 3-s windows of three leads, warm: 1 per chunk gives 70 000 random reads/s and 55 000/s in a row, 4 give
50 000 and 170 000, 64 give 15 000 and 300 000."""


class CorpusWriter:
    """A corpus file in the making; use it as a context manager.

    Windows are stored uncompressed, a few of them to a chunk with all their leads, for compression slows random reads
    about fourfold. The file has no times in it, so that equal inputs give equal bytes.
    """

    def __init__(self, path: Path, *, leads: Sequence[str], n_samples: int, attributes: Mapping[str, Any]) -> None:
        self._path = path
        self._file = h5py.File(path, "x")
        self._leads = tuple(leads)
        self._crc = 0
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._lead_ok: list[NDArray[np.bool_]] = []
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

    def append(self, cut: CutRecording, constant: Mapping[str, str]) -> None:
        """Add one recording's windows.

        Args:
            cut: its windows.
            constant: columns that have one value for the whole recording.
        """
        n_before, n_new = self._signal.shape[0], cut.windows.shape[0]
        if not n_new:
            return
        self._signal.resize(n_before + n_new, axis=0)
        self._signal[n_before:] = cut.windows
        self._crc = zlib.crc32(np.ascontiguousarray(cut.windows).data, self._crc)
        self._lead_ok.append(cut.lead_ok)
        for name, value in constant.items():
            self._columns.setdefault(name, []).append(np.full(n_new, value, dtype=object))
        for name, values in cut.columns.items():
            self._columns.setdefault(name, []).append(values)

    def table(self) -> dict[str, NDArray[Any]]:
        """All columns of the windows appended so far."""
        return {name: np.concatenate(parts) for name, parts in self._columns.items()}

    def finish(
        self,
        table: Mapping[str, NDArray[Any]],
        splits: Mapping[str, tuple[NDArray[np.uint8], Mapping[str, Any]]],
        documents: Mapping[str, Any],
    ) -> None:
        """Write the table, the splits and the JSON documents, close the file, and wait until it is on the disk.

        Args:
            table: column → values.
            splits: name → each window's side, and how the split was made.
            documents: name → what is stored as JSON text under it.
        """
        lead_ok = np.concatenate(self._lead_ok)
        self._file.create_dataset("windows/lead_ok", data=lead_ok, track_times=False)
        group = self._file.create_group("windows/table")
        for name, values in table.items():
            group.create_dataset(name, data=_storable(values), track_times=False, **_packed(values))
        sides = h5py.enum_dtype({side: code for code, side in enumerate(SIDES)}, basetype=np.uint8)
        group = self._file.create_group("splits")
        for name, (codes, info) in splits.items():
            dataset = group.create_dataset(name, data=codes, dtype=sides, track_times=False, **_packed(codes))
            dataset.attrs["info"] = json.dumps(info, sort_keys=True)
        for name, value in documents.items():
            text = json.dumps(value, ensure_ascii=False, indent=1)
            self._file.create_dataset(name, data=text, dtype=h5py.string_dtype(), track_times=False)
        self._close()
        # HDF5 hands its data to the system and never asks for more; the wait for the disk is ours.
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())

    def _close(self) -> None:
        # HDF5 reports some failed writes, a full disk among them, only when the file is closed, and as RuntimeError.
        try:
            self._file.close()
        except RuntimeError as error:
            raise OSError(str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._close()
        except OSError:
            # What went wrong first is what the caller should hear of.
            if value is None:
                raise


def _packed(values: NDArray[Any]) -> dict[str, Any]:
    """Columns repeat themselves and are read whole: they compress well."""
    return {"compression": "gzip", "shuffle": True} if values.size else {}


def _storable(values: NDArray[Any]) -> NDArray[Any]:
    """Text as UTF-8 of fixed width, which every HDF5 reader knows; anything else as it is."""
    if values.dtype.kind not in "OU":
        return values
    texts, place = np.unique(values.astype(str), return_inverse=True)
    encoded = [text.encode() for text in texts]
    if any(b"\0" in text for text in encoded):
        raise CorpusError("a text column holds a NUL character; mend the label it comes from.", path="table")
    width = max((len(text) for text in encoded), default=1) or 1
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", width))[place]
