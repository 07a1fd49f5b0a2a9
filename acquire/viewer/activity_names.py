"""What people call the activities of the vocabulary, in the language that is spoken."""

from __future__ import annotations

from acquire.viewer.texts import _
from protocols.activities import ACTIVITIES

__all__ = ["activity_title"]


def activity_title(activity: str) -> str:
    """An activity's title; one that a script defines is its name, with blanks; a pause between is a rest."""
    titles = {
        "rest": _("Rest"),
        "lie": _("Lie"),
        "sit": _("Sit"),
        "stand": _("Stand"),
        "walk": _("Walk"),
        "climb": _("Climb stairs"),
        "jog": _("Jog"),
        "run": _("Run"),
        "arms": _("Arm movements"),
        "squats": _("Squats"),
        "exercise": _("Exercise"),
        "recover": _("Recover"),
        "type": _("Type"),
        "eat": _("Eat"),
        "dress": _("Dress"),
        "sweep": _("Sweep"),
    }
    if activity in titles:
        return titles[activity]
    known = ACTIVITIES.get(activity)
    return known.title if known else activity.replace("_", " ").replace("-", " ").capitalize() or _("Break")
