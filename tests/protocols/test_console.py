"""What becomes of a command whose output cannot be written, and of characters that command a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from protocols.console import EXIT_CLOSED_PIPE, EXIT_USER_ERROR, console, counted, fail, visible

ROOT = Path(__file__).resolve().parents[2]
FULL = Path("/dev/full")
TALK = """
import sys
from protocols.console import console, user_errors
@user_errors
def talk():
    for number in range(20_000):
        {say}
talk()
"""
WAYS = pytest.mark.parametrize("say", ["console.print(number)", "print(number)"])


def _talking(say: str, *, out: object, error: object = subprocess.PIPE) -> subprocess.Popen[str]:
    program = TALK.format(say=say)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=out,  # type: ignore[call-overload]
        stderr=error,
        text=True,
    )


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a file that is always full")
@WAYS
def test_output_on_a_full_disk_is_one_sentence(say: str) -> None:
    with FULL.open("w") as full, _talking(say, out=full) as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == EXIT_USER_ERROR
    assert said.startswith("What this command has to say cannot be written: No space left on device; ")
    assert said.count("\n") == 1


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a file that is always full")
def test_where_nothing_can_be_said_the_exit_code_tells() -> None:
    with FULL.open("w") as full, _talking("console.print(number)", out=full, error=full) as process:
        assert process.wait(60) == EXIT_USER_ERROR


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE to be like")
@WAYS
def test_a_closed_pipe_ends_a_command_quietly(say: str) -> None:
    with _talking(say, out=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(60) == EXIT_CLOSED_PIPE


def test_what_would_command_a_terminal_is_shown_and_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[31mb\x9b1m\udcffc\nä"
    assert visible(hostile) == r"a\x1b[31mb\x9b1m\udcffc" + "\nä"
    console.print(hostile, Text(hostile, style="bold"))
    with pytest.raises(SystemExit):
        fail(hostile)
    written = capsys.readouterr()
    assert not {"\x1b", "\x9b"} & set(written.out + written.err)
    assert written.err == visible(hostile) + "\n"


@pytest.mark.parametrize(("number", "words"), [(0, "0 gaps"), (1, "1 gap"), (2, "2 gaps")])
def test_a_count_has_its_grammar(number: int, words: str) -> None:
    assert counted(number, "gap") == words


def test_the_command_runs_as_a_module_and_as_a_file() -> None:
    for how in (["-m", "trilead"], ["trilead.py"]):
        done = subprocess.run([sys.executable, *how, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0
        assert "record" in done.stdout
