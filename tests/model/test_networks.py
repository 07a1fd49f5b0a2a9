"""The contract that every network keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from model.attention import Autocorrelation, ChannelAttention, LagAttention, SequenceAttention
from model.networks import NETWORKS, TASKS, build_network, resolve_settings
from model.resnet import Stem, stem_steps

N_SUBJECTS, N_ACTIVITIES = 7, 4
SMALL: dict[str, object] = {"widths": [8, 16], "dropout": 0.0}

each_network = pytest.mark.parametrize("name", sorted(NETWORKS))


def _build(name: str, *, n_leads: int = 3, n_samples: int = 250, settings: dict[str, object] | None = None) -> Any:
    torch.manual_seed(0)
    return build_network(
        name,
        n_leads=n_leads,
        n_samples=n_samples,
        n_subjects=N_SUBJECTS,
        n_activities=N_ACTIVITIES,
        settings=SMALL if settings is None else settings,
    )


@each_network
@pytest.mark.parametrize(("n_leads", "n_samples"), [(1, 750), (3, 750), (2, 251)])
def test_logits_have_the_shape_of_the_contract(name: str, n_leads: int, n_samples: int) -> None:
    network = _build(name, n_leads=n_leads, n_samples=n_samples)
    logits = network(torch.randn(5, n_leads, n_samples))
    assert {task: tuple(values.shape) for task, values in logits.items()} == {
        "identity": (5, N_SUBJECTS),
        "activity": (5, N_ACTIVITIES),
    }
    assert tuple(logits) == TASKS
    assert all(values.dtype == torch.float32 for values in logits.values())


@each_network
def test_both_losses_reach_the_shared_parameters_and_all_weights_learn(name: str) -> None:
    network = _build(name)
    logits = network(torch.randn(8, 3, 250))
    shared = network.shared_parameters()
    for task in TASKS:
        gradients = torch.autograd.grad(logits[task].square().sum(), shared, retain_graph=True)
        assert all(float(gradient.norm()) > 0 for gradient in gradients)
    sum(values.square().sum() for values in logits.values()).backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []


@each_network
def test_shared_parameters_belong_to_the_network(name: str) -> None:
    network = _build(name)
    own = {id(parameter) for parameter in network.parameters()}
    assert network.shared_parameters()
    assert {id(parameter) for parameter in network.shared_parameters()} <= own


@each_network
def test_no_weight_is_stored_twice(name: str) -> None:
    # safetensors refuses tensors that share memory.
    tensors = list(_build(name).state_dict().values())
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)


@each_network
def test_evaluation_of_a_window_does_not_depend_on_its_batch(name: str) -> None:
    network = _build(name).eval()
    batch = torch.randn(6, 3, 250)
    together = network(batch)
    alone = network(batch[2:3])
    for task in TASKS:
        torch.testing.assert_close(together[task][2:3], alone[task], rtol=1e-4, atol=1e-5)


@each_network
def test_default_size_suits_a_laptop(name: str) -> None:
    network = _build(name, n_leads=1, n_samples=750, settings={})
    assert sum(parameter.numel() for parameter in network.parameters()) < 400_000


@each_network
def test_the_same_seed_gives_the_same_network(name: str) -> None:
    first, second = _build(name), _build(name)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@each_network
def test_a_silent_window_gives_finite_logits_and_gradients(name: str) -> None:
    network = _build(name)
    logits = network(torch.zeros(4, 3, 250))
    sum(values.sum() for values in logits.values()).backward()
    assert all(bool(torch.isfinite(values).all()) for values in logits.values())
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)


@each_network
def test_settings_survive_a_round_trip_through_lists(name: str) -> None:
    settings = resolve_settings(name, {"widths": [8, 16], "dropout": 0})
    assert settings["widths"] == (8, 16)
    assert settings["dropout"] == 0.0
    assert resolve_settings(name, settings) == settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"depth": 3}, "no setting 'depth'"),
        ({"widths": []}, "widths"),
        ({"widths": 32}, "widths"),
        ({"widths": [8, "16"]}, "widths"),
        ({"kernel_size": 4}, "kernel_size"),
        ({"kernel_size": 7.5}, "kernel_size"),
        ({"stem_kernel_size": -3}, "stem_kernel_size"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": True}, "dropout"),
        ({"reduction": 0}, "reduction"),
        ({"attention_groups": 5}, "attention_groups"),
        ({"identity_stages": (1, 4)}, "identity_stages"),
        ({"identity_stages": ()}, "identity_stages"),
        ({"cosine_scale": 0.0}, "cosine_scale"),
        ({"rhythm_lag_share": 1.0}, "rhythm_lag_share"),
        ({"rhythm_width": 0}, "rhythm_width"),
        ({"shape_dropout": 1.0}, "shape_dropout"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _build("dt4ecg", settings=settings)


def test_an_unknown_network_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="dt4ecg, resnet"):
        _build("transformer")


@each_network
def test_a_window_too_short_for_the_strides_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="n_samples is 20"):
        _build(name, n_samples=20, settings={})


@pytest.mark.parametrize("field", ["n_leads", "n_samples", "n_subjects", "n_activities"])
def test_an_empty_shape_is_refused(field: str) -> None:
    shape = {"n_leads": 1, "n_samples": 750, "n_subjects": 2, "n_activities": 2} | {field: 0}
    with pytest.raises(ValueError, match=field):
        build_network("resnet", settings=None, **shape)


def test_channel_attention_starts_neutral_and_then_scales_whole_channels() -> None:
    attention = ChannelAttention(16, reduction=4)
    features = torch.rand(2, 16, 30) + 0.1
    assert torch.equal(attention(features), features)
    nn.init.normal_(attention.excite.weight)
    gate = attention(features) / features
    assert torch.allclose(gate, gate[:, :, :1].expand_as(gate), atol=1e-5)
    assert bool(torch.all((gate > 0) & (gate < 2)))


def test_sequence_attention_without_preference_is_the_mean() -> None:
    attention = SequenceAttention(8, n_groups=2)
    for layer in (attention.score[0], attention.score[2]):
        assert isinstance(layer, nn.Conv1d)
        nn.init.zeros_(layer.weight)
    features = torch.randn(3, 8, 40)
    torch.testing.assert_close(attention(features), features.mean(dim=-1), rtol=1e-4, atol=1e-5)


def test_sequence_attention_ignores_a_stretch_that_it_scores_low() -> None:
    attention = SequenceAttention(2, n_groups=1, hidden=1)
    first, second = attention.score[0], attention.score[2]
    assert isinstance(first, nn.Conv1d)
    assert isinstance(second, nn.Conv1d)
    first.weight.data = torch.tensor([[[1.0], [0.0]]])
    second.weight.data.fill_(50.0)
    features = torch.full((1, 2, 10), -5.0)
    features[:, 0, 3] = 5.0
    features[:, 1, 3] = 2.0
    torch.testing.assert_close(attention(features), torch.tensor([[5.0, 2.0]]))


def test_autocorrelation_equals_the_sum_of_products() -> None:
    signal = torch.randn(2, 3, 50)
    expected = torch.stack([(signal[..., lag:] * signal[..., :-lag]).mean(dim=-1) for lag in range(1, 31)], dim=-1)
    torch.testing.assert_close(Autocorrelation(50, n_lags=30)(signal), expected, rtol=1e-4, atol=1e-4)


def test_rhythm_does_not_depend_on_amplitude() -> None:
    torch.manual_seed(0)
    rhythm = LagAttention(4, 60, n_mixtures=3, lag_share=0.6, n_features=8, dropout=0.0).eval()
    features = torch.randn(2, 4, 60)
    torch.testing.assert_close(rhythm(3.0 * features), rhythm(features), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("n_samples", [64, 65, 66, 67, 750, 751])
def test_stem_steps_tells_what_the_stem_leaves(n_samples: int) -> None:
    assert Stem(1, 4, kernel_size=15)(torch.zeros(2, 1, n_samples)).shape[-1] == stem_steps(n_samples)


def test_no_constant_matrix_is_kept_in_the_weights() -> None:
    assert not [key for key in _build("dt4ecg").state_dict() if "analysis" in key or "synthesis" in key]
