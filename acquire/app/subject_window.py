"""What the subject sees: what to do, for how long, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QColor,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QScreen,
    QShortcut,
)
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from acquire.app import theme
from acquire.app.big_text import BigText
from acquire.app.full_screen import toggle_full_screen
from acquire.app.step_card import countdown_words
from acquire.viewer.step_clock import StepNow
from acquire.viewer.texts import _

__all__ = ["SubjectWindow", "choose_screen", "place_beside"]

_SHARE = 0.4
_TOP_SHARE = 0.38


def place_beside(screen: QRect) -> QRect:
    """Where the window stands on the operator's own screen: upon the oldest of the traces, clear of what is asked."""
    return QRect(
        screen.left() + round(0.01 * screen.width()),
        screen.top() + round(_TOP_SHARE * screen.height()),
        round(_SHARE * screen.width()),
        round(_SHARE * screen.height()),
    )


def choose_screen(wanted: str, operator: QScreen | None, screens: list[QScreen]) -> QScreen | None:
    """The screen for the subject.

    Args:
        wanted: name of a screen, or "" for the first other one.
        operator: the screen that the operator works at.
        screens: all there are.

    Returns:
        None where there is no other screen than the operator's.
    """
    others = [screen for screen in screens if screen is not operator]
    return next((screen for screen in others if screen.name() == wanted), others[0] if others else None)


class SubjectWindow(QWidget):
    """A window of its own: over a whole second screen where there is one, else an ordinary one.

    Args:
        operator_screen: the screen that the operator works at.
        wanted: name of the screen to take, or "".
        forward: takes a key that was pressed here and means nothing here; whether it was of use.
    """

    closed = Signal()

    def __init__(
        self,
        operator_screen: QScreen | None = None,
        wanted: str = "",
        *,
        forward: Callable[[QKeyEvent], bool] = lambda event: False,
    ) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self._forward = forward
        self._operator_screen = operator_screen
        self.setWindowTitle(_("For the subject – trilead"))
        self.setAutoFillBackground(True)
        self.setCursor(Qt.CursorShape.BlankCursor)
        self._instruction = BigText(least=16, most=220, align=Qt.AlignmentFlag.AlignHCenter)
        self._countdown = BigText(least=28, most=320, figures=True, align=Qt.AlignmentFlag.AlignHCenter)
        self._countdown.setAccessibleDescription(_("Time left of this step"))
        self._progress = _ProgressLine()
        column = QVBoxLayout(self)
        column.setSpacing(0)
        # The progress line keeps clear of the corners that televisions cut off.
        column.addStretch(1)
        column.addWidget(self._instruction, 12)
        column.addStretch(1)
        column.addWidget(self._countdown, 8)
        column.addStretch(1)
        column.addWidget(self._progress)
        column.addStretch(1)
        QShortcut(QKeySequence("F9"), self).activated.connect(self.close)
        QShortcut(QKeySequence("F11"), self).activated.connect(lambda: toggle_full_screen(self))
        self._screen = choose_screen(wanted, operator_screen, QGuiApplication.screens())
        self.show_step(StepNow())

    @property
    def instruction(self) -> str:
        """What is told."""
        return self._instruction.text

    @property
    def countdown(self) -> str:
        """What is left of the step, as it is shown."""
        return self._countdown.text

    def appear(self) -> None:
        """Show it where it belongs, without taking the keyboard from the operator."""
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        if self._screen is None:
            # The operator's window, which fills this screen, would lie upon it after every click.
            self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
            self._stand_beside()
            self.show()
        else:
            self.setScreen(self._screen)
            self.setGeometry(self._screen.geometry())
            self.showFullScreen()

    def keep_off(self, place: QRect) -> None:
        """Lie upon nothing of a place, in global coordinates: there something is asked."""
        if not self.isVisible() or not self.frameGeometry().intersects(place):
            return
        self.showNormal()
        self._stand_beside()
        over = self.frameGeometry()
        if over.intersects(place):
            # With large text it begins higher up: there the window ends.
            room, edge = (self._operator_screen or self.screen()).availableGeometry(), over.height() - self.height()
            top = max(room.top(), min(over.top(), place.top() - over.height() // 2))
            self.resize(self.width(), place.top() - top - edge)
            # It may not become as low as that.
            self.move(over.left(), place.top() - edge - self.height())

    def show_step(self, now: StepNow, *, silent: bool = False) -> None:
        """Show where the protocol stands.

        Args:
            now: where.
            silent: whether no samples come.
        """
        waits = silent or now.phase in ("paused", "silent")
        if now.phase == "finishing":
            self._instruction.show_text(_("Thank you. You are done."))
        elif now.step:
            self._instruction.show_text(_("One moment, please.") if waits else now.instruction)
        else:
            self._instruction.show_text(_("We are about to begin."), "muted")
        running = bool(now.step) and now.phase != "finishing"
        self._countdown.show_text(countdown_words(now.remaining_s) if running else "", "muted" if waits else "accent")
        self._progress.show_share(now.share if running else 0.0)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's own
        # A click brings the keyboard here, and the operator's keys count wherever it is.
        if self._forward(event):
            event.accept()
        elif event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102 - Qt's own
        super().closeEvent(event)
        self.closed.emit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's own
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        QPainter(self).fillRect(self.rect(), QColor(theme.current().surface))

    def resizeEvent(self, event: object) -> None:  # noqa: D102 - Qt's own
        edge = round(0.06 * min(self.width(), self.height()))
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(edge, edge // 2, edge, edge // 2)

    def _stand_beside(self) -> None:
        screen = self._operator_screen or self.screen()
        self.setGeometry(place_beside(screen.availableGeometry()))


class _ProgressLine(QWidget):
    """How much of the step is done, as a calm line."""

    def __init__(self) -> None:
        super().__init__()
        self._share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(theme.px(200), theme.px(10))

    def show_share(self, share: float) -> None:
        # No finer than can be seen, so that it is not painted ten times a second for nothing.
        share = round(share, 3)
        if share != self._share:
            self._share = share
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        radius = self.height() / 2
        painter.setBrush(QColor(theme.current().outline))
        painter.drawRoundedRect(QRectF(self.rect()), radius, radius)
        if self._share > 0:
            width = max(2 * radius, self._share * self.width())
            painter.setBrush(QColor(theme.current().accent))
            painter.drawRoundedRect(QRectF(0, 0, width, self.height()), radius, radius)
