"""Why a recording ended, as its recorder wrote it, in the language of the window."""

from __future__ import annotations

import re

from acquire.viewer.texts import _

__all__ = ["ending_words"]

_SILENT = re.compile(
    r"The board (?P<board>.+) sent no samples for (?P<silent>\S+) s \(the limit is (?P<limit>\S+) s\), so the recording"
    r" was ended; check its power and cable\.?"
)


def ending_words(ending: str) -> str:
    """The reason in the language that is spoken; as it is where it is none of the usual ones.

    Args:
        ending: as the recording has it.
    """
    if silent := _SILENT.fullmatch(ending):
        words = _(
            "The board {board} sent no samples for {silent} s (the limit is {limit} s), so the recording was ended;"
            " check its power and cable"
        )
        return words.format(**silent.groupdict())
    if ending.startswith("stopped by SIG"):
        return _("stopped by {signal}").format(signal=ending.removeprefix("stopped by "))
    known = {"stopped by the operator": _("stopped by the operator"), "the protocol ended": _("the protocol ended")}
    return known.get(ending, ending)
