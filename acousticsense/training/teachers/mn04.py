"""EfficientAT's mn04_as as a teacher: the network of `models.efficientat` with AudioSet's own classifier on top.

F. Schmid et al., arXiv 2211.04772; MIT licence. The weights are the release file `mn04_as_mAP_432.pt` of
github.com/fschmid56/EfficientAT.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from acousticsense.models.conversion import to_timm
from acousticsense.models.weights import read_state_dict


def _read(path: Path) -> dict[str, Tensor]:
    return to_timm(read_state_dict(path), "efficientat_mn04").tensors


def read_trunk(path: Path) -> dict[str, Tensor]:
    """The release's weights up to the pooled features, under the names of `EfficientAT`."""
    return {name: tensor for name, tensor in _read(path).items() if name.startswith("features.")}


def read_classifier(path: Path) -> nn.Module:
    """The release's own layers from the features (n, 384) to logits of AudioSet's classes (n, 527)."""
    released = _read(path)
    layers = []
    for name in ("classifier.2", "classifier.5"):
        weight, bias = released[f"{name}.weight"], released[f"{name}.bias"]
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        layers.append(layer)
    return nn.Sequential(layers[0], nn.Hardswish(), layers[1])
