"""Who is recorded, and in which session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QRadioButton, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import FieldNotes, Form, Suggesting
from acquire.app.widgets import label
from acquire.viewer.preparing import Problem, SubjectChoice
from acquire.viewer.problems import ELECTRODES_STAY, JUST_NOW
from acquire.viewer.texts import _, ngettext

__all__ = ["SubjectBox", "likely_session", "since_words"]

_LONGEST_TYPED = 64


def likely_session(who: SubjectChoice, now: datetime) -> str:
    """The session that a subject is in, where time leaves little doubt; else "", and somebody has to say.

    Args:
        who: the subject.
        now: UTC.
    """
    if not who.sessions or who.last_recorded is None:
        return who.next_session
    since = now - who.last_recorded
    if since < JUST_NOW:
        return who.sessions[-1]
    return who.next_session if since > ELECTRODES_STAY else ""


def since_words(when: datetime, now: datetime) -> str:
    """How long ago something was, as people say it."""
    minutes = max(0, int((now - when) / timedelta(minutes=1)))
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("{n} minute ago", "{n} minutes ago", minutes).format(n=minutes)
    if minutes < 24 * 60:
        return ngettext("{n} hour ago", "{n} hours ago", minutes // 60).format(n=minutes // 60)
    days = minutes // (24 * 60)
    return ngettext("{n} day ago", "{n} days ago", days).format(n=days)


class SubjectBox(QWidget):
    """A field for the pseudonym, what is known of it, and the choice of the session.

    Args:
        parent: the widget it stands in.

    Attributes:
        changed: emitted after every change of either.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices: dict[str, SubjectChoice] = {}
        self._now: datetime | None = None
        self.field = Suggesting(_("Type or choose a pseudonym"), _LONGEST_TYPED)
        self._known = label("", "muted")
        self._subject_notes, self._session_notes = FieldNotes(), FieldNotes()
        self._stay, self._new = QRadioButton(), QRadioButton()
        self._sessions = QButtonGroup(self)
        self._asked_for: tuple[str, tuple[str, ...]] | None = None
        self._first = label("", "muted")
        session = QWidget()
        below = QVBoxLayout(session)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(theme.px(2))
        for button in (self._stay, self._new):
            self._sessions.addButton(button)
            below.addWidget(button)
        below.addWidget(self._first)
        form = Form()
        form.setContentsMargins(0, 0, 0, 0)
        form.add_field(_("&Subject"), self.field, self._known, self._subject_notes)
        form.add_field(_("Session"), session, self._session_notes)
        self.setLayout(form)
        self.field.editTextChanged.connect(self._typed)
        self._sessions.buttonToggled.connect(lambda button, on: self.changed.emit() if on else None)
        self._show_session(None)

    @property
    def subject(self) -> str:
        """The pseudonym as it was typed."""
        return self.field.text()

    @property
    def session(self) -> str:
        """The label of the chosen session; "" where one has still to be chosen."""
        who = self._choices.get(self.subject)
        if who is None:
            return "01" if self.subject else ""
        if not who.sessions:
            return who.next_session
        if self._stay.isChecked():
            return who.sessions[-1]
        return who.next_session if self._new.isChecked() else ""

    @property
    def session_field(self) -> QWidget:
        """What takes the keyboard where the session has to be chosen."""
        return self._stay

    def show_choices(self, choices: Sequence[SubjectChoice], now: datetime) -> None:
        """Offer these subjects; what was typed stays.

        Args:
            choices: everybody who takes part.
            now: UTC.
        """
        self._choices = {choice.pseudonym: choice for choice in choices}
        self._now = now
        self.field.offer([choice.pseudonym for choice in choices])
        self._describe()

    def choose(self, subject: str) -> None:
        """Put a pseudonym into the field."""
        self.field.setEditText(subject)
        self._describe()
        self.changed.emit()

    def show_problems(self, problems: Iterable[Problem], *, all_of_them: bool) -> None:
        """Say what is wrong beside its field.

        Args:
            problems: with the fields "subject" and "session".
            all_of_them: also that nothing has been typed yet, which is no mistake before somebody wants to go on.
        """
        shown = [problem for problem in problems if all_of_them or self.subject]
        # Nothing is foretold of what cannot be a subject.
        can_be = not (self.subject and any(problem.field == "subject" and problem.stops for problem in shown))
        self._known.setVisible(can_be)
        if not can_be:
            self._first.setText("–")
        self._subject_notes.show_problems(problem for problem in shown if problem.field == "subject")
        self._session_notes.show_problems(problem for problem in shown if problem.field == "session")

    def _typed(self) -> None:
        self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        subject = self.subject
        who = self._choices.get(subject)
        if who is not None:
            self._known.setText(self._known_words(who))
        elif subject:
            self._known.setText(
                _("New: {subject} is added to the study when the recording starts.").format(subject=subject)
            )
        elif self._choices:
            self._known.setText(
                ngettext("{n} subject so far.", "{n} subjects so far.", len(self._choices)).format(n=len(self._choices))
            )
        else:
            self._known.setText(_("No subject yet – type a pseudonym such as S01."))
        self._show_session(who)

    def _known_words(self, who: SubjectChoice) -> str:
        parts = [ngettext("{n} recording", "{n} recordings", who.n_recordings).format(n=who.n_recordings)]
        if who.sessions:
            n = len(who.sessions)
            parts.append(ngettext("{n} session", "{n} sessions", n).format(n=n))
        if who.last_recorded is not None and self._now is not None:
            parts.append(_("last {when}").format(when=since_words(who.last_recorded, self._now)))
        parts += [part for part in (who.age_band, who.sex, who.note) if part]
        return " · ".join(parts)

    def _show_session(self, who: SubjectChoice | None) -> None:
        """Offer to go on with the last session or to begin one; a subject without any begins with the first."""
        has_some = who is not None and bool(who.sessions)
        for button in (self._stay, self._new):
            button.setVisible(has_some)
        self._first.setVisible(not has_some)
        if who is None or self._now is None or not who.sessions:
            first = who.next_session if who is not None else "01"
            self._first.setText(_("{session}, the first").format(session=first) if self.subject else "–")
            self._asked_for = None
            return
        last = who.sessions[-1]
        when = who.recorded_at.get(last, who.last_recorded)
        ago = since_words(when, self._now) if when is not None else _("never")
        stay = _("&Continue {session}: electrodes stayed on ({when})").format(session=last, when=ago)
        new = _("&New session {session}: electrodes newly placed").format(session=who.next_session)
        self._stay.setText(stay)
        self._new.setText(new)
        # What somebody chose stays until it is another subject, or one with another session.
        if self._asked_for != (who.pseudonym, who.sessions):
            self._asked_for = (who.pseudonym, who.sessions)
            self._tick(likely_session(who, self._now), who)

    def _tick(self, session: str, who: SubjectChoice) -> None:
        self._sessions.blockSignals(True)
        self._sessions.setExclusive(False)
        self._stay.setChecked(session == who.sessions[-1])
        self._new.setChecked(session == who.next_session)
        self._sessions.setExclusive(True)
        self._sessions.blockSignals(False)
