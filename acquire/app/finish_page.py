"""The last page: what the recording amounts to, and what is done next."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import Columns, OneColumn, enter_goes_on
from acquire.app.fitting_scroll import FittingScroll
from acquire.app.quality_bars import QualityBars
from acquire.app.recording_picture import RecordingPicture
from acquire.app.step_timeline import duration_words
from acquire.app.steps_table import StepsTable
from acquire.app.widgets import Banner, Card, KeyButton, label
from acquire.viewer.finishing import Review
from acquire.viewer.link import Ended
from acquire.viewer.texts import _, ngettext
from protocols.script import PlannedStep

__all__ = ["FinishPage"]

_GAPS_SHOWN = 8
_SILENT_TOLD_S = 1.0
_COMMAND = re.compile(r"(?::| and|;) run:? trilead recover.*$")
"""What somebody would type who has no button."""


class FinishPage(QWidget):
    """Verdict, picture, steps and leads of a finished recording; Enter accepts it and goes on to the next subject.

    Args:
        parent: the widget it stands in.

    Attributes:
        accepted: emitted with the recording's path, or None where there is none, before any of the next three.
        repeat_wanted: emitted with the positions in the plan of the steps that shall be done again.
        next_subject: emitted when somebody else is recorded next.
        same_subject: emitted when the same person is.
    """

    accepted = Signal(object)
    repeat_wanted = Signal(object)
    next_subject = Signal()
    same_subject = Signal()
    recover_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recording: Path | None = None
        self._reviewed: Path | None = None
        self._orphan: Path | None = None
        self._can_repeat = self._held = False
        self._verdict = Banner("good", "", key="F7")
        self._facts = label("", "muted")
        self._picture, self._steps, self._quality = RecordingPicture(), StepsTable(), QualityBars()
        self._losses = label("")
        self._repeat = KeyButton("", "R")
        self._same = KeyButton(_("Accept, same subject again"), "S")
        self._next = KeyButton(_("Accept, next subject"), "Return", kind="primary")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._lay_out()
        self._connect()
        self._count()

    def begin(self, review: Review | None, ended: Ended, plan: Sequence[PlannedStep]) -> None:
        """Show what came of a recording.

        Args:
            review: the recording, looked through; None where there is none, or it could not be.
            ended: how it ended.
            plan: what was planned; steps can be repeated only where that is known.
        """
        # Of a recording that is shown once more, the ticks are already the operator's.
        again = review is not None and review.path == self._reviewed
        ticked, self._reviewed = self._steps.ticked(), None if review is None else review.path
        self._recording, self._orphan = ended.recording, ended.orphan
        self._can_repeat = bool(plan) and review is not None
        self._show_verdict(review, ended)
        self._cards.setVisible(review is not None)
        if review is not None:
            self._facts.setText(self._fact_words(review))
            self._picture.show_review(review)
            self._steps.show_review(review)
            if again:
                self._steps.tick(ticked)
            self._steps_card.setVisible(bool(review.report.steps))
            self._quality.show_quality(review.lead_quality)
            self._losses.setText(self._loss_words(review))
        else:
            self._facts.setText("")
            self._picture.show_review(None)
            self._steps.show_steps((), ())
        self._count()

    def set_held(self, held: bool) -> None:
        """Let nobody go on while something must be read first."""
        self._held = held
        self._count()

    def ticked(self) -> tuple[int, ...]:
        """Positions in the plan of the steps that are ticked."""
        return self._steps.ticked()

    def tick(self, positions: Collection[int]) -> None:
        """Tick these steps, and no others."""
        self._steps.tick(positions)

    def _lay_out(self) -> None:
        whole, leads, losses = Card(_("Recording")), Card(_("Leads")), Card(_("Losses"))
        self._steps_card = Card(_("Steps"))
        whole.add(self._picture, 1)
        self._steps_card.add(self._steps, 1)
        leads.add(self._quality)
        # However many there are, they do not push the rest of the page out of sight.
        lines = QWidget()
        inner = QVBoxLayout(lines)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self._losses)
        inner.addStretch(1)
        scroll = OneColumn(lines)
        scroll.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        scroll.setAccessibleName(_("Losses"))
        scroll.setMinimumHeight(theme.px(44))
        losses.add(scroll, 1)
        right = QVBoxLayout()
        right.setSpacing(theme.px(12))
        right.addWidget(leads)
        right.addWidget(losses, 1)
        lower = Columns((self._steps_card, 3), (right, 2))
        self._cards = QWidget()
        cards = QVBoxLayout(self._cards)
        cards.setContentsMargins(0, 0, 0, 0)
        cards.setSpacing(theme.px(12))
        cards.addWidget(whole, 5)
        cards.addWidget(lower, 6)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._cards, 1)
        column.addStretch(0)
        again, onward = QHBoxLayout(), QHBoxLayout()
        onward.setSpacing(theme.px(10))
        again.addWidget(self._repeat)
        again.addStretch(1)
        onward.addStretch(1)
        onward.addWidget(self._same)
        onward.addWidget(self._next)
        foot = Columns((again, 1), (onward, 1), spacing_px=10)
        page = QVBoxLayout(self)
        page.setContentsMargins(theme.px(24), theme.px(4), theme.px(24), theme.px(12))
        page.setSpacing(theme.px(10))
        page.addWidget(self._verdict)
        page.addWidget(self._facts)
        page.addWidget(FittingScroll(inside), 1)
        page.addWidget(foot)

    def _connect(self) -> None:
        self._steps.ticked_changed.connect(self._count)
        self._repeat.clicked.connect(self._repeat_ticked)
        self._same.clicked.connect(self._accept_same)
        self._next.clicked.connect(self._accept_next)
        self._verdict.acted.connect(lambda: self.recover_wanted.emit(self._orphan))
        enter_goes_on(self, self._next)
        for key, button in (("R", self._repeat), ("S", self._same)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(button.click)

    def _accept_next(self) -> None:
        self.accepted.emit(self._recording)
        self.next_subject.emit()

    def _accept_same(self) -> None:
        self.accepted.emit(self._recording)
        self.same_subject.emit()

    def _repeat_ticked(self) -> None:
        self.accepted.emit(self._recording)
        self.repeat_wanted.emit(self._steps.ticked())

    def _count(self) -> None:
        """Say how many steps are ticked on the button that repeats them."""
        n = len(self._steps.ticked())
        words = ngettext("Repeat {n} ticked step", "Repeat {n} ticked steps", n).format(n=n)
        self._repeat.setText(words if n else _("Repeat ticked steps"))
        self._repeat.setEnabled(self._can_repeat and n > 0 and not self._held)
        for button in (self._same, self._next):
            button.setEnabled(not self._held)
        self._repeat.setToolTip("" if n else _("Tick the steps that shall be done again."))
        self._repeat.setVisible(self._can_repeat)
        has_one = self._recording is not None
        self._next.setText(_("Accept, next subject") if has_one else _("Next subject"))
        self._same.setText(_("Accept, same subject again") if has_one else _("Same subject again"))

    def _show_verdict(self, review: Review | None, ended: Ended) -> None:
        if review is not None:
            words = {
                "good": _("The recording is complete and good."),
                "doubtful": _("The recording can be used; look at this:"),
                "bad": _("Something of the recording is missing or bad:"),
            }[review.verdict]
            said = (words, *review.words) if review.verdict != "good" or not review.words else review.words
            self._verdict.show_message(review.verdict, " ".join(said))
        elif ended.orphan is not None:
            words = _("The recorder ended before it could finish. What it recorded is safe.")
            why = _COMMAND.sub(".", ended.error)
            self._verdict.show_message("bad", f"{words} {why}".strip(), _("Recover it now"))
        elif ended.recording is not None:
            words = _("The recording is kept in {name}, but could not be looked through.")
            self._verdict.show_message("doubtful", f"{words.format(name=ended.recording.name)} {ended.error}".strip())
        else:
            self._verdict.show_message("bad", ended.error or _("Nothing was recorded."))

    def _fact_words(self, review: Review) -> str:
        header = review.header
        words = _("Subject {subject} · session {session} · run {run} · {length} · {name}")
        return words.format(
            subject=header.subject,
            session=header.session,
            run=header.run,
            length=duration_words(review.n_samples / review.rate_hz),
            name=review.path.name,
        )

    def _loss_words(self, review: Review) -> str:
        silence = ""
        if review.silent_s >= _SILENT_TOLD_S:
            silence = _("No samples came for the last {length}.").format(length=duration_words(round(review.silent_s)))
        if not review.gaps:
            return silence or _("No sample was lost.")
        lost_s = sum(gap.length for gap in review.gaps) / review.rate_hz
        n = len(review.gaps)
        lines = [ngettext("{n} gap, {lost:.1f} s in all", "{n} gaps, {lost:.1f} s in all", n).format(n=n, lost=lost_s)]
        longest = sorted(review.gaps, key=lambda gap: gap.length, reverse=True)[:_GAPS_SHOWN]
        for gap in sorted(longest, key=lambda gap: gap.start):
            at, lost_s = duration_words(gap.start / review.rate_hz), gap.length / review.rate_hz
            lines.append(_("at {at}: {lost:.2f} s, {cause}").format(at=at, lost=lost_s, cause=gap.cause))
        if n > _GAPS_SHOWN:
            lines.append(
                ngettext("and {n} shorter one", "and {n} shorter ones", n - _GAPS_SHOWN).format(n=n - _GAPS_SHOWN)
            )
        return "\n".join([*lines, silence] if silence else lines)
