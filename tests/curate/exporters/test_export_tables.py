"""CSV and BIDS, read back by pandas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from export_study import HOSTILE, NAME, Make, label_rows, labelled_study, signal_of, with_header, write_into

from acquire.study import Study
from curate.exporters import export_recordings
from curate.exporters.bids import tsv_text

BIDS_NAME = "sub-S01_ses-01_task-own_run-01"


def exported(study: Study, tmp_path: Path, format: str, **options: object) -> Path:
    out = tmp_path / "out"
    export_recordings(study, out, format=format, **options)  # type: ignore[arg-type]
    return out


def test_csv_gives_every_sample_to_the_last_bit_with_time_and_validity(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    out = exported(labelled_study(study, make_content), tmp_path, "csv")
    table = pd.read_csv(out / f"{NAME}.csv", float_precision="round_trip")
    assert list(table) == ["sample", "time_s", "valid", "I [mV]", "II [mV]", "III [mV]"]
    np.testing.assert_array_equal(table.iloc[:, 3:].to_numpy(), signal_of(study))
    np.testing.assert_array_equal(table["sample"], np.arange(1000))
    np.testing.assert_allclose(table["time_s"], np.arange(1000) / 250, atol=1e-9)
    np.testing.assert_array_equal(np.flatnonzero(table["valid"] == 0), np.arange(300, 320))


def test_csv_labels_events_and_gaps_come_back_whatever_their_texts(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    out = exported(labelled_study(study, make_content), tmp_path, "csv")
    labels = pd.read_csv(out / f"{NAME}_labels.csv", keep_default_na=False, dtype={"value": str})
    rows = [tuple(row) for row in labels[["layer", "kind", "value", "start", "stop"]].itertuples(index=False)]
    assert sorted(row for row in rows if row[0] != "protocol") == label_rows(study)
    assert ("protocol", "activity", "rest", 0, 1000) in rows
    np.testing.assert_allclose(labels["stop_s"], labels["stop"] / 250)
    events = pd.read_csv(out / f"{NAME}_events.csv", keep_default_na=False)
    assert HOSTILE in events["text"].tolist()
    assert events["sample"].tolist() == [0, 0, 700, 1000]
    gaps = pd.read_csv(out / f"{NAME}_gaps.csv")
    assert gaps.to_numpy().tolist() == [[300, 320, "lost"]]


def test_csv_tells_in_json_what_is_true_of_the_whole(study: Study, make_content: Make, tmp_path: Path) -> None:
    write_into(study, make_content())
    out = exported(study, tmp_path, "csv", channels=True, fitted_rate=True)
    told = json.loads((out / f"{NAME}.json").read_text("utf-8"))
    assert told["rate_hz"] == 249.5
    assert told["nominal_rate_hz"] == 250
    assert told["columns"]["two [mV]"] == {"name": "two", "unit": "mV", "lead": False}
    table = pd.read_csv(out / f"{NAME}.csv")
    assert table["time_s"].iloc[-1] == pytest.approx(999 / 249.5)


def test_bids_gives_every_sample_to_the_last_bit_and_na_in_gaps(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    out = exported(labelled_study(study, make_content), tmp_path, "bids")
    stem = out / "sub-S01" / "ses-01" / "beh" / BIDS_NAME
    sidecar = json.loads(Path(f"{stem}_physio.json").read_text("utf-8"))
    table = pd.read_csv(
        f"{stem}_physio.tsv.gz", sep="\t", header=None, names=sidecar["Columns"], float_precision="round_trip"
    )
    assert sidecar["Columns"] == ["I", "II", "III", "sample"]
    assert sidecar["SamplingFrequency"] == 250
    assert sidecar["SamplingFrequencyEffective"] == 249.5
    assert sidecar["StartTime"] == 0
    assert sidecar["II"]["Units"] == "mV"
    np.testing.assert_array_equal(table[["I", "II", "III"]].to_numpy(), signal_of(study))
    np.testing.assert_array_equal(table["sample"], np.arange(1000))


def test_bids_events_come_back_at_their_very_samples(study: Study, make_content: Make, tmp_path: Path) -> None:
    out = exported(labelled_study(study, make_content), tmp_path, "bids")
    stem = out / "sub-S01" / "ses-01" / "beh" / BIDS_NAME
    sidecar = json.loads(Path(f"{stem}_physioevents.json").read_text("utf-8"))
    assert sidecar["OnsetSource"] == "sample"
    assert sidecar["Columns"][:2] == ["onset", "duration"]
    table = pd.read_csv(
        f"{stem}_physioevents.tsv.gz", sep="\t", header=None, names=sidecar["Columns"], keep_default_na=False
    )
    rows = [
        (
            "" if row.layer == "n/a" else row.layer,
            row.trial_type,
            "" if row.message == "n/a" else json.loads(f'"{row.message}"'),
            row.onset,
            row.stop,
        )
        for row in table.itertuples()
    ]
    assert sorted(row for row in rows if row[0] not in ("", "protocol")) == label_rows(study)
    assert ("", "gap", "lost", 300, 320) in rows
    assert ("", "event", f"note: {HOSTILE}", 700, 700) in rows
    np.testing.assert_allclose(table["duration"], (table["stop"] - table["onset"]) / 250)
    assert set(table["trial_type"]) <= set(sidecar["trial_type"]["Levels"])


def test_bids_describes_the_whole_data_set(study: Study, make_content: Make, tmp_path: Path) -> None:
    study.add_subject("S01", age_band="30\t39", sex="f", note="not for the world")
    for subject, session, run in (("S01", "01", 1), ("S01", "01", 2), ("S02", "02", 1)):
        write_into(study, make_content(subject=subject, session=session, run=run, seed=run))
    out = exported(study, tmp_path, "bids")
    description = json.loads((out / "dataset_description.json").read_text("utf-8"))
    assert description["Name"] == "study"
    assert description["DatasetType"] == "raw"
    people = pd.read_csv(out / "participants.tsv", sep="\t", keep_default_na=False)
    assert people.to_numpy().tolist() == [["sub-S01", "30\\t39", "F"], ["sub-S02", "n/a", "n/a"]]
    scans = pd.read_csv(out / "sub-S01" / "ses-01" / "sub-S01_ses-01_scans.tsv", sep="\t")
    assert scans["electrode"].tolist() == ["agcl", "agcl"]
    for filename in scans["filename"]:
        assert (out / "sub-S01" / "ses-01" / filename).is_file()
    for file in out.rglob("*.*"):
        if file.is_file():
            assert b"not for the world" not in file.read_bytes()
            assert str(tmp_path).encode() not in file.read_bytes()


def test_a_lead_named_like_a_field_of_the_sidecar_does_not_take_its_place(
    study: Study, make_content: Make, tmp_path: Path
) -> None:
    names = {"SamplingFrequency": {"one": 1.0}, "sample": {"two": 1.0}, '"quoted", 心': {"one": 2.0}}
    write_into(study, with_header(make_content(), montage=names))
    out = exported(study, tmp_path, "bids")
    sidecar = json.loads(next(out.rglob("*_physio.json")).read_text("utf-8"))
    assert sidecar["SamplingFrequency"] == 250
    assert len(set(sidecar["Columns"])) == 4
    assert {sidecar[column].get("LongName") for column in sidecar["Columns"][:-1]} == set(names)


def test_saying_na_and_saying_nothing_stay_apart() -> None:
    assert tsv_text([("n/a", "", "x")]) == "\\u006e/a\tn/a\tx\n"


@pytest.mark.parametrize("format", ["csv", "bids"])
def test_the_same_study_gives_the_same_bytes(format: str, study: Study, make_content: Make, tmp_path: Path) -> None:
    labelled_study(study, make_content)
    first = exported(study, tmp_path / "a", format)
    second = exported(study, tmp_path / "b", format)
    files = sorted(file.relative_to(first) for file in first.rglob("*") if file.is_file())
    assert files
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes()
