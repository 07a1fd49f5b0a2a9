import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.card_tables import covered_hours, cross_tables, made_how

RATES = {"a": 250.0, "b": 500.0}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["rest", "walk"]), st.integers(0, 500), st.integers(1, 200)),
        min_size=1,
        max_size=40,
    )
)
def test_hours_count_every_sample_under_the_windows_once(rows: list[tuple[str, str, int, int]]) -> None:
    table = pd.DataFrame(
        [(recording, activity, start, start + length) for recording, activity, start, length in rows],
        columns=["recording", "activity", "start", "stop"],
    )
    found = covered_hours(table, RATES, "activity")
    for activity in table["activity"].unique():
        seconds = 0.0
        for recording, rate_hz in RATES.items():
            mask = np.zeros(1000, dtype=bool)
            chosen = table[(table["recording"] == recording) & (table["activity"] == activity)]
            for start, stop in zip(chosen["start"], chosen["stop"], strict=True):
                mask[start:stop] = True
            seconds += mask.sum() / rate_hz
        assert found[activity] == pytest.approx(seconds / 3600)


def test_a_hole_of_the_design_is_counted_and_a_missing_level_is_said() -> None:
    table = pd.DataFrame(
        {
            "subject": ["S01", "S01", "S02"],
            "activity": ["rest", "walk", "rest"],
            "electrode": ["gel", "dry", ""],
            "day": ["1", "1", "2"],
        }
    )
    crosses = cross_tables(table, ["electrode", "day"])
    assert [cross.rows for cross in crosses] == [
        "activity by electrode",
        "activity by day",
        "subject by electrode",
        "subject by day",
        "day by electrode",
    ]
    first = crosses[0]
    assert first.columns == ("not said", "dry", "gel")
    assert [(name, [cell.n for cell in cells], total) for name, cells, total in first.body] == [
        ("rest", [1, 0, 1], 2),
        ("walk", [0, 1, 0], 1),
    ]
    assert first.n_empty == 3


def test_how_recordings_came_about_is_told_with_how_many_of_each() -> None:
    sources = [
        {"board": "sim:", "protocol": "dt4ecg", "rate_hz": 250.02, "source": "", "layers": [{"annotator": "protocol"}]},
        {"board": "", "protocol": "", "rate_hz": 497.1, "source": "wearable: a.csv; x", "layers": []},
    ]
    assert dict(made_how(sources)) == {
        "board": [("not said", 1), ("sim:", 1)],
        "protocol": [("dt4ecg", 1), ("none", 1)],
        "true rate": [("250 Hz", 1), ("497.1 Hz", 1)],
        "taken over from": [("wearable: a.csv", 1)],
        "labels by": [("nobody", 1), ("protocol", 1)],
    }
