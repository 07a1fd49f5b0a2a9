"""Where the electrodes go: a drawing of three-lead Einthoven placement with the colours of both cable standards.

Electrodes are named as in the leads, RA, LA, LL and RL. What each cable is called and coloured depends on where the
cables were bought: IEC 60601-2-25 (R red, L yellow, F green, N black) or AHA (RA white, LA black, LL red, RL green).
Both stand beside each electrode, so nobody has to know which they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from acquire.app import theme
from acquire.app.widgets import draw_shape, state_word
from acquire.viewer.electrodes import ELECTRODES, ElectrodeState
from acquire.viewer.texts import _

__all__ = ["CABLES", "PlacementPicture", "colour_word", "place_words"]

CABLES = {
    "RA": (("R", "red"), ("RA", "white")),
    "LA": (("L", "yellow"), ("LA", "black")),
    "LL": (("F", "green"), ("LL", "red")),
    "RL": (("N", "black"), ("RL", "green")),
}
"""Electrode → (label, colour) of its cable by IEC and by AHA."""

# Cables have these colours whatever the window looks like, so they do not belong to the theme.
_INK = {"red": "#d5232b", "yellow": "#f4c800", "green": "#1f9d48", "black": "#17181b", "white": "#ffffff"}

# On a body 100 wide and 112 high that faces us, so that its right is at our left.
_SPOTS = {"RA": (37.0, 39.0), "LA": (63.0, 39.0), "RL": (37.5, 86.0), "LL": (62.5, 86.0)}
_BODY_W, _BODY_H = 100.0, 112.0
_DISC = 6.6


def colour_word(colour: str) -> str:
    """What a cable's colour is called."""
    words = {"red": _("red"), "yellow": _("yellow"), "green": _("green"), "black": _("black"), "white": _("white")}
    return words[colour]


def place_words(electrode: str) -> str:
    """Where an electrode goes."""
    return {
        "RA": _("below the right collarbone"),
        "LA": _("below the left collarbone"),
        "LL": _("left, below the ribs"),
        "RL": _("right, below the ribs (bias or reference)"),
    }[electrode]


class PlacementPicture(QWidget):
    """A torso from the front with RA, LA, LL and RL, and what each cable looks like.

    After `show_contact`, each electrode also carries its state as shape, colour and ohms or a word.

    Args:
        parent: the widget it stands in.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._contact: dict[str, ElectrodeState] = {}
        self._tell()

    @property
    def contact(self) -> Mapping[str, ElectrodeState]:
        """What is shown of each electrode's contact; empty where nothing is."""
        return self._contact

    def show_contact(self, contact: Mapping[str, ElectrodeState]) -> None:
        """Show how well each electrode touches; those that are not named stand as not checked.

        Args:
            contact: electrode → its state; empty for the placement alone.
        """
        if dict(contact) != self._contact:
            self._contact = dict(contact)
            self._tell()
            self.update()

    def contact_words(self, electrode: str) -> str:
        """What stands beside an electrode of its contact; "" where contact is not shown."""
        if not self._contact:
            return ""
        state = self._contact.get(electrode, ElectrodeState(state="skipped"))
        if state.ohms is not None:
            return _("{ohms}, {state}").format(ohms=state.words, state=state_word(state.state))
        return state.words or {
            "good": _("signal looks well"),
            "doubtful": _("look at it"),
            "bad": _("seems off"),
            "skipped": _("not checked"),
        }.get(state.state, "")

    def _tell(self) -> None:
        """The same in words, for who cannot see the picture."""
        lines = []
        for electrode in ELECTRODES:
            iec, aha = CABLES[electrode]
            words = _("{electrode}: {place}; cable {iec} {iec_colour} (IEC) or {aha} {aha_colour} (AHA)").format(
                electrode=electrode,
                place=place_words(electrode),
                iec=iec[0],
                iec_colour=colour_word(iec[1]),
                aha=aha[0],
                aha_colour=colour_word(aha[1]),
            )
            contact = self.contact_words(electrode)
            lines.append(f"{words}; {contact}" if contact else words)
        self.setAccessibleName(_("Where the electrodes go"))
        self.setAccessibleDescription("\n".join(lines))

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(430), theme.px(270))

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's own
        return QSize(theme.px(300), theme.px(225))

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's own
        if event.type() == QEvent.Type.StyleChange:
            self.updateGeometry()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's own
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        column = min(theme.px(190), self.width() * 0.34)
        # The callouts stand beside the arms, which reach over 74 of the body's 100.
        scale = min(self.height() / _BODY_H, (self.width() - 2 * column) / 78.0)
        scale = max(scale, 0.5)
        painter.save()
        painter.translate((self.width() - scale * _BODY_W) / 2, (self.height() - scale * _BODY_H) / 2)
        painter.scale(scale, scale)
        _paint_body(painter)
        painter.restore()
        origin = QPointF((self.width() - scale * _BODY_W) / 2, (self.height() - scale * _BODY_H) / 2)
        for electrode, (x, y) in _SPOTS.items():
            spot = QPointF(origin.x() + scale * x, origin.y() + scale * y)
            self._paint_electrode(painter, electrode, spot, scale * _DISC, column)

    def _paint_electrode(self, painter: QPainter, electrode: str, spot: QPointF, radius: float, column: float) -> None:
        colours = theme.current()
        at_left = spot.x() < self.width() / 2
        # The callout is as wide as the space beside the trunk, and hangs at the electrode's height.
        left = 0.0 if at_left else self.width() - column
        lines = self._lines(electrode, column)
        height = sum(line_height for line_height, *_rest in lines)
        # The upper callouts keep to the upper half and the lower ones to the lower, so that none covers another.
        upper = spot.y() < self.height() / 2
        highest, lowest = (0.0, self.height() / 2 - height) if upper else (self.height() / 2, self.height() - height)
        top = max(highest, min(spot.y() - 0.4 * height, lowest))
        end = QPointF(left + column + theme.px(3) if at_left else left - theme.px(3), spot.y())
        painter.setPen(QPen(QColor(colours.muted), 1, Qt.PenStyle.DotLine))
        painter.drawLine(end, QPointF(spot.x() + (-radius if at_left else radius), spot.y()))
        self._paint_disc(painter, electrode, spot, radius)
        for line_height, paint in lines:
            paint(painter, QRectF(left, top, column, line_height), at_left)
            top += line_height

    def _paint_disc(self, painter: QPainter, electrode: str, spot: QPointF, radius: float) -> None:
        colours = theme.current()
        state = self._contact.get(electrode)
        ring = colours.level(state.state) if state else colours.accent
        painter.setPen(QPen(QColor(ring), max(2.0, 0.2 * radius)))
        painter.setBrush(QColor(colours.surface))
        painter.drawEllipse(spot, radius, radius)
        font = theme.font(9, bold=True)
        font.setPixelSize(max(8, round(0.86 * radius)))
        painter.setFont(font)
        painter.setPen(QColor(colours.text))
        around = QRectF(spot.x() - radius, spot.y() - radius, 2 * radius, 2 * radius)
        painter.drawText(around, Qt.AlignmentFlag.AlignCenter, electrode)
        if state and state.state != "skipped":
            badge = QPointF(spot.x() + 0.85 * radius, spot.y() - 0.85 * radius)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.surface))
            painter.drawEllipse(badge, 0.62 * radius, 0.62 * radius)
            draw_shape(painter, state.state, badge, 0.45 * radius)

    def _lines(self, electrode: str, column: float) -> list[tuple[float, _Line]]:
        """What stands in an electrode's callout, from above: how high each line is, and how it is painted."""
        small = QFontMetricsF(theme.font(9))
        head = QFontMetricsF(theme.font(11.5, bold=True))
        lines: list[tuple[float, _Line]] = [(head.height(), _Words(electrode, bold=True))]
        if contact := self.contact_words(electrode):
            state = self._contact.get(electrode, ElectrodeState(state="skipped")).state
            lines.append((small.height() * 1.25, _Words(contact, level=state)))
        else:
            place = place_words(electrode)
            flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop
            needed = small.boundingRect(QRectF(0, 0, column, 1000), flags, place).height()
            lines.append((needed + theme.px(2), _Words(place)))
        for standard, cable in zip((_("IEC"), _("AHA")), CABLES[electrode], strict=True):
            lines.append((small.height() * 1.15, _Cable(standard, *cable)))
        return lines


class _Line(Protocol):
    """Paints one line of a callout into the room that it gets."""

    def __call__(self, painter: QPainter, room: QRectF, at_left: bool) -> None: ...


class _Words:
    def __init__(self, words: str, *, bold: bool = False, level: str = "") -> None:
        self._words, self._bold, self._level = words, bold, level

    def __call__(self, painter: QPainter, room: QRectF, at_left: bool) -> None:
        colours = theme.current()
        side = Qt.AlignmentFlag.AlignRight if at_left else Qt.AlignmentFlag.AlignLeft
        font = theme.font(11.5 if self._bold else 9, bold=self._bold or bool(self._level))
        painter.setFont(font)
        painter.setPen(QColor(colours.text if self._bold else colours.muted))
        if not self._level:
            painter.drawText(room, side | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, self._words)
            return
        metrics = QFontMetricsF(font)
        radius = 0.3 * metrics.height()
        indent = 2 * radius + theme.px(6)
        words = metrics.elidedText(self._words, Qt.TextElideMode.ElideRight, room.width() - indent)
        width = metrics.horizontalAdvance(words) + indent
        left = room.right() - width if at_left else room.left()
        draw_shape(painter, self._level, QPointF(left + radius, room.center().y()), radius)
        painter.setPen(QColor(colours.level(self._level)))
        beside = QRectF(left + indent, room.top(), width - indent + 2, room.height())
        painter.drawText(beside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)


class _Cable:
    """A cable's plug in its colour, its standard, label and colour in words."""

    def __init__(self, standard: str, marked: str, colour: str) -> None:
        self._standard, self._marked, self._colour = standard, marked, colour

    def __call__(self, painter: QPainter, room: QRectF, at_left: bool) -> None:
        colours = theme.current()
        font = theme.font(9)
        metrics = QFontMetricsF(font)
        words = _("{standard} {label}, {colour}").format(
            standard=self._standard, label=self._marked, colour=colour_word(self._colour)
        )
        high = 0.62 * metrics.height()
        indent = 1.7 * high + theme.px(6)
        words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room.width() - indent)
        width = metrics.horizontalAdvance(words) + indent
        left = room.right() - width if at_left else room.left()
        painter.setPen(QPen(QColor(colours.muted), 1))
        painter.setBrush(QColor(_INK[self._colour]))
        plug = QRectF(left + 0.5, room.center().y() - high / 2, 1.7 * high, high)
        painter.drawRoundedRect(plug, 0.3 * high, 0.3 * high)
        painter.setFont(font)
        painter.setPen(QColor(colours.text))
        beside = QRectF(left + indent, room.top(), width - indent + 2, room.height())
        painter.drawText(beside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)


def _paint_body(painter: QPainter) -> None:
    """A calm, sexless figure from the head to the hips, 100 by 112."""
    colours = theme.current()
    pen = QPen(QColor(colours.outline), theme.px(1.6))
    pen.setCosmetic(True)
    painter.setPen(pen)
    painter.setBrush(QColor(colours.window))
    painter.drawPath(_half_to_whole(_flank()).simplified())
    painter.drawEllipse(QPointF(50, 11.5), 8.6, 10.6)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(_half_to_whole(_collarbone()))
    painter.drawPath(_half_to_whole(_ribs()))
    painter.drawEllipse(QPointF(50, 94), 0.8, 1.2)


def _flank() -> QPainterPath:
    """The right half of the outline, from the neck over the arm to the hip."""
    path = QPainterPath(QPointF(50, 21.0))
    path.lineTo(45.2, 20.6)
    path.cubicTo(45.2, 26, 43.5, 28.0, 36.5, 29.6)
    path.cubicTo(26.5, 31.5, 20.5, 33.0, 18.6, 42.5)
    path.cubicTo(16.5, 54, 15.2, 66, 13.2, 84)
    path.lineTo(20.6, 85.2)
    path.cubicTo(23.4, 72, 25.5, 62, 27.6, 52.5)
    path.cubicTo(29.4, 62, 31.2, 71, 30.8, 79)
    path.cubicTo(30.4, 87, 27.8, 96, 27.2, 110)
    path.lineTo(50, 110)
    return path


def _collarbone() -> QPainterPath:
    path = QPainterPath(QPointF(47.5, 32.2))
    path.cubicTo(42, 30.6, 35, 33.6, 26.5, 32.8)
    return path


def _ribs() -> QPainterPath:
    path = QPainterPath(QPointF(49.2, 65))
    path.cubicTo(45.5, 66.5, 40.5, 73.0, 34.6, 78.0)
    return path


def _half_to_whole(half: QPainterPath) -> QPainterPath:
    """A path and its mirror image about the body's middle."""
    mirrored = QPainterPath()
    mirrored.addPath(half)
    for index in range(mirrored.elementCount()):
        element = mirrored.elementAt(index)
        mirrored.setElementPositionAt(index, _BODY_W - element.x, element.y)
    whole = QPainterPath()
    whole.addPath(half)
    whole.addPath(mirrored)
    return whole
