"""Fixtures that every room's tests may use."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lsl_lab import CONFIG

from acquire.boards.board import Channel
from acquire.recordings.recording import Gap, Header, RecordedEvent, RecordingContent
from acquire.study import Study

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Boards are held by locks in the folder for temporary files: neither test runs nor a lab's recorder may meet."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR" if os.name == "posix" else "TEMP", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="session", autouse=True)
def streams_of_this_process_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whichever test uses liblsl first: it reads its settings once, and keeps to the loopback and to this test run."""
    settings = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    settings.write_text(CONFIG.format(session=os.getpid()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSLAPICFG", str(settings))
        yield


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", mains_hz=50, factors={"electrode": ["agcl", "crni"]})


@pytest.fixture
def wearable_data() -> Path:
    return _shared("wearable-ecg")


@pytest.fixture
def wfdb_data() -> Path:
    return _shared("wfdb")


def _shared(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the recordings of {name} are not beside the project (shared/data/{name})")
    return folder


@pytest.fixture
def make_content() -> Callable[..., RecordingContent]:
    """A whole recording's content in memory: two channels, a step, and a gap at [300, 320)."""
    return _content


def _content(
    *, n_samples: int = 1000, subject: str = "S01", session: str = "01", run: int = 1, seed: int = 0
) -> RecordingContent:
    counts = np.random.default_rng(seed).integers(-(2**23), 2**23, size=(n_samples, 2)).astype(np.int32)
    counts[300:320] = 0
    return RecordingContent(
        header=Header(
            recording_id=f"00000000-0000-4000-8000-{seed:012d}",
            subject=subject,
            session=session,
            run=run,
            operator="op",
            started_at="2026-01-02T03:04:05.678+00:00",
            board="sim:",
            nominal_rate_hz=250.0,
            fitted_rate_hz=249.5,
            mains_hz=50,
            factors={"electrode": "agcl"},
            protocol_name="own",
            protocol_sha256="ab" * 32,
            montage={"I": {"one": 1.0}, "II": {"two": 1.0}},
            software_version="0.1.0",
        ),
        channels=(Channel(name="one", gain=0.5), Channel(name="two", gain=0.25, offset=10.0)),
        counts=counts,
        valid=np.array([[0, 300], [320, n_samples]], dtype=np.int64),
        clock=np.array([[249, 1_000_000_000, -1], [n_samples - 1, 4_000_000_000, -1]], dtype=np.int64),
        events=(
            RecordedEvent(uuid="a", index=0, host_ns=1, kind="start", step=0, activity="", text="Own"),
            RecordedEvent(uuid="b", index=0, host_ns=1, kind="step", step=1, activity="rest", text="Sit – still."),
            RecordedEvent(uuid="c", index=n_samples, host_ns=9, kind="end", step=0, activity="", text=""),
        ),
        gaps=(Gap(start=300, length=20, cause="lost"),),
        protocol_text="title = 'Own'\n",
    )
