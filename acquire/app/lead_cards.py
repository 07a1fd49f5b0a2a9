"""How good each lead is while a board is listened to: word, shape and colour, heart rate, offset and hum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.fields import OneColumn
from acquire.app.widgets import Card, StateBadge, label, restyle
from acquire.viewer.texts import _

__all__ = ["LeadCards"]

_MANY = 4
"""More leads than that, and those that find no room side by side, are lines instead of cards.

What else there is to say of them stands in the list of the checks.
"""


class LeadCards(OneColumn):
    """A card for each lead, as many side by side as there is room for; it scrolls where it may not grow any higher.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._inside = QWidget()
        super().__init__(self._inside, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._grid = QGridLayout(self._inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.px(10))
        self._cards: dict[str, _LeadCard] = {}
        self._columns = 0
        self._highest = 0
        self._inside.installEventFilter(self)

    @property
    def words(self) -> dict[str, str]:
        """Lead → everything that its card says."""
        return {lead: card.accessibleName() for lead, card in self._cards.items()}

    @property
    def columns(self) -> int:
        """How many cards stand side by side."""
        return self._columns

    def set_highest(self, highest: int) -> None:
        """Let it grow no higher than so many pixels; 0 for as high as it likes."""
        if highest != self._highest:
            self._highest = highest
            self._fit()

    def show_leads(self, leads: Sequence[Mapping[str, Any]]) -> None:
        """Show the leads' newest states.

        Args:
            leads: as ``dataclasses.asdict`` makes of ``acquire.checks.live.LeadState``.
        """
        names = [str(lead["lead"]) for lead in leads]
        if names != list(self._cards):
            for card in self._cards.values():
                self._grid.removeWidget(card)
                card.hide()
                card.deleteLater()
            self._cards = {name: _LeadCard(name) for name in names}
            self._columns = 0
            self._make_short(len(names) > _MANY)
        elif all(lead["judgement"] == "good" for lead in leads):
            self._make_short(len(names) > _MANY)
        for lead in leads:
            self._cards[str(lead["lead"])].show_lead(lead)
        self._fit()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(300), self.maximumHeight())

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(max((card.minimumSizeHint().width() for card in self._cards.values()), default=0), 0)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._make_short(len(self._cards) > _MANY)
        self._fit()

    def _make_short(self, short: bool) -> None:
        self._grid.setSpacing(theme.px(6 if short else 10))
        for card in self._cards.values():
            card.set_short(short)

    def _n_columns(self) -> int:
        """How many cards there is room for side by side."""
        widest = max((card.minimumSizeHint().width() for card in self._cards.values()), default=1)
        gap = self._grid.spacing()
        return max(1, min(len(self._cards), (self.width() + gap) // (widest + gap)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if watched is self._inside and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        """Put the cards beside each other, and be as high as they are."""
        room = self.width()
        columns = self._n_columns()
        if columns < min(3, len(self._cards)):
            self._make_short(True)
            columns = self._n_columns()
        # Rows of the same length look less accidental than a last one with a single card.
        rows = -(-len(self._cards) // columns) if self._cards else 0
        columns = -(-len(self._cards) // rows) if rows else 1
        if columns != self._columns:
            self._columns = columns
            for place, card in enumerate(self._cards.values()):
                self._grid.addWidget(card, place // columns, place % columns)
            for column in range(self._grid.columnCount()):
                self._grid.setColumnStretch(column, 1 if column < columns else 0)
        height = max(0, self._grid.totalHeightForWidth(room) if self._grid.hasHeightForWidth() else 0)
        height = max(height, self._grid.totalMinimumSize().height())
        if self._highest:
            height = min(height, self._highest)
        if height != self.maximumHeight() or height != self.minimumHeight():
            self.setFixedHeight(height)


class _LeadCard(Card):
    def __init__(self, lead: str) -> None:
        super().__init__()
        self._lead = lead
        self._short = False
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

    def set_short(self, short: bool) -> None:
        """Be a line, or a card again."""
        if short == self._short:
            return
        self._short = short
        outer = self.layout()
        assert outer is not None
        left, top, bottom = (8, 3, 3) if short else (14, 11, 13)
        outer.setContentsMargins(theme.px(left), theme.px(top), theme.px(left), theme.px(bottom))
        outer.setSpacing(theme.px(0 if short else 8))
        restyle(self._rate, "" if short else "heading")
        self._figures.setVisible(not short)
        self._words.setVisible(bool(self._words.text()) and not short)

    def show_lead(self, lead: Mapping[str, Any]) -> None:
        """Show its newest state."""
        judgement, words = str(lead["judgement"]), str(lead["words"])
        word = _("electrode off?") if lead["electrode_off"] else ""
        if judgement == "skipped":
            word, words = _("not known"), ""
        elif judgement == "good" and not lead["settled"]:
            # Half a second of quiet signal is no good lead yet.
            judgement, word, words = "skipped", _("not known yet"), ""
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
        self._words.setVisible(bool(sentence) and not self._short)
        self.setToolTip("\n".join(part for part in (" · ".join(figures), sentence) if part) if self._short else "")
        spoken = (_("Lead {lead}").format(lead=self._lead), self._badge.word, rate, *figures, sentence)
        self.setAccessibleName(", ".join(part for part in spoken if part))
