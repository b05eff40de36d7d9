"""CNNs with fewer channels than the published ones, trained in their place where there is no GPU.

The published network is then filled with the thin one's weights (`planting`): it computes the same, its further
channels being idle until somebody trains them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, cast

import torch
from timm.layers.activations import Swish
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.densenet import DenseNet
from timm.models.efficientnet import EfficientNet
from timm.models.resnet import Bottleneck, ResNet
from timm.models.vgg import VGG, cfgs
from torch import Tensor, nn

from acousticsense.models.networks import attach_head, build_network
from acousticsense.training.students.planting import plant
from acousticsense.training.students.student import WholeNetwork

__all__ = ["ThinNetwork"]

_BATCH_NORM_EPS: Final = 1e-5

_DENSE_BLOCKS: Final = (6, 12, 24, 16)
_DENSE_GROWTH: Final = 32

#: EfficientNet-B0 (Tan & Le, arXiv 1905.11946, table 1) in timm's notation.
_EFFICIENT_STAGES: Final = (
    "ds_r1_k3_s1_e1_c16_se0.25",
    "ir_r2_k3_s2_e6_c24_se0.25",
    "ir_r2_k5_s2_e6_c40_se0.25",
    "ir_r3_k3_s2_e6_c80_se0.25",
    "ir_r3_k5_s1_e6_c112_se0.25",
    "ir_r4_k5_s2_e6_c192_se0.25",
    "ir_r1_k3_s1_e6_c320_se0.25",
)


class ThinNetwork(WholeNetwork):
    """A network of the architecture's design at a share of its channels.

    Args:
        architecture: one of resnet50, vgg19_bn, densenet121, efficientnet_b0.
        n_outputs: width of the last layer.
        width: share of the channels, 0..1.
        head: widths of the classifier's hidden layers.
    """

    def __init__(self, architecture: str, n_outputs: int, *, width: float, head: tuple[int, ...] = ()) -> None:
        network = _MAKERS[architecture](width, n_outputs)
        if head:
            attach_head(network, architecture, n_outputs, head)
        super().__init__(architecture, network)
        self._architecture, self._head, self._share = architecture, head, width

    def grown(self) -> nn.Module:
        """The whole network, whose further channels are idle."""
        n_outputs = cast(Tensor, list(self.network.parameters())[-1]).shape[0]
        wide = build_network(self._architecture, n_outputs, head=self._head)
        weights: Mapping[str, Tensor] = self.network.state_dict()
        if self._architecture == "densenet121":
            weights = _spread(weights, self._share)
        elif self._architecture == "resnet50":
            weights = _shortcut(wide.state_dict()) | dict(weights)
        plant(weights, wide, idle=True)
        return wide


def _channels(count: int, width: float) -> int:
    """A share of some channels in steps of 8."""
    return max(8, round(count * width / 8) * 8)


def _resnet(width: float, n_outputs: int) -> nn.Module:
    channels = tuple(_channels(count, width) for count in (64, 128, 256, 512))
    return ResNet(cast(Any, Bottleneck), (3, 4, 6, 3), num_classes=n_outputs, channels=channels)


def _vgg(width: float, n_outputs: int) -> nn.Module:
    layers = [layer if isinstance(layer, str) else _channels(layer, width) for layer in cfgs["vgg19"]]
    return VGG(layers, num_classes=n_outputs, norm_layer=nn.BatchNorm2d)


def _efficientnet(width: float, n_outputs: int) -> nn.Module:
    rounding = partial(round_channels, multiplier=width)
    return EfficientNet(
        cast(Any, decode_arch_def)([[stage] for stage in _EFFICIENT_STAGES]),
        num_classes=n_outputs,
        num_features=rounding(1280),
        stem_size=32,
        round_chs_fn=rounding,
        act_layer=Swish,
    )


def _densenet(width: float, n_outputs: int) -> nn.Module:
    return DenseNet(_channels(_DENSE_GROWTH, width), _DENSE_BLOCKS, num_classes=n_outputs)


def _shortcut(wide: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first stage's shortcut convolution as an identity, for thin networks whose first stage needs none."""
    name = "layer1.0.downsample."
    channels = wide[f"{name}0.weight"].shape[1]
    ones, zeros = torch.ones(channels), torch.zeros(channels)
    return {
        f"{name}0.weight": torch.eye(channels)[:, :, None, None],
        f"{name}1.weight": ones * math.sqrt(1 + _BATCH_NORM_EPS),
        f"{name}1.bias": zeros,
        f"{name}1.running_mean": zeros,
        f"{name}1.running_var": ones,
    }


def _spread(narrow: Mapping[str, Tensor], width: float) -> dict[str, Tensor]:
    """A thin DenseNet's weights with every reader of concatenated features spread over the wide network's places.

    Features are concatenated piece by piece, so that a piece of the thin network does not lie where its namesake of the
    wide one does.
    """
    growth = _channels(_DENSE_GROWTH, width)
    spread = dict(narrow)
    pieces = [(2 * growth, 2 * _DENSE_GROWTH)]
    for block, depth in enumerate(_DENSE_BLOCKS, start=1):
        for layer in range(1, depth + 1):
            prefix = f"features.denseblock{block}.denselayer{layer}."
            _place(spread, prefix + "norm1", prefix + "conv1.weight", pieces)
            pieces.append((growth, _DENSE_GROWTH))
        if block < len(_DENSE_BLOCKS):
            prefix = f"features.transition{block}."
            _place(spread, prefix + "norm", prefix + "conv.weight", pieces)
            pieces = [(sum(thin for thin, _ in pieces) // 2, sum(wide for _, wide in pieces) // 2)]
        else:
            _place(spread, "features.norm5", "classifier.weight", pieces)
    return spread


def _place(tensors: dict[str, Tensor], norm: str, reader: str, pieces: list[tuple[int, int]]) -> None:
    """Moves the channels of one norm and of the layer that reads it; `pieces` are widths, thin and wide."""
    ends = torch.tensor([wide for _, wide in pieces]).cumsum(0).tolist()
    starts = [end - wide for end, (_, wide) in zip(ends, pieces, strict=True)]
    places = torch.cat([start + torch.arange(thin) for start, (thin, _) in zip(starts, pieces, strict=True)])
    for part, empty in (("weight", 0.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
        name = f"{norm}.{part}"
        tensors[name] = torch.full((ends[-1],), empty).index_copy(0, places, tensors[name])
    weight = tensors[reader]
    tensors[reader] = weight.new_zeros(weight.shape[0], ends[-1], *weight.shape[2:]).index_copy(1, places, weight)


_MAKERS: Final[Mapping[str, Any]] = {
    "resnet50": _resnet,
    "vgg19_bn": _vgg,
    "efficientnet_b0": _efficientnet,
    "densenet121": _densenet,
}
