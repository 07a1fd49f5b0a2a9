"""Takes the pictures of ``docs/first-subject.md`` from the running recording app.

``python docs/make_app_pictures.py`` makes ``docs/images/app-*.png`` anew in five minutes; ``--all FOLDER`` takes every
stage in every look (sizes, colours, languages) into a folder, to be looked at. Everything is real: the window, its
recorder processes, and an emulated Cyton that hangs up in the middle. No screen is needed. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QDeadlineTimer, QEventLoop, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from acquire.app import theme
from acquire.app.window import MainWindow
from acquire.emulators import CytonDouble, PseudoTerminal
from acquire.study import Study
from acquire.viewer.conductor import Stage
from acquire.viewer.preferences import Language, Preferences, Theme
from acquire.viewer.texts import choose_language

IMAGES = Path(__file__).parent / "images"
LIMIT_S = 60.0
SMALLEST = 0
BOARD = Path(tempfile.gettempdir(), "my-cyton")
"""Shown in the pictures, so always the same."""


@dataclass(frozen=True)
class Look:
    """How the window is when its pictures are taken."""

    width: int = 1366
    height: int = 768
    theme: Theme = "light"
    text_scale: float = 1.0
    language: Language = "en"
    subject: str = "S01"
    pixel_ratio: int = 1


LOOKS = {
    "light": Look(),
    "dark": Look(theme="dark"),
    "large-text": Look(text_scale=1.5),
    "long-name": Look(subject="Participant0042ofTheSecondCohort"),
    "high-density": Look(1920, 1080, pixel_ratio=2),
    "high-density-dark": Look(1920, 1080, theme="dark", pixel_ratio=2),
    "german": Look(language="de"),
}
IN_THE_GUIDE = {
    "light": ("empty", "prepare", "check", "record", "subject", "alarm", "finish"),
    "dark": ("record",),
    "long-name": ("prepare",),
    "high-density": ("check",),
}


class Photographer:
    """Goes the whole way through the window once, as a user would, and takes a picture wherever one is wanted.

    Args:
        look: of the window.
        save: takes the name of a moment and what was seen.
    """

    def __init__(self, look: Look, save: Callable[[str, QImage], None]) -> None:
        self._look, self._save = look, save
        choose_language(look.language)
        theme.apply(look.theme, look.text_scale)

    def go(self, board: PseudoTerminal) -> None:
        """Record somebody from an emulated board.

        Args:
            board: is pulled out in the second step, and put back.
        """
        look = self._look
        study = Study.create(Path("my-study"), mains_hz=50, board=f"cyton:{BOARD}", protocol="quick-check")
        preferences = Preferences(theme=look.theme, text_scale=look.text_scale, language=look.language, cues="off")
        self.window = window = MainWindow(study.path, preferences)
        window.resize(look.width, look.height)
        window.show()
        window.activateWindow()
        conductor, record = window.conductor, window.record
        self._wait(lambda: window.prepare.isEnabled() and not conductor.busy and bool(window.windowTitle()))
        self._take("empty", window)
        self._type(look.subject)
        self._press(Qt.Key.Key_Tab)
        self._type("KL")
        self._take("prepare", window)
        self._press(Qt.Key.Key_Return)
        self._wait(lambda: conductor.stage is Stage.CHECK)
        self._wait(lambda: self._heard_s() > 9.0)
        self._take("check", window)
        self._press(Qt.Key.Key_Return)
        self._wait(lambda: conductor.stage is Stage.RECORD and self._heard_s() > 9.0)
        self._press(Qt.Key.Key_2)
        self._wait(lambda: record.step_now.position == 1 and self._heard_s() > 17.0)
        self._take("record", window)
        self._press(Qt.Key.Key_F9)
        self._take("subject", record.subject_window)
        self._press(Qt.Key.Key_F9)
        board.hang_up()
        self._wait(record.banner.isVisible)
        self._pass(3.0)
        self._take("alarm", window)
        board.come_back()
        self._wait(lambda: self._heard_s() > 24.0)
        self._take("back", window)
        self._wait(lambda: conductor.stage is Stage.FINISH and not conductor.busy)
        self._take("finish", window)
        window.show_preferences()
        self._take("preferences", window)
        window.leave()

    def _heard_s(self) -> float:
        feed = self.window.conductor.feed
        return feed.state.stop / feed.state.rate_hz if feed is not None and feed.state.opened else 0.0

    def _take(self, moment: str, of: QWidget | None) -> None:
        assert of is not None
        self._pass(0.5)
        self._save(moment, of.grab().toImage())

    def _type(self, words: str) -> None:
        QTest.keyClicks(self.window.focusWidget(), words)

    def _press(self, key: Qt.Key) -> None:
        QTest.keyClick(self.window.focusWidget(), key)

    def _pass(self, seconds: float) -> None:
        until = QDeadlineTimer(round(seconds * 1000))
        while not until.hasExpired():
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)

    def _wait(self, done: Callable[[], bool]) -> None:
        until = QDeadlineTimer(round(LIMIT_S * 1000))
        while not done():
            self._pass(0.02)
            if until.hasExpired():
                self._save("failed", self.window.grab().toImage())
                raise TimeoutError(f"the window did not get there in {LIMIT_S:g} s; …-failed.png shows where it is")


def take(look: Look, folder: Path, stem: str, moments: Collection[str]) -> None:
    """Take some pictures of one look.

    Args:
        look: of the window.
        folder: where the pictures go.
        stem: what their names begin with.
        moments: those that are wanted for the guide, which shows them as large as the window is; empty for all, pixel
            by pixel.
    """

    def save(moment: str, image: QImage) -> None:
        if moments and look.pixel_ratio > 1:
            image = image.scaledToWidth(look.width, Qt.TransformationMode.SmoothTransformation)
        if not moments or moment in (*moments, "failed"):
            image.convertToFormat(QImage.Format.Format_RGB32).save(
                str(folder / f"{stem}-{moment}.png"), quality=SMALLEST
            )

    app = QApplication(sys.argv[:1])
    with tempfile.TemporaryDirectory() as made:
        os.chdir(made)
        with PseudoTerminal(CytonDouble(), link=BOARD) as board:
            Photographer(look, save).go(board)
        os.chdir(folder)
    app.quit()


def main() -> None:
    """Take the pictures, each look in a process of its own, for Qt scales a screen once."""
    parser = argparse.ArgumentParser(description="Take the pictures of the recording app.")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every stage in every look, into this folder")
    parser.add_argument("--look", choices=LOOKS, help="only this look")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.look and not asked.all and asked.look not in IN_THE_GUIDE:
        parser.error(f"--look {asked.look} needs --all FOLDER: the guide shows only {', '.join(IN_THE_GUIDE)}")
    folder = (asked.all or IMAGES).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [asked.look] if asked.look else list(LOOKS if asked.all else IN_THE_GUIDE)
    for name in wanted:
        look = LOOKS[name]
        if asked.here:
            stem = name if asked.all else "app" if name == "light" else f"app-{name}"
            take(look, folder, stem, () if asked.all else IN_THE_GUIDE[name])
            continue
        environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": str(look.pixel_ratio)}
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--look", name, "--here"], env=environment, check=True)


if __name__ == "__main__":
    main()
