"""Names: what may become part of a file name, and what of a path may stand in a recording."""

from __future__ import annotations

import re
from pathlib import Path

from acquire.errors import StudyError

__all__ = ["check_pseudonym", "check_session", "real_name_warning", "stem_parts", "without_folders"]

_LABEL = re.compile(r"[A-Za-z0-9]{1,32}")
_STEM = re.compile(r"sub-([A-Za-z0-9]{1,32})_ses-([A-Za-z0-9]{1,32})_run-([0-9]{2,6})")
_FOLDERS = re.compile(
    r"""(?<![\w.~/\\-])(?!/dev/)(?:[A-Za-z]:[\\/]|[~.]{0,2}/)(?:[^\\/\s'"?&:;,]+[\\/])*(?=[^\\/\s'"?&:;,])"""
)


def without_folders(text: str) -> str:
    """Text that may be stored in a recording: of each file only its own name is left, not where it lies on a computer.

    Devices (``/dev/ttyUSB0``) stay as they are.
    """
    return _FOLDERS.sub("", text)


def stem_parts(stem: str) -> tuple[str, str, int] | None:
    """Subject, session and run of ``sub-S01_ses-01_run-01``, or None when it is not such a stem."""
    match = _STEM.fullmatch(stem)
    return None if match is None else (match[1], match[2], int(match[3]))


def check_pseudonym(pseudonym: str, file: Path, *, line: int | None = None) -> None:
    """Refuse what cannot stand in a file name or could leave the folder.

    Raises:
        StudyError: it is not 1 to 32 letters and digits.
    """
    if not _LABEL.fullmatch(pseudonym):
        where = f"{file}, line {line}" if line is not None else f"{file}"
        raise StudyError(
            f"{where}: the subject is {pseudonym[:40]!r}; a pseudonym is 1 to 32 letters A–Z, a–z and digits.",
            path=file,
            field="pseudonym",
            value=pseudonym,
        )


def check_session(session: str, path: Path) -> None:
    """Refuse what cannot stand in a file name.

    Raises:
        StudyError: it is not 1 to 32 letters and digits.
    """
    if not _LABEL.fullmatch(session):
        raise StudyError(
            f"{path}: the session is {session[:40]!r}; a session label is 1 to 32 letters and digits, like 01.",
            path=path,
            field="session",
            value=session,
        )


def real_name_warning(pseudonym: str) -> str:
    """A sentence when a pseudonym looks like somebody's name, else ""."""
    if len(pseudonym) >= 3 and pseudonym.isalpha() and (pseudonym[0].isupper() or len(pseudonym) > 4):
        return f"{pseudonym} looks like a name; use a pseudonym such as S01, for it will stand in every file."
    return ""
