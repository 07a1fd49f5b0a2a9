from __future__ import annotations

import datetime
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import ecg_uv, layer, physical, refused, take_one

from acquire.recordings.recording import open_recording
from acquire.study import Study

edfio = pytest.importorskip("edfio")

RANGES = {"physical_range": (-3.0, 3.0), "digital_range": (-32768, 32767)}


def write_edfio(path: Path, kind: str = "Edf", **more: Any) -> Any:
    """A file written by edfio: two leads in µV and a slower breath."""
    signal = getattr(edfio, f"{kind}Signal")
    ecg = ecg_uv(5000) / 2
    given: dict[str, Any] = {
        "patient": edfio.Patient(name="Doe_Jane", code="MCH-0234567", birthdate=datetime.date(1951, 5, 2)),
        "recording": edfio.Recording(startdate=datetime.date(2019, 3, 4)),
        "starttime": datetime.time(5, 6, 7),
        **more,
    }
    file = getattr(edfio, kind)(
        [
            signal(ecg[:, 0], 250, label="ECG I", physical_dimension="uV", prefiltering="HP:0.05Hz"),
            signal(ecg[:, 1], 250, label="ECG II", physical_dimension="uV"),
            signal(ecg[::10, 0], 25, label="Resp", physical_dimension="mV"),
        ],
        **given,
    )
    file.write(path)
    return file


@pytest.mark.parametrize(("kind", "dtype"), [("Edf", "int16"), ("Bdf", "int32")])
def test_counts_units_rate_and_names_are_those_that_edfio_reads(
    study: Study, tmp_path: Path, kind: str, dtype: str
) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    write_edfio(path, kind)
    back = getattr(edfio, f"read_{kind.lower()}")(path)
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        assert str(opened.counts().dtype) == dtype
        for column, signal in enumerate(back.signals[:2]):
            np.testing.assert_array_equal(opened.counts()[:, column], signal.digital)
        assert [(channel.name, channel.unit) for channel in opened.channels] == [("ECG I", "mV"), ("ECG II", "mV")]
        assert (opened.rate_hz, opened.measured_leads) == (250.0, ("I", "II", "III"))
        assert opened.header.started_at == "2019-03-04T05:06:07.000000Z"
    in_mv = np.stack([signal.data for signal in back.signals[:2]], axis=1) / 1000
    np.testing.assert_allclose(physical(recording), in_mv, rtol=0, atol=1e-9)
    assert "Resp (25 Hz) could not be kept" in notes
    assert "filtered before it was stored: HP:0.05Hz" in notes


def test_nothing_of_the_patient_is_taken_over(study: Study, tmp_path: Path) -> None:
    write_edfio(tmp_path / "a.edf")
    recording, notes = take_one(study, tmp_path / "a.edf")
    assert b"Doe" not in recording.read_bytes()
    assert b"0234567" not in recording.read_bytes()
    assert "patient, hospital and equipment was not kept" in notes


@pytest.mark.parametrize("kind", ["Edf", "Bdf"])
def test_annotations_become_labels_and_activities_where_they_name_one(study: Study, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    write_edfio(
        path,
        kind,
        annotations=[
            edfio.EdfAnnotation(1.0, 4.0, "Walk"),
            edfio.EdfAnnotation(2.0, None, "electrode loose é"),
            edfio.EdfAnnotation(8.0, 2.0, "cough"),
            edfio.EdfAnnotation(900.0, None, "late"),
        ],
    )
    recording, notes = take_one(study, path, activity="walk")
    assert [(x.start, x.stop, x.kind, x.value) for x in layer(study, recording)] == [
        (250, 1250, "activity", "walk"),
        (500, 501, "note", "electrode loose é"),
        (2000, 2500, "note", "cough"),
    ]
    assert "1 annotation outside the samples" in notes


def plain(
    *,
    n_signals: str = "1",
    size: str = "512",
    n_records: str = "4",
    duration: str = "1",
    per_record: str = "100",
    low: str = "-32768",
    high: str = "32767",
    physical_low: str = "-3276.8",
    physical_high: str = "3276.7",
    label: str = "ECG",
    kind: str = "",
    data: bytes = np.arange(400, dtype="<i2").tobytes(),
    magic: bytes = b"0       ",
) -> bytes:
    """An EDF file by the specification, byte for byte."""

    def field(text: str, width: int) -> bytes:
        return text.encode("latin-1").ljust(width)[:width]

    fixed = magic + field("X X X X", 80) + field("Startdate X X X X", 80) + b"02.03.19" + b"04.05.06"
    fixed += field(size, 8) + field(kind, 44) + field(n_records, 8) + field(duration, 8) + field(n_signals, 4)
    signal = field(label, 16) + field("", 80) + field("uV", 8) + field(physical_low, 8) + field(physical_high, 8)
    signal += field(low, 8) + field(high, 8) + field("", 80) + field(per_record, 8) + field("", 32)
    return fixed + signal + data


def test_a_file_by_the_specification_is_read(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes(plain())
    recording, _ = take_one(study, tmp_path / "a.edf")
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts()[:, 0], np.arange(400))
        assert (opened.rate_hz, opened.leads, opened.header.started_at) == (
            100.0,
            ("ECG",),
            "2019-03-02T04:05:06.000000Z",
        )
    np.testing.assert_allclose(physical(recording)[:, 0], np.arange(400) / 1e4, atol=1e-9)


def test_a_discontinuous_file_has_gaps_where_its_records_say(study: Study, tmp_path: Path) -> None:
    ecg = np.arange(400, dtype="<i2").reshape(4, 100)
    onsets = ["+0.5", "+1.5", "+4.25", "+5.25"]
    records = b""
    for samples, onset in zip(ecg, onsets, strict=True):
        texts = f"{onset}\x14\x14\0" + ("+4.5\x14here\x14\0" if onset == "+4.25" else "")
        records += samples.tobytes() + texts.encode().ljust(60, b"\0")
    one = plain(kind="EDF+D", n_signals="2", size="768", data=b"")
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    other = ["EDF Annotations", "", "", "-1", "1", "-32768", "32767", "", "30", ""]
    fields, at = b"", 256
    for width, text in zip(widths, other, strict=True):
        fields += one[at : at + width] + text.encode().ljust(width)
        at += width
    path = tmp_path / "d.edf"
    path.write_bytes(one[:256] + fields + records)
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(200, 175)]
        np.testing.assert_array_equal(opened.counts(375)[:, 0], np.arange(200, 400))
        assert opened.header.started_at == "2019-03-02T04:05:06.500000Z"
    assert [(x.start, x.value) for x in layer(study, recording, kind="note")] == [(400, "here")]
    assert "1 gap with 175 missing samples" in notes


def test_a_file_cut_in_its_last_record_keeps_the_whole_ones(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes(plain()[:-30])
    recording, notes = take_one(study, tmp_path / "a.edf")
    with open_recording(recording) as opened:
        assert opened.n_samples == 300
    assert "says 4 data records, it holds 3" in notes


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (plain()[:100], "ends within its first 256 bytes"),
        (plain()[:400], "ends within its header"),
        (plain(data=b""), "0 whole data records"),
        (plain(n_records="0"), "0 whole data records"),
        (plain(n_signals="0"), "number of signals"),
        (plain(n_signals="-1"), "number of signals"),
        (plain(n_signals="9999"), "number of signals"),
        (plain(n_signals="2"), "do not fit"),
        (plain(size="99999999"), "size of the header"),
        (plain(n_records="-7"), "number of data records"),
        (plain(n_records="nan"), "number of data records"),
        (plain(duration="0"), "said to last 0 s"),
        (plain(duration="-1"), "said to last -1 s"),
        (plain(duration="nan"), "not a number"),
        (plain(duration="1e-99"), "cannot become a recording"),
        (plain(per_record="0"), "samples per record"),
        (plain(per_record="99999999"), "samples per record"),
        (plain(per_record="4000000", n_records="99999999"), "0 whole data records"),
        (plain(low="32767", high="-32768"), "has a range"),
        (plain(low="-99999"), "digital minimum"),
        (plain(physical_low="5", physical_high="5"), "has a range"),
        (plain(physical_high="inf"), "not a number"),
        (plain(label=""), "is named ''"),
        (plain(label="\x1b[2J"), "is named"),
        (plain(kind="EDF+D"), "no annotations that tell"),
        (plain(label="EDF Annotations"), "annotations alone"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.edf").write_bytes(data)
    assert words in refused(study, tmp_path / "a.edf")


def test_two_signals_of_one_name_are_refused(study: Study, tmp_path: Path) -> None:
    signal = edfio.EdfSignal(np.arange(100.0), 100, label="ECG")
    edfio.Edf([signal, signal]).write(tmp_path / "a.edf")
    assert "two of its channels are named 'ECG'" in refused(study, tmp_path / "a.edf")


def test_bytes_of_24_bits_keep_their_sign(study: Study, tmp_path: Path) -> None:
    counts = np.array([-(2**23), -1, 0, 1, 2**23 - 1] * 80)
    data = b"".join(struct.pack("<i", value)[:3] for value in counts)
    (tmp_path / "a.bdf").write_bytes(
        plain(magic=b"\xffBIOSEMI", low=str(-(2**23)), high=str(2**23 - 1), data=data, kind="24BIT")
    )
    recording, _ = take_one(study, tmp_path / "a.bdf")
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts()[:, 0], counts)


@pytest.mark.parametrize("said", [True, False])
def test_rows_that_an_annotation_says_are_missing_are_a_gap_only_where_they_hold_that_number(
    study: Study, tmp_path: Path, said: bool
) -> None:
    ecg = np.random.default_rng(3).integers(-2000, 2000, (1000, 2)).astype(np.int16)
    ecg[300:320] = -32768
    ecg[990:] = -32768
    shift = 0.0 if said else 0.04
    signals = [
        edfio.EdfSignal.from_digital(ecg[:, place].copy(), 250, label=f"ECG {lead}", physical_dimension="mV", **RANGES)
        for place, lead in enumerate(("I", "II"))
    ]
    notes = [
        edfio.EdfAnnotation(1.2 + shift, 0.08, 'gap "radio \\"off\\"", digital -32768'),
        edfio.EdfAnnotation(3.96 - shift, 0.04, "padding, digital -32768"),
    ]
    edfio.Edf(signals, annotations=notes).write(tmp_path / "a.edf")
    path, told = take_one(study, tmp_path / "a.edf")
    with open_recording(path) as opened:
        gaps = [(gap.start, gap.length, gap.cause) for gap in opened.gaps]
        assert gaps == ([(300, 20, 'radio "off"')] if said else [])
        assert opened.n_samples == (990 if said else 1000)
        np.testing.assert_array_equal(opened.counts()[320:990], ecg[320:990])
    assert ("were found in its annotations" in told or "was found in its annotations" in told) is said
