"""The second page: whether the signal is good enough to be recorded."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.checklist import Checklist
from acquire.app.fields import Columns, OneColumn, enter_goes_on
from acquire.app.lead_cards import LeadCards
from acquire.app.placement import PlacementPicture
from acquire.app.trace_view import TraceView
from acquire.app.veil import Veil
from acquire.app.widgets import Card, KeyButton, Shape, label
from acquire.checks.preflight import Finding
from acquire.viewer.electrodes import electrodes_of_findings, electrodes_of_leads
from acquire.viewer.feed import JournalFeed
from acquire.viewer.listening import Listening, ListeningState
from acquire.viewer.preparing import Preparation
from acquire.viewer.texts import _, ngettext
from acquire.viewer.verdict import ANYWAY

__all__ = ["SHORTEST_REASON", "CheckPage"]

SHORTEST_REASON = 3
_LONGEST_REASON = 500
_LEADS_SHARE, _PAPER_SHARE = 0.42, 0.5


class CheckPage(QWidget):
    """The board's signal and what the checks found, until the operator starts the recording.

    With something bad, starting takes a decision and a reason; both are stored in the recording.

    Args:
        parent: the widget it stands in.

    Attributes:
        record_wanted: emitted with a tuple of remarks, empty where nothing was bad.
        back_wanted: emitted when the choices shall be changed.
        again_wanted: emitted when everything shall be checked anew.
    """

    record_wanted = Signal(object)
    back_wanted = Signal()
    again_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._listening: Listening | None = None
        self._state = ListeningState()
        self._facts = label("", "muted")
        self._leads, self._traces = LeadCards(), TraceView()
        self._veil = Veil(self._traces)
        self._picture, self._checklist = PlacementPicture(), Checklist()
        self._doing = label("")
        self._doing_shape = Shape("skipped", size=16)
        self._share = QProgressBar()
        self._share.setTextVisible(False)
        self._share.setFixedSize(theme.px(160), theme.px(8))
        self._share.setAccessibleName(_("Progress of the checks"))
        self._back = KeyButton(_("Back"), "Esc")
        self._again = KeyButton(_("Check again"), "F5")
        self._anyway = KeyButton(_("Record anyway…"), "Ctrl+R")
        self._reason = QLineEdit()
        self._reason.setPlaceholderText(_("Why is it recorded all the same? (kept in the recording)"))
        self._reason.setAccessibleName(_("Reason to record although something is bad"))
        self._reason.setMaxLength(_LONGEST_REASON)
        self._start = KeyButton(_("Start recording"), "Return", kind="primary")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._lay_out()
        self._connect()
        self._judge()

    def begin(self, listening: Listening, feed: JournalFeed, preparation: Preparation) -> None:
        """Show a board that is listened to.

        Args:
            listening: tells what the checks find.
            feed: of the listening's journal.
            preparation: what was chosen, for showing.
        """
        self._listening = listening
        self._state = ListeningState()
        self._reason.clear()
        self._reason.hide()
        facts = [
            _("Subject {subject}").format(subject=preparation.subject),
            _("session {session}").format(session=preparation.session),
            preparation.board,
        ]
        self._facts.setText(" · ".join(facts))
        self._traces.show_feed(feed)
        self._traces.set_message(_("The signal appears here as soon as the board sends it."))
        self._leads.show_leads(())
        self._leads.hide()
        self._checklist.show_findings(())
        self.show_state()
        self._judge()

    def tick(self) -> None:
        """Draw what has come since; for the frame timer."""
        self._traces.refresh()

    def show_state(self) -> None:
        """Show what the checks have found since; about ten times a second."""
        if self._listening is None:
            return
        state = self._listening.state()
        if state == self._state:
            return
        self._state = state
        self._leads.show_leads(state.leads)
        self._leads.setVisible(bool(state.leads))
        self._checklist.show_findings(state.findings)
        # Ohms were measured once; the signal is fresh, and may know that an electrode has come off since.
        contact = electrodes_of_findings(state.findings)
        for electrode, seen in electrodes_of_leads(state.leads).items():
            if electrode not in contact or (seen.state == "bad" and contact[electrode].state == "good"):
                contact[electrode] = seen
        self._picture.show_contact(contact)
        if state.phase == "failed":
            self._traces.set_message(_("There is no signal."))
        self._veil.show_words(self._since_words(state))
        self._judge()

    def end(self) -> None:
        """Show nothing any more."""
        self._listening = None
        self._traces.show_feed(None)

    def remarks(self) -> tuple[str, ...]:
        """What the recording shall say of its beginning: why it was begun all the same, and what was bad."""
        bad = self._bad()
        if not bad:
            return ()
        # What stands in a recording is English, whoever made it.
        first = f"{ANYWAY} {self._reason.text().strip()}"
        return (first, *(f"{finding.name}: {finding.words}" for finding in bad))

    def _lay_out(self) -> None:
        electrodes, found = Card(_("Electrodes")), Card(_("Checks"))
        electrodes.add(self._picture, 1)
        found.head.addWidget(self._again)
        found.add(self._checklist, 1)
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(theme.px(12))
        left.addWidget(self._leads)
        left.addWidget(self._traces, 1)
        right.addWidget(electrodes, 5)
        right.addWidget(found, 6)
        said, buttons = QHBoxLayout(), QHBoxLayout()
        for line in (said, buttons):
            line.setSpacing(theme.px(8))
        self._doing.setMinimumWidth(theme.px(230))
        said.addWidget(self._back)
        said.addSpacing(theme.px(6))
        said.addWidget(self._doing_shape)
        said.addWidget(self._doing, 1)
        said.addWidget(self._share)
        buttons.addStretch(1)
        buttons.addWidget(self._anyway)
        buttons.addWidget(self._start)
        foot = Columns((said, 1), (buttons, 0), spacing_px=8)
        page = QVBoxLayout(self)
        page.setContentsMargins(theme.px(24), theme.px(4), theme.px(24), theme.px(12))
        page.setSpacing(theme.px(10))
        page.addWidget(self._facts)
        self._scroll = OneColumn(Columns((left, 13), (right, 10)))
        page.addWidget(self._scroll, 1)
        page.addWidget(self._reason)
        page.addWidget(foot)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        super().resizeEvent(event)
        self._share_height()

    def _share_height(self) -> None:
        """Of what is seen at once, half belongs to the paper, however many leads there are and whatever they say."""
        seen = self._scroll.height()
        self._leads.set_highest(round(_LEADS_SHARE * seen))
        self._traces.setMinimumHeight(max(theme.px(160), round(_PAPER_SHARE * seen)))

    @staticmethod
    def _since_words(state: ListeningState) -> str:
        """Since when the trace stands; "" while it flows."""
        if state.stood_at is None:
            return ""
        if not state.leads:
            return _("There is no signal.")
        return _("This signal is old: nothing has come since {time}.").format(
            time=state.stood_at.astimezone().strftime("%H:%M:%S")
        )

    def _connect(self) -> None:
        self._back.clicked.connect(self.back_wanted.emit)
        self._again.clicked.connect(self.again_wanted.emit)
        self._anyway.clicked.connect(self._ask_reason)
        self._reason.textChanged.connect(self._judge)
        self._start.clicked.connect(lambda: self.record_wanted.emit(self.remarks()))
        enter_goes_on(self, self._start, self._ask_reason)
        for key, button in (("Esc", self._back), ("F5", self._again), ("Ctrl+R", self._anyway)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(button.click)

    def _bad(self) -> list[Finding]:
        return [finding for finding in self._state.findings if finding.state == "bad"]

    def _ask_reason(self) -> None:
        """Something is bad and shall be recorded all the same: ask why."""
        if self._state.phase == "listening" and self._bad():
            self._reason.show()
            self._reason.setFocus(Qt.FocusReason.ShortcutFocusReason)
            self._judge()

    def _judge(self) -> None:
        """Whether the recording may be started, and what is said about it."""
        phase, n_bad = self._state.phase, len(self._bad())
        checked = phase == "listening"
        if not (checked and n_bad):
            self._reason.hide()
        asked = self._reason.isVisibleTo(self)
        reason_given = len(self._reason.text().strip()) >= SHORTEST_REASON
        self._anyway.setVisible(checked and n_bad > 0 and not asked)
        self._share.setVisible(phase not in ("listening", "silent", "failed"))
        self._share.setRange(0, 0 if phase == "reaching" else 1000)
        self._share.setValue(round(1000 * self._state.share))
        self._start.setEnabled(checked and (n_bad == 0 or (asked and reason_given)))
        level, words = self._verdict(n_bad)
        if asked and not reason_given:
            words = ngettext(
                "Say in at least {n} letter why it is recorded all the same.",
                "Say in at least {n} letters why it is recorded all the same.",
                SHORTEST_REASON,
            ).format(n=SHORTEST_REASON)
        self._doing_shape.set_level(level)
        self._doing.setText(words)
        self._start.setToolTip("" if self._start.isEnabled() else words)
        self._start.setAccessibleDescription(words)

    def _verdict(self, n_bad: int) -> tuple[str, str]:
        state = self._state
        if any(finding.name == "listener" for finding in state.findings):
            return "bad", _("The check broke off; it begins anew by itself, or press F5.")
        if state.phase == "failed" and state.reached:
            # Why stands in the list of the checks.
            return "bad", _("The board is gone. Plug it in again; the check then goes on by itself, or press F5.")
        if state.phase == "failed":
            return "bad", state.words
        if state.phase == "silent":
            return "bad", _("No samples come any more; check that the board is switched on, and near.")
        if state.phase != "listening":
            return "skipped", f"{state.words[:1].upper()}{state.words[1:]} …"
        if n_bad:
            words = ngettext(
                "{n} thing is bad; mend it and check again.", "{n} things are bad; mend them and check again.", n_bad
            )
            return "bad", words.format(n=n_bad)
        n = sum(finding.state == "doubtful" for finding in state.findings)
        if n:
            words = ngettext("Ready, with {n} thing to look at.", "Ready, with {n} things to look at.", n)
            return "doubtful", words.format(n=n)
        return "good", _("Ready to record.")
