"""The check that no side of a split has seen another: by raw samples, by contents, and by who was recorded when.

It knows nothing of how a split was made. It looks at the windows' raw ranges and sides as they stand in the corpus, so
that it finds a faulty splitter as well as a file that was changed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import LeakError, SplitError
from curate.split_plan import SIDES, split_hash

if TYPE_CHECKING:
    import pandas as pd

    from curate.corpus_read import Corpus

__all__ = [
    "MIN_WINDOWS_PER_SIDE",
    "check_shared_contents",
    "check_shared_samples",
    "check_split",
    "check_splits",
    "check_subjects",
    "fingerprints",
]

MIN_WINDOWS_PER_SIDE = 4

_FINGERPRINT_SAMPLES = 64
_FINGERPRINT_CHANGES = 16
_FINGERPRINT_ONE_IN = 256
_SAME_FINGERPRINTS = 3
_MULTIPLIER = 0x9E3779B97F4A7C15
_WRAP = 1 << 64


def check_shared_samples(
    name: str,
    recording: NDArray[Any],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    sides: NDArray[np.uint8],
) -> None:
    """Refuse a split in which two sides hold the same raw sample, by one sweep over all ranges; exact.

    Args:
        name: the split's name, for the message.
        recording: each window's recording, shape (n,).
        start: each window's first raw sample.
        stop: one past its last.
        sides: each window's side, as an index into ``unused, train, validate, test``.

    Raises:
        LeakError: names the recording, the two ranges and their sides.
    """
    _, code = np.unique(np.asarray(recording).astype(str), return_inverse=True)
    used = np.flatnonzero(sides)
    order = used[np.lexsort((start[used], code[used]))]
    code, start, stop, sides = code[order], start[order], stop[order], sides[order]
    if not order.size:
        return
    # Recordings are laid behind one another, so that one running maximum serves all of them.
    offset = code.astype(np.int64) * (int(stop.max()) + 1)
    begins, ends = start + offset, stop + offset
    for one, other in permutations((1, 2, 3), 2):
        furthest = np.maximum.accumulate(np.where(sides == one, ends, -1))
        clash = np.flatnonzero((sides == other) & (furthest > begins))
        if clash.size:
            late = int(clash[0])
            early = int(np.flatnonzero((sides[:late] == one) & (ends[:late] == furthest[late]))[0])
            raise LeakError(
                f"Split {name} leaks: in recording {np.asarray(recording)[order[late]]} the {SIDES[one]} window "
                f"[{start[early]}, {stop[early]}) and the {SIDES[other]} window [{start[late]}, {stop[late]}) share "
                f"raw "
                "samples; build the corpus again."
            )


def check_subjects(subjects: Sequence[str]) -> None:
    """Refuse a corpus in which there is nobody to be told apart from.

    Raises:
        LeakError: fewer than two subjects.
    """
    names = sorted(set(subjects))
    if len(names) < 2:
        who = f"one subject, {names[0]}" if names else "no subject"
        raise LeakError(
            f"The corpus has {who}; identity needs at least two, and a network that always answers the same name would "
            "seem perfect; record or import another subject."
        )


def check_split(name: str, table: pd.DataFrame, sides: NDArray[np.uint8], info: Mapping[str, Any]) -> None:
    """Check one split of a corpus: shared samples, sessions or subjects, and whether it can be trained and tested.

    Args:
        name: the split's name.
        table: the corpus's table, one row per window.
        sides: each window's side, as an index into ``unused, train, validate, test``.
        info: how the split was made; ``kind`` says what else must be apart.

    Raises:
        LeakError: sides share what they must not.
        SplitError: a side has too few windows, or something is tested that was never trained.
    """
    check_shared_samples(
        name,
        table["recording"].to_numpy(dtype=str),
        table["start"].to_numpy(dtype=np.int64),
        table["stop"].to_numpy(dtype=np.int64),
        sides,
    )
    learned, tested = table[(sides == 1) | (sides == 2)], table[sides == 3]
    kind = info.get("kind")
    if kind == "across-sessions":
        both = set(zip(learned["subject"], learned["session"], strict=True)) & set(
            zip(tested["subject"], tested["session"], strict=True)
        )
        if both:
            subject, session = sorted(both)[0]
            raise LeakError(
                f"Split {name} leaks: session {session} of subject {subject} is trained and tested; build the corpus "
                f"again."
            )
    if kind == "unseen-subjects":
        seen = set(learned["subject"]) & set(tested["subject"])
        if seen:
            raise LeakError(
                f"Split {name} leaks: subject {sorted(seen)[0]} is trained and tested; build the corpus again."
            )
    _check_trainable(name, table, sides, identity=kind != "unseen-subjects")


def _check_trainable(name: str, table: pd.DataFrame, sides: NDArray[np.uint8], *, identity: bool) -> None:
    for code in (1, 2, 3):
        n = int(np.count_nonzero(sides == code))
        if n < MIN_WINDOWS_PER_SIDE:
            raise SplitError(
                f"Split {name} has {n} windows to {SIDES[code]}; it needs at least {MIN_WINDOWS_PER_SIDE}: record "
                f"longer, "
                "take shorter windows, or leave this split out."
            )
    for column in ("activity", *(("subject",) if identity else ())):
        trained = set(table.loc[sides == 1, column])
        never = sorted(set(table.loc[sides >= 2, column]) - trained)
        if never:
            raise SplitError(
                f"Split {name} asks for {column} {never[0]!r} but never trains it; record it in the training part "
                f"too, or "
                "leave this split out."
            )


def check_splits(corpus: Corpus, names: Sequence[str] | None = None) -> None:
    """Check splits of a corpus as they stand in its file; training calls this before it believes any.

    Args:
        corpus: an open corpus.
        names: which splits; None checks all.

    Raises:
        LeakError: one subject only, one recording under two names, or two sides that share what they must not.
        SplitError: a split cannot be trained and tested.
    """
    table = corpus.table
    check_subjects(list(table["subject"].unique()))
    check_shared_contents({source["recording"]: source["signal_sha256"] for source in corpus.sources}, {})
    ids = {source["recording"]: source["recording_id"] for source in corpus.sources}
    recording_ids = table["recording"].map(ids).tolist()
    for name in corpus.split_names if names is None else names:
        labels = corpus.split(name)
        sides = np.searchsorted(_SORTED_SIDES, labels)
        codes = _SORTED_CODES[sides].astype(np.uint8)
        info = corpus.split_info(name)
        check_split(name, table, codes, info)
        now = split_hash(recording_ids, table["start"].to_numpy(), table["stop"].to_numpy(), codes)
        if now != info.get("hash"):
            raise LeakError(
                f"Split {name} of {corpus.path} is not the one that was made: its hash is {now[:12]}… and was "
                f"{str(info.get('hash'))[:12]}…; build the corpus again."
            )


_SORTED_SIDES = np.array(sorted(SIDES))
_SORTED_CODES = np.array([SIDES.index(side) for side in sorted(SIDES)])


# the same recording under two names


def fingerprints(counts: NDArray[Any]) -> NDArray[np.uint64]:
    """Pick out of a recording's raw counts what finds the same stretch again, wherever it begins.

    A polynomial hash runs over every 64 rows in a row; those whose hash falls into a fixed one in 256 are kept. Which
    rows these are depends on their contents alone, so that a copy that was cropped or shifted still shares them
    (content-defined sampling, as in Schleimer, Wilkerson & Aiken 2003, doi:10.1145/872757.872770). Stretches that
    hardly change (gaps, a rail) are left out.

    Args:
        counts: shape (n_samples, n_channels), as recorded.

    Returns:
        Sorted, each once.
    """
    width = _FINGERPRINT_SAMPLES
    if counts.shape[0] < width:
        return np.zeros(0, dtype=np.uint64)
    row = np.zeros(counts.shape[0], dtype=np.uint64)
    for channel in range(counts.shape[1]):
        row = row * np.uint64(_MULTIPLIER) + _as_words(counts[:, channel])
    # Prefix sums with weights m^-i give every window's hash in one pass; all arithmetic is modulo 2^64.
    n = row.size
    weights = np.ones(n + 1, dtype=np.uint64)
    weights[1:] = np.uint64(_MULTIPLIER)
    weights = np.cumprod(weights, dtype=np.uint64)
    inverse = np.ones(n, dtype=np.uint64)
    inverse[1:] = np.uint64(pow(_MULTIPLIER, -1, _WRAP))
    inverse = np.cumprod(inverse, dtype=np.uint64)
    prefix = np.concatenate(([np.uint64(0)], np.cumsum(row * inverse, dtype=np.uint64)))
    hashes = (prefix[width:] - prefix[:-width]) * weights[: n - width + 1]
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    changes = np.concatenate(([0, 0], np.cumsum(row[1:] != row[:-1])))
    lively = changes[width:] - changes[1 : n - width + 2] >= _FINGERPRINT_CHANGES
    return np.unique(hashes[lively & (hashes % np.uint64(_FINGERPRINT_ONE_IN) == 0)])


def _as_words(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Spread each value's bits over 64, so that small counts do not make small hashes."""
    if values.dtype.kind == "f":
        words = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    else:
        words = values.astype(np.int64).view(np.uint64)
    words = words * np.uint64(0xD6E8FEB86659FD93)
    return words ^ (words >> np.uint64(32))


def check_shared_contents(digest: Mapping[str, str], prints: Mapping[str, NDArray[np.uint64]]) -> None:
    """Refuse two recordings that hold the same samples under two names, wholly or in part.

    Args:
        digest: recording → SHA-256 of its raw samples.
        prints: recording → its ``fingerprints``; may be empty.

    Raises:
        LeakError: names the two recordings.
    """
    known: dict[str, str] = {}
    for name in sorted(digest):
        if digest[name] in known:
            raise LeakError(
                f"Recordings {known[digest[name]]} and {name} hold the very same samples under two names, so that one "
                "could train and the other test; remove one of them from the study."
            )
        known[digest[name]] = name
    names = sorted(prints)
    if len(names) < 2:
        return
    values = np.concatenate([prints[name] for name in names])
    owners = np.repeat(np.arange(len(names)), [prints[name].size for name in names])
    order = np.lexsort((owners, values))
    values, owners = values[order], owners[order]
    same = np.flatnonzero(values[1:] == values[:-1])
    pairs, counts = np.unique(np.stack([owners[same], owners[same + 1]], axis=1), axis=0, return_counts=True)
    for (one, other), count in zip(pairs, counts, strict=True):
        if count >= _SAME_FINGERPRINTS:
            raise LeakError(
                f"Recordings {names[one]} and {names[other]} share stretches of the very same samples, so that one "
                f"could "
                "train and the other test; remove one of them from the study."
            )
