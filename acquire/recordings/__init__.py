"""The journal and the recording file: written, read, checked, recovered and verified."""
