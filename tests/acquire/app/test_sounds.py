"""Sounds: found where they are, played by children, and never in the way."""

from __future__ import annotations

import io
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_until

from acquire.app.sounds import Sounds, find_player, find_voice
from acquire.app.tones import TONES, tone_wav

PLAY = "import sys; open(sys.argv[1], 'a').write(sys.argv[2].rpartition('/')[2] + chr(10))"
SPEAK = "import sys; words = sys.stdin.read(); open(sys.argv[1], 'a').write(words + chr(10))"
SPEAK_ON = "import sys, time; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10)); time.sleep(600)"


class Heard:
    """What came of it all."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "heard"
        self.beeps = 0

    def beep(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.beeps += 1

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def child(self, code: str) -> list[str]:
        return [sys.executable, "-I", "-c", code, str(self.file)]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    return Heard(tmp_path)


@pytest.mark.parametrize("name", TONES)
def test_a_tone_is_a_short_sound_file_with_soft_edges_that_does_not_clip(name: str) -> None:
    with wave.open(io.BytesIO(tone_wav(name))) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        length_s = file.getnframes() / file.getframerate()
    assert 0.1 < length_s < 1.5
    assert abs(int(sound[0])) < 10
    assert abs(int(sound[-1])) < 200
    assert 5000 < np.abs(sound.astype(int)).max() < 32000


def test_players_and_voices_are_looked_for_in_order() -> None:
    assert find_player({"aplay": "/bin/aplay", "paplay": "/bin/paplay"}.get, "linux") == ["/bin/paplay"]
    assert find_player({"aplay": "/bin/aplay"}.get, "linux") == ["/bin/aplay", "-q"]
    assert find_player({"afplay": "/bin/afplay"}.get, "darwin") == ["/bin/afplay"]
    assert find_player({}.get, "win32")[0] == sys.executable
    assert find_player({}.get, "linux") == []
    assert find_voice({"spd-say": "/bin/spd-say"}.get, "linux")[0] == "/bin/spd-say"
    assert find_voice({"espeak-ng": "/e", "spd-say": "/s"}.get, "linux", "de") == ["/e", "--stdin", "-v", "de"]
    assert find_voice({"say": "/bin/say"}.get, "darwin") == ["/bin/say", "-f", "-"]
    assert find_voice({"powershell": "p.exe"}.get, "win32")[0] == "p.exe"
    assert find_voice({}.get, "linux") == []


def test_without_a_player_it_beeps_and_starts_no_thread(heard: Heard) -> None:
    sounds = Sounds(player=[], voice=[], beep=heard.beep)
    before = threading.active_count()
    sounds.play("step")
    sounds.say("Sit down.")
    assert heard.beeps == 2
    assert threading.active_count() == before
    assert (sounds.available().player, sounds.available().voice) == ("", "")
    sounds.close()


def test_a_tone_is_played_by_a_child(heard: Heard) -> None:
    sounds = Sounds(player=heard.child(PLAY), voice=[], beep=heard.beep)
    sounds.play("alarm")
    wait_until(lambda: heard.lines() == ["alarm.wav"])
    sounds.close()
    assert heard.beeps == 0


def test_what_is_spoken_is_the_text_whatever_is_in_it(heard: Heard) -> None:
    words = "--help $(reboot) „Gehen Sie“ 'und' \"atmen\"; "
    sounds = Sounds(player=[], voice=heard.child(SPEAK), beep=heard.beep)
    sounds.say(words)
    wait_until(lambda: heard.lines() == [words])
    sounds.close()


def test_a_new_instruction_ends_the_one_still_spoken(heard: Heard) -> None:
    sounds = Sounds(player=[], voice=heard.child(SPEAK_ON), beep=heard.beep)
    sounds.say("first")
    wait_until(lambda: heard.lines() == ["first"])
    sounds.say("second")
    wait_until(lambda: heard.lines() == ["first", "second"])
    sounds.hush()
    sounds.close()
    assert heard.beeps == 0


def test_a_voice_that_fails_gives_way_to_a_tone_and_is_not_asked_again(heard: Heard) -> None:
    sounds = Sounds(player=heard.child(PLAY), voice=[sys.executable, "-c", "raise SystemExit(1)"], beep=heard.beep)
    sounds.say("Sit down.", tone="rest")
    wait_until(lambda: heard.lines() == ["rest.wav"])
    assert sounds.available().voice == ""
    sounds.close()


@pytest.mark.parametrize("player", [["/there/is/no/player"], [sys.executable, "-c", "raise SystemExit(1)"]])
def test_a_player_that_fails_gives_way_to_the_beep_on_the_windows_thread(heard: Heard, player: list[str]) -> None:
    sounds = Sounds(player=player, voice=[], beep=heard.beep)
    sounds.play("step")

    def beeped() -> bool:
        sounds.poll()
        return heard.beeps == 1

    wait_until(beeped)
    assert sounds.available().player == ""
    sounds.close()


def test_closing_ends_a_child_that_still_sounds_and_the_thread(heard: Heard) -> None:
    sounds = Sounds(player=[], voice=heard.child(SPEAK_ON), beep=heard.beep)
    sounds.say("on and on")
    wait_until(lambda: heard.lines() == ["on and on"])
    sounds.close()
    sounds.close()
    assert "sounds" not in {thread.name for thread in threading.enumerate()}
    sounds.say("too late")
    assert heard.lines() == ["on and on"]
