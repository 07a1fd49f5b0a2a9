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
from curate.splits.plan import SIDES, TEST, TRAIN, VALIDATE, apart_columns, scored_tasks, split_hash
from curate.splits.shared_contents import check_shared_contents

if TYPE_CHECKING:
    import pandas as pd

    from curate.corpus.read import Corpus

__all__ = [
    "MIN_WINDOWS_PER_SIDE",
    "check_shared_contents",
    "check_shared_samples",
    "check_split",
    "check_splits",
    "check_subjects",
]

MIN_WINDOWS_PER_SIDE = 4


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
    import pandas as pd

    code, _ = pd.factorize(np.asarray(recording, dtype=object))
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
        info: how the split was made; see ``apart_columns`` and ``scored_tasks`` for what of it has a say.

    Raises:
        LeakError: sides share what they must not.
        SplitError: a side has too few windows, or something is tested that was never trained.
    """
    check_shared_samples(
        name,
        table["recording"].to_numpy(),
        table["start"].to_numpy(dtype=np.int64),
        table["stop"].to_numpy(dtype=np.int64),
        sides,
    )
    for columns in apart_columns(info):
        _check_apart(name, table, sides, columns)
    _check_trainable(name, table, sides, scored_tasks(info))


def _check_apart(name: str, table: pd.DataFrame, sides: NDArray[np.uint8], columns: Sequence[str]) -> None:
    """Refuse a split whose learned and tested sides share a combination of values that it keeps apart."""
    unknown = [column for column in columns if column not in table.columns]
    if unknown:
        raise SplitError(f"Split {name} keeps {unknown[0]} apart, which the corpus does not tell; build it again.")
    learned, tested = (
        set(table.loc[side, list(columns)].drop_duplicates().itertuples(index=False, name=None))
        for side in ((sides == TRAIN) | (sides == VALIDATE), sides == TEST)
    )
    both = sorted(learned & tested)
    if both:
        what = " of ".join(f"{column} {value}" for column, value in reversed([*zip(columns, both[0], strict=True)]))
        raise LeakError(f"Split {name} leaks: {what} is trained and tested; build the corpus again.")


def _check_trainable(name: str, table: pd.DataFrame, sides: NDArray[np.uint8], tasks: Sequence[str]) -> None:
    for code in (TRAIN, VALIDATE, TEST):
        n = int(np.count_nonzero(sides == code))
        if n < MIN_WINDOWS_PER_SIDE:
            raise SplitError(
                f"Split {name} has {n} windows to {SIDES[code]}; it needs at least {MIN_WINDOWS_PER_SIDE}: record "
                f"longer, "
                "take shorter windows, or leave this split out."
            )
    for task in tasks:
        column = {"identity": "subject"}.get(task, task)
        trained = set(table.loc[sides == TRAIN, column].unique())
        never = sorted(set(table.loc[sides >= VALIDATE, column].unique()) - trained)
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
    recording_ids = table["recording"].map(ids).to_numpy()
    for name in corpus.split_names if names is None else names:
        codes = corpus.split_codes(name)
        info = corpus.split_info(name)
        check_split(name, table, codes, info)
        now = split_hash(recording_ids, table["start"].to_numpy(), table["stop"].to_numpy(), codes)
        if now != info.get("hash"):
            raise LeakError(
                f"Split {name} of {corpus.path} is not the one that was made: its hash is {now[:12]}… and was "
                f"{str(info.get('hash'))[:12]}…; build the corpus again."
            )
