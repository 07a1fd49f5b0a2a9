"""What is common to all pages of the main window: where one is, what went wrong, what is being waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.stage_bar import StageBar
from acquire.app.widgets import Banner, KeyButton, label
from acquire.viewer.conductor import Busy
from acquire.viewer.texts import _

__all__ = ["WindowBody"]

_SHOWN_AFTER_S = 0.3


class WindowBody(QWidget):
    """The pages, and along their upper edge what is common to them.

    Args:
        pages: one of them is shown at a time.
    """

    preferences_wanted = Signal()
    leave_wanted = Signal()
    """The window shall be closed, though a recording is under way."""
    stay_wanted = Signal()
    put_away = Signal()
    """What was said above the page has been put away."""

    def __init__(self, pages: Sequence[QWidget]) -> None:
        super().__init__()
        self._busy_since_s: float | None = None
        self._kept = ""
        self.study = label("", "muted", wrap=False)
        self.stages = StageBar()
        self.options = KeyButton(_("Preferences"), "Ctrl+,", kind="flat")
        self.options.clicked.connect(self.preferences_wanted.emit)
        policy = self.options.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.options.setSizePolicy(policy)
        self.trouble = Banner("bad", "", dismiss=_("Put away"), dismiss_key="F6")
        self.trouble.dismissed.connect(self._put_away)
        self.leaving = Banner(
            "doubtful",
            "",
            _("Close the window"),
            dismiss=_("Stay"),
            asks=True,
        )
        self.leaving.acted.connect(self.leave_wanted.emit)
        self.leaving.dismissed.connect(self.stay_wanted.emit)
        self.pages = QStackedWidget()
        for page in pages:
            self.pages.addWidget(page)
        self._lay_out()

    def say(self, level: str, words: str) -> None:
        """Say something above the page; nothing where there are no words."""
        told = " ".join(filter(None, (self._kept, words)))
        self.trouble.show_message("bad" if self._kept else level, told)
        self.trouble.setVisible(bool(told))

    def keep(self, words: str) -> None:
        """Say something that stays, whatever else is said, until somebody puts it away."""
        if words or self._kept:
            self._kept = words
            self.say("bad", "")

    def show_leaving(self, *, over: bool, noting: bool) -> None:
        """Say what it means to close the window while its recorder still works.

        Args:
            over: whether the protocol is over.
            noting: whether a note is being written.
        """
        if over and noting:
            words = _("The recording is over, and only the note is waited for; closing stores it as it is. Close it?")
        elif over:
            words = _("The recording is over; its file is made without this window. Close it?")
        else:
            words = _("The recording goes on without this window; open it again to see it. Close it?")
        if words != self.leaving.text:
            self.leaving.show_message("doubtful", words, _("Close the window"))

    def _put_away(self) -> None:
        self._kept = ""
        self.trouble.hide()
        self.put_away.emit()

    def show_busy(self, busy: Busy, share: float | None) -> None:
        """Show what is being waited for, once that takes longer than one would notice."""
        if busy is Busy.NOTHING:
            self._busy_since_s = None
            self._waiting.hide()
            self.pages.setEnabled(True)
            return
        # A note is written on until the last page is there.
        self.pages.setEnabled(busy in (Busy.READING, Busy.REVIEWING))
        if self._busy_since_s is None:
            self._busy_since_s = time.monotonic()
        self._doing.setText(_busy_words(busy))
        self._share.setRange(0, 0 if share is None else 1000)
        if share is not None:
            self._share.setValue(round(share * 1000))

    def look_at_clock(self) -> None:
        """Show what has been waited for long enough; for a timer."""
        if self._busy_since_s is not None and time.monotonic() - self._busy_since_s >= _SHOWN_AFTER_S:
            self._waiting.show()

    def _lay_out(self) -> None:
        self.edge = QWidget()
        top = QHBoxLayout(self.edge)
        top.setContentsMargins(theme.px(24), theme.px(8), theme.px(24), theme.px(4))
        top.addWidget(self.study, 1)
        top.addWidget(self.stages)
        top.addWidget(self.options, 1, Qt.AlignmentFlag.AlignRight)
        self._waiting, self._doing, self._share = QWidget(), label("", "muted", wrap=False), QProgressBar()
        self._share.setTextVisible(False)
        self._share.setFixedHeight(theme.px(8))
        row = QHBoxLayout(self._waiting)
        row.setContentsMargins(0, theme.px(4), 0, theme.px(4))
        row.addWidget(self._doing)
        row.addWidget(self._share, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(4))
        column.addWidget(self.edge)
        for line in (self.trouble, self.leaving, self._waiting):
            line.hide()
            held = QHBoxLayout()
            held.setContentsMargins(theme.px(24), theme.px(6), theme.px(24), 0)
            held.addWidget(line)
            column.addLayout(held)
        column.addWidget(self.pages, 1)


def _busy_words(busy: Busy) -> str:
    return {
        Busy.NOTHING: "",
        Busy.READING: _("Reading the study …"),
        Busy.REACHING: _("Reaching the board …"),
        Busy.RELEASING: _("Letting go of the board …"),
        Busy.STARTING: _("Starting the recorder …"),
        Busy.REVIEWING: _("Looking through the recording …"),
        Busy.RECOVERING: _("Making a recording of what was left behind …"),
    }[busy]
