"""The alarm of the recording page: what is wrong, what is being done about it, and for how long."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QWidget

from acquire.app import theme
from acquire.app.step_timeline import duration_words
from acquire.app.widgets import KeyButton, draw_shape, label, restyle
from acquire.viewer.alarm_watch import AlarmState
from acquire.viewer.texts import _

__all__ = ["AlarmBanner", "AlarmBell", "alarm_words"]

RING_EVERY_S = 3.0
_TOLD_LOST_S = 0.001


class AlarmBell:
    """Says when the alarm's sound is due."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._ringing = False

    def due(self, audible: bool, now_s: float) -> bool:
        """Whether to ring now: at once, and every few seconds for as long as it is to be heard."""
        if audible and (not self._ringing or now_s >= self._next_s):
            self._ringing, self._next_s = True, now_s + RING_EVERY_S
            return True
        self._ringing = self._ringing and audible
        return False


class AlarmBanner(QFrame):
    """Stands across the top of the page while something is wrong, and for some seconds after.

    Args:
        parent: the widget it stands in.
    """

    acknowledged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._sign = _Sign()
        self._headline = label()
        self._headline.setObjectName("headline")
        self._details = label()
        self._lasted = label(wrap=False)
        self._lasted.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.button = KeyButton("", "A")
        self.button.clicked.connect(self.acknowledged.emit)
        grid = QGridLayout(self)
        grid.setContentsMargins(theme.px(16), theme.px(10), theme.px(14), theme.px(10))
        grid.setHorizontalSpacing(theme.px(14))
        grid.setVerticalSpacing(theme.px(2))
        grid.addWidget(self._sign, 0, 0, 2, 1)
        grid.addWidget(self._headline, 0, 1)
        grid.addWidget(self._details, 1, 1)
        grid.addWidget(self._lasted, 0, 2, 2, 1)
        grid.addWidget(self.button, 0, 3, 2, 1, Qt.AlignmentFlag.AlignVCenter)
        grid.setColumnStretch(1, 1)
        self._shown: tuple[str, ...] = ()
        self.hide()

    @property
    def text(self) -> str:
        """All that it says."""
        return f"{self._headline.text()} {self._details.text()}".strip() if self._shown else ""

    def show_alarm(self, state: AlarmState) -> None:
        """Tell of an alarm, or be gone when there is none."""
        if state.phase == "quiet":
            self.clear()
            return
        level = {"silent": "bad", "unanswered": "doubtful", "over": "good"}[state.phase]
        headline, details = alarm_words(state)
        lasted = "" if state.phase == "over" else duration_words(int(state.lasted_s))
        if state.phase == "over":
            action = _("Close")
        else:
            action = _("Silence") if state.audible else ""
        self._show(level, headline, details, lasted, action)

    def show_end(self, headline: str, details: str) -> None:
        """Tell that the recorder is gone."""
        self._show("bad", headline, details, "", "")

    def clear(self) -> None:
        """Be gone."""
        if self._shown:
            self._shown = ()
            self.hide()

    def _show(self, level: str, headline: str, details: str, lasted: str, action: str) -> None:
        shown = (level, headline, details, lasted, action)
        if shown == self._shown:
            return
        self._shown = shown
        restyle(self, f"banner-{level}")
        self._sign.show_level(level)
        _say(self._headline, headline, 19, most=24, bold=True)
        _say(self._details, details, 11.5, most=15)
        _say(self._lasted, lasted, 30, most=36, bold=True)
        self._lasted.setVisible(bool(lasted))
        self.button.setText(action)
        self.button.setVisible(bool(action))
        self.setAccessibleName(f"{headline} {details}")
        self.show()


def alarm_words(state: AlarmState) -> tuple[str, str]:
    """Headline and details of an alarm."""
    if state.phase == "unanswered":
        return (
            _("The recorder does not answer"),
            _("Samples still arrive and are being recorded. What you press takes effect when it answers again."),
        )
    if state.phase == "over":
        if state.lost_s < _TOLD_LOST_S:
            headline = _("Samples come again after {length}").format(length=duration_words(state.lasted_s))
            return headline, _("Nothing was lost. The recording goes on.")
        # One number: how long it seemed from here is no other loss than the one that was counted in samples.
        lost_s = max(0.1, state.lost_s)
        details = _("{seconds:.1f} s of signal were lost. They stay in the recording as a gap of their true length.")
        return _("Samples come again"), details.format(seconds=lost_s)
    if not state.answering:
        details = _("The recorder does not answer either. What was recorded is safe; look whether the computer hangs.")
    else:
        waits = _("The countdown stands still. Recording goes on by itself as soon as samples come.")
        details = f"{state.message}\n{waits}" if state.message else waits
    return _("No samples from the board"), details


def _say(field: QLabel, words: str, points: float, *, most: float, bold: bool = False) -> None:
    """Show words in a size that follows the text scale as far as the step below keeps its room."""
    font = theme.font(points, bold=bold, fixed_digits=bold)
    font.setPointSizeF(min(most, font.pointSizeF()))
    field.setFont(font)
    field.setText(words)


class _Sign(QWidget):
    """The level's shape, large, with an exclamation mark while it is an alarm."""

    def __init__(self) -> None:
        super().__init__()
        self._level = "bad"
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_level(self, level: str) -> None:
        self._level = level
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.px(52), theme.px(52))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        draw_shape(painter, self._level, QPointF(self.width() / 2, self.height() / 2), 0.44 * self.width())
        if self._level != "good":
            painter.setFont(theme.font(20, bold=True))
            painter.setPen(QColor(theme.current().surface))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "!")
