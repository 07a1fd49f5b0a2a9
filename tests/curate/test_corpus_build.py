import json
import shutil
import socket
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
from small_study import made_up_content, made_up_study, uuid_of, write_content

from acquire.errors import RecordingError
from acquire.study import Study
from curate.corpus.build import build_corpus, card_path
from curate.corpus.lock import hold_corpus, parts_folder
from curate.corpus.parts import processing_digest
from curate.corpus.piece import BY_LEAD, Piece, Texts
from curate.corpus.read import open_corpus
from curate.corpus.write import BLOCK_BYTES, CorpusWriter
from curate.errors import CorpusError, LeakError, RateTooLow
from curate.labels.layer import Layer
from protocols.errors import TrileadError

ROOT = Path(__file__).resolve().parents[2]


class Told:
    """What a build said of its progress; it may be stopped as if by Ctrl-C."""

    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.said: list[tuple[str, int, int]] = []
        self._stop_at = stop_at

    def __call__(self, what: str, done: int, total: int) -> None:
        self.said.append((what, done, total))
        if (what, done) == self._stop_at:
            raise KeyboardInterrupt

    @property
    def reused(self) -> int:
        return next(done for what, done, _ in self.said if what == "reuse")

    @property
    def cut(self) -> int:
        return max(done for what, done, _ in self.said if what == "cut")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with a corpus, never to be changed."""
    study = made_up_study(tmp_path_factory.mktemp("built") / "study", n_subjects=3, n_sessions=1, seconds=60)
    build_corpus(study)
    return study


@pytest.fixture
def study(built: Study, tmp_path: Path) -> Study:
    """A copy of it without the corpus."""
    shutil.copytree(built.path, tmp_path / "study", ignore=shutil.ignore_patterns("default.*"))
    return Study.open(tmp_path / "study")


@pytest.fixture
def rebuilt(built: Study, tmp_path: Path) -> Study:
    """A copy of it with the corpus."""
    shutil.copytree(built.path, tmp_path / "study")
    return Study.open(tmp_path / "study")


def expected(built: Study) -> tuple[bytes, bytes]:
    return bytes_of(built.corpora_dir / "default.h5")


def bytes_of(corpus: Path) -> tuple[bytes, bytes]:
    return corpus.read_bytes(), card_path(corpus).read_bytes()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# any number of hands


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bytes(
    built: Study, study: Study, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few recordings would be looked over by one process.
    monkeypatch.setattr("curate.corpus.gather._SURVEYS_WORTH_A_PROCESS", 1)
    assert bytes_of(build_corpus(study, workers=workers)) == expected(built)


def test_ctrl_c_leaves_no_worker_behind(built: Study, study: Study) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(KeyboardInterrupt):
        build_corpus(study, workers=2, on_progress=Told(("cut", 1)))
    started = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    # joblib's own watcher over what its workers leave behind stays as long as this process.
    workers = [child for child in started if "tracker" not in " ".join(child.cmdline())]
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert bytes_of(build_corpus(study)) == expected(built)


def test_a_worker_that_is_ended_from_outside_is_told_in_one_sentence(study: Study) -> None:
    def tell(what: str, done: int, total: int) -> None:
        if (what, done) == ("cut", 1):
            for child in psutil.Process().children():
                if "tracker" not in " ".join(child.cmdline()):
                    child.kill()

    for person in range(3, 9):
        write_content(study, made_up_content(subject=f"S{person + 1:02d}", person=person, seconds=60))
    with pytest.raises(CorpusError, match="ended from outside"):
        build_corpus(study, workers=2, on_progress=tell)


# going on


@pytest.mark.parametrize("stop_at", [("cut", 2), ("write", 1), ("check", 0)])
def test_an_interrupted_build_goes_on_where_it_was(built: Study, study: Study, stop_at: tuple[str, int]) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_corpus(study, on_progress=Told(stop_at))
    assert names_in(study.corpora_dir) == [".default.parts"]
    told = Told()
    path = build_corpus(study, on_progress=told)
    assert told.reused == (2 if stop_at == ("cut", 2) else 3)
    assert bytes_of(path) == expected(built)
    assert names_in(study.corpora_dir) == ["default.h5", "default.html"]


def cut_short(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-5_000])


def flip_a_bit(part: Path) -> None:
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 4
    part.write_bytes(raw)


def empty(part: Path) -> None:
    part.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, empty])
def test_a_damaged_part_is_cut_anew(built: Study, study: Study, damage: Callable[[Path], None]) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_corpus(study, on_progress=Told(("write", 0)))
    damage(sorted(parts_folder(study.corpora_dir / "default.h5").iterdir())[1])
    assert bytes_of(build_corpus(study)) == expected(built)


def test_parts_of_other_settings_and_unfinished_files_are_swept(built: Study, study: Study) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_corpus(study, hop_s=2.0, on_progress=Told(("write", 0)))
    folder = study.corpora_dir
    for name in (".unfinished-0123456789ab-default.h5", ".unfinished-0123456789ab-default.html"):
        (folder / name).touch()
    (folder / ".unfinished-0123456789ab-my-default.h5").touch()
    parts = parts_folder(folder / "default.h5")
    (parts / ".unfinished-0123456789ab-x.part").touch()
    with pytest.raises(KeyboardInterrupt):
        build_corpus(study, on_progress=Told(("cut", 1)))
    assert len(names_in(parts)) == 1
    # A corpus of another name may be in the making.
    assert names_in(folder) == [".default.parts", ".unfinished-0123456789ab-my-default.h5"]
    assert bytes_of(build_corpus(study)) == expected(built)


SMALL_DISK = """
import resource, sys
from acquire.study import Study
from curate.corpus.build import build_corpus
from curate.errors import CorpusError
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    build_corpus(Study.open(sys.argv[1]), workers=1)
except CorpusError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no process's files")
def test_a_disk_that_fills_up_is_one_sentence_and_the_next_build_goes_on(built: Study, study: Study) -> None:
    limit = (built.corpora_dir / "default.h5").stat().st_size * 2 // 3
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(study.path), str(limit)], capture_output=True, text=True, cwd=ROOT
    )
    assert "the corpus cannot be written: File too large" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in(study.corpora_dir) == [".default.parts"]
    told = Told()
    assert bytes_of(build_corpus(study, on_progress=told)) == expected(built)
    assert told.reused == 3


def test_a_recording_that_changes_meanwhile_is_noticed(study: Study) -> None:
    def tell(what: str, done: int, total: int) -> None:
        if (what, done) == ("cut", 1):
            study.recording_path("S02", "01", 1).unlink()
            write_content(study, made_up_content(subject="S02", person=7, seconds=60))

    with pytest.raises(TrileadError, match="changed while the corpus was built"):
        build_corpus(study, on_progress=tell)


# only what changed


def test_an_unchanged_study_is_not_cut_again(rebuilt: Study, built: Study) -> None:
    told = Told()
    path = build_corpus(rebuilt, overwrite=True, on_progress=told)
    assert (told.reused, told.cut) == (3, 0)
    assert bytes_of(path) == expected(built)


def test_other_splits_take_over_all_windows(rebuilt: Study, tmp_path: Path) -> None:
    told = Told()
    path = build_corpus(rebuilt, overwrite=True, splits=["random"], seed=3, on_progress=told)
    assert told.cut == 0
    fresh = Study.open(shutil.copytree(rebuilt.path, tmp_path / "fresh", ignore=shutil.ignore_patterns("default.*")))
    assert bytes_of(path) == bytes_of(build_corpus(fresh, splits=["random"], seed=3))


def test_only_a_recording_with_new_labels_or_a_new_one_is_cut(rebuilt: Study, tmp_path: Path) -> None:
    layer = Layer.create(rebuilt.labels_dir("sub-S02_ses-01_run-01") / "anna.jsonl", uuid_of("S02 01 1"), "anna")
    layer.add(1_000, 2_000, kind="unusable", value="electrode off")
    write_content(rebuilt, made_up_content(subject="S04", person=3, seconds=60))
    told = Told()
    path = build_corpus(rebuilt, overwrite=True, on_progress=told)
    assert (told.reused, told.cut) == (2, 2)
    fresh = Study.open(shutil.copytree(rebuilt.path, tmp_path / "fresh", ignore=shutil.ignore_patterns("default.*")))
    assert bytes_of(path) == bytes_of(build_corpus(fresh))


def test_another_hop_or_another_program_cuts_everything(rebuilt: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    build_corpus(rebuilt, overwrite=True, hop_s=2.0, on_progress=told)
    assert told.reused == 0
    for module in ("curate.corpus.parts", "curate.corpus.gather", "curate.corpus.tasks"):
        monkeypatch.setattr(f"{module}.processing_digest", lambda: "tomorrow")
    told = Told()
    build_corpus(rebuilt, overwrite=True, hop_s=2.0, on_progress=told)
    assert told.reused == 0


def test_nothing_is_taken_over_from_a_damaged_or_changed_corpus(rebuilt: Study, built: Study) -> None:
    corpus = rebuilt.corpora_dir / "default.h5"
    flip_a_bit(corpus)
    told = Told()
    assert bytes_of(build_corpus(rebuilt, overwrite=True, on_progress=told)) == expected(built)
    assert told.reused == 0
    with h5py.File(corpus, "r+") as file:
        file["windows/signal"][3] += 1.0
    told = Told()
    assert bytes_of(build_corpus(rebuilt, overwrite=True, on_progress=told)) == expected(built)
    assert told.reused == 0
    corpus.write_text("not a corpus at all")
    assert bytes_of(build_corpus(rebuilt, overwrite=True)) == expected(built)


# recordings that cannot be used


def damage_two(study: Study) -> None:
    for subject in ("S01", "S04"):
        flip_a_bit(study.recording_path(subject, "01", 1))


@pytest.fixture
def damaged(study: Study) -> Study:
    """Four recordings, of which the first and the last cannot be read."""
    write_content(study, made_up_content(subject="S04", person=3, seconds=60))
    damage_two(study)
    return study


def test_all_recordings_that_cannot_be_used_are_named_at_once(damaged: Study) -> None:
    with pytest.raises(CorpusError, match="2 of 4 recordings cannot be used") as caught:
        build_corpus(damaged)
    assert all(f"sub-{subject}_ses-01_run-01" in str(caught.value) for subject in ("S01", "S04"))
    assert not names_in(damaged.corpora_dir)


def test_damaged_recordings_are_left_out_on_demand_and_the_corpus_says_why(damaged: Study) -> None:
    with open_corpus(build_corpus(damaged, skip_damaged=True)) as corpus:
        assert set(corpus.table["subject"]) == {"S02", "S03"}
        assert list(corpus.excluded_recordings) == ["sub-S01_ses-01_run-01", "sub-S04_ses-01_run-01"]
        why = corpus.excluded_recordings["sub-S01_ses-01_run-01"]
    assert why.startswith("recordings")
    assert "damaged" in why
    assert str(damaged.path) not in why


def test_a_single_problem_is_told_as_it_is(study: Study) -> None:
    flip_a_bit(study.recording_path("S01", "01", 1))
    with pytest.raises(RecordingError, match="damaged"):
        build_corpus(study)


def test_a_setting_that_suits_no_recording_is_told_once_and_never_skipped(study: Study) -> None:
    for skip_damaged in (False, True):
        with pytest.raises(TrileadError, match="200") as caught:
            build_corpus(study, band_hz=(0.5, 200.0), skip_damaged=skip_damaged)
        assert "\n" not in str(caught.value)


def test_a_recording_that_fails_only_when_cut_is_left_out_of_the_splits_too(study: Study) -> None:
    write_content(study, made_up_content(subject="S04", person=3, seconds=60, rate_hz=60.0))
    with pytest.raises(RateTooLow, match="60 samples per second"):
        build_corpus(study)
    with open_corpus(build_corpus(study, skip_damaged=True)) as corpus:
        assert list(corpus.excluded_recordings) == ["sub-S04_ses-01_run-01"]
        assert "S04" not in json.dumps([corpus.split_info(name) for name in corpus.split_names])


def test_too_few_people_are_left(study: Study) -> None:
    for subject in ("S01", "S02"):
        flip_a_bit(study.recording_path(subject, "01", 1))
    with pytest.raises(LeakError, match="one subject"):
        build_corpus(study, skip_damaged=True)


def test_a_damaged_layer_and_a_damaged_recording_are_both_told(study: Study) -> None:
    flip_a_bit(study.recording_path("S01", "01", 1))
    folder = study.labels_dir("sub-S02_ses-01_run-01")
    with (folder / "protocol.jsonl").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(CorpusError) as caught:
        build_corpus(study)
    assert "damaged" in str(caught.value)
    assert "line 3" in str(caught.value)


# one at a time


def test_a_second_build_of_the_same_corpus_is_refused(study: Study) -> None:
    path = study.corpora_dir / "default.h5"
    with hold_corpus(path):
        with pytest.raises(CorpusError, match="another build of this corpus is running"):
            build_corpus(study)
        build_corpus(study, name="other", splits=["random"])
    assert build_corpus(study).exists()
    assert names_in(study.corpora_dir) == ["default.h5", "default.html", "other.h5", "other.html"]


HOLD = """
import sys
from pathlib import Path
from curate.corpus.lock import hold_corpus
with hold_corpus(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_nothing(study: Study) -> None:
    path = study.corpora_dir / "default.h5"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(CorpusError, match="another build"):
            build_corpus(study)
        process.kill()
    with hold_corpus(path):
        pass
    assert not names_in(study.corpora_dir)


# on a cluster


def local_cluster(n_workers: int, *, processes: bool) -> Any:
    """A dask cluster on this computer, reached over the loopback."""
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=processes,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs="CRITICAL",
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with local_cluster(2, processes=True) as started:
        yield started.scheduler_address


def test_a_cluster_gives_the_same_bytes(built: Study, study: Study, cluster: str) -> None:
    told = Told()
    assert bytes_of(build_corpus(study, scheduler=cluster, on_progress=told)) == expected(built)
    assert told.cut == 3


def test_problems_found_on_a_cluster_are_told_as_elsewhere(damaged: Study, cluster: str) -> None:
    with pytest.raises(CorpusError, match="2 of 4 recordings cannot be used"):
        build_corpus(damaged, scheduler=cluster)


def test_a_cluster_that_cannot_be_used_is_told_in_one_sentence(
    study: Study, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CorpusError, match="not both"):
        build_corpus(study, scheduler=cluster, workers=2)
    with monkeypatch.context() as patch:
        patch.setattr("curate.corpus.run.processing_digest", lambda: "tomorrow")
        with pytest.raises(CorpusError, match="runs another build of trilead"):
            build_corpus(study, scheduler=cluster)
    with monkeypatch.context() as patch:
        patch.setattr("curate.corpus.run.VERSION", "9.9")
        with pytest.raises(CorpusError, match=r"this is 9\.9"):
            build_corpus(study, scheduler=cluster)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", lambda self: None)
        with pytest.raises(CorpusError, match="does not see the folder"):
            build_corpus(study, scheduler=cluster)
    assert not names_in(study.corpora_dir)


def test_a_cluster_that_is_lost_is_told_in_one_sentence_and_the_next_build_goes_on(built: Study, study: Study) -> None:
    lost = local_cluster(1, processes=False)

    def tell(what: str, done: int, total: int) -> None:
        if (what, done) == ("cut", 1):
            lost.close()

    with lost, pytest.raises(CorpusError, match="the cluster was lost"):
        build_corpus(study, scheduler=lost.scheduler_address, on_progress=tell)
    told = Told()
    assert bytes_of(build_corpus(study, on_progress=told)) == expected(built)
    assert told.reused >= 1


@pytest.mark.parametrize("address", ["nonsense", "", "http://x:80", "tcp://x", "tcp://x:1/y"])
def test_what_is_no_address_of_a_scheduler_is_told_in_one_sentence(study: Study, address: str) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(CorpusError, match="its address is like tcp://lab-3:8786"):
        build_corpus(study, scheduler=address)


def test_a_scheduler_that_does_not_answer_is_told_in_one_sentence(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("curate.corpus.run.CLUSTER_WAIT_S", 0.5)
    with pytest.raises(CorpusError, match="no dask scheduler answers") as caught:
        build_corpus(study, scheduler="tcp://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_another_program_at_the_address_is_no_scheduler(study: Study) -> None:
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" * 20)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(CorpusError, match="no dask scheduler answers"):
            build_corpus(study, scheduler=f"tcp://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_a_cluster_without_workers_is_told_in_one_sentence(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.corpus.run.CLUSTER_WAIT_S", 0.5)
    with (
        local_cluster(0, processes=False) as started,
        pytest.raises(CorpusError, match="no workers"),
    ):
        build_corpus(study, scheduler=started.scheduler_address)


# what is kept of each recording


def test_the_digest_of_the_program_is_that_of_its_text() -> None:
    assert len(processing_digest()) == 64
    assert processing_digest() == processing_digest()


def test_a_corpus_keeps_the_prints_of_every_recording(built: Study) -> None:
    with h5py.File(built.corpora_dir / "default.h5") as file:
        for group in file["prints"].values():
            counts = group["counts"][()]
            assert counts.shape == (3,)
            assert np.maximum(counts, 0).sum() == group["values"].shape[0]
        assert "samples" in file["prints"]


def test_writing_keeps_the_table_in_memory_and_no_windows(tmp_path: Path) -> None:
    n_recordings, n_each, shape = 20, 4_000, (2, 64)
    zeros = np.zeros((n_each, *shape), dtype=np.float32)
    activities = Texts.of(np.array(["rest", "walk"], dtype=object)[np.arange(n_each) % 2])
    start = np.arange(n_each, dtype=np.int64) * 64
    piece = Piece(
        source={"recording": "r", "windows_crc32": zlib.crc32(zeros.data), "excluded": {}},
        n_windows=n_each,
        columns={"activity": activities, "start": start, "stop": start + 64},
        by_lead={name: np.ones((n_each, shape[0]), dtype=np.uint8) for name in BY_LEAD},
        prints={"samples": np.arange(100, dtype=np.uint64)},
        windows=lambda first, stop: zeros[first:stop],
    )
    tracemalloc.start()
    with CorpusWriter(tmp_path / "c.h5", leads=("I", "II"), n_samples=shape[1], attributes={}) as writer:
        for number in range(n_recordings):
            writer.append(piece, {"subject": f"S{number // 2}", "recording": f"a name of some length {number}"})
        table = writer.table()
        writer.finish(table, {}, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    n_windows = n_recordings * n_each
    assert (tmp_path / "c.h5").stat().st_size > n_windows * 4 * shape[0] * shape[1]
    assert peak < BLOCK_BYTES + 100 * n_windows
