"""What every test of a window needs: no screen, the app's own looks, and nothing left running behind it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("PySide6", reason="the windows need PySide6: install trilead[app]")

from PySide6.QtWidgets import QApplication

from acquire.app import theme
from acquire.viewer.texts import choose_language


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> Iterator[None]:
    """Light, in English, at text scale 1, whatever this computer's desktop says."""
    choose_language("en")
    theme.apply("light")
    yield
    theme.apply("light")


@pytest.fixture(autouse=True)
def nothing_left(dressed: None) -> Iterator[None]:
    """A test that leaves a thread running fails."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5.0)
    assert [thread.name for thread in left if thread.is_alive()] == []
