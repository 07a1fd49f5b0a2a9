from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from foreign_files import ecg_uv, layer, physical, refused, said, take_one
from numpy.typing import NDArray

from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.importers import import_paths

T0 = 1_700_000_000.0

V6 = [
    "Sample Index",
    *(f"EXG Channel {k}" for k in range(8)),
    *(f"Accel Channel {k}" for k in range(3)),
    "Not Used",
    *(f"Digital Channel {k} (D1{k})" for k in range(5)),
    "Not Used",
    *(f"Analog Channel {k}" for k in range(3)),
    "Timestamp",
    "Marker Channel",
    "Timestamp (Formatted)",
]
V5 = [
    *V6[:12],
    *["Other"] * 7,
    *(f"Analog Channel {k}" for k in range(3)),
    "Timestamp",
    "Other",
    "Timestamp (Formatted)",
]


def head(columns: list[str], *, rate: str = "250 Hz", board: str = "BoardCytonSerial", n: str = "8") -> str:
    return (
        f"%OpenBCI Raw EXG Data\n%Number of channels = {n}\n%Sample Rate = {rate}\n"
        f"%Board = OpenBCI_GUI${board}\n{', '.join(columns)}\n"
    )


def rows(
    exg: NDArray[np.float64],
    columns: list[str],
    *,
    true_hz: float = 250.0,
    taken: NDArray[np.bool_] | None = None,
    marks: dict[int, float] | None = None,
    burst: int = 10,
) -> str:
    """Rows as the GUI writes them: samples come in bursts, all of a burst at the moment of its last one."""
    n = len(exg)
    sample = np.arange(n)
    arrival = (sample // burst * burst + burst - 1) / true_hz + np.random.default_rng(3).uniform(
        0, 2e-3, n
    ) // 1e-3 * 1e-3
    table = pd.DataFrame(0.0, index=sample, columns=pd.Index(range(len(columns))), dtype=object)
    for place, name in enumerate(columns):
        if name == "Sample Index":
            table[place] = [f"{k % 256}.0" for k in sample]
        elif name.startswith("EXG"):
            table[place] = [repr(float(v)) for v in exg[:, int(name.split()[-1])]]
        elif name == "Timestamp":
            table[place] = [f"{T0 + t:.6f}" for t in np.maximum.accumulate(arrival)]
        elif name == "Timestamp (Formatted)":
            table[place] = "2023-11-14 22:13:20.000"
    for row, value in (marks or {}).items():
        table.iloc[row, columns.index("Timestamp") + 1] = value
    kept = table if taken is None else table[taken]
    out = io.StringIO()
    for row in kept.itertuples(index=False):
        out.write(", ".join(map(str, row)) + "\n")
    return out.getvalue()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def session(tmp_path: Path, n: int = 6000, columns: list[str] = V6, **more: Any) -> tuple[Path, NDArray[np.float64]]:
    exg = np.round(ecg_uv(n, 8), 6)
    return write(tmp_path / "OpenBCI-RAW-2023-11-14_22-13-20.txt", head(columns) + rows(exg, columns, **more)), exg


@pytest.mark.parametrize("columns", [V5, V6], ids=["v5", "v6"])
def test_every_microvolt_goes_over_exactly(study: Study, tmp_path: Path, columns: list[str]) -> None:
    path, exg = session(tmp_path, columns=columns)
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts()[:, :8], exg)
        assert opened.gaps == ()
        assert opened.leads == tuple(f"CH{k}" for k in range(1, 9))
        assert (opened.unit, opened.header.nominal_rate_hz) == ("mV", 250.0)
        assert opened.header.started_at.startswith("2023-11-14T22:13:20.0")
        assert opened.header.board == "imported: openbci (BoardCytonSerial)"
        assert [channel.unit for channel in opened.channels[8:11]] == ["g", "g", "g"]
    np.testing.assert_allclose(physical(recording)[:, :8], exg / 1000, rtol=1e-12)
    assert layer(study, recording)[0].value == "rest"
    assert "columns beside the signals" in notes


def test_channels_become_leads_as_a_person_says(study: Study, tmp_path: Path) -> None:
    path, exg = session(tmp_path)
    recording, _ = take_one(study, path, leads={"I": "EXG Channel 1", "II": "EXG Channel 0"})
    with open_recording(recording) as opened:
        assert opened.measured_leads == ("I", "II", "III")
        np.testing.assert_allclose(opened.signal(["II"])[:, 0], exg[:, 0] / 1000, rtol=1e-9)


@pytest.mark.parametrize("lost", [1, 3, 255, 256, 257, 512, 1000])
@pytest.mark.parametrize("true_hz", [249.0, 250.9])
def test_lost_samples_are_found_however_many(study: Study, tmp_path: Path, lost: int, true_hz: float) -> None:
    taken = np.ones(6000, dtype=bool)
    taken[2000 : 2000 + lost] = False
    path, exg = session(tmp_path, taken=taken, true_hz=true_hz)
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(2000, lost)]
        np.testing.assert_array_equal(opened.counts(2000 + lost)[:, :8], exg[2000 + lost :])
        assert abs(opened.rate_hz / true_hz - 1) < 5e-4
    assert f"1 gap with {lost} missing samples" in notes


def test_markers_become_events_at_their_samples(study: Study, tmp_path: Path) -> None:
    taken = np.ones(6000, dtype=bool)
    taken[1000:1010] = False
    path, _ = session(tmp_path, taken=taken, marks={500: 7.0, 3000: 2.5})
    recording, _ = take_one(study, path)
    with open_recording(recording) as opened:
        assert [(event.index, event.kind, event.text) for event in opened.events] == [
            (500, "mark", "7"),
            (3000, "mark", "2.5"),
        ]


def test_a_file_that_ends_in_mid_line_loses_that_line_only(study: Study, tmp_path: Path) -> None:
    path, _ = session(tmp_path)
    path.write_text(path.read_text()[:-70])
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        assert opened.n_samples == 5999
    assert "has no line end" in notes


def test_a_session_split_into_files_becomes_runs_in_the_order_of_names(study: Study, tmp_path: Path) -> None:
    for part in (2, 1):
        exg = ecg_uv(300, 8, seed=part)
        write(tmp_path / "in" / f"OpenBCI-RAW-x_{part - 1:06d}.txt", head(V6) + rows(exg, V6))
        write(tmp_path / "in" / f"BrainFlow-RAW_x_{part}.csv", "1\t2\n")
    report = import_paths(study, [tmp_path / "in"], options=said())
    assert ([path.stem[-6:] for path in report.imported], report.refused) == (["run-01", "run-02"], [])
    assert report.passed_over == 0
    with open_recording(report.imported[0]) as opened:
        np.testing.assert_allclose(opened.counts()[:, 0], ecg_uv(300, 8, seed=1)[:, 0])


def test_an_index_that_is_no_counter_leaves_losses_to_the_times(study: Study, tmp_path: Path) -> None:
    path, _ = session(tmp_path, burst=1)
    lines = path.read_text().splitlines()
    changed = [line if line.startswith(("%", "Sample")) else "0.0," + line.split(",", 1)[1] for line in lines]
    del changed[3000:3100]
    path.write_text("\n".join(changed) + "\n")
    recording, notes = take_one(study, path)
    with open_recording(recording) as opened:
        assert [gap.length for gap in opened.gaps] == [100]
    assert "losses are told by its times alone" in notes


ROW = rows(ecg_uv(1, 8), V6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("%OpenBCI Raw EXG Data\n", "lacks a line"),
        (head(V6), "no whole row"),
        (head(V6) + ROW, "one sample"),
        (head(V6, rate="-250 Hz") + ROW, "lacks a line"),
        (head(V6, rate="0 Hz") + ROW, "out of bounds"),
        (head(V6, rate="nan Hz") + ROW, "lacks a line"),
        (head(V6, rate="999999 Hz") + ROW, "out of bounds"),
        (head(V6, n="999") + ROW, "out of bounds"),
        (head(V6, n="16") + ROW, "says 16 channels, its columns are 8"),
        (head([*V6[:8], "EXG Channel 6", *V6[9:]]) + ROW, "two of its columns are named 'EXG Channel 6'"),
        (head([name for name in V6 if name != "Timestamp"]) + ROW, "0 columns named Timestamp"),
        (head(V6).replace("Sample Index", "Index") + ROW, "0 columns named Sample Index"),
        (head(V6) + ROW + ROW.replace(", ", ",", 3).split(",", 3)[3], "cells; 25 are needed"),
        (head(V6) + ROW + "nan" + ROW[3:], "'nan' in column 1 is not a finite number"),
        (head(V6) + ROW + ROW.replace(f"{T0 + 0.0:.0f}"[:5], "-1700", 1), "line 7"),
        (head(V6) + ROW + "x" * 200_000, "longer than 64 KiB"),
        (head(V6) + ROW + "\x00\x01\n", "null bytes"),
        (head(V6) + ROW + "\x1b[2J\n", "cells; 25 are needed"),
        ("%OpenBCI Raw EXG Data\n" + "%junk = 1\n" * 50, "lacks a line"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(study, write(tmp_path / "OpenBCI-RAW-x.txt", text))


def test_a_number_out_of_order_is_refused_with_its_line(study: Study, tmp_path: Path) -> None:
    path, _ = session(tmp_path)
    lines = path.read_text().splitlines()
    lines[2005] = "17.0," + lines[2005].split(",", 1)[1]
    path.write_text("\n".join(lines) + "\n")
    assert "leave no room" in refused(study, path)


def test_text_in_another_encoding_is_refused(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "OpenBCI-RAW-x.txt"
    path.write_bytes(head(V6).encode() + ROW.encode() + "é\n".encode("latin-1"))
    assert "line 7: byte 1 of the line is not utf-8 text" in refused(study, path)
    path.write_bytes((head(V6) + ROW).encode("utf-16"))
    assert "no importer knows this file" in refused(study, path)
