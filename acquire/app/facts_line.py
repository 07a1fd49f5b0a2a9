"""The small print under a recording: whose it is, and how the recorder fares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from acquire.app import theme
from acquire.app.step_timeline import duration_words
from acquire.recorder.control import RecorderStatus
from acquire.viewer.texts import _, ngettext

if TYPE_CHECKING:
    from acquire.viewer.feed import FeedState

__all__ = ["FactsLine"]

_DISK_TOLD_S = 48 * 3600.0
_DISK_DOUBTFUL_S = 1800.0


class FactsLine(QWidget):
    """One line: the recording's facts at the left, the recorder's at the right.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whose, self._how = _Elided(Qt.AlignmentFlag.AlignLeft), _Elided(Qt.AlignmentFlag.AlignRight)
        line = QHBoxLayout(self)
        line.setContentsMargins(theme.px(2), 0, theme.px(2), 0)
        line.setSpacing(theme.px(20))
        line.addWidget(self._whose)
        line.addStretch(1)
        line.addWidget(self._how)

    @property
    def text(self) -> str:
        """All that it says."""
        return f"{self._whose.text}  {self._how.text}"

    def show_facts(self, facts: Mapping[str, str]) -> None:
        """Show whose recording it is.

        Args:
            facts: subject, session, run, operator, protocol, board; any may be missing or empty.
        """
        patterns = {
            "subject": _("Subject {value}"),
            "session": _("session {value}"),
            "run": _("run {value}"),
            "protocol": _("protocol {value}"),
            "board": _("board {value}"),
            "operator": _("operator {value}"),
        }
        told = [pattern.format(value=facts[name]) for name, pattern in patterns.items() if facts.get(name)]
        self._whose.show_text("  ·  ".join(told), "muted")

    def show_status(self, status: RecorderStatus | None, feed: FeedState, *, missing_s: float = 0.0) -> None:
        """Show how the recorder fares.

        Args:
            status: its last word; None before it spoke.
            feed: of its journal.
            missing_s: for how long no samples have come; 0 while they do.
        """
        told, doubtful = [], False
        if feed.fault:
            told, doubtful = [feed.fault], True
        if status is not None and status.rate_hz > 0:
            told.append(_("{rate:.2f} Hz").format(rate=status.fitted_rate_hz or status.rate_hz))
            if missing_s > 0:
                told.append(_("no samples for {length}").format(length=duration_words(int(missing_s))))
            if status.gaps or not missing_s:
                told.append(_gap_words(status))
            doubtful = doubtful or status.gaps > 0 or missing_s > 0
            if status.reconnects:
                n = status.reconnects
                told.append(ngettext("reached again {n} time", "reached again {n} times", n).format(n=n))
            if 0 < status.disk_left_s < _DISK_TOLD_S:
                told.append(_("room on disk for {length}").format(length=duration_words(status.disk_left_s)))
                doubtful = doubtful or status.disk_left_s < _DISK_DOUBTFUL_S
        words = "  ·  ".join(told)
        self._how.show_text(
            f"{theme.SHAPES['doubtful']} {words}" if doubtful else words, "doubtful" if doubtful else "muted"
        )


def _gap_words(status: RecorderStatus) -> str:
    if not status.gaps:
        return _("nothing lost")
    lost = ngettext("{seconds:.1f} s lost in {n} gap", "{seconds:.1f} s lost in {n} gaps", status.gaps)
    return lost.format(seconds=max(0.1, status.lost_samples / status.rate_hz), n=status.gaps)


class _Elided(QWidget):
    """Text on one line that gives way where there is no room; its tip holds all of it."""

    def __init__(self, align: Qt.AlignmentFlag) -> None:
        super().__init__()
        self._align = align
        self.text, self._colour = "", "muted"
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_text(self, text: str, colour: str) -> None:
        if (text, colour) != (self.text, self._colour):
            self.text, self._colour = text, colour
            self.setAccessibleName(text)
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(theme.font(9.5))
        return QSize(round(metrics.horizontalAdvance(self.text)) + 2, round(metrics.height()) + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.px(60), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        font = theme.font(9.5)
        painter.setFont(font)
        painter.setPen(QColor(getattr(theme.current(), self._colour)))
        shown = QFontMetricsF(font).elidedText(self.text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(QRectF(self.rect()), self._align | Qt.AlignmentFlag.AlignVCenter, shown)
        self.setToolTip(self.text if shown != self.text else "")
