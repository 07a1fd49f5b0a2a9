"""A recording file is written whole or not at all, whatever the disk does, and HDF5 never brings the process down."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquire.errors import RecordingError, RecordingErrorReason
from acquire.recorder.child import child_environment
from acquire.recordings.content import RecordingContent
from acquire.recordings.recording import open_recording
from acquire.recordings.recording_write import write_recording
from acquire.recordings.recovery import recover
from acquire.recordings.sink import Sink
from acquire.study import Study

MakeContent = Callable[..., RecordingContent]
JOURNAL = Path(__file__).parent / "data" / "version-1.journal"


class Disk:
    """Counts the writes of the sinks, and refuses from one of them on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.refuse_from = sys.maxsize
        self.number = errno.ENOSPC
        self._real = Sink._write_through
        monkeypatch.setattr(Sink, "_write_through", lambda sink, view: self._write(sink, view))

    def _write(self, sink: Sink, view: memoryview) -> None:
        self.writes += 1
        if self.writes > self.refuse_from:
            # As a real disk does: what there is room for is taken first.
            self._real(sink, view[: len(view) // 2])
            raise OSError(self.number, os.strerror(self.number))
        self._real(sink, view)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_disk_that_is_full_at_any_write_leaves_nothing_and_one_sentence(
    tmp_path: Path, make_content: MakeContent, disk: Disk
) -> None:
    write_recording(tmp_path / "whole.h5", make_content())
    needed = disk.writes
    assert needed > 10
    for disk.refuse_from in range(needed):
        disk.writes = 0
        with pytest.raises(RecordingError, match=r"r\.h5 cannot be written: .*; free some space\.$") as caught:
            write_recording(tmp_path / "r.h5", make_content())
        assert caught.value.reason is RecordingErrorReason.DISK_FULL
        assert [file.name for file in tmp_path.iterdir()] == ["whole.h5"]
    disk.refuse_from, disk.writes = needed, 0
    write_recording(tmp_path / "r.h5", make_content())
    assert (tmp_path / "r.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_failing_disk_is_told_from_a_full_one(tmp_path: Path, make_content: MakeContent, disk: Disk) -> None:
    disk.refuse_from, disk.number = 3, errno.EIO
    with pytest.raises(RecordingError, match="cannot be written") as caught:
        write_recording(tmp_path / "r.h5", make_content())
    assert caught.value.reason is RecordingErrorReason.NOT_WRITABLE


def _orphan(study: Study) -> Path:
    journal = study.journal_path("S01", "01", 1)
    shutil.copy(JOURNAL, journal)
    return journal


def test_the_journal_outlives_every_full_disk_and_is_recovered_afterwards(study: Study, disk: Disk) -> None:
    journal = _orphan(study)
    for disk.refuse_from in (0, 1, 5, 9):
        disk.writes = 0
        with pytest.raises(RecordingError, match="free some space"):
            recover(study, journal)
        assert journal.read_bytes() == JOURNAL.read_bytes()
        assert study.recordings() == []
    disk.refuse_from = sys.maxsize
    assert recover(study, journal).summary.n_samples == 1000
    assert not journal.exists()


def test_an_fsync_that_fails_leaves_nothing_but_the_journal(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = _orphan(study)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _refuse)
        with pytest.raises(RecordingError, match="cannot be written: Input/output error"):
            recover(study, journal)
    assert journal.read_bytes() == JOURNAL.read_bytes()
    assert list(study.recordings_dir.iterdir()) == []


def _refuse(descriptor: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


_WRITE_LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from acquire.errors import RecordingError
from acquire.recordings.finish import build_content
from acquire.recordings.journal import read_journal
from acquire.recordings.recording_write import write_recording
content, _ = build_content(read_journal(Path(sys.argv[1])), ending="")
folder, limit = Path(sys.argv[2]), int(sys.argv[4])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_recording(folder / "r.h5", content)
except RecordingError as error:
    print(error.reason.value)
else:
    print("written")
print(sorted(file.name for file in folder.iterdir()))
"""
ROOT = Path(__file__).resolve().parents[2]


def _arguments(folder: Path, limit: int = 0) -> list[str]:
    return [sys.executable, "-c", _WRITE_LIMITED, str(JOURNAL), str(folder), str(ROOT), str(limit)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_the_operating_system_may_refuse_at_any_byte_and_the_process_still_ends_well(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    for limit in (1, *random.Random(seed).sample(range(2, 20_000), 4)):
        ran = subprocess.run(_arguments(tmp_path, limit), capture_output=True, text=True, env=child_environment())
        assert (ran.returncode, ran.stdout) == (0, "disk full\n[]\n"), f"limit {limit}, seed {seed}: {ran}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes a small disk for one process")
@pytest.mark.parametrize("kib", [4, 12, 20, 4096])
def test_a_small_disk_holds_the_whole_recording_or_nothing(tmp_path: Path, kib: int) -> None:
    mount = f"mount -t tmpfs -o size={kib}k none {tmp_path}"
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*alone, mount], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system lets nobody mount a small disk of one's own ({error})")
    ran = subprocess.run(
        [*alone, f'{mount} && exec "$@"', "sh", *_arguments(tmp_path)],
        capture_output=True,
        text=True,
        env=child_environment(),
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ("disk full\n[]\n" if kib < 4096 else "written\n['r.h5']\n")


_INTERRUPTED = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from acquire.recordings.finish import build_content
from acquire.recordings.journal import read_journal
from acquire.recordings.recording_write import write_recording
from acquire.recordings.sink import Sink
content, _ = build_content(read_journal(Path(sys.argv[1])), ending="")
folder, left, handled = Path(sys.argv[2]), int(sys.argv[4]), []
real_seek = Sink.seek
def seek(self, *where):
    global left
    left -= 1
    if left == 0:
        signal.raise_signal(signal.SIGINT)
    return real_seek(self, *where)
Sink.seek = seek
if len(sys.argv) > 5:
    signal.signal(signal.SIGINT, lambda number, frame: handled.append(number))
try:
    write_recording(folder / "r.h5", content)
except KeyboardInterrupt:
    print("interrupted")
print(sorted(file.name for file in folder.iterdir()), len(handled))
"""


def test_ctrl_c_at_any_write_leaves_nothing_and_does_not_crash(tmp_path: Path) -> None:
    for number in (1, 2, 5, 20):
        arguments = [sys.executable, "-c", _INTERRUPTED, str(JOURNAL), str(tmp_path), str(ROOT), str(number)]
        ran = subprocess.run(arguments, capture_output=True, text=True, env=child_environment())
        assert (ran.returncode, ran.stdout) == (0, "interrupted\n[] 0\n"), f"write {number}: {ran}"


def test_a_recorder_that_only_takes_note_of_ctrl_c_still_finishes(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", _INTERRUPTED, str(JOURNAL), str(tmp_path), str(ROOT), "5", "handled"]
    ran = subprocess.run(arguments, capture_output=True, text=True, env=child_environment())
    assert (ran.returncode, ran.stdout) == (0, "['r.h5'] 1\n"), ran


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=20)), max_size=12),
    fails_at=st.integers(0, 12),
)
def test_after_an_error_the_sink_still_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bytes]], fails_at: int
) -> None:
    model = io.BytesIO()
    with pytest.MonkeyPatch.context() as monkeypatch:
        disk = Disk(monkeypatch)
        disk.refuse_from = fails_at
        with Sink(tmp_path_factory.mktemp("sink") / "f") as sink:
            for place, data in steps:
                for file in (sink, model):
                    file.seek(place)
                    assert file.write(data) == len(data)
            assert (sink.error is not None) == (len(steps) > fails_at)
            sink.seek(0)
            assert sink.read() == model.getvalue()
            size = min(7, len(model.getvalue()))
            assert sink.truncate(size) == model.truncate(size)
            sink.seek(0)
            assert sink.read() == model.getvalue()


def test_what_was_read_back_from_a_good_disk_is_the_recording(tmp_path: Path, make_content: MakeContent) -> None:
    write_recording(tmp_path / "r.h5", make_content())
    with open_recording(tmp_path / "r.h5") as recording:
        assert recording.holds(make_content().counts)
        assert not recording.holds(make_content(seed=1).counts)
