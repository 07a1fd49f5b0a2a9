"""Augmentation moves windows only as far as its settings say, and only by its own generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model.augment import AugmentSettings, add_motion, vary_gain

RATE_HZ = 250.0
MOTION = AugmentSettings(motion=0.5)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _windows(batch: int = 64) -> Tensor:
    return torch.randn(batch, 3, 750, generator=_generator(9))


def test_default_settings_change_nothing_but_hand_out_a_copy() -> None:
    windows = _windows()
    gained = vary_gain(windows, _generator(), AugmentSettings())
    moved, activity_holds = add_motion(windows, _generator(), AugmentSettings(), rate_hz=RATE_HZ)
    assert bool(activity_holds.all())
    for out in (gained, moved):
        assert torch.equal(out, windows)
        assert out.data_ptr() != windows.data_ptr()


def test_input_is_left_alone_and_shape_and_dtype_stay() -> None:
    windows = _windows()
    before = windows.clone()
    gained = vary_gain(windows, _generator(), AugmentSettings(gain_sigma=0.1))
    moved, activity_holds = add_motion(windows, _generator(), MOTION, rate_hz=RATE_HZ)
    assert torch.equal(windows, before)
    for out in (gained, moved):
        assert (out.shape, out.dtype) == (windows.shape, windows.dtype)
    assert (activity_holds.shape, activity_holds.dtype) == ((64,), torch.bool)


def test_the_same_generator_state_gives_the_same_windows_whatever_the_global_seed() -> None:
    def run(seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed)
        gained = vary_gain(_windows(), generator, AugmentSettings(gain_sigma=0.1))
        return add_motion(gained, generator, MOTION, rate_hz=RATE_HZ)

    torch.manual_seed(1)
    first = run(3)
    torch.manual_seed(2)
    again, other = run(3), run(4)
    assert torch.equal(again[0], first[0])
    assert torch.equal(again[1], first[1])
    assert not torch.equal(other[0], first[0])


def test_gain_is_one_number_per_window_so_that_einthoven_still_holds() -> None:
    windows = _windows()
    windows[:, 2] = windows[:, 1] - windows[:, 0]
    out = vary_gain(windows, _generator(), AugmentSettings(gain_sigma=0.3))
    torch.testing.assert_close(out[:, 2], out[:, 1] - out[:, 0])
    gains = out[:, 0, 0] / windows[:, 0, 0]
    assert bool((gains > 0).all())
    assert len(set(gains.tolist())) == len(gains)


def test_windows_without_motion_are_untouched_and_keep_their_activity() -> None:
    windows = _windows()
    out, activity_holds = add_motion(windows, _generator(), MOTION, rate_hz=RATE_HZ)
    assert 10 < int(activity_holds.sum()) < 54
    assert torch.equal(out[activity_holds], windows[activity_holds])
    assert all(not torch.equal(a, b) for a, b in zip(out[~activity_holds], windows[~activity_holds], strict=True))


def test_motion_lies_in_its_band_and_below_its_largest_standard_deviation() -> None:
    # Spikes so tall that they alone tell the scale, and the motion between them can be seen by itself.
    windows = torch.zeros(64, 1, 750)
    windows[:, :, ::10] = 100.0
    everywhere = AugmentSettings(motion=0.5, motion_share=1.0, motion_band_hz=(2.0, 8.0))
    out, activity_holds = add_motion(windows, _generator(), everywhere, rate_hz=RATE_HZ)
    assert not bool(activity_holds.any())
    growth = (windows[:, :, ::10] / out[:, :, ::10]).mean(dim=-1, keepdim=True)
    added = out * growth - windows
    assert float(added.std(dim=-1).max()) <= 0.5 * 1.05
    power = torch.fft.rfft(added).abs().square().sum(dim=(0, 1))
    frequency_hz = torch.fft.rfftfreq(750, d=1 / RATE_HZ)
    inside = (frequency_hz >= 2.0) & (frequency_hz <= 8.0)
    assert float(power[inside].sum()) > 0.95 * float(power[1:].sum())


def test_motion_shrinks_the_beats_as_scaling_a_noisy_recording_does() -> None:
    windows = 0.05 * _windows()
    windows[:, :, 100] = 1.0
    strong = AugmentSettings(motion=5.0, motion_share=1.0)
    out, _ = add_motion(windows, _generator(), strong, rate_hz=RATE_HZ)
    before = torch.quantile(windows.abs().flatten(1), 0.98, dim=1)
    after = torch.quantile(out.abs().flatten(1), 0.98, dim=1)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_a_silent_window_stays_finite() -> None:
    out, _ = add_motion(torch.zeros(8, 1, 750), _generator(), MOTION, rate_hz=RATE_HZ)
    assert bool(torch.isfinite(out).all())


@pytest.mark.parametrize("name", ["gain_sigma", "motion", "motion_share"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_amounts_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        AugmentSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("band_hz", [(0.0, 1.0), (2.0, 1.0), (1.0, float("inf"))])
def test_a_motion_band_that_does_not_rise_is_refused(band_hz: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="motion_band_hz"):
        AugmentSettings(motion_band_hz=band_hz)
