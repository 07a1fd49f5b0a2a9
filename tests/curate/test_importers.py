from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from wearable_files import START, counts, make_recording, text, times_us, write_labels, write_recording_text

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import CurateError, FormatUnknown, RefusalReason
from curate.importers import ImportReport, import_paths
from curate.importers import reading as reading_module
from curate.labels.layer import Label, Layer


def labels_of(study: Study, recording: Path, kind: str) -> list[Label]:
    return Layer.open(study.labels_dir(recording.stem) / "imported.jsonl").labels(kind)


def only_refusal(report: ImportReport) -> str:
    assert report.imported == []
    assert len(report.refused) == 1
    return report.refused[0].sentence


def files_in(study: Study) -> list[Path]:
    return sorted(path for path in study.path.rglob("*") if path.is_file() and path.parent != study.path)


def test_every_count_goes_over_exactly(study: Study, tmp_path: Path) -> None:
    make_recording(tmp_path / "in", seed=7)
    report = import_paths(study, [tmp_path / "in"])
    assert report.refused == []
    with open_recording(report.imported[0]) as recording:
        assert recording.counts().dtype == np.int32
        np.testing.assert_array_equal(recording.counts()[:, 0], counts(3000, seed=7))
        np.testing.assert_array_equal(recording.signal()[:, 0], counts(3000, seed=7) - 2048.0)
        assert recording.leads == ("ECG",)
        assert recording.channels[0].unit == "adu"


def test_the_header_says_whose_it_is_and_where_it_comes_from_without_a_folder(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path / "secret" / "in", "03_02_drepy.csv.gz")
    (path,) = import_paths(study, [source]).imported
    assert path.name == "sub-S03_ses-02_run-05.h5"
    with open_recording(path) as recording:
        header = recording.header
    assert (header.subject, header.session, header.run, header.mains_hz) == ("S03", "02", 5, 50)
    assert header.factors == {"electrode": "crni"}
    assert header.started_at.startswith(START.isoformat(timespec="microseconds")[:-3])
    assert header.started_at.endswith("Z")
    assert "no time zone" in header.source
    assert header.source.startswith("03_02_drepy.csv.gz sha256:")
    assert "secret" not in header.source
    assert (header.nominal_rate_hz, round(header.fitted_rate_hz, 1)) == (500.0, 497.3)
    assert [subject.pseudonym for subject in study.subjects()] == ["S03"]


def test_a_session_is_a_subject_with_one_electrode_set_and_activities_are_its_runs(
    study: Study, tmp_path: Path
) -> None:
    for seed, name in enumerate(["01_01_beh", "01_01_klud", "01_02_klud", "02_01_ruky", "02_01_chodza"]):
        make_recording(tmp_path / "in", f"{name}.csv", seed=seed)
    report = import_paths(study, [tmp_path / "in"])
    assert sorted(path.stem for path in report.imported) == [
        "sub-S01_ses-01_run-01",
        "sub-S01_ses-01_run-04",
        "sub-S01_ses-02_run-01",
        "sub-S02_ses-01_run-02",
        "sub-S02_ses-01_run-03",
    ]
    assert report.n_sessions == 3


def test_a_gap_takes_up_its_rows_and_moves_the_labels_behind_it(study: Study, tmp_path: Path) -> None:
    times, values = np.delete(times_us(3500), slice(1000, 1500)), counts(3000)
    source = write_recording_text(tmp_path / "01_01_klud.csv", text(times, values))
    write_labels(source, [(0, 1000, 0, 1, 1), (1000, 2000, 0, 3, 1), (2000, 3000, 4, 2, 1)])
    report = import_paths(study, [source])
    (path,) = report.imported
    with open_recording(path) as recording:
        assert recording.n_samples == 3500
        assert [(gap.start, gap.length) for gap in recording.gaps] == [(1000, 500)]
        assert recording.valid.tolist() == [[0, 1000], [1500, 3500]]
        assert not recording.counts(1000, 1500).any()
        assert np.isnan(recording.signal(start=1000, stop=1500)).all()
        np.testing.assert_array_equal(recording.counts(1500)[:, 0], values[1000:])
        rows = recording.clock[:, 0].tolist()
        assert {0, 999, 1500, 3499} <= set(rows)
        expected_ns = (times[1000] - times[0]) * 1000
        assert recording.clock[rows.index(1500)].tolist() == [1500, expected_ns, -1]
    artefacts = [(label.start, label.stop, label.value) for label in labels_of(study, path, "artefact")]
    assert artefacts == [(0, 1000, "1"), (1500, 2500, "3"), (2500, 3500, "2")]
    activities = [(label.start, label.stop, label.value) for label in labels_of(study, path, "activity")]
    assert activities == [(0, 2500, "rest"), (2500, 3500, "squats")]
    said = " ".join(note.sentence for note in report.notes)
    assert "1 gap with 500 missing samples" in said
    assert "its name says rest, its labels say rest, squats" in said


def test_without_labels_the_name_gives_the_activity_of_the_whole_file(study: Study, tmp_path: Path) -> None:
    (path,) = import_paths(study, [make_recording(tmp_path, "01_01_chodza.csv")]).imported
    labels = labels_of(study, path, "activity")
    assert [(label.start, label.stop, label.value) for label in labels] == [(0, 3000, "walk")]
    assert labels_of(study, path, "artefact") == []


def test_labels_longer_than_the_file_are_cut_there_and_told(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path)
    write_labels(source, [(0, 2000, 0, 1, 1), (2000, 9000, 0, 2, 1), (9000, 9500, 0, 4, 1)])
    report = import_paths(study, [source])
    assert [(x.start, x.stop) for x in labels_of(study, report.imported[0], "artefact")] == [(0, 2000), (2000, 3000)]
    assert "labels reach to line 9500 of 3000" in report.notes[0].sentence


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0;1000;7;1;1", "'7' is no activity"),
        ("0;1000;0;9;1", "'9' is no artefact degree"),
        ("0;1000;0;1", "has 4 cells"),
        ("1000;0;0;1;1", "ends where it begins"),
        ("-5;1000;0;1;1", "'-5' is not a whole number"),
        ("0;nan;0;1;1", "'nan' is not a whole number"),
        (f"0;{'9' * 400};0;1;1", "is not a whole number"),
    ],
)
def test_a_bad_label_file_refuses_its_recording_and_nothing_is_written(
    study: Study, tmp_path: Path, row: str, said: str
) -> None:
    source = make_recording(tmp_path)
    write_labels(source, []).write_text(f"start;end;activity;artifact;electrode\n{row}\n")
    report = import_paths(study, [source])
    sentence = only_refusal(report)
    assert "labels/01_01_klud_2.csv, line 2: " in sentence
    assert said in sentence
    assert report.refused[0].reason is RefusalReason.LABELS
    assert files_in(study) == []


def test_overlapping_label_rows_and_a_foreign_header_are_refused(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path)
    write_labels(source, [(0, 1000, 0, 1, 1), (900, 2000, 0, 1, 1)])
    assert "before the row above ends at 1000" in only_refusal(import_paths(study, [source]))
    write_labels(source, []).write_text("a,b\n")
    assert "is not the header" in only_refusal(import_paths(study, [source]))


def test_one_bad_file_never_stops_the_rest(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    make_recording(folder, "01_01_klud.csv", seed=1)
    make_recording(folder, "03_01_klud.csv", seed=2)
    write_recording_text(folder / "02" / "02_01_klud.csv", "2024-03-26 14:58:13.300910 ; x\n")
    write_recording_text(folder / "09" / "10_02_ruky2.csv", "")
    report = import_paths(study, [folder])
    assert len(report.imported) == 2
    assert [str(refusal.path) for refusal in report.refused] == ["02/02_01_klud.csv", "09/10_02_ruky2.csv"]
    assert "02/02_01_klud.csv, line 1: 'x' is not a count" in report.refused[0].sentence
    assert report.refused[1].reason is RefusalReason.EMPTY
    assert "09/10_02_ruky2.csv: the file is empty (0 bytes)" in report.refused[1].sentence


def test_importing_again_skips_by_content_packed_or_renamed(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path / "in")
    import_paths(study, [source])
    before = {path: path.read_bytes() for path in files_in(study)}
    packed = write_recording_text(tmp_path / "other" / "01_01_klud.csv.gz", source.read_text())
    renamed = write_recording_text(tmp_path / "other" / "05_01_klud.csv", source.read_text())
    report = import_paths(study, [source, packed, renamed])
    assert (report.imported, report.refused) == ([], [])
    assert len(report.skipped) == 3
    assert "already, as sub-S01_ses-01_run-01.h5" in report.skipped[0].sentence
    assert {path: path.read_bytes() for path in files_in(study)} == before


def test_other_content_for_the_same_place_is_refused_and_nothing_is_overwritten(study: Study, tmp_path: Path) -> None:
    import_paths(study, [make_recording(tmp_path / "a", seed=1)])
    before = {path: path.read_bytes() for path in files_in(study)}
    sentence = only_refusal(import_paths(study, [make_recording(tmp_path / "b", seed=2)]))
    assert "nothing is overwritten" in sentence
    assert {path: path.read_bytes() for path in files_in(study)} == before


def test_labels_lost_between_recording_and_layer_are_added_by_the_next_import(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path / "in")
    (path,) = import_paths(study, [source]).imported
    layer = study.labels_dir(path.stem) / "imported.jsonl"
    layer.unlink()
    report = import_paths(study, [source])
    assert (len(report.skipped), report.imported) == (1, [])
    assert "labels were missing" in report.notes[0].sentence
    with open_recording(path) as recording:
        assert Layer.open(layer, recording_id=recording.header.recording_id).labels("activity")


def test_a_cut_last_line_is_left_out_and_told(study: Study, tmp_path: Path) -> None:
    content = text(times_us(2000), counts(2000))[:-3]
    report = import_paths(study, [write_recording_text(tmp_path / "01_01_klud.csv", content)])
    with open_recording(report.imported[0]) as recording:
        assert recording.n_samples == 1999
    assert "has no line end" in report.notes[0].sentence


@pytest.mark.parametrize(
    "name", ["01_01_sprint.csv", "01_03_klud.csv", "1_1_klud.csv", "01_01_klud_2.csv", "01_01_KLUD.csv", "name.csv"]
)
def test_a_name_that_tells_no_subject_session_and_activity_is_refused(study: Study, tmp_path: Path, name: str) -> None:
    report = import_paths(study, [write_recording_text(tmp_path / name, text(times_us(1000), counts(1000)))])
    assert f"{name}: the name is not SS_EE_ACTIVITY" in only_refusal(report)
    assert report.refused[0].reason is RefusalReason.NAME


def test_a_file_in_somebody_elses_folder_is_refused(study: Study, tmp_path: Path) -> None:
    write_recording_text(tmp_path / "in" / "09" / "10_02_ruky.csv", text(times_us(1000), counts(1000)))
    sentence = only_refusal(import_paths(study, [tmp_path / "in"]))
    assert "named for subject 10, but lies in the folder of subject 09" in sentence


def test_times_that_are_no_recording_are_refused(study: Study, tmp_path: Path) -> None:
    source = tmp_path / "01_01_klud.csv"
    write_recording_text(source, text(times_us(100), counts(100)))
    assert "100 lines; at least 500" in only_refusal(import_paths(study, [source]))
    write_recording_text(source, text(times_us(1000, rate_hz=250.0), counts(1000)))
    assert "give 250.0 samples per second" in only_refusal(import_paths(study, [source]))
    write_recording_text(source, text(np.zeros(1000, dtype=np.int64), counts(1000)))
    assert "do not advance" in only_refusal(import_paths(study, [source]))
    late = times_us(2000) + np.where(np.arange(2000) >= 1200, 7200 * 1_000_000, 0)
    write_recording_text(source, text(late, counts(2000)))
    assert "line 1201: 7200 s lie before this line" in only_refusal(import_paths(study, [source]))
    assert files_in(study) == []


def test_a_cut_or_damaged_gzip_is_refused(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path, "01_01_klud.csv.gz")
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    assert "ends before its packed content does" in only_refusal(import_paths(study, [source]))
    source.write_bytes(whole[:2000] + bytes(200) + whole[2200:])
    assert "does not unpack" in only_refusal(import_paths(study, [source]))
    source.write_bytes(whole[:5])
    assert "ends before" in only_refusal(import_paths(study, [source]))


def test_a_gzip_bomb_is_given_up_at_the_limit(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "_PIECE_BYTES", 64 * 1024)
    source = tmp_path / "01_01_klud.csv.gz"
    line = b"2024-03-26 14:58:13.300910 ; 2175\n"
    source.write_bytes(gzip.compress(line * 4_200_000, compresslevel=1))
    report = import_paths(study, [source])
    assert "more than 128 MiB of text unpacked" in only_refusal(report)
    assert report.refused[0].reason is RefusalReason.TOO_BIG
    source.write_bytes(gzip.compress(bytes(200_000_000), compresslevel=1))
    assert "null bytes" in only_refusal(import_paths(study, [source]))


def test_what_is_no_plain_file_is_refused_without_waiting(study: Study, tmp_path: Path) -> None:
    pipe = tmp_path / "01_01_klud.csv"
    os.mkfifo(pipe)
    assert "not a plain file" in only_refusal(import_paths(study, [pipe]))
    (tmp_path / "02_01_klud.csv").symlink_to(tmp_path / "nowhere")
    assert "cannot be read" in only_refusal(import_paths(study, [tmp_path / "02_01_klud.csv"]))


def test_a_file_of_no_known_format_is_refused_with_the_formats(study: Study, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0junk")
    assert "no importer knows this file; formats are wearable" in only_refusal(
        import_paths(study, [tmp_path / "photo.jpg"])
    )


def test_other_files_in_a_folder_are_passed_over_and_counted(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path / "in")
    write_labels(source, [(0, 1000, 0, 1, 1)])
    (tmp_path / "in" / "LICENSE").write_text("words")
    report = import_paths(study, [tmp_path / "in"])
    assert (len(report.imported), report.refused, report.passed_over) == (1, [], 1)


@pytest.mark.parametrize("name", [b"01_01_klud\n\x1b[2J.csv", b"01_01_\xff\xfe.csv"])
def test_a_name_that_would_steer_the_terminal_is_shown_harmless(study: Study, tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / os.fsdecode(name)).write_text(text(times_us(1000), counts(1000)))
    sentence = only_refusal(import_paths(study, [folder]))
    assert sentence.isprintable()
    sentence.encode()


def test_a_study_that_cannot_be_written_is_not_blamed_on_the_file(study: Study, tmp_path: Path) -> None:
    study.recordings_dir.rmdir()
    study.recordings_dir.touch()
    sentence = only_refusal(import_paths(study, [make_recording(tmp_path / "in")]))
    assert "recordings cannot be written: File exists; look at the study folder." in sentence
    assert study.subjects() == []


def test_a_named_format_must_exist(study: Study, tmp_path: Path) -> None:
    with pytest.raises(FormatUnknown, match=r"no format named 'ppt'. Formats are: wearable, gudb"):
        import_paths(study, [tmp_path], format="ppt")
    assert len(import_paths(study, [make_recording(tmp_path)], format="wearable").imported) == 1


def test_a_path_that_does_not_exist_is_an_error_before_anything_is_written(study: Study, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="does not exist"):
        import_paths(study, [make_recording(tmp_path), tmp_path / "nowhere"])
    assert files_in(study) == []


def test_the_same_file_given_twice_is_taken_once_and_progress_counts_it_once(study: Study, tmp_path: Path) -> None:
    source = make_recording(tmp_path / "in")
    seen: list[tuple[int, int, str]] = []
    report = import_paths(study, [source, tmp_path / "in"], on_progress=lambda *at: seen.append(at))
    assert (len(report.imported), len(report.skipped)) == (1, 0)
    assert seen == [(0, 1, "01_01_klud.csv"), (1, 1, "")]


@pytest.mark.real_data
def test_the_real_folder_gives_100_recordings_in_20_sessions_and_one_refusal(study: Study, wearable_data: Path) -> None:
    report = import_paths(study, [wearable_data])
    assert (len(report.imported), report.n_sessions, report.skipped) == (100, 20, [])
    assert [str(refusal.path) for refusal in report.refused] == ["09/10_02_ruky2.csv"]
    gaps = {}
    for path in report.imported:
        with open_recording(path) as recording:
            assert 495.5 < recording.rate_hz < 499.0
            assert labels_of(study, path, "artefact")
            for gap in recording.gaps:
                gaps[path.stem] = gap.length / recording.rate_hz
    assert {stem: round(seconds) for stem, seconds in gaps.items()} == {
        "sub-S06_ses-01_run-03": 23,
        "sub-S10_ses-01_run-01": 9,
    }
