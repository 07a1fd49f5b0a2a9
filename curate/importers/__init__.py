"""Recordings that other programs made, taken into a study without changing a count."""

from curate.importers.registry import FORMATS
from curate.importers.report import ImportReport, Note, Refusal, Skipped
from curate.importers.run import import_paths

__all__ = ["FORMATS", "ImportReport", "Note", "Refusal", "Skipped", "import_paths"]
