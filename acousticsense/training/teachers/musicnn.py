"""musicnn as a teacher: the network of `models.musicnn` with its own tags on top (J. Pons, X. Serra; ISC).

Weights come from `convert_musicnn`, under the names that TensorFlow gave them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

#: The network of the package that is used; it is the prefix of its tensors.
_NETWORK: Final = "MSD_musicnn"

#: Names of our layers and of their parts -> the package's.
CONVOLUTIONS: Final = {
    **{f"first.{index}.conv": f"conv2d_{index}" if index else "conv2d" for index in range(5)},
    **{f"later.{index}.conv": f"conv2d_{index + 5}" for index in range(3)},
}
NORMS: Final = {
    "input_norm": "batch_normalization",
    **{f"first.{index}.norm": f"batch_normalization_{index + 1}" for index in range(5)},
    **{f"later.{index}.norm": f"batch_normalization_{index + 6}" for index in range(3)},
    "pooled_norm": "batch_normalization_9",
    "features_norm": "batch_normalization_10",
}
PARTS: Final = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def _read(path: Path) -> dict[str, Tensor]:
    prefix = f"{_NETWORK}/"
    return {key.removeprefix(prefix): value for key, value in load_file(path).items() if key.startswith(prefix)}


def read_trunk(path: Path) -> dict[str, Tensor]:
    """The weights up to the features, under the names of `models.musicnn.Musicnn`."""
    return dict(_trunk(_read(path)))


def _trunk(released: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for ours, theirs in CONVOLUTIONS.items():
        kernel = released[f"{theirs}/kernel"]  # (frames, bands, inputs, outputs); later ones have bands for inputs
        is_later = ours.startswith("later")
        yield f"{ours}.weight", (kernel[:, :, 0].permute(2, 1, 0) if is_later else kernel.permute(3, 2, 0, 1)).clone()
        yield f"{ours}.bias", released[f"{theirs}/bias"]
    for ours, theirs in NORMS.items():
        for part, name in PARTS.items():
            yield f"{ours}.{part}", released[f"{theirs}/{name}"]
        yield f"{ours}.num_batches_tracked", torch.tensor(0)
    yield "dense.weight", released["dense/kernel"].T.clone()
    yield "dense.bias", released["dense/bias"]


def read_classifier(path: Path) -> nn.Module:
    """The package's own layer from the features (n, 200) to logits of its tags (n, 50)."""
    released = _read(path)
    kernel = released["dense_1/kernel"]
    layer = nn.Linear(*kernel.shape)
    layer.weight, layer.bias = nn.Parameter(kernel.T), nn.Parameter(released["dense_1/bias"])
    return layer
