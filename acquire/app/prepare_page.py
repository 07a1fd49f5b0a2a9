"""The first page: who is recorded, doing what, from which board, and where the electrodes go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.board_list import BoardList
from acquire.app.fields import Choice, Columns, FieldNotes, Form, OneColumn, Suggesting, enter_goes_on
from acquire.app.placement import PlacementPicture
from acquire.app.protocol_box import ProtocolBox
from acquire.app.subject_box import SubjectBox
from acquire.app.widgets import Banner, Card, KeyButton, Shape, label
from acquire.viewer.preparing import Preparation, Problem, StudyView, problems
from acquire.viewer.texts import _, ngettext

__all__ = ["PreparePage"]

_LONGEST_OPERATOR = 100


class PreparePage(QWidget):
    """Everything that is chosen before a recording; Enter goes on as soon as nothing speaks against it.

    Args:
        parent: the widget it stands in.

    Attributes:
        prepared: emitted with the `Preparation` when the operator goes on.
        recover_wanted: emitted with the path of an orphaned journal.
        resume_wanted: emitted with the path of a journal whose recorder lives.
        refresh_wanted: emitted when the study and the ports shall be looked at again.
    """

    prepared = Signal(object)
    recover_wanted = Signal(object)
    resume_wanted = Signal(object)
    refresh_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: StudyView | None = None
        self._problems: tuple[Problem, ...] = ()
        self._tried = False
        self._told: tuple[object, ...] = ()
        self._factors: dict[str, Choice] = {}
        self._refresh = KeyButton(_("Look again"), "F5", kind="flat")
        self._banners = QVBoxLayout()
        self._who = SubjectBox()
        self._operator = Suggesting(_("Initials or a code; may stay empty"), _LONGEST_OPERATOR)
        self._operator_notes, self._factor_notes = FieldNotes(), FieldNotes()
        self._factor_form = Form()
        self._protocol, self._boards, self._picture = ProtocolBox(), BoardList(), PlacementPicture()
        self._why_shape, self._why = Shape("doubtful", size=16), label("")
        self._continue = KeyButton(_("Continue"), "Return", kind="primary")
        self._lay_out()
        self._connect()
        self.setFocusProxy(self._who.field)
        self._judge()

    def show_view(self, view: StudyView, operators: Sequence[str] = (), *, anew: bool = False) -> None:
        """Show a study.

        Args:
            view: as `acquire.viewer.preparing.look_at_study` saw it.
            operators: who recorded of late, to choose from.
            anew: whether everything begins with the study's default; else what was typed and chosen since stays.
        """
        anew = anew or self._view is None
        chosen = view.default if anew else self.preparation()
        self._view = view
        self._who.show_choices(view.subjects, view.looked_at)
        self._operator.offer([*operators] or [name for name in (view.default.operator,) if name])
        self._operator.setEditText(chosen.operator)
        self._show_factors(chosen)
        self._protocol.show_choices(view.protocols, chosen.protocol)
        self._boards.show_choices(view.boards, chosen.board)
        self._show_banners()
        if anew:
            self._tried = False
            self._who.choose(chosen.subject)
            # Whoever sits down in front of it begins by typing who is there.
            self.setFocus()
        self._judge()

    def preparation(self) -> Preparation:
        """What is chosen now."""
        return Preparation(
            subject=self._who.subject,
            session=self._who.session,
            operator=self._operator.text(),
            protocol=self._protocol.source,
            board=self._boards.address,
            factors={factor: str(field.currentData() or "") for factor, field in self._factors.items()},
        )

    def _lay_out(self) -> None:
        who, boards = Card(_("Subject")), Card(_("Board"))
        protocol, electrodes = Card(_("Protocol")), Card(_("Electrodes"))
        who.add(self._who)
        operator = Form()
        operator.add_field(_("&Operator"), self._operator, self._operator_notes)
        who.add(operator)
        who.add(self._factor_form)
        who.add(self._factor_notes)
        protocol.add(self._protocol, 1)
        boards.head.addWidget(self._refresh)
        boards.add(self._boards)
        electrodes.add(self._picture, 1)
        columns = Columns()
        for upper, lower in ((who, protocol), (boards, electrodes)):
            column = QVBoxLayout()
            column.setSpacing(theme.px(12))
            column.addWidget(upper)
            column.addWidget(lower, 1)
            columns.add(column, 1)
        foot = QHBoxLayout()
        foot.setSpacing(theme.px(8))
        foot.addWidget(self._why_shape)
        foot.addWidget(self._why, 1)
        foot.addWidget(self._continue)
        self._banners.setSpacing(theme.px(8))
        page = QVBoxLayout(self)
        page.setContentsMargins(theme.px(24), theme.px(4), theme.px(24), theme.px(12))
        page.setSpacing(theme.px(10))
        page.addLayout(self._banners)
        page.addWidget(OneColumn(columns), 1)
        page.addLayout(foot)

    def _connect(self) -> None:
        for changed in (
            self._who.changed,
            self._operator.editTextChanged,
            self._protocol.changed,
            self._boards.changed,
        ):
            changed.connect(self._judge)
        self._refresh.clicked.connect(self.refresh_wanted.emit)
        self._continue.clicked.connect(lambda: self.prepared.emit(self.preparation()))
        enter_goes_on(self, self._continue, self._show_why_not)
        again = QShortcut(QKeySequence("F5"), self)
        again.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        again.activated.connect(self._refresh.click)

    def _show_factors(self, chosen: Preparation) -> None:
        """A field for each factor of the study."""
        assert self._view is not None
        factors = self._view.study.factors
        if list(self._factors) != list(factors):
            while (item := self._factor_form.takeAt(0)) is not None:
                if (widget := item.widget()) is not None:
                    widget.deleteLater()
            self._factors = {}
            for factor in factors:
                field = Choice()
                field.currentIndexChanged.connect(self._judge)
                self._factor_form.add_field(factor.replace("_", " "), field)
                self._factors[factor] = field
        for factor, field in self._factors.items():
            field.blockSignals(True)
            field.clear()
            field.addItem(_("not chosen"), "")
            for level in factors[factor]:
                field.addItem(level, level)
            field.setCurrentIndex(max(0, field.findData(chosen.factors.get(factor, ""))))
            field.blockSignals(False)

    def _show_banners(self) -> None:
        view = self._view
        assert view is not None
        told = (view.fault, view.under_way, view.orphans, view.hints)
        if told == self._told:
            return
        self._told = told
        while (item := self._banners.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        if view.fault:
            self._banners.addWidget(Banner("bad", view.fault))
        for journal in view.under_way:
            words = _("A recording is under way: {name}.").format(name=journal.stem)
            key = "F8" if journal == view.under_way[0] else ""
            self._add_banner(words, _("Show it"), key, journal, self.resume_wanted)
        if view.orphans:
            first, n = view.orphans[0].path, len(view.orphans)
            words = ngettext(
                "The recording {name} was cut off before it could be finished. Its samples are safe.",
                "{n} recordings, the first {name}, were cut off before they could be finished. Their samples are safe.",
                n,
            ).format(n=n, name=first.stem)
            self._add_banner(words, _("Recover {name}").format(name=first.stem), "F7", first, self.recover_wanted)
        if view.hints:
            self._banners.addWidget(Banner("doubtful", " ".join(view.hints)))

    def _add_banner(self, words: str, action: str, key: str, path: Path, wanted: SignalInstance) -> None:
        banner = Banner("doubtful", words, action, key=key)
        banner.acted.connect(lambda: wanted.emit(path))
        self._banners.addWidget(banner)

    def _judge(self) -> None:
        """Say what speaks against the choices, each beside its field and the first that stops beside the button."""
        if self._view is None:
            self._continue.setEnabled(False)
            self._say(None, _("The study is being looked at…"))
            return
        self._problems = problems(self._view, self.preparation())
        stopping = next((problem for problem in self._problems if problem.stops), None)
        self._who.show_problems(self._problems, all_of_them=self._tried)
        self._operator_notes.show_problems(self._of("operator"))
        self._factor_notes.show_problems(self._of("factors"))
        self._protocol.show_problems(self._of("protocol"))
        self._boards.show_problems(self._of("board"), all_of_them=self._tried)
        self._continue.setEnabled(stopping is None)
        if stopping is not None:
            self._say("bad" if self._tried else "skipped", stopping.words)
        elif n := len([problem for problem in self._problems if problem.field != "study"]):
            self._say("doubtful", ngettext("{n} thing to think about.", "{n} things to think about.", n).format(n=n))
        else:
            self._say("good", _("Ready to look at the signal."))

    def _of(self, field: str) -> list[Problem]:
        return [problem for problem in self._problems if problem.field == field]

    def _say(self, level: str | None, words: str) -> None:
        self._why_shape.setVisible(level is not None)
        self._why_shape.set_level(level or "skipped")
        self._why.setText(words)
        self._continue.setToolTip("" if self._continue.isEnabled() else words)
        self._continue.setAccessibleDescription(words)

    def _show_why_not(self) -> None:
        """Somebody wants to go on and cannot: show why, and lead to the field."""
        self._tried = True
        self._judge()
        stopping = next((problem.field for problem in self._problems if problem.stops), "")
        fields: dict[str, QWidget] = {
            "subject": self._who.field,
            "session": self._who.session_field,
            "operator": self._operator,
            "protocol": self._protocol.field,
            "board": self._boards.other if self._boards.other.isVisible() else self._boards.field,
            "factors": next(iter(self._factors.values()), self._operator),
        }
        if stopping in fields:
            fields[stopping].setFocus(Qt.FocusReason.OtherFocusReason)
