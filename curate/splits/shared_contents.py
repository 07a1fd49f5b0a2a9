"""The check that no two recordings hold the same heart beats under two names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.errors import LeakError
from curate.splits.beat_matches import shared_beats
from curate.splits.content_prints import SAMPLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_shared_contents"]

_SAME_FINGERPRINTS = 3


def check_shared_contents(digest: Mapping[str, str], prints: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    """Refuse two recordings that hold the same samples or the same heart beats under two names, wholly or in part.

    Args:
        digest: recording → SHA-256 of its raw samples.
        prints: recording → its ``content_prints``; may be empty. An array is only asked for when it is needed.

    Raises:
        LeakError: names the two recordings and what they share.
    """
    _refuse_same_digest(digest)
    _refuse_same_samples(prints)
    _refuse_same_beats(prints)


def _refuse_same_digest(digest: Mapping[str, str]) -> None:
    known: dict[str, str] = {}
    for name in sorted(digest):
        if digest[name] in known:
            raise LeakError(
                f"Recordings {known[digest[name]]} and {name} hold the very same samples under two names, so that one "
                "could train and the other test; leave one of them out with --without-recordings."
            )
        known[digest[name]] = name


def _refuse_same_samples(prints: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    names = sorted(prints)
    if len(names) < 2:
        return
    found = [prints[name][SAMPLES] for name in names]
    values = np.concatenate(found)
    owners = np.repeat(np.arange(len(names)), [one.size for one in found])
    order = np.lexsort((owners, values))
    values, owners = values[order], owners[order]
    same = np.flatnonzero(values[1:] == values[:-1])
    pairs, counts = np.unique(np.stack([owners[same], owners[same + 1]], axis=1), axis=0, return_counts=True)
    for (one, other), count in zip(pairs, counts, strict=True):
        if count >= _SAME_FINGERPRINTS:
            raise LeakError(
                f"Recordings {names[one]} and {names[other]} share stretches of the very same samples, so that one "
                "could train and the other test; leave one of them out with --without-recordings."
            )


def _refuse_same_beats(prints: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    match = next(shared_beats(prints), None)
    if match is None:
        return
    where = (
        f"{match.n_intervals + 1} beats of {match.one} from {match.start_s:.1f} s on and of {match.other} from "
        f"{match.other_start_s:.1f} s on"
    )
    if match.same_signal:
        what = f"hold the same signal, resampled, rescaled or filtered ({where})"
    else:
        what = f"share the same heart beats, as when two boards record one person at once ({where})"
    raise LeakError(
        f"Recordings {match.one} and {match.other} {what}, so that one could train and the other test; leave one of "
        "them out with --without-recordings."
    )
