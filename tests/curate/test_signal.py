from __future__ import annotations

import numpy as np
import pytest

from curate.errors import SignalError
from curate.signals.signal import Signal, runs_of


def test_runs_are_the_half_open_ranges_where_a_mask_holds() -> None:
    mask = np.array([True, True, False, True, False, False, True])
    assert runs_of(mask).tolist() == [[0, 2], [3, 4], [6, 7]]


@pytest.mark.parametrize("mask", [np.zeros(0, dtype=bool), np.zeros(5, dtype=bool)])
def test_a_mask_that_never_holds_has_no_runs(mask: np.ndarray) -> None:
    assert runs_of(mask).shape == (0, 2)


def test_a_mask_that_always_holds_is_one_run() -> None:
    assert runs_of(np.ones(4, dtype=bool)).tolist() == [[0, 4]]


def test_an_untouched_signal_is_reliable_where_it_is_there() -> None:
    signal = Signal(values=np.array([[1.0], [np.nan], [np.inf]]), leads=("II",), rate_hz=250.0, unit="mV")
    assert signal.reliable[:, 0].tolist() == [True, False, False]


def test_a_step_is_appended_and_the_signal_before_it_stays_as_it_was() -> None:
    signal = Signal(values=np.zeros((3, 1)), leads=("II",), rate_hz=250.0, unit="mV")
    after = signal.then({"name": "halve"}, values=np.ones((3, 1)))
    assert [step["name"] for step in after.steps] == ["halve"]
    assert signal.steps == ()
    assert not signal.values.any()


@pytest.mark.parametrize(
    ("values", "leads", "rate_hz", "said"),
    [
        (np.zeros(3), ("I",), 250.0, "axes"),
        (np.zeros((3, 2)), ("I",), 250.0, "2 columns for 1 leads"),
        (np.zeros((3, 1)), ("I",), 0.0, "above 0"),
        (np.zeros((3, 1)), ("I",), float("nan"), "above 0"),
    ],
)
def test_what_is_no_signal_is_refused(values: np.ndarray, leads: tuple[str, ...], rate_hz: float, said: str) -> None:
    with pytest.raises(SignalError, match=said):
        Signal(values=values, leads=leads, rate_hz=rate_hz, unit="mV")


def test_a_trust_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(SignalError, match="trust mask"):
        Signal(values=np.zeros((3, 1)), leads=("I",), rate_hz=250.0, unit="mV", trusted=np.ones((2, 1), dtype=bool))
