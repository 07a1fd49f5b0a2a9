from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import layer, physical, refused, said, take_one

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.importers import import_paths, wfdb_record

wfdb = pytest.importorskip("wfdb")


def write_record(
    folder: Path, *, fmt: str = "16", n_samples: int = 2000, low: int = -500, high: int = 500, **more: Any
) -> tuple[Path, np.ndarray[Any, Any]]:
    """A record written by wfdb itself; gives its header and its counts."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = np.random.default_rng(1).integers(low, high, (n_samples, 2))
    given: dict[str, Any] = {
        "fs": 250.0,
        "units": ["mV", "uV"],
        "sig_name": ["I", "II"],
        "adc_gain": [200.0, 0.5],
        "baseline": [10, -20],
        "fmt": [fmt, fmt],
        "d_signal": counts,
        **more,
    }
    wfdb.wrsamp("p01", write_dir=str(folder), **given)
    return folder / "p01.hea", counts


@pytest.mark.parametrize(
    ("fmt", "dtype"), [("16", "int16"), ("212", "int16"), ("80", "int16"), ("24", "int32"), ("32", "int32")]
)
def test_counts_of_every_storage_format_go_over_exactly(study: Study, tmp_path: Path, fmt: str, dtype: str) -> None:
    size = 120 if fmt == "80" else 2000
    path, counts = write_record(tmp_path / "in", fmt=fmt, low=-size, high=size)
    recording, _ = take_one(study, path)
    with open_recording(recording) as opened:
        assert str(opened.counts().dtype) == dtype
        np.testing.assert_array_equal(opened.counts(), counts)


def test_values_units_rate_and_names_are_those_that_wfdb_reads(study: Study, tmp_path: Path) -> None:
    path, _ = write_record(tmp_path / "in")
    recording, _ = take_one(study, path)
    expected = wfdb.rdrecord(str(path.with_suffix("")))
    in_mv = expected.p_signal * [1.0, 1e-3]
    np.testing.assert_allclose(physical(recording), in_mv, rtol=1e-12)
    with open_recording(recording) as opened:
        assert [(channel.name, channel.unit) for channel in opened.channels] == [("I", "mV"), ("II", "mV")]
        assert (opened.rate_hz, opened.measured_leads) == (expected.fs, ("I", "II", "III"))
        assert "values in mV, uV" in opened.header.source


def test_a_long_record_is_read_in_stretches_without_a_seam(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wfdb_record, "_STRETCH_FRAMES", 333)
    for fmt in ("16", "212", "24"):
        path, counts = write_record(tmp_path / fmt, fmt=fmt)
        recording, _ = take_one(study, path, session=f"x{fmt}")
        with open_recording(recording) as opened:
            np.testing.assert_array_equal(opened.counts(), counts)


@pytest.mark.parametrize("fmt", ["80", "160", "212", "310", "311", "16", "24", "32"])
def test_stretches_of_every_format_are_what_wfdb_reads_in_one_go(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fmt: str
) -> None:
    monkeypatch.setattr(wfdb_record, "_STRETCH_FRAMES", 101)
    (tmp_path / "p01.dat").write_bytes(np.random.default_rng(5).bytes(6000))
    (tmp_path / "p01.hea").write_text(f"p01 2 250 700\np01.dat {fmt} 200 0 0 0 0 0 I\np01.dat {fmt} 200 0 0 0 0 0 II\n")
    expected = wfdb.rdrecord(str(tmp_path / "p01"), physical=False).d_signal
    reading = wfdb_record.WfdbImporter().read(tmp_path / "p01.hea", shown=Path("p01.hea"), options=said())
    whole = np.ones(700, dtype=bool)
    for gap in reading.gaps:
        whole[gap.start : gap.start + gap.length] = False
    assert whole.sum() > 600
    np.testing.assert_array_equal(reading.counts[whole], expected[whole])


def test_samples_marked_missing_become_a_gap(study: Study, tmp_path: Path) -> None:
    counts = np.full((1000, 2), 7)
    counts[100:150] = -(2**15)
    counts[400, 1] = -(2**15)
    path, _ = write_record(tmp_path / "in", d_signal=counts)
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(100, 50), (400, 1)]
        assert np.isnan(opened.signal()[100:150]).all()
    assert "2 gaps with 51 missing samples" in notes
    assert "1 sample could not be kept, for others of the same moment are missing" in notes


def test_beats_become_a_layer_of_their_own_and_rhythms_notes_in_it(study: Study, tmp_path: Path) -> None:
    path, _ = write_record(tmp_path / "in")
    wfdb.wrann(
        "p01",
        "atr",
        np.array([5, 100, 300, 900, 5000]),
        symbol=["+", "N", "V", "N", "N"],
        aux_note=["(AFIB", "", "", "", ""],
        write_dir=str(path.parent),
    )
    recording, notes = take_one(study, path)
    beats = layer(study, recording, "imported-atr", "beat")
    assert [(beat.start, beat.stop, beat.value) for beat in beats] == [
        (100, 101, "N"),
        (300, 301, "V"),
        (900, 901, "N"),
    ]
    assert [(note.start, note.value) for note in layer(study, recording, "imported-atr", "note")] == [(5, "+ (AFIB")]
    assert [(label.start, label.stop, label.value) for label in layer(study, recording)] == [(0, 2000, "rest")]
    assert "1 annotation of .atr outside the samples" in notes


def test_annotations_that_come_later_are_added_beside_the_recording(study: Study, tmp_path: Path) -> None:
    path, _ = write_record(tmp_path / "in")
    recording, _ = take_one(study, path)
    wfdb.wrann("p01", "atr", np.array([100]), symbol=["N"], write_dir=str(path.parent))
    report = import_paths(study, [path], options=said())
    assert (report.imported, len(report.skipped)) == ([], 1)
    assert [beat.start for beat in layer(study, recording, "imported-atr")] == [100]


def test_signals_of_another_rate_are_left_out_and_told(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    ecg, breath = np.arange(800), np.arange(200)
    wfdb.Record(
        record_name="p01",
        n_sig=2,
        fs=50,
        sig_len=200,
        file_name=["p01.dat", "p01.dat"],
        fmt=["16", "16"],
        samps_per_frame=[4, 1],
        skew=[None, None],
        byte_offset=[None, None],
        adc_gain=[200.0, 100.0],
        baseline=[0, 0],
        units=["mV", "l"],
        adc_res=[16, 16],
        adc_zero=[0, 0],
        init_value=[0, 0],
        checksum=[int(ecg.sum()) % 65536, int(breath.sum()) % 65536],
        block_size=[0, 0],
        sig_name=["II", "RESP"],
        e_d_signal=[ecg, breath],
    ).wrsamp(expanded=True, write_dir=str(folder))
    recording, notes = take_one(study, folder / "p01.hea")
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts()[:, 0], ecg)
        assert (opened.rate_hz, opened.leads) == (200.0, ("II",))
    assert "RESP (50 Hz) could not be kept" in notes


def test_date_and_time_are_kept_and_comments_are_not(study: Study, tmp_path: Path) -> None:
    path, _ = write_record(
        tmp_path / "in",
        comments=["69 M, Jane Doe"],
        base_date=datetime.date(2020, 2, 29),
        base_time=datetime.time(12, 30, 1),
    )
    recording, notes = take_one(study, path)
    assert "1 line of comment were not kept" in notes or "1 line of comment" in notes
    assert b"Jane" not in recording.read_bytes()
    with open_recording(recording) as opened:
        assert opened.header.started_at == "2020-02-29T12:30:01.000000Z"
        assert "no time zone" in opened.header.source


def test_a_changed_sample_is_told_by_the_checksum(study: Study, tmp_path: Path) -> None:
    path, _ = write_record(tmp_path / "in")
    data = bytearray(path.with_suffix(".dat").read_bytes())
    data[100] ^= 1
    path.with_suffix(".dat").write_bytes(data)
    _, notes = take_one(study, path)
    assert "signal I do not sum up to its checksum" in notes


GOOD = "p01 2 250 2000\np01.dat 16 200 16 0 0 0 0 I\np01.dat 16 200 16 0 0 0 0 II\n"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02", "null bytes"),
        (b"# only a comment\n", "no record line"),
        (b"p01 2 250 2000\n", "says 2 signals and 0 are described"),
        (GOOD.replace("p01 2", "p01/3 2").encode(), "several segments"),
        (GOOD.replace("p01 2", "p02 2").encode(), "header of record 'p02'"),
        (GOOD.replace("p01 2", "p01 999999999").encode(), "does not say how many"),
        (GOOD.replace("p01 2", "p01 -2").encode(), "does not say how many"),
        (GOOD.replace(" 250 ", " -250 ").encode(), "sampling rate is -250"),
        (GOOD.replace(" 250 ", " 0 ").encode(), "sampling rate is 0"),
        (GOOD.replace(" 250 ", " nan ").encode(), "sampling rate is nan"),
        (GOOD.replace(" 250 ", " 1e300 ").encode(), "sampling rate is 1e300"),
        (
            GOOD.replace(" 2000", " 1073741824").encode(),
            "1073741824 samples of each signal, its signal files hold 2000",
        ),
        (GOOD.replace("p01.dat 16", "/etc/passwd 16").encode(), "invalid syntax in signal line"),
        (GOOD.replace("p01.dat 16", "../p01.dat 16").encode(), "invalid syntax in signal line"),
        (GOOD.replace("p01.dat 16", "s3://bucket/p01.dat 16").encode(), "invalid syntax in signal line"),
        (GOOD.replace("p01.dat 16", "http://127.0.0.1/p01.dat 16").encode(), "invalid syntax in signal line"),
        (GOOD.replace("p01.dat 16", "p01.hea:x 16").encode(), "cannot read it"),
        (GOOD.replace("p01.dat 16", "- 16").encode(), "not the plain name"),
        (GOOD.replace("p01.dat 16", "gone.dat 16").encode(), "not beside it"),
        (GOOD.replace(" 16 200", " 516 200").encode(), "format 516"),
        (GOOD.replace(" 16 200", " 61 200").encode(), "format 61"),
        (GOOD.replace(" 16 200", " 99 200").encode(), "format 99"),
        (GOOD.replace(" 16 200", " 16x99999999 200").encode(), "samples per frame"),
        (GOOD.replace(" 16 200", " 16+99999999 200").encode(), "not within it"),
        (GOOD.replace(" II\n", " I\n").encode(), "two of its channels are named 'I'"),
        (GOOD.replace(" II\n", " I\x1b[2J\n").encode(), "named"),
        (GOOD.encode() + b"x" * 5000, "larger than"),
        (b"p01 2 250 2000\n" + "p01.dat é 💣\n".encode() * 2, "header"),
    ],
)
def test_a_header_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, header: bytes, words: str) -> None:
    path, _ = write_record(tmp_path / "in")
    path.write_bytes(header)
    assert words in refused(study, path)


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\xff" * 999, bytes(range(256)) * 4, b"\x00\xec" * 500])
def test_an_annotation_file_of_junk_is_refused_or_told_and_never_crashes(
    study: Study, tmp_path: Path, junk: bytes
) -> None:
    path, _ = write_record(tmp_path / "in")
    path.with_suffix(".atr").write_bytes(junk)
    report = import_paths(study, [path], options=said())
    assert len(report.imported) + len(report.refused) == 1
    assert all("annotation file .atr" in refusal.sentence for refusal in report.refused)


def test_without_the_library_the_sentence_says_how_to_get_it(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = write_record(tmp_path / "in")
    monkeypatch.setitem(sys.modules, "wfdb", None)
    assert "pip install 'trilead[formats]'" in refused(study, path)


def test_a_cut_signal_file_is_refused(study: Study, tmp_path: Path) -> None:
    path, _ = write_record(tmp_path / "in")
    data = path.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:-100])
    assert "says 2000 samples of each signal, its signal files hold 1975" in refused(study, path)


@pytest.mark.real_data
def test_mit_bih_100_is_kept_to_the_count_and_the_beat(study: Study, wfdb_data: Path) -> None:
    recording, _ = take_one(study, wfdb_data / "100.hea")
    expected = wfdb.rdrecord(str(wfdb_data / "100"), physical=False).d_signal
    beats = wfdb.rdann(str(wfdb_data / "100"), "atr")
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts(), expected)
        assert (opened.rate_hz, opened.leads) == (360.0, ("V5", "MLII"))
    known = {(int(s), v) for s, v in zip(beats.sample, beats.symbol, strict=True) if v != "+"}
    assert {(beat.start, beat.value) for beat in layer(study, recording, "imported-atr", "beat")} == known
    assert len(known) == 2273
