"""EDF+ files, read back by edfio and by pyedflib."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import edfio
import numpy as np
import pytest
from export_study import (
    HOSTILE,
    NAME,
    Make,
    label_rows,
    labelled_study,
    signal_of,
    with_header,
    with_samples,
    write_into,
)

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import ExportError
from curate.exporters import export_recordings
from curate.exporters.edf_header import choose_record, physical_range
from curate.importers import import_paths
from curate.importers.options import make_options


def exported(study: Study, tmp_path: Path, **options: object) -> tuple[edfio.Edf, dict]:
    out = tmp_path / "out"
    export_recordings(study, out, format="edf", **options)  # type: ignore[arg-type]
    return edfio.read_edf(out / f"{NAME}.edf"), json.loads((out / f"{NAME}.json").read_text("utf-8"))


def test_samples_come_back_to_half_a_step_with_unit_rate_label_and_start(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    edf, sidecar = exported(labelled_study(study, make_content), tmp_path)
    true = signal_of(study)
    assert edf.labels == ("ECG I", "ECG II", "ECG III")
    assert edf.startdate.isoformat() == "2026-01-02"
    assert edf.starttime.isoformat() == "03:04:05"
    assert edf.patient.code == "S01"
    lost = np.isnan(true[:, 0])
    for place, signal in enumerate(edf.signals):
        step = sidecar["signals"][place]["step"]
        assert signal.sampling_frequency == 250
        assert signal.physical_dimension == "mV"
        assert signal.data.size == 1000
        assert (signal.digital[lost] == -32768).all()
        assert (signal.digital[~lost] > -32768).all()
        assert np.abs(signal.data - true[:, place])[~lost].max() <= 0.5001 * step
        assert step <= 1.001 * np.ptp(true[~lost, place]) / 65534


def test_labels_gaps_and_events_come_back_at_their_very_samples(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    edf, _ = exported(labelled_study(study, make_content), tmp_path)
    rows, others = [], []
    pieces: dict[tuple, dict[int, str]] = defaultdict(dict)
    for note in edf.annotations:
        found = re.fullmatch(
            r'([\w ]+?)(?: (".*"))?(?: by ([\w-]+))?(?:, digital -32768)?(?: \((\d+)/(\d+)\))?', note.text, re.DOTALL
        )
        assert found, note.text
        start, length = note.onset * 250, (note.duration or 0) * 250
        assert abs(start - round(start)) < 1e-6
        key = (found[3] or "", found[1], round(start), round(start) + round(length))
        pieces[key][int(found[4] or 1)] = json.loads(found[2]) if found[2] else ""
    for (layer, kind, start, stop), parts in pieces.items():
        value = "".join(text for _, text in sorted(parts.items()))  # edfio sorts annotations by their text
        (rows if layer and layer != "protocol" else others).append((layer, kind, value, start, stop))
    assert sorted(rows) == label_rows(study)
    assert ("", "gap", "lost", 300, 320) in others
    assert ("protocol", "activity", "rest", 0, 1000) in others
    assert ("", "event", f"note: {HOSTILE}", 700, 700) in others


def test_pyedflib_reads_the_same(study: Study, make_content: Make, tmp_path: Path) -> None:
    pyedflib = pytest.importorskip("pyedflib")
    edf, _ = exported(labelled_study(study, make_content), tmp_path)
    with pyedflib.EdfReader(str(tmp_path / "out" / f"{NAME}.edf")) as reader:
        assert reader.getSignalLabels() == ["ECG I", "ECG II", "ECG III"]
        assert reader.getSampleFrequency(0) == 250
        for place in range(3):
            np.testing.assert_array_equal(reader.readSignal(place, digital=True), edf.signals[place].digital)
        assert len(reader.readAnnotations()[0]) == len(edf.annotations)


def test_what_fills_the_last_record_is_marked(study: Study, make_content: Make, tmp_path: Path) -> None:
    content = make_content(n_samples=1009)  # a prime
    write_into(study, content)
    edf, sidecar = exported(study, tmp_path)
    n_stored = edf.signals[0].data.size
    assert n_stored > 1009
    assert sidecar["n_samples"] == 1009
    assert (edf.signals[0].digital[1009:] == -32768).all()
    padding = next(note for note in edf.annotations if note.text == "padding, digital -32768")
    assert round(padding.onset * 250) == 1009
    assert round((padding.onset + padding.duration) * 250) == n_stored


@pytest.mark.parametrize("rate_hz", [0.1, 1.0, 125.0, 130.0, 250.0, 497.31, 500.0, 1000 / 3, 249.987654, 16000.0, 1e6])
def test_the_header_gives_the_rate_as_exactly_as_eight_characters_can(rate_hz: float) -> None:
    record = choose_record(rate_hz, 3, 100_003)
    assert len(f"{record.duration:f}") <= 8
    assert abs(float(record.rate) / rate_hz - 1) < 1e-7
    if rate_hz in (0.1, 1.0, 125.0, 130.0, 250.0, 500.0, 16000.0):
        assert float(record.rate) == rate_hz


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-1.0, 1.0),
        (0.0, 0.0),
        (-3.0, -3.0),
        (299.99, 300.01),
        (-187500.0, 187500.0),
        (-1e-5, 1e-5),
        (-9e6, 9e7),
        (0, 1),
    ],
)
def test_the_physical_range_holds_all_values_above_the_mark_for_missing_ones(low: float, high: float) -> None:
    found = physical_range(low, high)
    assert found is not None
    bottom, top = map(float, found)
    step = (top - bottom) / 65535
    assert max(map(len, found)) <= 8
    assert round((low - bottom) / step) >= 1
    assert high <= top


def test_values_too_large_for_eight_characters_are_refused(study: Study, make_content: Make, tmp_path: Path) -> None:
    write_into(study, with_samples(make_content(), make_content().counts, gains=(1e6, 1e6)))
    with pytest.raises(ExportError, match="8 characters"):
        exported(study, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_flat_lead_and_odd_names_survive(study: Study, make_content: Make, tmp_path: Path) -> None:
    content = with_header(
        make_content(), montage={"心電 I": {"one": 1.0}, "a lead of many characters": {"two": 2.0}}, operator="Ä b"
    )
    write_into(study, with_samples(content, np.zeros((1000, 2), dtype=np.int32)))
    edf, sidecar = exported(study, tmp_path)
    assert edf.labels == ("signal 1", "signal 2")
    names = [signal["name"] for signal in sidecar["signals"]]
    texts = [note.text for note in edf.annotations if note.text.startswith("signal")]
    assert texts == [f'signal {place} "{name} [mV]"' for place, name in enumerate(names, start=1)]
    np.testing.assert_allclose(edf.signals[0].data[:300], signal_of(study, leads=(names[0],))[:300, 0], atol=1e-6)


def test_ten_thousand_beats_come_back(study: Study, make_content: Make, tmp_path: Path) -> None:
    from acquire.recordings.recording import open_recording
    from curate.labels.layer import Layer, new_label

    path = write_into(study, with_header(make_content(n_samples=100_000), fitted_rate_hz=249.987654))
    with open_recording(path) as recording:
        layer = Layer.create(study.labels_dir(NAME) / "beats.jsonl", recording.header.recording_id, "beats")
    places = np.sort(np.random.default_rng(3).choice(100_000, 10_000, replace=False))
    layer.add_many([new_label(int(at), int(at) + 1, kind="beat", annotator="beats") for at in places])
    edf, sidecar = exported(study, tmp_path, fitted_rate=True)
    read = [round(note.onset * sidecar["rate_hz"]) for note in edf.annotations if note.text == "beat by beats"]
    np.testing.assert_array_equal(read, places)
    assert abs(sidecar["rate_hz"] / 249.987654 - 1) < 1e-8


def test_the_same_recording_gives_the_same_bytes(study: Study, make_content: Make, tmp_path: Path) -> None:
    labelled_study(study, make_content)
    for out in ("a", "b"):
        export_recordings(study, tmp_path / out, format="edf")
    for file in (f"{NAME}.edf", f"{NAME}.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        assert str(tmp_path).encode() not in (tmp_path / "a" / file).read_bytes()


def test_a_lead_that_is_called_ecg_is_not_called_so_twice(study: Study, make_content: Make, tmp_path: Path) -> None:
    write_into(study, with_header(make_content(), montage={"ECG": {"one": 1.0}, "V2": {"two": 1.0}}))
    edf, _ = exported(study, tmp_path)
    assert edf.labels == ("ECG V2", "ECG")


def test_trilead_takes_its_own_file_back_with_its_gaps_and_without_what_only_filled_it(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    content = make_content()
    path = write_into(study, content)
    out = tmp_path / "out"
    export_recordings(study, out, format="edf")
    other = Study.create(tmp_path / "other", mains_hz=50)
    options = make_options(subject="S09", session="01")
    assert not import_paths(other, [out / f"{NAME}.edf"], options=options).refused
    with open_recording(path) as before, open_recording(other.recording_path("S09", "01", 1)) as after:
        assert after.n_samples == before.n_samples
        assert [(g.start, g.length, g.cause) for g in after.gaps] == [(g.start, g.length, g.cause) for g in before.gaps]
        np.testing.assert_array_equal(after.valid, before.valid)
