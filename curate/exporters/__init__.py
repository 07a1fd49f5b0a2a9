"""Recordings, labels and corpora in the formats of other programs; nothing in the study is changed."""

from curate.exporters.corpora import CORPUS_FORMATS, export_corpus
from curate.exporters.run import FORMATS, ExportReport, Left, export_recordings

__all__ = ["CORPUS_FORMATS", "FORMATS", "ExportReport", "Left", "export_corpus", "export_recordings"]
