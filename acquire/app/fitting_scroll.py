"""A page that fills its window, shrinks as far as its parts can, and only then scrolls."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

__all__ = ["FittingScroll"]


class FittingScroll(QScrollArea):
    """Scrolls up and down only, and not before it must.

    A plain scroll area gives a page with wrapped text the height that it would like best, and so scrolls where the
    page could have been smaller; this one goes by the least height.

    Args:
        page: has a layout.
        parent: the widget it stands in.
    """

    def __init__(self, page: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(page)
        page.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's own
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's own
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        page = self.widget()
        layout = None if page is None else page.layout()
        if page is not None and layout is not None:
            width = self.viewport().width()
            least = layout.totalMinimumHeightForWidth(width) if layout.hasHeightForWidth() else 0
            page.resize(width, max(self.viewport().height(), least, layout.totalMinimumSize().height()))
