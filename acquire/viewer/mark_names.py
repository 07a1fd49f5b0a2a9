"""What the marks that come with the app are called.

A recording keeps their English names, whoever set them, so that those of a study agree; names that somebody gave are
shown as they are.
"""

from __future__ import annotations

from acquire.viewer.texts import _

__all__ = ["mark_kept", "mark_title"]


def _titles() -> dict[str, str]:
    return {
        "movement": _("movement"),
        "talking": _("talking"),
        "cough": _("cough"),
        "electrode touched": _("electrode touched"),
        "other": _("other"),
    }


def mark_title(name: str) -> str:
    """What a mark is called where it is shown."""
    return _titles().get(name, name)


def mark_kept(title: str) -> str:
    """The name that is kept of what somebody reads or types."""
    return {shown: name for name, shown in _titles().items()}.get(title, title)
