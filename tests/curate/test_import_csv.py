from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from foreign_files import physical, refused, said

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.errors import CurateError
from curate.importers import ImportOptions, ImportReport, import_paths
from curate.importers.layout import read_layout

CHANNELS = """
[[channel]]
column = "ecg2"
lead = "II"
unit = "uV"
gain = 0.5
offset = 100
[[channel]]
column = 3
lead = "I"
unit = "mV"
"""
TIME = '[time]\ncolumn = "time"\nunit = "ms"\n'


def layout(tmp_path: Path, head: str, body: str = CHANNELS) -> ImportOptions:
    path = tmp_path / "layout.toml"
    path.write_text(head + body)
    return said(layout=path)


def run(study: Study, path: Path, options: ImportOptions) -> tuple[Path, str]:
    report = import_paths(study, [path], format="csv", options=options)
    assert report.refused == []
    return report.imported[0], " ".join(note.sentence for note in report.notes)


def table(n: int = 3000, rate_hz: float = 250.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "time": np.round(np.arange(n) * 1000 / rate_hz, 3),
            "ecg2": rng.integers(-2000, 2000, n),
            "ecg1": np.round(rng.normal(0, 1, n), 6),
        }
    )


@pytest.mark.parametrize(
    ("delimiter", "comma", "name"), [(",", False, "a.csv"), (";", True, "a.csv"), ("\t", False, "a.tsv.gz")]
)
def test_what_pandas_wrote_is_read_equal(study: Study, tmp_path: Path, delimiter: str, comma: bool, name: str) -> None:
    frame = table()
    frame.to_csv(tmp_path / name, sep=delimiter, decimal="," if comma else ".", index=False)
    shown = "\\t" if delimiter == "\t" else delimiter
    head = f'delimiter = "{shown}"\nheader_lines = 1\ndecimal_comma = {str(comma).lower()}\nrate_hz = 250\n'
    recording, _ = run(study, tmp_path / name, layout(tmp_path, head, TIME + CHANNELS))
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts(), frame[["ecg2", "ecg1"]].to_numpy())
        assert [(c.name, c.unit) for c in opened.channels] == [("ecg2", "mV"), ("ecg1", "mV")]
        assert opened.measured_leads == ("I", "II", "III")
        assert abs(opened.rate_hz - 250) < 0.01
        assert opened.gaps == ()
    np.testing.assert_allclose(physical(recording)[:, 0], (frame["ecg2"] - 100) * 0.5e-3)


def test_whole_numbers_stay_integers(study: Study, tmp_path: Path) -> None:
    frame = table()[["ecg2"]]
    frame.to_csv(tmp_path / "a.csv", index=False)
    head = 'delimiter = ","\nheader_lines = 1\nrate_hz = 500\n'
    recording, _ = run(
        study, tmp_path / "a.csv", layout(tmp_path, head, '[[channel]]\ncolumn = 1\nlead = "II"\nunit = "adu"\n')
    )
    with open_recording(recording) as opened:
        assert (opened.counts().dtype, opened.unit, opened.rate_hz) == (np.int32, "adu", 500.0)


def test_the_true_rate_and_a_gap_are_found_in_the_times(study: Study, tmp_path: Path) -> None:
    frame = table(6000, rate_hz=248.7).drop(index=range(2000, 2075))
    frame.to_csv(tmp_path / "a.csv", index=False)
    head = 'delimiter = ","\nheader_lines = 1\nrate_hz = 250\n'
    recording, notes = run(study, tmp_path / "a.csv", layout(tmp_path, head, TIME + CHANNELS))
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(2000, 75)]
        assert abs(opened.rate_hz / 248.7 - 1) < 1e-4
    assert "1 gap with 75 missing samples" in notes


def test_moments_written_out_give_the_start(study: Study, tmp_path: Path) -> None:
    frame = table(1000)
    moments = pd.Timestamp("2024-03-26T14:58:13+01:00") + pd.to_timedelta(frame["time"], unit="ms")
    frame["time"] = [moment.isoformat() for moment in moments]
    frame.to_csv(tmp_path / "a.csv", index=False)
    body = '[time]\ncolumn = 1\nunit = "iso"\n' + CHANNELS
    recording, _ = run(study, tmp_path / "a.csv", layout(tmp_path, 'delimiter = ","\nheader_lines = 1\n', body))
    with open_recording(recording) as opened:
        assert opened.header.started_at == "2024-03-26T13:58:13.000000Z"
        assert abs(opened.rate_hz - 250) < 0.01


def test_cells_that_say_missing_become_a_gap_and_sample_numbers_tell_one_too(study: Study, tmp_path: Path) -> None:
    frame = table(1000).astype(object)
    frame["time"] = np.arange(1000)
    frame.loc[100:109, "ecg1"] = "NaN"
    frame = frame.drop(index=range(500, 520))
    frame.to_csv(tmp_path / "a.csv", index=False)
    head = 'delimiter = ","\nheader_lines = 1\nrate_hz = 250\nmissing = ["NaN"]\n'
    body = TIME.replace("ms", "samples") + CHANNELS
    recording, notes = run(study, tmp_path / "a.csv", layout(tmp_path, head, body))
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(100, 10), (500, 20)]
    assert "10 samples could not be kept" in notes


GOOD = 'delimiter = ","\nheader_lines = 1\nrate_hz = 250\n'
ROWS = "time,ecg2,ecg1\n" + "".join(f"{4 * k},{k},{k}.5\n" for k in range(20))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("time,ecg2,ecg1\n", "no row behind its 1 header line"),
        (ROWS.replace("ecg2", "other", 1), "no column 'ecg2'"),
        (ROWS.replace("time,ecg2", "ecg2,ecg2", 1), "more than one column 'ecg2'"),
        (ROWS + "80,nan,1\n", "line 22: 'nan' in column 2"),
        (ROWS + "80,inf,1\n", "line 22: 'inf' in column 2"),
        (ROWS + "80,1_0,1\n", "line 22: '1_0' in column 2"),
        (ROWS + "80,٣,1\n", "in column 2"),
        (ROWS + "80,,1\n", "line 22: '' in column 2"),
        (ROWS + "80,1\n", "has 2 cells; 3 are needed"),
        (ROWS + "80,1,2,3\n", "has 4 cells"),
        (ROWS + "8,1,2\n", "line 22: its time goes from 76 to 8"),
        (ROWS + "99999999999999999999,1,2\n", "its times span"),
        (ROWS + "8000000,1,2\n", "its times fit no even rate"),
        (ROWS + "".join(f"{4 * k},1,2\n" for k in range(20, 300)) + "8000000,1,2\n", "a gap has at most 3600 s"),
        (ROWS.replace("\n", "\n\n"), "its first row has 1 cells"),
        (ROWS + "1e400,1,2\n", "'1e400' in column 1"),
        (ROWS + "\x07,1,2\n", "in column 1"),
        ("".join(f"{k},{k},{k}\n" for k in range(50)), "no column 'ecg2'"),
        ("time,ecg2,ecg1\n" + "".join(f"{k},{k},{k}\n" for k in range(500)), "says 250 samples per second"),
        ("time,ecg2,ecg1\n0,1,2\n0,1,2\n", "do not advance"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    options = layout(tmp_path, GOOD, TIME + CHANNELS)
    assert words in refused(study, tmp_path / "a.csv", options, format="csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "delimiter is missing; add it"),
        ("delimiter = 'x'", "delimiter is 'x'; it must be ','"),
        ("= 3", "not TOML"),
        (GOOD, r"\[\[channel\]\] is missing; add one for each"),
        (GOOD.replace("250", "-250") + CHANNELS, "rate_hz"),
        (GOOD.replace("250", "nan") + CHANNELS, "rate_hz"),
        (GOOD.replace("rate_hz = 250", "") + CHANNELS, "needs rate_hz"),
        (GOOD.replace("header_lines = 1", "header_lines = 0") + CHANNELS, "no line gives names"),
        (GOOD + "decimal_comma = true\n" + CHANNELS, "delimiter is a comma"),
        (GOOD + CHANNELS.replace("0.5", "0.0"), r"\[\[channel\]\] 1: gain is 0; it must be another number"),
        (GOOD + CHANNELS.replace("0.5", "nan"), r"\[\[channel\]\] 1: gain is nan; it must be a finite number"),
        (GOOD + CHANNELS.replace("= 3", '= "ecg2"'), "the column 'ecg2' stands there twice"),
        (GOOD + CHANNELS.replace('"I"', '"II"'), "the lead 'II' stands there twice"),
        (GOOD + 'encoding = "utf-16"\n' + CHANNELS, "none that keeps ASCII"),
        (GOOD + 'encoding = "zlib"\n' + CHANNELS, "none that keeps ASCII"),
        (GOOD + "surprise = 1\n" + CHANNELS, "there is no key 'surprise'; the keys are delimiter, header_lines"),
        (GOOD + CHANNELS + "surprise = 1\n", r"\[\[channel\]\] 2: there is no key 'surprise'; the keys are column"),
        (GOOD + CHANNELS.replace('unit = "mV"', ""), r"\[\[channel\]\] 2: unit is missing; add it"),
        (GOOD + CHANNELS.replace("= 3", "= 3.5"), r"\[\[channel\]\] 2: column is 3.5; it must be a column's name"),
        (GOOD + "channel = 3\n", "channel is 3; it must be a list"),
        (GOOD + "channel = [3]\n", r"\[\[channel\]\] 1 is 3; it must be a table"),
        (GOOD + "decimal_comma = 1\n" + CHANNELS, "decimal_comma is 1; it must be true or false"),
        (GOOD + "missing = ['', 3]\n" + CHANNELS, "entry 2 of missing is 3; it must be text in quotes"),
        (GOOD + '[time]\ncolumn = 1\nunit = "h"\n' + CHANNELS, r"\[time\]: unit is 'h'; it must be 's', 'ms'"),
    ],
)
def test_a_layout_that_breaks_a_rule_is_told_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "l.toml").write_text(text)
    with pytest.raises(CurateError, match=words) as caught:
        read_layout(tmp_path / "l.toml")
    assert str(caught.value).isprintable()


def test_without_a_layout_the_format_is_refused_with_the_option(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    assert "give --layout" in refused(study, tmp_path / "a.csv", said(), format="csv")


def test_a_packed_file_that_is_cut_is_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(ROWS.encode())[:-20])
    options = layout(tmp_path, GOOD, TIME + CHANNELS)
    report: ImportReport = import_paths(study, [tmp_path / "a.csv.gz"], format="csv", options=options)
    assert "ends before its packed content does" in report.refused[0].sentence


def test_the_channel_of_a_lead_may_be_said_on_the_command_line(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    options = layout(tmp_path, GOOD, TIME + CHANNELS)
    recording, _ = run(study, tmp_path / "a.csv", replace(options, leads={"V1": "ecg1"}))
    with open_recording(recording) as opened:
        assert opened.leads == ("V1",)


def test_other_formats_are_found_without_a_layout_being_asked_for(study: Study, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("words")
    assert import_paths(study, [tmp_path / "in"], options=said()).passed_over == 1
