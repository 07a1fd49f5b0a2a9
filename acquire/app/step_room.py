"""How the step and the banner above it share their room, so that nothing below them moves."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from acquire.app import theme
from acquire.app.step_card import StepCard

__all__ = ["SPACING", "StepRoom"]

SPACING = 7
_TRACES_LEAST, _STEP_LEAST = 130, 150
_STEP_BESIDE_BANNER, _STEP_COMPACT = 116, 80


class StepRoom:
    """Lets the step alone give way to the banner where it can; else all give way a little.

    Args:
        page: what they stand in.
        banner: comes and goes.
        step: below it.
        traces: below the step.
    """

    def __init__(self, page: QWidget, banner: QWidget, step: StepCard, traces: QWidget) -> None:
        self._page, self._banner, self._step, self._traces = page, banner, step, traces
        self._shown = False
        self._heights = (0, 0)
        self.reset()

    def reset(self) -> None:
        """Let all have what room they can get, until the banner is looked at again."""
        self._shown = False
        self._step.show_compact(False)
        self._step.setMinimumHeight(theme.px(_STEP_LEAST))
        self._traces.setMinimumHeight(theme.px(_TRACES_LEAST))

    def remember(self) -> None:
        """Note how high they are, before the banner may come."""
        if not self._shown:
            self._heights = (self._step.height(), self._traces.height())

    def settle(self) -> None:
        """Share the room, now that the banner may have come or gone."""
        shown = self._banner.isVisibleTo(self._page)
        if shown == self._shown:
            return
        self.reset()
        self._shown = shown
        step, traces = self._heights
        left = step - self._banner.heightForWidth(self._step.width()) - theme.px(SPACING)
        if shown:
            self._step.show_compact(left < theme.px(_STEP_BESIDE_BANNER))
            self._step.setMinimumHeight(theme.px(_STEP_COMPACT))
        if shown and left >= theme.px(_STEP_COMPACT):
            self._traces.setMinimumHeight(traces)
