"""Layers of labels: logs of edits, how far annotators agree, adjudication."""
