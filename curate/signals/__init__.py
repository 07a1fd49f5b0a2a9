"""Signals under curation: cleaning, filters, another rate, and what can be searched."""
