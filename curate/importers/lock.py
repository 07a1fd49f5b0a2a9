"""One import into a study at a time.

The lock is the operating system's, on study.toml, which nothing else locks, and goes with the process that holds it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from acquire.files import try_hold
from acquire.study import STUDY_FILE, Study
from curate.errors import CurateError

__all__ = ["hold_study"]


@contextlib.contextmanager
def hold_study(study: Study) -> Iterator[None]:
    """Hold a study against every other import.

    Raises:
        CurateError: another import into it is running, or its study.toml cannot be opened.
    """
    file = study.path / STUDY_FILE
    try:
        # Some network file systems lock only what is open for writing.
        descriptor = os.open(file, os.O_RDWR if os.access(file, os.W_OK) else os.O_RDONLY)
    except OSError as error:
        raise CurateError(f"{file} cannot be opened: {error.strerror}; look at the study folder.") from error
    try:
        if not try_hold(descriptor):
            raise CurateError(
                f"{study.path}: another import into this study is running, here or on another computer; wait until it "
                "has ended, then give the command again."
            )
        yield
    finally:
        os.close(descriptor)
