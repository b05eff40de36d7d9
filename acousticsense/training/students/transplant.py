"""CNNs that begin as the teacher mn04.

mn04 is MobileNetV3-Large at 0.4 of its width, so its channels become the first ones of each layer; what the further
channels give is not read at first, and training decides what becomes of them (Net2Net, arXiv 1511.05641). mn04 sees a
hundred frames a second and our images twenty: it is a beginning, not a working network.

EfficientNet-B0 has the same stages with other numbers of blocks and other gates: blocks that both have are taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.models.conversion import to_timm
from acousticsense.models.networks import build_network
from acousticsense.training.students.planting import plant
from acousticsense.training.students.student import WholeNetwork
from acousticsense.training.teachers.mn04 import read_weights

__all__ = ["transplanted"]

_MOBILENET: Final = "mobilenetv3_large_100"
_EFFICIENTNET: Final = "efficientnet_b0"

#: A sigmoid rises by 1/4 at 0 and the hard sigmoid of MobileNetV3 by 1/6: gates' inputs are stretched by their ratio.
_GATE_EXCERPT: Final = 1.5
_GATE: Final = ".se.conv_expand."


#: For each stage of EfficientNet-B0 after the first, which block of mn04's stage each of its blocks begins as.
_STAGES: Final[tuple[tuple[int | None, ...], ...]] = ((0, 1), (0, 1), (0, 1, 2), (0, 1, None), (0, 1, 2, None))

#: Gates of EfficientNet-B0 are narrower than mn04's: they begin open, at sigmoid(2) = 0.88.
_OPEN_GATE: Final = 2.0


def transplanted(architecture: str, weights: Path, n_outputs: int) -> WholeNetwork:
    """The student with mn04's weights from the release file; its classifier has forgotten AudioSet's classes.

    Raises:
        ValueError: an architecture of other stages than mn04's.
    """
    tensors = dict(to_timm(read_weights(weights), _MOBILENET).tensors)
    network = build_network(architecture, n_outputs)
    if architecture == _MOBILENET:
        plant(_as_mobilenet(tensors, n_outputs), network, idle=False)
    elif architecture == _EFFICIENTNET:
        plant(_as_efficientnet(tensors, network.state_dict()), network, idle=False)
        _begin_as_identity(network)
    else:
        raise ValueError(f"{architecture} cannot begin as mn04; {_MOBILENET} and {_EFFICIENTNET} can")
    return WholeNetwork(architecture, network)


def _as_mobilenet(tensors: Mapping[str, Tensor], n_outputs: int) -> dict[str, Tensor]:
    planted = {name: value * _GATE_EXCERPT if _GATE in name else value for name, value in tensors.items()}
    planted["classifier.weight"] = torch.zeros(n_outputs, tensors["classifier.weight"].shape[1])
    planted["classifier.bias"] = torch.zeros(n_outputs)
    return planted


def _as_efficientnet(tensors: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """mn04's weights under the names of EfficientNet-B0, kernels set into the middle of larger ones."""
    planted = {name: value for name, value in tensors.items() if name.startswith(("conv_stem.", "bn1.", "blocks.0."))}
    for stage, blocks in enumerate(_STAGES, start=1):
        for place, block in enumerate(blocks):
            mine = f"blocks.{stage}.{block}."
            planted |= {
                f"blocks.{stage}.{place}.{name.removeprefix(mine)}": value
                for name, value in tensors.items()
                if name.startswith(mine) and ".se." not in name
            }
    for name, value in planted.items():
        if value.ndim == 4 and (margin := (target[name].shape[3] - value.shape[3]) // 2):
            planted[name] = functional.pad(value, (margin,) * 4) if margin > 0 else value[..., 1:-1, 1:-1]
    return planted


@torch.no_grad()
def _begin_as_identity(network: nn.Module) -> None:
    """Gates begin open, and blocks that mn04 has not begin by adding nothing."""
    for name, module in network.named_modules():
        if name.endswith(".se.conv_expand"):
            cast(Any, module).weight.zero_()
            cast(Any, module).bias.fill_(_OPEN_GATE)
    for stage, blocks in enumerate(_STAGES, start=1):
        for place, block in enumerate(blocks):
            if block is None:
                cast(Any, network.get_submodule(f"blocks.{stage}.{place}.bn3")).weight.zero_()
