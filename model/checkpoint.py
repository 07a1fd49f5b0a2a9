"""A checkpoint: a folder with `weights.safetensors` and `config.json`, and nothing pickled in it.

`config.json` says all that is needed to use the weights on other recordings and to judge what they were trained on.
Both files come from outside when they are read: sizes, names, shapes and numbers are checked before use.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor

from model.config import TrainConfig
from model.data import Classes
from model.errors import CheckpointError, CheckpointReason, ConfigInvalid
from model.files import read_json, write_bytes, write_json
from model.networks import TwoHeadNetwork, build_network

__all__ = ["Checkpoint", "CheckpointConfig", "load_checkpoint", "read_config", "save_checkpoint"]

FORMAT: Final = "trilead-checkpoint"
VERSION: Final = 1
WEIGHTS: Final = "weights.safetensors"
CONFIG: Final = "config.json"


class CheckpointConfig(BaseModel):
    """What `config.json` of a checkpoint holds.

    Attributes:
        leads: the leads of a window, in order.
        rate_hz: samples per second of a window.
        window_s: seconds of a window.
        n_samples: samples of a window.
        unit: of the samples.
        scale: how amplitudes were scaled when the corpus was built.
        cleaning: every parameter of it.
        subjects: classes of the identity head, in the order of its logits.
        activities: classes of the activity head.
        split: name of the split that was trained on.
        split_info: how the split was made, with its hash.
        corpus: name and sha256 of the corpus.
        trained_on: SHA-256 of a recording's raw samples → half-open ranges of those
            that weights were fitted to or chosen by.
        training: every setting of the training.
        epoch: the epoch whose weights these are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["trilead-checkpoint"] = FORMAT
    version: Literal[1] = VERSION
    software_version: str = Field(max_length=100)
    leads: list[str] = Field(min_length=1, max_length=64)
    rate_hz: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    window_s: float = Field(gt=0, le=3600, allow_inf_nan=False)
    n_samples: int = Field(gt=0, le=10_000_000)
    unit: str = Field(max_length=200)
    scale: str = Field(max_length=100)
    cleaning: dict[str, Any]
    subjects: list[str] = Field(min_length=2, max_length=100_000)
    activities: list[str] = Field(min_length=1, max_length=1000)
    split: str = Field(max_length=200)
    split_info: dict[str, Any]
    corpus: dict[str, str]
    trained_on: dict[str, list[list[int]]]
    training: dict[str, Any]
    epoch: int = Field(ge=1)

    @field_validator("leads", "subjects", "activities")
    @classmethod
    def _named_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names) or not all(names):
            raise ValueError("each name must stand there once and not be empty")
        return names

    @field_validator("trained_on")
    @classmethod
    def _ordered(cls, ranges: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        if any(len(pair) != 2 or not 0 <= pair[0] < pair[1] for pairs in ranges.values() for pair in pairs):
            raise ValueError("each range must be [start, stop) with 0 <= start < stop")
        return ranges

    @property
    def classes(self) -> Classes:
        """The names behind the two heads."""
        return Classes(subjects=tuple(self.subjects), activities=tuple(self.activities))


class Checkpoint:
    """A trained network and all that is known about it.

    Attributes:
        path: its folder.
        config: what stands in `config.json`.
        training: the settings it was trained with.
        network: in evaluation mode, on the CPU.
    """

    def __init__(self, *, path: Path, config: CheckpointConfig, training: TrainConfig, network: TwoHeadNetwork) -> None:
        self.path = path
        self.config = config
        self.training = training
        self.network = network


def save_checkpoint(folder: Path, *, weights: Mapping[str, Tensor], config: CheckpointConfig) -> None:
    """Write both files; `config.json` last, so that a folder with one is complete.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_bytes(folder / WEIGHTS, safetensors.torch.save(tensors))
    write_json(folder / CONFIG, config.model_dump())


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint back, trusting nothing in it.

    Raises:
        CheckpointError: a file is missing, cut, edited, from a later version, or does not fit the other.
    """
    config = read_config(folder / CONFIG)
    try:
        training = TrainConfig.from_json(config.training)
    except ConfigInvalid as error:
        raise CheckpointError(
            f"the training in it is not one of this version: {error}",
            path=folder / CONFIG,
            reason=CheckpointReason.DAMAGED,
        ) from error
    tensors = _read_weights(folder / WEIGHTS, expected=_expected_shapes(config, training, folder / CONFIG))
    network = _build(config, training)
    network.load_state_dict(tensors)
    network.eval()
    return Checkpoint(path=folder, config=config, training=training, network=network)


def read_config(path: Path) -> CheckpointConfig:
    """Read and check `config.json` of a checkpoint.

    Raises:
        CheckpointError: it is missing, cut, edited, or from a later version.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise CheckpointError(
            f"it is not the config of a checkpoint (format must be {FORMAT!r}); name the folder of one trained fold.",
            path=path,
            reason=CheckpointReason.FOREIGN,
        )
    version = value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(
            f"it has version {version}, and this trilead reads up to {VERSION}; update trilead.",
            path=path,
            reason=CheckpointReason.NEWER,
        )
    try:
        return CheckpointConfig.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"][:3]) or "it"
        raise CheckpointError(
            f"{place}: {first['msg'].removeprefix('Value error, ')}; restore the file or train again.",
            path=path,
            reason=CheckpointReason.DAMAGED,
        ) from error


def _build(config: CheckpointConfig, training: TrainConfig) -> TwoHeadNetwork:
    with torch.random.fork_rng(devices=[]):  # Fresh weights are drawn only to be replaced.
        return build_network(
            training.network,
            n_leads=len(config.leads),
            n_samples=config.n_samples,
            n_subjects=len(config.subjects),
            n_activities=len(config.activities),
            settings=training.network_settings,
        )


def _expected_shapes(config: CheckpointConfig, training: TrainConfig, path: Path) -> dict[str, list[int]]:
    """Name and shape of every weight, found without allocating any: the layer sizes come from outside."""
    try:
        with torch.device("meta"):
            network = _build(config, training)
    except (ValueError, RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f"no network can be built from it ({error}); restore the file or train again.",
            path=path,
            reason=CheckpointReason.SHAPE,
        ) from error
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def _read_weights(path: Path, *, expected: Mapping[str, list[int]]) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(
            "it is missing; name a folder that training has finished.", path=path, reason=CheckpointReason.MISSING
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            found = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}
            _refuse_other_shapes(found, expected, path)
            tensors = {name: file.get_tensor(name) for name in expected}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            "it is cut or not a safetensors file; restore it or train again.",
            path=path,
            reason=CheckpointReason.DAMAGED,
        ) from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{name} holds NaN or infinity; restore the file or train again.",
                path=path,
                reason=CheckpointReason.DAMAGED,
            )
    return tensors


def _refuse_other_shapes(found: Mapping[str, list[int]], expected: Mapping[str, list[int]], path: Path) -> None:
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            raise CheckpointError(
                f"{name} has shape {found.get(name, 'nothing')} where the network of config.json has "
                f"{expected.get(name, 'nothing')}; these two files do not belong together.",
                path=path,
                reason=CheckpointReason.SHAPE,
            )
