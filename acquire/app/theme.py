"""Colours, type and spacing of all windows, light and dark.

The colours that carry meaning are those of Okabe and Ito (Color Universal Design, 2008), which people of every kind of
colour vision can tell apart; each comes with a shape and a word as well. Text stands out from its ground by a contrast
of at least 4.5 to 1, large text and shapes by 3 to 1 (WCAG 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

__all__ = ["LEVELS", "SHAPES", "Theme", "apply", "current", "font", "px"]

LEVELS = ("good", "doubtful", "bad", "skipped")
SHAPES = {"good": "●", "doubtful": "▲", "bad": "■", "skipped": "○"}
"""What stands beside a colour, so that nothing is told by colour alone."""
ICONS = Path(__file__).parent / "icons"


@dataclass(frozen=True, kw_only=True)
class Theme:
    """One set of colours, as ``#rrggbb``.

    Attributes:
        dark: whether it is light on dark.
        window: ground of windows.
        surface: ground of cards, lists and fields, one step off the window.
        raised: ground of buttons.
        outline: of cards and fields.
        text: what is read.
        muted: what is read second.
        accent: the one thing to do next, and what is chosen.
        on_accent: text upon it.
        focus: ring round what has the keyboard.
        good: fine.
        doubtful: look at it.
        bad: mend it.
        skipped: not looked at.
        good_ground: behind a message that all is well.
        doubtful_ground: behind a warning.
        bad_ground: behind an alarm.
        trace: the leads.
        paper: behind them.
        grid_thin: each millimetre.
        grid_bold: each fifth.
        beat: ticks at the R peaks.
        mark: flags of marks and notes.
        gap: where samples were lost.
        pause: where the protocol stood still.
        bands: grounds of successive steps, to tell neighbours apart.
        band_text: names of steps upon them.
    """

    dark: bool
    window: str
    surface: str
    raised: str
    outline: str
    text: str
    muted: str
    accent: str
    on_accent: str
    focus: str
    good: str
    doubtful: str
    bad: str
    skipped: str
    good_ground: str
    doubtful_ground: str
    bad_ground: str
    trace: str
    paper: str
    grid_thin: str
    grid_bold: str
    beat: str
    mark: str
    gap: str
    pause: str
    bands: tuple[str, ...]
    band_text: str

    def level(self, level: str) -> str:
        """The colour of one of `LEVELS`."""
        return str(getattr(self, level))


LIGHT = Theme(
    dark=False,
    window="#f4f5f7",
    surface="#ffffff",
    raised="#ffffff",
    outline="#c9ced6",
    text="#16191f",
    muted="#545c69",
    accent="#0067a5",
    on_accent="#ffffff",
    focus="#0067a5",
    good="#00735a",
    doubtful="#8a5a00",
    bad="#b03a00",
    skipped="#6b7280",
    good_ground="#e2f3ee",
    doubtful_ground="#fdf1d8",
    bad_ground="#fbe4da",
    trace="#101318",
    paper="#fffdfb",
    grid_thin="#f6e3dd",
    grid_bold="#ebc6ba",
    beat="#0067a5",
    mark="#8b3a78",
    gap="#b03a00",
    pause="#7d8592",
    bands=("#e3eef8", "#eef4e4", "#f6ecdd", "#efe6f3"),
    band_text="#3d4653",
)

DARK = Theme(
    dark=True,
    window="#14171c",
    surface="#1d2128",
    raised="#272c35",
    outline="#3c434f",
    text="#eef1f5",
    muted="#a9b2bf",
    accent="#56b4e9",
    on_accent="#0c1116",
    focus="#8fd0f5",
    good="#2fc09a",
    doubtful="#e8a917",
    bad="#ff7a45",
    skipped="#8d96a3",
    good_ground="#12332b",
    doubtful_ground="#3a2e0e",
    bad_ground="#46200f",
    trace="#f2f5f8",
    paper="#15181d",
    grid_thin="#242a32",
    grid_bold="#353d48",
    beat="#56b4e9",
    mark="#dc9ac6",
    gap="#ff7a45",
    pause="#8d96a3",
    bands=("#1b2a38", "#202d22", "#312a1d", "#2c2433"),
    band_text="#c3cbd6",
)


class _Chosen:
    theme: Theme = LIGHT
    scale: float = 1.0


def current() -> Theme:
    """The colours in use."""
    return _Chosen.theme


def px(size: float) -> int:
    """A length in pixels of a screen of ordinary density, scaled with the text."""
    return max(1, round(size * _Chosen.scale))


def font(points: float = 10.5, *, bold: bool = False, fixed_digits: bool = False) -> QFont:
    """The app's font.

    Args:
        points: at text scale 1.
        bold: for headings and figures.
        fixed_digits: with digits of equal width, so that a countdown does not tremble.
    """
    made = QFont(QApplication.font())
    made.setPointSizeF(points * _Chosen.scale)
    made.setBold(bold)
    if fixed_digits:
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def apply(choice: str = "system", text_scale: float = 1.0) -> Theme:
    """Dress the whole application.

    Args:
        choice: "light", "dark", or "system" for what the desktop says.
        text_scale: 0.8 to 2.

    Returns:
        The colours now in use.
    """
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    if choice == "system":
        choice = "dark" if QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark else "light"
    theme = DARK if choice == "dark" else LIGHT
    _Chosen.theme, _Chosen.scale = theme, text_scale
    app.setStyle("Fusion")
    base = QFont(app.font())
    base.setPointSizeF(10.5 * text_scale)
    app.setFont(base)
    app.setPalette(_palette(theme))
    app.setStyleSheet(_style(theme))
    return theme


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    colours = {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.surface,
        role.AlternateBase: theme.window,
        role.Text: theme.text,
        role.Button: theme.raised,
        role.ButtonText: theme.text,
        role.BrightText: theme.on_accent,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.ToolTipBase: theme.surface,
        role.ToolTipText: theme.text,
        role.PlaceholderText: theme.muted,
        role.Link: theme.accent,
        role.Mid: theme.outline,
        role.Accent: theme.accent,
    }
    for which, colour in colours.items():
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(theme.muted))
    return palette


def _style(theme: Theme) -> str:
    """The style sheet; pages set the property ``kind`` of a widget to pick one of its looks."""
    named = {field.name: getattr(theme, field.name) for field in fields(theme)}
    sizes = {
        "radius": px(6), "pad": px(7), "wide": px(14), "thin": max(1, px(1)), "thick": max(2, px(2)),
        "small": f"{9.5 * _Chosen.scale:.1f}pt", "large": f"{14 * _Chosen.scale:.1f}pt",
        "huge": f"{20 * _Chosen.scale:.1f}pt", "row": px(30), "bar": px(12), "grip": px(26), "box": px(18),
        "dot": px(12), "dot_radius": px(8), "bar_radius": px(4), "handle": px(4),
    }  # fmt: skip
    tick = (ICONS / f"tick-on-{'dark' if theme.dark else 'light'}.svg").as_posix()
    return _SHEET.format(**named, **sizes, tick=tick)


_SHEET = """
QWidget {{ color: {text}; }}
QMainWindow, QDialog, QScrollArea, QStackedWidget {{ background: {window}; }}
QToolTip {{ background: {surface}; color: {text}; border: {thin}px solid {outline}; padding: {pad}px; }}
QLabel[kind="title"] {{ font-size: {huge}; font-weight: 600; }}
QLabel[kind="heading"] {{ font-size: {large}; font-weight: 600; }}
QLabel[kind="small"], QLabel[kind="muted"] {{ color: {muted}; }}
QLabel[kind="small"] {{ font-size: {small}; }}
QLabel[kind="bad"] {{ color: {bad}; }}
QLabel[kind="doubtful"] {{ color: {doubtful}; }}
QLabel[kind="good"] {{ color: {good}; }}
QFrame[kind="card"] {{ background: {surface}; border: {thin}px solid {outline}; border-radius: {radius}px; }}
QFrame[kind="card"] QLabel {{ background: transparent; }}
QFrame[kind="banner-good"] {{ background: {good_ground}; border: {thin}px solid {good}; border-radius: {radius}px; }}
QFrame[kind="banner-doubtful"] {{
  background: {doubtful_ground}; border: {thin}px solid {doubtful}; border-radius: {radius}px; }}
QFrame[kind="banner-bad"] {{ background: {bad_ground}; border: {thick}px solid {bad}; border-radius: {radius}px; }}
QPushButton {{ background: {raised}; color: {text}; border: {thin}px solid {outline}; border-radius: {radius}px;
  padding: {pad}px {wide}px; min-height: {bar}px; }}
QPushButton:hover {{ border-color: {accent}; }}
QPushButton:focus {{ border: {thick}px solid {focus}; }}
QPushButton:pressed, QPushButton:checked {{ background: {window}; border-color: {accent}; }}
QPushButton:disabled {{ color: {muted}; background: {window}; }}
QPushButton[kind="primary"] {{ background: {accent}; color: {on_accent}; border-color: {accent}; font-weight: 600; }}
QPushButton[kind="primary"]:hover {{ border-color: {text}; }}
QPushButton[kind="primary"]:focus {{ border: {thick}px solid {text}; }}
QPushButton[kind="primary"]:disabled {{ background: {window}; color: {muted}; border-color: {outline}; }}
QPushButton[kind="danger"] {{ background: {bad_ground}; color: {text}; border-color: {bad}; }}
QPushButton[kind="flat"] {{ background: transparent; border-color: transparent; }}
QPushButton[kind="flat"]:hover {{ border-color: {outline}; }}
QPushButton[kind="flat"]:focus {{ border: {thick}px solid {focus}; }}
QLineEdit, QPlainTextEdit, QComboBox, QSpinBox, QDoubleSpinBox {{
  background: {surface}; color: {text}; border: {thin}px solid {outline}; border-radius: {radius}px;
  padding: {pad}px; selection-background-color: {accent}; selection-color: {on_accent}; }}
QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus {{
  border: {thick}px solid {focus}; }}
QComboBox::drop-down {{ border: none; width: {grip}px; }}
QComboBox QAbstractItemView {{ background: {surface}; color: {text}; border: {thin}px solid {outline};
  selection-background-color: {accent}; selection-color: {on_accent}; }}
QListWidget, QListView, QTreeView, QTableView {{
  background: {surface}; border: {thin}px solid {outline}; border-radius: {radius}px; outline: none; }}
QListWidget:focus, QListView:focus, QTableView:focus {{ border: {thick}px solid {focus}; }}
QListWidget::item, QListView::item {{ padding: {pad}px; }}
QListWidget::item:selected, QListView::item:selected, QTableView::item:selected {{
  background: {accent}; color: {on_accent}; }}
QHeaderView::section {{ background: {window}; color: {muted}; border: none; padding: {pad}px; }}
QRadioButton, QCheckBox {{ spacing: {pad}px; padding: {thick}px; border: {thin}px solid transparent;
  border-radius: {bar_radius}px; }}
QRadioButton:focus, QCheckBox:focus {{ border: {thick}px solid {focus}; }}
QRadioButton::indicator, QCheckBox::indicator, QTableView::indicator {{ width: {dot}px; height: {dot}px;
  border: {thick}px solid {muted}; background: {surface}; }}
QRadioButton::indicator {{ border-radius: {dot_radius}px; }}
QCheckBox::indicator, QTableView::indicator {{ border-radius: {bar_radius}px; }}
QCheckBox::indicator:checked, QTableView::indicator:checked {{
  border-color: {accent}; background: {accent}; image: url("{tick}"); }}
QRadioButton::indicator:checked {{
  border-color: {accent}; background: qradialgradient(cx: 0.5, cy: 0.5, radius: 0.5, fx: 0.5, fy: 0.5,
    stop: 0 {accent}, stop: 0.62 {accent}, stop: 0.72 {surface}, stop: 1 {surface}); }}
QProgressBar {{ background: {window}; border: {thin}px solid {outline}; border-radius: {bar_radius}px;
  text-align: center; }}
QProgressBar::chunk {{ background: {accent}; border-radius: {bar_radius}px; }}
QScrollArea {{ border: none; }}
QScrollArea > QWidget > QWidget {{ background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: {bar}px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {outline}; border-radius: {bar_radius}px; min-height: {grip}px; }}
QScrollBar:horizontal {{ background: transparent; height: {bar}px; margin: 0; }}
QScrollBar::handle:horizontal {{ background: {outline}; border-radius: {bar_radius}px; min-width: {grip}px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
"""
