"""WFDB records, read back by the wfdb package."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import wfdb
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
from curate.exporters import export_recordings
from curate.exporters.statements import Statement
from curate.exporters.wfdb_record import annotation_bytes

# The wfdb package opens its files through a file system layer that warns of what it leaves open.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def exported(study: Study, tmp_path: Path, **options: object) -> tuple[wfdb.Record, wfdb.Annotation]:
    out = tmp_path / "out"
    export_recordings(study, out, format="wfdb", **options)  # type: ignore[arg-type]
    return wfdb.rdrecord(str(out / NAME)), wfdb.rdann(str(out / NAME), "atr")


def test_leads_come_back_with_unit_rate_start_and_every_sample(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    record, _ = exported(labelled_study(study, make_content), tmp_path)
    assert record.fs == 250
    assert record.sig_name == ["I", "II", "III"]
    assert record.units == ["mV"] * 3
    assert record.base_datetime.isoformat() == "2026-01-02T03:04:05.678000"
    np.testing.assert_allclose(record.p_signal, signal_of(study), rtol=1e-12)
    assert np.isnan(record.p_signal[300:320]).all()
    assert np.isfinite(np.delete(record.p_signal, slice(300, 320), axis=0)).all()


def test_channels_come_back_as_the_very_numbers_of_the_board(study: Study, make_content: Make, tmp_path: Path) -> None:
    content = make_content()
    write_into(study, content)
    out = tmp_path / "out"
    export_recordings(study, out, format="wfdb", channels=True)
    record = wfdb.rdrecord(str(out / NAME), physical=False)
    kept = np.delete(np.arange(1000), slice(300, 320))
    np.testing.assert_array_equal(record.d_signal[kept], content.counts[kept])
    assert record.adc_gain == [2.0, 4.0]
    assert record.baseline == [0, 10]


@pytest.mark.parametrize(("limit", "fmt"), [(2**15 - 1, "16"), (2**15, "24"), (2**23 - 1, "24"), (2**23, "32")])
def test_the_narrowest_format_that_holds_all_samples_is_taken(
    limit: int, fmt: str, study: Study, make_content: Make, tmp_path: Path
) -> None:
    content = make_content()
    counts = np.random.default_rng(1).integers(-100, 100, size=(1000, 2)).astype(np.int32)
    counts[0, 0], counts[1, 1] = limit, -limit
    write_into(study, with_samples(content, counts))
    record, _ = exported(study, tmp_path, channels=True)
    assert record.fmt == [fmt, fmt]
    np.testing.assert_allclose(record.p_signal[[0, 1]], (counts[[0, 1]] - [0, 10]) * [0.5, 0.25], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_that_are_floats_come_back_to_the_step_that_the_header_says(
    dtype: type, study: Study, make_content: Make, tmp_path: Path
) -> None:
    counts = np.random.default_rng(2).normal(300, 1, size=(1000, 2)).astype(dtype)
    write_into(study, with_samples(make_content(), counts, gains=(1.0, 1 / 3)))
    record, _ = exported(study, tmp_path)
    steps = [float(re.search(r"steps of (\S+)", line)[1]) for line in record.comments if "rounded" in line]
    assert len(steps) == 3
    assert max(steps) <= 1e-6
    error = np.abs(record.p_signal - signal_of(study))
    assert (np.nanmax(error, axis=0) <= np.array(steps) * 0.501).all()


def test_augmented_leads_stay_exact(study: Study, make_content: Make, tmp_path: Path) -> None:
    write_into(study, make_content())
    record, _ = exported(study, tmp_path, leads=["aVR", "II"])
    assert not any("rounded" in line for line in record.comments)
    np.testing.assert_allclose(record.p_signal, signal_of(study, leads=("aVR", "II")), rtol=1e-12)


def test_labels_gaps_and_events_come_back_at_their_very_samples(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    record, notes = exported(labelled_study(study, make_content), tmp_path)
    layers = {
        int(found[1]): found[2]
        for line in record.comments
        if (found := re.fullmatch(r"annotations with num (\d+): layer (\S+)", line))
    }
    rows, events, values = [], [], defaultdict(str)
    for sample, symbol, num, text in zip(notes.sample, notes.symbol, notes.num, notes.aux_note, strict=True):
        layer = layers.get(int(num), "")
        if not text:
            rows.append((layer, "beat", "" if symbol == "N" else symbol, int(sample), int(sample) + 1))
            continue
        kind, value, stop, last = parsed(text, int(sample))
        values[kind, int(sample), layer] += value
        if last:
            whole = values.pop((kind, int(sample), layer))
            (events if kind in ("event", "gap") else rows).append((layer, kind, whole, int(sample), stop))
    protocol = [row for row in rows if row[0] == "protocol"]
    assert protocol == [("protocol", "activity", "rest", 0, 1000)]
    assert sorted(row for row in rows if row[0] != "protocol") == label_rows(study)
    assert ("", "gap", "lost", 300, 320) in events
    assert ("", "event", f"note: {HOSTILE}", 700, 700) in events
    assert ("", "event", "end", 1000, 1000) in events
    assert max(len(text) for text in notes.aux_note) <= 240


def parsed(text: str, sample: int) -> tuple[str, str, int, bool]:
    found = re.fullmatch(
        r'(\w+)(?: (".*"))?(?: by [\w-]+)?(?:, (\d+) samples)?(?: \((\d+)/(\d+)\))?', text, flags=re.DOTALL
    )
    assert found, text
    value = json.loads(found[2]) if found[2] else ""
    return found[1], value, sample + int(found[3] or 0), found[4] == found[5]


def test_labels_far_apart_and_many_layers_are_placed_right(tmp_path: Path) -> None:
    layers = [f"layer{place:03}" for place in range(200)]
    places = [0, 1023, 1024, 2048, 2**31 + 5, 2**33, 2**33 + 1]
    statements = [
        Statement(start=place, stop=place + 1, kind="beat", value="", layer=layers[number * 30])
        for number, place in enumerate(places)
    ]
    (tmp_path / "far.atr").write_bytes(annotation_bytes(statements, layers))
    read = wfdb.rdann(str(tmp_path / "far"), "atr")
    assert read.sample.tolist() == places
    assert read.num.tolist() == [1, 31, 61, 91, 121, 127, 127]


def test_odd_names_and_units_survive_the_header(study: Study, make_content: Make, tmp_path: Path) -> None:
    content = with_header(make_content(), montage={"心 lead #1": {"one": 1.0}, 'q"\\,': {"two": 2.0}})
    write_into(study, content)
    record, _ = exported(study, tmp_path)
    assert [name.encode().decode("unicode_escape") for name in record.sig_name] == ['q"\\,', "心 lead #1"]
    assert record.n_sig == 2


def test_the_rate_is_the_nominal_one_unless_the_fitted_one_is_asked_for(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    write_into(study, make_content())
    nominal, _ = exported(study, tmp_path / "a")
    fitted, _ = exported(study, tmp_path / "b", fitted_rate=True)
    assert nominal.fs == 250
    assert fitted.fs == 249.5
    assert "fitted_rate_hz: 249.5" in nominal.comments
    assert "nominal_rate_hz: 250.0" in fitted.comments


def test_a_record_passes_through_a_beat_detector(study: Study, make_content: Make, tmp_path: Path) -> None:
    from wfdb.processing import XQRS

    at = np.arange(200, 7500, 200)
    wave = np.zeros(7500)
    for peak in at:
        wave += np.exp(-(((np.arange(7500) - peak) / 3) ** 2))
    content = make_content(n_samples=7500)
    write_into(
        study, with_samples(content, np.round(np.stack([wave, wave], 1) * 1000).astype(np.int32), gains=(1e-3,) * 2)
    )
    record, _ = exported(study, tmp_path)
    detector = XQRS(sig=np.nan_to_num(record.p_signal[:, 0]), fs=record.fs)
    detector.detect(verbose=False)
    assert len(detector.qrs_inds) >= at.size - 4


def test_the_same_recording_gives_the_same_bytes(study: Study, make_content: Make, tmp_path: Path) -> None:
    labelled_study(study, make_content)
    for out in ("a", "b"):
        export_recordings(study, tmp_path / out, format="wfdb")
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert files == [f"{NAME}.atr", f"{NAME}.dat", f"{NAME}.hea"]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        assert str(tmp_path).encode() not in (tmp_path / "a" / file).read_bytes()


def test_a_source_is_only_read(study: Study, make_content: Make, tmp_path: Path) -> None:
    path = write_into(study, make_content())
    before = path.read_bytes()
    exported(study, tmp_path)
    assert path.read_bytes() == before
    assert not list(study.labels_dir(NAME).glob("*"))
    with open_recording(path) as recording:
        assert recording.n_samples == 1000
