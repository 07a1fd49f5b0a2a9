"""Following a recorder process to its end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from acquire.errors import RecorderError
from acquire.recorder.launch import RecorderProcess

TALKATIVE = "import sys; sys.stdout.write('x' * 1_000_000)"
"""Says more than any pipe holds, as a recorder does whose recording has thousands of gaps."""


def test_a_recorder_that_says_a_lot_at_its_end_is_not_kept_waiting(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", TALKATIVE], stdout=subprocess.PIPE)
    recorder = RecorderProcess(process, tempfile.TemporaryFile(), tmp_path / "j.journal")
    assert recorder.wait(30)
    with pytest.raises(RecorderError, match="ended with code 0"):
        recorder.result()


def test_who_lets_go_of_a_recorder_leaves_it_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "input(); print('done')"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    recorder = RecorderProcess(process, tempfile.TemporaryFile(), tmp_path / "j.journal")
    recorder.close()
    assert process.poll() is None
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(b"\n")
    process.wait(30)
