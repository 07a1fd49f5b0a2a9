"""The current step, readable from across the room: what to do, for how long, and what comes next."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.big_text import BigText
from acquire.app.step_timeline import duration_words
from acquire.app.widgets import label, restyle
from acquire.viewer.activity_names import activity_title
from acquire.viewer.step_clock import StepNow
from acquire.viewer.texts import _

__all__ = ["StepCard", "countdown_words", "phase_words"]


def countdown_words(seconds: float) -> str:
    """What is left as "1:05" or "1:02:05"; a second that has begun counts, so that 0:00 is the end."""
    whole = max(0, math.ceil(round(seconds, 3)))
    minutes, seconds_left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{seconds_left:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds_left:02d}"


def phase_words(now: StepNow, *, silent: bool) -> tuple[str, str]:
    """What the recording does, and how good that is."""
    if silent or now.phase == "silent":
        return _("Paused · no samples") if now.paused else _("No samples"), "bad"
    return {
        "starting": (_("Starting"), "skipped"),
        "running": (_("Recording"), "good"),
        "paused": (_("Paused"), "doubtful"),
        "finishing": (_("Finishing the file"), "skipped"),
    }[now.phase]


class StepCard(QFrame):
    """Shows where the protocol stands.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._place = label(kind="heading", wrap=False)
        self._instruction = BigText(least=8)
        self._next = BigText(least=14, most=20, bold=False)
        self._next.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._next.setFixedHeight(theme.px(34))
        self._state = BigText(least=10, most=26, figures=True, align=Qt.AlignmentFlag.AlignRight)
        self._state.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._state.setFixedHeight(theme.px(36))
        self._countdown = BigText(least=28, most=150, figures=True, align=Qt.AlignmentFlag.AlignRight)
        self._countdown.setAccessibleDescription(_("Time left of this step"))
        self._left = label(kind="muted", wrap=False)
        self._left.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._shown_state = ("", "")
        head = QHBoxLayout()
        head.addWidget(self._place, 1)
        head.addWidget(self._left, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        middle = QHBoxLayout()
        middle.setSpacing(theme.px(18))
        middle.addWidget(self._instruction, 7)
        middle.addWidget(self._countdown, 3)
        foot = QHBoxLayout()
        foot.setSpacing(theme.px(18))
        foot.addWidget(self._next, 7)
        foot.addWidget(self._state, 3)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(theme.px(18), theme.px(8), theme.px(18), theme.px(10))
        outer.setSpacing(theme.px(5))
        outer.addLayout(head)
        outer.addLayout(middle, 1)
        outer.addLayout(foot)

    @property
    def instruction(self) -> str:
        """What is told."""
        return self._instruction.text

    @property
    def countdown(self) -> str:
        """What is left of the step, as it is shown."""
        return self._countdown.text

    @property
    def following(self) -> str:
        """What comes next, as it is shown."""
        return self._next.text

    @property
    def state(self) -> tuple[str, str]:
        """The word for what the recording does, and its level."""
        return self._shown_state

    def show_compact(self, compact: bool) -> None:
        """Leave out what comes next and what the recording does, where a banner beside it takes the room."""
        self._next.setVisible(not compact)
        self._state.setVisible(not compact)

    def show_step(self, now: StepNow, *, silent: bool = False, hint: str = "") -> None:
        """Show where the protocol stands.

        Args:
            now: where.
            silent: whether no samples come, as far as the alarm knows.
            hint: what is to be done now, instead of what comes next.
        """
        waits = (_("Waiting for the note"), "doubtful")
        word, level = self._shown_state = waits if hint else phase_words(now, silent=silent)
        self._state.show_text(f"{theme.SHAPES[level]} {word}", level)
        restyle(self, f"banner-{level}" if level in ("doubtful", "bad") else "card")
        self._place.setText(_place_words(now))
        # What is over has no time left, though the recorder still counts its last sample.
        begun = bool(now.step) and now.phase != "finishing"
        over = _("The recording is over.") if now.phase == "finishing" else ""
        waiting = _("One moment, the board is being started.") if now.phase == "starting" else ""
        self._instruction.show_text(now.instruction if begun else over or waiting, "text" if begun else "muted")
        still = silent or now.phase in ("paused", "silent")
        self._countdown.show_text(countdown_words(now.remaining_s) if begun else "", "muted" if still else "accent")
        if hint or now.phase == "finishing":
            following = hint
        elif now.next_instruction:
            following = _("Next: {instruction}").format(instruction=now.next_instruction)
        else:
            following = _("Next: the end") if begun else ""
        self._next.show_text(following, "muted")
        self._left.setText(_("{length} left in all").format(length=duration_words(now.left_s)) if begun else "")


def _place_words(now: StepNow) -> str:
    if not now.step:
        return ""
    place = _("{position} of {n}").format(position=now.position + 1, n=now.n_steps)
    what = _("Break") if now.is_rest else activity_title(now.activity)
    if now.of > 1 and not now.is_rest:
        what = _("{activity}, {repetition}. time of {of}").format(activity=what, repetition=now.repetition, of=now.of)
    return f"{place}   ·   {what}"
