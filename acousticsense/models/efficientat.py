"""EfficientAT's mn04: a MobileNetV3-Large of width 0.4 that reads log-mel spectrograms.

F. Schmid et al., "Efficient Large-scale Audio Tagging via Transformer-to-CNN Knowledge Distillation", arXiv 2211.04772;
weights under MIT from github.com/fschmid56/EfficientAT (`mn04_as_mAP_432.pt`), whose AudioSet classifier is replaced by
a linear layer on the pooled features. The parameters have torchvision's names of MobileNetV3-Large.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDTH: Final = 0.4


class _Shape(NamedTuple):
    """A block at full width."""

    kernel: int
    n_expanded: int
    n_out: int
    is_gated: bool
    activation: type[nn.Module]
    stride: int


#: MobileNetV3-Large: A. Howard et al., arXiv 1905.02244, table 1.
_BLOCKS: Final = (
    _Shape(3, 16, 16, False, nn.ReLU, 1),
    _Shape(3, 64, 24, False, nn.ReLU, 2),
    _Shape(3, 72, 24, False, nn.ReLU, 1),
    _Shape(5, 72, 40, True, nn.ReLU, 2),
    _Shape(5, 120, 40, True, nn.ReLU, 1),
    _Shape(5, 120, 40, True, nn.ReLU, 1),
    _Shape(3, 240, 80, False, nn.Hardswish, 2),
    _Shape(3, 200, 80, False, nn.Hardswish, 1),
    _Shape(3, 184, 80, False, nn.Hardswish, 1),
    _Shape(3, 184, 80, False, nn.Hardswish, 1),
    _Shape(3, 480, 112, True, nn.Hardswish, 1),
    _Shape(3, 672, 112, True, nn.Hardswish, 1),
    _Shape(5, 672, 160, True, nn.Hardswish, 2),
    _Shape(5, 960, 160, True, nn.Hardswish, 1),
    _Shape(5, 960, 160, True, nn.Hardswish, 1),
)
_STEM_CHANNELS: Final = 16


def _multiple_of_8(width: float) -> int:
    """The nearest multiple of 8 that is at most a tenth below a width, as all of MobileNetV3's are."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8


def _convolution(
    n_in: int, n_out: int, kernel: int, *activation: nn.Module, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution that keeps size / stride, batch normalisation, and an activation if there is one."""
    layer = nn.Conv2d(n_in, n_out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.01), *activation)


class _Gate(nn.Module):
    """Squeeze and excitation; by a sigmoid, where MobileNetV3 has a hard one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _multiple_of_8(channels // 4)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        squeezed = functional.relu(self.fc1(functional.adaptive_avg_pool2d(inputs, 1)))
        return inputs * torch.sigmoid(self.fc2(squeezed))


class _Block(nn.Module):
    """An inverted residual: expand, filter each channel, gate, project; added to the input where sizes allow."""

    def __init__(self, n_in: int, shape: _Shape) -> None:
        super().__init__()
        n_expanded, self.n_out = _multiple_of_8(_WIDTH * shape.n_expanded), _multiple_of_8(_WIDTH * shape.n_out)
        self.is_residual = shape.stride == 1 and n_in == self.n_out
        self.block = nn.Sequential()
        if n_expanded != n_in:
            self.block.append(_convolution(n_in, n_expanded, 1, shape.activation()))
        self.block.append(
            _convolution(
                n_expanded, n_expanded, shape.kernel, shape.activation(), stride=shape.stride, groups=n_expanded
            )
        )
        if shape.is_gated:
            self.block.append(_Gate(n_expanded))
        self.block.append(_convolution(n_expanded, self.n_out, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = cast(Tensor, self.block(inputs))
        return outputs + inputs if self.is_residual else outputs


class EfficientAT(nn.Module):
    """Log-mels (n, 1, 128, frames), as `FrontEnd.to_input` makes them, -> logits (n, n_outputs).

    It has the methods by which timm's networks are explained and fine-tuned.
    """

    num_features: Final = 384

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        channels = _multiple_of_8(_WIDTH * _STEM_CHANNELS)
        self.features = nn.Sequential(_convolution(1, channels, 3, nn.Hardswish(), stride=2))
        for shape in _BLOCKS:
            block = _Block(channels, shape)
            self.features.append(block)
            channels = block.n_out
        self.features.append(_convolution(channels, self.num_features, 1, nn.Hardswish()))
        self.classifier = nn.Linear(self.num_features, n_outputs)

    def forward_features(self, inputs: Tensor) -> Tensor:
        """The last feature map (n, 384, rows, columns), the lowest frequencies in row 0."""
        return cast(Tensor, self.features(inputs))

    def forward_head(self, features: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Logits (n, n_outputs) of a feature map, or with `pre_logits` its mean over time and frequency (n, 384)."""
        pooled = features.mean((2, 3))
        return pooled if pre_logits else cast(Tensor, self.classifier(pooled))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (n, n_outputs) of log-mels (n, 1, 128, frames)."""
        return self.forward_head(self.forward_features(inputs))

    def group_matcher(self, *, coarse: bool = False) -> dict[str, Any]:
        """By which timm tells which parameters belong to which block; there is one way only, coarse or not."""
        del coarse
        return {"stem": r"^features\.0\.", "blocks": [(r"^features\.(\d+)\.", None), (r"^classifier\.", (99,))]}
