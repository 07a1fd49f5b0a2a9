"""Read a corpus: what training sees, and all it sees.

Windows are held as ``(n, n_leads, n_samples)`` float32. Opening a corpus checks its structure and loads the table and
the splits, which are small; the windows stay in the file until they are asked for.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from acquire.recordings.seal import is_sealed
from curate.corpus.piece import read_texts
from curate.errors import CorpusError
from curate.splits.make import SIDES, SPLIT_KINDS, family_of
from curate.splits.plan import natural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CORPUS_FORMAT", "CORPUS_VERSION", "SIDES", "Corpus", "family_folds", "open_corpus", "split_families"]

CORPUS_FORMAT = "trilead-corpus"
CORPUS_VERSION = 1

FIXED_COLUMNS = (
    "subject",
    "session",
    "recording",
    "activity",
    "start",
    "stop",
    "quality",
    "artefact",
    "heart_rate",
    "length",
)
QUALITY_GRADES = ("good", "doubtful", "unusable")
_TEXT_COLUMNS = ("subject", "session", "recording", "activity", "quality")
# Reading on over a few windows nobody asked for costs less than another call into HDF5.
_BRIDGE_WINDOWS = 8


def open_corpus(path: Path | str, *, check_seal: bool = False) -> Corpus:
    """Open a corpus file.

    Args:
        path: the file.
        check_seal: read all of it first, and refuse it where a byte is not as it was written; a gigabyte takes about a
            second.

    Raises:
        CorpusError: the file is missing, cut, foreign, newer than this program, or its parts contradict one another.
    """
    path = Path(path)
    if check_seal:
        _check_seal(path)
    return Corpus(path)


def _check_seal(path: Path) -> None:
    """Refuse a file that is not as it was written, before HDF5 sees it; one that is not there is another's to tell."""
    try:
        sound = is_sealed(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not sound:
        raise CorpusError(
            "the file is damaged, cut off, or was changed after it was built, for its seal does not fit; build the "
            "corpus again.",
            path=path,
            reason="damaged",
        )


class Corpus:
    """An open corpus; use it as a context manager, or ``close`` it.

    The HDF5 handle is opened at the first read, in the process that reads, so a corpus may be pickled to data-loading
    workers.

    Attributes:
        path: the file.
        name: the corpus's name.
        leads: names of the leads, in the order of axis 1 of the windows.
        rate_hz: samples per second of the windows.
        window_s: length of a window, or of the room that windows of beats are put into.
        hop_s: distance between the starts of neighbouring windows that were cut by length.
        n_beats: beats in a window; 0 where windows were cut by length.
        hop_beats: from one window's first beat to the next one's, where they were cut by beats.
        min_quality: the grade below which leads were masked.
        unit: unit of the windows' values; ``mV``, or a word for scaled values.
        scale: ``none`` or ``recording-p98``.
        n_windows: how many windows there are.
        n_samples: samples in a window.
        factors: names of the factor columns in ``table``.
        cleaning: every parameter of the processing.
        excluded: reason → number of windows that were cut but not kept for that reason.
        excluded_recordings: recording → why it was left out.
        sources: one entry per recording: its name, id, digests, rate and layers.
        splits_left_out: kind of split → why it could not be made.
        software_version: the trilead that made the file.
        table: one row per window: subject, session, recording, one column per factor, activity, start, stop (raw sample
            range), quality, artefact (degree, 0 where nobody graded it), heart_rate (per minute, NaN where unknown) and
            length (samples that hold signal, from the left). Equal texts are one and the same string, so that a row
            takes some 70 bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        self._pid = -1
        try:
            with h5py.File(path, "r") as file:
                self._load(file)
        except FileNotFoundError:
            raise CorpusError("there is no such corpus; build it with `trilead corpus`.", path=path) from None
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, RecursionError) as error:
            raise _unreadable(path, error) from error

    # opening

    def _load(self, file: h5py.File) -> None:
        attrs = file.attrs
        if attrs.get("format") != CORPUS_FORMAT:
            raise CorpusError("the file is not a trilead corpus.", path=self.path, reason="foreign")
        version = int(attrs["version"])
        if version != CORPUS_VERSION:
            raise CorpusError(
                f"corpus version is {version}; this trilead reads version {CORPUS_VERSION}; use a trilead that fits.",
                path=self.path,
                reason="version",
            )
        self.name = str(attrs["name"])
        self.leads: tuple[str, ...] = tuple(str(lead) for lead in json.loads(attrs["leads"]))
        self.rate_hz = self._positive(attrs, "rate_hz")
        self.window_s = self._positive(attrs, "window_s")
        self.hop_s = self._positive(attrs, "hop_s")
        self.n_beats = int(attrs.get("n_beats", 0))
        self.hop_beats = int(attrs.get("hop_beats", 1))
        self.min_quality = str(attrs.get("min_quality", QUALITY_GRADES[-1]))
        self.unit = str(attrs["unit"])
        self.scale = str(attrs["scale"])
        self.software_version = str(attrs["software_version"])
        self.factors: tuple[str, ...] = tuple(str(factor) for factor in json.loads(attrs["factors"]))
        self.cleaning: dict[str, Any] = _json_object(file["cleaning"])
        self.excluded: dict[str, int] = {str(k): int(v) for k, v in _json_object(file["excluded"]).items()}
        self.excluded_recordings: dict[str, str] = {
            str(k): str(v) for k, v in _json_object(file.get("excluded_recordings")).items()
        }
        self.sources: list[dict[str, Any]] = list(_json_object(file["sources"])["recordings"])
        self.splits_left_out: dict[str, str] = {
            str(k): str(v) for k, v in _json_object(file["splits_left_out"]).items()
        }
        self._load_windows(file)
        self.table = self._load_table(file["windows/table"])
        self._load_splits(file["splits"])

    def _positive(self, attrs: h5py.AttributeManager, name: str) -> float:
        value = float(attrs[name])
        if not (math.isfinite(value) and value > 0):
            raise CorpusError(f"{name} is {value}; it must be above 0; build the corpus again.", path=self.path)
        return value

    def _load_windows(self, file: h5py.File) -> None:
        signal, lead_ok = file["windows/signal"], file["windows/lead_ok"]
        if signal.ndim != 3 or signal.dtype != np.float32 or lead_ok.shape != signal.shape[:2]:
            raise CorpusError(
                f"/windows/signal is {signal.dtype} of shape {signal.shape} with /windows/lead_ok {lead_ok.shape}; "
                "it must be float32 (windows, leads, samples) with one mark per window and lead; build the corpus "
                "again.",
                path=self.path,
                reason="damaged",
            )
        self.n_windows, n_leads, self.n_samples = (int(length) for length in signal.shape)
        if n_leads != len(self.leads) or self.n_samples != round(self.window_s * self.rate_hz):
            raise CorpusError(
                f"windows have {n_leads} leads and {self.n_samples} samples, but the file says leads "
                f"{', '.join(self.leads)} and {self.window_s:g} s at {self.rate_hz:g} Hz; build the corpus again.",
                path=self.path,
                reason="damaged",
            )
        self._lead_ok: NDArray[np.bool_] = lead_ok[()].astype(bool)
        quality = file["windows"].get("lead_quality")
        self._lead_quality: NDArray[np.uint8] = (
            np.where(self._lead_ok, len(QUALITY_GRADES) - 1, 0).astype(np.uint8) if quality is None else quality[()]
        )
        if self._lead_quality.shape != self._lead_ok.shape or self._lead_quality.dtype != np.uint8:
            raise CorpusError(
                f"/windows/lead_quality is {self._lead_quality.dtype} of shape {self._lead_quality.shape}; it must "
                "have one grade per window and lead; build the corpus again.",
                path=self.path,
                reason="damaged",
            )

    def _load_table(self, group: h5py.Group) -> pd.DataFrame:
        import pandas as pd

        columns: dict[str, Any] = {}
        for name in ("subject", "session", "recording", *self.factors, *FIXED_COLUMNS[3:]):
            if name == "length" and name not in group:
                columns[name] = np.full(self.n_windows, self.n_samples, dtype=np.int32)
                continue
            dataset = group[name]
            if dataset.shape != (self.n_windows,):
                raise CorpusError(
                    f"column {name} has {dataset.shape} values for {self.n_windows} windows; build the corpus again.",
                    path=self.path,
                    reason="damaged",
                )
            text = name in _TEXT_COLUMNS or name in self.factors
            columns[name] = read_texts(dataset) if text else dataset[()]
        table = pd.DataFrame(columns, copy=False)
        start, stop = columns["start"], columns["stop"]
        if start.dtype.kind != "i" or stop.dtype.kind != "i" or np.any(start < 0) or np.any(stop <= start):
            raise CorpusError("a window's raw range is empty or negative; build the corpus again.", path=self.path)
        unknown = set(table["quality"].unique()) - set(QUALITY_GRADES)
        if unknown:
            raise CorpusError(
                f"quality holds {sorted(unknown)[0]!r}; grades are {', '.join(QUALITY_GRADES)}.", path=self.path
            )
        missing = set(table["recording"].unique()) - {source["recording"] for source in self.sources}
        if missing:
            raise CorpusError(f"recording {sorted(missing)[0]!r} has windows but no source entry.", path=self.path)
        return table

    def _load_splits(self, group: h5py.Group) -> None:
        self._sides: dict[str, NDArray[np.uint8]] = {}
        self._split_info: dict[str, dict[str, Any]] = {}
        for name in sorted(group, key=_split_order):
            sides = group[name][()]
            if (
                sides.shape != (self.n_windows,)
                or sides.dtype.kind != "u"
                or (sides.size and sides.max() >= len(SIDES))
            ):
                raise CorpusError(
                    f"split {name} does not give each window one of {', '.join(SIDES)}; build the corpus again.",
                    path=self.path,
                    reason="damaged",
                )
            self._sides[name] = sides.astype(np.uint8)
            self._split_info[name] = json.loads(group[name].attrs["info"])

    # reading

    @property
    def split_names(self) -> list[str]:
        """The splits there are, folds one by one."""
        return list(self._sides)

    def split(self, name: str) -> NDArray[np.str_]:
        """Give each window's side in a split.

        Returns:
            Shape (n_windows,), each one of ``train``, ``validate``, ``test`` and ``unused``.

        Raises:
            CorpusError: there is no such split.
        """
        return np.array(SIDES)[self.split_codes(name)]

    def split_codes(self, name: str) -> NDArray[np.uint8]:
        """Give each window's side in a split as its place in ``SIDES``; see ``split``."""
        return self._sides[self._known(name)]

    def split_info(self, name: str) -> dict[str, Any]:
        """Tell how a split was made: kind, words, seed, parameters, fold, counts, and the hash of its ranges."""
        return dict(self._split_info[self._known(name)])

    def _known(self, name: str) -> str:
        if name not in self._sides:
            raise CorpusError(
                f"there is no split {name!r}; this corpus has {', '.join(self._sides) or 'none'}.",
                path=self.path,
                reason="split",
            )
        return name

    def read(self, indices: Sequence[int] | NDArray[np.integer[Any]] | slice | None = None) -> NDArray[np.float32]:
        """Read windows, in the order asked for; all of them when nothing is named.

        Returns:
            Shape (n, n_leads, n_samples), float32, in ``unit``; zeros where ``lead_ok`` is False.

        Raises:
            CorpusError: an index is outside the corpus, or the file holds something that is not a number.
        """
        wanted = self._indices(indices)
        out = np.empty((wanted.size, len(self.leads), self.n_samples), dtype=np.float32)
        if not wanted.size:
            return out
        signal = self._open()["windows/signal"]
        order = np.argsort(wanted, kind="stable")
        ordered = wanted[order]
        breaks = np.flatnonzero(np.diff(ordered) > _BRIDGE_WINDOWS) + 1
        for places in np.split(order, breaks):
            first, last = int(wanted[places[0]]), int(wanted[places[-1]])
            block = signal[first : last + 1]
            out[places] = block[wanted[places] - first]
        if not np.isfinite(out).all():
            raise CorpusError("a window holds a value that is not a number; build the corpus again.", path=self.path)
        return out

    def lead_ok(self, indices: Sequence[int] | NDArray[np.integer[Any]] | slice | None = None) -> NDArray[np.bool_]:
        """Tell which leads of which windows hold signal, shape (n, n_leads)."""
        return self._lead_ok[self._indices(indices)]

    def lead_quality(
        self, indices: Sequence[int] | NDArray[np.integer[Any]] | slice | None = None
    ) -> NDArray[np.uint8]:
        """Grade the leads of windows, shape (n, n_leads): 2 good, 1 doubtful, 0 unusable or not there."""
        return self._lead_quality[self._indices(indices)]

    def _indices(self, indices: Sequence[int] | NDArray[np.integer[Any]] | slice | None) -> NDArray[np.int64]:
        if indices is None or isinstance(indices, slice):
            return np.arange(*(indices or slice(None)).indices(self.n_windows))
        wanted = np.asarray(indices)
        if wanted.size and wanted.dtype.kind not in "iu":
            raise CorpusError(f"window numbers are {wanted.dtype}; they must be whole numbers.", path=self.path)
        wanted = wanted.astype(np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.n_windows):
            raise CorpusError(
                f"windows {wanted.min()} to {wanted.max()} were asked for; the corpus has 0 to {self.n_windows - 1}.",
                path=self.path,
            )
        return wanted

    # lifetime

    def _open(self) -> h5py.File:
        # A handle does not survive a fork: each process opens its own.
        if self._file is None or self._pid != os.getpid():
            try:
                self._file = h5py.File(self.path, "r")
            except OSError as error:
                raise _unreadable(self.path, error) from error
            self._pid = os.getpid()
        return self._file

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_pid": -1}


def family_folds(corpus: Corpus, family: str) -> list[str]:
    """Name the folds of a split family in their order: ``random`` has itself, ``across-sessions`` ``.1`` and ``.2``.

    Args:
        corpus: an open corpus.
        family: as in the corpus (``across-factor.electrode``) or as it was asked for (``across-factor:electrode``); a
            single fold is its own.

    Raises:
        CorpusError: the corpus has no such split.
    """
    wanted = family_of(family)
    folds = [name for name in corpus.split_names if wanted in (name, _family(corpus, name))]
    if not folds:
        raise CorpusError(
            f"there is no split {family!r}; this corpus has {', '.join(split_families(corpus)) or 'none'}.",
            path=corpus.path,
            reason="split",
        )
    return folds


def split_families(corpus: Corpus) -> list[str]:
    """Name the split families of a corpus, each once."""
    return list(dict.fromkeys(_family(corpus, name) for name in corpus.split_names))


def _family(corpus: Corpus, name: str) -> str:
    info = corpus.split_info(name)
    return str(info.get("family", info["kind"]))


def _split_order(name: str) -> tuple[int, list[tuple[int, int, str]]]:
    kind = name.partition(".")[0]
    return SPLIT_KINDS.index(kind) if kind in SPLIT_KINDS else len(SPLIT_KINDS), natural(name)


def _json_object(dataset: h5py.Dataset | None) -> dict[str, Any]:
    if dataset is None:
        return {}
    value = json.loads(dataset[()])
    if not isinstance(value, dict):
        raise ValueError(f"{dataset.name} is not a JSON object")
    return value


def _unreadable(path: Path, error: BaseException) -> CorpusError:
    """What to say of a file that HDF5 or Python stumbled over, without their own words."""
    words = str(error)
    if path.is_dir():
        fault, mend = "is a folder, not a corpus file", "move it away"
    elif isinstance(error, PermissionError):
        fault, mend = "may not be read", "mend its permissions"
    elif "truncated file" in words:
        fault, mend = "is cut off", "build the corpus again"
    elif "signature not found" in words:
        fault, mend = "is not an HDF5 file, hence no corpus", "build the corpus again"
    else:
        fault, mend = "is damaged, or is no corpus", "build the corpus again"
    return CorpusError(f"the file {fault}; {mend}.", path=path, reason="damaged")
