"""The version that is written into everything trilead makes."""

VERSION = "0.1.0"
