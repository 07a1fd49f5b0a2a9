"""The state of an unfinished training in one safetensors file: tensors as such, the rest as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
from torch import Tensor

from model.errors import CheckpointError, CheckpointReason
from model.files import write_bytes

__all__ = ["read_state", "write_state"]

FORMAT: Final = "trilead-training-state-1"
KEY: Final = "state"


def write_state(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write tensors and values as one file, whole or not at all, so that they can never be of two epochs."""
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"format": FORMAT, KEY: json.dumps(values, allow_nan=False)}
    write_bytes(path, safetensors.torch.save(copies, metadata=header))


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The reverse of `write_state`.

    Raises:
        CheckpointError: the file is cut, or not such a state.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise CheckpointError(
                    "it is not the state of a training of this version; delete it to train this fold from its start.",
                    path=path,
                    reason=CheckpointReason.FOREIGN,
                )
            values = json.loads(header[KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, values
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            "it is cut or damaged; delete it to train this fold from its start.",
            path=path,
            reason=CheckpointReason.DAMAGED,
        ) from error
