"""How good each lead is while a board is listened to: word, shape and colour, heart rate, offset and hum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import Columns
from acquire.app.widgets import Card, StateBadge, label
from acquire.viewer.texts import _

__all__ = ["LeadCards"]


class LeadCards(Columns):
    """A card for each lead, side by side where there is room.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(spacing_px=10, parent=parent)
        self._cards: dict[str, _LeadCard] = {}

    @property
    def words(self) -> dict[str, str]:
        """Lead → everything that its card says."""
        return {lead: card.accessibleName() for lead, card in self._cards.items()}

    def show_leads(self, leads: Sequence[Mapping[str, Any]]) -> None:
        """Show the leads' newest states.

        Args:
            leads: as ``dataclasses.asdict`` makes of ``acquire.checks.live.LeadState``.
        """
        names = [str(lead["lead"]) for lead in leads]
        if names != list(self._cards):
            for card in self._cards.values():
                self.remove(card)
                card.hide()
                card.deleteLater()
            self._cards = {name: _LeadCard(name) for name in names}
            for card in self._cards.values():
                self.add(card, 1)
        for lead in leads:
            self._cards[str(lead["lead"])].show_lead(lead)


class _LeadCard(Card):
    def __init__(self, lead: str) -> None:
        super().__init__()
        self._lead = lead
        self._badge = StateBadge()
        # Its word is never cut short: the cards rather stand below each other.
        self._badge.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._rate = label("", "heading", wrap=False)
        self._figures = label("", "small", wrap=False)
        self._words = label("", "small")
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        name = label(lead, "heading", wrap=False)
        self.head.insertWidget(0, name)
        self.head.insertWidget(1, self._badge)
        self.head.addWidget(self._rate)
        below = QVBoxLayout()
        below.setSpacing(theme.px(2))
        below.addWidget(self._figures)
        below.addWidget(self._words)
        self.add(below)
        self.body.addStretch(1)

    def show_lead(self, lead: Mapping[str, Any]) -> None:
        """Show its newest state."""
        judgement, words = str(lead["judgement"]), str(lead["words"])
        word = _("electrode off?") if lead["electrode_off"] else ""
        self._badge.show_state(word, judgement)
        bpm = lead["heart_rate_bpm"]
        rate = "" if bpm is None else _("{bpm:.0f}/min").format(bpm=bpm)
        figures = []
        if lead["dc_offset_mv"] is not None:
            figures.append(_("offset {mv:+.0f} mV").format(mv=lead["dc_offset_mv"]).replace("-", "−"))
        if lead["mains_mv"] is not None:
            figures.append(_("hum {uv:.0f} µV").format(uv=1e3 * lead["mains_mv"]))
        # What is said already as a figure needs no sentence.
        sentence = "" if judgement == "good" else words
        for shown, text in ((self._rate, rate), (self._figures, " · ".join(figures)), (self._words, sentence)):
            if shown.text() != text:
                shown.setText(text)
        self._words.setVisible(bool(sentence))
        spoken = (_("Lead {lead}").format(lead=self._lead), self._badge.word, rate, *figures, sentence)
        self.setAccessibleName(", ".join(part for part in spoken if part))
