"""Recordings that other programs made, taken into a study without changing a count."""

from curate.importers.options import ImportOptions, NamePattern, read_map
from curate.importers.recorded import Identity
from curate.importers.registry import FORMATS
from curate.importers.report import ImportReport, Note, Refusal, Skipped
from curate.importers.run import import_paths

__all__ = [
    "FORMATS",
    "Identity",
    "ImportOptions",
    "ImportReport",
    "NamePattern",
    "Note",
    "Refusal",
    "Skipped",
    "import_paths",
    "read_map",
]
