"""The corpus: windows, their file, and its card."""
