from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_files import ecg_uv, refused, take_one
from numpy.typing import NDArray

from acquire.boards.brainflow_library import library
from acquire.recordings.recording import open_recording
from acquire.study import Study


def rows(n: int = 4000, *, taken: NDArray[np.bool_] | None = None, true_hz: float = 250.3) -> NDArray[np.float64]:
    """What BrainFlow holds of a Cyton, a row of the file each."""
    data = np.zeros((n, 24))
    data[:, 0] = np.arange(n) % 256
    data[:, 1:9] = np.round(ecg_uv(n, 8), 6)
    data[:, 9:12] = 0.25
    sample = np.arange(n)
    data[:, 22] = 1.7e9 + (sample // 12 * 12 + 11) / true_hz
    data[min(700, n // 2), 23] = 5.0
    return data if taken is None else data[taken]


def write(tmp_path: Path, data: NDArray[np.float64], name: str = "BrainFlow-RAW_2023_0.csv") -> Path:
    np.savetxt(tmp_path / name, data, fmt="%.6f", delimiter="\t")
    return tmp_path / name


def test_every_microvolt_counter_and_marker_goes_over(study: Study, tmp_path: Path) -> None:
    taken = np.ones(4000, dtype=bool)
    taken[1300:1600] = False
    data = rows(taken=taken)
    recording, notes = take_one(study, write(tmp_path, data), board="cyton")
    with open_recording(recording) as opened:
        np.testing.assert_array_equal(opened.counts()[opened.counts().any(axis=1)], data[:, 1:12])
        assert [(gap.start, gap.length) for gap in opened.gaps] == [(1300, 300)]
        assert opened.leads == tuple(f"CH{k}" for k in range(1, 9))
        assert [(event.index, event.kind, event.text) for event in opened.events] == [(700, "mark", "5")]
        assert abs(opened.rate_hz / 250.3 - 1) < 1e-3
        assert opened.header.board == "imported: brainflow (Cyton)"
    assert "columns of Cyton could not be kept" in notes


def test_a_file_that_brainflow_itself_wrote_is_read(study: Study, tmp_path: Path) -> None:
    library("brainflow:cyton")  # loads BrainFlow without the warnings of what it leans on
    from brainflow.data_filter import DataFilter

    data = rows(600)
    path = tmp_path / "brainflow.csv"
    DataFilter.write_file(np.ascontiguousarray(data.T), str(path), "w")
    recording, _ = take_one(study, path, board="CYTON_BOARD")
    with open_recording(recording) as opened:
        np.testing.assert_allclose(opened.counts()[:, :8], data[:, 1:9], atol=1e-6)


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (None, "give --board"),
        ("cytom", "did you mean cyton"),
        ("synthetic", "have 24 cells, those of Synthetic have 32"),
        ("\x1b[2J", "knows no board"),
    ],
)
def test_the_board_must_be_named_and_fit(study: Study, tmp_path: Path, board: str | None, words: str) -> None:
    assert words in refused(study, write(tmp_path, rows(100)), board=board)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[:50], "holds no whole row"),
        (lambda text: text.replace("\t0.250000", "\tnan", 1), "'nan' in column 10"),
        (lambda text: text.replace("\t0.250000", "\t", 1), "'' in column 10"),
        (lambda text: text.replace("\t0.250000", "", 1), "23 cells"),
        (lambda text: text.replace("17000000", "-1700000", 1), "no time in seconds since 1970"),
        (lambda text: text.replace("17000000", "16000000").replace("16000000", "17000000", 1), "time runs backwards"),
        (lambda text: text + "\x00", "null bytes"),
        (lambda text: text.split("\n")[0] + "\n", "one sample"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(study: Study, tmp_path: Path, spoil: object, words: str) -> None:
    path = write(tmp_path, rows(200))
    assert callable(spoil)
    path.write_text(spoil(path.read_text()))
    assert words in refused(study, path, board="cyton", format="brainflow")
