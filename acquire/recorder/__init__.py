"""The recorder process, and how commands and viewers start it and talk to it."""
