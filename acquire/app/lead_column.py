"""How good each lead is, beside its trace: shape, heart rate, and what to mend in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.widgets import StateBadge, label, restyle, state_word
from acquire.viewer.texts import _

__all__ = ["LeadColumn"]

_LEVELS = ("good", "doubtful", "bad")


class LeadColumn(QScrollArea):
    """One small card for each lead.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFixedWidth(theme.px(226))
        # It is read, not worked with; what it says is in the names of its cards as well.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.px(6))
        self.setWidget(inside)
        self._cards: list[_LeadCard] = []
        self._worst: _LeadCard | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """What the cards say."""
        return tuple(card.accessibleName() for card in self._cards)

    def show_leads(self, leads: Sequence[Mapping[str, Any]], *, silent: bool = False) -> None:
        """Show how good the leads are.

        Args:
            leads: as ``RecorderStatus.leads`` has them.
            silent: whether no samples come, so that what is known of the leads no longer holds.
        """
        while len(self._cards) < len(leads):
            self._cards.append(_LeadCard())
            self._column.addWidget(self._cards[-1], 1)
        while len(self._cards) > len(leads):
            card = self._cards.pop()
            self._worst = None
            self._column.removeWidget(card)
            card.deleteLater()
        for card, lead in zip(self._cards, leads, strict=True):
            card.show_lead(lead, silent=silent)
        worst = next((card for level in ("bad", "doubtful") for card in self._cards if card.level == level), None)
        if worst is not self._worst:
            self._worst = worst
            if worst is not None:
                self.ensureWidgetVisible(worst)


class _LeadCard(QFrame):
    """One lead."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("kind", "card")
        self.level = ""
        self._badge = StateBadge()
        self._rate = label(wrap=False)
        self._rate.setFont(theme.font(11.5, bold=True, fixed_digits=True))
        self._words = label(kind="small")
        self._words.setFont(theme.font(9.5))
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        head = QHBoxLayout()
        head.addWidget(self._badge, 1)
        head.addWidget(self._rate)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(10), theme.px(5), theme.px(10), theme.px(5))
        column.setSpacing(theme.px(2))
        column.addLayout(head)
        column.addWidget(self._words)
        column.addStretch(1)

    def show_lead(self, lead: Mapping[str, Any], *, silent: bool) -> None:
        if silent:
            lead = {"lead": lead.get("lead", ""), "words": _("no samples")}
        judgement = str(lead.get("judgement", ""))
        level = judgement if judgement in _LEVELS else "skipped"
        self.level = level
        name, words = str(lead.get("lead", "")), str(lead.get("words", ""))
        beats = lead.get("heart_rate_bpm")
        rate = _("{n} /min").format(n=round(beats)) if isinstance(beats, int | float) else ""
        restyle(self, "card" if level in ("good", "skipped") else f"banner-{level}")
        judged = _("{lead}: {judgement}").format(lead=name, judgement=state_word(level))
        self._badge.show_state(name if silent else judged, level)
        self._rate.setText(rate)
        # A good lead's words only repeat its heart rate.
        self._words.setText("" if level == "good" else words)
        self._words.setVisible(bool(self._words.text()))
        restyle(self._words, "small" if level in ("good", "skipped") else "")
        self.setAccessibleName(" ".join(filter(None, (self._badge.word, rate, self._words.text()))))
