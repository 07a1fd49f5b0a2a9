"""Cues and the alarm, made audible by whatever the computer has: a player of its system, a voice, or the plain beep.

Nothing of it ever waits on the window's thread: sounds are played by child processes that a thread looks after. A
player or voice that fails is not asked again, and the plain beep takes its place.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QApplication

from acquire.app.tones import TONES, tone_wav

__all__ = ["Audible", "Sounds", "find_player", "find_voice"]

log = logging.getLogger(__name__)

Find = Callable[[str], "str | None"]

_LOOK_S = 0.1
_MOST_PLAYING = 3
_STOP_S = 0.5

_WIN_PLAY = "import sys, winsound; winsound.PlaySound(sys.argv[1], winsound.SND_FILENAME)"
_WIN_SPEAK = (
    "Add-Type -AssemblyName System.Speech;"
    "[Console]::InputEncoding = [System.Text.Encoding]::UTF8;"
    "(New-Object System.Speech.Synthesis.SpeechSynthesizer).Speak([Console]::In.ReadToEnd())"
)


@dataclass(frozen=True, kw_only=True)
class Audible:
    """What can be heard on this computer.

    Attributes:
        player: the program that plays sounds, or "" where only the plain beep is left.
        voice: the program that speaks, or "" where nothing does.
    """

    player: str
    voice: str


def find_player(find: Find = shutil.which, platform: str = sys.platform) -> list[str]:
    """The command that plays a WAV file whose path is put behind it; empty where there is none."""
    if platform == "win32":
        return [sys.executable, "-I", "-c", _WIN_PLAY]
    candidates = [["afplay"]] if platform == "darwin" else [["pw-play"], ["paplay"], ["aplay", "-q"]]
    return _first(candidates, find)


def find_voice(find: Find = shutil.which, platform: str = sys.platform, language: str = "") -> list[str]:
    """The command that speaks what it reads from its standard input; empty where there is none.

    Args:
        find: tells the path of a program.
        platform: as ``sys.platform`` names it.
        language: two letters, where the voice shall speak a certain one and can.
    """
    if platform == "win32":
        return _first([["powershell", "-NoProfile", "-NonInteractive", "-Command", _WIN_SPEAK]], find)
    if platform == "darwin":
        return _first([["say", "-f", "-"]], find)
    spoken = ["-v", language] if language else []
    told = ["-l", language] if language else []
    # The first two stop speaking when they are ended, which a speech dispatcher does not.
    return _first(
        [
            ["espeak-ng", "--stdin", *spoken],
            ["espeak", "--stdin", *spoken],
            ["spd-say", "--pipe-mode", "--wait", *told],
        ],
        find,
    )


def _first(candidates: Sequence[list[str]], find: Find) -> list[str]:
    for program, *rest in candidates:
        if path := find(program):
            return [path, *rest]
    return []


class Sounds:
    """Plays and speaks; used by the window's thread.

    Args:
        player: command that plays the file behind it; empty for the plain beep.
        voice: command that speaks its standard input; empty for no voice.
        beep: the plain beep; called on the thread of whoever calls `poll`, `play` or `say`.
    """

    def __init__(
        self,
        *,
        player: Sequence[str] | None = None,
        voice: Sequence[str] | None = None,
        beep: Callable[[], None] = QApplication.beep,
    ) -> None:
        self._player = list(find_player() if player is None else player)
        self._voice = list(find_voice() if voice is None else voice)
        self._beep = beep
        self._jobs: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._unheard = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def available(self) -> Audible:
        """What can be heard, as far as that is known by now."""
        return Audible(player=_name(self._player), voice=_name(self._voice))

    def play(self, tone: str) -> None:
        """Play one of `acquire.app.tones.TONES`."""
        if not self._player:
            self._beep()
        else:
            self._ask("play", tone)

    def say(self, words: str, *, tone: str = "step") -> None:
        """Speak; whatever is still being spoken breaks off. Where nothing speaks, a tone is played."""
        if not self._voice:
            self.play(tone)
        else:
            self._ask(tone, words)

    def hush(self) -> None:
        """Break off what is being spoken."""
        if self._thread is not None:
            self._ask("hush", "")

    def poll(self) -> None:
        """Beep for a sound that could not be played otherwise."""
        if self._unheard.is_set():
            self._unheard.clear()
            self._beep()

    def close(self) -> None:
        """End whatever sounds, and the thread; a second time does nothing."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _ask(self, what: str, detail: str) -> None:
        if self._closed:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sounds", daemon=True)
            self._thread.start()
        self._jobs.put((what, detail))

    # On the thread of its own.

    def _run(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="trilead-sounds-", ignore_cleanup_errors=True) as folder:
                self._serve(Path(folder))
        except OSError as error:
            # No room for temporary files: nothing is heard but the plain beep.
            log.warning("sounds cannot be made (%s); the plain beep takes their place", error)
            self._player, self._voice = [], []
            self._unheard.set()

    def _serve(self, folder: Path) -> None:
        for name in TONES:
            (folder / f"{name}.wav").write_bytes(tone_wav(name))
        children = _Children()
        try:
            while True:
                try:
                    job = self._jobs.get(timeout=_LOOK_S if children.busy else None)
                except queue.Empty:
                    self._reap(children, folder)
                    continue
                if job is None:
                    return
                self._do(children, folder, *job)
                self._reap(children, folder)
        finally:
            children.stop()

    def _do(self, children: _Children, folder: Path, what: str, detail: str) -> None:
        if what == "hush":
            children.stop_voice()
        elif what == "play":
            self._play(children, folder, detail)
        elif not (self._voice and children.speak(self._voice, detail, tone=what)):
            self._voice = []
            self._play(children, folder, what)

    def _play(self, children: _Children, folder: Path, tone: str) -> None:
        if len(children.players) >= _MOST_PLAYING:
            # A player that hangs shall not gather a crowd behind it.
            self._unheard.set()
        elif not (self._player and children.play([*self._player, str(folder / f"{tone}.wav")])):
            self._player = []
            self._unheard.set()

    def _reap(self, children: _Children, folder: Path) -> None:
        if children.players_failed():
            log.warning("%s cannot play; the plain beep takes its place", _name(self._player))
            self._player = []
            self._unheard.set()
        if tone := children.voice_failed():
            log.warning("%s cannot speak; a tone takes its place", _name(self._voice))
            self._voice = []
            self._play(children, folder, tone)


class _Children:
    """The processes that sound right now."""

    def __init__(self) -> None:
        self.players: list[subprocess.Popen[bytes]] = []
        self._voice: subprocess.Popen[bytes] | None = None
        self._tone = ""

    @property
    def busy(self) -> bool:
        return bool(self.players) or self._voice is not None

    def play(self, command: list[str]) -> bool:
        """Whether it could be started."""
        child = _start(command)
        if child is None:
            return False
        _tell(child, "")
        self.players.append(child)
        return True

    def speak(self, command: list[str], words: str, *, tone: str) -> bool:
        """Whether it could be started; it ends the one that spoke before."""
        self.stop_voice()
        self._voice, self._tone = _start(command), tone
        if self._voice is None:
            return False
        _tell(self._voice, words)
        return True

    def players_failed(self) -> bool:
        """Forget the players that have ended; whether one of them did so with an error."""
        ended = [child for child in self.players if child.poll() is not None]
        self.players = [child for child in self.players if child.poll() is None]
        return any(child.returncode != 0 for child in ended)

    def voice_failed(self) -> str:
        """The tone to play in place of a voice that ended with an error; else ""."""
        if self._voice is None or self._voice.poll() is None:
            return ""
        failed = self._voice.returncode != 0
        self._voice = None
        return self._tone if failed else ""

    def stop_voice(self) -> None:
        if self._voice is not None:
            _end(self._voice)
            self._voice = None

    def stop(self) -> None:
        self.stop_voice()
        for child in self.players:
            _end(child)
        self.players = []


def _name(command: Sequence[str]) -> str:
    return Path(command[0]).stem if command else ""


def _start(command: list[str]) -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        log.warning("%s cannot be started (%s)", command[0], error)
        return None


def _tell(child: subprocess.Popen[bytes], words: str) -> None:
    """Give a child its input, which is far below what a pipe holds, and its end."""
    assert child.stdin is not None
    with contextlib.suppress(OSError), child.stdin as stdin:
        stdin.write(words.encode("utf-8", "replace"))


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
