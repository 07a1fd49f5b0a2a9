"""The formats there are, and how a file finds its own."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import FormatUnknown

if TYPE_CHECKING:
    from acquire.study import Study
    from curate.importers.report import Imported

__all__ = ["FORMATS", "Importer", "find_format", "load_format"]

FORMATS: dict[str, str] = {
    "wearable": "curate.importers.wearable:WearableImporter",
}
"""Name → ``module:Class``; the module is imported when the format is asked for."""


class Importer(ABC):
    """A format: which files are of it, and how one becomes a recording."""

    name: str
    """As it is named on the command line."""

    @abstractmethod
    def candidate(self, path: Path) -> bool:
        """Tell from its name and place alone whether a file found in a folder is meant to be of this format."""

    @abstractmethod
    def companion(self, path: Path) -> bool:
        """Tell whether a file found in a folder goes with a recording of this format and is read together with it."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Tell from its name or its first bytes whether a file is of this format.

        Raises:
            OSError: the file cannot be read.
        """

    @abstractmethod
    def take(self, study: Study, path: Path, *, shown: Path, known: Mapping[str, Path]) -> Imported:
        """Write one file into a study.

        Args:
            study: where to.
            path: the file.
            shown: how to call it in sentences.
            known: SHA-256 of what was imported before → its recording file.

        Raises:
            ImportRefused: the file cannot be taken in; nothing was written.
            TrileadError: the study cannot take it.
        """


def load_format(name: str) -> Importer:
    """Make the importer of a format.

    Raises:
        FormatUnknown: there is no format of this name.
    """
    if name not in FORMATS:
        raise FormatUnknown(f"There is no format named {name!r}.", known=tuple(FORMATS))
    module, _, kind = FORMATS[name].partition(":")
    importer = getattr(importlib.import_module(module), kind)()
    assert isinstance(importer, Importer)
    return importer


def find_format(path: Path) -> Importer | None:
    """Find the first format that recognises a file."""
    for name in FORMATS:
        importer = load_format(name)
        if importer.recognises(path):
            return importer
    return None
