from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from acquire.recordings.recording_write import write_recording
from benchmarks.recorders import compare, long_protocol
from benchmarks.soak import SoakFigures, _faults, soak
from protocols.script import parse_script


@pytest.fixture
def quiet() -> Console:
    return Console(quiet=True)


def test_a_soak_of_the_simulated_board_finds_nothing_wrong(tmp_path: Path, quiet: Console) -> None:
    figures = soak(tmp_path, duration_s=30.0, board="sim", speed=20.0, console=quiet)
    assert figures.faults == []
    assert figures.sent == figures.received == 7500
    assert (figures.lost, figures.wrong, figures.gaps, figures.stalls) == (0, 0, 0, 0)
    assert figures.complete
    assert figures.recording_bytes > 7500
    assert figures.journal_bytes > 0


def test_whatever_a_soak_is_about_is_named() -> None:
    fine = SoakFigures(board="sim", duration_s=1.0, complete=True)
    assert _faults(fine) == []
    for change, words in (
        ({"lost": 3}, "3 samples were lost"),
        ({"wrong": 2}, "2 samples are wrong"),
        ({"complete": False, "reason": "the cat"}, r"ended early (the cat)"),
        ({"rss_begin_mb": 50.0, "rss_max_mb": 99.0}, "memory grew by 49.0 MB"),
    ):
        (fault,) = _faults(replace(fine, **change))
        assert words in fault


def test_every_wrong_row_and_no_gap_is_counted(tmp_path: Path, make_content) -> None:  # type: ignore[no-untyped-def]
    content = make_content()
    write_recording(tmp_path / "one.h5", content)
    wrong = np.array(content.counts)
    wrong[[5, 700]] += 1
    wrong[310] += 1  # in the gap
    compared = compare(tmp_path / "one.h5", lambda start, stop: wrong[start:stop])
    assert (compared.n_samples, compared.received, compared.wrong) == (1000, 980, 2)


@pytest.mark.parametrize("duration_s", [10.0, 599.0, 7200.0, 86400.0])
def test_a_long_protocol_lasts_what_it_shall(duration_s: float) -> None:
    plan = parse_script(long_protocol(duration_s), name="long").script.plan()
    assert sum(entry.duration_s for entry in plan) == pytest.approx(duration_s, abs=0.1)
    assert max(entry.duration_s for entry in plan) <= 600.0
