"""The formats there are, and how a file finds its own."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from curate.errors import FormatUnknown
from curate.importers.options import ImportOptions
from curate.importers.reading import content_digest
from curate.importers.recorded import IMPORTED, Identity, Reading

__all__ = ["FORMATS", "Importer", "find_format", "load_format"]

FORMATS: dict[str, str] = {
    "wearable": "curate.importers.wearable:WearableImporter",
    "gudb": "curate.importers.gudb:GudbImporter",
    "brainflow": "curate.importers.brainflow_csv:BrainFlowImporter",
    "polar": "curate.importers.polar:PolarImporter",
    "csv": "curate.importers.described:DescribedImporter",
    "edf": "curate.importers.edf:EdfImporter",
    "openbci": "curate.importers.openbci:OpenBciImporter",
    "wfdb": "curate.importers.wfdb_record:WfdbImporter",
    "xdf": "curate.importers.xdf:XdfImporter",
}
"""Name → ``module:Class``; the module is imported when the format is asked for."""


class Importer(ABC):
    """A format: which files are of it, and how one becomes a recording."""

    name: str
    """As it is named on the command line."""

    found_by_itself: ClassVar[bool] = True
    """Whether files of this format are looked for in a folder where no format was named."""

    takes: ClassVar[frozenset[str]] = frozenset({"lead"})
    """Which of the options ``lead``, ``board``, ``stream`` and ``layout`` say something to files of this format."""

    told_by_bytes: ClassVar[bool] = False
    """Whether its files can be nothing else, so that a layout of a table cannot be meant for them."""

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

    def fingerprint(self, path: Path, *, shown: Path) -> str:
        """SHA-256 of what the file holds, unpacked, by which it is known again under another name.

        Raises:
            ImportRefused: its packing is damaged, or it is too large.
            OSError: the file cannot be read.
        """
        return content_digest(path, shown=shown)

    def identity(self, path: Path, *, shown: Path) -> Identity:
        """Whose a file is, as far as its name and place tell without reading it.

        Raises:
            ImportRefused: the name cannot be used.
        """
        return Identity()

    def annotators(self, path: Path) -> tuple[str, ...]:
        """Whose layers come with a file, as far as can be told without reading it."""
        return (IMPORTED,)

    @abstractmethod
    def read(self, path: Path, *, shown: Path, options: ImportOptions) -> Reading:
        """Read one file.

        Args:
            path: the file.
            shown: how to call it in sentences.
            options: what a person said about the files.

        Raises:
            ImportRefused: the file cannot be taken in.
            OSError: the file cannot be read.
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
