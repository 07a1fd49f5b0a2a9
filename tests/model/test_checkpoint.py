from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoint import CheckpointConfig, load_checkpoint, save_checkpoint
from model.config import TrainConfig
from model.errors import CheckpointError, CheckpointReason
from model.networks import build_network

TRAINING = TrainConfig(network="resnet", network_settings={"widths": [8, 8]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = build_network(
        "resnet", n_leads=2, n_samples=64, n_subjects=3, n_activities=2, settings=TRAINING.network_settings
    )
    config = CheckpointConfig(
        software_version="0",
        leads=["I", "II"],
        rate_hz=64.0,
        window_s=1.0,
        n_samples=64,
        unit="mV",
        scale="none",
        cleaning={},
        subjects=["A", "B", "C"],
        activities=["rest", "walk"],
        split="time-block",
        split_info={"hash": "h"},
        corpus={"name": "c", "sha256": "s"},
        trained_on={"r": [[0, 64], [128, 192]]},
        training=TRAINING.to_json(),
        epoch=3,
    )
    save_checkpoint(tmp_path / "fold", weights=network.state_dict(), config=config)
    return tmp_path / "fold"


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def reason_of(folder: Path) -> CheckpointReason:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert str(caught.value).startswith(str(caught.value.path))
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_round_trip_gives_the_same_logits(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    weights = load_file(folder / "weights.safetensors")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in checkpoint.network.state_dict().items())
    assert not checkpoint.network.training
    assert checkpoint.training.to_json() == TRAINING.to_json()


def test_loading_draws_nothing_from_torchs_generator(folder: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(folder)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert reason_of(folder) is CheckpointReason.MISSING


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_cut_weights_are_refused(folder: Path, share: float) -> None:
    path = folder / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert reason_of(folder) is CheckpointReason.DAMAGED


def test_a_header_that_promises_too_much_is_refused(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"\xff" * 7 + b"\x7f" + b"{}")
    assert reason_of(folder) is CheckpointReason.DAMAGED


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"format": NaN}', "\x00"])
def test_a_config_that_is_no_json_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert reason_of(folder) is CheckpointReason.DAMAGED


def test_foreign_and_later_configs_are_refused(folder: Path) -> None:
    edit(folder, version=2)
    assert reason_of(folder) is CheckpointReason.NEWER
    edit(folder, version=1, format="something")
    assert reason_of(folder) is CheckpointReason.FOREIGN
    (folder / "config.json").write_text("[1, 2]")
    assert reason_of(folder) is CheckpointReason.FOREIGN


@pytest.mark.parametrize(
    "changes",
    [
        {"leads": []},
        {"leads": ["I", "I"]},
        {"leads": "I"},
        {"rate_hz": -1.0},
        {"rate_hz": "250"},
        {"n_samples": 2.5},
        {"subjects": ["A"]},
        {"subjects": ["A", ""]},
        {"trained_on": {"r": [[5, 5]]}},
        {"trained_on": {"r": [[1, 2, 3]]}},
        {"epoch": 0},
        {"surprise": 1},
        {"training": {}},
        {"training": {**TRAINING.to_json(), "network": "unknown"}},
        {"training": {**TRAINING.to_json(), "epochs": -1}},
    ],
)
def test_an_edited_config_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    edit(folder, **changes)
    assert reason_of(folder) is CheckpointReason.DAMAGED


@pytest.mark.parametrize(
    "changes",
    [
        {"leads": ["I", "II", "III"]},
        {"subjects": ["A", "B"]},
        {"activities": ["rest", "walk", "run"]},
        {"n_samples": 1},
        # Layers of terabytes, which must be refused without being allocated.
        {"training": {**TRAINING.to_json(), "network_settings": {"widths": [8, 10_000_000]}}},
    ],
)
def test_weights_of_other_shapes_are_refused(folder: Path, changes: dict[str, Any]) -> None:
    edit(folder, **changes)
    assert reason_of(folder) in {CheckpointReason.SHAPE, CheckpointReason.DAMAGED}


def test_nan_in_the_weights_is_refused(folder: Path) -> None:
    path = folder / "weights.safetensors"
    weights = load_file(path)
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    save_file({**weights, name: torch.full_like(weights[name], float("nan"))}, path)
    assert reason_of(folder) is CheckpointReason.DAMAGED


def test_a_weight_too_many_or_too_few_is_refused(folder: Path) -> None:
    path = folder / "weights.safetensors"
    weights = load_file(path)
    save_file({**weights, "extra": torch.zeros(1)}, path)
    assert reason_of(folder) is CheckpointReason.SHAPE
    weights.pop(next(iter(weights)))
    save_file(weights, path)
    assert reason_of(folder) is CheckpointReason.SHAPE
