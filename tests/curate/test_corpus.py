import errno
import json
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_study import made_up_content, made_up_study, uuid_of, write_content

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.beats.peaks import Beats
from curate.beats.rhythm import heart_rate
from curate.corpus import build, file
from curate.corpus.beat_windows import BEAT_REASONS
from curate.corpus.build import build_corpus, card_path
from curate.corpus.read import Corpus, family_folds, open_corpus, split_families
from curate.corpus.windows import REASONS
from curate.errors import CorpusError, LayerError, LeakError, SplitError
from curate.labels.layer import Layer
from curate.signals.resample import prepare
from curate.splits.leakage import check_splits


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    study = made_up_study(tmp_path_factory.mktemp("built") / "study")
    return study, build_corpus(study)


@pytest.fixture
def corpus(built: tuple[Study, Path]) -> Corpus:
    with open_corpus(built[1]) as opened:
        yield opened


@pytest.fixture
def copy(built: tuple[Study, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(built[1], tmp_path / "copy.h5"))


def test_a_window_is_the_cleaned_recording_at_its_raw_range(built: tuple[Study, Path], corpus: Corpus) -> None:
    rows = corpus.table[corpus.table["recording"] == "sub-S02_ses-01_run-01"]
    row = rows.iloc[7]
    with open_recording(built[0].recording_path("S02", "01", 1)) as recording:
        signal = prepare(recording, rate_hz=250.0).signal
    assert (row["start"], row["stop"]) == (row["start"], row["start"] + 750)
    np.testing.assert_allclose(
        corpus.read([row.name])[0], signal.values[row["start"] : row["stop"]].T, rtol=1e-6, atol=1e-7
    )


def test_what_the_corpus_says_of_itself(corpus: Corpus) -> None:
    assert corpus.leads == ("I", "II", "III")
    assert (corpus.unit, corpus.scale, corpus.rate_hz, corpus.n_samples) == ("mV", "none", 250.0, 750)
    assert corpus.cleaning["clean"]["mains_hz"] == 50
    assert corpus.splits_left_out == {}
    assert split_families(corpus) == [
        "random", "time-block", "across-sessions", "across-activities", "unseen-subjects"
    ]  # fmt: skip
    assert family_folds(corpus, "across-sessions") == ["across-sessions.1", "across-sessions.2"]
    assert family_folds(corpus, "random") == ["random"]
    assert corpus.lead_ok([0, 1]).all()
    assert len(corpus.sources[0]["sha256"]) == 64
    assert corpus.sources[0]["layers"][0]["annotator"] == "protocol"
    with pytest.raises(CorpusError, match="no split 'sideways'"):
        family_folds(corpus, "sideways")


def test_heart_rates_are_those_that_were_made(corpus: Corpus) -> None:
    rates = corpus.table.groupby("activity")["heart_rate"].median()
    assert rates["rest"] == pytest.approx(65, abs=1.5)
    assert rates["walk"] == pytest.approx(90, abs=1.5)


def test_any_order_of_windows_can_be_read_with_repeats(corpus: Corpus) -> None:
    everything = corpus.read()
    wanted = [200, 3, 3, 4, 250, 0]
    np.testing.assert_array_equal(corpus.read(wanted), everything[wanted])
    np.testing.assert_array_equal(corpus.read(slice(5, 9)), everything[5:9])
    assert corpus.read([]).shape == (0, 3, 750)
    for outside in ([-1], [corpus.n_windows], [1.5]):
        with pytest.raises(CorpusError):
            corpus.read(outside)


def test_a_corpus_travels_to_a_worker(corpus: Corpus) -> None:
    first = corpus.read([1])
    with pickle.loads(pickle.dumps(corpus)) as other:
        np.testing.assert_array_equal(other.read([1]), first)


def test_plain_h5py_reads_the_file(built: tuple[Study, Path]) -> None:
    with h5py.File(built[1]) as file:
        assert file.attrs["format"] == "trilead-corpus"
        assert file["windows/signal"].chunks[1:] == (3, 750)
        assert file["windows/table/subject"].asstr()[0] == "S01"
        assert h5py.check_enum_dtype(file["splits/random"].dtype)["test"] == 3


def test_the_same_inputs_give_the_same_bytes_whatever_the_workers(built: tuple[Study, Path], tmp_path: Path) -> None:
    again = Study.open(shutil.copytree(built[0].path, tmp_path / "again", ignore=shutil.ignore_patterns("*corpora*")))
    path = build_corpus(again, workers=2)
    assert path.read_bytes() == built[1].read_bytes()
    assert card_path(path).read_bytes() == card_path(built[1]).read_bytes()


def test_an_existing_corpus_is_only_replaced_when_asked(copy: Path, tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=80)
    first = build_corpus(study, splits=["time-block"])
    before = first.read_bytes()
    with pytest.raises(CorpusError, match="exists already"):
        build_corpus(study, splits=["time-block"])
    assert first.read_bytes() == before
    build_corpus(study, splits=["time-block"], hop_s=2.0, overwrite=True)
    assert first.read_bytes() != before
    assert sorted(path.name for path in study.corpora_dir.iterdir()) == ["default.h5", "default.html"]


def visible(study: Study) -> list[str]:
    """What a person sees of the corpora; hidden are the parts of a refused build, which spare the next one work."""
    return [path.name for path in study.corpora_dir.iterdir() if not path.name.startswith(".")]


def test_splits_the_data_do_not_allow_are_left_out_with_a_word_or_refused_when_named(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=80)
    with open_corpus(build_corpus(study)) as corpus:
        assert corpus.split_names == ["random", "time-block", "across-activities"]
        assert set(corpus.splits_left_out) == {"across-sessions", "unseen-subjects"}
    with pytest.raises(SplitError, match="two sessions"):
        build_corpus(study, name="other", splits=["across-sessions"])
    assert not (study.corpora_dir / "other.h5").exists()


def test_a_corpus_with_one_subject_is_refused(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=1, n_sessions=2, seconds=20)
    with pytest.raises(LeakError, match="one subject, S01"):
        build_corpus(study)
    assert list(study.corpora_dir.iterdir()) == []


def test_a_subject_without_labels_is_named_where_only_one_is_left(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=1, n_sessions=1, seconds=20)
    write_content(study, made_up_content(subject="S02", person=1, seconds=20, events=False))
    with pytest.raises(CorpusError, match="of 2 subjects S02 has no labelled stretch") as caught:
        build_corpus(study)
    assert "no activity label" in str(caught.value)


def test_a_folder_named_like_a_recording_is_not_called_missing(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=20)
    (study.recordings_dir / "sub-S03_ses-01_run-01.h5").mkdir()
    with pytest.raises(CorpusError, match="is not a plain file"):
        build_corpus(study)


def test_a_full_disk_says_how_much_is_needed_and_that_the_next_build_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=60)

    def full(*given: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build, "write_corpus", full)
    with pytest.raises(
        CorpusError, match=r"the disk is full: .* up to \d+ MB; make room .* goes on from what is there"
    ):
        build_corpus(study)
    assert visible(study) == []


def test_no_window_names_the_largest_reason_that_was_not_asked_for() -> None:
    counts = {"activity not wanted": 1856, "quality too low": 240, "missing samples": 3, "no activity label": 0}
    words = file._why_empty(counts)
    assert words == (
        "no window could be kept; refused because of: quality too low (240), missing samples (3); 1856 more are of "
        "activities that --activities does not name; take a lower --min-quality."
    )
    assert "name other --activities" in file._why_empty({"activity not wanted": 7})
    assert "shorter --window-s" in file._why_empty({})


def test_every_reason_has_what_mends_it() -> None:
    assert set(file._MENDS) == {*REASONS, *BEAT_REASONS}


def test_the_same_recording_under_two_names_is_refused(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=40)
    content = made_up_content(subject="S03", session="01", person=0, seconds=40)
    write_content(study, content)
    with pytest.raises(LeakError, match="two names"):
        build_corpus(study)
    assert visible(study) == []


def test_an_empty_study_and_one_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no recordings"):
        build_corpus(Study.create(tmp_path / "empty", mains_hz=50))
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=20, events=False)
    with pytest.raises((CorpusError, SplitError)):
        build_corpus(study)
    assert visible(study) == []


def test_a_disk_without_room_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=60)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**5))
    with pytest.raises(CorpusError, match="MB are free"):
        build_corpus(study)
    assert list(study.corpora_dir.iterdir()) == []


def test_a_corpora_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=60)
    study.corpora_dir.rmdir()
    study.corpora_dir.write_text("in the way")
    with pytest.raises(CorpusError, match="cannot be written"):
        build_corpus(study)


def test_no_window_crosses_a_gap(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=80, gap=(5_000, 700))
    with open_corpus(build_corpus(study, splits=["random"])) as corpus:
        inside = (corpus.table["stop"] > 5_000) & (corpus.table["start"] < 5_700)
        assert not inside.any()
        assert corpus.excluded["missing samples"] > 0


def test_recordings_not_in_mv_are_scaled_or_refused(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=40, unit="adu")
    with open_corpus(build_corpus(study, splits=["random"])) as corpus:
        assert corpus.scale == "recording-p98"
        assert corpus.unit != "mV"
        assert all(source["scale"] > 0 for source in corpus.sources)
    with pytest.raises(CorpusError, match="adu, not mV"):
        build_corpus(study, name="other", scale="none")


def test_an_annotator_overrules_the_protocol_and_the_layer_is_named_among_the_sources(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=60)
    with open_recording(study.recordings()[0]) as recording:
        layer = Layer.create(
            study.labels_dir(recording.path.stem) / "anna.jsonl", recording.header.recording_id, "anna"
        )
        layer.add(0, 1_000, kind="unusable", value="electrode off")
        layer.add(4_000, 5_000, kind="artefact", value="3")
    with open_corpus(build_corpus(study, splits=["random"])) as corpus:
        mine = corpus.table[corpus.table["recording"] == "sub-S01_ses-01_run-01"]
        assert mine["start"].min() >= 1_000
        touched = (mine["stop"] > 4_000) & (mine["start"] < 5_000)
        assert set(mine.loc[touched, "artefact"]) == {3}
        assert corpus.sources[0]["layers"][0] == {"annotator": "anna", "sha256": layer.sha256()}
        assert corpus.excluded["marked unusable"] > 0


def test_a_damaged_layer_stops_the_build_by_file_and_line(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=20)
    folder = study.labels_dir("sub-S01_ses-01_run-01")
    Layer.create(folder / "anna.jsonl", uuid_of("S01 01 1"), "anna")
    with (folder / "anna.jsonl").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(LayerError, match="line 2"):
        build_corpus(study)


@pytest.mark.parametrize(
    "settings",
    [
        {"window_s": float("nan")},
        {"window_s": 0.0},
        {"window_s": 1e9},
        {"window_s": 3.0001},
        {"hop_s": -1.0},
        {"rate_hz": float("inf")},
        {"band_hz": (float("nan"), 40.0)},
        {"name": "../x"},
        {"name": ""},
        {"leads": ["V1"]},
        {"leads": []},
        {"leads": ["I", "I"]},
        {"scale": "loud"},
        {"workers": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused_and_nothing_is_written(
    built: tuple[Study, Path], settings: dict[str, object]
) -> None:
    before = sorted(built[0].corpora_dir.iterdir())
    with pytest.raises(CorpusError):
        build_corpus(built[0], **{"name": "other", **settings})  # type: ignore[arg-type]
    assert sorted(built[0].corpora_dir.iterdir()) == before


def test_a_lead_that_some_recordings_lack_is_marked_as_not_there(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=40)
    with open_corpus(build_corpus(study, leads=["II", "aVF"], splits=["random"])) as corpus:
        assert corpus.leads == ("II", "aVF")
        assert corpus.lead_ok(None).all()


def test_two_sides_that_share_a_sample_are_found_in_the_file(copy: Path) -> None:
    with open_corpus(copy) as corpus:
        check_splits(corpus)
    with h5py.File(copy, "r+") as file:
        sides = file["splits/time-block"]
        first = int(np.flatnonzero(sides[()] == 1)[0])
        sides[first + 1] = 3
    with (
        pytest.raises(LeakError, match="time-block leaks: in recording sub-S01_ses-01_run-01"),
        open_corpus(copy) as corpus,
    ):
        check_splits(corpus)
    with open_corpus(copy) as corpus:
        check_splits(corpus, ["random"])


def test_sides_that_were_moved_without_a_leak_are_found_by_the_hash(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        sides = file["splits/across-sessions.1"]
        sides[int(np.flatnonzero(sides[()] == 3)[0])] = 0
    with pytest.raises(LeakError, match="not the one that was made"), open_corpus(copy) as corpus:
        check_splits(corpus)


def test_a_value_that_is_no_number_is_found_when_read(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file["windows/signal"][5, 1, 20] = np.nan
    with open_corpus(copy) as corpus:
        corpus.read([4])
        with pytest.raises(CorpusError, match="not a number"):
            corpus.read([5])


def damage_version(file: h5py.File) -> None:
    file.attrs["version"] = 99


def damage_format(file: h5py.File) -> None:
    file.attrs["format"] = "else"


def damage_rate(file: h5py.File) -> None:
    file.attrs["rate_hz"] = np.nan


def damage_column(file: h5py.File) -> None:
    del file["windows/table/start"]


def damage_length(file: h5py.File) -> None:
    values = file["windows/table/start"][:-1]
    del file["windows/table/start"]
    file["windows/table/start"] = values


def damage_side(file: h5py.File) -> None:
    del file["splits/random"]
    file["splits/random"] = np.full(file["windows/signal"].shape[0], 9, dtype=np.uint8)


def damage_json(file: h5py.File) -> None:
    file["sources"][()] = "{"


def damage_leads(file: h5py.File) -> None:
    file.attrs["leads"] = json.dumps(["I"])


@pytest.mark.parametrize(
    "damage",
    [damage_version, damage_format, damage_rate, damage_column, damage_length, damage_side, damage_json, damage_leads],
)
def test_a_damaged_corpus_is_refused_in_one_sentence(copy: Path, damage) -> None:
    with h5py.File(copy, "r+") as file:
        damage(file)
    with pytest.raises(CorpusError) as caught:
        open_corpus(copy)
    assert "\n" not in str(caught.value)


def test_a_byte_that_changed_is_found_by_the_seal(copy: Path, tmp_path: Path) -> None:
    with open_corpus(copy, check_seal=True) as corpus:
        assert corpus.n_windows
    raw = bytearray(copy.read_bytes())
    raw[len(raw) // 2] ^= 1
    copy.write_bytes(raw)
    with pytest.raises(CorpusError, match="its seal does not fit"):
        open_corpus(copy, check_seal=True)
    with pytest.raises(CorpusError, match="no such corpus"):
        open_corpus(tmp_path / "none.h5", check_seal=True)


def test_a_cut_corpus_is_told_without_the_words_of_hdf5(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:50_000])
    with pytest.raises(CorpusError, match="the file is cut off; build the corpus again"):
        open_corpus(copy)


def test_a_cut_a_foreign_and_a_missing_file_are_refused(copy: Path, tmp_path: Path) -> None:
    raw = copy.read_bytes()
    for number, content in enumerate((raw[: len(raw) // 2], b"", b"hello", raw[:100])):
        path = tmp_path / f"bad{number}.h5"
        path.write_bytes(content)
        with pytest.raises(CorpusError):
            open_corpus(path)
    with pytest.raises(CorpusError, match="no such corpus"):
        open_corpus(tmp_path / "none.h5")


def test_a_heart_rate_needs_beats_on_both_sides_and_none_lost_between() -> None:
    nothing = np.zeros((0, 2), dtype=np.int64)
    samples = np.array([0, 100, 200, 300, 800, 900, 1000])
    beats = Beats(samples=samples, lead="I", polarity=1, rejected=nothing, by_lead=(), by_lead_second=())
    start = np.array([50, 150, 250, 820, 950])
    rates = heart_rate(beats, start, start + 100, rate_hz=100.0)
    np.testing.assert_allclose(rates, [60, 60, np.nan, 60, np.nan])
    broken = Beats(
        samples=samples, lead="I", polarity=1, rejected=np.array([[120, 130]]), by_lead=(), by_lead_second=()
    )
    assert np.isnan(heart_rate(broken, start, start + 100, rate_hz=100.0)[:2]).all()
