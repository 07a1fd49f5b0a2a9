"""The vocabulary of activities: each name has one definition, shared by scripts, labels and corpora."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

__all__ = ["ACTIVITIES", "Activity"]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One thing a subject can be doing.

    Attributes:
        name: the word that stands in scripts, labels and corpora.
        title: the word that people read.
        definition: what counts as this activity, and what does not.
        still: whether the body is still and the pulse at rest: what people are enrolled at.
    """

    name: str
    title: str
    definition: str
    still: bool = False


def _load() -> dict[str, Activity]:
    table = tomllib.loads(resources.files("protocols").joinpath("activities.toml").read_text(encoding="utf-8"))
    return {name: Activity(name=name, **row) for name, row in table.items()}


ACTIVITIES: dict[str, Activity] = _load()
