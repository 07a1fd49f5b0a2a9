"""Real builds of a real study, ended from outside. ``benchmarks/build_kills.py`` does it fifty times and more."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_study import made_up_study

from acquire.study import Study
from benchmarks.build_kills import Target

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals"),
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    study = made_up_study(tmp_path_factory.mktemp("kills") / "study", n_subjects=3, n_sessions=1, seconds=120)
    target = Target(study=study.path, workers=1)
    target.prepare()
    return target


@pytest.mark.parametrize(("name", "share", "workers"), [("SIGKILL", 0.7, 1), ("SIGTERM", 0.8, 2), ("SIGINT", 0.9, 1)])
def test_a_killed_build_leaves_the_old_corpus_or_the_new_one_and_the_next_one_succeeds(
    target: Target, name: str, share: float, workers: int
) -> None:
    target.workers = workers
    kill = target.kill(name, share * target.seconds)
    assert kill.faults == ()
    assert kill.left in ("old", "new")
    assert kill.reused >= kill.parts


STOPPED = """
import sys, time
from acquire.study import Study
from curate.corpus.build import build_corpus

def tell(what, done, total):
    if (what, done) == ("cut", 1):
        print("cutting", flush=True)
        time.sleep(600)

build_corpus(Study.open(sys.argv[1]), on_progress=tell)
"""


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Study]:
    """A study whose corpus another process is building, and takes its time over."""
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=40)
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(study.path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "cutting\n"
        yield study
        process.kill()


def test_of_two_builds_at_once_the_second_is_refused_with_one_sentence_and_code_2(building: Study) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "trilead", "corpus", str(building.path)], capture_output=True, text=True, cwd=ROOT
    )
    assert second.returncode == 2
    assert second.stderr.strip().endswith(
        "another build of this corpus is running, here or on another computer; wait for it, or give another name."
    )
    assert second.stderr.count("\n") == 1
